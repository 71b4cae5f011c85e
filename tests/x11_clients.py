"""Clients of a test's X server: what is injected through XTEST with known values, windows, grabs, and what a source has seen."""

from __future__ import annotations

import os
import select
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from evcodec import EventBatch
from evcodec.capture.model import InputEvents, Observation, Observed
from evcodec.capture.x11 import X11Source, wire
from evcodec.capture.x11.connection import Connection

DEADLINE_S = 30.0


class Client:
    """A connection that does to a server what other programs do."""

    def __init__(self, display: str) -> None:
        self.connection = Connection(display)
        self._xtest = self.extension("XTEST")

    def extension(self, name: str) -> int:
        """Return an extension's number."""
        found = self.connection.extension(name)
        assert found is not None, name
        return found.opcode

    def fake(self, kind: int, detail: int, x: int = 0, y: int = 0) -> None:
        """Inject an event: 2 and 3 key, 4 and 5 button, 6 motion (detail 1: relative)."""
        root = self.connection.root if kind == 6 and not detail else 0
        body = struct.pack("=BBHIIQhhII", kind, detail, 0, 0, root, 0, x, y, 0, 0)
        self.connection.send(wire.request(self._xtest, 2, body))

    def move(self, x: int, y: int) -> None:
        """Inject a position."""
        self.fake(6, 0, x, y)

    def move_by(self, dx: int, dy: int) -> None:
        """Inject a motion."""
        self.fake(6, 1, dx, dy)

    def button(self, number: int) -> None:
        """Press and release."""
        self.fake(4, number)
        self.fake(5, number)

    def key(self, *codes: int) -> None:
        """Press keys one after the other, by scancode, and release them in reverse."""
        for code in codes:
            self.fake(2, code + 8)
        for code in reversed(codes):
            self.fake(3, code + 8)

    def warp(self, x: int, y: int) -> None:
        """Put the pointer somewhere as applications do, without an event of a device."""
        self.send(wire.request(41, 0, struct.pack("=IIhhHHhh", 0, self.connection.root, 0, 0, 0, 0, x, y)))

    def send(self, *requests: bytes) -> None:
        """Send requests and wait until the server has dealt with them."""
        self.connection.send(*requests)
        self.settle()

    def settle(self) -> None:
        """Wait until the server has dealt with all that was sent."""
        assert self.connection.ask(wire.get_input_focus()) is not None

    def window(
        self, x: int, y: int, width: int, height: int, *, title: str, name: str, is_managed: bool = False
    ) -> int:
        """Show a window of our own: one that a manager would take, or one that none touches."""
        connection = self.connection
        window = connection.new_id()
        body = struct.pack(
            "=IIhhHHHHIII", window, connection.root, x, y, width, height, 0, 1, 0, 0x200, int(not is_managed)
        )
        connection.send(wire.request(1, 0, body))
        self.set_text(window, "WM_CLASS", f"{name.lower()}\0{name}\0")
        self.set_text(window, "WM_NAME", title)
        self.send(wire.request(8, 0, struct.pack("=I", window)))
        return window

    def set_text(self, window: int, name: str, text: str) -> None:
        """Set a property of type STRING."""
        data = text.encode("latin-1")
        head = struct.pack("=IIIB3xI", window, self.connection.atom(name), wire.ATOM_STRING, 8, len(data))
        self.send(wire.request(18, 0, head + data))

    def set_number(self, window: int, name: str, number: int) -> None:
        """Set a property of type CARDINAL."""
        head = struct.pack("=IIIB3xI", window, self.connection.atom(name), 6, 32, 1)
        self.send(wire.request(18, 0, head + struct.pack("=I", number)))

    def focus(self, window: int) -> None:
        """Give a window the keyboard focus."""
        self.send(wire.request(42, 1, struct.pack("=II", window, 0)))

    def destroy(self, window: int) -> None:
        """End a window."""
        self.send(wire.request(4, 0, struct.pack("=I", window)))

    def grab_keyboard(self, window: int | None = None) -> None:
        """Take the keyboard."""
        answer = self.connection.ask(wire.grab_keyboard(window or self.connection.root))
        assert answer is not None
        assert answer[1] == 0

    def ungrab_keyboard(self) -> None:
        """Give it back."""
        self.send(wire.ungrab_keyboard())

    def lock_group(self, group: int) -> None:
        """Choose one of the keyboard's layouts."""
        xkb = self.extension("XKEYBOARD")
        self.connection.ask(wire.xkb_use(xkb))
        body = struct.pack("=HBBBBBBHH", 0x100, 0, 0, 1, group, 0, 0, 0, 0)
        self.send(wire.request(xkb, 5, body))

    def close(self) -> None:
        """End the connection."""
        self.connection.close()


class Watcher:
    """Reads a source as a recorder would, and keeps what it has seen."""

    def __init__(self, source: X11Source) -> None:
        self.source = source
        self.seen: list[Observed] = []

    def read(self) -> None:
        """Read once."""
        self.seen += self.source.read(time.monotonic_ns())

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Read until something is so."""
        end = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < end, f"waited for {what}; seen: {[type(o).__name__ for o in self.seen]}"
            next_t = self.source.next_read_t()
            wait = 0.5 if next_t is None else max(0.0, (next_t - time.monotonic_ns()) / 1e9)
            select.select([self.source.fileno()], [], [], min(wait, 0.5))
            self.read()

    def events(self) -> EventBatch:
        """Return all events so far."""
        return EventBatch.concat(o.batch for o in self.seen if isinstance(o, InputEvents))

    def until_events(self, count: int) -> EventBatch:
        """Read until there are so many events, and return them."""
        self.until(lambda: len(self.events()) >= count, f"{count} events")
        return self.events()

    def of(self, kind: type[Observation]) -> list[Observation]:
        """Return the observations of a kind."""
        return [o for o in self.seen if isinstance(o, kind)]

    def until_last(
        self, kind: type[Observation], condition: Callable[[Observation], object], what: str
    ) -> Observation:
        """Read until the last observation of a kind is such a one, and return it."""
        self.until(lambda: (found := self.of(kind)) and condition(found[-1]), what)
        return self.of(kind)[-1]

    def clear(self) -> None:
        """Forget what was seen."""
        self.seen.clear()


@contextmanager
def authority(environ: dict[str, str]) -> Iterator[None]:
    """Let this process in where the programs of a desktop are."""
    old = os.environ.get("XAUTHORITY")
    os.environ["XAUTHORITY"] = environ["XAUTHORITY"]
    try:
        yield
    finally:
        if old is None:
            del os.environ["XAUTHORITY"]
        else:
            os.environ["XAUTHORITY"] = old

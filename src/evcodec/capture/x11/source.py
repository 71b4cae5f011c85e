"""An X11 session as a source of events and observations."""

from __future__ import annotations

import select
import struct
import time
from contextlib import suppress
from typing import Any

from ...errors import CaptureError, EvcodecError
from ..model import HotkeyPressed, Observed, Sense, SenseLost
from . import wire
from .connection import Connection, ServerLostError, why_blind
from .devices import Devices, devices_of
from .hotkey import Hotkey, parse
from .keyboard import Keyboard
from .repeats import Repeats
from .rows import Rows
from .session import Session
from .stream import Stream
from .windows import Windows

_HOLD_NS = 500_000_000  # how long rows wait for the server to say where the pointer is, which mostly takes no tenth of a ms
_REPEAT_NS = 20_000_000  # RECORD hands out what it holds when somebody asks the server something
_CLOCKS_APART_MS = 50


class X11Source:
    """Input, windows, pointer, keyboard grabs and displays of an X server, and a hotkey; a `Source`.

    Parameters
    ----------
    display : str, optional
        As in ``DISPLAY``, which it is by default.
    hotkey : str or None
        Modifiers (``ctrl``, ``alt``, ``shift``, ``super``) and a key, joined by ``+``; taken from all applications while the
        source is open. None: no hotkey.

    Raises
    ------
    MissingExtraError
        python-xlib is not installed.
    CaptureError
        No display, no access to it, XInput2 older than 2.2, a Wayland session, or another program holds the hotkey.
        The message says what to do.
    InvalidArgumentError
        The hotkey is none.

    Notes
    -----
    The first `read` gives `DeviceFound` for each device, then `DisplaysChanged`, `WindowFocused` and `PointerEntered`, and
    `KeyboardGrabbed` where the keyboard is held by someone. Columns of events: those of `INPUT_COLUMNS`, and ``x_sub``,
    ``y_sub``: ``x`` and ``y`` are whole pixels of the screen, ``x_sub`` and ``y_sub`` (uint8) what is left in 1/256 pixel, so
    that their differences are the accelerated motion; ``dx`` and ``dy`` of a MOVE are the raw motion in units of
    2**``motion_exponent``, a property of the source. ``dy`` of a SCROLL is positive upwards, ``dx`` to the right.
    Not for use by several threads.
    """

    name = "x11"

    def __init__(self, display: str | None = None, *, hotkey: str | None = "ctrl+alt+p") -> None:
        self._close_all: list[Any] = []
        self._lost: list[Observed] = []
        self._is_lost = False
        self._last_t = time.monotonic_ns()
        self._poll = select.epoll()
        self._close_all.append(self._poll)
        if hotkey is not None:
            parse(hotkey)
        try:
            self._open(display, hotkey)
        except ServerLostError as error:
            self.close()
            raise CaptureError(
                f"X11 display: {error}, allowed: a running server that answers; look whether it is still there"
            ) from None
        except BaseException:
            self.close()
            raise

    def _open(self, display: str | None, hotkey: str | None) -> None:
        asking = self._asking = Connection(display)
        self._close_all.append(asking)
        xinput, xkb = asking.extension("XInputExtension"), asking.extension("XKEYBOARD")
        if xinput is None or xkb is None:
            missing = "XInput2" if xinput is None else "XKB"
            raise CaptureError(
                f"X server: found none of {missing}, allowed: XInput2 from 2.2 on and XKB; use a newer server"
            )
        version = asking.ask(wire.xi_query_version(xinput.opcode))
        found = struct.unpack_from("=HH", version, 8) if version else (1, 0)
        if found < (2, 2):
            raise CaptureError(
                f"X server: found XInput {found[0]}.{found[1]}, allowed: 2.2 and later, since older ones are silent while a "
                "menu is open; use a newer server"
            )
        answer = asking.ask(wire.xi_query_device(xinput.opcode))
        blind = why_blind(asking, [device.name for device in devices_of(answer, asking)] if answer else [])
        if blind is not None:
            raise CaptureError(blind)
        asking.ask(wire.xkb_use(xkb.opcode))
        asking.ask(wire.xkb_detectable_repeat(xkb.opcode))
        keyboard = self._keyboard = Keyboard(asking, xkb.opcode)
        self._hotkey = Hotkey(asking, keyboard, hotkey) if hotkey is not None else None
        rows = self._rows = Rows(asking.size)
        is_monotonic = _is_monotonic(asking)
        core, modifiers, group = keyboard.state()
        rows.state[0] = (0, is_monotonic, modifiers, group, xinput.opcode, xkb.first_event, core, b"")
        devices = Devices(asking, xinput.opcode, rows.devices, is_monotonic)
        self._session = Session(asking, rows, devices, keyboard, Windows(asking), self._hotkey)
        self._is_monotonic = is_monotonic
        self._stream = Stream(asking.name, self._session, xinput, xkb)
        self._close_all.append(self._stream)
        self._repeats = Repeats(asking)
        self._close_all.append(self._repeats)
        self._session.begin(self._last_t, self._stream)
        self._down: dict[int, int] = {}
        self._sources: dict[int, int] = {}
        self._waits_since: int | None = None
        self._pinged_t = 0
        for source in (self._stream, self._asking, self._repeats):
            descriptor = source.fileno()
            if descriptor is not None:
                self._poll.register(descriptor, select.EPOLLIN)

    def fileno(self) -> int:
        """Return a descriptor that is readable when the server has sent something."""
        return self._poll.fileno()

    def next_read_t(self) -> int | None:
        """Return when to read even if nothing came: while a key is held, or an answer is awaited."""
        if self._is_lost:
            return self._last_t if self._lost else None
        if self._rows.count or self._session.notes:
            return self._last_t + _HOLD_NS  # should no answer come, which would be readable
        return self._pinged_t + _REPEAT_NS if self._down else None

    def layout_name(self, layout: int) -> str | None:
        """Return the name of a value of the column ``layout`` (``us``, ``de(nodeadkeys)``), or None where it is not known."""
        names = self._keyboard.names
        return names[layout] if 0 <= layout < len(names) else None

    def read(self, now_t: int) -> list[Observed]:
        """Return what the server has sent, in its order; a lost server is a `SenseLost`, once for each sense."""
        if not self._is_lost:
            try:
                found = self._read(now_t)
            except Exception as error:  # whatever it is: nothing may come out of here but what was observed
                self._lose(now_t, error)
            else:
                self._last_t = now_t
                return found
        found, self._lost = self._lost, []
        return found

    def _read(self, now_t: int) -> list[Observed]:
        rows, session = self._rows, self._session
        rows.state["now_t"] = now_t
        session.now_t = now_t
        first = rows.count
        ready = {descriptor for descriptor, _ in self._poll.poll(0)}
        if self._stream.fileno() in ready:
            self._stream.receive()
        if self._asking.fileno() in ready or self._asking.events:
            self._look_at_hotkey(now_t)
        wants_pings = bool(self._down) and now_t >= self._pinged_t + _REPEAT_NS
        if rows.unnamed_keys:
            self._note_keys(first)
        if self._stream.ask_if_needed(ping=wants_pings):
            self._pinged_t = now_t
        if self._down or self._repeats.fileno() in ready:
            self._insert_repeats(now_t)
        return self._give(now_t)

    def _look_at_hotkey(self, now_t: int) -> None:
        for event in self._asking.drain():
            if self._hotkey is not None and self._hotkey.is_pressed(event):
                self._session.note(HotkeyPressed(t=now_t))

    def _note_keys(self, first: int) -> None:
        """Remember which keys are down, and of which device."""
        for code, source, is_down in self._rows.keys(first):
            if is_down:
                self._down[code] = source
            else:
                self._down.pop(code, None)
            self._sources[code] = source

    def _insert_repeats(self, now_t: int) -> None:
        for repeat in self._repeats.read():
            code = repeat.keycode - 8
            t = self._time_of(repeat.ms, now_t)
            place = self._rows.insert_repeat(
                t, repeat.ms, code, repeat.modifiers, repeat.layout, self._keyboard
            )
            if place >= 0:
                self._rows.set_source(place, self._sources.get(code, 0))
                self._session.shift_notes(place)

    def _time_of(self, ms: int, now_t: int) -> int:
        if not self._is_monotonic:
            return now_t
        now_ms = now_t // 1_000_000
        return (now_ms + ((ms - now_ms + (1 << 31)) % (1 << 32) - (1 << 31))) * 1_000_000

    def _give(self, now_t: int) -> list[Observed]:
        """Return what needs not wait any more: rows whose positions are known, and what was noted among them."""
        rows, session = self._rows, self._session
        if rows.count > rows.placed:
            if self._waits_since is None or rows.placed:  # an answer came, and the next is under way
                self._waits_since = now_t
            elif now_t - self._waits_since > _HOLD_NS:
                rows.place(rows.count, None)  # the server is busy: as far as it can be told without it
                self._waits_since = None
        if rows.count == rows.placed:
            self._waits_since = None
        session.name_keys()
        session.reload()
        return session.give()

    def _lose(self, now_t: int, error: Exception) -> None:
        """Give what was read, then say once that nothing can be observed any more."""
        self._is_lost = True
        if isinstance(error, CaptureError):
            why = str(error)
        elif isinstance(error, ServerLostError):
            why = f"the X server is lost: {error}"
        elif isinstance(error, EvcodecError | struct.error | IndexError):
            why = "the X server sent what none should send"
        else:
            why = f"a fault of evcodec ({type(error).__name__}); please report it"
        with suppress(Exception):
            self._stream.salvage()
        with suppress(Exception):
            self._rows.place(self._rows.count, None)
            self._rows.name_keys(self._keyboard)
            self._lost = self._session.give()
        for sense in (Sense.INPUT, Sense.WINDOWS):
            self._lost.append(SenseLost(t=now_t, sense=sense, since_t=self._last_t, why=why))
        for part in self._close_all[1:]:
            part.close()
        self._close_all = self._close_all[:1]

    def close(self) -> None:
        """Give back the hotkey and the connections; a second call does nothing."""
        while self._close_all:
            self._close_all.pop().close()


def _is_monotonic(connection: Connection) -> bool:
    """Return whether the server counts its milliseconds as CLOCK_MONOTONIC does: not where it runs on another machine."""
    window = connection.new_id()
    connection.send(wire.create_window(window, connection.root, wire.PROPERTY_CHANGE))
    name = connection.atom("EVCODEC_TIME")
    before = time.monotonic_ns() // 1_000_000
    connection.send(wire.change_property(window, name))
    connection.ask(wire.get_input_focus())
    after = time.monotonic_ns() // 1_000_000
    found = False
    for event in list(connection.events):
        if event[0] == wire.PROPERTY and struct.unpack_from("=I", event, 4)[0] == window:
            (ms,) = struct.unpack_from("=I", event, 12)
            found = (ms - before + _CLOCKS_APART_MS) % (1 << 32) <= after - before + 2 * _CLOCKS_APART_MS
            connection.events.remove(event)
    return found

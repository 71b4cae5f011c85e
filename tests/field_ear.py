"""Reads the source of fields as the recorder's loop does, so that tests can wait for what it says."""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from desktop import Desktop
from evcodec import EventBatch, EventKind
from evcodec.capture.fields import AccessibilityFields
from evcodec.capture.model import (
    ElementAct,
    ElementActed,
    FieldConfirmed,
    FieldFocused,
    InputEvents,
    Observation,
    Secrecy,
    SenseLost,
)

T = TypeVar("T")


class Ear:
    """A source of fields on a desktop, and all it has said."""

    def __init__(self, desktop: Desktop, address: str | None = None) -> None:
        self.desktop = desktop
        self.source = AccessibilityFields(address or desktop.environ["DBUS_SESSION_BUS_ADDRESS"])
        self.heard: list[Any] = []
        self._poll = select.poll()
        self._poll.register(self.source.fileno(), select.POLLIN)

    def __enter__(self) -> Ear:
        return self

    def __exit__(self, *_: object) -> None:
        self.source.close()

    def pump(self, ms: float = 20) -> list[Observation]:
        """Wait for something to read, at most so long, and read it."""
        next_t = self.source.next_read_t()
        if next_t is not None:
            ms = max(0.0, min(ms, (next_t - time.monotonic_ns()) / 1e6))
        self._poll.poll(ms)
        said = self.source.read(time.monotonic_ns())
        self.heard += said
        return said

    def until(self, condition: Callable[[], T | None], what: str, deadline_s: float = 20) -> T:
        """Read until ``condition`` is true, and return what it returned."""
        end = time.monotonic() + deadline_s
        while not (result := condition()):
            # Not what was said: it holds names.
            assert time.monotonic() < end, f"waited {deadline_s} s for {what}; heard {len(self.heard)}"
            self.pump()
        return result

    def settle(self, ms: float = 400) -> None:
        """Read for a while, so that what must not be said would have been."""
        end = time.monotonic() + ms / 1e3
        while time.monotonic() < end:
            self.pump()

    def forget(self) -> None:
        """Read what waits, and forget it."""
        self.settle(50)
        self.heard.clear()

    @property
    def field(self) -> Any:
        """The last field that was said to have the focus."""
        return next((o.field for o in reversed(self.heard) if isinstance(o, FieldFocused)), None)

    def all(self, kind: type[T]) -> list[T]:
        """Return all observations of a kind."""
        return [o for o in self.heard if isinstance(o, kind)]

    def known(self, role: str, secrecy: Secrecy, pid: int | None = None) -> Any:
        """Wait for the focus on such a field, told in full."""

        def found() -> Any:
            field = self.field
            fits = field is not None and field.role == role and field.secrecy is secrecy
            return field if fits and field.pid and pid in (None, field.pid) else None

        return self.until(found, f"the focus on a {role} that is {secrecy.value}")

    def acted(self, act: ElementAct, name: str | None = None, value: str | None = None) -> ElementActed:
        """Wait for such an act."""

        def found() -> ElementActed | None:
            return next(
                (a for a in self.acts() if a.act is act and a.name == name and a.value == value), None
            )

        return self.until(found, f"{act.value} of {name} {value}")

    def acts(self) -> list[ElementActed]:
        """Return all acts."""
        return self.all(ElementActed)

    def confirm(self, field_id: str) -> FieldConfirmed:
        """Ask about a field and wait for the answer."""
        asked_t = time.monotonic_ns()
        self.source.confirm(field_id, asked_t)
        return self.until(
            lambda: next((c for c in self.all(FieldConfirmed) if c.asked_t == asked_t), None), "an answer"
        )

    def lost(self) -> SenseLost:
        """Wait until the sense is said to be lost."""
        return self.until(lambda: next(iter(self.all(SenseLost)), None), "SenseLost")

    # ---- hands: what they do is told to the source, as the recorder's loop does

    def key(self, *names: str) -> None:
        """Press keys, one after the other."""
        keysyms = {"Return": 0xFF0D, "Escape": 0xFF1B, "space": 0x20}
        for name in names:
            self.note(EventKind.KEY_DOWN, keysym=keysyms.get(name, 0xFFFF))
            self.desktop.key(name)
            self.settle(30)

    def click(self, x: int, y: int, button: int = 1) -> None:
        """Click there."""
        self.desktop.xdotool("mousemove", x, y, "mousedown", button)
        self.note(EventKind.BUTTON_UP, x=x, y=y, code=button)
        self.desktop.xdotool("mouseup", button)
        self.settle(30)

    def note(self, kind: EventKind, **columns: int) -> None:
        """Tell the source of one event."""
        row = {"x": 0, "y": 0, "code": 0, "keysym": 0} | columns
        batch = EventBatch(
            t=np.array([time.monotonic_ns()]),
            kind=np.array([kind], dtype=np.uint8),
            **{name: np.array([value]) for name, value in row.items()},
        )
        self.source.note_input(InputEvents(batch=batch))

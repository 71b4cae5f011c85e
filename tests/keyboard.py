"""A made-up keyboard and, apart from it, a made-up text field: what is typed as events of a stream, and what must come of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from evcodec import EventBatch, Writer
from evcodec.schema import EventKind

SHIFT, BACKSPACE, DELETE, LEFT, RIGHT, HOME, END, CONTROL = (
    0xFFE1,
    0xFF08,
    0xFFFF,
    0xFF51,
    0xFF53,
    0xFF50,
    0xFF57,
    0xFFE3,
)
NAMED = {"<": BACKSPACE, ">": DELETE, "L": LEFT, "R": RIGHT, "H": HOME, "E": END}
STEP = 7_000_000


@dataclass
class Keyboard:
    """Makes rows of events; each has a number of its own in the column ``serial``."""

    t: int = 1_000_000_000
    rows: list[dict[str, int]] = field(default_factory=list)
    held: list[tuple[int, int, int]] = field(default_factory=list)

    def event(self, kind: int, **columns: int) -> None:
        self.t += STEP
        self.rows.append(
            {"t": self.t, "os_time": self.t, "kind": kind, "serial": len(self.rows) + 1, **columns}
        )

    def press(
        self, keysym: int, code: int, times: int = 1, modifiers: int = 0, late_up: bool = False
    ) -> None:
        """Press a key; it repeats, and with ``late_up`` comes up when the next is down."""
        waiting, self.held = self.held, []
        known = {"code": code, "keysym": keysym, "modifiers": modifiers}
        self.event(EventKind.KEY_DOWN, **known)
        for _ in range(times - 1):
            self.event(EventKind.KEY_REPEAT, **known)
        for late_keysym, late_code, state in waiting:
            self.event(EventKind.KEY_UP, code=late_code, keysym=late_keysym, modifiers=state)
        if late_up:
            self.held.append((keysym, code, modifiers))
        else:
            self.event(EventKind.KEY_UP, **known)

    def release(self) -> None:
        for keysym, code, state in self.held:
            self.event(EventKind.KEY_UP, code=code, keysym=keysym, modifiers=state)
        self.held.clear()

    def type(self, text: str, late_up: bool = False) -> None:
        """Type text; capitals with shift."""
        for character in text:
            keysym = ord(character) if ord(character) < 0x100 else 0x01000000 + ord(character)
            code = 200 + ord(character.lower()[0]) % 1_000
            if character.isupper():
                self.release()
                self.event(EventKind.KEY_DOWN, code=42, keysym=SHIFT)
                self.press(keysym, code, modifiers=1)
                self.event(EventKind.KEY_UP, code=42, keysym=SHIFT, modifiers=1)
            else:
                self.press(keysym, code, late_up=late_up)
        self.release()

    def named(self, name: str, times: int = 1) -> None:
        """Press a key of `NAMED`."""
        self.press(NAMED[name], 10 + list(NAMED).index(name), times)

    def context(self, index: int) -> None:
        self.event(EventKind.CONTEXT, code=index)

    def move(self) -> None:
        self.event(EventKind.MOVE, x=self.t // STEP % 900, y=5)

    def batch(self) -> EventBatch:
        names = sorted({"t", "kind", *(name for row in self.rows for name in row)})
        dtypes = {"kind": np.uint8}
        columns = {name: [row.get(name, 0) for row in self.rows] for name in names}
        return EventBatch(
            **{name: np.array(values, dtypes.get(name, np.int64)) for name, values in columns.items()}
        )

    def write(
        self, path: Path, contexts: Sequence[tuple[str, Any]] = (), block_events: int | None = None
    ) -> Path:
        """Write a recording of the events so far, and return its path."""
        sizes = {} if block_events is None else {"block_events": block_events}
        with Writer(path, **sizes) as writer:
            for context in contexts:
                writer.context(*context)
            writer.write(self.batch())
        return path


def edited(script: list[tuple[str, str]]) -> str:
    """Return what stands in a text field after a script of ("type", text) and ("key", name): the simplest model there is."""
    left, right = "", ""
    for what, value in script:
        if what == "type":
            left += value
        elif value == "<":
            left = left[:-1]
        elif value == ">":
            right = right[1:]
        elif value == "L" and left:
            left, right = left[:-1], left[-1] + right
        elif value == "R" and right:
            left, right = left + right[0], right[1:]
        elif value == "H":
            left, right = "", left + right
        elif value == "E":
            left, right = left + right, ""
    return left + right


def play(script: list[tuple[str, str]], keyboard: Keyboard | None = None, late_up: bool = False) -> Keyboard:
    """Type a script."""
    keyboard = keyboard or Keyboard()
    for what, value in script:
        if what == "type":
            keyboard.type(value, late_up)
        else:
            keyboard.named(value)
    return keyboard

"""What keys did, event by event: the columns of a stream as plain values, in order. No I/O.

What a key means is its ``keysym`` where there is one, which knows the layout and the modifiers of its moment. Else it is
told from ``vk`` (Windows), from a context ``key`` that ``code`` refers to (names), or from ``scancode``, ``ev_code`` or
``code`` (Linux), as if the keyboard were a US one; `Strokes.assumed` says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np

from ..keysyms import key_class_of
from ..schema import EventKind, KeyClass
from . import layouts
from .layouts import ALT, ALTGR, CAPS, CONTROL, SHIFT, SUPER

KEY_KINDS = (EventKind.KEY_DOWN, EventKind.KEY_UP, EventKind.KEY_REPEAT)
COLUMNS = ("t", "kind", "code", "scancode", "ev_code", "vk", "keysym", "modifiers", "key_class")
# Bits of X11's modifier state.
_X_CONTROL, _X_ALT, _X_SUPER = 0x4, 0x8, 0x40
_LEFT_AND_RIGHT = {
    0xFFE2: SHIFT,
    0xFFE4: CONTROL,
    0xFFEA: ALT,
    0xFFEC: SUPER,
    0xFFE7: ALT,
    0xFFE8: ALT,
    0xFF7E: ALTGR,
    0xFE11: ALTGR,
}


class Act(Enum):
    """What happened, as far as typing goes."""

    DOWN = "down"
    UP = "up"
    REPEAT = "repeat"
    CLICK = "click"
    """A button: the cursor may be anywhere now."""
    MOVED = "moved"
    """Another application, window or element has the focus."""


@dataclass(slots=True)
class Stroke:
    """One event. ``event`` is its number in the stream; ``key`` the same for the down and the up of a key."""

    event: int
    t: int
    act: Act
    key: int = 0
    keysym: int = 0
    key_class: int = 0
    is_command: bool = False
    """Control, alt or super was down with it."""
    is_shifted: bool = False


@dataclass
class Strokes:
    """Collects the strokes of one stream, batch by batch.

    Parameters
    ----------
    contexts : mapping of int to (type, value)
        The contexts of the stream by index.
    """

    contexts: Mapping[int, tuple[str, Any]]
    found: list[Stroke] = field(default_factory=list)
    assumed: set[str] = field(default_factory=set)
    full: int = 0
    """Keys that went down with their identity, and others, of which there is a class at most."""
    classed: int = 0
    _held: set[int] = field(default_factory=set)
    _caps: bool = False
    _focus: dict[str, Any] = field(default_factory=dict)

    def add(self, columns: Mapping[str, np.ndarray], first: int) -> None:
        """Add the events of a block; ``first`` is the number of its first event."""
        kinds = columns["kind"]
        wanted = np.flatnonzero(
            np.isin(kinds, (*KEY_KINDS, EventKind.BUTTON_DOWN, EventKind.CONTEXT)).astype(bool)
        )
        if not len(wanted):
            return
        rows = {name: columns[name][wanted].tolist() for name in COLUMNS if name in columns}
        has_modifiers = "modifiers" in columns
        empty = [0] * len(wanted)
        for at, place in enumerate(wanted.tolist()):
            row = {name: values[at] for name, values in rows.items()}
            self._add(first + place, rows.get("t", empty)[at], row, has_modifiers)

    def _add(self, event: int, t: int, row: dict[str, int], has_modifiers: bool) -> None:
        kind = row["kind"]
        if kind == EventKind.BUTTON_DOWN:
            self.found.append(Stroke(event, t, Act.CLICK))
        elif kind == EventKind.CONTEXT:
            if self._moves(row.get("code", 0)):
                self.found.append(Stroke(event, t, Act.MOVED))
        else:
            self._key(event, t, row, has_modifiers)

    def _moves(self, index: int) -> bool:
        """Tell whether a context means that typing goes on elsewhere; a window's new title does not."""
        context_type, value = self.contexts.get(index, ("", None))
        if context_type not in ("application", "window", "element"):
            return False
        if context_type == "window" and isinstance(value, Mapping) and "id" in value:
            value = value["id"]
        elif isinstance(value, Mapping):
            # A field that grows, or whose window has a new title, is the same one.
            value = {
                name: item for name, item in value.items() if name not in ("application", "window", "bounds")
            }
        moved = bool(self._focus.get(context_type, self) != value)
        self._focus[context_type] = value
        return moved

    def _key(self, event: int, t: int, row: dict[str, int], has_modifiers: bool) -> None:
        kind = row["kind"]
        key, keysym = self._meaning(row)
        act = {EventKind.KEY_DOWN: Act.DOWN, EventKind.KEY_UP: Act.UP}.get(EventKind(kind), Act.REPEAT)
        meant = _LEFT_AND_RIGHT.get(keysym, keysym)
        held, state = self._held, row.get("modifiers", 0)
        if has_modifiers:
            is_command = bool(state & (_X_CONTROL | _X_ALT | _X_SUPER))
        else:
            # Windows sends control with AltGr, which types.
            is_command = ALTGR not in held and bool(held & {CONTROL, ALT, SUPER})
        is_shifted = bool(state & 1) if has_modifiers else SHIFT in held
        key_class = row.get("key_class", 0) or (key_class_of(keysym) if keysym else 0)
        self.found.append(Stroke(event, t, act, key, keysym, key_class, is_command, is_shifted))
        if act is Act.DOWN:
            self.full += bool(keysym)
            self.classed += not keysym
        if key_class == KeyClass.MODIFIER:
            if meant == CAPS:
                self._caps ^= act is Act.DOWN
            elif act is Act.UP:
                held.discard(meant)
            else:
                held.add(meant)

    def _meaning(self, row: dict[str, int]) -> tuple[int, int]:
        """Return a number for the key and its keysym, 0 where its identity is not there."""
        code, keysym = row.get("code", 0), row.get("keysym", 0)
        shift, caps = SHIFT in self._held, self._caps
        number = row.get("scancode", 0) or code
        if keysym:
            return number or keysym, keysym
        if vk := row.get("vk", 0):
            self.assumed.add("us-layout")
            return vk, layouts.of_virtual_key(vk, shift, caps)
        if self.contexts.get(code, ("", None))[0] == "key":
            name = self.contexts[code][1]
            found = layouts.of_name(name) if isinstance(name, str) else 0
            return code, found
        number = row.get("ev_code", 0) or number
        if not number:
            return 0, 0
        self.assumed.add("us-layout")
        return number, layouts.of_linux(number, shift, caps)

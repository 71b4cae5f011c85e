"""Rows of events between the server's bytes and the gate: read, put in place, given away, wiped."""

from __future__ import annotations

import numpy as np

from ... import _x11
from ...batch import EventBatch
from ...schema import STANDARD_COLUMNS, EventFlag, EventKind
from ..model import INPUT_COLUMNS
from . import wire
from .keyboard import Keyboard

ROOM = 1 << 16
_COLUMNS = (*INPUT_COLUMNS, "x_sub", "y_sub")
assert all(wire.ROW[name] == STANDARD_COLUMNS[name].dtype for name in INPUT_COLUMNS)
_PIXEL = 1 << 32
# Enumerations are slow to ask, and this is asked a hundred times a second.
_MOVE, _KEY_DOWN, _KEY_UP = int(EventKind.MOVE), int(EventKind.KEY_DOWN), int(EventKind.KEY_UP)
_INJECTED, _ABSOLUTE = np.uint16(EventFlag.INJECTED), np.uint16(EventFlag.ABSOLUTE)


class Rows:
    """Rows that wait to be given away.

    Attributes
    ----------
    count : int
        How many rows there are; their positions are known as far as `placed`, the meaning of their keys as far as `named`.
    at : (int, int)
        The pointer's position behind the last row that was placed, in 2^-32 pixel.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._rows = np.zeros(ROOM, wire.ROW)
        self._devices = np.zeros(_x11.DEVICES, wire.DEVICE)
        self._state = np.zeros(1, wire.STATE)
        self._parser = _x11.Parser(
            self._state.view(np.uint8), self._devices.view(np.uint8), self._rows.view(np.uint8).reshape(-1)
        )
        self.size = size
        self.count = 0
        self.placed = 0
        self.named = 0
        self.at = (0, 0)
        self._is_injected_absolute = False

    @property
    def unnamed_keys(self) -> int:
        """Return how many keys there are whose meaning is not known."""
        return self._parser.keys

    @property
    def devices(self) -> np.ndarray:
        """Return the table of devices, to be filled in."""
        return self._devices

    @property
    def state(self) -> np.ndarray:
        """Return the state that rows are made with, shape (1,)."""
        return self._state

    def parse(self, data: bytearray, start: int, stop: int) -> tuple[int, int, int]:
        """Read packets; return how many bytes were dealt with, why it stopped, and the length of what stands there."""
        taken, made, why, length = self._parser.read(data, start, stop, self.count)
        self.count += made
        return taken, why, length

    def span_ns(self, first: int, stop: int) -> int:
        """Return the time between the first and the last of some rows."""
        return int(self._rows["t"][stop - 1] - self._rows["t"][first]) if stop > first else 0

    def place(self, stop: int, anchor: tuple[int, int] | None) -> None:
        """Give positions to the rows before ``stop``, where the pointer was at ``anchor`` behind the last of them.

        Warps move the pointer without an event, so what motions do not explain is taken to have happened before them. What is
        injected through XTEST may be a motion or a position, and does not tell which: the one that explains the anchor.
        """
        first, start = self.placed, self.at
        self.placed = stop
        if stop == first:
            self.at = anchor or start
            return
        if anchor is None:
            self.at = self._put(first, stop, start, injected_absolute=self._is_injected_absolute)
            return
        end = self._put(first, stop, start, injected_absolute=False)
        if not _is_near(end, anchor):
            rows = self._rows[first:stop]
            injected = (rows["kind"] == _MOVE) & (rows["flags"] & _INJECTED != 0)
            if injected.any():
                end = self._put(first, stop, start, injected_absolute=True)
                self._is_injected_absolute = _is_near(end, anchor)
                if self._is_injected_absolute:
                    rows["flags"][injected] |= _ABSOLUTE
                    rows["dx"][injected] = rows["dy"][injected] = 0
            if not _is_near(end, anchor):
                end = self._put(first, stop, start, injected_absolute=False)
                self._put(
                    first,
                    stop,
                    (start[0] + anchor[0] - end[0], start[1] + anchor[1] - end[1]),
                    injected_absolute=False,
                )
        self.at = anchor

    def _put(self, first: int, stop: int, at: tuple[int, int], *, injected_absolute: bool) -> tuple[int, int]:
        return self._parser.place(first, stop, *at, *self.size, injected_absolute)

    def name_keys(self, keyboard: Keyboard) -> None:
        """Say what the keys of the rows mean, under the map as it is now."""
        first, self.named = self.named, self.count
        if not self._parser.keys:
            return
        self._parser.keys = 0
        kinds = self._rows["kind"][first : self.count]
        for place in np.flatnonzero((kinds == _KEY_DOWN) | (kinds == _KEY_UP)):
            row = self._rows[first + place]
            row["keysym"], row["key_class"] = keyboard.meaning(
                int(row["code"]) + 8, int(row["modifiers"]), int(row["layout"])
            )

    def insert_repeat(
        self, t: int, os_time: int, code: int, modifiers: int, layout: int, keyboard: Keyboard
    ) -> int:
        """Add a repeat of a key by its time; return its place, or -1 where there is no room."""
        if self.count == ROOM:
            return -1
        place = int(np.searchsorted(self._rows["t"][: self.count], t, side="right"))
        self._rows[place + 1 : self.count + 1] = self._rows[place : self.count].copy()
        self._rows[place] = np.zeros((), wire.ROW)
        row = self._rows[place]
        row["t"], row["os_time"], row["kind"], row["code"] = t, os_time, EventKind.KEY_REPEAT, code
        row["modifiers"], row["layout"] = modifiers, layout
        row["keysym"], row["key_class"] = keyboard.meaning(code + 8, modifiers, layout)
        near = self._rows[place - 1] if place else None
        x, y = (self.at[0] // _PIXEL, self.at[1] // _PIXEL) if near is None else (near["x"], near["y"])
        row["x"], row["y"] = x, y
        self.count += 1
        self.placed += place <= self.placed
        self.named += place <= self.named
        return place

    def set_source(self, place: int, source: int) -> None:
        """Say which device a row is of."""
        self._rows["source"][place] = source

    def keys(self, first: int) -> list[tuple[int, int, bool]]:
        """Return (code, source, whether it goes down) of keys in rows from one on."""
        rows = self._rows[first : self.count]
        kinds = rows["kind"]
        found = rows[(kinds == _KEY_DOWN) | (kinds == _KEY_UP)]
        return [(int(row["code"]), int(row["source"]), bool(row["kind"] == _KEY_DOWN)) for row in found]

    def batch(self, first: int, stop: int) -> EventBatch:
        """Return rows as a batch of arrays of its own."""
        rows = self._rows[first:stop]
        return EventBatch._from_arrays({name: rows[name].copy() for name in _COLUMNS}, stop - first)

    def drop(self, stop: int) -> None:
        """Forget the rows before ``stop``, and wipe what they held."""
        left = self.count - stop
        if left:
            self._rows[:left] = self._rows[stop : self.count].copy()
        self._rows[left : self.count].view(np.uint8)[:] = 0
        self.count = left
        self.placed, self.named = max(self.placed - stop, 0), max(self.named - stop, 0)


def _is_near(found: tuple[int, int], wanted: tuple[int, int]) -> bool:
    return abs(found[0] - wanted[0]) <= _PIXEL and abs(found[1] - wanted[1]) <= _PIXEL

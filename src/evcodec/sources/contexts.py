"""Indices of contexts and payloads that an importer defines, and names of buttons."""

from __future__ import annotations

import json
from typing import Any

from ..entries import Context, Entry, Payload

# Codes from here on are BUTTON_BASE + the index of a context of type "button".
BUTTON_BASE = 1000
BUTTON_CODES = {"left": 1, "right": 2, "middle": 3, "x1": 4, "x2": 5}

# Values that differ each time (window titles with a clock) must not grow the table for ever.
MAX_REMEMBERED = 16_384
# Entries that wait for their batch, and the bytes of text in them.
MAX_PENDING = 4096
MAX_PENDING_BYTES = 8 << 20


class Definitions:
    """Numbers contexts and payloads in the order of their appearance; equal values get the same index."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], int] = {}
        self._contexts = 0
        self._payloads = 0
        self._new: list[Entry] = []
        self._size = 0

    def context(self, context_type: str, value: Any) -> int:
        """Return the index of a context, defining it when it is new."""
        key = context_type, json.dumps(value)
        index = self._known.get(key)
        if index is None:
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            self._contexts += 1
            index = self._known[key] = self._contexts
            self._new.append(Context(index=index, context_type=context_type, value=value))
            self._size += len(key[1])
        return index

    def button(self, name: str) -> int:
        """Return the code of a button: 1 left, 2 right, 3 middle, 4 x1, 5 x2, others from 1001 on."""
        return BUTTON_CODES.get(name) or BUTTON_BASE + self.context("button", name)

    def payload(self, payload_type: str, data: Any, t: int) -> int:
        """Define a payload and return its index."""
        self._payloads += 1
        self._new.append(Payload(index=self._payloads, t=t, payload_type=payload_type, data=data))
        parts = data.values() if isinstance(data, dict) else [data]
        self._size += sum(len(part) for part in parts if isinstance(part, (str, bytes)))
        return self._payloads

    def add(self, entry: Entry) -> None:
        """Queue any other entry, to keep its place among the definitions."""
        self._new.append(entry)

    def take(self) -> list[Entry]:
        """Return what was defined since the last call: it goes out before the events that refer to it."""
        new, self._new, self._size = self._new, [], 0
        return new

    @property
    def heavy(self) -> bool:
        """Whether what was defined and not yet taken should go out soon."""
        return len(self._new) >= MAX_PENDING or self._size >= MAX_PENDING_BYTES

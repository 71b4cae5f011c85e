"""What events and columns mean: kinds, flags, standard columns. No I/O and no encoding."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum, IntFlag
from typing import NamedTuple

import numpy as np


class EventKind(IntEnum):
    """Kind of an event, the value of the ``kind`` column."""

    MOVE = 0
    BUTTON_DOWN = 1
    BUTTON_UP = 2
    SCROLL = 3
    KEY_DOWN = 4
    KEY_UP = 5
    CONTEXT = 6
    OTHER = 7
    KEY_REPEAT = 8
    MENU_OPEN = 9
    ITEM_HOVER = 10
    ITEM_SELECT = 11
    VALUE_COMMIT = 12


class EventFlag(IntFlag):
    """Bits of the ``flags`` column."""

    ABSOLUTE = 1
    RELATIVE_ONLY = 2
    INJECTED = 4
    EMULATED = 8


class ScrollSource(IntEnum):
    """Value of the ``scroll_source`` column."""

    UNKNOWN = 0
    WHEEL = 1
    FINGER = 2
    CONTINUOUS = 3


class KeyClass(IntEnum):
    """Value of the ``key_class`` column: what may be kept of a key when its identity is dropped."""

    UNKNOWN = 0
    LETTER = 1
    DIGIT = 2
    PUNCTUATION = 3
    EDITING = 4
    NAVIGATION = 5
    MODIFIER = 6
    FUNCTION = 7


class ColumnGroup(IntEnum):
    """Unit of encryption and of omission; values from 3 to 255 are the user's."""

    POINTER = 0
    KEYS = 1
    CONTEXT = 2


class StandardColumn(NamedTuple):
    """A column that has a number in the format."""

    id: int
    name: str
    dtype: np.dtype
    group: ColumnGroup


_POINTER, _KEYS, _CONTEXT = ColumnGroup

# Ids, dtypes and groups are those of docs/format.md, section 5.1.
STANDARD_COLUMNS: dict[str, StandardColumn] = {
    name: StandardColumn(id_, name, np.dtype(dtype), group)
    for id_, name, dtype, group in (
        (1, "t", "int64", _POINTER),
        (2, "kind", "uint8", _POINTER),
        (3, "x", "int32", _POINTER),
        (4, "y", "int32", _POINTER),
        (5, "code", "int32", _KEYS),
        (6, "dx", "int32", _POINTER),
        (7, "dy", "int32", _POINTER),
        (8, "source", "uint16", _POINTER),
        (9, "seq", "uint32", _POINTER),
        (10, "os_time", "int64", _POINTER),
        (11, "flags", "uint16", _POINTER),
        (12, "display", "uint16", _POINTER),
        (13, "scroll_source", "uint8", _POINTER),
        (14, "scancode", "uint32", _KEYS),
        (15, "vk", "uint32", _KEYS),
        (16, "keysym", "uint32", _KEYS),
        (17, "modifiers", "uint32", _KEYS),
        (18, "layout", "uint16", _KEYS),
        (19, "key_class", "uint8", _KEYS),
        (20, "context", "uint32", _CONTEXT),
        (21, "payload", "uint32", _CONTEXT),
    )
}

# Dtype codes of the format are positions in this tuple.
INTEGER_DTYPES: tuple[np.dtype, ...] = tuple(
    np.dtype(name) for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
)


class _Orders(dict[str, int]):
    """Numbers by name, and one behind them for any other name."""

    def __missing__(self, name: str) -> int:
        return len(STANDARD_COLUMNS) + 1


_ORDERS = _Orders((name, column.id) for name, column in STANDARD_COLUMNS.items())


def in_column_order(names: Iterable[str]) -> list[str]:
    """Return names of columns by their number; named ones stay as they stand, behind them."""
    return sorted(names, key=_ORDERS.__getitem__)


def kind_name(kind: int) -> str:
    """Return a kind's lower-case name, or its number where the format names none."""
    try:
        return EventKind(kind).name.lower()
    except ValueError:
        return f"kind {kind}"


def common_dtype(dtypes: set[np.dtype]) -> np.dtype | None:
    """Return the smallest integer dtype that holds every value of all ``dtypes``, or None if none does."""
    found = np.result_type(*dtypes)
    return found if found.kind in "iu" else None

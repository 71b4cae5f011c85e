"""Which events of which blocks were asked for, and putting them together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ._codec import find_kinds
from .batch import EventBatch
from .block import Block
from .errors import InvalidArgumentError
from .index import kind_bits
from .schema import STANDARD_COLUMNS, ColumnGroup, common_dtype


class Filter(NamedTuple):
    """What of the events was asked for."""

    columns: tuple[str, ...] | None
    kinds: frozenset[int] | None
    start: int | None
    stop: int | None
    blocks: range | None = None

    def may_match(self, kinds: int, t_min: int, t_max: int) -> bool:
        """Tell whether a block with these kinds (as bits) and this range of time may hold what was asked
        for.
        """
        if self.kinds is not None and not any(kinds >> min(kind, 63) & 1 for kind in self.kinds):
            return False
        return (self.start is None or t_max >= self.start) and (self.stop is None or t_min < self.stop)

    def passes_whole(self, block: Block) -> bool:
        """Tell whether every event of the block was asked for."""
        if self.kinds is not None and not self.kinds.issuperset(block.kinds):
            return False
        return self.spans(block.t_min, block.t_max)

    def spans(self, t_min: int, t_max: int) -> bool:
        """Tell whether this whole range of time was asked for."""
        return (self.start is None or t_min >= self.start) and (self.stop is None or t_max < self.stop)

    def selected(self, block: Block) -> bytes | None:
        """Return 1 for each of the 256 kinds that was asked for, else 0; None where all of the block's were."""
        if self.kinds is None or self.kinds.issuperset(block.kinds):
            return None
        selected = bytearray(256)
        for kind in self.kinds:
            selected[kind] = 1
        return bytes(selected)

    def rows(self, block: Block, selected: bytes | None) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return the numbers of the events that were asked for, ascending, and the columns that tell."""
        if ColumnGroup.POINTER in block.encrypted_groups and block.keys is not None:
            raise block.keys.missing("kinds and times", (ColumnGroup.POINTER,))
        rows: np.ndarray | None = None
        arrays: dict[str, np.ndarray] = {}
        if selected is not None:
            arrays = block.decode(("kind",))
            room = np.empty(1 + sum(n for kind, n in block.kinds.items() if selected[kind]), np.int64)
            rows = room[: find_kinds(arrays["kind"], selected, room)]
        if not self.spans(block.t_min, block.t_max):
            arrays |= block.decode(("t",))
            t = arrays["t"] if rows is None else arrays["t"][rows]
            low = self.start is not None and block.t_min < self.start
            high = self.stop is not None and block.t_max >= self.stop
            inside = t >= self.start if low else t < self.stop
            if low and high:
                inside &= t < self.stop
            rows = np.flatnonzero(inside) if rows is None else rows[inside]
        assert rows is not None  # else the whole block was asked for
        return rows, arrays

    def columns_of(self, block: Block) -> list[str]:
        """Return the columns of a block that were asked for; raise MissingKeyError for what is encrypted."""
        block.check_available(self.columns)
        return [name for name in block.dtypes if self.columns is None or name in self.columns]


def make_filter(
    columns: Collection[str] | None,
    kinds: Iterable[int] | None,
    start: int | None,
    stop: int | None,
    blocks: range | None = None,
) -> Filter:
    """Return the filter for what a user asked for; raise InvalidArgumentError if that is not allowed."""
    if isinstance(columns, str):
        raise InvalidArgumentError(
            f"columns: found the string {columns!r}, allowed: several names, such as ({columns!r},)"
        )
    try:
        names = None if columns is None else tuple(dict.fromkeys(columns))
        kinds = (kinds,) if isinstance(kinds, (int, np.integer)) else kinds
        kinds = None if kinds is None else tuple(kinds)
    except TypeError as error:
        raise InvalidArgumentError(
            f"columns, kinds: {error}, allowed: collections of names and of integers"
        ) from None
    if names is not None and not all(isinstance(name, str) for name in names):
        raise InvalidArgumentError("columns: allowed: names of columns")
    wanted = None if kinds is None else frozenset(as_int("kinds", kind) for kind in kinds)
    if wanted and not (min(wanted) >= 0 and max(wanted) <= 255):
        raise InvalidArgumentError(f"kinds: found {sorted(wanted)}, allowed: 0 to 255")
    if not (blocks is None or (isinstance(blocks, range) and blocks.step == 1 and blocks.start >= 0)):
        raise InvalidArgumentError(f"blocks: found {blocks!r}, allowed: a range of block numbers, by ones")
    return Filter(
        names,
        wanted,
        None if start is None else as_int("start", start),
        None if stop is None else as_int("stop", stop),
        blocks,
    )


def as_int(name: str, value: Any) -> int:
    """Return an integer argument as an int; raise InvalidArgumentError if it is none."""
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return int(value)
    raise InvalidArgumentError(f"{name}: found {type(value).__name__}, allowed: integers")


def check_bytes(name: str, value: Any) -> int:
    """Return a limit in bytes; raise InvalidArgumentError if it is none."""
    if as_int(name, value) < 1:
        raise InvalidArgumentError(f"{name}: found {value}, allowed: 1 or more")
    return int(value)


def shared_dtype(name: str, dtypes: set[np.dtype]) -> np.dtype:
    """Return the dtype of a column that blocks store under several; raise InvalidArgumentError if there is
    none.
    """
    dtype = common_dtype(dtypes)
    if dtype is None:
        raise InvalidArgumentError(
            f"column {name!r}: found uint64 in one block and signed integers in "
            "another, allowed: dtypes with a common integer dtype; "
            "batches() gives each block in its own"
        )
    return dtype


def unknown_columns(chosen: Filter, known: Collection[str]) -> list[str]:
    """Return the names asked for that are neither known nor standard."""
    return [name for name in chosen.columns or () if name not in known and name not in STANDARD_COLUMNS]


def shared_dtypes(
    columns: Iterable[tuple[str, np.dtype]], chosen: Filter | None = None
) -> dict[str, np.dtype]:
    """Return one dtype for each column that was asked for; raise InvalidArgumentError for one that has none, or is nowhere."""
    by_name: dict[str, set[np.dtype]] = {}
    for name, dtype in columns:
        by_name.setdefault(name, set()).add(dtype)
    if chosen is None or chosen.columns is None:
        return {name: shared_dtype(name, dtypes) for name, dtypes in by_name.items()}
    if missing := unknown_columns(chosen, by_name):
        known = sorted({*STANDARD_COLUMNS, *by_name})
        raise InvalidArgumentError(f"columns: found {missing}, allowed: {', '.join(known)}")
    return {
        name: shared_dtype(name, by_name[name]) if name in by_name else STANDARD_COLUMNS[name].dtype
        for name in chosen.columns
    }


def known_dtypes(chosen: Filter, columns: Collection[tuple[str, np.dtype]]) -> dict[str, np.dtype]:
    """Return the dtypes of the columns asked for, of those of the stream; raise InvalidArgumentError for one that is
    nowhere.
    """
    if chosen.columns is None:
        return {}
    by_name: dict[str, set[np.dtype]] = {}
    for name, dtype in columns:
        by_name.setdefault(name, set()).add(dtype)
    if missing := unknown_columns(chosen, by_name):
        known = sorted({*STANDARD_COLUMNS, *by_name})
        raise InvalidArgumentError(f"columns: found {missing}, allowed: {', '.join(known)}")
    # Where blocks have no dtype in common each gives its own, and zeros are of the smallest.
    found = {name: by_name[name] for name in chosen.columns if name in by_name}
    return {name: common_dtype(dtypes) or min(dtypes, key=str) for name, dtypes in found.items()}


def with_missing(
    chosen: Filter, arrays: dict[str, np.ndarray], length: int, dtypes: Mapping[str, np.dtype]
) -> EventBatch:
    """Return a batch of the columns asked for, in that order; those that are missing are zero.

    ``dtypes`` has the dtypes of the stream's columns; others are standard ones.
    """
    if chosen.columns is not None:
        known = {name: column.dtype for name, column in STANDARD_COLUMNS.items()} | dict(dtypes)
        arrays = {
            name: arrays[name] if name in arrays else np.zeros(length, known[name])
            for name in chosen.columns
            if name in arrays or name in known
        }
    return EventBatch._from_arrays(arrays, length)


def decode_matching(block: Block, chosen: Filter, dtypes: Mapping[str, np.dtype]) -> EventBatch:
    """Return the events of a block that were asked for; ``dtypes`` has those of the stream's columns."""
    if not chosen.may_match(kind_bits(block.kinds), block.t_min, block.t_max) or not block.events:
        return EventBatch()
    names = chosen.columns_of(block)
    if chosen.passes_whole(block):
        return with_missing(chosen, block.decode(names), block.events, dtypes)
    selected = chosen.selected(block)
    rows, known = chosen.rows(block, selected)
    if not len(rows):
        return EventBatch()
    return with_missing(chosen, block.decode_rows(names, rows, known, selected), len(rows), dtypes)

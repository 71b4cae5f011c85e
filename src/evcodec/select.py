"""Which events of which blocks were asked for, and putting them together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ._codec import find_kinds
from .arrays import new_array
from .batch import EventBatch
from .block import Block
from .errors import EvcodecError, InvalidArgumentError, ReadLimitError
from .index import kind_bits
from .limits import DEFAULT_READ_BYTES
from .schema import STANDARD_COLUMNS, ColumnGroup, common_dtype, in_column_order


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


def _with_missing(
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
        return _with_missing(chosen, block.decode(names), block.events, dtypes)
    selected = chosen.selected(block)
    rows, known = chosen.rows(block, selected)
    if not len(rows):
        return EventBatch()
    return _with_missing(chosen, block.decode_rows(names, rows, known, selected), len(rows), dtypes)


class Gatherer:
    """Puts the events of blocks into one array a column, decoding in place where it can.

    `add` takes one block after the other. To decode several at once, `begin` each in order unless `must_wait`,
    run the calls on any thread, and `end` each in order. After an error of a call that did not come from `add`
    the Gatherer is of no use.

    Parameters
    ----------
    chosen : Filter
    capacity : int
        Events to expect; 0 where nobody knows.
    columns : iterable of (str, dtype)
        Columns to expect.
    least : int
        Events that there are, unless something turns out to be wrong.
    max_bytes : int
        Most bytes that the events may take. It is checked before arrays are made, by what the heads of blocks state;
        an array that grows is there twice while it is copied.
    """

    def __init__(
        self,
        chosen: Filter,
        capacity: int,
        columns: Iterable[tuple[str, np.dtype]] = (),
        max_bytes: int = DEFAULT_READ_BYTES,
        least: int = 0,
    ) -> None:
        self._chosen = chosen
        self._max_bytes = max_bytes
        self._row_bytes = 0
        expected = {
            name: dtype.itemsize
            for name, dtype in columns
            if chosen.columns is None or name in chosen.columns
        }
        self._capacity = min(capacity, max_bytes // max(sum(expected.values()), 1))
        self._check_size(least, sum(expected.values()))
        self._length = 0
        self._rows_begun = 0  # behind the length: given to blocks that are being decoded in place
        self._unplaced = 0  # blocks that are being decoded, of which so many events match as will be seen
        self._arrays: dict[str, np.ndarray] = {}
        self._known: set[str] = set()
        self._lost_groups: set[int] = set()  # of which blocks have columns that nobody can read here
        self._groups: dict[str, int] = {}
        self._zeroed: set[str] = set()

    def add(self, block: Block) -> None:
        """Add the matching events of a block."""
        try:
            self.end(block, self.begin(block)())
        finally:
            self._rows_begun = self._unplaced = 0

    def must_wait(self, block: Block) -> bool:
        """Tell whether all that began must end before this block begins: its rows are not known, or arrays that
        are written to would be replaced.
        """
        if self._unplaced and self._goes_in_place(block):
            return True
        return any(
            name in self._arrays and self._arrays[name].dtype != block.dtypes[name]
            for name in self._chosen.columns_of(block)
        )

    def begin(self, block: Block) -> Callable[[], EventBatch | None]:
        """Return the call that decodes a block; it shares nothing that changes with those of other blocks."""
        names = self._chosen.columns_of(block)
        self._known.update(block.dtypes)
        self._groups.update(block.groups)
        self._lost_groups.update(block.encrypted_groups)
        self._groups.update(dict.fromkeys((name for name, _ in block.hidden), ColumnGroup.POINTER))
        self._make_room(names, block)
        for name in names:
            array = self._arrays.get(name)
            if array is None or array.dtype != block.dtypes[name]:
                self._prepare(name, array, block)
        if not self._goes_in_place(block):
            self._unplaced += 1
            return partial(decode_matching, block, self._chosen, {})
        start = self._length + self._rows_begun
        self._rows_begun += block.events
        rows = {name: array[start : start + block.events] for name, array in self._arrays.items()}
        return partial(_decode_into, rows, block, names, self._zeroed.copy())

    def end(self, block: Block, batch: EventBatch | None) -> None:
        """Take what the call of a block returned; `begin` and `end` come in the same order."""
        if batch is None:
            self._length += block.events
            self._rows_begun -= block.events
            return
        self._unplaced -= 1
        self._check_size(self._length + len(batch), self._row_bytes)
        self._reserve(self._length + len(batch))
        for name, array in self._arrays.items():
            array[self._length : self._length + len(batch)] = batch.columns.get(name, 0)
        self._length += len(batch)

    def _make_room(self, names: list[str], block: Block) -> None:
        """Raise ReadLimitError if a block is too much; else see to it that no array is made larger than allowed."""
        grown = dict.fromkeys(names, 0) | {name: array.itemsize for name, array in self._arrays.items()}
        for name in names:
            grown[name] = max(grown[name], block.dtypes[name].itemsize)
        self._row_bytes = sum(grown.values())
        in_place = block.events if self._chosen.passes_whole(block) else 0
        self._check_size(self._length + self._rows_begun + in_place, self._row_bytes)
        self._capacity = min(self._capacity, self._max_bytes // max(self._row_bytes, 1))

    def _check_size(self, length: int, row_bytes: int) -> None:
        if length * row_bytes > self._max_bytes:
            raise ReadLimitError(
                f"read: found at least {length} events of {row_bytes} bytes, allowed: {self._max_bytes} bytes in all; "
                "batches() gives them block by block, or pass a larger max_read_bytes"
            )

    def _goes_in_place(self, block: Block) -> bool:
        stop = self._length + self._rows_begun + block.events
        return block.events > 0 and stop <= self._capacity and self._chosen.passes_whole(block)

    def _prepare(self, name: str, array: np.ndarray | None, block: Block) -> None:
        """Have an array for a column that holds the block's dtype, instead of one that may not."""
        dtype = block.dtypes[name]
        if array is None and (self._length or self._rows_begun or not block.is_dense(name)):
            # Memory that the operating system gives as zeros costs nothing until it is written to.
            self._arrays[name] = new_array(self._capacity, dtype, zeroed=True)
            self._zeroed.add(name)
        elif array is None:
            self._arrays[name] = new_array(self._capacity, dtype)
        else:
            self._arrays[name] = array.astype(shared_dtype(name, {array.dtype, dtype}), copy=False)

    def _reserve(self, length: int) -> None:
        if length <= self._capacity:
            return
        self._capacity = max(length, min(2 * self._capacity, self._max_bytes // max(self._row_bytes, 1)))
        for name, array in self._arrays.items():
            grown = new_array(self._capacity, array.dtype, zeroed=True)
            grown[: self._length] = array[: self._length]
            self._arrays[name] = grown

    def finish(self, known_columns: Iterable[tuple[str, np.dtype]]) -> EventBatch:
        """Return what was gathered; columns of the stream that no block had which was asked for are zero."""
        lacking: dict[str, set[np.dtype]] = {}
        for name, dtype in known_columns:
            self._known.add(name)
            if name not in self._arrays and (self._chosen.columns is None or name in self._chosen.columns):
                lacking.setdefault(name, set()).add(dtype)
        asked = sum(8 for name in self._chosen.columns or () if name not in self._arrays)
        lacking_bytes = sum(max(dtype.itemsize for dtype in dtypes) for dtypes in lacking.values())
        self._check_size(
            self._length, sum(array.itemsize for array in self._arrays.values()) + max(asked, lacking_bytes)
        )
        if self._chosen.columns is None:
            for name in [name for name in (*lacking, *self._arrays) if self._is_lost(name)]:
                lacking.pop(name, None)
                self._arrays.pop(name, None)
        for name, dtypes in lacking.items():
            self._arrays[name] = np.zeros(self._length, shared_dtype(name, dtypes))
        if missing := unknown_columns(self._chosen, self._known):
            known = sorted({*STANDARD_COLUMNS, *self._known})
            raise InvalidArgumentError(f"columns: found {missing}, allowed: {', '.join(known)}")
        arrays = {name: self._arrays[name] for name in in_column_order(self._arrays)}
        for name, array in arrays.items():
            if self._length < len(array):
                # A few events out of many must not keep the memory of all.
                few = 2 * self._length < len(array)
                arrays[name] = array[: self._length].copy() if few else array[: self._length]
        return _with_missing(self._chosen, arrays, self._length, {})

    def _is_lost(self, name: str) -> bool:
        """Tell whether a column may have values in some block that cannot be read: it has to be left out."""
        if not self._lost_groups:
            return False
        standard = STANDARD_COLUMNS.get(name)
        group = self._groups.get(name, standard.group if standard else None)
        return group is None or group in self._lost_groups


def _decode_into(rows: dict[str, np.ndarray], block: Block, names: list[str], zeroed: set[str]) -> None:
    """Decode columns of a block into the rows of each column that are its own; those that it lacks become zero."""
    out = {name: rows[name] for name in names if rows[name].dtype == block.dtypes[name]}
    try:
        decoded = block.decode(names, out, zeroed)
    except EvcodecError:
        for name in zeroed & out.keys():  # the next block relies on finding zeros here
            rows[name][:] = 0
        raise
    for name, array in decoded.items():
        if name not in out:
            rows[name][:] = array
    for name in rows.keys() - zeroed - set(names):
        rows[name][:] = 0

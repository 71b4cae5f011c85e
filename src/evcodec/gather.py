"""The events of many blocks in one array a column."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from .arrays import new_array
from .batch import EventBatch
from .block import Block
from .errors import EvcodecError, InvalidArgumentError, ReadLimitError
from .limits import DEFAULT_READ_BYTES
from .schema import STANDARD_COLUMNS, ColumnGroup, in_column_order
from .select import Filter, decode_matching, shared_dtype, unknown_columns, with_missing


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
        if block.encrypted_groups:
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
        if self._chosen.columns is None and self._lost_groups:
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
        return with_missing(self._chosen, arrays, self._length, {})

    def _is_lost(self, name: str) -> bool:
        """Tell whether a column may have values in some block that cannot be read: it has to be left out."""
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

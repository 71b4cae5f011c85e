"""The INDEX record (docs/format.md, section 7): where records stand, and what the stream holds. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from .block import Block, decode_index_table
from .columns import column_head, read_column_head
from .encoding import encode_index_table
from .errors import CorruptDataError, LimitExceededError
from .framing import HEAD_BYTES, TAIL_BYTES, RecordType
from .levels import Level
from .limits import MAX_BLOCK_EVENTS, MAX_ENTRIES_BYTES, MAX_INDEX_COLUMNS, MAX_INDEX_ROWS
from .schema import INTEGER_DTYPES
from .wire import pack_varint, unpack_varint

_DTYPES = tuple(map(np.dtype, ("int64", "int64", "uint8", "int64", "int64", "int64", "uint64")))
_DTYPE_CODES = bytes(INTEGER_DTYPES.index(dtype) for dtype in _DTYPES)
_OTHER_KINDS = 63
_LEAST_RECORD_BYTES = HEAD_BYTES + TAIL_BYTES
_MOST_EVENTS: dict[int, int] = {RecordType.BLOCK: MAX_BLOCK_EVENTS, RecordType.ENTRIES: MAX_ENTRIES_BYTES}


class IndexRow(NamedTuple):
    """One BLOCK or ENTRIES record of a stream; ``offset`` is from the first byte of the stream's header.

    ``kinds`` has bit k for kind (or entry type) k below 63, and bit 63 for all others.
    """

    offset: int
    size: int
    type: int
    events: int
    t_min: int
    t_max: int
    kinds: int

    @classmethod
    def of_block(cls, place: tuple[int, int, int], block: Block) -> IndexRow:
        """Return the row of a block at (offset, size, type)."""
        return cls(*place, block.events, block.t_min, block.t_max, kind_bits(block.kinds))

    @classmethod
    def of_entries(cls, place: tuple[int, int, int], types: Collection[int]) -> IndexRow:
        """Return the row of an entries record at (offset, size, type)."""
        return cls(*place, len(types), 0, 0, kind_bits(types))


@dataclass
class Index:
    """What an INDEX record says."""

    kinds: Counter[int] = field(default_factory=Counter)
    columns: dict[tuple[str, np.dtype], int] = field(default_factory=dict)
    """Group of each (name, dtype) that blocks of the stream have."""
    is_numbered: bool = False
    """Whether nothing stands between the records of the rows: the first has the sequence number 1, and so on."""
    is_stated: bool = False
    """Whether the stream states it: then it names the columns of encrypted sections too."""
    sequences: list[int] = field(default_factory=list)
    """Sequence numbers of the records of the rows, where other records stand between them."""
    has_chain: bool = False
    """Whether one of those is of a chain."""
    has_early: bool = False
    """Whether blocks with encrypted sections stand before the data keys."""
    table: list[np.ndarray] | None = None
    """Columns of the rows, as they were read: of a long stream few rows are wanted."""
    _rows: list[IndexRow] | None = None

    @property
    def rows(self) -> list[IndexRow]:
        """The rows, in order."""
        if self._rows is None:
            columns = [] if self.table is None else [column.tolist() for column in self.table]
            self._rows = [IndexRow(*row) for row in zip(*columns, strict=True)]
        return self._rows

    def row(self, number: int) -> IndexRow:
        """Return one row."""
        if self._rows is None and self.table is not None:
            return IndexRow(*(column.item(number) for column in self.table))
        return self.rows[number]

    def __len__(self) -> int:
        return len(self.rows) if self.table is None else len(self.table[0])

    @property
    def events(self) -> int:
        """Events of the stream."""
        if self.table is not None:
            _, _, types, events, *_ = self.table
            return int(events[types == RecordType.BLOCK].sum())  # at most 2**40
        return sum(row.events for row in self.rows if row.type == RecordType.BLOCK)

    def matching(self, kinds: int | None, start: int | None, stop: int | None) -> list[int]:
        """Return the numbers of the rows of blocks that may hold one of these kinds (as bits) in this range of time."""
        if self.table is None:
            return [
                number
                for number, row in enumerate(self.rows)
                if row.type == RecordType.BLOCK
                and (kinds is None or row.kinds & kinds)
                and (start is None or row.t_max >= start)
                and (stop is None or row.t_min < stop)
            ]
        _, _, types, _, t_min, t_max, bits = self.table
        found = types == RecordType.BLOCK
        if kinds is not None:
            found &= (bits & np.uint64(kinds)) != 0
        if start is not None:
            found &= t_max >= start
        if stop is not None:
            found &= t_min < stop
        numbers: list[int] = np.flatnonzero(found).tolist()
        return numbers

    def add_block(self, place: tuple[int, int, int], block: Block) -> None:
        """Add a block at (offset, size, type)."""
        for kind, count in block.kinds.items():
            self.kinds[kind] += count
        for name, group in block.groups.items():
            self.columns.setdefault((name, block.dtypes[name]), group)
        self.rows.append(IndexRow.of_block(place, block))

    def add_entries(self, place: tuple[int, int, int], types: Collection[int]) -> None:
        """Add an entries record at (offset, size, type)."""
        self.rows.append(IndexRow.of_entries(place, types))


def kind_bits(kinds: Iterable[int]) -> int:
    """Return the bit set of an index row."""
    bits = 0
    for kind in kinds:
        bits |= 1 << min(kind, _OTHER_KINDS)
    return bits


def pack_index(index: Index, level: Level) -> bytes:
    """Return the payload of an INDEX with at least one row and at most MAX_INDEX_ROWS."""
    head = [pack_varint(len(index.rows)), pack_varint(len(index.kinds))]
    head += [bytes((kind,)) + pack_varint(count) for kind, count in sorted(index.kinds.items())]
    head.append(pack_varint(len(index.columns)))
    head += [column_head(name, dtype, group) for (name, dtype), group in index.columns.items()]
    arrays = [
        np.array(values, dtype) for values, dtype in zip(zip(*index.rows, strict=True), _DTYPES, strict=True)
    ]
    return b"".join(head) + encode_index_table(arrays, level)


def unpack_index(payload: memoryview, stream_bytes: int, where: str) -> Index:
    """Return what an INDEX says that stands behind ``stream_bytes`` bytes of its stream.

    Raises an EvcodecError that says what is wrong with it.
    """
    rows, at = unpack_varint(payload, 0, where)
    if rows * _LEAST_RECORD_BYTES > stream_bytes:
        raise CorruptDataError(
            f"{where}: rows of the index: found {rows}, allowed: {stream_bytes // _LEAST_RECORD_BYTES} in a stream this long"
        )
    if not 1 <= rows <= MAX_INDEX_ROWS:
        raise LimitExceededError(f"{where}: rows of the index: found {rows}, allowed: 1 to {MAX_INDEX_ROWS}")
    index = Index()
    at = _read_kinds(payload, at, index, where)
    at = _read_columns(payload, at, index, where)
    arrays = decode_index_table(payload[at:], rows, _DTYPE_CODES, where)
    index.table = arrays
    types, events = arrays[2], arrays[3]
    bad = events < 0
    for type_, most in _MOST_EVENTS.items():
        bad |= (types == type_) & (events > most)
    bad |= (types != RecordType.BLOCK) & (types != RecordType.ENTRIES)
    if bad.any():
        row = index.row(int(bad.argmax()))
        raise CorruptDataError(
            f"{where}: row of the index: found type {row.type} with {row.events} "
            "events, allowed: blocks and entries within the limits"
        )
    if sum(index.kinds.values()) != index.events:
        raise CorruptDataError(
            f"{where}: events by kind: found {sum(index.kinds.values())}, allowed: {index.events}"
        )
    return index


def misplaced_row(index: Index, first: int, stop: int, is_dense: bool) -> int | None:
    """Return the number of the first row that does not lie behind the one before it, the first at ``first`` or behind it,
    all before ``stop``; or, where they are dense, right there. None if all do.
    """
    assert index.table is not None
    offsets, sizes = index.table[:2]
    bad = (offsets < 0) | (offsets > stop) | (sizes < _LEAST_RECORD_BYTES) | (sizes > stop)
    if not bad.any():  # else sums may not fit
        ends = offsets + sizes
        before = np.concatenate(([first], ends[:-1]))
        bad = (offsets != before if is_dense else offsets < before) | (ends > stop)
    return int(bad.argmax()) if bad.any() else None


def _read_kinds(payload: memoryview, at: int, index: Index, where: str) -> int:
    count, at = unpack_varint(payload, at, where)
    before = -1
    for _ in range(count):
        if at >= len(payload) or payload[at] <= before:
            raise CorruptDataError(f"{where}: kinds of the index: found none in ascending order at byte {at}")
        before = payload[at]
        index.kinds[before], at = unpack_varint(payload, at + 1, where)
        if not index.kinds[before]:
            raise CorruptDataError(
                f"{where}: events of kind {before} in the index: found 0, allowed: at least 1"
            )
    return at


def _read_columns(payload: memoryview, at: int, index: Index, where: str) -> int:
    count, at = unpack_varint(payload, at, where)
    if count > MAX_INDEX_COLUMNS:
        raise LimitExceededError(
            f"{where}: columns of the index: found {count}, allowed: {MAX_INDEX_COLUMNS}"
        )
    for _ in range(count):
        name, dtype, group, at = read_column_head(payload, at, where)
        if (name, dtype) in index.columns:
            raise CorruptDataError(f"{where}: column {name!r} of the index: found twice, allowed: once")
        index.columns[name, dtype] = group
    return at

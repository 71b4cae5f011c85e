"""Blocks and tables (docs/format.md, sections 4 and 5): payload in, columns out. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Protocol

import numpy as np

from . import compression
from ._codec import (
    BlockHead,
    Table,
    kinds_match,
    time_range,
)
from .arrays import new_array, pays_zeroed
from .columns import NAMES_BY_ID, STANDARD_DTYPES
from .errors import CorruptDataError, LimitExceededError, MissingKeyError
from .limits import COLUMN_BYTES, DEFAULT_BLOCK_BYTES, HELD_ROW_BYTES, MAX_COLUMNS
from .schema import INTEGER_DTYPES, STANDARD_COLUMNS, ColumnGroup, in_column_order

Columns = Mapping[str, np.ndarray]


class _Parts:
    """Decompressed parts of a table, each there from the first column that needs it to the last.

    Parameters
    ----------
    table : Table
    columns : mapping of str to int
        The columns that will be decoded, in this order.
    where : str

    Attributes
    ----------
    raw : list of (bytes or None)
        None for those that are stored as they are, too.
    """

    def __init__(self, table: Table, columns: Mapping[str, int], where: str) -> None:
        self._table = table
        self._where = where
        self._last = {part: at for at in columns.values() for part in table.plans[at][0]}
        self.raw: list[bytes | None] = [None] * len(table.parts)

    def size(self) -> int:
        """Return the bytes that all of them take."""
        return sum(self._table.parts[part][1] for part in self._last)

    def begin(self, column: int) -> None:
        """Decompress what a column needs."""
        for part in self._table.plans[column][0]:
            codec, raw, _ = self._table.parts[part]
            if codec != compression.STORED and self.raw[part] is None:
                data = self._table.part_bytes(part)
                self.raw[part] = compression.decompress(codec, data, raw, f"{self._where}, part {part}")

    def end(self, column: int) -> None:
        """Let go of what no other column needs: the next part is then decompressed into the same memory."""
        for part in self._table.plans[column][0]:
            if self._last[part] == column:
                self.raw[part] = None


class Keys(Protocol):
    """What is known of the keys of a stream."""

    skip: bool
    """Whether to leave out what cannot be read, where no column was named."""

    def missing(self, where: str, groups: Collection[int]) -> MissingKeyError:
        """Return the error that says who could read these groups."""


class Block:
    """A block whose payload has been checked but for what its columns hold.

    Parameters
    ----------
    payload : bytes-like
        Kept as long as the block.
    where : str
        Place in the stream, for messages.
    max_bytes : int
        Most bytes that the columns of one ``decode`` may take.

    Attributes
    ----------
    events, t_min, t_max, kinds
        As in the head.
    dtypes : dict of str to dtype
        Columns that can be decoded, numbered ones first.
    groups : dict of str to int
        Group of each of them, in the order in which they stand.
    encrypted_groups : list of int
        Groups whose columns are there but cannot be read.
    hidden : list of (str, dtype)
        Columns of other groups whose rows cannot be placed, since the kinds cannot be read.
    keys : Keys or None
        Set by who has opened what could be opened.
    """

    keys: Keys | None = None

    def __init__(self, payload: bytes | memoryview, where: str, max_bytes: int = DEFAULT_BLOCK_BYTES) -> None:
        self._where = where
        self._max_bytes = max_bytes
        payload = memoryview(payload)
        self._head = BlockHead(payload, where)
        self.events: int = self._head.events
        self.t_min: int = self._head.t_min
        self.t_max: int = self._head.t_max
        self.kinds: dict[int, int] = self._head.kinds
        self.dtypes: dict[str, np.dtype] = {}
        self.groups: dict[str, int] = {}
        self.encrypted_groups: list[int] = []
        self.hidden: list[tuple[str, np.dtype]] = []
        self._places: dict[str, tuple[int, int]] = {}  # number of the table, and of the column in it
        self._tables: list[Table] = []
        for group, storage, offset, length in self._head.sections:
            if storage:
                self.encrypted_groups.append(group)
                continue
            table = Table(
                payload[offset : offset + length],
                self._head,
                self.events,
                STANDARD_DTYPES,
                f"{where}, group {group}",
            )
            self._add_columns(table, group)
            self._tables.append(table)
            if (len(self.dtypes) - MAX_COLUMNS) * COLUMN_BYTES > max_bytes:
                raise LimitExceededError(
                    f"{where}: columns: found {len(self.dtypes)}, which take {COLUMN_BYTES} bytes each beside their values; "
                    f"allowed: {max_bytes} bytes for those above {MAX_COLUMNS}"
                )
        self.dtypes = {name: self.dtypes[name] for name in in_column_order(self.dtypes)}
        self._check_head()

    def _check_head(self) -> None:
        """Check what the head says of columns that are missing; forget columns whose rows cannot be placed
        without kinds.
        """
        if (
            "t" not in self.dtypes
            and (self.t_min or self.t_max)
            and ColumnGroup.POINTER not in self.encrypted_groups
        ):
            raise CorruptDataError(
                f"{self._where}: times: found {self.t_min} to {self.t_max} without a t column, allowed: 0"
            )
        if "kind" in self.dtypes or not self.kinds.keys() - {0}:
            return
        if ColumnGroup.POINTER not in self.encrypted_groups:
            raise CorruptDataError(
                f"{self._where}: kinds: found {list(self.kinds)} without a kind column, allowed: only kind 0"
            )
        for name, (number, at) in list(self._places.items()):
            if self._tables[number].plans[at][2]:
                self.hidden.append((name, self.dtypes[name]))
                del self._places[name], self.dtypes[name], self.groups[name]

    def _add_columns(self, table: Table, group: int) -> None:
        for at, (id_, own_name, dtype, own_group, stored) in enumerate(table.columns):
            name = own_name or NAMES_BY_ID[id_]
            expected = STANDARD_COLUMNS[name].group if id_ else own_group
            if expected != group or (not id_ and name in STANDARD_COLUMNS):
                raise CorruptDataError(
                    f"{self._where}: column {name!r}: found in group {group}, "
                    f"allowed: {expected}, by its number"
                )
            if name in self.dtypes:
                raise CorruptDataError(f"{self._where}: column {name!r}: found twice, allowed: once")
            if name == "kind" and (stored != self.events or INTEGER_DTYPES[dtype] != np.uint8):
                raise CorruptDataError(
                    f"{self._where}: kind: found {stored} values of {INTEGER_DTYPES[dtype]}, "
                    f"allowed: {self.events} of uint8"
                )
            if name == "t" and INTEGER_DTYPES[dtype] != np.int64:
                raise CorruptDataError(f"{self._where}: t: found {INTEGER_DTYPES[dtype]}, allowed: int64")
            self.dtypes[name] = INTEGER_DTYPES[dtype]
            self.groups[name] = group
            self._places[name] = len(self._tables), at

    def check_available(self, names: Collection[str] | None) -> None:
        """Raise MissingKeyError if columns were asked for (all of them when None) that may be there and cannot be read:
        they must not be taken for zeros.
        """
        if not self.encrypted_groups or self.keys is None:
            return
        if names is None:
            if not self.keys.skip:
                raise self.keys.missing(self._where, self.encrypted_groups)
            return
        lost = {
            group
            for name in names
            if name not in self.dtypes
            for group in self.encrypted_groups
            if self._may_hold(group, name)
        }
        if lost:
            raise self.keys.missing(self._where, lost)

    def _may_hold(self, group: int, name: str) -> bool:
        """Tell whether a column that cannot be read may be for want of this group; a named one may be in any."""
        if group == ColumnGroup.POINTER and any(name == hidden for hidden, _ in self.hidden):
            return True
        return name not in STANDARD_COLUMNS or STANDARD_COLUMNS[name].group == group

    def is_dense(self, name: str) -> bool:
        """Tell whether every event has its own value of a column; the others of a sparse one are 0."""
        number, at = self._places[name]
        return bool(self._tables[number].columns[at][4] == self.events)

    def decode(
        self, names: Collection[str], out: Columns | None = None, zeroed: Collection[str] = ()
    ) -> dict[str, np.ndarray]:
        """Decode the named columns, which must be among ``dtypes``.

        Parameters
        ----------
        names : collection of str
        out : mapping of str to ndarray, optional
            Contiguous arrays of the block's length and dtype to decode into.
        zeroed : collection of str
            Those of them that hold zeros.

        Raises
        ------
        CorruptDataError
            What a column holds contradicts the format, or the head of the block.
        LimitExceededError
            The columns would take more than ``max_bytes``.
        """
        arrays: dict[str, np.ndarray] = {}
        for name, array in self._decoded(names, None, out or {}, zeroed):
            arrays[name] = array
        return {name: arrays[name] for name in names}

    def decode_rows(
        self, names: Collection[str], rows: np.ndarray, known: Columns, selected: bytes | None
    ) -> dict[str, np.ndarray]:
        """Decode some rows of the named columns.

        Parameters
        ----------
        names : collection of str
        rows : ndarray of int64
            Numbers of the rows, ascending.
        known : mapping of str to ndarray
            Columns that have been decoded.
        selected : bytes of length 256, optional
            1 for each kind that the rows may have: columns that store no row of these are not decoded.

        Raises
        ------
        CorruptDataError, LimitExceededError
            As in `decode`.
        """
        arrays = {name: known[name][rows] for name in names if name in known}
        wanted = []
        for name in names:
            number, at = self._places[name]
            if selected is not None and not self._tables[number].stores(at, selected):
                arrays[name] = np.zeros(len(rows), self.dtypes[name])
            elif name not in arrays:
                wanted.append(name)
        # The array of a whole column is let go before the next is decoded, into the same memory.
        for name, array in self._decoded(wanted, known.get("kind"), {}, ()):
            arrays[name] = array.take(rows)
            del array
        return {name: arrays[name] for name in names}

    def _decoded(
        self, names: Collection[str], kinds: np.ndarray | None, out: Columns, zeroed: Collection[str]
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Yield name and array of each column, the kinds first: they place the rows of all others."""
        chosen: list[dict[str, int]] = [{} for _ in self._tables]
        row_bytes = 0
        for name in ("kind", *names) if "kind" in names else names:
            number, at = self._places[name]
            chosen[number][name] = at
        for table, columns in zip(self._tables, chosen, strict=True):
            for name, at in columns.items():
                row_bytes += self.dtypes[name].itemsize + (HELD_ROW_BYTES if table.plans[at][1] else 0)
        opened = [
            _Parts(table, columns, self._where) for table, columns in zip(self._tables, chosen, strict=True)
        ]
        needed = row_bytes * self.events + sum(parts.size() for parts in opened)
        if needed > self._max_bytes:
            raise LimitExceededError(
                f"{self._where}: decoded columns and their parts: found {needed} bytes, allowed: {self._max_bytes}"
            )
        for table, columns, parts in zip(self._tables, chosen, opened, strict=True):
            for name, at in columns.items():
                array = out.get(name)
                clear = name in zeroed
                if array is None:
                    clear = table.columns[at][4] != self.events and pays_zeroed(
                        self.events, self.dtypes[name]
                    )
                    array = new_array(self.events, self.dtypes[name], zeroed=clear)
                if kinds is None and name != "kind" and table.plans[at][2]:
                    kinds = self._kinds()
                parts.begin(at)
                table.decode(at, parts.raw, kinds, array, clear)
                parts.end(at)
                if name in ("kind", "t"):
                    self._check(name, array)
                if name == "kind":
                    kinds = array
                yield name, array

    def _kinds(self) -> np.ndarray:
        """Return the kinds, which are 0 where there is no column of them."""
        return self.decode(("kind",))["kind"] if "kind" in self.dtypes else np.zeros(self.events, np.uint8)

    def _check(self, name: str, array: np.ndarray) -> None:
        """Check what the head says of a column against the column."""
        if name == "kind" and not kinds_match(array, self._head):
            raise CorruptDataError(
                f"{self._where}: kinds: found other counts than the head of the block states"
            )
        if name == "t" and self.events and time_range(array) != (self.t_min, self.t_max):
            found = time_range(array)
            raise CorruptDataError(
                f"{self._where}: t: found {found[0]} to {found[1]}, allowed "
                f"by the head: {self.t_min} to {self.t_max}"
            )

    def column_bytes(self) -> dict[str, float]:
        """Return the stored bytes that each column takes, shared parts divided by what each column has in
        them before compression.
        """
        sizes: dict[str, float] = {}
        for name, (number, at) in self._places.items():
            table = self._tables[number]
            sizes[name] = sum(
                table.parts[part][2] * length / table.parts[part][1]
                for part, length in table.streams_of(at)
                if length
            )
        return sizes


def decode_index_table(body: memoryview, rows: int, dtypes: bytes, where: str) -> list[np.ndarray]:
    """Return the columns of a table that must be numbered from 1 on and have exactly the dtypes of these
    codes.
    """
    table = Table(body, None, rows, bytes((0, *dtypes)), where)
    found = [(id_, dtype) for id_, _, dtype, _, _ in table.columns]
    allowed = list(enumerate(dtypes, 1))
    if found != allowed:
        raise CorruptDataError(f"{where}: columns of the index: found {found}, allowed: {allowed}")
    arrays = [np.empty(rows, INTEGER_DTYPES[dtype]) for dtype in dtypes]
    parts = _Parts(table, {str(at): at for at in range(len(arrays))}, where)
    for at, array in enumerate(arrays):
        parts.begin(at)
        table.decode(at, parts.raw, None, array)
        parts.end(at)
    return arrays

"""The index and the end of a stream (sections 7 and 8 of docs/format.md), compared with its records.

Part of :mod:`reference`; written from the document alone, and it imports nothing of evcodec.
"""

from __future__ import annotations

from collections import Counter

from reference_block import read_kinds
from reference_cursor import Cursor, ReferenceCorrupt, ReferenceLimit
from reference_model import Record, StreamPart
from reference_table import BLOCK_COLUMNS, INDEX_COLUMNS, describe_name, read_table

INDEX_ROWS = 1 << 20


def read_index(record: Record, where: str, stream: StreamPart) -> None:
    where = f"{where} (INDEX)"
    cursor = Cursor(record.payload, where)
    rows = cursor.varint("row count")
    if rows > INDEX_ROWS:
        raise ReferenceLimit(f"{where}, row count", rows, f"at most {INDEX_ROWS}")
    if rows == 0 or rows != len(stream.expected_rows):
        raise ReferenceCorrupt(f"{where}, row count", rows, f"{len(stream.expected_rows)}, as the records")
    _check_summary(cursor, stream)
    columns = read_table(cursor, rows, None, 0, INDEX_COLUMNS).columns
    found = [(column.name, column.dtype) for column in columns]
    allowed = [(name, dtype) for name, dtype, _ in INDEX_COLUMNS.values()]
    if found != allowed:
        raise ReferenceCorrupt(f"{where}, columns", found, allowed)
    stored = {column.name: column.stored() for column in columns}
    stream.index = [{name: values[i] for name, values in stored.items()} for i in range(rows)]
    for number, (row, expected) in enumerate(zip(stream.index, stream.expected_rows, strict=True)):
        for name, value in expected.items():
            if value is not None and row[name] != value:
                raise ReferenceCorrupt(f"{where}, row {number}, {name}", row[name], value)
    stream.index_offset = record.offset


def _check_summary(cursor: Cursor, stream: StreamPart) -> None:
    """Compare the kinds and the columns above the rows with what the blocks hold."""
    kinds = read_kinds(cursor, stream.events())
    counts: Counter[int] = Counter()
    for block in stream.blocks:
        counts.update(dict(block.kinds))
    if kinds != sorted(counts.items()):
        raise ReferenceCorrupt(f"{cursor.where}, kinds", kinds, f"{sorted(counts.items())}, as in the blocks")

    found = []
    for number in range(cursor.varint("column count")):
        _, name, group, dtype = describe_name(cursor, f"{cursor.where}, column {number}", BLOCK_COLUMNS, True)
        found.append((name, group, dtype))
    stored = [
        (column.name, column.group, column.dtype)
        for block in stream.blocks
        for table in block.tables.values()
        for column in table.columns
    ]
    expected = list(dict.fromkeys(stored))
    # what is encrypted may be listed as well; nothing here tells
    hidden = any(block.hidden for block in stream.blocks)
    seen = [column for column in found if column in expected] if hidden else found
    if seen != expected:
        raise ReferenceCorrupt(f"{cursor.where}, columns", found, f"{expected}, as in the blocks")


def read_end(record: Record, where: str, stream: StreamPart) -> None:
    where = f"{where} (END)"
    if len(record.payload) != 24:
        raise ReferenceCorrupt(f"{where}, payload", f"{len(record.payload)} bytes", "24 bytes")
    numbers = [int.from_bytes(record.payload[i : i + 8], "little") for i in (0, 8, 16)]
    to_index = 0 if stream.index_offset is None else record.offset - stream.index_offset
    expected = [to_index, record.offset + record.size - stream.offset, stream.events()]
    names = ["distance to INDEX", "length of the stream", "events of the stream"]
    for name, number, right in zip(names, numbers, expected, strict=True):
        if number != right:
            raise ReferenceCorrupt(f"{where}, {name}", number, right)
    stream.end = (numbers[0], numbers[1], numbers[2])

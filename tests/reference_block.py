"""Blocks (section 4 of docs/format.md).

Part of :mod:`reference`; written from the document alone, and it imports nothing of evcodec.
"""

from __future__ import annotations

from collections import Counter

from reference_cursor import Cursor, ReferenceCorrupt, ReferenceLimit
from reference_model import BLOCK, Block, Record, StreamPart, bitmap
from reference_sealed import open_section
from reference_table import BLOCK_COLUMNS, Column, read_table

EVENTS_IN_BLOCK = 1 << 20


def read_block(record: Record, where: str, stream: StreamPart) -> None:
    where = f"{where} (BLOCK)"
    cursor = Cursor(record.payload, where)
    n = cursor.varint("event count")
    if n > EVENTS_IN_BLOCK:
        raise ReferenceLimit(f"{where}, event count", n, f"at most {EVENTS_IN_BLOCK}")
    t_min = cursor.svarint("t_min")
    t_max = t_min + cursor.varint("t span")
    if t_max >= 2**63:
        raise ReferenceCorrupt(f"{where}, t span", t_max - t_min, "a largest t that is an int64")
    kinds = read_kinds(cursor, n)
    section_count = cursor.varint("section count")
    if section_count > 255:
        raise ReferenceCorrupt(f"{where}, section count", section_count, "0 to 255")
    sections: list[tuple[int, int, int]] = []
    for number in range(section_count):
        group = cursor.u8(f"section {number}, group")
        storage = cursor.u8(f"section {number}, storage")
        if sections and group <= sections[-1][0]:
            raise ReferenceCorrupt(f"{where}, section {number}, group", group, f"above {sections[-1][0]}")
        sections.append((group, storage, cursor.varint(f"section {number}, length")))

    block = Block(n, t_min, t_max, kinds)
    columns: dict[str, Column] = {}
    clear = record.payload[: len(record.payload) - cursor.left()]
    hidden = set()
    for group, storage, length in sections:
        body = cursor.take(length, f"section of group {group}")
        if storage != 0:
            place = (BLOCK, group, record.sequence)
            opened = open_section(stream.keys, body, place, clear, where) if storage == 1 else None
            if opened is None:
                block.hidden = True
                hidden.add(group)
                continue
            body = opened
        inner = Cursor(body, f"{where}, group {group}")
        block.tables[group] = read_table(inner, n, kinds, group, BLOCK_COLUMNS)
        for column in block.tables[group].columns:
            if column.name in columns:
                raise ReferenceCorrupt(f"{where}, column {column.name}", "it twice", "each column once")
            columns[column.name] = column
    cursor.end("sections")

    pointer_hidden = 0 in hidden
    row_kinds = None if pointer_hidden else _row_kinds(columns.get("kind"), n, kinds, where)
    for name, column in columns.items():
        values = _place(column, n, kinds, row_kinds)
        if values is None:
            block.unavailable.append(name)
        else:
            block.columns[name] = values
            block.dtypes[name] = column.dtype
    if not pointer_hidden:
        t = block.columns.get("t") or [0]
        if (min(t), max(t)) != (t_min, t_max):
            raise ReferenceCorrupt(f"{where}, t_min and t_max", f"{t_min}, {t_max}", f"{min(t)}, {max(t)}")
    stream.expected_rows.append(
        {
            "offset": record.offset - stream.offset,
            "size": record.size,
            "type": BLOCK,
            "events": n,
            "t_min": t_min,
            "t_max": t_max,
            "kinds": bitmap([kind for kind, _ in kinds]),
        }
    )
    stream.blocks.append(block)


def read_kinds(cursor: Cursor, n: int) -> list[tuple[int, int]]:
    where = f"{cursor.where}, kinds"
    kind_count = cursor.varint("kind count")
    if kind_count > 256 or (kind_count == 0) != (n == 0):
        raise ReferenceCorrupt(f"{where}, count for {n} events", kind_count, "0 to 256, and 0 only for 0")
    kinds: list[tuple[int, int]] = []
    for _ in range(kind_count):
        kind = cursor.u8("kind")
        if kinds and kind <= kinds[-1][0]:
            raise ReferenceCorrupt(where, f"{kind} after {kinds[-1][0]}", "ascending order")
        count = cursor.varint("count of a kind")
        if count == 0:
            raise ReferenceCorrupt(f"{where}, count of kind {kind}", 0, "1 or more")
        kinds.append((kind, count))
    total = sum(count for _, count in kinds)
    if total != n:
        raise ReferenceCorrupt(f"{where}, sum of the counts", total, n)
    return kinds


def _row_kinds(column: Column | None, n: int, kinds: list[tuple[int, int]], where: str) -> list[int]:
    row_kinds = [0] * n if column is None else column.stored()
    found = sorted(Counter(row_kinds).items())
    if found != kinds:
        raise ReferenceCorrupt(f"{where}, kinds of the events", found, f"{kinds}, as in the block's head")
    return row_kinds


def _place(
    column: Column, n: int, kinds: list[tuple[int, int]], row_kinds: list[int] | None
) -> list[int] | None:
    """Put stored values to their rows; None when the kinds of the rows are hidden and needed."""
    if not any(column.mask):
        return [0] * n
    if row_kinds is None:
        return None if column.needs_kinds() or not all(column.mask) else column.stored()
    stored_kinds = {kind for (kind, _), stored in zip(kinds, column.mask, strict=True) if stored}
    values = iter(column.stored([kind for kind in row_kinds if kind in stored_kinds]))
    return [next(values) if kind in stored_kinds else 0 for kind in row_kinds]

"""Tables of the stream format (sections 5 and 5.1 of docs/format.md), decoded slowly and plainly.

Part of :mod:`reference`; written from the document alone, and it imports nothing of evcodec.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Sequence as Items
from dataclasses import dataclass

import zstandard

from reference_cursor import Cursor, ReferenceCorrupt, ReferenceLimit, ReferenceUnsupported
from reference_held import MARKER, Held, describe_held, evaluate_held
from reference_sequence import Sequence, Stream, describe_sequence
from reference_values import evaluate, needs_kinds

COLUMNS_IN_TABLE = 1024
PARTS_IN_TABLE = 255
PART_RAW_BYTES = 64 << 20
NAME_BYTES = 64

DTYPES = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
WIDTHS = (8, 16, 32, 64, 8, 16, 32, 64)

# id: (name, dtype, group)
BLOCK_COLUMNS: dict[int, tuple[str, str, int]] = {
    1: ("t", "int64", 0),
    2: ("kind", "uint8", 0),
    3: ("x", "int32", 0),
    4: ("y", "int32", 0),
    5: ("code", "int32", 1),
    6: ("dx", "int32", 0),
    7: ("dy", "int32", 0),
    8: ("source", "uint16", 0),
    9: ("seq", "uint32", 0),
    10: ("os_time", "int64", 0),
    11: ("flags", "uint16", 0),
    12: ("display", "uint16", 0),
    13: ("scroll_source", "uint8", 0),
    14: ("scancode", "uint32", 1),
    15: ("vk", "uint32", 1),
    16: ("keysym", "uint32", 1),
    17: ("modifiers", "uint32", 1),
    18: ("layout", "uint16", 1),
    19: ("key_class", "uint8", 1),
    20: ("context", "uint32", 2),
    21: ("payload", "uint32", 2),
}
NUMBERED_NAMES = frozenset(name for name, _, _ in BLOCK_COLUMNS.values())
INDEX_COLUMNS: dict[int, tuple[str, str, int]] = {
    1: ("offset", "int64", 0),
    2: ("size", "int64", 0),
    3: ("type", "uint8", 0),
    4: ("events", "int64", 0),
    5: ("t_min", "int64", 0),
    6: ("t_max", "int64", 0),
    7: ("kinds", "uint64", 0),
}


@dataclass
class Column:
    """One column of a table, and how its *m* stored values are stored; neither when there are none."""

    name: str
    group: int
    dtype: str
    mask: list[bool]
    sequence: Sequence | None = None
    held: Held | None = None

    def needs_kinds(self) -> bool:
        """Say whether the stored values depend on the kinds of their rows."""
        return self.held is not None or (self.sequence is not None and needs_kinds(self.sequence))

    def stored(self, row_kinds: Items[int] = ()) -> list[int]:
        """Give the stored values; ``row_kinds`` are the kinds of their rows, where that is needed."""
        values: list[int] = []
        if self.held is not None:
            values = evaluate_held(self.held, row_kinds)
        elif self.sequence is not None:
            values = evaluate(self.sequence, row_kinds)
        return [_as_dtype(v, self.dtype) for v in values]

    def sequences(self) -> Iterator[Sequence]:
        """Give the sequences that are not inside of another."""
        found = (self.sequence,) if self.held is None else (self.held.codes, self.held.positions)
        yield from (sequence for sequence in found if sequence is not None)


@dataclass
class Table:
    """A decoded table: its columns, and the codec and raw length of each part."""

    columns: list[Column]
    parts: list[tuple[int, int]]


def read_table(
    cursor: Cursor,
    rows: int,
    kinds: Items[tuple[int, int]] | None,
    group: int,
    known: Mapping[int, tuple[str, str, int]],
) -> Table:
    """Read a table that fills the cursor; ``kinds`` with their counts is None in the INDEX, which has no masks."""
    column_count = cursor.varint("column count")
    if column_count > COLUMNS_IN_TABLE:
        raise ReferenceLimit(f"{cursor.where}, column count", column_count, f"at most {COLUMNS_IN_TABLE}")
    streams: list[Stream] = []
    columns: list[Column] = []
    for number in range(column_count):
        columns.append(_describe_column(cursor, number, rows, kinds, group, known, streams))

    part_count = cursor.varint("part count")
    if part_count > PARTS_IN_TABLE:
        raise ReferenceLimit(f"{cursor.where}, part count", part_count, f"at most {PARTS_IN_TABLE}")
    parts: list[tuple[int, int, int]] = []
    for number in range(part_count):
        what = f"part {number}"
        codec = cursor.u8(f"{what}, codec")
        if codec > 1:
            raise ReferenceUnsupported(f"{cursor.where}, {what}, codec", codec, "0 or 1")
        raw_size = cursor.varint(f"{what}, raw length")
        if raw_size > PART_RAW_BYTES:
            raise ReferenceLimit(f"{cursor.where}, {what}, raw length", raw_size, f"at most {PART_RAW_BYTES}")
        if codec and not raw_size:
            raise ReferenceCorrupt(f"{cursor.where}, {what}, codec", codec, "0 for a part of no bytes")
        stored_size = cursor.varint(f"{what}, stored length") if codec == 1 else raw_size
        parts.append((codec, raw_size, stored_size))

    remaining = [raw_size for _, raw_size, _ in parts]
    for stream in streams:
        if stream.part >= part_count:
            raise ReferenceCorrupt(f"{stream.where}, part", stream.part, f"below {part_count}")
        if stream.size > remaining[stream.part]:
            found = f"{remaining[stream.part]} bytes left in part {stream.part}"
            raise ReferenceCorrupt(stream.where, found, f"{stream.size} bytes or more")
        remaining[stream.part] -= stream.size
    for number, size in enumerate(remaining):
        if size:
            raise ReferenceCorrupt(f"{cursor.where}, part {number}", f"{size} bytes left over", "none")

    stored_parts = [cursor.take(stored_size, f"part {i}") for i, (_, _, stored_size) in enumerate(parts)]
    cursor.end("table")
    raw_parts = [
        Cursor(decompress(codec, data, raw_size, f"{cursor.where}, part {i}"), f"{cursor.where}, part {i}")
        for i, ((codec, raw_size, _), data) in enumerate(zip(parts, stored_parts, strict=True))
    ]
    for stream in streams:
        stream.data = raw_parts[stream.part].take(stream.size, stream.where)
    return Table(columns, [(codec, raw_size) for codec, raw_size, _ in parts])


def decompress(codec: int, data: bytes, raw_size: int, where: str) -> bytes:
    """Give the raw bytes of a part."""
    if codec == 0:
        if len(data) != raw_size:
            raise ReferenceCorrupt(where, f"{len(data)} bytes", f"{raw_size} bytes")
        return data
    try:
        stated = zstandard.frame_content_size(data)
        if stated != raw_size:
            found = "no content size" if stated < 0 else f"a content size of {stated}"
            raise ReferenceCorrupt(f"{where}, zstd frame", found, f"{raw_size}, the raw length")
        frame = zstandard.ZstdDecompressor().decompressobj()
        out = frame.decompress(data)
    except zstandard.ZstdError as error:
        raise ReferenceCorrupt(where, f"zstd error ({error})", "one zstd frame") from error
    if not frame.eof:
        raise ReferenceCorrupt(where, "a zstd frame without its end", "one whole zstd frame")
    if frame.unused_data:
        rest = len(frame.unused_data)
        raise ReferenceCorrupt(where, f"{rest} bytes after the zstd frame", "one zstd frame alone")
    if len(out) != raw_size:
        raise ReferenceCorrupt(where, f"{len(out)} bytes decompressed", f"{raw_size} bytes")
    return out


def describe_name(
    cursor: Cursor, where: str, known: Mapping[int, tuple[str, str, int]], grouped: bool
) -> tuple[int, str, int, str]:
    """Read id, name, group and dtype of a column (5.1); a named column has a group where ``grouped``."""
    key = cursor.varint(f"{where}, id")
    column_id, has_dtype = key // 2, key % 2 == 1
    dtype, group = "", 0
    if column_id == 0:
        if not has_dtype:
            raise ReferenceCorrupt(f"{where}, id", "0 without a dtype", "0 always with a dtype")
        name = _column_name(cursor, where)
        if grouped:
            group = cursor.u8(f"{where}, group")
    elif column_id in known:
        name, dtype, group = known[column_id]
    elif known is BLOCK_COLUMNS:
        raise ReferenceUnsupported(f"{where}, id", column_id, f"at most {len(known)}")
    else:
        raise ReferenceCorrupt(f"{where}, id", column_id, f"1 to {len(known)}")
    where = f"{where} ({name})"
    if has_dtype:
        code = cursor.u8(f"{where}, dtype")
        if code >= len(DTYPES):
            raise ReferenceCorrupt(f"{where}, dtype", code, "0 to 7")
        dtype = DTYPES[code]
    if known is BLOCK_COLUMNS and name in ("t", "kind") and dtype != known[column_id][1]:
        raise ReferenceCorrupt(f"{where}, dtype", dtype, known[column_id][1])
    return column_id, name, group, dtype


def _describe_column(
    cursor: Cursor,
    number: int,
    rows: int,
    kinds: Items[tuple[int, int]] | None,
    group: int,
    known: Mapping[int, tuple[str, str, int]],
    streams: list[Stream],
) -> Column:
    where = f"{cursor.where}, column {number}"
    _, name, own_group, dtype = describe_name(cursor, where, known, kinds is not None)
    where = f"{where} ({name})"
    if kinds is not None and own_group != group:
        raise ReferenceCorrupt(f"{where}, group", own_group, f"{group}, the section's")

    mask: list[bool] = []
    stored_kinds: list[tuple[int, int]] = []
    stored_rows = rows
    is_kind = known is BLOCK_COLUMNS and name == "kind"
    if kinds is not None:
        mask_bytes = cursor.take((len(kinds) + 7) // 8, f"{where}, mask")
        bits = [mask_bytes[i // 8] >> (i % 8) & 1 == 1 for i in range(8 * len(mask_bytes))]
        if any(bits[len(kinds) :]):
            raise ReferenceCorrupt(f"{where}, mask", mask_bytes.hex(), f"bits from {len(kinds)} on zero")
        mask = bits[: len(kinds)]
        if is_kind and not all(mask):
            raise ReferenceCorrupt(f"{where}, mask", mask_bytes.hex(), "a full mask for kind")
        stored_kinds = [kind for kind, stored in zip(kinds, mask, strict=True) if stored]
        stored_rows = sum(count for _, count in stored_kinds)
    column = Column(name, own_group, dtype, mask)
    if stored_rows:
        width = WIDTHS[DTYPES.index(dtype)]
        if cursor.data[cursor.position : cursor.position + 1] == bytes([MARKER]):
            if kinds is None or is_kind:
                raise ReferenceCorrupt(f"{where}, values", "held codes", "a sequence: its rows have no kinds")
            cursor.u8(f"{where}, marker of held codes")
            column.held = describe_held(cursor, stored_kinds, width, streams, where)
        else:
            classes = [] if kinds is None or is_kind else [kind for kind, _ in kinds]
            column.sequence = describe_sequence(cursor, stored_rows, width, streams, where, kinds=classes)
    return column


def _column_name(cursor: Cursor, where: str) -> str:
    size = cursor.u8("length of a name")
    if size == 0:
        raise ReferenceCorrupt(f"{where}, length of its name", 0, f"1 to {NAME_BYTES}")
    if size > NAME_BYTES:
        raise ReferenceLimit(f"{where}, length of its name", size, f"1 to {NAME_BYTES}")
    raw = cursor.take(size, "name")
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ReferenceCorrupt(f"{where}, name", raw.hex(), "UTF-8") from error
    if name in NUMBERED_NAMES:
        raise ReferenceCorrupt(f"{where}, name", repr(name), "a name that has no number")
    return name


def _as_dtype(value: int, dtype: str) -> int:
    width = WIDTHS[DTYPES.index(dtype)]
    return value - 2**width if dtype.startswith("int") and value >> (width - 1) else value

"""A slow, clear decoder of the stream format, written from docs/format.md alone.

It imports nothing of evcodec, holds the whole data in memory, and checks all that the document says. It
judges the real decoder on every stream of the test suite.
"""

from __future__ import annotations

import binascii
import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import msgpack

from reference_table import (
    BLOCK_COLUMNS,
    INDEX_COLUMNS,
    Column,
    Cursor,
    ReferenceCorrupt,
    ReferenceFault,
    ReferenceLimit,
    ReferenceTruncated,
    ReferenceUnsupported,
    decompress,
    read_table,
)

__all__ = [
    "Decoded",
    "ReferenceCorrupt",
    "ReferenceFault",
    "ReferenceLimit",
    "ReferenceTruncated",
    "ReferenceUnsupported",
    "decode_stream",
]

MARKER = b"\xecEVC"
HEADER, BLOCK, ENTRIES, INDEX, END = 1, 2, 3, 4, 5

PAYLOAD_BYTES = 64 << 20
HEADER_MAP_BYTES = 1 << 20
EVENTS_IN_BLOCK = 1 << 20
ENTRIES_RAW_BYTES = 16 << 20
MSGPACK_NESTING = 64
INDEX_ROWS = 1 << 20

SOURCE, CONTEXT, GAP, ANCHOR, VIDEO, MARKER_ENTRY, PAYLOAD = range(1, 8)

# fields of the known entries: (name, type, whether it has to be there)
ENTRY_FIELDS: dict[int, list[tuple[str, type, bool]]] = {
    SOURCE: [("index", int, True), ("name", str, True), ("properties", dict, True)],
    CONTEXT: [("index", int, True), ("type", str, True), ("value", object, True)],
    GAP: [
        ("reason", int, True),
        ("t0", int, True),
        ("t1", int, True),
        ("source", int, False),
        ("lost", int, False),
    ],
    ANCHOR: [
        ("t", int, True),
        ("wall_ns", int, True),
        ("clock", str, False),
        ("boot_id", str, False),
        ("suspended_ns", int, False),
    ],
    VIDEO: [("t", int, True), ("pts", int, True), ("time_base", list, True), ("uri", str, False)],
    MARKER_ENTRY: [("t", int, True), ("name", str, True), ("data", object, False)],
    PAYLOAD: [("index", int, True), ("t", int, True), ("type", str, True), ("data", object, True)],
}


@dataclass
class Record:
    """One record; ``offset`` counts from the start of the data, ``size`` is head, payload and checksum."""

    type: int
    sequence: int
    offset: int
    size: int
    payload: bytes


@dataclass
class Block:
    """One BLOCK record, decoded."""

    events: int
    t_min: int
    t_max: int
    kinds: list[tuple[int, int]]
    dtypes: dict[str, str] = field(default_factory=dict)
    columns: dict[str, list[int]] = field(default_factory=dict)
    unavailable: list[str] = field(default_factory=list)


@dataclass
class EntriesRecord:
    """One ENTRIES record; ``entries`` is None when it is stored in a way that is kept for encryption."""

    group: int
    entries: list[tuple[int, int, dict[str, Any]]] | None


@dataclass
class StreamPart:
    """All between one HEADER and the next."""

    version: int
    header: dict[str, Any]
    offset: int
    records: list[Record] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    entries: list[tuple[int, int, dict[str, Any]]] = field(default_factory=list)
    index: list[dict[str, int]] | None = None
    end: tuple[int, int, int] | None = None
    # what an INDEX should say of the records so far; None where encryption hides it
    expected_rows: list[dict[str, int | None]] = field(default_factory=list)
    index_offset: int | None = None
    defined: set[tuple[int, int]] = field(default_factory=set)

    def events(self) -> int:
        """Events of the stream so far."""
        return sum(block.events for block in self.blocks)


@dataclass
class Decoded:
    """What :func:`decode_stream` found."""

    streams: list[StreamPart]
    count: int
    events: dict[str, list[int]]
    dtypes: list[dict[str, str]]
    entries: list[tuple[int, int, dict[str, Any]]]


def decode_stream(data: bytes) -> Decoded:
    """Decode streams put end to end; raise a :class:`ReferenceFault` at the first contradiction."""
    streams: list[StreamPart] = []
    offset = 0
    if not data:
        raise ReferenceTruncated("byte 0", "no data", "a HEADER record")
    while offset < len(data):
        record = _read_record(data, offset)
        where = f"record at byte {offset}"
        current = streams[-1] if streams else None
        if record.type != HEADER:
            if current is None:
                raise ReferenceCorrupt(where, f"type {record.type}", "HEADER, which starts a stream")
            if current.end is not None:
                raise ReferenceCorrupt(
                    where, f"type {record.type} after END", "HEADER or the end of the data"
                )
            expected = (current.records[-1].sequence + 1) % 2**32
            if record.sequence != expected:
                raise ReferenceCorrupt(f"{where}, sequence number", record.sequence, expected)
        if record.type == HEADER:
            if record.sequence != 0:
                raise ReferenceCorrupt(f"{where}, sequence number of a HEADER", record.sequence, 0)
            current = _read_header(record, where)
            streams.append(current)
        assert current is not None
        if record.type == BLOCK:
            _read_block(record, where, current)
        elif record.type == ENTRIES:
            _read_entries(record, where, current)
        elif record.type == INDEX:
            _read_index(record, where, current)
        elif record.type == END:
            _read_end(record, where, current)
        elif record.type != HEADER and record.type < 0x80:
            raise ReferenceUnsupported(f"{where}, type", record.type, "1 to 5, or 128 and above")
        current.records.append(record)
        offset += record.size
    return _gather(streams)


def _gather(streams: list[StreamPart]) -> Decoded:
    blocks = [block for stream in streams for block in stream.blocks]
    names = dict.fromkeys(name for block in blocks for name in block.columns)
    events = {
        name: [v for block in blocks for v in block.columns.get(name, [0] * block.events)] for name in names
    }
    return Decoded(
        streams=streams,
        count=sum(block.events for block in blocks),
        events=events,
        dtypes=[block.dtypes for block in blocks],
        entries=[entry for stream in streams for entry in stream.entries],
    )


def _read_record(data: bytes, offset: int) -> Record:
    where = f"record at byte {offset}"
    head = data[offset : offset + 16]
    if head[:4] != MARKER[: len(head)]:
        raise ReferenceCorrupt(f"{where}, marker", head[:4].hex(), MARKER.hex())
    if len(head) < 16:
        raise ReferenceTruncated(where, f"{len(head)} bytes of a head", "16 bytes")
    # CRC-16/XMODEM under the name it has in the standard library
    checksum = binascii.crc_hqx(head[:14], 0)
    if int.from_bytes(head[14:16], "little") != checksum:
        raise ReferenceCorrupt(f"{where}, checksum of the head", head[14:16].hex(), f"{checksum:#06x}")
    size = int.from_bytes(head[6:10], "little")
    if size > PAYLOAD_BYTES:
        raise ReferenceLimit(f"{where}, payload length", size, f"at most {PAYLOAD_BYTES}")
    whole = data[offset : offset + 16 + size + 4]
    if len(whole) < 16 + size + 4:
        raise ReferenceTruncated(where, f"{len(whole)} bytes", f"{16 + size + 4} bytes")
    if int.from_bytes(whole[-4:], "little") != zlib.crc32(whole[:-4]):
        raise ReferenceCorrupt(f"{where}, checksum", whole[-4:].hex(), f"{zlib.crc32(whole[:-4]):#010x}")
    if head[5] & 0x0F:
        raise ReferenceCorrupt(f"{where}, reserved flags", head[5] & 0x0F, 0)
    sequence = int.from_bytes(head[10:14], "little")
    return Record(head[4], sequence, offset, len(whole), whole[16:-4])


def _unpack_all(data: bytes, where: str) -> list[Any]:
    """Decode msgpack values back to back."""
    unpacker = msgpack.Unpacker(raw=False, strict_map_key=False, max_buffer_size=max(len(data), 1))
    unpacker.feed(data)
    values = []
    read = 0
    while read < len(data):
        try:
            values.append(unpacker.unpack())
        except msgpack.OutOfData as error:
            raise ReferenceCorrupt(where, "msgpack that ends inside a value", "whole values") from error
        except msgpack.StackError as error:
            raise ReferenceLimit(where, "very deep msgpack", f"nesting of {MSGPACK_NESTING}") from error
        except (ValueError, TypeError) as error:
            raise ReferenceCorrupt(where, f"bad msgpack ({error})", "msgpack") from error
        read = unpacker.tell()
        depth = _depth(values[-1])
        if depth > MSGPACK_NESTING:
            raise ReferenceLimit(where, f"msgpack nested {depth} deep", f"at most {MSGPACK_NESTING}")
    return values


def _depth(value: Any) -> int:
    """How many arrays and maps are inside each other, at most."""
    depth = 0
    level = [value]
    while True:
        containers = [v for v in level if isinstance(v, list | dict)]
        if not containers:
            return depth
        depth += 1
        level = [
            inner for c in containers for inner in (c if isinstance(c, list) else [*c.keys(), *c.values()])
        ]


def _typed(container: dict[str, Any], key: str, kind: type, where: str, required: bool = True) -> Any:
    if key not in container:
        if required:
            raise ReferenceCorrupt(where, f"no {key!r}", f"{key!r} of type {kind.__name__}")
        return None
    value = container[key]
    good = type(value) is int if kind is int else isinstance(value, kind)
    if not good:
        raise ReferenceCorrupt(f"{where}, {key!r}", f"a value of type {type(value).__name__}", kind.__name__)
    if isinstance(value, dict):
        _string_keys(value, f"{where}, {key!r}")
    return value


def _string_keys(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ReferenceCorrupt(where, f"a value of type {type(value).__name__}", "a map")
    for key in value:
        if not isinstance(key, str):
            raise ReferenceCorrupt(where, f"a key of type {type(key).__name__}", "string keys")
    return value


def _read_header(record: Record, where: str) -> StreamPart:
    where = f"{where} (HEADER)"
    cursor = Cursor(record.payload, where)
    version = cursor.u8("version")
    if version != 1:
        raise ReferenceUnsupported(f"{where}, version", version, 1)
    features = cursor.u8("features")
    if features:
        raise ReferenceCorrupt(f"{where}, features", features, "0, all bits are reserved")
    if cursor.left() > HEADER_MAP_BYTES:
        raise ReferenceLimit(f"{where}, map", f"{cursor.left()} bytes", f"at most {HEADER_MAP_BYTES}")
    values = _unpack_all(cursor.take(cursor.left(), "map"), where)
    if len(values) != 1:
        raise ReferenceCorrupt(where, f"{len(values)} msgpack values", "one map")
    header = _string_keys(values[0], where)
    _typed(header, "writer", str, where, required=False)
    _typed(header, "metadata", dict, where, required=False)
    governance = _typed(header, "governance", dict, where, required=False) or {}
    for key, kind in [("purpose", str), ("notice_id", str), ("retain_until_ns", int)]:
        _typed(governance, key, kind, f"{where}, governance", required=False)
    if not isinstance(governance.get("policy_digest", ""), str | bytes):
        found = type(governance["policy_digest"]).__name__
        raise ReferenceCorrupt(f"{where}, 'policy_digest'", f"a value of type {found}", "string or binary")
    keys = _typed(governance, "recipient_key_ids", list, f"{where}, governance", required=False) or []
    if not all(isinstance(key, str) for key in keys):
        raise ReferenceCorrupt(f"{where}, 'recipient_key_ids'", "other values", "an array of strings")
    return StreamPart(version, header, record.offset)


def _read_block(record: Record, where: str, stream: StreamPart) -> None:
    where = f"{where} (BLOCK)"
    cursor = Cursor(record.payload, where)
    n = cursor.varint("event count")
    if n > EVENTS_IN_BLOCK:
        raise ReferenceLimit(f"{where}, event count", n, f"at most {EVENTS_IN_BLOCK}")
    t_min = cursor.svarint("t_min")
    t_max = t_min + cursor.varint("t span")
    kinds = _read_kinds(cursor, n)
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
    for group, storage, length in sections:
        body = cursor.take(length, f"section of group {group}")
        if storage != 0:
            continue
        inner = Cursor(body, f"{where}, group {group}")
        for column in read_table(inner, n, [count for _, count in kinds], group, BLOCK_COLUMNS):
            if column.name in columns:
                raise ReferenceCorrupt(f"{where}, column {column.name}", "it twice", "each column once")
            columns[column.name] = column
    cursor.end("sections")

    pointer_hidden = any(group == 0 and storage != 0 for group, storage, _ in sections)
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
            "kinds": _bitmap([kind for kind, _ in kinds]),
        }
    )
    stream.blocks.append(block)


def _read_kinds(cursor: Cursor, n: int) -> list[tuple[int, int]]:
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
    row_kinds = [0] * n if column is None else column.stored
    found = sorted(Counter(row_kinds).items())
    if found != kinds:
        raise ReferenceCorrupt(f"{where}, kinds of the events", found, f"{kinds}, as in the block's head")
    return row_kinds


def _place(
    column: Column, n: int, kinds: list[tuple[int, int]], row_kinds: list[int] | None
) -> list[int] | None:
    """Put stored values to their rows; None when the kinds of the rows are hidden and needed."""
    if all(column.mask):
        return column.stored
    if not any(column.mask):
        return [0] * n
    if row_kinds is None:
        return None
    stored_kinds = {kind for (kind, _), stored in zip(kinds, column.mask, strict=True) if stored}
    values = iter(column.stored)
    return [next(values) if kind in stored_kinds else 0 for kind in row_kinds]


def _bitmap(numbers: list[int]) -> int:
    bits = 0
    for number in numbers:
        bits |= 1 << min(number, 63)
    return bits


def _read_entries(record: Record, where: str, stream: StreamPart) -> None:
    where = f"{where} (ENTRIES)"
    cursor = Cursor(record.payload, where)
    group = cursor.u8("group")
    if group not in (0, 2):
        raise ReferenceCorrupt(f"{where}, group", group, "0 or 2")
    storage = cursor.u8("storage")
    row: dict[str, int | None] = {
        "offset": record.offset - stream.offset,
        "size": record.size,
        "type": ENTRIES,
        "events": None,
        "t_min": 0,
        "t_max": 0,
        "kinds": None,
    }
    stream.expected_rows.append(row)
    if storage != 0:
        return
    codec = cursor.u8("codec")
    if codec > 1:
        raise ReferenceCorrupt(f"{where}, codec", codec, "0 or 1")
    raw_size = cursor.varint("raw length")
    if raw_size > ENTRIES_RAW_BYTES:
        raise ReferenceLimit(f"{where}, raw length", raw_size, f"at most {ENTRIES_RAW_BYTES}")
    values = _unpack_all(decompress(codec, cursor.take(cursor.left(), "entries"), raw_size, where), where)
    for number, value in enumerate(values):
        stream.entries.append(_check_entry(value, f"{where}, entry {number}", group, stream))
    row["events"] = len(values)
    row["kinds"] = _bitmap([value[0] for value in values])


def _check_entry(value: Any, where: str, group: int, stream: StreamPart) -> tuple[int, int, dict[str, Any]]:
    if not isinstance(value, list) or len(value) != 3:
        raise ReferenceCorrupt(where, f"a {type(value).__name__}", "an array [type, position, fields]")
    entry_type, position, fields = value
    for name, number in [("type", entry_type), ("position", position)]:
        if type(number) is not int or number < 0:
            raise ReferenceCorrupt(f"{where}, {name}", repr(number), "an integer of 0 or more")
    _string_keys(fields, f"{where}, fields")
    if entry_type in (CONTEXT, PAYLOAD) and group != 2:
        raise ReferenceCorrupt(f"{where} of type {entry_type}", f"group {group}", "group 2")
    for name, kind, required in ENTRY_FIELDS.get(entry_type, []):
        _typed(fields, name, kind, where, required)
    if entry_type in (SOURCE, CONTEXT, PAYLOAD):
        index = fields["index"]
        if index < 1 or (entry_type == SOURCE and index > 65535):
            raise ReferenceCorrupt(f"{where}, index", index, "from 1; at most 65535 for a source")
        if (entry_type, index) in stream.defined:
            raise ReferenceCorrupt(f"{where}, index", f"{index} again", "an index defined once")
        stream.defined.add((entry_type, index))
    if entry_type == SOURCE and "scale_exponent" in fields["properties"]:
        exponent = fields["properties"]["scale_exponent"]
        if type(exponent) is not int or not -16 <= exponent <= 0:
            raise ReferenceCorrupt(f"{where}, scale_exponent", repr(exponent), "-16 to 0")
    if entry_type == VIDEO:
        base = fields["time_base"]
        if len(base) != 2 or any(type(part) is not int for part in base):
            raise ReferenceCorrupt(f"{where}, time_base", repr(base), "[numerator, denominator]")
    return entry_type, position, fields


def _read_index(record: Record, where: str, stream: StreamPart) -> None:
    where = f"{where} (INDEX)"
    cursor = Cursor(record.payload, where)
    rows = cursor.varint("row count")
    if rows > INDEX_ROWS:
        raise ReferenceLimit(f"{where}, row count", rows, f"at most {INDEX_ROWS}")
    if rows != len(stream.expected_rows):
        raise ReferenceCorrupt(f"{where}, row count", rows, f"{len(stream.expected_rows)}, as the records")
    columns = read_table(cursor, rows, None, 0, INDEX_COLUMNS)
    found = [(column.name, column.dtype) for column in columns]
    allowed = [(name, dtype) for name, dtype, _ in INDEX_COLUMNS.values()]
    if found != allowed:
        raise ReferenceCorrupt(f"{where}, columns", found, allowed)
    stream.index = [{column.name: column.stored[i] for column in columns} for i in range(rows)]
    for number, (row, expected) in enumerate(zip(stream.index, stream.expected_rows, strict=True)):
        for name, value in expected.items():
            if value is not None and row[name] != value:
                raise ReferenceCorrupt(f"{where}, row {number}, {name}", row[name], value)
    stream.index_offset = record.offset


def _read_end(record: Record, where: str, stream: StreamPart) -> None:
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

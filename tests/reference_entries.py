"""Values of msgpack, headers and entries (sections 3 and 6 of docs/format.md).

Part of :mod:`reference`; written from the document alone, and it imports nothing of evcodec.
"""

from __future__ import annotations

from typing import Any

import msgpack

from reference_cursor import Cursor, ReferenceCorrupt, ReferenceLimit, ReferenceUnsupported
from reference_model import ENTRIES, Record, StreamPart, bitmap
from reference_sealed import open_section
from reference_table import decompress

HEADER_MAP_BYTES = 1 << 20
ENTRIES_RAW_BYTES = 16 << 20
MSGPACK_NESTING = 64
MSGPACK_ELEMENTS = 16_384

SOURCE, CONTEXT, GAP, ANCHOR, VIDEO, MARKER_ENTRY, PAYLOAD = range(1, 8)

INT64 = (-(2**63), 2**63 - 1)
UINT64 = (0, 2**64 - 1)
# 0 is never defined; where something refers to an index it means none
REFERENCE = (0, 65_535)
INDEX = (1, 2**32 - 1)

# fields of the known entries: name, type or range of an integer, whether it has to be there
ENTRY_FIELDS: dict[int, list[tuple[str, type | tuple[int, int], bool]]] = {
    SOURCE: [("index", (1, 65_535), True), ("name", str, True), ("properties", dict, True)],
    CONTEXT: [("index", INDEX, True), ("type", str, True), ("value", object, True)],
    GAP: [
        ("reason", (1, 255), True),
        ("t0", INT64, True),
        ("t1", INT64, True),
        ("source", REFERENCE, False),
        ("lost", UINT64, False),
    ],
    ANCHOR: [
        ("t", INT64, True),
        ("wall_ns", INT64, True),
        ("clock", str, False),
        ("boot_id", str, False),
        ("suspended_ns", INT64, False),
    ],
    VIDEO: [("t", INT64, True), ("pts", INT64, True), ("time_base", list, True), ("uri", str, False)],
    MARKER_ENTRY: [("t", INT64, True), ("name", str, True), ("data", object, False)],
    PAYLOAD: [("index", INDEX, True), ("t", INT64, True), ("type", str, True), ("data", object, True)],
}


def _unpack_all(data: bytes, where: str) -> list[Any]:
    """Decode msgpack values back to back."""
    # strict_map_key: keys of maps are strings or binary
    unpacker = msgpack.Unpacker(
        raw=False,
        strict_map_key=True,
        max_buffer_size=max(len(data), 1),
        max_array_len=MSGPACK_ELEMENTS,
        max_map_len=MSGPACK_ELEMENTS,
    )
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
            if "exceeds max_array_len" in str(error) or "exceeds max_map_len" in str(error):
                raise ReferenceLimit(where, str(error), f"{MSGPACK_ELEMENTS} elements") from error
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


def _typed(
    container: dict[str, Any], key: str, kind: type | tuple[int, int], where: str, required: bool = True
) -> Any:
    """Give a field of that type, or an integer in that range; None when it may be absent and is."""
    allowed = f"{kind[0]} to {kind[1]}" if isinstance(kind, tuple) else kind.__name__
    if key not in container:
        if required:
            raise ReferenceCorrupt(where, f"no {key!r}", f"{key!r}, {allowed}")
        return None
    value = container[key]
    if isinstance(kind, tuple):
        good = type(value) is int and kind[0] <= value <= kind[1]
    else:
        good = type(value) is int if kind is int else isinstance(value, kind)
    if not good:
        raise ReferenceCorrupt(f"{where}, {key!r}", f"{type(value).__name__} {str(value)[:40]}", allowed)
    return value


def _string_keys(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ReferenceCorrupt(where, f"a value of type {type(value).__name__}", "a map")
    for key in value:
        if not isinstance(key, str):
            raise ReferenceCorrupt(where, f"a key of type {type(key).__name__}", "string keys")
    return value


def read_header(record: Record, where: str) -> StreamPart:
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
    header = values[0]
    if not isinstance(header, dict):
        raise ReferenceCorrupt(where, f"a value of type {type(header).__name__}", "a map")
    _typed(header, "writer", str, where, required=False)
    _string_keys(_typed(header, "metadata", dict, where, required=False) or {}, f"{where}, metadata")
    governance = _typed(header, "governance", dict, where, required=False) or {}
    for key, kind in [("purpose", str), ("notice_id", str), ("retain_until_ns", int)]:
        _typed(governance, key, kind, f"{where}, governance", required=False)
    if not -(2**63) <= governance.get("retain_until_ns", 0) < 2**63:
        raise ReferenceCorrupt(f"{where}, 'retain_until_ns'", governance["retain_until_ns"], "an int64")
    if not isinstance(governance.get("policy_digest", ""), str | bytes):
        found = type(governance["policy_digest"]).__name__
        raise ReferenceCorrupt(f"{where}, 'policy_digest'", f"a value of type {found}", "string or binary")
    keys = _typed(governance, "recipient_key_ids", list, f"{where}, governance", required=False) or []
    if not all(isinstance(key, str) for key in keys):
        raise ReferenceCorrupt(f"{where}, 'recipient_key_ids'", "other values", "an array of strings")
    return StreamPart(version, header, record.offset)


def read_entries(record: Record, where: str, stream: StreamPart) -> None:
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
    if storage == 1:
        row["events"] = row["kinds"] = 0
        place = (ENTRIES, group, record.sequence)
        opened = open_section(
            stream.keys, cursor.take(cursor.left(), "body"), place, record.payload[:2], where
        )
        if opened is None:
            return
        cursor = Cursor(opened, where)
    elif storage != 0:
        return
    codec = cursor.u8("codec")
    if codec > 1:
        raise ReferenceUnsupported(f"{where}, codec", codec, "0 or 1")
    raw_size = cursor.varint("raw length")
    if raw_size > ENTRIES_RAW_BYTES:
        raise ReferenceLimit(f"{where}, raw length", raw_size, f"at most {ENTRIES_RAW_BYTES}")
    values = _unpack_all(decompress(codec, cursor.take(cursor.left(), "entries"), raw_size, where), where)
    for number, value in enumerate(values):
        stream.entries.append(_check_entry(value, f"{where}, entry {number}", group, stream))
    if storage == 1:
        if group == 2 and any(value[0] in (1, 3, 4, 5, 6) for value in values):
            raise ReferenceCorrupt(f"{where}, encrypted", "entries of another type", "CONTEXT and PAYLOAD")
        return
    row["events"] = len(values)
    row["kinds"] = bitmap([value[0] for value in values])


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
        # the one rule for writers alone: a reader takes the first definition
        if (entry_type, index) in stream.defined:
            raise ReferenceCorrupt(f"{where}, index", f"{index} again", "an index defined once")
        stream.defined.add((entry_type, index))
    if entry_type == SOURCE:
        _typed(fields["properties"], "scale_exponent", (-16, 0), f"{where}, properties", required=False)
    if entry_type == GAP and fields["t0"] > fields["t1"]:
        raise ReferenceCorrupt(f"{where}, t0 and t1", f"{fields['t0']}, {fields['t1']}", "t0 <= t1")
    if entry_type == VIDEO:
        base = fields["time_base"]
        if len(base) != 2 or any(type(part) is not int or not 1 <= part < 2**63 for part in base):
            raise ReferenceCorrupt(f"{where}, time_base", repr(base), "two integers from 1 to 2**63 - 1")
    return entry_type, position, fields

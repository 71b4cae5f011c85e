"""Streams that show records, headers, entries, the index and the end (sections 2, 3, 6, 7 and 8)."""

from __future__ import annotations

from typing import Any

import msgpack
import zstandard

from assemble import (
    ANCILLARY,
    BLOCK,
    END,
    ENTRIES,
    HEADER,
    INDEX,
    Maker,
    Parts,
    block,
    column,
    delta,
    entries,
    header,
    index,
    plain,
    planes,
    record,
    sequence,
    stream,
    table,
    tokens,
    varint,
)
from vector import (
    CORRUPT,
    LIMIT,
    SMALL,
    TRUNCATED,
    UNSUPPORTED,
    Vectors,
)

VECTORS = Vectors()


def _records() -> None:
    VECTORS.good("header alone", stream())
    VECTORS.good("header with all its keys", stream(head=header(HEADER_FIELDS)))
    VECTORS.good("header with unknown keys", stream(head=header({"later": [1, {"a": None}], "metadata": {}})))
    VECTORS.good("record flags 4 to 7 are unused", record(HEADER, header(), 0, flags=0xF0))
    VECTORS.good("ancillary records are skipped", stream((0x80, b"anything"), (0xFF, b"")))
    VECTORS.good("two streams", stream((BLOCK, SMALL)) + stream((BLOCK, SMALL)), 6, v=[7, 7, 7, 7, 7, 7])
    VECTORS.good(
        "stream after END", Maker().add(HEADER, header()).end().data + stream((BLOCK, SMALL)), 3, v=[7] * 3
    )

    whole = stream((BLOCK, SMALL))
    first = len(stream())
    VECTORS.bad("no data", TRUNCATED, b"")
    for cut in (1, 3, 4, 15, 16, first - 1, first + 1, first + 4, first + 16, len(whole) - 1):
        VECTORS.bad(f"cut after {cut} bytes", TRUNCATED, whole[:cut])
    VECTORS.bad("cut inside the second stream", TRUNCATED, whole + whole[: first + 9])
    for at in (0, 3, 4, 5, 6, 9, 10, 14, 15, 16, first - 1, first, first + 14, first + 20, len(whole) - 1):
        damaged = bytearray(whole)
        damaged[at] ^= 0x40
        VECTORS.bad(f"byte {at} damaged", CORRUPT, bytes(damaged))
    VECTORS.bad("other bytes after a record", CORRUPT, whole + b"hello")
    VECTORS.bad("zeros after a record", CORRUPT, whole + bytes(100))
    VECTORS.bad("damaged length in the head", CORRUPT, whole[:6] + b"\xff\xff\xff\x7f" + whole[10:])
    for bit in range(4):
        VECTORS.bad(f"reserved record flag {bit}", CORRUPT, record(HEADER, header(), 0, flags=1 << bit))
        VECTORS.bad(
            f"reserved flag {bit} of an ancillary record",
            CORRUPT,
            stream() + record(0x90, b"", 1, flags=1 << bit),
        )
    VECTORS.bad("payload over 64 MiB", LIMIT, stream() + record(ANCILLARY, b"", 1, length=(64 << 20) + 1))
    VECTORS.bad(
        "payload of 64 MiB that is not there",
        TRUNCATED,
        stream() + record(ANCILLARY, b"", 1, length=64 << 20),
    )
    for kind in (0, 6, 0x7F):
        VECTORS.bad(f"unknown record type {kind}", UNSUPPORTED, stream((kind, b"")))
    VECTORS.bad("stream without a header", CORRUPT, record(BLOCK, SMALL, 0))
    VECTORS.bad("ancillary record before the header", CORRUPT, record(ANCILLARY, b"", 0))
    VECTORS.bad("header with a sequence number", CORRUPT, record(HEADER, header(), 1))
    VECTORS.bad("record lost", CORRUPT, stream() + record(BLOCK, SMALL, 2))
    VECTORS.bad("record repeated", CORRUPT, whole + whole[first:])
    VECTORS.bad("lost ancillary record", CORRUPT, stream((ANCILLARY, b"")) + record(BLOCK, SMALL, 1))


HEADER_FIELDS = {
    "writer": "by hand",
    "metadata": {"a": [1, 2.5, None, True, b"\x00"], "b": {"c": "d"}},
    "governance": {
        "purpose": "tests",
        "policy_digest": b"\x01\x02",
        "notice_id": "n",
        "retain_until_ns": 10**18,
        "recipient_key_ids": ["k"],
    },
}


def nested(depth: int, innermost: object = 1) -> Any:
    """Give arrays inside each other."""
    value: object = innermost
    for _ in range(depth):
        value = [value]
    return value


def _headers() -> None:
    for version in (0, 2, 255):
        VECTORS.bad(f"version {version}", UNSUPPORTED, stream(head=header(version=version)))
    for bit in range(8):
        VECTORS.bad(f"reserved feature {bit}", CORRUPT, stream(head=header(features=1 << bit)))
    VECTORS.bad("header of 0 bytes", CORRUPT, stream(head=b""))
    VECTORS.bad("header of 1 byte", CORRUPT, stream(head=b"\x01"))
    VECTORS.bad("header without a map", CORRUPT, stream(head=b"\x01\x00"))
    VECTORS.bad("header with an array", CORRUPT, stream(head=header([])))
    VECTORS.bad("header with half a map", CORRUPT, stream(head=b"\x01\x00\x81\xa1a"))
    VECTORS.bad("header with two maps", CORRUPT, stream(head=header() + b"\x80"))
    VECTORS.bad("header with a byte msgpack never uses", CORRUPT, stream(head=b"\x01\x00\x81\xa1a\xc1"))
    VECTORS.bad(
        "header with a string that is not UTF-8", CORRUPT, stream(head=b"\x01\x00\x81\xa6writer\xa1\xff")
    )
    VECTORS.bad("header with a forged map size", CORRUPT, stream(head=b"\x01\x00\xdf\xff\xff\xff\xff"))
    VECTORS.bad("writer not a string", CORRUPT, stream(head=header({"writer": 1})))
    VECTORS.bad("metadata not a map", CORRUPT, stream(head=header({"metadata": []})))
    VECTORS.bad("metadata with a key of 1", CORRUPT, stream(head=header({"metadata": {1: 2}})))
    VECTORS.bad("governance not a map", CORRUPT, stream(head=header({"governance": "none"})))
    VECTORS.bad(
        "retain_until_ns not an integer",
        CORRUPT,
        stream(head=header({"governance": {"retain_until_ns": "x"}})),
    )
    VECTORS.bad(
        "policy_digest not binary", CORRUPT, stream(head=header({"governance": {"policy_digest": 1}}))
    )
    VECTORS.bad(
        "recipients not strings", CORRUPT, stream(head=header({"governance": {"recipient_key_ids": [1]}}))
    )
    over = {"metadata": {"a": bytes(1 << 20)}}
    VECTORS.bad("header map over 1 MiB", LIMIT, stream(head=header(over)))
    fits = {"metadata": {"a": bytes((1 << 20) - len(header({"metadata": {"a": bytes(70000)}})) + 2 + 70000)}}
    VECTORS.good("header map of exactly 1 MiB", stream(head=header(fits)))
    # the map itself, and the map of the metadata, count as two
    VECTORS.good("msgpack nested 64 deep", stream(head=header({"metadata": {"a": nested(62)}})))
    VECTORS.bad("msgpack nested 65 deep", LIMIT, stream(head=header({"metadata": {"a": nested(63)}})))
    VECTORS.bad(
        "msgpack nested 65 deep under an unknown key", LIMIT, stream(head=header({"later": nested(64)}))
    )
    VECTORS.bad(
        "msgpack nested 100,000 deep", LIMIT, stream(head=b"\x01\x00\x81\xa1a" + b"\x91" * 100_000 + b"\xc0")
    )


ALL_ENTRIES: list[tuple[int, int, dict[str, Any]]] = [
    (
        1,
        0,
        {"index": 1, "name": "mouse", "properties": {"scale_exponent": -4, "absolute": True, "later": [1]}},
    ),
    (1, 0, {"index": 65535, "name": "", "properties": {}}),
    (3, 0, {"reason": 1, "t0": -5, "t1": 5}),
    (3, 1, {"reason": 8, "t0": 0, "t1": 0, "source": 1, "lost": 12}),
    (4, 2, {"t": 1, "wall_ns": 2, "clock": "c", "boot_id": "b", "suspended_ns": 3}),
    (4, 2, {"t": -(2**63), "wall_ns": 2**63 - 1}),
    (5, 2, {"t": 1, "pts": 2, "time_base": [1, 90000], "uri": "u"}),
    (5, 2, {"t": 1, "pts": 2, "time_base": [1, 1]}),
    (6, 3, {"t": 1, "name": "m", "data": {"a": [None, 1.5, b"x"]}}),
    (6, 3, {"t": 1, "name": "m", "later": 1}),
]
GROUP_2_ENTRIES: list[tuple[int, int, dict[str, Any]]] = [
    (2, 0, {"index": 1, "type": "window", "value": {"title": "w"}}),
    (2, 0, {"index": 2, "type": "window", "value": None}),
    (7, 0, {"index": 1, "t": 5, "type": "text", "data": "hello"}),
    (1, 0, {"index": 1, "name": "the indices of sources are their own", "properties": {}}),
]


def _entries() -> None:
    for codec in (0, 1):
        payload = entries(ALL_ENTRIES, codec=codec)
        VECTORS.good(f"entries of group 0, codec {codec}", stream((ENTRIES, payload))).entries = ALL_ENTRIES
        payload = entries(GROUP_2_ENTRIES, 2, codec)
        VECTORS.good(
            f"entries of group 2, codec {codec}", stream((ENTRIES, payload))
        ).entries = GROUP_2_ENTRIES
    VECTORS.good("no entries", stream((ENTRIES, entries([]))))
    VECTORS.good("entries of an unknown type", stream((ENTRIES, entries([(8, 0, {"a": 1}), (2**63, 0, {})]))))
    VECTORS.good("encrypted entries", stream((ENTRIES, b"\x02\x01whatever"), (ENTRIES, b"\x00\xff")))
    source = ALL_ENTRIES[:1]
    again = stream((ENTRIES, entries(source))) + stream((ENTRIES, entries(source)))
    VECTORS.good("an index again in the next stream", again).entries = source * 2

    fields: dict[int, dict[str, Any]] = {}
    for kind, _, given in ALL_ENTRIES + GROUP_2_ENTRIES:
        fields.setdefault(kind, given)
    broken: list[tuple[str, int, dict[str, Any]]] = []
    required = {
        1: ["index", "name", "properties"],
        2: ["index", "type", "value"],
        3: ["reason", "t0", "t1"],
        4: ["t", "wall_ns"],
        5: ["t", "pts", "time_base"],
        6: ["t", "name"],
        7: ["index", "t", "type", "data"],
    }
    for kind, keys in required.items():
        for key in keys:
            broken.append((f"without {key}", kind, {k: v for k, v in fields[kind].items() if k != key}))
            if key not in ("value", "data"):
                broken.append((f"with {key} of another type", kind, {**fields[kind], key: 1.5}))
    broken += [("with index 0", kind, {**fields[kind], "index": 0}) for kind in (1, 2, 7)]
    broken += [("with index -1", kind, {**fields[kind], "index": -1}) for kind in (1, 2, 7)]
    broken += [
        ("with index 65,536", 1, {**fields[1], "index": 65536}),
        ("with scale_exponent 1", 1, {**fields[1], "properties": {"scale_exponent": 1}}),
        ("with scale_exponent -17", 1, {**fields[1], "properties": {"scale_exponent": -17}}),
        ("with a key that is no string", 6, {**fields[6], 1: 1}),
        ("with a time_base of one", 5, {**fields[5], "time_base": [1]}),
        ("with t true", 6, {**fields[6], "t": True}),
    ]
    for name, kind, given in broken:
        payload = entries([(kind, 0, given)], 2 if kind in (2, 7) else 0)
        VECTORS.bad(f"entry of type {kind} {name}", CORRUPT, stream((ENTRIES, payload)))
    for kind in (2, 7):
        VECTORS.bad(
            f"entry of type {kind} in group 0", CORRUPT, stream((ENTRIES, entries([(kind, 0, fields[kind])])))
        )
    twice = [(2, 0, fields[2]), (2, 0, fields[2])]
    VECTORS.bad("an index twice in a record", CORRUPT, stream((ENTRIES, entries(twice, 2))))
    VECTORS.bad("an index twice in a stream", CORRUPT, stream(*[(ENTRIES, entries(source))] * 2))
    for name, values in [
        ("entry that is no array", [{"a": 1}]),
        ("entry of two", [[6, 0]]),
        ("entry with fields that are no map", [[6, 0, []]]),
        ("entry with a negative position", [[6, -1, {"t": 1, "name": "m"}]]),
        ("entry with a type that is no integer", [["6", 0, {}]]),
    ]:
        VECTORS.bad(name, CORRUPT, stream((ENTRIES, entries(values))))
    payload = entries(ALL_ENTRIES)
    VECTORS.bad("entries of group 1", CORRUPT, stream((ENTRIES, entries(ALL_ENTRIES, 1))))
    VECTORS.bad("entries of codec 2", CORRUPT, stream((ENTRIES, entries(ALL_ENTRIES, codec=2))))
    frame = zstandard.compress(msgpack.packb([8, 0, {}]))
    VECTORS.bad("zstd entries of codec 2", CORRUPT, stream((ENTRIES, b"\0\0\x02\x04" + frame)))
    packed = msgpack.packb([8, 0, {}])
    VECTORS.bad("an entry more than said", CORRUPT, stream((ENTRIES, b"\0\0\0\x04" + packed * 2)))
    VECTORS.bad("an entry less than said", CORRUPT, stream((ENTRIES, b"\0\0\0\x08" + packed)))
    VECTORS.bad("entries longer than said", CORRUPT, stream((ENTRIES, payload + b"\xc0")))
    VECTORS.bad("entries shorter than said", CORRUPT, stream((ENTRIES, payload[:-1])))
    VECTORS.bad("entries that end inside a value", CORRUPT, stream((ENTRIES, b"\0\0\0\x02\x93\x06")))
    VECTORS.bad("entries without a payload", CORRUPT, stream((ENTRIES, b"")))
    VECTORS.bad(
        "entries over 16 MiB",
        LIMIT,
        stream((ENTRIES, b"\0\0\1" + varint((16 << 20) + 1) + zstandard.compress(b""))),
    )
    deep = (6, 0, {"t": 1, "name": "m", "data": nested(62)})
    VECTORS.good("entry nested 64 deep", stream((ENTRIES, entries([deep])))).entries = [deep]
    deeper = (6, 0, {"t": 1, "name": "m", "data": nested(63)})
    VECTORS.bad("entry nested 65 deep", LIMIT, stream((ENTRIES, entries([deeper]))))


def _full() -> Maker:
    """Put a stream together that has each type of record."""
    maker = Maker().add(HEADER, header())
    body = table([column("t", [3, 9], parts := Parts([0])), column("kind", [70, 70], parts)], parts)
    maker.row(BLOCK, block(2, [(0, 0, body)], t_min=3, span=6, kinds=[(70, 2)]), 2, 3, 9, 1 << 63)
    maker.add(ANCILLARY, b"skip me")
    maker.row(ENTRIES, entries(GROUP_2_ENTRIES, 2), 4, 0, 0, 0b10000110)
    maker.row(BLOCK, SMALL, 3, 0, 0, 1)
    return maker


FULL_EVENTS = {"t": [3, 9, 0, 0, 0], "kind": [70, 70, 0, 0, 0], "v": [0, 0, 7, 7, 7]}


def _index_and_end() -> None:
    for name, data in [
        ("INDEX and END", _full().index().end().data),
        ("INDEX without END", _full().index().data),
        ("END without INDEX", _full().end().data),
        ("ancillary records around INDEX", _full().add(0x81, b"a").index().add(0x82, b"bc").end().data),
        ("INDEX with dtypes and tokens", _full().index(_index_otherwise()).end().data),
    ]:
        VECTORS.good(name, data, 5, **FULL_EVENTS).entries = GROUP_2_ENTRIES
    twice = _full().index().end().data * 2
    doubled = {name: values * 2 for name, values in FULL_EVENTS.items()}
    VECTORS.good("offsets are those of the own stream", twice, 10, **doubled).entries = GROUP_2_ENTRIES * 2
    VECTORS.good("INDEX of no rows", Maker().add(HEADER, header()).index().end().data)
    VECTORS.good("END alone", Maker().add(HEADER, header()).end().data)

    for i, column_name in enumerate(["offset", "size", "type", "events", "t_min", "t_max", "kinds"]):
        for number in range(3):
            maker = _full()
            maker.rows[number][i] += 1
            VECTORS.bad(f"INDEX, row {number}, wrong {column_name}", CORRUPT, maker.index().end().data)
    rows = _full().rows
    VECTORS.bad("INDEX of too few rows", CORRUPT, _full().index(index(rows[:2])).end().data)
    VECTORS.bad("INDEX of too many rows", CORRUPT, _full().index(index([*rows, rows[0]])).end().data)
    VECTORS.bad("INDEX out of order", CORRUPT, _full().index(index(rows[::-1])).end().data)
    right = index(_full().rows)
    for name, error, payload in [
        ("INDEX with a byte more", CORRUPT, right + b"\0"),
        ("INDEX with a byte less", CORRUPT, right[:-1]),
        ("INDEX of more than 1,048,576 rows", LIMIT, varint(1_048_577) + right[1:]),
        ("INDEX of six columns", CORRUPT, _zero_rows_as_three([1, 2, 3, 4, 5, 6])),
        ("INDEX with an unknown column", CORRUPT, _one_more_column()),
        ("INDEX with its columns swapped", CORRUPT, _swapped_columns()),
        ("INDEX with another dtype", CORRUPT, _other_dtype()),
    ]:
        VECTORS.bad(name, error, _full().index(payload).end().data)
    for name, distance, length, events in [
        ("distance", 1, None, None),
        ("length", None, 1, None),
        ("events", None, None, 6),
        ("distance 0 with an INDEX", 0, None, None),
    ]:
        VECTORS.bad(f"END with a wrong {name}", CORRUPT, _full().index().end(distance, length, events).data)
    VECTORS.bad("END with a distance and no INDEX", CORRUPT, _full().end(44).data)
    VECTORS.bad("END of 23 bytes", CORRUPT, stream((END, bytes(23))))
    VECTORS.bad("END of 25 bytes", CORRUPT, stream((END, bytes(25))))
    sizes = [(0).to_bytes(8, "little"), (23 + 45).to_bytes(8, "little"), (0).to_bytes(8, "little")]
    VECTORS.bad("END with a byte more", CORRUPT, stream((END, b"".join(sizes) + b"\0")))
    VECTORS.bad(
        "END with a byte less", CORRUPT, stream((END, sizes[0] + (23 + 43).to_bytes(8, "little") + bytes(7)))
    )
    ended = Maker().add(HEADER, header()).end()
    for kind, payload in [(BLOCK, SMALL), (ENTRIES, entries([])), (ANCILLARY, b""), (INDEX, index([]))]:
        maker = Maker(ended.data, ended.number)
        VECTORS.bad(f"record of type {kind} after END", CORRUPT, maker.add(kind, payload).data)
    VECTORS.bad("END twice", CORRUPT, Maker(ended.data, ended.number).end(0, len(ended.data) + 44, 0).data)


def _index_otherwise() -> bytes:
    """Describe the INDEX of the full stream with dtypes written out and other encodings."""
    rows = _full().rows
    parts = Parts([1])
    widths = (64, 64, 8, 64, 64, 64, 64)
    codes = (3, 3, 4, 3, 3, 3, 7)
    out = []
    for i, (width, code) in enumerate(zip(widths, codes, strict=True)):
        values = [row[i] for row in rows]
        out.append(
            varint(2 * (i + 1) + 1) + bytes([code]) + sequence(parts, values, width, delta(), tokens(2, 1))
        )
    return varint(len(rows)) + table(out, parts)


def _one_more_column() -> bytes:
    return _zero_rows_as_three([1, 2, 3, 4, 5, 6, 7, 8])


def _swapped_columns() -> bytes:
    return _zero_rows_as_three([2, 1, 3, 4, 5, 6, 7])


def _zero_rows_as_three(ids: list[int]) -> bytes:
    """Describe three rows, all columns the constant 0."""
    return b"\x03" + varint(len(ids)) + b"".join(varint(2 * i) + b"\x00\x00\x00" for i in ids) + b"\x00"


def _other_dtype() -> bytes:
    rows = _full().rows
    parts = Parts()
    out = []
    for i, width in enumerate((64, 64, 32, 64, 64, 64, 64)):
        head = varint(2 * (i + 1) + (i == 2)) + (b"\x06" if i == 2 else b"")
        out.append(head + sequence(parts, [row[i] for row in rows], width, plain(), planes()))
    return varint(len(rows)) + table(out, parts)


_records()
_headers()
_entries()
_index_and_end()

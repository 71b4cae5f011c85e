"""Streams that show entries (section 6)."""

from __future__ import annotations

from typing import Any

import msgpack
import zstandard

from assemble import (
    ENTRIES,
    entries,
    stream,
    varint,
)
from vector import (
    CORRUPT,
    LIMIT,
    UNSUPPORTED,
    Vector,
    Vectors,
    nested,
)

VECTORS = Vectors()

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
EDGES: list[tuple[int, int, dict[str, Any]]] = [
    (2, 0, {"index": 2**32 - 1, "type": "", "value": [{}, b""]}),
    (7, 0, {"index": 2**32 - 1, "t": 2**63 - 1, "type": "", "data": None}),
    (3, 2**40, {"reason": 255, "t0": -(2**63), "t1": 2**63 - 1, "source": 65535, "lost": 2**64 - 1}),
    (4, 0, {"t": 2**63 - 1, "wall_ns": -(2**63), "suspended_ns": -(2**63)}),
    (5, 0, {"t": -(2**63), "pts": -(2**63), "time_base": [2**63 - 1, 2**63 - 1]}),
    (5, 0, {"t": 2**63 - 1, "pts": 2**63 - 1, "time_base": [1, 1]}),
    (1, 0, {"index": 1, "name": "s", "properties": {"scale_exponent": -16}}),
    (1, 0, {"index": 2, "name": "s", "properties": {"scale_exponent": 0}}),
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
    VECTORS.good("entries at their bounds", stream((ENTRIES, entries(EDGES, 2)))).entries = EDGES
    VECTORS.good("no entries", stream((ENTRIES, entries([]))))
    VECTORS.good("entries of an unknown type", stream((ENTRIES, entries([(8, 0, {"a": 1}), (2**63, 0, {})]))))
    VECTORS.good("encrypted entries", stream((ENTRIES, b"\x02\x01whatever"), (ENTRIES, b"\x00\xff")))
    source = ALL_ENTRIES[:1]
    again = stream((ENTRIES, entries(source))) + stream((ENTRIES, entries(source)))
    VECTORS.good("an index again in the next stream", again).entries = source * 2

    fields: dict[int, dict[Any, Any]] = {}
    for kind, _, given in ALL_ENTRIES + GROUP_2_ENTRIES:
        fields.setdefault(kind, given)
    broken: list[tuple[str, int, dict[Any, Any]]] = []
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
        *[("with index 2**32", kind, {**fields[kind], "index": 2**32}) for kind in (2, 7)],
        ("with reason 0", 3, {**fields[3], "reason": 0}),
        ("with reason 256", 3, {**fields[3], "reason": 256}),
        ("with reason -1", 3, {**fields[3], "reason": -1}),
        ("with t0 after t1", 3, {**fields[3], "t0": 6}),
        ("with source 65,536", 3, {**fields[3], "source": 65536}),
        ("with source -1", 3, {**fields[3], "source": -1}),
        ("with source nil", 3, {**fields[3], "source": None}),
        ("with lost -1", 3, {**fields[3], "lost": -1}),
        ("with lost nil", 3, {**fields[3], "lost": None}),
        ("with clock of another type", 4, {**fields[4], "clock": 1}),
        ("with boot_id of another type", 4, {**fields[4], "boot_id": b"b"}),
        ("with suspended_ns 2**63", 4, {**fields[4], "suspended_ns": 2**63}),
        ("with uri of another type", 5, {**fields[5], "uri": 1}),
        ("with a numerator of 0", 5, {**fields[5], "time_base": [0, 1]}),
        ("with a denominator of 0", 5, {**fields[5], "time_base": [1, 0]}),
        ("with a negative denominator", 5, {**fields[5], "time_base": [1, -1]}),
        ("with a denominator of 2**63", 5, {**fields[5], "time_base": [1, 2**63]}),
        ("with a numerator true", 5, {**fields[5], "time_base": [True, 1]}),
        ("with a time_base of three", 5, {**fields[5], "time_base": [1, 1, 1]}),
        ("with scale_exponent of another type", 1, {**fields[1], "properties": {"scale_exponent": -1.0}}),
        ("with a key of 1 inside", 6, {**fields[6], "data": [{1: 2}]}),
        ("with a key of nil inside", 6, {**fields[6], "data": {"a": {None: 2}}}),
        ("with a binary key", 6, {**fields[6], b"k": 1}),
        *[
            (f"with {key} {name}", kind, {**fields[kind], key: value})
            for kind, keys in {
                3: ["t0", "t1"],
                4: ["t", "wall_ns"],
                5: ["t", "pts"],
                6: ["t"],
                7: ["t"],
            }.items()
            for key in keys
            for name, value in [("2**63", 2**63), ("2**64 - 1", 2**64 - 1), ("true", True), ("nil", None)]
        ],
        ("with scale_exponent 1", 1, {**fields[1], "properties": {"scale_exponent": 1}}),
        ("with scale_exponent -17", 1, {**fields[1], "properties": {"scale_exponent": -17}}),
        ("with a key that is no string", 6, {**fields[6], 1: 1}),
        ("with a time_base of one", 5, {**fields[5], "time_base": [1]}),
    ]
    for name, kind, given in broken:
        payload = entries([(kind, 0, given)], 2 if kind in (2, 7) else 0)
        VECTORS.bad(f"entry of type {kind} {name}", CORRUPT, stream((ENTRIES, payload)))
    for kind in (2, 7):
        VECTORS.bad(
            f"entry of type {kind} in group 0", CORRUPT, stream((ENTRIES, entries([(kind, 0, fields[kind])])))
        )
    # a writer must not, a reader takes the first
    for kind in (1, 2, 7):
        other = {**fields[kind], "value": "another", "data": "another", "properties": {}}
        twice = [(kind, 0, fields[kind]), (kind, 0, {key: other[key] for key in fields[kind]})]
        like = Vector("", b"", entries=twice)
        data = stream((ENTRIES, entries(twice, 2)))
        VECTORS.unsound(f"an index of type {kind} twice in a record", CORRUPT, data, like, readable=True)
        data = stream(*[(ENTRIES, entries([entry], 2)) for entry in twice])
        VECTORS.unsound(f"an index of type {kind} twice in a stream", CORRUPT, data, like, readable=True)
    shapes: list[tuple[str, list[Any]]] = [
        ("entry that is no array", [{"a": 1}]),
        ("entry of two", [[6, 0]]),
        ("entry with fields that are no map", [[6, 0, []]]),
        ("entry with a negative position", [[6, -1, {"t": 1, "name": "m"}]]),
        ("entry with a type that is no integer", [["6", 0, {}]]),
        ("entry with a negative type", [[-1, 0, {}]]),
        ("entry with a position that is no integer", [[6, 0.0, {"t": 1, "name": "m"}]]),
        ("entry of four", [[6, 0, {"t": 1, "name": "m"}, 0]]),
        ("entry of an unknown type with fields that are no map", [[8, 0, []]]),
        ("entry of an unknown type with a key of 1", [[8, 0, {1: 1}]]),
    ]
    for name, values in shapes:
        VECTORS.bad(name, CORRUPT, stream((ENTRIES, entries(values))))
    payload = entries(ALL_ENTRIES)
    VECTORS.bad("entries of group 1", CORRUPT, stream((ENTRIES, entries(ALL_ENTRIES, 1))))
    VECTORS.bad("entries of codec 2", UNSUPPORTED, stream((ENTRIES, entries(ALL_ENTRIES, codec=2))))
    frame = zstandard.compress(msgpack.packb([8, 0, {}]))
    VECTORS.bad("zstd entries of codec 2", UNSUPPORTED, stream((ENTRIES, b"\0\0\x02\x04" + frame)))
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
    VECTORS.bad("encrypted entries of group 1", CORRUPT, stream((ENTRIES, b"\x01\x01")))
    for start, name in [(b"\xdc\x40\x01", "array"), (b"\xde\x40\x01", "map")]:
        # the elements are not there: nobody may look for them
        raw = b"\x93\x06\x00\x81\xa4data" + start
        data = stream((ENTRIES, b"\0\0\0" + varint(len(raw)) + raw))
        VECTORS.bad(f"entry with an {name} of 16,385 elements", LIMIT, data)
    wide: tuple[int, int, dict[str, Any]] = (6, 0, {"t": 1, "name": "m", "data": [{b"k": 1}, [0] * 16_384]})
    VECTORS.good("entry with an array of 16,384 elements", stream((ENTRIES, entries([wide])))).entries = [
        wide
    ]
    deep = (6, 0, {"t": 1, "name": "m", "data": nested(62)})
    VECTORS.good("entry nested 64 deep", stream((ENTRIES, entries([deep])))).entries = [deep]
    deeper = (6, 0, {"t": 1, "name": "m", "data": nested(63)})
    VECTORS.bad("entry nested 65 deep", LIMIT, stream((ENTRIES, entries([deeper]))))


_entries()

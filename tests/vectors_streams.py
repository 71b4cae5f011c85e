"""Streams that show records, headers, entries, the index and the end (sections 2, 3, 6, 7 and 8)."""

from __future__ import annotations

from assemble import (
    ANCILLARY,
    BLOCK,
    HEADER,
    Maker,
    header,
    record,
    stream,
)
from vector import (
    CORRUPT,
    LIMIT,
    SMALL,
    TRUNCATED,
    UNSUPPORTED,
    Vectors,
    nested,
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
    VECTORS.bad("header with a forged map size", LIMIT, stream(head=b"\x01\x00\xdf\xff\xff\xff\xff"))
    VECTORS.bad("header with a forged array size", LIMIT, stream(head=b"\x01\x00\x81\xa1a\xdc\x40\x01"))
    largest = header({"metadata": {"a": [0] * 16_384, "b": {f"{i:x}": 0 for i in range(16_384)}}})
    VECTORS.good("arrays and maps of 16,384 elements", stream(head=largest))
    VECTORS.bad("array of 16,385 elements", LIMIT, stream(head=header({"metadata": {"a": [0] * 16_385}})))
    over_map = {f"{i:x}": 0 for i in range(16_385)}
    VECTORS.bad("map of 16,385 elements", LIMIT, stream(head=header({"metadata": over_map})))
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
        "retain_until_ns beyond int64",
        CORRUPT,
        stream(head=header({"governance": {"retain_until_ns": 2**63}})),
    )
    VECTORS.bad(
        "policy_digest not binary", CORRUPT, stream(head=header({"governance": {"policy_digest": 1}}))
    )
    VECTORS.bad(
        "recipients not strings", CORRUPT, stream(head=header({"governance": {"recipient_key_ids": [1]}}))
    )
    VECTORS.bad("purpose of another type", CORRUPT, stream(head=header({"governance": {"purpose": 1}})))
    VECTORS.bad("notice_id of another type", CORRUPT, stream(head=header({"governance": {"notice_id": 1}})))
    VECTORS.bad(
        "recipient_key_ids of another type",
        CORRUPT,
        stream(head=header({"governance": {"recipient_key_ids": "k"}})),
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


_records()
_headers()

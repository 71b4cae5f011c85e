"""Streams put together by hand from docs/format.md, each with what a decoder has to make of it.

``VECTORS`` is the whole table. No encoder of evcodec has a part in it; see :mod:`assemble`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgpack
import zstandard

from assemble import (
    ANCILLARY,
    BLOCK,
    DEFAULT_DTYPES,
    DTYPES,
    END,
    ENTRIES,
    HEADER,
    INDEX,
    Layout,
    Maker,
    Parts,
    Transform,
    block,
    column,
    constant,
    delta,
    dictionary,
    entries,
    header,
    index,
    plain,
    planes,
    record,
    runs,
    second,
    sequence,
    signed,
    stream,
    svarint,
    table,
    tokens,
    varint,
)

CORRUPT, TRUNCATED, UNSUPPORTED, LIMIT = "corrupt", "truncated", "unsupported", "limit"


@dataclass
class Vector:
    """A stream, and either the values that it holds or the kind of error that it deserves."""

    name: str
    data: bytes
    error: str = ""
    events: dict[str, list[int]] = field(default_factory=dict)
    count: int = 0
    dtypes: dict[str, str] = field(default_factory=dict)
    entries: list[tuple[int, int, dict[str, Any]]] = field(default_factory=list)


VECTORS: list[Vector] = []


def good(name: str, data: bytes, count: int = 0, **events: list[int]) -> Vector:
    """Add a vector that decodes."""
    VECTORS.append(Vector(name, data, events=events, count=count))
    return VECTORS[-1]


def bad(name: str, error: str, data: bytes) -> None:
    """Add a vector that has to be refused."""
    VECTORS.append(Vector(name, data, error=error))


def one_block(payload: bytes) -> bytes:
    """Put HEADER and this BLOCK together."""
    return stream((BLOCK, payload))


def one_column(
    values: list[int], transform: Transform, layout: Layout, dtype: str, codecs: list[int]
) -> bytes:
    """Put a stream of one block with the named column ``v`` together."""
    parts = Parts(codecs)
    described = column("v", values, parts, dtype=dtype, transform=transform, layout=layout)
    return one_block(block(len(values), [(3, 0, table([described], parts))]))


def raw_column(described: bytes, count: int, parts: bytes, dtype: str = "uint8") -> bytes:
    """Put a stream of one block together whose column ``v`` has this sequence, byte for byte."""
    head = b"\x01\x01v\x03" + bytes([DTYPES[dtype]]) + b"\x01"
    return one_block(block(count, [(3, 0, b"\x01" + head + described + parts)]))


NO_PARTS = b"\x00"


def one_part(data: bytes) -> bytes:
    """Describe one part that is stored as it is."""
    return b"\x01\x00" + varint(len(data)) + data


def _records() -> None:
    good("header alone", stream())
    good("header with all its keys", stream(head=header(HEADER_FIELDS)))
    good("header with unknown keys", stream(head=header({"later": [1, {"a": None}], "metadata": {}})))
    good("record flags 4 to 7 are unused", record(HEADER, header(), 0, flags=0xF0))
    good("ancillary records are skipped", stream((0x80, b"anything"), (0xFF, b"")))
    good("two streams", stream((BLOCK, SMALL)) + stream((BLOCK, SMALL)), 6, v=[7, 7, 7, 7, 7, 7])
    good("stream after END", Maker().add(HEADER, header()).end().data + stream((BLOCK, SMALL)), 3, v=[7] * 3)

    whole = stream((BLOCK, SMALL))
    first = len(stream())
    bad("no data", TRUNCATED, b"")
    for cut in (1, 3, 4, 15, 16, first - 1, first + 1, first + 4, first + 16, len(whole) - 1):
        bad(f"cut after {cut} bytes", TRUNCATED, whole[:cut])
    bad("cut inside the second stream", TRUNCATED, whole + whole[: first + 9])
    for at in (0, 3, 4, 5, 6, 9, 10, 14, 15, 16, first - 1, first, first + 14, first + 20, len(whole) - 1):
        damaged = bytearray(whole)
        damaged[at] ^= 0x40
        bad(f"byte {at} damaged", CORRUPT, bytes(damaged))
    bad("other bytes after a record", CORRUPT, whole + b"hello")
    bad("zeros after a record", CORRUPT, whole + bytes(100))
    bad("damaged length in the head", CORRUPT, whole[:6] + b"\xff\xff\xff\x7f" + whole[10:])
    for bit in range(4):
        bad(f"reserved record flag {bit}", CORRUPT, record(HEADER, header(), 0, flags=1 << bit))
        bad(
            f"reserved flag {bit} of an ancillary record",
            CORRUPT,
            stream() + record(0x90, b"", 1, flags=1 << bit),
        )
    bad("payload over 64 MiB", LIMIT, stream() + record(ANCILLARY, b"", 1, length=(64 << 20) + 1))
    bad(
        "payload of 64 MiB that is not there",
        TRUNCATED,
        stream() + record(ANCILLARY, b"", 1, length=64 << 20),
    )
    for kind in (0, 6, 0x7F):
        bad(f"unknown record type {kind}", UNSUPPORTED, stream((kind, b"")))
    bad("stream without a header", CORRUPT, record(BLOCK, SMALL, 0))
    bad("ancillary record before the header", CORRUPT, record(ANCILLARY, b"", 0))
    bad("header with a sequence number", CORRUPT, record(HEADER, header(), 1))
    bad("record lost", CORRUPT, stream() + record(BLOCK, SMALL, 2))
    bad("record repeated", CORRUPT, whole + whole[first:])
    bad("lost ancillary record", CORRUPT, stream((ANCILLARY, b"")) + record(BLOCK, SMALL, 1))


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
SMALL = block(3, [(3, 0, b"\x01" + b"\x01\x01v\x03\x04\x01" + b"\x00\x00\x07" + b"\x00")])


def nested(depth: int, innermost: object = 1) -> Any:
    """Give arrays inside each other."""
    value: object = innermost
    for _ in range(depth):
        value = [value]
    return value


def _headers() -> None:
    for version in (0, 2, 255):
        bad(f"version {version}", UNSUPPORTED, stream(head=header(version=version)))
    for bit in range(8):
        bad(f"reserved feature {bit}", CORRUPT, stream(head=header(features=1 << bit)))
    bad("header of 0 bytes", CORRUPT, stream(head=b""))
    bad("header of 1 byte", CORRUPT, stream(head=b"\x01"))
    bad("header without a map", CORRUPT, stream(head=b"\x01\x00"))
    bad("header with an array", CORRUPT, stream(head=header([])))
    bad("header with half a map", CORRUPT, stream(head=b"\x01\x00\x81\xa1a"))
    bad("header with two maps", CORRUPT, stream(head=header() + b"\x80"))
    bad("header with a byte msgpack never uses", CORRUPT, stream(head=b"\x01\x00\x81\xa1a\xc1"))
    bad("header with a string that is not UTF-8", CORRUPT, stream(head=b"\x01\x00\x81\xa6writer\xa1\xff"))
    bad("header with a forged map size", CORRUPT, stream(head=b"\x01\x00\xdf\xff\xff\xff\xff"))
    bad("writer not a string", CORRUPT, stream(head=header({"writer": 1})))
    bad("metadata not a map", CORRUPT, stream(head=header({"metadata": []})))
    bad("metadata with a key of 1", CORRUPT, stream(head=header({"metadata": {1: 2}})))
    bad("governance not a map", CORRUPT, stream(head=header({"governance": "none"})))
    bad(
        "retain_until_ns not an integer",
        CORRUPT,
        stream(head=header({"governance": {"retain_until_ns": "x"}})),
    )
    bad("policy_digest not binary", CORRUPT, stream(head=header({"governance": {"policy_digest": 1}})))
    bad("recipients not strings", CORRUPT, stream(head=header({"governance": {"recipient_key_ids": [1]}})))
    over = {"metadata": {"a": bytes(1 << 20)}}
    bad("header map over 1 MiB", LIMIT, stream(head=header(over)))
    fits = {"metadata": {"a": bytes((1 << 20) - len(header({"metadata": {"a": bytes(70000)}})) + 2 + 70000)}}
    good("header map of exactly 1 MiB", stream(head=header(fits)))
    # the map itself, and the map of the metadata, count as two
    good("msgpack nested 64 deep", stream(head=header({"metadata": {"a": nested(62)}})))
    bad("msgpack nested 65 deep", LIMIT, stream(head=header({"metadata": {"a": nested(63)}})))
    bad("msgpack nested 65 deep under an unknown key", LIMIT, stream(head=header({"later": nested(64)})))
    bad("msgpack nested 100,000 deep", LIMIT, stream(head=b"\x01\x00\x81\xa1a" + b"\x91" * 100_000 + b"\xc0"))


TRANSFORMS: dict[str, Transform] = {
    "none": plain(),
    "none from 100": plain(100),
    "none from -3": plain(-3),
    "delta": delta(),
    "second difference": second(),
}


def _values(width: int) -> list[int]:
    """Values over the whole range of a width, with neighbours and repeats."""
    top = (1 << width) - 1
    half = 1 << (width - 1)
    out = [0, 1, 2, 3, 3, 3, 3, top, 0, half, half - 1, half + 1, top - 1, top, top]
    out += [top >> shift for shift in range(width)] + [1 << shift for shift in range(width)]
    return [*out, 5, 5, 5, 5, 9, 9, 100, 101, 103, 106]


def _layouts(width: int) -> dict[str, Layout]:
    return {
        "planes": planes(),
        "planes in part 1": planes(part=1),
        "dictionary": dictionary([0, 1, 3, 5], planes()),
        "dictionary, escapes as tokens from -1": dictionary([(1 << width) - 1, 2], tokens(2, 1, 1, 0), 1, -1),
        "tokens": tokens(3, 2, 0, 1),
        "tokens, both in one part": tokens(1, 0),
        "runs of planes": runs(planes(), planes(1)),
        "runs of tokens": runs(tokens(4, 0, 1, 0), tokens(2, 2, 1, 1)),
    }


def _sequences() -> None:
    for dtype in DTYPES:
        width = int(dtype.lstrip("uint"))
        unsigned = _values(width)
        seen = [signed(v, width) if dtype.startswith("int") else v for v in unsigned]
        for transform, applied in TRANSFORMS.items():
            for codecs in ([0, 0], [1, 0], [1, 1]) if width == 32 else ([0, 1],):
                for layout, laid in _layouts(width).items():
                    data = one_column(unsigned, applied, laid, dtype, codecs)
                    vector = good(f"{dtype}, {transform}, {layout}, codecs {codecs}", data, len(seen), v=seen)
                    vector.dtypes = {"v": dtype}
        _constants(dtype, width)


def _constants(dtype: str, width: int) -> None:
    top = 1 << width
    cases = {
        "none": ([77] * 5, plain()),
        "none from -1": ([top - 1] * 5, plain(-1)),
        "delta": ([(200 - 90 * i) % top for i in range(7)], delta()),
        "delta by 30": ([(200 - 90 * i) % top for i in range(3)], delta(30)),
        "second difference": ([(3 * i * i - 40 * i + 9) % top for i in range(9)], second()),
        "second difference by 2": ([2 * i * i for i in range(7)], second(2)),
    }
    for transform, (unsigned, applied) in cases.items():
        seen = [signed(v, width) if dtype.startswith("int") else v for v in unsigned]
        data = one_column(unsigned, applied, constant(), dtype, [])
        good(f"{dtype}, {transform}, constant", data, len(seen), v=seen).dtypes = {"v": dtype}


def _token_parameters() -> None:
    for width in (8, 16, 32, 64):
        values = _values(width)
        for d in range(9):
            for q in range(9):
                fits = 1 <= d <= 7 and q <= d and 2**d + (width - d) * 2**q <= 256
                if fits:
                    data = one_column(values, plain(), tokens(d, q, 0, 1), f"uint{width}", [0, 0])
                    good(f"uint{width}, tokens {d}, {q}", data, len(values), v=values)
                elif d < 9:
                    described = b"\x03\x00" + bytes([d * 16 + q, 0, 0, 0])
                    data = raw_column(described, 2, one_part(b"\x00\x00"), f"uint{width}")
                    bad(f"uint{width}, tokens {d}, {q}", CORRUPT, data)


def _by_hand() -> None:
    """Sequences written out byte for byte, so that no mistake of the assembling can hide."""
    good("one value", raw_column(b"\x00\x00\x07", 1, NO_PARTS), 1, v=[7])
    good("base -5 and constant 3", raw_column(b"\x00\x09\x03", 2, NO_PARTS, "int8"), 2, v=[-2, -2])
    good("delta 10, 13, 11", raw_column(b"\x11\x14\x01\x01\x00", 3, one_part(b"\x06\x03")), 3, v=[10, 13, 11])
    # steps 2, then +1 and -3 of them, each times 10
    good(
        "second difference by 10",
        raw_column(b"\x21\x00\x04\x0a\x01\x00", 4, one_part(b"\x02\x05"), "int16"),
        4,
        v=[0, 20, 50, 50],
    )
    planes_2 = b"\x01\x00\x02\x00"
    good(
        "planes one after the other",
        raw_column(planes_2, 3, one_part(b"\x01\x02\x03\xff\x00\x01"), "uint32"),
        3,
        v=[0xFF01, 2, 0x103],
    )
    # d = 2, q = 1: tokens 4.. for 4-5, 6-7, 8-11, 12-15, 16-23; 0b11_101 keeps 3 - 1 bits and so on
    hand_tokens = b"\x03\x00\x21\x00\x00\x01"
    good(
        "tokens with bits from the low end",
        raw_column(hand_tokens, 4, one_part(b"\x03\x04\x07\x08" + bytes([0b101_10_1]))),
        4,
        v=[3, 5, 14, 21],
    )
    good(
        "dictionary",
        raw_column(b"\x02\x00\x02\x32\x64\x00\x00", 3, one_part(b"\x01\x00\x01")),
        3,
        v=[100, 50, 100],
    )
    escapes = b"\x02\x00\x01\x32\x02\x00" + b"\x01\x02\x01\x00"
    good(
        "escapes behind the bytes, with a base of 1",
        raw_column(escapes, 3, one_part(b"\xff\x00\xff" + b"\x06\x08")),
        3,
        v=[7, 50, 9],
    )
    good(
        "runs",
        raw_column(
            b"\x04\x00\x02" + b"\x01\x00\x01\x00" + b"\x01\x00\x01\x00", 5, one_part(b"\x08\x09\x02\x01")
        ),
        5,
        v=[8, 8, 8, 9, 9],
    )
    full = b"\x02\x00\xff" + bytes(range(128)) + b"".join(varint(i) for i in range(128, 255))
    good("dictionary of 255", raw_column(full + b"\x00\x00", 2, one_part(b"\x00\xfe")), 2, v=[0, 254])
    with_escape = full + b"\x01\x00" + b"\x00\x00\x80\x02"
    good(
        "dictionary of 255 with an escape",
        raw_column(with_escape, 1, one_part(b"\xff"), "uint16"),
        1,
        v=[256],
    )
    good("base taken modulo", raw_column(b"\x00" + svarint(256 + 5) + b"\x00", 1, NO_PARTS), 1, v=[5])
    good("scale taken modulo", raw_column(b"\x10\x00" + varint(257) + b"\x02", 3, NO_PARTS), 3, v=[0, 1, 2])
    longest = b"\x00\x00" + b"\xff" * 9 + b"\x01"
    good("varint of ten bytes", raw_column(longest, 1, NO_PARTS, "uint64"), 1, v=[2**64 - 1])
    good("an empty part", raw_column(b"\x00\x00\x07", 1, b"\x01\x00\x00"), 1, v=[7])
    empty_frame = zstandard.compress(b"")
    good(
        "an empty part in zstd",
        raw_column(b"\x00\x00\x07", 1, b"\x01\x01\x00" + varint(len(empty_frame)) + empty_frame),
        1,
        v=[7],
    )
    shared = (
        b"\x02"
        + b"\x01\x01a\x03\x04\x01"
        + b"\x01\x00\x01\x00"
        + b"\x01\x01b\x03\x04\x01"
        + b"\x01\x00\x01\x00"
    )
    good(
        "two columns in one part",
        one_block(block(2, [(3, 0, shared + one_part(b"\x01\x02\x03\x04"))])),
        2,
        a=[1, 2],
        b=[3, 4],
    )


def _broken_sequences() -> None:
    two = one_part(b"\x00\x00")
    cases: dict[str, tuple[bytes, int, bytes, str]] = {
        "transform 3": (b"\x30\x00\x00\x01\x00", 20, NO_PARTS, "uint8"),
        "transform 15": (b"\xf0\x00\x00\x01\x00", 20, NO_PARTS, "uint8"),
        "transform 3 as none": (b"\x30\x00\x00", 20, NO_PARTS, "uint8"),
        "layout 5": (b"\x05\x00\x00", 4, NO_PARTS, "uint8"),
        "layout 15": (b"\x0f\x00\x00", 4, NO_PARTS, "uint8"),
        "delta without a residual": (b"\x10\x00\x01\x00", 1, NO_PARTS, "uint8"),
        "second difference without a residual": (b"\x20\x00\x00\x01\x00", 2, NO_PARTS, "uint8"),
        "scale 0 of a delta": (b"\x10\x00\x00\x00", 3, NO_PARTS, "uint8"),
        "scale 0 of a second difference": (b"\x20\x00\x00\x00\x00", 4, NO_PARTS, "uint8"),
        "constant of 9 bits": (b"\x00\x00" + varint(256), 1, NO_PARTS, "uint8"),
        "constant of 33 bits": (b"\x00\x00" + varint(1 << 32), 1, NO_PARTS, "int32"),
        "no planes": (b"\x01\x00\x00\x00", 2, NO_PARTS, "uint8"),
        "more planes than bytes": (b"\x01\x00\x02\x00", 1, two, "uint8"),
        "dictionary of 0": (b"\x02\x00\x00\x02\x00\x00\x00\x07", 2, one_part(b"\xff\xff"), "uint8"),
        "dictionary entry of 9 bits": (b"\x02\x00\x01" + varint(256) + b"\x00\x00", 2, two, "uint8"),
        "dictionary byte without an entry": (b"\x02\x00\x01\x05\x00\x00", 2, one_part(b"\x00\x01"), "uint8"),
        "escape bytes but no escapes": (b"\x02\x00\x01\x05\x00\x00", 2, one_part(b"\x00\xff"), "uint8"),
        "escapes but no escape bytes": (b"\x02\x00\x01\x05\x01\x00\x00\x00\x07", 2, two, "uint8"),
        "fewer escapes": (b"\x02\x00\x01\x05\x01\x00\x00\x00\x07", 2, one_part(b"\xff\xff"), "uint8"),
        "more escapes than bytes": (
            b"\x02\x00\x01\x05\x03\x00\x00\x00\x07",
            2,
            one_part(b"\xff\xff"),
            "uint8",
        ),
        "escapes as deltas": (b"\x02\x00\x01\x05\x02\x00\x10\x00\x01\x00", 2, one_part(b"\xff\xff"), "uint8"),
        "escapes as a dictionary": (
            b"\x02\x00\x01\x05\x02\x00\x02\x00\x01\x05\x00\x00",
            2,
            one_part(b"\xff\xff\x00\x00"),
            "uint8",
        ),
        "no runs": (b"\x04\x00\x00", 2, NO_PARTS, "uint8"),
        "more runs than values": (b"\x04\x00\x03" + b"\x00\x00\x01" * 2, 2, NO_PARTS, "uint8"),
        "runs too short": (b"\x04\x00\x01" + b"\x00\x00\x05" + b"\x00\x00\x00", 2, NO_PARTS, "uint8"),
        "runs too long": (b"\x04\x00\x01" + b"\x00\x00\x05" + b"\x00\x00\x02", 2, NO_PARTS, "uint8"),
        "run of 2**32": (
            b"\x04\x00\x01" + b"\x00\x00\x05" + b"\x00\x00" + varint(2**32 - 1),
            2,
            NO_PARTS,
            "uint8",
        ),
        "run values in runs": (b"\x04\x00\x01" + b"\x04\x00\x01" + b"\x00\x00\x01" * 3, 2, NO_PARTS, "uint8"),
        "run lengths as deltas": (b"\x04\x00\x02\x00\x00\x05\x10\x00\x01\x00", 2, NO_PARTS, "uint8"),
        "run value of 9 bits": (
            b"\x04\x00\x01\x00\x00" + varint(256) + b"\x00\x00\x01",
            2,
            NO_PARTS,
            "uint8",
        ),
        "part that does not exist": (b"\x01\x00\x01\x01", 2, two, "uint8"),
        "part number 2**63": (b"\x01\x00\x01" + varint(1 << 63), 2, two, "uint8"),
        "stream longer than its part": (b"\x01\x00\x01\x00", 3, two, "uint8"),
        "part with a byte left": (b"\x01\x00\x01\x00", 1, two, "uint8"),
        "part nobody names": (b"\x00\x00\x07", 2, two, "uint8"),
        "codec 2": (b"\x01\x00\x01\x00", 2, b"\x01\x02\x02\x00\x00", "uint8"),
        "bytes after the parts": (b"\x01\x00\x01\x00", 2, two + b"\x00", "uint8"),
        "part cut short": (b"\x01\x00\x01\x00", 2, two[:-1], "uint8"),
        "raw length of 2**64 - 1": (
            b"\x01\x00\x01\x00",
            2,
            b"\x01\x00" + varint(2**64 - 1) + bytes(2),
            "uint8",
        ),
        "longer varint of 0": (b"\x00\x00\x80\x00", 2, NO_PARTS, "uint8"),
        "varint of 65 bits": (b"\x00\x00" + b"\xff" * 9 + b"\x02", 2, NO_PARTS, "uint64"),
        "varint of 11 bytes": (b"\x00\x00" + b"\xff" * 10 + b"\x01", 2, NO_PARTS, "uint64"),
        "longer base": (b"\x00\x80\x00\x00", 2, NO_PARTS, "uint8"),
    }
    # d = 2, q = 1, width 8: 4 + 6 * 2 = 16 tokens
    head = b"\x03\x00\x21\x00\x00"
    cases |= {
        "token that no residual has": (head + b"\x00", 1, one_part(b"\x10"), "uint8"),
        "token that no residual has, with its bits": (head + b"\x01", 1, one_part(b"\x10\x00"), "uint8"),
        "token 255": (head + b"\x00", 1, one_part(b"\xff"), "uint8"),
        "bits cut short": (head + b"\x00", 1, one_part(b"\x0f"), "uint8"),
        "bits too long": (head + b"\x02", 1, one_part(b"\x0f\x00\x00"), "uint8"),
        "bits nobody needs": (head + b"\x01", 1, one_part(b"\x00\x00"), "uint8"),
        "reserved bits of the last byte": (head + b"\x01", 1, one_part(b"\x0f\x80"), "uint8"),
        "length of bits 2**60": (head + varint(1 << 60), 1, one_part(b"\x0f\x00"), "uint8"),
        "part of empty bits does not exist": (b"\x03\x00\x21\x00\x01\x00", 1, one_part(b"\x00"), "uint8"),
    }
    for name, (described, count, parts, dtype) in cases.items():
        bad(name, CORRUPT, raw_column(described, count, parts, dtype))

    frame = zstandard.compress(b"\x05\x06")
    other = zstandard.compress(b"\x05\x06\x07")
    checked = zstandard.ZstdCompressor(write_checksum=True).compress(b"\x05\x06")
    for name, raw, stored in [
        ("zstd frame of one byte less", 3, frame),
        ("zstd frame of one byte more", 2, other),
        ("two zstd frames", 2, zstandard.compress(b"\x05") + zstandard.compress(b"\x06")),
        ("bytes after the zstd frame", 2, frame + b"\x00"),
        ("half a zstd frame", 2, frame[:-1]),
        ("zstd frame without its checksum", 2, checked[:-4]),
        ("zstd frame with a wrong checksum", 2, checked[:-1] + bytes([checked[-1] ^ 1])),
        ("no zstd frame", 2, b""),
        ("not a zstd frame", 2, b"hello"),
    ]:
        parts = b"\x01\x01" + varint(raw) + varint(len(stored)) + stored
        bad(name, CORRUPT, raw_column(b"\x01\x00\x01\x00", raw, parts))


def _columns() -> None:
    names = [name for name in DEFAULT_DTYPES if _group(name) == 0]
    data = one_block(_all_pointer_columns(names))
    vector = good("all columns of group 0", data, 2, **{name: [1, 2] for name in names})
    vector.dtypes = {name: DEFAULT_DTYPES[name] for name in names}
    for group, label in [(1, "keys"), (2, "context")]:
        names = [name for name in DEFAULT_DTYPES if _group(name) == group]
        parts = Parts([1])
        body = table([column(name, [i, 0], parts) for i, name in enumerate(names)], parts)
        good(
            f"all columns of the group {label}",
            one_block(block(2, [(group, 0, body)])),
            2,
            **{name: [i, 0] for i, name in enumerate(names)},
        ).dtypes = {name: DEFAULT_DTYPES[name] for name in names}
    for dtype in DTYPES:
        parts = Parts([0])
        body = table([column("x", [1, 127], parts, dtype=dtype)], parts)
        good(f"x as {dtype}", one_block(block(2, [(0, 0, body)])), 2, x=[1, 127]).dtypes = {"x": dtype}
    for name in ("ä", "n" * 64, "a name", "é" * 32, "\x00"):
        parts = Parts([0])
        body = table([column(name, [4], parts)], parts)
        good(f"named column {name!r}", one_block(block(1, [(3, 0, body)])), 1, **{name: [4]})
    parts = Parts([0])
    body = table([column("v", [4], parts, group=255)], parts)
    good("named column of group 255", one_block(block(1, [(255, 0, body)])), 1, v=[4])
    vector = good(
        "column of all zeros by its mask", one_block(block(2, [(0, 0, b"\x01\x06\x00\x00")])), 2, x=[0, 0]
    )
    vector.dtypes = {"x": "int32"}

    for name, body, group, error in [
        ("id 0 without a dtype", b"\x01\x00\x01v\x03\x01\x00\x00\x07\x00", 3, CORRUPT),
        ("id 22", b"\x01" + varint(44) + b"\x01\x00\x00\x07\x00", 0, UNSUPPORTED),
        ("id 2**62", b"\x01" + varint(1 << 63) + b"\x01\x00\x00\x07\x00", 0, UNSUPPORTED),
        ("dtype 8", b"\x01\x07\x08\x01\x00\x00\x07\x00", 0, CORRUPT),
        ("name of 0 bytes", b"\x01\x01\x00\x03\x04\x01\x00\x00\x07\x00", 3, CORRUPT),
        ("name of 65 bytes", b"\x01\x01\x41" + b"n" * 65 + b"\x03\x04\x01\x00\x00\x07\x00", 3, LIMIT),
        ("name that is not UTF-8", b"\x01\x01\x01\xff\x03\x04\x01\x00\x00\x07\x00", 3, CORRUPT),
        ("name with a surrogate", b"\x01\x01\x03\xed\xa0\x80\x03\x04\x01\x00\x00\x07\x00", 3, CORRUPT),
        ("named column of another group", b"\x01\x01\x01v\x04\x04\x01\x00\x00\x07\x00", 3, CORRUPT),
        ("name of a numbered column", b"\x01\x01\x01x\x03\x04\x01\x00\x00\x07\x00", 3, CORRUPT),
        ("numbered column in another group", b"\x01\x06\x01\x00\x00\x07\x00", 1, CORRUPT),
        ("numbered column twice", b"\x02" + b"\x06\x01\x00\x00\x07" * 2 + b"\x00", 0, CORRUPT),
        ("named column twice", b"\x02" + b"\x01\x01v\x03\x04\x01\x00\x00\x07" * 2 + b"\x00", 3, CORRUPT),
        ("reserved bits of a mask", b"\x01\x06\x03\x00\x00\x07\x00", 0, CORRUPT),
        ("top bit of a mask", b"\x01\x06\x81\x00\x00\x07\x00", 0, CORRUPT),
        ("mask of kind not full", b"\x01\x04\x00\x00", 0, CORRUPT),
        ("fewer columns", b"\x02\x06\x01\x00\x00\x07\x00", 0, CORRUPT),
        ("1,025 columns", varint(1025) + b"\x06\x00" * 1025 + b"\x00", 0, LIMIT),
        ("256 parts", b"\x01\x06\x01\x00\x00\x07" + varint(256) + b"\x00\x00" * 256, 0, LIMIT),
        ("empty table body", b"", 0, CORRUPT),
    ]:
        bad(name, error, one_block(block(1, [(group, 0, body)])))
    good("no columns in a section", one_block(block(1, [(0, 0, b"\x00\x00")])), 1)
    many = varint(1024) + b"".join(b"\x01\x03%03x\x03\x04\x01\x00\x00\x07" % i for i in range(1024)) + b"\x00"
    good("1,024 columns", one_block(block(1, [(3, 0, many)])), 1, **{f"{i:03x}": [7] for i in range(1024)})
    parts_255 = (
        b"\x01\x06\x01\x01\x00\x04"
        + varint(254)
        + varint(255)
        + b"\x00\x00" * 254
        + b"\x00\x04"
        + b"\x09\0\0\0"
    )
    good("255 parts", one_block(block(1, [(0, 0, parts_255)])), 1, x=[9])


def _group(name: str) -> int:
    keys = ("code", "scancode", "vk", "keysym", "modifiers", "layout", "key_class")
    return 1 if name in keys else 2 if name in ("context", "payload") else 0


def _all_pointer_columns(names: list[str]) -> bytes:
    parts = Parts([0])
    body = table([column(name, [1, 2], parts, mask=b"\x03") for name in names], parts)
    return block(2, [(0, 0, body)], t_min=1, span=1, kinds=[(1, 1), (2, 1)])


def _masks() -> None:
    kinds = [0, 3, 0, 200, 3, 0]
    counts = [(0, 3), (3, 2), (200, 1)]
    parts = Parts([0, 1])
    pointer = [
        column("x", [10, 20, 30], parts, mask=b"\x01"),
        column("kind", kinds, parts, mask=b"\x07", layout=planes(part=1)),
        column("dy", [-120, 120], parts, mask=b"\x02", transform=plain(-120)),
        column("t", [5, 6, 7, 8, 9, 10], parts, mask=b"\x07", transform=delta(), layout=constant()),
        column("y", [], parts, mask=b"\x00"),
    ]
    key_parts = Parts([0])
    keys = [column("code", [4, 5, 6], key_parts, mask=b"\x06")]
    sections = [(0, 0, table(pointer, parts)), (1, 0, table(keys, key_parts))]
    good(
        "masks of three kinds",
        one_block(block(6, sections, t_min=5, span=5, kinds=counts)),
        6,
        t=[5, 6, 7, 8, 9, 10],
        kind=kinds,
        x=[10, 0, 20, 0, 0, 30],
        dy=[0, -120, 0, 0, 120, 0],
        y=[0] * 6,
        code=[0, 4, 0, 5, 6, 0],
    )
    hidden = [(0, 1, b"secret"), (1, 0, table(keys, key_parts))]
    good(
        "mask that needs the hidden pointer group",
        one_block(block(6, hidden, t_min=5, span=5, kinds=counts)),
        6,
    )
    full_parts = Parts([0])
    full = [
        column("code", [1, 2, 3, 4, 5, 6], full_parts, mask=b"\x07"),
        column("vk", [], full_parts, mask=b"\x00"),
    ]
    hidden = [(0, 255, b"secret"), (1, 0, table(full, full_parts))]
    good(
        "full and empty masks need no pointer group",
        one_block(block(6, hidden, t_min=5, span=5, kinds=counts)),
        6,
        code=[1, 2, 3, 4, 5, 6],
        vk=[0] * 6,
    )
    good("hidden section of 0 bytes", one_block(block(6, [(2, 7, b"")])), 6)
    all_kinds = list(range(256))
    parts = Parts([0])
    mask = bytes([0, 0, 0x10] + [0] * 28 + [0x80])
    body = table(
        [column("kind", all_kinds, parts, mask=b"\xff" * 32), column("x", [7, 8], parts, mask=mask)], parts
    )
    good(
        "256 kinds",
        one_block(block(256, [(0, 0, body)], kinds=[(k, 1) for k in all_kinds])),
        256,
        kind=all_kinds,
        x=[7 if k == 20 else 8 if k == 255 else 0 for k in all_kinds],
    )
    nine = [column("kind", list(range(9)), Parts([0]), mask=b"\xff\x03")]
    parts = Parts([0])
    parts.put(0, bytes(range(9)))
    bad(
        "bit 9 of a mask of 9 kinds",
        CORRUPT,
        one_block(block(9, [(0, 0, table(nine, parts))], kinds=[(k, 1) for k in range(9)])),
    )


def _kind_body(kinds: list[int], dtype: str | None = None, mask: bytes = b"\x01") -> bytes:
    parts = Parts([0])
    return table([column("kind", kinds, parts, dtype=dtype, mask=mask)], parts)


def _blocks() -> None:
    good("block of events without columns", one_block(block(1_048_576)), 1_048_576)
    good("block of 0 events", one_block(block(0)))
    empty = b"\x02\x06" + b"\x01\x01v" + b"\x03\x00" + b"\x00"
    bad("named column in group 0 that says 3", CORRUPT, one_block(block(0, [(0, 0, empty)])))
    names = one_block(block(0, [(0, 0, b"\x02\x06\x08\x00"), (3, 0, b"\x01\x01\x01v\x03\x07\x00")]))
    good("names and dtypes of an empty batch", names, 0, x=[], y=[], v=[])
    both = one_block(block(0, [(0, 0, b"\x01\x07\x01\x00")]))
    good("dtype of an empty batch", both, 0, x=[]).dtypes = {"x": "int16"}
    big = stream(
        (BLOCK, SMALL), (BLOCK, block(2, [(0, 0, _kind_body([9, 9]))], kinds=[(9, 2)])), (BLOCK, SMALL)
    )
    good("columns that a block lacks", big, 8, v=[7, 7, 7, 0, 0, 7, 7, 7], kind=[0, 0, 0, 9, 9, 0, 0, 0])
    good("section count 0 for three events", one_block(block(3)), 3)
    long = 1_048_576
    body = b"\x01\x06\x01" + b"\x10\x00\x01\x02" + b"\x00"
    good("longest block, all deltas 1", one_block(block(long, [(0, 0, body)])), long, x=list(range(long)))

    bad("1,048,577 events", LIMIT, one_block(block(1_048_577)))
    bad("2**64 - 1 events", LIMIT, one_block(block(2**64 - 1)))
    bad("no kinds for an event", CORRUPT, one_block(block(1, kinds=[])))
    bad("a kind for no event", CORRUPT, one_block(block(0, kinds=[(0, 1)])))
    bad("a kind with count 0", CORRUPT, one_block(block(1, kinds=[(0, 1), (1, 0)])))
    bad("counts over the events", CORRUPT, one_block(block(1, kinds=[(0, 2)])))
    bad("counts that wrap", CORRUPT, one_block(block(3, kinds=[(0, 2**64 - 1), (1, 4)])))
    two = _kind_body([0, 1], mask=b"\x03")
    good("two kinds", one_block(block(2, [(0, 0, two)], kinds=[(0, 1), (1, 1)])), 2, kind=[0, 1])
    bad("kinds descending", CORRUPT, one_block(block(2, [(0, 0, two)], kinds=[(1, 1), (0, 1)])))
    bad(
        "a kind twice",
        CORRUPT,
        one_block(block(2, [(0, 0, _kind_body([0, 0], mask=b"\x03"))], kinds=[(0, 1), (0, 1)])),
    )
    secret = [(0, 1, b"secret")]
    for name, n, kinds in [
        ("a kind twice", 2, [(0, 1), (0, 1)]),
        ("kinds descending", 2, [(1, 1), (0, 1)]),
        ("a kind of count 0", 1, [(0, 1), (1, 0)]),
        ("too small a sum", 3, [(0, 1), (1, 1)]),
        ("too large a sum", 3, [(0, 1), (1, 3)]),
        ("a sum that wraps", 3, [(0, 2**64 - 1), (1, 4)]),
        ("no kinds", 3, []),
    ]:
        bad(f"pointer group hidden, {name}", CORRUPT, one_block(block(n, secret, kinds=kinds)))
    bad("257 kinds", CORRUPT, one_block(block(257, kinds=[(k % 256, 1) for k in range(257)])))
    bad(
        "kinds of the head are not those of the column",
        CORRUPT,
        one_block(block(2, [(0, 0, _kind_body([0, 1]))])),
    )
    bad(
        "counts are not those of the column",
        CORRUPT,
        one_block(block(3, [(0, 0, _kind_body([0, 0, 1], mask=b"\x03"))], kinds=[(0, 1), (1, 2)])),
    )
    bad(
        "kind -1 as int8", CORRUPT, one_block(block(1, [(0, 0, _kind_body([255], "int8"))], kinds=[(255, 1)]))
    )
    bad("kind 256 as int16", CORRUPT, one_block(block(1, [(0, 0, _kind_body([256], "int16"))])))
    good(
        "kind as int16",
        one_block(block(1, [(0, 0, _kind_body([255], "int16"))], kinds=[(255, 1)])),
        1,
        kind=[255],
    )
    bad("no kind column but kind 1", CORRUPT, one_block(block(1, kinds=[(1, 1)])))
    bad("no kind column but two kinds", CORRUPT, one_block(block(2, kinds=[(0, 1), (1, 1)])))
    bad("sections descending", CORRUPT, one_block(block(1, [(2, 0, b"\0\0"), (1, 0, b"\0\0")])))
    bad("a group twice", CORRUPT, one_block(block(1, [(3, 0, b"\0\0"), (3, 0, b"\0\0")])))
    bad("256 sections", CORRUPT, one_block(block(1, [(g, 0, b"\0\0") for g in range(256)])))
    good("255 sections", one_block(block(1, [(g, 0, b"\0\0") for g in range(255)])), 1)
    bad("a byte after the sections", CORRUPT, one_block(block(1, [(3, 0, b"\0\0")]) + b"\0"))
    bad("section cut short", CORRUPT, one_block(block(1, [(3, 0, b"\0\0")])[:-1]))
    bad(
        "section longer than the block",
        CORRUPT,
        one_block(b"\x01\x00\x00\x01\x00\x01\x01\x00\x00" + varint(2**64 - 1)),
    )
    bad("empty block payload", CORRUPT, one_block(b""))
    bad("block cut in its head", CORRUPT, one_block(block(3)[:3]))
    bad("event count not in shortest form", CORRUPT, one_block(b"\x80" + block(0)))
    _times()


def _times() -> None:
    def timed(values: list[int], t_min: int, span: int, dtype: str | None = None) -> bytes:
        parts = Parts([0])
        body = table([column("t", [v % 2**64 for v in values], parts, dtype=dtype)], parts)
        return one_block(block(len(values), [(0, 0, body)], t_min=t_min, span=span))

    good("t out of order", timed([5, -7, 9], -7, 16), 3, t=[5, -7, 9])
    ends = [-(2**63), 2**63 - 1]
    good("t over all 64 bits", timed(ends, -(2**63), 2**64 - 1), 2, t=ends)
    good("t as uint32", timed([7, 2**32 - 1], 7, 2**32 - 8, "uint32"), 2, t=[7, 2**32 - 1])
    bad("t_min too small", CORRUPT, timed([5, 9], 4, 5))
    bad("t span too small", CORRUPT, timed([5, 9], 5, 3))
    bad("t span too large", CORRUPT, timed([5, 9], 5, 5))
    bad("t_min without a t column", CORRUPT, one_block(block(1, t_min=1)))
    bad("t span without a t column", CORRUPT, one_block(block(1, span=1)))
    bad("t_min without an event", CORRUPT, one_block(block(0, t_min=1)))
    bad("t as uint64 over int64", CORRUPT, timed([2**63], -(2**63), 0, "uint64"))


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
        good(f"entries of group 0, codec {codec}", stream((ENTRIES, payload))).entries = ALL_ENTRIES
        payload = entries(GROUP_2_ENTRIES, 2, codec)
        good(f"entries of group 2, codec {codec}", stream((ENTRIES, payload))).entries = GROUP_2_ENTRIES
    good("no entries", stream((ENTRIES, entries([]))))
    good("entries of an unknown type", stream((ENTRIES, entries([(8, 0, {"a": 1}), (2**63, 0, {})]))))
    good("encrypted entries", stream((ENTRIES, b"\x02\x01whatever"), (ENTRIES, b"\x00\xff")))
    source = ALL_ENTRIES[:1]
    again = stream((ENTRIES, entries(source))) + stream((ENTRIES, entries(source)))
    good("an index again in the next stream", again).entries = source * 2

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
        bad(f"entry of type {kind} {name}", CORRUPT, stream((ENTRIES, payload)))
    for kind in (2, 7):
        bad(
            f"entry of type {kind} in group 0", CORRUPT, stream((ENTRIES, entries([(kind, 0, fields[kind])])))
        )
    twice = [(2, 0, fields[2]), (2, 0, fields[2])]
    bad("an index twice in a record", CORRUPT, stream((ENTRIES, entries(twice, 2))))
    bad("an index twice in a stream", CORRUPT, stream(*[(ENTRIES, entries(source))] * 2))
    for name, values in [
        ("entry that is no array", [{"a": 1}]),
        ("entry of two", [[6, 0]]),
        ("entry with fields that are no map", [[6, 0, []]]),
        ("entry with a negative position", [[6, -1, {"t": 1, "name": "m"}]]),
        ("entry with a type that is no integer", [["6", 0, {}]]),
    ]:
        bad(name, CORRUPT, stream((ENTRIES, entries(values))))
    payload = entries(ALL_ENTRIES)
    bad("entries of group 1", CORRUPT, stream((ENTRIES, entries(ALL_ENTRIES, 1))))
    bad("entries of codec 2", CORRUPT, stream((ENTRIES, entries(ALL_ENTRIES, codec=2))))
    frame = zstandard.compress(msgpack.packb([8, 0, {}]))
    bad("zstd entries of codec 2", CORRUPT, stream((ENTRIES, b"\0\0\x02\x04" + frame)))
    packed = msgpack.packb([8, 0, {}])
    bad("an entry more than said", CORRUPT, stream((ENTRIES, b"\0\0\0\x04" + packed * 2)))
    bad("an entry less than said", CORRUPT, stream((ENTRIES, b"\0\0\0\x08" + packed)))
    bad("entries longer than said", CORRUPT, stream((ENTRIES, payload + b"\xc0")))
    bad("entries shorter than said", CORRUPT, stream((ENTRIES, payload[:-1])))
    bad("entries that end inside a value", CORRUPT, stream((ENTRIES, b"\0\0\0\x02\x93\x06")))
    bad("entries without a payload", CORRUPT, stream((ENTRIES, b"")))
    bad(
        "entries over 16 MiB",
        LIMIT,
        stream((ENTRIES, b"\0\0\1" + varint((16 << 20) + 1) + zstandard.compress(b""))),
    )
    deep = (6, 0, {"t": 1, "name": "m", "data": nested(62)})
    good("entry nested 64 deep", stream((ENTRIES, entries([deep])))).entries = [deep]
    deeper = (6, 0, {"t": 1, "name": "m", "data": nested(63)})
    bad("entry nested 65 deep", LIMIT, stream((ENTRIES, entries([deeper]))))


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
        good(name, data, 5, **FULL_EVENTS).entries = GROUP_2_ENTRIES
    twice = _full().index().end().data * 2
    doubled = {name: values * 2 for name, values in FULL_EVENTS.items()}
    good("offsets are those of the own stream", twice, 10, **doubled).entries = GROUP_2_ENTRIES * 2
    good("INDEX of no rows", Maker().add(HEADER, header()).index().end().data)
    good("END alone", Maker().add(HEADER, header()).end().data)

    for i, column_name in enumerate(["offset", "size", "type", "events", "t_min", "t_max", "kinds"]):
        for number in range(3):
            maker = _full()
            maker.rows[number][i] += 1
            bad(f"INDEX, row {number}, wrong {column_name}", CORRUPT, maker.index().end().data)
    rows = _full().rows
    bad("INDEX of too few rows", CORRUPT, _full().index(index(rows[:2])).end().data)
    bad("INDEX of too many rows", CORRUPT, _full().index(index([*rows, rows[0]])).end().data)
    bad("INDEX out of order", CORRUPT, _full().index(index(rows[::-1])).end().data)
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
        bad(name, error, _full().index(payload).end().data)
    for name, distance, length, events in [
        ("distance", 1, None, None),
        ("length", None, 1, None),
        ("events", None, None, 6),
        ("distance 0 with an INDEX", 0, None, None),
    ]:
        bad(f"END with a wrong {name}", CORRUPT, _full().index().end(distance, length, events).data)
    bad("END with a distance and no INDEX", CORRUPT, _full().end(44).data)
    bad("END of 23 bytes", CORRUPT, stream((END, bytes(23))))
    bad("END of 25 bytes", CORRUPT, stream((END, bytes(25))))
    sizes = [(0).to_bytes(8, "little"), (23 + 45).to_bytes(8, "little"), (0).to_bytes(8, "little")]
    bad("END with a byte more", CORRUPT, stream((END, b"".join(sizes) + b"\0")))
    bad("END with a byte less", CORRUPT, stream((END, sizes[0] + (23 + 43).to_bytes(8, "little") + bytes(7))))
    ended = Maker().add(HEADER, header()).end()
    for kind, payload in [(BLOCK, SMALL), (ENTRIES, entries([])), (ANCILLARY, b""), (INDEX, index([]))]:
        maker = Maker(ended.data, ended.number)
        bad(f"record of type {kind} after END", CORRUPT, maker.add(kind, payload).data)
    bad("END twice", CORRUPT, Maker(ended.data, ended.number).end(0, len(ended.data) + 44, 0).data)


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


for _add in (
    _records,
    _headers,
    _sequences,
    _token_parameters,
    _by_hand,
    _broken_sequences,
    _columns,
    _masks,
    _blocks,
    _entries,
    _index_and_end,
):
    _add()

"""Sequences and parts that have to be refused (sections 5, 5.2 and 5.3)."""

from __future__ import annotations

import zstandard

from assemble import varint
from vector import CORRUPT, LIMIT, NO_PARTS, UNSUPPORTED, Vectors, one_part, raw_column

VECTORS = Vectors()


def _sequences() -> None:
    two = one_part(b"\x00\x00")
    cases: dict[str, tuple[bytes, int, bytes, str]] = {
        "delta without a residual": (b"\x10\x00\x01\x00", 1, NO_PARTS, "uint8"),
        "second difference without a residual": (b"\x20\x00\x00\x01\x00", 2, NO_PARTS, "uint8"),
        "scale 0 of a delta": (b"\x10\x00\x00\x00", 3, NO_PARTS, "uint8"),
        "scale 0 of a second difference": (b"\x20\x00\x00\x00\x00", 4, NO_PARTS, "uint8"),
        "scale of 9 bits": (b"\x10\x00" + varint(257) + b"\x02", 3, NO_PARTS, "uint8"),
        "scale of 9 bits of a second difference": (
            b"\x20\x00\x00" + varint(256) + b"\x02",
            3,
            NO_PARTS,
            "int8",
        ),
        "scale of 2**16": (b"\x10\x00" + varint(2**16) + b"\x02", 3, NO_PARTS, "uint16"),
        "scale of 2**32": (b"\x10\x00" + varint(2**32) + b"\x02", 3, NO_PARTS, "int32"),
        "scale of 2**64 - 1": (b"\x10\x00" + varint(2**64 - 1) + b"\x02", 3, NO_PARTS, "int32"),
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
        "bytes after the parts": (b"\x01\x00\x01\x00", 2, two + b"\x00", "uint8"),
        "part cut short": (b"\x01\x00\x01\x00", 2, two[:-1], "uint8"),
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
        VECTORS.bad(name, CORRUPT, raw_column(described, count, parts, dtype))

    _unsupported()
    _limits()
    _frames()


def _unsupported() -> None:
    inner = b"\x02\x00\x01\x05\x02\x00"
    for name, described, parts in [
        ("transform 4", b"\x41\x00\x00\x01\x00", NO_PARTS),
        ("transform 15", b"\xf0\x00\x00\x01\x00", NO_PARTS),
        ("transform 5 as none", b"\x50\x00\x00", NO_PARTS),
        ("layout 7", b"\x07\x00\x00", NO_PARTS),
        ("layout 15", b"\x0f\x00\x00", NO_PARTS),
        ("layout 7 of escapes", inner + b"\x07\x00\x00", one_part(b"\xff" * 20)),
        ("transform 4 of escapes", inner + b"\x40\x00\x00", one_part(b"\xff" * 20)),
        ("codec 2", b"\x01\x00\x01\x00", b"\x01\x02\x14" + bytes(20)),
        ("codec 255", b"\x01\x00\x01\x00", b"\x01\xff\x14" + bytes(20)),
    ]:
        VECTORS.bad(name, UNSUPPORTED, raw_column(described, 20, parts))


def _limits() -> None:
    frame = zstandard.compress(bytes((64 << 20) + 1))
    for name, codec, raw, stored in [
        ("part of 64 MiB and 1 in zstd", 1, (64 << 20) + 1, varint(len(frame)) + frame),
        ("part of 64 MiB and 1 that is not there", 0, (64 << 20) + 1, bytes(2)),
        ("raw length of 2**64 - 1", 0, 2**64 - 1, bytes(2)),
        ("raw length of 2**64 - 1 in zstd", 1, 2**64 - 1, b"\x02" + bytes(2)),
    ]:
        parts = b"\x01" + bytes([codec]) + varint(raw) + stored
        VECTORS.bad(name, LIMIT, raw_column(b"\x01\x00\x01\x00", 2, parts))


def _frames() -> None:
    frame = zstandard.compress(b"\x05\x06")
    other = zstandard.compress(b"\x05\x06\x07")
    checked = zstandard.ZstdCompressor(write_checksum=True).compress(b"\x05\x06")
    unsized = zstandard.ZstdCompressor(write_content_size=False).compress(b"\x05\x06")
    skippable = b"\x50\x2a\x4d\x18" + bytes(4)
    # the content size is the byte behind magic and descriptor
    lying = frame[:5] + b"\x03" + frame[6:]
    for name, raw, stored in [
        ("zstd frame without its content size", 2, unsized),
        ("zstd frame whose content size lies", 3, lying),
        ("zstd frame behind a skippable one", 2, skippable + frame),
        ("zstd frame before a skippable one", 2, frame + skippable),
        ("a skippable frame alone", 2, skippable),
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
        VECTORS.bad(name, CORRUPT, raw_column(b"\x01\x00\x01\x00", raw, parts))
    for name, stored in [
        ("no bytes compressed", zstandard.compress(b"")),
        ("no bytes from no zstd frame", b"hello"),
    ]:
        parts = b"\x01\x01\x00" + varint(len(stored)) + stored
        VECTORS.bad(name, CORRUPT, raw_column(b"\x00\x00\x07", 1, parts))


_sequences()

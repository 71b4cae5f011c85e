"""Streams that show bins, written out byte for byte, and bins that have to be refused (section 5.3)."""

from __future__ import annotations

import random

from assemble import plain, svarint, varint
from assemble_models import bins, gaps, spread_bins
from vector import CORRUPT, NO_PARTS, Vectors, one_column, one_part, raw_column

VECTORS = Vectors()


def _described(
    code_width: int, chosen: list[tuple[int, int]], length: int, first: bytes = b"\x05\x00"
) -> bytes:
    head = first + bytes([code_width, len(chosen) - 1])
    return head + gaps(chosen) + b"\x00\x00" + varint(length)


def _by_hand() -> None:
    # 7 and a bit, or 100
    two = _described(1, [(7, 1), (100, 0)], 1)
    VECTORS.good(
        "bins, codes and bits from the low end",
        raw_column(two, 5, one_part(bytes([0b0_1_0_1_0, 0b101]))),
        5,
        v=[8, 100, 7, 100, 8],
    )
    same = b"\x05\x00\x01\x01" + b"\x81\x0e" + b"\x80\xb6\x01" + b"\x00\x00\x01"
    VECTORS.good("bins, each gap spelled out", raw_column(same, 2, one_part(b"\x02\x01")), 2, v=[8, 100])
    zero = b"\x05\x00\x01\x01" + b"\x01" + b"\x81\x00" + b"\x00\x00\x01"
    VECTORS.good("bins, a gap of 0 spelled out", raw_column(zero, 2, one_part(b"\x02\x03")), 2, v=[1, 3])
    VECTORS.good(
        "one bin of no bits", raw_column(_described(8, [(9, 0)], 0), 3, one_part(bytes(3))), 3, v=[9] * 3
    )
    VECTORS.good(
        "codes of 9 bits in two bytes",
        raw_column(_described(1, [(1, 0), (2, 0)], 0), 9, one_part(b"\x81\x01")),
        9,
        v=[2, 1, 1, 1, 1, 1, 1, 2, 2],
    )
    nibbles = _described(4, [(i * i, 0) for i in range(16)], 0)
    VECTORS.good("16 bins", raw_column(nibbles, 3, one_part(b"\xf1\x0a")), 3, v=[1, 225, 100])
    quarters = _described(2, [(0, 2), (4, 2), (1, 0), (200, 3)], 1)
    VECTORS.good(
        "bins that overlap",
        raw_column(quarters, 4, one_part(bytes([0b11_10_01_00, 0b101_11_01]))),
        4,
        v=[1, 7, 1, 205],
    )
    every = _described(8, [((i * 7 + 3) % 256, 0) for i in range(256)], 0)
    VECTORS.good("256 bins", raw_column(every, 4, one_part(b"\x00\x01\xfe\xff")), 4, v=[3, 10, 245, 252])
    downwards = _described(8, [(255 - i, 0) for i in range(5)], 0)
    VECTORS.good(
        "bins that descend",
        raw_column(downwards, 5, one_part(bytes(range(5)))),
        5,
        v=[255, 254, 253, 252, 251],
    )
    twice = _described(1, [(5, 1), (5, 1)], 1)
    VECTORS.good("a bin twice", raw_column(twice, 2, one_part(b"\x02\x03")), 2, v=[6, 6])
    VECTORS.good(
        "delta of bins, which are the steps themselves",
        raw_column(_described(1, [(-3, 1), (1, 0)], 1, b"\x15\x14\x02"), 4, one_part(b"\x04\x02"), "int16"),
        4,
        v=[10, 4, 0, 2],
    )
    VECTORS.good(
        "second difference of bins",
        raw_column(_described(1, [(-1, 0), (1, 0)], 0, b"\x25\x00\x04\x0a"), 4, one_part(b"\x02"), "int16"),
        4,
        v=[0, 20, 30, 50],
    )
    VECTORS.good(
        "base and bins",
        raw_column(_described(1, [(2, 0)], 0, b"\x05\x05"), 2, one_part(b"\x00"), "int8"),
        2,
        v=[-1, -1],
    )
    in_two = b"\x05\x00\x01\x00\x03" + b"\x01\x00\x01"
    VECTORS.good(
        "codes in part 1 and bits in part 0",
        raw_column(in_two, 2, b"\x02\x00\x01\x00\x01" + b"\x2a\x00"),
        2,
        v=[2, 5],
    )
    for width in (8, 16, 32, 64):
        top = 1 << width
        unsigned = f"uint{width}"
        over = _described(1, [(top - 2, 2)], 1)
        VECTORS.good(
            f"{unsigned}, a bin over the edge",
            raw_column(over, 4, one_part(b"\x00" + bytes([0b11_10_01_00])), unsigned),
            4,
            v=[top - 2, top - 1, 0, 1],
        )
        full = _described(1, [(5, width), (6, 0)], width // 8)
        VECTORS.good(
            f"{unsigned}, as many extra bits as there are, and a gap behind them",
            raw_column(full, 2, one_part(b"\x02" + (top - 2).to_bytes(width // 8, "little")), unsigned),
            2,
            v=[3, 6],
        )
        far = b"\x05\x00\x01\x00\x80" + svarint(-(2**63)) + b"\x00\x00\x00"
        low = (1 << 63) % top
        VECTORS.good(
            f"{unsigned}, the lowest gap", raw_column(far, 1, one_part(b"\x00"), unsigned), 1, v=[low]
        )
        high = b"\x05\x00\x01\x00\x80" + svarint(2**63 - 1) + b"\x00\x00\x00"
        VECTORS.good(
            f"{unsigned}, the highest gap",
            raw_column(high, 1, one_part(b"\x00"), unsigned),
            1,
            v=[top - 1 if width < 64 else 2**63 - 1],
        )
        _offsets(width)


def _offsets(width: int) -> None:
    """Every count of extra bits at every offset in a byte."""
    rng = random.Random(width)
    for extra in range(width + 1):
        # seven values of one bit shift each long one by one
        values: list[int] = []
        for _ in range(8):
            values += [rng.randrange(2), rng.getrandbits(extra) if extra else 0]
        low = extra % 3 << (width - 1)
        for every in (False, True):
            # the code of the long ones is 1; where all are long there is no other
            chosen = [(low, extra)] if every else [(0, 1), (low, extra)]
            found, codes, bits, used = [], 0, 0, 0
            for i, v in enumerate(values[1::2] if every else values):
                is_long = every or i % 2
                codes |= (0 if every else i % 2) << i
                bits |= v << used
                used += extra if is_long else 1
                found.append((v + (low if is_long else 0)) % (1 << width))
            size = (used + 7) // 8
            stored = codes.to_bytes((len(found) + 7) // 8, "little") + bits.to_bytes(size, "little")
            data = raw_column(_described(1, chosen, size), len(found), one_part(stored), f"uint{width}")
            name = f"uint{width}, {extra} extra bits, {'all' if every else 'each other'}"
            VECTORS.good(name, data, len(found), v=found)


def _counts() -> None:
    """Each number of values up to some words of each code width, and last bins without bits."""
    for code_width in (1, 2, 4, 8):
        chosen = spread_bins(32, code_width)
        for count in [*range(1, 20), 63, 64, 65, 127, 128, 129, 1000]:
            rng = random.Random(count)
            values = [rng.getrandbits(rng.randrange(1, 33)) for _ in range(count)]
            data = one_column(values, plain(), bins(code_width, chosen, 0, 1), "uint32", [0, 0])
            VECTORS.good(f"{count} codes of {code_width} bits", data, count, v=values)


def _refused() -> None:
    for code_width in (0, 3, 5, 6, 7, 9, 16, 255):
        described = b"\x05\x00" + bytes([code_width, 0, 0, 0, 0, 0])
        VECTORS.bad(f"code width {code_width}", CORRUPT, raw_column(described, 2, one_part(b"\0")))
    for code_width in (1, 2, 4):
        too_many = _described(code_width, [(i, 0) for i in range((1 << code_width) + 1)], 0)
        VECTORS.bad(
            f"a bin too many for {code_width} bits", CORRUPT, raw_column(too_many, 2, one_part(b"\0"))
        )
    for width in (8, 16, 32, 64):
        wide = b"\x05\x00\x01\x00" + bytes([width + 1]) + b"\x00\x00" + varint((width + 8) // 8)
        stored = one_part(bytes(1 + (width + 8) // 8))
        with_gap = wide[:4] + bytes([128 + width + 1]) + b"\x00" + wide[5:]
        VECTORS.bad(
            f"{width + 1} extra bits and a gap", CORRUPT, raw_column(with_gap, 1, stored, f"uint{width}")
        )
        VECTORS.bad(f"{width + 1} extra bits", CORRUPT, raw_column(wide, 1, stored, f"uint{width}"))
    one_bit, five = [(7, 1), (100, 0)], [(i, 0) for i in range(5)]
    for name, described, count, stored in [
        ("code without a bin", _described(2, [(0, 0)] * 3, 0), 2, b"\x0c"),
        ("code without a bin of 4 bits", _described(4, five, 0), 3, b"\x14\x05"),
        ("code without a bin of 8 bits", _described(8, five, 0), 2, b"\x04\x05"),
        ("code 1 of one bin", _described(1, [(0, 0)], 0), 2, b"\x02"),
        ("reserved bits behind codes of 1 bit", _described(1, five[:2], 0), 5, b"\x20"),
        ("reserved bits behind codes of 2 bits", _described(2, five[:4], 0), 3, b"\x40"),
        ("reserved bits behind codes of 4 bits", _described(4, five, 0), 1, b"\x10"),
        ("bits of bins cut short", _described(1, one_bit, 0), 2, b"\x00"),
        ("bits of bins too long", _described(1, [(0, 8)], 3), 2, bytes(4)),
        ("bits of bins too long for the codes", _described(1, [(7, 5), (100, 0)], 2), 2, b"\x02" + bytes(2)),
        ("bits of bins nobody needs", _described(1, one_bit, 1), 2, b"\x03\x00"),
        ("bits of bins where none has any", _described(1, [(0, 0)], 1), 2, b"\x00\x00"),
        ("reserved bits behind those of bins", _described(1, one_bit, 1), 2, b"\x02\x02"),
        ("length of the bits of bins 2**60", _described(1, one_bit, 1 << 60), 2, b"\x00\x00"),
        ("length of the bits of bins 2**64 - 1", _described(1, one_bit, 2**64 - 1), 2, b"\x00\x00"),
        ("codes longer than their part", _described(1, five[:2], 0), 9, b"\x00"),
        ("codes shorter than their part", _described(1, five[:2], 0), 8, b"\x00\x00"),
        ("bins cut short", b"\x05\x00\x01\x01\x00", 2, b""),
        ("codes in a part that is not there", b"\x05\x00\x01\x00\x00\x01\x00\x00", 2, b"\x00"),
        ("no bits in a part that is not there", b"\x05\x00\x01\x00\x00\x00\x01\x00", 2, b"\x00"),
    ]:
        VECTORS.bad(name, CORRUPT, raw_column(described, count, one_part(stored)))
    VECTORS.bad(
        "delta of bins without a step",
        CORRUPT,
        raw_column(_described(1, [(0, 0)], 0, b"\x15\x00\x01"), 1, NO_PARTS),
    )
    lengths = b"\x04\x00\x01" + b"\x00\x00\x05" + _described(1, [(0, 33)], 5)
    VECTORS.bad("run lengths of 33 extra bits", CORRUPT, raw_column(lengths, 2, one_part(bytes(6))))
    fits = b"\x04\x00\x01" + b"\x00\x00\x05" + _described(1, [(0, 32)], 4)
    VECTORS.good(
        "run length of 32 extra bits", raw_column(fits, 2, one_part(b"\x00\x01\x00\x00\x00")), 2, v=[5, 5]
    )


_by_hand()
_counts()
_refused()

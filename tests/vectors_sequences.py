"""Streams that show transforms, layouts, tokens and parts (sections 5, 5.2 and 5.3)."""

from __future__ import annotations

from assemble import (
    DTYPES,
    Layout,
    Transform,
    block,
    constant,
    delta,
    dictionary,
    plain,
    planes,
    runs,
    second,
    signed,
    svarint,
    tokens,
    varint,
)
from vector import (
    CORRUPT,
    NO_PARTS,
    Vectors,
    one_block,
    one_column,
    one_part,
    raw_column,
)

VECTORS = Vectors()


TRANSFORMS: dict[str, Transform] = {
    "none": plain(),
    "none from 100": plain(100),
    "none from -3": plain(-3),
    "delta": delta(),
    "second difference": second(),
}


def all_sizes(width: int) -> list[int]:
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
        unsigned = all_sizes(width)
        seen = [signed(v, width) if dtype.startswith("int") else v for v in unsigned]
        for transform, applied in TRANSFORMS.items():
            for codecs in ([0, 0], [1, 0], [1, 1]) if width == 32 else ([0, 1],):
                for layout, laid in _layouts(width).items():
                    data = one_column(unsigned, applied, laid, dtype, codecs)
                    vector = VECTORS.good(
                        f"{dtype}, {transform}, {layout}, codecs {codecs}", data, len(seen), v=seen
                    )
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
        VECTORS.good(f"{dtype}, {transform}, constant", data, len(seen), v=seen).dtypes = {"v": dtype}


def _token_parameters() -> None:
    for width in (8, 16, 32, 64):
        values = all_sizes(width)
        for d in range(9):
            for q in range(9):
                fits = 1 <= d <= 7 and q <= d and 2**d + (width - d) * 2**q <= 256
                if fits:
                    data = one_column(values, plain(), tokens(d, q, 0, 1), f"uint{width}", [0, 0])
                    VECTORS.good(f"uint{width}, tokens {d}, {q}", data, len(values), v=values)
                elif d < 9:
                    described = b"\x03\x00" + bytes([d * 16 + q, 0, 0, 0])
                    data = raw_column(described, 2, one_part(b"\x00\x00"), f"uint{width}")
                    VECTORS.bad(f"uint{width}, tokens {d}, {q}", CORRUPT, data)


def _by_hand() -> None:
    """Sequences written out byte for byte, so that no mistake of the assembling can hide."""
    VECTORS.good("one value", raw_column(b"\x00\x00\x07", 1, NO_PARTS), 1, v=[7])
    VECTORS.good("base -5 and constant 3", raw_column(b"\x00\x09\x03", 2, NO_PARTS, "int8"), 2, v=[-2, -2])
    VECTORS.good(
        "delta 10, 13, 11", raw_column(b"\x11\x14\x01\x01\x00", 3, one_part(b"\x06\x03")), 3, v=[10, 13, 11]
    )
    # steps 2, then +1 and -3 of them, each times 10
    VECTORS.good(
        "second difference by 10",
        raw_column(b"\x21\x00\x04\x0a\x01\x00", 4, one_part(b"\x02\x05"), "int16"),
        4,
        v=[0, 20, 50, 50],
    )
    planes_2 = b"\x01\x00\x02\x00"
    VECTORS.good(
        "planes one after the other",
        raw_column(planes_2, 3, one_part(b"\x01\x02\x03\xff\x00\x01"), "uint32"),
        3,
        v=[0xFF01, 2, 0x103],
    )
    # d = 2, q = 1: tokens 4.. for 4-5, 6-7, 8-11, 12-15, 16-23; 0b11_101 keeps 3 - 1 bits and so on
    hand_tokens = b"\x03\x00\x21\x00\x00\x01"
    VECTORS.good(
        "tokens with bits from the low end",
        raw_column(hand_tokens, 4, one_part(b"\x03\x04\x07\x08" + bytes([0b101_10_1]))),
        4,
        v=[3, 5, 14, 21],
    )
    VECTORS.good(
        "dictionary",
        raw_column(b"\x02\x00\x02\x32\x64\x00\x00", 3, one_part(b"\x01\x00\x01")),
        3,
        v=[100, 50, 100],
    )
    escapes = b"\x02\x00\x01\x32\x02\x00" + b"\x01\x02\x01\x00"
    VECTORS.good(
        "escapes behind the bytes, with a base of 1",
        raw_column(escapes, 3, one_part(b"\xff\x00\xff" + b"\x06\x08")),
        3,
        v=[7, 50, 9],
    )
    VECTORS.good(
        "runs",
        raw_column(
            b"\x04\x00\x02" + b"\x01\x00\x01\x00" + b"\x01\x00\x01\x00", 5, one_part(b"\x08\x09\x02\x01")
        ),
        5,
        v=[8, 8, 8, 9, 9],
    )
    full = b"\x02\x00\xff" + bytes(range(128)) + b"".join(varint(i) for i in range(128, 255))
    VECTORS.good("dictionary of 255", raw_column(full + b"\x00\x00", 2, one_part(b"\x00\xfe")), 2, v=[0, 254])
    with_escape = full + b"\x01\x00" + b"\x00\x00\x80\x02"
    VECTORS.good(
        "dictionary of 255 with an escape",
        raw_column(with_escape, 1, one_part(b"\xff"), "uint16"),
        1,
        v=[256],
    )
    VECTORS.good("base taken modulo", raw_column(b"\x00" + svarint(256 + 5) + b"\x00", 1, NO_PARTS), 1, v=[5])
    for width in (8, 16, 32, 64):
        top = 2**width - 1
        backwards = b"\x10\x00" + varint(top) + b"\x02"
        data = raw_column(backwards, 3, NO_PARTS, f"uint{width}")
        VECTORS.good(f"uint{width}, scale of 2**{width} - 1", data, 3, v=[0, top, top - 1])
    longest = b"\x00\x00" + b"\xff" * 9 + b"\x01"
    VECTORS.good("varint of ten bytes", raw_column(longest, 1, NO_PARTS, "uint64"), 1, v=[2**64 - 1])
    VECTORS.good("an empty part", raw_column(b"\x00\x00\x07", 1, b"\x01\x00\x00"), 1, v=[7])
    shared = (
        b"\x02"
        + b"\x01\x01a\x03\x04\x01"
        + b"\x01\x00\x01\x00"
        + b"\x01\x01b\x03\x04\x01"
        + b"\x01\x00\x01\x00"
    )
    VECTORS.good(
        "two columns in one part",
        one_block(block(2, [(3, 0, shared + one_part(b"\x01\x02\x03\x04"))])),
        2,
        a=[1, 2],
        b=[3, 4],
    )


_sequences()
_token_parameters()
_by_hand()

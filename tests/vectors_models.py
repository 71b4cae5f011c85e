"""Streams that show bins, splits and grids under every transform and layout (sections 5.2, 5.3, 5.4 and 5.6)."""

from __future__ import annotations

import random

from assemble import (
    Layout,
    Parts,
    Transform,
    block,
    column,
    constant,
    delta,
    dictionary,
    plain,
    planes,
    runs,
    second,
    signed,
    table,
    tokens,
    varint,
)
from assemble_models import bins, grid, split, spread_bins
from vector import NO_PARTS, Vectors, one_block, one_column, one_part, raw_column
from vectors_sequences import all_sizes

VECTORS = Vectors()

DTYPE_OF = {8: "int8", 16: "uint16", 32: "int32", 64: "uint64"}
TRANSFORMS: dict[str, Transform] = {
    "none": plain(),
    "none from -3": plain(-3),
    "delta": delta(),
    "second difference": second(),
    "grid of 8": grid(8, 3),
    "grid of 101": grid(101, 15),
    "grid of 2**40": grid(1 << 40, 1),
}


def _layouts(width: int) -> dict[str, Layout]:
    """Give those that have bins, or a split."""
    middle = 1 << (width - 2)
    every = [bins(8, spread_bins(width), 0, 1), planes(part=1), tokens(2, 1, 1, 0)]
    found: dict[str, Layout] = {
        f"bins of {c} bits": bins(c, spread_bins(width, c), 0, 1) for c in (1, 2, 4, 8)
    }
    return found | {
        "bins, the last that holds it": bins(8, spread_bins(width), 1, 0, last=True),
        "one bin of all bits": bins(1, [(5, width)]),
        "bins from the middle": bins(1, [(-middle, width - 1), (middle, width - 1)], 0, 1),
        "escapes as bins": dictionary([0, 1, 3, 5], bins(4, spread_bins(width, 4)), 1, -1),
        "runs of bins": runs(bins(8, spread_bins(width)), bins(4, spread_bins(32, 4), 1, 1)),
        "split at 1": split([1], [planes(), planes(part=1)]),
        "split by magnitude": split([1, 2, 9, 100, (1 << width) - 1], every),
        "split into 16, from -2": split([*range(1, 15), middle], every, base=-2),
        "split by a bit": split([2 * middle], [bins(8, spread_bins(width))]),
    }


def _old_layouts(width: int) -> dict[str, Layout]:
    """Give the others, for a grid."""
    return {
        "planes": planes(),
        "dictionary": dictionary([0, 16, 202], tokens(3, 0)),
        "tokens": tokens(3, 2, 0, 1),
        "runs": runs(planes(), planes(part=1)),
    }


def _every_cell() -> None:
    for width, dtype in DTYPE_OF.items():
        values = all_sizes(width)
        seen = [signed(v, width) if dtype.startswith("int") else v for v in values]
        for transform, applied in TRANSFORMS.items():
            layouts = _layouts(width) | (_old_layouts(width) if transform.startswith("grid") else {})
            for layout, laid in layouts.items():
                data = one_column(values, applied, laid, dtype, [0, 1])
                vector = VECTORS.good(f"{dtype}, {transform}, {layout}", data, len(seen), v=seen)
                vector.dtypes = {"v": dtype}


# ---- grids ----


def ticks(count: int, period: int, width: int, scale: int) -> list[int]:
    """Give times of a device that is polled: late, sometimes silent, and once or twice set to another time."""
    rng = random.Random(f"{period}, {width}")
    found, at = [], rng.randrange(1 << 20)
    for _ in range(count):
        at += period * rng.choice([1, 1, 1, 1, 2, 7])
        if rng.random() < 0.04:
            at += rng.randrange(-(1 << 45), 1 << 45)
        found.append(scale * (at + rng.randrange(1 + period // 4)) % (1 << width))
    return found


def _grids() -> None:
    periods = (2, 3, 5, 8, 255, 256, 257, 1000, 99_999, (1 << 40) - 1, 1 << 40)
    for width, dtype in DTYPE_OF.items():
        for gain in range(1, 16):
            for number, period in enumerate(periods):
                # all periods with all gains once, at one width or another
                if (number + gain + width // 16) % 4:
                    continue
                scale = 1 << (gain % 3)
                values = ticks(60, period, width, scale)
                seen = [signed(v, width) if dtype.startswith("int") else v for v in values]
                data = one_column(values, grid(period, gain, scale), tokens(2, 1), dtype, [0])
                VECTORS.good(f"{dtype}, grid of {period}, gain {gain}", data, len(seen), v=seen)


def _grids_by_hand() -> None:
    """Grids whose values were reckoned with pencil and paper."""
    for name, described, count, dtype, values in [
        # J: 256 for good, so q is 1 after the first
        ("always 2 late", b"\x30\x00\x01\x0a\x08\x18", 4, "uint8", [0, 12, 23, 34]),
        # J: -240, -225, -210, -196; q is -1 after the first
        ("always 1 early", b"\x30\x00\x01\x0a\x01\x12", 5, "uint16", [0, 9, 19, 29, 39]),
        # a step of 1 is 1 early; J: -16, -17; q is 0 for good
        ("period of 2", b"\x30\x05\x01\x02\x0f\x02", 4, "int8", [-3, -2, -1, 0]),
        # a step of -3 is 1 early too; J: -128, which rounds up to q = 0; then -192, and q = -1
        ("steps of -3 of 2", b"\x30\x00\x64\x02\x08\x05", 4, "int64", [0, -300, -600, -800]),
        # a step of 2 is 1 early; J: -240; q = -1
        ("period of 3", b"\x30\x00\x01\x03\x01\x04", 3, "uint32", [0, 2, 5]),
        # a step of 2**39 - 1 is as late as can be; of 2**39, as early
        (
            "half of the longest period, late",
            b"\x30\x00\x01" + varint(1 << 40) + b"\x0f" + varint((1 << 40) - 2),
            3,
            "uint64",
            [0, (1 << 39) - 1, 2 * ((1 << 39) - 1) - ((16 * ((1 << 39) - 1) + 128) >> 8)],
        ),
        (
            "half of the longest period, early",
            b"\x30\x00\x01" + varint(1 << 40) + b"\x08" + varint(1 << 40),
            3,
            "int64",
            [0, 1 << 39, (1 << 39) + (1 << 39) + (1 << 38)],
        ),
        ("the lowest step", b"\x30\x00\x01\x3d\x08" + varint(255), 2, "uint8", [0, 128]),
        ("scale of 2**8 - 1", b"\x30\x00" + varint(255) + b"\x0a\x08\x18", 4, "int8", [0, -12, -23, -34]),
    ]:
        VECTORS.good(f"grid by hand, {name}", raw_column(described, count, NO_PARTS, dtype), count, v=values)
    # bins of a grid are the steps themselves: 9 and 10, then -1
    described = b"\x35\x00\x01\x0a\x08" + b"\x01\x01" + b"\x81\x12" + b"\x80\x17" + b"\x00\x00\x01"
    VECTORS.good(
        "grid by hand, of bins",
        raw_column(described, 4, one_part(bytes([0b100, 0b01])), "int16"),
        4,
        v=[0, 10, 19, 18],
    )
    for width, dtype in DTYPE_OF.items():
        values = [(5 + 12 * i) % (1 << width) for i in range(9)]
        seen = [signed(v, width) if dtype.startswith("int") else v for v in values]
        data = one_column(values, grid(12, 7), constant(), dtype, [])
        VECTORS.good(f"{dtype}, grid, constant", data, 9, v=seen)


def _long() -> None:
    """Blocks of thousands of values, which may be decoded several at a time, and a few that are left over."""
    rng = random.Random(3)
    for width, dtype in DTYPE_OF.items():
        magnitudes = [rng.getrandbits(rng.randrange(1, width + 1)) for _ in range(4_099)]
        near = [rng.choice([7, 7, 8, 250]) - rng.randrange(5) % 4 for _ in range(4_099)]
        for name, values in [("of all sizes", magnitudes), ("near a few", [v % (1 << width) for v in near])]:
            for layout, laid in {
                "bins of 1 bit": bins(1, [(4, 2), (0, width)]),
                "bins of 2 bits": bins(2, [(4, 2), (0, 2), (240, 4), (0, width)], 0, 1),
                "bins of 4 bits": bins(4, spread_bins(width, 4), 1, 0),
                "bins of 8 bits": bins(8, spread_bins(width)),
                "split": split(
                    [4, 16, 1 << (width - 1)], [bins(8, spread_bins(width)), tokens(2, 1), planes()]
                ),
            }.items():
                for transform, applied in [("none", plain()), ("grid", grid(9, 6))]:
                    data = one_column(values, applied, laid, dtype, [1, 1])
                    seen = [signed(v, width) if dtype.startswith("int") else v for v in values]
                    VECTORS.good(f"4,099 of {dtype}, {name}, {transform}, {layout}", data, 4_099, v=seen)


def _known_columns() -> None:
    """Times on a grid, and positions that are split, as columns that have a number."""
    times = [10**12 + 8_000_000 * i + (i * i * 7_919) % 300_000 for i in range(200)]
    parts = Parts([0, 1])
    chosen = [(7_500_000, 19), (0, 64)]
    columns = [
        column("t", times, parts, transform=grid(8_000_000, 3), layout=bins(1, chosen, 1, 0)),
        column(
            "x",
            times[::-1],
            parts,
            dtype="int64",
            transform=second(),
            layout=split([9], [tokens(2, 1, 0, 1)]),
        ),
    ]
    span = max(times) - min(times)
    payload = block(200, [(0, 0, table(columns, parts))], t_min=min(times), span=span)
    VECTORS.good("t on a grid, and x split", one_block(payload), 200, t=times, x=times[::-1])


_every_cell()
_long()
_known_columns()
_grids()
_grids_by_hand()

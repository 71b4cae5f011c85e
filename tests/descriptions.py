"""Hypothesis strategies for whatever a writer may describe: any transform, any layout, any parameter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from assemble import (
    DTYPES,
    Layout,
    Parts,
    Residuals,
    Transform,
    constant,
    delta,
    dictionary,
    plain,
    planes,
    runs,
    second,
    sequence,
    svarint,
    tokens,
    varint,
    zigzag,
)
from assemble_models import bins, grid, held, split
from generators import SEEDS, SHAPES
from vector import kinds_payload, one_block

INT64S = st.integers(-(2**63), 2**63 - 1) | st.integers(-300, 300)
PARTS = st.integers(0, 2)
PERIODS = (
    st.integers(2, 1 << 40) | st.integers(2, 2000) | st.sampled_from((2, 3, 1 << 39, (1 << 40) - 1, 1 << 40))
)


def _scales(width: int) -> st.SearchStrategy[int]:
    return st.sampled_from((1, (1 << width) - 1)) | st.integers(1, (1 << width) - 1) | st.integers(1, 255)


@dataclass
class Description:
    """A stream of one block, and the names of its columns."""

    data: bytes
    names: tuple[str, ...]


def _numbers(draw: st.DrawFn, count: int, width: int) -> list[int]:
    """Draw numbers of a width that have a shape."""
    shape = draw(st.sampled_from(SHAPES))
    values = shape(np.random.default_rng(draw(SEEDS)), count, np.dtype(f"uint{width}"))
    return [int(v) for v in values]


@st.composite
def _token_layouts(draw: st.DrawFn, width: int) -> Layout:
    fitting = [(d, q) for d in range(1, 8) for q in range(d + 1) if 2**d + (width - d) * 2**q <= 256]
    return tokens(*draw(st.sampled_from(fitting)), draw(PARTS), draw(PARTS))


@st.composite
def _bin_layouts(draw: st.DrawFn, width: int) -> Layout:
    """Bins anywhere, one of which holds all numbers of the width."""
    code_width = draw(st.sampled_from((1, 2, 4, 8)))
    lows = (
        st.integers(0, (1 << width) - 1)
        | st.integers(0, 40)
        | st.integers((1 << width) - 40, (1 << width) - 1)
    )
    some = st.tuples(lows, st.integers(0, width))
    chosen = draw(st.lists(some, max_size=min((1 << code_width) - 1, 40)))
    chosen.insert(draw(st.integers(0, len(chosen))), (draw(lows), width))
    return bins(code_width, chosen, draw(PARTS), draw(PARTS), draw(st.booleans()))


@st.composite
def inner_layouts(draw: st.DrawFn, width: int) -> Layout:
    """Draw what may stand in another sequence; a constant where the numbers allow it."""
    other = draw(
        st.builds(planes, st.none(), PARTS)
        | _token_layouts(width)
        | _bin_layouts(width)
        | _bin_layouts(width)
    )
    if draw(st.booleans()):
        return other
    return lambda parts, residuals, width: (constant() if len(set(residuals)) == 1 else other)(
        parts, residuals, width
    )


@st.composite
def layouts(
    draw: st.DrawFn, width: int, numbers: list[int], kind_count: int = 0, row_kinds: list[int] | None = None
) -> Layout:
    """Draw a layout; a split only where there are kinds."""
    manner = draw(
        st.sampled_from(("inner", "bins", "dictionary", "runs") + ("split",) * 3 * (kind_count > 0))
    )
    if manner == "inner":
        return draw(inner_layouts(width))
    if manner == "bins":
        return draw(_bin_layouts(width))
    if manner == "dictionary":
        entries = draw(st.lists(st.sampled_from(numbers), min_size=1, max_size=20))
        escapes = draw(inner_layouts(width))
        base = draw(INT64S)

        def apply(parts: Parts, residuals: list[int], width: int) -> tuple[int, bytes]:
            needed = any(r not in entries for r in residuals)
            return dictionary(entries, escapes if needed else None, draw_part, base)(parts, residuals, width)

        draw_part = draw(PARTS)
        return apply
    if manner == "runs":
        return runs(draw(inner_layouts(width)), draw(inner_layouts(32)))
    assert row_kinds is not None
    most, found = 15, []
    for _ in range(2):
        of_kinds = st.lists(
            st.integers(0, draw(st.integers(0, most - 1))), min_size=kind_count, max_size=kind_count
        )
        found.append(draw(of_kinds))
        most = min(15, 16 // (max(found[0]) + 1))
    classes, before = found
    class_count = (max(classes) + 1) * (max(before) + 1)
    least = 1 if class_count == 1 else 0
    spread = st.integers(1, 12) | st.integers(1, (1 << width) - 1)
    thresholds = draw(
        st.lists(spread, unique=True, min_size=least, max_size=16 // class_count - 1).map(sorted)
    )
    inner = [draw(inner_layouts(width)) for _ in range(draw(st.integers(1, 3)))]
    return split(thresholds, inner, classes, row_kinds, before, draw(INT64S))


@st.composite
def forward(draw: st.DrawFn, width: int, most: int = 3) -> tuple[int, Transform]:
    """Draw a transform that takes steps as they come, and how many values it gives itself."""
    number = draw(st.integers(0, most))
    first, step, scale = draw(INT64S), draw(INT64S), draw(_scales(width))
    period, gain = draw(PERIODS), draw(st.integers(1, 15))

    def apply(steps: list[int], width: int) -> tuple[int, bytes, list[int]]:
        if number == 0:
            return 0, svarint(first), Residuals.of_values(steps)
        found, head = Residuals.of_steps(steps, width), svarint(first)
        if number == 2:
            head += svarint(step)
            d, found.before = step, []
            for s in steps:
                found.before.append(zigzag(d, width))
                d += s
        head += varint(scale)
        return number, head + (varint(period) + bytes([gain]) if number == 3 else b""), found

    return (0, 1, 2, 1)[number], apply


@st.composite
def _held_values(draw: st.DrawFn, rows: list[int], parts: Parts, width: int) -> bytes:
    """Draw held codes of rows of these kinds."""
    rng = np.random.default_rng(draw(SEEDS))
    pool = _numbers(draw, draw(st.integers(1, 90)), width)
    chosen = [
        (kind, pool[i]) for kind, i in zip(rows, rng.integers(0, len(pool), len(rows)).tolist(), strict=True)
    ]

    def way(width: int) -> tuple[Transform, Layout]:
        wanted = draw(st.sampled_from((0, 0, 1, 2, 3)))
        made = {1: delta(), 2: second(), 3: grid(draw(PERIODS), draw(st.integers(1, 15)))}
        base = plain(draw(INT64S))

        def fitting(values: list[int], width: int) -> tuple[int, bytes, list[int]]:
            return (made[wanted] if wanted and len(values) > 2 else base)(values, width)

        return fitting, draw(layouts(width, pool if width > 8 else [0, 1, 2, 3]))

    spelled = draw(st.sets(st.integers(0, max(len(rows), 1)), max_size=9))
    return held(chosen, parts, width, codes=way(width), positions=way(8), spell_out=spelled)


@st.composite
def descriptions(draw: st.DrawFn) -> Description:
    """Draw a stream of one block whose column ``v`` is stored in any way."""
    dtype = draw(st.sampled_from(sorted(DTYPES)))
    width = int(dtype.lstrip("uint"))
    present = draw(
        st.lists(st.sampled_from((0, 1, 2, 3, 4, 5, 6, 8, 9, 255)), min_size=1, max_size=9, unique=True)
    )
    rng = np.random.default_rng(draw(SEEDS))
    count = draw(st.integers(0, 40) | st.integers(60, 300))
    kinds = [*present, *rng.choice(present, count).tolist()]
    chosen = draw(st.sets(st.sampled_from(present)) | st.just(set(present)))
    stored = [kind for kind in kinds if kind in chosen]
    parts = Parts(draw(st.sampled_from(([0, 0, 0], [1, 0, 1], [1, 1, 1]))))
    described = b""
    if stored and draw(st.integers(0, 3)) == 0:
        described = draw(_held_values(stored, parts, width))
    elif stored:
        given_values, transform = draw(forward(width))
        if len(stored) <= given_values:
            given_values, transform = draw(forward(width, 0))
        steps = _numbers(draw, len(stored) - given_values, width)
        ordered = sorted(present)
        row_kinds = [ordered.index(kind) for kind in stored]
        layout = draw(layouts(width, steps, len(ordered), row_kinds))
        described = sequence(parts, steps, width, transform, layout)
    # nobody decompresses a part of nothing
    parts.codecs = [
        codec if raw else 0 for codec, raw in zip(parts.codecs, parts.raw or [b""] * 3, strict=True)
    ]
    return Description(one_block(kinds_payload(kinds, described, parts, chosen, dtype)), ("v", "kind"))

"""The reference decoder and the real one agree on batches of every nature, and the encoder uses all that there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import pytest

import evcodec
from agreement import agree
from encoded_batches import BATCHES
from generators import DTYPES
from reference import Decoded
from reference_sequence import Sequence
from reference_table import Table

LEVELS = ("fast", "balanced", "small")


@cache
def _encoded(name: str, level: str) -> Decoded:
    """Encode a batch, let both decoders read it, and give what the reference found."""
    batch = BATCHES[name]()
    return agree(evcodec.encode(batch, level=level), batch)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", BATCHES)
def test_encoded_batches(name: str, level: str) -> None:
    """All columns of a batch come back, with their dtypes."""
    decoded = _encoded(name, level)
    expected = {column: str(values.dtype) for column, values in BATCHES[name]().columns.items()}
    for dtypes in decoded.dtypes:
        assert dtypes == expected


# ---- what of the document's tables occurs ----


def _all(sequences: Iterable[Sequence]) -> Iterator[Sequence]:
    """Give sequences, and those inside of them."""
    for s in sequences:
        yield s
        yield from _all([*s.inner, *(inner for inner in s.contexts if inner is not None)])


def _of_table(table: Table) -> Iterator[Any]:
    """Give what a table uses."""
    yield from (("codec", codec) for codec, _ in table.parts)
    yield "parts", min(len(table.parts), 2)
    for column in table.columns:
        yield "dtype", column.dtype
        yield "mask", all(column.mask), any(column.mask)
        if column.held is not None:
            yield "held", column.dtype
        yield from (found for s in column.sequences() for found in _of_sequence(s))
        yield from (("code width", s.code_width) for s in _all(column.sequences()) if s.layout == 5)


def _of_sequence(s: Sequence) -> Iterator[Any]:
    """Give what an outer sequence uses."""
    yield "sequence", s.width, s.transform, s.layout
    yield "scale", s.transform, s.scale > 1
    roles = ("escapes",) if s.layout == 2 else ("run values", "run lengths")
    yield from ((role, inner.layout) for role, inner in zip(roles, s.inner, strict=False))
    yield from (("context", inner.layout if inner else None) for inner in s.contexts)
    if s.layout == 2:
        yield "with escapes", bool(s.inner)
    if s.layout == 6:
        own, before = s.class_counts
        yield "split", "by kind", own > 1
        yield "split", "by the kind before", before > 1
        yield "split", "by thresholds", bool(s.thresholds)


@pytest.fixture(scope="module")
def used() -> Counter[Any]:
    """Count what the encoder used for all batches at all levels."""
    found: Counter[Any] = Counter()
    for name in BATCHES:
        for level in LEVELS:
            for stream in _encoded(name, level).streams:
                for block in stream.blocks:
                    for table in block.tables.values():
                        found.update(_of_table(table))
    return found


# What the encoder never finds the shortest; the hand-made vectors hold it.
WIDTHS = (8, 16, 32, 64)
NEVER_CHOSEN = {
    # second differences in runs are shorter under another transform
    *((width, 2, 4) for width in WIDTHS),
    # a token of a byte is the byte, and a dictionary of bytes saves nothing
    *((8, t, layout) for t in range(4) for layout in (2, 3)),
    # clocks have 64 bits, and their steps gather in bins
    *((width, 3, layout) for width in WIDTHS for layout in range(7) if (width, layout) != (64, 5)),
}
CELLS = [(w, t, layout) for w in WIDTHS for t in range(4) for layout in range(7)]


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell not in NEVER_CHOSEN], ids=str)
def test_every_encoding_occurs(used: Counter[Any], cell: tuple[int, int, int]) -> None:
    """Each transform meets each layout at each width, so that no cell of the tables goes unread."""
    assert used["sequence", *cell]


@pytest.mark.parametrize(
    "what",
    [
        *[("escapes", layout) for layout in (0, 1, 3, 5)],
        # neighbouring runs differ, so their values are never constant
        *[("run values", layout) for layout in (1, 3, 5)],
        # and lengths are shorter in bins than as tokens
        *[("run lengths", layout) for layout in (0, 1, 5)],
        *[("context", layout) for layout in (None, 0, 1, 3, 5)],
        *[
            ("split", by, used)
            for by in ("by kind", "by the kind before", "by thresholds")
            for used in (False, True)
        ],
        *[("code width", width) for width in (1, 2, 4, 8)],
        *[("held", f"int{width}") for width in WIDTHS],
        *[("dtype", dtype) for dtype in DTYPES],
        *[("scale", transform, above_one) for transform in (1, 2, 3) for above_one in (False, True)],
        ("with escapes", True),
        ("with escapes", False),
        ("codec", 0),
        ("codec", 1),
        *[("parts", count) for count in range(3)],
        *[("mask", *mask) for mask in [(True, True), (False, True), (False, False)]],
    ],
    ids=str,
)
def test_everything_else_of_a_table_occurs(used: Counter[Any], what: tuple[Any, ...]) -> None:
    """Inner sequences, splits, held codes, dtypes, scales, codecs, shared and own parts, masks."""
    assert used[what]

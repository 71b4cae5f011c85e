"""The reference decoder and the real one agree on batches of every nature, and the encoder uses all that there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

import evcodec
from agreement import agree
from encoded_batches import BATCHES
from generators import DTYPES
from reference import Decoded
from reference_sequence import Sequence

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


def _sequences(decoded: Decoded) -> Iterator[Sequence]:
    for stream in decoded.streams:
        for block in stream.blocks:
            for table in block.tables.values():
                yield from (s for column in table.columns for s in column.sequences())


@pytest.fixture(scope="module")
def used() -> Counter[Any]:
    """Count what the encoder used for all batches at all levels."""
    found: Counter[Any] = Counter()
    for name in BATCHES:
        for level in LEVELS:
            decoded = _encoded(name, level)
            for stream in decoded.streams:
                for block in stream.blocks:
                    for table in block.tables.values():
                        found.update(("codec", codec) for codec, _ in table.parts)
                        found["parts", min(len(table.parts), 2)] += 1
                        found.update(("dtype", column.dtype) for column in table.columns)
                        found.update(("mask", all(c.mask), any(c.mask)) for c in table.columns)
            for s in _sequences(decoded):
                found["sequence", s.width, s.transform, s.layout] += 1
                found["scale", s.transform, s.scale > 1] += 1
                roles = ("escapes",) if s.layout == 2 else ("run values", "run lengths")
                found.update((role, inner.layout) for role, inner in zip(roles, s.inner, strict=False))
                if s.layout == 2:
                    found["with escapes", bool(s.inner)] += 1
    return found


# What the encoder never finds the shortest; the hand-made vectors hold it. Second differences in runs are shorter
# under another transform, a token of a byte is the byte, and a dictionary of bytes saves nothing on second differences.
NEVER_CHOSEN = {(width, 2, 4) for width in (8, 16, 32, 64)} | {
    (8, t, layout) for t in range(3) for layout in (2, 3)
}
CELLS = [(w, t, layout) for w in (8, 16, 32, 64) for t in range(3) for layout in range(5)]


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell not in NEVER_CHOSEN], ids=str)
def test_every_encoding_occurs(used: Counter[Any], cell: tuple[int, int, int]) -> None:
    """Each transform meets each layout at each width, so that no cell of the tables goes unread."""
    assert used["sequence", *cell]


@pytest.mark.parametrize(
    "what",
    [
        *[("escapes", layout) for layout in (0, 1, 3)],
        # neighbouring runs differ, so their values are never constant; and a block holds too few runs for
        # their lengths to be shorter as tokens
        *[("run values", layout) for layout in (1, 3)],
        *[("run lengths", layout) for layout in (0, 1)],
        *[("dtype", dtype) for dtype in DTYPES],
        *[("scale", transform, above_one) for transform in (1, 2) for above_one in (False, True)],
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
    """Inner sequences, dtypes, scales, codecs, shared and own parts, full, partial and empty masks."""
    assert used[what]

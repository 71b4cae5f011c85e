"""One block, by its size and level: columns to payload and back, without records or files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evcodec.block import Block
from evcodec.encoding import encode_block
from evcodec.levels import LEVELS, level_of
from evcodec.sample import sample_session

SIZES = (64, 512, 4_096, 65_536)


def _columns(events: int) -> dict[str, np.ndarray]:
    """Events from the middle of a session."""
    return {
        name: np.ascontiguousarray(values[-events:])
        for name, values in sample_session(events + 20_000).columns.items()
    }


@pytest.mark.parametrize("operation", ["encode", "decode"])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("events", SIZES)
def test_block(events: int, level: str, operation: str, benchmark: Any) -> None:
    columns = _columns(events)
    payload = encode_block(columns, level_of(level))
    benchmark.group = f"blocks, {operation}"
    rounds = {"rounds": 3 if level == "small" else 9, "warmup_rounds": 1}
    if operation == "encode":
        benchmark.pedantic(encode_block, args=(columns, level_of(level)), **rounds)
    else:
        benchmark.pedantic(lambda: Block(payload, "block").decode(columns), iterations=5, **rounds)
    back = Block(payload, "block").decode(columns)
    assert all(np.array_equal(back[name], values) for name, values in columns.items())
    benchmark.extra_info.update(
        suite="blocks",
        events=events,
        level=level,
        operation=operation,
        bytes=len(payload),
        checked=True,
    )

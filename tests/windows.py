"""Made-up sessions, and windows of them by a slow way that knows nothing of plans, pools and lanes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from evcodec import EventBatch, GapReason, Reader, Writer

# DataLoader advises against more workers than there are processors; and Python against a fork beside threads.
FILTERS = (
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
)
SECOND = 10**9


class Window(NamedTuple):
    path: str
    row: int
    columns: dict[str, list[int]]


def session(path: Path, events: int, seed: int, block_events: int = 128, **more: Any) -> Path:
    """Write a session in blocks so small that windows lie across several of them."""
    rng = np.random.default_rng(seed)
    t = np.cumsum(rng.integers(0, 30_000_000, events))
    t[events // 3 :] += 20 * SECOND  # a pause
    batch = EventBatch(
        t=t + seed,
        kind=rng.choice(np.array([0, 0, 0, 1, 2, 5], np.uint8), events),
        x=np.arange(events, dtype=np.int32) + seed * 1_000_000,
        y=rng.integers(-(2**31), 2**31 - 1, events).astype(np.int32),
        code=rng.integers(0, 300, events).astype(np.int32),
        **{name: np.asarray(dtype(7) + np.arange(events).astype(dtype)) for name, dtype in more.items()},
    )
    with Writer(path, block_events=block_events) as writer:
        for start in range(0, events, block_events):
            writer.write(batch[start : start + block_events])
            if start == 4 * block_events:
                writer.gap(GapReason.PAUSED, int(t[start + 5]) + seed, int(t[start + 5]) + seed + 3)
    return path


def sessions(
    folder: Path, counts: Iterable[int] = (700, 9, 1_300, 0, 130, 333), **options: Any
) -> list[Path]:
    """Write sessions of so many events; one is shorter than the windows of most tests, one is empty."""
    return [session(folder / f"s{i}.evc", count, i + 1, **options) for i, count in enumerate(counts)]


def reference(
    paths: Iterable[Path],
    length: int,
    stride: int,
    columns: tuple[str, ...],
    *,
    kinds: Any = None,
    start: int | None = None,
    stop: int | None = None,
    max_gap_ns: int | None = None,
    break_at_gaps: bool = False,
) -> list[Window]:
    """Return all windows in order."""
    found = []
    for path in paths:
        with Reader(path) as reader:
            has = [name for name in columns if name in reader.columns]
            batch = reader.read(("t", *has), kinds, start, stop)
            gaps = [(gap.t0, max(gap.t1, gap.t0 + 1)) for gap in reader.gaps] if break_at_gaps else []
        t = batch["t"].tolist()
        values = {name: batch[name].tolist() if name in has else [0] * len(t) for name in columns}
        first = 0
        while first < len(t):
            last = first + 1
            while last < len(t) and not _breaks(t[last - 1], t[last], max_gap_ns, gaps):
                last += 1
            for row in range(first, last - length + 1, stride):
                taken = {name: column[row : row + length] for name, column in values.items()}
                found.append(Window(str(path), row, taken))
            first = last
    return found


def _breaks(before: int, after: int, max_gap_ns: int | None, gaps: list[tuple[int, int]]) -> bool:
    low, high = min(before, after), max(before, after)
    if max_gap_ns is not None and high - low > max_gap_ns:
        return True
    return any(start <= high and stop > low for start, stop in gaps)


def given(batches: Iterable[dict[str, Any]]) -> list[tuple[int, dict[str, list[int]]]]:
    """Return number and columns of every window of batches, in the order in which they came."""
    found = []
    for batch in batches:
        rows = {name: tensor.tolist() for name, tensor in batch.items()}
        numbers = rows.pop("window")
        found += [(number, {name: rows[name][i] for name in rows}) for i, number in enumerate(numbers)]
    return found


def numbers(batches: Iterable[dict[str, Any]]) -> list[int]:
    """Return the numbers of the windows of batches, in the order in which they came."""
    return [number for batch in batches for number in batch["window"].tolist()]

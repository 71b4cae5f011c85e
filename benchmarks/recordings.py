"""What benchmarks run on: recordings as columns, or the seeded sample session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from evcodec import EventBatch, Reader
from evcodec.sample import sample_session

COLUMNS = ("t", "kind", "x", "y", "code", "dx", "dy")
SHARED = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "columns"
SAMPLE = "sample"


def found(paths: list[Path]) -> list[str]:
    """Return what to measure on: these files (``.npz`` of columns or ``.evc``), or the recordings at hand, or the sample."""
    chosen = paths or (sorted(SHARED.glob("*.npz")) if SHARED.is_dir() else [])
    return [str(path) for path in chosen] or [SAMPLE]


def name_of(recording: str) -> str:
    """Return the name that tables show."""
    return Path(recording).stem


def load(recording: str, limit: int) -> EventBatch:
    """Return the first ``limit`` events of a recording, the seven columns that all peers get."""
    if recording == SAMPLE:
        batch = sample_session(limit)
    elif recording.endswith(".evc"):
        with Reader(recording) as reader:
            batch = reader.read(columns=COLUMNS)
    else:
        with np.load(recording) as arrays:
            batch = EventBatch(**{name: arrays[name] for name in COLUMNS})
    return EventBatch(**{name: np.ascontiguousarray(batch[name][:limit]) for name in COLUMNS})


def repeated(part: EventBatch, events: int) -> Iterator[EventBatch]:
    """Yield ``events`` events: ``part`` over and over, each time later, its positions moved. Memory is that of two parts."""
    span = int(part.t[-1]) - int(part.t[0]) + 1_000_000
    made = turn = 0
    while made < events:
        columns = dict(part[: events - made].columns)
        columns["t"] = columns["t"] + turn * span
        columns["x"] = columns["x"] + turn % 97
        batch = EventBatch(**columns)
        yield batch
        made += len(batch)
        turn += 1

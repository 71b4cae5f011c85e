"""What benchmarks run on: recordings as columns, or the seeded sample session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from evcodec import EventBatch, Reader
from evcodec.sample import sample_session

COLUMNS = ("t", "kind", "x", "y", "code", "dx", "dy")
SHARED = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "columns"


def load(path: Path, limit: int) -> EventBatch:
    """Return the first ``limit`` events of a recording (``.npz`` of columns, or ``.evc``), the seven columns
    all peers get.
    """
    if path.suffix == ".evc":
        with Reader(path) as reader:
            batch = reader.read(columns=COLUMNS)
    else:
        with np.load(path) as arrays:
            batch = EventBatch(**{name: arrays[name] for name in COLUMNS})
    return EventBatch(
        **{name: np.ascontiguousarray(values[:limit]) for name, values in batch.columns.items()}
    )


def recordings(paths: list[Path], limit: int) -> Iterator[tuple[str, EventBatch]]:
    """Yield name and events of each recording; of the sample session where no path is given and no
    recordings are at hand.
    """
    if not paths and SHARED.is_dir():
        paths = sorted(SHARED.glob("*.npz"))
    for path in paths:
        yield path.stem, load(path, limit)
    if not paths:
        yield "sample", sample_session(events=min(limit, 500_000)).select(COLUMNS)

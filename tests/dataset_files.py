"""Made-up sessions for tests of datasets."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from evcodec import EventBatch, Writer

WALL_NS = 1_700_000_000 * 10**9
LATER_NS = 4 * 10**18  # in the year 2096


def made(count: int = 100, start: int = 0, step: int = 1_000, **columns: Any) -> EventBatch:
    """Return events a microsecond apart, of the kinds 0, 1 and 2 in turn."""
    t = start + step * np.arange(count)
    return EventBatch(t=t, kind=np.arange(count) % 3, x=np.arange(count, dtype=np.int32), **columns)


def stream(batch: EventBatch, *, epoch: int | None = None, **options: Any) -> bytes:
    """Return a stream of a batch."""
    target = io.BytesIO()
    with Writer(target, **options) as writer:
        if epoch is not None:
            writer.anchor(0, epoch)
        writer.write(batch)
    return target.getvalue()


def put(path: Path, batch: EventBatch, **options: Any) -> Path:
    """Write a stream to a path, with the folders that it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(stream(batch, **options))
    return path


def without_index(data: bytes) -> bytes:
    """Return a stream as a crash leaves it between two records."""
    from evcodec import Reader

    with Reader(data) as reader:
        last = reader.blocks[-1]
    return data[: last.position + last.size]

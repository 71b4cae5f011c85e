"""What is done to columns before a peer that would not do it itself gets them, and undone after."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from evcodec import EventBatch

# The columns that differences make smaller, for nearly all peers and recordings.
MOVING = ("t", "x", "y")

Columns = dict[str, np.ndarray]


class Prepared:
    """A batch with time in the clock's own unit, and some columns as differences.

    The unit and the dtypes stay outside of what is stored: a few bytes in favour of the peer.
    """

    def __init__(self, batch: EventBatch, differenced: Collection[str] = ()) -> None:
        self._batch = batch
        self._names = tuple(differenced)
        self.unit = max(int(np.gcd.reduce(batch.t)), 1) if len(batch) else 1

    def columns(self) -> Columns:
        """Return the columns to store; part of what is timed."""
        columns = dict(self._batch.columns)
        if self.unit > 1:
            columns["t"] = columns["t"] // self.unit
        for name in self._names:
            values = columns[name]
            # Differences of integers wrap around, and so do their sums: nothing is lost.
            columns[name] = np.diff(values, prepend=values.dtype.type(0))
        return columns

    def restore(self, columns: Columns) -> EventBatch:
        """Return the batch that the stored columns stand for; part of what is timed."""
        for name in self._names:
            columns[name] = np.cumsum(columns[name], dtype=columns[name].dtype)
        if self.unit > 1:
            t = columns["t"]
            columns["t"] = np.multiply(t, self.unit, out=t if t.flags.writeable else None)
        return EventBatch(**columns)


def shuffled(values: np.ndarray) -> bytes:
    """Return the first byte of every value, then the second of every value, and so on."""
    width = values.dtype.itemsize
    return np.ascontiguousarray(values.view(np.uint8).reshape(-1, width).T).tobytes()


def unshuffled(data: memoryview, dtype: np.dtype) -> np.ndarray:
    """Undo ``shuffled``."""
    planes = np.frombuffer(data, np.uint8).reshape(dtype.itemsize, -1)
    return np.ascontiguousarray(planes.T).reshape(-1).view(dtype)


def fault_of(batch: EventBatch, back: EventBatch) -> str | None:
    """Return in which column two batches differ, in values or in dtype; None if in none."""
    if list(batch.columns) != list(back.columns):
        return f"columns: found {list(back.columns)}, written: {list(batch.columns)}"
    for name, mine in batch.columns.items():
        theirs = back.columns[name]
        if mine.dtype != theirs.dtype:
            return f"column {name!r}: found {theirs.dtype}, written: {mine.dtype}"
        if not np.array_equal(mine, theirs):
            return f"column {name!r}: found other values than were written"
    return None

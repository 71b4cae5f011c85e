"""Rows to batches: importers that go line by line collect sparse rows here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from ..batch import EventBatch
from ..entries import Entry
from ..errors import EvcodecError
from ..schema import STANDARD_COLUMNS
from .contexts import Definitions

BATCH_EVENTS = 32_768

Row = dict[str, int]


class RowBuffer:
    """Sparse rows of integers, made into one batch at a time.

    Parameters
    ----------
    dtypes : mapping of str to str
        dtypes of columns that are not standard ones. Where a value does not fit in its column's dtype the
        batch gets int64, or uint64: values are never changed.
    """

    def __init__(self, dtypes: Mapping[str, str]) -> None:
        self._dtypes = {name: column.dtype for name, column in STANDARD_COLUMNS.items()}
        self._dtypes |= {name: np.dtype(dtype) for name, dtype in dtypes.items()}
        self._rows: list[Row] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row: Row) -> None:
        """Append one event."""
        self._rows.append(row)

    def take(self) -> EventBatch:
        """Return what was collected as a batch and start anew. Columns of zeros are left out, save t and kind."""
        rows, self._rows = self._rows, []
        names = {"t", "kind"}.union(*rows)
        columns: dict[str, np.ndarray] = {}
        for name in self._dtypes:
            if name not in names:
                continue
            values = [row.get(name, 0) for row in rows]
            if any(values) or name in ("t", "kind"):
                columns[name] = _fitting(values, self._dtypes[name])
        return EventBatch(**columns)


def _fitting(values: list[int], dtype: np.dtype) -> np.ndarray:
    """Return ``values`` as ``dtype`` if they fit, else as a 64-bit type that holds them."""
    low, high = min(values), max(values)
    for candidate in (dtype, np.dtype(np.int64), np.dtype(np.uint64)):
        bounds = np.iinfo(candidate)
        if bounds.min <= low and high <= bounds.max:
            return np.array(values, candidate)
    raise OverflowError(f"values from {low} to {high}")  # importers check what they read: cannot happen


def in_batches(
    steps: Iterable[None], rows: RowBuffer, definitions: Definitions
) -> Iterator[EventBatch | Entry]:
    """Run ``steps``, which fill ``rows`` and ``definitions`` a little each, and yield what they filled.

    Entries come before the events that may refer to them. When a step fails, what was filled before comes
    out first.
    """
    try:
        for _ in steps:
            if len(rows) >= BATCH_EVENTS or definitions.heavy:
                yield from _taken(rows, definitions)
    except EvcodecError as error:
        yield from _taken(rows, definitions)
        raise error
    yield from _taken(rows, definitions)


def _taken(rows: RowBuffer, definitions: Definitions) -> Iterator[EventBatch | Entry]:
    yield from definitions.take()
    if len(rows):
        yield rows.take()

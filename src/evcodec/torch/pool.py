"""The windows that are in memory at once: decoded into arrays that are used again, taken out as tensors."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from .order import Pool
from .plan import Plan, Unit
from .reading import Source
from .segments import Ints


class Loaded:
    """Arrays for one pool after the other.

    Parameters
    ----------
    plan : Plan
    source : Source
    dtypes : mapping of str to dtype
        Columns, in dtypes that tensors have.
    rows : int
        Most rows of a pool, or those of its largest unit.
    """

    def __init__(self, plan: Plan, source: Source, dtypes: Mapping[str, np.dtype], rows: int) -> None:
        self._plan = plan
        self._source = source
        self._length = plan.shape.length
        self._arrays = {name: np.empty(rows, dtype) for name, dtype in dtypes.items()}
        # Row i is the window that starts at row i: no copy is made of what overlaps.
        self._views = {
            name: _tensor(array).as_strided((rows - self._length + 1, self._length), (1, 1))
            for name, array in self._arrays.items()
        }
        self._starts = torch.zeros(0, dtype=torch.int64)
        self._numbers = torch.zeros(0, dtype=torch.int64)
        self._kept: Ints = np.zeros(1, np.int64)

    def load(self, pool: Pool, start: int, stop: int) -> None:
        """Have the windows in memory that come from the ``start``-th to the ``stop``-th of a pool."""
        plan = self._plan
        units = plan.units[pool.units]
        counts = units[:, 2]
        ends = np.cumsum(counts)
        order = pool.order[start:stop]
        of_window = np.searchsorted(ends, order, "right")
        needed = np.unique(of_window) if len(order) < len(pool.order) else np.arange(len(units))
        starts = np.full(int(ends[-1]), -1, np.int64)
        at = 0
        for number in needed.tolist():
            unit = Unit(*units[number].tolist())
            stop_row = at + unit.high - unit.low
            lost = self._source.fill(unit, {name: array[at:stop_row] for name, array in self._arrays.items()})
            rows = plan.files[unit.file].segments.rows(np.arange(unit.first, unit.first + unit.windows))
            placed = rows + (at - unit.low)
            for low, high in lost:
                placed[(rows < high) & (rows + self._length > low)] = -1
            starts[ends[number] - unit.windows : ends[number]] = placed
            at = stop_row
        chosen = starts[order]
        kept = chosen >= 0
        firsts = plan.firsts[units[:, 0]] + units[:, 1]
        numbers = firsts[of_window] + order - (ends - counts)[of_window]
        self._kept = np.concatenate((np.zeros(1, np.int64), np.cumsum(kept)))
        self._starts = torch.from_numpy(chosen[kept])
        self._numbers = torch.from_numpy(numbers[kept])

    def count(self, start: int, stop: int) -> int:
        """Return how many of these of the loaded windows are not lost."""
        return int(self._kept[stop] - self._kept[start])

    def take(self, start: int, stop: int, out: Mapping[str, torch.Tensor], numbers: str | None) -> None:
        """Put windows into tensors of as many rows as `count` says."""
        first, last = int(self._kept[start]), int(self._kept[stop])
        if first == last:
            return
        chosen = self._starts[first:last]
        for name, view in self._views.items():
            torch.index_select(view, 0, chosen, out=_plain(out[name]))
        if numbers is not None:
            out[numbers].copy_(self._numbers[first:last])


def tensor_dtype(dtype: np.dtype) -> np.dtype:
    """Return the dtype of the tensors of a column: the next signed one where torch knows the unsigned one in part only."""
    return np.dtype({"uint16": "int32", "uint32": "int64"}.get(dtype.name, dtype.name))


def _tensor(array: np.ndarray) -> torch.Tensor:
    """Return a tensor over an array; one of uint64 as int64, which torch can copy."""
    return torch.from_numpy(array.view(np.int64) if array.dtype == np.uint64 else array)


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.view(torch.int64) if tensor.dtype == torch.uint64 else tensor

"""One pass over a lane: pools loaded one after the other, batches taken out of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from ..dataset import Dataset, FileProblem
from .lanes import Lane, cut, size
from .order import Epoch
from .plan import Plan
from .pool import Loaded
from .reading import EventSource, Source
from .ring import Ring
from .state import read_worker_state
from .ticking import TickSource
from .transport import Noted, Shapes, Shipped, plain_batch, shipped_batch

NUMBERS = "window"


class Task(NamedTuple):
    """What a pass over a lane needs."""

    dataset: Dataset
    plan: Plan
    dtypes: Mapping[str, np.dtype]
    has_numbers: bool
    batch_size: int
    buffer_bytes: int
    seed: int | None
    epoch: int
    digest: str
    token: str
    noted: Noted
    worker: int | None
    """Number of the worker whose batches go to another process."""
    ring: Ring | None

    @property
    def order_seed(self) -> tuple[int, int] | None:
        """What the order is drawn from."""
        return None if self.seed is None else (self.seed, self.epoch)

    def shapes(self, positions: int) -> Shapes:
        """Return dtype and shape of the tensors of a batch."""
        found: dict[str, tuple[torch.dtype, tuple[int, ...]]] = {
            name: (torch_dtype(dtype), (positions, self.plan.shape.length))
            for name, dtype in self.dtypes.items()
        }
        if self.has_numbers:
            found[NUMBERS] = torch.int64, (positions,)
        return found


class Iteration:
    """Gives the batches of a lane, and tells what is left of it."""

    def __init__(self, task: Task, lane: Lane) -> None:
        self._task = task
        self._begin(lane)

    def _begin(self, lane: Lane) -> None:
        self._lane = lane
        self._given = 0
        self._batches = self._make()

    def __iter__(self) -> Iteration:
        return self

    def __next__(self) -> dict[str, torch.Tensor]:
        batch, given = next(self._batches)
        self._given = given
        return batch

    def state_dict(self) -> dict[str, Any]:
        """Return what is left of the lane: for loaders that keep a state of each worker, such as torchdata's."""
        left = cut(self._lane, self._given, size(self._lane))
        return {"digest": self._task.digest, "epoch": self._task.epoch, "lane": [list(part) for part in left]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Give what was left of a lane instead; raise InvalidArgumentError if the state is not one of these windows."""
        epoch, lane = read_worker_state(state, self._task.digest, self._task.plan.windows)
        self._task = self._task._replace(epoch=epoch)
        self._begin(lane)

    def _make(self) -> Iterator[tuple[dict[str, torch.Tensor], int]]:
        """Yield batches, and how many positions of the lane they and those before had."""
        task = self._task
        total = size(self._lane)
        if not total:
            return
        plan = task.plan
        rows = plan.unit_rows
        most_rows = max(int(rows.max()), task.buffer_bytes // plan.shape.row_bytes)
        most_rows = min(most_rows, int(rows.sum()))
        epoch = Epoch(plan.units[:, 2], rows, most_rows, task.order_seed)
        problems: dict[FileProblem, None] = {}
        kind_of_source = EventSource if plan.shape.tick_ns is None else TickSource
        source: Source = kind_of_source(task.dataset, plan, problems)
        loaded = Loaded(plan, source, task.dtypes, most_rows)
        given = 0
        batch = _Batch(self._task, min(task.batch_size, total))
        try:
            for first, last in self._lane:
                position = first
                while position < last:
                    pool = epoch.pool(epoch.pool_at(position))
                    stop = min(last, pool.first + len(pool.order))
                    loaded.load(pool, position - pool.first, stop - pool.first)
                    at = 0
                    while at < stop - position:
                        at += batch.add(loaded, at, stop - position)
                        if batch.is_full:
                            given += batch.positions
                            yield batch.finish(problems), given
                            batch = _Batch(task, min(task.batch_size, total - given))
                    position = stop
        finally:
            source.close()


class _Batch:
    """A batch that is being filled. What is lost of its windows makes it shorter."""

    def __init__(self, task: Task, positions: int) -> None:
        self.positions = positions
        self._task = task
        self._taken = self._rows = 0
        shapes = task.shapes(positions)
        self._tensors: dict[str, torch.Tensor] = (
            plain_batch(shapes) if task.worker is None else shipped_batch(shapes, task.ring, task.worker)
        )

    @property
    def is_full(self) -> bool:
        return self._taken == self.positions

    def add(self, loaded: Loaded, start: int, stop: int) -> int:
        """Take windows from the ``start``-th that is loaded on; return how many, the lost ones too."""
        count = min(self.positions - self._taken, stop - start)
        rows = loaded.count(start, start + count)
        out = self._between(self._rows, self._rows + rows)
        loaded.take(start, start + count, out, NUMBERS if self._task.has_numbers else None)
        self._rows += rows
        self._taken += count
        return count

    def finish(self, problems: dict[FileProblem, None]) -> dict[str, torch.Tensor]:
        """Return the batch; problems go with it, or are told here."""
        batch = self._tensors
        if self._rows < self.positions:
            batch = self._between(0, self._rows)
        told = list(problems)
        problems.clear()
        if isinstance(self._tensors, Shipped):
            return self._tensors.finish(batch, self._task.ring, self._task.token, told)
        self._task.noted.add(told)
        return batch

    def _between(self, start: int, stop: int) -> dict[str, torch.Tensor]:
        if (start, stop) == (0, self.positions):
            return self._tensors
        return {name: tensor[start:stop] for name, tensor in self._tensors.items()}


def torch_dtype(dtype: np.dtype) -> torch.dtype:
    """Return the dtype of a tensor over an array."""
    found: torch.dtype = getattr(torch, dtype.name)
    return found

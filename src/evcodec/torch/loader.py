"""WindowLoader: a DataLoader that counts what it gave, so that its state can be taken at any batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader, IterableDataset

from ..errors import InvalidArgumentError
from .arguments import checked
from .ring import Ring

if TYPE_CHECKING:
    from .windows import EventWindows


# Slots of a worker beside those for the batches that it makes ahead: the one it writes, two that the consumer has.
_MORE_SLOTS = 3


class _Given(IterableDataset):  # type: ignore[misc]
    """Windows whose batches travel in a ring."""

    def __init__(self, windows: EventWindows, ring: Ring | None) -> None:
        super().__init__()
        self._windows = windows
        self._ring = ring

    def __len__(self) -> int:
        return len(self._windows)

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        return self._windows._begun(self._ring)


class WindowLoader:
    """A ``DataLoader`` of windows with a state; made by `EventWindows.loader`.

    Batches of workers are in shared memory that is written to again when nothing refers to a batch, or a view of it, any
    more. For one thread.

    Attributes
    ----------
    windows : EventWindows
    """

    def __init__(self, windows: EventWindows, num_workers: int, **options: Any) -> None:
        for name in ("batch_size", "shuffle", "sampler", "batch_sampler", "drop_last", "in_order"):
            if name in options:
                raise InvalidArgumentError(
                    f"{name}: found an option of DataLoader, allowed: EventWindows's own"
                )
        self.windows = windows
        self._num_workers = checked("num_workers", num_workers, 0, 2**20)
        self._options = options
        self._idle: Ring | None = None
        self._persistent: DataLoader[Any] | None = None
        self._begin()

    def _begin(self) -> None:
        self._taken = 0
        self._lanes = self.windows._lanes(max(self._num_workers, 1))

    def _ring(self) -> Ring | None:
        """Return a ring that no pass uses."""
        ring, self._idle = self._idle, None
        if ring is None and self._num_workers:
            slots = (self._options.get("prefetch_factor") or 2) + _MORE_SLOTS
            ring = Ring(self._num_workers, slots, self.windows._batch_bytes())
        return ring

    def _loader(self, ring: Ring | None) -> DataLoader[Any]:
        given = _Given(self.windows, ring)
        return DataLoader(given, batch_size=None, num_workers=self._num_workers, **self._options)

    def __len__(self) -> int:
        """Return the number of batches of a pass, those too of which everything turns out to be lost."""
        return len(self.windows)

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        self._begin()
        if not self._options.get("persistent_workers"):
            ring = self._ring()
            yield from self._pass(self._loader(ring))
            self._idle = ring  # a pass that ended otherwise may have batches under way
            return
        if self._persistent is None:
            self._persistent = self._loader(self._ring())
        yield from self._pass(self._persistent)

    def _pass(self, loader: DataLoader[Any]) -> Iterator[dict[str, torch.Tensor]]:
        for batch in loader:
            self._taken += 1
            if not _is_empty(batch):
                yield batch
            del batch  # its slot is free before the next one is waited for
        self.windows._finish_rest()

    def set_epoch(self, epoch: int) -> None:
        """As `EventWindows.set_epoch`."""
        changes = epoch != self.windows.epoch
        self.windows.set_epoch(epoch)
        if changes:
            self._begin()

    def state_dict(self) -> dict[str, Any]:
        """Return what is left behind the batch that was given last, as `EventWindows.state_after` does. A batch counts from
        the moment at which it is handed out.
        """
        return self.windows._state(self._lanes, self._taken)

    def load_state_dict(self, state: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
        """As `EventWindows.load_state_dict`; workers are started anew."""
        self.windows.load_state_dict(state)
        self._persistent = None
        self._begin()


def _is_empty(batch: Any) -> bool:
    """Tell whether everything of a batch was lost; what a collate_fn made of it is not looked into."""
    return isinstance(batch, dict) and any(
        isinstance(value, torch.Tensor) and value.ndim and not len(value) for value in batch.values()
    )

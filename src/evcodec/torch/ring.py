"""Shared memory that batches of workers are written into again and again: no page of it is new but once.

Each worker has slots of its own. A byte for each slot says whether it is in use: the worker sets it before it writes a
batch, the consumer clears it when nothing refers to the batch any more. A batch for which no slot is free travels in
memory of its own, so nothing ever waits.
"""

from __future__ import annotations

import os
import secrets
import weakref
from typing import Any

import numpy as np
import torch


class Ring:
    """Slots for the workers of one pass over a loader at a time; made where batches arrive.

    Parameters
    ----------
    workers, slots : int
        Slots of each worker.
    slot_bytes : int
        What the largest batch takes.
    """

    def __init__(self, workers: int, slots: int, slot_bytes: int) -> None:
        self.token = secrets.token_hex(8)
        self._slots = slots
        self._slot_bytes = slot_bytes
        self._process = os.getpid()
        self._memory = torch.zeros(0, dtype=torch.uint8).set_(
            torch.UntypedStorage._new_shared(workers * slots * slot_bytes)
        )
        self._used = torch.zeros(workers * slots, dtype=torch.uint8).share_memory_()
        self._flags: np.ndarray = self._used.numpy()
        _rings[self.token] = self

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_flags"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._flags = self._used.numpy()

    def take(self, worker: int, size: int) -> int | None:
        """Return a slot of a worker that was free, and no longer is; None if there is none for so many bytes."""
        if size > self._slot_bytes:
            return None
        for slot in range(worker * self._slots, (worker + 1) * self._slots):
            if not self._flags[slot]:
                self._flags[slot] = 1
                return slot
        return None

    def release(self, slot: int) -> None:
        """Say that a slot is free."""
        self._flags[slot] = 0

    def part(self, slot: int) -> torch.Tensor:
        """Return the memory of a slot, as bytes."""
        return self._memory[slot * self._slot_bytes : (slot + 1) * self._slot_bytes]

    def arrived(self, slot: int) -> torch.Tensor:
        """Return the memory of a slot, as bytes; when nothing refers to it or a view of it, the slot is free."""
        array = self.part(slot).numpy()
        weakref.finalize(array, _free, self._flags, slot, self._process).atexit = False
        return torch.from_numpy(array)


def ring_of(token: str) -> Ring | None:
    """Return a ring that was made in this process."""
    return _rings.get(token)


def _free(flags: np.ndarray, slot: int, process: int) -> None:
    if os.getpid() == process:  # what a fork left of the batch in a child is not the batch
        flags[slot] = 0


_rings: weakref.WeakValueDictionary[str, Ring] = weakref.WeakValueDictionary()

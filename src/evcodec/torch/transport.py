"""Batches on their way out of a worker: one piece of shared memory for all columns, and what went wrong."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from typing import Any

import torch

from ..dataset import FileProblem
from .ring import Ring, ring_of

_ALIGNMENT = 64
Shapes = Mapping[str, tuple[torch.dtype, tuple[int, ...]]]
Layout = list[tuple[str, torch.dtype, int, tuple[int, ...]]]


class Noted:
    """What was skipped, each once, in whatever process it was met; told where the batches arrive."""

    def __init__(self, token: str) -> None:
        self._lock = threading.Lock()
        self._found: dict[FileProblem, None] = {}
        _noted.setdefault(token, self)

    def add(self, problems: list[FileProblem]) -> None:
        """Take problems."""
        with self._lock:
            self._found.update(dict.fromkeys(problems))

    def all(self) -> list[FileProblem]:
        """Return them, by path and position."""
        with self._lock:
            found = list(self._found)
        return sorted(found, key=lambda problem: (problem.path, problem.position or 0, problem.message))


_noted: weakref.WeakValueDictionary[str, Noted] = weakref.WeakValueDictionary()


class Shipped(dict[str, torch.Tensor]):
    """A batch in a worker: a dict of tensors that share one storage, which is sent once or, in a ring, not at all.

    Where it arrives it is a plain dict.
    """

    def __init__(self, flat: torch.Tensor, tensors: Mapping[str, torch.Tensor], slot: int | None) -> None:
        super().__init__(tensors)
        self._flat = flat
        self._sent = tuple(tensors.values())
        self._slot = slot
        self._ring: Ring | None = None
        self._told: tuple[str, list[FileProblem]] = "", []

    def finish(
        self, tensors: Mapping[str, torch.Tensor], ring: Ring | None, token: str, problems: list[FileProblem]
    ) -> Shipped:
        """Return a batch of these views of the storage, with problems to be told on arrival."""
        made = Shipped(self._flat, tensors, self._slot)
        made._ring = ring
        made._told = token, problems
        return made

    def __copy__(self) -> Shipped:
        made = Shipped(self._flat, self, self._slot)
        made.__dict__.update(self.__dict__)
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        if len(self) != len(self._sent) or any(
            mine is not sent for mine, sent in zip(self.values(), self._sent, strict=True)
        ):
            return _arrived, (self._own(), *self._told)  # a collate_fn put something else in
        start = self._flat.storage_offset()
        layout: Layout = [
            (name, tensor.dtype, tensor.storage_offset() * tensor.element_size() - start, tuple(tensor.shape))
            for name, tensor in self.items()
        ]
        if self._ring is not None and self._slot is not None:
            return _out_of_ring, (self._ring.token, self._slot, layout, *self._told)
        return _unpacked, (self._flat, layout, *self._told)

    def _own(self) -> dict[str, Any]:
        """Return what is in the batch, in memory of its own: a slot is only free again when all of it arrives."""
        storage = self._flat.untyped_storage().data_ptr()
        found = {
            name: value.clone()
            if isinstance(value, torch.Tensor) and value.untyped_storage().data_ptr() == storage
            else value
            for name, value in self.items()
        }
        if self._ring is not None and self._slot is not None:
            self._ring.release(self._slot)
        return found


def _out_of_ring(token: str, slot: int, layout: Layout, *told: Any) -> dict[str, torch.Tensor]:
    ring = ring_of(token)
    if ring is None:
        raise RuntimeError("EventWindows: a batch arrived where its loader was not made")
    return _unpacked(ring.arrived(slot), layout, *told)


def _unpacked(
    flat: torch.Tensor, layout: Layout, token: str, problems: list[FileProblem]
) -> dict[str, torch.Tensor]:
    tensors = {name: _part(flat, dtype, start, shape) for name, dtype, start, shape in layout}
    return _arrived(tensors, token, problems)


def _arrived(
    tensors: dict[str, torch.Tensor], token: str, problems: list[FileProblem]
) -> dict[str, torch.Tensor]:
    noted = _noted.get(token)
    if problems and noted is not None:
        noted.add(problems)
    return tensors


def _part(flat: torch.Tensor, dtype: torch.dtype, start: int, shape: tuple[int, ...]) -> torch.Tensor:
    size = dtype.itemsize
    for length in shape:
        size *= length
    return flat[start : start + size].view(dtype).view(shape)


def _places(shapes: Shapes) -> tuple[dict[str, int], int]:
    """Return where each tensor begins in one piece of memory, and how long that is."""
    places = {}
    end = 0
    for name, (dtype, shape) in shapes.items():
        places[name] = end
        end += -(-dtype.itemsize * torch.Size(shape).numel() // _ALIGNMENT) * _ALIGNMENT
    return places, max(end, 1)


def batch_bytes(shapes: Shapes) -> int:
    """Return what a batch takes in one piece of memory."""
    return _places(shapes)[1]


def plain_batch(shapes: Shapes) -> dict[str, torch.Tensor]:
    """Return tensors to be filled, for this process."""
    return {name: torch.empty(shape, dtype=dtype) for name, (dtype, shape) in shapes.items()}


def shipped_batch(shapes: Shapes, ring: Ring | None, worker: int) -> Shipped:
    """Return tensors to be filled that share memory with the process that they are sent to."""
    places, size = _places(shapes)
    slot = None if ring is None else ring.take(worker, size)
    if ring is None or slot is None:
        storage = torch.UntypedStorage._new_shared(size)
        flat = torch.empty(0, dtype=torch.uint8).set_(storage)
    else:
        flat = ring.part(slot)
    tensors = {name: _part(flat, dtype, places[name], shape) for name, (dtype, shape) in shapes.items()}
    return Shipped(flat, tensors, slot)

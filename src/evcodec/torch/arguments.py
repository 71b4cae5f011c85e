"""What arguments may be."""

from __future__ import annotations

from typing import Any

import torch.distributed

from ..errors import InvalidArgumentError
from ..select import as_int


def checked(name: str, value: Any, least: int, most: int) -> int:
    """Return an integer; raise InvalidArgumentError if it is none, or outside of what is allowed."""
    if not least <= as_int(name, value) <= most:
        raise InvalidArgumentError(f"{name}: found {value}, allowed: {least} to {most}")
    return int(value)


def place_among_ranks(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """Return rank and number of ranks, those of torch.distributed where none are given."""
    if (rank is None) != (world_size is None):
        raise InvalidArgumentError("rank, world_size: found one of them, allowed: both or none")
    if rank is None:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            return torch.distributed.get_rank(), torch.distributed.get_world_size()
        return 0, 1
    world_size = checked("world_size", world_size, 1, 2**31)
    return checked("rank", rank, 0, world_size - 1), world_size

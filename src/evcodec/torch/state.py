"""States as users keep them: plain values, nothing in which is believed when they come back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import InvalidArgumentError
from .lanes import Lane
from .plan import Plan

_VERSION = 1
_MOST_RANGES = 2**20


class State(NamedTuple):
    """What one rank has left of an epoch."""

    digest: str
    """Of the windows, and of everything that their order depends on."""
    epoch: int
    batch_size: int
    rank: int
    world_size: int
    lanes: list[Lane]

    def plain(self) -> dict[str, Any]:
        """Return the state as a dict of integers, strings and lists."""
        lanes = [[list(part) for part in lane] for lane in self.lanes]
        return {"version": _VERSION, **self._asdict(), "lanes": lanes}


def read_state(plain: Any, digest: str, windows: int) -> State:
    """Return a state; raise InvalidArgumentError if it cannot be one of so many windows with this digest."""
    if not isinstance(plain, Mapping) or {*plain} != {"version", *State._fields}:
        raise InvalidArgumentError(
            "state: found something else, allowed: what state_dict or state_after returned"
        )
    if plain["version"] != _VERSION:
        raise InvalidArgumentError(f"state: found version {plain['version']!r}, allowed: {_VERSION}")
    if plain["digest"] != digest:
        raise InvalidArgumentError(
            "state: found one of another dataset, or of windows made with other arguments, allowed: one of these windows"
        )
    epoch, batch_size, rank, world_size = numbers = [
        plain[name] for name in ("epoch", "batch_size", "rank", "world_size")
    ]
    if not all(_is_number(number, 2**62) for number in numbers) or not batch_size:
        raise InvalidArgumentError(f"state: found {numbers} as epoch, batch size, rank and world size")
    lanes = [_read_lane(lane, windows) for lane in plain["lanes"]] if _is_list(plain["lanes"]) else []
    if not lanes:
        raise InvalidArgumentError("state: found no lanes, allowed: at least one")
    return State(digest, epoch, batch_size, rank, world_size, lanes)


def read_worker_state(plain: Any, digest: str, windows: int) -> tuple[int, Lane]:
    """Return epoch and lane of the state of one worker; raise InvalidArgumentError if it cannot be one of so many windows
    with this digest.
    """
    if (
        not isinstance(plain, Mapping)
        or plain.get("digest") != digest
        or not _is_number(plain.get("epoch"), 2**62)
    ):
        raise InvalidArgumentError(
            "state: found none of a worker that gave these windows, allowed: such a one"
        )
    return plain["epoch"], _read_lane(plain.get("lane"), windows)


def _read_lane(plain: Any, windows: int) -> Lane:
    lane: Lane = []
    parts: Sequence[Any] = plain if _is_list(plain) else [()]
    for part in parts:
        if not _is_list(part) or len(part) != 2 or not all(_is_number(end, windows) for end in part):
            raise InvalidArgumentError(
                f"state: lane: found {part!r}, allowed: pairs of integers up to {windows}"
            )
        if part[0] >= part[1]:
            raise InvalidArgumentError(f"state: lane: found {part!r}, allowed: the smaller one first")
        lane.append((part[0], part[1]))
    return lane


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and len(value) <= _MOST_RANGES


def _is_number(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def digest_of(plan: Plan, buffer_bytes: int, seed: int | None) -> str:
    """Return what two datasets, and ways of reading them, share only if their windows have the same order."""
    files = [planned.file for planned in plan.files]
    folder = _folder([file.path for file in files])
    named = [(file.path[len(folder) :], file.size) for file in files]
    text = repr((*plan.shape, buffer_bytes, seed, named))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape") + plan.units.tobytes()).hexdigest()


def _folder(paths: list[str]) -> str:
    """Return what paths begin with, up to a slash: a dataset may be moved between a state and what goes on from it."""
    first, last = min(paths, default=""), max(paths, default="")
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[:same].rpartition("/")[0]

"""Who gives which part of an epoch: positions in its order, divided among ranks and workers. Numbers only.

A lane is a list of ranges of positions: the work of one worker, from its first batch to its last. Batches are taken from
the lanes in turn, as a DataLoader takes them from its workers, so that what is left after any number of batches
follows by arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import InvalidArgumentError

Lane = list[tuple[int, int]]


def size(lane: Lane) -> int:
    """Return the number of positions of a lane."""
    return sum(stop - start for start, stop in lane)


def cut(lane: Lane, start: int, stop: int) -> Lane:
    """Return the positions from the ``start``-th of a lane up to the ``stop``-th."""
    found: Lane = []
    at = 0
    for first, last in lane:
        low, high = max(start, at), min(stop, at + last - first)
        if low < high:
            found.append((first + low - at, first + high - at))
        at += last - first
    return found


def joined(lanes: Iterable[Lane]) -> Lane:
    """Return one lane behind the other, neighbouring ranges as one."""
    found: Lane = []
    for lane in lanes:
        for start, stop in lane:
            if found and found[-1][1] == start:
                found[-1] = found[-1][0], stop
            else:
                found.append((start, stop))
    return found


def share(lane: Lane, rank: int, world_size: int, uneven: str, batch_size: int, windows: int) -> Lane:
    """Return the part of one of ``world_size`` ranks.

    ``uneven`` is "keep" (sizes differ by one at most), "drop" (what does not make a full batch for every rank is left
    out) or "pad" (the first of the ``windows`` of the order come again until it does).
    """
    total = size(lane)
    step = world_size * batch_size
    if uneven == "drop":
        lane = cut(lane, 0, total - total % step)
    elif uneven == "pad":
        lane = list(lane)
        lacking = -total % step
        while lacking and windows:
            lane.append((0, min(lacking, windows)))
            lacking -= min(lacking, windows)
    whole, more = divmod(size(lane), world_size)
    start = rank * whole + min(rank, more)
    return cut(lane, start, start + whole + (rank < more))


def deal(lane: Lane, workers: int, batch_size: int) -> list[Lane]:
    """Divide a lane among workers by whole batches; the first ones get one more where it does not come out even."""
    whole, more = divmod(batches(lane, batch_size), workers)
    dealt = []
    start = 0
    for worker in range(workers):
        stop = start + whole + (worker < more)
        dealt.append(cut(lane, start * batch_size, stop * batch_size))
        start = stop
    return dealt


def batches(lane: Lane, batch_size: int) -> int:
    """Return the number of batches of a lane."""
    return -(-size(lane) // batch_size)


def is_dealt(lanes: list[Lane], batch_size: int) -> bool:
    """Tell whether lanes are as `deal` makes them, or `rest` of these: taking in turn never skips one that has more."""
    counts = [batches(lane, batch_size) for lane in lanes]
    short = [size(lane) % batch_size for lane in lanes].count(0) < len(lanes) - 1
    return not short and counts == sorted(counts, reverse=True) and counts[0] - counts[-1] <= 1


def rest(lanes: list[Lane], taken: int, batch_size: int) -> list[Lane]:
    """Return what is left of lanes after ``taken`` batches in turn; the lane whose turn it is comes first."""
    there = sum(batches(lane, batch_size) for lane in lanes)
    if not 0 <= taken <= there:
        raise InvalidArgumentError(f"batches: found {taken}, allowed: 0 to {there}, those of this rank")
    rounds, turn = divmod(taken, len(lanes))
    left = [
        cut(lane, (rounds + (number < turn)) * batch_size, size(lane)) for number, lane in enumerate(lanes)
    ]
    return left[turn:] + left[:turn]

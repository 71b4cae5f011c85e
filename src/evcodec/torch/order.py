"""The order of an epoch: runs of blocks shuffled into pools, windows shuffled within each pool. Numbers only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


class Pool(NamedTuple):
    """What is in memory at once."""

    first: int
    """Position of its first window in the order of the epoch."""
    units: Ints
    """Numbers of the units."""
    order: Ints
    """Which of its windows comes when, counted through its units as they stand here."""


class Epoch:
    """The order of the windows of one epoch.

    Parameters
    ----------
    windows : ndarray of int64, shape (units,)
        Windows of each unit.
    bytes : ndarray of int64, shape (units,)
        What each unit takes in memory.
    pool_bytes : int
        Most of these for one pool, unless a single unit takes more.
    seed : tuple of int, optional
        What the order is drawn from; None leaves units and windows as they stand.
    """

    def __init__(self, windows: Ints, bytes: Ints, pool_bytes: int, seed: tuple[int, ...] | None) -> None:
        self._seed = seed
        self._units = np.arange(len(windows)) if seed is None else shuffled(len(windows), (*seed, 0))
        ends = np.cumsum(bytes[self._units])
        self._firsts = np.concatenate(([0], np.cumsum(windows[self._units])))
        borders = [0]
        while borders[-1] < len(ends):
            held = int(ends[borders[-1] - 1]) if borders[-1] else 0
            border = int(np.searchsorted(ends, held + pool_bytes, "right"))
            borders.append(max(border, borders[-1] + 1))
        self._borders = np.array(borders)
        self._pool_firsts = self._firsts[self._borders]

    def pool_at(self, position: int) -> int:
        """Return the number of the pool that a position of the order is in."""
        return int(np.searchsorted(self._pool_firsts, position, "right")) - 1

    def pool(self, number: int) -> Pool:
        """Return a pool."""
        start, stop = self._borders[number], self._borders[number + 1]
        first, end = int(self._firsts[start]), int(self._firsts[stop])
        count = end - first
        order = np.arange(count) if self._seed is None else shuffled(count, (*self._seed, 1, number))
        return Pool(first, self._units[start:stop], order)


def shuffled(count: int, seed: tuple[int, ...]) -> Ints:
    """Return the numbers below ``count`` in an order that depends on nothing but the seed: raw output of PCG64, which no
    version of numpy changes. Keys are random above the bits that hold the number itself, so none are equal.
    """
    bits = np.uint64(max(count - 1, 1).bit_length())
    low = (np.uint64(1) << bits) - np.uint64(1)
    keys = np.random.PCG64(np.random.SeedSequence(seed)).random_raw(count)
    keys &= ~low
    keys |= np.arange(count, dtype=np.uint64)
    keys.sort()
    keys &= low
    return keys.view(np.int64)

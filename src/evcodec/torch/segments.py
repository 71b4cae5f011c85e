"""Which windows a row of events has, cut in pieces that no window crosses. Numbers only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


class Segments:
    """Windows of ``length`` rows, a new one every ``stride`` rows, in pieces of a file.

    Parameters
    ----------
    starts, counts : ndarray of int64
        First row and number of rows of each piece, ascending and apart.
    length, stride : int
    """

    __slots__ = ("_firsts", "_starts", "_stride", "length")

    def __init__(self, starts: Ints, counts: Ints, length: int, stride: int) -> None:
        windows = np.where(counts >= length, (counts - length) // stride + 1, 0)
        some = windows > 0
        self._starts = starts[some]
        self._firsts = np.concatenate((np.zeros(1, np.int64), np.cumsum(windows[some])))
        self._stride = stride
        self.length = length

    @property
    def windows(self) -> int:
        """Number of windows."""
        return int(self._firsts[-1])

    @property
    def stop(self) -> int:
        """Row behind the last window."""
        return int(self.rows(self._firsts[-1:] - 1)[0]) + self.length if self.windows else 0

    def rows(self, numbers: Ints) -> Ints:
        """Return the first row of windows, given by their numbers in the file."""
        piece = np.searchsorted(self._firsts, numbers, "right") - 1
        found: Ints = self._starts[piece] + (numbers - self._firsts[piece]) * self._stride
        return found

    def before(self, rows: Ints) -> Ints:
        """Return how many windows start before each of these rows."""
        if not len(self._starts):
            return np.zeros(len(rows), np.int64)
        piece = np.maximum(np.searchsorted(self._starts, rows, "left") - 1, 0)
        inside = -((self._starts[piece] - rows) // self._stride)
        of_piece = self._firsts[piece + 1] - self._firsts[piece]
        found: Ints = self._firsts[piece] + np.clip(inside, 0, of_piece)
        return found


class Gaps:
    """Spans of time of which it is known that something was not recorded.

    Parameters
    ----------
    spans : sequence of (int, int)
        Half open; an empty one counts as one ns.
    """

    def __init__(self, spans: Sequence[tuple[int, int]]) -> None:
        spans = sorted(spans)
        self._starts = np.array([start for start, _ in spans], np.int64)
        last = [max(stop - 1, start) for start, stop in spans]
        self._last = np.maximum.accumulate(np.array(last, np.int64)) if spans else self._starts

    def __bool__(self) -> bool:
        return len(self._starts) > 0

    def touch(self, low: Ints, high: Ints) -> npt.NDArray[np.bool_]:
        """Tell which of the spans from ``low`` to ``high``, both included, have a gap in them."""
        if not self:
            return np.zeros(len(low), bool)
        begun = np.searchsorted(self._starts, high, "right")
        return (begun > 0) & (self._last[np.maximum(begun - 1, 0)] >= low)


def cuts(t: Ints, before: int | None, max_gap_ns: int | None, gaps: Gaps) -> npt.NDArray[np.bool_]:
    """Tell before which events a piece ends: a pause (or a step back) of more than ``max_gap_ns``, or a gap.

    ``before`` is the time of the event before the first of ``t``, if there is one.
    """
    earlier = np.concatenate((t[:1] if before is None else np.array([before], np.int64), t[:-1]))
    low, high = np.minimum(earlier, t), np.maximum(earlier, t)
    found = gaps.touch(low, high)
    if max_gap_ns is not None:
        # As unsigned numbers the difference of any two times is exact.
        found |= high.view(np.uint64) - low.view(np.uint64) > np.uint64(max_gap_ns)
    if before is None:
        found[:1] = False
    return found


def pieces(borders: Ints, rows: int) -> tuple[Ints, Ints]:
    """Return first row and number of rows of what lies between borders, in all ``rows``."""
    edges = np.unique(np.concatenate((np.array([0, rows], np.int64), borders)))
    return edges[:-1], np.diff(edges)

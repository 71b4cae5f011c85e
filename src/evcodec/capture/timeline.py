"""What was known when: verdicts in order of time, each with how far back the news of it may reach; and the gaps they make."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ..entries import GapReason
from .decision import Verdict
from .passed import PassedGap

# Decisions look back no further than keys are held, and gaps are told piece by piece: a crash loses no more of one.
_KEPT_NS = 60_000_000_000
_LONGEST_GAP_NS = 60_000_000_000


class Change(NamedTuple):
    """From ``t`` on the verdict is in force; it may have been the truth from ``doubt_t`` on."""

    t: int
    doubt_t: int
    verdict: Verdict


class Timeline:
    """Verdicts in order of time."""

    def __init__(self, t: int, verdict: Verdict) -> None:
        self._changes = [Change(t, t, verdict)]
        self._times = [t]

    @property
    def last(self) -> Change:
        """The latest change."""
        return self._changes[-1]

    @property
    def start_t(self) -> int:
        """From when on verdicts are known."""
        return self._times[0]

    def add(self, t: int, doubt_t: int, verdict: Verdict) -> Change:
        """Add a change; news that is out of order counts as of the latest."""
        change = Change(max(t, self._times[-1]), min(doubt_t, t), verdict)
        self._changes.append(change)
        self._times.append(change.t)
        return change

    def amend(self, verdict: Verdict) -> Change:
        """Put what is known by now in the place of the latest verdict, for all of its time."""
        change = self._changes[-1] = self._changes[-1]._replace(verdict=verdict)
        return change

    def index(self, t: int) -> int:
        """Return which change was in force at ``t``; -1 before the first."""
        return bisect_right(self._times, t) - 1

    def possible(self, t: int) -> Iterator[Verdict]:
        """Yield every verdict that may have been the truth at ``t``; at least one, or it is before all that is known."""
        at = self.index(t)
        if at >= 0:
            yield self._changes[at].verdict
        for change in self._changes[at + 1 :]:
            if change.doubt_t <= t:
                yield change.verdict

    def since(self, t: int) -> Sequence[Change]:
        """Return the change in force at ``t`` and all after it; empty before the first."""
        at = self.index(t)
        return () if at < 0 else self._changes[at:]

    def edges(self, t0: int, t1: int) -> list[int]:
        """Return the times in (t0, t1] at which what is possible changes, in order."""
        if self._times[-1] <= t0:
            return []
        found = {edge for change in self._changes for edge in (change.t, change.doubt_t) if t0 < edge <= t1}
        return sorted(found)

    def forget(self, t: int) -> None:
        """Let go of what no decision about a time from ``t`` on needs."""
        at = self.index(t - _KEPT_NS)
        if at > 0:
            del self._changes[:at], self._times[:at]


class GapLine:
    """The gaps of one kind: when a verdict has a reason, from where the doubt began until where it ended."""

    def __init__(self, t: int, reason_of: Callable[[Verdict], GapReason | None]) -> None:
        self._reason_of = reason_of
        self._reason: GapReason | None = None
        self._t = t  # since when the reason, or that there is none

    def change(self, change: Change, gaps: list[PassedGap]) -> None:
        """Go on to a change, and add the gap that it ends."""
        reason = self._reason_of(change.verdict)
        if reason is self._reason:
            return
        if self._reason is None:
            # What was in doubt before was dropped too, but nothing before the reason was last over.
            self._t = min(max(change.doubt_t, self._t), change.t)
        else:
            self._end(change.t, gaps)
        self._reason = reason

    def reach(self, t: int, gaps: list[PassedGap]) -> None:
        """Tell of a long gap piece by piece."""
        if self._reason is not None and t - self._t >= _LONGEST_GAP_NS:
            self._end(t, gaps)

    def finish(self, t: int, gaps: list[PassedGap]) -> None:
        """Add the gap that is open."""
        if self._reason is not None:
            self._end(max(t, self._t), gaps)

    def _end(self, t: int, gaps: list[PassedGap]) -> None:
        assert self._reason is not None
        if t > self._t:
            gaps.append(PassedGap(reason=self._reason, t0=self._t, t1=t))
        self._t = max(t, self._t)


class CoarseGaps:
    """Gaps that tell only that there was something in whole seconds, not what, when, or how often."""

    GRID_NS = 1_000_000_000

    def __init__(self, reason: GapReason, start_t: int) -> None:
        self._reason = reason
        self._start_t = start_t
        self._cells: set[int] = set()

    def add(self, t: int) -> None:
        """Note something at ``t``."""
        self._cells.add(t // self.GRID_NS)

    def take(self, until: int, gaps: list[PassedGap]) -> None:
        """Add the gaps of seconds that ended a second before ``until``, so that nothing of a moment shows in when they come."""
        done = sorted(cell for cell in self._cells if (cell + 2) * self.GRID_NS <= until)
        self._cells.difference_update(done)
        t0 = t1 = None
        for cell in done:
            if t1 != cell * self.GRID_NS:
                self._put(t0, t1, gaps)
                t0 = cell * self.GRID_NS
            t1 = (cell + 1) * self.GRID_NS
        self._put(t0, t1, gaps)

    def finish(self, gaps: list[PassedGap]) -> None:
        """Add all that is left."""
        self.take(max(self._cells, default=0) * self.GRID_NS + 2 * self.GRID_NS, gaps)

    def _put(self, t0: int | None, t1: int | None, gaps: list[PassedGap]) -> None:
        if t0 is not None and t1 is not None and t1 > self._start_t:
            gaps.append(PassedGap(reason=self._reason, t0=max(t0, self._start_t), t1=t1))

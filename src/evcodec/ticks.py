"""Fixed ticks: the events of a session as rows of a regular clock, in exact integers.

A tick ``i`` covers ``[start + i * period, start + (i + 1) * period)``. Its row says where the pointer is when the tick
ends, and what happened in it. Both the Ray jobs and the windows for training use this one definition.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from .batch import EventBatch
from .errors import InvalidArgumentError, LimitExceededError
from .schema import EventFlag, EventKind

_Ints = npt.NDArray[np.int64]

# Kinds whose events are counted, and sums of a column over a kind's events.
_COUNTS = {
    "button_down": EventKind.BUTTON_DOWN,
    "button_up": EventKind.BUTTON_UP,
    "key_down": EventKind.KEY_DOWN,
    "key_up": EventKind.KEY_UP,
}
_SUMS = {
    "move_x": (EventKind.MOVE, "dx"),
    "move_y": (EventKind.MOVE, "dy"),
    "scroll_x": (EventKind.SCROLL, "dx"),
    "scroll_y": (EventKind.SCROLL, "dy"),
}
# A wheel of raw input says where it was turned in no recording that we know: it would put the pointer at 0, 0.
_POSITIONED = (EventKind.MOVE, EventKind.BUTTON_DOWN, EventKind.BUTTON_UP)

TICK_COLUMNS = ("t", "x", "y", "events", *_COUNTS, *_SUMS)
"""The columns of a batch of ticks, all int64."""

READS = ("t", "kind", "x", "y", "dx", "dy", "flags")
"""The columns of events that ticks are made of: all that need be read."""

DEFAULT_MAX_TICKS = 2**22

_INT64 = np.iinfo(np.int64)
_ADDED = (*_COUNTS, *_SUMS, "events")


class Ticks:
    """Makes the rows of a regular clock from batches of one session, one batch at a time.

    Parameters
    ----------
    period_ns : int
        Length of a tick, from 1 to 2**62.
    start : int, optional
        ``t`` at which tick 0 begins. By default the smallest ``t`` of the first batch with events, rounded down to a
        multiple of the period, so that streams of one clock share their ticks.
    stop : int, optional
        Ticks begin before this ``t``; events at it or later are left out. By default the last tick is that of the last
        event.
    position : tuple of int
        Where the pointer was before the first event.
    max_ticks : int
        Most ticks that one call may give: time may jump by years.

    Raises
    ------
    InvalidArgumentError
        An argument is outside of what is allowed.

    Notes
    -----
    A row has the columns of `TICK_COLUMNS`, int64 all of them:

    ============================================ ====================================================================
    ``t``                                        where the tick begins, ns
    ``x``, ``y``                                 position of the last MOVE, BUTTON_DOWN or BUTTON_UP before the tick's
                                                 end that is not flagged RELATIVE_ONLY; last by ``t``, among equal ones
                                                 by place in the stream
    ``events``                                   number of events in the tick, of whatever kind
    ``button_down``, ``button_up``,              number of these
    ``key_down``, ``key_up``
    ``move_x``, ``move_y``                       sum of ``dx``, ``dy`` of its MOVE events: relative motion
    ``scroll_x``, ``scroll_y``                   sum of ``dx``, ``dy`` of its SCROLL events: 1/120 of a notch
    ============================================ ====================================================================

    Ticks without events are rows too. The result does not depend on how events are divided into batches, as long as no
    event belongs to a tick before that of the last event of an earlier batch. Events before ``start`` are not counted,
    but move the pointer. Not safe to use from several threads at once.
    """

    def __init__(
        self,
        period_ns: int,
        *,
        start: int | None = None,
        stop: int | None = None,
        position: tuple[int, int] = (0, 0),
        max_ticks: int = DEFAULT_MAX_TICKS,
    ) -> None:
        self._period = _checked("period_ns", period_ns, 1, 2**62)
        self._start = None if start is None else _checked("start", start, _INT64.min, _INT64.max)
        self._stop = None if stop is None else _checked("stop", stop, _INT64.min, _INT64.max + 1)
        self._max_ticks = _checked("max_ticks", max_ticks, 1, 2**40)
        x, y = position
        self._x, self._y = _checked("x of position", x), _checked("y of position", y)
        self._moved_t: int | None = None  # of the event that the position comes from
        self._open = 0  # the tick that events may still fall into
        self._sums = dict.fromkeys(_ADDED, 0)  # of the open tick so far
        self._is_finished = False

    @property
    def position(self) -> tuple[int, int]:
        """Where the pointer is after the events so far."""
        return self._x, self._y

    def add(self, batch: EventBatch) -> EventBatch:
        """Take the next events, and return the ticks that are complete: all before the one of the last event.

        Parameters
        ----------
        batch : EventBatch
            In any order within itself.

        Returns
        -------
        EventBatch
            Ticks without a hole between them and those given before.

        Raises
        ------
        InvalidArgumentError
            An event belongs to a tick that was given already; a sum or a position does not fit into int64; or `finish`
            was called.
        LimitExceededError
            It would be more than ``max_ticks``.
        """
        if self._is_finished:
            raise InvalidArgumentError("ticks: found events after finish()")
        if not len(batch):
            return _batch(_zeros(0))
        batch = _by_time(batch)
        t = batch["t"]
        if self._start is None:
            rounded = int(t[0]) // self._period * self._period
            self._start = _checked("smallest t, rounded down to the period", rounded)
        begin = int(np.searchsorted(t, self._start))
        inside = (
            t.size if self._stop is None or self._stop > _INT64.max else int(np.searchsorted(t, self._stop))
        )
        end = max(begin, inside)
        # The difference may not fit into int64, but is right in 64 bits without a sign.
        since = t[begin:end].view(np.uint64) - np.uint64(self._start % 2**64)
        ticks = since // np.uint64(self._period)
        if len(ticks) and int(ticks[0]) < self._open:
            raise InvalidArgumentError(
                f"ticks: found an event at {int(t[begin])}, allowed: {self._start + self._open * self._period} or "
                "later, since the ticks before were given"
            )
        count = self._check_count(int(ticks[-1]) - self._open + 1 if len(ticks) else 0)
        nth = (ticks - np.uint64(self._open)).astype(np.intp)
        rows = _counted(batch[begin:end], nth, count)
        before = np.zeros(
            begin, np.intp
        )  # an event before the start moves the pointer as one in the first tick does
        rows["x"], rows["y"] = self._positions(batch[:end], np.concatenate((before, nth)), count)
        if not count:
            return _batch(_zeros(0))
        for name in _ADDED:
            rows[name][0] = _checked(f"sum {name}", int(rows[name][0]) + self._sums[name])
            self._sums[name] = int(rows[name][-1])
        rows["t"] = self._times(count)
        self._open += count - 1
        complete: EventBatch = _batch(rows)[:-1]
        return complete

    def finish(self) -> EventBatch:
        """Return the ticks that are left: up to ``stop`` if it was given, else that of the last event.

        Without ``start`` and without events there are none.

        Raises
        ------
        LimitExceededError
            It would be more than ``max_ticks``.
        """
        self._is_finished = True
        if self._start is None:
            return _batch(_zeros(0))
        end = self._open + (self._sums["events"] > 0)
        if self._stop is not None:
            end = max(end, -((self._start - self._stop) // self._period))
        rows = _zeros(self._check_count(end - self._open))
        if end > self._open:
            rows["t"] = self._times(end - self._open)
            rows["x"][:], rows["y"][:] = self.position
            for name, value in self._sums.items():
                rows[name][0] = value
        return _batch(rows)

    def _check_count(self, count: int) -> int:
        if count > self._max_ticks:
            raise LimitExceededError(f"ticks of one call: found {count}, allowed: {self._max_ticks}")
        return count

    def _times(self, count: int) -> _Ints:
        assert self._start is not None
        return np.arange(count, dtype=np.int64) * self._period + (self._start + self._open * self._period)

    def _positions(self, batch: EventBatch, nth: npt.NDArray[np.intp], count: int) -> tuple[_Ints, _Ints]:
        """Return where the pointer is at the end of each row, and remember where it is after the batch."""
        found = np.flatnonzero(is_positioned(batch))
        if self._moved_t is not None:  # an earlier batch may have had a later event of the same tick
            found = found[int(np.searchsorted(batch["t"][found], self._moved_t)) :]
        # 0 is the position before all of these.
        last = np.searchsorted(nth[found], np.arange(count), side="right")
        x = np.concatenate(([self._x], _as_int64("x", batch["x"][found])))
        y = np.concatenate(([self._y], _as_int64("y", batch["y"][found])))
        if len(found):
            self._x, self._y, self._moved_t = int(x[-1]), int(y[-1]), int(batch["t"][found[-1]])
        return x[last], y[last]


def fixed_ticks(
    batch: EventBatch,
    period_ns: int,
    *,
    start: int | None = None,
    stop: int | None = None,
    position: tuple[int, int] = (0, 0),
    max_ticks: int = DEFAULT_MAX_TICKS,
) -> EventBatch:
    """Return the events of a batch, in any order, as rows of a regular clock.

    Parameters
    ----------
    batch : EventBatch
    period_ns, start, stop, position, max_ticks
        As in `Ticks`, which says what the rows are.

    Returns
    -------
    EventBatch
        Columns `TICK_COLUMNS`, int64. With ``start`` and ``stop`` as many rows as ticks begin in between, whatever the
        batch holds.

    Raises
    ------
    InvalidArgumentError, LimitExceededError
        As in `Ticks`.
    """
    ticks = Ticks(period_ns, start=start, stop=stop, position=position, max_ticks=max_ticks)
    return EventBatch.concat((ticks.add(batch), ticks.finish()))


def tick_batches(
    batches: Iterable[EventBatch],
    period_ns: int,
    *,
    start: int | None = None,
    stop: int | None = None,
    max_ticks: int = DEFAULT_MAX_TICKS,
) -> Iterator[EventBatch]:
    """Yield the ticks of a session from its batches, in the memory of a batch: ``tick_batches(reader.batches(READS), …)``.

    Parameters
    ----------
    batches : iterable of EventBatch
        In order, as `Reader.batches` gives them.
    period_ns, start, stop, max_ticks
        As in `Ticks`.

    Yields
    ------
    EventBatch
        Never empty.

    Raises
    ------
    InvalidArgumentError, LimitExceededError
        As in `Ticks`: time may run backwards within a batch and within a tick, no further.
    """
    ticks = Ticks(period_ns, start=start, stop=stop, max_ticks=max_ticks)
    for batch in batches:
        complete = ticks.add(batch)
        if len(complete):
            yield complete
    rest = ticks.finish()
    if len(rest):
        yield rest


def is_positioned(batch: EventBatch) -> npt.NDArray[np.bool_]:
    """Tell which events say where the pointer is."""
    placed: npt.NDArray[np.bool_] = np.isin(batch["kind"], _POSITIONED)
    placed &= batch["flags"] & EventFlag.RELATIVE_ONLY == 0
    return placed


def _checked(name: str, value: int, least: int = _INT64.min, most: int = _INT64.max) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= value <= most:
        raise InvalidArgumentError(f"{name}: found {value!r}, allowed: {least} to {most}")
    return int(value)


def _by_time(batch: EventBatch) -> EventBatch:
    """Return the events in order of ``t``, those of equal ``t`` as they stand."""
    t = batch["t"]
    if np.all(t[1:] >= t[:-1]):
        return batch
    sorted_: EventBatch = batch[np.argsort(t, kind="stable")]
    return sorted_


def _zeros(count: int) -> dict[str, _Ints]:
    return {name: np.zeros(count, np.int64) for name in TICK_COLUMNS}


def _batch(rows: dict[str, _Ints]) -> EventBatch:
    return EventBatch(**rows)


def _counted(batch: EventBatch, nth: npt.NDArray[np.intp], count: int) -> dict[str, _Ints]:
    """Return rows with what is counted and added up; ``nth`` is the row of each event, ascending."""
    rows = _zeros(count)
    kind = batch["kind"]
    rows["events"][:] = np.bincount(nth, minlength=count)
    for name, of_kind in _COUNTS.items():
        rows[name][:] = np.bincount(nth[kind == of_kind], minlength=count)
    for name, (of_kind, column) in _SUMS.items():
        chosen = np.flatnonzero(kind == of_kind)
        values = _as_int64(column, batch[column][chosen])
        if len(values):
            first = np.flatnonzero(np.diff(nth[chosen], prepend=-1))
            rows[name][nth[chosen][first]] = _exact_sums(name, values, first)
    return rows


def _exact_sums(name: str, values: _Ints, first: npt.NDArray[np.intp]) -> _Ints:
    """Return the sum of each run of values, given where runs begin; raise if one does not fit."""
    most = max(abs(int(values.min())), abs(int(values.max())))
    if most * len(values) > _INT64.max:
        # In halves, whose sums fit: what is above 32 bits of the whole must fit into the other 32.
        low = np.add.reduceat(values & 0xFFFFFFFF, first)
        high = np.add.reduceat(values >> 32, first) + (low >> 32)
        if int(high.min()) < -(2**31) or int(high.max()) >= 2**31:
            raise InvalidArgumentError(
                f"sum {name}: found one outside of int64, allowed: {_INT64.min} to {_INT64.max}"
            )
    return np.add.reduceat(values, first)


def _as_int64(name: str, values: npt.NDArray[np.integer]) -> _Ints:
    """Return values as int64; raise rather than change one."""
    if values.dtype == np.uint64 and len(values):
        _checked(name, int(values.max()))
    return values.astype(np.int64)

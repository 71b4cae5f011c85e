"""What has passed the gate becomes events and entries of a Writer. It decides nothing, and waits for nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..batch import EventBatch
from ..errors import LimitExceededError, WriteFailedError
from ..schema import STANDARD_COLUMNS, EventKind
from ..writer import Writer
from .clock import ClockNews
from .model import wipe
from .passed import Passed, PassedAct, PassedContext, PassedDevice, PassedEvents, PassedGap

# Gaps that a full queue does not take wait here; beyond this many they are joined.
_MOST_WAITING_GAPS = 1_000
# Definitions are remembered, to save the Writer the question; titles may be many.
_MOST_REMEMBERED = 10_000
# A failure that comes back at once, this often, is one that lasts.
_TRIES = 3

# Contexts that stand in one another: each tells the index of those around it, and takes the ones inside of it away.
_NESTED = ("application", "window", "element")


@dataclass(slots=True, kw_only=True)
class _WaitingGap:
    """A gap that is not in the stream yet."""

    reason: int
    t0: int
    t1: int
    source: int | None = None
    lost: int | None = None


@dataclass(slots=True)
class _Part:
    """Events that wait for `commit`; ``given`` is the batch that they came in, whose arrays hold what was typed too."""

    columns: dict[str, np.ndarray]
    count: int
    given: EventBatch | None


def _joined(parts: list[_Part], count: int) -> EventBatch:
    """Return parts as one batch, of copies; a column that some of them lack is zero there."""
    names = dict.fromkeys(name for part in parts for name in part.columns)
    whole = {}
    for name in names:
        found = [part.columns.get(name) for part in parts]
        if any(values is None for values in found):
            dtype = next(values.dtype for values in found if values is not None)
            found = [
                np.zeros(part.count, dtype) if values is None else values
                for part, values in zip(parts, found, strict=True)
            ]
        whole[name] = np.concatenate([values for values in found if values is not None])
    return EventBatch._from_arrays(whole, count)  # columns of batches, or made by their dtypes: valid


class Output:
    """Moves what has passed into a Writer.

    Parameters
    ----------
    writer : Writer
        With ``on_full="drop"``, so that a stalled disk stops nobody.
    on_failure : callable
        Takes a message, each time that writing begins to fail.
    layout_name : callable
        Returns the name of a value of the column ``layout``, where it is known.

    Attributes
    ----------
    events : int
        That the Writer has taken.
    gaps : dict of int to int
        Number of gaps by their reason.

    Notes
    -----
    Events are gathered, and `commit` hands them over as one batch, since each costs about as much as a thousand of their
    events. What a full queue does not take is counted in gaps, which are written when it has room again.
    """

    def __init__(
        self,
        writer: Writer,
        on_failure: Callable[[str], None],
        layout_name: Callable[[int], str | None] = lambda _: None,
    ) -> None:
        self._writer = writer
        self._on_failure = on_failure
        self.events = 0
        self.gaps: dict[int, int] = {}
        self._gathered: list[_Part] = []
        self._gathered_events = 0
        self._layout_name = layout_name
        self._sources = np.zeros(1, np.uint16)
        self._indices: dict[Any, int] = {}
        # Indices of what is in force, the outer ones first.
        self._force = dict.fromkeys(_NESTED, 0)
        self._display = 0
        self._place = (0, 0)
        self._waiting: list[_WaitingGap] = []

    def take(self, passed: Passed) -> None:
        """Take one thing that has passed."""
        match passed:
            case PassedEvents():
                self._take_events(passed.batch)
            case PassedContext():
                self._take_context(passed)
            case PassedAct():
                self._act(
                    passed.t, passed.kind, self._context("element", self._nested("element", passed.value))
                )
            case PassedGap():
                self.gap(passed.reason, passed.t0, passed.t1, passed.device_id, passed.lost)
            case PassedDevice():
                self._take_device(passed)

    # ---- what events refer to ----

    def _take_device(self, device: PassedDevice) -> None:
        """Give the events of a device their source; later events with its id are those of this device."""
        index = self._defined(
            ("source", device.id, device.name, repr(device.properties)),
            lambda: self._writer.source(device.name, **device.properties),
        )
        if device.id >= len(self._sources):
            grown = np.zeros(device.id + 16, np.uint16)
            grown[: len(self._sources)] = self._sources
            self._sources = grown
        self._sources[device.id] = index

    def _take_context(self, passed: PassedContext) -> None:
        kind = passed.context_type
        if kind not in _NESTED:
            index = self._context(kind, passed.value)
            if kind == "display":
                self._display = index
        else:
            for inner in _NESTED[_NESTED.index(kind) :]:
                self._force[inner] = 0
            index = self._context(kind, self._nested(kind, passed.value)) if passed.value else 0
            self._force[kind] = index
        self._act(passed.t, EventKind.CONTEXT, index or self._in_force())

    def _nested(self, kind: str, value: dict[str, Any]) -> dict[str, Any]:
        """Return the value of a context with the indices of those around it."""
        around = _NESTED[: _NESTED.index(kind)]
        return {**value, **{outer: self._force[outer] for outer in around if self._force[outer]}}

    def _in_force(self) -> int:
        """Return the index of the innermost context in force, 0 where there is none."""
        return next((self._force[kind] for kind in reversed(_NESTED) if self._force[kind]), 0)

    def _context(self, context_type: str, value: dict[str, Any]) -> int:
        """Return the index of a context, 0 while the queue is full."""
        return self._defined((context_type, repr(value)), lambda: self._writer.context(context_type, value))

    def _defined(self, key: tuple[Any, ...], define: Callable[[], int]) -> int:
        found = self._indices.get(key)
        if found is None:
            made: list[int] = []
            if not self._put(lambda: made.append(define())):
                return 0
            if len(self._indices) >= _MOST_REMEMBERED:
                self._indices.clear()
            found = self._indices[key] = made[0]
        return found

    # ---- events ----

    def _take_events(self, batch: EventBatch) -> None:
        count = len(batch)
        if not count:
            return
        columns = dict(batch.columns)
        ids = columns.get("source")
        if ids is not None:
            columns["source"] = self._sources[np.where(ids < len(self._sources), ids, 0)]
        layouts = columns.get("layout")
        if layouts is not None and layouts.any():
            columns["layout"] = self._layouts(layouts)
        if "x" in columns and "y" in columns:
            self._place = int(columns["x"][-1]), int(columns["y"][-1])
        self._gather(columns, count, self._in_force(), batch)

    def _gather(
        self, columns: dict[str, np.ndarray], count: int, context: int, given: EventBatch | None
    ) -> None:
        if context:
            columns["context"] = np.full(count, context, np.uint32)
        if self._display:
            columns["display"] = np.full(count, self._display, np.uint16)
        self._gathered.append(_Part(columns, count, given))
        self._gathered_events += count

    def _layouts(self, layouts: np.ndarray) -> np.ndarray:
        """Return the context's index for each value of a source of keys; 0 stays what it is, not known."""
        found = np.zeros(len(layouts), np.uint16)
        for value in np.unique(layouts).tolist():
            if value:
                name = self._layout_name(value)
                index = self._context("layout", {"name": name} if name else {"number": value})
                found[layouts == value] = index if index <= 0xFFFF else 0
        return found

    def _act(self, t: int, kind: EventKind, context: int) -> None:
        """Take a single event that says something of a context, at the place where the pointer was last."""
        values = {"t": t, "kind": kind, "x": self._place[0], "y": self._place[1], "code": context}
        columns = {name: np.array([value], STANDARD_COLUMNS[name].dtype) for name, value in values.items()}
        self._gather(columns, 1, context, None)

    def commit(self) -> None:
        """Hand the Writer what was gathered.

        Raises
        ------
        WriteFailedError
            Nothing will be written any more.
        """
        self._write_waiting_gaps()
        if not self._gathered:
            return
        parts, self._gathered = self._gathered, []
        whole, self._gathered_events = _joined(parts, self._gathered_events), 0
        try:
            self._put(
                lambda: self._writer.write(whole)
            )  # with on_full="drop" it counts what it does not take
            self.events += len(whole)
        finally:
            wipe(whole)
            for part in parts:
                if part.given is not None:
                    wipe(part.given)

    # ---- entries ----

    def gap(self, reason: int, t0: int, t1: int, source: int | None = None, lost: int | None = None) -> None:
        """Say that nothing was recorded in [t0, t1), and why; ``source`` is a device's id."""
        index = None if source is None or source >= len(self._sources) else int(self._sources[source]) or None
        self.gaps[reason] = self.gaps.get(reason, 0) + 1
        self.commit()  # first: a gap stands behind the events before it
        self._waiting.append(_WaitingGap(reason=reason, t0=t0, t1=max(t0, t1), source=index, lost=lost))
        self._write_waiting_gaps()

    def clock(self, news: ClockNews, *, clock: str, boot_id: str | None) -> None:
        """Take an anchor."""
        reading = news.reading
        self._put(
            lambda: self._writer.anchor(
                reading.t, reading.wall_ns, clock=clock, boot_id=boot_id, suspended_ns=reading.suspended_ns
            )
        )

    def marker(self, t: int, name: str, data: Any = None) -> None:
        """Name an instant."""
        self.commit()
        self._put(lambda: self._writer.marker(t, name, data))

    @property
    def is_waiting(self) -> bool:
        """Whether there is something to commit."""
        return bool(self._gathered)

    @property
    def is_failing(self) -> bool:
        """Whether the target takes nothing now."""
        return self._writer.is_failing

    def _write_waiting_gaps(self) -> None:
        while self._waiting:
            gap = self._waiting[0]
            if not self._put(
                partial(self._writer.gap, gap.reason, gap.t0, gap.t1, source=gap.source, lost=gap.lost)
            ):
                self._join_waiting_gaps()
                return
            del self._waiting[0]

    def _join_waiting_gaps(self) -> None:
        """Keep what waits bounded: of each reason one gap, from the first to the last."""
        if len(self._waiting) <= _MOST_WAITING_GAPS:
            return
        joined: dict[int, _WaitingGap] = {}
        for gap in self._waiting:
            known = joined.setdefault(gap.reason, gap)
            if known is not gap:
                known.t0, known.t1 = min(known.t0, gap.t0), max(known.t1, gap.t1)
                known.source = known.lost = None
        self._waiting = list(joined.values())

    def _put(self, call: Callable[[], object]) -> bool:
        """Call the Writer; False when its queue is full. It says once that writing fails, and then takes what comes."""
        for attempt in range(_TRIES):
            try:
                call()
                return True
            except WriteFailedError as error:
                if attempt == _TRIES - 1:
                    raise
                if not attempt:
                    self._on_failure(str(error))
            except LimitExceededError:
                return False
        raise AssertionError  # the last attempt returns or raises

    def close(self) -> None:
        """Write what was gathered, and end the stream.

        Raises
        ------
        WriteFailedError
            Not all could be written.
        """
        try:
            self.commit()
            if self._waiting:
                self._writer.flush()
                self._write_waiting_gaps()
        finally:
            self._writer.close()

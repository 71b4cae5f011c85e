"""The thread that seals blocks: takes events from a bounded queue, encodes them and hands them to the
operating system.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import NamedTuple, Protocol

import numpy as np

from ._recorder import CLOSED, FAILING, EventBuffer, HandOver
from .batch import join_columns
from .columns import may_share_block
from .emitter import StreamEmitter
from .entries import Entry, Gap, GapReason
from .errors import WriteFailedError
from .outputs import Output
from .parallel import Crew
from .protection import StreamProtection
from .retrying import RetryingOutput

# What is sealed after this share of the flush interval has the rest of it to be encoded and written.
_SEAL_SHARE = 0.8
# How soon to look again when a caller was just about to hand its events over.
_RETRY_S = 0.005


class _Bulk(NamedTuple):
    """Columns of one length; the arrays belong to the queue."""

    columns: dict[str, np.ndarray]


class _Wake(NamedTuple):
    """Events are waiting in the recorder."""


class _Weighed(NamedTuple):
    """An entry, and the memory it takes, in events; ``dropped`` events that it tells of."""

    entry: Entry
    weight: int
    dropped: int


@dataclass
class _Flush:
    """Write all before this, then say so; end the stream too if ``close``."""

    close: bool
    is_done: bool = False


_Item = EventBuffer | _Bulk | _Wake | _Flush | _Weighed
# An item of the queue takes memory however few events it holds.
_LEAST_WEIGHT = 8
# Entries that take as much memory as this many events do not wait for their block.
_MOST_ENTRIES_WEIGHT = 131_072


class Recorder(Protocol):
    """What a Sealer asks of a Writer."""

    def _hand_to(self, hand_over: HandOver, least_weight: int) -> None:
        """Put the events that were recorded."""

    def _give_back(self, buffer: EventBuffer) -> None:
        """Take an emptied buffer."""

    def _recorded(self) -> int:
        """Return the number of events that wait to be put."""

    def _hand_over_if_free(self) -> bool:
        """Put them, called from the thread; return False when a caller is just doing so."""

    def _stop(self, reason: int) -> None:
        """Refuse events; called from the thread when writing fails."""


class Sealer:
    """Encodes and writes in the background.

    Parameters
    ----------
    output : Output
    begin : callable
        Takes what writes a record, and returns the StreamEmitter that uses it, its header written.
    crew : Crew
        What encodes for the emitter; closed when the stream has ended.
    block_events : int
        Events of a full block.
    flush_interval_s : float
        What was put, or announced by ``wake``, longer ago than this has been written.
    queue_events : int
        Most events that wait, beside those of the block that is being filled.
    recorder : Recorder
        Where single events come from, and who is told of failures.

    Notes
    -----
    While a record cannot be written nothing behind it is, and nobody waits for room (`RetryingOutput`). After a
    failure that lasts nothing is written any more: ``error`` is set, and waiting callers go on.
    """

    def __init__(
        self,
        output: Output,
        begin: Callable[[Callable[[bytes], None]], StreamEmitter],
        crew: Crew,
        *,
        block_events: int,
        flush_interval_s: float,
        queue_events: int,
        recorder: Recorder,
    ) -> None:
        self._output = output
        self._crew = crew
        self._block_events = block_events
        self._seal_after_s = flush_interval_s * _SEAL_SHARE
        self._queue_events = queue_events
        self._recorder = recorder
        self._queue: SimpleQueue[_Item] = SimpleQueue()
        self.handed = HandOver(self._queue.put)
        self._pending: deque[dict[str, np.ndarray]] = deque()
        self._pending_events = 0
        self._pending_dtypes: dict[str, np.dtype] = {}
        self._entries: list[Entry] = []
        self._entries_weight = 0
        self._dropped = 0  # events that the entries tell of
        self._told = 0  # those that a gap in the stream tells of
        self._deadline: float | None = None
        self._is_over = False
        self.small_blocks = 0
        self._writing = RetryingOutput(output, partial(recorder._stop, FAILING))
        self._changed = self._writing.changed
        self._emitter = begin(self._writing.write)
        self._writing.be_patient()
        self._thread = threading.Thread(target=self._run, name="evcodec-sealer", daemon=True)
        self._thread.start()

    # ---- callers ----

    @property
    def error(self) -> WriteFailedError | None:
        """What ended all writing."""
        return self._writing.error

    @property
    def failure(self) -> WriteFailedError | None:
        """What keeps a record from being written now."""
        return self._writing.failure

    @property
    def is_failing(self) -> bool:
        """Whether a record cannot be written now."""
        return self._writing.failure is not None

    @property
    def protection(self) -> StreamProtection:
        """What seals and chains the records."""
        return self._emitter.protection

    def heard(self) -> WriteFailedError | None:
        """Return what fails now, if no caller has heard of it so far."""
        return self._writing.heard()

    @property
    def unwritten(self) -> int:
        """Events that were accepted, and are neither in the stream nor in one of its gaps."""
        return self.handed.accepted - self._emitter.events - self._told

    def wake(self) -> None:
        """Say that events wait in the recorder; their flush interval begins."""
        self._queue.put(_Wake())

    def put_live(self) -> None:
        """Put what the recorder holds, whether there is room or not: `wait_for_room` comes first."""
        self._recorder._hand_to(self.handed, _LEAST_WEIGHT)

    def put_bulk(self, columns: dict[str, np.ndarray], count: int) -> None:
        """Put columns that nobody else will change."""
        self.handed.put(_Bulk(columns), count, max(count, _LEAST_WEIGHT))

    def put_entry(self, entry: Entry, weight: int = 0) -> None:
        """Put an entry that has been checked, and that takes as much memory as ``weight`` events."""
        self.handed.put(_Weighed(entry, weight, 0), 0, max(weight, _LEAST_WEIGHT))

    def put_gap(self) -> None:
        """Put a gap that tells of the events that were dropped since the last one."""
        while lost := self.handed.dropped:
            accepted = self.handed.accepted
            gap = Gap(
                reason=GapReason.QUEUE_FULL,
                t0=self.handed.low,
                t1=min(self.handed.high + 1, 2**63 - 1),
                lost=lost,
                position=self.handed.events,
            )
            if self.handed.put_gap(_Weighed(gap, 0, lost), lost, accepted, _LEAST_WEIGHT):
                return

    def drop(self, count: int, low: int, high: int) -> None:
        """Count events that there is no room for."""
        is_first = not self.handed.dropped
        self.handed.drop(count, low, high)
        if is_first:
            self.wake()

    def has_room(self, count: int) -> bool:
        """Tell whether the queue has room for this many events; one item always fits into an empty queue."""
        waiting = self.handed.waiting
        return waiting == 0 or waiting + count <= self._queue_events

    def wait_for_room(self, count: int) -> bool:
        """Wait until the queue has room for this many events, which it tells, or writing fails."""
        self._changed.wait_for(lambda: self.error is not None or self.is_failing or self.has_room(count))
        return self.has_room(count)

    def try_now(self) -> None:
        """Have an attempt made at once if writing fails, and wait for what comes of it."""
        self._writing.try_now()

    def flush(self) -> None:
        """Wait until all that was put has been written, or writing fails."""
        flush = _Flush(close=False)
        self._queue.put(flush)
        self._changed.wait_for(lambda: flush.is_done or self.is_failing or self._is_over)

    def end(self) -> None:
        """Write what was put, as far as the target takes it, and end the stream and the thread."""
        self.handed.put_last(_Flush(close=True))
        self._writing.be_done()
        # A thread whose join was interrupted counts as ended before it has.
        self._changed.wait_for(lambda: self._is_over)
        self._thread.join()

    # ---- the thread ----

    def _run(self) -> None:
        try:
            while self._step():
                pass
        except BaseException as error:  # a recorder must hear of whatever ended its writing
            self._fail(error)
        finally:
            self._crew.close()
            self._is_over = True
            self._changed.ring()

    def _fail(self, error: BaseException) -> None:
        if not isinstance(error, WriteFailedError):
            failed = WriteFailedError(f"sealing: {type(error).__name__}: {error}")
            failed.__cause__ = error
            error = failed
        self._writing.give_up(error)
        self._recorder._stop(CLOSED)
        with suppress(Empty):
            while True:  # what will not be written takes no memory
                self._queue.get_nowait()

    def _step(self) -> bool:
        """Deal with the next item, or with the deadline; False when the stream has ended."""
        timeout = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
        try:
            item = self._queue.get(timeout=timeout)
        except Empty:
            return self._seal_what_is_due()
        return self._handle(item)

    def _seal_what_is_due(self) -> bool:
        """Write all that is there; False when the end of the stream was among it."""
        handed_over = self._recorder._hand_over_if_free()
        for _ in range(self._queue.qsize()):
            if not self._handle(self._queue.get()):
                return False
        self._seal_all()
        if not handed_over:
            self._deadline = time.monotonic() + _RETRY_S
        return True

    def _handle(self, item: _Item) -> bool:
        if isinstance(item, _Flush):
            self._seal_all()
            if item.close:
                self._emitter.end()
                self._output.sync()
            item.is_done = True
            self._changed.ring()
            return not item.close
        if self._deadline is None:
            self._deadline = time.monotonic() + self._seal_after_s
        if isinstance(item, EventBuffer):
            count = item.count
            columns = item.columns()
            self._recorder._give_back(item)
            self._taken(count)
            self._add(columns)
        elif isinstance(item, _Bulk):
            self._taken(len(next(iter(item.columns.values()))))
            self._add(item.columns)
        elif isinstance(item, _Weighed):
            self._taken(item.weight)
            self._entries.append(item.entry)
            self._entries_weight += item.weight
            self._dropped += item.dropped
            if self._entries_weight > _MOST_ENTRIES_WEIGHT:
                self._write_entries()
        return True

    def _taken(self, weight: int) -> None:
        """Make room in the queue for those who wait."""
        self.handed.taken(max(weight, _LEAST_WEIGHT))
        self._changed.ring()

    def _add(self, columns: dict[str, np.ndarray]) -> None:
        count = len(next(iter(columns.values())))
        dtypes = {name: values.dtype for name, values in columns.items()}
        if not may_share_block(self._pending_dtypes, dtypes):
            self._seal(self._pending_events)
        self._pending.append(columns)
        self._pending_dtypes |= dtypes
        self._pending_events += count
        while self._pending_events >= self._block_events:
            self._seal(self._block_events)

    def _seal(self, count: int) -> None:
        """Write the first ``count`` pending events as a block."""
        pieces: list[dict[str, np.ndarray]] = []
        missing = count
        while self._pending and (missing or not pieces or not len(next(iter(self._pending[0].values())))):
            piece = self._pending.popleft()
            length = len(next(iter(piece.values())))
            if length > missing:
                self._pending.appendleft({name: values[missing:] for name, values in piece.items()})
                piece = {name: values[:missing] for name, values in piece.items()}
            missing -= min(length, missing)
            pieces.append(piece)
        columns = join_columns(pieces).columns
        if not self._pending:
            self._pending_dtypes = {}
        self._pending_events -= count
        self._write_entries()
        self._emitter.block(columns)
        self.small_blocks += 2 * count < self._block_events

    def _write_entries(self) -> None:
        if self._entries:
            self._emitter.entries(self._entries)
            if self._dropped:
                self._emitter.then(partial(self._tell, self._dropped))
            self._entries.clear()
            self._entries_weight = self._dropped = 0

    def _tell(self, dropped: int) -> None:
        self._told += dropped

    def _seal_all(self) -> None:
        if self._pending:
            self._seal(self._pending_events)
        self._write_entries()
        self._emitter.settle()
        # An append may have come between a hand-over and this, and its wake been dealt with before.
        self._deadline = time.monotonic() + self._seal_after_s if self._recorder._recorded() else None
        self._output.sync()

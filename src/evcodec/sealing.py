"""The thread that seals blocks: takes events from a bounded queue, encodes them and hands them to the
operating system.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import NamedTuple

import numpy as np

from ._recorder import EventBuffer
from .batch import join_columns
from .block import may_share_block
from .emitter import StreamEmitter
from .entries import Entry
from .errors import EvcodecError, WriteFailedError
from .outputs import Output
from .parallel import Crew

# What is sealed after this share of the flush interval has the rest of it to be encoded and written.
_SEAL_SHARE = 0.8
# How soon to look again when a caller was just about to hand its events over.
_RETRY_S = 0.005


class _Live(NamedTuple):
    """Events that were appended one at a time; `give_back` takes the emptied buffer."""

    buffer: EventBuffer
    give_back: Callable[[EventBuffer], None]


class _Bulk(NamedTuple):
    """Columns of one length; the arrays belong to the queue."""

    columns: dict[str, np.ndarray]


class _Wake(NamedTuple):
    """Events are waiting in the recorder."""


class _Flush(NamedTuple):
    """Write all before this, then say so; end the stream too if ``close``."""

    done: threading.Event
    close: bool


class _Weighed(NamedTuple):
    """An entry, and the number of events that take as much memory."""

    entry: Entry
    weight: int


_Item = _Live | _Bulk | _Wake | _Flush | _Weighed
# An item of the queue takes memory however few events it holds.
_LEAST_WEIGHT = 8
# Entries that take as much memory as this many events do not wait for their block.
_MOST_ENTRIES_WEIGHT = 131_072


class Sealer:
    """Encodes and writes in the background.

    Parameters
    ----------
    output : Output
    emitter : StreamEmitter
        Writes to ``output``; used by this thread only from now on.
    crew : Crew
        What encodes for the emitter; closed when the stream has ended.
    block_events : int
        Events of a full block.
    flush_interval_s : float
        What was put, or announced by ``wake``, longer ago than this has been written.
    queue_events : int
        Most events that wait, beside those of the block that is being filled.
    hand_over : callable
        Puts what the recorder holds; called from the thread. Returns False when a caller is just doing so.
    recorded : callable
        Returns the number of events that the recorder holds.
    on_error : callable
        Called from the thread when writing has failed.

    Notes
    -----
    After a failure nothing is written any more: ``error`` is set, and waiting callers go on.
    """

    def __init__(
        self,
        output: Output,
        emitter: StreamEmitter,
        crew: Crew,
        *,
        block_events: int,
        flush_interval_s: float,
        queue_events: int,
        hand_over: Callable[[], bool],
        recorded: Callable[[], int],
        on_error: Callable[[], None],
    ) -> None:
        self._output = output
        self._emitter = emitter
        self._crew = crew
        self._block_events = block_events
        self._seal_after_s = flush_interval_s * _SEAL_SHARE
        self._queue_events = queue_events
        self._hand_over = hand_over
        self._recorded = recorded
        self._on_error = on_error
        self._queue: SimpleQueue[_Item] = SimpleQueue()
        self._room = threading.Condition()
        self._waiting_events = 0
        self._pending: deque[dict[str, np.ndarray]] = deque()
        self._pending_events = 0
        self._pending_dtypes: dict[str, np.dtype] = {}
        self._entries: list[Entry] = []
        self._entries_weight = 0
        self._deadline: float | None = None
        self.small_blocks = 0
        self.error: WriteFailedError | None = None
        self._thread = threading.Thread(target=self._run, name="evcodec-sealer", daemon=True)
        self._thread.start()

    # ---- callers ----

    def wake(self) -> None:
        """Say that events wait in the recorder; their flush interval begins."""
        self._queue.put(_Wake())

    def put_live(self, buffer: EventBuffer, give_back: Callable[[EventBuffer], None]) -> None:
        """Put a recorder's buffer, whether there is room or not: `wait_for_room` comes first."""
        # A queue of nearly empty buffers would hold memory for nothing.
        if 2 * buffer.count < buffer.capacity:
            columns, count = buffer.columns(), buffer.count
            give_back(buffer)
            self.put_bulk(columns, count)
            return
        self._put(_Live(buffer, give_back), buffer.count)

    def put_bulk(self, columns: dict[str, np.ndarray], count: int) -> None:
        """Put columns that nobody else will change."""
        self._put(_Bulk(columns), count)

    def put_entry(self, entry: Entry, weight: int = 0) -> None:
        """Put an entry that has been checked, and that takes as much memory as ``weight`` events."""
        self._put(_Weighed(entry, weight), weight)

    def _put(self, item: _Item, weight: int) -> None:
        with self._room:
            self._waiting_events += max(weight, _LEAST_WEIGHT)
        self._queue.put(item)

    def has_room(self, count: int) -> bool:
        """Tell whether the queue has room for this many events; one item always fits into an empty queue."""
        return self._waiting_events == 0 or self._waiting_events + count <= self._queue_events

    def wait_for_room(self, count: int) -> None:
        """Wait until the queue has room for this many events, or writing has failed."""
        with self._room:
            self._room.wait_for(lambda: self.error is not None or self.has_room(count))

    def flush(self, close: bool = False) -> None:
        """Wait until all that was put has been written, and the stream ended if ``close``; or writing has
        failed.
        """
        done = threading.Event()
        self._queue.put(_Flush(done, close))
        while not done.wait(timeout=1.0):
            if not self._thread.is_alive():
                return
        if close:
            self._thread.join()

    # ---- the thread ----

    def _run(self) -> None:
        try:
            while self._step():
                pass
        except EvcodecError as error:
            self._fail(error)
        except Exception as error:  # a recorder must hear of whatever ended its writing
            self._fail(error)
        finally:
            self._crew.close()

    def _fail(self, error: Exception) -> None:
        if not isinstance(error, WriteFailedError):
            failed = WriteFailedError(f"sealing: {type(error).__name__}: {error}")
            failed.__cause__ = error
            error = failed
        with self._room:
            self.error = error
            self._room.notify_all()
        self._on_error()
        while True:  # callers that wait for a flush go on, and see the error
            try:
                item = self._queue.get_nowait()
            except Empty:
                return
            if isinstance(item, _Flush):
                item.done.set()

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
        handed_over = self._hand_over()
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
            item.done.set()
            return not item.close
        if self._deadline is None:
            self._deadline = time.monotonic() + self._seal_after_s
        if isinstance(item, _Live):
            count = item.buffer.count
            columns = item.buffer.columns()
            item.give_back(item.buffer)
            self._taken(count)
            self._add(columns)
        elif isinstance(item, _Bulk):
            self._taken(len(next(iter(item.columns.values()))))
            self._add(item.columns)
        elif isinstance(item, _Weighed):
            self._taken(item.weight)
            self._entries.append(item.entry)
            self._entries_weight += item.weight
            if self._entries_weight > _MOST_ENTRIES_WEIGHT:
                self._write_entries()
        return True

    def _taken(self, weight: int) -> None:
        """Make room in the queue for those who wait."""
        with self._room:
            self._waiting_events -= max(weight, _LEAST_WEIGHT)
            self._room.notify_all()

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
            self._entries.clear()
            self._entries_weight = 0

    def _seal_all(self) -> None:
        if self._pending:
            self._seal(self._pending_events)
        self._write_entries()
        self._emitter.settle()
        # An append may have come between a hand-over and this, and its wake been dealt with before.
        self._deadline = time.monotonic() + self._seal_after_s if self._recorded() else None
        self._output.sync()

"""Writer: events in, one at a time or in bulk; records out, from a thread of its own."""

from __future__ import annotations

import atexit
import os
import threading
import warnings
import weakref
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ._recorder import EventRecorder
from .batch import EventBatch, check_batch, check_column_name
from .emitter import StreamEmitter
from .entries import Context, Entry, Gap, GapReason, Payload, Source
from .entry_methods import EntryMethods
from .errors import EvcodecError, InvalidArgumentError, LimitExceededError, WriteFailedError
from .inputs import FileInput
from .levels import Level, level_of
from .limits import MAX_BLOCK_EVENTS, MAX_COLUMNS
from .oneshot import header_of
from .outputs import open_output
from .parallel import Crew, check_threads
from .replacing import replacing
from .resume import Resumed, resume
from .rewrite import rewrite
from .schema import common_dtype
from .sealing import Sealer
from .wire import Header, copied, pack_entry, pack_header

DEFAULT_QUEUE_EVENTS = 2**20
# All columns of single events may come to stand in one block, with t, kind and those that every event has.
_MOST_LIVE_COLUMNS = MAX_COLUMNS - 2
_RECORDED = frozenset(("x", "y", "code", "dx", "dy"))
# What an event takes in the queue, about: to weigh entries against events.
_BYTES_AN_EVENT = 32


class Writer(EntryMethods, EventRecorder):
    """Writes one stream.

    Parameters
    ----------
    target : path or binary file object
        A file object, which may be a pipe, stays open when the Writer is closed.
    level : {"fast", "balanced", "small"}
        How much work to do for size.
    metadata : mapping of str to any, optional
        Whatever describes the session; values that msgpack carries. When a stream is appended to, its own by
        default.
    governance : mapping, optional
        ``purpose`` str, ``policy_digest`` str or bytes, ``notice_id`` str, ``retain_until_ns`` int,
        ``recipient_key_ids`` list of str.
    mode : {"w", "x", "a"}
        For a path: replace what is there, refuse to, or append to it.
    flush_interval_s : float
        What was appended longer ago than this has been handed to the operating system, whatever happens to
        the process.
    fsync : bool
        Force each flush to the device.
    block_events : int, optional
        Events of a full block, 1 to 1,048,576; by default 131,072, and 262,144 at level ``small``.
    queue_events : int
        Most events that wait to be encoded, at least 1.
    on_full : {"block", "drop"}
        What an append does when the queue is full, because the disk stalls: wait; or drop its events and
        record a gap with their count.
    merge_on_close : bool
        Join the small blocks of a live stream into large ones when the Writer is closed. Needs a path; the
        new file replaces the old one whole.
    threads : int
        Threads that encode blocks, beside the Writer's own, when more than 1: for batches faster than one thread
        encodes them. The stream is the same. Up to two blocks for each of them wait beside the queue.

    Raises
    ------
    InvalidArgumentError
        An argument is outside of what is allowed; nothing was opened or written.
    OSError
        A path cannot be opened.
    CorruptDataError, UnsupportedVersionError
        The stream to append to is damaged where it had to be read; nothing was written.

    Notes
    -----
    All methods may be called from several threads. Encoding and writing happen on a thread of the Writer's
    own. When writing fails, every later call raises `WriteFailedError`; what was written before stays
    readable. A Writer that is open when the interpreter exits is closed then. In a child process after a
    fork a Writer is closed, without touching the file.
    """

    def __init__(
        self,
        target: Any,
        *,
        level: str = "balanced",
        metadata: Mapping[str, Any] | None = None,
        governance: Mapping[str, Any] | None = None,
        mode: str = "w",
        flush_interval_s: float = 0.25,
        fsync: bool = False,
        block_events: int | None = None,
        queue_events: int = DEFAULT_QUEUE_EVENTS,
        on_full: str = "block",
        merge_on_close: bool = True,
        threads: int = 1,
    ) -> None:
        self._level = level_of(level)
        if block_events is not None:
            _check_range("block_events", block_events, 1, MAX_BLOCK_EVENTS)
        _check_range("queue_events", queue_events, 1, None)
        seconds = isinstance(flush_interval_s, (int, float)) and not isinstance(flush_interval_s, bool)
        if not seconds or not 0 < flush_interval_s <= 3600:
            raise InvalidArgumentError(
                f"flush_interval_s: found {flush_interval_s!r}, allowed: above 0, up to 3600"
            )
        if on_full not in ("block", "drop"):
            raise InvalidArgumentError(f"on_full: found {on_full!r}, allowed: 'block', 'drop'")
        self._threads = check_threads(threads)
        header = header_of(metadata, governance)
        pack_header(header)  # raises for what it cannot carry, before anything is opened
        self._block_events = self._level.block_events if block_events is None else block_events
        self._drops = on_full == "drop"
        self._merge_on_close = merge_on_close
        # Held while something is put, so that what two threads put does not mix, and nothing overtakes
        # events that came before it.
        self._order = threading.RLock()
        self._closed = False
        self._handed_events = 0
        self._dropped_events = 0
        self._dropped_span = (0, 0)
        self._dtypes: dict[str, set[np.dtype]] = {}
        self._live_columns: set[str] = set(_RECORDED)
        self._has_live_events = False
        resumed = resume(target) if mode == "a" else Resumed()
        self._sources = resumed.sources
        self._contexts = resumed.contexts
        self._payload_count = resumed.payloads
        self._output = open_output(target, mode, fsync)
        try:
            self._begin(
                header if metadata is not None else replace(header, metadata=resumed.metadata),
                resumed,
                flush_interval_s,
                queue_events,
            )
        except BaseException:
            self._output.close()
            raise
        _open_writers.add(self)
        self._start()

    def _begin(self, header: Header, resumed: Resumed, flush_interval_s: float, queue_events: int) -> None:
        """Write the header and start sealing."""
        if not header.governance:
            header = replace(header, governance=resumed.governance)
        if resumed.position:
            self._output.begin_at(resumed.position)
        crew = Crew(self._threads)
        emitter = StreamEmitter(self._output.write, self._level, header, crew)
        if resumed.definitions:
            emitter.entries(resumed.definitions)
        self._sealer = Sealer(
            self._output,
            emitter,
            crew,
            block_events=self._block_events,
            flush_interval_s=flush_interval_s,
            queue_events=queue_events,
            hand_over=self._hand_over_if_free,
            recorded=self._recorded,
            on_error=self._stop,
        )

    # ---- events ----

    def write(self, batch: EventBatch) -> None:
        """Append the events of a batch. Its columns are copied before the call returns.

        Parameters
        ----------
        batch : EventBatch
            Any number of events, with up to 1,024 columns of any integer dtype. One without events gives the stream its
            columns.

        Raises
        ------
        InvalidArgumentError
            ``batch`` is no EventBatch, has too many columns, or has a column whose dtype has no common
            integer dtype with what the stream holds of it (uint64 and a signed one). Nothing of it is
            written.
        WriteFailedError
            An earlier write failed.
        """
        check_batch(batch)
        with self._order:
            self._check_open()
            self._check_dtypes(batch)
            if not len(batch):
                self._hand_over()
                if batch.columns:
                    self._sealer.put_bulk({name: values.copy() for name, values in batch.columns.items()}, 0)
                return
            for start in range(0, len(batch), self._block_events):
                self._put_piece(batch[start : start + self._block_events])

    def _check_dtypes(self, batch: EventBatch) -> None:
        wide = {name for name, values in batch.columns.items() if values.dtype == np.uint64}
        live = self._live_columns - (set() if self._has_live_events else _RECORDED)
        if clash := sorted(wide & live):
            raise InvalidArgumentError(
                f"column {clash[0]!r}: found uint64, allowed: a dtype that goes "
                "with int64, which single events are kept in"
            )
        for name, values in batch.columns.items():
            if common_dtype({values.dtype, *self._dtypes.get(name, ())}) is None:
                raise InvalidArgumentError(
                    f"column {name!r}: found {values.dtype}, allowed: a dtype "
                    "that has a common integer dtype with "
                    f"{', '.join(sorted(map(str, self._dtypes[name])))}, which the stream holds"
                )
        for name, values in batch.columns.items():
            self._dtypes.setdefault(name, set()).add(values.dtype)
        if wide & _RECORDED:
            self._stop()  # single events could no longer be kept beside these: `_refuse` says so

    def _put_piece(self, piece: EventBatch) -> None:
        if not self._make_room(self._recorded() + len(piece)):
            t = piece.t
            self._drop(len(piece), int(t.min()), int(t.max()))
            return
        self._hand_over()
        self._sealer.put_bulk(
            {name: np.array(values, copy=True, order="C") for name, values in piece.columns.items()},
            len(piece),
        )
        self._handed_events += len(piece)

    def _make_room(self, count: int) -> bool:
        """Wait for room in the queue, or tell that there is none."""
        if self._drops and not self._sealer.has_room(count):
            return False
        self._sealer.wait_for_room(count)
        self._check_open()
        return True

    def _drop(self, count: int, low: int, high: int) -> None:
        if self._dropped_events:
            low, high = min(low, self._dropped_span[0]), max(high, self._dropped_span[1])
        self._dropped_events += count
        self._dropped_span = (low, high)

    def _report_dropped(self) -> None:
        """Record a gap for the events that were dropped since the last one."""
        if self._dropped_events:
            low, high = self._dropped_span
            gap = Gap(
                reason=GapReason.QUEUE_FULL, t0=low, t1=min(high + 1, 2**63 - 1), lost=self._dropped_events
            )
            self._dropped_events = 0
            self._sealer.put_entry(replace(gap, position=self._handed_events))

    # ---- what the recorder calls ----

    def _first_event(self) -> None:
        self._has_live_events = True
        self._sealer.wake()

    def _buffer_full(self, t: int) -> bool:
        with self._order:  # with on_full="drop" nobody waits for the disk while holding it
            if not self._make_room(self._capacity_events()):
                self._drop(1, t, t)
                return False
            self._hand_over()
            return True

    def _refuse(self) -> None:
        self._check_open()
        raise InvalidArgumentError(
            "event: found a stream whose x, y, code, dx or dy is uint64, allowed: dtypes that go with int64"
        )

    def _check_column(self, name: str) -> None:
        check_column_name(name)
        if np.dtype(np.uint64) in self._dtypes.get(name, ()):
            raise InvalidArgumentError(
                f"column {name!r}: found a single event, which is kept in int64; "
                "allowed: batches, since the stream holds uint64"
            )
        if name not in self._live_columns and len(self._live_columns) == _MOST_LIVE_COLUMNS:
            raise InvalidArgumentError(
                f"column {name!r}: found it beyond {_MOST_LIVE_COLUMNS} others, "
                f"allowed: {_MOST_LIVE_COLUMNS} columns of single events"
            )
        self._live_columns.add(name)

    def _hand_over(self) -> None:
        """Put what the recorder holds; the order is held."""
        buffer = self._take()
        if buffer is not None:
            count = buffer.count
            self._sealer.put_live(buffer, self._give_back)
            self._handed_events += count
        self._report_dropped()

    def _hand_over_if_free(self) -> bool:
        """Do so from the sealing thread, which must not wait for a caller that waits for it."""
        if not self._order.acquire(blocking=False):
            return False
        try:
            self._hand_over()
            return True
        finally:
            self._order.release()

    # ---- entries ----

    def add(self, entry: Entry) -> None:
        """Append an entry as it is, but for its position, which is set. The other methods for entries call this.

        Parameters
        ----------
        entry : Source, Context, Gap, Anchor, VideoAnchor, Marker or Payload

        Raises
        ------
        InvalidArgumentError
            A field is outside of what is allowed, or an index is defined already; payloads are numbered
            upwards.
        WriteFailedError
            An earlier write failed.
        LimitExceededError
            The queue is full, because the disk stalls, and ``on_full`` is "drop". Nothing was appended.
        """
        entry = copied(entry)
        weight = len(pack_entry(entry)) // _BYTES_AN_EVENT
        with self._order:
            self._check_open()
            if not self._make_room(self._recorded() + weight):
                raise LimitExceededError(
                    "queue: found it full, since the target stalls; allowed: entries when it has room"
                )
            if isinstance(entry, Source):
                self._sources.define(entry)
            elif isinstance(entry, Context):
                self._contexts.define(entry)
            elif isinstance(entry, Payload):
                if entry.index <= self._payload_count:
                    raise InvalidArgumentError(
                        f"payload entry, index: found {entry.index}, allowed: "
                        f"above {self._payload_count}, the last one"
                    )
                self._payload_count = entry.index
            self._hand_over()
            self._sealer.put_entry(replace(entry, position=self._handed_events), weight)

    # ---- end ----

    def flush(self) -> None:
        """Return when everything appended before has been handed to the operating system, and to the device
        with ``fsync``.

        Raises
        ------
        InvalidArgumentError
            The Writer is closed.
        WriteFailedError
            Writing failed.
        """
        with self._order:
            self._check_open()
            self._hand_over()
        self._sealer.flush()
        self._check_open()

    def close(self) -> None:
        """End the stream. A second call does nothing.

        Raises
        ------
        WriteFailedError
            Writing failed, now or earlier.
        """
        with self._order:
            if self._closed:
                return
            self._stop()
            self._hand_over()
            self._closed = True
        _open_writers.discard(self)
        self._sealer.flush(close=True)
        error = self._sealer.error
        stays = self._output.is_at_path()
        try:
            self._output.close()
        except WriteFailedError as failed:
            error = error or failed
        if error is not None:
            raise error
        if self._merge_on_close and self._sealer.small_blocks > 1 and self._output.path is not None:
            if stays:
                _merge(self._output.path, self._level, self._block_events, self._threads)
            else:  # what stands at the path now is somebody else's
                _warn_unmerged(self._output.path, "the file was moved")

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._sealer.error is not None:
            raise WriteFailedError(*self._sealer.error.args) from self._sealer.error
        if self._closed:
            raise InvalidArgumentError("writer: found it closed, allowed: an open one")

    def _abandon(self) -> None:
        """After a fork, in the child: the thread is the parent's, and so is the file."""
        self._order = threading.RLock()  # another thread of the parent may have held the old one
        self._closed = True
        self._stop()


def _check_range(name: str, value: Any, low: int, high: int | None) -> None:
    if (
        not isinstance(value, int)
        or isinstance(value, bool)
        or value < low
        or (high is not None and value > high)
    ):
        raise InvalidArgumentError(
            f"{name}: found {value!r}, allowed: integers from {low}" + (f" to {high}" if high else "")
        )


def _merge(path: Path, level: Level, block_events: int, threads: int) -> None:
    """Join the small blocks of a finished file; it stays as it is when that fails, so nothing is lost."""
    try:
        with path.open("rb") as old, replacing(path) as new:
            source = FileInput(old, str(path), owned=False)
            rewrite(
                source,
                new.write,
                level=level,
                block_events=block_events,
                reencode=False,
                threads=threads,
            )
    except (OSError, EvcodecError) as error:
        _warn_unmerged(path, str(error))


def _warn_unmerged(path: Path, reason: str) -> None:
    warnings.warn(
        f"{path}: small blocks were not merged: {reason}; the stream is whole", RuntimeWarning, stacklevel=4
    )


_open_writers: weakref.WeakSet[Writer] = weakref.WeakSet()


def _close_all() -> None:
    for writer in list(_open_writers):
        try:
            writer.close()
        except (OSError, EvcodecError) as error:
            warnings.warn(
                f"evcodec: a Writer could not be closed at exit: {error}", RuntimeWarning, stacklevel=1
            )


def _abandon_all() -> None:
    for writer in list(_open_writers):
        writer._abandon()
    _open_writers.clear()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)

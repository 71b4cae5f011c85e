"""Writer: events in, one at a time or in bulk; records out, from a thread of its own."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, NoReturn

import numpy as np

from ._recorder import CLOSED, FAILING, EventRecorder
from .batch import check_column_name
from .batch_methods import RECORDED, BatchMethods
from .emitter import StreamEmitter
from .entries import Context, Entry, Payload, Source
from .entry_methods import EntryMethods
from .errors import InvalidArgumentError, LimitExceededError, WriteFailedError
from .exits import close_at_exit, forget
from .levels import level_of
from .limits import MAX_COLUMNS
from .merging import merge
from .oneshot import header_of
from .outputs import open_output
from .pace import check_pace
from .parallel import Crew, check_threads
from .protection import Protection
from .resume import Resumed, resume
from .rewrite import Own
from .sealing import Sealer
from .wire import Header, copied, pack_entry, pack_header

DEFAULT_QUEUE_EVENTS = 2**20
# All columns of single events may come to stand in one block, with t, kind and those that every event has.
_MOST_LIVE_COLUMNS = MAX_COLUMNS - 2
# What an event takes in the queue, about: to weigh entries against events.
_BYTES_AN_EVENT = 32


class Writer(EntryMethods, BatchMethods, EventRecorder):
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
        record a gap with their count. While writing fails nobody waits.
    merge_on_close : bool
        Join the small blocks of a live stream into large ones when the Writer is closed. Needs a path; the
        new file replaces the old one whole.
    threads : int
        Threads that encode blocks, beside the Writer's own, when more than 1: for batches faster than one thread
        encodes them. The stream is the same. Up to two blocks for each of them wait beside the queue.
    recipients : mapping of group to keys, or keys, optional
        Whose `PublicKey` each column group is encrypted to: a key, a path, the bytes of a PEM file, or several; groups
        by number or name (``"pointer"``, ``"keys"``, ``"context"``). Keys without a mapping are for all groups; groups
        that are not named stay plain. When a stream is appended to, those of its last one by default; ``{}`` is none.
    chain : bool
        Chain the records, so that a change of any shows (``evcodec verify --chain``).
    signing_key : SigningKey, path or bytes of a PEM file, optional
        Signs the chain.

    Raises
    ------
    InvalidArgumentError
        An argument is outside of what is allowed, or another Writer has the file open; nothing was written.
    WriteFailedError
        The target did not take the header.
    OSError
        A path cannot be opened.
    CorruptDataError, UnsupportedVersionError
        The stream to append to is damaged where it had to be read; nothing was written.
    MissingExtraError
        There are keys, and no ``evcodec[crypto]``; nothing was written.

    Notes
    -----
    All methods may be called from several threads, and from signal handlers. Encoding and writing happen on a
    thread of the Writer's own. A Writer that is open when the interpreter exits is closed then. In a child
    process after a fork a Writer is closed, without touching the file.

    When writing fails, what was written before stays readable, and the next call raises `WriteFailedError`. On a
    regular file given by its path the record is tried again each second, and by `flush` and `close`; later
    events wait in the queue, and are counted in a gap when it is full, so that no caller waits. Elsewhere, or
    where the file cannot be cut back to whole records, every later call raises.
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
        recipients: Any = None,
        chain: bool = False,
        signing_key: Any = None,
    ) -> None:
        self._level = level_of(level)
        check_pace(block_events, queue_events, flush_interval_s, on_full)
        self._protection = Protection.of(recipients, chain, signing_key)
        self._threads = check_threads(threads)
        header = header_of(metadata, governance)
        pack_header(header)  # raises for what it cannot carry, before anything is opened
        self._block_events = self._level.block_events if block_events is None else block_events
        self._drops = on_full == "drop"
        self._merge_on_close = merge_on_close
        # Held while something is put, so that what two threads put does not mix, and nothing overtakes
        # events that came before it.
        self._order = threading.RLock()
        self._ending = threading.RLock()
        self._is_closed = False
        self._is_ended = False
        self._is_unfit = False
        self._is_abandoned = False
        # The last failure that was raised, so that a `with` block that it leaves does not raise another.
        self._raised: Callable[[], BaseException | None] = lambda: None
        self._dtypes: dict[str, set[np.dtype]] = {}
        self._live_columns: set[str] = set(RECORDED)
        self._has_live_events = False
        self._output = open_output(target, mode, fsync)
        try:
            resumed = resume(target) if mode == "a" else Resumed()
            self._sources = resumed.sources
            self._contexts = resumed.contexts
            self._payload_count = resumed.payloads
            if recipients is None:
                self._protection = self._protection.with_recipients(resumed.same_recipients())
            self._begin(
                header if metadata is not None else replace(header, metadata=resumed.metadata),
                resumed,
                flush_interval_s,
                queue_events,
            )
        except BaseException:
            self._output.close()
            raise
        close_at_exit(self)
        self._start()

    def _begin(self, header: Header, resumed: Resumed, flush_interval_s: float, queue_events: int) -> None:
        """Write the header and start sealing."""
        if not header.governance:
            header = replace(header, governance=resumed.governance)
        if resumed.position is not None:
            self._output.begin_at(resumed.position)
        crew = Crew(self._threads)

        def begin(write: Callable[[bytes], None]) -> StreamEmitter:
            emitter = StreamEmitter(write, self._level, header, crew, self._protection)
            if resumed.definitions:
                emitter.entries(resumed.definitions)
            return emitter

        self._sealer = Sealer(
            self._output,
            begin,
            crew,
            block_events=self._block_events,
            flush_interval_s=flush_interval_s,
            queue_events=queue_events,
            recorder=self,
        )

    # ---- events ----

    def _make_room(self, count: int) -> bool:
        """Wait for room in the queue, or tell that there is none."""
        if self._sealer.error is not None:
            return False
        if self._drops or self._sealer.is_failing:
            return self._sealer.has_room(count)
        return self._sealer.wait_for_room(count)

    @property
    def is_failing(self) -> bool:
        """Whether the target takes nothing now; it is tried again, and events wait or are counted meanwhile."""
        return self._sealer.is_failing

    # ---- what the recorder calls ----

    def _first_event(self) -> None:
        self._has_live_events = True
        self._sealer.wake()

    def _buffer_full(self, t: int) -> bool:
        with self._order:  # with on_full="drop" nobody waits for the disk while holding it
            if not self._make_room(self._capacity_events()):
                self._check_alive()
                self._sealer.drop(1, t, t)
                return False
            self._hand_over()
            return True

    def _refuse(self) -> None:
        self._check_open()
        if self._is_unfit:
            raise InvalidArgumentError(
                "event: found a stream whose x, y, code, dx or dy is uint64, allowed: dtypes that go with int64"
            )
        self._go_on(FAILING)  # somebody has heard of the failure, or it has passed

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
        self._sealer.put_live()
        self._sealer.put_gap()

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
            As in `write`.
        LimitExceededError
            The queue is full, because the disk fails, or stalls and ``on_full`` is "drop". Nothing was appended.
        """
        entry = copied(entry)
        weight = len(pack_entry(entry)) // _BYTES_AN_EVENT
        with self._order:
            self._check_open()
            if not self._make_room(self._recorded() + weight):
                self._check_alive()
                raise LimitExceededError(
                    "queue: found it full, since the target stalls; allowed: entries when it has room"
                )
            known = self._sources if isinstance(entry, Source) else self._contexts
            if isinstance(entry, (Source, Context)):
                known.claim(entry)
            elif isinstance(entry, Payload):
                if entry.index <= self._payload_count:
                    raise InvalidArgumentError(
                        f"payload entry, index: found {entry.index}, allowed: "
                        f"above {self._payload_count}, the last one"
                    )
                self._payload_count = entry.index
            self._hand_over()
            self._sealer.put_entry(replace(entry, position=self._sealer.handed.events), weight)
            if isinstance(entry, (Source, Context)):
                known.remember(entry)  # last: the exception of a signal handler costs an index at most

    # ---- end ----

    def flush(self) -> None:
        """Return when everything appended before has been handed to the operating system, and to the device
        with ``fsync``.

        Raises
        ------
        InvalidArgumentError
            The Writer is closed.
        WriteFailedError
            Writing fails, after an attempt that was made at once; or it has failed for good.
        """
        self._check_alive()
        self._sealer.try_now()  # before more is put into a queue that may be full
        with self._order:
            self._check_alive()
            if not self._sealer.is_failing:
                self._hand_over()
        if not self._sealer.is_failing:
            self._sealer.flush()
        if self._sealer.error is not None:
            self._check_alive()
        if (failure := self._sealer.failure) is not None:
            self._sealer.heard()
            self._raise(failure)

    def close(self) -> None:
        """End the stream. A second call does nothing, unless an exception has left the first one: then it goes on.

        Raises
        ------
        WriteFailedError
            What was appended could not all be written: ``unwritten_events`` says how much is missing. The threads
            have ended and the file is closed.
        """
        if self._is_abandoned:
            return
        with self._order:
            if not self._is_closed:
                self._stop(CLOSED)
                self._hand_over()
                self._is_closed = True
        self._sealer.end()  # may be interrupted, and called again
        with self._ending:
            if self._is_ended:
                return
            error = self._sealer.error
            path = self._output.path
            if error is None and self._merge_on_close and self._sealer.small_blocks > 1 and path is not None:
                self._merge_on_close = False  # once: where it is interrupted the stream stays as it is
                own = Own(self._protection, self._sealer.protection)
                merge(self._output, path, self._level, self._block_events, self._threads, own)
            try:
                self._output.close()
            except WriteFailedError as failed:
                error = error or failed
            forget(self)
            self._sealer.protection.forget()
            self._is_ended = True
        if error is not None:
            unwritten = self._sealer.unwritten
            self._raise(error, f"; {unwritten} events that were appended are not in the stream", unwritten)

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        is_known = value is not None and value is self._raised()
        try:
            self.close()
        except WriteFailedError as error:
            if value is None or not is_known:
                raise
            value.add_note(str(error))

    def _check_open(self) -> None:
        """Raise if nothing can be appended, and once for each time that writing begins to fail."""
        self._check_alive()
        if (failure := self._sealer.heard()) is not None:
            self._go_on(FAILING)
            self._raise(failure)

    def _check_alive(self) -> None:
        if self._sealer.error is not None and not self._is_abandoned:
            self._raise(self._sealer.error)
        if self._is_closed:
            raise InvalidArgumentError("writer: found it closed, allowed: an open one")

    def _raise(self, failure: WriteFailedError, more: str = "", unwritten: int = 0) -> NoReturn:
        error = failure.again(more, unwritten)
        self._raised = weakref.ref(error)
        raise error

    def _abandon(self) -> None:
        """After a fork, in the child: the thread is the parent's, and so is the file."""
        self._order = threading.RLock()  # another thread of the parent may have held the old one
        self._ending = threading.RLock()
        self._is_closed = self._is_ended = self._is_abandoned = True
        self._sealer.protection.forget()  # a copy of the data keys is none of the child's business
        self._stop(CLOSED)

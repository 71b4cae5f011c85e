"""Reader: streams back to events, columns, kinds and time pushed down to blocks."""

from __future__ import annotations

import os
import weakref
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from .arrow_methods import ArrowMethods
from .batch import EventBatch
from .block import Block
from .contents import FileContents, PipeContents
from .entry_lists import EntryLists
from .errors import EvcodecError, InvalidArgumentError
from .findings import Problem
from .framing import RecordType
from .governance import Use
from .inputs import PipeInput, open_input
from .limits import DEFAULT_BLOCK_BYTES, DEFAULT_READ_BYTES
from .parallel import Crew, Job, check_threads
from .sealed import Keyring, encrypted_to
from .select import Filter, Gatherer, check_bytes, decode_matching, known_dtypes, make_filter, shared_dtypes
from .wire import Header


class BlockInfo(NamedTuple):
    """Where a block stands and what it holds. ``kinds`` has bit k for kind k below 63, and bit 63 for all
    others.
    """

    stream: int
    position: int
    size: int
    events: int
    t_min: int
    t_max: int
    kinds: int


class Reader(EntryLists, ArrowMethods):
    """Reads the events and entries of one stream, or of several put end to end.

    Parameters
    ----------
    source : path, binary file object, or bytes-like
        A file object stays open when the Reader is closed. One that cannot seek is read as it grows, once.
    on_error : {"raise", "skip"}
        What to do at damage: raise, after everything before it has been given; or go on behind it and list
        it in ``problems``.
    max_block_bytes : int
        Most bytes that the columns of one block, and what they are decoded from, may take in memory; a block that would
        take more is refused. 256 MiB by default, eight times what a Writer puts in one.
    max_read_bytes : int
        Most bytes that the events of one ``read`` may take, and the entries of one list of them; on a pipe all entries
        together. 8 GiB by default. What would be more raises LimitExceededError, skipping damage or not.
    threads : int
        Threads that decode blocks, beside the caller's own, when more than 1. They live as long as a call of
        ``read``, or an iterator of ``batches``. What is read, and what is raised when, is the same.
    keys : PrivateKey, path, bytes of a PEM file, or several of them, optional
        What opens encrypted column groups.
    without_key : {"raise", "skip"}
        What to do where no key opens a group: raise MissingKeyError when anything of it may be asked for; or leave its
        columns and entries out, unless a column is asked for by name. It is never read as zeros.
    purpose : str, or collection of str and None, optional
        What it is read for. A stream that states another purpose is refused, and so is one that states none unless None is
        among several; all streams that are put end to end must pass. By default no purpose is asked for.
    past_retention : {"raise", "allow"}
        What to do with a stream whose ``retain_until_ns`` is past when it is opened: refuse it, or read it.

    Raises
    ------
    InvalidArgumentError
        An argument is outside of what is allowed.
    MissingExtraError
        There are keys, and no ``evcodec[crypto]``.
    PurposeError, RetentionError
        A stream is refused, whatever ``on_error`` says; on a pipe when it comes, by what reads then.
    TruncatedDataError, CorruptDataError, UnsupportedVersionError
        There is no sound header.
    OSError
        A path cannot be opened or read.

    Notes
    -----
    Memory is bounded by the block, not by the stream, except in ``read``: a record of up to 64 MiB, its columns, and a copy
    of the events that a filter leaves of them; with several threads up to two blocks for each of them are in memory at
    once. What an index says takes up to 25 bytes for each byte of the data. On a path or on bytes several
    threads may call the methods of one Reader; on a pipe one thread at a time may. ``len``, ``start``,
    ``stop``, ``kinds``, ``columns`` and ``blocks`` need an end, so they raise InvalidArgumentError on a
    pipe that has not been read to its end.
    """

    def __init__(
        self,
        source: Any,
        *,
        on_error: str = "raise",
        max_block_bytes: int = DEFAULT_BLOCK_BYTES,
        max_read_bytes: int = DEFAULT_READ_BYTES,
        threads: int = 1,
        keys: Any = None,
        without_key: str = "raise",
        purpose: Any = None,
        past_retention: str = "raise",
    ) -> None:
        if on_error not in ("raise", "skip"):
            raise InvalidArgumentError(f"on_error: found {on_error!r}, allowed: 'raise', 'skip'")
        check_bytes("max_block_bytes", max_block_bytes)
        self._max_read_bytes = check_bytes("max_read_bytes", max_read_bytes)
        self._threads = check_threads(threads)
        self._crews: Collection[Crew] = weakref.WeakSet() if threads > 1 else ()
        keyring = keys if isinstance(keys, Keyring) else Keyring(keys, without_key)
        use = Use.of(purpose, past_retention)
        self._input = open_input(source)
        try:
            self._contents = self._open(on_error == "skip", max_block_bytes, keyring, use)
        except BaseException:
            self._input.close()
            raise

    def _open(
        self, skip_damage: bool, max_block_bytes: int, keyring: Keyring, use: Use
    ) -> FileContents | PipeContents:
        if isinstance(self._input, PipeInput):
            return PipeContents(self._input, skip_damage, max_block_bytes, self._max_read_bytes, keyring, use)
        return FileContents(self._input, skip_damage, max_block_bytes, keyring, use)

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the threads, and close the file if the Reader opened it. A second call does nothing."""
        for crew in list(self._crews):
            crew.close()
        self._contents.release()
        self._input.close()

    def _crew(self) -> Crew:
        crew = Crew(self._threads)
        if isinstance(self._crews, weakref.WeakSet):
            self._crews.add(crew)
            _crews.add(crew)
        return crew

    # ---- what the stream says of itself ----

    @property
    def metadata(self) -> dict[str, Any]:
        """Session metadata of the first stream."""
        return self._contents.headers[0].metadata

    @property
    def governance(self) -> dict[str, Any]:
        """Purpose, policy digest, notice, retention and recipients of the first stream, as far as it states
        them.
        """
        return self._contents.headers[0].governance

    @property
    def headers(self) -> list[Header]:
        """Header of each stream that was put end to end; on a pipe of each that has come so far."""
        return list(self._contents.headers)

    @property
    def encrypted(self) -> dict[int, tuple[str, ...]]:
        """Who can read which encrypted group, as `PublicKey.id`, in any of the streams; on a pipe as far as it has come.

        A group that nobody can read any more has no one.
        """
        return encrypted_to(self._contents.keys())

    @property
    def opened(self) -> frozenset[int]:
        """Encrypted groups that the keys open in every stream that has them, as far as `encrypted` knows."""
        streams = self._contents.keys()
        return frozenset(self.encrypted) - {group for keys in streams for group in keys.lacking("keys")}

    @property
    def problems(self) -> list[Problem]:
        """Damage that reading went on behind, when ``on_error`` is "skip": the first 1,000 problems, by position."""
        return self._contents.problems()

    @property
    def problem_count(self) -> int:
        """Number of all of them; what is read again after the first 1,000 counts again."""
        return self._contents.findings.count

    def __len__(self) -> int:
        """Return the number of events."""
        return self._contents.summary().events

    @property
    def start(self) -> int | None:
        """Smallest ``t``, None when there are no events."""
        return self._contents.summary().t_min

    @property
    def stop(self) -> int | None:
        """Largest ``t``, None when there are no events. An event at this time is inside a range only if the
        range stops later.
        """
        return self._contents.summary().t_max

    @property
    def kinds(self) -> dict[int, int]:
        """Number of events by kind, ascending."""
        return dict(sorted(self._contents.summary().kinds.items()))

    @property
    def columns(self) -> dict[str, np.dtype]:
        """Dtype of each column; the smallest that holds all values where blocks differ.

        Raises
        ------
        InvalidArgumentError
            A column is uint64 in one block and signed in another.
        """
        return shared_dtypes(self._contents.summary().columns)

    def _dtypes(self, chosen: Filter) -> dict[str, np.dtype]:
        if isinstance(self._contents, PipeContents):
            self._contents.summary()  # raises before the end
        return shared_dtypes(self._contents.columns(), chosen)

    @property
    def blocks(self) -> list[BlockInfo]:
        """Where the blocks stand and what they hold, in order."""
        return [
            BlockInfo(
                place.stream, place.position, place.size, place.events, place.t_min, place.t_max, place.kinds
            )
            for place in self._contents.places()
            if place.type == RecordType.BLOCK
        ]

    def column_bytes(self) -> dict[str, float]:
        """Return the stored bytes of each column, and those of all else under "(records)"; reads the whole
        stream.

        A part that several columns share is divided by what each has in it before compression.
        """
        if isinstance(self._contents, PipeContents):
            raise InvalidArgumentError(
                f"{self._contents.name}: found a pipe, allowed: a path, bytes, a seekable file"
            )
        sizes: Counter[str] = Counter()
        for _, block in self._contents.blocks(make_filter(None, None, None, None)):
            sizes.update(block.column_bytes())
        sizes["(records)"] = self._contents.size() - sum(sizes.values())
        return dict(sizes)

    # ---- events ----

    def read(
        self,
        columns: Collection[str] | None = None,
        kinds: Iterable[int] | None = None,
        start: int | None = None,
        stop: int | None = None,
        blocks: range | None = None,
    ) -> EventBatch:
        """Return all events that match, in memory.

        Parameters
        ----------
        columns : collection of str, optional
            Columns to decode; all by default. A standard column that the stream lacks reads as zeros.
        kinds : iterable of int, optional
            Kinds to keep, 0 to 255.
        start, stop : int, optional
            Keep events with ``start <= t < stop``, in ns.
        blocks : range, optional
            Read these of `blocks` only, by number. Damage behind them is not met. Not on a pipe.

        Returns
        -------
        EventBatch
            Columns keep their dtype. Where blocks differ in the dtype of a column it is the smallest that
            holds all values.

        Raises
        ------
        InvalidArgumentError
            An argument is outside of what is allowed; or a column is in no block, and not a standard one;
            or it is uint64 in one block and signed in another.
        MissingKeyError
            What was asked for is encrypted, and no key opens it.
        CorruptDataError, TruncatedDataError, UnsupportedVersionError, LimitExceededError
            At damage, unless it is skipped.
        """
        chosen = make_filter(columns, kinds, start, stop, blocks)
        if self._threads > 1 and isinstance(self._contents, FileContents):
            # One thread meets what is wrong again, and deals with it in order.
            with suppress(EvcodecError):
                return self._read_together(chosen)
        gathered = self._gatherer(chosen)
        for position, block in self._contents.blocks(chosen):
            self._contents.guarded(position, gathered.add, block)
        return gathered.finish(self._contents.columns())

    def _gatherer(self, chosen: Filter) -> Gatherer:
        expected = self._contents.expected_events(chosen)
        least = self._contents.sure_events(chosen)
        return Gatherer(chosen, expected, self._contents.columns(), self._max_read_bytes, least)

    def _read_together(self, chosen: Filter) -> EventBatch:
        """Read with several threads; raise an EvcodecError if a block cannot be decoded, damage skipped or not."""
        gathered = self._gatherer(chosen)
        waiting: deque[tuple[Block, Job[EventBatch | None]]] = deque()
        with self._crew() as crew:
            for _, block in self._contents.blocks(chosen):
                while waiting and (crew.is_full or gathered.must_wait(block)):
                    begun, job = waiting.popleft()
                    gathered.end(begun, job.take())
                waiting.append((block, crew.start(gathered.begin(block))))
            for begun, job in waiting:
                gathered.end(begun, job.take())
        return gathered.finish(self._contents.columns())

    def batches(
        self,
        columns: Collection[str] | None = None,
        kinds: Iterable[int] | None = None,
        start: int | None = None,
        stop: int | None = None,
        blocks: range | None = None,
    ) -> Iterator[EventBatch]:
        """Yield the events that match, a batch for each block that has any, in order.

        Parameters
        ----------
        columns, kinds, start, stop, blocks
            As in `read`.

        Yields
        ------
        EventBatch
            Never empty. Columns have the dtype of their block; one that was asked for and that the block lacks is
            zeros.

        Raises
        ------
        InvalidArgumentError, CorruptDataError, TruncatedDataError, UnsupportedVersionError, LimitExceededError
            As in `read`; damage is met after the batches before it have been given.
        """
        return self._batches(make_filter(columns, kinds, start, stop, blocks))

    def _batches(self, chosen: Filter) -> Iterator[EventBatch]:
        at_once = isinstance(self._contents, FileContents)
        dtypes = known_dtypes(chosen, self._contents.columns()) if at_once else {}

        def decode(block: Block) -> EventBatch:
            if not at_once:
                dtypes.update((name, dtype) for name, dtype in block.dtypes.items() if name not in dtypes)
            return decode_matching(block, chosen, dtypes)

        with self._crew() as crew:
            for batch in self._contents.decoded(chosen, decode, crew):
                if len(batch):
                    yield batch
        if not at_once:
            known_dtypes(chosen, self._contents.columns())


# What has threads: in a child after a fork it has none.
_crews: weakref.WeakSet[Crew] = weakref.WeakSet()


def _abandon_crews() -> None:
    for crew in list(_crews):
        crew.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_crews)


def decode(
    data: Any,
    threads: int = 1,
    max_read_bytes: int = DEFAULT_READ_BYTES,
    keys: Any = None,
    without_key: str = "raise",
    purpose: Any = None,
    past_retention: str = "raise",
) -> EventBatch:
    """Return all events of a stream in memory.

    Parameters
    ----------
    data : bytes-like
    threads, max_read_bytes, keys, without_key, purpose, past_retention
        As in `Reader`.

    Raises
    ------
    CorruptDataError, TruncatedDataError, UnsupportedVersionError, LimitExceededError, InvalidArgumentError
        As in `Reader` and `Reader.read`.
    """
    with Reader(
        data,
        threads=threads,
        max_read_bytes=max_read_bytes,
        keys=keys,
        without_key=without_key,
        purpose=purpose,
        past_retention=past_retention,
    ) as reader:
        return reader.read()

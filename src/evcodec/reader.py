"""Reader: streams back to events, columns, kinds and time pushed down to blocks."""

from __future__ import annotations

import os
import weakref
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any

from .arrow_methods import ArrowMethods
from .batch import EventBatch
from .block import Block
from .contents import FileContents, PipeContents
from .entry_lists import EntryLists
from .errors import EvcodecError, InvalidArgumentError
from .gather import Gatherer
from .governance import Use
from .inputs import PipeInput, open_input
from .keyring import Keyring
from .limits import DEFAULT_BLOCK_BYTES, DEFAULT_READ_BYTES
from .parallel import Crew, Job, check_threads
from .select import Filter, check_bytes, decode_matching, known_dtypes, make_filter
from .stated import Stated


class Reader(Stated, EntryLists, ArrowMethods):
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

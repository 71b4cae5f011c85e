"""Whole streams: verify, repair, compact."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from ._codec import BlockHead
from .chains import Chains
from .checking import Progress, Report, check_all
from .emitter import StreamEmitter
from .errors import CorruptDataError, InvalidArgumentError
from .framing import RecordType
from .inputs import PipeInput, SeekableInput, open_input
from .keyring import Keyring
from .levels import Level, level_of
from .limits import DEFAULT_BLOCK_BYTES
from .parallel import check_threads
from .replacing import replacing
from .rewrite import rewrite
from .scan import StreamRecord, StreamScanner
from .select import check_bytes
from .wire import is_encrypted

__all__ = ["Report", "compact", "repair", "verify"]


@contextmanager
def _opened(source: Any) -> Iterator[SeekableInput | PipeInput]:
    taken = open_input(source)
    try:
        yield taken
    finally:
        taken.close()


def verify(
    source: Any,
    *,
    max_block_bytes: int = DEFAULT_BLOCK_BYTES,
    progress: Progress | None = None,
    keys: Any = None,
    chain: bool = False,
    signer: Any = None,
) -> Report:
    """Check everything that a reader would trust: each record, each value of each column, the index and the end
    record against the records.

    Parameters
    ----------
    source : path, binary file object, or bytes-like
    max_block_bytes : int
        As in `Reader`; a block that would take more is a problem.
    progress : callable, optional
        Called with the number of bytes that each step has dealt with.
    keys
        As in `Reader`. What they do not open is checked as far as its place goes.
    chain : bool
        Whether each stream must have a chain that holds, to its end.
    signer : VerifyKey, path or bytes of a PEM file, optional
        Who must have signed all chains.

    Returns
    -------
    Report
        ``ok`` is True for a stream that a crash cut between two records; ``complete`` tells that it was not
        ended.

    Raises
    ------
    InvalidArgumentError
        An argument is outside of what is allowed.
    OSError
        The source cannot be read.

    Notes
    -----
    Time is linear in the data and in the events that it holds. In memory are one record, one block, the rows of the
    index of the stream that is being checked, 65,536 references of each column and 1,048,576 definitions of each
    class, 1,000 problems and as many remarks; the others are counted.
    """
    most = check_bytes("max_block_bytes", max_block_bytes)
    keyring, chains = Keyring(keys), Chains(chain or signer is not None, _signer_of(signer))
    with _opened(source) as taken:
        return check_all(taken, max_block_bytes=most, progress=progress, keyring=keyring, chains=chains)


def _signer_of(value: Any) -> Any:
    if value is None:
        return None
    from .crypto import VerifyKey, keys_of

    found = keys_of(value, VerifyKey, "signer")
    if len(found) != 1:
        raise InvalidArgumentError(f"signer: found {len(found)}, allowed: 1")
    return found[0]


def repair(
    source: Any,
    target: Any,
    *,
    level: str = "balanced",
    max_block_bytes: int = DEFAULT_BLOCK_BYTES,
    progress: Progress | None = None,
) -> Report:
    """Write every sound block and entry of a damaged stream to a new one, which ends as a stream should.

    What is encrypted is carried on as it is, under the number that it was sealed with; no key is needed. A chain is not:
    it is of the records as they were.

    What was written is checked as `verify` does, and its counts compared with those of what was saved, before it takes
    the name of the target.

    Parameters
    ----------
    source : path, binary file object, or bytes-like
    target : path
        Replaced when the new stream is whole and on the device; must not be the source.
    level : {"fast", "balanced", "small"}
        Of the index; blocks stay as they are.
    max_block_bytes : int
        As in `verify`; a block that would take more is not saved.
    progress : callable, optional
        As in `verify`.

    Returns
    -------
    Report
        What is wrong with the source, what of it was saved, and what was lost. No reason for a gap says that a file was
        damaged, so none is written: the report is the only place that tells.

    Raises
    ------
    InvalidArgumentError
        The target is the source, or an argument is outside of what is allowed.
    CorruptDataError
        Nothing of the source is sound, or what was written is not what was saved; the target stays as it was.
    OSError
        The source cannot be read, or the target cannot be written.
    """
    chosen, most = level_of(level), check_bytes("max_block_bytes", max_block_bytes)
    _refuse_same(source, target)
    with _opened(source) as taken, replacing(Path(target)) as file:
        saver = _Saver(file.write, chosen)
        report = check_all(taken, max_block_bytes=most, keep=saver.keep, progress=progress)
        saver.end()
        if not saver.streams:
            raise CorruptDataError(
                f"{report.name}: found nothing to save, allowed: data with at least one "
                f"sound record; first problem: {report.problems[0].message}"
            )
        file.flush()
        file.seek(0)
        with _opened(file) as written:
            _prove(check_all(written, max_block_bytes=most), report, saver)
    return report


class _Saver:
    """Writes what is sound, each stream as one of its own."""

    def __init__(self, write: Callable[[bytes], object], level: Level) -> None:
        self._write = write
        self._level = level
        self._emitter: StreamEmitter | None = None
        self._number = -1
        self.streams = 0

    def keep(self, scanner: StreamScanner, item: StreamRecord) -> None:
        """Write a sound record, unless it is one that the new stream gets anew."""
        if self._emitter is None or item.stream != self._number:
            self.end()
            self._emitter = StreamEmitter(self._write, self._level, scanner.streams[item.stream].header)
            self._number = item.stream
            self.streams += 1
        record, emitter, payload = item.record, self._emitter, bytes(item.record.payload)
        where = f"byte {record.position}"
        if record.type == RecordType.BLOCK:
            write = partial(emitter.encoded_block, payload)
            is_sealed = any(storage for _, storage, _, _ in BlockHead(payload, where).sections)
        elif record.type == RecordType.ENTRIES:
            write = partial(emitter.encoded_entries, payload, where)
            is_sealed = is_encrypted(record.payload)
        elif record.type == RecordType.KEYS:
            write, is_sealed = partial(emitter.ancillary, RecordType.KEYS, payload), False
        else:
            return
        if is_sealed:  # its number is part of what it was sealed as
            emitter.as_number(record.sequence, write)
        else:
            write()

    def end(self) -> None:
        """End the stream that is being written."""
        if self._emitter is not None:
            self._emitter.end()


def _prove(written: Report, saved: Report, saver: _Saver) -> None:
    """Raise CorruptDataError unless what was written is what was saved, and sound.

    What is wrong between entries that are sound by themselves, an index that is defined twice, is saved with them.
    """
    totals = ("blocks", "events", "entries", "gaps", "kinds", "repeated_definitions")
    if (
        written.problem_count != saved.repeated_definitions
        or not written.complete
        or written.streams != saver.streams
        or any(getattr(written, name) != getattr(saved, name) for name in totals)
    ):
        first = f"; first problem: {written.problems[0].message}" if written.problems else ""
        raise CorruptDataError(
            f"{saved.name}: what was written of it: found {written.events} events, {written.entries} entries, "
            f"{written.problem_count} problems, allowed: {saved.events} events, {saved.entries} entries, "
            f"{saved.repeated_definitions} problems{first}"
        )


def compact(
    source: Any,
    target: Any,
    *,
    level: str = "small",
    block_events: int | None = None,
    threads: int = 1,
    progress: Progress | None = None,
    keys: Any = None,
) -> int:
    """Encode a sound stream anew, small blocks joined, and return the number of events.

    Parameters
    ----------
    source : path, seekable binary file object, or bytes-like
    target : path
        Replaced when the new stream is whole and on the device; may be the source.
    level : {"fast", "balanced", "small"}
    block_events : int, optional
        Events of a full block; by default 131,072, and 262,144 at level ``small``.
    threads : int
        Threads that encode blocks, beside the caller's own, when more than 1. The stream is the same.
    progress : callable, optional
        As in `verify`.
    keys
        As in `Reader`. What is encrypted is encrypted anew, to the same recipients. A chain is not carried over: it is
        of the records as they were, and so is its signature.

    Raises
    ------
    InvalidArgumentError
        The source is a pipe, or an argument is outside of what is allowed.
    MissingKeyError
        A stream is encrypted, and the keys do not open all of it; the target stays as it was.
    CorruptDataError, TruncatedDataError, UnsupportedVersionError, LimitExceededError
        The source is damaged; the target stays as it was.
    OSError
        The source cannot be read, or the target cannot be written.
    """
    chosen = level_of(level)
    check_threads(threads)
    keyring = Keyring(keys)
    with _opened(source) as taken:
        if isinstance(taken, PipeInput):
            raise InvalidArgumentError(f"{taken.name}: found a pipe, allowed: a path, bytes, a seekable file")
        with replacing(Path(target)) as file:
            return rewrite(
                taken,
                file.write,
                level=chosen,
                block_events=chosen.block_events if block_events is None else block_events,
                reencode=True,
                threads=threads,
                progress=progress,
                keyring=keyring,
            )


def _refuse_same(source: Any, target: Any) -> None:
    if isinstance(source, (str, os.PathLike)) and os.path.exists(target) and os.path.samefile(source, target):
        raise InvalidArgumentError(
            f"target: found {target}, which is the source; allowed: another path, so that nothing is lost"
        )

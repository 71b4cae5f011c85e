"""Taking something out of a recording for good: planned, written anew, read back and proved before it takes a name."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from ..emitter import StreamEmitter
from ..entries import Source
from ..errors import InvalidArgumentError, UnsupportedVersionError
from ..inputs import PipeInput, SeekableInput, open_input
from ..keyrecord import stated_recipients
from ..keyring import Keyring
from ..levels import level_of
from ..protection import Protection
from ..replacing import replacing
from . import personal
from .editing import Editor, copy, header_without
from .finding import Needles, Strings
from .parts import Streams
from .plan import Contents, Plan
from .proof import Proof
from .report import opened

_PIECE_BYTES = 2**20


@dataclass
class Redacted:
    """What was taken out; nothing of it is content.

    Attributes
    ----------
    matches : int
        Places in what was typed.
    strings : int
        Texts in entries and headers that were replaced.
    spans : int
        Stretches of applications that were erased.
    events_before, events_after : int
    coarsened : int
        Keys that stay and whose times were coarsened.
    gaps : list of (str, int, int)
        Reason, t0 and t1 of each gap that was written.
    has_lost_chain : bool
        Whether there was a hash chain, which is of the records as they were, and is not carried over.
    assumed : list of str
        What had to be assumed to tell keys: ``us-layout``.
    characters : int
        How many typed characters the proof rebuilt of the result, and looked through.
    proved : bool
        Whether the result was read back and searched; False when there was nothing to do and nothing was written.
    """

    matches: int = 0
    strings: int = 0
    spans: int = 0
    events_before: int = 0
    events_after: int = 0
    coarsened: int = 0
    gaps: list[tuple[str, int, int]] = field(default_factory=list)
    has_lost_chain: bool = False
    assumed: list[str] = field(default_factory=list)
    characters: int = 0
    proved: bool = False


def redact(
    source: Any,
    target: Any,
    *,
    find: Iterable[str] = (),
    ranges: Sequence[tuple[int, int]] = (),
    applications: Iterable[str] = (),
    personal_data: bool = False,
    ignore_case: bool = True,
    keys: Any = None,
    progress: Callable[[int], object] | None = None,
) -> Redacted:
    """Take texts, ranges of time, applications and personal data out of a recording, for good.

    Parameters
    ----------
    source : path, seekable binary file object, or bytes-like
    target : path
        Replaced when the new file is whole, on the device, and proved to hold nothing of it; may be the source.
    find : iterable of str
        Texts. Wherever keys typed one (also where it was erased again), the events of these keys go; in titles, names,
        payloads, markers and metadata it is replaced.
    ranges : sequence of (int, int)
        Times of the session clock in ns, half open; all their events go.
    applications : iterable of str
        Executables, with or without a path, or window classes; case does not matter. All events in front of them go.
    personal_data : bool
        Take out what Presidio finds too (`personal.ENTITIES`); needs ``evcodec[review]``.
    ignore_case : bool
        Whether ``find`` finds capitals for small letters and the other way round.
    keys
        As in `Reader`. What is encrypted is encrypted anew, to the same recipients.
    progress : callable, optional
        Called with the number of bytes of the source that each step has dealt with.

    Returns
    -------
    Redacted

    Raises
    ------
    InvalidArgumentError
        The source is a pipe, nothing was asked for, an argument is outside of what is allowed, or an application is not there.
    MissingExtraError
        Presidio is not installed.
    MissingKeyError
        A stream is encrypted, and the keys do not open all of it: nobody can tell what stands in the rest.
    RedactionFailedError
        It could still be found in what was written; the target stays as it was.
    UnsupportedVersionError
        Something has to be taken out of a column group that cannot be read or encoded anew.
    CorruptDataError, TruncatedDataError, LimitExceededError
        The source is damaged; the target stays as it was.
    OSError
        The source cannot be read, or the target cannot be written.

    Notes
    -----
    Strokes of keys and references are held in memory, blocks one at a time. Not to be used on one file from two threads.
    """
    job = _Job(find, ranges, applications, personal_data, ignore_case, keys)
    try:
        with opened(source) as taken:
            return job.run(taken, Path(target), progress)
    finally:
        personal.forget()


class _Job:
    """One redaction."""

    def __init__(
        self,
        find: Iterable[str],
        ranges: Sequence[tuple[int, int]],
        applications: Iterable[str],
        personal_data: bool,
        ignore_case: bool,
        keys: Any,
    ) -> None:
        if isinstance(find, str) or isinstance(applications, str):
            raise InvalidArgumentError("find, applications: found one str, allowed: several, in a list")
        self._needles = Needles(find, ignore_case)
        self._ranges = [(int(t0), int(t1)) for t0, t1 in ranges]
        self._names = frozenset(name.casefold() for name in applications)
        if bad := [at for at in self._ranges if at[0] >= at[1]]:
            raise InvalidArgumentError(
                f"range: found {bad[0][0]} to {bad[0][1]} ns, allowed: one that ends behind its start"
            )
        if not (self._needles.texts or self._ranges or self._names or personal_data):
            raise InvalidArgumentError(
                "found nothing to take out, allowed: texts, ranges, applications or personal data"
            )
        if personal_data:
            personal.check()
        self._personal = personal_data
        self._keys = keys
        self._reach = max(self._needles.longest, 256)

    def _finder(self, text: str) -> Iterable[tuple[int, int]]:
        found = list(self._needles.places(text))
        if self._personal:
            found += personal.places(text)
        return found

    def run(self, taken: SeekableInput, target: Path, progress: Callable[[int], object] | None) -> Redacted:
        """Plan, write, prove."""
        streams = Streams(taken, Keyring(self._keys))
        for number in range(len(streams.headers)):
            _check_opened(streams, number)
        result = Redacted(has_lost_chain=streams.has_chain())
        plans = [self._plan(streams, number, result) for number in range(len(streams.headers))]
        if self._names and not result.spans:
            raise InvalidArgumentError(
                f"{streams.name}: found none of these applications, allowed: {_known(plans)}"
            )
        is_same = target.exists() and _is_open_as(taken, target)
        with _Old(target if is_same else None) as old:
            with replacing(target) as file:
                self._write(streams, [plan for plan, _spans in plans], file, result, progress)
                file.flush()
                file.seek(0)
                self._prove(file, str(target), [plan for plan, _spans in plans], result)
            old.overwrite()
        result.proved = True
        return result

    def _plan(self, streams: Streams, number: int, result: Redacted) -> tuple[Plan, list[str]]:
        entries = streams.entries(number)
        contents = Contents.of(entries, streams.blocks(number))
        plan = Plan()
        result.spans += plan.erase(contents, streams.blocks(number), self._ranges, self._names)
        plan.redact(contents, streams.blocks(number), self._finder, self._reach)
        plan.forget(contents, entries, streams.blocks(number))
        result.matches += plan.matches
        result.events_before += contents.events
        result.events_after += contents.events - len(plan.removed)
        result.gaps += [(hole.reason.name.lower(), hole.t0, hole.t1) for hole in sorted(plan.holes)]
        result.assumed = sorted({*result.assumed, *contents.strokes.assumed})
        return plan, [span.application for span in contents.spans if span.application]

    def _write(
        self,
        streams: Streams,
        plans: Sequence[Plan],
        file: BinaryIO,
        result: Redacted,
        progress: Callable[[int], object] | None,
    ) -> None:
        strings = Strings(self._finder)
        for number, (header, plan) in enumerate(zip(streams.headers, plans, strict=True)):
            header, count = header_without(header, strings)
            protection = Protection(stated_recipients(streams.keys_of(number).recipients))
            emitter = StreamEmitter(file.write, level_of("balanced"), header, None, protection)
            units = {
                entry.index: unit
                for entry in streams.entries(number)
                if isinstance(entry, Source)
                and isinstance(unit := entry.properties.get("time_unit_ns"), int)
                and unit > 0
            }
            editor = Editor(emitter, plan, strings, units)
            copy(streams.parts(number), editor, progress)
            emitter.end()
            emitter.protection.forget()
            result.strings += count + editor.replaced
            result.coarsened += editor.coarsened

    def _prove(self, file: BinaryIO, name: str, plans: Sequence[Plan], result: Redacted) -> None:
        written = open_input(file)
        assert not isinstance(written, PipeInput)
        try:
            written.name = name
            moved = {t for plan in plans for t in plan.moved.values()}
            proof = Proof(self._finder, self._needles)
            result.characters = proof.check(written, Keyring(self._keys), self._ranges, self._names, moved)
        finally:
            written.close()


def _check_opened(streams: Streams, number: int) -> None:
    """Raise unless the keys open all of a stream."""
    keys = streams.keys_of(number)
    if keys.is_later:
        raise UnsupportedVersionError(
            f"{streams.name}: keys of stream {number}: found a later version, allowed in this version: 1"
        )
    if lacking := keys.lacking(streams.name):
        raise keys.missing(f"{streams.name}: stream {number}, to be redacted", lacking, may_skip=False)


def _known(plans: Iterable[tuple[Plan, list[str]]]) -> str:
    names = Counter(name for _plan, spans in plans for name in spans)
    return (
        ", ".join(repr(name) for name, _count in names.most_common(20))
        or "none, since the recording names no application"
    )


def _is_open_as(taken: SeekableInput, target: Path) -> bool:
    path = getattr(taken, "name", "")
    return bool(path) and os.path.exists(path) and os.path.samefile(path, target)


class _Old:
    """The file that is replaced: its bytes are overwritten when no name leads to them any more.

    That is all a program can do. File systems that copy on write, journals, snapshots, backups and the spare blocks of an SSD may
    keep what was there.
    """

    def __init__(self, path: Path | None) -> None:
        self._file: BinaryIO | None = path.open("r+b") if path is not None and os.name != "nt" else None

    def __enter__(self) -> _Old:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._file is not None:
            self._file.close()

    def overwrite(self) -> None:
        """Write zeros over the old file, unless it has another name."""
        if self._file is None or os.fstat(self._file.fileno()).st_nlink:
            return
        left = self._file.seek(0, os.SEEK_END)
        self._file.seek(0)
        while left > 0:
            left -= self._file.write(bytes(min(left, _PIECE_BYTES)))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.truncate(0)

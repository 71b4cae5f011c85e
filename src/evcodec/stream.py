"""Whole streams: verify, repair, compact."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .block import Block
from .emitter import StreamEmitter
from .entries import Entry, Gap, type_number
from .errors import CorruptDataError, EvcodecError, InvalidArgumentError
from .framing import Record, RecordType
from .index import Index, unpack_index
from .inputs import PipeInput, open_input
from .levels import level_of
from .parallel import check_threads
from .replacing import replacing
from .rewrite import rewrite
from .scan import Problem, StreamRecord, StreamScanner
from .wire import unpack_entries

Progress = Callable[[int], object]


@dataclass
class Report:
    """What was found in a stream, or saved of it.

    Attributes
    ----------
    ok : bool
        Whether nothing is wrong. Gaps that the recorder stated are not problems.
    complete : bool
        Whether the last stream was ended: False after a crash, or while it is being written.
    problems : list of Problem
        Position and message of each problem.
    """

    name: str
    ok: bool = True
    complete: bool = False
    bytes: int = 0
    streams: int = 0
    records: int = 0
    blocks: int = 0
    events: int = 0
    entries: int = 0
    gaps: int = 0
    kinds: dict[int, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as values that JSON carries."""
        found = asdict(self)
        found["problems"] = [problem._asdict() for problem in self.problems]
        return found


class _Checker:
    """Decodes everything of every record, and compares what an index says with what is there."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._kinds: Counter[int] = Counter()
        self._stream = -1
        self._start = 0
        self._index = Index()
        self._encrypted = False
        self._defined: set[tuple[int, int]] = set()

    def check(self, item: StreamRecord) -> None:
        """Check the next record; raise an EvcodecError that says what is wrong with it."""
        record = item.record
        if item.stream != self._stream:
            self._stream, self._start, self._index = item.stream, record.position, Index()
            self._encrypted = False
            self._defined = set()
        self._report.records += 1
        where = f"byte {record.position}"
        place = (record.position - self._start, record.record_bytes, record.type)
        if record.type == RecordType.BLOCK:
            self._check_block(record, place)
        elif record.type == RecordType.ENTRIES:
            self._check_entries(unpack_entries(record.payload, where), place, where)
        elif record.type == RecordType.INDEX:
            self._check_index(record, where)

    def _check_block(self, record: Record, place: tuple[int, int, int]) -> None:
        block = Block(record.payload, f"byte {record.position}: block")
        block.decode(list(block.dtypes))
        self._report.blocks += 1
        self._report.events += block.events
        self._kinds.update(block.kinds)
        self._index.add_block(place, block)
        self._encrypted = self._encrypted or bool(block.encrypted_groups)
        self._report.kinds = dict(sorted(self._kinds.items()))

    def _check_entries(self, entries: list[Entry], place: tuple[int, int, int], where: str) -> None:
        self._report.entries += len(entries)
        self._report.gaps += sum(isinstance(entry, Gap) for entry in entries)
        self._index.add_entries(place, [type_number(entry) for entry in entries])
        for entry in entries:
            index = getattr(entry, "index", None)
            if index is None:
                continue
            if (entry.type, index) in self._defined:
                self._problem(
                    where,
                    f"index {index} of {type(entry).__name__.lower()} entries: "
                    "found twice, allowed: once in a stream",
                )
            self._defined.add((entry.type, index))

    def _check_index(self, record: Record, where: str) -> None:
        index = unpack_index(record.payload, record.position - self._start, where)
        for number, (stated, found) in enumerate(zip(index.rows, self._index.rows, strict=False)):
            if stated != found:
                self._problem(
                    where,
                    f"row {number} of the index: found {tuple(stated)}, "
                    f"allowed by the records: {tuple(found)}",
                )
        if len(index.rows) != len(self._index.rows):
            self._problem(
                where,
                f"rows of the index: found {len(index.rows)}, allowed by "
                f"the records: {len(self._index.rows)}",
            )
        if index.kinds != self._index.kinds:
            self._problem(where, "events by kind in the index: found other counts than the blocks state")
        if not self._encrypted and list(index.columns.items()) != list(self._index.columns.items()):
            self._problem(
                where, "columns of the index: found others, or in another order, than the blocks have"
            )

    def check_end(self, stated_events: int, position: int) -> None:
        """Check the count of an END record."""
        if stated_events != self._index.events:
            self._problem(
                f"byte {position}",
                f"events of the stream: found {stated_events}, allowed by the blocks: {self._index.events}",
            )

    def _problem(self, where: str, message: str) -> None:
        position = int(where.removeprefix("byte "))
        self._report.problems.append(Problem(position, f"{where}: {message}"))


def _scan(
    source: Any,
    report: Report,
    keep: Callable[[StreamScanner, StreamRecord], None] | None,
    progress: Progress | None,
) -> None:
    """Check every record of a source, and hand those that are sound to ``keep``."""
    taken = open_input(source)
    report.name = taken.name
    scanner = StreamScanner(skip_damage=True)
    checker = _Checker(report)

    def deal_with(item: StreamRecord) -> None:
        try:
            checker.check(item)
            end = scanner.streams[item.stream].end
            if item.record.type == RecordType.END and end is not None:
                checker.check_end(end.events, item.record.position)
        except EvcodecError as error:
            report.problems.append(Problem(item.record.position, str(error)))
            return
        if keep is not None:
            keep(scanner, item)

    try:
        while piece := taken.read_piece():
            report.bytes += len(piece)
            for item in scanner.feed(piece):
                deal_with(item)
            if progress is not None:
                progress(len(piece))
        for item in scanner.finish():
            deal_with(item)
    finally:
        taken.close()
    report.problems = sorted(report.problems + scanner.problems)
    report.streams = len(scanner.streams)
    report.complete = bool(scanner.streams) and scanner.streams[-1].end is not None
    report.ok = not report.problems


def verify(source: Any, *, progress: Progress | None = None) -> Report:
    """Check everything that a reader would trust: each record, each value of each column, the index against
    the records.

    Parameters
    ----------
    source : path, binary file object, or bytes-like
    progress : callable, optional
        Called with the number of bytes that each step has dealt with.

    Returns
    -------
    Report
        ``ok`` is True for a stream that a crash cut between two records; ``complete`` tells that it was not
        ended.

    Raises
    ------
    OSError
        The source cannot be read.
    """
    report = Report("")
    _scan(source, report, None, progress)
    return report


def repair(source: Any, target: Any, *, level: str = "balanced", progress: Progress | None = None) -> Report:
    """Write every sound block and entry of a damaged stream to a new one, which ends as a stream should.

    Parameters
    ----------
    source : path, binary file object, or bytes-like
    target : path
        Replaced when the new stream is whole and on the device; must not be the source.
    progress : callable, optional
        As in `verify`.

    Returns
    -------
    Report
        What is wrong with the source, and what of it was saved.

    Raises
    ------
    InvalidArgumentError
        The target is the source.
    CorruptDataError
        The source holds no sound block, entry or header: nothing is written.
    OSError
        The source cannot be read, or the target cannot be written.
    """
    chosen = level_of(level)
    _refuse_same(source, target)
    report = Report("")
    with replacing(Path(target)) as file:
        emitters: dict[int, StreamEmitter] = {}

        def keep(scanner: StreamScanner, item: StreamRecord) -> None:
            if item.stream not in emitters:
                for earlier in list(emitters.values())[-1:]:
                    earlier.end()
                emitters[item.stream] = StreamEmitter(file.write, chosen, scanner.streams[item.stream].header)
            if item.record.type == RecordType.BLOCK:
                emitters[item.stream].encoded_block(bytes(item.record.payload))
            elif item.record.type == RecordType.ENTRIES:
                emitters[item.stream].encoded_entries(
                    bytes(item.record.payload), f"byte {item.record.position}"
                )

        _scan(source, report, keep, progress)
        if not emitters:
            raise CorruptDataError(
                f"{report.name}: found nothing to save, allowed: data with at least one "
                f"sound record; first problem: {report.problems[0].message}"
            )
        list(emitters.values())[-1].end()
    return report


def compact(
    source: Any,
    target: Any,
    *,
    level: str = "small",
    block_events: int | None = None,
    threads: int = 1,
    progress: Progress | None = None,
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

    Raises
    ------
    InvalidArgumentError
        The source is a pipe, or an argument is outside of what is allowed.
    CorruptDataError, TruncatedDataError, UnsupportedVersionError, LimitExceededError
        The source is damaged; the target stays as it was.
    OSError
        The source cannot be read, or the target cannot be written.
    """
    chosen = level_of(level)
    check_threads(threads)
    taken = open_input(source)
    try:
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
            )
    finally:
        taken.close()


def _refuse_same(source: Any, target: Any) -> None:
    if isinstance(source, (str, os.PathLike)) and os.path.exists(target) and os.path.samefile(source, target):
        raise InvalidArgumentError(
            f"target: found {target}, which is the source; allowed: another path, so that nothing is lost"
        )

"""Checking whole streams: every record decoded, what an index and an end record say compared with what is there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ._codec import BlockHead
from .chain import ChainReport
from .chains import Chains
from .entries import Gap, type_number
from .errors import CorruptDataError, EvcodecError
from .findings import Findings, Problem
from .framing import Record, RecordType
from .index import Index, unpack_index
from .inputs import Input
from .keyring import Keyring
from .remarks import Defined, Remarker
from .scan import StreamRecord, StreamScanner, StreamState
from .sealed import StreamKeys, open_block
from .wire import is_encrypted, unpack_entries

Progress = Callable[[int], object]
# A record that lies further on is not what was lost before it; each of those takes twenty bytes when a stream is repaired.
_MOST_MISSING = 2**20
Keep = Callable[[StreamScanner, StreamRecord], None]


@dataclass
class Report:
    """What was found in data, or saved of it.

    Attributes
    ----------
    ok : bool
        Whether nothing is wrong. Gaps that the recorder stated are not problems, nor are remarks.
    complete : bool
        Whether the last stream was ended: False after a crash, or while it is being written.
    state : {"whole", "open", "cut", "damaged"}
        All is well and ended; all is well, but the last stream was not ended; the data ends within a record, and
        all before is well; anything else.
    bytes, streams, records, blocks, events, entries, gaps : int
        Of what is sound.
    kinds : dict of int to int
        Events by kind.
    lost_records : int
        Records that are known to have been there: those that sequence numbers miss, and those of which the checksum
        holds but not the content.
    lost_events : int or None
        Events that were in them, as the index or the end record says; None when nothing tells.
    lost_bytes : int
        Bytes that are in no sound record.
    repeated_definitions : int
        Entries that define what an entry before them has defined: a problem that lies between records that are sound.
    problem_count : int
    problem_groups : dict of str to int
        What the problems are about, and how many are.
    problems : list of Problem
        Position and message of the first 1,000, by position.
    remark_count, remark_groups, remarks
        The same of what is odd, but that no rule of the format forbids.
    chains : list of ChainReport
        What the chain of each stream proves, when that was asked for.
    """

    name: str
    ok: bool = True
    complete: bool = False
    state: str = "whole"
    bytes: int = 0
    streams: int = 0
    records: int = 0
    blocks: int = 0
    events: int = 0
    entries: int = 0
    gaps: int = 0
    kinds: dict[int, int] = field(default_factory=dict)
    lost_records: int = 0
    lost_events: int | None = 0
    lost_bytes: int = 0
    repeated_definitions: int = 0
    problem_count: int = 0
    problem_groups: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    remark_count: int = 0
    remark_groups: dict[str, int] = field(default_factory=dict)
    remarks: list[Problem] = field(default_factory=list)
    chains: list[ChainReport] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as values that JSON carries."""
        found = asdict(self)
        found["problems"] = [problem._asdict() for problem in self.problems]
        found["remarks"] = [remark._asdict() for remark in self.remarks]
        return found


class _StreamCheck:
    """What is known of one stream so far."""

    def __init__(self, start: int, problems: Findings, remarks: Findings, keys: StreamKeys) -> None:
        self.start = start
        self.keys = keys
        self.last_sequence = -1
        self.found = Index()
        self.stated: Index | None = None
        self.encrypted: set[int] = set()
        self.hidden: set[tuple[str, np.dtype]] = set()
        self.defined = Defined()
        self.remarker = Remarker(remarks, self.defined)
        self.bad_records = 0
        self._problems = problems
        self._problems_before = problems.count

    def finish(self, state: StreamState, report: Report) -> None:
        """Add what was lost to the report."""
        self.remarker.finish(is_ended=state.end is not None)
        report.lost_records += state.missing + self.bad_records
        stated = state.end.events if state.end else self.stated.events if self.stated else None
        if stated is not None and report.lost_events is not None:
            report.lost_events += max(0, stated - self.found.events)
        elif self._problems.count > self._problems_before:
            report.lost_events = None


class _Checker:
    """Decodes everything of every record, and compares what an index says with what is there."""

    def __init__(
        self, report: Report, scanner: StreamScanner, max_block_bytes: int, keyring: Keyring, chains: Chains
    ) -> None:
        self._keyring = keyring
        self._chains = chains
        self._report = report
        self._scanner = scanner
        self._max_block_bytes = max_block_bytes
        self._problems = scanner.findings
        self.remarks = Findings()
        self._kinds: Counter[int] = Counter()
        self._number = -1
        self._stream = _StreamCheck(0, self._problems, self.remarks, keyring.stream())

    def check(self, item: StreamRecord) -> bool:
        """Check the next record; return whether it is sound."""
        record = item.record
        if item.stream != self._number:
            self._finish_stream()
            self._number = item.stream
            start = self._scanner.streams[item.stream].position
            self._stream = _StreamCheck(start, self._problems, self.remarks, self._keyring.stream())
        self._report.records += 1
        self._report.lost_bytes -= record.record_bytes
        try:
            self._check(record)
            self._chains.add(item)
        except EvcodecError as error:
            self._problems.add(record.position, str(error))
            self._stream.bad_records += 1
            self._report.lost_bytes += record.record_bytes
            return False
        return True

    def _check(self, record: Record) -> None:
        where = f"byte {record.position}"
        place = (record.position - self._stream.start, record.record_bytes, record.type)
        if record.type == RecordType.BLOCK:
            self._check_block(record, place)
        elif record.type == RecordType.ENTRIES:
            self._check_entries(record, where, place)
        elif record.type == RecordType.KEYS:
            self._stream.keys.learn(record.payload, where)
        elif record.type == RecordType.INDEX:
            self._check_index(record, where)
        elif record.type == RecordType.END:
            self._check_end(record, where)

    def _check_order(self, record: Record, where: str) -> None:
        """Raise CorruptDataError for a sealed record that comes again, or too late: it is bound to its number."""
        last, self._stream.last_sequence = self._stream.last_sequence, record.sequence
        if record.sequence <= last:
            raise CorruptDataError(
                f"{where}: encrypted record: found number {record.sequence} behind {last}, allowed: above it"
            )
        missing = self._scanner.streams[self._number].missing
        if missing > _MOST_MISSING:
            raise CorruptDataError(
                f"{where}: encrypted record: found {missing} records missing before it, allowed: {_MOST_MISSING}"
            )

    def _check_block(self, record: Record, place: tuple[int, int, int]) -> None:
        where = f"byte {record.position}: block"
        block = open_block(self._stream.keys, record, where, self._max_block_bytes)
        if any(storage for _, storage, _, _ in BlockHead(record.payload).sections):
            self._check_order(record, where)
        columns = block.decode(list(block.dtypes))
        self._report.blocks += 1
        self._report.events += block.events
        self._kinds.update(block.kinds)
        self._stream.found.add_block(place, block)
        self._stream.encrypted.update(block.encrypted_groups)
        self._stream.hidden.update(block.hidden)
        self._stream.remarker.block(record.position, block, columns)

    def _check_entries(self, record: Record, where: str, place: tuple[int, int, int]) -> None:
        payload = self._stream.keys.entries(record.payload, record.sequence, where)
        entries = unpack_entries(payload, where)
        if is_encrypted(record.payload):
            self._check_order(record, where)
        self._report.entries += len(entries)
        self._report.gaps += sum(isinstance(entry, Gap) for entry in entries)
        shown = () if is_encrypted(record.payload) else entries
        self._stream.found.add_entries(place, [type_number(entry) for entry in shown])
        if is_encrypted(payload):
            self._stream.defined.is_complete = False
        for entry in entries:
            self._stream.remarker.entry(record.position, entry, record.payload[0])
            if not self._stream.defined.define(entry):
                self._report.repeated_definitions += 1
                index: int = getattr(entry, "index", 0)
                self._problem(
                    record.position,
                    f"index {index} of {type(entry).__name__.lower()} entries: "
                    "found twice, allowed: once in a stream",
                )

    def _has_lost(self) -> bool:
        """Tell whether records of this stream are missing: then its totals differ, which is no other problem."""
        return bool(self._scanner.streams[self._number].missing or self._stream.bad_records)

    def _check_index(self, record: Record, where: str) -> None:
        stated, found = (
            unpack_index(record.payload, record.position - self._stream.start, where),
            self._stream.found,
        )
        self._stream.stated = stated
        if self._scanner.streams[self._number].is_headless:
            return
        for message in _row_problems(stated, found, self._has_lost()):
            self._problem(record.position, message)
        if self._has_lost():
            return
        if stated.kinds != found.kinds:
            self._problem(
                record.position, "events by kind in the index: found other counts than the blocks state"
            )
        if not _same_columns(stated, found, self._stream.encrypted, self._stream.hidden):
            self._problem(
                record.position,
                "columns of the index: found others, or in another order, than the blocks have",
            )

    def _check_end(self, record: Record, where: str) -> None:
        end, events = self._scanner.streams[self._number].end, self._stream.found.events
        if end is not None and end.events != events and not (self._has_lost() and end.events > events):
            self._problem(
                record.position,
                f"events of the stream: found {end.events}, allowed by the blocks: {events}",
            )

    def _problem(self, position: int, message: str) -> None:
        self._problems.add(position, f"byte {position}: {message}")

    def _finish_stream(self) -> None:
        if self._number >= 0:
            self._stream.finish(self._scanner.streams[self._number], self._report)

    def finish(self) -> None:
        """Complete the report."""
        self._finish_stream()
        for position, message in self._chains.finish():
            self._problem(position, message)
        report, problems = self._report, self._problems
        report.kinds = dict(sorted(self._kinds.items()))
        report.streams = len(self._scanner.streams)
        report.complete = bool(report.streams) and self._scanner.streams[-1].end is not None
        report.problem_count, report.problem_groups = problems.count, dict(problems.groups.most_common())
        report.problems = problems.kept()
        report.remark_count, report.remark_groups = (
            self.remarks.count,
            dict(self.remarks.groups.most_common()),
        )
        report.remarks = self.remarks.kept()
        report.chains = self._chains.reports
        report.ok = not problems.count
        if report.lost_events == 0 and problems.count and not report.streams:
            report.lost_events = None
        if report.ok:
            report.state = "whole" if report.complete else "open"
        else:
            report.state = "cut" if self._is_only_cut() else "damaged"

    def _is_only_cut(self) -> bool:
        return self._problems.count == 1 and self._scanner.is_cut and bool(self._scanner.streams)


def _row_problems(stated: Index, found: Index, has_lost: bool) -> Iterator[str]:
    """Yield what is wrong with the rows of an index; those of lost records are not."""
    if has_lost:
        there = {row.offset: row for row in found.rows}
        pairs = [(row, there.get(row.offset, row)) for row in stated.rows]
    else:
        pairs = list(zip(stated.rows, found.rows, strict=False))
    for number, (row, record) in enumerate(pairs):
        if row != record:
            yield f"row {number} of the index: found {tuple(row)}, allowed by the records: {tuple(record)}"
    if len(stated.rows) != len(found.rows) and not has_lost:
        yield f"rows of the index: found {len(stated.rows)}, allowed by the records: {len(found.rows)}"


def _same_columns(
    stated: Index, found: Index, encrypted: set[int], hidden: set[tuple[str, np.dtype]]
) -> bool:
    """Tell whether an index lists the columns of the blocks, in their order; those that cannot be read in each block
    may be there, anywhere.
    """
    for key, group in stated.columns.items():
        if key in found.columns:
            if found.columns[key] != group:
                return False
        elif group not in encrypted and key not in hidden:
            return False
    if not found.columns.keys() <= stated.columns.keys():
        return False

    def ordered(index: Index) -> list[tuple[str, np.dtype]]:
        return [key for key, group in index.columns.items() if group not in encrypted and key not in hidden]

    return ordered(stated) == ordered(found)


def check_all(
    source: Input,
    *,
    max_block_bytes: int,
    keep: Keep | None = None,
    progress: Progress | None = None,
    keyring: Keyring | None = None,
    chains: Chains | None = None,
) -> Report:
    """Check every record of a source, and hand those that are sound to ``keep``."""
    report = Report(source.name)
    scanner = StreamScanner(skip_damage=True)
    chains = Chains() if chains is None else chains
    checker = _Checker(report, scanner, max_block_bytes, keyring or Keyring(), chains)

    def deal_with(items: Iterator[StreamRecord]) -> None:
        for item in items:
            if checker.check(item) and keep is not None:
                keep(scanner, item)

    while piece := source.read_piece():
        report.bytes += len(piece)
        report.lost_bytes += len(piece)
        deal_with(scanner.feed(piece))
        if progress is not None:
            progress(len(piece))
    deal_with(scanner.finish())
    checker.finish()
    return report

"""Streams, record after record: which record may follow which, and what to do about damage. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from .errors import CorruptDataError, EvcodecError, TruncatedDataError
from .findings import Findings
from .framing import Record, RecordScanner, RecordType
from .wire import End, Header, unpack_end, unpack_header


class StreamRecord(NamedTuple):
    """A record and the stream that it belongs to, counted from 0."""

    stream: int
    record: Record


@dataclass
class StreamState:
    """One of the streams in the data."""

    position: int
    header: Header = field(default_factory=Header)
    next_sequence: int = 0
    index_position: int | None = None
    end: End | None = None
    is_headless: bool = False
    """Whether its header is missing, and maybe more: nothing is known of where it began."""
    missing: int = 0
    """Records that sequence numbers say were there."""


class StreamScanner:
    """Turns data that arrives in pieces into the records of its streams.

    Parameters
    ----------
    skip_damage : bool
        Go on behind damage and add it to the findings, instead of raising.
    findings : Findings, optional
        Those of someone else too; its own by default.

    Attributes
    ----------
    streams : list of StreamState
    findings : Findings
    is_cut : bool
        Whether the data was found to end within a record.
    """

    def __init__(self, skip_damage: bool = False, findings: Findings | None = None) -> None:
        self._scanner = RecordScanner()
        self._skip_damage = skip_damage
        self.streams: list[StreamState] = []
        self.findings = Findings() if findings is None else findings
        self.is_cut = False

    @property
    def position(self) -> int:
        """Where the next record is looked for."""
        return self._scanner.position

    def feed(self, data: bytes | memoryview) -> Iterator[StreamRecord]:
        """Take more data and yield the records that it completes.

        Raises
        ------
        CorruptDataError, UnsupportedVersionError, LimitExceededError
            Unless damage is skipped. A record of an unsupported version is damage like any other.
        """
        self._scanner.feed(data)
        return self._records()

    def finish(self) -> Iterator[StreamRecord]:
        """Say that the data has ended and yield what was held back behind damage.

        Raises
        ------
        TruncatedDataError
            The data ended inside a record, or before there was one.
        """
        self._scanner.finish()
        yield from self._records()
        if not self.streams and not self.findings.count:
            error = TruncatedDataError(
                f"byte {self.position}: stream: found no header, which a stream starts with"
            )
            self._report(error, self.position)

    def _report(self, error: EvcodecError, position: int) -> None:
        """Raise an error, or list it when damage is skipped."""
        if not self._skip_damage:
            raise error
        self.is_cut = self.is_cut or isinstance(error, TruncatedDataError)
        self.findings.add(position, str(error))

    def _records(self) -> Iterator[StreamRecord]:
        while True:
            position = self._scanner.position
            try:
                record = self._scanner.next()
            except EvcodecError as error:
                self._report(error, position)
                self._scanner.skip_damage()
                continue
            if record is None:
                return
            try:
                self._place(record)
            except EvcodecError as error:
                self._report(error, record.position)
                continue
            yield StreamRecord(len(self.streams) - 1, record)

    def _misplaced(self, record_type: int) -> str | None:
        """Return what is wrong with a record of this type, not a header, in this place."""
        if not self.streams:
            return f"stream: found record type {record_type} first, allowed: a header"
        if self.streams[-1].end is not None:
            return f"record type {record_type}: found behind the end of a stream, allowed: a header"
        if self.streams[-1].index_position is not None and record_type != RecordType.END:
            return f"record type {record_type}: found behind the index, allowed: the end"
        return None

    def _place(self, record: Record) -> None:
        """Check that the record may stand where it does."""
        if record.type == RecordType.HEADER:
            self.streams.append(StreamState(record.position))
            self.streams[-1].header = unpack_header(record.payload, f"byte {record.position}")
        elif problem := self._misplaced(record.type):
            error = CorruptDataError(f"byte {record.position}: {problem}")
            if record.type not in (RecordType.BLOCK, RecordType.ENTRIES):
                raise error
            # The header of another stream is missing: what follows is sound all the same.
            self._report(error, record.position)
            before = record.sequence
            self.streams.append(
                StreamState(record.position, Header(), before, is_headless=True, missing=before)
            )
        stream = self.streams[-1]
        if record.type == RecordType.INDEX:
            stream.index_position = record.position
        expected, stream.next_sequence = stream.next_sequence, (record.sequence + 1) & 0xFFFFFFFF
        if record.sequence != expected:
            missing = (record.sequence - expected) & 0xFFFFFFFF
            note = f"{missing} records are missing" if missing > 1 else "1 record is missing"
            if missing >= 0x80000000:
                note = "the order was changed"
            else:
                stream.missing += missing
            self._report(
                CorruptDataError(
                    f"byte {record.position}: sequence number: found "
                    f"{record.sequence}, allowed: {expected}; {note}"
                ),
                record.position,
            )
        if record.type == RecordType.END:
            stream.end = unpack_end(record.payload, f"byte {record.position}")
            size = record.end - stream.position
            distance = 0 if stream.index_position is None else record.position - stream.index_position
            if stream.end.index_distance != distance:
                raise CorruptDataError(
                    f"byte {record.position}: distance to the index: found "
                    f"{stream.end.index_distance}, allowed: {distance}"
                )
            if stream.end.stream_bytes != size and not stream.is_headless:
                raise CorruptDataError(
                    f"byte {record.position}: length of the stream: found "
                    f"{stream.end.stream_bytes}, allowed: {size}"
                )

"""Streams, record after record: which record may follow which, and what to do about damage. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from .errors import CorruptDataError, EvcodecError, TruncatedDataError
from .framing import Record, RecordScanner, RecordType
from .wire import End, Header, unpack_end, unpack_header


class Problem(NamedTuple):
    """Something that is wrong with a stream, and that reading went on behind."""

    position: int
    message: str


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


class StreamScanner:
    """Turns data that arrives in pieces into the records of its streams.

    Parameters
    ----------
    skip_damage : bool
        Go on behind damage and list it in ``problems``, instead of raising.

    Attributes
    ----------
    streams : list of StreamState
    problems : list of Problem
    """

    def __init__(self, skip_damage: bool = False) -> None:
        self._scanner = RecordScanner()
        self._skip_damage = skip_damage
        self.streams: list[StreamState] = []
        self.problems: list[Problem] = []

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
        if not self.streams and not self.problems:
            error = TruncatedDataError(
                f"byte {self.position}: stream: found no header, which a stream starts with"
            )
            self._report(error, self.position)

    def _report(self, error: EvcodecError, position: int) -> None:
        """Raise an error, or list it when damage is skipped."""
        if not self._skip_damage:
            raise error
        self.problems.append(Problem(position, str(error)))

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

    def _place(self, record: Record) -> None:
        """Check that the record may stand where it does."""
        if record.type == RecordType.HEADER:
            self.streams.append(StreamState(record.position))
            self.streams[-1].header = unpack_header(record.payload, f"byte {record.position}")
        elif not self.streams:
            self._report(
                CorruptDataError(
                    f"byte {record.position}: stream: found record type "
                    f"{record.type} first, allowed: a header"
                ),
                record.position,
            )
            self.streams.append(StreamState(record.position, next_sequence=record.sequence))
        stream = self.streams[-1]
        if stream.end is not None:
            raise CorruptDataError(
                f"byte {record.position}: record type {record.type}: found "
                "behind the end of a stream, allowed: a header"
            )
        if stream.index_position is not None and record.type != RecordType.END:
            raise CorruptDataError(
                f"byte {record.position}: record type {record.type}: found behind the index, allowed: the end"
            )
        if record.type == RecordType.INDEX:
            stream.index_position = record.position
        expected, stream.next_sequence = stream.next_sequence, (record.sequence + 1) & 0xFFFFFFFF
        if record.sequence != expected:
            missing = (record.sequence - expected) & 0xFFFFFFFF
            note = f"{missing} records are missing" if missing > 1 else "1 record is missing"
            if missing >= 0x80000000:
                note = "the order was changed"
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
            if stream.end.stream_bytes != size:
                raise CorruptDataError(
                    f"byte {record.position}: length of the stream: found "
                    f"{stream.end.stream_bytes}, allowed: {size}"
                )

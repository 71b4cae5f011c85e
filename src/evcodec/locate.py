"""Where the records of a seekable input stand: from its indexes, or by walking what has none."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from .block import Block
from .entries import type_number
from .errors import CorruptDataError, EvcodecError, TruncatedDataError
from .framing import HEAD_BYTES, TAIL_BYTES, Record, RecordType, check_record, parse_head
from .index import Index, unpack_index
from .inputs import BytesInput, FileInput
from .scan import Problem, StreamScanner
from .wire import END_PAYLOAD_BYTES, End, Header, unpack_end, unpack_entries, unpack_header

END_RECORD_BYTES = HEAD_BYTES + END_PAYLOAD_BYTES + TAIL_BYTES

SeekableInput = BytesInput | FileInput


class RecordPlace(NamedTuple):
    """A BLOCK or ENTRIES record: where it stands in the data, and what an index says of it."""

    stream: int
    position: int
    size: int
    type: int
    events: int
    t_min: int
    t_max: int
    kinds: int


def read_whole(source: SeekableInput, position: int) -> Record:
    """Return the record at a position, checked; raise an EvcodecError if there is none."""
    left = source.size() - position
    head = parse_head(source.read_at(position, min(HEAD_BYTES, max(left, 0))), 0, position)
    if head is None:
        raise TruncatedDataError(f"byte {position}: record: found {left} bytes, needed {HEAD_BYTES}")
    data = source.read_at(position, head.record_bytes)
    return Record(head.type, head.sequence, position, check_record(data, position))


def read_record(source: SeekableInput, place: RecordPlace) -> Record:
    """Return the record at a place; raise CorruptDataError if it is not what the index says."""
    data = source.read_at(place.position, place.size)
    head = parse_head(data, 0, place.position)
    if head is None or head.record_bytes != place.size or head.type != place.type:
        raise CorruptDataError(
            f"byte {place.position}: record: found another type or size than the index states"
        )
    return Record(head.type, head.sequence, place.position, check_record(data, place.position))


class _Stream(NamedTuple):
    position: int
    header: Header
    contents: Index


class Locator:
    """Finds the records of all streams of an input.

    The last record tells whether the data ends with a whole stream, and where that began; so back to the
    first. Data that does not end so is walked from its first byte, which reads all of it once.
    """

    def __init__(self, source: SeekableInput, skip_damage: bool) -> None:
        self._source = source
        self._skip_damage = skip_damage
        self._damage: EvcodecError | None = None
        self._problems: list[Problem] = []
        self._streams: list[_Stream] = []
        self._sound_bytes = source.size()
        try:
            self._streams = self._from_indexes()
        except EvcodecError:
            # Whatever is wrong with an accelerator: the records themselves decide.
            self._walk()
        self._places = [
            RecordPlace(number, stream.position + row.offset, *row[1:])
            for number, stream in enumerate(self._streams)
            for row in stream.contents.rows
        ]

    @property
    def headers(self) -> list[Header]:
        """Header of each stream; an empty one for data whose header is damaged."""
        return [stream.header for stream in self._streams] or [Header()]

    @property
    def damage(self) -> EvcodecError | None:
        """The error that ended the walk, if one did."""
        return self._damage

    @property
    def sound_bytes(self) -> int:
        """Bytes of the data from its start that hold whole, sound records."""
        return self._sound_bytes

    def raise_damage(self) -> None:
        """Raise the error that ended the walk, if one did."""
        if self._damage is not None:
            raise self._damage

    def problems(self) -> list[Problem]:
        """Return the damage that was skipped."""
        return self._problems

    def places(self) -> list[RecordPlace]:
        """Return the places of all blocks and entries that come before damage, or between it when it is
        skipped.
        """
        return self._places

    def kinds(self) -> Counter[int]:
        """Return the number of events by kind."""
        self.raise_damage()
        return sum((stream.contents.kinds for stream in self._streams), Counter())

    def columns(self) -> dict[tuple[str, np.dtype], None]:
        """Return name and dtype of all columns."""
        return dict.fromkeys(key for stream in self._streams for key in stream.contents.columns)

    # ---- by index ----

    def _from_indexes(self) -> list[_Stream]:
        """Return all streams, read from the end of the data backwards; raise an EvcodecError if that is not
        possible.
        """
        streams: list[_Stream] = []
        stop = self._source.size()
        while stop > 0 or not streams:
            end = self._read_end(stop)
            position = stop - end.stream_bytes
            record = read_whole(self._source, position)
            if record.type != RecordType.HEADER or record.sequence != 0:
                raise CorruptDataError(
                    f"byte {position}: start of a stream: found record type {record.type}, allowed: a header"
                )
            header = unpack_header(record.payload, f"byte {position}")
            streams.append(_Stream(position, header, self._read_index(record, stop, end)))
            stop = position
        return streams[::-1]

    def _read_end(self, stop: int) -> End:
        position = stop - END_RECORD_BYTES
        if position < 0:
            raise TruncatedDataError(f"byte {stop}: stream: found no end record before it")
        record = read_whole(self._source, position)
        if record.type != RecordType.END:
            raise CorruptDataError(
                f"byte {position}: record type: found {record.type}, allowed: an end record"
            )
        end = unpack_end(record.payload, f"byte {position}")
        if not END_RECORD_BYTES < end.stream_bytes <= stop:
            raise CorruptDataError(
                f"byte {position}: length of the stream: found {end.stream_bytes}, allowed: up to {stop}"
            )
        return end

    def _read_index(self, header: Record, stop: int, end: End) -> Index:
        position = header.position
        end_position = stop - END_RECORD_BYTES
        if not end.index_distance:
            return self._short_index(position, stop)
        if end.index_distance > end_position - position:
            raise CorruptDataError(
                f"byte {end_position}: distance to the index: found {end.index_distance}, "
                f"allowed: up to {end_position - position}"
            )
        record = read_whole(self._source, end_position - end.index_distance)
        if record.type != RecordType.INDEX or record.end != end_position:
            raise CorruptDataError(
                f"byte {record.position}: record type: found {record.type}, allowed: an index before the end"
            )
        index = unpack_index(record.payload, record.position - position, f"byte {record.position}")
        before = header.record_bytes
        without_others = record.sequence == len(index.rows) + 1
        for row in index.rows:
            if (
                row.offset < before
                or row.size < HEAD_BYTES + TAIL_BYTES
                or row.offset > record.position - position - row.size
                or (without_others and row.offset != before)
            ):
                raise CorruptDataError(
                    f"byte {record.position}: row of the index: found offset {row.offset} "
                    f"and size {row.size}, allowed: behind the row before it"
                )
            before = row.offset + row.size
        if without_others and before != record.position - position:
            raise CorruptDataError(
                f"byte {record.position}: rows of the index: found them to end at "
                f"{before}, allowed: {record.position - position}"
            )
        if index.events != end.events:
            raise CorruptDataError(
                f"byte {record.position}: events of the index: found {index.events}, "
                f"allowed by the end record: {end.events}"
            )
        return index

    def _short_index(self, position: int, stop: int) -> Index:
        """Return the index of a stream that has none, by walking it."""
        scanner = StreamScanner()
        walk = _Walk()
        at = position
        while at < stop:
            size = min(2**20, stop - at)
            for stream, record in scanner.feed(self._source.read_at(at, size)):
                walk.add(stream, record._replace(position=record.position + position))
            at += size
        for stream, record in scanner.finish():
            walk.add(stream, record._replace(position=record.position + position))
        if len(walk.indexes) != 1:
            raise CorruptDataError(f"byte {position}: stream: found {len(walk.indexes)} headers, allowed: 1")
        return walk.indexes[0]

    # ---- by walking ----

    def _walk(self) -> None:
        scanner = StreamScanner(self._skip_damage)
        walk = _Walk()
        self._source.rewind()
        try:
            while piece := self._source.read_piece():
                for stream, record in scanner.feed(piece):
                    self._walk_record(walk, stream, record)
            for stream, record in scanner.finish():
                self._walk_record(walk, stream, record)
        except EvcodecError as error:
            if not scanner.streams:
                raise
            self._damage = error
            self._sound_bytes = scanner.position
        last = scanner.streams[-1] if scanner.streams else None
        if last is not None and last.index_position is not None and last.end is None:
            self._sound_bytes = last.index_position  # an index without an end is not part of a stream
        self._problems += scanner.problems
        self._problems.sort()
        self._streams = [
            _Stream(state.position, state.header, index)
            for state, index in zip(scanner.streams, walk.upto(len(scanner.streams)), strict=True)
        ]

    def _walk_record(self, walk: _Walk, stream: int, record: Record) -> None:
        try:
            walk.add(stream, record)
        except EvcodecError as error:
            if not self._skip_damage:
                raise
            self._problems.append(Problem(record.position, str(error)))


class _Walk:
    """Builds the indexes that streams without one would have had."""

    def __init__(self) -> None:
        self.indexes: list[Index] = []
        self._starts: list[int] = []

    def upto(self, streams: int) -> list[Index]:
        """Return the indexes of this many streams."""
        return self.indexes + [Index() for _ in range(streams - len(self.indexes))]

    def add(self, stream: int, record: Record) -> None:
        """Add a record of the stream with this number."""
        if stream == len(self.indexes):
            self.indexes.append(Index())
            self._starts.append(record.position)
        index = self.indexes[stream]
        place = (record.position - self._starts[stream], record.record_bytes, record.type)
        where = f"byte {record.position}"
        if record.type == RecordType.BLOCK:
            block = Block(record.payload, f"{where}: block")
            index.add_block(place, block)
        elif record.type == RecordType.ENTRIES:
            index.add_entries(place, [type_number(entry) for entry in unpack_entries(record.payload, where)])

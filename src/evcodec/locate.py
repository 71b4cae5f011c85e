"""Where the records of a seekable input stand: from its indexes, or by walking what has none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .block import Block
from .errors import CorruptDataError, EvcodecError, TruncatedDataError
from .findings import Findings
from .framing import FIRST_ANCILLARY, HEAD_BYTES, TAIL_BYTES, Record, RecordType, parse_head
from .index import Index, misplaced_row, unpack_index
from .inputs import SeekableInput
from .keyring import Keyring
from .limits import DEFAULT_BLOCK_BYTES
from .places import RecordPlace, Records, read_head, read_record
from .scan import StreamRecord, StreamScanner
from .sealed import StreamKeys, open_block
from .walk import Walk, add_record
from .wire import END_PAYLOAD_BYTES, End, Header, unpack_end, unpack_header

END_RECORD_BYTES = HEAD_BYTES + END_PAYLOAD_BYTES + TAIL_BYTES
_ONLY_AT_AN_END = (RecordType.HEADER, RecordType.INDEX, RecordType.END)
# A stream without an index that is no longer is read at once, and the blocks of the first one are kept.
_SMALL_STREAM_BYTES = 2**16


class _Stream(NamedTuple):
    position: int
    header: Header
    contents: Index
    keys: StreamKeys


def _place(number: int, stream: _Stream, row_number: int) -> RecordPlace:
    row = stream.contents.row(row_number)
    numbers = stream.contents.sequences
    sequence = row_number + 1 if stream.contents.is_numbered else numbers[row_number] if numbers else None
    return RecordPlace(number, stream.position + row.offset, *row[1:], sequence)


class Locator:
    """Finds the records of all streams of an input.

    The last record tells whether the data ends with a whole stream, and where that began; so back to the
    first. Data that does not end so is walked from its first byte, which reads all of it once.
    """

    def __init__(
        self,
        source: SeekableInput,
        skip_damage: bool,
        max_block_bytes: int = DEFAULT_BLOCK_BYTES,
        findings: Findings | None = None,
        keyring: Keyring | None = None,
    ) -> None:
        self._source = source
        self._keyring = Keyring() if keyring is None else keyring
        self._skip_damage = skip_damage
        self._max_block_bytes = max_block_bytes
        self._findings = Findings() if findings is None else findings
        self._damage: EvcodecError | None = None
        self._streams: list[_Stream] = []
        self._blocks: dict[int, Block] = {}
        records = Records(source)
        self._sound_bytes = records.size
        self.was_walked = False
        """Whether all of the data was read to find its records."""
        try:
            self._streams = self._from_indexes(records)
        except EvcodecError:
            # Whatever is wrong with an accelerator: the records themselves decide.
            self.was_walked = True
            self._walk()
        self._places: list[RecordPlace] | None = None

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

    def places(self) -> list[RecordPlace]:
        """Return the places of all blocks and entries that come before damage, or between it when it is
        skipped.
        """
        if self._places is None:
            self._places = [
                _place(number, stream, i)
                for number, stream in enumerate(self._streams)
                for i in range(len(stream.contents))
            ]
        return self._places

    def matching(self, kinds: int | None, start: int | None, stop: int | None) -> list[RecordPlace]:
        """Return the places of the blocks that may hold one of these kinds (as bits) in this range of time."""
        return [
            _place(number, stream, i)
            for number, stream in enumerate(self._streams)
            for i in stream.contents.matching(kinds, start, stop)
        ]

    def kinds(self) -> Counter[int]:
        """Return the number of events by kind."""
        self.raise_damage()
        return sum((stream.contents.kinds for stream in self._streams), Counter())

    def grouped_columns(self) -> dict[tuple[str, np.dtype], int]:
        """Return the group of each name and dtype of all columns, those that no key opens too."""
        found: dict[tuple[str, np.dtype], int] = {}
        for stream in self._streams:
            found.update(stream.contents.columns)
        return found

    def columns(self) -> dict[tuple[str, np.dtype], None]:
        """Return name and dtype of all columns, but for those that are to be left out for want of a key."""
        found: dict[tuple[str, np.dtype], None] = {}
        for stream in self._streams:
            lacking = stream.keys.lacking(f"byte {stream.position}") if stream.keys.skip else ()
            found.update(
                (key, None) for key, group in stream.contents.columns.items() if group not in lacking
            )
        return found

    def names_sealed(self) -> bool:
        """Tell whether the columns of encrypted sections are known, whatever the keys open."""
        return all(stream.contents.is_stated for stream in self._streams if stream.keys.recipients)

    def keys_of(self, stream: int) -> StreamKeys:
        """Return what opens the stream with this number."""
        return self._streams[stream].keys if self._streams else self._keyring.stream()

    def extent(self, stream: int) -> tuple[int, int]:
        """Return where the stream with this number starts, and where it stops as far as it is sound."""
        behind = self._streams[stream + 1 :]
        return self._streams[stream].position, behind[0].position if behind else self._sound_bytes

    def has_chain(self, stream: int) -> bool:
        """Tell whether the stream with this number has a chain."""
        return self._streams[stream].contents.has_chain

    def block(self, place: RecordPlace, source: SeekableInput | None = None) -> Block:
        """Return the block at a place; raise an EvcodecError if it is none, or not what the index says."""
        known = self._blocks.get(place.position)
        if known is not None:
            return known
        record = read_record(self._source if source is None else source, place)
        where = f"byte {place.position}: block"
        block = open_block(self._streams[place.stream].keys, record, where, self._max_block_bytes)
        if (block.events, block.t_min, block.t_max) != (place.events, place.t_min, place.t_max):
            raise CorruptDataError(
                f"byte {place.position}: block: found {block.events} events, "
                f"allowed by the index: {place.events}, at the same times"
            )
        return block

    def release(self) -> None:
        """Let go of what was kept of the source."""
        self._blocks.clear()

    # ---- by index ----

    def _from_indexes(self, records: Records) -> list[_Stream]:
        """Return all streams, read from the end of the data backwards; raise an EvcodecError if that is not
        possible.
        """
        streams: list[_Stream] = []
        stop = records.size
        while stop > 0 or not streams:
            last = self._read_end(records, stop)
            end = unpack_end(last.payload, f"byte {last.position}")
            if not END_RECORD_BYTES < end.stream_bytes <= stop:
                raise CorruptDataError(
                    f"byte {last.position}: length of the stream: found {end.stream_bytes}, allowed: up to {stop}"
                )
            if not end.index_distance and end.stream_bytes <= _SMALL_STREAM_BYTES:
                records.hold(stop - end.stream_bytes, end.stream_bytes)
            first = records.at(stop - end.stream_bytes, last.position, RecordType.HEADER)
            if first.sequence != 0:
                raise CorruptDataError(
                    f"byte {first.position}: sequence number of a header: found {first.sequence}, allowed: 0"
                )
            header = unpack_header(first.payload, f"byte {first.position}")
            keys = self._keyring.stream()
            contents = (
                self._read_index(records, first, last, end, keys)
                if end.index_distance
                else self._short_index(records, first, last, keys)
            )
            streams.append(_Stream(first.position, header, contents, keys))
            stop = first.position
        return streams[::-1]

    def _read_end(self, records: Records, stop: int) -> Record:
        position = stop - END_RECORD_BYTES
        if position < 0:
            raise TruncatedDataError(f"byte {stop}: stream: found no end record before it")
        records.hold(position, END_RECORD_BYTES)
        return records.at(position, stop, RecordType.END)

    def _read_index(self, records: Records, first: Record, last: Record, end: End, keys: StreamKeys) -> Index:
        position = first.position
        if end.index_distance > last.position - position:
            raise CorruptDataError(
                f"byte {last.position}: distance to the index: found {end.index_distance}, "
                f"allowed: up to {last.position - position}"
            )
        record = records.at(last.position - end.index_distance, last.position, RecordType.INDEX)
        if record.end != last.position:
            raise CorruptDataError(
                f"byte {record.position}: index: found to end at byte {record.end}, allowed: {last.position}"
            )
        index = unpack_index(record.payload, record.position - position, f"byte {record.position}")
        without_others = record.sequence == len(index) + 1
        wrong = misplaced_row(index, first.record_bytes, record.position - position, without_others)
        if wrong is not None:
            raise CorruptDataError(
                f"byte {record.position}: row of the index: found offset {index.row(wrong).offset} "
                f"and size {index.row(wrong).size}, allowed: behind the row before it"
            )
        before = index.row(len(index) - 1).offset + index.row(len(index) - 1).size
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
        index.is_numbered = without_others
        index.is_stated = True
        if not without_others:
            self._check_others(records, first, index, record, keys)
        if self._skip_damage and not self._source.is_far:
            self._check_heads(_Stream(position, Header(), index, keys))
        return index

    def _check_others(
        self, records: Records, first: Record, index: Index, record: Record, keys: StreamKeys
    ) -> None:
        """Raise an EvcodecError unless ancillary records, and nothing else, fill what is between those of the rows: an
        index that leaves blocks out is not to be believed. Number the rows on the way, and look for data keys.
        """
        start, at, sequence = first.position, first.record_bytes, 1
        for offset, size in [*((row.offset, row.size) for row in index.rows), (record.position - start, 0)]:
            while at < offset:
                head = parse_head(self._source.read_at(start + at, HEAD_BYTES), 0, start + at)
                if head is None or head.type < FIRST_ANCILLARY or head.sequence != sequence:
                    break
                if head.type == RecordType.KEYS and keys.set is None:
                    keys.learn(records.at(start + at, record.position).payload, f"byte {start + at}")
                index.has_chain |= head.type == RecordType.CHAIN
                at, sequence = at + head.record_bytes, sequence + 1
            if at != offset:
                raise CorruptDataError(
                    f"byte {start + at}: record: found one that the index leaves out, allowed: ancillary ones"
                )
            index.sequences.append(sequence)
            at, sequence = at + size, sequence + 1
        index.sequences.pop()  # that of the index itself
        if record.sequence != sequence - 1:
            raise CorruptDataError(
                f"byte {record.position}: sequence number: found {record.sequence}, allowed: {sequence - 1}"
            )

    def _check_heads(self, stream: _Stream) -> None:
        """Raise an EvcodecError if a record does not begin where the index says: when bytes were put in and others
        taken out, only a walk finds what has moved.
        """
        for i in range(len(stream.contents)):
            place = _place(0, stream, i)
            read_head(self._source.read_at(place.position, HEAD_BYTES), place)

    def _short_index(self, records: Records, first: Record, last: Record, keys: StreamKeys) -> Index:
        """Return the index of a stream that has none, by reading it."""
        index = Index()
        position, sequence = first.end, 1
        while position < last.position:
            record = records.at(position, last.position)
            if record.sequence != sequence or record.type in _ONLY_AT_AN_END:
                raise CorruptDataError(
                    f"byte {position}: record type {record.type}: found with sequence number {record.sequence} "
                    f"inside of a stream, allowed: {sequence}"
                )
            block = add_record(index, keys, first.position, record, self._max_block_bytes)
            if block is not None and first.position == 0 and last.end <= _SMALL_STREAM_BYTES:
                self._blocks[position] = block
            position, sequence = record.end, sequence + 1
        if position != last.position or last.sequence != sequence:
            raise CorruptDataError(
                f"byte {last.position}: end record: found sequence number {last.sequence}, allowed: {sequence}"
            )
        return self._short_index(records, first, last, keys) if index.has_early and keys.set else index

    # ---- by walking ----

    def _walk(self, known: Sequence[StreamKeys] = ()) -> None:
        findings = Findings() if known else self._findings  # the second time all of it is known
        scanner = StreamScanner(self._skip_damage, findings)
        walk = Walk(self._keyring, list(known))
        self._source.rewind()
        try:
            while piece := self._source.read_piece():
                for item in scanner.feed(piece):
                    self._walk_record(walk, scanner, item, findings)
            for item in scanner.finish():
                self._walk_record(walk, scanner, item, findings)
        except EvcodecError as error:
            if not scanner.streams:
                raise
            self._damage = error
            self._sound_bytes = scanner.position
        if not known and walk.must_go_again():
            self._walk(walk.keys)
            return
        last = scanner.streams[-1] if scanner.streams else None
        if last is not None and last.index_position is not None and last.end is None:
            self._sound_bytes = last.index_position  # an index without an end is not part of a stream
        self._streams = [
            _Stream(state.position, state.header, index, keys)
            for state, (index, keys) in zip(scanner.streams, walk.upto(len(scanner.streams)), strict=True)
        ]

    def _walk_record(
        self, walk: Walk, scanner: StreamScanner, item: StreamRecord, findings: Findings
    ) -> None:
        try:
            walk.add(item.stream, scanner.streams[item.stream].position, item.record)
        except EvcodecError as error:
            if not self._skip_damage:
                raise
            findings.add(item.record.position, str(error))

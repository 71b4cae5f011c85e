"""StreamEmitter: whole streams, record by record, into anything that takes bytes. No threads, no files."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from .block import Block, Columns
from .compression import Effort
from .encoding import encode_block
from .entries import Entry, type_number
from .framing import RecordType, pack_record
from .index import Index, pack_index
from .levels import Level
from .limits import MAX_BLOCK_BYTES, MAX_INDEX_COLUMNS, MAX_INDEX_ROWS, MAX_RECORD_ELEMENTS
from .parallel import Crew, Job
from .protection import Protection, StreamProtection
from .schema import ColumnGroup
from .wire import (
    End,
    Header,
    entry_group,
    is_encrypted,
    pack_end,
    pack_entries,
    pack_entry,
    pack_header,
    unpack_entries,
)

# Walking so few records is as fast as reading an index, and a short stream stays short.
_MIN_INDEXED_RECORDS = 4
# A longer one is not read as a whole by whoever only opens it, so however few its records are it has an index.
_MIN_INDEXED_BYTES = 2**16
# More entries than this make another record. An element takes a byte at least, so no record has more than a reader
# takes; an entry that is larger by itself was checked when it was added.
_ENTRIES_RECORD_BYTES = MAX_RECORD_ELEMENTS
# Entries are few and small; a high level would only cost time while a recorder waits.
_ENTRIES_EFFORTS = (Effort(3),)


@dataclass
class _PendingEntries:
    """Entries of one group that will share a record."""

    packed: list[bytes] = field(default_factory=list)
    types: list[int] = field(default_factory=list)
    size: int = 0


class StreamEmitter:
    """Writes HEADER, then blocks and entries, then INDEX and END.

    Parameters
    ----------
    write : callable
        Takes the bytes of whole records; called once for each. What it raises is passed on.
    level : Level
    header : Header
        Written at once.
    crew : Crew, optional
        Encodes blocks; its threads get ahead of what is written, so ``settle`` comes before a flush. A crew
        belongs to one emitter at a time.
    protection : Protection, optional
        What is sealed to whom, and whether there is a chain.

    Attributes
    ----------
    protection : StreamProtection
    """

    def __init__(
        self,
        write: Callable[[bytes], object],
        level: Level,
        header: Header,
        crew: Crew | None = None,
        protection: Protection | None = None,
    ) -> None:
        self._write = write
        self._crew = crew or Crew()
        # What to do, in order, when the job beside it is done.
        self._waiting: deque[tuple[Job[bytes] | None, Callable[..., None]]] = deque()
        self._level = level
        self._sequence = 0
        self._bytes = 0
        self._index = Index()
        self._indexable = True
        self.protection = StreamProtection(protection)
        self._emit(RecordType.HEADER, pack_header(header))
        self._emit_all(self.protection.keys())

    @property
    def events(self) -> int:
        """Events written so far; ``settle`` comes first."""
        return sum(self._index.kinds.values())

    def _emit(self, record_type: int, payload: bytes) -> tuple[int, int]:
        """Write a record; return where it stands and its size."""
        record = pack_record(record_type, self._sequence, payload)
        self._write(record)
        self.protection.written(record_type, self._sequence, payload)
        offset = self._bytes
        self._sequence += 1
        self._bytes += len(record)
        return offset, len(record)

    def _emit_all(self, records: Iterable[tuple[int, bytes]]) -> None:
        for record_type, payload in records:
            self._emit(record_type, payload)

    def as_number(self, number: int, then: Callable[[], None]) -> None:
        """Write what ``then`` does as the record with this number, which what is sealed is bound to; records that say
        nothing stand for those that are not there any more.
        """
        self.settle()
        while self._sequence < number:
            self._emit(RecordType.VOID, b"")
        then()

    def ancillary(self, record_type: int, payload: bytes) -> None:
        """Write a record that is in no index. Behind data keys stand columns that are not known here, and an index has to
        list them, so there is none.
        """
        self.settle()
        self._indexable = self._indexable and record_type != RecordType.KEYS
        self._emit(record_type, payload)

    def block(self, columns: Columns) -> None:
        """Encode and write columns of one length as one block, or as several where one would be more than a
        reader takes.
        """
        events = len(next(iter(columns.values()), ()))
        size = sum(values.nbytes for values in columns.values())
        pieces = min(-(-size // MAX_BLOCK_BYTES), events) or 1
        for piece in range(pieces):
            start, stop = events * piece // pieces, events * (piece + 1) // pieces
            part = {name: values[start:stop] for name, values in columns.items()}
            self._put(self._write_block, self._crew.start(encode_block, part, self._level))

    def encoded_block(self, payload: bytes) -> None:
        """Write a block that has been encoded."""
        self._put(partial(self._write_block, payload))

    def _put(self, action: Callable[..., None], job: Job[bytes] | None = None) -> None:
        """Have something written behind what was put before, with what the job gives."""
        self._waiting.append((job, action))
        while self._waiting and (self._crew.is_full or self._is_ready(self._waiting[0][0])):
            self._write_first()

    @staticmethod
    def _is_ready(job: Job[bytes] | None) -> bool:
        return job is None or job.is_done()

    def _write_first(self) -> None:
        job, action = self._waiting.popleft()
        if job is None:
            action()
        else:
            action(job.take())

    def settle(self) -> None:
        """Return when all that was put has been written."""
        while self._waiting:
            self._write_first()

    def _write_block(self, payload: bytes) -> None:
        block = Block(payload, "block to be written")
        sealed = self.protection.block(payload, self._sequence)
        self._index.add_block((*self._emit(RecordType.BLOCK, sealed), RecordType.BLOCK), block)
        self._emit_all(self.protection.chain_if_due())
        self._bound_index()

    def _bound_index(self) -> None:
        """Give the index up when it would grow beyond what one may hold."""
        if len(self._index.rows) > MAX_INDEX_ROWS or len(self._index.columns) > MAX_INDEX_COLUMNS:
            self._indexable = False
            self._index.rows.clear()

    def entries(self, entries: Iterable[Entry]) -> None:
        """Write entries, each group in records of its own."""
        records: dict[ColumnGroup, _PendingEntries] = {}
        for entry in entries:
            pending = records.setdefault(entry_group(entry), _PendingEntries())
            packed = pack_entry(entry)
            if pending.packed and pending.size + len(packed) > _ENTRIES_RECORD_BYTES:
                self._entries_record(entry_group(entry), pending)
                pending = records[entry_group(entry)] = _PendingEntries()
            pending.packed.append(packed)
            pending.types.append(type_number(entry))
            pending.size += len(packed)
        for group, pending in records.items():
            self._entries_record(group, pending)

    def encoded_entries(self, payload: bytes, where: str) -> None:
        """Write the payload of an ENTRIES record as it stands: a later version may have said more than this one
        understands. ``where`` it was read, for messages.
        """
        types = [type_number(entry) for entry in unpack_entries(memoryview(payload), where)]
        self._entries_payload(payload, types)

    def then(self, call: Callable[[], None]) -> None:
        """Call back when all that was put before has been written."""
        self._put(call)

    def _entries_record(self, group: ColumnGroup, pending: _PendingEntries) -> None:
        self._entries_payload(pack_entries(group, pending.packed, _ENTRIES_EFFORTS), pending.types)

    def _entries_payload(self, payload: bytes, types: list[int]) -> None:
        self._put(partial(self._write_entries, payload, types))

    def _write_entries(self, payload: bytes, types: list[int]) -> None:
        sealed = self.protection.entries(payload, self._sequence)
        shown = () if is_encrypted(memoryview(sealed)) else types
        self._index.add_entries((*self._emit(RecordType.ENTRIES, sealed), RecordType.ENTRIES), shown)
        self._emit_all(self.protection.chain_if_due())
        self._bound_index()

    def end(self) -> None:
        """Write INDEX, where it is worth it, and END."""
        self.settle()
        distance = 0
        is_long = self._sequence > _MIN_INDEXED_RECORDS or self._bytes > _MIN_INDEXED_BYTES
        is_indexed = self._indexable and bool(self._index.rows) and is_long
        # Without its data keys a stream is lost: one that is long has them twice.
        self._emit_all(self.protection.keys() if is_indexed else ())
        self._emit_all(self.protection.end())
        if is_indexed:
            offset, _ = self._emit(RecordType.INDEX, pack_index(self._index, self._level))
            distance = self._bytes - offset
        size = len(pack_record(RecordType.END, 0, pack_end(End(0, 0, 0))))
        self._emit(RecordType.END, pack_end(End(distance, self._bytes + size, self.events)))

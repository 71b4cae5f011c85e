"""What a Reader reads from: a seekable input by its index, or a pipe as it comes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import chain
from typing import ParamSpec, TypeVar

import numpy as np

from .batch import EventBatch
from .block import Block
from .entries import Entry
from .errors import EvcodecError, InvalidArgumentError, MissingKeyError, ReadLimitError
from .findings import Findings, Problem
from .framing import Record, RecordType
from .governance import Use
from .index import kind_bits
from .inputs import PipeInput, SeekableInput
from .keyring import Keyring
from .locate import Locator
from .parallel import Crew
from .places import RecordPlace, read_record
from .scan import StreamRecord, StreamScanner
from .sealed import StreamKeys, encrypted_to, open_block
from .select import Filter
from .wire import Header, entries_bytes, is_encrypted, may_be_sealed, unpack_entries

# What an index states is not trusted for memory: beyond this, arrays grow as blocks are read.
_MOST_EVENTS_A_BYTE = 64

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
ColumnKeys = dict[tuple[str, np.dtype], None]
SealedStreams = tuple[tuple[tuple[int, tuple[str, ...]], ...], ...]


def check_entries_size(found: int, allowed: int) -> None:
    """Raise ReadLimitError if entries may take more than is allowed."""
    if found > allowed:
        raise ReadLimitError(
            f"entries: found what may take {found} bytes, allowed: {allowed}; "
            "entries() gives those of a file record by record, or pass a larger max_read_bytes"
        )


class Summary:
    """Totals over blocks."""

    def __init__(self) -> None:
        self.events = 0
        self.t_min: int | None = None
        self.t_max: int | None = None
        self.kinds: Counter[int] = Counter()
        self.columns: ColumnKeys = {}

    def add(self, block: Block | RecordPlace) -> None:
        """Add the events and the times of a block."""
        if not block.events:
            return
        self.events += block.events
        self.t_min = block.t_min if self.t_min is None else min(self.t_min, block.t_min)
        self.t_max = block.t_max if self.t_max is None else max(self.t_max, block.t_max)


class _Guard:
    """Raises, or lists what was skipped."""

    def __init__(self, skip_damage: bool) -> None:
        self._skip_damage = skip_damage
        self.findings = Findings()

    def guarded(
        self,
        position: int,
        action: Callable[_Arguments, _Result],
        *args: _Arguments.args,
        **kwargs: _Arguments.kwargs,
    ) -> _Result | None:
        """Run an action on a record; list its error and return None when damage is skipped."""
        try:
            return action(*args, **kwargs)
        except (InvalidArgumentError, ReadLimitError):
            raise
        except EvcodecError as error:
            if not self._skip_damage:
                raise
            self.findings.add_once(position, str(error))
            return None

    def problems(self) -> list[Problem]:
        """Return the damage that was skipped, the first of it, by position."""
        return self.findings.kept()


class FileContents(_Guard):
    """Streams in a seekable input."""

    def __init__(
        self, source: SeekableInput, skip_damage: bool, max_block_bytes: int, keyring: Keyring, use: Use
    ) -> None:
        super().__init__(skip_damage)
        self.name = source.name
        self._source = source
        self._locator = Locator(source, skip_damage, max_block_bytes, self.findings, keyring)
        self.headers = self._locator.headers
        for number, header in enumerate(self.headers):
            use.check(header.governance, f"stream {number}")
        self._last_matching: tuple[Filter, list[RecordPlace]] | None = None
        self.was_walked = self._locator.was_walked

    def keys(self) -> list[StreamKeys]:
        """Return what opens each stream."""
        return [self._locator.keys_of(number) for number in range(len(self.headers))]

    def summary(self) -> Summary:
        """Return the totals."""
        found = Summary()
        for place in self._locator.places():
            if place.type == RecordType.BLOCK:
                found.add(place)
        found.kinds = self._locator.kinds()
        found.columns = self._locator.columns()
        return found

    def columns(self) -> ColumnKeys:
        """Return name and dtype of all columns."""
        return self._locator.columns()

    def grouped_columns(self) -> dict[tuple[str, np.dtype], int]:
        """Return the group of each name and dtype of all columns, those that no key opens too."""
        return self._locator.grouped_columns()

    def sealed(self) -> tuple[SealedStreams, tuple[tuple[str, int], ...], bool] | None:
        """Return who can read which encrypted group, by stream, and the columns of these groups, and whether they are all of
        them; None if nothing is encrypted.
        """
        streams = tuple(
            dict.fromkeys(tuple(encrypted_to((keys,)).items()) for keys in self.keys() if keys.recipients)
        )
        if not streams:
            return None
        groups = {group for stream in streams for group, _ in stream}
        columns = {name: group for (name, _), group in self.grouped_columns().items() if group in groups}
        return streams, tuple(columns.items()), self._locator.names_sealed()

    def places(self) -> list[RecordPlace]:
        """Return the places of all blocks and entries."""
        return self._locator.places()

    def _matching(self, chosen: Filter) -> list[RecordPlace]:
        last = self._last_matching
        if last is not None and last[0] is chosen:
            return last[1]
        if chosen.blocks is None:
            bits = None if chosen.kinds is None else kind_bits(chosen.kinds)
            blocks = self._locator.matching(bits, chosen.start, chosen.stop)
        else:
            blocks = [place for place in self._locator.places() if place.type == RecordType.BLOCK]
            if chosen.blocks.stop > len(blocks):
                raise InvalidArgumentError(
                    f"{self.name}: blocks: found {chosen.blocks}, allowed: up to {len(blocks)}, which it has"
                )
            blocks = blocks[chosen.blocks.start : chosen.blocks.stop]
            blocks = [place for place in blocks if chosen.may_match(place.kinds, place.t_min, place.t_max)]
        self._last_matching = chosen, blocks  # it is asked for before the blocks are
        return blocks

    def _end(self, chosen: Filter) -> None:
        """Raise for damage that ended the walk, unless what was asked for ends before it."""
        if chosen.blocks is None or chosen.blocks.stop >= sum(
            place.type == RecordType.BLOCK for place in self._locator.places()
        ):
            self._locator.raise_damage()

    def sure_events(self, chosen: Filter) -> int:
        """Return the events of the blocks that match as a whole, by what the index says: it is compared with each block
        that is read, so unless damage is skipped this is what comes, or an error.
        """
        if self._skip_damage or chosen.kinds is not None:
            return 0
        return sum(place.events for place in self._matching(chosen) if chosen.spans(place.t_min, place.t_max))

    def expected_events(self, chosen: Filter) -> int:
        """Return the events of the blocks that may match, as far as the data can hold them."""
        stated = sum(place.events for place in self._matching(chosen))
        return min(stated, _MOST_EVENTS_A_BYTE * self._source.size())

    def blocks(self, chosen: Filter) -> Iterator[tuple[int, Block]]:
        """Yield position and block of each that may match, then raise for damage that ended the walk."""
        matching = self._matching(chosen)
        with self._ahead(matching) as source:
            for place in matching:
                block = self.guarded(place.position, self._locator.block, place, source)
                if block is not None:
                    yield place.position, block
        self._end(chosen)

    def decoded(
        self, chosen: Filter, decode: Callable[[Block], EventBatch], crew: Crew
    ) -> Iterator[EventBatch]:
        """Yield what ``decode`` makes of each block that may match, in order, then raise as `blocks` does."""
        matching = self._matching(chosen)
        with self._ahead(matching) as source:
            for place, job in crew.in_order(
                lambda place: decode(self._locator.block(place, source)), matching
            ):
                batch = self.guarded(place.position, job.take)
                if batch is not None:
                    yield batch
        self._end(chosen)

    def _ahead(self, places: list[RecordPlace]) -> AbstractContextManager[SeekableInput]:
        """Give what these places are read from."""
        return self._source.ahead((place.position, place.size) for place in places)

    def entries(self, type_bits: int) -> Iterator[tuple[list[Entry], int]]:
        """Yield the entries of each record that may have one of these types, and what they take at most in memory, then
        raise as `blocks` does.
        """
        for place in self._locator.places():
            # Of those that are encrypted the index says nothing.
            if place.type == RecordType.ENTRIES and (place.kinds & type_bits or not place.events):
                found = self.guarded(place.position, self._entries_at, place, type_bits)
                if found is not None:
                    yield found
        self._locator.raise_damage()

    def _entries_at(self, place: RecordPlace, type_bits: int) -> tuple[list[Entry], int]:
        record = read_record(self._source, place)
        where = f"byte {place.position}"
        keys = self._locator.keys_of(place.stream)
        payload = keys.entries(record.payload, record.sequence, where)
        entries = unpack_entries(payload, where)
        if is_encrypted(payload) and not keys.skip and may_be_sealed(payload[0], type_bits):
            raise keys.missing(f"{where}: entries", payload[:1])
        return entries, entries_bytes(payload, where)

    def size(self) -> int:
        """Return the bytes of the data."""
        return self._source.size()

    def release(self) -> None:
        """Let go of what was kept of the source, before it is closed."""
        self._locator.release()


class PipeContents(_Guard):
    """Streams that come in order, once."""

    was_walked = True

    def __init__(
        self,
        source: PipeInput,
        skip_damage: bool,
        max_block_bytes: int,
        max_entries_bytes: int,
        keyring: Keyring,
        use: Use,
    ) -> None:
        super().__init__(skip_damage)
        self.name = source.name
        self._keyring = keyring
        self._use = use
        self._admitted = 0
        self._keys: list[StreamKeys] = []
        self._unread: dict[int, MissingKeyError] = {}  # by group: the first entries that there was no key for
        self._max_block_bytes = max_block_bytes
        self._max_entries_bytes = max_entries_bytes
        self._entry_bytes = 0
        self._scanner = StreamScanner(skip_damage, self.findings)
        self._entries: list[Entry] = []
        self._summary = Summary()
        self._ended = False
        records = self._scan(source)
        first = next(records, None)  # what the stream says of itself is known at once
        self._records = chain(() if first is None else (first,), records)

    @property
    def headers(self) -> list[Header]:
        """Header of each stream that has come so far."""
        return [stream.header for stream in self._scanner.streams] or [Header()]

    def keys(self) -> list[StreamKeys]:
        """Return what opens each stream that has come so far."""
        return self._keys

    def _keys_of(self, stream: int) -> StreamKeys:
        while len(self._keys) <= stream:
            self._keys.append(self._keyring.stream())
        return self._keys[stream]

    def summary(self) -> Summary:
        """Return the totals; raise InvalidArgumentError before the end."""
        if not self._ended:
            raise InvalidArgumentError(
                f"{self.name}: found a pipe that has not been read to its end, allowed: totals behind its end"
            )
        return self._summary

    def columns(self) -> ColumnKeys:
        """Return name and dtype of the columns that have come so far."""
        return self._summary.columns

    def places(self) -> list[RecordPlace]:
        """Raise InvalidArgumentError: nothing of a pipe can be read again."""
        raise InvalidArgumentError(f"{self.name}: found a pipe, allowed: a path, bytes, a seekable file")

    def sure_events(self, chosen: Filter) -> int:
        """Return 0: nobody knows."""
        return 0

    def expected_events(self, chosen: Filter) -> int:
        """Return 0: nobody knows."""
        return 0

    def release(self) -> None:
        """Do nothing: nothing is kept."""

    def _scan(self, source: PipeInput) -> Iterator[StreamRecord]:
        while piece := source.read_piece():
            for record in self._scanner.feed(piece):
                self._admit()
                yield record
        self._ended = True
        for record in self._scanner.finish():
            self._admit()
            yield record
        self._admit()

    def _admit(self) -> None:
        """Check what streams state that have begun, before anything of them is given."""
        while self._admitted < len(self._scanner.streams):
            header = self._scanner.streams[self._admitted].header
            self._use.check(header.governance, f"stream {self._admitted}")
            self._admitted += 1

    def blocks(self, chosen: Filter) -> Iterator[tuple[int, Block]]:
        """Yield position and block of each as it comes, whatever is in it; keep the entries on the way."""
        if chosen.blocks is not None:
            self.places()
        for stream, record in self._records:
            where, keys = f"byte {record.position}", self._keys_of(stream)
            if record.type == RecordType.ENTRIES:
                self.guarded(record.position, self._keep_entries, keys, record, where)
            elif record.type == RecordType.KEYS:
                self.guarded(record.position, keys.learn, record.payload, where)
            elif record.type == RecordType.BLOCK:
                block = self.guarded(
                    record.position, open_block, keys, record, f"{where}: block", self._max_block_bytes
                )
                if block is not None:
                    self._summary.add(block)
                    self._summary.kinds.update(block.kinds)
                    self._summary.columns.update(dict.fromkeys(block.dtypes.items()))
                    yield record.position, block

    def decoded(
        self, chosen: Filter, decode: Callable[[Block], EventBatch], crew: Crew
    ) -> Iterator[EventBatch]:
        """Yield what ``decode`` makes of each block as it comes. It is not held back until others have come, so
        the crew has nothing to do.
        """
        for position, block in self.blocks(chosen):
            batch = self.guarded(position, decode, block)
            if batch is not None:
                yield batch

    def _keep_entries(self, keys: StreamKeys, record: Record, where: str) -> None:
        """Keep the entries of a record: nothing of a pipe can be read again."""
        payload = keys.entries(record.payload, record.sequence, where)
        entries = unpack_entries(payload, where)  # first: what is said of the size is not checked before
        self._entry_bytes += entries_bytes(payload, where)
        check_entries_size(self._entry_bytes, self._max_entries_bytes)
        self._entries += entries
        if is_encrypted(payload) and not keys.skip:
            self._unread.setdefault(payload[0], keys.missing(f"{where}: entries", payload[:1]))

    def entries(self, type_bits: int) -> Iterator[tuple[list[Entry], int]]:
        """Yield the entries that have come so far; raise MissingKeyError if one may be among those that are encrypted."""
        for group, error in self._unread.items():
            if may_be_sealed(group, type_bits):
                raise error
        yield list(self._entries), 0

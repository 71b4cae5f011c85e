"""Writing streams anew: small blocks merged into large ones, at any level."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby

import numpy as np

from .batch import join_columns
from .block import Block, group_of, may_share_block
from .emitter import StreamEmitter
from .framing import Record, RecordType
from .inputs import SeekableInput
from .levels import Level
from .limits import MAX_BLOCK_BYTES
from .locate import Locator, read_record
from .parallel import Crew


class _Merger:
    """Copies one stream into an emitter, joining blocks that are smaller than they need to be."""

    def __init__(self, emitter: StreamEmitter, block_events: int, reencode: bool) -> None:
        self._emitter = emitter
        self._block_events = block_events
        self._reencode = reencode
        self._pending: list[dict[str, np.ndarray]] = []
        self._pending_events = self._pending_bytes = 0
        self._dtypes: dict[str, np.dtype] = {}

    def add(self, record: Record) -> None:
        """Add the next record of the stream."""
        where = f"byte {record.position}"
        if record.type == RecordType.ENTRIES:
            self._emitter.encoded_entries(bytes(record.payload), where)
            return
        block = Block(record.payload, f"{where}: block")
        large = 2 * block.events >= self._block_events and not self._pending and not self._reencode
        # What this version cannot encode, it copies: groups that it cannot read or that the user chose,
        # events without columns.
        if (
            large
            or block.encrypted_groups
            or not block.dtypes
            or any(block.groups[name] != group_of(name) for name in block.groups)
        ):
            self.flush()
            self._emitter.encoded_block(bytes(record.payload))
            return
        if not may_share_block(self._dtypes, block.dtypes):
            self.flush()
        self._dtypes.update(block.dtypes)
        self._pending.append(block.decode(list(block.dtypes)))
        self._pending_events += block.events
        self._pending_bytes += sum(values.nbytes for values in self._pending[-1].values())
        # One block takes no more bytes than that: there is nothing to gain from joining more.
        if self._pending_events >= self._block_events or self._pending_bytes >= MAX_BLOCK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write the blocks that are waiting for more, as one."""
        if not self._pending:
            return
        joined = join_columns(self._pending)
        for start in range(0, max(len(joined), 1), self._block_events):
            part = joined[start : start + self._block_events].columns
            self._emitter.block({name: np.ascontiguousarray(values) for name, values in part.items()})
        self._pending.clear()
        self._pending_events = self._pending_bytes = 0
        self._dtypes = {}


def rewrite(
    source: SeekableInput,
    write: Callable[[bytes], object],
    *,
    level: Level,
    block_events: int,
    reencode: bool,
    threads: int = 1,
    progress: Callable[[int], object] | None = None,
) -> int:
    """Write all streams of a sound input anew and return the number of events.

    Parameters
    ----------
    source : SeekableInput
    write : callable
        Takes the bytes of whole records.
    level : Level
    block_events : int
        Blocks of fewer events are joined to blocks of this many.
    reencode : bool
        Encode large blocks anew too, instead of copying them as they are.
    threads : int
        Threads that encode blocks, beside the caller's own, when more than 1.
    progress : callable, optional
        Called with the number of bytes of the source that each step has dealt with.

    Raises
    ------
    CorruptDataError, TruncatedDataError, UnsupportedVersionError, LimitExceededError
        The input is damaged.
    """
    locator = Locator(source, skip_damage=False)
    locator.raise_damage()
    events = 0
    with Crew(threads) as crew:
        places = {number: list(of) for number, of in groupby(locator.places(), lambda place: place.stream)}
        for number, header in enumerate(locator.headers):
            emitter = StreamEmitter(write, level, header, crew)
            merger = _Merger(emitter, block_events, reencode)
            for place in places.get(number, ()):
                merger.add(read_record(source, place))
                if progress is not None:
                    progress(place.size)
            merger.flush()
            emitter.end()
            events += emitter.events
    return events

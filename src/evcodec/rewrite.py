"""Writing streams anew: small blocks merged into large ones, at any level."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import NamedTuple

import numpy as np

from .batch import join_columns
from .block import Block
from .columns import group_of, may_share_block
from .emitter import StreamEmitter
from .errors import UnsupportedVersionError
from .framing import Record, RecordType
from .inputs import SeekableInput
from .keyrecord import stated_recipients
from .keyring import Keyring
from .levels import Level
from .limits import MAX_BLOCK_BYTES
from .locate import Locator
from .parallel import Crew
from .places import read_record
from .protection import Protection, StreamProtection
from .sealed import StreamKeys

_PIECE_BYTES = 2**20


class _Merger:
    """Copies one stream into an emitter, joining blocks that are smaller than they need to be."""

    def __init__(self, emitter: StreamEmitter, block_events: int, reencode: bool, keys: StreamKeys) -> None:
        self._emitter = emitter
        self._keys = keys
        self._block_events = block_events
        self._reencode = reencode
        self._pending: list[dict[str, np.ndarray]] = []
        self._pending_events = self._pending_bytes = 0
        self._dtypes: dict[str, np.dtype] = {}

    def add(self, record: Record) -> None:
        """Add the next record of the stream."""
        where = f"byte {record.position}"
        if record.type == RecordType.ENTRIES:
            self._emitter.encoded_entries(
                bytes(self._keys.entries(record.payload, record.sequence, where)), where
            )
            return
        payload = self._keys.block(record.payload, record.sequence, where)
        block = Block(payload, f"{where}: block")
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
            self._emitter.encoded_block(bytes(payload))
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


class Own(NamedTuple):
    """What the last stream of a file was protected with by its Writer, who still has the data keys."""

    asked: Protection
    stream: StreamProtection


def _copy(source: SeekableInput, start: int, stop: int, write: Callable[[bytes], object]) -> None:
    """Copy bytes as they are."""
    for at in range(start, stop, _PIECE_BYTES):
        write(bytes(source.read_at(at, min(_PIECE_BYTES, stop - at))))


def rewrite(
    source: SeekableInput,
    write: Callable[[bytes], object],
    *,
    level: Level,
    block_events: int,
    reencode: bool,
    threads: int = 1,
    progress: Callable[[int], object] | None = None,
    own: Own | None = None,
    keyring: Keyring | None = None,
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
    own : Own, optional
        Who rewrites is the Writer of the last stream. Streams before it that are encrypted or have a chain stay as they
        are, to the byte.
    keyring : Keyring, optional
        What opens encrypted streams, which are encrypted anew, to the same recipients.

    Raises
    ------
    MissingKeyError
        A stream is encrypted, and not all of it can be opened: its sections are bound to their records.
    CorruptDataError, TruncatedDataError, UnsupportedVersionError, LimitExceededError
        The input is damaged.
    """
    keyring = Keyring() if keyring is None else keyring
    if own is not None and own.stream.sealing is not None:
        keyring.own.append(own.stream.sealing)
    locator = Locator(source, skip_damage=False, keyring=keyring)
    locator.raise_damage()
    events = 0
    with Crew(threads) as crew:
        places = {number: list(of) for number, of in groupby(locator.places(), lambda place: place.stream)}
        for number, header in enumerate(locator.headers):
            keys, of = locator.keys_of(number), places.get(number, [])
            is_own = own is not None and number == len(locator.headers) - 1
            if own is not None and not is_own and (keys.set or keys.is_later or locator.has_chain(number)):
                _copy(source, *locator.extent(number), write)
                events += sum(place.events for place in of if place.type == RecordType.BLOCK)
                continue
            if keys.is_later:
                raise UnsupportedVersionError(
                    f"{source.name}: keys of stream {number}: found a later version, allowed in this version: 1"
                )
            if lacking := keys.lacking(source.name):
                raise keys.missing(
                    f"{source.name}: stream {number}, to be encoded anew", lacking, may_skip=False
                )
            protection = own.asked if own and is_own else Protection(stated_recipients(keys.recipients))
            emitter = StreamEmitter(write, level, header, crew, protection)
            merger = _Merger(emitter, block_events, reencode, keys)
            for place in of:
                merger.add(read_record(source, place))
                if progress is not None:
                    progress(place.size)
            merger.flush()
            emitter.end()
            emitter.protection.forget()
            events += emitter.events
    return events

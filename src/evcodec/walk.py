"""Indexes of streams that have none, built record by record. No I/O."""

from __future__ import annotations

from .block import Block
from .entries import type_number
from .framing import Record, RecordType
from .index import Index
from .keyring import Keyring
from .limits import DEFAULT_BLOCK_BYTES
from .sealed import StreamKeys, open_block
from .wire import unpack_entries


class Walk:
    """Builds the indexes that streams without one would have had.

    Parameters
    ----------
    keyring : Keyring
    known : list of StreamKeys
        Of the first streams, where they have been walked before.
    """

    def __init__(self, keyring: Keyring, known: list[StreamKeys]) -> None:
        self.indexes: list[Index] = []
        self.keys = known
        self._keyring = keyring
        self._starts: list[int] = []

    def must_go_again(self) -> bool:
        """Tell whether data keys came behind what they open, as where the first copy of them was damaged."""
        return any(index.has_early and keys.set for index, keys in zip(self.indexes, self.keys, strict=False))

    def upto(self, streams: int) -> list[tuple[Index, StreamKeys]]:
        """Return the indexes and keys of this many streams."""
        more = range(streams - len(self.indexes))
        return [
            *zip(self.indexes, self.keys, strict=False),
            *((Index(), self._keyring.stream()) for _ in more),
        ]

    def add(self, stream: int, start: int, record: Record) -> None:
        """Add a record of the stream with this number, which starts at ``start``."""
        while len(self.indexes) <= stream:  # several, where headers were not sound
            self.indexes.append(Index())
            if len(self.keys) < len(self.indexes):
                self.keys.append(self._keyring.stream())
            self._starts.append(start)
        add_record(self.indexes[stream], self.keys[stream], self._starts[stream], record)


def add_record(
    index: Index,
    keys: StreamKeys,
    start: int,
    record: Record,
    max_block_bytes: int = DEFAULT_BLOCK_BYTES,
) -> Block | None:
    """Add a record to the index of the stream that starts at ``start``; return it if it is a block."""
    place = (record.position - start, record.record_bytes, record.type)
    where = f"byte {record.position}"
    if record.type == RecordType.BLOCK:
        block = open_block(keys, record, f"{where}: block", max_block_bytes)
        index.add_block(place, block)
        index.has_early |= bool(block.encrypted_groups) and keys.set is None
        index.sequences.append(record.sequence)
        return block
    if record.type == RecordType.ENTRIES:
        index.add_entries(place, [type_number(entry) for entry in unpack_entries(record.payload, where)])
        index.sequences.append(record.sequence)
    else:
        note_ancillary(index, keys, record, where)
    return None


def note_ancillary(index: Index, keys: StreamKeys, record: Record, where: str) -> None:
    """Take what a record says that is in no index."""
    if record.type == RecordType.KEYS:
        keys.learn(record.payload, where)
    index.has_chain |= record.type == RecordType.CHAIN

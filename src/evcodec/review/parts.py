"""The records of all streams of an input, in order, each block with the number of its first event."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

import numpy as np

from ..block import Block
from ..entries import Entry
from ..framing import RecordType
from ..inputs import SeekableInput
from ..keyring import Keyring
from ..locate import Locator
from ..places import RecordPlace, read_record
from ..schema import ColumnGroup
from ..sealed import StreamKeys, encrypted_to
from ..wire import Header, unpack_entries


class BlockPart(NamedTuple):
    """A block; ``first`` is the number of its first event in its stream."""

    first: int
    block: Block
    payload: bytes
    where: str
    size: int

    @property
    def is_readable(self) -> bool:
        """Whether times and kinds can be read, without which nothing else says anything."""
        return ColumnGroup.POINTER not in self.block.encrypted_groups

    def columns(self, names: tuple[str, ...] | None = None) -> dict[str, np.ndarray]:
        """Return columns by name: those of ``names`` that are there, or all; always ``t`` and ``kind``."""
        there = self.block.dtypes
        found = self.block.decode([name for name in there if names is None or name in names])
        for name, dtype in (("t", np.int64), ("kind", np.uint8)):
            found.setdefault(name, np.zeros(self.block.events, dtype))
        return found


class EntriesPart(NamedTuple):
    """A record of entries."""

    payload: bytes
    where: str
    size: int

    def entries(self) -> list[Entry]:
        """Return its entries."""
        return unpack_entries(memoryview(self.payload), self.where)


class Streams:
    """All streams of a sound input.

    Parameters
    ----------
    source : SeekableInput
    keyring : Keyring, optional
        What opens encrypted groups; those that it does not open are left out.

    Raises
    ------
    CorruptDataError, TruncatedDataError, UnsupportedVersionError
        The input is damaged.
    """

    def __init__(self, source: SeekableInput, keyring: Keyring | None = None) -> None:
        self._source = source
        self.name = source.name
        self._locator = Locator(source, skip_damage=False, keyring=keyring)
        self._locator.raise_damage()
        self._places: dict[int, list[RecordPlace]] = {
            number: list(places)
            for number, places in groupby(self._locator.places(), lambda place: place.stream)
        }

    @property
    def headers(self) -> list[Header]:
        """Header of each stream."""
        return self._locator.headers

    def keys_of(self, number: int) -> StreamKeys:
        """Return what opens a stream, and says who can."""
        return self._locator.keys_of(number)

    def encrypted(self) -> dict[int, tuple[str, ...]]:
        """Return who can read which encrypted group of any of the streams."""
        return encrypted_to(self.keys_of(number) for number in range(len(self.headers)))

    def has_chain(self) -> bool:
        """Tell whether any of the streams has a hash chain."""
        return any(self._locator.has_chain(number) for number in range(len(self.headers)))

    def parts(self, number: int) -> Iterator[BlockPart | EntriesPart]:
        """Yield the blocks and the records of entries of a stream."""
        first = 0
        for place in self._places.get(number, ()):
            record = read_record(self._source, place)
            where = f"byte {record.position}"
            keys = self.keys_of(number)
            if record.type == RecordType.ENTRIES:
                opened = keys.entries(record.payload, record.sequence, where)
                yield EntriesPart(bytes(opened), where, place.size)
                continue
            payload = bytes(keys.block(record.payload, record.sequence, where))
            block = Block(payload, f"{where}: block")
            yield BlockPart(first, block, payload, where, place.size)
            first += block.events

    def entries(self, number: int) -> list[Entry]:
        """Return the entries of a stream."""
        return [
            entry for part in self.parts(number) if isinstance(part, EntriesPart) for entry in part.entries()
        ]

    def blocks(self, number: int) -> Iterator[BlockPart]:
        """Yield the blocks of a stream."""
        for part in self.parts(number):
            if isinstance(part, BlockPart):
                yield part

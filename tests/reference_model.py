"""What the reference decoder makes of a stream: records, blocks, entries.

Part of :mod:`reference`; written from the document alone, and it imports nothing of evcodec.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from reference_sealed import Keys
from reference_table import Table

HEADER, BLOCK, ENTRIES, INDEX, END = 1, 2, 3, 4, 5
KEYS, CHAIN, VOID = 0xC0, 0xC1, 0xC2


@dataclass
class Record:
    """One record; ``offset`` counts from the start of the data, ``size`` is head, payload and checksum."""

    type: int
    sequence: int
    offset: int
    size: int
    payload: bytes


@dataclass
class Block:
    """One BLOCK record, decoded."""

    events: int
    t_min: int
    t_max: int
    kinds: list[tuple[int, int]]
    dtypes: dict[str, str] = field(default_factory=dict)
    columns: dict[str, list[int]] = field(default_factory=dict)
    unavailable: list[str] = field(default_factory=list)
    # the readable tables, by group, as they are stored
    tables: dict[int, Table] = field(default_factory=dict)
    # whether some of its columns are encrypted
    hidden: bool = False


@dataclass
class StreamPart:
    """A HEADER and all before the next."""

    version: int
    header: dict[str, Any]
    offset: int
    records: list[Record] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    entries: list[tuple[int, int, dict[str, Any]]] = field(default_factory=list)
    index: list[dict[str, int]] | None = None
    end: tuple[int, int, int] | None = None
    # what an INDEX should say of the records so far; None where encryption hides it
    expected_rows: list[dict[str, int | None]] = field(default_factory=list)
    index_offset: int | None = None
    defined: set[tuple[int, int]] = field(default_factory=set)
    keys: Keys = field(default_factory=Keys)

    def events(self) -> int:
        """Events of the stream so far."""
        return sum(block.events for block in self.blocks)


def bitmap(numbers: list[int]) -> int:
    """Give the bits of an INDEX row for kinds, or for types of entries."""
    bits = 0
    for number in numbers:
        bits |= 1 << min(number, 63)
    return bits

"""One hand-made stream with what it holds, and the small helpers that the tables of them share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from assemble import (
    BLOCK,
    DTYPES,
    Layout,
    Parts,
    Transform,
    block,
    column,
    column_head,
    stream,
    table,
    varint,
)

CORRUPT, TRUNCATED, UNSUPPORTED, LIMIT = "corrupt", "truncated", "unsupported", "limit"


@dataclass
class Vector:
    """A stream, and either the values that it holds or the kind of error that it deserves.

    ``only_verify``: a check of the whole stream has to refuse it; plain reading may, or gives the values.
    ``readable``: plain reading of it has to give the values all the same.
    """

    name: str
    data: bytes
    error: str = ""
    only_verify: bool = False
    readable: bool = False
    events: dict[str, list[int]] = field(default_factory=dict)
    count: int = 0
    dtypes: dict[str, str] = field(default_factory=dict)
    entries: list[tuple[int, int, dict[str, Any]]] = field(default_factory=list)


class Vectors(list[Vector]):
    """A table of vectors."""

    def good(self, name: str, data: bytes, count: int = 0, **events: list[int]) -> Vector:
        """Add a vector that decodes."""
        self.append(Vector(name, data, events=events, count=count))
        return self[-1]

    def bad(self, name: str, error: str, data: bytes) -> None:
        """Add a vector that has to be refused."""
        self.append(Vector(name, data, error=error))

    def unsound(self, name: str, error: str, data: bytes, like: Vector, *, readable: bool = False) -> None:
        """Add a vector that a check has to refuse, while its records hold what those of ``like`` hold."""
        values = Vector(name, data, error, True, readable, like.events, like.count, like.dtypes, like.entries)
        self.append(values)


def nested(depth: int, innermost: object = 1) -> Any:
    """Give arrays inside each other."""
    value: object = innermost
    for _ in range(depth):
        value = [value]
    return value


def one_block(payload: bytes) -> bytes:
    """Put HEADER and this BLOCK together."""
    return stream((BLOCK, payload))


def one_column(
    values: list[int], transform: Transform, layout: Layout, dtype: str, codecs: list[int]
) -> bytes:
    """Put a stream of one block with the named column ``v`` together."""
    parts = Parts(codecs)
    described = column("v", values, parts, dtype=dtype, transform=transform, layout=layout)
    return one_block(block(len(values), [(3, 0, table([described], parts))]))


def raw_column(described: bytes, count: int, parts: bytes, dtype: str = "uint8") -> bytes:
    """Put a stream of one block together whose column ``v`` has this sequence, byte for byte."""
    head = b"\x01\x01v\x03" + bytes([DTYPES[dtype]]) + b"\x01"
    return one_block(block(count, [(3, 0, b"\x01" + head + described + parts)]))


NO_PARTS = b"\x00"


def one_part(data: bytes) -> bytes:
    """Describe one part that is stored as it is."""
    return b"\x01\x00" + varint(len(data)) + data


SMALL = block(3, [(3, 0, b"\x01" + b"\x01\x01v\x03\x04\x01" + b"\x00\x00\x07" + b"\x00")])


def mask_of(kinds: list[int], stored: Iterable[int]) -> bytes:
    """Write the mask of a column that stores rows of some of the kinds."""
    bits = sum(1 << i for i, kind in enumerate(sorted(set(kinds))) if kind in stored)
    return bits.to_bytes((len(set(kinds)) + 7) // 8, "little")


def kinds_payload(
    kinds: list[int],
    described: bytes,
    parts: Parts,
    stored: Iterable[int] | None = None,
    dtype: str = "int32",
) -> bytes:
    """Put a block of rows of these kinds together whose column ``v`` has these values, byte for byte."""
    own = Parts([0])
    every = mask_of(kinds, kinds)
    kind_column = table([column("kind", kinds, own, mask=every)], own)
    head = column_head("v", dtype) + (every if stored is None else mask_of(kinds, stored))
    sections = [(0, 0, kind_column), (3, 0, table([head + described], parts))]
    return block(len(kinds), sections, kinds=sorted(Counter(kinds).items()))

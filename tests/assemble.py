"""Small pieces that put streams together by hand, written from docs/format.md and nothing else.

They check nothing, so that broken streams can be put together as well.
"""

from __future__ import annotations

import binascii
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import msgpack
import zstandard

HEADER, BLOCK, ENTRIES, INDEX, END, ANCILLARY = 1, 2, 3, 4, 5, 0x80
DTYPES = {"int8": 0, "int16": 1, "int32": 2, "int64": 3, "uint8": 4, "uint16": 5, "uint32": 6, "uint64": 7}
DEFAULT_DTYPES = {
    "t": "int64",
    "kind": "uint8",
    "x": "int32",
    "y": "int32",
    "code": "int32",
    "dx": "int32",
    "dy": "int32",
    "source": "uint16",
    "seq": "uint32",
    "os_time": "int64",
    "flags": "uint16",
    "display": "uint16",
    "scroll_source": "uint8",
    "scancode": "uint32",
    "vk": "uint32",
    "keysym": "uint32",
    "modifiers": "uint32",
    "layout": "uint16",
    "key_class": "uint8",
    "context": "uint32",
    "payload": "uint32",
}
IDS = {name: number for number, name in enumerate(DEFAULT_DTYPES, start=1)}


def varint(value: int) -> bytes:
    """Seven bits a byte, least significant first."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def svarint(value: int) -> bytes:
    """Varint of the zigzag form."""
    return varint(zigzag(value, 64))


def zigzag(value: int, width: int) -> int:
    """Map 0, -1, 1, -2, 2 to 0, 1, 2, 3, 4 for any integer, taken modulo 2**width first."""
    value = signed(value, width)
    return 2 * value if value >= 0 else -2 * value - 1


def signed(value: int, width: int) -> int:
    """Read the low bits of an integer as two's complement."""
    value %= 1 << width
    return value - (1 << width) if value >> (width - 1) else value


def record(kind: int, payload: bytes, sequence: int, flags: int = 0, length: int | None = None) -> bytes:
    """Wrap a payload; ``length`` lies about its length."""
    head = b"\xec\x45\x56\x43" + bytes([kind, flags])
    head += (len(payload) if length is None else length).to_bytes(4, "little")
    head += sequence.to_bytes(4, "little")
    head += binascii.crc_hqx(head, 0).to_bytes(2, "little")
    return head + payload + zlib.crc32(head + payload).to_bytes(4, "little")


def header(fields: object = None, version: int = 1, features: int = 0) -> bytes:
    """Payload of a HEADER."""
    packed: bytes = msgpack.packb({} if fields is None else fields)
    return bytes([version, features]) + packed


@dataclass
class Parts:
    """Collects the bytes of the parts of a table; the codec of each is given."""

    codecs: Sequence[int] = (0,)
    raw: list[bytearray] = field(default_factory=list)

    def put(self, part: int, data: bytes) -> None:
        """Append a stream to a part."""
        while len(self.raw) < len(self.codecs):
            self.raw.append(bytearray())
        if part < len(self.raw):
            self.raw[part] += data

    def pack(self) -> bytes:
        """Write the descriptions of the parts, and the parts."""
        self.put(0, b"")
        heads, bodies = b"", b""
        for wanted, raw in zip(self.codecs, self.raw, strict=True):
            codec = wanted if raw else 0
            body = zstandard.compress(bytes(raw)) if codec == 1 else bytes(raw)
            heads += bytes([codec]) + varint(len(raw))
            heads += varint(len(body)) if codec == 1 else b""
            bodies += body
        return varint(len(self.codecs)) + heads + bodies


class Residuals(list[int]):
    """Residuals as most layouts have them, zigzags of the steps unless there is no transform.

    ``direct`` are the steps themselves, and ``before`` is what a split looks at.
    """

    def __init__(self, values: Iterable[int] = ()) -> None:
        super().__init__(values)
        self.direct: list[int] = []
        self.before: list[int] = []

    @classmethod
    def of_values(cls, values: list[int]) -> Residuals:
        """Give those of transform 0."""
        found = cls(values)
        found.direct = values
        found.before = [0, *values[:-1]]
        return found

    @classmethod
    def of_steps(cls, steps: list[int], width: int) -> Residuals:
        """Give those of the other transforms."""
        found = cls(zigzag(s, width) for s in steps)
        found.direct = [s % (1 << width) for s in steps]
        found.before = [0, *found[:-1]]
        return found


# A layout puts the streams of its residuals to parts and gives its number and its parameters.
Layout = Callable[[Parts, list[int], int], tuple[int, bytes]]
# A transform gives its number, its parameters and the residuals.
Transform = Callable[[list[int], int], tuple[int, bytes, list[int]]]


def plain(base: int = 0) -> Transform:
    """Transform 0."""
    return lambda values, width: (
        0,
        svarint(base),
        Residuals.of_values([(v - base) % (1 << width) for v in values]),
    )


def delta(scale: int = 1) -> Transform:
    """Transform 1; the deltas have to be multiples of the scale."""

    def apply(values: list[int], width: int) -> tuple[int, bytes, list[int]]:
        steps = [signed(b - a, width) // scale for a, b in pairwise(values)]
        return 1, svarint(signed(values[0], 64)) + varint(scale), Residuals.of_steps(steps, width)

    return apply


def second(scale: int = 1) -> Transform:
    """Transform 2."""

    def apply(values: list[int], width: int) -> tuple[int, bytes, list[int]]:
        steps = [signed(b - a, width) // scale for a, b in pairwise(values)]
        changes = Residuals.of_steps([b - a for a, b in pairwise(steps)], width)
        changes.before = [zigzag(s, width) for s in steps[:-1]]
        return 2, svarint(signed(values[0], 64)) + svarint(steps[0]) + varint(scale), changes

    return apply


def constant() -> Layout:
    """Layout 0."""
    return lambda parts, residuals, width: (0, varint(residuals[0]))


def planes(count: int | None = None, part: int = 0) -> Layout:
    """Layout 1."""

    def apply(parts: Parts, residuals: list[int], width: int) -> tuple[int, bytes]:
        k = width // 8 if count is None else count
        for j in range(k):
            parts.put(part, bytes(r >> (8 * j) & 255 for r in residuals))
        return 1, bytes([k]) + varint(part)

    return apply


def dictionary(entries: list[int], escapes: Layout | None = None, part: int = 0, base: int = 0) -> Layout:
    """Layout 2; what is not among the entries is an escape."""

    def apply(parts: Parts, residuals: list[int], width: int) -> tuple[int, bytes]:
        rest = [r for r in residuals if r not in entries]
        out = bytes([len(entries)]) + b"".join(map(varint, entries)) + varint(len(rest)) + varint(part)
        parts.put(part, bytes(entries.index(r) if r in entries else 255 for r in residuals))
        return 2, out + (sequence(parts, rest, width, plain(base), escapes) if escapes else b"")

    return apply


def tokens(d: int, q: int, part: int = 0, bits_part: int = 0) -> Layout:
    """Layout 3."""

    def apply(parts: Parts, residuals: list[int], width: int) -> tuple[int, bytes]:
        out, bits, used = bytearray(), 0, 0
        for z in residuals:
            if z < 1 << d:
                out.append(z)
                continue
            e = z.bit_length() - 1
            mantissa = (z - (1 << e)) >> (e - q)
            out.append((1 << d) + ((e - d) << q) + mantissa)
            bits |= (z & ((1 << (e - q)) - 1)) << used
            used += e - q
        size = (used + 7) // 8
        parts.put(part, bytes(out))
        parts.put(bits_part, bits.to_bytes(size, "little"))
        return 3, bytes([d * 16 + q]) + varint(part) + varint(bits_part) + varint(size)

    return apply


def runs(values: Layout, lengths: Layout) -> Layout:
    """Layout 4."""

    def apply(parts: Parts, residuals: list[int], width: int) -> tuple[int, bytes]:
        found: list[list[int]] = []
        for r in residuals:
            if found and found[-1][0] == r:
                found[-1][1] += 1
            else:
                found.append([r, 0])
        out = varint(len(found)) + sequence(parts, [v for v, _ in found], width, plain(), values)
        return 4, out + sequence(parts, [n for _, n in found], 32, plain(), lengths)

    return apply


def sequence(parts: Parts, values: list[int], width: int, transform: Transform, layout: Layout) -> bytes:
    """Describe a sequence (5.2)."""
    number, parameters, residuals = transform(values, width)
    layout_number, layout_parameters = layout(parts, residuals, width)
    return bytes([number * 16 + layout_number]) + parameters + layout_parameters


def column_head(name: str, dtype: str | None = None, group: int | None = None) -> bytes:
    """Write id, name, group and dtype of a column."""
    if name in IDS:
        return varint(2 * IDS[name] + (dtype is not None)) + (bytes([DTYPES[dtype]]) if dtype else b"")
    raw = name.encode()
    head = varint(1) + bytes([len(raw)]) + raw + bytes([3 if group is None else group])
    return head + bytes([DTYPES[dtype or "int32"]])


def column(
    name: str,
    values: list[int],
    parts: Parts,
    *,
    dtype: str | None = None,
    mask: bytes = b"\x01",
    group: int | None = None,
    transform: Transform | None = None,
    layout: Layout | None = None,
) -> bytes:
    """Describe a column of a block (5.1); ``values`` are the stored ones."""
    head = column_head(name, dtype, group) + mask
    if not values:
        return head
    width = int((dtype or DEFAULT_DTYPES.get(name, "int32")).lstrip("uint"))
    return head + sequence(parts, values, width, transform or plain(), layout or planes())


def table(columns: Sequence[bytes], parts: Parts) -> bytes:
    """Put a table together (5); the columns were described with the same parts."""
    return varint(len(columns)) + b"".join(columns) + parts.pack()


def block(
    n: int,
    sections: Iterable[tuple[int, int, bytes]] = (),
    *,
    t_min: int = 0,
    span: int = 0,
    kinds: Iterable[tuple[int, int]] | None = None,
) -> bytes:
    """Payload of a BLOCK."""
    kinds = list(kinds) if kinds is not None else ([(0, n)] if n else [])
    sections = list(sections)
    out = varint(n) + svarint(t_min) + varint(span) + varint(len(kinds))
    out += b"".join(bytes([kind]) + varint(count) for kind, count in kinds)
    out += varint(len(sections)) + b"".join(bytes([g, s]) + varint(len(b)) for g, s, b in sections)
    return out + b"".join(body for _, _, body in sections)


def entries(values: Iterable[object], group: int = 0, codec: int = 0, storage: int = 0) -> bytes:
    """Payload of an ENTRIES record."""
    raw = b"".join(msgpack.packb(value) for value in values)
    body = zstandard.compress(raw) if codec == 1 else raw
    return bytes([group, storage, codec]) + varint(len(raw)) + body


INDEX_DTYPES = (64, 64, 8, 64, 64, 64, 64)


def index_head(rows: int, kinds: Sequence[tuple[int, int]] = (), columns: Sequence[bytes] = ()) -> bytes:
    """Write what stands above the table of an INDEX; columns as column_head gives them."""
    out = varint(rows) + varint(len(kinds)) + b"".join(bytes([kind]) + varint(n) for kind, n in kinds)
    return out + varint(len(columns)) + b"".join(columns)


def index_table(rows: Sequence[Sequence[int]], layout: Layout | None = None) -> bytes:
    """Write the table of an INDEX: rows of offset, size, type, events, t_min, t_max, kinds."""
    parts = Parts()
    columns = []
    for i, width in enumerate(INDEX_DTYPES):
        head = varint(2 * (i + 1))
        values = [row[i] for row in rows]
        columns.append(head + (sequence(parts, values, width, plain(), layout or planes()) if rows else b""))
    return table(columns, parts)


@dataclass
class Maker:
    """Counts sequence numbers and offsets while it puts a stream together."""

    data: bytes = b""
    number: int = 0
    rows: list[list[int]] = field(default_factory=list)
    kinds: list[tuple[int, int]] = field(default_factory=list)
    columns: list[bytes] = field(default_factory=list)
    index_at: int = 0
    events: int = 0

    def add(self, kind: int, payload: bytes, **keywords: Any) -> Maker:
        """Append a record."""
        self.data += record(kind, payload, self.number, **keywords)
        self.number += 1
        return self

    def row(self, kind: int, payload: bytes, events: int, t_min: int, t_max: int, kinds: int) -> Maker:
        """Append a record and remember its row of the index."""
        before = len(self.data)
        self.add(kind, payload)
        self.rows.append([before, len(self.data) - before, kind, events, t_min, t_max, kinds])
        self.events += events if kind == BLOCK else 0
        return self

    def index(self, payload: bytes | None = None) -> Maker:
        """Append an INDEX of the remembered rows, kinds and columns."""
        self.index_at = len(self.data)
        return self.add(INDEX, self.right_index() if payload is None else payload)

    def right_index(self) -> bytes:
        """Payload of the INDEX of all that is remembered."""
        return index_head(len(self.rows), self.kinds, self.columns) + index_table(self.rows)

    def end(self, distance: int | None = None, length: int | None = None, events: int | None = None) -> Maker:
        """Append an END; what is not given is right."""
        here = len(self.data)
        right = (here - self.index_at if self.index_at else 0, here + 44, self.events)
        given = (distance, length, events)
        numbers = [r if g is None else g for g, r in zip(given, right, strict=True)]
        return self.add(END, b"".join(number.to_bytes(8, "little") for number in numbers))


def stream(*payloads: tuple[int, bytes], head: bytes | None = None) -> bytes:
    """Put a HEADER and then these records together."""
    maker = Maker().add(HEADER, header() if head is None else head)
    for kind, payload in payloads:
        maker.add(kind, payload)
    return maker.data

"""Tables of the stream format (sections 1 and 5 of docs/format.md), decoded slowly and plainly.

Part of :mod:`reference`; written from the document alone, and it imports nothing of evcodec.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import zstandard


class ReferenceFault(Exception):
    """Base of what the reference decoder raises. The message says where, what was found, what is allowed."""

    def __init__(self, where: str, found: object, allowed: object) -> None:
        super().__init__(f"{where}: found {found}, allowed {allowed}")


class ReferenceCorrupt(ReferenceFault):
    """A complete record contradicts the document."""


class ReferenceTruncated(ReferenceFault):
    """The data ends inside a record."""


class ReferenceUnsupported(ReferenceFault):
    """The document calls it an unsupported version."""


class ReferenceLimit(ReferenceFault):
    """A row of section 9 would be exceeded."""


COLUMNS_IN_TABLE = 1024
PARTS_IN_TABLE = 255
NAME_BYTES = 64

DTYPES = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
WIDTHS = (8, 16, 32, 64, 8, 16, 32, 64)

# id: (name, dtype, group)
BLOCK_COLUMNS: dict[int, tuple[str, str, int]] = {
    1: ("t", "int64", 0),
    2: ("kind", "uint8", 0),
    3: ("x", "int32", 0),
    4: ("y", "int32", 0),
    5: ("code", "int32", 1),
    6: ("dx", "int32", 0),
    7: ("dy", "int32", 0),
    8: ("source", "uint16", 0),
    9: ("seq", "uint32", 0),
    10: ("os_time", "int64", 0),
    11: ("flags", "uint16", 0),
    12: ("display", "uint16", 0),
    13: ("scroll_source", "uint8", 0),
    14: ("scancode", "uint32", 1),
    15: ("vk", "uint32", 1),
    16: ("keysym", "uint32", 1),
    17: ("modifiers", "uint32", 1),
    18: ("layout", "uint16", 1),
    19: ("key_class", "uint8", 1),
    20: ("context", "uint32", 2),
    21: ("payload", "uint32", 2),
}
NUMBERED_NAMES = frozenset(name for name, _, _ in BLOCK_COLUMNS.values())
INDEX_COLUMNS: dict[int, tuple[str, str, int]] = {
    1: ("offset", "int64", 0),
    2: ("size", "int64", 0),
    3: ("type", "uint8", 0),
    4: ("events", "int64", 0),
    5: ("t_min", "int64", 0),
    6: ("t_max", "int64", 0),
    7: ("kinds", "uint64", 0),
}


@dataclass
class Cursor:
    """Reads forward through bytes of a complete record, so running out of them is corrupt, not truncated."""

    data: bytes
    where: str
    position: int = 0

    def left(self) -> int:
        """Bytes that are not read yet."""
        return len(self.data) - self.position

    def at(self, what: str) -> str:
        """Say where something is; what already says it all stays as it is."""
        return what if what.startswith(self.where) else f"{self.where}, {what}"

    def take(self, size: int, what: str) -> bytes:
        """Take ``size`` bytes."""
        if size > self.left():
            raise ReferenceCorrupt(self.at(what), f"{self.left()} bytes left", f"{size} bytes")
        start = self.position
        self.position += size
        return self.data[start : self.position]

    def u8(self, what: str) -> int:
        """Take one byte."""
        return self.take(1, what)[0]

    def varint(self, what: str) -> int:
        """Take a varint in its only allowed, shortest form."""
        value = 0
        for i in range(10):
            byte = self.u8(what)
            if i == 9 and byte > 1:
                raise ReferenceCorrupt(self.at(what), f"tenth byte {byte} of a varint", "0 or 1")
            value |= (byte & 0x7F) << (7 * i)
            if byte < 0x80:
                if byte == 0 and i > 0:
                    raise ReferenceCorrupt(self.at(what), f"varint of {i + 1} bytes", "shortest form")
                return value
        raise AssertionError("the tenth byte either ended the varint or was refused")

    def svarint(self, what: str) -> int:
        """Take a signed varint."""
        return unzigzag(self.varint(what))

    def end(self, what: str) -> None:
        """Refuse bytes that nothing has claimed."""
        if self.left():
            raise ReferenceCorrupt(
                f"{self.where}, end of {what}", f"{self.left()} bytes more", "no byte more"
            )


def unzigzag(value: int) -> int:
    """Map 0, 1, 2, 3, 4 to 0, -1, 1, -2, 2."""
    return value // 2 if value % 2 == 0 else -(value + 1) // 2


@dataclass
class Stream:
    """So many bytes from that part; the bytes are filled in once all parts are known to be used exactly."""

    part: int
    size: int
    where: str
    data: bytes = b""


@dataclass
class Sequence:
    """A described sequence: its parameters, and its streams in ``parameters`` or in the inner sequences."""

    where: str
    width: int
    transform: int
    layout: int
    residual_count: int
    base: int = 0
    step: int = 0
    scale: int = 1
    constant: int = 0
    planes: Stream | None = None
    dictionary: list[int] = field(default_factory=list)
    escape_count: int = 0
    bytes_stream: Stream | None = None
    direct_bits: int = 0
    mantissa_bits: int = 0
    bits: Stream | None = None
    inner: list[Sequence] = field(default_factory=list)


@dataclass
class Column:
    """One column of a table; ``stored`` are its *m* stored values."""

    name: str
    dtype: str
    mask: list[bool]
    stored: list[int]


def read_table(
    cursor: Cursor,
    rows: int,
    kind_counts: list[int] | None,
    group: int,
    known: Mapping[int, tuple[str, str, int]],
) -> list[Column]:
    """Decode a table that fills the cursor; ``kind_counts`` is None in the INDEX, which has no masks."""
    column_count = cursor.varint("column count")
    if column_count > COLUMNS_IN_TABLE:
        raise ReferenceLimit(f"{cursor.where}, column count", column_count, f"at most {COLUMNS_IN_TABLE}")
    streams: list[Stream] = []
    columns: list[tuple[Column, Sequence | None]] = []
    for number in range(column_count):
        columns.append(_describe_column(cursor, number, rows, kind_counts, group, known, streams))

    part_count = cursor.varint("part count")
    if part_count > PARTS_IN_TABLE:
        raise ReferenceLimit(f"{cursor.where}, part count", part_count, f"at most {PARTS_IN_TABLE}")
    parts: list[tuple[int, int, int]] = []
    for number in range(part_count):
        what = f"part {number}"
        codec = cursor.u8(f"{what}, codec")
        if codec > 1:
            raise ReferenceCorrupt(f"{cursor.where}, {what}, codec", codec, "0 or 1")
        raw_size = cursor.varint(f"{what}, raw length")
        stored_size = cursor.varint(f"{what}, stored length") if codec == 1 else raw_size
        parts.append((codec, raw_size, stored_size))

    remaining = [raw_size for _, raw_size, _ in parts]
    for stream in streams:
        if stream.part >= part_count:
            raise ReferenceCorrupt(f"{stream.where}, part", stream.part, f"below {part_count}")
        if stream.size > remaining[stream.part]:
            found = f"{remaining[stream.part]} bytes left in part {stream.part}"
            raise ReferenceCorrupt(stream.where, found, f"{stream.size} bytes or more")
        remaining[stream.part] -= stream.size
    for number, size in enumerate(remaining):
        if size:
            raise ReferenceCorrupt(f"{cursor.where}, part {number}", f"{size} bytes left over", "none")

    stored_parts = [cursor.take(stored_size, f"part {i}") for i, (_, _, stored_size) in enumerate(parts)]
    cursor.end("table")
    raw_parts = [
        Cursor(decompress(codec, data, raw_size, f"{cursor.where}, part {i}"), f"{cursor.where}, part {i}")
        for i, ((codec, raw_size, _), data) in enumerate(zip(parts, stored_parts, strict=True))
    ]
    for stream in streams:
        stream.data = raw_parts[stream.part].take(stream.size, stream.where)

    for column, sequence in columns:
        if sequence is not None:
            column.stored = [_as_dtype(v, column.dtype) for v in evaluate(sequence)]
    return [column for column, _ in columns]


def decompress(codec: int, data: bytes, raw_size: int, where: str) -> bytes:
    """Give the raw bytes of a part; never more than ``raw_size`` of them and a little."""
    if codec == 0:
        if len(data) != raw_size:
            raise ReferenceCorrupt(where, f"{len(data)} bytes", f"{raw_size} bytes")
        return data
    frame = zstandard.ZstdDecompressor().decompressobj()
    out = bytearray()
    for start in range(0, len(data), 256):
        try:
            out += frame.decompress(data[start : start + 256])
        except zstandard.ZstdError as error:
            raise ReferenceCorrupt(where, f"zstd error ({error})", "one zstd frame") from error
        if len(out) > raw_size:
            raise ReferenceCorrupt(where, f"at least {len(out)} bytes decompressed", f"{raw_size} bytes")
        if frame.eof:
            rest = len(frame.unused_data) + max(0, len(data) - start - 256)
            if rest:
                raise ReferenceCorrupt(where, f"{rest} bytes after the zstd frame", "one zstd frame alone")
            break
    if not frame.eof:
        raise ReferenceCorrupt(where, "a zstd frame without its end", "one whole zstd frame")
    if len(out) != raw_size:
        raise ReferenceCorrupt(where, f"{len(out)} bytes decompressed", f"{raw_size} bytes")
    return bytes(out)


def _describe_column(
    cursor: Cursor,
    number: int,
    rows: int,
    kind_counts: list[int] | None,
    group: int,
    known: Mapping[int, tuple[str, str, int]],
    streams: list[Stream],
) -> tuple[Column, Sequence | None]:
    where = f"{cursor.where}, column {number}"
    key = cursor.varint(f"column {number}, id")
    column_id, has_dtype = key // 2, key % 2 == 1
    default_dtype = ""
    if column_id == 0:
        if not has_dtype:
            raise ReferenceCorrupt(f"{where}, id", "0 without a dtype", "0 always with a dtype")
        name = _column_name(cursor, where)
        if kind_counts is not None:
            named_group = cursor.u8(f"column {number}, group")
            if named_group != group:
                raise ReferenceCorrupt(f"{where}, group", named_group, f"{group}, the section's")
    elif column_id in known:
        name, default_dtype, own_group = known[column_id]
        if kind_counts is not None and own_group != group:
            raise ReferenceCorrupt(f"{where} ({name}), group", group, own_group)
    elif kind_counts is None:
        raise ReferenceCorrupt(f"{where}, id", column_id, "1 to 7")
    else:
        raise ReferenceUnsupported(f"{where}, id", column_id, "at most 21")
    where = f"{where} ({name})"
    dtype = default_dtype
    if has_dtype:
        code = cursor.u8(f"column {number}, dtype")
        if code >= len(DTYPES):
            raise ReferenceCorrupt(f"{where}, dtype", code, "0 to 7")
        dtype = DTYPES[code]

    mask: list[bool] = []
    stored_rows = rows
    if kind_counts is not None:
        kinds = len(kind_counts)
        mask_bytes = cursor.take((kinds + 7) // 8, f"column {number}, mask")
        bits = [mask_bytes[i // 8] >> (i % 8) & 1 == 1 for i in range(8 * len(mask_bytes))]
        if any(bits[kinds:]):
            raise ReferenceCorrupt(f"{where}, mask", mask_bytes.hex(), f"bits from {kinds} on zero")
        mask = bits[:kinds]
        if column_id == 2 and not all(mask):
            raise ReferenceCorrupt(f"{where}, mask", mask_bytes.hex(), "a full mask for kind")
        stored_rows = sum(count for count, stored in zip(kind_counts, mask, strict=True) if stored)
    sequence = None
    if stored_rows:
        width = WIDTHS[DTYPES.index(dtype)]
        sequence = _describe_sequence(cursor, stored_rows, width, streams, where)
    return Column(name, dtype, mask, []), sequence


def _column_name(cursor: Cursor, where: str) -> str:
    size = cursor.u8("length of a name")
    if size == 0:
        raise ReferenceCorrupt(f"{where}, length of its name", 0, f"1 to {NAME_BYTES}")
    if size > NAME_BYTES:
        raise ReferenceLimit(f"{where}, length of its name", size, f"1 to {NAME_BYTES}")
    raw = cursor.take(size, "name")
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ReferenceCorrupt(f"{where}, name", raw.hex(), "UTF-8") from error
    if name in NUMBERED_NAMES:
        raise ReferenceCorrupt(f"{where}, name", repr(name), "a name that has no number")
    return name


def _describe_sequence(
    cursor: Cursor, count: int, width: int, streams: list[Stream], where: str, inner: bool = False
) -> Sequence:
    first = cursor.u8(f"{where}, transform and layout")
    transform, layout = divmod(first, 16)
    if inner and (transform != 0 or layout not in (0, 1, 3)):
        allowed = "transform 0 and layout 0, 1 or 3 in an inner sequence"
        raise ReferenceCorrupt(where, f"transform {transform}, layout {layout}", allowed)
    if transform > 2:
        raise ReferenceCorrupt(f"{where}, transform", transform, "0 to 2")
    if layout > 4:
        raise ReferenceCorrupt(f"{where}, layout", layout, "0 to 4")
    if count <= transform:
        raise ReferenceCorrupt(f"{where}, transform", f"{transform} of {count} values", "a residual or more")
    s = Sequence(where, width, transform, layout, count - transform)
    s.base = cursor.svarint(f"{where}, base or first")
    if transform == 2:
        s.step = cursor.svarint(f"{where}, step")
    if transform >= 1:
        s.scale = cursor.varint(f"{where}, scale")
        if s.scale == 0:
            raise ReferenceCorrupt(f"{where}, scale", 0, "1 or more")
    (_constant, _byte_planes, _dictionary, _tokens, _runs)[layout](cursor, s, streams)
    return s


def _new_stream(cursor: Cursor, streams: list[Stream], size: int, where: str) -> Stream:
    stream = Stream(cursor.varint(f"{where}, part"), size, where)
    streams.append(stream)
    return stream


def _fitting(cursor: Cursor, width: int, what: str) -> int:
    value = cursor.varint(what)
    if value >> width:
        raise ReferenceCorrupt(cursor.at(what), value, f"below 2**{width}")
    return value


def _constant(cursor: Cursor, s: Sequence, streams: list[Stream]) -> None:
    s.constant = _fitting(cursor, s.width, f"{s.where}, constant")


def _byte_planes(cursor: Cursor, s: Sequence, streams: list[Stream]) -> None:
    planes = cursor.u8(f"{s.where}, plane count")
    if not 1 <= planes <= s.width // 8:
        raise ReferenceCorrupt(f"{s.where}, plane count", planes, f"1 to {s.width // 8}")
    s.planes = _new_stream(cursor, streams, planes * s.residual_count, f"{s.where}, planes")


def _dictionary(cursor: Cursor, s: Sequence, streams: list[Stream]) -> None:
    size = cursor.u8(f"{s.where}, dictionary size")
    if size == 0:
        raise ReferenceCorrupt(f"{s.where}, dictionary size", 0, "1 to 255")
    s.dictionary = [_fitting(cursor, s.width, f"{s.where}, dictionary entry") for _ in range(size)]
    s.escape_count = cursor.varint(f"{s.where}, escape count")
    if s.escape_count > s.residual_count:
        raise ReferenceCorrupt(f"{s.where}, escape count", s.escape_count, f"at most {s.residual_count}")
    s.bytes_stream = _new_stream(cursor, streams, s.residual_count, f"{s.where}, dictionary bytes")
    if s.escape_count:
        escapes = _describe_sequence(cursor, s.escape_count, s.width, streams, f"{s.where}, escapes", True)
        s.inner = [escapes]


def _tokens(cursor: Cursor, s: Sequence, streams: list[Stream]) -> None:
    d, q = divmod(cursor.u8(f"{s.where}, d and q"), 16)
    if not (1 <= d <= 7 and q <= d and 2**d + (s.width - d) * 2**q <= 256):
        allowed = "1 <= d <= 7, q <= d, 2**d + (w - d) * 2**q <= 256"
        raise ReferenceCorrupt(f"{s.where}, d and q", f"d = {d}, q = {q}, w = {s.width}", allowed)
    s.direct_bits, s.mantissa_bits = d, q
    s.bytes_stream = _new_stream(cursor, streams, s.residual_count, f"{s.where}, tokens")
    part_of_bits = cursor.varint(f"{s.where}, bits, part")
    length = cursor.varint(f"{s.where}, length of the bits")
    # the largest residual keeps w - 1 - q bits back
    most = (s.residual_count * (s.width - 1 - q) + 7) // 8
    if length > most:
        raise ReferenceCorrupt(f"{s.where}, length of the bits", length, f"at most {most}")
    s.bits = Stream(part_of_bits, length, f"{s.where}, bits")
    streams.append(s.bits)


def _runs(cursor: Cursor, s: Sequence, streams: list[Stream]) -> None:
    runs = cursor.varint(f"{s.where}, run count")
    if not 1 <= runs <= s.residual_count:
        raise ReferenceCorrupt(f"{s.where}, run count", runs, f"1 to {s.residual_count}")
    values = _describe_sequence(cursor, runs, s.width, streams, f"{s.where}, run values", True)
    lengths = _describe_sequence(cursor, runs, 32, streams, f"{s.where}, run lengths", True)
    s.inner = [values, lengths]


def evaluate(s: Sequence) -> list[int]:
    """Give the values of a sequence as unsigned integers of its width."""
    residuals = _residuals(s)
    modulus = 2**s.width
    if s.transform == 0:
        return [(s.base + r) % modulus for r in residuals]
    values = [s.base % modulus]
    if s.transform == 1:
        for r in residuals:
            values.append((values[-1] + s.scale * unzigzag(r)) % modulus)
        return values
    step = s.step
    values.append((values[0] + s.scale * step) % modulus)
    for r in residuals:
        step += unzigzag(r)
        values.append((values[-1] + s.scale * step) % modulus)
    return values


def _residuals(s: Sequence) -> list[int]:
    count = s.residual_count
    if s.layout == 0:
        return [s.constant] * count
    if s.layout == 1:
        assert s.planes is not None
        data = s.planes.data
        plane_count = len(data) // count
        return [sum(data[j * count + i] << (8 * j) for j in range(plane_count)) for i in range(count)]
    if s.layout == 2:
        return _dictionary_residuals(s)
    if s.layout == 3:
        return _token_residuals(s)
    values, lengths = (evaluate(inner) for inner in s.inner)
    total = sum(lengths) + len(lengths)
    if total != count:
        raise ReferenceCorrupt(f"{s.where}, sum of the run lengths", total, count)
    return [v for v, length in zip(values, lengths, strict=True) for _ in range(length + 1)]


def _dictionary_residuals(s: Sequence) -> list[int]:
    assert s.bytes_stream is not None
    found = s.bytes_stream.data.count(255)
    if found != s.escape_count:
        raise ReferenceCorrupt(f"{s.where}, escapes", f"{found} bytes of 255", s.escape_count)
    escapes = iter(evaluate(s.inner[0]) if s.inner else [])
    out = []
    for byte in s.bytes_stream.data:
        if byte == 255:
            out.append(next(escapes))
        elif byte < len(s.dictionary):
            out.append(s.dictionary[byte])
        else:
            raise ReferenceCorrupt(f"{s.where}, dictionary byte", byte, f"below {len(s.dictionary)}, or 255")
    return out


def _token_residuals(s: Sequence) -> list[int]:
    assert s.bytes_stream is not None
    assert s.bits is not None
    d, q, w = s.direct_bits, s.mantissa_bits, s.width
    token_count = 2**d + (w - d) * 2**q
    out = []
    bit = 0  # position of the next bit in the stream of bits
    for token in s.bytes_stream.data:
        if token < 2**d:
            out.append(token)
            continue
        if token >= token_count:
            raise ReferenceCorrupt(f"{s.where}, token", token, f"below {token_count}")
        above, mantissa = divmod(token - 2**d, 2**q)
        rest = d + above - q
        first_byte, last_byte = bit // 8, (bit + rest + 7) // 8
        if last_byte > len(s.bits.data):
            found = f"{len(s.bits.data)} bytes of bits"
            raise ReferenceCorrupt(s.where, found, f"{last_byte} bytes or more")
        window = int.from_bytes(s.bits.data[first_byte:last_byte], "little") >> (bit % 8)
        low = window % 2**rest
        bit += rest
        out.append(((2**q + mantissa) << rest) + low)
    if len(s.bits.data) != (bit + 7) // 8:
        raise ReferenceCorrupt(
            f"{s.where}, length of the bits", len(s.bits.data), f"{(bit + 7) // 8}, the smallest"
        )
    if bit % 8 and s.bits.data[-1] >> (bit % 8):
        raise ReferenceCorrupt(f"{s.where}, rest of the last byte of bits", s.bits.data[-1], "zero bits")
    return out


def _as_dtype(value: int, dtype: str) -> int:
    width = WIDTHS[DTYPES.index(dtype)]
    return value - 2**width if dtype.startswith("int") and value >> (width - 1) else value

"""Sequences of the stream format (sections 5.2 and 5.3 of docs/format.md), decoded slowly and plainly.

Part of :mod:`reference`; written from the document alone, and it imports nothing of evcodec.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from reference_cursor import Cursor, ReferenceCorrupt, ReferenceUnsupported, unzigzag


@dataclass
class Stream:
    """So many bytes from that part; the bytes are filled in once all parts are known to be used exactly."""

    part: int
    size: int
    where: str
    data: bytes = b""


@dataclass
class Sequence:
    """A described sequence; what a transform or layout does not have stays at its default."""

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


def describe_sequence(
    cursor: Cursor, count: int, width: int, streams: list[Stream], where: str, inner: bool = False
) -> Sequence:
    first = cursor.u8(f"{where}, transform and layout")
    transform, layout = divmod(first, 16)
    if transform > 2:
        raise ReferenceUnsupported(f"{where}, transform", transform, "0 to 2")
    if layout > 4:
        raise ReferenceUnsupported(f"{where}, layout", layout, "0 to 4")
    if inner and (transform != 0 or layout not in (0, 1, 3)):
        allowed = "transform 0 and layout 0, 1 or 3 in an inner sequence"
        raise ReferenceCorrupt(where, f"transform {transform}, layout {layout}", allowed)
    if count <= transform:
        raise ReferenceCorrupt(f"{where}, transform", f"{transform} of {count} values", "a residual or more")
    s = Sequence(where, width, transform, layout, count - transform)
    s.base = cursor.svarint(f"{where}, base or first")
    if transform == 2:
        s.step = cursor.svarint(f"{where}, step")
    if transform >= 1:
        s.scale = cursor.varint(f"{where}, scale")
        if not 1 <= s.scale < 2**width:
            raise ReferenceCorrupt(f"{where}, scale", s.scale, f"1 to 2**{width} - 1")
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
        escapes = describe_sequence(cursor, s.escape_count, s.width, streams, f"{s.where}, escapes", True)
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
    values = describe_sequence(cursor, runs, s.width, streams, f"{s.where}, run values", True)
    lengths = describe_sequence(cursor, runs, 32, streams, f"{s.where}, run lengths", True)
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

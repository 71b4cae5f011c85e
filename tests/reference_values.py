"""The values of described sequences (sections 5.2, 5.3, 5.4 and 5.6 of docs/format.md), slowly and plainly.

Part of :mod:`reference`; written from the document alone, and it imports nothing of evcodec.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Items
from dataclasses import dataclass

from reference_cursor import ReferenceCorrupt, unzigzag
from reference_sequence import (
    BINS,
    CONSTANT,
    DELTA,
    DICTIONARY,
    GIVEN_VALUES,
    NONE,
    PLANES,
    RUNS,
    SECOND,
    SPLIT,
    TOKENS,
    Sequence,
)

# Gives step number j, when z is what a split looks at.
Take = Callable[[int, int], int]


def evaluate(s: Sequence, row_kinds: Items[int] = ()) -> list[int]:
    """Give the values of a sequence as unsigned integers of its width.

    ``row_kinds`` are the kinds of the rows, for a sequence that is split by classes.
    """
    if s.layout == SPLIT:
        values = _apply(s, _split_taker(s, row_kinds))
    else:
        residuals = _residuals(s)
        values = _apply(s, lambda j, z: _step(s, s.layout, residuals[j]))
    return [v % 2**s.width for v in values]


def needs_kinds(s: Sequence) -> bool:
    """Say whether the values depend on the kinds of the rows."""
    return max(s.class_counts) > 1


def _apply(s: Sequence, take: Take) -> list[int]:
    if s.transform == NONE:
        return _base_and_residuals(s, take)
    if s.transform == DELTA:
        return _deltas(s, take)
    if s.transform == SECOND:
        return _second_differences(s, take)
    return _grid(s, take)


def _base_and_residuals(s: Sequence, take: Take) -> list[int]:
    values = []
    r = 0
    for j in range(s.residual_count):
        r = take(j, r)
        values.append(s.base + r)
    return values


def _step(s: Sequence, layout: int, residual: int) -> int:
    """Give the step that a residual of this layout means."""
    if s.transform == NONE:
        return residual
    return signed(residual, s.width) if layout == BINS else unzigzag(residual)


def _deltas(s: Sequence, take: Take) -> list[int]:
    values = [s.base]
    z = 0
    for j in range(s.residual_count):
        step = take(j, z)
        values.append(values[-1] + s.scale * step)
        z = zigzag(step, s.width)
    return values


def _second_differences(s: Sequence, take: Take) -> list[int]:
    d = s.step
    values = [s.base, s.base + s.scale * d]
    for j in range(s.residual_count):
        d += take(j, zigzag(d, s.width))
        values.append(values[-1] + s.scale * d)
    return values


def _grid(s: Sequence, take: Take) -> list[int]:
    values = [s.base]
    z = 0
    late = 0  # J of the document, in 1/256
    half = s.period // 2
    for j in range(s.residual_count):
        step = take(j, z)
        q = (late + 128) // 256
        values.append(values[-1] + s.scale * (step - q))
        # from -half on: the remainder of a division that rounds down is never negative
        e = (step + half) % s.period - half
        off = 256 * e + late - 256 * q
        late = off - off * s.gain // 16
        z = zigzag(step, s.width)
    return values


def _split_taker(s: Sequence, row_kinds: Items[int]) -> Take:
    contexts = [iter(evaluate(inner) if inner else ()) for inner in s.contexts]

    def take(j: int, z: int) -> int:
        # the rows before the first residual are those that the transform gives
        row = GIVEN_VALUES[s.transform] + j
        own, other = s.classes
        g = own[row_kinds[row]] if own else 0
        h = other[row_kinds[row - 1]] if other and row else 0
        above = sum(threshold <= z for threshold in s.thresholds)
        number = (g * s.class_counts[1] + h) * (len(s.thresholds) + 1) + above
        inner = s.contexts[number]
        for residual in contexts[number]:
            assert inner is not None
            return _step(s, inner.layout, residual)
        raise ReferenceCorrupt(f"{s.where}, context {number}", "its end", f"a value for residual {j}")

    return take


def _residuals(s: Sequence) -> list[int]:
    count = s.residual_count
    if s.layout == CONSTANT:
        return [s.constant] * count
    if s.layout == PLANES:
        assert s.planes is not None
        data = s.planes.data
        plane_count = len(data) // count
        return [sum(data[j * count + i] << (8 * j) for j in range(plane_count)) for i in range(count)]
    if s.layout == DICTIONARY:
        return _of_dictionary(s)
    if s.layout == TOKENS:
        return _of_tokens(s)
    if s.layout == BINS:
        return _of_bins(s)
    assert s.layout == RUNS
    values, lengths = (evaluate(inner) for inner in s.inner)
    total = sum(lengths) + len(lengths)
    if total != count:
        raise ReferenceCorrupt(f"{s.where}, sum of the run lengths", total, count)
    return [v for v, length in zip(values, lengths, strict=True) for _ in range(length + 1)]


def _of_dictionary(s: Sequence) -> list[int]:
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


@dataclass
class _Bits:
    """Takes bits from the low end of the first byte on."""

    data: bytes
    where: str
    used: int = 0

    def take(self, count: int) -> int:
        first, last = self.used // 8, (self.used + count + 7) // 8
        if last > len(self.data):
            raise ReferenceCorrupt(self.where, f"{len(self.data)} bytes", f"{last} bytes or more")
        window = int.from_bytes(self.data[first:last], "little") >> (self.used % 8)
        self.used += count
        return window % (1 << count)

    def end(self) -> None:
        """Refuse a byte that no bit needed, and bits of the last byte that are not zero."""
        needed = (self.used + 7) // 8
        if len(self.data) != needed:
            raise ReferenceCorrupt(f"{self.where}, length", len(self.data), f"{needed}, the smallest")
        if self.used % 8 and self.data[-1] >> (self.used % 8):
            raise ReferenceCorrupt(f"{self.where}, rest of the last byte", self.data[-1], "zero bits")


def _of_tokens(s: Sequence) -> list[int]:
    assert s.bytes_stream is not None
    assert s.bits is not None
    d, q, w = s.direct_bits, s.mantissa_bits, s.width
    token_count = 2**d + (w - d) * 2**q
    out = []
    bits = _Bits(s.bits.data, s.bits.where)
    for token in s.bytes_stream.data:
        if token < 2**d:
            out.append(token)
            continue
        if token >= token_count:
            raise ReferenceCorrupt(f"{s.where}, token", token, f"below {token_count}")
        above, mantissa = divmod(token - 2**d, 2**q)
        rest = d + above - q
        out.append(((2**q + mantissa) << rest) + bits.take(rest))
    bits.end()
    return out


def _of_bins(s: Sequence) -> list[int]:
    assert s.bytes_stream is not None
    assert s.bits is not None
    out = []
    codes = _Bits(s.bytes_stream.data, s.bytes_stream.where)
    bits = _Bits(s.bits.data, s.bits.where)
    for _ in range(s.residual_count):
        code = codes.take(s.code_width)
        if code >= len(s.bins):
            raise ReferenceCorrupt(f"{s.where}, code", code, f"below {len(s.bins)}")
        low, extra = s.bins[code]
        out.append((low + bits.take(extra)) % 2**s.width)
    codes.end()
    bits.end()
    return out


def signed(value: int, width: int) -> int:
    """Read the low bits of an integer as two's complement."""
    value %= 2**width
    return value - 2**width if value >> (width - 1) else value


def zigzag(value: int, width: int) -> int:
    """Map 0, -1, 1, -2, 2 to 0, 1, 2, 3, 4 for any integer, taken modulo 2**width first."""
    value = signed(value, width)
    return 2 * value if value >= 0 else -2 * value - 1

"""Pieces for grid time, bins, splits and held codes, written from docs/format.md and nothing else.

Like those of :mod:`assemble` they check nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from assemble import Layout, Parts, Residuals, Transform, plain, planes, sequence, signed, svarint, varint

# low and extra bits
Bin = tuple[int, int]


def grid(period: int, gain: int, scale: int = 1) -> Transform:
    """Transform 3; the deltas have to be multiples of the scale."""

    def apply(values: list[int], width: int) -> tuple[int, bytes, list[int]]:
        late, steps = 0, []
        for before, after in pairwise(values):
            q = (late + 128) >> 8
            s = signed(signed(after - before, width) // scale + q, width)
            e = s % period
            e -= period if e >= (period + 1) // 2 else 0
            off = 256 * e + late - 256 * q
            late = off - ((off * gain) >> 4)
            steps.append(s)
        head = svarint(signed(values[0], 64)) + varint(scale) + varint(period) + bytes([gain])
        return 3, head, Residuals.of_steps(steps, width)

    return apply


def gaps(bins: Iterable[Bin]) -> bytes:
    """Write the extra bits of bins, and the gaps where there are any."""
    out, end = b"", 0
    for low, extra in bins:
        out += bytes([extra]) if low == end else bytes([128 + extra]) + svarint(signed(low - end, 64))
        end = low + (1 << extra)
    return out


def bins(
    code_width: int, chosen: Sequence[Bin], part: int = 0, bits_part: int = 0, last: bool = False
) -> Layout:
    """Layout 5; of the bins that hold a residual the first is taken, or the last."""

    def apply(parts: Parts, residuals: list[int], width: int) -> tuple[int, bytes]:
        numbers = list(enumerate(chosen))[:: -1 if last else 1]
        codes = code_bits = bits = used = 0
        for r in residuals.direct if isinstance(residuals, Residuals) else residuals:
            number, above, extra = next(
                (i, (r - low) % (1 << width), extra)
                for i, (low, extra) in numbers
                if (r - low) % (1 << width) >> extra == 0
            )
            codes |= number << code_bits
            code_bits += code_width
            bits |= above << used
            used += extra
        size = (used + 7) // 8
        parts.put(part, codes.to_bytes((code_bits + 7) // 8, "little"))
        parts.put(bits_part, bits.to_bytes(size, "little"))
        head = bytes([code_width, len(chosen) - 1]) + gaps(chosen)
        return 5, head + varint(part) + varint(bits_part) + varint(size)

    return apply


def spread_bins(width: int, code_width: int = 8) -> list[Bin]:
    """Give bins that hold every number of a width: small ones one by one, then by magnitude."""
    low = min(4, (1 << code_width) - 1)
    found: list[Bin] = [(i, 0) for i in range(low)]
    if code_width >= 4:
        found += [(low + (1 << e), e) for e in range(1, width - 1, 1 + width // 10)]
    return [*found, (0, width)][-(1 << code_width) :]


def split(
    thresholds: Sequence[int],
    inner: Sequence[Layout],
    classes: Sequence[int] = (),
    row_kinds: Sequence[int] = (),
    before: Sequence[int] = (),
    base: int = 0,
) -> Layout:
    """Layout 6; inner layouts by turns.

    ``classes`` and ``before`` are those of the kinds of the block, for a row and for the row before it;
    ``row_kinds`` are the places of the kinds of the stored rows in the head.
    """

    def of_context(values: list[int], width: int) -> tuple[int, bytes, list[int]]:
        assert isinstance(values, Residuals)
        found = Residuals((r - base) % (1 << width) for r in values)
        found.direct = [(d - base) % (1 << width) for d in values.direct]
        return 0, svarint(base), found

    def apply(parts: Parts, residuals: list[int], width: int) -> tuple[int, bytes]:
        assert isinstance(residuals, Residuals)
        counts = [max(of_kinds, default=0) + 1 for of_kinds in (classes, before)]
        out = b""
        for count, of_kinds in zip(counts, (classes, before), strict=True):
            out += bytes([count]) + (bytes(of_kinds) if count > 1 else b"")
        out += bytes([len(thresholds)]) + b"".join(varint(b - a) for a, b in pairwise([0, *thresholds]))
        found = [Residuals() for _ in range(counts[0] * counts[1] * (len(thresholds) + 1))]
        given = len(row_kinds) - len(residuals)
        for j, (r, direct, z) in enumerate(zip(residuals, residuals.direct, residuals.before, strict=True)):
            row = given + j
            g = classes[row_kinds[row]] if classes else 0
            h = before[row_kinds[row - 1]] if before and row else 0
            values = found[(g * counts[1] + h) * (len(thresholds) + 1) + sum(t <= z for t in thresholds)]
            values.append(r)
            values.direct.append(direct)
        for number, values in enumerate(found):
            out += varint(len(values))
            layout = inner[number % len(inner)]
            out += sequence(parts, values, width, of_context, layout) if values else b""
        return 6, out

    return apply


@dataclass
class Held:
    """Takes rows of kind and code as held codes have them (5.5).

    ``spell_out``: numbers of rows that give a code though the list has it.
    """

    spell_out: frozenset[int] = frozenset()
    keys: list[int] = field(default_factory=list)
    buttons: list[int] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)

    def take(self, rows: Iterable[tuple[int, int]]) -> Held:
        """Spell rows."""
        for number, (kind, code) in enumerate(rows):
            down = self.buttons if kind in (1, 2) else self.keys
            if kind in (1, 4):
                self.codes.append(code)
                if code not in down:
                    del down[: max(0, len(down) - 63)]
                    down.append(code)
            elif kind in (2, 5, 8):
                known = code in down and number not in self.spell_out
                self.positions.append(down.index(code) + 1 if known else 0)
                if not known:
                    self.codes.append(code)
                elif kind != 8:
                    down.remove(code)
            else:
                self.codes.append(code)
        return self


def held(
    rows: Iterable[tuple[int, int]],
    parts: Parts,
    width: int = 32,
    *,
    codes: tuple[Transform, Layout] | None = None,
    positions: tuple[Transform, Layout] | None = None,
    spell_out: Iterable[int] = (),
) -> bytes:
    """Write the values of a column as held codes."""
    spelled = Held(frozenset(spell_out)).take(rows)
    modulus = 1 << width
    out = b"\x40" + varint(len(spelled.codes))
    default = (plain(), planes())
    if spelled.codes:
        out += sequence(parts, [c % modulus for c in spelled.codes], width, *(codes or default))
    if spelled.positions:
        out += sequence(parts, spelled.positions, 8, *(positions or default))
    return out

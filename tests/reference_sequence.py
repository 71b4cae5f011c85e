"""How sequences of the stream format are described (sections 5.2, 5.3, 5.4 and 5.6 of docs/format.md).

Part of :mod:`reference`; written from the document alone, and it imports nothing of evcodec.
"""

from __future__ import annotations

from collections.abc import Sequence as Items
from dataclasses import dataclass, field

from reference_cursor import Cursor, ReferenceCorrupt, ReferenceUnsupported

NONE, DELTA, SECOND, GRID = range(4)
CONSTANT, PLANES, DICTIONARY, TOKENS, RUNS, BINS, SPLIT = range(7)
INNER_LAYOUTS = (CONSTANT, PLANES, TOKENS, BINS)
# how many values a transform gives itself
GIVEN_VALUES = {NONE: 0, DELTA: 1, SECOND: 2, GRID: 1}


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
    period: int = 0
    gain: int = 0
    constant: int = 0
    planes: Stream | None = None
    dictionary: list[int] = field(default_factory=list)
    escape_count: int = 0
    bytes_stream: Stream | None = None
    direct_bits: int = 0
    mantissa_bits: int = 0
    bits: Stream | None = None
    code_width: int = 0
    # low and extra bits of each bin
    bins: list[tuple[int, int]] = field(default_factory=list)
    # how many classes, and that of each kind: of the row, and of the row before
    class_counts: tuple[int, int] = (1, 1)
    classes: tuple[dict[int, int], dict[int, int]] = ({}, {})
    thresholds: list[int] = field(default_factory=list)
    # the inner sequences of a split; None where a context has no residuals
    contexts: list[Sequence | None] = field(default_factory=list)
    inner: list[Sequence] = field(default_factory=list)


def describe_sequence(
    cursor: Cursor,
    count: int,
    width: int,
    streams: list[Stream],
    where: str,
    *,
    inner: bool = False,
    split: bool = True,
    kinds: Items[int] = (),
) -> Sequence:
    """Describe a sequence.

    ``inner``: it stands in another one. ``split``: layout 6 may stand here. ``kinds``: the kinds of the block
    in the order of its head, where classes may tell them apart.
    """
    first = cursor.u8(f"{where}, transform and layout")
    transform, layout = divmod(first, 16)
    if transform > GRID:
        raise ReferenceUnsupported(f"{where}, transform", transform, "0 to 3")
    if layout > SPLIT:
        raise ReferenceUnsupported(f"{where}, layout", layout, "0 to 6")
    if inner and (transform != NONE or layout not in INNER_LAYOUTS):
        allowed = "transform 0 and layout 0, 1, 3 or 5 in an inner sequence"
        raise ReferenceCorrupt(where, f"transform {transform}, layout {layout}", allowed)
    if layout == SPLIT and not split:
        raise ReferenceCorrupt(f"{where}, layout", layout, "0 to 5 in held codes")
    given = GIVEN_VALUES[transform]
    if count <= given:
        raise ReferenceCorrupt(f"{where}, transform", f"{transform} of {count} values", "a residual or more")
    s = Sequence(where, width, transform, layout, count - given)
    s.base = cursor.svarint(f"{where}, base or first")
    if transform == SECOND:
        s.step = cursor.svarint(f"{where}, step")
    if transform != NONE:
        s.scale = cursor.varint(f"{where}, scale")
        if not 1 <= s.scale < 2**width:
            raise ReferenceCorrupt(f"{where}, scale", s.scale, f"1 to 2**{width} - 1")
    if transform == GRID:
        s.period = cursor.varint(f"{where}, period")
        if not 2 <= s.period <= 2**40:
            raise ReferenceCorrupt(f"{where}, period", s.period, "2 to 2**40")
        s.gain = cursor.u8(f"{where}, gain")
        if not 1 <= s.gain <= 15:
            raise ReferenceCorrupt(f"{where}, gain", s.gain, "1 to 15")
    if layout == SPLIT:
        _split(cursor, s, streams, kinds)
    else:
        (_constant, _byte_planes, _dictionary, _tokens, _runs, _bins)[layout](cursor, s, streams)
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
        where = f"{s.where}, escapes"
        s.inner = [describe_sequence(cursor, s.escape_count, s.width, streams, where, inner=True)]


def _tokens(cursor: Cursor, s: Sequence, streams: list[Stream]) -> None:
    d, q = divmod(cursor.u8(f"{s.where}, d and q"), 16)
    if not (1 <= d <= 7 and q <= d and 2**d + (s.width - d) * 2**q <= 256):
        allowed = "1 <= d <= 7, q <= d, 2**d + (w - d) * 2**q <= 256"
        raise ReferenceCorrupt(f"{s.where}, d and q", f"d = {d}, q = {q}, w = {s.width}", allowed)
    s.direct_bits, s.mantissa_bits = d, q
    s.bytes_stream = _new_stream(cursor, streams, s.residual_count, f"{s.where}, tokens")
    # the largest residual keeps w - 1 - q bits back
    _describe_bits(cursor, s, streams, s.width - 1 - q)


def _bins(cursor: Cursor, s: Sequence, streams: list[Stream]) -> None:
    s.code_width = cursor.u8(f"{s.where}, code width")
    if s.code_width not in (1, 2, 4, 8):
        raise ReferenceCorrupt(f"{s.where}, code width", s.code_width, "1, 2, 4 or 8")
    bin_count = cursor.u8(f"{s.where}, bin count") + 1
    if bin_count > 2**s.code_width:
        raise ReferenceCorrupt(f"{s.where}, bin count", bin_count, f"1 to {2**s.code_width}")
    end_of_last = 0
    for number in range(bin_count):
        what = f"{s.where}, bin {number}"
        has_gap, extra = divmod(cursor.u8(f"{what}, extra bits"), 128)
        low = (end_of_last + (cursor.svarint(f"{what}, gap") if has_gap else 0)) % 2**s.width
        if extra > s.width:
            raise ReferenceCorrupt(f"{what}, extra bits", extra, f"0 to {s.width}")
        s.bins.append((low, extra))
        end_of_last = low + 2**extra
    codes = (s.residual_count * s.code_width + 7) // 8
    s.bytes_stream = _new_stream(cursor, streams, codes, f"{s.where}, codes")
    _describe_bits(cursor, s, streams, max(extra for _, extra in s.bins))


def _describe_bits(cursor: Cursor, s: Sequence, streams: list[Stream], most_each: int) -> None:
    part = cursor.varint(f"{s.where}, bits, part")
    length = cursor.varint(f"{s.where}, length of the bits")
    most = (s.residual_count * most_each + 7) // 8
    if length > most:
        raise ReferenceCorrupt(f"{s.where}, length of the bits", length, f"at most {most}")
    s.bits = Stream(part, length, f"{s.where}, bits")
    streams.append(s.bits)


def _runs(cursor: Cursor, s: Sequence, streams: list[Stream]) -> None:
    runs = cursor.varint(f"{s.where}, run count")
    if not 1 <= runs <= s.residual_count:
        raise ReferenceCorrupt(f"{s.where}, run count", runs, f"1 to {s.residual_count}")
    values = describe_sequence(cursor, runs, s.width, streams, f"{s.where}, run values", inner=True)
    lengths = describe_sequence(cursor, runs, 32, streams, f"{s.where}, run lengths", inner=True)
    s.inner = [values, lengths]


def _split(cursor: Cursor, s: Sequence, streams: list[Stream], kinds: Items[int]) -> None:
    own_count, own = _classes(cursor, kinds, f"{s.where}, classes of the row")
    other_count, other = _classes(cursor, kinds, f"{s.where}, classes of the row before")
    s.class_counts, s.classes = (own_count, other_count), (own, other)
    threshold_count = cursor.u8(f"{s.where}, threshold count")
    if threshold_count > 15:
        raise ReferenceCorrupt(f"{s.where}, threshold count", threshold_count, "0 to 15")
    context_count = own_count * other_count * (threshold_count + 1)
    if not 2 <= context_count <= 16:
        raise ReferenceCorrupt(f"{s.where}, contexts", context_count, "2 to 16")
    threshold = 0
    for number in range(threshold_count):
        what = f"{s.where}, threshold {number}"
        above = cursor.varint(what)
        threshold += above
        if above == 0 or threshold >= 2**s.width:
            raise ReferenceCorrupt(what, f"{threshold}, which is {above} above", "above, and below 2**w")
        s.thresholds.append(threshold)
    left = s.residual_count
    for number in range(context_count):
        where = f"{s.where}, context {number}"
        count = cursor.varint(f"{where}, count")
        if count > left:
            raise ReferenceCorrupt(f"{where}, count", count, f"at most {left}, the residuals that are left")
        left -= count
        described = describe_sequence(cursor, count, s.width, streams, where, inner=True) if count else None
        s.contexts.append(described)
    if left:
        found = s.residual_count - left
        raise ReferenceCorrupt(f"{s.where}, sum of the counts", found, s.residual_count)


def _classes(cursor: Cursor, kinds: Items[int], where: str) -> tuple[int, dict[int, int]]:
    count = cursor.u8(f"{where}, count")
    most = 15 if kinds else 1
    if not 1 <= count <= most:
        raise ReferenceCorrupt(f"{where}, count", count, f"1 to {most}")
    found = {}
    for kind in kinds if count > 1 else ():
        found[kind] = cursor.u8(f"{where}, class of kind {kind}")
        if found[kind] >= count:
            raise ReferenceCorrupt(f"{where}, class of kind {kind}", found[kind], f"below {count}")
    return count, found

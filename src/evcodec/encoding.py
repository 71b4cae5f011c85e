"""Encoding blocks and tables (docs/format.md, sections 4 and 5): columns in, payload out. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from . import compression
from ._codec import SequenceEncoder, count_kinds, gather, hold, kinds_with_values, time_range
from .block import Columns, column_head, group_of
from .compression import Effort
from .errors import InvalidArgumentError, LimitExceededError
from .limits import MAX_COLUMNS
from .schema import ColumnGroup, EventKind
from .wire import pack_varint, zigzag


class Level(NamedTuple):
    """How much work an encoder does.

    ``large`` and ``small`` are the ways in which zstd is tried on a part, by its size: a small part is compressed in no
    time, and its tables weigh more. ``sample`` is the most values of a column that costs are estimated on (0: all).
    ``trials`` is how many of the cheapest encodings of a column are compressed to see which is smallest, on up to ``trial_values``
    of its values (0: all). ``thorough`` looks at encodings too that take long to find and to decode. ``own_part_bytes`` are
    the sizes to try from which on a stream is compressed on its own, so that it can be left out when its column is not asked
    for; smaller ones share a part, because each zstd frame has a header and tables of its own.
    """

    large: tuple[Effort, ...]
    small: tuple[Effort, ...]
    sample: int
    trials: int
    trial_values: int
    thorough: bool
    own_part_bytes: tuple[int, ...]

    def efforts(self, raw_bytes: int) -> tuple[Effort, ...]:
        """Return how to compress a part of this size."""
        return self.large if raw_bytes > _SMALL_PART_BYTES else self.small


_SMALL_PART_BYTES = 32 * 1024
LEVELS: dict[str, Level] = {
    "fast": Level(
        (Effort(1),),
        (Effort(1),),
        sample=2048,
        trials=1,
        trial_values=0,
        thorough=False,
        own_part_bytes=(4096,),
    ),
    "balanced": Level(
        (Effort(1),),
        (Effort(1), Effort(3, 6), Effort(9)),
        sample=4096,
        trials=3,
        trial_values=16384,
        thorough=False,
        own_part_bytes=(4096, 512),
    ),
    "small": Level(
        (Effort(19), Effort(19, 6)),
        (Effort(19), Effort(19, 6)),
        sample=0,
        trials=6,
        trial_values=0,
        thorough=True,
        own_part_bytes=(4096, 1024, 384, 128),
    ),
}

# The first byte of held codes, and the kinds whose code a place among them may tell.
HELD = 0x40
RELEASES = {int(EventKind.BUTTON_UP), int(EventKind.KEY_UP), int(EventKind.KEY_REPEAT)}

# Parts are named in one byte of a description: the encoder stays below 128.
_MAX_OWN_PARTS = 120


def level_of(name: str) -> Level:
    """Return the level of this name; raise InvalidArgumentError if there is none."""
    try:
        return LEVELS[name]
    except (KeyError, TypeError):
        raise InvalidArgumentError(
            f"level: found {name!r}, allowed: {', '.join(map(repr, LEVELS))}"
        ) from None


@dataclass
class _Encoded:
    """A column that is encoded but for the parts that its streams go to."""

    head: bytes
    description: bytearray
    streams: list[tuple[int, bytes, bool]]


# A description, and the streams: see SequenceEncoder.encode.
_Encoding = tuple[bytearray, list[tuple[int, bytes, bool]]]


def _size(encoding: _Encoding, level: Level, share: float) -> float:
    """Return the bytes that an encoding takes, when its streams are of this share of all values."""
    description, streams = encoding
    efforts = level.large if level.trial_values else level.small
    return (
        len(description)
        + sum(
            len(data) if noise else len(compression.compress(data, efforts)[1]) for _, data, noise in streams
        )
        / share
    )


def _cheapest(encoder: SequenceEncoder, level: Level, count: int) -> tuple[float, _Encoding]:
    """Return the cost and the encoding that is cheapest, by estimate or by trial."""
    costs = encoder.costs[: level.trials]
    if len(costs) == 1:
        return costs[0], encoder.encode(0)
    whole = level.trial_values == 0 or count <= level.trial_values
    share = 1.0 if whole else level.trial_values / count
    tried = [encoder.encode(way, level.trial_values) for way in range(len(costs))]
    sizes = [_size(encoding, level, share) for encoding in tried]
    best = sizes.index(min(sizes))
    return sizes[best], tried[best] if whole else encoder.encode(best)


def _encode_values(
    values: np.ndarray, level: Level, kinds: np.ndarray | None = None, listed: bytes = b"", split: bool = True
) -> tuple[float, _Encoding]:
    """Return the cost and the encoding of at least one value that is cheapest."""
    thorough = level.thorough and split
    encoder = SequenceEncoder(values, values.dtype.kind == "i", level.sample, thorough, kinds, listed)
    return _cheapest(encoder, level, len(values))


def _encode_held(values: np.ndarray, kinds: np.ndarray, level: Level) -> tuple[float, _Encoding]:
    """Return the cost and the encoding of at least one value as held codes (docs/format.md, section 5.5)."""
    codes, positions = hold(values, kinds)
    cost, description = 1.0, bytearray((HELD,)) + pack_varint(len(codes))
    streams: list[tuple[int, bytes, bool]] = []
    for part in (codes, positions):
        if len(part):
            more, (of_part, found) = _encode_values(part, level, split=False)
            streams += [(len(description) + at, data, noise) for at, data, noise in found]
            description += of_part
            cost += more
    return cost, (description, streams)


def _divide(streams: list[tuple[bytes, bool]], own_from: int) -> list[int]:
    """Return the part of each stream when those of so many bytes have a part of their own."""
    parts: list[int] = []
    shared: dict[bool, int] = {}
    count = 0
    for data, noise in streams:
        if not data:  # takes nothing: best from a part that its column needs anyway
            parts.append(parts[-1] if parts else 0)
        elif len(data) < own_from or count >= _MAX_OWN_PARTS:
            parts.append(shared.setdefault(noise, count))
            count = max(count, parts[-1] + 1)
        else:
            parts.append(count)
            count += 1
    return parts


def _join_parts(streams: list[tuple[bytes, bool]], parts: list[int], level: Level) -> bytes:
    """Return part count, part entries and part bytes."""
    pieces: dict[int, list[bytes]] = {}
    noisy: set[int] = set()
    for (data, noise), part in zip(streams, parts, strict=True):
        if data:
            pieces.setdefault(part, []).append(data)
            noisy |= {part} if noise else set()
    entries = bytearray(pack_varint(len(pieces)))
    stored: list[bytes] = []
    for part in sorted(pieces):
        raw = b"".join(pieces[part])
        codec, kept = (
            (compression.STORED, raw) if part in noisy else compression.compress(raw, level.efforts(len(raw)))
        )
        entries.append(codec)
        entries += pack_varint(len(raw))
        if codec != compression.STORED:
            entries += pack_varint(len(kept))
        stored.append(kept)
    return bytes(entries) + b"".join(stored)


def _assign_parts(columns: list[_Encoded], level: Level) -> bytes:
    """Give every stream its part and return part count, part entries and part bytes."""
    places = [(column.description, at) for column in columns for at, _, _ in column.streams]
    streams = [(data, noise) for column in columns for _, data, noise in column.streams]
    best: tuple[bytes, list[int]] | None = None
    seen: list[list[int]] = []
    for own_from in level.own_part_bytes:
        parts = _divide(streams, own_from)
        if parts in seen:
            continue
        seen.append(parts)
        joined = _join_parts(streams, parts, level)
        if best is None or len(joined) < len(best[0]):
            best = joined, parts
    assert best is not None
    for (description, at), part in zip(places, best[1], strict=True):
        description[at] = part
    return best[0]


def _pack_table(columns: list[_Encoded], level: Level) -> bytes:
    parts = _assign_parts(columns, level)
    return b"".join(
        (pack_varint(len(columns)), *(column.head + column.description for column in columns), parts)
    )


def _encode_column(
    name: str, values: np.ndarray, kinds: np.ndarray | None, counts: dict[int, int], group: int, level: Level
) -> _Encoded:
    """Encode one column of a block; ``kinds`` is None when all events are of one kind."""
    if name == "kind":
        stored = set(counts)
    elif kinds is None:
        stored = set(counts) if values.any() else set()
    else:
        stored = kinds_with_values(values, kinds, len(counts))
    bits = sum(1 << i for i, kind in enumerate(counts) if kind in stored)
    mask = bits.to_bytes((len(counts) + 7) // 8, "little")
    head = column_head(name, values.dtype, group) + mask
    if not stored:
        return _Encoded(head, bytearray(), [])
    if kinds is not None and len(stored) < len(counts):
        values, kinds = _rows_of(values, kinds, stored), _rows_of(kinds, kinds, stored)
    cost, encoding = _encode_values(values, level, None if name == "kind" else kinds, bytes(counts))
    if kinds is not None and group == ColumnGroup.KEYS and stored & RELEASES:
        held_cost, held = _encode_held(values, kinds, level)
        encoding = held if held_cost < cost else encoding
    return _Encoded(head, *encoding)


def _rows_of(values: np.ndarray, kinds: np.ndarray, stored: set[int]) -> np.ndarray:
    """Return the values of the rows of some kinds."""
    kept = np.empty_like(values)
    return kept[: gather(values, kinds, stored, kept)]


def encode_block(columns: Columns, level: Level) -> bytes:
    """Return the payload of a block.

    Parameters
    ----------
    columns : mapping of str to ndarray, shape (n,)
        Contiguous, aligned native-order integer arrays of one length, at most MAX_BLOCK_EVENTS; ``t`` is int64 and
        ``kind`` is uint8 where they are there.
    level : Level

    Raises
    ------
    LimitExceededError
        There are too many columns.
    """
    if len(columns) > MAX_COLUMNS:
        raise LimitExceededError(f"columns of a block: found {len(columns)}, allowed: {MAX_COLUMNS}")
    events = len(next(iter(columns.values()))) if columns else 0
    kinds = columns.get("kind")
    t = columns.get("t")
    counts = ({0: events} if kinds is None else count_kinds(kinds)) if events else {}
    low, high = time_range(t) if t is not None and events else (0, 0)
    groups: dict[int, list[_Encoded]] = {}
    several = kinds if len(counts) > 1 else None
    for name, values in columns.items():
        group = group_of(name)
        groups.setdefault(group, []).append(_encode_column(name, values, several, counts, group, level))
    bodies = {group: _pack_table(groups[group], level) for group in sorted(groups)}
    head = [pack_varint(events), pack_varint(zigzag(low)), pack_varint(high - low), pack_varint(len(counts))]
    head += [bytes((kind,)) + pack_varint(count) for kind, count in counts.items()]
    head.append(pack_varint(len(bodies)))
    head += [bytes((group, 0)) + pack_varint(len(body)) for group, body in bodies.items()]
    return b"".join(head + list(bodies.values()))


def encode_index_table(columns: list[np.ndarray], level: Level) -> bytes:
    """Return a table whose columns are numbered from 1 on and have their standard dtypes."""
    encoded = [
        _Encoded(pack_varint(i << 1), *_encode_values(values, level)[1])
        for i, values in enumerate(columns, 1)
    ]
    return _pack_table(encoded, level)

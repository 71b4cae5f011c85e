"""Encoding blocks and tables (docs/format.md, sections 4 and 5): columns in, payload out. No I/O."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ._codec import SequenceEncoder, count_kinds, gather, hold, kinds_with_values, time_range
from .block import Columns
from .columns import column_head, group_of
from .errors import LimitExceededError
from .levels import Level
from .limits import MAX_COLUMNS
from .parts import Encoding, Stream, choose_together, pack_parts, size_alone
from .schema import ColumnGroup, EventKind
from .wire import pack_varint, zigzag

# The first byte of held codes, and the kinds whose code a place among them may tell.
HELD = 0x40
RELEASES = {int(EventKind.BUTTON_UP), int(EventKind.KEY_UP), int(EventKind.KEY_REPEAT)}


class _Ways(NamedTuple):
    """Ways to encode values, the smallest first, with the bytes that it takes by estimate or by trial."""

    size: float
    encodings: list[Encoding]


def _encode_values(
    values: np.ndarray, level: Level, kinds: np.ndarray | None = None, listed: bytes = b"", split: bool = True
) -> _Ways:
    """Encode at least one value."""
    thorough = level.thorough and split
    encoder = SequenceEncoder(values, values.dtype.kind == "i", level.sample, thorough, kinds, listed)
    ways = range(min(len(encoder.costs), level.trials))
    if len(ways) == 1:
        return _Ways(encoder.costs[0], [encoder.encode(0)])
    whole = level.trial_values == 0 or len(values) <= level.trial_values
    share = 1.0 if whole else level.trial_values / len(values)
    tried = [encoder.encode(way, level.trial_values) for way in ways]
    sizes = [size_alone(encoding, level, share) for encoding in tried]
    order = sorted(ways, key=sizes.__getitem__)
    return _Ways(sizes[order[0]], [tried[way] for way in order] if whole else [encoder.encode(order[0])])


def _encode_held(values: np.ndarray, kinds: np.ndarray, level: Level) -> _Ways:
    """Encode at least one value as held codes (docs/format.md, section 5.5)."""
    codes, positions = hold(values, kinds)
    size, description = 1.0, bytearray((HELD,)) + pack_varint(len(codes))
    streams: list[Stream] = []
    for part in (codes, positions):
        if len(part):
            more, ((of_part, found), *_) = _encode_values(part, level, split=False)
            streams += [(len(description) + at, data, noise) for at, data, noise in found]
            description += of_part
            size += more
    return _Ways(size, [(description, streams)])


class _Column(NamedTuple):
    """A column that is encoded in a few ways: what stands before the description of its values, and those."""

    head: bytes
    encodings: list[Encoding]


def _pack_table(columns: list[_Column], level: Level) -> bytes:
    chosen = choose_together([column.encodings for column in columns], level)
    parts = pack_parts(chosen, level)
    described = [column.head + description for column, (description, _) in zip(columns, chosen, strict=True)]
    return b"".join((pack_varint(len(columns)), *described, parts))


def _encode_column(
    name: str, values: np.ndarray, kinds: np.ndarray | None, counts: dict[int, int], group: int, level: Level
) -> _Column:
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
        return _Column(head, [(bytearray(), [])])
    may_hold = kinds is not None and group == ColumnGroup.KEYS and bool(stored & RELEASES)
    own_kinds = kinds if name != "kind" and (may_hold or level.thorough) else None
    if kinds is not None and len(stored) < len(counts):
        values = _rows_of(values, kinds, stored)
        own_kinds = None if own_kinds is None else _rows_of(kinds, kinds, stored)
    ways = _encode_values(values, level, own_kinds if level.thorough else None, bytes(counts))
    if may_hold and own_kinds is not None:
        held = _encode_held(values, own_kinds, level)
        # Lists of what is down take time to keep: they have to be worth it.
        ways = held if held.size < (1.0 if level.thorough else 0.9) * ways.size else ways
    return _Column(head, ways.encodings)


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
    groups: dict[int, list[_Column]] = {}
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
        _Column(pack_varint(i << 1), _encode_values(values, level).encodings)
        for i, values in enumerate(columns, 1)
    ]
    return _pack_table(encoded, level)

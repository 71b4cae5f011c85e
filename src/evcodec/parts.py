"""Which encoding each column of a table takes and which streams share a part (docs/format.md, section 5). No I/O."""

from __future__ import annotations

from . import compression
from .levels import Level
from .wire import pack_varint

# The position in a description of the byte that names the part of a stream, its bytes, and whether they are noise.
Stream = tuple[int, bytes, bool]
# A description, and its streams.
Encoding = tuple[bytearray, list[Stream]]

# Parts are named in one byte of a description: the encoder stays below 128.
_MAX_OWN_PARTS = 120
# Columns that share parts are chosen together below so many bytes: what one costs depends on what it shares with.
_TOGETHER_BYTES = 16 * 1024
_MOST_TOGETHER = 24  # columns: each is tried with all others


def size_alone(encoding: Encoding, level: Level, share: float) -> float:
    """Return the bytes that an encoding takes when its streams are of this share of all values."""
    description, streams = encoding
    efforts = level.trial_efforts
    stored = [
        len(data) if noise else len(compression.compress(data, efforts)[1]) for _, data, noise in streams
    ]
    return len(description) + sum(stored) / share


def choose_together(columns: list[list[Encoding]], level: Level) -> list[Encoding]:
    """Return one encoding of each column, of those that are given for it, the one that is smallest alone first."""
    chosen = [encodings[0] for encodings in columns]
    raw_bytes = sum(len(data) for _, streams in chosen for _, data, _ in streams)
    if level.trials == 1 or len(columns) > _MOST_TOGETHER or raw_bytes > _TOGETHER_BYTES:
        return chosen
    quick = level._replace(small=level.trial_efforts, large=level.trial_efforts)
    least = _size_together(chosen, quick)
    for column, encodings in enumerate(columns):
        for encoding in encodings[1:]:
            tried = [*chosen[:column], encoding, *chosen[column + 1 :]]
            size = _size_together(tried, quick)
            if size < least:
                chosen, least = tried, size
    return chosen


def _size_together(encodings: list[Encoding], level: Level) -> int:
    streams = [stream for _, streams in encodings for stream in streams]
    return sum(len(description) for description, _ in encodings) + len(_smallest(streams, level)[0])


def pack_parts(encodings: list[Encoding], level: Level) -> bytes:
    """Write into each description which parts its streams are in; return part count, part entries and part bytes."""
    joined, parts = _smallest([stream for _, streams in encodings for stream in streams], level)
    places = [(description, at) for description, streams in encodings for at, _, _ in streams]
    for (description, at), part in zip(places, parts, strict=True):
        description[at] = part
    return joined


def _smallest(streams: list[Stream], level: Level) -> tuple[bytes, list[int]]:
    """Return the parts that take the least, and the part of each stream."""
    ways: list[list[int]] = []
    for own_from in level.own_part_bytes:
        parts = _divide(streams, own_from)
        if parts not in ways:
            ways.append(parts)
    stored: dict[tuple[int, ...], tuple[bytes, bytes]] = {}
    joined = [_join(streams, parts, level, stored) for parts in ways]
    best = min(range(len(ways)), key=lambda way: len(joined[way]))
    return joined[best], ways[best]


def _divide(streams: list[Stream], own_from: int) -> list[int]:
    """Return the part of each stream when those of so many bytes have a part of their own."""
    parts: list[int] = []
    shared: dict[bool, int] = {}
    count = 0
    for _, data, noise in streams:
        if not data:  # takes nothing: best from a part that its column needs anyway
            parts.append(parts[-1] if parts else 0)
        elif len(data) < own_from or count >= _MAX_OWN_PARTS:
            parts.append(shared.setdefault(noise, count))
            count = max(count, parts[-1] + 1)
        else:
            parts.append(count)
            count += 1
    return parts


def _join(
    streams: list[Stream], parts: list[int], level: Level, stored: dict[tuple[int, ...], tuple[bytes, bytes]]
) -> bytes:
    """Return part count, part entries and part bytes.

    ``stored`` has the entry and bytes of parts by the streams in them, since most are the same in every way to divide streams.
    """
    members: dict[int, list[int]] = {}
    for stream, part in enumerate(parts):
        if streams[stream][1]:
            members.setdefault(part, []).append(stream)
    packed = []
    for part in sorted(members):
        of_part = tuple(members[part])
        if of_part not in stored:
            stored[of_part] = _store([streams[stream] for stream in of_part], level)
        packed.append(stored[of_part])
    return b"".join(
        (pack_varint(len(packed)), *(entry for entry, _ in packed), *(kept for _, kept in packed))
    )


def _store(streams: list[Stream], level: Level) -> tuple[bytes, bytes]:
    """Return the entry and the bytes of a part."""
    raw = b"".join(data for _, data, _ in streams)
    noise = streams[0][2]  # noise shares parts with noise only
    codec, kept = (compression.STORED, raw) if noise else compression.compress(raw, level.efforts(len(raw)))
    entry = bytes((codec,)) + pack_varint(len(raw))
    return entry if codec == compression.STORED else entry + pack_varint(len(kept)), kept

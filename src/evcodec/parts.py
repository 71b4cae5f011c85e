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
    if (
        level.trials == 1
        or sum(len(data) for _, streams in chosen for _, data, _ in streams) > _TOGETHER_BYTES
    ):
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
    joined = [_join(streams, parts, level) for parts in ways]
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


def _join(streams: list[Stream], parts: list[int], level: Level) -> bytes:
    """Return part count, part entries and part bytes."""
    pieces: dict[int, list[bytes]] = {}
    noisy: set[int] = set()
    for (_, data, noise), part in zip(streams, parts, strict=True):
        if data:
            pieces.setdefault(part, []).append(data)
            noisy |= {part} if noise else set()
    entries = bytearray(pack_varint(len(pieces)))
    stored: list[bytes] = []
    for part in sorted(pieces):
        raw = b"".join(pieces[part])
        efforts = level.efforts(len(raw))
        codec, kept = (compression.STORED, raw) if part in noisy else compression.compress(raw, efforts)
        entries.append(codec)
        entries += pack_varint(len(raw))
        if codec != compression.STORED:
            entries += pack_varint(len(kept))
        stored.append(kept)
    return bytes(entries) + b"".join(stored)

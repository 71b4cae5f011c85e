"""The one module that knows zstd."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import NamedTuple

import zstandard

from .errors import CorruptDataError

STORED = 0
ZSTD = 1

# Compressing fewer bytes than this saves less than the zstd header takes.
_MIN_BYTES = 16


class Effort(NamedTuple):
    """A way to run zstd: its level, and the shortest match it looks for, 0 for what the level has.

    Streams of tokens hold chance repetitions that cost more as matches than as bytes: a longer shortest match leaves them be.
    """

    level: int
    min_match: int = 0


class _Contexts(threading.local):
    """zstd contexts of one thread: sharing one between threads would corrupt both users' data."""

    def __init__(self) -> None:
        self.compressors: dict[Effort, zstandard.ZstdCompressor] = {}
        self.decompressor = zstandard.ZstdDecompressor()


_contexts = _Contexts()


def _compressor(effort: Effort) -> zstandard.ZstdCompressor:
    compressor = _contexts.compressors.get(effort)
    if compressor is None:
        options = {"min_match": effort.min_match} if effort.min_match else {}
        parameters = zstandard.ZstdCompressionParameters.from_level(
            effort.level, write_checksum=False, write_dict_id=False, **options
        )
        compressor = zstandard.ZstdCompressor(compression_params=parameters)
        _contexts.compressors[effort] = compressor
    return compressor


def compress(raw: bytes, efforts: Sequence[Effort]) -> tuple[int, bytes]:
    """Return (codec, bytes): the smallest of what the efforts give, or the bytes as they are where that is no larger.

    Safe from any thread; releases the GIL.
    """
    best = STORED, raw
    if len(raw) >= _MIN_BYTES:
        for effort in efforts:
            compressed = _compressor(effort).compress(raw)
            if len(compressed) < len(best[1]):
                best = ZSTD, compressed
    return best


def decompress(codec: int, data: memoryview, raw_length: int, where: str) -> bytes:
    """Return the ``raw_length`` bytes that ``data`` stands for.

    Safe from any thread; releases the GIL. Never allocates more than ``raw_length`` bytes for the result.

    Raises
    ------
    CorruptDataError
        The data is not one zstd frame that states, and decompresses to, ``raw_length`` bytes.
    """
    if codec == STORED:
        if len(data) != raw_length:
            raise CorruptDataError(f"{where}: stored bytes: found {len(data)}, allowed: {raw_length}")
        return bytes(data)
    try:
        stated = zstandard.frame_content_size(data)
        if stated != raw_length:
            raise CorruptDataError(
                f"{where}: content size in the zstd header: found {stated}, allowed: {raw_length}"
            )
        raw = _contexts.decompressor.decompress(data, max_output_size=raw_length, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise CorruptDataError(f"{where}: zstd data of {len(data)} bytes: {error}") from None
    if len(raw) != raw_length:
        raise CorruptDataError(f"{where}: decompressed bytes: found {len(raw)}, allowed: {raw_length}")
    return raw

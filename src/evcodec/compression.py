"""The one module that knows zstd."""

from __future__ import annotations

import threading

import zstandard

from .errors import CorruptDataError

STORED = 0
ZSTD = 1

# Compressing fewer bytes than this saves less than the zstd header takes.
_MIN_BYTES = 16


class _Contexts(threading.local):
    """zstd contexts of one thread: sharing one between threads would corrupt both users' data."""

    def __init__(self) -> None:
        self.compressors: dict[int, zstandard.ZstdCompressor] = {}
        self.decompressor = zstandard.ZstdDecompressor()


_contexts = _Contexts()


def compress(raw: bytes, level: int) -> tuple[int, bytes]:
    """Return (codec, bytes): compressed at the zstd level, or stored as they are where that is no larger.

    Safe from any thread; releases the GIL.
    """
    if len(raw) < _MIN_BYTES:
        return STORED, raw
    compressor = _contexts.compressors.get(level)
    if compressor is None:
        compressor = zstandard.ZstdCompressor(level=level, write_checksum=False, write_dict_id=False)
        _contexts.compressors[level] = compressor
    compressed = compressor.compress(raw)
    return (ZSTD, compressed) if len(compressed) < len(raw) else (STORED, raw)


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

"""Records of an MCAP container, read front to back, with nothing in the file trusted."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import zstandard

from ..errors import (
    CorruptDataError,
    EvcodecError,
    LimitExceededError,
    MissingExtraError,
    UnsupportedVersionError,
)
from .session import ExactInput, Input

if TYPE_CHECKING:
    from mcap.records import Chunk

MAX_RECORD_BYTES = 256 << 20
RECORD_HEAD = struct.Struct("<BQ")


def read_records(source: Input) -> Iterator[tuple[str, Any]]:
    """Yield (place, record) of an MCAP file; the first is its header, chunks are opened.

    Raises
    ------
    MissingExtraError
        The package ``mcap`` is not installed.
    CorruptDataError
        The container contradicts its specification, a checksum, or itself.
    LimitExceededError
        A record or an opened chunk is larger than 256 MiB.
    TruncatedDataError
        The data ends before the container's footer.
    UnsupportedVersionError
        A chunk is compressed by a method that is not known.
    """
    try:
        from mcap.exceptions import McapError, RecordLengthLimitExceeded
        from mcap.records import Chunk, Header
        from mcap.stream_reader import StreamReader, breakup_chunk
    except ImportError:
        raise MissingExtraError(
            "reading OWAMcap needs the package mcap: pip install 'evcodec[mcap]'"
        ) from None

    exact = ExactInput(source)
    reader = StreamReader(
        exact,  # type: ignore[arg-type]  # only read() is called
        emit_chunks=True,
        validate_crcs=True,
        record_size_limit=MAX_RECORD_BYTES,
    )
    seen = False
    place = "byte 0"
    try:
        for record in reader.records:
            if not seen and not isinstance(record, Header):
                raise CorruptDataError(
                    f"{source.name}: {place}: found {type(record).__name__}, allowed: Header first"
                )
            seen = True
            if isinstance(record, Chunk):
                for inner in breakup_chunk(_safe_chunk(source.name, place, record), validate_crc=True):
                    yield f"chunk at {place}", inner
            else:
                yield place, record
            place = f"byte {exact.position}"
        if source.read(1):
            raise CorruptDataError(
                f"{source.name}: {place}: found data behind the end of the container, allowed: none"
            )
    except EvcodecError:
        raise
    except RecordLengthLimitExceeded as error:
        raise LimitExceededError(f"{source.name}: {place}: {error}") from None
    # The container's parser has no error of its own for most faults: these are what it runs into.
    except (
        McapError,
        ValueError,
        struct.error,
        zstandard.ZstdError,
        RuntimeError,
        EOFError,
        IndexError,
    ) as error:
        raise CorruptDataError(f"{source.name}: {place}: found no valid MCAP record ({error})") from None


def _safe_chunk(name: str, place: str, chunk: Chunk) -> Chunk:
    """Return the chunk unfolded, or refuse it: before any unfolding where it would go beyond the limit."""
    size = chunk.uncompressed_size
    if chunk.compression not in ("", "lz4", "zstd"):
        # The parser would take an unknown method for none at all.
        raise UnsupportedVersionError(
            f"{name}: {place}: found a chunk compressed by {chunk.compression[:20]!r}, allowed: none, lz4, zstd"
        )
    _check_size(name, place, size)
    data = chunk.data
    if chunk.compression == "zstd":
        _check_size(name, place, zstandard.frame_content_size(data))
        data = zstandard.ZstdDecompressor().decompress(data, max_output_size=size)
    elif chunk.compression == "lz4":
        import lz4.frame

        data = lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=size + 1)
    if len(data) != size:
        raise CorruptDataError(
            f"{name}: {place}: found a chunk that unfolds to {len(data)} bytes, allowed: {size}"
        )
    _check_records(name, place, data)
    return replace(chunk, compression="", data=data)


def _check_records(name: str, place: str, data: bytes) -> None:
    """Refuse a chunk whose last record would reach beyond it: the parser would give what there is of it."""
    at = 0
    while at + RECORD_HEAD.size <= len(data):
        at += RECORD_HEAD.size + RECORD_HEAD.unpack_from(data, at)[1]
    if at != len(data):
        raise CorruptDataError(
            f"{name}: {place}: found a chunk that ends inside a record, allowed: whole records"
        )


def _check_size(name: str, place: str, size: int) -> None:
    if size > MAX_RECORD_BYTES:
        raise LimitExceededError(
            f"{name}: {place}: found a chunk of {size} bytes unfolded, allowed: {MAX_RECORD_BYTES}"
        )

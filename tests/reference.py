"""A slow, clear decoder of the stream format, written from docs/format.md alone.

It imports nothing of evcodec, holds the whole data in memory, and checks all that the document says. It
judges the real decoder on every stream of the test suite.
"""

from __future__ import annotations

import binascii
import zlib
from dataclasses import dataclass
from typing import Any

from reference_block import read_block
from reference_cursor import (
    ReferenceCorrupt,
    ReferenceFault,
    ReferenceLimit,
    ReferenceTruncated,
    ReferenceUnsupported,
)
from reference_entries import read_entries, read_header
from reference_index import read_end, read_index
from reference_model import BLOCK, END, ENTRIES, HEADER, INDEX, KEYS, Record, StreamPart
from reference_sealed import read_keys

__all__ = [
    "Decoded",
    "ReferenceCorrupt",
    "ReferenceFault",
    "ReferenceLimit",
    "ReferenceTruncated",
    "ReferenceUnsupported",
    "decode_stream",
]

MARKER = b"\xecEVC"
PAYLOAD_BYTES = 64 << 20


@dataclass
class Decoded:
    """What :func:`decode_stream` found."""

    streams: list[StreamPart]
    count: int
    events: dict[str, list[int]]
    dtypes: list[dict[str, str]]
    entries: list[tuple[int, int, dict[str, Any]]]


def decode_stream(data: bytes, private: tuple[bytes, ...] = ()) -> Decoded:
    """Decode streams put end to end; raise a :class:`ReferenceFault` at the first contradiction.

    With the raw bytes of private keys, what they open is opened.
    """
    streams: list[StreamPart] = []
    offset = 0
    if not data:
        raise ReferenceTruncated("byte 0", "no data", "a HEADER record")
    while offset < len(data):
        record = _read_record(data, offset)
        where = f"record at byte {offset}"
        current = streams[-1] if streams else None
        if record.type != HEADER:
            if current is None:
                raise ReferenceCorrupt(where, f"type {record.type}", "HEADER, which starts a stream")
            if current.end is not None:
                raise ReferenceCorrupt(
                    where, f"type {record.type} after END", "HEADER or the end of the data"
                )
            if current.index_offset is not None and record.type != END:
                raise ReferenceCorrupt(where, f"type {record.type} after INDEX", "END")
            expected = (current.records[-1].sequence + 1) % 2**32
            if record.sequence != expected:
                raise ReferenceCorrupt(f"{where}, sequence number", record.sequence, expected)
        if record.type == HEADER:
            if record.sequence != 0:
                raise ReferenceCorrupt(f"{where}, sequence number of a HEADER", record.sequence, 0)
            current = read_header(record, where)
            streams.append(current)
        assert current is not None
        if record.type == BLOCK:
            read_block(record, where, current)
        elif record.type == ENTRIES:
            read_entries(record, where, current)
        elif record.type == INDEX:
            read_index(record, where, current)
        elif record.type == END:
            read_end(record, where, current)
        elif record.type == KEYS:
            read_keys(record.payload, where, current.keys, list(private))
        elif record.type != HEADER and record.type < 0x80:
            raise ReferenceUnsupported(f"{where}, type", record.type, "1 to 5, or 128 and above")
        current.records.append(record)
        offset += record.size
    return _gather(streams)


def _gather(streams: list[StreamPart]) -> Decoded:
    blocks = [block for stream in streams for block in stream.blocks]
    names = dict.fromkeys(name for block in blocks for name in block.columns)
    events = {
        name: [v for block in blocks for v in block.columns.get(name, [0] * block.events)] for name in names
    }
    return Decoded(
        streams=streams,
        count=sum(block.events for block in blocks),
        events=events,
        dtypes=[block.dtypes for block in blocks],
        entries=[entry for stream in streams for entry in stream.entries],
    )


def _read_record(data: bytes, offset: int) -> Record:
    where = f"record at byte {offset}"
    head = data[offset : offset + 16]
    if head[:4] != MARKER[: len(head)]:
        raise ReferenceCorrupt(f"{where}, marker", head[:4].hex(), MARKER.hex())
    if len(head) < 16:
        raise ReferenceTruncated(where, f"{len(head)} bytes of a head", "16 bytes")
    # CRC-16/XMODEM under the name it has in the standard library
    checksum = binascii.crc_hqx(head[:14], 0)
    if int.from_bytes(head[14:16], "little") != checksum:
        raise ReferenceCorrupt(f"{where}, checksum of the head", head[14:16].hex(), f"{checksum:#06x}")
    size = int.from_bytes(head[6:10], "little")
    if size > PAYLOAD_BYTES:
        raise ReferenceLimit(f"{where}, payload length", size, f"at most {PAYLOAD_BYTES}")
    whole = data[offset : offset + 16 + size + 4]
    if len(whole) < 16 + size + 4:
        raise ReferenceTruncated(where, f"{len(whole)} bytes", f"{16 + size + 4} bytes")
    if int.from_bytes(whole[-4:], "little") != zlib.crc32(whole[:-4]):
        raise ReferenceCorrupt(f"{where}, checksum", whole[-4:].hex(), f"{zlib.crc32(whole[:-4]):#010x}")
    if head[5] & 0x0F:
        raise ReferenceCorrupt(f"{where}, reserved flags", head[5] & 0x0F, 0)
    sequence = int.from_bytes(head[10:14], "little")
    return Record(head[4], sequence, offset, len(whole), whole[16:-4])

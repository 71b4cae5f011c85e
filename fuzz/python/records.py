"""Payloads of records of every type, without the records around them: what gets past the checksums.

Input: type, the payload.
"""

from __future__ import annotations

from collections.abc import Iterator

from evcodec import EvcodecError
from evcodec.block import Block
from evcodec.framing import RecordType
from evcodec.index import unpack_index
from evcodec.scan import StreamScanner
from evcodec.wire import pack_header, unpack_end, unpack_entries, unpack_header

from .common import require, small_streams

MOST_BYTES = 1 << 20
MOST_EVENTS = 1 << 14


def _header(payload: memoryview) -> None:
    header = unpack_header(payload, "header")
    again = unpack_header(memoryview(pack_header(header)), "header")
    require(repr(again) == repr(header), "a header that was read can be written")


def _block(payload: memoryview) -> None:
    block = Block(payload, "block", MOST_BYTES)
    if block.events > MOST_EVENTS:
        return
    columns = block.decode(list(block.dtypes))
    require(all(len(values) == block.events for values in columns.values()), "every column has all rows")
    for name, values in columns.items():
        require(values.dtype == block.dtypes[name], "a column has its dtype")
        require((block.decode([name])[name] == values).all(), "a column alone is what it is among others")


def run(data: bytes) -> None:
    """Read a payload as its type says."""
    payload = memoryview(data)[1:65536]
    try:
        match data[:1]:
            case b"\x01":
                _header(payload)
            case b"\x03":
                unpack_entries(payload, "entries")
            case b"\x04":
                unpack_index(payload, 1 << 40, "index")
            case b"\x05":
                unpack_end(payload, "end")
            case _:
                _block(payload)
    except EvcodecError:
        return


def seeds() -> Iterator[bytes]:
    """Yield the payloads of streams."""
    seen = set()
    for stream in small_streams(1500):
        scanner = StreamScanner(skip_damage=True)
        for item in [*scanner.feed(stream), *scanner.finish()]:
            payload = bytes((item.record.type,)) + bytes(item.record.payload)
            if item.record.type in set(RecordType) and payload not in seen:
                seen.add(payload)
                yield payload

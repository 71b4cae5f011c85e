"""The decoder and the reference decoder (tests/reference.py): what one accepts the other does, with the same values.

Input: shape, the stream.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from evcodec import EvcodecError, InvalidArgumentError, Reader
from evcodec.block import Block
from evcodec.entries import ENTRY_TYPES
from evcodec.scan import StreamScanner
from evcodec.stream import verify

from .common import BrokenPromise, Input, _tests, require, small_streams, stream_of

MOST_EVENTS = 300
MOST_BYTES = 1 << 20

_tests()
from agreement import as_written  # noqa: E402
from reference import Decoded, ReferenceFault, decode_stream  # noqa: E402


def _is_small(stream: bytes) -> bool:
    """Tell whether the reference, which is slow, is quick enough on a stream."""
    scanner = StreamScanner(skip_damage=True)
    events = 0
    for item in [*scanner.feed(stream), *scanner.finish()]:
        if item.record.type != 2:
            continue
        try:
            block = Block(item.record.payload, "")
        except EvcodecError:
            continue
        events += block.events * max(len(block.dtypes), 1)
    return events <= MOST_EVENTS


def _known(kind: int, position: int, fields: dict[str, Any]) -> tuple[int, int, dict[str, Any]]:
    """Return an entry without the fields that nobody knows, and without those that are nil."""
    names = {
        field.name.split("_")[-1] if field.name.endswith("_type") else field.name
        for field in dataclasses.fields(ENTRY_TYPES[kind])
    }
    return (
        kind,
        position,
        {name: value for name, value in fields.items() if name in names and value is not None},
    )


def _compare(stream: bytes, decoded: Decoded) -> None:
    with Reader(stream, max_block_bytes=MOST_BYTES, without_key="skip", past_retention="allow") as reader:
        batch, entries = reader.read(), list(reader.entries())
        require(len(batch) == decoded.count == len(reader), "as many events")
        require(reader.metadata == decoded.streams[0].header.get("metadata", {}), "the same metadata")
    hidden = any(
        block.hidden for part in decoded.streams for block in part.blocks
    )  # an index may list what is encrypted
    require(batch.columns.keys() == decoded.events.keys() or hidden, "the same columns")
    for name, values in decoded.events.items():
        if hidden and name not in batch.columns:
            continue  # some of it is encrypted: then there are no values for all events
        require(batch[name].tolist() == values, f"the same values of {name!r}")
    written = [_known(*entry) for entry in decoded.entries if entry[0] in ENTRY_TYPES]
    require([_known(*as_written(entry)) for entry in entries] == written, "the same entries")
    require(verify(stream).problems == [], "a check finds nothing")


def run(data: bytes) -> None:
    """Decode a stream twice."""
    taken = Input(data)
    stream = stream_of(taken.byte(), taken.rest(4096))
    if not _is_small(stream):
        return
    try:
        decoded = decode_stream(stream)
    except ReferenceFault as fault:
        report = verify(stream)
        cut = type(fault).__name__ == "ReferenceTruncated"
        require(
            report.problems or (cut and not report.complete),
            f"what the reference refuses is refused: {fault}",
        )
        return
    try:
        with Reader(stream, without_key="skip", past_retention="allow") as reader:
            reader.columns  # noqa: B018 - a column of dtypes that have none in common cannot be read at once
    except InvalidArgumentError:
        return
    except EvcodecError as error:
        if any(block.hidden for part in decoded.streams for block in part.blocks):
            return
        raise BrokenPromise(f"what the reference accepts is accepted: {error}") from None
    _compare(stream, decoded)


def seeds() -> Iterator[bytes]:
    """Yield streams."""
    for number, stream in enumerate(small_streams(700)):
        yield bytes((number % 3,)) + stream

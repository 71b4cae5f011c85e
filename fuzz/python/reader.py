"""Everything that a Reader, ``verify``, ``repair`` and ``compact`` do with a stream of a stranger.

Input: shape, choices of the query, the stream.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import evcodec
from evcodec import EvcodecError, InvalidArgumentError, Reader
from evcodec.stream import Report, compact, repair, verify

from .common import Input, require, small_streams, stream_of

MOST_BYTES = 1 << 20


class _Pipe(io.RawIOBase):
    """Bytes that come a few at a time and cannot be sought."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__()
        self._rest = io.BytesIO(data)
        self._size = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        got = self._rest.read(min(self._size, len(buffer)))
        buffer[: len(got)] = got
        return len(got)


def _query(taken: Input) -> dict[str, Any]:
    query: dict[str, Any] = {}
    wanted = taken.byte()
    if wanted & 1:
        query["columns"] = [
            taken.choice(("t", "kind", "x", "code", "v", "payload")) for _ in range(1 + wanted % 3)
        ]
    if wanted & 2:
        query["kinds"] = [taken.byte() for _ in range(wanted >> 6)]
    if wanted & 4:
        query["start"] = taken.number(8 if wanted & 16 else 2)
    if wanted & 8:
        query["stop"] = taken.number(8 if wanted & 32 else 3)
    return query


def _ask(reader: Reader, query: dict[str, Any]) -> int:
    """Ask all that a Reader can be asked; return how many events match the query."""
    list(reader.entries())
    list(reader.gaps), list(reader.contexts), list(reader.video_anchors)
    repr(reader.metadata), repr(reader.governance), repr(reader.headers)
    for about in ("start", "stop", "kinds", "columns", "blocks"):
        getattr(reader, about)
    reader.column_bytes()
    batches = list(reader.batches(**query))
    together = reader.read(**query)
    count = sum(len(batch) for batch in batches)
    require(len(together) == count, "batches hold what one read gives")
    if not query:
        require(len(reader) == count or reader.problems, "as many events as the stream says")
    return count


def _strict(source: Any, query: dict[str, Any], threads: int) -> int | None:
    try:
        with Reader(
            source, max_block_bytes=MOST_BYTES, threads=threads, without_key="skip", past_retention="allow"
        ) as reader:
            return _ask(reader, query)
    except EvcodecError:
        return None


def _skipping(data: bytes, query: dict[str, Any]) -> int | None:
    try:
        reader = Reader(
            data, on_error="skip", max_block_bytes=MOST_BYTES, without_key="skip", past_retention="allow"
        )
    except EvcodecError:  # no header
        return None
    with reader:
        try:
            count = _ask(reader, query)
        except InvalidArgumentError:  # a column that is nowhere, or of dtypes that have none in common
            return None
        return count


def _piped(data: bytes, query: dict[str, Any]) -> None:
    try:
        with Reader(
            _Pipe(data, 7), max_block_bytes=MOST_BYTES, without_key="skip", past_retention="allow"
        ) as reader:
            list(reader.batches(**query))
            list(reader.entries())
    except EvcodecError:
        return


def _maintain(data: bytes, report: Report) -> None:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "out.evc"
        try:
            saved = repair(data, target)
        except EvcodecError:
            require(not list(Path(folder).iterdir()), "a repair that fails leaves nothing")
        else:
            again = verify(target)
            # An index that is defined twice stays: a reader takes the first definition.
            twice = again.problem_count == again.repeated_definitions
            require(again.complete and (again.ok or twice), "what repair writes is sound")
            require(
                again.events == saved.events and again.blocks == saved.blocks, "repair keeps what it says"
            )
        try:
            compact(data, target, level="fast")
        except EvcodecError:
            require(
                not report.ok or report.events > 1 << 14 or report.streams > 1 or not target.exists(),
                "compact",
            )
        else:
            require(verify(target).ok or not report.ok, "what compact writes is sound")


def run(data: bytes) -> None:
    """Read, check, repair and compact a stream."""
    taken = Input(data)
    shape, query = taken.byte(), _query(taken)
    stream = stream_of(shape, taken.rest(8192))
    report = verify(stream)
    report.to_dict()
    if report.events > 1 << 16:  # a constant column of many rows: slow, and nothing new
        return
    strict = _strict(stream, query, 1)
    if shape & 4:
        require(_strict(stream, query, 3) == strict, "threads give what one thread gives")
        require(_strict(io.BytesIO(stream), query, 1) == strict, "a file gives what bytes give")
        _piped(stream, query)
    skipped = _skipping(stream, query)
    if strict is not None:
        require(skipped == strict, "skipping damage where there is none gives the same")
    with contextlib.suppress(EvcodecError):
        evcodec.decode(stream)
    if shape & 8:
        _maintain(stream, report)


def seeds() -> Iterator[bytes]:
    """Yield streams, with and without a query."""
    for number, stream in enumerate(small_streams(1500)):
        yield bytes((number % 3 | (number & 3) << 2, 0)) + stream
        if not number % 5:
            yield bytes((2, 15, 0, 1, 0, 0, 0, 0, 0)) + stream

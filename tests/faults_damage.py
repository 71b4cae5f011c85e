"""Streams that are known record by record, and what must come of them when they are damaged."""

from __future__ import annotations

import io
import os
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from evcodec import CorruptDataError, EvcodecError, EventBatch, Marker, Reader, TruncatedDataError
from evcodec.framing import HEAD_BYTES, MARKER, RecordScanner, RecordType
from evcodec.stream import verify
from evcodec.wire import unpack_entries
from generators import assert_same


@dataclass(frozen=True)
class Kept:
    """A record of a sound stream, and what it holds."""

    type: int
    data: bytes
    batch: EventBatch | None = None
    markers: tuple[str, ...] = ()


class Known:
    """Sound streams, record by record."""

    def __init__(self, *streams: bytes) -> None:
        self._heads: dict[bytes, list[Kept]] = {}
        self.records: list[Kept] = []
        """Those of the first stream, in order."""
        self.starts: list[int] = []
        for number, stream in enumerate(streams):
            with Reader(stream) as reader:
                batches = iter(list(reader.batches()))
            scanner = RecordScanner()
            scanner.feed(stream)
            while (record := scanner.next()) is not None:
                kept = Kept(
                    record.type,
                    stream[record.position : record.end],
                    next(batches) if record.type == RecordType.BLOCK else None,
                    _markers(record) if record.type == RecordType.ENTRIES else (),
                )
                self._heads.setdefault(kept.data[:HEAD_BYTES], []).append(kept)
                if number == 0:
                    self.records.append(kept)
                    self.starts.append(record.position)

    def found_in(self, data: bytes) -> list[tuple[int, Kept]]:
        """Return position and record of each that stands in data, whole and unchanged, in order."""
        found = []
        for match in re.finditer(re.escape(MARKER), data):
            at = match.start()
            for kept in self._heads.get(data[at : at + HEAD_BYTES], ()):
                if data.startswith(kept.data, at):
                    found.append((at, kept))
                    break
        return found

    @cached_property
    def empty(self) -> EventBatch:
        """A batch without events, with the columns of the stream."""
        return next(kept.batch for kept in self.records if kept.batch is not None)[:0]


def _markers(record: Any) -> tuple[str, ...]:
    entries = unpack_entries(record.payload, "a sound stream")
    return tuple(entry.name for entry in entries if isinstance(entry, Marker))


@contextmanager
def a_pipe(data: bytes) -> Any:
    """Give the reading end of a pipe that these bytes come out of."""
    read_end, write_end = os.pipe()

    def feed() -> None:
        try:
            with open(write_end, "wb", buffering=0) as file:
                view = memoryview(data)
                while view:
                    view = view[file.write(view[: 2**16]) :]
        except BrokenPipeError:
            pass

    thread = threading.Thread(target=feed)
    thread.start()
    with open(read_end, "rb", buffering=0) as file:
        yield file
    thread.join()


@contextmanager
def _as_it_is(data: bytes) -> Any:
    yield data


@contextmanager
def _a_file(data: bytes) -> Any:
    with io.BytesIO(data) as file:
        yield file


# A source, and the threads that read it.
WAYS = {"bytes": (_as_it_is, 1), "file": (_a_file, 1), "threads": (_as_it_is, 2), "pipe": (a_pipe, 1)}


def join(known: Known, records: list[Kept]) -> EventBatch:
    """Return the events of records."""
    return EventBatch.concat([known.empty, *(kept.batch for kept in records if kept.batch is not None)])


def check(known: Known, data: bytes, ways: Any = tuple(WAYS), *, in_place: bool = True) -> None:
    """Check all that is promised of damaged data, or of data that ends early.

    Parameters
    ----------
    known : Known
        What the data was made of.
    ways : collection of str
        How to read it.
    in_place : bool
        Whether records stand where they stood, so that an index that is sound tells the truth.
    """
    records = known.found_in(data)
    sound = 0  # bytes of the whole stream before the damage
    before: list[Kept] = []
    for (at, kept), truth in zip(records, known.records, strict=False):
        if at != sound or kept is not truth:
            break
        before.append(kept)
        sound += len(kept.data)
    for way in ways:
        _check_raising(known, data, way, before, sound)
        _check_skipping(known, data, way, [kept for _, kept in records], sound)
    report = verify(data)
    assert report.ok == (sound == len(data) > 0)
    if in_place:
        assert report.complete == any(kept.type == RecordType.END for _, kept in records)
    if not report.ok:
        assert report.problems[0].position == sound
        assert report.events == len(join(known, [kept for _, kept in records]))


def _check_raising(known: Known, data: bytes, way: str, before: list[Kept], sound: int) -> None:
    """By default everything before the damage comes, then an error that says where; or the end, between two records."""
    source, threads = WAYS[way]
    truth, everything = join(known, before), join(known, known.records)
    found: list[EventBatch] = []
    error: EvcodecError | None = None
    with source(data) as given:
        try:
            with Reader(given, threads=threads) as reader:
                found.extend(reader.batches())
                markers = tuple(marker.name for marker in reader.markers)
        except EvcodecError as caught:
            error = caught
    events = EventBatch.concat([known.empty, *found])
    assert len(events) >= len(truth), (way, "events before the damage are given")
    # Where an index tells where the blocks stand, damage of an entry does not keep back the blocks behind it.
    assert_same(events, everything[: len(events)])
    if sound == len(data) > 0:
        assert error is None, way
        assert len(events) == len(truth)
        assert markers == sum((kept.markers for kept in before), ())
    else:
        assert isinstance(error, (CorruptDataError, TruncatedDataError)), (way, error)


def _check_skipping(known: Known, data: bytes, way: str, records: list[Kept], sound: int) -> None:
    """With "skip", every record that is whole comes, nothing else, and the first problem is where the damage begins."""
    source, threads = WAYS[way]
    truth = join(known, records)
    with source(data) as given, Reader(given, on_error="skip", threads=threads) as reader:
        found = EventBatch.concat([known.empty, *reader.batches()])
        markers = [marker.name for marker in reader.markers]
        problems = reader.problems
        assert len(reader) >= len(found)
    assert_same(found, truth)
    assert markers == [name for kept in records for name in kept.markers], way
    assert bool(problems) == (sound < len(data) or not data), way
    if problems:
        assert problems[0].position == sound, (way, problems[0], sound)

"""mcap: a message an event, its time the container's own, the other columns packed at fixed widths."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.recordings import COLUMNS
from evcodec import EventBatch

_MESSAGE = struct.Struct("<B5i")


def _batch(found: Iterable[tuple[int, bytes]]) -> EventBatch:
    rows = [(t, *_MESSAGE.unpack(data)) for t, data in found]
    columns = zip(*rows, strict=True) if rows else ([] for _ in COLUMNS)
    return EventBatch(
        **{name: np.array(column, np.int64) for name, column in zip(COLUMNS, columns, strict=True)}
    )


def _got(messages: Iterator[Any]) -> EventBatch:
    """Return what comes before an error."""
    found = []
    with suppress(Exception):
        for _, _, message in messages:
            found.append((message.log_time, message.data))
    return _batch(found)


@dataclass(frozen=True)
class Mcap:
    """``chunk`` bytes a chunk, 0 for none. ``validate``: all CRCs that it knows are written, and checked on reading."""

    chunk: int
    validate: bool

    def _add(self, writer: Any, batch: EventBatch) -> Iterator[None]:
        """Write an event at each step."""
        writer.start()
        schema = writer.register_schema(name="event", encoding="", data=b"")
        channel = writer.register_channel(topic="events", message_encoding="packed", schema_id=schema)
        for t, *row in zip(*(batch[name].tolist() for name in COLUMNS), strict=True):
            writer.add_message(channel, log_time=t, publish_time=t, data=_MESSAGE.pack(*row))
            yield

    def _writer(self, file: Any) -> Any:
        from mcap.writer import Writer

        chunking = {"chunk_size": self.chunk} if self.chunk else {"use_chunking": False}
        return Writer(file, enable_data_crcs=self.validate, **chunking)

    def write(self, batch: EventBatch, path: Path) -> None:
        with path.open("wb") as file:
            writer = self._writer(file)
            for _ in self._add(writer, batch):
                pass
            writer.finish()

    def read(self, path: Path) -> EventBatch:
        """Read as its documentation says: to check every CRC, from front to back; else by the index."""
        from mcap.reader import NonSeekingReader, make_reader

        with path.open("rb") as file:
            reader = NonSeekingReader(file, validate_crcs=True) if self.validate else make_reader(file)
            found = reader.iter_messages(log_time_order=False)
            return _batch((message.log_time, message.data) for _, _, message in found)

    def rest(self, path: Path) -> Iterator[EventBatch]:
        """Give chunk by chunk, by the times of the index; without an index, from the front as far as it goes."""
        from mcap.reader import NonSeekingReader, make_reader

        with path.open("rb") as file:
            chunks = []
            with suppress(Exception):
                summary = make_reader(file, validate_crcs=self.validate).get_summary()
                chunks = summary.chunk_indexes if summary else []
            for chunk in chunks:
                file.seek(0)
                reader = make_reader(file, validate_crcs=self.validate)
                times = {"starting_at": chunk.message_start_time, "ending_at": chunk.message_end_time}
                yield _got(reader.iter_messages(log_time_order=False, **times))
            if not chunks:
                file.seek(0)
                reader = NonSeekingReader(file, validate_crcs=self.validate)
                yield _got(reader.iter_messages(log_time_order=False))

    def live(self, batch: EventBatch, path: Path, ticks: Iterator[int], flush: int) -> None:
        with path.open("wb") as file:
            writer = self._writer(file)
            adding = self._add(writer, batch)
            for number in ticks:
                next(adding)
                if (number + 1) % flush == 0:
                    file.flush()
            writer.finish()

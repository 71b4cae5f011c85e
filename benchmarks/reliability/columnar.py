"""Parquet, Arrow IPC and Vortex: written, read strictly, read around damage, written live."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.recordings import COLUMNS
from evcodec import EventBatch

# Rows of one attempt to read around damage, where the format has no smaller unit of its own.
_STEP = 1024
# A file of Arrow IPC is these bytes, then a stream, then a footer: the format's documentation.
_MAGIC = 8


def _table(batch: EventBatch) -> Any:
    import pyarrow as pa

    return pa.table({name: batch[name] for name in COLUMNS})


def _batch(table: Any) -> EventBatch:
    """Return the columns by name; a missing one, and a null where an integer was, is an error."""
    return EventBatch(**{name: table[name].to_numpy(zero_copy_only=False) for name in COLUMNS})


def _pieces(batch: EventBatch, ticks: Iterator[int], flush: int) -> Iterator[Any]:
    """Yield a record batch whenever so many events have come."""
    table = _table(batch)
    for number in ticks:
        if (number + 1) % flush == 0:
            yield table.slice(number + 1 - flush, flush).combine_chunks().to_batches()[0]


@dataclass(frozen=True)
class Parquet:
    """``group`` is the number of rows of a row group, None for the default."""

    checksums: bool
    group: int | None

    def write(self, batch: EventBatch, path: Path) -> None:
        import pyarrow.parquet as pq

        pq.write_table(_table(batch), path, row_group_size=self.group, write_page_checksum=self.checksums)

    def read(self, path: Path) -> EventBatch:
        import pyarrow.parquet as pq

        return _batch(pq.read_table(path, use_threads=False, page_checksum_verification=self.checksums))

    def rest(self, path: Path) -> Iterator[EventBatch]:
        """Give the row groups that can be read."""
        import pyarrow.parquet as pq

        with pq.ParquetFile(path, page_checksum_verification=self.checksums) as file:
            for group in range(file.num_row_groups):
                try:
                    yield _batch(file.read_row_group(group, use_threads=False))
                except Exception:
                    continue

    def live(self, batch: EventBatch, path: Path, ticks: Iterator[int], flush: int) -> None:
        import pyarrow.parquet as pq

        with pq.ParquetWriter(path, _table(batch).schema, write_page_checksum=self.checksums) as writer:
            for piece in _pieces(batch, ticks, flush):
                writer.write_batch(piece)


@dataclass(frozen=True)
class Arrow:
    """The file format or the stream format; ``size`` is the number of rows of a record batch."""

    stream: bool
    size: int | None

    def _writer(self, path: Path, schema: Any) -> Any:
        import pyarrow as pa

        return (pa.ipc.new_stream if self.stream else pa.ipc.new_file)(str(path), schema)

    def write(self, batch: EventBatch, path: Path) -> None:
        table = _table(batch)
        with self._writer(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=self.size)

    def read(self, path: Path) -> EventBatch:
        import pyarrow as pa

        with pa.OSFile(str(path)) as file:
            opened = pa.ipc.open_stream(file) if self.stream else pa.ipc.open_file(file)
            table = opened.read_all()
        table.validate(full=True)
        return _batch(table)

    def rest(self, path: Path) -> Iterator[EventBatch]:
        """Give the record batches that can be read; without a footer a file is read as the stream that it holds."""
        import pyarrow as pa

        with pa.OSFile(str(path)) as file:
            if not self.stream:
                try:
                    opened = pa.ipc.open_file(file)
                    count = opened.num_record_batches
                except Exception:
                    file.seek(_MAGIC)
                else:
                    for number in range(count):
                        try:
                            piece = opened.get_batch(number)
                            piece.validate(full=True)
                            yield _batch(piece)
                        except Exception:
                            continue
                    return
            for piece in pa.ipc.open_stream(file):
                piece.validate(full=True)
                yield _batch(piece)

    def live(self, batch: EventBatch, path: Path, ticks: Iterator[int], flush: int) -> None:
        with self._writer(path, _table(batch).schema) as writer:
            for piece in _pieces(batch, ticks, flush):
                writer.write_batch(piece)


def write_vortex(batch: EventBatch, path: Path) -> None:
    import vortex as vx

    vx.io.write(_table(batch), str(path))


def read_vortex(path: Path) -> EventBatch:
    import vortex as vx

    return _batch(vx.open(str(path)).scan().read_all().to_arrow_table())


def rest_vortex(path: Path) -> Iterator[EventBatch]:
    """Give the ranges of rows that can be read."""
    import vortex as vx

    file = vx.open(str(path))
    scan = file.to_repeated_scan()
    for start in range(0, len(file), _STEP):
        try:
            found = scan.execute(row_range=(start, min(start + _STEP, len(file))))
            yield _batch(found.read_all().to_arrow_table())
        except Exception:
            continue


def live_vortex(batch: EventBatch, path: Path, ticks: Iterator[int], flush: int) -> None:
    import pyarrow as pa
    import vortex as vx

    schema = _table(batch).schema
    vx.io.write(pa.RecordBatchReader.from_batches(schema, _pieces(batch, ticks, flush)), str(path))

"""One job out of one format: what is read, piece by piece, so that the same code is measured and checked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.recordings import COLUMNS
from evcodec import EventBatch, Reader, open_dataset

CLICKS = (1, 2)
Pieces = Callable[[], Iterator[Any]]


@dataclass(frozen=True)
class Ask:
    """What of a file is wanted."""

    columns: tuple[str, ...] = COLUMNS
    kinds: Collection[int] | None = None
    start: int | None = None
    stop: int | None = None

    def of(self, batch: EventBatch) -> EventBatch:
        """Return it of a batch."""
        keep = np.ones(len(batch), bool)
        if self.kinds is not None:
            keep &= np.isin(batch.kind, list(self.kinds))
        if self.start is not None:
            keep &= batch.t >= self.start
        if self.stop is not None:
            keep &= batch.t < self.stop
        return EventBatch(**{name: batch[name][keep] for name in self.columns})


@dataclass(frozen=True)
class Way:
    """``format``: whose figure it is; ``settings``: what was chosen; ``pieces``: does the job anew each time."""

    format: str
    settings: str
    usual: bool
    pieces: Pieces


def columns_of(piece: Any) -> dict[str, np.ndarray]:
    """Return the columns of a batch or of an Arrow table."""
    if isinstance(piece, EventBatch):
        return dict(piece.columns)
    return {name: piece[name].to_numpy() for name in piece.schema.names}


def together(pieces: Iterator[Any], names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return what all pieces hold."""
    found = [columns_of(piece) for piece in pieces]
    return {name: np.concatenate([piece[name] for piece in found] or [np.empty(0)]) for name in names}


def same(found: dict[str, np.ndarray], expected: EventBatch) -> bool:
    """Tell whether every column has every value."""
    return set(found) == set(expected.columns) and all(
        np.array_equal(found[name], expected[name]) for name in found
    )


# ---- evcodec ----


def scan_evc(path: Path, ask: Ask) -> Pieces:
    """Read a block at a time."""

    def pieces() -> Iterator[EventBatch]:
        with Reader(path) as reader:
            yield from reader.batches(ask.columns, ask.kinds, ask.start, ask.stop)

    return pieces


def read_evc(path: Path, asks: list[Ask]) -> Pieces:
    """Open the file for each of the asks, and read it into one batch."""

    def pieces() -> Iterator[EventBatch]:
        for ask in asks:
            with Reader(path) as reader:
                yield reader.read(ask.columns, ask.kinds, ask.start, ask.stop)

    return pieces


def files_evc(paths: list[Path]) -> Pieces:
    """Read one file after the other."""

    def pieces() -> Iterator[EventBatch]:
        for path in paths:
            with Reader(path) as reader:
                yield reader.read()

    return pieces


def dataset_evc(folder: Path) -> Pieces:
    """Read a folder as a dataset."""
    return lambda: open_dataset(folder).batches()


# ---- Parquet ----


def _filter(ask: Ask) -> Any:
    import pyarrow.compute as pc

    tests = [] if ask.kinds is None else [pc.field("kind").isin(list(ask.kinds))]
    tests += [] if ask.start is None else [pc.field("t") >= ask.start]
    tests += [] if ask.stop is None else [pc.field("t") < ask.stop]
    found = None
    for test in tests:
        found = test if found is None else found & test
    return found


def read_table(path: Path, asks: list[Ask]) -> Pieces:
    """Read with `pyarrow.parquet.read_table`, its filters and columns."""
    import pyarrow.parquet as pq

    def pieces() -> Iterator[Any]:
        for ask in asks:
            yield pq.read_table(path, columns=list(ask.columns), filters=_filter(ask), use_threads=False)

    return pieces


def iter_batches(path: Path, ask: Ask) -> Pieces:
    """Read a row group at a time."""
    import pyarrow.parquet as pq

    def pieces() -> Iterator[Any]:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(131_072, columns=list(ask.columns), use_threads=False)

    return pieces


def row_groups(path: Path, asks: list[Ask]) -> Pieces:
    """Pick row groups by their statistics, read those, keep the rows: what a careful user writes."""
    import pyarrow.parquet as pq

    def pieces() -> Iterator[Any]:
        for ask in asks:
            with pq.ParquetFile(path) as file:
                meta, numbers = file.metadata, []
                for number in range(meta.num_row_groups):
                    group = meta.row_group(number)
                    t, kind = group.column(0).statistics, group.column(1).statistics
                    if ask.start is not None and t.max < ask.start:
                        continue
                    if ask.stop is not None and t.min >= ask.stop:
                        continue
                    if ask.kinds is not None and (max(ask.kinds) < kind.min or min(ask.kinds) > kind.max):
                        continue
                    numbers.append(number)
                table = file.read_row_groups(numbers, columns=list(ask.columns), use_threads=False)
            keep = _filter(ask)
            yield table if keep is None else table.filter(keep)

    return pieces


def files_parquet(paths: list[Path]) -> Pieces:
    """Read one file after the other."""
    import pyarrow.parquet as pq

    def pieces() -> Iterator[Any]:
        for path in paths:
            with pq.ParquetFile(path) as file:
                yield file.read(use_threads=False)

    return pieces


def dataset_parquet(folder: Path) -> Pieces:
    """Read a folder as a dataset of Arrow."""
    import pyarrow.dataset as ds

    return lambda: ds.dataset(folder, format="parquet").to_batches(use_threads=False)


# ---- OWAMcap ----


def owamcap(paths: list[Path], asks: list[Ask]) -> Pieces:
    """Read with the package of Open World Agents: messages in a range of time, those of wanted kinds, as columns."""
    from mcap_owa.highlevel import OWAMcapReader

    from benchmarks.owamcap import row_of

    dtypes = {"t": np.int64, "kind": np.uint8}

    def pieces() -> Iterator[EventBatch]:
        for path in paths:
            for ask in asks:
                with OWAMcapReader(path) as reader:
                    messages = reader.iter_messages(
                        start_time=ask.start, end_time=ask.stop, log_time_order=False
                    )
                    rows = [row_of(message.timestamp, message.topic, message.decoded) for message in messages]
                if ask.kinds is not None:
                    rows = [row for row in rows if row[1] in ask.kinds]
                columns = zip(*rows, strict=True) if rows else ((),) * len(COLUMNS)
                arrays = {
                    name: np.array(values, dtypes.get(name, np.int32))
                    for name, values in zip(COLUMNS, columns, strict=True)
                }
                yield EventBatch(**{name: arrays[name] for name in ask.columns})

    return pieces

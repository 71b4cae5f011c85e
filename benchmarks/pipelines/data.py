"""What the jobs read: a recording, a day of one clock, and many small files, in every format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.recordings import COLUMNS, SAMPLE, load
from evcodec import EventBatch, Writer
from evcodec.sample import sample_session
from evcodec.stream import compact

HOUR_NS = 3600 * 10**9
MINUTE_NS = 60 * 10**9
PAUSE_NS = 10**9
# Rows of a row group, or events of a block, that are tried for each job; what a Writer makes of a bulk write is 131,072.
GROUPS = (1_048_576, 131_072, 16_384, 4_096, 1_024)
BLOCKS = (131_072, 16_384, 4_096, 1_024)


@dataclass(frozen=True)
class Amount:
    """How much is measured."""

    events: int
    small_files: int
    minutes: int
    owamcap_events: int
    ray_files: int
    rounds: int


AMOUNTS = {
    "full": Amount(5_000_000, 10_000, 25, 200_000, 16, 9),
    "quick": Amount(500_000, 300, 5, 2_000, 4, 3),
    "tiny": Amount(20_000, 12, 2, 300, 2, 1),
}


def sessions(recording: str, events: int) -> list[EventBatch]:
    """Return the sessions of a recording, each with its own clock, so many events in all; made-up ones without one."""
    if recording == SAMPLE or recording.endswith(".evc"):
        whole = sample_session(events) if recording == SAMPLE else load(recording, events)
        borders = np.linspace(0, len(whole), max(len(whole) // 2_000, 2) + 1).astype(int).tolist()
    else:
        whole = load(recording, events)
        with np.load(recording) as arrays:
            number = arrays["session"][: len(whole)]
        borders = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(whole)]
    columns = {name: whole[name] for name in COLUMNS}
    return [
        EventBatch(**{name: values[start:stop] for name, values in columns.items()})
        for start, stop in pairwise(borders)
        if stop > start
    ]


def day(parts: list[EventBatch], hours: int = 24) -> EventBatch:
    """Return sessions end to end on one clock, as long as they are together; those with a jump of hours are left out."""
    found, now = [], 0
    for part in parts:
        low, high = int(part.t.min()), int(part.t.max())
        if high - low > 12 * HOUR_NS:
            continue
        found.append(EventBatch(**{**part.columns, "t": part.t - low + now}))
        now += high - low + PAUSE_NS
        if now > hours * HOUR_NS:
            break
    return EventBatch.concat(found)


def repeated(parts: list[EventBatch], count: int) -> Iterator[EventBatch]:
    """Yield so many sessions, again from the first on where there are fewer."""
    return (parts[number % len(parts)] for number in range(count))


def write_evc(path: Path, batch: EventBatch, block: int | None = None) -> Path:
    """Write a stream as a Writer does, or with so many events a block."""
    with Writer(path) as writer:
        writer.write(batch)
    if block is not None:
        compact(path, path, level="balanced", block_events=block)
    return path


def write_parquet(path: Path, batch: EventBatch, group: int) -> Path:
    """Write a Parquet file: delta and zstd, statistics, so many rows a row group."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({name: batch[name] for name in COLUMNS})
    pq.write_table(
        table,
        path,
        row_group_size=group,
        compression="zstd",
        use_dictionary=False,
        # Parquet has no deltas of one byte; a byte column is plain, in zstd.
        column_encoding={
            name: "PLAIN" if name == "kind" else "DELTA_BINARY_PACKED" for name in table.column_names
        },
    )
    return path

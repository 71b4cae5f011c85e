"""Ways of storing a batch, each with how to write it and how to read it back: what the demonstration and the
benchmarks compare.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import msgpack
import numpy as np

from .. import decode, encode
from ..batch import EventBatch
from ..compression import Effort, compress, decompress
from ..reader import Reader
from ..schema import EventKind
from ..writer import Writer
from .options import LEVELS

_ROWS = 65_536
# One call of Writer: which method (move, button, scroll, key, event) and its arguments.
Call = tuple[int, tuple[Any, ...], dict[str, int]]


@dataclass
class Way:
    """One way of storing events. ``write`` returns what ``read`` takes, and ``size`` tells how many bytes it is."""

    name: str
    write: Callable[[], Any]
    read: Callable[[Any], EventBatch]
    size: Callable[[Any], int] = len
    write_s: list[float] = field(default_factory=list)
    read_s: list[float] = field(default_factory=list)
    stored: int = 0
    fault: str | None = None

    def run(self, batch: EventBatch) -> None:
        """Write and read ``batch`` once, and note the times and whether every value came back."""
        began = time.perf_counter()
        data = self.write()
        written = time.perf_counter()
        back = self.read(data)
        done = time.perf_counter()
        self.stored = self.size(data)
        if self.fault is None:
            self.fault = difference(batch, back)
        self.write_s.append(written - began)
        self.read_s.append(done - written)

    def row(self, events: int) -> dict[str, Any]:
        """Return the medians as one row of the table."""
        return {
            "name": self.name,
            "bytes": self.stored,
            "bytes_per_event": self.stored / events,
            "written_events_per_s": events / max(statistics.median(self.write_s), 1e-9),
            "read_events_per_s": events / max(statistics.median(self.read_s), 1e-9),
            "checked": self.fault is None,
        }


def difference(batch: EventBatch, back: EventBatch) -> str | None:
    """Return where two batches differ in a value, None if nowhere; a missing column is zeros."""
    if len(batch) != len(back):
        return f"found {len(back):,} events, written: {len(batch):,}"
    zeros = np.zeros(len(batch), np.int8)
    for name in {**batch.columns, **back.columns}:
        mine, theirs = batch.columns.get(name, zeros), back.columns.get(name, zeros)
        if mine.dtype != theirs.dtype:
            # uint64 beside a signed dtype would be compared as doubles by older versions of numpy.
            mine, theirs = mine.astype(object), theirs.astype(object)
        differs = np.flatnonzero(mine != theirs)
        if len(differs):
            at = int(differs[0])
            return f"column {name!r}, event {at}: found {int(theirs[at])}, written: {int(mine[at])}"
    return None


def calls(batch: EventBatch) -> list[Call]:
    """Return the calls that a recorder would make for a batch: move, button, scroll, key, and event for all else."""
    names = list(batch.columns)
    made: list[Call] = []
    for row in zip(*(column.tolist() for column in batch.columns.values()), strict=True):
        given = {name: value for name, value in zip(names, row, strict=True) if value}
        t, kind = given.pop("t", 0), given.pop("kind", 0)
        x, y = given.get("x", 0), given.get("y", 0)
        rest = given.keys() - {"x", "y"}
        if kind == EventKind.MOVE and not rest:
            made.append((0, (t, x, y), {}))
        elif kind in (EventKind.BUTTON_DOWN, EventKind.BUTTON_UP) and rest <= {"code"}:
            made.append((1, (t, given.get("code", 0), kind == EventKind.BUTTON_DOWN, x, y), {}))
        elif kind == EventKind.SCROLL and rest <= {"dx", "dy"}:
            made.append((2, (t, given.get("dx", 0), given.get("dy", 0), x, y), {}))
        elif kind in (EventKind.KEY_DOWN, EventKind.KEY_UP) and given.keys() <= {"code"}:
            made.append((3, (t, given.get("code", 0), kind == EventKind.KEY_DOWN), {}))
        else:
            made.append((4, (kind, t), given))
    return made


def ways(batch: EventBatch, folder: str) -> tuple[list[Way], list[str]]:
    """Return all ways of storing ``batch`` that can be had here, and the names of those that cannot."""
    missing: list[str] = []
    found = [live(batch, os.path.join(folder, "live.evc"))]
    found.extend(_bulk(batch, level) for level in LEVELS)
    for peer in (json_lines, msgpack_rows, _parquet, pco):
        try:
            found.append(peer(batch))
        except ImportError as error:
            missing.append(f"{error.name or error}")
    return found, missing


def live(batch: EventBatch, path: str) -> Way:
    """Return the way of a recorder: one call an event, into a file."""
    made = calls(batch)

    def write() -> str:
        with suppress(FileNotFoundError):
            os.unlink(path)
        with Writer(path) as writer:
            methods: tuple[Callable[..., object], ...]
            methods = (writer.move, writer.button, writer.scroll, writer.key, writer.event)
            for which, args, columns in made:
                if columns:
                    methods[which](*args, **columns)
                else:
                    methods[which](*args)
        return path

    def read(path: str) -> EventBatch:
        with Reader(path) as reader:
            back: EventBatch = reader.read()
        return back

    return Way("evcodec, live, one call an event", write, read, os.path.getsize)


def _bulk(batch: EventBatch, level: str) -> Way:
    return Way(f"evcodec, bulk, {level}", lambda: encode(batch, level=level), decode)


def _spans(n: int) -> Iterator[tuple[int, int]]:
    return ((at, min(at + _ROWS, n)) for at in range(0, n, _ROWS))


def _columns_of(names: list[str], rows: list[list[int]], batch: EventBatch) -> EventBatch:
    columns = {}
    for at, name in enumerate(names):
        columns[name] = np.array([row[at] for row in rows], batch.columns[name].dtype)
    return EventBatch(**columns)


def json_lines(batch: EventBatch) -> Way:
    """Return the way of a JSON object a line."""
    names = list(batch.columns)

    def write() -> bytes:
        out = BytesIO()
        dumps = json.dumps
        for row in zip(*(column.tolist() for column in batch.columns.values()), strict=True):
            out.write((dumps(dict(zip(names, row, strict=True)), separators=(",", ":")) + "\n").encode())
        return out.getvalue()

    def read(data: bytes) -> EventBatch:
        loads = json.loads
        rows = [list(loads(line).values()) for line in data.splitlines()]
        return _columns_of(names, rows, batch)

    return Way("JSON lines", write, read)


def msgpack_rows(batch: EventBatch) -> Way:
    """Return the way of a msgpack array an event, compressed by the 65,536."""
    names = list(batch.columns)

    def write() -> bytes:
        pack = msgpack.Packer().pack
        parts = []
        for start, stop in _spans(len(batch)):
            part = batch[start:stop]
            raw = b"".join(
                [
                    pack(row)
                    for row in zip(*(column.tolist() for column in part.columns.values()), strict=True)
                ]
            )
            parts.append((len(raw), *compress(raw, (Effort(3),))))
        return bytes(pack(parts))

    def read(data: bytes) -> EventBatch:
        rows: list[list[int]] = []
        for length, codec, part in msgpack.unpackb(data, strict_map_key=False):
            unpacker = msgpack.Unpacker(max_buffer_size=0)
            unpacker.feed(decompress(codec, memoryview(part), length, "msgpack rows"))
            rows.extend(unpacker)
        return _columns_of(names, rows, batch)

    return Way("msgpack rows + zstd 3", write, read)


def _parquet(batch: EventBatch) -> Way:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = list(batch.columns)

    def write() -> bytes:
        out = BytesIO()
        pq.write_table(
            pa.table(dict(batch.columns)),
            out,
            compression="zstd",
            use_dictionary=False,
            column_encoding=dict.fromkeys(names, "DELTA_BINARY_PACKED"),
        )
        return out.getvalue()

    def read(data: bytes) -> EventBatch:
        table = pq.read_table(pa.BufferReader(data), use_threads=False)
        return EventBatch(**{name: table[name].to_numpy() for name in names})

    return Way("Parquet, delta + zstd", write, read)


def pco(batch: EventBatch, level: int = 8) -> Way:
    """Return the way of pco, a column at a time."""
    from pcodec import ChunkConfig, standalone

    wide: dict[Any, Any] = {}
    try:
        config = ChunkConfig(compression_level=level, enable_8_bit=True)
    except TypeError:  # an older one has no 8-bit integers
        config = ChunkConfig(compression_level=level)
        wide = {np.dtype(np.uint8): np.uint16, np.dtype(np.int8): np.int16}

    def write() -> bytes:
        parts = {}
        for name, column in batch.columns.items():
            values = np.ascontiguousarray(column, dtype=wide.get(column.dtype, column.dtype))
            parts[name] = standalone.simple_compress(values, config)
        return bytes(msgpack.packb(parts))

    def read(data: bytes) -> EventBatch:
        columns = {}
        for name, part in msgpack.unpackb(data).items():
            values = standalone.simple_decompress(part)
            columns[name] = values.astype(batch.columns[name].dtype, copy=False)
        return EventBatch(**columns)

    return Way(f"pco level {level}, by column", write, read)

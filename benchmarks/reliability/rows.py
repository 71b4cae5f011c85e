"""What people use today: JSON lines and SQLite rows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.recordings import COLUMNS
from evcodec import EventBatch
from evcodec.cli.peers import json_lines

SQLITE_VERSION = sqlite3.sqlite_version
_INSERT = f"INSERT INTO events VALUES ({', '.join('?' * len(COLUMNS))})"
_SELECT = f"SELECT {', '.join(COLUMNS)} FROM events"
# Rows of one attempt to read around damage.
_STEP = 256


def _batch(rows: Iterable[Sequence[Any]]) -> EventBatch:
    found = list(rows)
    columns = zip(*found, strict=True) if found else ([] for _ in COLUMNS)
    return EventBatch(
        **{
            name: np.array(column) if found else np.zeros(0, np.int64)
            for name, column in zip(COLUMNS, columns, strict=True)
        }
    )


def write_json(batch: EventBatch, path: Path) -> None:
    path.write_bytes(json_lines(batch).write())


def _row(line: bytes) -> list[Any]:
    event = json.loads(line)
    return [event[name] for name in COLUMNS]


def read_json(path: Path) -> EventBatch:
    return _batch(_row(line) for line in path.read_bytes().splitlines())


def rest_json(path: Path) -> Iterator[EventBatch]:
    """Give the lines that can be read."""
    found = []
    for line in path.read_bytes().splitlines():
        with suppress(Exception):
            row = _row(line)
            if all(isinstance(value, int) for value in row):
                found.append(row)
    yield _batch(found)


def live_json(batch: EventBatch, path: Path, ticks: Iterator[int], flush: int) -> None:
    lines = json_lines(batch).write().splitlines(keepends=True)
    with path.open("wb") as file:
        for number in ticks:
            file.write(lines[number])
            if (number + 1) % flush == 0:
                file.flush()


def _create(path: Path) -> sqlite3.Connection:
    base = sqlite3.connect(path)
    base.execute("PRAGMA journal_mode=WAL")
    base.execute("PRAGMA synchronous=NORMAL")
    base.execute(f"CREATE TABLE events ({', '.join(f'{name} INTEGER' for name in COLUMNS)})")
    return base


def write_sqlite(batch: EventBatch, path: Path) -> None:
    with closing(_create(path)) as base, base:
        base.executemany(_INSERT, zip(*(batch[name].tolist() for name in COLUMNS), strict=True))


def read_sqlite(path: Path) -> EventBatch:
    with closing(sqlite3.connect(path)) as base:
        found = base.execute("PRAGMA integrity_check").fetchall()
        if found != [("ok",)]:
            raise sqlite3.DatabaseError(str(found[0]))
        return _batch(base.execute(_SELECT))


def rest_sqlite(path: Path) -> Iterator[EventBatch]:
    """Give the ranges of row numbers that can be read."""
    with closing(sqlite3.connect(path)) as base:
        last = base.execute("SELECT max(rowid) FROM events").fetchone()[0] or 0
        for start in range(1, min(last, 1 << 20) + 1, _STEP):
            with suppress(Exception):
                found = base.execute(f"{_SELECT} WHERE rowid BETWEEN ? AND ?", (start, start + _STEP - 1))
                yield _batch(found.fetchall())


def live_sqlite(batch: EventBatch, path: Path, ticks: Iterator[int], flush: int) -> None:
    rows = list(zip(*(batch[name].tolist() for name in COLUMNS), strict=True))
    with closing(_create(path)) as base:
        for number in ticks:
            base.execute(_INSERT, rows[number])
            if (number + 1) % flush == 0:
                base.commit()
        base.commit()

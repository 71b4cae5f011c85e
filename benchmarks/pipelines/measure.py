"""Running the jobs: every row is checked first, then all ways of a job take turns."""

from __future__ import annotations

import datetime
import gc
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.owamcap import carried
from benchmarks.owamcap import way as owamcap_way
from benchmarks.pipelines import ways
from benchmarks.pipelines.data import (
    BLOCKS,
    GROUPS,
    MINUTE_NS,
    Amount,
    day,
    repeated,
    sessions,
    write_evc,
    write_parquet,
)
from benchmarks.pipelines.ways import CLICKS, Ask, Way, same, together
from benchmarks.recordings import name_of
from evcodec import EventBatch

Row = dict[str, Any]
Say = Callable[[str], None]
PACKAGES = ("evcodec", "numpy", "zstandard", "pyarrow", "mcap-owa-support", "torch", "ray")
_USUAL = 131_072
_SMALL_EVENTS = 2_000  # of a small file, at most: 10,000 of them are compared as a whole
FULL, TWO, CLICK, MINUTE, SMALL = (
    "full scan",
    "two columns of seven",
    "clicks only",
    "one minute of a day",
    "small files",
)


class WrongRowsError(Exception):
    """A way did not give the rows that were asked for."""


def machine() -> dict[str, str]:
    """Return what the figures were measured on and with; no name of a host."""
    found = {
        "system": f"{platform.system()}, {platform.machine()}, {os.cpu_count()} cores",
        "Python": platform.python_version(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "load average": f"{os.getloadavg()[0]:.1f} processes that want a core",
    }
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed, so not compared"
    return found


def read_bytes() -> int | None:
    """Return the bytes that this process has read by system calls so far, where the system tells."""
    try:
        text = Path("/proc/self/io").read_text()
    except OSError:
        return None
    return int(text.split("rchar:")[1].split()[0])


def _run(pieces: ways.Pieces) -> None:
    for _ in pieces():
        pass


def touched(pieces: ways.Pieces) -> int | None:
    """Return the bytes that a way reads."""
    own = read_bytes()
    before = read_bytes()
    _run(pieces)
    after = read_bytes()
    if own is None or before is None or after is None:
        return None
    return after - before - (before - own)  # looking costs some, too


def timed(pieces: ways.Pieces) -> float:
    """Return the processor time that a way takes."""
    gc.collect()
    start = time.process_time()
    _run(pieces)
    return time.process_time() - start


def check(way: Way, expected: EventBatch) -> None:
    """Raise WrongRowsError unless a way gives exactly these rows."""
    if not same(together(way.pieces(), tuple(expected.columns)), expected):
        raise WrongRowsError(f"{way.format}, {way.settings}: other rows than were asked for")


def compare(
    job: str, data: str, found: list[Way], expected: EventBatch, amount: Amount, times: int = 1
) -> list[Row]:
    """Return a row for each way: seconds (a median) and bytes of one of so many times that it does the job."""
    for way in found:
        check(way, expected)
    seconds: list[list[float]] = [[] for _ in found]
    for _ in range(amount.rounds):
        for at, way in enumerate(found):
            seconds[at].append(timed(way.pieces))
    rows = []
    for at, way in enumerate(found):
        bytes_ = touched(way.pieces)
        rows.append(
            {
                "job": job,
                "data": data,
                "format": way.format,
                "settings": way.settings,
                "usual": way.usual,
                "events": len(expected),
                "seconds": statistics.median(seconds[at]) / times,
                "bytes": None if bytes_ is None else bytes_ / times,
            }
        )
    return rows


def minutes(batch: EventBatch, count: int) -> list[Ask]:
    """Return minutes of a day that begin at events drawn at random."""
    picked = np.random.default_rng(1).integers(0, len(batch), count)
    return [Ask(start=int(t), stop=int(t) + MINUTE_NS) for t in batch.t[picked]]


def file_jobs(recording: str, folder: Path, amount: Amount, say: Say) -> Iterator[Row]:
    """Yield the rows of the jobs on one large file."""
    name = name_of(recording)
    parts = sessions(recording, amount.events)
    whole = EventBatch.concat(parts)
    groups = [group for group in GROUPS if group >= 16_384 and (group == _USUAL or group < len(whole))]
    ours = write_evc(folder / "whole.evc", whole)
    theirs = {group: write_parquet(folder / f"whole-{group}.parquet", whole, group) for group in groups}
    for job, ask in ((FULL, Ask()), (TWO, Ask(columns=("x", "y"))), (CLICK, Ask(kinds=CLICKS))):
        found = [
            Way("evcodec", "batches()", True, ways.scan_evc(ours, ask)),
            Way("evcodec", "read()", False, ways.read_evc(ours, [ask])),
        ]
        for group, path in theirs.items():
            usual, rows = group == _USUAL, f"{group:,} rows a group"
            found.append(Way("Parquet", f"read_table, {rows}", usual, ways.read_table(path, [ask])))
            if ask.kinds is None:
                found.append(Way("Parquet", f"iter_batches, {rows}", False, ways.iter_batches(path, ask)))
            else:
                found.append(
                    Way("Parquet", f"row groups picked, {rows}", False, ways.row_groups(path, [ask]))
                )
        yield from compare(job, name, found, ask.of(whole), amount)
        say(f"{name}: {job}")
    yield from _minutes(name, day(parts), folder, amount)
    say(f"{name}: {MINUTE}")


def _minutes(name: str, batch: EventBatch, folder: Path, amount: Amount) -> list[Row]:
    asks = minutes(batch, amount.minutes)
    expected = EventBatch.concat(ask.of(batch) for ask in asks)
    found = []
    for block in BLOCKS:
        path = write_evc(folder / f"day-{block}.evc", batch, None if block == _USUAL else block)
        found.append(Way("evcodec", f"{block:,} events a block", block == _USUAL, ways.read_evc(path, asks)))
    for group in GROUPS:
        path = write_parquet(folder / f"day-{group}.parquet", batch, group)
        usual, rows = group == _USUAL, f"{group:,} rows a group"
        found.append(Way("Parquet", f"read_table, {rows}", usual, ways.read_table(path, asks)))
        found.append(Way("Parquet", f"row groups picked, {rows}", False, ways.row_groups(path, asks)))
    return compare(MINUTE, f"{name}, {len(batch):,} events", found, expected, amount, len(asks))


def small_jobs(recording: str, folder: Path, amount: Amount, say: Say) -> Iterator[Row]:
    """Yield the rows of reading many small files."""
    parts = [part[:_SMALL_EVENTS] for part in sessions(recording, amount.events)]
    evc, parquet = folder / "evc", folder / "parquet"
    evc.mkdir()
    parquet.mkdir()
    ours, theirs, written = [], [], []
    for number, part in enumerate(repeated(parts, amount.small_files)):
        ours.append(write_evc(evc / f"{number:06}.evc", part))
        theirs.append(write_parquet(parquet / f"{number:06}.parquet", part, 1_048_576))
        written.append(part)
    found = [
        Way("evcodec", "a Reader each", True, ways.files_evc(ours)),
        Way("evcodec", "open_dataset", False, ways.dataset_evc(evc)),
        Way("Parquet", "a ParquetFile each", True, ways.files_parquet(theirs)),
        Way("Parquet", "pyarrow.dataset", False, ways.dataset_parquet(parquet)),
    ]
    say(f"{name_of(recording)}: {len(ours):,} files written")
    name = f"{name_of(recording)}, {len(ours):,} files"
    few = Amount(**{**amount.__dict__, "rounds": min(amount.rounds, 3)})
    yield from compare(SMALL, name, found, EventBatch.concat(written), few, len(ours))
    say(f"{name}: read")


def owamcap_jobs(recording: str, folder: Path, amount: Amount, say: Say) -> Iterator[Row]:
    """Yield the rows of the same jobs beside OWAMcap, on what its messages can carry: few events, its time is long."""
    name = name_of(recording)
    parts = [carried(part, len(part)) for part in sessions(recording, 20 * amount.owamcap_events)]
    parts = [part for part in parts if len(part)]
    batch = day(parts, 24 * 365)[: amount.owamcap_events]
    ours = write_evc(folder / "owa.evc", batch)
    theirs = folder / "owa.mcap"
    owamcap_way(batch, str(theirs)).write()
    few = Amount(**{**amount.__dict__, "rounds": min(amount.rounds, 3)})
    asks = {FULL: [Ask()], TWO: [Ask(columns=("x", "y"))], CLICK: [Ask(kinds=CLICKS)]}
    asks[MINUTE] = minutes(batch, min(amount.minutes, 5))
    for job, asked in asks.items():
        expected = EventBatch.concat(ask.of(batch) for ask in asked)
        found = [
            Way("evcodec", "Reader", True, ways.read_evc(ours, asked)),
            Way("OWAMcap", "OWAMcapReader", True, ways.owamcap([theirs], asked)),
        ]
        yield from compare(job, f"{name}, {len(batch):,} events", found, expected, few, len(asked))
        say(f"{name}: {job}, OWAMcap")
    some = parts[: max(amount.rounds, 2) * 4]
    files = []
    for number, part in enumerate(some):
        files.append(folder / f"{number}.mcap")
        owamcap_way(part, str(files[-1])).write()
    evc = [write_evc(folder / f"{number}.evc", part) for number, part in enumerate(some)]
    found = [
        Way("evcodec", "a Reader each", True, ways.files_evc(evc)),
        Way("OWAMcap", "an OWAMcapReader each", True, ways.owamcap(files, [Ask()])),
    ]
    expected = EventBatch.concat(some)
    yield from compare(SMALL, f"{name}, {len(some)} files", found, expected, few, len(some))
    say(f"{name}: {SMALL}, OWAMcap")

"""The same job on Ray out of evcodec and out of Parquet: events a second for each core."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.pipelines.data import Amount, sessions, write_evc, write_parquet
from benchmarks.pipelines.measure import Row, Say, WrongRowsError
from benchmarks.recordings import COLUMNS, name_of
from evcodec import EventBatch

JOB = "Ray job"
_GROUPS = (131_072, 1_048_576)


def _sums(table: Any) -> Any:
    """Return one row with the number of rows, and the sum of each column of numbers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = {name: pa.array([pc.sum(table[name]).as_py()], pa.int64()) for name in COLUMNS if name != "kind"}
    return pa.table({"rows": pa.array([table.num_rows], pa.int64()), **found})


def _total(dataset: Any) -> dict[str, int]:
    found = dataset.map_batches(_sums, batch_format="pyarrow", batch_size=None).take_all()
    return {name: sum(int(row[name]) for row in found) % 2**64 for name in found[0]}


def _expected(parts: list[EventBatch]) -> dict[str, int]:
    found = {"rows": sum(map(len, parts))}
    for name in COLUMNS:
        if name != "kind":
            found[name] = sum(int(part[name].sum()) for part in parts) % 2**64
    return found


def ray_jobs(recording: str, folder: Path, amount: Amount, say: Say) -> list[Row]:
    """Return the rows of summing every column of every event: seconds of the clock times cores, Ray's own work among them."""
    import ray

    from evcodec.ray import read_evc

    whole = EventBatch.concat(sessions(recording, amount.events))
    parts = [
        whole[len(whole) * number // amount.ray_files : len(whole) * (number + 1) // amount.ray_files]
        for number in range(amount.ray_files)
    ]
    (folder / "evc").mkdir()
    for number, part in enumerate(parts):
        write_evc(folder / "evc" / f"{number:03}.evc", part)
    for group in _GROUPS:
        (folder / str(group)).mkdir()
        for number, part in enumerate(parts):
            write_parquet(folder / str(group) / f"{number:03}.parquet", part, group)
    ways: dict[tuple[str, str], Callable[[], Any]] = {
        ("evcodec", "read_evc"): lambda: read_evc(str(folder / "evc"), columns=COLUMNS)
    }
    for group in _GROUPS:
        ways["Parquet", f"read_parquet, {group:,} rows a group"] = lambda group=group: ray.data.read_parquet(
            str(folder / str(group))
        )
    cores = os.cpu_count() or 1
    ray.init("local", num_cpus=cores, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        expected = _expected(parts)
        for _ in range(2):  # the second time every worker has imported what it needs
            for (form, settings), make in ways.items():
                if _total(make()) != expected:
                    raise WrongRowsError(f"{form}, {settings}: other sums than those of the events")
        seconds: dict[tuple[str, str], list[float]] = {way: [] for way in ways}
        for _ in range(min(amount.rounds, 5)):
            for way, make in ways.items():
                start = time.perf_counter()
                _total(make())
                seconds[way].append(time.perf_counter() - start)
    finally:
        ray.shutdown()
    say(f"{name_of(recording)}: {JOB}")
    return [
        {
            "job": JOB,
            "data": f"{name_of(recording)}, {amount.ray_files} files",
            "format": form,
            "settings": settings,
            "usual": settings.endswith("131,072 rows a group") or form == "evcodec",
            "events": len(whole),
            "seconds": statistics.median(found) * cores,
            "bytes": None,
        }
        for (form, settings), found in seconds.items()
    ]

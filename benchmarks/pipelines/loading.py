"""Windows a second into Torch, with two workers: evcodec's pipeline beside one written with care over Parquet."""

from __future__ import annotations

import statistics
from pathlib import Path

from benchmarks.pipelines.data import Amount
from benchmarks.pipelines.measure import Row, Say, WrongRowsError
from benchmarks.recordings import COLUMNS, load, name_of
from evcodec import EventBatch

JOB = "windows into Torch"
_LEAST_EVENTS = 500_000  # the time up to the first batch is left out
_LENGTH, _BATCH, _WORKERS, _FILES, _BUFFER = 128, 512, 2, 8, 64 * 2**20


def torch_jobs(recording: str, folder: Path, amount: Amount, say: Say) -> list[Row]:
    """Return the rows of all windows of 128 events in random order; processor time of all processes, and the clock's."""
    import torch
    from torch.utils.data import DataLoader

    from benchmarks.recordings import repeated
    from benchmarks.windows import digest, hand_written, measured, write_sessions
    from evcodec.torch import EventWindows

    torch.set_num_threads(1)
    events = max(amount.events, _LEAST_EVENTS)
    batch = EventBatch.concat(repeated(load(recording, events), events))
    paths = write_sessions(folder, batch, _FILES)
    rows: list[Row] = []
    for columns in (COLUMNS, ("x", "y")):
        windows = EventWindows(
            paths, _LENGTH, columns=columns, shuffle=True, batch_size=_BATCH, buffer_bytes=_BUFFER
        )
        row_bytes = sum(dtype.itemsize for dtype in windows.dtypes.values())
        pool = max(_BUFFER * len(paths) // (events * row_bytes), 1)
        foreign = hand_written(paths, _LENGTH, _LENGTH, columns, _BATCH, pool)
        ways = {
            ("evcodec", "EventWindows"): lambda workers, w=windows: iter(w.loader(workers)),
            ("Parquet", "an IterableDataset written with care"): lambda workers, f=foreign: iter(
                DataLoader(f, batch_size=None, num_workers=workers)
            ),
        }
        if len({digest(make(0), columns) for make in ways.values()}) != 1:
            raise WrongRowsError(f"windows of {columns}: other windows than those of evcodec")
        rates: dict[tuple[str, str], list[tuple[float, float]]] = {way: [] for way in ways}
        for _ in range(min(amount.rounds, 5)):
            for way, make in ways.items():
                rates[way].append(measured(make(_WORKERS)))
        for (form, settings), found in rates.items():
            rows.append(
                {
                    "job": JOB,
                    "data": f"{name_of(recording)}, {len(columns)} columns",
                    "format": form,
                    "settings": settings,
                    "usual": True,
                    "events": windows.windows * _LENGTH,
                    "seconds": windows.windows / statistics.median(rate[0] for rate in found),
                    "cpu": windows.windows / statistics.median(rate[1] for rate in found),
                    "bytes": None,
                }
            )
    say(f"{name_of(recording)}: {JOB}")
    return rows

"""Windows a second into Torch: the same windows, in the same order, of the same pipeline, out of evcodec and out of Parquet.

python -m benchmarks.windows [--events N] [--rounds N] [--workers N] [RECORDING ...]

Only how blocks become arrays differs: evcodec's reader, or pyarrow's row groups (delta + zstd, one row group a block,
without threads, memory-mapped). Shuffling, pools, the assembly of batches and their way out of the workers are the same,
so the figure of Parquet has the gain of these too.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.recordings import COLUMNS, found, load, name_of, repeated
from evcodec import EventBatch, Reader, Writer
from evcodec.cli.peers import Way


def write_sessions(folder: Path, batch: EventBatch, sessions: int) -> list[Path]:
    """Write a batch as so many files, each as ``.evc`` and as Parquet with the same blocks; return the former."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    paths = []
    for number in range(sessions):
        part = batch[len(batch) * number // sessions : len(batch) * (number + 1) // sessions]
        path = folder / f"{number:04}.evc"
        with Writer(path) as writer:
            writer.write(part)
        paths.append(path)
        with Reader(path) as reader:
            blocks = [block.events for block in reader.blocks]
        table = pa.table(dict(part.columns))
        with pq.ParquetWriter(
            path.with_suffix(".parquet"),
            table.schema,
            compression="zstd",
            use_dictionary=False,
            column_encoding=dict.fromkeys(table.schema.names, "DELTA_BINARY_PACKED"),
            write_statistics=False,
            data_page_size=8 << 20,
        ) as out:
            at = 0
            for events in blocks:
                out.write_table(table.slice(at, events), row_group_size=events)
                at += events
    return paths


class ParquetSource:
    """Reads the units of a plan out of the Parquet file beside each stream, for `evcodec.torch`'s own pipeline."""

    def __init__(self, dataset: Any, plan: Any, problems: Any) -> None:
        self._plan = plan
        self._open: dict[int, Any] = {}

    def close(self) -> None:
        self._open.clear()

    def fill(self, unit: Any, out: Mapping[str, np.ndarray]) -> list[tuple[int, int]]:
        import pyarrow.parquet as pq

        planned = self._plan.files[unit.file]
        file = self._open.get(unit.file)
        if file is None:
            path = planned.file.path.removesuffix("evc") + "parquet"
            file = self._open[unit.file] = pq.ParquetFile(path, memory_map=True)
        groups = list(range(unit.block, unit.stop_block))
        table = file.read_row_groups(groups, columns=list(out), use_threads=False)
        start = int(planned.borders[unit.block])
        for name, array in out.items():
            at = start - unit.low
            for chunk in table[name].chunks:
                low, high = max(at, 0), min(at + len(chunk), len(array))
                array[low:high] = chunk.to_numpy()[low - at : high - at]
                at += len(chunk)
        return []


def own_pipeline(windows: Any, workers: int) -> Iterator[dict[str, Any]]:
    """Yield batches of evcodec's windows, read from Parquet."""
    from unittest import mock

    from evcodec.torch import iteration

    with mock.patch.object(iteration, "EventSource", ParquetSource):
        yield from windows.loader(workers)


def hand_written(
    paths: list[Path], length: int, stride: int, columns: tuple[str, ...], batch_size: int, pool: int
) -> Any:
    """Return an IterableDataset over Parquet as one would write it with care: files shuffled and shared by the workers,
    several in memory at once, their windows in one random order, whole batches by fancy indexing.
    """
    import pyarrow.parquet as pq
    import torch
    from numpy.lib.stride_tricks import sliding_window_view
    from torch.utils.data import IterableDataset, get_worker_info

    class ParquetWindows(IterableDataset):
        def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
            worker = get_worker_info()
            mine = paths[worker.id :: worker.num_workers] if worker else paths
            rng = np.random.default_rng(0)
            order = rng.permutation(len(mine))
            left: dict[str, np.ndarray] | None = None
            for at in range(0, len(order), pool):
                parts = [self._windows(mine[number]) for number in order[at : at + pool]]
                chosen = rng.permutation(sum(len(next(iter(part.values()))) for part in parts))
                joined = {name: [part[name] for part in parts] for name in columns}
                held = {
                    name: one[0] if len(one) == 1 else np.concatenate(one) for name, one in joined.items()
                }
                for start in range(0, len(chosen), batch_size):
                    rows = chosen[start : start + batch_size]
                    batch = {name: values[rows] for name, values in held.items()}
                    if left is not None:
                        batch = {name: np.concatenate((left[name], batch[name])) for name in columns}
                        left = None
                    if len(batch[columns[0]]) < batch_size:
                        left = batch
                        continue
                    if len(batch[columns[0]]) > batch_size:
                        left = {name: values[batch_size:].copy() for name, values in batch.items()}
                        batch = {name: values[:batch_size] for name, values in batch.items()}
                    yield {name: torch.from_numpy(values) for name, values in batch.items()}
            if left is not None:
                yield {name: torch.from_numpy(values) for name, values in left.items()}

        def _windows(self, path: Path) -> dict[str, np.ndarray]:
            with pq.ParquetFile(path.with_suffix(".parquet"), memory_map=True) as file:
                table = file.read(columns=list(columns), use_threads=False)
            return {name: sliding_window_view(table[name].to_numpy(), length)[::stride] for name in columns}

    return ParquetWindows()


def owamcap_windows(ways: list[tuple[Way, str]], length: int, stride: int, batch_size: int) -> Any:
    """Return an IterableDataset over OWAMcap files: message by message into columns, then windows of these."""
    import torch
    from numpy.lib.stride_tricks import sliding_window_view
    from torch.utils.data import IterableDataset, get_worker_info

    class OwamcapWindows(IterableDataset):
        def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
            worker = get_worker_info()
            for way, path in ways[worker.id :: worker.num_workers] if worker else ways:
                batch = way.read(path)
                held = {name: sliding_window_view(batch[name], length)[::stride] for name in COLUMNS}
                for start in range(0, len(held["t"]), batch_size):
                    yield {
                        name: torch.from_numpy(rows[start : start + batch_size].copy())
                        for name, rows in held.items()
                    }

    return OwamcapWindows()


def compare_owamcap(name: str, batch: EventBatch, events: int, options: argparse.Namespace) -> None:
    """Print windows a second out of OWAMcap, of so many events a worker, and out of evcodec, of the same many times."""
    from torch.utils.data import DataLoader

    from benchmarks.owamcap import carried, way
    from evcodec.torch import EventWindows

    length, stride = options.length, options.stride or options.length
    part = carried(batch, events)
    with tempfile.TemporaryDirectory() as folder:
        ways = []
        for worker in range(max(options.workers, 1)):
            one = way(part, f"{folder}/{worker}.mcap")
            ways.append((one, one.write()))
            with Writer(f"{folder}/{worker}.evc") as writer:
                for again in repeated(part, options.events // max(options.workers, 1)):
                    writer.write(again)
        windows = EventWindows(
            folder, length, stride=stride, columns=COLUMNS, shuffle=True, batch_size=options.batch_size,
            buffer_bytes=options.buffer_bytes,
        )  # fmt: skip
        foreign = owamcap_windows(ways, length, stride, 16)
        first = next(
            iter(EventWindows(f"{folder}/0.evc", length, stride=stride, columns=COLUMNS, batch_size=16))
        )
        other = next(iter(foreign))
        assert all(np.array_equal(first[column].numpy(), other[column].numpy()) for column in COLUMNS)
        ratios = []
        for _ in range(options.rounds):
            ours = measured(iter(windows.loader(options.workers)))[0]
            count, start = 0, time.perf_counter()
            for found_ in DataLoader(foreign, batch_size=None, num_workers=options.workers):
                count += len(found_["t"])
            theirs = count / (time.perf_counter() - start)
            ratios.append(ours / theirs)
        print(
            f"{name}: 7 columns: evcodec {ours:,.0f}, OWAMcap {theirs:,.0f} windows/s; {statistics.median(ratios):,.0f} x"
        )


def cpu_seconds() -> float:
    """Return the processor time of this process and of its children that have ended."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def measured(batches: Iterator[dict[str, Any]]) -> tuple[float, float]:
    """Return windows a second from the first batch on, and windows for a second of processor time of all processes."""
    cpu = cpu_seconds()
    first = len(next(batches)["x"])
    start = time.perf_counter()
    count = sum(len(batch["x"]) for batch in batches)
    seconds = time.perf_counter() - start
    return count / seconds, (first + count) / (cpu_seconds() - cpu)


def digest(batches: Iterator[dict[str, Any]], columns: tuple[str, ...]) -> tuple[int, str]:
    """Return number of windows, and what only the same windows give, in whatever order they come."""
    total = count = 0
    for batch in batches:
        rows = np.concatenate([batch[name].numpy().astype(np.int64) for name in columns], axis=1)
        for row in rows:
            total ^= int.from_bytes(hashlib.blake2b(row.tobytes(), digest_size=16).digest())
        count += len(rows)
    return count, f"{total:032x}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recordings", nargs="*", type=Path)
    parser.add_argument("--events", type=int, default=8_000_000)
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--stride", type=int)
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--buffer-bytes", type=int, default=64 * 2**20)
    parser.add_argument(
        "--owamcap", type=int, metavar="EVENTS", help="beside OWAMcap, with files of so many events"
    )
    parser.add_argument("--no-check", action="store_true", help="do not compare the windows first")
    options = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    for recording in found(options.recordings):
        batch = load(recording, options.events)
        batch = EventBatch.concat(repeated(batch, options.events))
        if options.owamcap:
            compare_owamcap(name_of(recording), batch, options.owamcap, options)
            continue
        with tempfile.TemporaryDirectory() as folder:
            paths = write_sessions(Path(folder), batch, options.sessions)
            for columns in (COLUMNS, ("x", "y")):
                compare(name_of(recording), paths, columns, options)


def compare(name: str, paths: list[Path], columns: tuple[str, ...], options: argparse.Namespace) -> None:
    """Print how many windows a second each way gives."""
    from torch.utils.data import DataLoader

    from evcodec.torch import EventWindows

    length, stride, size = options.length, options.stride or options.length, options.batch_size
    windows = EventWindows(
        paths, length, stride=stride, columns=columns, shuffle=True, batch_size=size,
        buffer_bytes=options.buffer_bytes,
    )  # fmt: skip
    row_bytes = sum(dtype.itemsize for dtype in windows.dtypes.values())
    pool = max(options.buffer_bytes * len(paths) // (options.events * row_bytes), 1)
    foreign = hand_written(paths, length, stride, columns, size, pool)
    ways = {
        "evcodec": lambda workers: iter(windows.loader(workers)),
        "Parquet, written by hand": lambda workers: iter(
            DataLoader(foreign, batch_size=None, num_workers=workers)
        ),
        "Parquet in evcodec's pipeline": lambda workers: own_pipeline(windows, workers),
    }
    if not options.no_check:
        digests = {digest(way(0), columns) for way in ways.values()}
        assert len(digests) == 1, digests
    rates: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for _ in range(options.rounds):
        for way, batches in ways.items():
            rates[way].append(measured(batches(options.workers)))
    print(
        f"{name}: {len(columns)} columns, {windows.windows:,} windows of {length}, {options.workers} workers"
    )
    for way, rate in rates.items():
        ours = rates["evcodec"]
        time_ratio, cpu_ratio = (
            statistics.median(a[i] / b[i] for a, b in zip(ours, rate, strict=True)) for i in (0, 1)
        )
        print(
            f"  {way:32}{statistics.median(one[0] for one in rate):12,.0f} windows/s, evcodec {time_ratio:5.1f} x in time, "
            f"{cpu_ratio:5.1f} x in processor time"
        )


if __name__ == "__main__":
    main()

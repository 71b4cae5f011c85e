"""Events a second and core of a Ray job, out of evcodec and out of the same rows in Parquet.

python -m benchmarks.ray_jobs [--events N] [--files N] [--rounds N] [--cpus 1 2]

The job reads all columns and adds up one of them, so that every block is made and looked at. Parquet is what
`ray.data.read_parquet` reads best: delta + zstd, a row group for each block. Rounds are interleaved, workers are warm, and
processor time is that of the tasks' own process, so a busy machine changes it little.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.windows import write_sessions
from evcodec.sample import sample_session


def looked_at(table: Any) -> dict[str, list[int]]:
    """Return rows, a sum, the processor time of this process so far, and which process it is."""
    import pyarrow.compute as pc

    return {
        "rows": [table.num_rows],
        "sum": [pc.sum(table["x"]).as_py()],
        "cpu_ns": [time.process_time_ns()],
        "pid": [os.getpid()],
    }


def cpu_seconds() -> float:
    """Return the processor time of all processes of this session of Ray's workers."""
    total = 0
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and b"ray::" in (folder / "cmdline").read_bytes():
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                total += int(fields[11]) + int(fields[12])
        except OSError:  # it has ended
            continue
    return total / os.sysconf("SC_CLK_TCK")


def run(read: Callable[[], Any]) -> tuple[float, float, tuple[int, int]]:
    """Run the job; return seconds, seconds of processors, and what must be the same for both."""
    cpu, began = cpu_seconds(), time.perf_counter()
    done = (
        read()
        .map_batches(looked_at, batch_format="pyarrow", batch_size=None, zero_copy_batch=True)
        .take_all()
    )
    seconds = time.perf_counter() - began
    return seconds, cpu_seconds() - cpu, (sum(r["rows"] for r in done), sum(r["sum"] for r in done))


def main() -> None:
    """Measure, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cpus", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    import ray
    import ray.data

    from evcodec.ray import read_evc

    with tempfile.TemporaryDirectory() as made:
        once = sample_session(options.events // 10, seed=1)
        batch = type(once).concat([once] * 10)
        write_sessions(Path(made), batch, options.files)
        sizes = {
            kind: sum(p.stat().st_size for p in Path(made).glob(f"*.{kind}")) for kind in ("evc", "parquet")
        }
        print(f"{len(batch):,} events, evc {sizes['evc']:,} bytes, Parquet {sizes['parquet']:,}")
        ways: dict[str, Callable[[], Any]] = {
            "evc": lambda: read_evc(made),
            "parquet": lambda: ray.data.read_parquet(made, file_extensions=["parquet"]),
            # Ray cuts few files into 200 blocks unless it is told not to.
            "parquet, a task a file": lambda: ray.data.read_parquet(
                made, file_extensions=["parquet"], override_num_blocks=options.files
            ),
        }
        for cpus in options.cpus:
            ray.init(
                "local", num_cpus=cpus, include_dashboard=False, log_to_driver=False, logging_level="error"
            )
            logging.getLogger("ray.data").setLevel(logging.ERROR)
            try:
                found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
                for number in range(-1, options.rounds):  # the first is for workers to start
                    same = set()
                    for name, read in ways.items():
                        seconds, cpu, result = run(read)
                        same.add(result)
                        if number >= 0:
                            found[name].append((seconds, cpu))
                    if len(same) > 1:
                        raise SystemExit(f"not the same rows: {same}")
                for name, times in found.items():
                    wall, cpu = (statistics.median(column) for column in zip(*times, strict=True))
                    print(
                        f"{cpus} CPU, {name}: {len(batch) / wall / cpus / 1e6:.2f} M events a second and core, "
                        f"{len(batch) / max(cpu, 1e-9) / 1e6:.2f} M a second of processor time"
                    )
                for name, times in list(found.items())[1:]:
                    pairs = list(zip(found["evc"], times, strict=True))
                    wall = statistics.median(other[0] / own[0] for own, other in pairs)
                    cpu = statistics.median(other[1] / max(own[1], 0.01) for own, other in pairs)
                    print(
                        f"{cpus} CPU: {wall:.2f} times as fast as {name}, {cpu:.2f} times in processor time"
                    )
            finally:
                ray.shutdown()


if __name__ == "__main__":
    main()

# %% [markdown]
# 1,000 sessions on a Ray cluster: those that may be used for training, as rows of a clock of 20 ms, into Parquet shards.
#
# Run it with ``python examples/ray_job.py [FOLDER]``; it needs ``pip install 'evcodec[ray]'``. The sessions are made up.

# %%
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

# Settings of Ray for a script on one machine: nothing is reported, and only what goes wrong is said.
os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0"}

import pyarrow.parquet as pq
import ray
import ray.data

import evcodec
from evcodec.ray import read_evc
from evcodec.sample import sample_session
from evcodec.ticks import READS, tick_batches

FILES = 1_000
PERIOD_NS = 20_000_000
NOW_NS = 1_800_000_000 * 10**9
DAY_NS = 86_400 * 10**9
CORES = min(os.cpu_count() or 1, 4)


# %%
def make_sessions(folder: Path) -> None:
    """Write sessions as recorders would: for two purposes, some of them past their deadline."""
    longest = sample_session(4_000, seed=1)
    for number in range(FILES):
        path = folder / f"user=u{number % 20:02d}" / f"session-{number:04d}.evc"
        path.parent.mkdir(exist_ok=True)
        governance = {
            "purpose": "training" if number % 4 else "support",
            "retain_until_ns": NOW_NS + (number % 10 - 1) * DAY_NS,
        }
        with open(path, "wb") as file:
            file.write(evcodec.encode(longest[: 500 + number * 7 % 2_500], "fast", governance=governance))


def may_be_used(file: evcodec.StreamFile) -> bool:
    """Tell whether a session was recorded for training and may still be kept; planning asks, no file is opened for it."""
    return file.purpose == "training" and file.retain_until_ns is not None and file.retain_until_ns > NOW_NS


def as_ticks(file, batches):
    """Turn one session into rows of a regular clock, where the worker reads it."""
    return tick_batches(batches, PERIOD_NS)


# %%
def job(source: Path, target: Path) -> None:
    """Read, choose, resample, write; print what it took."""
    began = time.perf_counter()
    dataset = evcodec.open_dataset(source)
    chosen = dataset.filter(where=may_be_used)
    print(
        f"planned {len(dataset.files)} files in {time.perf_counter() - began:.2f} s: {len(chosen.files)} may be used"
    )

    began = time.perf_counter()
    ticks = read_evc(chosen, columns=READS, transform=as_ticks, include_paths=True)
    ticks.write_parquet(str(target))
    seconds = time.perf_counter() - began

    shards = sorted(target.glob("*.parquet"))
    rows = sum(pq.read_metadata(shard).num_rows for shard in shards)
    events = len(chosen)
    print(f"{events:,} events of {len(chosen.files)} files became {rows:,} ticks in {len(shards)} shards")
    print(f"{seconds:.1f} s, the start of the workers included")


# %%
def main() -> None:
    """Make sessions, start Ray, run the job."""
    ray.init("local", num_cpus=CORES, include_dashboard=False, log_to_driver=False, logging_level="error")
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        with tempfile.TemporaryDirectory() as made:
            make_sessions(Path(made))
            job(Path(made), Path(sys.argv[1] if len(sys.argv) > 1 else "ticks"))
    finally:
        ray.shutdown()


if __name__ == "__main__":
    main()

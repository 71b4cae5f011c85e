"""Writers in processes of their own that are killed: what they append can be told from a number, and when is noted.

The children come from a fork server that has evcodec imported already, so that a thousand of them are cheap.
"""

from __future__ import annotations

import mmap
import multiprocessing
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evcodec import EventBatch, Reader, Writer

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX: SIGKILL and a fork server")
FLUSH_S = 0.25
# What the promise adds to the flush interval.
GRACE_S = 0.1
ENTRY_EVERY = 300
_SLOTS = 2  # before the stamps: when close() began, and when it ended


def processes() -> Any:
    """Return where processes of tests come from."""
    context = multiprocessing.get_context("forkserver")
    # What the modules of tests import too: those themselves cannot be found yet when the server starts.
    context.set_forkserver_preload(
        ["evcodec.stream", "evcodec.cli.convert", "hypothesis.strategies", "multiprocessing.pool", "pytest"]
    )
    return context


# ---- events that are known by their number ----


def expected(count: int, rate: int) -> EventBatch:
    """Return the first events of a writer: moves, and clicks and scrolls among them."""
    n = np.arange(count, dtype=np.int64)
    scroll = n % 64 == 7
    click = ~scroll & (n % 16 == 5)
    kind = np.where(scroll, 3, np.where(click, 1 + (n // 16 % 2), 0)).astype(np.uint8)
    return EventBatch(
        t=time_of(n, rate),
        kind=kind,
        x=(n * 7919 % 4001 - 2000).astype(np.int32),
        y=(n * n % 1080).astype(np.int32),
        code=np.where(click, 1 + n % 3, 0).astype(np.int32),
        dy=np.where(scroll, 120 - n % 5, 0).astype(np.int32),
    )


def time_of(n: Any, rate: int) -> Any:
    return 5_000_000_000 + n * (1_000_000_000 // rate)


def append(writer: Writer, n: int, rate: int) -> None:
    """Append the event with this number."""
    t, x, y = time_of(n, rate), n * 7919 % 4001 - 2000, n * n % 1080
    if n % 64 == 7:
        writer.scroll(t, 0, 120 - n % 5, x, y)
    elif n % 16 == 5:
        writer.button(t, 1 + n % 3, n // 16 % 2 == 0, x, y)
    else:
        writer.move(t, x, y)


# ---- the process that is killed ----


@dataclass
class Live:
    """How a writer writes."""

    path: str
    notes: str
    rate: int
    events: int
    entries: bool = False
    merge: bool = False
    fsync: bool = False


class Notes:
    """What the process tells in memory that it shares: when each event had been appended, on the monotonic clock, in ns."""

    def __init__(self, path: str | Path, events: int) -> None:
        size = 8 * (_SLOTS + events)
        with open(path, "a+b") as file:
            file.truncate(size)
            self._map = mmap.mmap(file.fileno(), size)
        self.slots = memoryview(self._map).cast("q")

    def stamps(self) -> np.ndarray:
        """Return when each event was appended, as far as it was."""
        found = np.array(self.slots[_SLOTS:], np.int64)
        return found[: np.count_nonzero(found)]

    @property
    def closing(self) -> int:
        return self.slots[0]

    @property
    def closed(self) -> int:
        return self.slots[1]

    def release(self) -> None:
        self.slots.release()
        self._map.close()


def write_live(job: Live) -> None:
    """Append at a rate, in real time, until all is appended; then close."""
    slots = Notes(job.notes, job.events).slots
    with Writer(job.path, flush_interval_s=FLUSH_S, merge_on_close=job.merge, fsync=job.fsync) as writer:
        start, n = time.monotonic_ns(), 0
        while n < job.events:
            due = min(job.events, (time.monotonic_ns() - start) * job.rate // 1_000_000_000 + 1)
            while n < due:
                if job.entries and n % ENTRY_EVERY == 0:
                    writer.marker(time_of(n, job.rate), f"m{n}", {"n": n})
                append(writer, n, job.rate)
                slots[_SLOTS + n] = time.monotonic_ns()
                n += 1
            time.sleep(0.001)  # a mouse of 8 kHz reports eight events at once too
        slots[0] = time.monotonic_ns()
    slots[1] = time.monotonic_ns()


# ---- what is left ----


def check_prefix(path: Path, rate: int, entries: bool) -> int:
    """Check that a stream holds the first events of its writer, in order and unchanged; return how many."""
    counts = []
    for on_error in ("raise", "skip"):
        with Reader(path, on_error=on_error) as reader:
            found = reader.read()
            counts.append(len(found))
            truth = expected(len(found), rate)
            for name, values in truth.columns.items():
                np.testing.assert_array_equal(found[name], values, err_msg=name)
            assert len(reader) == len(found)
            assert not reader.gaps
            markers = list(reader.markers)
            assert [m.name for m in markers] == [f"m{ENTRY_EVERY * i}" for i in range(len(markers))]
            assert [(m.t, m.position) for m in markers] == [
                (time_of(m.position, rate), i * ENTRY_EVERY) for i, m in enumerate(markers)
            ]
            # An entry is written before the events behind it, so none may be missing between events that are there.
            assert not entries or len(markers) >= -(-len(found) // ENTRY_EVERY)
            assert entries or not markers
    assert counts[0] == counts[1]
    return counts[0]


def waited_ns(pid: int) -> int | None:
    """Return how long the threads of a process have waited for a processor, where the system tells."""
    try:
        tasks = [int(task) for task in os.listdir(f"/proc/{pid}/task")]
        return sum(int(Path(f"/proc/{pid}/task/{t}/schedstat").read_text().split()[1]) for t in tasks)
    except (OSError, IndexError, ValueError):
        return None

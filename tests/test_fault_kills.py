"""SIGKILL at any instant: at most the flush interval and a little is lost, and what is left reads, verifies and goes on."""

from __future__ import annotations

import heapq
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from evcodec import Reader, Writer
from evcodec.stream import verify
from faults_kills import (
    FLUSH_S,
    GRACE_S,
    POSIX,
    Live,
    Notes,
    append,
    check_prefix,
    expected,
    processes,
    waited_ns,
    write_live,
)

pytestmark = POSIX

LONGEST_S = 2.2
# What a victim writes at most: it is there for as long as this process is kept from killing it.
MOST_S = 120
TOGETHER = 8
# How long before the kill the machine is watched: whoever does not get a processor cannot keep a promise. No event
# that is lost in time is as old.
_WATCH_S = 2.5


class _Victim:
    """A live writer that is killed some time after it was started."""

    def __init__(self, folder: Path, number: int, rate: int, life_s: float, **options: Any) -> None:
        self.path = folder / f"{number}.evc"
        self.job = Live(str(self.path), str(folder / f"{number}.notes"), rate, int(rate * MOST_S), **options)
        self.notes = Notes(self.job.notes, self.job.events)
        self.process = processes().Process(target=write_live, args=(self.job,))
        self.process.start()
        self.kill_at = time.monotonic() + life_s
        self.waited: int | None = None
        self.killed_ns = 0

    def watch(self) -> None:
        self.waited = waited_ns(self.process.pid)

    def kill(self) -> None:
        waited = waited_ns(self.process.pid)
        self.waited = None if waited is None or self.waited is None else waited - self.waited
        self.killed_ns = time.monotonic_ns()
        self.process.kill()
        self.process.join()
        assert self.process.exitcode == -9, self.process.exitcode
        self.process.close()

    def starved_ns(self, stamps: np.ndarray) -> int:
        """Return how long the process may have been kept from a processor before it was killed."""
        watched = stamps[stamps > self.killed_ns - int(_WATCH_S * 1e9)]
        pauses = np.diff(watched, append=self.killed_ns)
        late = int(np.maximum(pauses - 5_000_000, 0).sum())
        # One thread appends and another one writes: each may wait while the other runs.
        return late + (self.waited or 0)


def _killed(folder: Path, lives: list[dict[str, Any]]) -> Iterator[_Victim]:
    """Run writers, several at a time, and yield each when it has been killed."""
    waiting = list(enumerate(lives))[::-1]
    due: list[tuple[float, int, str, _Victim]] = []
    running = 0
    while waiting or due:
        while waiting and running < TOGETHER:
            number, life = waiting.pop()
            victim = _Victim(folder, number, **life)
            running += 1
            heapq.heappush(due, (victim.kill_at - _WATCH_S, number, "watch", victim))
            heapq.heappush(due, (victim.kill_at, number, "kill", victim))
        at, _, what, victim = heapq.heappop(due)
        time.sleep(max(0.0, at - time.monotonic()))
        if what == "watch":
            victim.watch()
            continue
        victim.kill()
        running -= 1
        yield victim


def _check(victim: _Victim) -> tuple[float, float]:
    """Check what a killed writer left; return the ms of events lost, and those that the machine is to blame for."""
    path, rate, entries = victim.path, victim.job.rate, victim.job.entries
    stamps = victim.notes.stamps()
    victim.notes.release()
    size = path.stat().st_size if path.exists() else 0
    kept = check_prefix(path, rate, entries) if size else 0
    starved = victim.starved_ns(stamps)
    # The file may hold what was appended while the process was dying.
    lost_ns = max(0, victim.killed_ns - int(stamps[kept])) if kept < len(stamps) else 0
    assert kept <= len(stamps) + 1
    assert lost_ns <= (FLUSH_S + GRACE_S) * 1e9 + starved, (rate, kept, len(stamps), lost_ns, starved)
    if size:
        report = verify(path)
        assert (report.ok, report.complete, report.events) == (True, False, kept), report.problems
    with Writer(path, mode="a") as writer:
        for n in range(kept, kept + 20):
            append(writer, n, rate)
    report = verify(path)
    assert (report.ok, report.complete, report.streams) == (True, True, 2 if size else 1), report.problems
    with Reader(path) as reader:
        found = reader.read()
        truth = expected(kept + 20, rate)
        for name in ("t", "kind", "x", "y", "code", "dy"):
            np.testing.assert_array_equal(found[name], truth[name])
    path.unlink()
    Path(victim.job.notes).unlink()
    return lost_ns / 1e6, starved / 1e6


def test_a_killed_writer_loses_a_flush_interval_at_most(tries, seed, tmp_path, record_property):
    rng = random.Random(seed)
    lives = [
        {
            "rate": 8_000 if n % 3 == 2 else 1_000,
            "life_s": rng.uniform(0.0, LONGEST_S) if n % 8 else rng.uniform(0.0, 0.3),
            "entries": bool(n & 1),
            "merge": bool(n & 2),
            "fsync": n % 16 == 4,
        }
        for n in range(tries(quick=16, soak=1_000))
    ]
    lost: dict[int, list[tuple[float, float]]] = {1_000: [], 8_000: []}
    for victim in _killed(tmp_path, lives):
        lost[victim.job.rate].append(_check(victim))
    for rate, found in lost.items():
        ms, _starved = np.array(found).T
        record_property(
            f"kills of a writer at {rate} Hz",
            f"{len(ms)}; lost ms: median {np.median(ms):.0f}, p99 {np.percentile(ms, 99):.0f}, max {ms.max():.0f}; "
            f"beyond the promise, since the machine starved it: {(ms > 1e3 * (FLUSH_S + GRACE_S)).sum()}",
        )

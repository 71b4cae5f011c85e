"""One run: drive a display at a rate, and see what a listener costs, keeps, and how late it is."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.capture.stage import Stage
from evcodec import EventKind, Reader

_TICK = os.sysconf("SC_CLK_TCK")
# pynput, and a line of JSON for each event: what a recorder is that is written in an afternoon.
NAIVE = """
import json, sys, time
from pynput import keyboard, mouse
out = open(sys.argv[1], "w")
def write(**event):
    out.write(json.dumps({"t": time.time(), **event}) + "\\n")
    out.flush()
with mouse.Listener(
    on_move=lambda x, y: write(kind="move", x=x, y=y),
    on_click=lambda x, y, button, down: write(kind="click", x=x, y=y, button=str(button), down=down),
    on_scroll=lambda x, y, dx, dy: write(kind="scroll", x=x, y=y, dx=dx, dy=dy),
) as listener, keyboard.Listener(
    on_press=lambda key: write(kind="key", key=str(key)),
):
    listener.join()
"""


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def memory_mib(pid: int) -> float:
    """Return the most memory that a process has had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


class Growing(io.RawIOBase):
    """A file as a pipe: a read at its end waits until there is more, or until it is told that nothing comes."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed below
        self.is_over = False

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def readinto(self, into: Any) -> int:
        while not (count := self._file.readinto(into)) and not self.is_over:
            time.sleep(0.002)
        return count or 0

    def close(self) -> None:
        self._file.close()
        super().close()


class Follower:
    """Reads a stream while it grows, and notes how old each event is when another process can read it."""

    def __init__(self, path: Path) -> None:
        self._since_t = time.monotonic_ns()
        self._file = Growing(path)
        self.lates: list[np.ndarray] = []
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()

    def _follow(self) -> None:
        with Reader(self._file) as reader:
            for batch in reader.batches(columns=("t", "kind")):
                moves = batch.t[(batch.kind == EventKind.MOVE) & (batch.t >= self._since_t)]
                self.lates.append(time.monotonic_ns() - moves)

    def end(self) -> np.ndarray:
        self._file.is_over = True
        self._thread.join()
        self._file.close()
        return np.concatenate([*self.lates, np.zeros(0, np.int64)]) / 1e6


def drive(stage: Stage, rate: int, seconds: float) -> int:
    """Drive the display from a process of its own, so that nothing here slows it."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.capture.driver", stage.display, "--rate", str(rate), "--seconds", str(seconds)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(done.stdout.split('"sent": ')[1].split(",")[0])


def recorder(stage: Stage, rate: int, seconds: float, note: Callable[[str], None]) -> dict[str, Any]:
    """Measure `evcodec record`."""
    target = stage.folder / f"recorded-{rate}.evc"
    process = stage.record(target)
    note(f"records at {rate} Hz")
    follower = Follower(target)
    idle_from, cpu_from = time.monotonic(), cpu_seconds(process.pid)
    time.sleep(3)
    idle = (cpu_seconds(process.pid) - cpu_from) / (time.monotonic() - idle_from)
    before, since_t = cpu_seconds(process.pid), time.monotonic_ns()
    begun = time.monotonic()
    sent = drive(stage, rate, seconds)
    took = time.monotonic() - begun
    until_t = time.monotonic_ns()
    time.sleep(1.0)  # what is held back and not yet flushed
    used = cpu_seconds(process.pid) - before
    memory = memory_mib(process.pid)
    process.send_signal(signal.SIGINT)
    process.wait(60)
    lates = follower.end()
    with Reader(target) as reader:
        moves = reader.read(
            columns=("t",), kinds=(EventKind.MOVE,), start=since_t - 2_000_000, stop=until_t + 10**9
        )
        lost = sum(gap.lost or 1 for gap in reader.gaps if since_t <= gap.t1 and gap.t0 <= until_t)
    return {
        "what": "evcodec record",
        "rate": rate,
        "seconds": round(took, 2),
        "sent": sent,
        "kept": len(moves),
        "gaps": lost,
        "cpu_percent": round(100 * used / took, 2),
        "idle_cpu_percent": round(100 * idle, 2),
        "late_median_ms": round(float(np.median(lates)), 1) if len(lates) else None,
        "late_worst_ms": round(float(lates.max()), 1) if len(lates) else None,
        "memory_mib": round(memory, 1),
        "bytes_an_event": round(target.stat().st_size / max(1, sent), 2),
    }


def naive(stage: Stage, rate: int, seconds: float, note: Callable[[str], None]) -> dict[str, Any]:
    """Measure pynput with a line of JSON for each event."""
    target = stage.folder / f"naive-{rate}.jsonl"
    process = subprocess.Popen([sys.executable, "-c", NAIVE, str(target)], env=stage.environ)
    try:
        time.sleep(2)
        note(f"pynput at {rate} Hz")
        before, begun = cpu_seconds(process.pid), time.monotonic()
        sent = drive(stage, rate, seconds)
        took = time.monotonic() - begun
        time.sleep(2)
        used, memory = cpu_seconds(process.pid) - before, memory_mib(process.pid)
    finally:
        process.kill()
        process.wait()
    with open(target) as lines:
        kept = sum('"move"' in line for line in lines)
    return {
        "what": "pynput, JSON lines",
        "rate": rate,
        "seconds": round(took, 2),
        "sent": sent,
        "kept": kept,
        "cpu_percent": round(100 * used / took, 2),
        "memory_mib": round(memory, 1),
        "bytes_an_event": round(target.stat().st_size / max(1, sent), 2),
    }

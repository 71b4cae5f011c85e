"""A live writer at 1 kHz in a process of its own, killed at a random moment.

python -m benchmarks.reliability.kills FORMAT PATH COUNTER EVENTS    # what is killed
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.reliability.trial import Prober
from evcodec.sample import sample_session

RATE_HZ = 1000
_ROOT = Path(__file__).resolve().parents[2]
_START_S = 60


@dataclass(frozen=True)
class Kill:
    """``events`` had been handed to the writer; ``right`` of them could be read, out of ``bytes`` in the file."""

    outcome: str
    events: int
    right: int
    wrong: int
    bytes: int

    @property
    def lost(self) -> int:
        """Events that are gone: at 1 kHz, milliseconds."""
        return max(self.events - self.right, 0)


def _ticks(events: int, counter: np.memmap) -> Iterator[int]:
    """Yield a number a millisecond; say behind each that the event has been handed over."""
    begin = time.perf_counter()
    for number in range(events):
        wait = begin + number / RATE_HZ - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        yield number
        counter[0] = number + 1  # shared memory: it outlives the process


def _counter(path: Path) -> np.memmap:
    return np.memmap(path, np.int64, "r+", shape=(1,))


def kill(name: str, events: int, folder: Path, seed: str, span_s: tuple[float, float]) -> tuple[Path, int]:
    """Let a writer write, kill it; return its file and how many events it had been given."""
    draw = random.Random(seed)
    path, shared = folder / f"{seed}.live", folder / f"{seed}.counter"
    shared.write_bytes(bytes(8))
    counter = _counter(shared)
    command = [
        sys.executable,
        "-m",
        "benchmarks.reliability.kills",
        name,
        str(path),
        str(shared),
        str(events),
    ]
    child = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        began = time.monotonic()
        while not counter[0]:
            if child.poll() is not None or time.monotonic() > began + _START_S:
                said = child.stderr.read().decode(errors="replace") if child.stderr else ""
                raise RuntimeError(f"{name}: its writer did not start: {said[-500:]}")
            time.sleep(0.001)
        time.sleep(draw.uniform(*span_s))
        if child.poll() is not None:
            raise RuntimeError(f"{name}: its writer ended before it was killed")
    finally:
        child.kill()
        child.communicate()
    return path, int(counter[0])


def judged(prober: Prober, path: Path, events: int) -> Kill:
    """Return what is left of a killed writer's file."""
    size = sum(left.stat().st_size for left in path.parent.glob(f"{path.name}*"))
    # The event that was being appended may be in the file before it is counted.
    verdict = prober.ask((str(path), events + 1))
    return Kill(verdict.outcome, events, verdict.right, verdict.wrong, size)


def main() -> None:
    """Write until killed."""
    from benchmarks.reliability.formats import FORMATS

    name, path, counter, events = sys.argv[1:]
    live = FORMATS[name].live
    assert live is not None
    batch = sample_session(int(events), rate_hz=RATE_HZ)
    live(batch, Path(path), _ticks(len(batch), _counter(Path(counter))))


if __name__ == "__main__":
    main()

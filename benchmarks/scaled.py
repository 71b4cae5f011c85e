"""Streams of any number of events, made from a seed, written by the batch; kept for the session, then removed.

python -m benchmarks.scaled SMALL LARGE    # bytes of memory that scanning LARGE takes beyond the base (Linux)
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.recordings import repeated
from evcodec import EventBatch, Reader, Writer
from evcodec.sample import sample_session


@cache
def part(events: int) -> EventBatch:
    """Return what a stream of so many events repeats."""
    return sample_session(min(events, 2_000_000))


class Scaled:
    """Streams in a folder, by their number of events."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, events: int) -> Path:
        """Return the stream; write it if it is not there."""
        path = self._at(events)
        return path if path.exists() else self.write(events)

    def write(self, events: int) -> Path:
        """Write a stream anew."""
        path = self._at(events)
        with Writer(path) as writer:
            for batch in repeated(part(events), events):
                writer.write(batch)
        return path

    def remove(self) -> None:
        """Remove all streams: a large one takes gigabytes."""
        for path in self._folder.glob("*.evc"):
            path.unlink()

    def _at(self, events: int) -> Path:
        return self._folder / f"{events}.evc"


def scan(path: Path) -> int:
    """Decode every column of every event, a block at a time; return the number of events."""
    with Reader(path) as reader:
        return sum(len(batch) for batch in reader.batches())


def holds(path: Path, events: int) -> bool:
    """Tell whether a stream holds exactly the events that were written."""
    found = 0
    with Reader(path) as reader:
        blocks = reader.batches()
        block = next(blocks, None)
        at = 0
        for batch in repeated(part(events), events):
            done = 0
            while done < len(batch):
                if block is None:
                    return False
                count = min(len(batch) - done, len(block) - at)
                for name, values in batch.columns.items():
                    mine, theirs = values[done : done + count], block[name][at : at + count]
                    if mine.dtype != theirs.dtype or not np.array_equal(mine, theirs):
                        return False
                done, at = done + count, at + count
                if at == len(block):
                    block, at = next(blocks, None), 0
            found += len(batch)
    return found == events and block is None


def _memory(field: str) -> int:
    """Return a line of the process's own memory report: VmRSS now, VmHWM at most."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status: {field} not found")


def main() -> None:
    small, large = Path(sys.argv[1]), Path(sys.argv[2])
    scan(small)  # what is loaded and allocated once is the base
    base = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts anew
    scan(large)
    print(_memory("VmHWM") - base)


if __name__ == "__main__":
    main()

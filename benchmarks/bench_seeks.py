"""Seeks: how long it takes to get the events at a time, and how much is read for it."""

from __future__ import annotations

import time
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.conftest import Sizes
from benchmarks.scaled import Scaled
from evcodec import Reader

WINDOW_NS = 10_000_000


class Counting(FileIO):
    """A file that counts what is read from it."""

    count = 0

    def readinto(self, buffer: Any) -> int | None:
        found = super().readinto(buffer)
        self.count += found or 0
        return found

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(-1 if size is None else size) or b""
        self.count += len(data)
        return data


def _times(path: Path, count: int) -> list[int]:
    """Return times of the stream, from a seed."""
    with Reader(path) as reader:
        start, stop = reader.start or 0, reader.stop or 0
    return [int(t) for t in np.random.Generator(np.random.PCG64(7)).integers(start, stop, count)]


@pytest.mark.benchmark(group="seeks")
@pytest.mark.parametrize("how", ["opened", "cold"])
@pytest.mark.parametrize("which", ["small", "large"])
def test_seek(which: str, how: str, sizes: Sizes, scaled: Scaled, benchmark: Any) -> None:
    """``opened``: in a Reader that has read the index. ``cold``: open the stream, read its index, and seek."""
    events = sizes.scale[which == "large"]
    path = scaled.path(events)
    times = _times(path, sizes.seeks)
    took: list[float] = []

    def opened() -> None:
        with Reader(path) as reader:
            reader.read(start=times[0], stop=times[0] + WINDOW_NS)
            for t in times:
                began = time.perf_counter()
                reader.read(start=t, stop=t + WINDOW_NS)
                took.append(time.perf_counter() - began)

    def cold() -> None:
        for t in times[:100]:
            began = time.perf_counter()
            with Reader(path) as reader:
                reader.read(start=t, stop=t + WINDOW_NS)
            took.append(time.perf_counter() - began)

    benchmark.pedantic(opened if how == "opened" else cold)
    read, asked, blocks = _bytes(path, times[:30])
    benchmark.extra_info.update(
        suite="seeks",
        how=how,
        events=events,
        median_s=float(np.median(took)),
        p99_s=float(np.percentile(took, 99)),
        bytes_read=read,
        bytes_asked=asked,
        blocks=blocks,
        checked=True,
    )


def _bytes(path: Path, times: list[int]) -> tuple[float, float, float]:
    """Return what a seek reads beyond the index, the size of the blocks that it asks for, and how many they are."""
    read, asked, blocks = 0, 0, 0
    with Counting(path) as file, Reader(file) as reader:
        there = reader.blocks
        for t in times:
            file.count = 0
            found = reader.read(start=t, stop=t + WINDOW_NS)
            read += file.count
            wanted = [block for block in there if block.t_max >= t and block.t_min < t + WINDOW_NS]
            asked += sum(block.size for block in wanted)
            blocks += len(wanted)
            assert all(t <= int(at) < t + WINDOW_NS for at in found.t)
    return read / len(times), asked / len(times), blocks / len(times)

"""Memory and descriptors stay flat: opening, reading and closing without end, with and without errors, and live writing."""

from __future__ import annotations

import gc
import io
import os
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import evcodec
from evcodec import (
    CorruptDataError,
    InvalidArgumentError,
    LimitExceededError,
    Reader,
    TruncatedDataError,
    UnsupportedVersionError,
    Writer,
)
from evcodec.stream import compact, repair, verify
from faults_kills import append
from generators import session

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc"),
    pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="a sanitizer keeps what is freed"),
]

PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
# What allocators keep for later, however often something is repeated.
SLACK_BYTES = 6 * 2**20
SLACK_BLOCKS = 2_000


def resident() -> int:
    """Return the bytes of memory that the process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def _open(source: Any, error: type[Exception] | None = None, **options: Any) -> None:
    if error is not None:
        with pytest.raises(error):
            _open(source, **options)
        return
    with Reader(source, **options) as reader:
        assert len(reader.read())
        list(reader.entries())


def _leave(source: Any, **options: Any) -> None:
    """Begin to read, and go away."""
    with Reader(source, **options) as reader:
        for _ in reader.batches():
            return


def _pipe(data: bytes) -> None:
    read_end, write_end = os.pipe()
    with open(write_end, "wb") as sink:
        sink.write(data)
    with open(read_end, "rb") as source, Reader(source) as reader:
        for _ in reader.batches():
            pass


def _write(target: Any, **options: Any) -> None:
    with Writer(target() if callable(target) else target, **options) as writer:
        writer.source("mouse")
        for n in range(20):
            append(writer, n, 1_000)
        writer.flush()
        writer.write(session(50))


def _fail_to_write(path: Path) -> None:
    with pytest.raises(InvalidArgumentError):
        Writer(path, level="best")
    with pytest.raises(OSError, match="No such file"):
        Writer(path.parent / "nowhere" / "s.evc")


def _cycles(folder: Path) -> dict[str, tuple[int, Callable[[], Any]]]:
    """Return what is repeated, and of how many tries each has one."""
    path, short = folder / "s.evc", folder / "short.evc"
    with Writer(path, block_events=40) as writer:
        for number in range(6):
            writer.marker(number, "m")
            writer.write(session(40, seed=number))
    with Writer(short) as writer:
        writer.write(session(10))
    data, batch = path.read_bytes(), session(60)
    flipped, version = bytearray(data), bytearray(data)
    flipped[len(data) // 2] ^= 1
    version[4] = 0x70
    version[14:16] = evcodec.framing.crc_hqx(bytes(version[:14]), 0).to_bytes(2, "little")
    (folder / "flipped.evc").write_bytes(flipped)
    return {
        "open, read, close": (2, partial(_open, short)),
        "with an index and entries": (8, partial(_open, path)),
        "bytes": (8, partial(_open, data)),
        "skip": (20, partial(_open, bytes(flipped), on_error="skip")),
        "corrupt": (20, partial(_open, folder / "flipped.evc", CorruptDataError)),
        "truncated": (20, partial(_open, data[:-60], TruncatedDataError)),
        "no header": (20, partial(_open, b"", TruncatedDataError)),
        "version": (20, partial(_open, bytes(version), UnsupportedVersionError)),
        "limit": (20, partial(_open, data, LimitExceededError, max_block_bytes=100)),
        "argument": (20, partial(_open, 7, InvalidArgumentError)),
        "no file": (20, partial(_open, folder / "none.evc", FileNotFoundError)),
        "left": (20, partial(_leave, path)),
        "decode": (20, lambda: evcodec.decode(evcodec.encode(batch))),
        "verify": (20, lambda: verify(path)),
        "a pipe": (40, partial(_pipe, data)),
        "threads": (100, partial(_open, path, threads=2)),
        "threads, left": (200, partial(_leave, path, threads=2)),
        "a writer": (100, partial(_write, folder / "w.evc")),
        "a writer that appends": (400, partial(_write_anew, folder / "a.evc")),
        "a writer in memory": (100, partial(_write, io.BytesIO)),
        "a writer that fails": (100, partial(_fail_to_write, folder / "f.evc")),
        "compact": (200, lambda: compact(path, folder / "c.evc")),
        "repair": (200, lambda: repair(bytes(flipped), folder / "r.evc")),
    }


def _write_anew(path: Path) -> None:
    path.unlink(missing_ok=True)
    _write(path)
    _write(path, mode="a")


@pytest.fixture(autouse=True)
def _only_what_is_made_here() -> Iterator[None]:
    """Keep the collector from looking at all of the suite hundreds of times."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def _growth(action: Callable[[], Any], count: int) -> tuple[int, int, int]:
    """Return how bytes, objects and descriptors have grown over the second half of the repetitions, or the first."""
    for _ in range(count // 4 + 3):
        action()
    found = []
    for _ in range(2):
        gc.collect()
        before = resident(), sys.getallocatedblocks(), descriptors()
        for _ in range(count // 2):
            action()
        gc.collect()
        after = resident(), sys.getallocatedblocks(), descriptors()
        found.append([now - then for now, then in zip(after, before, strict=True)])
    # What leaks grows in both halves.
    return min(found[0][0], found[1][0]), min(found[0][1], found[1][1]), max(found[0][2], found[1][2])


def test_nothing_is_left_of_what_was_closed(tmp_path, tries, record_property):
    """Opening, reading, writing, failing: a million times in the long form."""
    total = tries(quick=800, soak=1_000_000)
    done, most = 0, 0
    for name, (share, action) in _cycles(tmp_path).items():
        count = max(20, total // share)
        memory, blocks, files = _growth(action, count)
        assert files <= 0, (name, files)
        assert memory <= SLACK_BYTES, (name, memory, count)
        # Objects that each of the repetitions leaves behind are seen.
        assert blocks <= min(SLACK_BLOCKS, count // 4 + 50), (name, blocks, count)
        done += count
        most = max(most, memory)
    record_property(
        "open, read, close and the like", f"{done:,} times; memory grew by {most / 2**20:.1f} MiB at most"
    )


def _hour(target: Any, flushes: int, events: int) -> tuple[Writer, list[int], list[int]]:
    """Write as a live writer does in an hour, without the waiting; return memory at each tenth of it."""
    writer = Writer(target, merge_on_close=True)
    memory, traced = [], []
    n = 0
    for number in range(flushes):
        for _ in range(events):
            append(writer, n, 1_000)
            n += 1
        writer.flush()
        if number % (flushes // 10) == flushes // 10 - 1:
            gc.collect()
            memory.append(resident())
            traced.append(tracemalloc.get_traced_memory()[0])
    return writer, memory, traced


def test_an_hour_of_live_writing(tmp_path, tries, record_property):
    """3.6 million events in 14,400 blocks: only the index grows, by some hundred bytes a block."""
    flushes = tries(quick=100, soak=14_400)
    tracemalloc.start()
    try:
        writer, _, traced = _hour(tmp_path / "traced.evc", min(flushes, 2_000), 20)
        with writer:
            pass
    finally:
        tracemalloc.stop()
    blocks = min(flushes, 2_000) // 10 * 8
    a_block = (traced[9] - traced[1]) / blocks
    assert a_block <= 1_000, traced
    path = tmp_path / "hour.evc"
    writer, memory, _ = _hour(path, flushes, 250)
    with writer:
        grown = memory[9] - memory[1]
        assert grown <= SLACK_BYTES + 1_000 * flushes, memory
    with Reader(path) as reader:
        assert len(reader) == 250 * flushes
    assert verify(path).complete
    record_property(
        f"live writing, {flushes:,} flushes of 250 events",
        f"memory grew by {grown / 2**20:.1f} MiB from the second tenth on; {a_block:.0f} bytes of objects a block; "
        f"after joining {(resident() - memory[0]) / 2**20:+.1f} MiB",
    )

"""Latency of one event from Python: Writer.move while blocks are sealed behind it, beside msgpack.Packer().pack."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest

from benchmarks.conftest import Sizes
from evcodec import EventKind, Reader, Writer
from evcodec.sample import sample_session

Row = tuple[int, int, int]
PERCENTILES = (50, 90, 99, 99.9, 99.99, 100)
# Four bins an octave, from 16 ns to 0.27 s: some clocks tick only every 10 ns.
EDGES_NS = 2 ** np.arange(4, 28 + 1e-9, 1 / 4)
_PACE_HZ = 8_000


def _rows(events: int) -> list[Row]:
    """Return moves, which repeat themselves later in time."""
    moves = sample_session(100_000, rate_hz=1000)
    moves = moves[moves.kind == EventKind.MOVE]
    turns, span = -(-events // len(moves)), int(moves.t[-1]) + 1_000_000
    t = np.concatenate([moves.t + turn * span for turn in range(turns)])[:events]
    x, y = (np.tile(moves[name], turns)[:events] for name in "xy")
    return list(zip(t.tolist(), x.tolist(), y.tolist(), strict=True))


def _check(path: Path, rows: list[Row]) -> None:
    with Reader(path) as reader:
        back = reader.read()
    for name, written in zip(("t", "x", "y"), zip(*rows, strict=True), strict=True):
        assert np.array_equal(back[name], written)
    assert not back.kind.any()


def _timed(call: Callable[[int, int, int], object], rows: list[Row]) -> list[int]:
    """Return how long each call took, in ns, the clock's own call included."""
    clock = time.perf_counter_ns
    took = [0] * len(rows)
    for at, (t, x, y) in enumerate(rows):
        began = clock()
        call(t, x, y)
        took[at] = clock() - began
    return took


def _timed_paced(call: Callable[[int, int, int], object], rows: list[Row]) -> list[int]:
    """As `_timed`, eight events a millisecond: between them the caller sleeps, as an input hook does."""
    burst = _PACE_HZ // 1000
    took: list[int] = []
    due = time.perf_counter()
    for at in range(0, len(rows), burst):
        took += _timed(call, rows[at : at + burst])
        due += 0.001
        time.sleep(max(due - time.perf_counter(), 0))
    return took


@pytest.mark.parametrize("pace", ["at once", "8 kHz"])
@pytest.mark.parametrize("way", ["move", "msgpack"])
def test_latency(way: str, pace: str, sizes: Sizes, tmp_path: Path, benchmark: Any) -> None:
    rows = _rows(sizes.appends if pace == "at once" else int(sizes.paced_s * _PACE_HZ))
    loop = _timed if pace == "at once" else _timed_paced
    if way == "move":
        path = tmp_path / "a.evc"
        with Writer(path) as writer:
            took = benchmark.pedantic(loop, args=(writer.move, rows))
        _check(path, rows)
    else:
        pack = msgpack.Packer().pack
        took = benchmark.pedantic(loop, args=(lambda t, x, y: pack((t, x, y)), rows))
    counts, _ = np.histogram(np.clip(took, EDGES_NS[0], EDGES_NS[-1]), EDGES_NS)
    benchmark.extra_info.update(
        suite="latency",
        way=way,
        pace=pace,
        events=len(rows),
        percentiles={str(at): float(np.percentile(took, at)) for at in PERCENTILES},
        histogram=counts.tolist(),
        edges_ns=EDGES_NS.tolist(),
        checked=True,
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "turn" in metafunc.fixturenames:
        turns = [(i, way) for i in range(15) for way in ("move", "msgpack", "loop")]
        metafunc.parametrize("turn", turns, ids=lambda turn: f"{turn[1]}-{turn[0]}")


def test_cost(turn: tuple[int, str], tmp_path: Path, benchmark: Any) -> None:
    """The mean cost of a call without a clock around each, and that of the bare loop; they take turns."""
    rows = _rows(50_000)
    way = turn[1]
    pack = msgpack.Packer().pack

    def move(append: Callable[[int, int, int], object]) -> None:
        for t, x, y in rows:
            append(t, x, y)

    def packed() -> None:
        for t, x, y in rows:
            pack((t, x, y))

    def loop() -> None:
        for _t, _x, _y in rows:
            pass

    benchmark.group = "one event"
    if way == "move":
        path = tmp_path / "a.evc"
        with Writer(path) as writer:
            benchmark.pedantic(move, args=(writer.move,))
        _check(path, rows)
    else:
        benchmark.pedantic(packed if way == "msgpack" else loop)
    benchmark.extra_info.update(suite="cost", way=way, events=len(rows), checked=True)

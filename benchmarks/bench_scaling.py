"""Growth: rates and memory at many events against few. The streams are made from a seed and repeat themselves."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.conftest import Sizes, sizes_of
from benchmarks.scaled import Scaled, holds, scan

ROOT = Path(__file__).resolve().parents[1]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "turn" in metafunc.fixturenames:
        small, large = sizes_of(metafunc.config).scale
        # The small one before and after the large one: a machine that slows down slows both.
        turns = [(small, i) for i in range(3)] + [(large, 0)] + [(small, i) for i in range(3, 6)]
        metafunc.parametrize("turn", turns, ids=lambda turn: f"{turn[0]}-{turn[1]}")


def _note(benchmark: Any, operation: str, events: int, **more: Any) -> None:
    benchmark.extra_info.update(suite="scaling", operation=operation, events=events, checked=True, **more)


def _timed(benchmark: Any, turn: tuple[int, int], job: Callable[[Any], Any], what: Any) -> tuple[Any, float]:
    """Return what the job returns, and its processor time: over minutes a shared machine changes its pace."""
    events, again = turn
    if not again and events <= 10**7:
        job(what)  # warm up
    began = time.process_time()
    return benchmark.pedantic(job, args=(what,)), time.process_time() - began


@pytest.mark.benchmark(group="scaling, write")
def test_write(turn: tuple[int, int], scaled: Scaled, benchmark: Any) -> None:
    path, cpu_s = _timed(benchmark, turn, scaled.write, turn[0])
    _note(benchmark, "write", turn[0], cpu_s=cpu_s, bytes=path.stat().st_size)


@pytest.mark.benchmark(group="scaling, scan")
def test_scan(turn: tuple[int, int], scaled: Scaled, benchmark: Any) -> None:
    found, cpu_s = _timed(benchmark, turn, scan, scaled.path(turn[0]))
    assert found == turn[0]
    _note(benchmark, "scan", turn[0], cpu_s=cpu_s)


@pytest.mark.parametrize("which", ["small", "large"])
def test_round_trip(which: str, sizes: Sizes, scaled: Scaled, benchmark: Any) -> None:
    events = sizes.scale[which == "large"]
    assert benchmark.pedantic(holds, args=(scaled.path(events), events))
    _note(benchmark, "check", events)


def test_memory(sizes: Sizes, scaled: Scaled, benchmark: Any) -> None:
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("memory is measured on Linux only")
    small, large = sizes.scale
    command = [sys.executable, "-m", "benchmarks.scaled", str(scaled.path(small)), str(scaled.path(large))]
    done = benchmark.pedantic(
        subprocess.run,
        args=(command,),
        kwargs={"cwd": ROOT, "check": True, "capture_output": True, "text": True},
    )
    _note(benchmark, "memory", large, bytes=int(done.stdout))

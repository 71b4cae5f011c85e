"""One thread against two, a file written and read; and what two processes get of this machine, which bounds it."""

from __future__ import annotations

import inspect
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from benchmarks.recordings import repeated
from benchmarks.scaled import part
from benchmarks.transforms import fault_of
from evcodec import EventBatch, Reader, Writer, decode, encode

_EVENTS = 4_000_000
_ROUNDS = 5
_HAS_THREADS = "threads" in inspect.signature(Writer.__init__).parameters


@pytest.fixture(scope="module")
def batch() -> EventBatch:
    return EventBatch.concat(list(repeated(part(_EVENTS), _EVENTS)))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "threads" in metafunc.fixturenames:
        turns = [(turn, threads) for turn in range(_ROUNDS) for threads in (1, 2)]
        ids = [f"{threads}-threads-{turn}" for turn, threads in turns]
        metafunc.parametrize(("turn", "threads"), turns, ids=ids)


def _note(benchmark: Any, operation: str, threads: int) -> None:
    benchmark.extra_info.update(
        suite="threads", operation=operation, threads=threads, events=_EVENTS, checked=True
    )


def _write(path: Path, batch: EventBatch, threads: int) -> None:
    with Writer(path, threads=threads) as writer:
        writer.write(batch)


def _read(path: Path, threads: int) -> EventBatch:
    with Reader(path, threads=threads) as reader:
        return reader.read()


@pytest.mark.skipif(not _HAS_THREADS, reason="Writer and Reader have no threads=")
@pytest.mark.benchmark(group="threads, encode")
def test_encode(turn: int, threads: int, batch: EventBatch, tmp_path: Path, benchmark: Any) -> None:
    path = tmp_path / "a.evc"
    benchmark.pedantic(_write, args=(path, batch, threads), warmup_rounds=int(not turn))
    fault = fault_of(batch, _read(path, 1))
    assert fault is None, fault
    _note(benchmark, "encode", threads)


@pytest.mark.skipif(not _HAS_THREADS, reason="Writer and Reader have no threads=")
@pytest.mark.benchmark(group="threads, decode")
def test_decode(turn: int, threads: int, batch: EventBatch, tmp_path: Path, benchmark: Any) -> None:
    path = tmp_path / "a.evc"
    _write(path, batch, 2)
    back = benchmark.pedantic(_read, args=(path, threads), warmup_rounds=int(not turn))
    fault = fault_of(batch, back)
    assert fault is None, fault
    _note(benchmark, "decode", threads)


def _job(operation: str, repeats: int) -> float:
    """Return how long it takes in this process, once what it works on is there."""
    batch = EventBatch.concat(list(repeated(part(500_000), 500_000)))
    data = encode(batch)
    decode(data)
    began = time.perf_counter()
    for _ in range(repeats):
        if operation == "encode":
            encode(batch)
        else:
            decode(data)
    return time.perf_counter() - began


@pytest.mark.parametrize("operation", ["encode", "decode"])
def test_bound(operation: str, benchmark: Any) -> None:
    """Two processes that share nothing, each with the whole job: how much more gets done than by one."""
    repeats = 20 if operation == "encode" else 100
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        alone = min(pool.submit(_job, operation, repeats).result() for _ in range(2))
        pair = benchmark.pedantic(lambda: list(pool.map(_job, [operation] * 2, [repeats] * 2)))
    benchmark.extra_info.update(
        suite="bound", operation=operation, processes=2, speedup=2 * alone / max(pair), checked=True
    )

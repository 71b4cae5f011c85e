"""One thread against two, a file written and read; and what two processes get of this machine, which bounds it."""

from __future__ import annotations

import inspect
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from benchmarks.conftest import sizes_of
from benchmarks.recordings import repeated
from benchmarks.scaled import part
from benchmarks.transforms import fault_of
from evcodec import EventBatch, Reader, Writer, decode, encode

_MOST = 4_000_000
_ROUNDS = 9


@pytest.fixture(scope="module")
def batch(pytestconfig: pytest.Config) -> EventBatch:
    events = min(sizes_of(pytestconfig).scale[0], _MOST)
    return EventBatch.concat(list(repeated(part(events), events)))


@pytest.fixture(scope="module")
def stored(batch: EventBatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("threads") / "a.evc"
    path.write_bytes(encode(batch))
    return path


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "threads" in metafunc.fixturenames:
        turns = [(how, turn, threads) for how in _JOBS for turn in range(_ROUNDS) for threads in (1, 2)]
        ids = [f"{how}-{threads}-{turn}" for how, turn, threads in turns]
        metafunc.parametrize(("how", "turn", "threads"), turns, ids=ids)


def _write(path: Path, batch: EventBatch, threads: int) -> None:
    with Writer(path, threads=threads) as writer:
        writer.write(batch)


def _read(path: Path, batch: EventBatch, threads: int) -> EventBatch:
    with Reader(path, threads=threads) as reader:
        return reader.read()


def _encode(path: Path, batch: EventBatch, threads: int) -> None:
    path.write_bytes(encode(batch, threads=threads))


def _decode(path: Path, batch: EventBatch, threads: int) -> EventBatch:
    return decode(path.read_bytes(), threads=threads)


# By name: what does it, and what must take threads= for it.
_JOBS = {
    "encode": (_encode, encode),
    "decode": (_decode, decode),
    "write": (_write, Writer),
    "read": (_read, Reader),
}


def test_threads(
    how: str, turn: int, threads: int, batch: EventBatch, stored: Path, tmp_path: Path, benchmark: Any
) -> None:
    """``encode`` and ``decode`` are the functions, ``write`` and ``read`` a Writer and a Reader; all use a file."""
    job, used = _JOBS[how]
    if "threads" not in inspect.signature(used).parameters:
        pytest.skip(f"{used.__name__} has no threads=")
    path = stored if how in ("decode", "read") else tmp_path / "a.evc"
    benchmark.group = f"threads, {how}"
    back = benchmark.pedantic(job, args=(path, batch, threads), warmup_rounds=int(not turn))
    fault = fault_of(batch, decode(path.read_bytes()) if back is None else back)
    assert fault is None, fault
    benchmark.extra_info.update(
        suite="threads", operation=how, threads=threads, events=len(batch), checked=True
    )


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
    repeats = 8 if operation == "encode" else 40
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        alone = min(pool.submit(_job, operation, repeats).result() for _ in range(2))
        pair = benchmark.pedantic(lambda: list(pool.map(_job, [operation] * 2, [repeats] * 2)))
    benchmark.extra_info.update(
        suite="bound", operation=operation, processes=2, speedup=2 * alone / max(pair), checked=True
    )

"""Event by event, as a recorder writes: evcodec with one call an event beside OWAMcap with one message an event."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import owamcap
from benchmarks.conftest import recordings_of, sizes_of
from benchmarks.recordings import load, name_of
from benchmarks.transforms import fault_of
from evcodec import EventBatch
from evcodec.cli.peers import Way, live

_FEWEST = 500
_ROUNDS = 3


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    cases = [
        (recording, turn, way)
        for recording in recordings_of(metafunc.config)
        for turn in range(_ROUNDS)
        for way in ("evcodec", "OWAMcap")
    ]
    ids = [f"{name_of(recording)}-{way}-{turn}" for recording, turn, way in cases]
    metafunc.parametrize("case", cases, ids=ids)


class Desk:
    """The events of the recording at hand that both can carry."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._recording = ""
        self._batch: EventBatch

    def batch(self, recording: str) -> EventBatch:
        if recording != self._recording:
            self._batch = owamcap.carried(load(recording, 20 * self._limit), self._limit)
            self._recording = recording
        return self._batch


@pytest.fixture(scope="module")
def desk(pytestconfig: pytest.Config) -> Desk:
    return Desk(sizes_of(pytestconfig).by_event)


def _evcodec(batch: EventBatch, path: str) -> Way:
    """A live stream has only the columns that were used; the others read as zeros when they are asked for."""
    inner = live(batch, path)

    def read(path: str) -> EventBatch:
        back = inner.read(path)
        return EventBatch(
            **{
                name: back.columns[name] if name in back.columns else np.zeros(len(batch), values.dtype)
                for name, values in batch.columns.items()
            }
        )

    return replace(inner, read=read)


def test_by_event(case: tuple[str, int, str], desk: Desk, tmp_path: Path, benchmark: Any) -> None:
    """The time is that of writing; how long it took to read all is noted beside it."""
    recording, turn, name = case
    batch = desk.batch(recording)
    if len(batch) < _FEWEST:
        pytest.skip(f"{len(batch)} events that both can carry")
    make = _evcodec if name == "evcodec" else owamcap.way
    try:
        way = make(batch, str(tmp_path / "events"))
    except ImportError as error:
        pytest.skip(f"not installed, so not compared: {error.name}")
    benchmark.group = f"{name_of(recording)}, event by event"
    path = benchmark.pedantic(way.write, warmup_rounds=int(not turn))
    began = time.perf_counter()
    back = way.read(path)
    read_s = time.perf_counter() - began
    fault = fault_of(batch, back)
    assert fault is None, f"{name}: {fault}"
    benchmark.extra_info.update(
        suite="events",
        recording=name_of(recording),
        way=name,
        events=len(batch),
        bytes=way.size(path),
        read_s=read_s,
        checked=True,
    )

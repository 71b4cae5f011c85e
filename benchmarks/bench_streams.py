"""Seven columns of a recording to a file and back: evcodec beside its peers.

Each test is one turn of one way; the turns of a round follow each other, so that what else the machine does falls on all
alike. `benchmarks.results` takes the medians over the rounds, and drops a way of which a read came back changed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from benchmarks.conftest import recordings_of, sizes_of
from benchmarks.recordings import load, name_of
from benchmarks.transforms import fault_of
from benchmarks.ways import WAYS
from evcodec import EventBatch
from evcodec.cli.peers import Way


class Case(NamedTuple):
    recording: str
    round: int
    way: str
    operation: str

    def __str__(self) -> str:
        return f"{name_of(self.recording)}-{self.way}-{self.operation}-{self.round}"


def _cases(recordings: list[str], rounds: int) -> list[Case]:
    return [
        Case(recording, turn, name, operation)
        for recording in recordings
        for turn in range(rounds)
        for name, entry in WAYS.items()
        for operation in ("write", "read")
        if not (turn and (entry.slow_write if operation == "write" else entry.slow_read))
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    config = metafunc.config
    cases = _cases(recordings_of(config), sizes_of(config).rounds)
    metafunc.parametrize("case", cases, ids=str)


class Desk:
    """The recording at hand: its events, its ways, and what they wrote."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._recording = ""
        self.batch: EventBatch
        self._ways: dict[str, Way] = {}
        self.written: dict[str, Any] = {}

    def way(self, case: Case) -> Way:
        if case.recording != self._recording:
            self.batch = load(case.recording, self._limit)
            self._recording = case.recording
            self._ways.clear()
            self.written.clear()
        if case.way not in self._ways:
            path = self._folder / str(list(WAYS).index(case.way))
            self._ways[case.way] = WAYS[case.way].make(self.batch, str(path))
        return self._ways[case.way]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Desk:
    return Desk(tmp_path_factory.mktemp("streams"), sizes_of(pytestconfig).events)


def test_stream(case: Case, desk: Desk, benchmark: Any) -> None:
    try:
        way = desk.way(case)
    except ImportError as error:
        pytest.skip(f"not installed, so not compared: {error.name}")
    entry = WAYS[case.way]
    slow = entry.slow_write if case.operation == "write" else entry.slow_read
    # A short recording is soon done, and a short time is easily disturbed.
    iterations = 1 if slow else max(1, min(40, 100_000 // len(desk.batch)))
    benchmark.group = f"{name_of(case.recording)}, {case.operation}"
    benchmark.extra_info.update(
        suite="streams",
        recording=name_of(case.recording),
        events=len(desk.batch),
        way=case.way,
        operation=case.operation,
        checked=False,
    )
    warm = 1 if case.round == 0 and not slow else 0
    if case.operation == "write":
        written = benchmark.pedantic(way.write, iterations=iterations, warmup_rounds=warm)
        desk.written[case.way] = written
        benchmark.extra_info["bytes"] = way.size(written)
    else:
        written = desk.written.get(case.way)
        if written is None:
            pytest.skip("was not written")
        back = benchmark.pedantic(way.read, args=(written,), iterations=iterations, warmup_rounds=warm)
        fault = fault_of(desk.batch, back)
        assert fault is None, f"{case.way}: {fault}"
    benchmark.extra_info["checked"] = True

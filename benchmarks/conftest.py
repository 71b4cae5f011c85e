"""Options of the benchmarks, and what they share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.recordings import SAMPLE, found
from benchmarks.scaled import Scaled


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    ``events`` is the most of a recording, ``rounds`` how often each way takes its turn, ``appends`` how many single
    events are timed, ``paced_s`` for how long they come at the rate of a mouse, ``live`` the most events of a live
    stream, ``by_event`` the most beside OWAMcap, ``scale`` a small and a large number of events.
    """

    events: int
    rounds: int
    appends: int
    paced_s: float
    live: int
    by_event: int
    scale: tuple[int, int]
    seeks: int


SIZES = {
    "quick": Sizes(100_000, 3, 300_000, 5.0, 20_000, 20_000, (10**6, 10**7), 50),
    "full": Sizes(2_000_000, 5, 2_000_000, 20.0, 100_000, 50_000, (10**7, 10**9), 300),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("evcodec benchmarks")
    group.addoption("--size", choices=list(SIZES), default="quick", help="how much to measure")
    group.addoption(
        "--recording",
        action="append",
        type=Path,
        default=[],
        help="an .npz of columns or an .evc to measure on",
    )
    group.addoption("--only-sample", action="store_true", help="measure on the made-up session only")
    group.addoption("--scale-events", type=int, help="events of the large stream of bench_scaling.py")
    group.addoption("--rounds", type=int, help="rounds of the interleaved comparisons")


def pytest_configure(config: pytest.Config) -> None:
    # What a peer warns of is no failure of a benchmark.
    config.addinivalue_line("filterwarnings", "default")


def sizes_of(config: pytest.Config) -> Sizes:
    """Return how much to measure, by the options."""
    sizes = SIZES[config.getoption("--size")]
    small, large = sizes.scale
    return Sizes(
        **{
            **vars(sizes),
            "rounds": config.getoption("--rounds") or sizes.rounds,
            "scale": (small, config.getoption("--scale-events") or large),
        }
    )


def recordings_of(config: pytest.Config) -> list[str]:
    """Return what to measure on, by the options."""
    return [SAMPLE] if config.getoption("--only-sample") else found(config.getoption("--recording"))


@pytest.fixture(scope="session")
def scaled(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scaled]:
    made = Scaled(tmp_path_factory.mktemp("scaled"))
    yield made
    made.remove()


@pytest.fixture(scope="session")
def sizes(pytestconfig: pytest.Config) -> Sizes:
    return sizes_of(pytestconfig)

"""Fixtures that many tests share."""

from __future__ import annotations

import gc
import importlib
import io
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# What the test command runs; more with HYPOTHESIS_PROFILE=long.
settings.register_profile(
    "ci", max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "long", max_examples=2_000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# Ray, in examples and documents too, writes no token into the home folder.
os.environ.setdefault("RAY_AUTH_MODE", "disabled")

# The quick form of a seeded test always makes the same tries.
QUICK_SEED = 20_261

SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"
ROOT = Path(__file__).resolve().parents[1]
FIXTURES = Path(__file__).resolve().parent / "fixtures"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("evcodec")
    group.addoption("--soak", action="store_true", help="the long form of tests that make many tries")
    group.addoption("--seed", type=int, help="seed of these tries, to see a failure again")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "soak: makes sense in its long form only, with --soak")
    if config.option.seed is None:  # processes of pytest-xdist are given the seed of the whole run
        config.option.seed = secrets.randbits(31) if config.option.soak else QUICK_SEED


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {config.option.seed}" + (" (soak)" if config.option.soak else "")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.option.soak:
        return
    for item in items:
        if item.get_closest_marker("soak"):
            item.add_marker(pytest.mark.skip(reason="makes sense in its long form only: make soak"))


def pytest_collection_finish() -> None:
    """Keep the collector from going through 24,000 tests, and the libraries that they import, again and again."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the figures that tests of many tries recorded with ``record_property``."""
    if config.option.soak:
        for report in terminalreporter.getreports("passed"):
            for name, figures in report.user_properties:
                terminalreporter.write_line(f"{name}: {figures}")


@pytest.fixture(scope="session")
def tries(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """Function that chooses between the number of tries of the quick and of the long form."""
    return lambda quick, soak: soak if request.config.option.soak else quick


@pytest.fixture(scope="session")
def seed(request: pytest.FixtureRequest) -> int:
    """Seed of all random tries; the header of the run prints it."""
    chosen: int = request.config.option.seed
    return chosen


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real recordings beside the project; tests that need it are skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("real recordings (../shared/data beside the project) are not here")
    return SHARED_DATA


@pytest.fixture(scope="session")
def fixtures() -> Path:
    """Folder of small made-up files."""
    return FIXTURES


@dataclass
class Imported:
    """A recording that went through an importer, a stream, and a reader."""

    batch: Any
    metadata: dict[str, Any]
    sources: dict[int, Any]
    contexts: dict[int, Any]
    payloads: dict[int, Any]
    video_anchors: list[Any]
    losses: list[str]


@pytest.fixture(scope="session")
def import_through() -> Callable[..., Imported]:
    """Function that imports a file into a stream in memory and reads the stream back."""
    from evcodec import Reader
    from evcodec.sources import import_file

    def run(source: Any, format: str | None = None) -> Imported:
        target = io.BytesIO()
        session = import_file(source, target, format=format)
        with Reader(target.getvalue()) as reader:
            return Imported(
                batch=reader.read(),
                metadata=reader.metadata,
                sources={entry.index: entry for entry in reader.sources},
                contexts={entry.index: entry for entry in reader.contexts},
                payloads={entry.index: entry for entry in reader.payloads},
                video_anchors=list(reader.video_anchors),
                losses=session.losses,
            )

    return run


@pytest.fixture
def benchmarks(monkeypatch):
    """Return what imports a module of the benchmarks."""
    if not (ROOT / "setup.py").exists():
        pytest.skip("needs the source tree")
    monkeypatch.syspath_prepend(str(ROOT))
    return lambda name: importlib.import_module(f"benchmarks.{name}")


@pytest.fixture(scope="module")
def desktop():
    """Virtual desktop for the tests of a module; they are skipped where one cannot be had."""
    from desktop import Desktop, missing

    reason = missing("openbox", "at-spi")
    if reason:
        pytest.skip(reason)
    with Desktop() as running:
        yield running

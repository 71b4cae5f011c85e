"""Fixtures that many tests share."""

from __future__ import annotations

import io
import os
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

SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"
FIXTURES = Path(__file__).resolve().parent / "fixtures"


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

"""A live stream at 1 kHz, flushed every 250 ms: its size before and after it is closed, against the bulk-written one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.conftest import Sizes, recordings_of
from benchmarks.recordings import SAMPLE, load, name_of
from benchmarks.transforms import fault_of
from evcodec import EventBatch, Reader, Writer, encode
from evcodec.cli.peers import calls
from evcodec.sample import sample_session

_FLUSHED = 250


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    found = [name for name in recordings_of(metafunc.config) if name != SAMPLE]
    metafunc.parametrize("recording", ["sample at 1 kHz", *found], ids=name_of)


def _live(batch: EventBatch, path: Path) -> int:
    """Write one call an event, 250 events between flushes; return the size before the stream is closed."""
    made = calls(batch)
    with Writer(path, flush_interval_s=3600) as writer:
        methods = (writer.move, writer.button, writer.scroll, writer.key, writer.event)
        for at in range(0, len(made), _FLUSHED):
            for which, args, columns in made[at : at + _FLUSHED]:
                methods[which](*args, **columns)
            writer.flush()
        return path.stat().st_size


@pytest.mark.benchmark(group="live")
def test_live(recording: str, sizes: Sizes, tmp_path: Path, benchmark: Any) -> None:
    batch = (
        sample_session(sizes.live, rate_hz=1000)
        if recording.startswith(SAMPLE)
        else load(recording, sizes.live)
    )
    path = tmp_path / "a.evc"
    before = benchmark.pedantic(_live, args=(batch, path))
    with Reader(path) as reader:
        back = reader.read()
    # A live stream has only the columns that were used.
    there = {
        name: back.columns.get(name, np.zeros(len(batch), values.dtype))
        for name, values in batch.columns.items()
    }
    fault = fault_of(batch, EventBatch(**there))
    assert fault is None, fault
    benchmark.extra_info.update(
        suite="live",
        recording=name_of(recording),
        events=len(batch),
        bytes=path.stat().st_size,
        bytes_before=before,
        bytes_bulk=len(encode(batch)),
        checked=True,
    )

"""One column of a recording at a time, zstd and all: what each costs in bytes and in time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.conftest import recordings_of, sizes_of
from benchmarks.recordings import COLUMNS, load, name_of
from evcodec import EventBatch, Reader, decode, encode


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    metafunc.parametrize("recording", recordings_of(metafunc.config), ids=name_of, scope="module")


@pytest.fixture(scope="module")
def batch(recording: str, pytestconfig: pytest.Config) -> EventBatch:
    return load(recording, min(sizes_of(pytestconfig).events, 500_000))


@pytest.mark.parametrize("operation", ["encode", "decode"])
@pytest.mark.parametrize("column", COLUMNS)
def test_column(column: str, operation: str, recording: str, batch: EventBatch, benchmark: Any) -> None:
    """Time the column, and the kinds that say where its values stand."""
    values = batch[column]
    if not values.any():
        pytest.skip("all zero")
    alone = EventBatch(**{name: batch[name] for name in {"kind": 0, column: 0}})
    data = encode(alone)
    benchmark.group = f"columns, {operation}"
    if operation == "encode":
        benchmark.pedantic(encode, args=(alone,), rounds=5, warmup_rounds=1)
    else:
        benchmark.pedantic(decode, args=(data,), rounds=5, warmup_rounds=1)
    assert np.array_equal(decode(data)[column], values)
    benchmark.extra_info.update(
        suite="columns",
        recording=name_of(recording),
        events=len(batch),
        column=column,
        operation=operation,
        bytes=len(data),
        checked=True,
    )


@pytest.mark.parametrize("way", ["balanced", "small", "pco 12"])
def test_bytes(way: str, recording: str, batch: EventBatch, benchmark: Any) -> None:
    """How many bytes each column takes when all are stored together; pco stores each on its own."""
    sizes: dict[str, float]
    benchmark.group = "columns, bytes"
    if way == "pco 12":
        pcodec = pytest.importorskip("pcodec", reason="not installed, so not compared: pcodec")
        sizes = benchmark.pedantic(_pco_bytes, args=(pcodec, batch))
    else:
        data = benchmark.pedantic(encode, args=(batch,), kwargs={"level": way})
        with Reader(data) as reader:
            sizes = reader.column_bytes()
            assert reader.read().equals(batch)
    benchmark.extra_info.update(
        suite="bytes", recording=name_of(recording), events=len(batch), way=way, columns=sizes, checked=True
    )


def _pco_bytes(pcodec: Any, batch: EventBatch) -> dict[str, float]:
    unit = max(int(np.gcd.reduce(batch.t)), 1)
    config = pcodec.ChunkConfig(compression_level=12, enable_8_bit=True)
    sizes = {}
    for name, values in batch.columns.items():
        values = values // unit if name == "t" else values
        data = pcodec.standalone.simple_compress(values, config)
        assert np.array_equal(pcodec.standalone.simple_decompress(data), values)
        sizes[name] = float(len(data))
    return sizes

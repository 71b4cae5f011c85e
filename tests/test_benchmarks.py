"""What the benchmarks show is what was checked, and is judged as the goals say."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evcodec import EventBatch
from evcodec.sample import sample_session

ROOT = Path(__file__).resolve().parents[1]


def turn(way: str, operation: str, seconds: float, size: int = 0, **more: Any) -> dict[str, Any]:
    """Return what pytest-benchmark writes of one turn of one way."""
    info = {"suite": "streams", "recording": "r", "events": 1000, "way": way, "operation": operation}
    return {
        "extra_info": {**info, "bytes": size, "checked": True, **more},
        "stats": {"median": seconds},
    }


def results_of(benchmarks, path: Path, turns: list[dict[str, Any]]):
    """Return the results of a run of these turns."""
    machine = {"machine": "m", "system": "s", "python_implementation": "p", "python_version": "3"}
    run = {"machine_info": machine, "datetime": "2026-01-01T00:00:00", "benchmarks": turns}
    path.write_text(json.dumps(run))
    return benchmarks("results").load(path)


def test_medians_are_taken_and_what_was_not_checked_is_not_shown(benchmarks, tmp_path):
    turns = [turn("pco 8", "write", seconds, 2000) for seconds in (1.0, 9.0, 2.0)]
    turns += [turn("pco 8", "read", seconds) for seconds in (0.1, 0.9, 0.2)]
    turns += [turn("xz", "write", 1.0, 1000), turn("xz", "read", 1.0, checked=False)]
    turns += [
        turn("pco 12", "write", 1.0, 1000),
        turn("pco 12", "write", 1.0, 1000),
        turn("pco 12", "read", 1.0),
    ]
    cells = results_of(benchmarks, tmp_path / "r.json", turns).cells["r"]
    assert list(cells) == ["pco 8"]
    assert (cells["pco 8"].bytes, cells["pco 8"].write, cells["pco 8"].read) == (2.0, 500.0, 5000.0)


@pytest.mark.parametrize(("size", "met"), [(820, True), (821, False)])
def test_sizes_are_judged_beside_the_smallest_peer(benchmarks, tmp_path, size, met):
    sizes = {"evcodec small": size, "pco 12": 1200, "xz": 1000, "Blosc2 shuffle": 1}
    turns = [
        turn(way, operation, 1.0, stored) for way, stored in sizes.items() for operation in ("write", "read")
    ]
    results = results_of(benchmarks, tmp_path / "r.json", turns)
    found = {goal.name: goal for goal in benchmarks("goals").goals(results)}
    assert found["size, `small`"].met is met
    assert found["size, `small`, the worst"].met is True
    assert found["size, `balanced`"].met is None
    assert found["two threads, `encode`"].met is None
    assert results.smallest_peer("r") == ("xz", 1.0)


def test_the_documents_have_places_for_tables_that_there_are(benchmarks, tmp_path):
    results = results_of(benchmarks, tmp_path / "r.json", [])
    tables = benchmarks("tables").all_tables(results, benchmarks("goals").goals(results))
    fill = benchmarks("fill")
    used = set()
    for name in ("README.md", "docs/benchmarks.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        marked = {table: f"<{table}>" for table in tables}
        filled = fill.filled(text, marked)
        found = {table for table, mark in marked.items() if mark in filled}
        assert text.count("<!-- bench:") == len(found)
        assert fill.filled(filled, marked) == filled
        used |= found
    assert used == tables.keys()
    with pytest.raises(KeyError):
        fill.filled("<!-- bench:other -->\n<!-- /bench:other -->", tables)


def test_what_is_done_for_peers_is_undone(benchmarks):
    transforms = benchmarks("transforms")
    batch = sample_session(2000, clock_ns=1_000_000)
    far = np.array([2**31 - 1, -(2**31)] * 1000, np.int32)
    batch = EventBatch(**{**batch.columns, "x": far, "y": far[::-1].copy()})
    for differenced in ((), transforms.MOVING, tuple(batch.columns)):
        prepared = transforms.Prepared(batch, differenced)
        assert prepared.unit == 2_000_000
        assert transforms.fault_of(batch, prepared.restore(prepared.columns())) is None
    for values in batch.columns.values():
        data = memoryview(transforms.shuffled(values))
        assert np.array_equal(transforms.unshuffled(data, values.dtype), values)


def test_a_changed_value_and_another_dtype_are_seen(benchmarks):
    fault_of = benchmarks("transforms").fault_of
    batch = sample_session(100)
    assert fault_of(batch, sample_session(100)) is None
    for name, values in batch.columns.items():
        other = values.copy()
        other[50] ^= 1
        assert name in fault_of(batch, EventBatch(**{**batch.columns, name: other}))
    wide = batch.x.astype(np.int64)
    assert "int64" in fault_of(batch, EventBatch(**{**batch.columns, "x": wide}))
    assert "columns" in fault_of(batch, EventBatch(t=batch.t))


def test_evcodec_is_one_of_the_ways(benchmarks, tmp_path):
    ways = benchmarks("ways")
    batch = sample_session(500)
    for name in ("memcpy", "evcodec fast", "evcodec balanced", "evcodec small", "JSON lines, zstd 3"):
        way = ways.WAYS[name].make(batch, str(tmp_path / "file"))
        back = way.read(way.write())
        assert benchmarks("transforms").fault_of(batch, back) is None
    assert set(ways.SMALLEST_PEERS) <= ways.WAYS.keys()


def test_a_mean_of_nothing_is_no_number(benchmarks):
    mean = benchmarks("results").geometric_mean
    assert math.isnan(mean([]))
    assert mean([2.0, 8.0]) == pytest.approx(4.0)

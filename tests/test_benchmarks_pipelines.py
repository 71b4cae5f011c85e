"""Jobs beside peers: the tables come out of real files, and a way that gives other rows is found out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from evcodec import EventBatch
from generators import session

pytest.importorskip("pyarrow")

ROOT = Path(__file__).resolve().parents[1]
SINGLE = {"full scan", "two columns of seven", "clicks only", "one minute of a day", "small files"}


def test_the_command_measures_every_job_on_made_up_sessions(benchmarks, tmp_path):
    command = [sys.executable, "-m", "benchmarks.pipelines", "--amount", "tiny", "--no-fill"]
    only = ["--only", "files", "--only", "small", "--out", str(tmp_path), "sample"]
    done = subprocess.run([*command, *only], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "pipelines.json").read_text())
    assert {row["job"] for row in found["rows"]} == SINGLE
    for job in SINGLE:
        rows = [row for row in found["rows"] if row["job"] == job]
        assert {row["format"] for row in rows} == {"evcodec", "Parquet"}
        assert {row["format"] for row in rows if row["usual"]} == {"evcodec", "Parquet"}
        assert all(row["seconds"] > 0 and row["events"] > 0 for row in rows)
        assert all(row["bytes"] is None or row["bytes"] > 0 for row in rows)
    written = (tmp_path / "pipelines.md").read_text()
    assert all(f"| {job} |" in written for job in SINGLE)


@pytest.mark.parametrize("fault", ["none", "value", "missing", "twice", "column"])
def test_other_rows_than_those_asked_for_are_found_out(benchmarks, fault):
    ways, measure = benchmarks("pipelines.ways"), benchmarks("pipelines.measure")
    batch = session(3000)
    x = batch.x.copy()
    x[2999] += 1
    given = {
        "none": [batch[:1000], batch[1000:]],
        "value": [EventBatch(**{**batch.columns, "x": x})],
        "missing": [batch[:2999]],
        "twice": [batch, batch[:1]],
        "column": [batch.select([name for name in batch.columns if name != "code"])],
    }[fault]
    way = ways.Way("evcodec", "from a list", True, lambda: iter(given))
    if fault == "none":
        measure.check(way, batch)
        return
    with pytest.raises((measure.WrongRowsError, KeyError)):
        measure.check(way, batch)


def test_what_is_asked_for_is_what_numpy_picks(benchmarks):
    ways = benchmarks("pipelines.ways")
    batch = session(3000)
    start, stop = int(batch.t[500]), int(batch.t[2500])
    asked = ways.Ask(("x", "t"), (1, 2), start, stop).of(batch)
    keep = (batch.kind == 1) | (batch.kind == 2)
    keep &= (batch.t >= start) & (batch.t < stop)
    assert list(asked.columns) == ["x", "t"]
    assert np.array_equal(asked.x, batch.x[keep])


def test_the_figures_are_of_the_best_settings_on_both_sides(benchmarks):
    shown = benchmarks("pipelines.show")

    def row(form, settings, seconds, size, usual):
        same = {"job": "clicks only", "data": "d", "events": 1, "owamcap": False}
        return {
            **same,
            "format": form,
            "settings": settings,
            "seconds": seconds,
            "bytes": size,
            "usual": usual,
        }

    rows = [
        row("evcodec", "a", 2.0, 100, True),
        row("evcodec", "b", 1.0, 200, False),
        row("Parquet", "c", 50.0, 3000, True),
        row("Parquet", "d", 10.0, 9000, False),
    ]
    assert shown.ratio(rows, "Parquet", "seconds") == 10
    assert shown.ratio(rows, "Parquet", "bytes") == 30
    assert shown.ratio(rows, "Parquet", "seconds", usual=True) == 25
    (line,) = shown.parquet_table({"rows": rows}).splitlines()[2:]
    assert line.endswith("20 ×: yes |")
    (line,) = shown.parquet_table({"rows": rows[:1] + rows[3:]}).splitlines()[2:]
    assert "5.0 ×" in line  # bytes 90 ×: one of the two is enough
    assert line.endswith("yes |")
    (line,) = shown.parquet_table({"rows": [rows[0], {**rows[3], "bytes": 150}]}).splitlines()[2:]
    assert line.endswith("20 ×: **no** |")


def test_the_document_has_the_places_that_are_filled(benchmarks):
    marked = {name: f"<{name}>" for name in benchmarks("pipelines.show").tables({"machine": {}, "rows": []})}
    text = (ROOT / "docs" / "pipelines.md").read_text(encoding="utf-8")
    filled = benchmarks("fill").filled(text, marked)
    assert all(mark in filled for mark in marked.values())

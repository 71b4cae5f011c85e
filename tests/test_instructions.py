"""The guard against getting slower: what it takes from setup.py, and when it complains."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def instructions(monkeypatch):
    if not (ROOT / "setup.py").exists():
        pytest.skip("needs the source tree")
    monkeypatch.syspath_prepend(ROOT)
    import benchmarks.instructions.__main__ as guard

    yield guard
    for name in [name for name in sys.modules if name.partition(".")[0] == "benchmarks"]:
        del sys.modules[name]


def test_only_more_than_the_tolerance_is_more(instructions):
    committed = {
        "baseline": {"a": 1000, "b": 1000, "c": 1000, "d": 1000, "gone": 5},
        "x86-64-v3": {"a": 1000},
    }
    found = {"baseline": {"a": 1029, "b": 1031, "c": 969, "d": 1000, "new": 7}}
    more, fewer = instructions.compare(found, committed)
    assert [line.split(":")[0] for line in more] == ["baseline b"]
    assert "+3.1%" in more[0]
    assert [line.split(" ")[1].rstrip(":") for line in fewer] == ["c", "new", "gone"]


def test_the_flags_are_those_of_the_build(instructions):
    tables = instructions.setup_tables()
    assert "-O3" in tables["C_FLAGS"]
    assert set(instructions.LEVELS.values()) <= tables["CPU_LEVELS"].keys()


def test_every_level_has_the_same_kernels(instructions):
    counts = json.loads(instructions.COMMITTED.read_text())["counts"]
    assert counts.keys() == instructions.LEVELS.keys()
    assert len({tuple(row) for row in counts.values()}) == 1
    assert all(value > 0 for row in counts.values() for value in row.values())

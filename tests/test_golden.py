"""Golden streams: what an earlier version wrote still reads as it did, and what was refused still is.

From here on every stream in tests/golden must stay readable, for good: a change of the format that breaks one is wrong.
None of them is ever made anew or taken away.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evcodec
from evcodec import (
    CorruptDataError,
    EvcodecError,
    LimitExceededError,
    Reader,
    TruncatedDataError,
    UnsupportedVersionError,
)
from evcodec.stream import compact, verify
from make_golden import ACCEPTED, GOLDEN, REJECTED, described
from reference import decode_stream

KINDS: dict[str, type[EvcodecError]] = {
    "corrupt": CorruptDataError,
    "truncated": TruncatedDataError,
    "unsupported": UnsupportedVersionError,
    "limit": LimitExceededError,
}
STREAMS = sorted(GOLDEN.glob("*.evc"))
GOOD = [path for path in STREAMS if path.with_suffix(".json").exists()]
BAD = [path for path in STREAMS if path not in GOOD]


def _name(path: Path) -> str:
    return path.stem


def test_each_part_of_the_format_is_held():
    """Layouts, transforms and held codes: what no golden stream had could change unnoticed."""
    found = set()
    for path in GOOD:
        for stream in decode_stream(path.read_bytes()).streams:
            columns = [c for block in stream.blocks for table in block.tables.values() for c in table.columns]
            found |= {"held" for column in columns if column.held is not None}
            for sequence in (s for column in columns for s in column.sequences()):
                found |= {f"transform {sequence.transform}", f"layout {sequence.layout}"}
                found |= {"classes"} if max(sequence.class_counts) > 1 else set()
                found |= {"thresholds"} if sequence.thresholds else set()
    expected = {f"transform {n}" for n in range(4)} | {f"layout {n}" for n in range(7)}
    assert found == expected | {"held", "classes", "thresholds"}


def test_no_golden_stream_is_missing():
    """A stream that a release brought may never go; the lists of builders only grow."""
    assert {path.stem for path in GOOD} == set(ACCEPTED)
    assert {path.stem for path in BAD} == set(REJECTED)


@pytest.fixture(params=GOOD, ids=_name)
def golden(request: pytest.FixtureRequest) -> tuple[bytes, dict[str, Any]]:
    """A stream and what it holds."""
    path: Path = request.param
    return path.read_bytes(), json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))


def _check_columns(found: evcodec.EventBatch, expected: dict[str, Any]) -> None:
    assert len(found) == expected["events"]
    assert set(found.columns) == set(expected["columns"])
    for name, column in expected["columns"].items():
        assert str(found[name].dtype) == column["dtype"], name
        np.testing.assert_array_equal(found[name], np.array(column["values"], column["dtype"]), err_msg=name)


def test_the_same_events_come_back(golden):
    data, expected = golden
    _check_columns(evcodec.decode(data), expected)
    with Reader(io.BytesIO(data)) as reader:
        parts = list(reader.batches())
        assert sum(map(len, parts)) == expected["events"]
    assert described(data) == expected
    assert verify(data).ok


def test_the_reference_reads_the_same(golden):
    data, expected = golden
    decoded = decode_stream(data)
    assert decoded.count == expected["events"]
    for name, column in expected["columns"].items():
        assert decoded.events.get(name, []) == column["values"], name
    assert len([entry for entry in decoded.entries if entry[0] <= 7]) == len(expected["entries"])


def test_what_this_version_makes_of_them_holds_the_same(golden, tmp_path):
    data, expected = golden
    target = tmp_path / "again.evc"
    compact(data, target, level="fast")
    _check_columns(evcodec.decode(target.read_bytes()), expected)


@pytest.mark.parametrize("path", BAD, ids=_name)
def test_what_was_refused_still_is(path):
    """The kind of error is in the name."""
    data = path.read_bytes()
    kind = KINDS[path.stem.split("-")[1]]
    for source in (data, io.BytesIO(data)):
        with pytest.raises(kind) as caught, Reader(source) as reader:
            reader.read()
        assert caught.type is kind
    assert not verify(data).ok

"""Golden streams: what an earlier version wrote still reads as it did, and what was refused still is.

From here on every stream in tests/golden must stay readable, for good: a change of the format that breaks one is wrong.
None of them is ever made anew or taken away, which SHA256SUMS holds. What is in them stands beside them as data, so
that no encoder and no decoder of today has a part in it.
"""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evcodec
from agreement import read_everything
from assemble import DTYPES, IDS
from evcodec import (
    CorruptDataError,
    EvcodecError,
    LimitExceededError,
    Reader,
    TruncatedDataError,
    UnsupportedVersionError,
)
from evcodec.stream import compact, verify
from golden_clauses import ACCEPTED as BY_CLAUSE
from golden_clauses import REJECTED as REJECTED_BY_CLAUSE
from make_golden import ACCEPTED, GOLDEN, REJECTED, SUMS, described, digest_of, sums
from reference import (
    ReferenceCorrupt,
    ReferenceFault,
    ReferenceLimit,
    ReferenceTruncated,
    ReferenceUnsupported,
    decode_stream,
)
from reference_model import StreamPart
from reference_sequence import Sequence

KINDS: dict[str, type[EvcodecError]] = {
    "corrupt": CorruptDataError,
    "truncated": TruncatedDataError,
    "unsupported": UnsupportedVersionError,
    "limit": LimitExceededError,
}
REFERENCE_KINDS: dict[str, type[ReferenceFault]] = {
    "corrupt": ReferenceCorrupt,
    "truncated": ReferenceTruncated,
    "unsupported": ReferenceUnsupported,
    "limit": ReferenceLimit,
}
STREAMS = sorted(GOLDEN.glob("*.evc"))
GOOD = [path for path in STREAMS if path.with_suffix(".json").exists()]
BAD = [path for path in STREAMS if path not in GOOD]
# Nobody needs an index, and an index defined twice changes no event: a check of the whole stream refuses them, reading need not.
ONLY_VERIFY = "-verify-"
MOST_BYTES = 20_000
MOST_BYTES_IN_ALL = 300_000
OLD_JSON = {"v1-kinds.json", "v1-shapes.json"}  # from before there was a limit
SECTIONS = {"2", "2.1", "3", "4", "5", "5.1", "5.2", "5.3", "5.4", "5.5", "5.6", "6", "7", "8", "9"}


def _name(path: Path) -> str:
    return path.stem


def _sequences(stream: StreamPart) -> list[Sequence]:
    columns = [c for block in stream.blocks for table in block.tables.values() for c in table.columns]
    return [sequence for column in columns for sequence in column.sequences()]


def _parts_of(stream: StreamPart) -> set[str]:
    """Name each part of the format that a stream has."""
    tables = [table for block in stream.blocks for table in block.tables.values()]
    columns = [column for table in tables for column in table.columns]
    found = {f"entry type {entry[0]}" for entry in stream.entries if entry[0] <= 7}
    found |= {f"record type {record.type}" for record in stream.records}
    found |= {f"dtype {column.dtype}" for column in columns}
    found |= {f"codec {codec}" for table in tables for codec, _ in table.parts}
    found |= {f"column {column.name}" for column in columns}
    found |= {"held" for column in columns if column.held is not None}
    found |= {"encrypted" for block in stream.blocks if block.hidden}
    for sequence in _sequences(stream):
        found |= {f"transform {sequence.transform}, layout {sequence.layout}"}
        found |= {f"transform {sequence.transform}, layout {sequence.layout}, {sequence.width} bits"}
        found |= {f"bins of {sequence.code_width} bits"} if sequence.bins else set()
        found |= {"classes of the row"} if sequence.class_counts[0] > 1 else set()
        found |= {"classes of the row before"} if sequence.class_counts[1] > 1 else set()
        found |= {"thresholds"} if sequence.thresholds else set()
    return found


def test_each_part_of_the_format_is_held():
    """What no golden stream had could change unnoticed."""
    found = {
        part
        for path in GOOD
        for stream in decode_stream(path.read_bytes()).streams
        for part in _parts_of(stream)
    }
    expected = {f"transform {t}, layout {n}" for t in range(4) for n in range(7)}
    expected |= {f"{pair}, {width} bits" for pair in expected for width in (8, 16, 32, 64)}
    expected |= {f"bins of {width} bits" for width in (1, 2, 4, 8)}
    expected |= {"held", "classes of the row", "classes of the row before", "thresholds", "encrypted"}
    expected |= {f"entry type {number}" for number in range(1, 8)}
    expected |= {f"record type {number}" for number in (1, 2, 3, 4, 5, 128)}
    expected |= {f"dtype {name}" for name in DTYPES} | {"codec 0", "codec 1"}
    expected |= {f"column {name}" for name in IDS}
    assert expected - found == set()


def test_each_section_has_accepted_and_rejected_streams():
    """The table of clauses leaves no section of the document out; truncation is section 2.3."""
    assert {section for section, _ in BY_CLAUSE.values()} >= SECTIONS
    refused = {section for section, _ in REJECTED_BY_CLAUSE.values()}
    assert refused == SECTIONS | {"1", "2.3"}
    assert {path.stem.split("-")[1] for path in BAD} == set(KINDS)


def test_no_golden_stream_was_changed():
    """Each file is the one that was put there, and each is in the list."""
    known = sums()
    assert len(known) >= 515
    assert {path.name: digest_of(path) for path in GOLDEN.iterdir() if path != SUMS} == known


def test_golden_streams_are_small():
    sizes = {path.name: path.stat().st_size for path in GOLDEN.iterdir() if path != SUMS}
    assert {name for name, size in sizes.items() if size > MOST_BYTES} <= OLD_JSON
    assert sum(size for name, size in sizes.items() if name.endswith(".evc")) < MOST_BYTES_IN_ALL


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
    _check_columns(evcodec.decode(data, without_key="skip", past_retention="allow"), expected)
    with Reader(io.BytesIO(data), without_key="skip", past_retention="allow") as reader:
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
    _check_columns(evcodec.decode(target.read_bytes(), without_key="skip", past_retention="allow"), expected)


def _kind(path: Path) -> str:
    return path.stem.split("-")[1]


@pytest.mark.parametrize("path", [path for path in BAD if ONLY_VERIFY not in path.stem], ids=_name)
def test_what_was_refused_still_is(path):
    """The kind of error is in the name."""
    data = path.read_bytes()
    for source in (data, io.BytesIO(data)):
        with pytest.raises(KINDS[_kind(path)]) as caught:
            read_everything(source)
        assert caught.type is KINDS[_kind(path)]
    assert not verify(data).ok


@pytest.mark.parametrize("path", [path for path in BAD if ONLY_VERIFY in path.stem], ids=_name)
def test_what_a_check_refused_it_still_refuses(path):
    """Reading may go on, or refuse it for the same kind of reason."""
    data = path.read_bytes()
    assert not verify(data).ok
    with contextlib.suppress(KINDS[_kind(path)]):
        evcodec.decode(data)


@pytest.mark.parametrize("path", BAD, ids=_name)
def test_the_reference_refuses_the_same(path):
    with pytest.raises(ReferenceFault) as caught:
        decode_stream(path.read_bytes())
    assert caught.type is REFERENCE_KINDS[_kind(path)]

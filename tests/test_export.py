"""Exporters: every integer of every column, read back by parsers that know nothing of evcodec."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import subprocess
import sys

import numpy as np
import pytest

from evcodec import Context, EventBatch, Gap, InvalidArgumentError, Marker, Payload, Reader, Writer, encode
from evcodec.sample import sample_session
from evcodec.schema import INTEGER_DTYPES
from evcodec.sinks import FORMATS, export

ARROW_FORMATS = ("parquet", "arrow", "arrows")


def hostile(n: int = 5_000) -> EventBatch:
    """Return a batch with a column of every dtype, extremes among its values, and time running backwards."""
    random = np.random.default_rng(5)
    columns: dict[str, np.ndarray] = {
        "t": random.integers(-(1 << 63), (1 << 63) - 1, n, endpoint=True),
        "kind": random.integers(0, 255, n, np.uint8, endpoint=True),
    }
    for dtype in INTEGER_DTYPES:
        bounds = np.iinfo(dtype)
        values = random.integers(bounds.min, bounds.max, n, dtype, endpoint=True)
        values[::7], values[1::7] = bounds.min, bounds.max
        columns[f'wide {dtype}, "50%"'] = values
    columns["größe"] = np.arange(n, dtype=np.int16)
    return EventBatch(**columns)


class OneWay(io.RawIOBase):
    """A target that only takes bytes, as a pipe does."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        self.parts.append(bytes(data))
        return len(self.parts[-1])


def exported(data: bytes, format: str, **options) -> bytes:
    target = OneWay()
    with Reader(data) as reader:
        count = export(reader, target, format, **options)
        assert count == len(
            reader.read(**{k: v for k, v in options.items() if k in ("kinds", "start", "stop")})
        )
    return b"".join(target.parts)


def integers(values: list[int]) -> np.ndarray:
    """Return an array that holds the values: text has no dtypes."""
    assert all(type(value) is int for value in values)
    return np.array(values, np.uint64 if values and max(values) > (1 << 63) - 1 else np.int64)


def parsed(data: bytes, format: str) -> EventBatch:
    """Return what an independent parser makes of an export."""
    if format == "jsonl":
        rows = [json.loads(line) for line in data.splitlines()]
        names = list(rows[0]) if rows else []
        return EventBatch(**{name: integers([row[name] for row in rows]) for name in names})
    if format == "csv":
        head, *rows = csv.reader(io.StringIO(data.decode(), newline=""))
        return EventBatch(**{name: integers([int(row[at]) for row in rows]) for at, name in enumerate(head)})
    table = arrow_table(data, format)
    return EventBatch(**{name: table[name].to_numpy() for name in table.column_names})


def arrow_table(data: bytes, format: str):
    pytest.importorskip("pyarrow", reason="needs the extra arrow")
    import pyarrow.ipc
    import pyarrow.parquet

    if format == "parquet":
        return pyarrow.parquet.read_table(io.BytesIO(data), page_checksum_verification=True)
    opened = pyarrow.ipc.open_file if format == "arrow" else pyarrow.ipc.open_stream
    return opened(io.BytesIO(data)).read_all()


def same_values(one: EventBatch, other: EventBatch) -> bool:
    return list(one.columns) == list(other.columns) and all(
        one[name].tolist() == other[name].tolist() for name in one.columns
    )


@pytest.mark.parametrize("format", FORMATS)
def test_every_integer_of_every_dtype_comes_out_exactly(format):
    batch = hostile()
    found = parsed(exported(encode(batch), format), format)
    assert set(found.columns) == set(batch.columns)
    assert same_values(found.select(list(batch.columns)), batch)
    if format in ARROW_FORMATS:
        assert {n: c.dtype for n, c in found.columns.items()} == {
            n: c.dtype for n, c in batch.columns.items()
        }


@pytest.fixture(scope="module")
def mixed() -> tuple[bytes, EventBatch]:
    """Return a stream whose blocks have different columns and dtypes, and all its events."""
    parts = [
        EventBatch(t=[1, 2], kind=[0, 3], x=np.array([5, -6], np.int16)),
        EventBatch(t=[3], kind=[4], pressure=np.array([65_535], np.uint16)),
        EventBatch(
            t=[4, 5], kind=[0, 0], x=np.array([1 << 30, -7], np.int32), pressure=np.array([-1, 3], np.int32)
        ),
    ]
    target = io.BytesIO()
    with Writer(
        target,
        metadata={"who": "ü", "raw": b"\x00\xff"},
        governance={"purpose": "tests"},
        merge_on_close=False,
    ) as w:
        for part in parts:
            w.write(part)
            w.flush()
        w.gap(3, 2, 3, lost=4)
        w.context("window", {"title": 'A "title"\n'})
        w.marker(4, "here", {"inf": float("inf"), "map": {b"k": None}, "ours": {"$bytes": 1}})
        w.payload("text", b"\xfe", t=5)
    return target.getvalue(), EventBatch.concat(parts)


@pytest.mark.parametrize("format", FORMATS)
def test_a_column_of_some_blocks_is_zero_elsewhere(mixed, format):
    data, batch = mixed
    with Reader(data) as reader:
        assert len(reader.blocks) == 3, "the test needs blocks that differ"
    found = parsed(exported(data, format), format)
    assert found["pressure"].tolist() == [0, 0, 65_535, -1, 3]
    assert found["x"].tolist() == [5, -6, 0, 1 << 30, -7]
    assert same_values(found.select(list(batch.columns)), batch)


@pytest.mark.parametrize("format", FORMATS)
def test_blocks_without_a_common_dtype(format):
    """uint64 in one block and negative in another: text holds both, Arrow has no such integer and says so."""
    target = io.BytesIO()
    for values in (np.array([(1 << 64) - 1], np.uint64), np.array([-1], np.int8)):
        target.write(encode(EventBatch(t=[1], odd=values)))
    if format in ARROW_FORMATS:
        with pytest.raises(InvalidArgumentError, match=r"'odd'.*csv and jsonl"):
            exported(target.getvalue(), format)
        return
    data = OneWay()
    with Reader(target.getvalue()) as reader:
        assert export(reader, data, format) == 2
    assert re.findall(rb"-?\d{2,}|-\d", b"".join(data.parts)) == [b"18446744073709551615", b"-1"]


@pytest.mark.parametrize("format", FORMATS)
def test_columns_kinds_and_times_are_selected(format):
    batch = sample_session(20_000, seed=4)
    start, stop = int(batch.t[9_000]), int(batch.t[16_000])
    wanted = batch[(batch.t >= start) & (batch.t < stop) & np.isin(batch.kind, (1, 3))]
    assert 0 < len(wanted) < 2_000
    asked = {"columns": ("y", "t", "display"), "kinds": (1, 3), "start": start, "stop": stop}
    data = exported(encode(batch), format, **asked)
    found = parsed(data, format)
    assert list(found.columns) == ["y", "t", "display"]
    assert found.t.tolist() == wanted.t.tolist()
    assert found.y.tolist() == wanted.y.tolist()
    assert not found.display.any()


@pytest.mark.parametrize("format", FORMATS)
def test_no_events_are_an_empty_table(format):
    found = parsed(exported(encode(sample_session(0)), format), format)
    assert len(found) == 0
    if format != "jsonl":
        assert {"t", "kind", "x"} <= found.columns.keys()


@pytest.mark.parametrize("format", FORMATS)
def test_an_unknown_column_is_said(format):
    with pytest.raises(InvalidArgumentError, match="'presure': found nowhere"):
        exported(encode(sample_session(5)), format, columns=("presure",))


def test_entries_come_first_in_json_lines(mixed):
    lines = [json.loads(line) for line in exported(mixed[0], "jsonl", entries=True).splitlines()]
    head, *entries = [line for line in lines if "entry" in line]
    assert lines[: 1 + len(entries)] == [head, *entries]
    assert head["metadata"]["who"] == "ü"
    assert base64.b64decode(head["metadata"]["raw"]["$bytes"]) == b"\x00\xff"
    assert head["governance"]["purpose"] == "tests"
    by_name = {entry["entry"]: entry for entry in entries}
    assert by_name.keys() == {"gap", "context", "marker", "payload"}
    assert by_name["gap"] == {"entry": "gap", "position": 5, "reason": "paused", "t0": 2, "t1": 3, "lost": 4}
    assert by_name["context"]["value"] == {"title": 'A "title"\n'}
    assert by_name["marker"]["data"] == {
        "inf": {"$float": "inf"},
        "map": {"$map": [[{"$bytes": "aw=="}, None]]},
        "ours": {"$map": [["$bytes", 1]]},
    }
    assert by_name["payload"]["data"] == {"$bytes": "/g=="}
    assert len(lines) == 1 + 4 + 5


def test_json_lines_hold_events_only_unless_asked(mixed):
    assert b"entry" not in exported(mixed[0], "jsonl")


def test_csv_refuses_entries(mixed):
    with pytest.raises(InvalidArgumentError, match="jsonl"):
        exported(mixed[0], "csv", entries=True)


@pytest.mark.parametrize("format", ARROW_FORMATS)
def test_arrow_carries_the_header_and_harmless_entries_in_its_metadata(mixed, format):
    schema = arrow_table(exported(mixed[0], format), format).schema
    assert json.loads(schema.metadata[b"evcodec.metadata"])["who"] == "ü"
    assert json.loads(schema.metadata[b"evcodec.governance"])["purpose"] == "tests"
    entries = json.loads(schema.metadata[b"evcodec.entries"])
    assert [entry["entry"] for entry in entries] == ["gap", "marker"]
    full = arrow_table(exported(mixed[0], format, entries=True), format).schema
    assert {e["entry"] for e in json.loads(full.metadata[b"evcodec.entries"])} == {
        "gap",
        "marker",
        "context",
        "payload",
    }


def test_many_small_blocks_become_few_large_record_batches():
    pytest.importorskip("pyarrow", reason="needs the extra arrow")
    import pyarrow.ipc
    import pyarrow.parquet

    target = io.BytesIO()
    with Writer(target, block_events=1_000, merge_on_close=False) as w:
        w.write(sample_session(150_000))
    with Reader(target.getvalue()) as reader:
        assert len(reader.blocks) >= 150
    arrow = pyarrow.ipc.open_file(io.BytesIO(exported(target.getvalue(), "arrow")))
    assert 1 < arrow.num_record_batches < 5
    parquet = pyarrow.parquet.ParquetFile(io.BytesIO(exported(target.getvalue(), "parquet")))
    assert parquet.metadata.num_row_groups == 1
    encodings = parquet.metadata.row_group(0).column(0).encodings
    assert "DELTA_BINARY_PACKED" in encodings


def test_a_target_that_fails_is_an_error_not_a_short_file():
    class Full(OneWay):
        def write(self, data) -> int:
            if sum(map(len, self.parts)) > 100_000:
                raise OSError(28, "No space left on device")
            return super().write(data)

    data = encode(sample_session(300_000))
    for format in FORMATS:
        if format in ARROW_FORMATS:
            pytest.importorskip("pyarrow", reason="needs the extra arrow")
        with Reader(data) as reader, pytest.raises(OSError, match="No space left"):
            export(reader, Full(), format)


@pytest.mark.parametrize("format", ARROW_FORMATS)
def test_without_pyarrow_the_error_names_the_extra(format):
    script = (
        "import io, sys; sys.modules['pyarrow'] = None\n"
        "import evcodec, evcodec.sinks\n"
        "data = evcodec.encode(evcodec.EventBatch(t=[1]))\n"
        "try:\n"
        f"    evcodec.sinks.export(evcodec.Reader(data), io.BytesIO(), {format!r})\n"
        "except evcodec.MissingExtraError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert "pip install 'evcodec[arrow]'" in done.stdout, done.stderr


def test_an_unknown_format_is_said():
    with (
        Reader(encode(sample_session(1))) as reader,
        pytest.raises(InvalidArgumentError, match="'xlsx', allowed: jsonl"),
    ):
        export(reader, io.BytesIO(), "xlsx")


def test_entry_classes_have_names_of_their_own():
    from evcodec import VideoAnchor
    from evcodec.sinks.plain import entry_name

    assert [entry_name(cls) for cls in (Gap, Context, Marker, Payload, VideoAnchor)] == [
        "gap",
        "context",
        "marker",
        "payload",
        "video_anchor",
    ]

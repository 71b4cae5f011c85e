"""``info``, ``cat``, ``verify``, ``repair``, ``compact`` and ``demo``: what they say, to people and to machines."""

from __future__ import annotations

import json

import numpy as np
import pytest

from evcodec import EventBatch, Reader, Writer
from running import SECRET, evcodec, write_balabit, write_stream


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    return write_stream(tmp_path_factory.mktemp("stream") / "s.evc")


@pytest.fixture(scope="module")
def batch(stream) -> EventBatch:
    with Reader(stream) as reader:
        return reader.read()


def damaged(stream, folder):
    """Return a copy of a stream with a damaged block, and where that is."""
    data = bytearray(stream.read_bytes())
    with Reader(stream) as reader:
        block = reader.blocks[1]
    data[block.position + block.size // 2] ^= 1
    bad = folder / "bad.evc"
    bad.write_bytes(data)
    return bad, block


def json_lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_info_tells_a_machine_everything(stream, batch):
    done = evcodec("info", stream, "--json")
    assert done.status == 0
    (found,) = json_lines(done.text)
    assert found["path"] == str(stream)
    assert found["size"] == stream.stat().st_size
    assert found["events"] == 3_000
    assert (found["start"], found["stop"]) == (int(batch.t.min()), int(batch.t.max()))
    assert found["span_ns"] == found["stop"] - found["start"]
    assert found["wall_start_ns"] == 1_700_000_000_000_000_000
    assert found["kinds"]["move"] == int((batch.kind == 0).sum())
    assert sum(found["kinds"].values()) == 3_000
    assert {name: column["dtype"] for name, column in found["columns"].items()} == {
        name: str(column.dtype) for name, column in batch.columns.items()
    }
    stored = sum(column["bytes"] for column in found["columns"].values())
    assert found["other_bytes"] > 0
    assert stored > found["size"] / 4
    assert stored + found["other_bytes"] == pytest.approx(found["size"], abs=len(found["columns"]))
    assert found["gaps"] == {
        "paused": {"count": 1, "span_ns": 2_000_000_000, "lost": 7, "lost_unknown": 0},
        "secure_field": {"count": 1, "span_ns": 1, "lost": 0, "lost_unknown": 1},
    }
    assert found["sources"] == [{"index": 1, "name": "a mouse", "properties": {"scale_exponent": 0}}]
    assert (found["contexts"], found["payloads"]) == ({"window": 1}, {"text": 1})
    assert (found["markers"], found["anchors"], found["video_anchors"]) == (1, 1, 1)
    assert found["metadata"] == {"task": "form", "screen": [1920, 1080]}
    assert found["governance"]["purpose"] == "tests"


def test_info_tells_a_person(stream, batch):
    done = evcodec("info", stream)
    assert done.status == 0
    for expected in (
        "3,000 in",
        "bytes an event",
        "2023-11-14 22:13:20.000 UTC",
        "button_down",
        "paused",
        "secure field",
    ):
        assert expected in done.text
    for expected in (
        "2.000 s",
        "unknown",
        "a mouse",
        "scale_exponent=0",
        "task",
        "form",
        "purpose",
        "1 window",
        "1 text",
    ):
        assert expected in done.text


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_info_never_shows_anybodys_words(stream, options):
    assert SECRET not in evcodec("info", stream, *options).text
    assert SECRET in evcodec("cat", stream, "--entries", "--head", "0").text, "the test must be able to fail"


def test_info_of_nothing_and_of_one_event(tmp_path):
    for name, batch in (("none.evc", EventBatch(t=np.empty(0, np.int64))), ("one.evc", EventBatch(t=[-5]))):
        with Writer(tmp_path / name) as w:
            w.write(batch)
    done = evcodec("info", tmp_path, "--json")
    assert done.status == 0
    none, one = json_lines(done.text)
    assert (none["events"], none["start"], none["span_ns"], none["bytes_per_event"]) == (0, None, None, None)
    assert (one["events"], one["start"], one["span_ns"], one["kinds"]) == (1, -5, 0, {"move": 1})
    assert evcodec("info", tmp_path).status == 0


def test_info_reads_a_pipe_and_goes_on_after_a_bad_file(stream, tmp_path):
    (tmp_path / "bad.evc").write_bytes(b"hello")
    done = evcodec("info", tmp_path / "bad.evc", "-", stream, "--json", stdin=stream.read_bytes())
    assert done.status == 1
    bad, piped, named = json_lines(done.text)
    assert "error" in bad
    assert {**piped, "path": 0} == {**named, "path": 0}
    assert piped["size"] == stream.stat().st_size


def test_names_from_a_file_cannot_drive_the_terminal(tmp_path):
    path = tmp_path / "s.evc"
    with Writer(path, metadata={"evil\x1b[2J": "\x1b]0;owned\x07", "[bold]markup": "[link=x]"}) as w:
        w.source("mouse\x1b[31m\r\n")
        w.marker(1, "m\x1b[0m")
        w.write(EventBatch(t=[1], **{"col\x1b[5m": [1]}))
    for args in (("info",), ("cat", "--entries")):
        done = evcodec(args[0], path, *args[1:])
        assert done.status == 0
        assert b"\x1b" not in done.out
        assert b"\x07" not in done.out
        assert b"\r" not in done.out
    assert "[bold]markup" in evcodec("info", path).text


def test_cat_prints_lines_for_people(stream, batch):
    done = evcodec("cat", stream)
    assert done.status == 0
    lines = done.text.splitlines()
    assert len(lines) == 3_000
    for at in (0, 1_500, 2_999):
        time, kind, *fields = lines[at].split()
        whole, nine = time.split(".")
        assert int(whole) * 10**9 + int(nine) == int(batch.t[at])
        shown = dict(field.split("=") for field in fields)
        assert (
            kind
            == {0: "move", 1: "button_down", 2: "button_up", 3: "scroll", 4: "key_down", 5: "key_up"}[
                int(batch.kind[at])
            ]
        )
        for name, column in batch.columns.items():
            if name not in ("t", "kind"):
                assert int(shown.get(name, 0)) == int(column[at])


def test_cat_prints_json_lines_exactly(stream, batch):
    rows = json_lines(evcodec("cat", stream, "--json").text)
    assert {name: [row[name] for row in rows] for name in rows[0]} == {
        name: column.tolist() for name, column in batch.columns.items()
    }


def test_cat_selects(stream, batch):
    start, stop = int(batch.t[700]), int(batch.t[2_000])
    within = (batch.t >= start) & (batch.t < stop)
    done = evcodec(
        "cat",
        stream,
        "--json",
        "--start",
        str(start),
        "--stop",
        str(stop),
        "--columns",
        "x,t",
        "--kinds",
        "move,3",
    )
    expected = batch[within & np.isin(batch.kind, (0, 3))]
    rows = json_lines(done.text)
    assert list(rows[0]) == ["x", "t"]
    assert [row["t"] for row in rows] == expected.t.tolist()
    assert [row["x"] for row in rows] == expected.x.tolist()


@pytest.mark.parametrize(
    ("typed", "ns"),
    [
        ("5100000000", 5_100_000_000),
        ("5_100_000_000ns", 5_100_000_000),
        ("5.1s", 5_100_000_000),
        ("5100ms", 5_100_000_000),
    ],
)
def test_cat_takes_times_in_many_units(stream, batch, typed, ns):
    rows = json_lines(evcodec("cat", stream, "--json", "--start", typed).text)
    assert [row["t"] for row in rows] == batch.t[batch.t >= ns].tolist()


def test_cat_takes_times_from_the_first_event(stream, batch):
    rows = json_lines(evcodec("cat", stream, "--json", "--stop", "+1.5s").text)
    assert [row["t"] for row in rows] == batch.t[batch.t < batch.t[0] + 1_500_000_000].tolist()
    lines = evcodec("cat", stream, "--time", "relative", "--head", "2").text.splitlines()
    assert lines[0].split()[0] == "+0.000000000"


@pytest.mark.parametrize("head", [0, 1, 1_001, 5_000])
def test_cat_stops_after_some(stream, head):
    assert len(evcodec("cat", stream, "--head", str(head)).text.splitlines()) == min(head, 3_000)


def test_cat_shows_entries_when_asked(stream):
    lines = json_lines(evcodec("cat", stream, "--json", "--entries", "--head", "0").text)
    assert next(line["entry"] for line in lines) == "stream"
    assert {line["entry"] for line in lines} == {
        "stream", "source", "context", "anchor", "gap", "marker", "payload", "video_anchor"
    }  # fmt: skip
    assert next(line for line in lines if line["entry"] == "context")["value"] == {"title": SECRET}


def test_cat_keeps_times_exact_beyond_doubles(tmp_path):
    t = [-(1 << 63), -1, 0, 1_700_000_000_123_456_789, (1 << 63) - 1]
    with Writer(tmp_path / "s.evc") as w:
        w.write(EventBatch(t=t))
    lines = evcodec("cat", tmp_path / "s.evc").text.splitlines()
    assert [line.split()[0] for line in lines] == [
        "-9223372036.854775808",
        "-0.000000001",
        "0.000000000",
        "1700000000.123456789",
        "9223372036.854775807",
    ]


def test_cat_of_a_damaged_stream_says_so_after_what_is_whole(stream, tmp_path):
    bad, block = damaged(stream, tmp_path)
    done = evcodec("cat", bad, "--json")
    assert done.status == 1
    assert "evcodec repair" in done.err
    skipped = evcodec("cat", bad, "--json", "--skip-damage")
    assert len(skipped.text.splitlines()) == 3_000 - block.events


@pytest.mark.parametrize("command", ["info", "cat", "export"])
@pytest.mark.parametrize("way", ["path", "stdin"])
def test_damage_that_is_skipped_is_told(stream, tmp_path, command, way):
    bad, block = damaged(stream, tmp_path)
    given, data = (bad, None) if way == "path" else ("-", bad.read_bytes())
    done = evcodec(command, given, "--skip-damage", stdin=data)
    assert done.status == 1
    assert done.out
    told = [line for line in done.err.splitlines() if "left out" in line]
    name = bad if way == "path" else "stdin"
    assert len(told) == (2 if (command, way) == ("cat", "stdin") else 1)  # a pipe also misses the record
    assert told[0].startswith(f"evcodec: {name}: left out: byte {block.position}: checksum")
    assert evcodec(command, stream, "--skip-damage").status == 0


def test_damage_that_is_skipped_is_told_to_machines(stream, tmp_path):
    bad, block = damaged(stream, tmp_path)
    (found,) = json_lines(evcodec("info", bad, "--skip-damage", "--json").text)
    (row,) = json_lines(evcodec("export", bad, tmp_path / "t.csv", "--skip-damage", "--json").text)
    for told in (found, row):
        assert [problem.partition(": ")[0] for problem in told["problems"]] == [f"byte {block.position}"]
    assert (row["ok"], row["events"]) == (False, 3_000 - block.events)
    assert found["size"] == stream.stat().st_size
    done = evcodec("export", bad, tmp_path / "u.csv", "--skip-damage")
    assert " ok " not in done.text
    assert "damage left out" in done.text
    (whole,) = json_lines(evcodec("info", stream, "--skip-damage", "--json").text)
    assert whole["problems"] == []


def test_cat_says_which_of_several_inputs_lacks_a_column(stream, tmp_path):
    other = tmp_path / "other.evc"
    with Writer(other) as w:
        w.write(EventBatch(t=[1, 2], drag=[7, 8]))
    done = evcodec("cat", other, stream, "--columns", "drag", "--json")
    assert done.status == 1
    assert json_lines(done.text) == [{"drag": 7}, {"drag": 8}]
    assert done.err.startswith(f"evcodec: {stream}: column 'drag'")
    none = evcodec("cat", other, stream, "--columns", "nope")
    assert (none.status, none.out) == (1, b"")
    assert [line.split(": ")[1] for line in none.err.splitlines()] == [str(other), str(stream)]


def test_verify_counts_what_it_checked(stream):
    done = evcodec("verify", stream, "-", "--json", stdin=stream.read_bytes())
    assert done.status == 0
    rows = json_lines(done.text)
    assert [row["path"] for row in rows] == [str(stream), "-"]
    for row in rows:
        assert (row["ok"], row["events"], row["problems"]) == (True, 3_000, [])
        assert 0 < row["blocks"] < row["records"]
    assert evcodec("verify", stream).text.startswith(f"{stream}: ok, 3,000 events")


def test_repair_saves_what_is_whole(stream, tmp_path):
    data = bytearray(stream.read_bytes())
    with Reader(stream) as reader:
        block = reader.blocks[0]
    data[block.position + block.size // 2] ^= 1
    bad, good = tmp_path / "bad.evc", tmp_path / "good.evc"
    bad.write_bytes(data)
    verified = evcodec("verify", bad)
    assert verified.status == 1
    assert "damaged" in verified.text
    done = evcodec("repair", bad, good, "--json")
    assert done.status == 0
    (report,) = json_lines(done.text)
    assert report["problems"]
    assert report["events"] == 3_000 - block.events
    with Reader(good) as reader:
        assert len(reader) == 3_000 - block.events
    assert evcodec("verify", good).status == 0
    assert bad.read_bytes() == data
    piped = evcodec("repair", "-", "-", stdin=bytes(data))
    assert piped.status == 0
    assert len(piped.out) == good.stat().st_size
    assert "saved" in piped.err


@pytest.mark.parametrize("level", ["fast", "balanced", "small", None])
def test_compact_keeps_every_event_and_entry(stream, batch, tmp_path, level):
    small = tmp_path / "small.evc"
    done = evcodec("compact", stream, small, *(("--level", level) if level else ()), "--json")
    assert done.status == 0, done.err
    (report,) = json_lines(done.text)
    assert (report["bytes_in"], report["bytes_out"]) == (stream.stat().st_size, small.stat().st_size)
    with Reader(small) as reader, Reader(stream) as before:
        assert reader.read().equals(batch)
        assert list(reader.entries()) == list(before.entries())
        assert (reader.metadata, reader.governance) == (before.metadata, before.governance)
        assert len(reader.blocks) == 1


def test_compact_through_pipes(stream, batch):
    done = evcodec("compact", "-", "-", stdin=stream.read_bytes())
    assert done.status == 0
    with Reader(done.out) as reader:
        assert reader.read().equals(batch)


def test_demo_compares_what_it_checked():
    done = evcodec("demo", "--events", "3000", "--runs", "1", "--json")
    assert done.status == 0, done.err
    (found,) = json_lines(done.text)
    assert found["events"] == 3_000
    rows = {row["name"]: row for row in found["rows"]}
    assert {
        "JSON lines",
        "msgpack rows + zstd 3",
        "evcodec, live, one call an event",
        "evcodec, bulk, balanced",
    } <= rows.keys()
    assert all(row["checked"] for row in rows.values())
    assert (
        rows["evcodec, bulk, balanced"]["bytes"]
        < rows["msgpack rows + zstd 3"]["bytes"]
        < rows["JSON lines"]["bytes"]
    )
    assert len(rows) + len(found["missing"]) == 8


def test_demo_takes_recordings_and_streams(stream, tmp_path):
    for source, events in ((stream, 3_000), (write_balabit(tmp_path / "s.csv"), 500)):
        done = evcodec("demo", source, "--runs", "1")
        assert done.status == 0, done.err
        assert f"{events:,} events" in done.text
        assert "evcodec, bulk, small" in done.text


def test_demo_shows_no_row_that_came_back_changed(tmp_path):
    from evcodec.cli.peers import Way, difference

    batch = EventBatch(t=[1, 2], x=[3, 4])
    way = Way("liar", lambda: b"", lambda _data: EventBatch(t=[1, 2], x=[3, 5]))
    way.run(batch)
    assert way.fault == "column 'x', event 1: found 5, written: 4"
    assert difference(batch, batch[:1]) == "found 1 events, written: 2"
    assert difference(batch, EventBatch(t=[1, 2], x=[3, 4], y=[0, 0])) is None
    assert difference(
        EventBatch(t=[1], a=np.array([-1], np.int64)),
        EventBatch(t=[1], a=np.array([(1 << 64) - 1], np.uint64)),
    )


def test_demo_saves_its_session(tmp_path):
    from evcodec.sample import sample_session

    path = tmp_path / "sample.evc"
    done = evcodec("demo", "--events", "500", "--seed", "9", "--save", path)
    assert done.status == 0
    with Reader(path) as reader:
        assert reader.read().equals(sample_session(500, seed=9))

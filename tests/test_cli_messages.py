"""What commands say: which input it is about, what helps, how many, and nothing that somebody typed."""

from __future__ import annotations

import json
import re

import pytest

from evcodec import EventBatch, GapReason, Writer
from running import evcodec, write_balabit, write_stream


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    return write_stream(tmp_path_factory.mktemp("stream") / "s.evc")


@pytest.mark.parametrize("command", ["info", "cat", "export", "import", "repair", "compact"])
@pytest.mark.parametrize("name", ["bad.evc", "b"])
@pytest.mark.parametrize("piped", [False, True])
def test_every_message_begins_with_its_input(stream, tmp_path, command, name, piped):
    """A name of one letter is part of every message, and the hint to repair has the name too."""
    data = stream.read_bytes() if command != "import" else write_balabit(tmp_path / name).read_bytes()
    data = b"hello" if command == "repair" else data[: len(data) // 2 - 1]
    (tmp_path / name).write_bytes(data)
    out = () if command in ("info", "cat") else ("out.csv",)
    source = "-" if piped else name
    done = evcodec(command, source, *out, cwd=tmp_path, stdin=data if piped else None)
    assert done.status == 1
    assert re.match(f"evcodec: {'<?stdin>?' if piped else re.escape(name)}[:,] ?", done.err), done.err
    assert done.err.count("stdin") == piped


@pytest.mark.parametrize("content", [b"", b"root:x:0:0\n" * 9])
def test_repair_is_not_advised_for_what_is_no_stream(stream, tmp_path, content):
    other, cut = tmp_path / "passwd", tmp_path / "cut.evc"
    other.write_bytes(content)
    cut.write_bytes(stream.read_bytes()[:-500])
    for command in ("info", "cat", "export"):
        assert "evcodec repair" not in evcodec(command, other).err
    assert f"evcodec repair {cut} OUT" in evcodec("export", cut).err
    assert "evcodec repair" not in evcodec("compact", other, tmp_path / "out.evc").err
    assert "evcodec repair" not in evcodec("info", "-", stdin=cut.read_bytes()).err


@pytest.mark.parametrize("format", ["balabit", "ducktrack", "evemu", "owamcap"])
@pytest.mark.parametrize(
    "line",
    [
        '{"time_stamp": 1.0, "action": "press", "name": "Zebra"}',
        '{"time_stamp": 1.0, "action": "Zebra", "name": "S"}',
        '{"time_stamp": "Zebra", "action": "press", "name": "S"}',
        "E: 0.000000 Zebra 0001 1",
        "Zebra",
    ],
)
def test_no_message_shows_what_stands_in_a_recording(tmp_path, format, line):
    source = tmp_path / "s"
    source.write_text(line + "\n" + line[:-1])
    done = evcodec("import", source, tmp_path / "out.evc", "--format", format)
    assert done.status == 1
    assert done.err
    assert "Zebra" not in done.err + done.text


def test_one_is_not_called_many(tmp_path):
    path = tmp_path / "one.evc"
    with Writer(path) as w:
        w.write(EventBatch(t=[1]))
        w.gap(GapReason.PAUSED, 1, 2)
    assert "1 event in 1 block, 4 records" in evcodec("verify", path).text
    assert "saved 1 event in 1 block;" in evcodec("repair", path, tmp_path / "a.evc").text
    assert ": 1 event, " in evcodec("compact", path, tmp_path / "b.evc").text
    assert ": not carried: 1 gap;" in evcodec("export", path, tmp_path / "c.csv").text
    assert evcodec("export", path).err.startswith(f"evcodec: {path}: not carried: 1 gap;")


def test_tables_in_a_pipe_end_no_line_in_spaces(stream, tmp_path):
    source = write_balabit(tmp_path / "s.csv")
    for args in (("info", stream), ("import", source, tmp_path / "out.evc")):
        lines = evcodec(*args).text.splitlines()
        assert len(lines) > 1
        assert [line for line in lines if line != line.rstrip()] == []


def test_events_that_are_not_kept_are_not_counted(tmp_path):
    bad, good = write_balabit(tmp_path / "bad.csv", 100), write_balabit(tmp_path / "good.csv", 100)
    with bad.open("ab") as file:
        file.write(b"11.0,11.")
    args = ("import", bad, good, tmp_path / "out")
    rows = [json.loads(line) for line in evcodec(*args, "--json").text.splitlines()]
    assert [(row["ok"], row["events"]) for row in rows] == [(False, 0), (True, 100)]
    assert re.search(r"bad\.csv +balabit +failed +0 ", evcodec(*args, "--force").text)

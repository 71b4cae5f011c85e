"""``evcodec import`` and ``export``: files, folders, pipes, failures beside successes, nothing half written."""

from __future__ import annotations

import csv
import io
import json
import os

import pytest

from evcodec import Reader
from evcodec.sources import import_file
from running import BALABIT, evcodec, write_balabit, write_stream


@pytest.fixture
def recordings(tmp_path):
    """Return a folder with two recordings, a file of no known format, a hidden one and a stream."""
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    write_balabit(folder / "a.csv", 300)
    write_balabit(folder / "deep" / "b.csv", 200)
    (folder / "notes.txt").write_text("hello")
    (folder / ".hidden.csv").write_bytes((folder / "a.csv").read_bytes())
    write_stream(folder / "old.evc", 10)
    return folder


def events_of(path) -> int:
    with Reader(path) as reader:
        return len(reader)


def expected(path) -> bytes:
    """Return the stream that the library makes of a recording."""
    target = io.BytesIO()
    import_file(path, target)
    return target.getvalue()


def same_events(path, source) -> bool:
    with Reader(path) as one, Reader(expected(source)) as other:
        return one.read().equals(other.read()) and one.metadata == other.metadata


def test_one_file_becomes_one_stream(tmp_path):
    source, target = write_balabit(tmp_path / "s.csv"), tmp_path / "t.evc"
    done = evcodec("import", source, target)
    assert done.status == 0, done.err
    assert "s.csv" in done.text
    assert "balabit" in done.text
    assert "500" in done.text
    assert same_events(target, source)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.csv", "t.evc"]


def test_the_output_has_the_usual_permissions(tmp_path):
    source = write_balabit(tmp_path / "s.csv")
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    assert evcodec("import", source, tmp_path / "t.evc").status == 0
    assert (tmp_path / "t.evc").stat().st_mode == plain.stat().st_mode


def test_without_dst_the_stream_goes_here(tmp_path, recordings):
    here = tmp_path / "here"
    here.mkdir()
    assert evcodec("import", recordings / "a.csv", cwd=here).status == 0
    assert same_events(here / "a.csv.evc", recordings / "a.csv")
    assert evcodec("import", recordings, cwd=here).status == 0
    assert events_of(here / "in.evc" / "deep" / "b.csv.evc") == 200


def test_a_folder_keeps_its_shape(tmp_path, recordings):
    done = evcodec("import", recordings, tmp_path / "out")
    assert done.status == 0
    found = {
        str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()
    }
    assert found == {"a.csv.evc", os.path.join("deep", "b.csv.evc")}
    assert "left out 1 of no known format" in done.err
    assert "notes.txt" in done.err


def test_folders_and_files_together(tmp_path, recordings):
    other = tmp_path / "other"
    other.mkdir()
    write_balabit(other / "a.csv", 70)
    done = evcodec("import", recordings, other, recordings / "a.csv", tmp_path / "out")
    assert done.status == 0, done.err
    assert events_of(tmp_path / "out" / "in" / "a.csv.evc") == 300
    assert events_of(tmp_path / "out" / "other" / "a.csv.evc") == 70
    assert events_of(tmp_path / "out" / "a.csv.evc") == 300


def test_two_inputs_of_one_name_are_refused_before_anything_is_written(tmp_path, recordings):
    other = tmp_path / "other"
    other.mkdir()
    write_balabit(other / "a.csv")
    done = evcodec("import", recordings / "a.csv", other / "a.csv", tmp_path / "out")
    assert done.status == 2
    assert not (tmp_path / "out").exists()


def test_a_file_that_fails_does_not_stop_the_others(tmp_path, recordings):
    (recordings / "bad.csv").write_bytes(BALABIT + b"0.0,0.0,NoButton,Move,12,oops\n")
    done = evcodec("import", recordings, tmp_path / "out", "--json")
    assert done.status == 1
    rows = {os.path.basename(row["source"]): row for row in map(json.loads, done.text.splitlines())}
    assert {name: row["ok"] for name, row in rows.items()} == {"a.csv": True, "bad.csv": False, "b.csv": True}
    assert rows["a.csv"]["events"] == 300
    assert rows["a.csv"]["bytes_out"] == (tmp_path / "out" / "a.csv.evc").stat().st_size
    assert "bad.csv" in rows["bad.csv"]["error"]
    assert "bad.csv" in done.err
    assert not (tmp_path / "out" / "bad.csv.evc").exists()
    assert events_of(tmp_path / "out" / "deep" / "b.csv.evc") == 200


def test_a_damaged_source_is_kept_up_to_the_damage_when_asked(tmp_path):
    source = write_balabit(tmp_path / "s.csv", 100)
    with source.open("ab") as file:
        file.write(b"11.0,11.")
    assert evcodec("import", source, tmp_path / "t.evc").status == 1
    assert not (tmp_path / "t.evc").exists()
    done = evcodec("import", source, tmp_path / "t.evc", "--salvage")
    assert done.status == 1
    assert "kept the 100 events before" in done.err
    assert events_of(tmp_path / "t.evc") == 100


def test_stdin_and_stdout(tmp_path):
    source = write_balabit(tmp_path / "s.csv")
    done = evcodec("import", "-", "-", stdin=source.read_bytes())
    assert done.status == 0
    assert "balabit" in done.err
    with Reader(done.out) as piped, Reader(expected(source)) as other:
        assert piped.read().equals(other.read())


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 100, b"hello\n", b"{}\n", b"\x89MCAP0\r\n", b"E: ", b"\xff" * 5_000]
)
def test_what_is_no_recording_is_status_1(tmp_path, content):
    (tmp_path / "s").write_bytes(content)
    done = evcodec("import", tmp_path / "s", tmp_path / "t.evc")
    assert done.status == 1
    assert "/s" in done.err.replace("\\", "/")
    assert not (tmp_path / "t.evc").exists()


def test_existing_outputs_are_kept_without_force(tmp_path):
    source, target = write_balabit(tmp_path / "s.csv"), write_stream(tmp_path / "t.evc", 10)
    before = target.read_bytes()
    done = evcodec("import", source, target)
    assert done.status == 2
    assert "--force" in done.err
    assert target.read_bytes() == before
    assert evcodec("import", source, target, "--force").status == 0
    assert events_of(target) == 500


def test_force_replaces_streams_only(tmp_path):
    one, two = write_balabit(tmp_path / "a.csv"), write_balabit(tmp_path / "b.csv")
    before = two.read_bytes()
    done = evcodec("import", one, two, "--force")
    assert done.status == 2
    assert two.read_bytes() == before


@pytest.mark.parametrize("command", ["import", "export", "repair", "compact"])
@pytest.mark.parametrize("way", ["same", "link"])
def test_the_input_is_never_the_output(tmp_path, command, way):
    path = write_balabit(tmp_path / "s.csv") if command == "import" else write_stream(tmp_path / "s.csv", 10)
    before = path.read_bytes()
    target = path
    if way == "link":
        target = tmp_path / "link.csv"
        try:
            target.symlink_to(path)
        except OSError:
            pytest.skip("links cannot be made here")
    done = evcodec(command, path, target, "--force")
    assert done.status == 2
    assert "the input itself" in done.err
    assert path.read_bytes() == before


def test_a_link_stays_a_link(tmp_path):
    source, real = write_balabit(tmp_path / "s.csv"), write_stream(tmp_path / "real.evc", 10)
    link = tmp_path / "link.evc"
    try:
        link.symlink_to(real)
    except OSError:
        pytest.skip("links cannot be made here")
    assert evcodec("import", source, link, "--force").status == 0
    assert link.is_symlink()
    assert events_of(real) == 500


@pytest.mark.parametrize("format", ["balabit", "ducktrack", "evemu", "owamcap"])
def test_real_recordings_go_all_the_way(shared_data, tmp_path, format):
    folder = shared_data / "source" / format
    sources = sorted(path for path in folder.rglob("*") if path.is_file())
    assert sources
    done = evcodec("import", folder, tmp_path / "out", "--json")
    assert done.status == 0, done.err
    rows = [json.loads(line) for line in done.text.splitlines()]
    assert [row["source"] for row in rows] == [str(path) for path in sources]
    assert {row["format"] for row in rows} == {format}
    streams = [row["target"] for row in rows]
    checked = [json.loads(line) for line in evcodec("verify", tmp_path / "out", "--json").text.splitlines()]
    assert [(row["path"], row["ok"], row["events"]) for row in checked] == [
        (path, True, row["events"])
        for path, row in zip(sorted(streams), sorted(rows, key=lambda r: r["target"]), strict=True)
    ]
    told = [json.loads(line) for line in evcodec("info", tmp_path / "out", "--json").text.splitlines()]
    assert sum(one["events"] for one in told) == sum(row["events"] for row in rows)
    exported = evcodec("export", streams[0], "-", "--format", "csv")
    table = list(csv.DictReader(io.StringIO(exported.text)))
    with Reader(streams[0]) as reader:
        batch = reader.read()
    assert [[int(row[name]) for row in table] for name in batch.columns] == [
        column.tolist() for column in batch.columns.values()
    ]
    assert evcodec("cat", *streams).status == 0


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_text_exports_hold_every_event(tmp_path, suffix):
    stream = write_stream(tmp_path / "s.evc")
    target = tmp_path / f"t.{suffix}"
    done = evcodec("export", stream, target)
    assert done.status == 0, done.err
    assert "2 gaps, 1 context, 1 marker, 1 payload" in done.text
    with Reader(stream) as reader:
        batch = reader.read()
    lines = target.read_text().splitlines()
    rows = [json.loads(line) for line in lines] if suffix == "jsonl" else list(csv.DictReader(lines))
    assert [int(row["t"]) for row in rows] == batch.t.tolist()
    assert [int(row["x"]) for row in rows] == batch.x.tolist()


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "arrows"])
def test_binary_exports_hold_every_event(tmp_path, suffix):
    pytest.importorskip("pyarrow", reason="needs the extra arrow")
    import pyarrow as pa
    import pyarrow.parquet as pq

    stream = write_stream(tmp_path / "s.evc")
    to_file = evcodec("export", stream, tmp_path / f"t.{suffix}")
    piped = evcodec("export", "-", "--format", suffix, stdin=stream.read_bytes())
    assert (to_file.status, piped.status) == (0, 0)
    assert (tmp_path / f"t.{suffix}").read_bytes() == piped.out
    data = io.BytesIO(piped.out)
    table = (
        pq.read_table(data)
        if suffix == "parquet"
        else (pa.ipc.open_file if suffix == "arrow" else pa.ipc.open_stream)(data).read_all()
    )
    with Reader(stream) as reader:
        batch = reader.read()
    assert {name: table[name].to_pylist() for name in table.column_names} == {
        name: column.tolist() for name, column in batch.columns.items()
    }


def test_export_to_stdout_is_json_lines_alone(tmp_path):
    stream = write_stream(tmp_path / "s.evc")
    done = evcodec("export", stream, "--kinds", "button_down", "--columns", "t,code")
    assert done.status == 0
    rows = [json.loads(line) for line in done.text.splitlines()]
    assert rows
    assert all(row.keys() == {"t", "code"} for row in rows)
    assert "--entries" in done.err


def test_export_of_a_folder(tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    write_stream(tmp_path / "in" / "a.evc", 100)
    write_stream(tmp_path / "in" / "deep" / "no-suffix", 200)
    (tmp_path / "in" / "notes.txt").write_text("hello")
    (tmp_path / "in" / "bad.evc").write_bytes(b"hello")
    done = evcodec("export", tmp_path / "in", tmp_path / "out", "--format", "csv", "--json")
    assert done.status == 1
    rows = {os.path.basename(row["target"]): row for row in map(json.loads, done.text.splitlines())}
    assert {name: (row["ok"], row["events"]) for name, row in rows.items()} == {
        "a.csv": (True, 100),
        "bad.csv": (False, 0),
        "no-suffix.csv": (True, 200),
    }
    assert len((tmp_path / "out" / "deep" / "no-suffix.csv").read_text().splitlines()) == 201
    assert not (tmp_path / "out" / "bad.csv").exists()

"""The catalogue: what it keeps from being opened, and what happens to one that is old, forged or something else."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import evcodec
from dataset_files import LATER_NS, WALL_NS, made, put, stream
from evcodec import CorruptDataError, InvalidArgumentError, LimitExceededError, UnsupportedVersionError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

_listeners: list[list[str]] = []


def _hear(event: str, arguments: Any) -> None:
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        for listener in _listeners:
            listener.append(os.fsdecode(arguments[0]))


sys.addaudithook(_hear)  # for the rest of the process: Python has no way to take one back


@contextmanager
def opened(*suffixes: str) -> Iterator[list[str]]:
    """Give the names of the files that a block opens."""
    heard: list[str] = []
    found: list[str] = []
    _listeners.append(heard)
    try:
        yield found
    finally:
        _listeners.remove(heard)
        found += [Path(name).name for name in heard if name.endswith(suffixes or (".evc",))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(4):
        put(
            tmp_path / "d" / f"user={i % 2}" / f"{i}.evc",
            made(10 * (i + 1), start=10**9 * i),
            epoch=WALL_NS if i else None,
            metadata={"n": i, "raw": b"\xff", "nested": {"a": [1, None]}},
            governance={"purpose": "training", "retain_until_ns": LATER_NS + i, "policy_digest": b"\x00"},
        )
    put(tmp_path / "d" / "user=0" / "empty.evc", evcodec.EventBatch())
    return tmp_path


def test_files_that_it_knows_are_not_opened(folder: Path) -> None:
    catalogue = folder / "c.parquet"
    with opened() as names:
        first = evcodec.open_dataset(folder / "d", catalogue=catalogue)
    assert sorted(names) == ["0.evc", "1.evc", "2.evc", "3.evc", "empty.evc"]
    steps: list[Any] = []
    with opened() as names:
        again = evcodec.open_dataset(
            folder / "d", catalogue=str(catalogue), progress=lambda *step: steps.append(step)
        )
        split = again.splits(kinds=(1,))[0]
        assert len(again.filter(where={"n": {1, 2}, "purpose": "training"}).files) == 2
    assert names == steps == []
    assert again.files == first.files == evcodec.open_dataset(folder / "d").files
    assert again.files[0].metadata == {"n": 0, "raw": b"\xff", "nested": {"a": [1, None]}}
    assert again.files[0].retain_until_ns == LATER_NS
    with opened() as names:
        assert sum(map(len, again.read_split(split))) == 10
    assert names == ["0.evc"]


def test_it_is_written_anew_when_files_come_change_and_go(folder: Path) -> None:
    catalogue = folder / "c.parquet"
    evcodec.open_dataset(folder / "d", catalogue=catalogue)
    written = catalogue.stat().st_ino, catalogue.stat().st_mtime_ns
    evcodec.open_dataset(folder / "d", catalogue=catalogue)
    assert (catalogue.stat().st_ino, catalogue.stat().st_mtime_ns) == written
    put(folder / "d" / "user=0" / "0.evc", made(11))
    put(folder / "d" / "new.evc", made(5))
    (folder / "d" / "user=1" / "1.evc").unlink()
    with opened() as names:
        dataset = evcodec.open_dataset(folder / "d", catalogue=catalogue)
    assert sorted(names) == ["0.evc", "new.evc"]
    assert dataset.files == evcodec.open_dataset(folder / "d").files
    table = pq.read_table(catalogue)
    assert sorted(Path(path).name for path in table["path"].to_pylist()) == [
        "0.evc",
        "2.evc",
        "3.evc",
        "empty.evc",
        "new.evc",
    ]
    (folder / "d" / "new.evc").unlink()
    evcodec.open_dataset(folder / "d", catalogue=catalogue)  # what was erased leaves the catalogue at once
    assert len(pq.read_table(catalogue)) == 4


def test_files_that_were_not_asked_for_stay_in_it(folder: Path) -> None:
    catalogue = folder / "c.parquet"
    evcodec.open_dataset(folder / "d", catalogue=catalogue)
    put(folder / "d" / "user=0" / "0.evc", made(11))
    put(folder / "d" / "user=1" / "1.evc", made(11))
    with opened() as names:
        evcodec.open_dataset(folder / "d", catalogue=catalogue, where={"user": 1})
    assert names == ["1.evc"]
    with opened() as names:
        evcodec.open_dataset(folder / "d", catalogue=catalogue)
    assert names == ["0.evc"]


def test_files_with_problems_are_not_kept(folder: Path) -> None:
    catalogue = folder / "c.parquet"
    data = stream(made(300), block_events=32)
    (folder / "d" / "cut.evc").write_bytes(data[: len(data) * 2 // 3])
    (folder / "d" / "foreign.evc").write_bytes(b"no stream")
    for _ in range(2):
        with opened() as names:
            dataset = evcodec.open_dataset(folder / "d", catalogue=catalogue, on_error="skip")
        assert {"cut.evc", "foreign.evc"} <= {*names}
        assert {Path(problem.path).name for problem in dataset.problems} == {"cut.evc", "foreign.evc"}
    assert sorted(names) == ["cut.evc", "foreign.evc"]
    with pytest.raises(evcodec.EvcodecError, match=r"cut\.evc"):
        evcodec.open_dataset(folder / "d", catalogue=catalogue)


def forged(catalogue: Path, name: str, value: Any) -> None:
    """Change one field of the row of 2.evc."""
    table = pq.read_table(catalogue)
    rows = table.to_pylist()
    row = next(row for row in rows if row["path"].endswith("2.evc"))
    row[name] = value
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), catalogue)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("start", 1),
        ("stop", 2**62),
        ("blocks", 2),
        ("kind_events", [9, 11, 10]),
        ("columns", '[["t", "int64"], ["kind", "uint8"]]'),
        ("columns", '[["t", "int64"], ["kind", "uint8"], ["x", "int8"]]'),
        ("columns", "{}"),
        ("metadata", b"\x80"),
        ("metadata", b"\x01"),
        ("governance", b"\x80"),
    ],
    ids=str,
)
def test_a_forged_row_is_noticed_when_the_file_is_read(folder: Path, name: str, value: Any) -> None:
    catalogue = folder / "c.parquet"
    evcodec.open_dataset(folder / "d", catalogue=catalogue)
    forged(catalogue, name, value)
    for on_error in ("raise", "skip"):
        dataset = evcodec.open_dataset(folder / "d", catalogue=catalogue, on_error=on_error)
        if on_error == "raise":
            with pytest.raises(CorruptDataError, match=r"2\.evc"):
                dataset.read()
        else:
            assert len(dataset.read()) == 70
            assert [Path(problem.path).name for problem in dataset.problems] == ["2.evc"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("events", -1),
        ("events", 31),
        ("blocks", -1),
        ("blocks", 0),
        ("start", 2**62),
        ("head_bytes", 10**9),
        ("start", None),
        ("kind_events", [10, 10]),
        ("kind_events", [10, 21, -1]),
        ("kinds", [0, 1, 1]),
        ("columns", '[["t", "float64"]]'),
        ("columns", "[["),
        ("columns", '[["t"]]'),
        ("governance", b"\xc1"),
        ("governance", b"\x81\xa7purpose\x01"),
        ("governance", b"\xdf\xff\xff\xff\xff"),
    ],
    ids=str,
)
def test_a_row_that_cannot_be_is_refused(folder: Path, name: str, value: Any) -> None:
    catalogue = folder / "c.parquet"
    evcodec.open_dataset(folder / "d", catalogue=catalogue)
    forged(catalogue, name, value)
    for on_error in ("raise", "skip"):
        with pytest.raises((CorruptDataError, LimitExceededError), match=r"c\.parquet"):
            evcodec.open_dataset(folder / "d", catalogue=catalogue, on_error=on_error)


def test_a_stale_epoch_is_noticed_where_times_are_stamped(folder: Path) -> None:
    catalogue = folder / "c.parquet"
    evcodec.open_dataset(folder / "d", catalogue=catalogue)
    forged(catalogue, "epoch_ns", 5)
    dataset = evcodec.open_dataset(folder / "d", catalogue=catalogue)
    with pytest.raises(pa.ArrowInvalid, match=r"2\.evc: epoch"):
        pa.table(dataset.arrow(timestamps=True, epoch_ns=0))
    dataset = evcodec.open_dataset(folder / "d", catalogue=catalogue, on_error="skip")
    assert len(pa.table(dataset.arrow(timestamps=True, epoch_ns=0))) == 70
    assert [Path(problem.path).name for problem in dataset.problems] == ["2.evc"]


def test_what_is_no_catalogue_is_left_as_it_is(folder: Path) -> None:
    catalogue = folder / "c.parquet"
    pq.write_table(pa.table({"mine": [1, 2, 3]}), catalogue)
    before = catalogue.read_bytes()
    with pytest.raises(InvalidArgumentError, match=r"c\.parquet: found a Parquet file that is no catalogue"):
        evcodec.open_dataset(folder / "d", catalogue=catalogue)
    catalogue.write_bytes(before[:-20])
    with pytest.raises(CorruptDataError, match=r"c\.parquet: catalogue: ArrowInvalid"):
        evcodec.open_dataset(folder / "d", catalogue=catalogue)
    assert catalogue.read_bytes() == before[:-20]
    pq.write_table(pa.table({"path": ["x"]}).replace_schema_metadata({"evcodec.catalogue": "3"}), catalogue)
    with pytest.raises(UnsupportedVersionError, match=r"c\.parquet: version of the catalogue: found b'3'"):
        evcodec.open_dataset(folder / "d", catalogue=catalogue)
    pq.write_table(pa.table({"path": ["x"]}).replace_schema_metadata({"evcodec.catalogue": "2"}), catalogue)
    with pytest.raises(CorruptDataError, match=r"c\.parquet: found other columns"):
        evcodec.open_dataset(folder / "d", catalogue=catalogue)
    with pytest.raises(OSError, match="nowhere"):
        evcodec.open_dataset(folder / "d", catalogue=folder / "nowhere" / "c.parquet")


def test_one_of_an_older_version_is_written_anew(folder: Path) -> None:
    catalogue = folder / "c.parquet"
    old = pa.table({"path": ["x"]}).replace_schema_metadata({"evcodec.catalogue": "1"})
    pq.write_table(old, catalogue)
    assert evcodec.open_dataset(folder / "d", catalogue=catalogue).files
    assert pq.read_schema(catalogue).metadata[b"evcodec.catalogue"] == b"2"


def test_other_tools_may_look_into_it(folder: Path) -> None:
    evcodec.open_dataset(folder / "d", catalogue=folder / "c.parquet")
    table = pq.read_table(folder / "c.parquet").sort_by("path")
    assert table["events"].to_pylist() == [10, 30, 0, 20, 40]
    assert table["purpose"].to_pylist() == ["training", "training", None, "training", "training"]
    assert table["retain_until_ns"].to_pylist()[:2] == [LATER_NS, LATER_NS + 2]
    assert table["epoch_ns"].to_pylist() == [None, WALL_NS, None, WALL_NS, WALL_NS]


def test_it_may_be_an_object_too(folder: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    files = fsspec.filesystem("memory")
    url = f"memory://{folder.name}/c.parquet"
    evcodec.open_dataset(folder / "d", catalogue=url)
    with opened() as names:
        evcodec.open_dataset(folder / "d", catalogue=url)
    assert names == []
    files.rm(f"/{folder.name}", recursive=True)


def _open(folder: Path) -> int:
    return len(evcodec.open_dataset(folder / "d", catalogue=folder / "c.parquet"))


def test_many_processes_may_begin_at_once(folder: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for i in range(3):
            put(folder / "d" / "user=0" / "0.evc", made(30 + i))
            assert pool.map(_open, [folder] * 8, chunksize=1) == [120 + i] * 8
    assert len(pq.read_table(folder / "c.parquet")) == 5


@pytest.mark.skipif(sys.platform != "linux", reason="names are text here")
def test_a_name_that_is_no_text(folder: Path) -> None:
    name = os.fsdecode(b"\xff.evc")
    put(folder / "d" / name, made(3))
    for _ in range(2):
        dataset = evcodec.open_dataset(folder / "d", catalogue=folder / "c.parquet")
        assert len(dataset.read()) == len(dataset) == 103
    assert len(pq.read_table(folder / "c.parquet")) == 5
    with pytest.raises(Exception, match="found a name that is no text"):
        pa.table(dataset.arrow(path="file"))
    assert len(pa.table(dataset)) == 103


@pytest.mark.soak
def test_a_hundred_thousand_files_are_planned_without_opening_one(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    streams = [
        stream(made(50 + i), epoch=WALL_NS + i, metadata={"n": i}, governance={"purpose": f"p{i % 3}"})
        for i in range(100)
    ]
    for i in range(1_000):
        folder = tmp_path / "d" / f"user={i:03}"
        folder.mkdir(parents=True)
        for j, data in enumerate(streams):
            (folder / f"{j:02}.evc").write_bytes(data)
    for attempt, expected in (("all opened", 100_000), ("none opened", 0)):
        begun = time.process_time()
        with opened() as names:
            dataset = evcodec.open_dataset(tmp_path / "d", catalogue=tmp_path / "c.parquet")
        record_property(f"100,000 files, {attempt}", f"{time.process_time() - begun:.2f} s of processor time")
        assert len(names) == expected
        assert len(dataset.files) == 100_000
    begun = time.process_time()
    with opened() as names:
        assert len(dataset.filter(where={"purpose": "p1", "n": range(10)}).splits()) == 3_000
    record_property("chosen from 100,000 files", f"{time.process_time() - begun:.2f} s of processor time")
    assert names == []

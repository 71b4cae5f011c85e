"""Datasets of local files: which files there are, what is planned, what is read."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evcodec
from dataset_files import WALL_NS, made, put, stream, without_index
from evcodec import EventBatch, EventKind, InvalidArgumentError, Writer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for user in ("ada", "bob"):
        for day in (1, 2, 3):
            put(
                tmp_path / f"user={user}" / f"date=2026-01-0{day}" / "s.evc",
                made(100 * day, start=10**9 * day),
                metadata={"task": f"t{day}"},
                governance={"purpose": "training" if user == "ada" else "support"},
                block_events=64,
            )
    return tmp_path


def joined(dataset: evcodec.Dataset) -> EventBatch:
    """Return all events of the files, by Readers of their own."""
    return EventBatch.concat(evcodec.decode(Path(file.path).read_bytes()) for file in dataset.files)


# ---- which files ----


def names(dataset: evcodec.Dataset, folder: Path) -> list[str]:
    return [str(Path(file.path).relative_to(folder)) for file in dataset.files]


def test_a_folder_is_read_in_the_order_of_its_paths(folder: Path) -> None:
    dataset = evcodec.open_dataset(folder)
    assert [file.path for file in dataset.files] == sorted(map(str, folder.rglob("*.evc")))
    assert len(dataset) == 1_200
    assert dataset.kinds == {0: 402, 1: 400, 2: 398}
    assert (dataset.start, dataset.stop) == (10**9, 3 * 10**9 + 299_000)
    assert dataset.read().equals(joined(dataset))
    assert EventBatch.concat(dataset.batches()).equals(joined(dataset))


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        ("", ["a.evc", "b/c.evc", "b/d/e.evc", "b/k=1 ü/e.evc"]),
        ("b", ["b/c.evc", "b/d/e.evc", "b/k=1 ü/e.evc"]),
        ("a.evc", ["a.evc"]),
        ("a.txt", ["a.txt"]),
        ("*.evc", ["a.evc"]),
        ("*/*.evc", ["b/c.evc"]),
        ("**/e.evc", ["b/d/e.evc", "b/k=1 ü/e.evc"]),
        ("b/**", ["b/c.evc", "b/d/e.evc", "b/k=1 ü/e.evc"]),
        ("**/**/c.evc", ["b/c.evc"]),
        ("b/?/e.ev[a-d]", ["b/d/e.evc"]),
        ("b/[!d]*/*.evc", ["b/k=1 ü/e.evc"]),
        ("odd[1].evc", ["odd[1].evc"]),
        (["a.evc", "*.evc", "b/d", "b/d/e.evc"], ["a.evc", "b/d/e.evc"]),
    ],
    ids=str,
)
def test_files_folders_and_globs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paths: Any, found: list[str]
) -> None:
    hidden = (".hidden.evc", "b/.git/e.evc")
    for name in ("a.evc", "a.txt", "b/c.evc", "b/d/e.evc", "b/k=1 ü/e.evc", *hidden):
        put(tmp_path / name, made(3))
    if "odd[1].evc" in found:
        put(tmp_path / "odd[1].evc", made(3))
    listed = [paths] if isinstance(paths, str) else paths
    assert names(evcodec.open_dataset([tmp_path / path for path in listed]), tmp_path) == found
    monkeypatch.chdir(tmp_path)
    assert names(evcodec.open_dataset([path or "." for path in listed]), tmp_path) == found


def test_links_are_followed_once(tmp_path: Path) -> None:
    put(tmp_path / "z" / "real.evc", made(3))
    (tmp_path / "a-link").symlink_to(tmp_path / "z", target_is_directory=True)
    (tmp_path / "z" / "loop").symlink_to(tmp_path, target_is_directory=True)
    elsewhere = put(tmp_path.parent / f"{tmp_path.name}-elsewhere" / "other.evc", made(3))
    (tmp_path / "out").symlink_to(elsewhere.parent, target_is_directory=True)
    assert names(evcodec.open_dataset(tmp_path), tmp_path) == ["out/other.evc", "z/real.evc"]
    assert names(evcodec.open_dataset(tmp_path / "**" / "*.evc"), tmp_path) == ["out/other.evc", "z/real.evc"]


def test_a_file_of_several_names_is_there_once(tmp_path: Path) -> None:
    real = put(tmp_path / "user=a" / "s.evc", made(3))
    (tmp_path / "user=a" / "first.evc").symlink_to("s.evc")
    (tmp_path / "user=a" / "t.evc").hardlink_to(real)
    (tmp_path / "link").symlink_to(tmp_path / "user=a", target_is_directory=True)
    for paths in (tmp_path, tmp_path / "*" / "*.evc", [tmp_path / "link", real, tmp_path]):
        assert len(evcodec.open_dataset(paths)) == 3
    assert names(evcodec.open_dataset(tmp_path), tmp_path) == ["user=a/s.evc"]


@pytest.mark.parametrize("path", ["*.evc", "none/**/x.evc", "empty"])
def test_a_glob_or_folder_without_files_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidArgumentError, match="found no file, allowed"):
        evcodec.open_dataset(tmp_path / path, on_error="skip")


@pytest.mark.parametrize("paths", [[], b"x", 7, [7], "", ["a\0b"], None])
def test_what_is_no_path_is_refused(paths: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^paths: "):
        evcodec.open_dataset(paths)


@pytest.mark.parametrize(
    "options",
    [
        {"partitioning": "directory"},
        {"on_error": "ignore"},
        {"clock": "utc"},
        {"threads": 0},
        {"storage_options": 3},
        {"catalogue": 3},
        {"where": 3},
    ],
    ids=str,
)
def test_bad_arguments_are_refused(folder: Path, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match=f"^{next(iter(options))}: found "):
        evcodec.open_dataset(folder, **options)


# ---- partitions and metadata ----


def test_partitions_are_spelled_by_folders(tmp_path: Path) -> None:
    put(tmp_path / "day=2026%2D01/user=a%2Fb=c" / "x=y.evc", made(1))
    put(tmp_path / "day=__HIVE_DEFAULT_PARTITION__" / "=no" / "e=" / "s.evc", made(1))
    dataset = evcodec.open_dataset(tmp_path)
    assert [dict(file.partitions) for file in dataset.files] == [
        {"day": "2026-01", "user": "a/b=c"},
        {"day": None, "e": ""},
    ]
    assert dataset.partitions == ["day", "user", "e"]
    assert [file.partitions for file in evcodec.open_dataset(tmp_path, partitioning=None).files] == [{}, {}]
    put(tmp_path / "day=1" / "day=2" / "s.evc", made(1))
    with pytest.raises(InvalidArgumentError, match="partition 'day': found twice"):
        evcodec.open_dataset(tmp_path)


def test_partitions_governance_and_metadata_choose_files(folder: Path) -> None:
    dataset = evcodec.open_dataset(folder)
    assert dataset.files[0].partitions == {"user": "ada", "date": "2026-01-01"}
    assert [file.purpose for file in dataset.filter(where={"user": "ada"}).files] == ["training"] * 3
    assert len(dataset.filter(where={"purpose": "support", "task": {"t1", "t2"}}).files) == 2
    assert len(dataset.filter(where=lambda file: file.events > 150).files) == 4
    assert len(dataset.filter(where={"path": dataset.files[2].path}).files) == 1
    assert not dataset.filter(where={"notice_id": "n"})
    with pytest.raises(
        InvalidArgumentError, match="where: found 'usr', which no file has, allowed: user, date"
    ):
        dataset.filter(where={"usr": "ada"})
    again = evcodec.open_dataset(folder, where={"user": "bob", "task": ["t1"]})
    assert names(again, folder) == ["user=bob/date=2026-01-01/s.evc"]
    assert not evcodec.open_dataset(folder, where={"user": "eve"})


def test_files_of_other_partitions_are_not_opened(folder: Path) -> None:
    (folder / "user=ada/date=2026-01-01/s.evc").write_bytes(b"no stream")
    assert len(evcodec.open_dataset(folder, where={"user": "bob"}).files) == 3
    with pytest.raises(evcodec.EvcodecError, match="user=ada"):
        evcodec.open_dataset(folder)


def test_partitions_are_compared_as_text(tmp_path: Path) -> None:
    for user in ("7", "07", "__HIVE_DEFAULT_PARTITION__"):
        put(tmp_path / f"user={user}" / "s.evc", made(1))
    dataset = evcodec.open_dataset(tmp_path)
    assert [file.partitions["user"] for file in dataset.filter(where={"user": 7}).files] == ["7"]
    assert [file.partitions["user"] for file in dataset.filter(where={"user": (None, "07")}).files] == [
        "07",
        None,
    ]


# ---- one schema ----


def test_columns_are_those_of_all_files_in_the_smallest_dtype(tmp_path: Path) -> None:
    put(tmp_path / "a.evc", made(3, tilt=np.array([1, -2, 3], np.int8)))
    put(
        tmp_path / "b.evc", made(3, tilt=np.array([1, 2, 60_000], np.uint16), y=np.array([1, 2, 3], np.int32))
    )
    dataset = evcodec.open_dataset(tmp_path)
    assert {name: dtype.name for name, dtype in dataset.columns.items()} == {
        "t": "int64",
        "kind": "uint8",
        "x": "int32",
        "y": "int32",
        "tilt": "int32",
    }
    for batch in dataset.batches():
        assert {name: array.dtype for name, array in batch.columns.items()} == dataset.columns
    found = dataset.read(columns=("tilt", "y", "vk"))
    assert list(found.columns) == ["tilt", "y", "vk"]
    assert found.tilt.tolist() == [1, -2, 3, 1, 2, 60_000]
    assert found.y.tolist() == [0, 0, 0, 1, 2, 3]
    assert found.vk.dtype == np.uint32
    assert len(dataset.read(columns=())) == 6
    part = dataset.filter(where=lambda file: file.path.endswith("a.evc"))
    assert part.read().tilt.dtype == np.int32  # parts go together
    with pytest.raises(InvalidArgumentError, match=r"columns: found \['tlt'\], allowed: .*tilt"):
        dataset.read(columns=("tlt",))


def test_unsigned_and_signed_of_64_bits_do_not_go_together(tmp_path: Path) -> None:
    put(tmp_path / "a.evc", made(1, tilt=np.array([2**64 - 1], np.uint64)))
    put(tmp_path / "b.evc", made(1, tilt=np.array([-1], np.int8)))
    for on_error in ("raise", "skip"):
        with pytest.raises(
            InvalidArgumentError, match=r"'tilt': found uint64 in .*a.evc and int8 in .*b.evc"
        ):
            evcodec.open_dataset(tmp_path, on_error=on_error)


def test_a_partition_and_a_column_do_not_share_a_name(tmp_path: Path) -> None:
    put(tmp_path / "tilt=1" / "a.evc", made(1))
    put(tmp_path / "tilt=1" / "b.evc", made(1, tilt=np.array([1], np.uint8)))
    with pytest.raises(
        InvalidArgumentError, match=r"partition 'tilt': found a column of this name in .*b.evc"
    ):
        evcodec.open_dataset(tmp_path)
    assert len(evcodec.open_dataset(tmp_path, partitioning=None)) == 2


# ---- what is read ----


def test_kinds_columns_and_time_are_pushed_down(folder: Path) -> None:
    dataset = evcodec.open_dataset(folder)
    everything = dataset.read()
    found = dataset.read(columns=("x", "t"), kinds=(EventKind.BUTTON_DOWN,), start=2 * 10**9, stop=3 * 10**9)
    mask = (everything.kind == 1) & (everything.t >= 2 * 10**9) & (everything.t < 3 * 10**9)
    assert list(found.columns) == ["x", "t"]
    assert found.x.tolist() == everything.x[mask].tolist()
    narrowed = dataset.filter(kinds=(1, 2), start=2 * 10**9).filter(stop=3 * 10**9, kinds=(1, 9))
    assert narrowed.read(columns=("x", "t")).equals(found)
    assert names(narrowed, folder) == ["user=ada/date=2026-01-02/s.evc", "user=bob/date=2026-01-02/s.evc"]
    assert len(narrowed) == len(found)
    assert narrowed.filter(start=2 * 10**9, stop=10**9).read().equals(everything[:0])
    assert [file.path for file, _ in narrowed.reached(start=10**10)] == []


def test_the_length_is_exact_or_refused(folder: Path) -> None:
    dataset = evcodec.open_dataset(folder)
    assert len(dataset.filter(kinds=(1,))) == len(dataset.read(kinds=(1,)))
    whole = dataset.filter(start=2 * 10**9, stop=3 * 10**9)
    assert len(whole) == len(whole.read()) == 400
    cut = dataset.filter(start=2 * 10**9 + 1)
    assert bool(cut)
    with pytest.raises(
        InvalidArgumentError, match="number of events: found a limit of time that goes through"
    ):
        len(cut)


@pytest.mark.parametrize("max_bytes", [1, 300, 10**9])
def test_splits_are_all_of_it(folder: Path, max_bytes: int) -> None:
    dataset = evcodec.open_dataset(folder)
    splits = pickle.loads(pickle.dumps(dataset.splits(max_bytes=max_bytes)))
    assert len(splits) in {1: (22,), 300: range(7, 22), 10**9: (6,)}[max_bytes]
    assert sum(split.bytes for split in splits) <= sum(file.size for file in dataset.files)
    assert len({*splits}) == len(splits)
    copy = pickle.loads(pickle.dumps(dataset))
    parts = [batch for split in splits for batch in copy.read_split(split)]
    assert EventBatch.concat(parts).equals(dataset.read())
    clicks = [
        batch
        for split in dataset.splits(max_bytes, kinds=(1,))
        for batch in copy.read_split(split, kinds=(1,))
    ]
    assert EventBatch.concat(clicks).equals(dataset.read(kinds=(1,)))
    with pytest.raises(InvalidArgumentError, match="max_bytes"):
        dataset.splits(0)


def test_several_streams_in_a_file_and_streams_without_an_end(tmp_path: Path) -> None:
    path = put(tmp_path / "a.evc", made(100), block_events=32)
    with Writer(path, mode="a", block_events=32) as writer:
        writer.write(made(50, start=10**9))
    (tmp_path / "b.evc").write_bytes(without_index(stream(made(200, start=5), block_events=32)))
    put(tmp_path / "c.evc", EventBatch())
    dataset = evcodec.open_dataset(tmp_path)
    assert [(file.events, file.blocks, file.start) for file in dataset.files] == [
        (150, 6, 0),
        (200, 7, 5),
        (0, 0, None),
    ]
    assert dataset.read().equals(joined(dataset))
    assert [file.indexed for file in dataset.files] == [True, False, True]
    splits = dataset.splits(1)
    assert [Path(split.file.path).name for split in splits] == ["a.evc"] * 6 + ["b.evc"]
    parts = [batch for split in splits for batch in dataset.read_split(split)]
    assert EventBatch.concat(parts).equals(joined(dataset))


def test_the_wall_clock_is_that_of_each_file(tmp_path: Path) -> None:
    put(tmp_path / "a.evc", made(100, start=500), epoch=WALL_NS)
    put(tmp_path / "b.evc", made(100, start=-(10**15)), epoch=WALL_NS + 10**15 + 50_500)
    dataset = evcodec.open_dataset(tmp_path, clock="wall")
    assert (dataset.start, dataset.stop) == (WALL_NS + 500, WALL_NS + 149_500)
    instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=WALL_NS // 10**9, microseconds=98)
    for stop in (WALL_NS + 98_000, instant, instant.astimezone(None)):
        batches = [(Path(file.path).name, len(batch)) for file, batch in dataset.located(stop=stop)]
        assert batches == [("a.evc", 98), ("b.evc", 48)]
    assert len(dataset.read(start=WALL_NS + 500, stop=WALL_NS + 501)) == 1
    with pytest.raises(InvalidArgumentError, match="stop: found a datetime without a zone"):
        dataset.read(stop=instant.replace(tzinfo=None))
    with pytest.raises(InvalidArgumentError, match="start: found a datetime, allowed: integers"):
        evcodec.open_dataset(tmp_path).read(start=instant)
    put(tmp_path / "c.evc", made(10))
    with pytest.raises(InvalidArgumentError, match=r"c\.evc: wall clock: found no anchor"):
        evcodec.open_dataset(tmp_path, clock="wall").read(stop=instant)
    skipping = evcodec.open_dataset(tmp_path, clock="wall", on_error="skip")
    assert len(skipping.read()) == 210
    assert len(skipping.read(stop=instant)) == 146
    assert [Path(problem.path).name for problem in skipping.problems] == ["c.evc"]


# ---- processes, threads, descriptors ----


def test_one_file_is_open_at_a_time(tmp_path: Path) -> None:
    for i in range(60):
        put(tmp_path / f"{i:03}.evc", made(5))
    dataset = evcodec.open_dataset(tmp_path, threads=3)
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    most = 0
    for _ in dataset.batches():
        most = max(most, len(os.listdir("/proc/self/fd")) - before if before else 0)
    assert most <= 1
    iterator = dataset.batches()
    next(iterator)
    del iterator
    assert not before or len(os.listdir("/proc/self/fd")) == before


def _rows(dataset: evcodec.Dataset) -> list[int]:
    return [int(dataset.read(kinds=(kind,)).x.sum()) for kind in range(3)]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_dataset_goes_to_other_processes(folder: Path, method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"there is no {method} here")
    dataset = evcodec.open_dataset(folder, threads=2).filter(kinds=(0, 1))
    iterator = dataset.batches()
    next(iterator)
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply(_rows, (dataset,)) == _rows(dataset)
    iterator.close()


def test_several_threads_read_one_dataset(folder: Path) -> None:
    dataset = evcodec.open_dataset(folder)
    expected = dataset.read()
    found: list[bool] = []

    def read() -> None:
        found.extend(dataset.read().equals(expected) for _ in range(5))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 20


def test_progress_counts_the_files_that_are_opened(folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    progress: Callable[[int, int], None] = lambda done, total: seen.append((done, total))  # noqa: E731
    evcodec.open_dataset(folder, threads=3, progress=progress)
    assert seen == [(i, 6) for i in range(1, 7)]


# ---- Arrow ----


def test_a_dataset_is_an_arrow_stream(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    for user in ("ada", "__HIVE_DEFAULT_PARTITION__"):
        put(tmp_path / f"user={user}" / "s.evc", made(10), epoch=WALL_NS + (user == "ada"))
    dataset = evcodec.open_dataset(tmp_path)
    table = pa.table(dataset)
    assert table.column_names == ["t", "kind", "x", "user"]
    assert table["x"].to_pylist() == dataset.read().x.tolist()
    assert table["user"].to_pylist() == ["__HIVE_DEFAULT_PARTITION__"] * 10 + ["ada"] * 10
    stream = dataset.arrow(("t",), kinds=(1,), timestamps=True, path="file", dictionaries=False)
    stamped = pa.table(stream)
    assert stamped.schema.field("t").type == pa.timestamp("ns", "UTC")
    assert stamped["t"].cast(pa.int64()).to_pylist() == [
        WALL_NS + i * 1_000 + shift for shift in (0, 1) for i in (1, 4, 7)
    ]
    assert {*stamped["file"].to_pylist()} == {file.path for file in dataset.files}
    with pytest.raises(InvalidArgumentError, match="path: found 'user', which is a partition"):
        dataset.arrow(path="user")
    with pytest.raises(InvalidArgumentError, match="path: found int"):
        dataset.arrow(path=3)  # type: ignore[arg-type]
    put(tmp_path / "c.evc", made(10))
    with pytest.raises(Exception, match=r"c\.evc: timestamps: found no anchor"):
        pa.table(evcodec.open_dataset(tmp_path).arrow(timestamps=True))
    assert len(pa.table(evcodec.open_dataset(tmp_path).arrow(timestamps=True, epoch_ns=5))) == 30
    skipping = evcodec.open_dataset(tmp_path, on_error="skip")
    assert len(pa.table(skipping.arrow(timestamps=True))) == 20
    assert len(skipping.problems) == 1

"""Bad files among good ones: the dataset fails and names the file, or leaves it out and reports it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evcodec
from dataset_files import WALL_NS, made, put, stream, without_index
from evcodec import (
    CorruptDataError,
    EventBatch,
    InvalidArgumentError,
    Reader,
    TruncatedDataError,
    UnsupportedVersionError,
    Writer,
)


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes((data[at] ^ 0xFF,)) + data[at + 1 :]


def middle(data: bytes) -> int:
    """Return a position inside of the fourth block."""
    with Reader(data) as reader:
        block = reader.blocks[3]
    return block.position + block.size // 2


def mixed() -> bytes:
    """Return two streams, end to end, that have no dtype in common."""
    return stream(made(2, tilt=np.array([2**64 - 1, 0], np.uint64))) + stream(
        made(2, tilt=np.array([-1, 0], np.int8))
    )


SOUND = stream(made(320), block_events=32)
CRASHED = without_index(SOUND)
# What it is, the error, and the events that are left of it.
BAD: dict[str, tuple[bytes, type[Exception], int | None]] = {
    "empty": (b"", TruncatedDataError, None),
    "foreign": (b"PAR1" * 100, CorruptDataError, None),
    "of a damaged header": (flipped(SOUND, 16), CorruptDataError, 320),
    "cut in its header": (SOUND[:10], TruncatedDataError, None),
    "crashed inside of a record": (CRASHED[:-5], TruncatedDataError, 288),
    "crashed, and damaged": (flipped(CRASHED, middle(SOUND)), CorruptDataError, 288),
    "of two dtypes": (mixed(), InvalidArgumentError, None),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_named_or_left_out(tmp_path: Path, name: str) -> None:
    data, error, left = BAD[name]
    for good in ("a.evc", "z.evc"):
        put(tmp_path / good, made(10))
    (tmp_path / "m.evc").write_bytes(data)
    with pytest.raises(error, match=r"m\.evc: "):
        evcodec.open_dataset(tmp_path)
    dataset = evcodec.open_dataset(tmp_path, on_error="skip")
    assert len(dataset.files) == (2 if left is None else 3)
    assert len(dataset.read()) == len(dataset) == 20 + (left or 0)
    assert {Path(problem.path).name for problem in dataset.problems} == {"m.evc"}
    assert {problem.position is None for problem in dataset.problems} == {left is None}


def damage_a_block(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(flipped(data, middle(data)))


def rewrite(path: Path) -> None:
    path.write_bytes(stream(made(333), block_events=32))


def rename_metadata(path: Path) -> None:
    path.write_bytes(stream(made(320), block_events=32, metadata={"other": 1}))


def append(path: Path) -> None:
    with Writer(path, mode="a") as writer:
        writer.write(made(1))


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def destroy_a_head(path: Path) -> None:
    data = path.read_bytes()
    with Reader(data) as reader:
        at = reader.blocks[3].position
    path.write_bytes(data[:at] + bytes(16) + data[at + 16 :])


def append_behind_damage(path: Path) -> None:
    path.write_bytes(flipped(SOUND, len(SOUND) - 1) + stream(made(64), block_events=32))


AFTER: dict[str, tuple[Callable[[Path], Any], type[Exception], int]] = {
    "damaged": (damage_a_block, CorruptDataError, 288),
    "damaged in a head": (destroy_a_head, CorruptDataError, 288),
    "appended to, behind damage": (append_behind_damage, CorruptDataError, 384),
    "rewritten": (rewrite, CorruptDataError, 0),
    "of other metadata": (rename_metadata, CorruptDataError, 0),
    "appended to": (append, CorruptDataError, 0),
    "cut": (cut, TruncatedDataError, 0),
    "gone": (Path.unlink, FileNotFoundError, 0),
}


@pytest.mark.parametrize("name", AFTER)
def test_a_file_that_changed_since_it_was_planned(tmp_path: Path, name: str) -> None:
    change, error, left = AFTER[name]
    put(tmp_path / "a.evc", made(10))
    path = tmp_path / "m.evc"
    path.write_bytes(SOUND)
    put(tmp_path / "z.evc", made(10))
    raising = evcodec.open_dataset(tmp_path)
    skipping = evcodec.open_dataset(tmp_path, on_error="skip")
    splits = skipping.splits(1)
    assert len(splits) == 12
    change(path)
    with pytest.raises(error, match=r"m\.evc"):
        raising.read()
    with pytest.raises(error, match=r"m\.evc"):
        list(raising.read_split(splits[4]))
    assert len(skipping.read()) == 20 + left
    assert {(Path(p.path).name, p.position is None) for p in skipping.problems} == {("m.evc", not left)}
    # Whatever damage makes of the blocks, the splits have them once.
    parts = EventBatch.concat(batch for split in splits for batch in skipping.read_split(split))
    assert parts.equals(skipping.read())


def test_damage_hides_no_other_governance(tmp_path: Path) -> None:
    sound = stream(made(160), block_events=32, governance={"purpose": "training"})
    other = stream(made(160), block_events=32, governance={"purpose": "research"})
    path = tmp_path / "m.evc"
    path.write_bytes(sound)
    dataset = evcodec.open_dataset(tmp_path, on_error="skip", where={"purpose": "training"})
    destroy_a_head(path)
    assert len(dataset.read()) == 128
    path.write_bytes(other)
    destroy_a_head(path)
    assert len(dataset.read()) == 0
    assert any(problem.position is None for problem in dataset.problems)


def test_times_that_no_timestamp_can_hold_are_of_a_file(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    put(tmp_path / "a.evc", made(10), epoch=5)
    put(tmp_path / "b.evc", made(10, step=2**59), epoch=2**62)
    put(tmp_path / "c.evc", made(10), epoch=5)
    with pytest.raises(pyarrow.ArrowInvalid, match=r"b\.evc: t and the epoch"):
        pyarrow.table(evcodec.open_dataset(tmp_path).arrow(timestamps=True))
    dataset = evcodec.open_dataset(tmp_path, on_error="skip")
    assert len(pyarrow.table(dataset.arrow(timestamps=True, stop=2**60))) == 22
    assert dataset.problems == []
    assert len(pyarrow.table(dataset.arrow(timestamps=True))) == 20
    assert [Path(problem.path).name for problem in dataset.problems] == ["b.evc"]


def test_damage_ends_batches_behind_what_is_sound(tmp_path: Path) -> None:
    put(tmp_path / "a.evc", made(10))
    (tmp_path / "m.evc").write_bytes(flipped(SOUND, middle(SOUND)))
    batches = evcodec.open_dataset(tmp_path).batches()
    assert [len(next(batches)) for _ in range(4)] == [10, 32, 32, 32]
    with pytest.raises(CorruptDataError, match=r"m\.evc: byte \d+: checksum"):
        next(batches)


def test_what_is_no_file_is_named_or_left_out(tmp_path: Path) -> None:
    put(tmp_path / "a.evc", made(10))
    os.mkfifo(tmp_path / "b.evc")
    (tmp_path / "c.evc").symlink_to(tmp_path / "nowhere")
    missing = tmp_path / "missing.evc"
    for path, error in (
        ("b.evc", InvalidArgumentError),
        ("c.evc", FileNotFoundError),
        ("missing.evc", FileNotFoundError),
    ):
        with pytest.raises(error, match=path):
            evcodec.open_dataset(tmp_path / path)
    dataset = evcodec.open_dataset(
        [tmp_path / "a.evc", tmp_path / "b.evc", tmp_path / "c.evc", missing], on_error="skip"
    )
    assert [Path(file.path).name for file in dataset.files] == ["a.evc"]
    assert [Path(problem.path).name for problem in dataset.problems] == ["b.evc", "c.evc", "missing.evc"]
    with pytest.raises(InvalidArgumentError, match="found a pipe"):
        evcodec.open_dataset(tmp_path / "*.evc")


def test_a_folder_with_a_dead_link_is_named_or_read_without(tmp_path: Path) -> None:
    put(tmp_path / "a.evc", made(10))
    (tmp_path / "c.evc").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"c\.evc"):
        evcodec.open_dataset(tmp_path)
    dataset = evcodec.open_dataset(tmp_path, on_error="skip")
    assert len(dataset) == 10
    assert [Path(problem.path).name for problem in dataset.problems] == ["c.evc"]


@pytest.mark.parametrize("pattern", ["*/*.evc", "user=*/s.evc", "user=*/d/*.evc", "**/*.evc", ""])
def test_a_folder_that_cannot_be_listed_is_named_or_left_out_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    for user in "abc":
        for name in ("s.evc", "d/s.evc"):
            put(tmp_path / f"user={user}" / name, made(10))
    denied = tmp_path / "user=b"

    def refuse(path: Any, **options: Any) -> Any:
        if Path(os.fspath(path)).is_relative_to(denied) and Path(os.fspath(path)) != denied:
            raise PermissionError(13, "denied", os.fspath(path))
        return real_stat(path, **options)

    def refuse_list(path: Any) -> Any:
        if Path(os.fspath(path)).is_relative_to(denied):
            raise PermissionError(13, "denied", os.fspath(path))
        return real_scandir(path)

    # What a folder without permissions does, to the owner of everything too.
    real_stat, real_scandir = os.stat, os.scandir
    monkeypatch.setattr(os, "stat", refuse)
    monkeypatch.setattr(os, "scandir", refuse_list)
    whole = 40 if pattern in ("", "**/*.evc") else 20
    with pytest.raises(PermissionError, match="user=b"):
        evcodec.open_dataset(tmp_path / pattern)
    dataset = evcodec.open_dataset(tmp_path / pattern, on_error="skip")
    assert len(dataset) == whole
    assert [Path(problem.path).is_relative_to(denied) for problem in dataset.problems] == [True]


def test_a_link_to_itself_is_named_or_left_out(tmp_path: Path) -> None:
    put(tmp_path / "a.evc", made(10))
    (tmp_path / "loop.evc").symlink_to("loop.evc")
    (tmp_path / "other").symlink_to("other")
    for paths in (tmp_path, tmp_path / "*.evc"):
        with pytest.raises(OSError, match=r"loop\.evc"):
            evcodec.open_dataset(paths)
        dataset = evcodec.open_dataset(paths, on_error="skip")
        assert len(dataset) == 10
        assert [Path(problem.path).name for problem in dataset.problems] == ["loop.evc"]


def test_an_epoch_that_is_not_the_files_is_noticed(tmp_path: Path) -> None:
    import dataclasses

    put(tmp_path / "a.evc", made(10), epoch=WALL_NS)
    dataset = evcodec.open_dataset(tmp_path, clock="wall")
    forged = dataclasses.replace(dataset.files[0], epoch_ns=WALL_NS + 5)
    split = dataclasses.replace(dataset.splits()[0], file=forged)
    with pytest.raises(CorruptDataError, match=r"a\.evc: epoch: found another"):
        list(dataset.read_split(split, start=WALL_NS))


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys

    put(tmp_path / "a.evc", made(10))
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for on_error in ("raise", "skip"):
        with pytest.raises(evcodec.MissingExtraError, match=r"pip install 'evcodec\[remote\]'"):
            evcodec.open_dataset("s3://bucket/x.evc", on_error=on_error)
        with pytest.raises(evcodec.MissingExtraError, match=r"pip install 'evcodec\[arrow\]'"):
            evcodec.open_dataset(tmp_path, catalogue=tmp_path / "c.parquet", on_error=on_error)


def test_what_needs_a_later_version_is_named(fixtures: Path) -> None:
    rejected = sorted((fixtures.parent / "golden").glob("v1-unsupported-*.evc"))
    assert len(rejected) > 3
    for path in rejected[:4]:
        with pytest.raises(UnsupportedVersionError, match=path.name):
            evcodec.open_dataset(path).read()

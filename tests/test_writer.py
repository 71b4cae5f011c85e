"""Writer: its targets and modes, and the batches that it takes."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest

from evcodec import (
    EventBatch,
    InvalidArgumentError,
    Reader,
    Writer,
)
from evcodec.stream import verify
from generators import assert_same, session

SLACK_S = 30
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")


@pytest.mark.parametrize("target", ["path", "str", "file", "unbuffered", "memory", "pipe"])
def test_every_target(target, tmp_path):
    batch = session(1_000)
    path = tmp_path / "s.evc"
    if target in ("path", "str"):
        with Writer(path if target == "path" else str(path)) as writer:
            writer.write(batch)
    elif target in ("file", "unbuffered"):
        with path.open("wb", buffering=0 if target == "unbuffered" else -1) as file:
            with Writer(file) as writer:
                writer.write(batch)
            assert not file.closed  # what the caller opened stays open
    elif target == "memory":
        memory = io.BytesIO()
        with Writer(memory) as writer:
            writer.write(batch)
        path.write_bytes(memory.getvalue())
    else:
        with path.open("wb") as file, subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=file) as cat:
            with Writer(cat.stdin) as writer:
                writer.write(batch)
            assert cat.stdin is not None
            cat.stdin.close()
    with Reader(path) as reader:
        assert_same(reader.read(), batch)
    assert verify(path).complete


@pytest.mark.parametrize("target", [None, 3, io.StringIO(), ["s.evc"]], ids=lambda t: type(t).__name__)
def test_what_is_no_target(target):
    with pytest.raises(InvalidArgumentError, match="target"):
        Writer(target)


@pytest.mark.parametrize(
    "options",
    [
        {"level": "best"},
        {"mode": "r"},
        {"flush_interval_s": 0},
        {"flush_interval_s": -1},
        {"flush_interval_s": float("nan")},
        {"flush_interval_s": "1"},
        {"block_events": 0},
        {"block_events": 2**20 + 1},
        {"block_events": 1.5},
        {"queue_events": 0},
        {"on_full": "wait"},
        {"metadata": {1: 2}},
        {"metadata": {"a": bytearray}},
        {"metadata": {"a": 2**64}},
        {"metadata": [1]},
        {"governance": {"purpose": 5}},
    ],
    ids=repr,
)
def test_a_wrong_option_leaves_the_file_alone(options, tmp_path):
    path = tmp_path / "s.evc"
    path.write_bytes(b"precious")
    with pytest.raises(InvalidArgumentError, match=rf"{next(iter(options))}|found"):
        Writer(path, **options)
    assert path.read_bytes() == b"precious"


def test_mode_w_replaces_and_mode_x_refuses(tmp_path):
    path = tmp_path / "s.evc"
    with Writer(path, mode="x") as writer:
        writer.write(session(500))
    with pytest.raises(FileExistsError):
        Writer(path, mode="x")
    with Reader(path) as reader:
        assert len(reader) == 500
    with Writer(path) as writer:
        writer.move(1, 2, 3)
    with Reader(path) as reader:
        assert reader.read().t.tolist() == [1]


@pytest.mark.parametrize("mode", ["a", "x"])
def test_modes_are_for_paths(mode):
    with pytest.raises(InvalidArgumentError, match="mode"):
        Writer(io.BytesIO(), mode=mode)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        Writer(tmp_path / "no" / "s.evc")


@POSIX
def test_the_mode_of_the_file_is_kept_through_merging(tmp_path):
    path = tmp_path / "s.evc"
    path.touch(mode=0o600)
    path.chmod(0o640)
    with Writer(path) as writer:
        for t in range(3):
            writer.move(t, 0, 0)
            writer.flush()
    assert path.stat().st_mode & 0o777 == 0o640
    with Reader(path) as reader:
        assert len(reader.blocks) == 1


@POSIX
def test_a_link_stays_a_link_through_merging(tmp_path):
    real, link = tmp_path / "real.evc", tmp_path / "link.evc"
    link.symlink_to(real)
    with Writer(link) as writer:
        for t in range(3):
            writer.move(t, 0, 0)
            writer.flush()
    assert link.is_symlink()
    with Reader(real) as reader:
        assert len(reader.blocks) == 1
        assert reader.read().t.tolist() == [0, 1, 2]


def test_columns_are_copied_before_write_returns():
    x = np.arange(1_000, dtype=np.int32)
    target = io.BytesIO()
    with Writer(target) as writer:
        for value in (1, 2, 3):
            x[:] = value
            writer.write(EventBatch(x=x))
    with Reader(target.getvalue()) as reader:
        assert np.unique(reader.read().x, return_counts=True)[1].tolist() == [1_000] * 3


def test_a_batch_that_cannot_be_written_leaves_nothing_behind():
    target = io.BytesIO()
    with Writer(target) as writer:
        writer.write(EventBatch(t=[1], a=np.array([2**64 - 1], np.uint64)))
        for wrong in (
            None,
            {"t": [1]},
            EventBatch(t=[2], a=np.array([-1], np.int8)),
            EventBatch(**{f"c{i}": [1] for i in range(1025)}),
        ):
            with pytest.raises(InvalidArgumentError, match=r"found .*allowed"):
                writer.write(wrong)
        writer.write(EventBatch(t=[3], a=np.array([5], np.uint8)))
    with Reader(target.getvalue()) as reader:
        batch = reader.read()
    assert batch.t.tolist() == [1, 3]
    assert batch["a"].tolist() == [2**64 - 1, 5]


def test_dtypes_that_no_integer_holds_do_not_meet_behind_the_callers_back():
    """Live values are int64: where a stream holds a uint64 column, an event with that column is refused or read back."""
    target = io.BytesIO()
    written = [2**64 - 1]
    with Writer(target) as writer:
        writer.write(EventBatch(t=[1], a=np.array([2**64 - 1], np.uint64)))
        writer.move(2, 0, 0)
        try:
            writer.event(7, 3, a=5)
            written.append(5)
        except InvalidArgumentError:
            pass
        writer.flush()
        writer.move(4, 0, 0)
    with Reader(target.getvalue()) as reader:
        assert [
            v for batch in reader.batches() if "a" in batch.columns for v in batch["a"].tolist() if v
        ] == written
        reader.read()


@pytest.mark.parametrize("flushed", [False, True], ids=["at once", "merged on close"])
def test_a_column_that_changes_its_dtype_keeps_each(flushed, tmp_path):
    pieces = [
        EventBatch(t=[i], a=np.array([i], dtype))
        for i, dtype in enumerate(("int8", "uint16", "int8", "int64"))
    ]
    pieces.insert(2, EventBatch(t=[9]))
    path = tmp_path / "s.evc"
    with Writer(path) as writer:
        for piece in pieces:
            writer.write(piece)
            if flushed:
                writer.flush()
    with Reader(path) as reader:
        assert len(reader.blocks) <= 5
        found = [str(batch["a"].dtype) for batch in reader.batches() if "a" in batch.columns]
        assert found == ["int8", "uint16", "int8", "int64"]
        assert_same(reader.read(), EventBatch.concat(pieces))


def test_an_empty_batch_leaves_its_columns(tmp_path):
    path = tmp_path / "s.evc"
    with Writer(path) as writer:
        writer.write(EventBatch(t=[1, 2]))
        writer.write(EventBatch(pressure=np.empty(0, np.uint16)))
    with Reader(path) as reader:
        assert len(reader) == 2
        assert reader.read()["pressure"].dtype == np.uint16


def test_fsync_is_asked_for_without_harm(tmp_path):
    path = tmp_path / "s.evc"
    with Writer(path, fsync=True) as writer:
        writer.write(session(100))
        writer.flush()
        with Reader(path) as reader:
            assert len(reader) == 100

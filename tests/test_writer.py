"""Writer: its targets and modes, and what happens when they take no more."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evcodec import (
    EventBatch,
    GapReason,
    InvalidArgumentError,
    Reader,
    WriteFailedError,
    Writer,
)
from evcodec.stream import verify
from generators import assert_same, session

SLACK_S = 30
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")


def run(code: str, *args: Any, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=40, **options)


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
        {"metadata": {"a": object()}},
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


def test_a_column_that_changes_its_dtype_keeps_each():
    pieces = [
        EventBatch(t=[i], a=np.array([i], dtype))
        for i, dtype in enumerate(("int8", "uint16", "int8", "int64"))
    ]
    pieces.insert(2, EventBatch(t=[9]))
    target = io.BytesIO()
    with Writer(target) as writer:
        for piece in pieces:
            writer.write(piece)
    with Reader(target.getvalue()) as reader:
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


# ---- a target that takes no more ----


class _Stalled:
    """A pipe that nobody reads until it is drained."""

    def __init__(self) -> None:
        read_end, write_end = os.pipe()
        self.source = os.fdopen(read_end, "rb", buffering=0)
        self.sink = os.fdopen(write_end, "wb", buffering=0)
        self.data = bytearray()

    def drain(self) -> threading.Thread:
        def read() -> None:
            while piece := self.source.read(2**16):
                self.data += piece

        thread = threading.Thread(target=read)
        thread.start()
        return thread


def _noise(count: int, start: int) -> EventBatch:
    rng = np.random.default_rng(start)
    return EventBatch(t=np.arange(start, start + count), noise=rng.integers(0, 2**62, count))


@pytest.mark.parametrize("threads", [1, 3])
def test_events_that_are_dropped_are_counted(threads):
    """Nobody reads the pipe: what does not fit is dropped, and the stream says how much, when and why."""
    pipe = _Stalled()
    appended = 0
    writer = Writer(
        pipe.sink, on_full="drop", queue_events=40_000, block_events=10_000, flush_interval_s=0.05
    )
    for number in range(40):
        writer.write(_noise(5_000, number * 5_000))
        appended += 5_000

    def append(thread: int) -> None:
        for t in range(30_000):
            writer.event(7, 200_000 + t, noise=t * (2**40 + 1) % 2**61, source=thread)

    workers = [threading.Thread(target=append, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(SLACK_S)
        assert not worker.is_alive()
    appended += 30_000 * threads
    drainer = pipe.drain()
    writer.write(_noise(10, 900_000))  # may be dropped too: then it is counted as well
    writer.close()
    pipe.sink.close()
    drainer.join(SLACK_S)
    pipe.source.close()
    with Reader(bytes(pipe.data)) as reader:
        gaps = reader.gaps
        found = len(reader)
        times = reader.read(columns=("t",)).t
    assert gaps
    assert {gap.reason for gap in gaps} == {GapReason.QUEUE_FULL}
    assert all(gap.lost for gap in gaps)
    assert found + sum(gap.lost or 0 for gap in gaps) == appended + 10
    assert found >= 40_000
    missing = np.setdiff1d(np.arange(200_000), times[times < 200_000])
    assert len(missing)
    assert all(any(gap.t0 <= t < gap.t1 for gap in gaps) for t in (missing[0], missing[-1]))


def test_events_that_wait_are_not_lost():
    pipe = _Stalled()
    writer = Writer(pipe.sink, queue_events=5_000, block_events=2_000, flush_interval_s=0.02)

    def append() -> None:
        for number in range(20):
            writer.write(_noise(3_000, number * 3_000))
        for t in range(60_000, 90_000):
            writer.event(7, t, noise=t * (2**40 + 1) % 2**61)
        writer.close()
        pipe.sink.close()

    thread = threading.Thread(target=append)
    thread.start()
    thread.join(0.5)
    assert thread.is_alive()  # the pipe is full, and the queue behind it
    drainer = pipe.drain()
    thread.join(SLACK_S)
    drainer.join(SLACK_S)
    pipe.source.close()
    with Reader(bytes(pipe.data)) as reader:
        assert reader.gaps == []
        assert reader.read(columns=("t",)).t.tolist() == list(range(90_000))


def _until_it_fails(writer: Writer, call: Any) -> WriteFailedError:
    """Append until an append says that writing failed."""
    deadline = time.monotonic() + SLACK_S
    with pytest.raises(WriteFailedError) as caught:
        while time.monotonic() < deadline:
            call()
            time.sleep(0.001)
    return caught.value


@POSIX
def test_a_pipe_that_was_closed():
    pipe = _Stalled()
    writer = Writer(pipe.sink, flush_interval_s=0.01)
    writer.move(1, 2, 3)
    pipe.source.close()
    error = _until_it_fails(writer, lambda: writer.move(1, 2, 3))
    assert isinstance(error, OSError)
    assert isinstance(error.__cause__, OSError)
    assert "Broken pipe" in str(error)
    for call in (
        writer.flush,
        lambda: writer.write(session(3)),
        lambda: writer.marker(1, "x"),
        lambda: writer.key(1, 1, True),
    ):
        with pytest.raises(WriteFailedError, match="Broken pipe"):
            call()
    with pytest.raises(WriteFailedError, match="Broken pipe"):
        writer.close()
    writer.close()
    pipe.sink.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_device_that_is_full():
    with pytest.raises(WriteFailedError, match=r"/dev/full, byte 0: No space left") as caught:
        Writer("/dev/full")
    assert caught.value.errno == 28


def test_a_file_that_was_closed_by_its_owner():
    target = io.BytesIO()
    writer = Writer(target, flush_interval_s=0.01)
    target.close()
    _until_it_fails(writer, lambda: writer.move(1, 2, 3))
    with pytest.raises(WriteFailedError, match="closed file"):
        writer.close()


FULL = """
import resource, signal, sys, time
import numpy as np
from evcodec import EventBatch, WriteFailedError, Writer
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
writer = Writer(sys.argv[1], block_events=1000, metadata={"a": 1})
writer.write(EventBatch(t=np.arange(1000), noise=np.arange(1000) * 7919 * 2**30))
writer.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
rng = np.random.default_rng(1)
failed = None
for number in range(1, 1000):
    try:
        writer.write(EventBatch(t=np.arange(number * 1000, number * 1000 + 1000), noise=rng.integers(0, 2**62, 1000)))
        writer.flush()
    except WriteFailedError as error:
        failed = error
        break
print(number, failed.errno, failed)
for call in (lambda: writer.move(1, 2, 3), writer.flush, writer.close):
    try:
        call()
        print("no error")
    except WriteFailedError as error:
        print("again")
"""


@POSIX
def test_a_disk_that_is_full(tmp_path):
    """A clear error, no hang, and all that was written before is whole; the rest of the record is taken back."""
    path = tmp_path / "full.evc"
    done = run(FULL, path)
    assert done.returncode == 0, done.stderr
    first, *later = done.stdout.splitlines()
    assert later == ["again"] * 3
    number, errno, message = first.split(" ", 2)
    assert int(errno) == 27
    assert f"{path}, byte " in message
    assert "stays readable" in message
    report = verify(path)
    assert report.ok, report.problems
    with Reader(path) as reader:
        assert reader.read(columns=("t",)).t.tolist() == list(range(1_000 * int(number)))
    with Writer(path, mode="a") as writer:
        writer.move(-1, 0, 0)
    with Reader(path) as reader:
        assert reader.read(columns=("t",)).t.tolist() == [*range(1_000 * int(number)), -1]


# ---- processes ----


EXITS = {
    "the end": "",
    "sys.exit": "import sys; sys.exit(0)",
    "an exception": "raise RuntimeError('crash of the program')",
    "while a thread appends": "import threading; threading.Thread(target=lambda: writer.move(9, 9, 9)).start()",
}


@pytest.mark.parametrize("end", EXITS.values(), ids=EXITS)
def test_a_writer_that_is_open_at_exit_is_closed(end, tmp_path):
    path = tmp_path / "s.evc"
    done = run(
        f"import sys\nfrom evcodec import Writer\nwriter = Writer(sys.argv[1])\nwriter.move(1, 2, 3)\n{end}",
        path,
    )
    assert (done.returncode == 1) == ("crash" in end), done.stderr
    assert ("Traceback" in done.stderr) == ("crash" in end), done.stderr
    report = verify(path)
    assert (report.ok, report.complete) == (True, True)
    with Reader(path) as reader:
        assert reader.read().t.tolist() == [1, 9] if "thread" in end else [1]


FORK = """
import os, signal, sys, threading
from evcodec import InvalidArgumentError, Writer
writer = Writer(sys.argv[1], flush_interval_s=0.02)
value = {"title": "x" * 1_000_000}
writer.context("window", value)
stop = threading.Event()
def look_up():
    while not stop.is_set():
        writer.context("window", value)   # holds the Writer at the moment of most forks
thread = threading.Thread(target=look_up)
thread.start()
for t in range(20):
    writer.move(t, 0, 0)
    child = os.fork()
    if not child:
        signal.alarm(10)   # a child that waits for ever is ended, and seen
        try:
            writer.move(1_000, 0, 0)
            os._exit(3)
        except InvalidArgumentError:
            pass
        writer.close()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0, status
stop.set()
thread.join()
writer.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_leaves_the_stream_to_the_parent(tmp_path):
    """A child has a closed Writer: it refuses, it closes without waiting, and the parent's file has the parent's events."""
    path = tmp_path / "s.evc"
    done = run(FORK, path)
    assert done.returncode == 0, done.stderr
    assert verify(path).ok
    with Reader(path) as reader:
        assert reader.read().t.tolist() == list(range(20))

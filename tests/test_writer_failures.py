"""Writer: stalled and full targets, closed pipes, forks and exits. Nothing is lost that is not accounted for."""

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
    Reader,
    WriteFailedError,
    Writer,
)
from evcodec.stream import verify
from generators import session

SLACK_S = 30
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")


def run(code: str, *args: Any, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=40, **options)


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
    while time.monotonic() < deadline:
        try:
            call()
        except WriteFailedError as error:
            return error
        time.sleep(0.001)
    pytest.fail("no append ever said that writing failed")


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
    assert later == ["no error", "again", "again"]  # an event waits until there is room again
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
thread = threading.Thread(target=look_up, daemon=True)
thread.start()
for t in range(20):
    writer.move(t, 0, 0)
    child = os.fork()
    if not child:
        signal.alarm(5)   # a child that waits for ever is ended, and seen
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


def test_closing_at_any_moment():
    """Many Writers are closed around the moment at which their events are due; threads take turns as often as can be."""
    wrong: list[Any] = []

    def run_writers() -> None:
        for number in range(30):
            target = io.BytesIO()
            writer = Writer(target, flush_interval_s=0.01)
            writer.move(number, 2, 3)
            time.sleep(0.0075 + number % 20 * 0.0001)
            try:
                writer.close()
            except WriteFailedError as error:
                wrong.append(error)
                continue
            with Reader(target.getvalue()) as reader:
                if reader.read().t.tolist() != [number] or not verify(target.getvalue()).complete:
                    wrong.append(number)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=run_writers) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert wrong == []


@POSIX
def test_a_flush_forces_full_blocks_too():
    read_end, write_end = os.pipe()  # which cannot be forced, so that the attempt is seen
    with os.fdopen(read_end, "rb"), os.fdopen(write_end, "wb") as sink:
        writer = Writer(sink, block_events=50, fsync=True)
        writer.write(session(50))
        with pytest.raises(WriteFailedError):
            writer.flush()
        with pytest.raises(WriteFailedError):
            writer.close()

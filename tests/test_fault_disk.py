"""A disk that fails in the middle of any write: one clear error, nothing unreadable, nothing lost that is not counted."""

from __future__ import annotations

import errno
import os
import re
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from evcodec import EventBatch, Reader, WriteFailedError, Writer
from evcodec.stream import verify
from faults_files import POSIX, SLACK_S, FailingFile, run, tiny_disk

# Prints a line for each schedule: events appended, found, in gaps, refused by calls, reported by close.
SCHEDULES = """
import random, sys, time, warnings
import numpy as np
from evcodec import EvcodecError, EventBatch, GapReason, LimitExceededError, Reader, WriteFailedError, Writer
from evcodec.stream import verify
from faults_files import Disk

path, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
disk = Disk()
threads_before = __import__("threading").active_count()


def size():
    import os
    return os.stat(path).st_size


def schedule(seed):
    rng = random.Random(seed)
    noise = np.random.default_rng(seed)
    block = rng.choice((5, 100, 100, 3000))
    most = 100 if block == 5 else 20_000
    writer = Writer(
        path,
        block_events=block,
        queue_events=rng.choice((1, 50, 3000, 30_000)),
        on_full=rng.choice(("block", "drop")),
        flush_interval_s=rng.choice((0.002, 0.05, 10)),
        threads=rng.choice((1, 1, 2)),
        fsync=rng.random() < 0.05,
        merge_on_close=rng.random() < 0.5,
    )
    t = refused = errors = 0
    is_full = False
    for _ in range(rng.randint(1, 40)):
        what = rng.random()
        events = 1
        try:
            if what < 0.3:
                for _ in range(min(most, rng.choice((1, 10, 300, 300, 20_000)))):
                    t += 1
                    writer.move(t - 1, noise.integers(2**30), 7)
            elif what < 0.4:
                t += 1
                writer.event(7, t - 1, pressure=t)
            elif what < 0.6:
                events = min(most, rng.choice((1, 20, 4000)))
                t += events
                writer.write(EventBatch(t=np.arange(t - events, t), noise=noise.integers(0, 2**62, events)))
            elif what < 0.7:
                events = 0
                writer.marker(t, "m", "x" * rng.choice((1, 5000)))
            elif what < 0.8:
                events = 0
                writer.flush()
            elif what < 0.95:
                is_full = rng.random() < 0.7
                disk.full_at(max(1, size() + rng.randint(-50, 2000))) if is_full else disk.has_room()
            else:
                time.sleep(rng.choice((0.001, 0.02)))
        except WriteFailedError as error:
            assert "stays readable" in str(error), error
            refused += events
            errors += 1
        except LimitExceededError:
            assert events == 0
    if rng.random() < 0.5:
        disk.has_room()
        is_full = False
    unwritten = 0
    try:
        writer.close()
    except WriteFailedError as error:
        assert is_full, f"seed {seed}: {error}"
        unwritten = error.unwritten_events
        assert f"{unwritten} events that were appended" in str(error)
        errors += 1
    disk.has_room()
    report = verify(path)
    assert report.ok, (seed, report.problems)
    with Reader(path) as reader:
        times = reader.read(columns=("t",)).t
        gaps = reader.gaps
    assert (np.diff(times) > 0).all(), seed
    lost = sum(gap.lost for gap in gaps)
    assert all(gap.reason == GapReason.QUEUE_FULL for gap in gaps)
    missing = np.setdiff1d(np.arange(t), times)
    told = np.zeros(len(missing), bool)
    for gap in gaps:
        told |= (missing >= gap.t0) & (missing < gap.t1)
    assert (~told).sum() <= refused + unwritten, seed
    assert len(times) + lost + refused + unwritten == t, (seed, len(times), lost, refused, unwritten, t)
    return t, len(times), lost, refused, unwritten, errors


with warnings.catch_warnings():
    warnings.simplefilter("ignore", RuntimeWarning)  # small blocks that could not be merged on a full disk
    totals = np.zeros(6, np.int64)
    for seed in range(first, first + count):
        totals += schedule(seed)
assert __import__("threading").active_count() == threads_before
print(*totals)
"""


@POSIX
def test_nothing_is_lost_that_is_not_counted(tmp_path, tries, seed):
    """Over random schedules of a disk that fills at any byte and gets room again: what was appended is in the stream, in
    the count of a gap, or in what a call raised for.
    """
    count = tries(quick=40, soak=20_000)
    total = np.zeros(6, np.int64)
    for start in range(0, count, 500):
        out = run(SCHEDULES, tmp_path / "s.evc", seed + start, min(500, count - start), timeout=3600)
        total += np.array(out.split(), np.int64)
    appended, found, lost, refused, unwritten, errors = total.tolist()
    print(
        f"{count} schedules: {appended} events, {found} found, {lost} in gaps, {refused} refused, "
        f"{unwritten} reported by close, {errors} errors"
    )
    assert min(found, lost, refused, unwritten) > 0  # the schedules reach all of it


RESUMES = """
import sys, time
import numpy as np
from evcodec import Reader, WriteFailedError, Writer
from faults_files import Disk, SLACK_S

path = sys.argv[1]
disk = Disk()
writer = Writer(path, flush_interval_s=0.01, queue_events=20_000, on_full=sys.argv[2])
for t in range(1000):
    writer.move(t, t, 0)
writer.flush()
disk.full_at(1)
errors = []
t = 1000
give_up = time.monotonic() + SLACK_S
while not errors and time.monotonic() < give_up:  # the failure is met by an append
    try:
        writer.move(t, t, 0)
        t += 1
    except WriteFailedError as error:
        errors.append(str(error))
    time.sleep(0.001)
assert len(errors) == 1
for _ in range(100_000):  # and raised once; nobody waits, whatever on_full is
    writer.move(t, t, 0)
    t += 1
assert "tried again" in errors[0], errors
try:
    writer.marker(t, "no room")
    raise SystemExit("an entry was taken")
except ValueError:
    pass
for _ in range(2):
    try:
        writer.flush()
        raise SystemExit("a flush to a full disk")
    except WriteFailedError as error:
        assert "tried again" in str(error)
disk.has_room()
if sys.argv[3] == "by itself":
    def done():
        with Reader(path) as reader:
            return sum(gap.lost for gap in reader.gaps)
    while not done() and time.monotonic() < give_up:
        time.sleep(0.02)
    assert done()
else:
    writer.flush()
for _ in range(10):
    writer.move(t, t, 0)
    t += 1
writer.close()
with Reader(path) as reader:
    times, gaps = reader.read().t, reader.gaps
assert len(gaps) == 1, gaps
assert len(times) + gaps[0].lost == t
assert gaps[0].reason == 2
first_lost = int(np.flatnonzero(times != np.arange(len(times)))[0])
assert gaps[0].t0 == first_lost and gaps[0].t1 == t - 10, (gaps, first_lost, t)
assert times[-10:].tolist() == list(range(t - 10, t))
assert times[gaps[0].position - 1] == first_lost - 1  # the gap stands where the events are missing
"""


@POSIX
@pytest.mark.parametrize("on_full", ["block", "drop"])
@pytest.mark.parametrize("how", ["by itself", "at a flush"])
def test_writing_resumes_with_a_gap(tmp_path, on_full, how):
    run(RESUMES, tmp_path / "s.evc", on_full, how)


ONCE = """
import sys
from evcodec import EventBatch, WriteFailedError, Writer
from evcodec.stream import verify
from faults_files import Disk

path, how = sys.argv[1], sys.argv[2]
disk = Disk()
seen = []
try:
    with Writer(path, flush_interval_s=10) as writer:
        writer.move(1, 2, 3)
        writer.flush()
        disk.full_at(1)
        writer.write(EventBatch(t=[2, 3, 4]))
        if how == "inside":
            writer.flush()
except WriteFailedError as error:
    seen.append(error)
    assert error.__context__ is None or isinstance(error.__context__, OSError), error.__context__
    notes = getattr(error, "__notes__", [])
    said = str(error) if how == "outside" else notes[0]
    assert "3 events that were appended are not in the stream" in said, (error, notes)
assert len(seen) == 1
import threading
assert threading.active_count() == 1
disk.has_room()
report = verify(path)
assert report.ok and report.events == 1, report
"""


@POSIX
@pytest.mark.parametrize("how", ["inside", "outside"])
def test_a_with_block_raises_one_error(tmp_path, how):
    """The failure that leaves the block is not buried under a second one of `close`, and says what was not written."""
    run(ONCE, tmp_path / "s.evc", how)


PERMANENT = """
import os, sys, threading
from evcodec import EventBatch, WriteFailedError, Writer

path, how = sys.argv[1], sys.argv[2]
writer = Writer(path, flush_interval_s=10, fsync=how == "no fsync")
for t in range(10):
    writer.move(t, 0, 0)
writer.flush()
fd = writer._output.file.fileno()
if how == "read only":     # takes nothing, and cannot be cut
    os.dup2(os.open(path, os.O_RDONLY), fd)
elif how == "full device":
    os.dup2(os.open("/dev/full", os.O_WRONLY), fd)
else:                      # a pipe takes the bytes, and cannot be forced
    end, other = os.pipe()
    os.dup2(other, fd)
writer.write(EventBatch(t=[10, 11]))
for call in (writer.flush, lambda: writer.move(1, 2, 3), lambda: writer.marker(1, "m"), writer.flush,
             lambda: writer.write(EventBatch(t=[1]))):
    try:
        call()
        raise SystemExit("no error")
    except WriteFailedError as error:
        assert "tried again" not in str(error)
try:
    writer.close()
    raise SystemExit("no error")
except WriteFailedError as error:
    print(error.unwritten_events)
writer.close()
assert threading.active_count() == 1
"""


@POSIX
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(("how", "unwritten"), [("read only", 2), ("full device", 2), ("no fsync", 0)])
def test_what_cannot_be_taken_back_ends_the_writer(tmp_path, how, unwritten):
    """A record that cannot be cut off, or a device that did not take what it was given: nothing is tried again."""
    path = tmp_path / "s.evc"
    assert int(run(PERMANENT, path, how)) == unwritten
    assert verify(path).ok
    with Reader(path) as reader:
        assert reader.read().t.tolist() == list(range(10))


def test_a_tiny_disk_that_gets_room(tmp_path):
    """A real file system that is full: the same, and room that another file gives back is found."""
    with tiny_disk(tmp_path / "disk") as folder:
        (folder / "other").write_bytes(bytes(40_000))
        rng = np.random.default_rng(1)
        writer = Writer(folder / "s.evc", block_events=500, flush_interval_s=0.01, merge_on_close=False)
        taken = 0
        errors = []
        for _ in range(16):
            try:
                writer.write(EventBatch(t=np.arange(taken, taken + 500), noise=rng.integers(0, 2**62, 500)))
                taken += 500  # what raises has taken nothing
                writer.flush()
            except WriteFailedError as error:
                errors.append(error.errno)
        assert set(errors) == {errno.ENOSPC}
        assert verify(folder / "s.evc").ok
        assert verify(folder / "s.evc").events < taken
        (folder / "other").unlink()
        writer.close()
        report = verify(folder / "s.evc")
        assert (report.ok, report.complete, report.gaps) == (True, True, 0)
        with Reader(folder / "s.evc") as reader:
            assert reader.read().t.tolist() == list(range(taken))


def test_short_writes_are_gone_on_with(tmp_path, tries, seed):
    for number in range(tries(quick=10, soak=2_000)):
        path = tmp_path / "s.evc"
        with FailingFile(path, seed + number, short=0.9) as file, Writer(file, block_events=50) as writer:
            writer.write(EventBatch(t=np.arange(1_000)))
            writer.marker(1, "m")
        assert verify(path).complete
        assert verify(path).events == 1_000


def test_a_file_object_that_fails_at_any_write(tmp_path, tries, seed):
    """What was written before stays readable, close says how much is missing, and no thread is left."""
    before = threading.active_count()
    for number in range(tries(quick=30, soak=2_000)):
        path = tmp_path / "s.evc"
        with FailingFile(path, seed + number, short=0.3, fail_at=1 + number) as file:
            writer = appended = None
            try:
                writer = Writer(file, block_events=50, flush_interval_s=0.01)
                appended = 0
                for _ in range(20):
                    writer.write(EventBatch(t=np.arange(appended, appended + 70)))
                    appended += 70
            except WriteFailedError:
                pass
            if writer is None:
                continue
            try:
                writer.close()
                unwritten = 0
            except WriteFailedError as error:
                unwritten = error.unwritten_events
        with Reader(path, on_error="skip") as reader:
            times = reader.read().t
            assert len(reader.problems) <= 1  # a record of which a part was taken
        assert times.tolist() == list(range(len(times)))
        assert len(times) + unwritten == appended
    assert threading.active_count() == before


class _Odd:
    """A target whose write returns what it was told to."""

    def __init__(self, value: object) -> None:
        self.value = value

    def write(self, data: bytes) -> object:
        return self.value

    def flush(self) -> None:
        pass


@pytest.mark.parametrize("value", [0, -1, 10**9, None])
def test_a_target_that_does_not_say_how_much_it_took(value):
    with pytest.raises(WriteFailedError, match=r"found|ready"):
        Writer(_Odd(value))


@POSIX
def test_a_pipe_that_does_not_block():
    """It is full: a clear error, since nobody can tell when it will not be."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    with os.fdopen(read_end, "rb"), os.fdopen(write_end, "wb") as sink:
        writer = Writer(sink, flush_interval_s=0.01)
        writer.write(EventBatch(noise=np.random.default_rng(1).integers(0, 2**62, 100_000)))
        with pytest.raises(WriteFailedError, match=r"not ready.*a target that blocks"):
            writer.flush()
        with pytest.raises(WriteFailedError, match="100000 events that were appended"):
            writer.close()


@POSIX
def test_a_pipe_that_is_read_slowly(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    data = bytearray()

    def read() -> None:
        with open(fifo, "rb", buffering=0) as source:
            while piece := source.read(4_096):
                data.extend(piece)
                time.sleep(0.002)

    reader = threading.Thread(target=read)
    reader.start()
    with Writer(fifo, block_events=2_000, queue_events=4_000, flush_interval_s=0.01) as writer:
        rng = np.random.default_rng(1)
        for start in range(0, 20_000, 1_000):
            writer.write(EventBatch(t=np.arange(start, start + 1_000), noise=rng.integers(0, 2**62, 1_000)))
    reader.join(SLACK_S)
    assert not reader.is_alive()
    with Reader(bytes(data)) as found:
        assert found.read().t.tolist() == list(range(20_000))
        assert found.gaps == []


def test_bytes_around_a_stream_in_a_buffered_file_stay_in_order(tmp_path):
    """The Writer writes past the buffer of a file that was opened by others, whose own bytes do not move."""
    path = tmp_path / "around"
    with path.open("wb") as file:
        file.write(b"before")
        with Writer(file) as writer:
            writer.move(1, 2, 3)
        file.write(b"behind")
    data = path.read_bytes()
    assert re.fullmatch(rb"before.*behind", data, flags=re.DOTALL)
    with Reader(data[6:-6]) as reader:
        assert reader.read().t.tolist() == [1]

"""One Writer or Reader in many hands: threads, forks in the middle of a write, exits, and nobody who closes it."""

from __future__ import annotations

import threading
from contextlib import suppress

import numpy as np
import pytest

from evcodec import EventBatch, InvalidArgumentError, LimitExceededError, Reader, Writer
from evcodec.stream import verify
from faults_files import POSIX, SLACK_S, run


def _all_at_once(calls: list) -> list[BaseException]:
    """Run each call on a thread of its own, all at the same time; return what they raised."""
    start = threading.Barrier(len(calls))
    raised: list[BaseException] = []

    def run_one(call) -> None:
        start.wait()
        try:
            call()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=run_one, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SLACK_S)
        assert not thread.is_alive()
    return raised


@pytest.mark.parametrize("on_full", ["block", "drop"])
@pytest.mark.parametrize("ends", ["joined", "closed meanwhile"])
def test_every_method_on_many_threads(tmp_path, tries, seed, on_full, ends):
    """Each event that was taken is there once, whole, and in the order of its thread; the rest is in a gap or was refused."""
    for number in range(tries(quick=3, soak=500)):
        rng = np.random.default_rng(seed + number)
        path = tmp_path / "s.evc"
        writer = Writer(
            path,
            on_full=on_full,
            queue_events=int(rng.choice((50, 5_000))),
            block_events=200,
            flush_interval_s=0.002,
        )
        taken = [0] * 6

        def append(own: int, writer: Writer = writer, taken: list[int] = taken) -> None:
            for _ in range(300):
                t = taken[own]
                code = own * 10**6 + t  # which every event of a thread has, in whatever way it came
                if own == 0:
                    writer.move(t, own, code)
                elif own == 1:
                    writer.button(t, 5, True, own, code)
                elif own == 2:
                    writer.scroll(t, 1, -1, own, code)
                elif own == 3:
                    writer.event(7, t, x=own, y=code, extra=code)
                elif own == 4:
                    writer.write(
                        EventBatch(t=[t, t + 1], x=np.array([own] * 2, np.int32), y=[code, code + 1])
                    )
                    taken[own] += 1
                else:
                    writer.move(t, own, code)
                taken[own] += 1  # what raises has taken nothing
                if own == 5 and t % 10 == 0:
                    with suppress(LimitExceededError):
                        writer.context("window", t)
                        writer.payload("text", t, t=t)
                    writer.flush()

        closers = [writer.close] * 2 if ends == "closed meanwhile" else []
        raised = _all_at_once([lambda own=own: append(own) for own in range(6)] + closers)
        if ends == "joined":
            assert raised == []
        # Whoever came after the end was refused.
        assert all(isinstance(error, InvalidArgumentError) and "closed" in str(error) for error in raised), (
            raised
        )
        writer.close()
        report = verify(path)
        assert (report.ok, report.complete) == (True, True)
        with Reader(path) as reader:
            batch, gaps = reader.read(), reader.gaps
        assert (batch.y == batch.x * 10**6 + batch.t).all()
        assert (
            (batch["extra"][batch.x == 3] == batch.y[batch.x == 3]).all()
            if "extra" in batch.columns
            else True
        )
        for own in range(6):
            assert (np.diff(batch[batch.x == own].t) > 0).all()
        lost = sum(gap.lost for gap in gaps)
        assert len(batch) + lost == sum(taken)
        if on_full == "block":
            assert gaps == []


def test_every_method_of_a_reader_on_many_threads(tmp_path, tries):
    """On a path, on bytes and on a file object; what a close meets in the middle is right, or a clear error."""
    path = tmp_path / "s.evc"
    with Writer(path, block_events=50) as writer:
        writer.write(EventBatch(t=np.arange(3_000), x=np.arange(3_000, dtype=np.int32)))
        writer.marker(1, "m")
    data = path.read_bytes()
    for number in range(tries(quick=9, soak=3_000)):
        with path.open("rb") as file:
            reader = Reader((path, data, file)[number % 3], threads=1 + number % 2)

            def read(reader=reader) -> None:
                for _ in range(3):
                    assert reader.read(columns=("t",), start=100, stop=2_000).t.tolist() == list(
                        range(100, 2_000)
                    )
                    assert sum(map(len, reader.batches(kinds=(0,)))) == 3_000
                    assert len(reader) == 3_000
                    assert [marker.name for marker in reader.markers] == ["m"]
                    assert len(reader.blocks) == 60
                    assert (reader.start, reader.stop) == (0, 2_999)

            assert _all_at_once([read] * 4) == []
            raised = _all_at_once([read] * 3 + [reader.close] * 2)
            assert all(isinstance(error, InvalidArgumentError) for error in raised), raised


FORKS = """
import multiprocessing, os, random, signal, sys, threading
import numpy as np
from evcodec import EventBatch, InvalidArgumentError, Reader, Writer
from evcodec.stream import verify

path, seed, rounds, kind = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
rng = random.Random(seed)
target = open(path, "wb") if kind == "file object" else path      # one with a buffer of its own
writer = Writer(target, flush_interval_s=0.001, block_events=500, threads=rng.choice((1, 2)))
stop = threading.Event()
appended = [0, 0]
noise = np.random.default_rng(seed).integers(0, 2**62, 3000)

def append():
    while not stop.is_set():
        t = appended[0]
        writer.write(EventBatch(t=np.arange(t, t + 3000), noise=noise))
        appended[0] += 3000

def singles():
    while not stop.is_set():
        writer.event(9, appended[1], noise=1)
        appended[1] += 1
        writer.context("window", appended[1] // 100)

def in_child(end):
    signal.alarm(60)   # whoever waits for ever is ended, and seen
    for call in (lambda: writer.move(1, 2, 3), lambda: writer.write(EventBatch(t=[1])), writer.flush,
                 lambda: writer.marker(1, "x")):
        try:
            call()
            os._exit(3)
        except InvalidArgumentError as error:
            assert "closed" in str(error)
    if rng.random() < 0.5:
        writer.close()
    if end == "_exit":
        os._exit(0)
    if end == "own writer":
        with Writer(path + ".own") as own:
            own.move(1, 2, 3)
    sys.exit(0)

def fork_here():
    for _ in range(rounds):
        end = rng.choice(("_exit", "exit", "multiprocessing", "own writer"))
        if end == "multiprocessing":
            child = multiprocessing.get_context("fork").Process(target=in_child, args=(end,))
            child.start()
            child.join()
            status = child.exitcode
        else:
            pid = os.fork()
            if not pid:
                in_child(end)
            status = os.waitpid(pid, 0)[1]
        if status:
            print("child", end, status, file=sys.stderr)
            os._exit(1)

threads = [threading.Thread(target=append), threading.Thread(target=singles)]
for thread in threads:
    thread.start()
forker = threading.Thread(target=fork_here)    # not the main thread of the parent
forker.start()
forker.join()
fork_here()
stop.set()
for thread in threads:
    thread.join()
writer.close()
if kind == "file object":
    target.close()
report = verify(path)
assert report.ok and report.complete, report.problems
with Reader(path) as reader:
    batch = reader.read()
assert batch[batch.kind == 9].t.tolist() == list(range(appended[1]))
assert batch[batch.kind == 0].t.tolist() == list(range(appended[0]))
print(2 * rounds)
"""


@POSIX
@pytest.mark.parametrize("kind", ["path", "file object"])
def test_forks_in_the_middle_of_writes(tmp_path, tries, seed, kind):
    """From any thread, while others append and the sealing thread writes; children end in every way."""
    for number in range(tries(quick=1, soak=40)):
        out = run(FORKS, tmp_path / "s.evc", seed + number, tries(quick=10, soak=50), kind, timeout=3600)
        assert int(out) >= 20


EXITS = """
import sys, threading, time
import numpy as np
from evcodec import EventBatch, InvalidArgumentError, WriteFailedError, Writer
path, how = sys.argv[1], sys.argv[2]
writer = Writer(path, flush_interval_s=0.05)
for t in range(100):
    writer.move(t, 0, 0)

def forever():
    t = 100
    while True:
        try:
            writer.move(t, 0, 0)
            if t % 100 == 0:
                writer.write(EventBatch(t=[t + 1]))
                t += 1
        except InvalidArgumentError:   # the interpreter ends, and has closed the Writer
            return
        t += 1

if how == "daemon threads":
    for _ in range(1):
        threading.Thread(target=forever, daemon=True).start()
    time.sleep(0.3)
elif how == "sys.exit in a thread":
    thread = threading.Thread(target=sys.exit, args=(3,))
    thread.start()
    thread.join()
elif how == "an exception in a thread":
    threading.excepthook = lambda args: None
    thread = threading.Thread(target=lambda: 1 // 0)
    thread.start()
    thread.join()
elif how == "nobody holds it":
    del writer
    import gc
    gc.collect()
elif how == "threads encode":
    Writer(path + ".2", threads=3).write(EventBatch(t=np.arange(10**6)))
"""


@POSIX
@pytest.mark.parametrize(
    "how",
    [
        "daemon threads",
        "sys.exit in a thread",
        "an exception in a thread",
        "nobody holds it",
        "threads encode",
    ],
)
def test_exits_with_an_open_writer(tmp_path, how):
    path = tmp_path / "s.evc"
    run(EXITS, path, how)
    report = verify(path)
    assert (report.ok, report.complete) == (True, True)
    with Reader(path) as reader:
        times = reader.read().t.tolist()
    assert times == list(range(len(times)))
    assert len(times) >= 100
    if how == "threads encode":
        assert verify(tmp_path / "s.evc.2").events == 10**6


LEFT = """
import gc, os, sys, warnings
from evcodec import Reader, Writer
warnings.simplefilter("ignore", ResourceWarning)
with Writer(sys.argv[1]) as writer:
    for t in range(100):
        writer.move(t, 0, 0)
before = len(os.listdir("/dev/fd"))
for number in range(200):
    reader = Reader(sys.argv[1], threads=2)
    batches = reader.batches()
    next(batches)
    if number % 2:
        cycle = [reader]
        cycle.append(cycle)
    reader = batches = cycle = None
gc.collect()
assert len(os.listdir("/dev/fd")) <= before
import threading
assert threading.active_count() == 1
"""


@POSIX
def test_a_reader_that_nobody_closes_is_let_go_of(tmp_path):
    run(LEFT, tmp_path / "s.evc")


FORK_BESIDE_A_CREW = """
import os, signal, sys, threading
from evcodec import EventBatch, Reader, encode

with Reader(encode(EventBatch(t=list(range(100)))), threads=2) as reader:
    batches = reader.batches()
    next(batches)
    (crew,) = reader._crews
    held, done = threading.Event(), threading.Event()

    def start_a_call():
        "What another thread is in the middle of when it starts a call."
        with crew._pool._shutdown_lock:
            held.set()
            done.wait(60)

    thread = threading.Thread(target=start_a_call)
    thread.start()
    held.wait(60)
    child = os.fork()
    if not child:
        signal.alarm(20)
        assert sum(map(len, reader.batches())) == 100
        reader.close()
        os._exit(0)
    done.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
"""


@POSIX
def test_a_child_closes_a_reader_whose_threads_were_busy():
    """It does not wait for a lock that a thread of its parent held."""
    run(FORK_BESIDE_A_CREW)

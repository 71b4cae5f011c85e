"""Signals in the middle of anything a Writer or a Reader does: what was appended is there once, in order, or was refused."""

from __future__ import annotations

from faults_files import POSIX, run

# A helper process sends signals at random instants; each is raised as an exception somewhere in a call, and the call's
# caller goes on. `doubt` has the events of calls that were left by the exception: each is there once or not at all.
STORM = """
import os, random, signal, sys, threading, time, warnings
import numpy as np
from evcodec import EventBatch, Reader, Writer
from evcodec.stream import verify

path, seed, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
interrupts = 0
is_allowed = False


class Interrupt(BaseException):
    pass


def handle(*_):
    global interrupts
    if is_allowed:
        interrupts += 1
        raise Interrupt


signal.signal(signal.SIGUSR1, handle)
rng = random.Random(seed)
warnings.simplefilter("ignore")


def storm(parent):
    while os.getppid() == parent:
        time.sleep(rng.expovariate(1000))
        os.kill(parent, signal.SIGUSR1)


parent = os.getpid()
child = os.fork()
if not child:
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    try:
        storm(parent)
    finally:
        os._exit(0)


def guarded(call):
    "Run a call with interrupts; tell whether it came to its end."
    global is_allowed
    try:
        is_allowed = True
        call()
        is_allowed = False
        return True
    except Interrupt:
        is_allowed = False
        return False


total = uncertain = 0
for number in range(rounds):
    # Small buffers and queues, so that most calls hand something over.
    writer = Writer(path, block_events=rng.choice((50, 5000)), queue_events=rng.choice((100, 10_000)),
                    flush_interval_s=rng.choice((0.001, 5)))
    t = 0
    certain, doubt = [], []

    def single():
        # The whole loop is in doubt from the event at which it was left.
        global at
        for at in range(t, t + many):
            writer.move(at, at, 1)

    give_up = time.monotonic() + 120
    for _ in range(rng.randint(5, 40)):
        kind = rng.random()
        if kind < 0.4:
            many, at = rng.choice((1, 30, 9000)), t
            if guarded(single):
                certain.append((t, t + many))
            else:
                certain.append((t, at))
                doubt.append((at, at + 1))
            t += many
        elif kind < 0.7:
            many = rng.choice((1, 40, 3000))
            batch = EventBatch(t=np.arange(t, t + many), x=np.arange(t, t + many, dtype=np.int32))
            (certain if guarded(lambda: writer.write(batch)) else doubt).append((t, t + many))
            t += many
        elif kind < 0.85:
            guarded(lambda: writer.marker(t, "m"))
        else:
            guarded(writer.flush)
        assert time.monotonic() < give_up
    while not guarded(writer.close):
        assert time.monotonic() < give_up
    while threading.active_count() > 1:  # a thread whose join was interrupted may take a moment more
        assert time.monotonic() < give_up
    report = verify(path)
    assert report.ok and report.complete, (seed, number, report.problems)
    batch = None

    def read():
        global batch
        with Reader(path) as reader:
            batch = reader.read()
            assert reader.gaps == []

    guarded(read)
    read()  # what takes longer than the interrupts are apart never ends
    assert (batch.t == batch.x).all()
    assert (np.diff(batch.t) > 0).all(), (seed, number)       # each once, and in order
    expected = np.concatenate([np.arange(a, b) for a, b in certain] or [np.arange(0)])
    missing = np.setdiff1d(expected, batch.t)
    assert not len(missing), (seed, number, missing[:5], len(missing))
    known = np.concatenate([expected, *(np.arange(a, b) for a, b in doubt)])
    assert not len(np.setdiff1d(batch.t, known)), (seed, number)
    total += len(batch)
    uncertain += sum(b - a for a, b in doubt)
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
print(interrupts, total, uncertain)
"""


@POSIX
def test_exceptions_of_signal_handlers_lose_nothing(tmp_path, tries, seed):
    """Appends, batches, entries, flush, close and read are left by an exception at random instants, as Ctrl-C does."""
    rounds = tries(quick=15, soak=20_000)
    interrupts = 0
    for start in range(0, rounds, 500):
        out = run(STORM, tmp_path / "s.evc", seed + start, min(500, rounds - start), timeout=7200)
        interrupts += int(out.split()[0])
    print(f"{rounds} Writers, {interrupts} interrupts")
    assert interrupts > rounds


# Ctrl-C in a reader that is used again: it must not have been left half-way through its index.
READING = """
import os, random, signal, sys, threading, time
import numpy as np
from evcodec import EventBatch, Reader, Writer

path, seed, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rng = random.Random(seed)
with Writer(path, block_events=20) as writer:
    writer.write(EventBatch(t=np.arange(3000), x=np.arange(3000, dtype=np.int32)))
    for t in range(50):
        writer.marker(t, "m")
with open(path, "r+b") as file:       # without an index the records are walked, which takes time
    file.seek(-30, 2)
    file.truncate()

def interrupt(*_):
    raise KeyboardInterrupt

interrupts = 0
for number in range(rounds):
    with Reader(path, on_error="skip", threads=rng.choice((1, 1, 2))) as reader:
        for _ in range(4):
            signal.signal(signal.SIGALRM, interrupt)
            try:
                try:
                    signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.0001, 0.006))
                    rng.choice((reader.read, lambda: len(reader), lambda: reader.markers, lambda: list(reader.batches()),
                                lambda: reader.blocks, lambda: reader.problems))()
                finally:                  # which the one signal may interrupt as well
                    signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                interrupts += 1
            signal.signal(signal.SIGALRM, signal.SIG_IGN)
        assert len(reader) == 3000, number
        assert reader.read().t.tolist() == list(range(3000)), number
        assert len(reader.markers) == 50, number
        assert sum(map(len, reader.batches())) == 3000
give_up = time.monotonic() + 60       # a pool whose end was interrupted ends by itself, soon
def left():                            # but for the main one; CPython goes on listing one whose start was interrupted
    return [thread for thread in threading.enumerate()[1:] if thread.is_alive()]
while left():
    assert time.monotonic() < give_up, left()
    time.sleep(0.01)
print(interrupts)
"""


@POSIX
def test_a_reader_goes_on_after_an_interrupt(tmp_path, tries, seed):
    rounds = tries(quick=15, soak=5_000)
    assert int(run(READING, tmp_path / "s.evc", seed, rounds, timeout=7200)) > rounds / 5


TERMINATED = """
import signal, sys, time, itertools
import numpy as np
from evcodec import EventBatch, InvalidArgumentError, Writer

writer = Writer(sys.argv[1], flush_interval_s=0.02, block_events=100)
last = [0]

def end(*_):
    writer.close()
    raise SystemExit(0)

def end_and_go_on(*_):
    writer.close()

signal.signal(signal.SIGALRM, end if sys.argv[2] == "exits" else end_and_go_on)
signal.setitimer(signal.ITIMER_REAL, float(sys.argv[3]))
try:
    for t in itertools.count(0, 500):
        print(t, flush=True)
        writer.write(EventBatch(t=np.arange(t, t + 400)))
        for i in range(100):
            writer.move(t + 400 + i, 0, 0)
except InvalidArgumentError as error:
    assert "closed" in str(error)
"""


@POSIX
def test_a_handler_that_closes_the_writer(tmp_path, tries, seed):
    """In the middle of a write, too: what was appended before is in a stream that was ended."""
    import random

    from evcodec import Reader
    from evcodec.stream import verify

    for number in range(tries(quick=4, soak=300)):
        path = tmp_path / "s.evc"
        delay = random.Random(seed + number).uniform(0.05, 0.3)
        out = run(TERMINATED, path, ("exits", "goes on")[number % 2], delay)
        report = verify(path)
        assert (report.ok, report.complete) == (True, True)
        with Reader(path) as reader:
            times = reader.read().t.tolist()
        assert times == list(range(len(times)))
        assert len(times) >= max(map(int, out.split()))


REENTRANT = """
import itertools, signal, sys, time
import numpy as np
from evcodec import EventBatch, Reader, Writer

path = sys.argv[1]
handled = 0
in_handler = False
is_open = True
writer = Writer(path, flush_interval_s=0.005, block_events=300, queue_events=2000)

def handle(*_):
    global handled, in_handler
    if in_handler or not is_open:
        return
    in_handler = True
    handled += 1
    writer.move(handled, 1, handled)
    writer.event(9, handled, x=2, extra=handled)
    writer.write(EventBatch(t=[handled] * 3, x=np.full(3, 3, np.int32)))
    writer.marker(handled, "h")
    if handled % 5 == 0:
        writer.flush()
    in_handler = False

signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0007)
until = time.monotonic() + float(sys.argv[2])
n = 0
while time.monotonic() < until:
    for _ in range(200):
        writer.move(n, 7, n)
        n += 1
    writer.write(EventBatch(t=np.arange(n, n + 700), x=np.full(700, 7, np.int32)))
    n += 700
    writer.marker(n, "outer")
    writer.flush()
is_open = False
signal.setitimer(signal.ITIMER_REAL, 0)
writer.close()
with Reader(path) as reader:
    batch, markers = reader.read(), reader.markers
assert batch[batch.x == 7].t.tolist() == list(range(n))
for x, times in ((1, 1), (2, 1), (3, 3)):
    assert batch[batch.x == x].t.tolist() == [t for t in range(1, handled + 1) for _ in range(times)]
assert sum(marker.name == "h" for marker in markers) == handled
print(handled)
"""


@POSIX
def test_a_handler_that_appends(tmp_path, tries):
    """While the program appends, flushes or waits for room: nothing waits for itself, and nothing is mixed."""
    seconds = tries(quick=2, soak=300)
    assert int(run(REENTRANT, tmp_path / "s.evc", seconds, timeout=seconds + 240)) > 10


# An exception, or a call, of a signal handler at each line that evcodec runs for one entry: what it finds half done.
AT_EACH_LINE = """
import io, sys
from evcodec import Reader, Writer


class Interrupt(BaseException):
    pass


def at_line(number, functions, act, call):
    "Call, and act at the nth line of those functions; tell whether there was one."
    left = number

    def trace(frame, event, _):
        nonlocal left
        if "evcodec" not in frame.f_code.co_filename:
            return None
        if event == "line" and (not functions or frame.f_code.co_name in functions):
            left -= 1
            if not left:
                sys.settrace(None)
                act()
        return trace

    sys.settrace(trace)
    try:
        call()
    except Interrupt:
        pass
    finally:
        sys.settrace(None)
    return left <= 0


def interrupt():
    raise Interrupt


def definition(number):
    file = io.BytesIO()
    writer = Writer(file, flush_interval_s=3600)
    was_hit = at_line(number, (), interrupt, lambda: writer.context("window", "books"))
    indices = [writer.context("window", "books"), writer.context("window", "shop"), writer.source("pen")]
    assert indices[0] == writer.context("window", "books")
    writer.close()
    with Reader(file.getvalue()) as reader:
        contexts = {context.index: context.value for context in reader.contexts}
        assert len(contexts) == len(reader.contexts), number
    assert contexts[indices[0]] == "books" and contexts[indices[1]] == "shop", (number, contexts)
    return was_hit


def gap(number):
    file = io.BytesIO()
    writer = Writer(file, flush_interval_s=3600, on_full="drop")
    writer.move(1, 1, 1)
    writer._sealer.drop(7, 100, 200)  # as an append does that finds no room

    def handle():
        writer.move(300, 1, 1)
        writer.marker(300, "of a handler")

    was_hit = at_line(number, ("put_gap",), handle, lambda: writer.marker(400, "outer"))
    writer.close()
    with Reader(file.getvalue()) as reader:
        assert [(gap.lost, gap.t0, gap.t1) for gap in reader.gaps] == [(7, 100, 201)], (number, reader.gaps)
        assert len(reader) == 1 + was_hit and len(reader.markers) == 1 + was_hit
    return was_hit


number = 1
while {"definition": definition, "gap": gap}[sys.argv[1]](number):
    number += 1
print(number)
"""


@POSIX
def test_a_definition_that_an_exception_leaves_is_written_or_not_known():
    """No index is given out that the stream does not define, and none is defined twice."""
    assert int(run(AT_EACH_LINE, "definition")) > 50


@POSIX
def test_a_handler_that_appends_while_a_gap_is_put():
    """The gap is there once, with its count, and the Writer goes on."""
    assert int(run(AT_EACH_LINE, "gap")) > 5

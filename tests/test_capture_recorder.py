"""The recorder's loop and what it writes: real pipes, kills, full disks; the gate and the indicator are stand-ins."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from evcodec import CaptureError, EventKind, GapReason, Reader
from evcodec.capture.clock import Reading, now_t
from evcodec.capture.model import HotkeyPressed
from evcodec.capture.seen import Ask, IndicatorHidden, IndicatorLost, IndicatorSeen, PersonAsked, State
from faults_files import POSIX, SLACK_S, run, tiny_disk
from recorder_standins import ROW, Stage

pytestmark = POSIX

HERE = Path(__file__).resolve().parent
SECOND = 1_000_000_000


@pytest.fixture
def pipe():
    """A descriptor to read from, and a file to write to; a `Stage` takes a descriptor of its own."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with open(reader, "rb", buffering=0), open(writer, "wb", buffering=0) as file:
        yield reader, file


def feed(file: IO[bytes], count: int, *, start: int = 0, rate: int = 0) -> None:
    """Write rows whose x counts; at a rate, or at once. A recorder that does not take them fails the test."""
    begun = time.monotonic()
    for n in range(start, start + count):
        row = ROW.pack(time.monotonic_ns(), n, n % 700)
        # A pipe takes so few bytes whole, or none of them.
        when(lambda row=row: file.write(row) is not None, "room in the pipe")
        if rate and (wait := begun + (n - start + 1) / rate - time.monotonic()) > 0:
            time.sleep(wait)


def in_background(function, *args, **options) -> threading.Thread:
    # A daemon: where it hangs, the test has failed by its own deadlines, and the run goes on.
    thread = threading.Thread(target=function, args=args, kwargs=options, daemon=True)
    thread.start()
    return thread


def ended(thread: threading.Thread) -> None:
    thread.join(SLACK_S)
    assert not thread.is_alive(), "the recorder does not end"


def when(condition, what: str = "") -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + SLACK_S
    while not condition():
        assert time.monotonic() < deadline, f"did not come: {what}"
        time.sleep(0.005)


def positions(path: Path) -> list[int]:
    with Reader(path) as reader:
        return reader.read(columns=("x",), kinds=(EventKind.MOVE,)).x.tolist()


def test_all_events_are_kept_and_wakes_are_few(tmp_path, pipe):
    stage = Stage(tmp_path / "s.evc", pipe[0])
    thread = in_background(stage.run)
    begun = time.monotonic()
    feed(pipe[1], 3_000, rate=3_000)
    when(lambda: stage.output.events == 3_000)
    stage.session.end("enough")
    stage.stop.ring()
    ended(thread)
    assert positions(tmp_path / "s.evc") == list(range(3_000))
    # A wake for each 64 ms at most, and one to see that nothing waits; a slow machine has fewer.
    assert stage.loop.wakes <= (time.monotonic() - begun) * 32 + 20
    with Reader(tmp_path / "s.evc") as reader:
        assert [(s.name, dict(s.properties)) for s in reader.sources] == [("pipe", {"absolute": True})]
        assert set(reader.read(columns=("source",)).source.tolist()) == {reader.sources[0].index}
        [anchor] = reader.anchors
        assert anchor.clock == "CLOCK_MONOTONIC" or sys.platform != "linux"
        assert anchor.boot_id or sys.platform != "linux"


def test_idle_wakes_once_a_second(tmp_path, pipe):
    stage = Stage(tmp_path / "s.evc", pipe[0], seconds=1.3)
    stage.run()
    assert stage.session.ended == "the time that was asked for is over"
    assert stage.loop.wakes <= 4


def test_a_source_that_hung_up_costs_nothing(tmp_path, pipe):
    stage = Stage(tmp_path / "s.evc", pipe[0])
    thread = in_background(stage.run)
    feed(pipe[1], 10)
    when(lambda: stage.output.events == 10)
    pipe[1].close()
    when(lambda: any(watched.retry_t for watched in stage.loop._watched))
    reads = stage.source.reads
    time.sleep(0.5)
    assert stage.source.reads - reads <= 2, "a pipe without a writer is always readable"
    stage.stop.ring()
    ended(thread)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_stream_properly(tmp_path, number):
    path = tmp_path / "s.evc"
    with recording_process(path) as process:
        feed(process.stdin, 500)
        when(lambda: path.exists() and path.stat().st_size > 600)
        process.send_signal(number)
        assert process.stdout.read() == b"500 stopped\n"
        assert process.wait(SLACK_S) == 0
    assert positions(path) == list(range(500))


def test_a_kill_loses_only_what_was_not_flushed(tmp_path):
    path = tmp_path / "s.evc"
    with recording_process(path) as process:
        feed(process.stdin, 500)
        flushed = 0

        def all_flushed() -> bool:
            nonlocal flushed
            flushed = len(positions(path)) if path.exists() and path.stat().st_size > 600 else 0
            return flushed == 500

        when(all_flushed)
        feed(process.stdin, 500, start=500)
        process.kill()
        process.wait(SLACK_S)
    found = positions(path)
    assert found == list(range(len(found)))
    assert len(found) >= 500


def recording_process(path: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, str(HERE / "recorder_standins.py"), str(path)],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == b"runs\n"
    os.set_blocking(process.stdin.fileno(), False)
    return process


def test_a_disk_that_fills_and_gets_room_loses_nothing_uncounted(tmp_path, pipe):
    with tiny_disk(tmp_path / "disk") as folder:
        filler = folder / "filler"
        stage = Stage(folder / "s.evc", pipe[0], queue_events=900, merge_on_close=False)
        stage.indicator.beats_ns = 20_000_000
        thread = in_background(stage.run)
        feed(pipe[1], 200)
        when(lambda: stage.output.events == 200)
        with open(filler, "wb", buffering=0) as file:
            try:
                while file.write(b"\0" * 4_096) == 4_096:
                    pass
            except OSError:
                pass
        fed = 200

        def feed_more() -> None:
            nonlocal fed
            feed(pipe[1], 1_000, start=fed)
            fed += 1_000
            when(lambda: stage.source.rows == fed)

        while not stage.said:
            feed_more()
        when(lambda: any(detail == "trouble" for _, detail in stage.indicator.shown))
        for _ in range(10):
            feed_more()
        # The queue is full: what the gate says of a pause waits for room as well.
        for ask, state in ((Ask.PAUSE, State.PAUSED), (Ask.RESUME, State.RECORDING)):
            stage.indicator.reports.append(PersonAsked(t=now_t(), ask=ask))
            when(lambda state=state: stage.indicator.shown[-1][0] is state, "the state")
        filler.unlink()
        # The record is tried again within a second, and what comes then makes place for the gap.
        when(lambda: not stage.writer.is_failing)
        feed_more()
        when(lambda: stage.indicator.shown[-1][1] == "editor")
        stage.stop.ring()
        ended(thread)
        assert "No space left" in stage.said[0]
        assert "tried again" in stage.said[0]
        kept = positions(folder / "s.evc")
        with Reader(folder / "s.evc") as reader:
            lost = sum(gap.lost for gap in reader.gaps if gap.reason == GapReason.QUEUE_FULL)
            assert [gap.reason for gap in reader.gaps].count(GapReason.PAUSED) == 1
    assert kept == sorted(set(kept))
    assert kept[:200] == list(range(200))
    assert lost > 0
    assert len(kept) + lost == fed


def test_a_target_that_is_lost_for_good_ends_the_recording(tmp_path):
    said = run(
        """
import os, sys, threading
from pathlib import Path
from typing import IO
from recorder_standins import ROW, Stage
from evcodec import WriteFailedError
target, broken = os.pipe()
reader, writer = os.pipe()
stage = Stage(open(broken, "wb", buffering=0), reader)
os.close(target)
def feed():
    try:
        for n in range(100_000):
            os.write(writer, ROW.pack(n, n, n))
    except BrokenPipeError:
        pass  # the recorder has closed its source
feeder = threading.Thread(target=feed, daemon=True)
feeder.start()
try:
    stage.run()
except WriteFailedError as error:
    print("ended", error)
else:
    raise SystemExit("went on")
"""
    )
    assert "ended" in said


def test_the_person_pauses_and_resumes_and_stops(tmp_path, pipe):
    stage = Stage(tmp_path / "s.evc", pipe[0])
    stage.indicator.beats_ns = 20_000_000
    thread = in_background(stage.run)
    feed(pipe[1], 10)
    when(lambda: stage.output.events == 10)
    for ask in (Ask.PAUSE, Ask.PAUSE):
        stage.indicator.reports.append(PersonAsked(t=now_t(), ask=ask))
    when(lambda: stage.indicator.shown[-1][0] is State.PAUSED)
    feed(pipe[1], 10, start=100)
    when(lambda: stage.source.rows == 20)
    stage.indicator.reports.append(PersonAsked(t=now_t(), ask=Ask.RESUME))
    when(lambda: stage.indicator.shown[-1][0] is State.RECORDING)
    feed(pipe[1], 10, start=200)
    when(lambda: stage.output.events == 20)
    stage.indicator.reports.append(PersonAsked(t=now_t(), ask=Ask.STOP))
    ended(thread)
    assert stage.session.ended == "stopped by the person"
    assert positions(tmp_path / "s.evc") == [*range(10), *range(200, 210)]
    with Reader(tmp_path / "s.evc") as reader:
        [gap] = reader.gaps
    assert gap.reason == GapReason.PAUSED
    assert gap.t0 < gap.t1
    assert stage.gate.told == [("block", GapReason.PAUSED), ("unblock", GapReason.PAUSED)]
    assert stage.indicator.shown[0] == (State.RECORDING, "editor")


def test_the_hotkey_pauses_and_resumes(tmp_path, pipe):
    stage = Stage(tmp_path / "s.evc", pipe[0])
    for _ in range(3):
        stage.session.observed(HotkeyPressed(t=now_t()))
    assert [what for what, _ in stage.gate.told] == ["block", "unblock", "block"]
    assert [state for state, _ in stage.indicator.shown] == [State.PAUSED, State.RECORDING, State.PAUSED]
    stage.stop.ring()
    stage.run()


def test_the_loss_of_the_indicator_ends_the_recording_with_a_gap(tmp_path, pipe):
    stage = Stage(tmp_path / "s.evc", pipe[0])
    since_t = now_t()
    stage.indicator.reports.append(IndicatorLost(t=since_t + 10, since_t=since_t, why="it has ended"))
    feed(pipe[1], 10)
    stage.run()
    assert stage.session.failed == "it has ended"
    assert stage.gate.told[0] == ("block", GapReason.INDICATOR_LOST)
    with Reader(tmp_path / "s.evc") as reader:
        [gap] = reader.gaps
    assert (gap.reason, gap.t0) == (GapReason.INDICATOR_LOST, since_t)


def test_nothing_is_recorded_while_the_indicator_is_not_in_sight(tmp_path, pipe, monkeypatch):
    from evcodec.capture import recorder_session

    stage = Stage(tmp_path / "s.evc", pipe[0])
    hidden = IndicatorHidden(t=now_t(), since_t=now_t(), why="covered")
    stage.indicator.reports += [hidden, IndicatorSeen(t=now_t())]
    stage.session.woken(now_t())
    assert [what for what, _ in stage.gate.told] == ["block", "unblock"]
    assert "covered" in stage.said[0]
    # For good, it ends the recording.
    monkeypatch.setattr(recorder_session, "HIDDEN_NS", 1)
    stage.indicator.reports += [hidden]
    stage.run()
    assert stage.session.ended == "the indicator was lost"


def test_sleep_of_the_machine_is_told_to_the_gate_and_the_stream(tmp_path, pipe):
    slept = 0

    def clocks() -> Reading:
        return Reading(t=now_t(), wall_ns=time.time_ns() + slept, suspended_ns=5 * SECOND + slept)

    stage = Stage(tmp_path / "s.evc", pipe[0], clocks=clocks)
    thread = in_background(stage.run)
    when(lambda: stage.loop.wakes)
    slept = 3_600 * SECOND
    when(lambda: any(what == "suspended" for what, *_ in stage.gate.told))
    stage.stop.ring()
    ended(thread)
    with Reader(tmp_path / "s.evc") as reader:
        assert [a.suspended_ns for a in reader.anchors] == [5 * SECOND, 3_605 * SECOND]
        [gap] = reader.gaps
        assert gap.reason == GapReason.SUSPENDED
        assert gap.t1 == reader.anchors[1].t


def test_a_failure_keeps_what_was_recorded_and_tells_nothing(tmp_path, pipe):
    """What the failing code held is in its message and its variables; neither may come out."""
    stage = Stage(tmp_path / "s.evc", pipe[0])
    feed(pipe[1], 10, start=424_200)
    stage.gate.fails_at = 11
    thread = in_background(lambda: when(lambda: stage.output.events == 10) or feed(pipe[1], 1, start=424_299))
    with pytest.raises(CaptureError, match=r"ValueError at recorder_standins\.py:\d+") as caught:
        stage.run()
    ended(thread)
    error: BaseException | None = caught.value
    while error is not None:
        assert "424299" not in str(error)
        if error is not caught.value:
            assert error.__traceback__ is None
        error = error.__cause__ or error.__context__
    assert positions(tmp_path / "s.evc") == list(range(424_200, 424_210))


def test_what_was_written_is_wiped(tmp_path, pipe):
    from evcodec import EventBatch
    from evcodec.capture.passed import PassedEvents

    stage = Stage(tmp_path / "s.evc", pipe[0])
    given = EventBatch(
        t=np.arange(1, 5), kind=np.full(4, EventKind.KEY_DOWN, np.uint8), keysym=np.full(4, 97, np.uint32)
    )
    stage.output.take(PassedEvents(batch=given, has_keys=True))
    stage.output.take(PassedEvents(batch=given[:2]))
    stage.output.commit()
    assert not given.keysym.any()
    stage.stop.ring()
    stage.run()
    with Reader(tmp_path / "s.evc") as reader:
        assert reader.read(columns=("keysym",)).keysym.tolist() == [97] * 6


def test_contexts_stand_in_one_another(tmp_path, pipe):
    from evcodec import EventBatch
    from evcodec.capture.passed import PassedAct, PassedContext, PassedEvents

    def move(t: int) -> PassedEvents:
        return PassedEvents(batch=EventBatch(t=[t], kind=np.zeros(1, np.uint8), x=[t], y=[7]))

    stage = Stage(tmp_path / "s.evc", pipe[0])
    for passed in (
        PassedContext(t=1, context_type="display", value={"displays": [{"name": "A"}]}),
        PassedContext(t=2, context_type="application", value={"executable": "/usr/bin/a"}),
        move(3),
        PassedContext(t=4, context_type="window", value={"id": 9, "title": "t"}),
        PassedContext(t=5, context_type="element", value={"role": "text"}),
        move(6),
        PassedAct(t=7, kind=EventKind.ITEM_SELECT, value={"role": "menu item", "name": "Open"}),
        PassedContext(t=8, context_type="element", value={}),
        move(9),
        PassedContext(t=10, context_type="application", value={"executable": "/usr/bin/b"}),
        move(11),
    ):
        stage.output.take(passed)
    stage.stop.ring()
    stage.run()
    with Reader(tmp_path / "s.evc") as reader:
        values = {c.index: (c.context_type, c.value) for c in reader.contexts}
        found = reader.read()
    display, app, window, element, item, other = range(1, 7)
    assert values == {
        display: ("display", {"displays": [{"name": "A"}]}),
        app: ("application", {"executable": "/usr/bin/a"}),
        window: ("window", {"id": 9, "title": "t", "application": app}),
        element: ("element", {"role": "text", "application": app, "window": window}),
        item: ("element", {"role": "menu item", "name": "Open", "application": app, "window": window}),
        other: ("application", {"executable": "/usr/bin/b"}),
    }
    assert found.t.tolist() == [*range(1, 12)]
    assert found.context.tolist() == [
        display,
        app,
        app,
        window,
        element,
        element,
        item,
        window,
        window,
        other,
        other,
    ]
    assert set(found.display.tolist()) == {display}
    assert found.x.tolist() == [0, 0, 3, 3, 3, 6, 6, 6, 9, 9, 11]
    is_said = found.kind != EventKind.MOVE
    assert found.code[is_said].tolist() == found.context[is_said].tolist()

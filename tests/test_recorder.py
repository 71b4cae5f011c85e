"""Events appended one at a time, as an input hook does: exact, in order, and soon on disk whatever happens."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evcodec import EvcodecError, EventBatch, InvalidArgumentError, Reader, Writer
from generators import assert_same

INT32 = np.iinfo(np.int32)
LOW, HIGH = -(2**63), 2**63 - 1
# The bound of what is tested is the flush interval; the rest is for a machine that is busy.
SLACK_S = 20


def read_back(target: io.BytesIO) -> EventBatch:
    with Reader(target.getvalue()) as reader:
        return reader.read()


def eventually(holds: Callable[[], bool]) -> bool:
    """Wait until something holds, as long as a busy machine may need."""
    deadline = time.monotonic() + SLACK_S
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def events_in(path: Path) -> list[int]:
    """Return the times of the events that are in a file now, which may be being written."""
    with Reader(path, on_error="skip") as reader:
        return reader.read(columns=("t",)).t.tolist()


def test_each_method_fills_its_columns():
    target = io.BytesIO()
    with Writer(target) as writer:
        writer.move(10, 1, -2)
        writer.button(11, 272, True, 3, 4)
        writer.button(12, 272, False, 5, 6)
        writer.scroll(13, -120, 240, 7, 8)
        writer.key(14, 30, True)
        writer.key(15, 30, False)
        writer.event(200, 16, x=9, dy=-1, pressure=1023, source=2)
        writer.event(kind=12, t=17)
    batch = read_back(target)
    rows = list(
        zip(*(batch[name].tolist() for name in ("t", "kind", "x", "y", "code", "dx", "dy")), strict=True)
    )
    assert rows == [
        (10, 0, 1, -2, 0, 0, 0),
        (11, 1, 3, 4, 272, 0, 0),
        (12, 2, 5, 6, 272, 0, 0),
        (13, 3, 7, 8, 0, -120, 240),
        (14, 4, 0, 0, 30, 0, 0),
        (15, 5, 0, 0, 30, 0, 0),
        (16, 200, 9, 0, 0, 0, -1),
        (17, 12, 0, 0, 0, 0, 0),
    ]
    assert batch["pressure"].tolist() == [0] * 6 + [1023, 0]
    assert batch["source"].tolist() == [0] * 6 + [2, 0]
    assert {name: str(batch[name].dtype) for name in ("t", "kind", "x", "source", "pressure")} == {
        "t": "int64",
        "kind": "uint8",
        "x": "int32",
        "source": "uint16",
        "pressure": "int64",
    }


VALUES = st.sampled_from(
    (0, 1, -1, INT32.max, INT32.min, INT32.max + 1, INT32.min - 1, HIGH, LOW)
) | st.integers(LOW, HIGH)
EVENTS = st.lists(
    st.tuples(
        st.integers(0, 255),
        VALUES,
        st.dictionaries(
            st.sampled_from(("x", "y", "code", "dx", "dy", "seq", "flags", "os_time", "größe")),
            VALUES,
            max_size=4,
        ),
        st.booleans(),
    ),
    max_size=30,
)


@given(EVENTS, st.integers(1, 7))
def test_any_64_bit_value_is_exact(events, block_events):
    """Also where small and large values, live events and batches follow each other."""
    target = io.BytesIO()
    with Writer(target, block_events=block_events) as writer:
        for kind, t, columns, bulk in events:
            if bulk:
                writer.write(
                    EventBatch(t=[t], kind=[kind], **{n: np.array([v], np.int64) for n, v in columns.items()})
                )
            else:
                writer.event(kind, t, **columns)
    batch = read_back(target)
    assert batch.t.tolist() == [t for _, t, _, _ in events]
    assert batch.kind.tolist() == [kind for kind, _, _, _ in events]
    for name in {name for _, _, columns, _ in events for name in columns}:
        assert batch[name].tolist() == [columns.get(name, 0) for _, _, columns, _ in events], name


def test_numpy_integers_are_integers():
    target = io.BytesIO()
    with Writer(target) as writer:
        writer.move(np.int64(2**40), np.int16(-3), np.uint8(200))
        writer.event(np.uint8(7), np.uint64(5), pressure=np.int8(-1))
    batch = read_back(target)
    assert (batch.t.tolist(), batch.x.tolist(), batch.y.tolist()) == ([2**40, 5], [-3, 0], [200, 0])
    assert batch["pressure"].tolist() == [0, -1]


BAD_CALLS: dict[str, Callable[[Writer], Any]] = {
    "float t": lambda w: w.move(1.5, 0, 0),
    "float x": lambda w: w.move(1, 1.0, 0),
    "None": lambda w: w.move(1, None, 0),
    "string": lambda w: w.key(1, "a", True),
    "too large": lambda w: w.move(1, 2**63, 0),
    "too small": lambda w: w.scroll(1, 0, -(2**63) - 1, 0, 0),
    "numpy float": lambda w: w.button(np.float64(1), 1, True, 0, 0),
    "numpy too large": lambda w: w.move(np.uint64(2**63), 0, 0),
    "kind too large": lambda w: w.event(256, 1),
    "kind negative": lambda w: w.event(-1, 1),
    "kind far too large": lambda w: w.event(2**70, 1),
    "float extra": lambda w: w.event(7, 1, pressure=0.5),
    "good extra, then bad": lambda w: w.event(7, 1, pressure=5, tilt=2**64),
    "bad t behind extras": lambda w: w.event(7, None, pressure=5),
    "no name": lambda w: w.event(7, 1, **{"": 1}),
    "name too long": lambda w: w.event(7, 1, **{"n" * 65: 1}),
}


@pytest.mark.parametrize("call", BAD_CALLS.values(), ids=BAD_CALLS)
def test_a_bad_event_is_refused_and_leaves_nothing_behind(call):
    target = io.BytesIO()
    with Writer(target) as writer:
        writer.move(1, 2, 3)
        with pytest.raises(InvalidArgumentError, match=r"found .*allowed"):
            call(writer)
        writer.move(4, 5, 6)
    batch = read_back(target)
    assert batch.t.tolist() == [1, 4]
    assert "pressure" not in batch.columns


def test_a_closed_writer_refuses():
    writer = Writer(io.BytesIO())
    writer.close()
    writer.close()
    for call in (
        lambda: writer.move(1, 2, 3),
        lambda: writer.event(7, 1, pressure=1),
        lambda: writer.write(EventBatch(t=[1])),
        writer.flush,
        lambda: writer.marker(1, "x"),
        lambda: writer.context("window", 1),
        lambda: writer.gap(1, 0, 1),
    ):
        with pytest.raises(InvalidArgumentError, match="closed"):
            call()


def test_a_column_may_be_called_what_it_likes():
    target = io.BytesIO()
    with Writer(target) as writer:
        writer.event(7, 1, self=5, columns=6)
        writer.write(EventBatch(t=[2], name=[7]))
        writer.event(7, 3, self=8)
    assert read_back(target)["self"].tolist() == [5, 0, 8]


def test_live_and_bulk_events_keep_their_order():
    target = io.BytesIO()
    expected: list[int] = []
    with Writer(target, block_events=1_000) as writer:
        for t in range(0, 40_000, 8):
            writer.move(t, t, 0)
            writer.key(t + 1, 1, True)
            expected += [t, t + 1]
            if t % 1_000 == 0:
                writer.write(EventBatch(t=[t + 2, t + 3], x=np.array([5, 6], np.int16)))
                expected += [t + 2, t + 3]
    assert read_back(target).t.tolist() == expected


def test_threads_append_to_one_writer():
    """No event is lost or torn, and those of each thread stay in their order."""
    target = io.BytesIO()
    start = threading.Barrier(4)

    with Writer(target, block_events=5_000, flush_interval_s=0.01) as writer:

        def append(number: int) -> None:
            start.wait()
            for i in range(20_000):
                if number == 3 and i % 500 == 0:
                    writer.write(EventBatch(t=[i], x=[number], y=[-i], source=[number], code=[i * 7]))
                elif i % 7 == 0:
                    writer.event(1, i, x=number, y=-i, source=number, code=i * 7)
                else:
                    writer.button(i, i * 7, True, number, -i)

        threads = [threading.Thread(target=append, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    batch = read_back(target)
    assert len(batch) == 80_000
    for number in range(4):
        mine = batch[batch.x == number]
        assert mine.t.tolist() == list(range(20_000))
        assert mine.y.tolist() == [-i for i in range(20_000)]
        assert mine.code.tolist() == [i * 7 for i in range(20_000)]
        special = mine.source != 0
        assert set(mine.source[special].tolist()) <= {number}


def test_what_was_appended_reaches_the_disk_by_itself(tmp_path):
    """No flush and no close: another Reader sees the events, in order, while the Writer is open."""
    path = tmp_path / "live.evc"
    writer = Writer(path, flush_interval_s=0.05)
    try:
        for round_ in range(3):
            for t in range(round_ * 100, round_ * 100 + 100):
                writer.move(t, t, t)
            expected = list(range(round_ * 100 + 100))
            assert eventually(lambda expected=expected: events_in(path) == expected)
    finally:
        writer.close()


def test_one_bulk_batch_and_one_entry_reach_the_disk_by_themselves(tmp_path):
    path = tmp_path / "live.evc"
    with Writer(path, flush_interval_s=0.05) as writer:
        writer.write(EventBatch(t=[7]))
        assert eventually(lambda: events_in(path) == [7])
        writer.marker(5, "here")

        def marked() -> bool:
            with Reader(path) as reader:
                return [m.name for m in reader.markers] == ["here"]

        assert eventually(marked)


def test_callers_that_hold_the_writer_up_do_not_keep_events_from_the_disk(tmp_path):
    """Looking up a large context over and over keeps the Writer busy just when the event should be sealed."""
    path = tmp_path / "live.evc"
    value = {"title": "x" * 4_000_000}
    with Writer(path, flush_interval_s=0.05) as writer:
        writer.context("window", value)
        writer.flush()
        busy = threading.Event()

        def look_up() -> None:
            until = time.monotonic() + 0.5
            while time.monotonic() < until:
                writer.context("window", value)
                busy.set()

        thread = threading.Thread(target=look_up)
        thread.start()
        assert busy.wait(SLACK_S)
        writer.move(42, 0, 0)
        thread.join()
        assert eventually(lambda: events_in(path) == [42])


KILLED = """
import itertools, sys, time
from evcodec import Writer
writer = Writer(sys.argv[1], flush_interval_s=float(sys.argv[2]))
for t in itertools.count():
    writer.move(t, t * 3, -t)
    if t % 5 == 0:
        writer.key(t, t % 100, True)
    if t % 100 == 0:
        print(t, time.monotonic(), flush=True)
        time.sleep(0.005)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_process_loses_no_more_than_the_interval(tmp_path):
    """Every event that was appended longer ago than the interval, and the slack, is there; the stream reads to its end."""
    path = tmp_path / "killed.evc"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path), "0.1"], stdout=subprocess.PIPE, text=True
    )
    seen: list[tuple[int, float]] = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            t, at = line.split()
            seen.append((int(t), float(at)))
            if seen[-1][1] - seen[0][1] > 1.5:
                break
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    killed_at = time.monotonic()
    with Reader(path, on_error="skip") as reader:
        batch = reader.read()
        assert len(reader.problems) <= 1  # at most the record that was being written
    moves = batch[batch.kind == 0]
    assert moves.t.tolist() == list(range(len(moves)))
    assert moves.x.tolist() == [3 * t for t in range(len(moves))]
    due = [t for t, at in seen if at < killed_at - 0.1 - 1.0]
    assert due
    assert len(moves) > due[-1]


def test_small_live_blocks_are_merged_on_close(tmp_path):
    path = tmp_path / "live.evc"
    with Writer(path, metadata={"a": 1}) as writer:
        for t in range(3_000):
            writer.move(t, t % 50, 7)
            if t % 100 == 99:
                writer.marker(t, "m")
                writer.flush()
        with Reader(path) as reader:
            assert len(reader.blocks) == 30
            before, entries = reader.read(), list(reader.entries())
        size = path.stat().st_size
    with Reader(path) as reader:
        assert len(reader.blocks) == 1
        assert_same(reader.read(), before)
        assert list(reader.entries()) == entries
        assert reader.metadata == {"a": 1}
    assert path.stat().st_size < size / 2
    assert [p.name for p in tmp_path.iterdir()] == ["live.evc"]


def test_blocks_stay_as_they_are_without_merging(tmp_path):
    path = tmp_path / "live.evc"
    with Writer(path, merge_on_close=False) as writer:
        for t in range(30):
            writer.move(t, 0, 0)
            if t % 10 == 9:
                writer.flush()
    with Reader(path) as reader:
        assert [block.events for block in reader.blocks] == [10, 10, 10]


def test_the_error_kinds_are_one_family():
    with pytest.raises(EvcodecError), Writer(io.BytesIO()) as writer:
        writer.move("x", 0, 0)
    with pytest.raises(ValueError, match="x"), Writer(io.BytesIO()) as writer:
        writer.move(0, "x", 0)


COLLECTING = """
import gc, io, sys, threading, time
import evcodec

# A collector that lets other threads run at every chance, which an append must not give it.
gc.callbacks.append(lambda *_: time.sleep(0))
gc.set_threshold(50)
sys.setswitchinterval(1e-5)
target = io.BytesIO()
with evcodec.Writer(target, flush_interval_s=0.01) as writer:
    def events():
        for i in range(1, 2_001):
            writer.event(7, i, pressure=i)

    def moves(base):
        for i in range(1, 10_001):
            writer.move(base + i, i, i)

    threads = [threading.Thread(target=events), *(threading.Thread(target=moves, args=(n * 10**6,)) for n in (1, 2))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
batch = evcodec.decode(target.getvalue())
pressed = batch[batch.kind == 7]
assert pressed.t.tolist() == pressed["pressure"].tolist() == list(range(1, 2_001))
for n in (1, 2):
    mine = batch[(batch.kind == 0) & (batch.t // 10**6 == n)]
    assert mine.x.tolist() == mine.y.tolist() == list(range(1, 10_001))
assert len(batch) == 22_000
"""


def test_a_garbage_collection_in_an_append_mixes_nothing():
    """What a collector runs may append too, or let another thread take the events."""
    done = subprocess.run(
        [sys.executable, "-c", COLLECTING], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr

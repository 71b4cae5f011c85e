"""Fixed ticks, against a slow definition of them in Python's integers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evcodec import EventBatch, EventFlag, EventKind, InvalidArgumentError, LimitExceededError
from evcodec.sample import sample_session
from evcodec.ticks import READS, TICK_COLUMNS, Ticks, fixed_ticks, tick_batches
from generators import SEEDS

MOVE, DOWN, UP, SCROLL, KEY_DOWN, KEY_UP = list(EventKind)[:6]
INT64 = np.iinfo(np.int64)


def slow_ticks(batch, period, start=None, stop=None, position=(0, 0)):
    """Return rows as dicts: one event at a time, no numpy."""
    names = ("t", "kind", "x", "y", "dx", "dy", "flags")
    events = [
        dict(zip(names, row, strict=True)) for row in zip(*(batch[n].tolist() for n in names), strict=True)
    ]
    events.sort(key=lambda event: event["t"])  # which keeps the order of equal ones
    if start is None:
        if not events:
            return []
        start = events[0]["t"] // period * period
    rows = {}
    highest = -1
    for event in events:
        if event["t"] >= start and (stop is None or event["t"] < stop):
            highest = max(highest, (event["t"] - start) // period)
    if stop is not None and stop > start:
        highest = max(highest, -(-(stop - start) // period) - 1)
    for nth in range(highest + 1):
        rows[nth] = dict.fromkeys(TICK_COLUMNS, 0) | {"t": start + nth * period}
    for event in events:
        if event["t"] < start or (stop is not None and event["t"] >= stop):
            continue
        row = rows[(event["t"] - start) // period]
        row["events"] += 1
        counted = {DOWN: "button_down", UP: "button_up", KEY_DOWN: "key_down", KEY_UP: "key_up"}.get(
            event["kind"]
        )
        if counted:
            row[counted] += 1
        summed = {MOVE: "move", SCROLL: "scroll"}.get(event["kind"])
        if summed:
            row[f"{summed}_x"] += event["dx"]
            row[f"{summed}_y"] += event["dy"]
    for row in rows.values():
        row["x"], row["y"] = position
        for event in events:
            placed = event["kind"] in (MOVE, DOWN, UP) and not event["flags"] & EventFlag.RELATIVE_ONLY
            if placed and event["t"] < row["t"] + period and (stop is None or event["t"] < stop):
                row["x"], row["y"] = event["x"], event["y"]
    return list(rows.values())


def assert_ticks(found, expected):
    assert list(found.columns) == list(TICK_COLUMNS)
    assert {column.dtype for column in found.columns.values()} == {np.dtype(np.int64)}
    assert list(found) == expected


def random_batch(seed, events=60, span=400):
    rng = np.random.default_rng(seed)
    return EventBatch(
        t=np.sort(rng.integers(-span, span, events)) + rng.integers(-5, 6, events) * rng.integers(0, 2),
        kind=rng.integers(0, 9, events).astype(np.uint8),
        x=rng.integers(-500, 500, events).astype(np.int16),
        y=rng.integers(-500, 500, events).astype(np.int32),
        dx=rng.integers(-9, 9, events).astype(np.int8),
        dy=rng.integers(-9, 9, events).astype(np.int64),
        flags=rng.integers(0, 4, events).astype(np.uint16),
    )


@given(SEEDS, st.integers(1, 300), st.none() | st.integers(-450, 450), st.none() | st.integers(-450, 450))
def test_ticks_are_those_of_the_definition(seed, period, start, stop):
    batch = random_batch(seed)
    found = fixed_ticks(batch, period, start=start, stop=stop, position=(7, -7))
    assert_ticks(found, slow_ticks(batch, period, start, stop, (7, -7)))


@given(SEEDS, st.integers(1, 300), st.lists(st.integers(0, 60), max_size=5))
def test_batches_give_the_same_ticks_as_one(seed, period, cuts):
    batch = random_batch(seed)
    batch = batch[np.argsort(batch.t, kind="stable")]
    edges = [0, *sorted(cuts), len(batch)]
    parts = [batch[a:b] for a, b in pairwise(edges)]
    expected = fixed_ticks(batch, period, start=-300, stop=500)
    assert EventBatch.concat(tick_batches(parts, period, start=-300, stop=500)).equals(expected)
    assert EventBatch.concat(tick_batches(parts, period)).equals(fixed_ticks(batch, period))


def test_a_session_keeps_its_counts():
    batch = sample_session(20_000, seed=5)
    found = fixed_ticks(batch, 20_000_000)
    assert np.all(np.diff(found.t) == 20_000_000)
    assert found.t[0] <= batch.t[0]
    assert batch.t[-1] < found.t[-1] + 20_000_000
    assert int(found.events.sum()) == len(batch)
    assert int(found["button_down"].sum()) == np.count_nonzero(batch.kind == DOWN)
    assert int(found["scroll_y"].sum()) == int(batch.dy[batch.kind == SCROLL].sum())
    assert fixed_ticks(batch.select(READS), 20_000_000).equals(found)


def test_an_event_of_an_earlier_batch_may_be_the_later_one():
    ticks = Ticks(100, start=0)
    assert not len(ticks.add(EventBatch(t=[50], x=[5])))
    assert not len(ticks.add(EventBatch(t=[40, 50], x=[4, 6])))
    assert ticks.position == (6, 0)
    assert not len(ticks.add(EventBatch(t=[49], x=[9])))
    assert [(row["x"], row["events"]) for row in ticks.finish()] == [(6, 4)]


def test_of_equal_times_the_last_in_the_stream_counts():
    rng = np.random.default_rng(1)
    batch = EventBatch(t=rng.integers(0, 9, 5_000), x=np.arange(5_000))
    assert_ticks(fixed_ticks(batch, 1), slow_ticks(batch, 1))


def test_extremes_of_time():
    far = EventBatch(t=[INT64.min, INT64.max], x=[1, 2])
    found = fixed_ticks(far, 2**62, start=INT64.min)
    assert found.t.tolist() == [-(2**63), -(2**62), 0, 2**62]
    assert found.x.tolist() == [1, 1, 1, 2]
    assert found.events.tolist() == [1, 0, 0, 1]
    assert fixed_ticks(far, 2**62, start=0, stop=2**63).events.tolist() == [0, 1]
    assert fixed_ticks(far, 2**62, start=INT64.max, stop=2**63).t.tolist() == [INT64.max]


def test_no_events():
    nothing = EventBatch(t=[])
    assert len(fixed_ticks(nothing, 10)) == 0
    assert list(fixed_ticks(nothing, 10).columns) == list(TICK_COLUMNS)
    assert fixed_ticks(nothing, 10, start=5, stop=26, position=(3, 4)).t.tolist() == [5, 15, 25]
    assert fixed_ticks(nothing, 10, start=5, stop=26, position=(3, 4)).y.tolist() == [4, 4, 4]
    assert list(tick_batches([], 10)) == []


def test_sums_are_exact_or_refused():
    large = EventBatch(t=[0, 1], dx=np.array([2**62, 2**62 - 1]))
    assert fixed_ticks(large, 10)["move_x"].tolist() == [2**63 - 1]
    with pytest.raises(InvalidArgumentError, match="sum move_x"):
        fixed_ticks(EventBatch(t=[0, 1], dx=np.array([2**62, 2**62])), 10)
    cancelling = EventBatch(t=[0, 1, 2, 12], dx=np.array([2**63 - 1, 2**62, -(2**62), -(2**63)]))
    assert fixed_ticks(cancelling, 10)["move_x"].tolist() == [2**63 - 1, -(2**63)]
    with pytest.raises(InvalidArgumentError, match="sum move_x"):
        fixed_ticks(cancelling, 20, start=2)
    ticks = Ticks(10)
    ticks.add(EventBatch(t=[0], dx=np.array([2**62])))
    with pytest.raises(InvalidArgumentError, match="sum move_x"):
        ticks.add(EventBatch(t=[1], dx=np.array([2**62])))
    with pytest.raises(InvalidArgumentError, match="x: found 9223372036854775808"):
        fixed_ticks(EventBatch(t=[0], x=np.array([2**63], np.uint64)), 10)


def test_too_many_ticks_are_refused():
    jump = EventBatch(t=[0, 10**18])
    with pytest.raises(LimitExceededError, match="found 1000000001, allowed: 4194304"):
        fixed_ticks(jump, 10**9)
    with pytest.raises(LimitExceededError, match="allowed: 5"):
        fixed_ticks(jump[:1], 10, start=0, stop=60, max_ticks=5)
    assert len(fixed_ticks(jump[:1], 10, start=0, stop=50, max_ticks=5)) == 5


def test_an_event_of_a_tick_that_was_given_is_refused():
    ticks = Ticks(10)
    assert ticks.add(EventBatch(t=[3, 25])).t.tolist() == [0, 10]
    with pytest.raises(InvalidArgumentError, match="event at 19, allowed: 20 or later"):
        ticks.add(EventBatch(t=[19]))
    ticks.finish()
    with pytest.raises(InvalidArgumentError, match="after finish"):
        ticks.add(EventBatch(t=[30]))


@pytest.mark.parametrize(
    "wrong",
    [
        *({"period_ns": value} for value in (0, -1, 2**62 + 1, 1.5, True, "1")),
        {"start": 2**63},
        {"stop": 2**63 + 1},
        {"position": (0, 2**63)},
        {"max_ticks": 0},
    ],
    ids=str,
)
def test_bad_arguments(wrong):
    with pytest.raises(InvalidArgumentError, match="allowed: "):
        Ticks(**{"period_ns": 10, **wrong})

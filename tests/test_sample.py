"""The made-up session: the same on every platform, and like a person's."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from evcodec import EventBatch, EventKind, InvalidArgumentError
from evcodec.sample import sample_session

COLUMNS = ("t", "kind", "x", "y", "code", "dx", "dy")


def digest(batch: EventBatch) -> str:
    """Return a digest of all values, whatever the byte order of the machine."""
    found = hashlib.sha256()
    for name in COLUMNS:
        found.update(batch[name].astype("<i8").tobytes())
    return found.hexdigest()[:16]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "8339d9fed635baa2"),
        ({"seed": 7}, "2327c5eb952f7f4c"),
        ({"seed": (1 << 64) - 1, "rate_hz": 1_000, "clock_ns": 100}, "934b969e4fc42dcc"),
        (
            {"rate_hz": 125, "clock_ns": 15_625_000, "width": 2_560, "height": 1_440, "start_ns": -(10**15)},
            "e4ab9c181d1e2ee4",
        ),
    ],
)
def test_a_seed_gives_the_same_events_everywhere(options, expected):
    assert digest(sample_session(20_000, **options)) == expected


def test_a_shorter_session_is_the_start_of_a_longer_one():
    assert sample_session(3_000, seed=3).equals(sample_session(40_000, seed=3)[:3_000])


@pytest.mark.parametrize("events", [0, 1, 2, 9_999])
def test_it_has_as_many_events_as_asked_for(events):
    batch = sample_session(events)
    assert len(batch) == events
    assert {name: str(column.dtype) for name, column in batch.columns.items()} == {
        "t": "int64",
        "kind": "uint8",
        **dict.fromkeys(("x", "y", "code", "dx", "dy"), "int32"),
    }


@pytest.mark.parametrize("clock_ns", [1, 100, 1_000, 1_000_000, 15_625_000])
def test_time_follows_the_clock_and_never_runs_back(clock_ns):
    t = sample_session(20_000, clock_ns=clock_ns).t
    assert (np.diff(t) >= 0).all()
    assert (t % clock_ns == 0).all()
    # Not a coarser clock than asked for.
    assert np.gcd.reduce(t // clock_ns) == 1


@pytest.mark.parametrize("rate_hz", [125, 500, 1_000])
def test_moves_keep_to_the_grid_of_the_mouse_with_jitter(rate_hz):
    batch = sample_session(30_000, rate_hz=rate_hz)
    moves = batch.t[batch.kind == EventKind.MOVE]
    period = 1_000_000_000 // rate_hz
    steps = np.diff(moves)
    near = steps[steps < 1.5 * period]
    assert len(near) > len(steps) / 2
    assert abs(np.median(near) - period) < period / 100
    assert len(np.unique(near)) > 20, "a clock without jitter is not realistic"


def test_the_pointer_stays_on_the_screen_and_reports_changes_only():
    batch = sample_session(50_000, width=800, height=600)
    moves = batch[batch.kind == EventKind.MOVE]
    assert moves.x.min() >= 0
    assert moves.x.max() < 800
    assert moves.y.min() >= 0
    assert moves.y.max() < 600
    still = (np.diff(moves.x) == 0) & (np.diff(moves.y) == 0)
    assert still.mean() < 0.01


def test_speed_rises_and_falls_within_a_stroke():
    batch = sample_session(60_000, seed=2)
    moves = batch[batch.kind == EventKind.MOVE]
    step = np.hypot(np.diff(moves.x.astype(float)), np.diff(moves.y.astype(float)))
    long_pause = np.flatnonzero(np.diff(moves.t) > 60_000_000)
    strokes = [part for part in np.split(step, long_pause + 1) if part.sum() > 300]
    assert len(strokes) > 20
    # Minimum jerk: the middle third of a long way is faster than either end.
    for part in strokes[:20]:
        first = part[: max(len(part) // 6, 1)].mean()
        assert part.max() > 2 * first


def test_presses_and_releases_belong_together():
    batch = sample_session(100_000)
    for down, up in ((EventKind.BUTTON_DOWN, EventKind.BUTTON_UP), (EventKind.KEY_DOWN, EventKind.KEY_UP)):
        downs, ups = batch[batch.kind == down], batch[batch.kind == up]
        assert len(downs) > 100
        assert 0 <= len(downs) - len(ups) <= 3, "only what is down at the end may lack its release"
        for code in np.unique(downs.code):
            pressed, released = downs.t[downs.code == code], ups.t[ups.code == code]
            assert (released >= pressed[: len(released)]).all()


def test_every_common_kind_is_there():
    batch = sample_session(100_000)
    counts = np.bincount(batch.kind, minlength=6)
    assert (counts[:6] > 100).all()
    assert counts[EventKind.MOVE] > len(batch) / 2
    scrolls = batch[batch.kind == EventKind.SCROLL]
    assert set(np.unique(np.abs(scrolls.dy))) == {120, 240}


@pytest.mark.parametrize(
    "options",
    [
        {"events": -1},
        {"seed": -1},
        {"seed": 1 << 64},
        {"rate_hz": 0},
        {"clock_ns": 0},
        {"width": 3},
        {"start_ns": 1 << 63},
    ],
)
def test_what_is_out_of_range_is_said(options):
    with pytest.raises(InvalidArgumentError, match=f"{next(iter(options))}: found .* allowed"):
        sample_session(**{"events": 10, **options})

"""Windows of fixed ticks are the rows that `evcodec.ticks` gives for whole sessions, whatever is read at once."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from evcodec import CorruptDataError, EventBatch, InvalidArgumentError, LimitExceededError, Reader, Writer  # noqa: E402
from evcodec.ticks import TICK_COLUMNS, fixed_ticks  # noqa: E402
from evcodec.torch import EventWindows  # noqa: E402
from windows import FILTERS, SECOND, given, numbers, session, sessions  # noqa: E402

pytestmark = [*FILTERS]
MS = 10**6


@pytest.fixture(scope="module")
def paths(tmp_path_factory) -> list[Path]:
    return sessions(tmp_path_factory.mktemp("ticks"))


def reference(
    paths, period, length, stride, *, kinds=None, start=None, stop=None, max_gap_ns=None, gaps=False
):
    """Return the windows of ticks, out of all events of a file at once."""
    found = []
    for path in paths:
        with Reader(path) as reader:
            batch = reader.read(kinds=kinds, start=start, stop=stop)
            before = reader.read(kinds=kinds, stop=start) if start is not None else EventBatch()
            spans = [(gap.t0, max(gap.t1, gap.t0 + 1)) for gap in reader.gaps] if gaps else []
            if reader.start is None:
                continue
            first = max(reader.start, reader.start if start is None else start) // period
            last = min(reader.stop, reader.stop if stop is None else stop - 1) // period
        if last < first:
            continue
        both = EventBatch.concat([before, batch])
        rows = fixed_ticks(both, period, start=first * period, stop=(last + 1) * period)
        t = sorted(batch.t.tolist())
        broken, cuts = set(), set()
        for one, other in pairwise(t):
            if max_gap_ns is not None and other - one > max_gap_ns and one // period != other // period:
                broken.update(range(one // period + 1, other // period))
                cuts.add(other // period)
        for low, high in spans:
            broken.update(range(low // period, (high - 1) // period + 1))
        tick = first
        while tick <= last:
            end = tick
            while end <= last and end not in broken and (end == tick or end not in cuts):
                end += 1
            for row in range(tick, end - length + 1, stride):
                at = row - first
                found.append({name: rows[name][at : at + length].tolist() for name in TICK_COLUMNS})
            tick = max(end, tick + 1)
    return found


@pytest.mark.parametrize("start", [5, 99])
def test_what_start_leaves_out_of_its_own_tick_moves_the_pointer_and_is_not_counted(tmp_path, start):
    path = tmp_path / "s.evc"
    with Writer(path) as writer:
        writer.write(
            EventBatch(t=[1, 4, 104, 250], x=np.array([7, 8, 9, 9], np.int32), dx=np.int32([1, 1, 1, 1]))
        )
    windows = EventWindows(path, 3, tick_ns=100, start=start)
    (batch,) = windows
    assert batch["x"].tolist() == [[8, 9, 9]]
    assert batch["events"].tolist() == batch["move_x"].tolist() == [[0, 1, 1]]


@pytest.mark.parametrize("buffer_bytes", [1, 40_000, 10**8])
@pytest.mark.parametrize(
    ("period", "length", "stride", "limits"),
    [
        (100 * MS, 10, 10, {}),
        (7 * MS, 16, 5, {}),
        (SECOND, 3, 1, {}),
        (30 * SECOND, 1, 1, {}),
        (100 * MS, 10, 4, {"kinds": (0,)}),
        (100 * MS, 10, 4, {"kinds": (5,)}),
        (100 * MS, 10, 4, {"start": 2 * SECOND + 5, "stop": 29 * SECOND + 3}),
        (100 * MS, 10, 4, {"max_gap_ns": 3 * SECOND}),
        (10 * MS, 2, 1, {"max_gap_ns": 25 * MS}),
        (100 * MS, 10, 4, {"break_at_gaps": True}),
        (100 * MS, 3, 1, {"break_at_gaps": True, "max_gap_ns": SECOND, "kinds": (0, 1)}),
    ],
)
def test_ticks_are_those_of_the_whole_session(paths, period, length, stride, limits, buffer_bytes):
    options = dict(limits)
    expected = reference(paths, period, length, stride, gaps=options.pop("break_at_gaps", False), **options)
    assert expected, "nothing to compare"
    windows = EventWindows(
        paths,
        length,
        stride=stride,
        tick_ns=period,
        shuffle=True,
        buffer_bytes=buffer_bytes,
        numbers=True,
        **limits,
    )
    found = given(windows)
    assert sorted(number for number, _ in found) == list(range(len(expected)))
    assert all(columns == expected[number] for number, columns in found)


def test_ticks_of_time_that_runs_backwards(tmp_path):
    rng = np.random.default_rng(3)
    t = np.cumsum(rng.integers(0, 10 * MS, 900))
    t[300:600] -= t[300] - t[100]  # the clock was set back
    with Writer(tmp_path / "a.evc", block_events=100) as writer:
        for start in range(0, 900, 100):
            part = slice(start, start + 100)
            writer.write(
                EventBatch(t=t[part], kind=rng.integers(0, 6, 100), x=np.arange(900)[part], y=-t[part])
            )
    expected = reference([tmp_path / "a.evc"], 50 * MS, 4, 4)
    for buffer_bytes in (1, 10**8):
        windows = EventWindows(
            tmp_path / "a.evc", 4, tick_ns=50 * MS, buffer_bytes=buffer_bytes, numbers=True
        )
        assert [columns for _, columns in given(windows)] == expected


def test_ticks_with_workers_and_resumed(paths):
    arguments = {"length": 8, "tick_ns": 20 * MS, "shuffle": True, "buffer_bytes": 50_000, "batch_size": 16}
    loader = EventWindows(paths, numbers=True, columns=("x", "key_up"), **arguments).loader(2)
    total = loader.windows.windows
    found = []
    for _, batch in zip(range(7), loader, strict=False):
        found += batch["window"].tolist()
        assert batch["x"].dtype == torch.int64
        assert batch["key_up"].shape == (16, 8)
    loader.load_state_dict(loader.state_dict())
    assert sorted(found + numbers(loader)) == list(range(total))


def test_damage_to_ticks(tmp_path):
    paths = sessions(tmp_path, (600, 700, 200))
    with Reader(paths[1]) as reader:
        block = reader.blocks[3]
        blocks = reader.blocks
    expected = EventWindows(paths, 5, tick_ns=50 * MS, numbers=True)
    plain = dict(given(expected))
    data = bytearray(paths[1].read_bytes())
    data[block.position + block.size // 2] ^= 1
    paths[1].write_bytes(data)
    for workers in (0, 1):
        windows = EventWindows(paths, 5, tick_ns=50 * MS, numbers=True, shuffle=True, buffer_bytes=20_000)
        with pytest.raises(CorruptDataError, match=r"s1\.evc"):
            list(windows.loader(workers))
        skipping = EventWindows(
            paths, 5, tick_ns=50 * MS, numbers=True, shuffle=True, buffer_bytes=20_000, on_error="skip"
        )
        found = dict(given(skipping.loader(workers)))
        assert 0 < len(found) < len(plain)
        assert all(columns == plain[number] for number, columns in found.items())
        lost = [plain[number]["t"] for number in plain.keys() - found.keys()]
        assert {skipping.locate(number)[0] for number in plain.keys() - found.keys()} == {str(paths[1])}
        assert any(t[0] <= block.t_max and t[-1] >= block.t_min for t in lost)
        assert {problem.position for problem in skipping.problems} == {block.position}
    # Without an index the damaged block is not known, but its time is.
    paths[1].write_bytes(paths[1].read_bytes()[: blocks[4].position + blocks[4].size])
    windows = EventWindows(paths[1], 5, tick_ns=50 * MS, numbers=True, on_error="skip")
    for _, columns in given(windows):
        assert columns["t"][-1] + 50 * MS <= blocks[3].t_min or columns["t"][0] > blocks[3].t_max - 50 * MS


def test_years_without_events(tmp_path):
    with Writer(tmp_path / "a.evc") as writer:
        writer.write(EventBatch(t=[0, 5, 2**62, 2**62 + 5, -(2**62), 2**63 - 2_000]))
    with pytest.raises(LimitExceededError, match=r"a\.evc: ticks: found .* max_gap_ns"):
        EventWindows(tmp_path, 1, tick_ns=1_000)
    windows = EventWindows(tmp_path, 1, tick_ns=1_000, columns=("t", "events"), max_gap_ns=10)
    (batch,) = windows
    assert batch["events"].flatten().tolist() == [1, 2, 2, 1]
    assert batch["t"].flatten().tolist()[1] == 0


def test_arguments_of_ticks(paths):
    with pytest.raises(InvalidArgumentError, match=r"columns of ticks: found \['code'\]"):
        EventWindows(paths, 4, tick_ns=MS, columns=("x", "code"))
    with pytest.raises(InvalidArgumentError, match="tick_ns: found 0"):
        EventWindows(paths, 4, tick_ns=0)


def test_a_session_of_one_event(tmp_path):
    session(tmp_path / "a.evc", 1, 1)
    (batch,) = EventWindows(tmp_path, 1, tick_ns=SECOND)
    assert batch["events"].tolist() == [[1]]

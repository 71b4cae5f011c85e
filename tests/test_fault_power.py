"""Power cuts: what was forced to the device is read without repair, and nothing behind it is ever read wrong."""

from __future__ import annotations

import random
import time
from pathlib import Path

import numpy as np
import pytest

from evcodec import CorruptDataError, EventBatch, Reader, TruncatedDataError, Writer
from evcodec.stream import compact, repair, verify
from faults_damage import WAYS, Known, check
from faults_kills import POSIX
from faults_power import Device, after_power_cut, watched_device
from generators import assert_same, session

pytestmark = POSIX

SLACK_S = 20
BLOCKS_A_FLUSH = 4


class _Acknowledged:
    """A stream that is being written: after each flush, what is on the device, and how many events that should be."""

    def __init__(self, path: Path, device: Device, flushes: int, events: int, noise: bool) -> None:
        rng = np.random.default_rng(7)
        self.states: list[tuple[int, int]] = [(0, 0)]
        with Writer(
            path, fsync=True, block_events=events, flush_interval_s=3600, merge_on_close=False
        ) as writer:
            for number in range(flushes * BLOCKS_A_FLUSH):
                batch = session(events, seed=number, start_ns=10**9 * (1 + number))
                if noise:
                    batch = EventBatch(**batch.columns, noise=rng.integers(0, 2**40, events))
                else:
                    batch = batch.select(("t", "kind", "x"))
                if number % 3 == 1:
                    writer.marker(number, f"m{number}")
                writer.write(batch)
                if number % BLOCKS_A_FLUSH == BLOCKS_A_FLUSH - 1:
                    writer.flush()
                    self.states.append((device.size(path), (number + 1) * events))
        self.states.append((device.size(path), flushes * BLOCKS_A_FLUSH * events))
        self.data = path.read_bytes()
        self.known = Known(self.data)
        with Reader(self.data) as reader:
            self.truth = reader.read()


@pytest.fixture(params=[False, True], ids=["small", "large"])
def acknowledged(request, tmp_path, monkeypatch) -> _Acknowledged:
    with watched_device(monkeypatch) as device:
        large = request.param
        return _Acknowledged(tmp_path / "s.evc", device, 3, 2_000 if large else 6, large)


def _holds_what_was_acknowledged(made: _Acknowledged, data: bytes, events: int) -> None:
    found: list[EventBatch] = []
    if data:
        try:
            with Reader(data) as reader:
                found.extend(reader.batches())
        except (CorruptDataError, TruncatedDataError):
            pass
    both = EventBatch.concat([made.known.empty, *found])
    assert len(both) >= events
    assert_same(both, made.truth[: len(both)])


def test_a_flush_acknowledges_what_is_on_the_device(acknowledged):
    sizes = [size for size, _ in acknowledged.states]
    assert sizes == sorted(sizes)
    assert sizes[0] == 0 < sizes[1] < sizes[2] < sizes[3] < sizes[4] == len(acknowledged.data)
    for size, events in acknowledged.states[1:]:
        with Reader(acknowledged.data[:size]) as reader:
            assert len(reader.read()) == events


def test_the_tail_is_cut_at_any_byte(acknowledged, tries, seed, tmp_path, record_property):
    """At each byte between two flushes of a small stream; at some of a large one."""
    rng = random.Random(seed)
    cuts = [
        (cut, events)
        for (size, events), (stop, _) in zip(acknowledged.states, acknowledged.states[1:], strict=False)
        for cut in range(size, stop + 1)
    ]
    count = min(len(cuts), tries(quick=50, soak=3_000))
    for cut, events in rng.sample(cuts, count):
        data = acknowledged.data[:cut]
        check(acknowledged.known, data, WAYS if rng.random() < 0.05 else ["bytes"])
        _holds_what_was_acknowledged(acknowledged, data, events)
        if rng.random() < 0.1:
            _goes_on(acknowledged, data, tmp_path)
    record_property(f"cut tails of {len(acknowledged.data):,} bytes", f"{count} of {len(cuts)}")


def test_pages_of_the_tail_are_torn(acknowledged, tries, seed, tmp_path, record_property):
    rng = random.Random(seed + 1)
    count = tries(quick=30, soak=6_000)
    for number in range(count):
        at = rng.randrange(len(acknowledged.states) - 1)
        (forced, events), (stop, _) = acknowledged.states[at], acknowledged.states[at + 1]
        what, data = after_power_cut(rng, acknowledged.data[:stop], forced)
        try:
            check(acknowledged.known, data, WAYS if number % 30 == 0 else ["bytes"])
            _holds_what_was_acknowledged(acknowledged, data, events)
            if number % 10 == 0:
                _goes_on(acknowledged, data, tmp_path)
        except AssertionError as error:
            error.add_note(f"try {number}: {what}")
            raise
    record_property(f"torn tails of {len(acknowledged.data):,} bytes", str(count))


def _goes_on(made: _Acknowledged, data: bytes, folder: Path) -> None:
    """A Writer goes on behind what was cut, and refuses what is damaged otherwise until it is repaired."""
    path, mended = folder / "cut.evc", folder / "mended.evc"
    path.write_bytes(data)
    with Reader(data, on_error="skip") as reader:
        kept = EventBatch.concat([made.known.empty, *reader.batches()])
    more = session(5, seed=3)
    try:
        writer = Writer(path, mode="a")
    except CorruptDataError:  # to repair is left to who may decide what is lost
        assert path.read_bytes() == data
        report = repair(path, mended) if len(kept) else None
        if report is None:
            return
        assert not report.ok
        path = mended
        writer = Writer(path, mode="a")
    with writer:
        writer.write(more)
    report = verify(path)
    assert (report.ok, report.complete) == (True, True), report.problems
    with Reader(path) as reader:
        found = reader.read()
        assert not len(kept) or all((found[name][: len(kept)] == kept[name]).all() for name in kept.columns)
        assert found.t[len(kept) :].tolist() == more.t.tolist()


def test_names_are_forced_too(tmp_path, monkeypatch):
    """A new file's name before its first flush returns; and of what takes a place the bytes first, then the name."""
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "s.evc"
    with watched_device(monkeypatch) as device:
        with Writer(path, fsync=True) as writer:
            for number in range(3):
                writer.write(session(9, seed=number))
                writer.flush()
                assert device.order(folder)
                assert device.size(path) == path.stat().st_size
            before = len(device.forced)
        files, names = device.order(path), device.order(folder)
        assert before <= max(files) < max(names), "the joined file, then its name"
        compact(path, folder / "c.evc")
        assert device.size(folder / "c.evc") == (folder / "c.evc").stat().st_size
        assert max(device.order(folder / "c.evc")) < max(device.order(folder)) == len(device.forced) - 1


def test_without_fsync_nothing_waits_for_the_device(tmp_path, monkeypatch):
    with watched_device(monkeypatch) as device:
        with Writer(tmp_path / "s.evc", merge_on_close=False) as writer:
            writer.write(session(9))
            writer.flush()
        assert device.forced == []


def test_what_is_older_than_the_interval_is_on_the_device(tmp_path, monkeypatch):
    path = tmp_path / "s.evc"
    with watched_device(monkeypatch) as device, Writer(path, fsync=True, flush_interval_s=0.05) as writer:
        for number in range(5):
            writer.move(number, 1, 2)
            deadline = time.monotonic() + SLACK_S
            while True:
                with Reader(path.read_bytes()[: device.size(path)] or b"\xec", on_error="skip") as reader:
                    if reader.read().t.tolist() == list(range(number + 1)):
                        break
                assert time.monotonic() < deadline, "not on the device"
                time.sleep(0.005)

"""Damage: every cut and every flipped bit of a stream is seen, and costs no more than what it hit."""

from __future__ import annotations

import contextlib
import io
import os
import threading
from functools import cache
from typing import Any

import numpy as np
import pytest

from assemble import BLOCK, HEADER, Maker, header
from evcodec import (
    CorruptDataError,
    EvcodecError,
    EventBatch,
    GapReason,
    LimitExceededError,
    Marker,
    Reader,
    TruncatedDataError,
    Writer,
)
from evcodec.framing import RecordScanner, RecordType
from evcodec.stream import repair, verify
from generators import assert_same, session
from vector import SMALL

BLOCKS, EVENTS = 5, 9


@cache
def _stream() -> tuple[bytes, EventBatch]:
    """Return a small stream with an index and an entry before each block but the first."""
    batch = session(BLOCKS * EVENTS).select(("t", "kind", "x", "code"))
    target = io.BytesIO()
    with Writer(target, block_events=EVENTS, metadata={"a": 1}) as writer:
        for number in range(BLOCKS):
            if number:
                writer.marker(number, f"m{number}")
            writer.write(batch[number * EVENTS : (number + 1) * EVENTS])
            writer.flush()
    return target.getvalue(), batch


@cache
def _records() -> list[tuple[int, int, int]]:
    """Return type, first byte and the byte behind the last of each record."""
    scanner = RecordScanner()
    scanner.feed(_stream()[0])
    found = []
    while (record := scanner.next()) is not None:
        found.append((record.type, record.position, record.end))
    return found


def _pipe(data: bytes) -> Any:
    """Return the reading end of a pipe that gives these bytes and then ends."""
    read_end, write_end = os.pipe()

    def feed() -> None:
        with open(write_end, "wb") as file:
            file.write(data)

    if len(data) <= 4096:  # always fits into a pipe
        feed()
    else:
        threading.Thread(target=feed).start()
    return open(read_end, "rb", buffering=0)


def _collect(reader: Reader) -> tuple[list[EventBatch], EvcodecError | None]:
    """Return the batches that come, and the error that ends them."""
    found: list[EventBatch] = []
    try:
        found.extend(reader.batches())
    except EvcodecError as error:
        return found, error
    return found, None


def test_the_stream_has_what_these_tests_need():
    kinds = [kind for kind, _, _ in _records()]
    assert kinds.count(RecordType.BLOCK) == BLOCKS
    assert kinds.count(RecordType.ENTRIES) == BLOCKS - 1
    assert kinds[-2:] == [RecordType.INDEX, RecordType.END]
    assert _records()[-1][2] == len(_stream()[0]) < 4096


@pytest.mark.parametrize("source", [bytes, io.BytesIO, _pipe], ids=["bytes", "file", "pipe"])
def test_every_cut(source):
    """Every whole block comes, then TruncatedDataError; or the end, where the cut is between two records."""
    data, batch = _stream()
    header_end = _records()[0][2]
    boundaries = {end for _, _, end in _records()}
    for cut in range(len(data)):
        given = source(data[:cut])
        try:
            if cut < header_end:
                with pytest.raises(TruncatedDataError):
                    Reader(given)
                continue
            whole = sum(kind == RecordType.BLOCK and end <= cut for kind, _, end in _records())
            with Reader(given) as reader:
                found, error = _collect(reader)
                assert (error is None) == (cut in boundaries), cut
                assert error is None or type(error) is TruncatedDataError, cut
                assert [len(part) for part in found] == [EVENTS] * whole, cut
                assert_same(EventBatch.concat([batch[:0], *found]), batch[: whole * EVENTS])
        finally:
            if not isinstance(given, bytes):
                given.close()


@pytest.mark.parametrize("source", [bytes, _pipe], ids=["bytes", "pipe"])
def test_every_cut_can_be_skipped(source):
    data, batch = _stream()
    boundaries = {0, *(end for _, _, end in _records())}
    for cut in range(len(data)):
        given = source(data[:cut])
        try:
            whole = sum(kind == RecordType.BLOCK and end <= cut for kind, _, end in _records())
            with Reader(given, on_error="skip") as reader:
                found = reader.read()
                assert len(found) == len(reader) == whole * EVENTS, cut
                assert_same(found, batch[: whole * EVENTS])
                assert bool(reader.problems) == (cut not in boundaries or cut == 0), cut
                markers = sum(kind == RecordType.ENTRIES and end <= cut for kind, _, end in _records())
                assert [marker.name for marker in reader.markers] == [f"m{i + 1}" for i in range(markers)]
        finally:
            if not isinstance(given, bytes):
                given.close()


def test_a_cut_says_where_it_is():
    data, _ = _stream()
    start, end = _records()[3][1:]
    with Reader(data[: end - 5]) as reader, pytest.raises(TruncatedDataError) as caught:
        reader.read()
    message = str(caught.value)
    assert f"byte {start}:" in message
    assert f"found {end - 5 - start} of its {end - start} bytes" in message


def test_verify_tells_a_cut_stream_from_a_whole_one():
    data, _ = _stream()
    whole = verify(data)
    assert (whole.ok, whole.complete, whole.blocks, whole.events) == (True, True, BLOCKS, BLOCKS * EVENTS)
    assert (whole.entries, whole.records, whole.streams) == (BLOCKS - 1, len(_records()), 1)
    boundaries = {end for _, _, end in _records()}
    for cut in range(1, len(data)):
        report = verify(data[:cut])
        assert report.ok == (cut in boundaries), cut
        assert not report.complete


def _flips(step: int) -> list[int]:
    """Return positions of bits to flip: all of those around records' heads, and some of the others."""
    data, _ = _stream()
    near = {8 * at + bit for _, start, _ in _records() for at in range(start, start + 16) for bit in range(8)}
    return sorted(near | set(range(0, 8 * len(data), step)))


def _flipped(bit: int) -> tuple[bytes, int, int]:
    """Return the stream with a bit flipped, and type and number of the record that it is in."""
    data, _ = _stream()
    damaged = bytearray(data)
    damaged[bit // 8] ^= 1 << bit % 8
    number = next(i for i, (_, _, end) in enumerate(_records()) if bit // 8 < end)
    return bytes(damaged), _records()[number][0], number


def _everything(data: bytes) -> None:
    with Reader(data) as reader:
        list(reader.batches())
        list(reader.entries())


def test_every_flipped_bit_is_seen():
    for bit in range(8 * len(_stream()[0])):
        damaged, _, _ = _flipped(bit)
        with pytest.raises(EvcodecError):
            _everything(damaged)


def test_every_flipped_bit_is_seen_by_verify():
    for bit in _flips(7):
        damaged, _, _ = _flipped(bit)
        report = verify(damaged)
        assert not report.ok, bit
        assert report.problems, bit


@pytest.mark.parametrize("source", [bytes, _pipe], ids=["bytes", "pipe"])
def test_every_flipped_bit_costs_its_own_record_at_most(source):
    _, batch = _stream()
    for bit in _flips(17):
        damaged, kind, number = _flipped(bit)
        given = source(damaged)
        try:
            with Reader(given, on_error="skip") as reader:
                found = reader.read()
                names = [marker.name for marker in reader.markers]
                assert reader.problems, bit
        finally:
            if not isinstance(given, bytes):
                given.close()
        expected, marks = batch, [f"m{i}" for i in range(1, BLOCKS)]
        before = [kind for kind, _, _ in _records()[:number]]
        if kind == RecordType.BLOCK:
            lost = before.count(RecordType.BLOCK) * EVENTS
            expected = EventBatch.concat([batch[:lost], batch[lost + EVENTS :]])
        elif kind == RecordType.ENTRIES:
            del marks[before.count(RecordType.ENTRIES)]
        assert_same(found, expected)
        assert names == marks, bit


def test_repair_saves_all_that_is_sound(tmp_path):
    _, batch = _stream()
    target = tmp_path / "repaired.evc"
    for bit in _flips(331)[::23]:
        damaged, kind, number = _flipped(bit)
        report = repair(damaged, target)
        assert not report.ok
        again = verify(target)
        assert (again.ok, again.complete) == (True, True), bit
        with Reader(target) as reader, Reader(damaged, on_error="skip") as seen:
            found = reader.read()
            assert_same(found, seen.read())
            assert len(found) == len(batch) - EVENTS * (kind == RecordType.BLOCK)
            assert [m.name for m in reader.markers] == [m.name for m in seen.markers]
            assert reader.metadata == ({} if number == 0 else {"a": 1})


def test_repair_of_every_kind_of_cut(tmp_path):
    data, batch = _stream()
    target = tmp_path / "repaired.evc"
    for kind, start, end in _records()[1:]:
        repair(data[: (start + end) // 2], target)
        assert verify(target).ok
        with Reader(target) as reader:
            whole = sum(k == RecordType.BLOCK and e <= start for k, _, e in _records())
            assert_same(reader.read(), batch[: whole * EVENTS])
            assert reader.metadata == {"a": 1}, kind


def test_repair_finds_nothing_to_save(tmp_path):
    target = tmp_path / "repaired.evc"
    for data in (b"", b"x" * 100, _stream()[0][:10]):
        with pytest.raises(EvcodecError):
            repair(data, target)
        assert not target.exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [0, 1, 3, 4, 15, 16, 100_000])
def test_what_is_no_stream(size):
    rng = np.random.default_rng(size)
    noise = rng.bytes(size)
    with pytest.raises(TruncatedDataError if size == 0 else CorruptDataError):
        Reader(noise)
    with Reader(noise, on_error="skip") as reader:
        assert len(reader.read()) == 0
        assert reader.problems


def test_garbage_before_between_and_behind():
    data, batch = _stream()
    junk = b"\xecEVC" * 9 + b"\xec\xecEV" + bytes(range(256))
    middle = _records()[4][2]
    for damaged in (junk + data, data[:middle] + junk + data[middle:], data + junk):
        with pytest.raises(CorruptDataError):
            _everything(damaged)
        with Reader(damaged, on_error="skip") as reader:
            assert_same(reader.read(), batch)
            assert len(reader.markers) == BLOCKS - 1
            assert reader.problems


def test_a_record_that_is_missing_repeated_or_moved_is_seen():
    """Every checksum holds, so only the numbers tell."""
    data, batch = _stream()
    records = [data[start:end] for _, start, end in _records()]
    third = EventBatch.concat([batch[: 2 * EVENTS], batch[3 * EVENTS :]])
    at = [kind for kind, _, _ in _records()].index(RecordType.BLOCK, 4)
    without = records[:at] + records[at + 1 :]
    for changed in (
        without,
        [*records[:at], records[at], *records[at:]],
        [*without[:2], records[at], *without[2:]],
    ):
        damaged = b"".join(changed)
        with pytest.raises(CorruptDataError):
            _everything(damaged)
        assert not verify(damaged).ok
    with Reader(b"".join(without), on_error="skip") as reader:
        assert_same(reader.read(), third)
        assert any("1 record is missing" in problem.message for problem in reader.problems)


def test_an_index_that_promises_too_much_takes_no_memory():
    """Events that an index states are not there: nothing is allocated for them."""
    maker = Maker().add(HEADER, header()).row(BLOCK, SMALL, 3, 0, 0, 1).row(BLOCK, SMALL, 2**58, 0, 0, 1)
    maker.kinds = [(0, 2**58 + 3)]
    maker.index().end()
    with contextlib.suppress(CorruptDataError, LimitExceededError), Reader(maker.data) as reader:
        assert reader.read()["v"].tolist() == [7] * 6  # what is there, when the index is not believed
    assert not verify(maker.data).ok


@pytest.mark.parametrize(("events", "t_max", "kinds"), [(3, 5, 1), (3, 0, 2), (2, 0, 1)])
def test_an_index_that_says_something_else_is_seen(events, t_max, kinds):
    """A reader that uses the row, or verify, compares it with the record: 3 events of kind 0, all at 0."""
    maker = (
        Maker().add(HEADER, header()).row(BLOCK, SMALL, 3, 0, 0, 1).row(BLOCK, SMALL, events, 0, t_max, kinds)
    )
    maker.kinds = [(0, 3 + events)]
    data = maker.index().end().data
    report = verify(data)
    assert not report.ok
    assert any("row 1 of the index" in problem.message for problem in report.problems)
    if kinds == 1:
        with Reader(data) as reader, pytest.raises(CorruptDataError, match="index"):
            reader.read()


def test_gaps_are_no_problems():
    target = io.BytesIO()
    with Writer(target) as writer:
        writer.gap(GapReason.PAUSED, 0, 5)
        writer.add(Marker(t=1, name="x"))
    report = verify(target.getvalue())
    assert (report.ok, report.gaps, report.entries) == (True, 1, 2)
    assert report.to_dict()["problems"] == []

"""Several threads: what comes out, and in which order, is what one thread gives; nothing is left behind."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evcodec
from evcodec import (
    CorruptDataError,
    EvcodecError,
    EventBatch,
    EventKind,
    InvalidArgumentError,
    Marker,
    Reader,
    WriteFailedError,
    Writer,
)
from evcodec.emitter import StreamEmitter
from evcodec.encoding import encode_block
from evcodec.levels import level_of
from evcodec.stream import compact
from evcodec.wire import Header
from generators import assert_same, session
from running import evcodec as command
from running import write_balabit, write_stream

BLOCK = 50
COUNTS = (2, 3, 8)
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def _stream(events: int, **options: Any) -> tuple[bytes, EventBatch]:
    """Return a stream of small blocks with a marker before most of them."""
    batch = session(events)
    target = io.BytesIO()
    with Writer(target, block_events=BLOCK, **options) as writer:
        for start in range(0, events, 3 * BLOCK):
            writer.write(batch[start : start + 3 * BLOCK])
            writer.marker(start, str(start))
    return target.getvalue(), batch


def _mixed() -> bytes:
    """Return a stream whose blocks differ in columns and dtypes."""
    target = io.BytesIO()
    with Writer(target, block_events=BLOCK) as writer:
        for number in range(30):
            batch = session(BLOCK, number)
            columns = {**batch.columns, "x": batch.x.astype((np.int32, np.int16, np.int64)[number // 3 % 3])}
            if number % 4 == 1:
                columns["own"] = np.arange(BLOCK, dtype=np.uint16)
            writer.write(EventBatch(**columns))
    return target.getvalue()


def _with_bad_blocks(bad: set[int], blocks: int = 24) -> bytes:
    """Return a stream whose checksums are right, and in some blocks of which the times are not the head's."""
    records: list[bytes] = []
    emitter = StreamEmitter(records.append, level_of("fast"), Header())
    batch = session(blocks * BLOCK)
    for number in range(blocks):
        columns = dict(batch[number * BLOCK : (number + 1) * BLOCK].columns)
        columns["t"] = columns["t"] - columns["t"].min()
        payload = bytearray(encode_block(columns, level_of("fast")))
        assert payload[:2] == bytes((BLOCK, 0))  # events, then the smallest t
        payload[1] = 2 if number in bad else 0
        emitter.encoded_block(bytes(payload))
    emitter.end()
    return b"".join(records)


def _outcome(read: Callable[[Reader], Any], data: bytes, **options: Any) -> tuple[Any, ...]:
    """Return everything that a caller can see of a read."""
    found: list[EventBatch] = []
    with Reader(data, **options) as reader:
        error = None
        try:
            for batch in read(reader):
                found.append(batch)  # what came before an error counts
        except EvcodecError as raised:
            error = (type(raised), str(raised))
        return found, error, reader.problems


def _same(first: tuple[Any, ...], second: tuple[Any, ...]) -> None:
    assert first[1:] == second[1:]
    assert len(first[0]) == len(second[0])
    for one, other in zip(first[0], second[0], strict=True):
        assert list(one.columns) == list(other.columns)
        assert_same(one, other)


def _queries() -> list[dict[str, Any]]:
    t = session(1_501).t
    return [
        {},
        {"columns": ("x", "t")},
        {"columns": ("dx", "own", "kind")},
        {"kinds": (EventKind.SCROLL, EventKind.KEY_DOWN)},
        {"start": int(t[333]), "stop": int(t[1_111])},
        {"start": int(t[333]), "stop": int(t[1_111]), "kinds": (0,), "columns": ("y",)},
        {"stop": int(t[0])},
    ]


# ---- reading ----


@pytest.mark.parametrize("threads", COUNTS)
@pytest.mark.parametrize("events", [0, 1, BLOCK, BLOCK + 1, 7 * BLOCK - 1, 1_501])
def test_reading_gives_the_same_at_many_sizes(events, threads):
    data, batch = _stream(events)
    assert_same(evcodec.decode(data, threads=threads), batch)
    _same(_outcome(Reader.batches, data), _outcome(Reader.batches, data, threads=threads))


@pytest.mark.parametrize("threads", COUNTS)
@pytest.mark.parametrize("query", _queries())
@pytest.mark.parametrize("make", [lambda: _stream(1_501)[0], _mixed], ids=["even", "mixed"])
def test_queries_give_the_same(make, query, threads):
    data = make()
    for read in (lambda reader: [reader.read(**query)], lambda reader: reader.batches(**query)):
        _same(_outcome(read, data), _outcome(read, data, threads=threads))


@pytest.mark.parametrize("on_error", ["raise", "skip"])
@pytest.mark.parametrize("bad", [{0}, {1}, {11}, {23}, {5, 6, 7}, {0, 12, 13, 23}, set(range(24))])
def test_blocks_that_cannot_be_decoded(bad, on_error):
    data = _with_bad_blocks(bad)
    for read in (lambda reader: [reader.read()], Reader.batches):
        one = _outcome(read, data, on_error=on_error)
        assert (one[1] is None) == (on_error == "skip")
        for threads in COUNTS:
            _same(one, _outcome(read, data, on_error=on_error, threads=threads))


@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_flipped_bytes(on_error):
    data, _ = _stream(1_501)
    positions = [block.position for block in Reader(data).blocks]
    for block in (0, 9, 17, len(positions) - 1):
        for offset in (3, 40):  # a marker, a payload
            damaged = bytearray(data)
            damaged[positions[block] + offset] ^= 0x10
            for read in (lambda reader: [reader.read()], Reader.batches):
                one = _outcome(read, bytes(damaged), on_error=on_error)
                _same(one, _outcome(read, bytes(damaged), on_error=on_error, threads=3))


def test_problems_are_listed_when_their_place_was_reached():
    with Reader(_with_bad_blocks({1, 2, 3, 9}), on_error="skip", threads=8) as reader:
        batches = reader.batches()
        next(batches)
        assert reader.problems == []
        next(batches)
        assert len(reader.problems) == 3
        batches.close()


def test_a_pipe_gives_each_block_at_once():
    data, batch = _stream(6 * BLOCK)
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb", buffering=0) as source, os.fdopen(write_end, "wb", buffering=0) as sink:
        first = Reader(data).blocks[0]
        sink.write(data[: first.position + first.size])
        with Reader(source, threads=4) as reader:
            batches = reader.batches()
            assert_same(next(batches), batch[:BLOCK])
            sink.write(data[first.position + first.size :])
            sink.close()
            assert_same(EventBatch.concat(batches), batch[BLOCK:])


class _Counting(io.BytesIO):
    """A file that counts where it was read."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.positions: set[int] = set()

    def read(self, size: int | None = -1) -> bytes:
        self.positions.add(self.tell())
        return super().read(size)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_reading_does_not_run_far_ahead(threads):
    data, _ = _stream(200 * BLOCK)
    file = _Counting(data)
    with Reader(file, threads=threads) as reader:
        starts = {block.position for block in reader.blocks}
        batches = reader.batches()
        for taken in range(1, 100):
            next(batches)
            ahead = len(starts & file.positions) - taken
            assert 0 <= ahead < 2 * threads
            if taken == 50:  # whoever takes nothing for a while is not overrun
                time.sleep(0.2)
                assert len(starts & file.positions) - taken < 2 * threads
        batches.close()


def _divide_by_none(batches: Iterable[EventBatch]) -> None:
    for batch in batches:
        assert len(batch) // 0


def test_an_iterator_that_is_left_leaves_no_thread():
    data, _ = _stream(100 * BLOCK)
    before = set(threading.enumerate())
    with Reader(data, threads=3) as reader:
        for _ in reader.batches():
            assert set(threading.enumerate()) > before
            break
        assert set(threading.enumerate()) == before
        with pytest.raises(ZeroDivisionError):
            _divide_by_none(reader.batches())
    assert set(threading.enumerate()) == before


def test_closing_a_reader_ends_its_threads(tmp_path):
    path = tmp_path / "s.evc"
    path.write_bytes(_stream(100 * BLOCK)[0])
    before = set(threading.enumerate())
    for source in (path, path.read_bytes()):
        reader = Reader(source, threads=3)
        batches = reader.batches()
        next(batches)
        reader.close()
        assert set(threading.enumerate()) == before
        with pytest.raises(InvalidArgumentError, match="closed Reader"):
            list(batches)
        with pytest.raises(InvalidArgumentError, match="closed Reader"):
            reader.read()


def test_several_callers_share_a_reader(tmp_path):
    data, batch = _stream(60 * BLOCK)
    path = tmp_path / "s.evc"
    path.write_bytes(data)
    found: list[EventBatch] = []
    with Reader(path, threads=2) as reader:
        callers = [threading.Thread(target=lambda: found.append(reader.read())) for _ in range(4)]
        callers += [
            threading.Thread(target=lambda: found.append(EventBatch.concat(reader.batches())))
            for _ in range(4)
        ]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    assert len(found) == 8
    for one in found:
        assert_same(one, batch)


@POSIX
def test_an_iterator_goes_on_in_a_child(tmp_path):
    path = tmp_path / "s.evc"
    data, batch = _stream(30 * BLOCK)
    path.write_bytes(data)
    code = """if True:
        import os, sys, evcodec
        with evcodec.Reader(sys.argv[1], threads=3) as reader:
            batches = reader.batches()
            first = len(next(batches))
            child = os.fork()
            rest = sum(map(len, batches))
            if not child:
                os._exit(0 if first + rest == int(sys.argv[2]) else 1)
            assert first + rest == int(sys.argv[2])
            assert os.waitpid(child, 0)[1] == 0
    """
    done = _run(code, path, len(batch))
    assert done.returncode == 0, done.stderr


# ---- writing ----


@pytest.mark.parametrize("threads", COUNTS)
@pytest.mark.parametrize("events", [0, 1, BLOCK, BLOCK + 1, 7 * BLOCK - 1, 1_501])
def test_writing_gives_the_same_bytes(events, threads):
    assert _stream(events, threads=threads)[0] == _stream(events)[0]


@pytest.mark.parametrize("level", ["fast", "balanced"])
def test_encoding_gives_the_same_bytes(level):
    batch = session(400_000)
    data = evcodec.encode(batch, level=level, threads=3)
    assert len(Reader(data).blocks) > 3
    assert data == evcodec.encode(batch, level=level)


def test_compacting_gives_the_same_bytes(tmp_path):
    data, batch = _stream(1_501)
    for threads in (1, 3):
        assert compact(data, tmp_path / f"{threads}.evc", block_events=100, threads=threads) == len(batch)
    assert (tmp_path / "1.evc").read_bytes() == (tmp_path / "3.evc").read_bytes()


def test_a_flush_waits_for_what_is_being_encoded(tmp_path):
    path = tmp_path / "s.evc"
    batch = session(40 * BLOCK + 7)
    with Writer(path, block_events=BLOCK, threads=3) as writer:
        for start, stop in pairwise((0, 10 * BLOCK, 11 * BLOCK, len(batch))):
            writer.write(batch[start:stop])
            writer.flush()
            assert_same(evcodec.decode(path.read_bytes()), batch[:stop])


def test_what_was_written_appears_without_a_flush(tmp_path):
    path = tmp_path / "s.evc"
    batch = session(9 * BLOCK + 7)
    with Writer(path, block_events=BLOCK, threads=3, flush_interval_s=0.1) as writer:
        writer.write(batch)
        give_up = time.monotonic() + 30
        while len(evcodec.decode(path.read_bytes() or _stream(0)[0])) < len(batch):
            assert time.monotonic() < give_up
            time.sleep(0.01)


def test_single_events_batches_and_entries_keep_their_order(tmp_path):
    path = tmp_path / "s.evc"
    batch = session(500)
    with Writer(path, block_events=BLOCK, threads=3) as writer:
        for at in range(0, 500, 100):
            writer.write(batch[at : at + 77])
            for event in batch[at + 77 : at + 100]:
                writer.event(event.pop("kind"), event.pop("t"), **event)
            writer.marker(at, "m")
    with Reader(path) as reader:
        found = reader.read()
        for name in ("t", "kind", "x", "y", "code", "dy"):
            np.testing.assert_array_equal(found[name], batch[name])
        assert [entry.position for entry in reader.entries(Marker)] == [100, 200, 300, 400, 500]


class _Failing(io.RawIOBase):
    """A target that takes so many records."""

    def __init__(self, records: int) -> None:
        super().__init__()
        self.left = records

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if not self.left:
            raise OSError(28, "no space")
        self.left -= 1
        return len(data)


@pytest.mark.parametrize("records", [1, 2, 9])
def test_a_target_that_fails(records):
    before = set(threading.enumerate())
    writer = Writer(_Failing(records), block_events=BLOCK, threads=3)
    for _ in range(records - 1):  # one was the header
        writer.write(session(BLOCK))
        writer.flush()
    writer.write(EventBatch.concat([session(BLOCK)] * 20))
    with pytest.raises(WriteFailedError, match="no space"):
        writer.flush()
    with pytest.raises(WriteFailedError, match="no space"):
        writer.close()
    assert set(threading.enumerate()) == before


def test_a_stalled_target_bounds_what_waits():
    stalled, go_on = threading.Event(), threading.Event()

    class Stalling(io.BytesIO):
        def write(self, data: Any) -> int:
            if self.tell():  # the header is taken
                stalled.set()
                go_on.wait()
            return super().write(data)

    target = Stalling()
    accepted = 0
    batch = session(BLOCK)
    writer = Writer(target, block_events=BLOCK, threads=3, queue_events=4 * BLOCK)

    def fill() -> None:
        nonlocal accepted
        for _ in range(200):
            writer.write(batch)
            accepted += 1

    caller = threading.Thread(target=fill)
    caller.start()
    assert stalled.wait(30)
    time.sleep(0.3)
    # The queue, what the threads have, and what each side has in its hands.
    assert accepted <= 4 + 2 * 3 + 2
    go_on.set()
    caller.join()
    writer.close()
    assert len(evcodec.decode(target.getvalue())) == 200 * BLOCK


def test_a_writer_that_is_left_open_is_closed_when_the_interpreter_exits(tmp_path):
    path = tmp_path / "s.evc"
    code = """if True:
        import sys, numpy, evcodec
        writer = evcodec.Writer(sys.argv[1], block_events=1000, threads=3)
        writer.write(evcodec.EventBatch(t=numpy.arange(20_500)))
        writer.move(1, 2, 3)
    """
    done = _run(code, path)
    assert (done.returncode, done.stderr) == (0, "")
    found = evcodec.decode(path.read_bytes())
    assert found.t.tolist() == [*range(20_500), 1]


# ---- arguments, and the command line ----


@pytest.mark.parametrize("threads", [0, -1, True, 1.0, "2", None])
def test_bad_numbers_of_threads(threads, tmp_path):
    data, batch = _stream(10)
    for call in (
        lambda: Reader(data, threads=threads),
        lambda: evcodec.decode(data, threads=threads),
        lambda: evcodec.encode(batch, threads=threads),
        lambda: Writer(tmp_path / "new.evc", threads=threads),
        lambda: compact(data, tmp_path / "new.evc", threads=threads),
    ):
        with pytest.raises(InvalidArgumentError, match="threads: found"):
            call()
    assert not (tmp_path / "new.evc").exists()


def test_an_error_of_a_block_is_raised_in_its_own_words():
    data = _with_bad_blocks({3})
    position = Reader(data).blocks[3].position
    with pytest.raises(CorruptDataError, match=f"byte {position}: block: t: found"):
        evcodec.decode(data, threads=2)


def test_the_command_line_takes_threads(tmp_path):
    pytest.importorskip("click")
    stream, recording = write_stream(tmp_path / "s.evc"), write_balabit(tmp_path / "b.csv")

    def outputs(*more: str) -> list[bytes]:
        results = []
        for name, source, target in (
            ("compact", stream, "c.evc"),
            ("import", recording, "i.evc"),
            ("export", stream, "e.jsonl"),
        ):
            done = command(name, source, tmp_path / target, "--force", *more)
            assert done.status == 0, done.err
            results.append(Path(tmp_path / target).read_bytes())
        return results

    assert outputs("--threads", "3") == outputs()
    assert command("compact", stream, tmp_path / "c.evc", "--force", "--threads", "0").status == 2


def _run(code: str, *args: Any) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own."""
    line = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code, *map(str, args)]
    return subprocess.run(line, capture_output=True, text=True, timeout=40)

"""What streams are read from: pipes that grow, files of every sort, memory, several streams end to end."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evcodec
from evcodec import (
    CorruptDataError,
    EvcodecError,
    EventBatch,
    InvalidArgumentError,
    LimitExceededError,
    Reader,
    TruncatedDataError,
    Writer,
)
from evcodec.framing import RecordScanner, pack_record
from evcodec.stream import verify
from generators import assert_same, session

WAIT_S = 30  # only how long a test that has gone wrong may take


def _record_ends(data: bytes) -> list[int]:
    scanner = RecordScanner()
    scanner.feed(data)
    found = []
    while (record := scanner.next()) is not None:
        found.append(record.end)
    return found


def stream_of(batch: EventBatch, block_events: int = 100, **options: Any) -> bytes:
    """Return a stream of many small blocks."""
    target = io.BytesIO()
    with Writer(target, block_events=block_events, **options) as writer:
        writer.write(batch)
    return target.getvalue()


def _buffered(path: Path) -> Any:
    return path.open("rb")


def _unbuffered(path: Path) -> Any:
    return path.open("rb", buffering=0)


SOURCES = {
    "path": lambda path: path,
    "str": str,
    "buffered file": _buffered,
    "unbuffered file": _unbuffered,
    "file descriptor": lambda path: os.fdopen(os.open(path, os.O_RDONLY), "rb"),
    "BytesIO": lambda path: io.BytesIO(path.read_bytes()),
    "bytes": lambda path: path.read_bytes(),
    "bytearray": lambda path: bytearray(path.read_bytes()),
    "memoryview": lambda path: memoryview(path.read_bytes()),
    "memoryview of words": lambda path: memoryview(np.frombuffer(path.read_bytes(), np.uint8)),
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_every_source_gives_the_same(source, tmp_path):
    batch = session(1_234)
    path = tmp_path / "s.evc"
    path.write_bytes(stream_of(batch, metadata={"task": "x"}))
    given = source(path)
    with Reader(given) as reader:
        assert reader.metadata == {"task": "x"}
        assert len(reader) == 1_234
        assert_same(reader.read(), batch)
        assert_same(EventBatch.concat(reader.batches()), batch)
    if hasattr(given, "close"):
        assert not given.closed  # what the caller opened stays open
        given.close()


def test_a_file_is_read_from_where_it_stands(tmp_path):
    batch = session(300)
    file = io.BytesIO(b"before" + stream_of(batch))
    file.seek(6)
    with Reader(file) as reader:
        assert_same(reader.read(), batch)


def test_the_data_may_be_changed_after_decoding():
    """A batch holds no view of a caller's buffer."""
    batch = session(50)
    data = bytearray(evcodec.encode(batch))
    found = evcodec.decode(data)
    data[:] = bytes(len(data))
    assert_same(found, batch)


@pytest.mark.parametrize(
    "source", [None, 5, ["s.evc"], session(1), io.StringIO("x")], ids=lambda s: type(s).__name__
)
def test_what_is_no_source(source):
    with pytest.raises(InvalidArgumentError, match=r"source: found .*allowed"):
        Reader(source)


def test_a_text_file_is_refused(tmp_path):
    path = tmp_path / "s.evc"
    path.write_bytes(stream_of(session(3)))
    with path.open() as file, pytest.raises(InvalidArgumentError, match="text"):
        Reader(file)


def test_a_path_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        Reader(tmp_path / "nothing.evc")
    with pytest.raises(IsADirectoryError):
        Reader(tmp_path)


class _Fed:
    """A pipe with its writing end in the hands of the test."""

    def __init__(self) -> None:
        read_end, write_end = os.pipe()
        self.source = os.fdopen(read_end, "rb", buffering=0)
        self.sink = os.fdopen(write_end, "wb", buffering=0)

    def __enter__(self) -> _Fed:
        return self

    def __exit__(self, *_: object) -> None:
        self.source.close()
        self.sink.close()


def test_a_growing_pipe_gives_each_block_when_its_last_byte_is_there():
    batch = session(300)
    data = stream_of(batch)
    ends = _record_ends(data)
    with _Fed() as pipe:
        giving_up = threading.Timer(WAIT_S, pipe.sink.close)
        giving_up.start()
        pipe.sink.write(data[: ends[1]])
        reader = Reader(pipe.source)
        batches = reader.batches()
        assert_same(next(batches), batch[:100])  # while the writing end is open, and more is to come
        pipe.sink.write(data[ends[1] : ends[2] - 1])
        threading.Timer(0.05, pipe.sink.write, [data[ends[2] - 1 : ends[3]]]).start()
        assert_same(next(batches), batch[100:200])
        assert_same(next(batches), batch[200:])
        giving_up.cancel()
        pipe.sink.write(data[ends[3] :])
        pipe.sink.close()
        assert list(batches) == []
        assert (len(reader), reader.start, reader.stop) == (300, int(batch.t[0]), int(batch.t[-1]))
        assert sum(reader.kinds.values()) == 300


@pytest.mark.parametrize("buffering", [0, -1], ids=["unbuffered", "buffered"])
def test_a_writer_in_another_process(buffering):
    """Blocks come while the process that writes them still runs, and waits for us."""
    code = """
import os, sys, threading
from evcodec import Writer
giving_up = threading.Timer(20, os._exit, [4])  # where blocks do not come, nobody says go
giving_up.daemon = True
giving_up.start()
with Writer(sys.stdout.buffer, flush_interval_s=0.05) as w:
    for i in range(100):
        w.move(i, i, -i)
    sys.stdin.readline()
    for i in range(100, 150):
        w.move(i, i, -i)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=buffering
    ) as process:
        assert process.stdin is not None
        with Reader(process.stdout) as reader:
            batches = reader.batches()
            found: list[int] = []
            while len(found) < 100:
                found += next(batches).t.tolist()
            assert process.poll() is None
            process.stdin.write(b"go\n")
            process.stdin.flush()
            for batch in batches:
                found += batch.t.tolist()
        assert found == list(range(150))
        assert process.wait(WAIT_S) == 0


def test_a_pipe_of_many_megabytes():
    rng = np.random.default_rng(3)
    batch = EventBatch(t=np.arange(400_000), noise=rng.integers(0, 2**63, 400_000))
    with _Fed() as pipe:

        def feed() -> None:
            with Writer(pipe.sink, level="fast") as writer:
                writer.write(batch)
            pipe.sink.close()

        thread = threading.Thread(target=feed)
        thread.start()
        with Reader(pipe.source) as reader:
            assert_same(reader.read(), batch)
        thread.join(WAIT_S)


def test_a_pipe_is_read_once_and_known_at_its_end():
    batch = session(250)
    with _Fed() as pipe:
        pipe.sink.write(stream_of(batch, metadata={"k": [1]}))
        pipe.sink.close()
        with Reader(pipe.source) as reader:
            assert reader.metadata == {"k": [1]}
            for ask in (len, lambda r: r.start, lambda r: r.kinds, lambda r: r.blocks, lambda r: r.columns):
                with pytest.raises(InvalidArgumentError, match="pipe"):
                    ask(reader)
            assert_same(reader.read(kinds=(0,), columns=("x",)), batch[batch.kind == 0].select(("x",)))
            assert len(reader) == 250
            assert len(reader.read()) == 0


def test_a_pipe_that_does_not_wait_is_not_taken_for_one_that_has_ended():
    """A read that finds nothing yet must not look like the end of the stream."""
    batch = session(300)
    data = stream_of(batch)
    ends = _record_ends(data)
    with _Fed() as pipe:
        os.set_blocking(pipe.source.fileno(), False)
        pipe.sink.write(data[: ends[1]])
        with Reader(pipe.source) as reader, pytest.raises((EvcodecError, OSError)):
            reader.read()


@pytest.mark.parametrize("seekable", [True, False], ids=["bytes", "pipe"])
def test_streams_end_to_end(seekable):
    """Also a stream that a crash cut between two records, with another behind it."""
    first, second, third = (
        session(250, 1),
        session(120, 2),
        EventBatch(t=[5], pressure=np.array([9], np.uint16)),
    )
    data = stream_of(first, metadata={"n": 1})
    cut = data[: _record_ends(data)[-2]]
    assert not verify(cut).complete
    for head, kept in ((data, first), (cut, first)):
        whole = (
            head + stream_of(second, metadata={"n": 2}) + evcodec.encode(third) + evcodec.encode(EventBatch())
        )
        assert verify(whole).ok
        assert verify(whole).streams == 4
        source = whole if seekable else _unseekable(whole)
        with Reader(source) as reader:
            assert reader.metadata == {"n": 1}
            found = reader.read()
            assert_same(found, EventBatch.concat([kept, second, third]))
            assert [header.metadata for header in reader.headers] == [{"n": 1}, {"n": 2}, {}, {}]
            assert len(reader) == 371
            assert reader.columns["pressure"] == np.uint16
            if seekable:
                assert sum(block.events for block in reader.blocks) == 371
                assert {block.stream for block in reader.blocks} == {0, 1, 2}
                t0 = int(second.t[30])
                assert_same(reader.read(start=t0, stop=t0 + 1, columns=("t",)), _at(first, second, t0))


def _at(first: EventBatch, second: EventBatch, t: int) -> EventBatch:
    both = EventBatch.concat([first, second])
    return both[both.t == t].select(("t",))


def _unseekable(data: bytes) -> Any:
    class Unseekable(io.BytesIO):
        def seekable(self) -> bool:
            return False

    return Unseekable(data)


def test_streams_are_also_damaged_end_to_end():
    first, second = session(50, 1), session(60, 2)
    data = stream_of(first)
    cut = data[: len(data) - 5]
    with Reader(cut + stream_of(second)) as reader, pytest.raises(CorruptDataError):
        reader.read()
    with Reader(cut + stream_of(second), on_error="skip") as reader:
        assert_same(reader.read(), EventBatch.concat([first, second]))
        assert reader.problems


def test_entries_of_streams_end_to_end():
    targets = []
    for number in range(2):
        target = io.BytesIO()
        with Writer(target) as writer:
            assert writer.context("window", {"n": number}) == 1
            writer.move(number, 0, 0)
            writer.marker(number, f"m{number}")
        targets.append(target.getvalue())
    with Reader(b"".join(targets)) as reader:
        assert [marker.name for marker in reader.markers] == ["m0", "m1"]
        assert [context.value for context in reader.contexts] == [{"n": 0}, {"n": 1}]
    with Reader(_unseekable(b"".join(targets))) as reader:
        reader.read()
        assert [marker.name for marker in reader.markers] == ["m0", "m1"]


def test_an_empty_source():
    for source in (b"", io.BytesIO(), _unseekable(b"")):
        with pytest.raises(TruncatedDataError, match="header"):
            Reader(source)


@pytest.mark.parametrize(
    "payload", [b"", b"\0", b"\0\0", b"\0\0\0", b"\0\0\0\x80", b"\0\0\0" + b"\xff" * 9 + b"\x01"]
)
def test_entries_that_are_cut_short(payload: bytes) -> None:
    """What stands in front of entries is checked before anything is made of it, from a pipe too."""
    head = stream_of(session(3))[: _record_ends(stream_of(session(3)))[0]]
    data = head + pack_record(3, 1, payload)
    for source in (lambda: data, lambda: Trickle(data)):
        with Reader(source()) as reader, pytest.raises((CorruptDataError, LimitExceededError)):
            [*reader.batches(), *reader.entries()]
        with Reader(source(), on_error="skip") as reader:
            assert not list(reader.batches())
            assert not list(reader.entries())
            assert len(reader.problems) == 1


class Trickle(io.RawIOBase):
    """Gives a few bytes at a time, and cannot seek."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._rest = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._rest.readinto(memoryview(buffer)[:5])

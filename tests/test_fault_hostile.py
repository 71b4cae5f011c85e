"""Streams made to hurt: an error of the right kind or the right values, memory within the stated limits, linear work."""

from __future__ import annotations

import io
import random
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
import zstandard

import evcodec
from assemble import (
    BLOCK,
    ENTRIES,
    HEADER,
    Maker,
    Parts,
    block,
    column,
    column_head,
    constant,
    entries,
    header,
    index_head,
    plain,
    record,
    stream,
    svarint,
    table,
    varint,
)
from evcodec import (
    CorruptDataError,
    EvcodecError,
    EventBatch,
    InvalidArgumentError,
    LimitExceededError,
    Marker,
    Reader,
)
from evcodec.limits import MAX_BLOCK_EVENTS
from evcodec.stream import compact, repair, verify
from faults_memory import peak_of

MIB = 2**20


def alike(columns: int) -> bytes:
    """Return a block of a million events of int64 columns that are all 0: some ten bytes a column."""
    parts = Parts(())
    described = [
        column(f"c{i}", [0], parts, dtype="int64", transform=plain(), layout=constant())
        for i in range(columns)
    ]
    return block(MAX_BLOCK_EVENTS, [(3, 0, table(described, parts))])


def bomb(blocks: int, *, indexed: bool) -> bytes:
    maker, payload = Maker().add(HEADER, header()), alike(3)
    for _ in range(blocks):
        maker.row(BLOCK, payload, MAX_BLOCK_EVENTS, 0, 0, 1)
    if indexed:
        maker.kinds = [(0, blocks * MAX_BLOCK_EVENTS)]
        maker.columns = [column_head(f"c{i}", "int64") for i in range(3)]
        maker.index()
    return maker.end().data


# ---- memory ----


@pytest.mark.parametrize("indexed", [True, False])
def test_a_read_takes_no_more_than_it_may(indexed: bool) -> None:
    data = bomb(40, indexed=indexed)
    assert len(data) < 10_000

    def read() -> None:
        for threads in (1, 2):
            with pytest.raises(LimitExceededError, match="max_read_bytes"):
                evcodec.decode(data, threads=threads, max_read_bytes=64 * MIB)
        with Reader(data, on_error="skip", max_read_bytes=64 * MIB) as reader:
            with pytest.raises(LimitExceededError, match=r"batches\(\)"):
                reader.read()
            with pytest.raises(LimitExceededError):
                reader.read(columns=("c0", "x"), kinds=(0,))
            assert reader.problems == []
            assert len(reader.read(start=1)) == 0

    # What is gathered, the same once more while it grows, and a block for each of four jobs.
    assert peak_of(read) < 2 * 64 * MIB + 5 * 24 * MIB


def test_a_whole_bomb_is_refused_at_once() -> None:
    data = bomb(2_000, indexed=True)

    def read() -> None:
        with pytest.raises(LimitExceededError):
            evcodec.decode(data)

    assert peak_of(read) < 32 * MIB


def test_a_read_that_just_fits() -> None:
    with Reader(bomb(2, indexed=True), max_read_bytes=2 * 24 * MIB) as reader:
        assert len(reader.read()) == 2 * MAX_BLOCK_EVENTS
    with Reader(bomb(2, indexed=True), max_read_bytes=2 * 24 * MIB - 1) as reader:
        with pytest.raises(LimitExceededError):
            reader.read()
        assert sum(map(len, reader.batches())) == 2 * MAX_BLOCK_EVENTS
    pipe = io.BytesIO(bomb(2, indexed=False))
    pipe.seekable = lambda: False  # type: ignore[method-assign]
    with Reader(pipe, max_read_bytes=24 * MIB) as reader, pytest.raises(LimitExceededError):
        reader.read()


@pytest.mark.parametrize("value", [0, -1, 1.5, "1", True])
def test_limits_are_numbers_of_bytes(value: Any) -> None:
    data = evcodec.encode(EventBatch(t=[1]))
    for call in (
        lambda: Reader(data, max_read_bytes=value),
        lambda: evcodec.decode(data, max_read_bytes=value),
        lambda: verify(data, max_block_bytes=value),
    ):
        with pytest.raises(InvalidArgumentError):
            call()


def test_a_block_of_very_many_columns_is_refused() -> None:
    """A column takes thousands of bytes before its first value: 20,480 of them are a file of 140 KB."""
    sections = []
    for group in range(3, 23):
        heads = [column_head(f"{group}{i:x}", "int8", group) for i in range(1_024)]
        sections.append((group, 0, table(heads, Parts(()))))
    data = stream((BLOCK, block(0, sections)))

    def read() -> None:
        with (
            pytest.raises(LimitExceededError, match="columns"),
            Reader(data, max_block_bytes=16 * MIB) as reader,
        ):
            reader.read()
        assert not verify(data, max_block_bytes=16 * MIB).ok
        with Reader(data) as reader:
            assert len(reader.columns) == 20 * 1_024

    assert peak_of(read) < 256 * MIB


def held(columns: int) -> bytes:
    """Return a block of a million presses of keys, the columns held codes of one byte: ten bytes a column."""
    n, parts = MAX_BLOCK_EVENTS, Parts(())
    codes = b"\x40" + varint(n) + b"\x00" + svarint(0) + varint(7)
    kind = column("kind", [4], parts, layout=constant())
    section = table([column_head(f"c{i}", "int8") + b"\x01" + codes for i in range(columns)], parts)
    return stream((BLOCK, block(n, [(0, 0, table([kind], parts)), (3, 0, section)], kinds=[(4, n)])))


def test_held_codes_count_for_the_time_they_take() -> None:
    assert np.all(evcodec.decode(held(1))["c0"] == 7)
    with pytest.raises(LimitExceededError, match="decoded columns"):
        evcodec.decode(held(60))  # 60 MiB of values, two seconds of placing them


def many_entries(records: int) -> bytes:
    each = entries([[6, 0, {"t": i, "name": ""}] for i in range(8_000)], codec=1)
    return stream(*[(ENTRIES, each)] * records)


def test_lists_of_entries_are_bounded(tmp_path: Path) -> None:
    data = many_entries(4)

    def read() -> None:
        with Reader(data, max_read_bytes=16 * MIB) as reader:
            with pytest.raises(LimitExceededError, match=r"entries\(\)"):
                list(reader.markers)
            assert reader.gaps == []  # records without any are not even decoded, or leave nothing
            assert sum(1 for _ in reader.entries(Marker)) == 32_000

    assert peak_of(read) < 160 * MIB
    pipe = io.BytesIO(data)
    pipe.seekable = lambda: False  # type: ignore[method-assign]
    with Reader(pipe, max_read_bytes=16 * MIB) as reader, pytest.raises(LimitExceededError):
        list(reader.batches())


def test_an_index_takes_memory_by_the_size_of_the_data() -> None:
    maker, payload = Maker().add(HEADER, header()), entries([])
    for _ in range(20_000):
        maker.row(ENTRIES, payload, 0, 0, 0, 0)
    data = maker.index().end().data

    def read() -> None:
        with Reader(data) as reader:
            assert list(reader.entries()) == []

    assert peak_of(read) < 25 * len(data) + 16 * MIB


# ---- compressed data that lies ----


def _frames() -> dict[str, bytes]:
    raw = bytes(100_000)
    whole = zstandard.compress(raw)
    no_size = zstandard.ZstdCompressor(write_content_size=False).compress(raw)
    parameters = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=False)
    wide = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    trained = zstandard.ZstdCompressionDict(bytes(range(256)) * 8, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    lie = bytearray(zstandard.compress(bytes(10 * MIB)))
    lie[5:9] = (100_000).to_bytes(4, "little")
    return {
        "two frames": zstandard.compress(raw[:50_000]) * 2,
        "a frame and a byte": whole + b"\0",
        "a skippable frame first": b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + whole,
        "a skippable frame last": whole + b"\x50\x2a\x4d\x18\x04\0\0\0abcd",
        "no content size": no_size,
        "a window of 128 MiB": wide.compress(raw) + wide.flush(),
        "a dictionary": zstandard.ZstdCompressor(dict_data=trained).compress(raw[:99_999]),
        "more than stated": bytes(lie),
        "less than stated": zstandard.compress(raw[:-1]),
        "cut": whole[:-1],
        "nothing": b"",
        "noise": random.Random(1).randbytes(300),
    }


@pytest.mark.parametrize("name", sorted(_frames()))
def test_frames_that_are_not_one_frame_of_the_stated_size(name: str) -> None:
    frame = _frames()[name]
    payload = bytes([0, 0, 1]) + varint(100_000) + frame
    part = varint(1) + b"\x01" + varint(100_000) + varint(len(frame)) + frame
    described = column_head("c", "int8") + b"\x01" + b"\x01" + svarint(0) + b"\x01" + varint(0)
    held_block = block(100_000, [(3, 0, varint(1) + described + part)])

    def read() -> None:
        for data in (stream((ENTRIES, payload)), stream((BLOCK, held_block))):
            with Reader(data, on_error="skip") as reader:
                assert len(reader.read()) == len(list(reader.entries())) == 0
                assert len(reader.problems) == 1
            with pytest.raises(CorruptDataError), Reader(data) as reader:  # noqa: PT012
                reader.read()
                list(reader.entries())
            assert not verify(data).ok

    assert peak_of(read) < 16 * MIB


# ---- msgpack ----


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (msgpack.packb(msgpack.ExtType(5, b"x" * 100)), None),
        (b"\x91" * 200_000 + b"\x00", LimitExceededError),
        (b"\xdd\xff\xff\xff\xff", LimitExceededError),
        (b"\xdf\xff\xff\xff\xff", LimitExceededError),
        (b"\xc6\xff\xff\xff\xff", CorruptDataError),
        (b"\xdb\xff\xff\xff\xff", CorruptDataError),
        (b"\xc9\xff\xff\xff\xff\x01", CorruptDataError),
        (b"\xcf" + b"\xff" * 8, None),
        (b"\xc1", CorruptDataError),
        (b"\xa2\xff\xff", CorruptDataError),
    ],
    ids=["ext", "deep", "array32", "map32", "bin32", "str32", "ext32", "uint64", "never used", "not UTF-8"],
)
def test_values_of_msgpack(value: bytes, error: type[EvcodecError] | None) -> None:
    entry = b"\x93\x06\x00\x83\xa1t\x00\xa4name\xa1m\xa4data" + value
    data = stream((ENTRIES, bytes([0, 0, 0]) + varint(len(entry)) + entry))
    top = stream(head=b"\x01\x00\x81\xa8metadata\x81\xa1a" + value)

    def read() -> None:
        for given in (data, top):
            with nullcontext() if error is None else pytest.raises(error), Reader(given) as reader:
                list(reader.entries())

    assert peak_of(read) < 64 * MIB


# ---- work ----


class Counted(io.BytesIO):
    """A file that counts the bytes it is asked for."""

    total = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.total += len(data)
        return data


def tiny_streams(count: int) -> bytes:
    return Maker().add(HEADER, header()).end().data * count


def test_streams_end_to_end_are_read_once() -> None:
    data = tiny_streams(3_000)
    file = Counted(data)
    with Reader(file) as reader:
        assert len(reader) == 0
        assert len(reader.headers) == 3_000
    assert file.total < 4 * len(data) + MIB


def _seconds(action: Callable[[], object]) -> float:
    best = 1e9
    for _ in range(2):
        start = time.process_time()
        action()
        best = min(best, time.process_time() - start)
    return best


def test_work_grows_with_the_number_of_streams_and_not_with_its_square(tmp_path: Path) -> None:
    one = evcodec.encode(EventBatch(t=[1, 2]))
    for work in (
        lambda data: compact(data, tmp_path / "out.evc"),
        lambda data: repair(data, tmp_path / "out.evc"),
        lambda data: len(Reader(data).read()),
    ):
        few, many = one * 80, one * 640
        # Eight times as many: sixty-four times as long if it were the square.
        assert _seconds(lambda: work(many)) < 24 * _seconds(lambda: work(few)) + 0.2  # noqa: B023


def test_records_that_nobody_knows_are_passed_over() -> None:
    maker = Maker().add(HEADER, header())
    ancillary = record(0x80, b"", 0)
    assert len(ancillary) == 20
    for _ in range(15_000):
        maker.add(0xFF, b"")
    data = maker.end().data

    def read() -> None:
        with Reader(data) as reader:
            assert len(reader) == 0
        assert verify(data).records == 15_002

    assert peak_of(read) < 16 * MIB


# ---- what an index and an end record say ----


def test_whatever_an_index_says(tries: Callable[..., int], seed: int) -> None:
    """The values are right, or there is an error; a check always sees it."""
    draw = random.Random(seed)
    small = alike(1)
    maker = Maker().add(HEADER, header())
    for _ in range(4):
        maker.row(BLOCK, small, MAX_BLOCK_EVENTS, 0, 0, 1)
    rows, offset = maker.rows, len(maker.data)
    for _ in range(tries(quick=60, soak=5_000)):
        broken = Maker(maker.data, maker.number, [list(row) for row in rows], [(0, 4 * MAX_BLOCK_EVENTS)])
        broken.columns, broken.events = [column_head("c0", "int64")], maker.events
        row, field = draw.choice(broken.rows), draw.randrange(7)
        choices = (0, 1, -1, offset, offset + 20, 2**63 - 1, -(2**63), rows[0][0], rows[3][0], 64 * MIB, 5)
        value = draw.choice(choices) % (256 if field == 2 else 2**64)
        row[field] = value - 2**64 if field not in (2, 6) and value >= 2**63 else value
        distance, length = (
            draw.choice((None, None, 0, 1, 44, 2**63, 2**64 - 1)),
            draw.choice((None, None, 0, 44, 2**64 - 1)),
        )
        data = broken.index().end(distance=distance, length=length).data
        is_right = broken.rows == rows and (distance, length) == (None, None)
        assert verify(data).ok == is_right
        try:
            with Reader(data) as reader:
                assert sum(map(len, reader.batches())) == 4 * MAX_BLOCK_EVENTS
        except EvcodecError:
            assert not is_right


def test_an_index_of_more_than_there_is() -> None:
    for head in (index_head(2**20), index_head(2**63), index_head(1, columns=[b""] * 9_000)):
        data = Maker().add(HEADER, header()).index(head).end().data
        assert not verify(data).ok
        with Reader(data) as reader:
            assert len(reader.read()) == 0
    with (
        pytest.raises(CorruptDataError, match="sequence number"),
        Reader(stream() + record(BLOCK, block(0), 0xFFFFFFFF)) as reader,
    ):
        reader.read()

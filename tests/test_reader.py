"""Reader: columns, kinds and times pushed down; what is not asked for is neither read nor decompressed."""

from __future__ import annotations

import io
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import evcodec
from evcodec import EventBatch, EventKind, InvalidArgumentError, LimitExceededError, Reader, Writer
from evcodec.compression import ZSTD
from generators import SEEDS, TIMES, assert_same, session


def stream_of(batch: EventBatch, block_events: int = 100, **options: Any) -> bytes:
    """Return a stream of many small blocks."""
    target = io.BytesIO()
    with Writer(target, block_events=block_events, **options) as writer:
        writer.write(batch)
    return target.getvalue()


def matching(batch: EventBatch, kinds: Any, start: int | None, stop: int | None) -> EventBatch:
    """Return what numpy finds."""
    mask = np.ones(len(batch), bool)
    if kinds is not None:
        mask &= np.isin(batch.kind, list(kinds))
    if start is not None:
        mask &= np.array([t >= start for t in batch.t.tolist()], bool)
    if stop is not None:
        mask &= np.array([t < stop for t in batch.t.tolist()], bool)
    return batch[mask]


@st.composite
def streams(draw: st.DrawFn) -> tuple[EventBatch, bytes]:
    """Draw events whose kinds come in stretches and whose times mostly rise, in blocks of a few."""
    count = draw(st.integers(0, 300))
    rng = np.random.default_rng(draw(SEEDS))
    t = np.sort(rng.integers(0, 3_000, count))
    if draw(st.booleans()):
        t = np.where(rng.random(count) < 0.05, rng.integers(-(2**63), 2**63 - 1, count), t)
    found: dict[str, np.ndarray] = {"t": t}
    if draw(st.integers(0, 5)):
        kinds = np.array(draw(st.sampled_from(((0, 1, 3), (0, 62, 63, 64, 255), (5,)))), np.uint8)
        found["kind"] = np.repeat(rng.choice(kinds, count), rng.integers(1, 50, count))[:count]
    found["x"] = rng.integers(-9, 9, count).astype(np.int32)
    found["pressure"] = (rng.integers(0, 2**16, count) * (found.get("kind", t) % 2 == 0)).astype(np.uint16)
    batch = EventBatch(**found)
    return batch, stream_of(batch, draw(st.integers(1, 60)), level="fast")


COLUMNS = st.none() | st.lists(st.sampled_from(("t", "kind", "x", "pressure", "dy", "source")), max_size=4)
KINDS = st.none() | st.sets(st.sampled_from((0, 1, 2, 3, 5, 62, 63, 64, 100, 255)), max_size=4)
BOUNDS = st.none() | TIMES


@given(streams(), COLUMNS, KINDS, BOUNDS, BOUNDS)
def test_filters_are_those_of_numpy(stream, columns, kinds, start, stop):
    batch, data = stream
    expected = matching(batch, kinds, start, stop)
    names = list(batch.columns) if columns is None else columns
    asked = {"columns": columns, "kinds": kinds, "start": start, "stop": stop}
    with Reader(data) as reader:
        found = reader.read(**asked)
        assert set(found.columns) == set(names)
        assert_same(found, expected.select(names))
        parts = list(reader.batches(**asked))
        assert all(map(len, parts))
        assert len(parts) <= len(reader.blocks)
        joined = EventBatch.concat(parts)
        assert len(joined) == len(expected)
        if parts:
            assert_same(joined, expected.select(names))
    with Reader(_pipe_of(data)) as reader:
        assert_same(reader.read(**asked), expected.select(names))


def _pipe_of(data: bytes) -> Any:
    """Return a file that cannot seek."""

    class Unseekable(io.BytesIO):
        def seekable(self) -> bool:
            return False

    return Unseekable(data)


@pytest.mark.parametrize(
    "asked", [{"start": 2**62}, {"stop": -5}, {"kinds": (77,)}, {"kinds": ()}, {"start": 5, "stop": 5}]
)
def test_nothing_matches(asked):
    """An empty batch has the columns that a full one would have."""
    batch = EventBatch(t=np.arange(10), kind=np.zeros(10, np.uint8), pressure=np.arange(10, dtype=np.uint16))
    with Reader(stream_of(batch, 5)) as reader:
        found = reader.read(**asked)
        assert {name: (values.dtype, len(values)) for name, values in found.columns.items()} == {
            name: (values.dtype, 0) for name, values in batch.columns.items()
        }
        assert reader.read(columns=("pressure", "dx"), **asked)["pressure"].dtype == np.uint16
        assert list(reader.batches(columns=("pressure",), **asked)) == []


class Watched(io.BytesIO):
    """A file that notes which bytes are read of it."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.seen = np.zeros(len(data), bool)

    def read(self, size: int | None = -1) -> bytes:
        at = self.tell()
        data = super().read(size)
        self.seen[at : at + len(data)] = True
        return data


def _blocks_read(file: Watched, reader: Reader) -> list[int]:
    """Return the numbers of the blocks of which any byte was read."""
    return [i for i, b in enumerate(reader.blocks) if file.seen[b.position : b.position + b.size].any()]


def test_only_blocks_that_may_match_are_read():
    batch = session(2_000)
    kind = np.zeros(2_000, np.uint8)
    kind[650], kind[1_230] = EventKind.KEY_DOWN, EventKind.BUTTON_DOWN
    batch = EventBatch(**{**batch.columns, "kind": kind})
    data = stream_of(batch)

    def blocks_for(**asked: Any) -> list[int]:
        file = Watched(data)
        with Reader(file) as reader:
            assert len(reader.blocks) == 20
            file.seen[:] = False
            assert_same(
                reader.read(**asked),
                matching(batch, asked.get("kinds"), asked.get("start"), asked.get("stop")),
            )
            return _blocks_read(file, reader)

    assert blocks_for(kinds=(EventKind.KEY_DOWN,)) == [6]
    assert blocks_for(kinds=(EventKind.KEY_DOWN, EventKind.BUTTON_DOWN)) == [6, 12]
    assert blocks_for(kinds=(EventKind.SCROLL,)) == []
    t = batch.t.tolist()
    assert blocks_for(start=t[510], stop=t[590]) == [5]
    assert blocks_for(start=t[500], stop=t[600]) == [5]
    assert blocks_for(start=t[499], stop=t[601]) == [4, 5, 6]
    assert blocks_for(start=t[1_900]) == [19]
    assert blocks_for(stop=t[0]) == []
    assert blocks_for(stop=t[0] + 1) == [0]
    assert blocks_for(kinds=(EventKind.KEY_DOWN,), start=t[1_000]) == []
    assert blocks_for() == list(range(20))


def test_opening_reads_neither_blocks_nor_all():
    file = Watched(stream_of(session(50_000), 5_000))
    with Reader(file) as reader:
        assert (len(reader), len(reader.kinds), reader.columns["x"]) == (50_000, 6, np.int32)
        assert reader.gaps == []
        assert _blocks_read(file, reader) == []
        assert file.seen.sum() < len(file.getvalue()) // 10


def test_batches_read_one_block_at_a_time():
    file = Watched(stream_of(session(2_000)))
    with Reader(file) as reader:
        file.seen[:] = False
        batches = reader.batches()
        for number in range(3):
            assert len(next(batches)) == 100
            assert _blocks_read(file, reader) == list(range(number + 1))


def _with_broken_part(batch: EventBatch, name: str) -> bytes:
    """Return a stream of one block in which zstd cannot decompress what holds a column, though every checksum holds."""
    from assemble import BLOCK, HEADER, Maker
    from evcodec.block import Block
    from evcodec.encoding import encode_block
    from evcodec.levels import LEVELS

    payload = bytearray(encode_block(dict(batch.columns), LEVELS["balanced"]))
    block = Block(payload, "block")
    number, column = block._places[name]
    table = block._tables[number]
    whole = bytes(payload)
    for part, length in table.streams_of(column):
        if length and table.parts[part][0] == ZSTD:
            data = bytes(table.part_bytes(part))
            at = whole.index(data)
            payload[at + 4 : at + 12] = b"\xff" * 8
    assert bytes(payload) != whole
    header = b"\x01\x00\x80"
    return Maker().add(HEADER, header).add(BLOCK, bytes(payload)).end(events=len(batch)).data


def test_columns_that_are_not_asked_for_are_not_decompressed():
    batch = session(60_000)
    data = _with_broken_part(batch, "y")
    with Reader(data) as reader:
        names = [name for name in batch.columns if name != "y"]
        assert_same(reader.read(columns=names), batch.select(names))
        assert_same(reader.read(columns=("x",), kinds=(3,), start=0), batch[batch.kind == 3].select(("x",)))
        for columns in (None, ("y",), ("x", "y")):
            with pytest.raises(evcodec.CorruptDataError, match="byte"):
                reader.read(columns=columns)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"columns": "x"}, "string 'x'"),
        ({"columns": ("x", "nothing")}, "nothing"),
        ({"columns": (1,)}, "columns"),
        ({"kinds": (256,)}, "256"),
        ({"kinds": (-1,)}, "-1"),
        ({"kinds": ("move",)}, "kinds"),
        ({"kinds": (1.0,)}, "kinds"),
        ({"start": 1.5}, "start"),
        ({"stop": "1"}, "stop"),
        ({"stop": True}, "stop"),
        ({"blocks": 2}, "blocks"),
        ({"blocks": range(0, 4, 2)}, "blocks"),
        ({"blocks": range(-1, 2)}, "blocks"),
    ],
)
def test_what_cannot_be_asked_for(asked, message):
    with Reader(stream_of(session(500))) as reader:
        with pytest.raises(InvalidArgumentError, match=message):
            reader.read(**asked)
        with pytest.raises(InvalidArgumentError, match=message):
            list(reader.batches(**asked))


def test_a_column_that_only_some_blocks_have():
    target = io.BytesIO()
    with Writer(target) as writer:
        for columns in (
            {"a": np.array([1, 2], np.uint8)},
            {"b": np.array([3, 4])},
            {"a": np.array([-500, 6], np.int16)},
        ):
            writer.write(EventBatch(t=[1, 2], **columns))
            writer.flush()
    with Reader(target.getvalue()) as reader:
        assert reader.columns["a"] == np.int16
        assert reader.read()["a"].tolist() == [1, 2, 0, 0, -500, 6]
        assert reader.read(columns=("b",))["b"].tolist() == [0, 0, 3, 4, 0, 0]
        found = [(batch["a"].dtype, batch["a"].tolist()) for batch in reader.batches(columns=("a",))]
        assert found == [(np.uint8, [1, 2]), (np.int16, [0, 0]), (np.int16, [-500, 6])]
        assert EventBatch.concat(reader.batches(columns=("b", "a"))).equals(reader.read(columns=("b", "a")))


def test_a_block_may_be_refused_for_its_memory():
    data = evcodec.encode(session(10_000))
    with Reader(data, max_block_bytes=120_000) as reader:  # t takes 80,000, and what it is decoded from
        assert len(reader.read(columns=("t",))) == 10_000
        with pytest.raises(LimitExceededError, match="120000"):
            reader.read(columns=("t", "x"))


@pytest.mark.parametrize(
    "options", [{"on_error": "ignore"}, {"max_block_bytes": 0}, {"max_block_bytes": "1"}]
)
def test_options_of_a_reader(options):
    with pytest.raises(InvalidArgumentError, match=next(iter(options))):
        Reader(evcodec.encode(session(3)), **options)


def test_start_and_stop_of_no_events():
    with Reader(evcodec.encode(EventBatch())) as reader:
        assert (len(reader), reader.start, reader.stop, reader.kinds, reader.columns) == (
            0,
            None,
            None,
            {},
            {},
        )
        assert len(reader.read()) == 0
        assert list(reader.batches()) == []


def test_several_threads_share_a_reader(tmp_path):
    """Each asks for another part of the same file, all at once."""
    batch = session(20_000)
    path = tmp_path / "shared.evc"
    path.write_bytes(stream_of(batch, 500))
    start = threading.Barrier(4)
    wrong: list[Any] = []
    with Reader(path) as reader:

        def ask(number: int) -> None:
            start.wait()
            for i in range(number, 40, 4):
                t0, t1 = int(batch.t[i * 500]), int(batch.t[min(i * 500 + 700, 19_999)])
                if not reader.read(start=t0, stop=t1).equals(batch[(batch.t >= t0) & (batch.t < t1)]):
                    wrong.append(i)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_column_bytes_add_up():
    data = stream_of(session(5_000), 1_000)
    with Reader(data) as reader:
        sizes = reader.column_bytes()
    assert set(sizes) == {"t", "kind", "x", "y", "code", "dx", "dy", "(records)"}
    assert sum(sizes.values()) == pytest.approx(len(data))
    assert sizes["t"] > sizes["dx"] == 0


@pytest.mark.parametrize("read", [Reader.read, lambda reader: list(reader.batches())])
def test_a_closed_reader_lets_bytes_go_and_reads_nothing(read):
    data = bytearray(evcodec.encode(session(100)))
    reader = Reader(data)
    assert len(reader.read()) == 100
    reader.close()
    data.clear()  # which nobody's view forbids
    with pytest.raises(InvalidArgumentError, match="closed Reader"):
        read(reader)


def test_a_small_stream_is_read_from_a_file_once(tmp_path):
    class Counting(io.BytesIO):
        reads = 0

        def read(self, size: int | None = -1) -> bytes:
            self.reads += 1
            return super().read(size)

    file = Counting(evcodec.encode(session(3_000)))
    with Reader(file) as reader:
        assert_same(reader.read(), session(3_000))
    assert file.reads == 2  # the end, which says how long it is, and all of it


@pytest.mark.parametrize("threads", [1, 2])
def test_a_range_of_blocks_is_the_events_in_them(threads):
    batch = session(1_000)
    batch = EventBatch(t=np.arange(1_000), **{k: v for k, v in batch.columns.items() if k != "t"})
    with Reader(stream_of(batch), threads=threads) as reader:
        assert_same(reader.read(blocks=range(2, 5)), batch[200:500])
        assert_same(EventBatch.concat(reader.batches(blocks=range(9, 10))), batch[900:])
        assert_same(reader.read(start=250, blocks=range(3)), batch[250:300])
        assert len(reader.read(blocks=range(4, 4))) == 0
        # What is not there is an error, since numbers from another state of a file mean other events.
        with pytest.raises(InvalidArgumentError, match=r"range\(9, 11\), allowed: up to 10"):
            reader.read(blocks=range(9, 11))


def test_damage_behind_a_range_of_blocks_is_not_met():
    batch = session(1_000)
    data = stream_of(batch)
    with Reader(data) as reader:
        cut = data[: reader.blocks[6].position + 20]
    with Reader(cut) as reader:
        assert_same(reader.read(blocks=range(5)), batch[:500])
        for asked in ({"blocks": range(6)}, {}):
            with pytest.raises(evcodec.TruncatedDataError):
                reader.read(**asked)
            with pytest.raises(evcodec.TruncatedDataError):
                list(reader.batches(**asked))


def test_a_pipe_has_no_numbers_of_blocks():
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    with Reader(Pipe(stream_of(session(300)))) as reader:
        with pytest.raises(InvalidArgumentError, match="pipe"):
            reader.read(blocks=range(1))
        assert len(reader.read()) == 300


def test_a_long_stream_of_few_blocks_is_not_read_by_opening_it(tmp_path):
    path = tmp_path / "long.evc"
    rng = np.random.default_rng(3)
    noise = rng.integers(-(2**31), 2**31, 60_000).astype(np.int32)
    batch = EventBatch(t=np.arange(60_000), x=noise, y=noise[::-1].copy())
    with Writer(path) as writer:
        writer.write(batch)
    size = path.stat().st_size
    assert size > 2**18
    with Counting(path) as file, Reader(file) as reader:
        assert len(reader) == 60_000
        assert file.taken < 4_096
        assert reader.read().equals(batch)
        assert file.taken < size + 4_096


class Counting(io.FileIO):
    """A file that counts the bytes that are read of it."""

    taken = 0

    def read(self, size=-1):
        data = super().read(size)
        self.taken += len(data)
        return data

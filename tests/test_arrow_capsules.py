"""Batches and streams in PyCapsules: what is in them, who owns it, and what becomes of errors."""

from __future__ import annotations

import ctypes
import gc
import io
import subprocess
import sys
import threading
import time
import tracemalloc
import weakref

import numpy as np
import pytest
from hypothesis import given

from evcodec import EventBatch, EventKind, InvalidArgumentError, Reader, Writer, encode
from evcodec.arrow import Origin, make_stream
from forged_arrow import Array, Stream, content
from generators import batches, session, stream_of

pa = pytest.importorskip("pyarrow")


def test_integers_are_not_copied():
    batch = session(1_000)
    found = pa.record_batch(batch)
    for name, values in batch.columns.items():
        column = found[name].indices if name == "kind" else found[name]
        assert column.buffers()[1].address == values.ctypes.data, name
        assert column.null_count == 0
        assert column.buffers()[0] is None


@given(batches())
def test_every_batch_is_the_same_in_arrow(batch):
    if any("\0" in name for name in batch.columns):
        with pytest.raises(InvalidArgumentError, match="NUL"):
            pa.record_batch(batch)
        with pytest.raises(InvalidArgumentError, match="NUL"):
            batch.__arrow_c_schema__()
        return
    for found in (pa.record_batch(batch), pa.table(batch)):
        found.validate(full=True)
        assert found.num_rows == len(batch)
        assert found.column_names == list(batch.columns)
        for name, values in batch.columns.items():
            if name == "kind":
                names = [f"kind {kind}" for kind in range(256)]
                names[: len(EventKind)] = [kind.name.lower() for kind in EventKind]
                assert found[name].to_pylist() == [names[kind] for kind in values]
            else:
                assert found.schema.field(name) == pa.field(
                    name, pa.from_numpy_dtype(values.dtype), nullable=False
                )
                np.testing.assert_array_equal(found[name].to_numpy(), values)
        back = EventBatch.from_arrow(found)
        assert back.equals(batch)
        assert list(back.columns) == list(batch.columns)


@pytest.mark.parametrize(
    "values",
    [
        np.arange(60)[::-1],
        np.arange(60)[::3],
        np.broadcast_to(np.int64(9), 20),
        np.broadcast_to(np.uint8(9), 0),
        np.frombuffer(bytes(81), np.int64, 10, 1),
    ],
    ids=["reversed", "strided", "constant", "constant of none", "unaligned"],
)
def test_what_does_not_stand_side_by_side_is_copied(values):
    found = pa.record_batch(EventBatch(x=values))
    assert found["x"].to_pylist() == values.tolist()
    assert found["x"].buffers()[1].address % 8 == 0


def test_sizes_at_the_edges():
    assert pa.record_batch(EventBatch()).num_columns == 0
    assert pa.record_batch(session(0)).num_rows == 0
    assert EventBatch.from_arrow(pa.table(EventBatch())).equals(EventBatch())
    many = EventBatch(**{f"c{number}": np.arange(3, dtype=np.int16) + number for number in range(1_024)})
    assert EventBatch.from_arrow(pa.record_batch(many)).equals(many)
    with Reader(encode(session(5))) as reader:
        assert pa.table(reader.arrow(columns=())).num_columns == 0
        assert pa.table(reader.arrow(kinds=())).num_rows == 0
        assert len(EventBatch.from_arrow(reader.arrow(columns=()))) == 5
    with Reader(encode(EventBatch())) as reader:
        assert pa.table(reader).num_rows == 0


def test_a_batch_may_be_gone_before_what_came_of_it():
    values = np.arange(10_000)
    batch = EventBatch(t=values)
    alive = weakref.ref(values)
    found = pa.record_batch(batch)
    column = found["t"]
    del batch, values, found
    gc.collect()
    assert alive() is not None
    assert column.to_pylist() == list(range(10_000))
    del column
    gc.collect()
    assert alive() is None


def test_capsules_that_nobody_takes_leave_nothing_behind():
    values = np.arange(100)
    alive = weakref.ref(values)
    batch = EventBatch(t=values)
    for _ in range(50):
        batch.__arrow_c_schema__()
        batch.__arrow_c_array__()
        batch.__arrow_c_stream__()
    references = sys.getrefcount(values)
    assert references <= 4, "capsules hold the column"
    del batch, values
    gc.collect()
    assert alive() is None


def test_many_cycles_take_no_memory():
    batch, data = session(20_000), stream_of(session(4_000))
    with Reader(data) as reader:

        def cycle():
            pa.record_batch(batch)
            pa.table(reader)
            EventBatch.from_arrow(pa.table(batch))
            capsule = reader.__arrow_c_stream__()
            pa.RecordBatchReader._import_from_c_capsule(capsule).read_next_batch()
            with pytest.raises(InvalidArgumentError):
                EventBatch.from_arrow(pa.table({"x": ["a"]}))

        for _ in range(20):
            cycle()
        gc.collect()
        tracemalloc.start()
        try:
            before, held = tracemalloc.get_traced_memory()[0], pa.total_allocated_bytes()
            for _ in range(60):
                cycle()
            gc.collect()
            assert tracemalloc.get_traced_memory()[0] - before < 200_000  # three columns of one batch
        finally:
            tracemalloc.stop()
        assert pa.total_allocated_bytes() <= held


def test_a_child_may_be_moved_out_and_outlive_the_rest():
    batch = EventBatch(x=np.arange(5), y=np.arange(5) * 2)
    _, capsule = batch.__arrow_c_array__()
    parent = content(capsule, b"arrow_array", Array)
    child = Array()
    ctypes.memmove(ctypes.addressof(child), parent.children[1], ctypes.sizeof(Array))
    parent.children[1].contents.release = type(child.release)()
    parent.release(ctypes.byref(parent))
    assert not parent.release
    del batch
    gc.collect()
    values = (ctypes.c_int64 * 5).from_address(child.buffers[1])
    assert list(values) == [0, 2, 4, 6, 8]
    child.release(ctypes.byref(child))
    assert not child.release
    del parent, capsule


def test_release_from_a_thread_that_python_does_not_know():
    values = np.arange(50_000)
    alive = weakref.ref(values)
    found = [pa.record_batch(EventBatch(t=values))]
    del values
    # The threads of pyarrow are of C++; the last reference to the batch is theirs or ours, whoever is later.
    import pyarrow.dataset as ds

    table = pa.Table.from_batches(found)
    assert ds.dataset(table).to_table(filter=ds.field("t") < 10, use_threads=True).num_rows == 10
    thread = threading.Thread(target=found.clear)
    thread.start()
    thread.join()
    del table
    for _ in range(500):  # those threads end their work when they come to it
        gc.collect()
        if alive() is None:
            break
        time.sleep(0.02)
    assert alive() is None


# ---- streams ----


def test_a_stream_may_be_taken_again():
    batch = session(5_000)
    with Reader(stream_of(batch)) as reader:
        stream = reader.arrow()
        for _ in range(2):
            assert EventBatch.from_arrow(pa.table(stream)).equals(batch)
        assert EventBatch.from_arrow(stream).equals(batch)
        assert repr(stream) == "<ArrowStream (t, kind, x, y, code, dx, dy)>"
        assert pa.schema(stream).names == stream.columns
        assert pa.schema(reader) == pa.table(reader).schema


def test_what_was_asked_for_comes():
    batch = session(5_000)
    with Reader(stream_of(batch)) as reader:
        asked = {
            "columns": ("x", "t", "seq"),
            "kinds": {1, 4},
            "start": int(batch.t[1_000]),
            "stop": int(batch.t[4_000]),
        }
        expected = reader.read(**asked)
        found = EventBatch.from_arrow(pa.table(reader.arrow(**asked)))
        assert found.equals(expected)
        assert list(found.columns) == ["x", "t", "seq"]
        blocks = EventBatch.from_arrow(reader.arrow(blocks=range(1, 3)))
        assert blocks.equals(reader.read(blocks=range(1, 3)))
        for wrong in (
            {"columns": "t"},
            {"columns": ["no"]},
            {"kinds": [256]},
            {"start": 1.5},
            {"epoch_ns": "1"},
        ):
            with pytest.raises(InvalidArgumentError):
                reader.arrow(timestamps=True, **wrong)


def sizes(stream) -> list[int]:
    return [len(piece) for piece in pa.table(stream).to_batches()]


def test_small_blocks_are_joined_and_large_ones_are_not(monkeypatch):
    batch = session(30_000)
    with Reader(stream_of(batch, rows=500)) as reader:
        assert len(reader.blocks) == 60
        assert sizes(reader) == [30_000]
        assert sizes(reader.arrow(blocks=range(7, 9))) == [1_000]
        monkeypatch.setattr("evcodec.arrow_methods._MOST_ROWS", 7_300)
        monkeypatch.setattr("evcodec.arrow.ROWS_AT_ONCE", 1)
        assert sizes(reader) == [7_000, 7_000, 7_000, 7_000, 2_000]
        between = {"start": int(batch.t[600]), "stop": int(batch.t[12_000])}
        assert EventBatch.from_arrow(reader.arrow(**between)).equals(reader.read(**between))
        monkeypatch.setattr("evcodec.arrow_methods._MOST_ROWS", 1)
        assert sizes(reader) == [500] * 60
        assert EventBatch.from_arrow(reader).equals(batch)
        monkeypatch.setattr("evcodec.arrow_methods._MOST_ROWS", 2**20)
        monkeypatch.setattr("evcodec.arrow_methods._MOST_BYTES", 29 * 10_000)
        assert sizes(reader) == [10_000] * 3
    with Reader(stream_of(batch, rows=500), max_read_bytes=29 * 600) as reader:
        assert sizes(reader) == [500] * 60


def test_columns_that_change_their_dtype_get_the_smallest_for_all():
    target = io.BytesIO()
    with Writer(target) as writer:
        for dtype in (np.int8, np.uint16):
            writer.write(EventBatch(t=np.arange(3), p=np.arange(3, dtype=dtype)))
            writer.flush()
        writer.write(EventBatch(t=np.arange(2)))
    with Reader(target.getvalue()) as reader:
        table = pa.table(reader)
        assert table.schema.field("p").type == pa.int32()
        assert table["p"].to_pylist() == [0, 1, 2, 0, 1, 2, 0, 0]
    pair = [EventBatch(t=np.arange(3), p=np.arange(3, dtype=dtype)) for dtype in (np.int8, np.uint64)]
    with Reader(b"".join(map(encode, pair))) as reader:
        with pytest.raises(InvalidArgumentError, match=r"'p'.*uint64"):
            reader.arrow()
        assert pa.table(reader.arrow(columns=["t"])).num_rows == 6


def test_a_stream_is_taken_once_from_its_capsule():
    with Reader(stream_of(session(10))) as reader:
        capsule = reader.__arrow_c_stream__()
        assert pa.RecordBatchReader._import_from_c_capsule(capsule).read_all().num_rows == 10
        with pytest.raises((ValueError, pa.ArrowException)):
            pa.RecordBatchReader._import_from_c_capsule(capsule)

        class Again:
            def __arrow_c_stream__(self, requested_schema=None):
                return capsule

        with pytest.raises(InvalidArgumentError, match="taken before"):
            EventBatch.from_arrow(Again())


@pytest.fixture
def damaged() -> bytes:
    """A stream of ten blocks, of which the fifth is damaged."""
    data = bytearray(stream_of(session(10_000)))
    with Reader(bytes(data)) as reader:
        block = reader.blocks[4]
    data[block.position + block.size // 2] ^= 1
    return bytes(data)


def test_damage_is_an_error_behind_what_was_sound(damaged):
    with Reader(damaged) as reader:
        stream = pa.RecordBatchReader.from_stream(reader)
        assert stream.read_next_batch().num_rows == 4_000
        for _ in range(3):  # the end of a stream that failed must not look like its end
            with pytest.raises(pa.ArrowInvalid, match=r"CorruptDataError: byte \d+"):
                stream.read_next_batch()
        with pytest.raises(InvalidArgumentError, match=r"CorruptDataError: byte \d+"):
            EventBatch.from_arrow(reader)
    with Reader(damaged, on_error="skip") as reader:
        assert pa.table(reader).num_rows == 9_000
        assert len(reader.problems) == 1


@pytest.mark.parametrize("blocks", [None, range(10), range(9, 10), range(9)])
@pytest.mark.parametrize("kinds", [None, (), (99,)])
def test_a_stream_that_was_cut_off_is_an_error_at_its_end(blocks, kinds):
    whole = stream_of(session(10_000))
    with Reader(whole) as reader:
        last = reader.blocks[-1]
        end = last.position + last.size
    cut = whole[: end + 5]
    with Reader(cut) as reader:
        stream = pa.RecordBatchReader.from_stream(reader.arrow(kinds=kinds, blocks=blocks))
        rows = 0
        if blocks == range(9):
            rows = stream.read_all().num_rows
        else:
            with pytest.raises((pa.ArrowException, OSError), match="TruncatedDataError"):  # noqa: PT012
                while True:
                    rows += stream.read_next_batch().num_rows
        assert rows == (0 if kinds is not None else 1_000 * len(blocks or range(10)))


def test_a_reader_that_is_closed_in_the_middle_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("evcodec.arrow_methods._MOST_ROWS", 1)
    path = tmp_path / "s.evc"
    path.write_bytes(stream_of(session(400_000), rows=100_000))
    reader = Reader(path)
    stream = pa.RecordBatchReader.from_stream(reader)
    assert stream.read_next_batch().num_rows == 100_000
    reader.close()
    with pytest.raises(pa.ArrowInvalid, match="closed Reader"):
        stream.read_all()


def test_a_pipe_has_no_schema(tmp_path):
    class OneWay(io.RawIOBase):
        def __init__(self, data):
            self.data = io.BytesIO(data)

        def readable(self):
            return True

        def readinto(self, out):
            return self.data.readinto(out)

    with Reader(OneWay(stream_of(session(10)))) as reader, pytest.raises(InvalidArgumentError, match="pipe"):
        pa.table(reader)


def test_threads_may_take_streams_of_one_reader():
    batch = session(60_000)
    with Reader(stream_of(batch, rows=5_000), threads=2) as reader:
        found = [None] * 4

        def take(number):
            found[number] = EventBatch.from_arrow(pa.table(reader.arrow()))

        threads = [threading.Thread(target=take, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert all(one.equals(batch) for one in found)


# ---- errors of Python inside of C ----


def test_an_interrupt_comes_through():
    def interrupted():
        yield session(3), Origin()
        raise KeyboardInterrupt

    stream = make_stream({"t": np.dtype("int64")}, interrupted)
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - it is raised when Python runs again
        with pytest.raises(pa.ArrowException):
            pa.table(stream)
        for _ in range(1_000):
            pass


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("a\0b \udc00"), pa.ArrowInvalid),
        (MemoryError("much"), MemoryError),
        (OSError(5, "disk"), OSError),
        (SystemExit(3), OSError),
        (RuntimeError(), OSError),
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_error_becomes_one_of_arrow(error, expected):
    def failing():
        yield session(3), Origin()
        raise error

    with pytest.raises(expected, match=type(error).__name__):
        pa.table(make_stream({"t": np.dtype("int64")}, failing))


def test_an_error_before_the_first_batch_too():
    def failing():
        raise InvalidArgumentError("nothing there")

    with pytest.raises(pa.ArrowInvalid, match="InvalidArgumentError: nothing there"):
        pa.table(make_stream({"t": np.dtype("int64")}, failing))


def test_no_arrow_library_is_imported():
    script = """
import sys
for name in ("pyarrow", "pandas", "polars", "duckdb", "nanoarrow"):
    sys.modules[name] = None
import numpy as np, evcodec
from evcodec import EventBatch, Reader, encode
batch = EventBatch(t=np.arange(5), kind=np.arange(5), context=np.arange(5))
with Reader(encode(batch)) as reader:
    assert EventBatch.from_arrow(reader.arrow(timestamps=True, epoch_ns=3)).equals(batch)
    assert EventBatch.from_arrow(batch).equals(batch)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_what_is_released_when_python_ends_does_no_harm():
    script = """
import threading, time
import numpy as np, pyarrow as pa
from evcodec import EventBatch, Reader, encode
batch = EventBatch(t=np.arange(1000))
reader = Reader(encode(batch))
pa.kept = [pa.table(batch), pa.RecordBatchReader.from_stream(reader), batch.__arrow_c_array__(), reader.__arrow_c_stream__()]
def spin():
    while True:
        pa.table(EventBatch(t=np.arange(10)))
threading.Thread(target=spin, daemon=True).start()
time.sleep(0.05)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_stream_struct_that_was_released_is_refused():
    with Reader(stream_of(session(10))) as reader:
        capsule = reader.__arrow_c_stream__()
        stream = content(capsule, b"arrow_array_stream", Stream)
        stream.release(ctypes.byref(stream))
        assert not stream.release

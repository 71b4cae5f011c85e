"""Property tests: whatever integers go in, the same come out, by the real decoder and by the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evcodec
from evcodec import EventBatch, InvalidArgumentError, Reader
from generators import DTYPES, SHAPES, assert_same, batch_of, batches, session
from reference import decode_stream

LEVELS = ("fast", "balanced", "small")


@given(batches(), st.sampled_from(LEVELS))
def test_any_batch_survives(batch, level):
    assert_same(evcodec.decode(evcodec.encode(batch, level=level)), batch)


@given(batches(st.integers(0, 60)), st.sampled_from(LEVELS))
def test_the_reference_reads_the_same(batch, level):
    data = evcodec.encode(batch, level=level, metadata={"größe": [1, None, b"x"]})
    decoded = decode_stream(data)
    assert decoded.count == len(batch)
    for name, values in batch.columns.items():
        assert decoded.events[name] == values.tolist(), name
        assert decoded.dtypes[0][name] == str(values.dtype.newbyteorder("=")), name
    assert decoded.streams[0].header["metadata"] == {"größe": [1, None, b"x"]}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__.strip("_"))
def test_every_shape_in_every_dtype(shape, dtype, level):
    """Lengths around the places where a vector loop ends, and one that takes parts of its own."""
    rng = np.random.default_rng(5)
    for count in (
        1,
        2,
        3,
        4,
        5,
        7,
        8,
        9,
        15,
        16,
        17,
        31,
        32,
        33,
        63,
        64,
        65,
        257,
        5_000 if level != "small" else 600,
    ):
        kind = rng.integers(0, 3, count).astype(np.uint8)
        values = shape(rng, count, np.dtype(dtype))
        batch = EventBatch(kind=kind, pressure=values, x=np.where(kind == 1, values, 0).astype(dtype))
        assert_same(evcodec.decode(evcodec.encode(batch, level=level)), batch)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_every_pair_of_edges(dtype, count):
    """All short columns of the edges of a dtype: differences wrap around in every way there is."""
    bounds = np.iinfo(dtype)
    edges = sorted({bounds.min, bounds.min + 1, 0, 1, bounds.max})
    for values in np.stack(np.meshgrid(*[np.array(edges, dtype)] * count)).reshape(count, -1).T[::3]:
        batch = EventBatch(pressure=values.copy())
        assert_same(evcodec.decode(evcodec.encode(batch)), batch)


def test_time_may_do_what_it_likes():
    low, high = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    t = np.array([0, high, low, high, low, 0, 0, 5, 4, 3, -1, 10**18, -(10**18)], np.int64)
    batch = EventBatch(t=t, kind=np.zeros(len(t), np.uint8))
    with Reader(evcodec.encode(batch)) as reader:
        assert_same(reader.read(), batch)
        assert (reader.start, reader.stop) == (low, high)


def test_nothing_at_all_survives():
    assert len(evcodec.decode(evcodec.encode(EventBatch()))) == 0
    empty = EventBatch(t=np.empty(0, np.int64), pressure=np.empty(0, np.uint16))
    found = evcodec.decode(evcodec.encode(empty))
    assert dict(found.columns)["pressure"].dtype == np.uint16


def test_more_events_than_a_block_holds():
    batch = session(300_001)
    data = evcodec.encode(batch, level="fast")
    with Reader(data) as reader:
        assert [block.events for block in reader.blocks] == [131_072, 131_072, 37_857]
        assert_same(reader.read(), batch)


def test_as_many_columns_as_the_format_allows():
    batch = batch_of({f"c{i}": np.full(3, i, DTYPES[4 + i % 4]) for i in range(250)} | {"t": np.arange(3)})
    assert_same(evcodec.decode(evcodec.encode(batch)), batch)
    most = batch_of({f"c{i}": np.array([i]) for i in range(1024)})
    assert_same(evcodec.decode(evcodec.encode(most)), most)
    with pytest.raises(InvalidArgumentError, match=r"1025.*1024"):
        evcodec.encode(batch_of({f"c{i}": np.array([i]) for i in range(1025)}))


def test_wide_columns_are_divided_into_blocks_a_reader_takes():
    """Eighty 64-bit columns of noise would be 84 MB in one block, more than the payload of a record."""
    rng = np.random.default_rng(1)
    values = rng.integers(0, 2**64, 131_072, np.uint64, endpoint=False)
    batch = batch_of({f"c{i}": values + np.uint64(i) for i in range(80)})
    data = evcodec.encode(batch, level="fast")
    with Reader(data) as reader:
        assert len(reader.blocks) > 1
        for name in ("c0", "c79"):
            np.testing.assert_array_equal(reader.read(columns=(name,))[name], batch[name])


@pytest.mark.parametrize("level", ["best", "", None, 3, "SMALL"])
def test_an_unknown_level_is_refused(level):
    with pytest.raises(InvalidArgumentError, match="level"):
        evcodec.encode(session(3), level=level)


@pytest.mark.parametrize("batch", [None, {"t": [1]}, [1, 2], np.zeros(3, np.int64)])
def test_what_is_no_batch_is_refused(batch):
    with pytest.raises(InvalidArgumentError, match="EventBatch"):
        evcodec.encode(batch)


@settings(max_examples=30)
@given(batches())
def test_encoding_leaves_its_input_alone(batch):
    before = {name: values.copy() for name, values in batch.columns.items()}
    evcodec.encode(batch)
    for name, values in batch.columns.items():
        np.testing.assert_array_equal(values, before[name])


def test_fields_that_do_not_apply_cost_nothing():
    """Moves with a column of zeros for each field of the other kinds take a few bytes more a block, not an event."""
    batch = session(20_000)
    moves = batch[batch.kind == 0]
    bare = EventBatch(t=moves.t, kind=moves.kind, x=moves.x, y=moves.y)
    assert len(evcodec.encode(moves)) - len(evcodec.encode(bare)) < 64

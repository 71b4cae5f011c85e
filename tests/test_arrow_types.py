"""Types of columns in Arrow: timestamps, names of kinds, texts of contexts, labels; what a consumer may ask for."""

from __future__ import annotations

import io

import numpy as np
import pytest

from evcodec import EventBatch, InvalidArgumentError, Reader, Writer, encode
from evcodec.arrow import Origin, make_stream
from forged_arrow import Array, content
from generators import EPOCH, session, stream_of

pa = pytest.importorskip("pyarrow")


def test_timestamps_have_the_epoch_of_the_session():
    batch = session(3_000)
    with Reader(stream_of(batch)) as reader:
        table = pa.table(reader.arrow(timestamps=True))
        assert table.schema.field("t").type == pa.timestamp("ns", "UTC")
        np.testing.assert_array_equal(table["t"].cast(pa.int64()).to_numpy(), batch.t + EPOCH)
        assert EventBatch.from_arrow(table).equals(batch)
        late = pa.table(reader.arrow(timestamps=True, epoch_ns=5))
        np.testing.assert_array_equal(late["t"].cast(pa.int64()).to_numpy(), batch.t + 5)
        assert EventBatch.from_arrow(late).equals(batch)
        assert EventBatch.from_arrow(late, epoch_ns=0)["t"][0] == batch.t[0] + 5
        assert pa.table(reader.arrow(columns=["x"], timestamps=True)).column_names == ["x"]


def test_timestamps_need_an_anchor():
    with Reader(encode(session(10))) as reader:
        with pytest.raises(InvalidArgumentError, match=r"anchor.*epoch_ns="):
            reader.arrow(timestamps=True)
        assert pa.table(reader.arrow(timestamps=True, epoch_ns=0)).num_rows == 10


@pytest.mark.parametrize("epoch", [1, -(2**63), 2**63 - 1, -(2**64)])
def test_a_timestamp_outside_of_int64_is_an_error(epoch):
    limits = np.iinfo(np.int64)
    t = np.array([limits.min, limits.max])
    with (
        Reader(encode(EventBatch(t=t))) as reader,
        pytest.raises(pa.ArrowInvalid, match=r"InvalidArgumentError.*sums"),
    ):
        pa.table(reader.arrow(timestamps=True, epoch_ns=epoch))


@pytest.mark.parametrize(("t", "epoch"), [(-(2**63), 2**64 - 1), (2**63 - 1, -(2**64) + 1), (-5, 2**63 + 4)])
def test_an_epoch_may_be_outside_of_int64_where_sums_are_not(t, epoch):
    with Reader(encode(EventBatch(t=np.array([t])))) as reader:
        table = pa.table(reader.arrow(timestamps=True, epoch_ns=epoch))
    assert table["t"].cast(pa.int64()).to_pylist() == [t + epoch]
    assert EventBatch.from_arrow(table)["t"].tolist() == [t]


def test_kinds_are_names():
    kinds = np.array([0, 12, 5, 255, 13], np.uint8)
    table = pa.table(EventBatch(kind=kinds))
    assert table["kind"].to_pylist() == ["move", "value_commit", "key_up", "kind 255", "kind 13"]
    assert pa.table(EventBatch(kind=kinds[:3]))["kind"].chunk(0).dictionary.to_pylist()[-1] == "value_commit"
    with Reader(encode(EventBatch(kind=kinds))) as reader:
        plain = pa.table(reader.arrow(dictionaries=False))
        assert plain["kind"].to_pylist() == kinds.tolist()
        assert EventBatch.from_arrow(pa.table(reader)).equals(EventBatch.from_arrow(plain))


@pytest.mark.parametrize("dtype", [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)])
@pytest.mark.parametrize(
    "values", [[0, 1, 2, 1], [5, 1, 99], [-3, 2], [2**31 - 1, 2], [2**40, 1], [2**64 - 1, 0], range(256)]
)
def test_contexts_are_what_they_mean(dtype, values):
    limits = np.iinfo(dtype)
    if any(not limits.min <= value <= limits.max for value in values):
        return
    known = {
        1: '{"index":1,"type":"window","value":{"title":"Ärger"}}',
        2: '{"index":2,"type":"application","value":{"$bytes":"AAE="}}',
    }
    batch = EventBatch(context=np.array(values, dtype))
    with Reader(stream_of(batch)) as reader:
        table = pa.table(reader)
        table.validate(full=True)
        assert table["context"].to_pylist() == [known.get(value, f'{{"index":{value}}}') for value in values]
        assert EventBatch.from_arrow(table).equals(batch)
        assert pa.table(reader.arrow(dictionaries=False))["context"].to_pylist() == list(values)


def test_streams_that_disagree_about_a_context_say_both():
    batch = EventBatch(context=np.array([1, 2], np.uint32))
    other = io.BytesIO()
    with Writer(other) as writer:
        writer.context("window", "B")
        writer.context("application", b"\0\1")
        writer.write(batch)
    with Reader(stream_of(batch) + other.getvalue()) as reader:
        table = pa.table(reader)
        both = '{"index":1,"definitions":[{"type":"window","value":{"title":"Ärger"}},{"type":"window","value":"B"}]}'
        one = '{"index":2,"type":"application","value":{"$bytes":"AAE="}}'
        assert table["context"].to_pylist() == [both, one] * 2
        assert EventBatch.from_arrow(table)["context"].tolist() == [1, 2, 1, 2]


def test_dictionaries_may_grow_on_the_way(monkeypatch):
    monkeypatch.setattr("evcodec.arrow_methods._MOST_ROWS", 1)
    target = io.BytesIO()
    with Writer(target) as writer:
        for kind, context in ((1, 3), (200, 9), (2, 70_000), (3, 4)):
            writer.write(EventBatch(kind=np.full(70_000, kind), context=np.full(70_000, context, np.uint32)))
            writer.flush()
    with Reader(target.getvalue()) as reader:
        table = pa.table(reader)
        assert len({len(chunk.dictionary) for chunk in table["context"].chunks}) == 3
        table = table.unify_dictionaries()
        assert EventBatch.from_arrow(table).equals(reader.read())
        assert table["kind"].to_pylist()[::70_000] == ["button_down", "kind 200", "button_up", "scroll"]


def test_a_consumer_may_ask_for_types():
    batch = session(3_000)
    batch = EventBatch(**batch.columns, context=(np.arange(3_000) % 3).astype(np.uint32))
    with Reader(stream_of(batch)) as reader:
        own = pa.schema(reader)

        def asked(**types):
            fields = [pa.field(field.name, types.get(field.name, field.type)) for field in own]
            capsule = reader.__arrow_c_stream__(pa.schema(fields).__arrow_c_schema__())
            return pa.RecordBatchReader._import_from_c_capsule(capsule).read_all()

        plain = asked(kind=pa.uint8(), context=pa.uint32())
        assert [plain.schema.field(name).type for name in ("kind", "context")] == [pa.uint8(), pa.uint32()]
        assert EventBatch.from_arrow(plain).equals(batch)
        stamped = asked(t=pa.timestamp("ns", "UTC"))
        assert stamped.schema.field("t").type == pa.timestamp("ns", "UTC")
        assert stamped["t"].cast(pa.int64())[0].as_py() == batch.t[0] + EPOCH
        # What there is not comes as it is.
        assert asked(t=pa.float64(), x=pa.int64(), kind=pa.float32()).schema == own
        assert pa.table(reader.arrow(timestamps=True), schema=plain.schema).schema == plain.schema
        narrow = pa.schema([pa.field("t", pa.uint8())])
        capsule = reader.__arrow_c_stream__(narrow.__arrow_c_schema__())
        assert pa.RecordBatchReader._import_from_c_capsule(capsule).schema == own
        # pyarrow casts what is left.
        assert pa.table(reader, schema=plain.schema.set(2, pa.field("x", pa.int64())))["x"].type == pa.int64()
    requested = pa.schema([pa.field("kind", pa.uint8())]).__arrow_c_schema__()
    _, array = EventBatch(kind=np.arange(3)).__arrow_c_array__(requested)
    assert not content(array, b"arrow_array", Array).children[0].contents.dictionary
    with pytest.raises(InvalidArgumentError, match="arrow_schema"):
        batch.__arrow_c_array__(object())


def test_the_session_is_described_beside_the_schema():
    with Reader(stream_of(session(10))) as reader:
        assert pa.table(reader).schema.metadata == {b"evcodec.metadata": b'{"task":"x"}'}
    assert not pa.table(EventBatch(x=[1])).schema.metadata


def test_labels_stand_behind_the_columns():
    first, second = Origin(labels={"user": "a"}, epoch_ns=10), Origin(labels={"user": "Ö"}, epoch_ns=20)
    batch = EventBatch(t=[1, 2], kind=[0, 1], more=[5, 5])

    def parts():
        yield from [(batch, first), (batch, first), (EventBatch(), second), (EventBatch(t=[3]), second)]

    dtypes = {"t": np.dtype("int64"), "kind": np.dtype("uint8"), "x": np.dtype("int32")}
    for dictionaries in (True, False):
        table = pa.table(
            make_stream(dtypes, parts, labels=["user"], timestamps=True, dictionaries=dictionaries)
        )
        table.validate(full=True)
        assert [len(piece) for piece in table.to_batches()] == [4, 1]
        assert table["user"].to_pylist() == ["a"] * 4 + ["Ö"]
        assert table["t"].cast(pa.int64()).to_pylist() == [11, 12, 11, 12, 23]
        assert table["x"].to_pylist() == [0] * 5
    with pytest.raises(InvalidArgumentError, match="labels"):
        make_stream(dtypes, parts, labels=["x"])

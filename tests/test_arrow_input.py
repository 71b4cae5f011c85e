"""Arrow data of any kind as batches: exactly, or an error that names the column and what was found."""

from __future__ import annotations

import ctypes
import datetime
import gc
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import forged_arrow as forged
from evcodec import EventBatch, InvalidArgumentError, Reader, Writer
from evcodec.schema import kind_name
from generators import session, stream_of

pa = pytest.importorskip("pyarrow")

INTEGERS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]


def refused(data, match: str) -> None:
    with pytest.raises(InvalidArgumentError, match=match):
        EventBatch.from_arrow(data)


# ---- what is taken ----


@st.composite
def tables(draw: st.DrawFn) -> tuple[pa.Table, dict[str, list[int]]]:
    """Draw a table of integers in any layout, and its values."""
    count = draw(st.integers(0, 40))
    columns, values = {}, {}
    for name in draw(st.lists(st.sampled_from(("t", "x", "größe", "p", "q")), max_size=4, unique=True)):
        dtype = pa.int64() if name == "t" else draw(st.sampled_from(INTEGERS))
        limits = np.iinfo(dtype.to_pandas_dtype())
        found = draw(st.lists(st.integers(limits.min, limits.max), min_size=count, max_size=count))
        before = draw(st.integers(0, 9))
        array = pa.array([0] * before + found, dtype)
        if draw(st.booleans()):
            index = draw(st.sampled_from(INTEGERS))
            array = array.dictionary_encode()
            array = pa.DictionaryArray.from_arrays(array.indices.cast(index), array.dictionary)
        array = array[before:]
        cut = draw(st.integers(0, count))
        columns[name] = pa.chunked_array([array[:cut], array[cut:]]) if draw(st.booleans()) else array
        values[name] = found
    table = pa.table(columns)
    start = draw(st.integers(0, count))
    return table[start:], {name: found[start:] for name, found in values.items()}


@given(tables())
def test_integers_of_any_layout(drawn):
    table, values = drawn
    batch = EventBatch.from_arrow(table)
    assert list(batch.columns) == list(values)
    for name, expected in values.items():
        type_ = table[name].type
        type_ = type_.value_type if pa.types.is_dictionary(type_) else type_
        assert batch[name].dtype == type_.to_pandas_dtype()
        assert batch[name].tolist() == expected
    pieces = list(EventBatch.batches_from_arrow(table))
    assert pieces
    assert EventBatch.concat(pieces).equals(batch)


def test_one_batch_is_not_copied():
    column = pa.array(np.arange(1_000))
    batch = EventBatch.from_arrow(pa.record_batch({"x": column[10:]}))
    assert batch.x.ctypes.data == column.buffers()[1].address + 80
    assert not batch.x.flags.writeable
    before = pa.total_allocated_bytes()
    values = batch.x
    del batch, column
    gc.collect()
    assert values.tolist() == list(range(10, 1_000))
    del values
    gc.collect()
    assert pa.total_allocated_bytes() <= before


def test_memory_of_a_foreign_library_is_given_back():
    before = pa.total_allocated_bytes()
    for _ in range(3):
        table = pa.table({"x": pa.array(range(100_000)), "kind": pa.array(["move"] * 100_000)})
        batch = EventBatch.from_arrow(table)
        parts = EventBatch.batches_from_arrow(pa.concat_tables([table, table]))
        next(parts)
        del table, batch, parts
    gc.collect()
    assert pa.total_allocated_bytes() <= before


def test_slices_of_structs():
    struct = pa.StructArray.from_arrays(
        [pa.array(range(20)), pa.array(["move", "scroll"] * 10)], ["x", "kind"]
    )
    batch = EventBatch.from_arrow(struct[7:12])
    assert batch.x.tolist() == [7, 8, 9, 10, 11]
    assert batch.kind.tolist() == [3, 0, 3, 0, 3]
    chunked = pa.chunked_array([struct[:3], struct[18:]])
    assert EventBatch.from_arrow(chunked).x.tolist() == [0, 1, 2, 18, 19]


@pytest.mark.parametrize("type_", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
@pytest.mark.parametrize("index", [None, pa.int8(), pa.uint32(), pa.int64()], ids=str)
def test_names_and_texts_are_numbers_again(type_, index):
    kinds = [kind_name(kind) for kind in (0, 255, 12, 13, 0)]
    texts = [json.dumps({"value": "x" * (20 * number), "index": number}) for number in (3, 0, 3, 70_000, 1)]
    columns = {"kind": pa.array(kinds), "context": pa.array(texts)}
    for name, column in columns.items():
        if index is None:
            columns[name] = column.cast(type_)
        else:
            column = column.dictionary_encode()
            columns[name] = pa.DictionaryArray.from_arrays(
                column.indices.cast(index), column.dictionary.cast(type_)
            )
    for table, part in ((pa.table(columns), slice(None)), (pa.table(columns)[1:4], slice(1, 4))):
        batch = EventBatch.from_arrow(table)
        assert batch.kind.tolist() == [0, 255, 12, 13, 0][part]
        assert batch.kind.dtype == np.uint8
        assert batch["context"].tolist() == [3, 0, 3, 70_000, 1][part]
        assert batch["context"].dtype == np.uint32


def test_a_dictionary_in_another_order_means_the_same():
    batch = EventBatch(kind=np.array([4, 0, 5]), context=np.array([2, 1, 2], np.uint32))
    with Reader(stream_of(batch)) as reader:
        table = pa.table(reader)
    for name in ("kind", "context"):
        column = table[name].combine_chunks()
        count = len(column.dictionary)
        turned = pa.DictionaryArray.from_arrays(
            pa.array([count - 1 - index for index in column.indices.to_pylist()], pa.int16()),
            column.dictionary[::-1],
        )
        table = table.set_column(table.column_names.index(name), name, turned)
    assert EventBatch.from_arrow(table).equals(batch)


def test_what_no_row_refers_to_may_mean_anything():
    odd = pa.DictionaryArray.from_arrays(pa.array([1, 1, 3]), pa.array(["?", "move", None, "scroll"]))
    assert EventBatch.from_arrow(pa.table({"kind": odd})).kind.tolist() == [0, 0, 3]
    refused(
        pa.table({"kind": pa.DictionaryArray.from_arrays(pa.array([1, 0]), odd.dictionary)}), r"row 1.*'\?'"
    )
    refused(
        pa.table({"kind": pa.DictionaryArray.from_arrays(pa.array([1, 1, 2]), odd.dictionary)}),
        r"row 2.*null",
    )


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Zurich"])
def test_timestamps_are_times(unit, zone):
    factor = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[unit]
    stamps = pa.array([0, -5, 1_700_000_000], pa.timestamp(unit, zone))
    table = pa.table({"t": stamps})
    assert EventBatch.from_arrow(table).t.tolist() == [0, -5 * factor, 1_700_000_000 * factor]
    assert EventBatch.from_arrow(table, epoch_ns=-7).t.tolist()[0] == 7
    assert EventBatch.from_arrow(pa.table({"t": stamps.dictionary_encode()}), epoch_ns=1).t.tolist()[0] == -1
    if unit != "ns":
        late = pa.table({"t": pa.array([2**63 // factor + 1], pa.timestamp(unit, zone))})
        refused(late, "'t': found timestamps from")
    with pytest.raises(InvalidArgumentError, match="less its epoch"):
        EventBatch.from_arrow(table, epoch_ns=2**63)
    for wrong in (1.5, True, "1"):
        with pytest.raises(InvalidArgumentError, match="epoch_ns"):
            EventBatch.from_arrow(table, epoch_ns=wrong)


def test_a_stream_larger_than_memory_goes_through():
    rows, taken = 50_000, []

    def produced():
        for number in range(40):
            taken.append(number)
            yield pa.record_batch(
                {"t": pa.array(np.arange(rows) + number * rows), "x": pa.array(np.full(rows, number))}
            )

    source = pa.RecordBatchReader.from_batches(pa.schema([("t", pa.int64()), ("x", pa.int64())]), produced())
    target = io.BytesIO()
    peak = before = pa.total_allocated_bytes()
    with Writer(target) as writer:
        for number, batch in enumerate(EventBatch.batches_from_arrow(source)):
            assert len(taken) <= number + 2
            writer.write(batch)
            peak = max(peak, pa.total_allocated_bytes())
    assert peak - before < 10 * 16 * rows
    with Reader(target.getvalue()) as reader:
        assert len(reader) == 40 * rows
        assert reader.read().x[::rows].tolist() == list(range(40))


# ---- what is refused ----


@pytest.mark.parametrize(
    ("column", "found"),
    [
        (pa.array([1.0]), "float64"),
        (pa.array([1], pa.float32()), "float32"),
        (pa.array([True]), "bool"),
        (pa.array(["a"]), "utf8"),
        (pa.array([b"a"]), "binary"),
        (pa.array([None]), "null"),
        (pa.array([[1]]), "list"),
        (pa.array([{"a": 1}]), "struct"),
        (pa.array([1], pa.timestamp("ns")), "tsn:"),
        (pa.array([1], pa.duration("ns")), "tDn"),
        (pa.array([datetime.date(2026, 1, 1)]), "date32"),
        (pa.array([None], pa.decimal128(3)), "d:3,0"),
        (pa.array(["a"]).dictionary_encode(), "dictionary of utf8"),
        (pa.RunEndEncodedArray.from_arrays(pa.array([1], pa.int32()), pa.array([1])), "run_end_encoded"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_types_are_named(column, found):
    refused(pa.table({"y": pa.array([1]), "größe": column}), f"column 'größe': found .*{found}")


def test_what_is_refused_is_said():
    refused(
        pa.table({"t": pa.array([1.5])}), r"'t': found float64, allowed: integers of 8 to 64 bits, timestamps"
    )
    refused(pa.table({"t": pa.array([2**63], pa.uint64())}), "'t': found values")
    refused(pa.table({"kind": pa.array([256])}), "'kind': found values")
    refused(pa.table({"kind": pa.array(["move", "jump"])}), "'kind': found the text 'jump' in row 1")
    refused(pa.table({"kind": pa.array(["Move"])}), "'Move'")
    for text in ("x", "{}", '{"index":true}', '{"index":1.0}', "[" * 100_000, '{"index":"1"}', "3"):
        refused(pa.table({"context": pa.array([text])}), "'context': found the text")
    refused(
        pa.table({"context": pa.array(['{"index":-1}', '{"index":18446744073709551615}'])}),
        "'context': found values",
    )
    refused(pa.table({"x" * 65: pa.array([1])}), "65 bytes")
    refused(pa.table({"": pa.array([1])}), "0 bytes")
    refused(pa.table([pa.array([1]), pa.array([2])], names=["x", "x"]), "'x'.*more than once")
    refused(pa.array([1, 2]), "found int64, allowed: a table")
    for nothing in (5, None, {"x": [1]}, np.arange(3)):
        refused(nothing, "allowed: what has __arrow_c_stream__")
    epoch = pa.schema([pa.field("t", pa.timestamp("ns"), metadata={"evcodec.epoch_ns": "soon"})])
    refused(pa.table([[1]], schema=epoch), "epoch b'soon'")


@pytest.mark.parametrize("start", [0, 1, 7, 8, 9, 63, 64])
def test_nulls_are_refused_where_they_are(start):
    for row in (0, 1, 30):
        values = list(range(start + 40))
        values[start + row] = None
        refused(pa.table({"x": pa.array(values)[start:]}), f"'x': found a null in row {row},")
        kinds = ["move" if value is not None else None for value in values]
        refused(pa.table({"kind": pa.array(kinds)[start:]}), f"'kind': found a null in row {row},")
        if start > 1:  # a null outside of what is meant
            found = EventBatch.from_arrow(
                pa.table({"x": pa.array([None, *values[1:start], *range(9)])[start:]})
            )
            assert found.x.tolist() == list(range(9))
    struct = pa.StructArray.from_arrays([pa.array([1, 2])], ["x"], mask=pa.array([False, True]))
    refused(struct, "table: found a null in row 1")


def test_an_error_of_the_producer_is_told():
    def failing():
        yield pa.record_batch({"x": pa.array([1])})
        raise ValueError("the disk is gone")

    schema = pa.schema([("x", pa.int64())])
    parts = EventBatch.batches_from_arrow(pa.RecordBatchReader.from_batches(schema, failing()))
    assert next(parts).x.tolist() == [1]
    with pytest.raises(InvalidArgumentError, match="the disk is gone"):
        next(parts)

    class Broken:
        def __arrow_c_stream__(self, requested_schema=None):
            raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        EventBatch.from_arrow(Broken())


# ---- structs that lie ----


def x_of(length: int = 3):
    return forged.column(np.arange(8), b"l", b"x")[0], forged.array(length, (None, np.arange(8)))


def test_a_forged_table_that_does_not_lie_is_taken():
    assert EventBatch.from_arrow(forged.table(x_of())).x.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("field", "value", "match"),
    [
        ("length", -1, "length -1"),
        ("offset", -1, "offset -1"),
        ("length", 2**62, "length"),
        ("offset", 2**63 - 1, "offset"),
        ("length", 2, "found 2 values, allowed: 3"),
        ("null_count", -2, "-2 nulls"),
        ("null_count", 4, "4 nulls of 3"),
        ("null_count", 1, "1 nulls, and not where"),
        ("n_buffers", -1, "-1 buffers"),
        ("n_buffers", 0, "no buffer 1"),
        ("n_buffers", 1, "no buffer 1"),
        ("n_children", -1, "-1 children"),
        ("n_children", 2, "2 children at no address"),
        ("buffers", None, "at no address"),
        ("release", None, "released"),
    ],
)
def test_a_column_that_lies_is_refused(field, value, match):
    schema, array = x_of()
    kind = dict(forged.Array._fields_)[field]
    setattr(array, field, kind() if value is None else value)
    refused(forged.table((schema, array), length=3), match)


def test_buffers_that_are_not_there():
    schema, _ = x_of()
    refused(forged.table((schema, forged.array(3, (None, None)))), "no buffer 1, allowed: 24 bytes")
    assert EventBatch.from_arrow(forged.table((schema, forged.array(0, (None, None))))).x.tolist() == []
    assert EventBatch.from_arrow(forged.table((schema, forged.array(0, (None, None)))))["x"].dtype == np.int64


@pytest.mark.parametrize(
    ("field", "value", "match"),
    [
        ("n_children", 0, "0 columns, allowed: 1"),
        ("n_children", 2, "2 columns, allowed: 1"),
        ("n_children", -1, "-1 children"),
        ("children", None, "at no address"),
        ("length", -5, "length -5"),
        ("offset", 1, "3 values, allowed: 4"),
        ("null_count", 1, "table: found 1 nulls"),
        ("release", None, "released"),
    ],
)
def test_a_table_that_lies_is_refused(field, value, match):
    data = forged.table(x_of())
    kind = dict(forged.Array._fields_)[field]
    setattr(data.array, field, kind() if value is None else value)
    refused(data, match)


def test_a_child_at_no_address_is_refused():
    data = forged.table(x_of())
    data.array.children[0] = ctypes.POINTER(forged.Array)()
    refused(data, "released")
    data = forged.table(x_of())
    data.schema.children[0] = ctypes.POINTER(forged.Schema)()
    refused(data, "schema.*released")


@pytest.mark.parametrize(
    ("field", "value", "match"),
    [
        ("format", None, "without a format"),
        ("format", b"+", r"found type '\+'"),
        ("format", b"\xff", "found type"),
        ("n_children", -1, "-1 children"),
        ("children", None, "at no address"),
        ("release", None, "released"),
    ],
)
def test_a_schema_that_lies_is_refused(field, value, match):
    data = forged.table(x_of())
    kind = dict(forged.Schema._fields_)[field]
    setattr(data.schema, field, kind() if value is None else value)
    refused(data, match)


def test_names_that_are_no_names():
    schema, array = x_of()
    schema.name = b"\xff"
    refused(forged.table((schema, array)), "not UTF-8")
    schema, array = x_of()
    schema.name = None
    refused(forged.table((schema, array)), "0 bytes")
    schema, array = x_of()
    schema.metadata = b"\1\0\0\0\xff\xff\xff\xff"
    refused(forged.table((schema, array)), "length of -1")


def test_dictionaries_that_lie():
    indices = np.array([0, 1, 5], np.int8)
    names = (np.array([0, 4, 10], np.int32), np.frombuffer(b"movescroll", np.uint8))

    def kinds(array=None, dictionary=True, indices=indices):
        made = forged.schema(b"c", b"kind", dictionary=forged.schema(b"u"))
        below = array if array is not None else forged.array(2, (None, *names))
        return forged.table(
            (made, forged.array(len(indices), (None, indices), (), below if dictionary else None))
        )

    assert EventBatch.from_arrow(kinds(indices=indices[:2])).kind.tolist() == [0, 3]
    refused(kinds(), "indices from 0 to 5 into a dictionary of 2")
    refused(kinds(indices=np.array([-1], np.int8)), "indices from -1")
    refused(kinds(dictionary=False), "no dictionary")
    refused(kinds(forged.array(-2, (None, *names))), "length -2")
    falling = np.array([0, 4, 2], np.int32)
    refused(
        kinds(forged.array(2, (None, falling, names[1])), indices=indices[:2]), "offsets of texts that fall"
    )
    before = np.array([-4, 4, 10], np.int32)
    refused(
        kinds(forged.array(2, (None, before, names[1])), indices=indices[:2]), "offsets of texts that fall"
    )
    refused(kinds(forged.array(2, (None, names[0], None)), indices=indices[:2]), "no buffer 2")


@pytest.mark.parametrize(
    "view",
    [(-1, 0, 0, 0), (20, 0, 1, 0), (20, 0, -1, 0), (20, 0, 0, -1), (20, 0, 0, 15), (2**31 - 1, 0, 0, 0)],
    ids=str,
)
def test_views_that_lie(view):
    views = np.array([view], np.int32)
    data, sizes = np.zeros(30, np.uint8), np.array([30], np.int64)
    made = forged.table((forged.schema(b"vu", b"kind"), forged.array(1, (None, views, data, sizes))))
    refused(made, "outside of its buffer in row 0")
    few = forged.table((forged.schema(b"vu", b"kind"), forged.array(1, (None, views))))
    refused(few, "2 buffers")


def test_capsules_that_are_none():
    class Wrong:
        def __init__(self, answer):
            self.answer = answer

        def __arrow_c_array__(self, requested_schema=None):
            return self.answer

    schema, array = x_of()
    good = forged.capsule(schema, b"arrow_schema"), forged.capsule(array, b"arrow_array")
    for answer in (5, (), (good[0],), good[::-1], (good[0], 5), (None, good[1])):
        refused(Wrong(answer), "capsule")

    class Stream:
        def __arrow_c_stream__(self, requested_schema=None):
            return forged.capsule(array, b"arrow_array")

    refused(Stream(), "capsule of the name 'arrow_array_stream'")


def test_streams_that_fail_at_once():
    @forged.GET_SCHEMA
    def no_schema(stream, out):
        return 5

    @forged.GET_ERROR
    def no_reason(stream):
        return None

    @forged.RELEASE_STREAM
    def release(stream):
        stream.contents.release = forged.RELEASE_STREAM()

    made = forged.Stream(get_schema=no_schema, get_last_error=no_reason, release=release)

    class Failing:
        def __arrow_c_stream__(self, requested_schema=None):
            return forged.capsule(made, b"arrow_array_stream")

    refused(Failing(), r"error of its producer \(5\)$")
    refused(Failing(), "taken before")
    made.get_last_error, made.release = forged.GET_ERROR(), release
    refused(Failing(), r"error of its producer \(5\)$")


def test_a_batch_of_arrow_data_is_a_batch():
    batch = session(500)
    again = EventBatch.from_arrow(pa.table(batch))
    assert again[3:9].equals(batch[3:9])
    assert again.select(["t", "x"]).equals(batch.select(["t", "x"]))
    assert EventBatch.concat([again, batch]).equals(EventBatch.concat([batch, batch]))
    target = io.BytesIO()
    with Writer(target) as writer:
        writer.write(again)
    with Reader(target.getvalue()) as reader:
        assert reader.read().equals(batch)

"""Each library takes batches, Readers and streams as they are, and gives back what can be written."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from evcodec import EventBatch, EventKind, Reader, Writer
from generators import EPOCH, session, stream_of

LIBRARIES = ("pyarrow", "pandas", "polars", "duckdb", "nanoarrow")


class Library(NamedTuple):
    """What is done with a library: Arrow data to its table; a column of that as Python values; and as the name of a type."""

    table: Callable[[Any], Any]
    values: Callable[[Any, str], list[Any]]
    type_of: Callable[[Any, str], str]


def _pyarrow(pa: Any) -> Library:
    return Library(
        pa.table, lambda table, name: table[name].to_pylist(), lambda table, name: str(table[name].type)
    )


def _pandas(pd: Any) -> Library:
    pytest.importorskip("pyarrow")

    def table(data: Any) -> Any:
        if hasattr(pd.DataFrame, "from_arrow"):
            return pd.DataFrame.from_arrow(data)
        return importlib.import_module("pyarrow").table(data).to_pandas()

    return Library(
        table, lambda table, name: table[name].tolist(), lambda table, name: str(table[name].dtype)
    )


def _polars(pl: Any) -> Library:
    return Library(
        pl.DataFrame, lambda table, name: table[name].to_list(), lambda table, name: str(table[name].dtype)
    )


def _duckdb(duckdb: Any) -> Library:
    def table(data: Any) -> Any:
        found = duckdb.connect()
        found.execute("SET TimeZone = 'UTC'")
        return found.sql("SELECT * FROM data")

    def values(table: Any, name: str) -> list[Any]:
        stamped = "TIMESTAMP" in type_of(table, name).upper()
        column = (
            f"epoch_ns({name})" if stamped else f'"{name}"'
        )  # DuckDB wants another library for times of day
        return [row[0] for row in table.project(column).fetchall()]

    def type_of(table: Any, name: str) -> str:
        return str(table.types[table.columns.index(name)])

    return Library(table, values, type_of)


def _nanoarrow(na: Any) -> Library:
    def column(table: Any, name: str) -> Any:
        names = [table.schema.field(number).name for number in range(table.schema.n_fields)]
        return table.child(names.index(name))

    return Library(
        na.Array,
        lambda table, name: list(column(table, name).iter_py()),
        lambda table, name: str(column(table, name).schema.type.name).lower(),
    )


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> Library:
    """A library that takes Arrow data."""
    made = {
        "pyarrow": _pyarrow,
        "pandas": _pandas,
        "polars": _polars,
        "duckdb": _duckdb,
        "nanoarrow": _nanoarrow,
    }
    return made[request.param](pytest.importorskip(request.param))


def every_dtype(count: int) -> EventBatch:
    """Return events with a column of every dtype, extremes among its values, and kinds and contexts of all sorts."""
    random = np.random.default_rng(3)
    columns = {}
    for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
        limits = np.iinfo(name)
        values = random.integers(limits.min, limits.max, count, name, endpoint=True)
        values[::7], values[1::7] = limits.min, limits.max
        columns[f"a {name}"] = values
    return EventBatch(
        t=random.integers(-(2**62), 2**62, count),
        kind=random.integers(0, 13, count, np.uint8),
        context=random.integers(0, 4, count, np.uint32),
        constant=np.broadcast_to(np.int16(-7), count),
        **columns,
    )


def names_of(kinds: np.ndarray) -> list[str]:
    return [
        EventKind(kind).name.lower() if kind in list(EventKind) else f"kind {kind}" for kind in kinds.tolist()
    ]


CONTEXTS = (
    '{"index":0}',
    '{"index":1,"type":"window","value":{"title":"Ärger"}}',
    '{"index":2,"type":"application","value":{"$bytes":"AAE="}}',
    '{"index":3}',
)


def test_every_value_arrives(library):
    batch = every_dtype(3_000)
    with Reader(stream_of(batch)) as reader:
        for data in (reader, reader.arrow(), batch):
            table = library.table(data)
            for name, values in batch.columns.items():
                expected = values.tolist()
                if name == "kind":
                    expected = names_of(values)
                elif name == "context" and data is not batch:
                    expected = [CONTEXTS[index] for index in expected]
                assert library.values(table, name) == expected, name
                if name.startswith("a "):
                    short = {"uint": "u", "int": "i"}[name[2:].rstrip("0123456789")] + name.lstrip("a uint")
                    assert library.type_of(table, name).lower() in (
                        name[2:],
                        short,
                        *DUCKDB.get(name[2:], ()),
                    ), name


DUCKDB = {
    "int8": ("tinyint",),
    "int16": ("smallint",),
    "int32": ("integer",),
    "int64": ("bigint",),
    "uint8": ("utinyint",),
    "uint16": ("usmallint",),
    "uint32": ("uinteger",),
    "uint64": ("ubigint",),
}


def test_timestamps_arrive(library):
    batch = EventBatch(t=np.arange(5) * 1_000_000_000 + 1_000, kind=np.zeros(5, np.uint8))
    with Reader(stream_of(batch)) as reader:
        table = library.table(reader.arrow(timestamps=True))
        found = library.values(table, "t")  # DuckDB reads no sooner
    assert (
        "timestamp" in library.type_of(table, "t").lower()
        or "datetime" in library.type_of(table, "t").lower()
    )
    seconds = [EPOCH // 10**9 + second for second in range(5)]
    if all(isinstance(value, int) for value in found):
        assert found == [second * 10**9 + 1_000 for second in seconds]
    else:
        assert [int(value.timestamp()) for value in found] == seconds


def test_dictionaries_may_differ_from_batch_to_batch(library, monkeypatch):
    monkeypatch.setattr("evcodec.arrow_methods._MOST_ROWS", 1)
    target = io.BytesIO()
    parts = [
        EventBatch(
            t=np.arange(70_000), kind=np.full(70_000, kind), context=np.full(70_000, context, np.uint32)
        )
        for kind, context in ((1, 3), (200, 90_000), (2, 9), (255, 4))
    ]
    with Writer(target) as writer:
        for part in parts:
            writer.write(part)
            writer.flush()
    with Reader(target.getvalue()) as reader:
        table = library.table(reader)
        kinds, contexts = (library.values(table, name) for name in ("kind", "context"))
        assert EventBatch.from_arrow(table).equals(reader.read())
    assert kinds[::70_000] == ["button_down", "kind 200", "button_up", "kind 255"]
    assert len(kinds) == 280_000
    assert contexts[69_999::70_000] == [f'{{"index":{index}}}' for index in (3, 90_000, 9, 4)]


def test_what_a_library_has_can_be_written(library):
    batch = every_dtype(5_000)
    with Reader(stream_of(batch)) as reader:
        for stream in (reader, reader.arrow(dictionaries=False)):
            table = library.table(stream)
            target = io.BytesIO()
            with Writer(target) as writer:
                for part in EventBatch.batches_from_arrow(table):
                    writer.write(part)
            with Reader(target.getvalue()) as again:
                assert again.read().equals(batch)
        stamped = library.table(reader.arrow(columns=("t", "kind"), kinds=[0], timestamps=True))
        expected = reader.read(columns=("t", "kind"), kinds=[0])
        assert EventBatch.from_arrow(stamped, epoch_ns=EPOCH).equals(expected)


def test_a_part_of_a_table_can_be_written(library, request):
    """Sliced arrays have offsets, filtered ones several pieces."""
    batch = session(4_000)
    table = library.table(batch)
    name = request.node.callspec.params["library"]
    if name == "pyarrow":
        part, expected = table.slice(1_003, 77), batch[1_003:1_080]
    elif name == "pandas":
        part, expected = table[1_003:1_080].reset_index(drop=True), batch[1_003:1_080]
    elif name == "polars":
        pl = importlib.import_module("polars")
        part, expected = pl.concat([table[5:9], table[3_999:], table.slice(1_003, 77)]), None
        expected = EventBatch.concat([batch[5:9], batch[3_999:], batch[1_003:1_080]])
    elif name == "duckdb":
        part, expected = table.filter(f"t >= {batch.t[1_003]} and t < {batch.t[1_080]}"), batch[1_003:1_080]
    else:
        pa = pytest.importorskip("pyarrow")
        na = importlib.import_module("nanoarrow")
        part, expected = na.ArrayStream(pa.table(batch).slice(1_003, 77)), batch[1_003:1_080]
    assert EventBatch.from_arrow(part).equals(expected)


def test_no_events(library):
    batch = session(0)
    table = library.table(batch)
    assert EventBatch.from_arrow(table).equals(batch)
    assert {name: values.dtype for name, values in EventBatch.from_arrow(table).columns.items()} == {
        name: values.dtype for name, values in batch.columns.items()
    }


def test_duckdb_queries_a_reader_as_a_table():
    duckdb = pytest.importorskip("duckdb")
    batch = session(300_000)
    with Reader(stream_of(batch, rows=50_000), threads=2) as events:
        counts = dict(duckdb.sql("SELECT kind, count(*) FROM events GROUP BY kind").fetchall())
        assert counts == {EventKind(kind).name.lower(): count for kind, count in events.kinds.items()}
        total = duckdb.sql("SELECT sum(events.x) FROM events JOIN events AS again USING (t)").fetchall()
        assert total == [(int(batch.x.sum(dtype=np.int64)),)]


def test_an_error_in_the_middle_reaches_every_library(library, monkeypatch):
    monkeypatch.setattr("evcodec.arrow_methods._MOST_ROWS", 1)
    data = bytearray(stream_of(session(200_000), rows=50_000))
    with Reader(bytes(data)) as reader:
        place = reader.blocks[2].position + reader.blocks[2].size // 2
    data[place] ^= 1
    with Reader(bytes(data)) as reader, pytest.raises(Exception, match=r"CorruptDataError: byte \d+"):
        library.values(library.table(reader), "x")

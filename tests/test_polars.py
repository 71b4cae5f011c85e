"""scan_polars: the results are those of Polars on all the data, and what is read is what they need."""

from __future__ import annotations

import datetime as dt
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import evcodec
from dataset_files import made, put
from evcodec import EventBatch, EventKind, InvalidArgumentError, Reader, open_dataset, scan_polars
from evcodec.schema import kind_name
from generators import EPOCH, session, stream_of

pl = pytest.importorskip("polars")

ROWS = 500
USERS = ("anna", "Bo", "çem")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three users with two days each, of ten blocks."""
    folder = tmp_path_factory.mktemp("recordings")
    for number, user in enumerate(USERS):
        for day in ("2026-01-01", "2026-01-02"):
            place = folder / f"user={user}" / f"date={day}"
            place.mkdir(parents=True)
            batch = session(10 * ROWS, seed=number)
            columns = dict(batch.columns) | {"t": 1_000_000_000 + np.arange(len(batch)) * 1_000_000}
            batch = EventBatch(**columns, context=(np.arange(len(batch)) // 2_000).astype(np.uint32))
            (place / "s.evc").write_bytes(stream_of(batch, rows=ROWS))
    return folder


@pytest.fixture(scope="module")
def eager(folder: Path) -> Any:
    """All of it as a data frame, with the path."""
    return pl.DataFrame(open_dataset(folder).arrow(path="file")).with_columns(
        pl.col("user", "date", "file").cast(pl.String)
    )


class Counted:
    """What is read while it is open: blocks, and columns of blocks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from evcodec.block import Block

        self.columns: list[str] = []
        self.blocks = 0
        decode, made = Block.decode, Block.__init__

        def counting_decode(block: Any, names: Any, *rest: Any) -> Any:
            self.columns += names
            return decode(block, names, *rest)

        def counting_init(block: Any, *rest: Any) -> None:
            self.blocks += 1
            made(block, *rest)

        monkeypatch.setattr(Block, "decode", counting_decode)
        monkeypatch.setattr(Block, "__init__", counting_init)

    def reset(self) -> None:
        self.columns.clear()
        self.blocks = 0


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Blocks and columns that are read."""
    return Counted(monkeypatch)


def same(found: Any, expected: Any) -> None:
    from polars.testing import assert_frame_equal

    assert_frame_equal(found, expected)


def test_all_of_it(folder, eager):
    lazy = scan_polars(folder, path="file")
    assert lazy.collect_schema() == eager.schema
    same(lazy.collect(), eager)
    same(lazy.collect(engine="streaming"), eager)
    same(scan_polars(open_dataset(folder)).collect(), eager.drop("file"))
    same(scan_polars(folder, partitions=False).collect(), eager.drop("file", "user", "date"))
    one = folder / "user=Bo" / "date=2026-01-01" / "s.evc"
    with Reader(one) as reader:
        same(scan_polars(str(one), partitioning=None).collect(), pl.DataFrame(reader))


def test_plain_integers(folder):
    lazy = scan_polars(folder, dictionaries=False)
    assert lazy.collect_schema()["kind"] == pl.UInt8
    expected = pl.DataFrame(open_dataset(folder).arrow(dictionaries=False))
    same(lazy.collect(), expected)
    same(lazy.filter(pl.col("kind").is_in([1, 3])).collect(), expected.filter(pl.col("kind").is_in([1, 3])))


# ---- results ----

TIMES = st.one_of(
    st.integers(990_000_000, 6_100_000_000), st.sampled_from([-(2**63), 2**63 - 1, 0, 1_000_000_000])
)
KINDS = st.sampled_from([kind_name(kind) for kind in (*range(9), 77)])


def of_t(draw: st.DrawFn) -> Any:
    t, value, other = pl.col("t"), draw(TIMES), draw(TIMES)
    closed = draw(st.sampled_from(["both", "left", "right", "none"]))
    return draw(
        st.sampled_from(
            [
                t >= value,
                t > value,
                t < value,
                t <= value,
                t == value,
                t != value,
                pl.lit(value) < t,
                ~(t < value),
                t.is_between(min(value, other), max(value, other), closed=closed),
                t.is_in([value, other]),
                t % 7 == value % 7,
                t > pl.col("x").cast(pl.Int64) * 4_000_000,
                t > value / 3,
                (t - 5) < min(value, 2**62),
                t.is_not_null(),
                t > pl.lit(None, pl.Int64),
            ]
        )
    )


def of_kind(draw: st.DrawFn) -> Any:
    kind, value, other = pl.col("kind"), draw(KINDS), draw(KINDS)
    return draw(
        st.sampled_from(
            [
                kind == value,
                kind != value,
                kind.is_in([value, other]),
                ~kind.is_in([value]),
                (kind == value) | (kind == other),
                kind.cast(pl.String).str.starts_with(value[0]),
                kind.cast(pl.String) > value,
                pl.lit(True),
                pl.lit(False) & (kind == value),
            ]
        )
    )


def of_label(draw: st.DrawFn) -> Any:
    user, value = pl.col("user"), draw(st.sampled_from([*USERS, "nobody"]))
    return draw(
        st.sampled_from(
            [
                user == value,
                user != value,
                user.is_in([value, "anna"]),
                user.str.len_chars() == 3,
                (user == value) & (pl.col("date") > "2026-01-01"),
                pl.col("date").str.ends_with("02"),
                pl.col("file").str.contains("Bo"),
                pl.concat_str("user", "date") == f"{value}2026-01-02",
            ]
        )
    )


@st.composite
def predicates(draw: st.DrawFn) -> Any:
    """Draw conditions of all sorts, joined in any way."""
    parts = [draw(st.sampled_from([of_t, of_kind, of_label]))(draw) for _ in range(draw(st.integers(1, 4)))]
    if draw(st.booleans()):
        parts.append(pl.col("x") > draw(st.integers(700, 1_100)))
    found = parts[0]
    for part in parts[1:]:
        manner = draw(st.integers(0, 4))
        found = found | part if manner == 0 else ~found & part if manner == 1 else found & part
    return found


@pytest.fixture(scope="module")
def lazy(folder: Path) -> Any:
    """The lazy frame of everything."""
    return scan_polars(folder, path="file")


@given(data=st.data())
def test_any_query_gives_what_polars_gives(data, lazy, eager):
    columns = data.draw(
        st.sampled_from([["t"], ["x", "kind"], ["user"], ["file", "t", "user"], eager.columns])
    )
    steps = data.draw(st.lists(st.sampled_from(["filter", "head", "slice"]), min_size=1, max_size=3))
    query, expected = lazy, eager.lazy()
    for step in steps:
        if step == "filter":
            predicate = data.draw(predicates())
            query, expected = query.filter(predicate), expected.filter(predicate)
        elif step == "head":
            count = data.draw(st.sampled_from([0, 1, 499, 500, 6_000, 10**6]))
            query, expected = query.head(count), expected.head(count)
        else:
            start, count = data.draw(st.integers(0, 8_000)), data.draw(st.integers(0, 3_000))
            query, expected = query.slice(start, count), expected.slice(start, count)
    engine = data.draw(st.sampled_from(["in-memory", "streaming"]))
    same(query.select(columns).collect(engine=engine), expected.select(columns).collect())


def test_timestamps(folder):
    dataset = open_dataset(folder, clock="wall")
    expected = pl.DataFrame(dataset.arrow(timestamps=True)).with_columns(
        pl.col("user", "date").cast(pl.String)
    )
    for source in (folder, dataset, open_dataset(folder)):
        lazy = scan_polars(source, timestamps=True)
        assert lazy.collect_schema()["t"] == pl.Datetime("ns", "UTC")
        for moment in (2.5, 3.0, 100.0):
            when = dt.datetime.fromtimestamp(EPOCH // 10**9 + moment, dt.UTC)
            for predicate in (
                pl.col("t") >= when,
                pl.col("t") < when,
                pl.col("t") == when,
                pl.col("t").is_between(when, when + dt.timedelta(seconds=1)),
                pl.col("t") > pl.lit(when).dt.cast_time_unit("ns"),
                pl.col("t").dt.second() == 22,
            ):
                same(lazy.filter(predicate).collect(), expected.filter(predicate))


def test_limits_on_the_other_clock_are_not_pushed_down(folder, eager):
    lazy = scan_polars(open_dataset(folder, clock="wall"))
    t = eager["t"].sort()[12_345]
    same(lazy.filter(pl.col("t") >= t).collect(), eager.drop("file").filter(pl.col("t") >= t))


# ---- what is read ----


def test_columns_that_are_not_used_are_not_decoded(folder, counted):
    dataset = open_dataset(folder)
    counted.reset()
    found = scan_polars(dataset).select("x", "user").collect()
    assert set(counted.columns) <= {"x", "kind"}  # a column may be stored by kind
    assert found.columns == ["x", "user"]
    counted.reset()
    scan_polars(dataset).filter(pl.col("dy") != 0).select(pl.col("x").sum()).collect()
    assert set(counted.columns) <= {"x", "dy", "kind"}
    counted.reset()
    assert scan_polars(dataset).select("user").collect().height == 60 * ROWS
    assert set(counted.columns) == set()
    counted.reset()
    assert scan_polars(dataset).select(pl.len()).collect().item() == 60 * ROWS
    assert len(set(counted.columns)) <= 1


@pytest.mark.parametrize(
    ("predicate", "blocks"),
    [
        (lambda t: pl.col("t") >= t[4_500], 6),
        (lambda t: pl.col("t") < t[499], 6),
        (lambda t: pl.col("t") <= t[500], 12),
        (lambda t: (pl.col("t") > t[999]) & (pl.col("t") < t[1_500]) & (pl.col("x") > 0), 6),
        (lambda t: pl.col("t").is_between(t[1_000], t[1_499]), 6),
        (lambda t: pl.col("t") == t[1_234], 6),
        (lambda t: pl.lit(int(t[4_600])) <= pl.col("t"), 6),
        (lambda t: (pl.col("user") == "anna") & (pl.col("t") >= t[4_500]), 2),
        (lambda t: pl.col("user").is_in(["anna", "Bo"]) & (pl.col("date") == "2026-01-02"), 20),
        (lambda t: pl.col("user") == "nobody", 0),
        (lambda t: pl.col("file").str.contains("Bo"), 20),
        (lambda t: pl.col("kind") == "menu_open", 0),
        (lambda t: pl.col("kind").is_in(["menu_open", "kind 200"]), 0),
        (lambda t: (pl.col("kind") == "menu_open") | (pl.col("user") == "anna"), 60),
        (lambda t: pl.col("x") > 0, 60),
    ],
)
def test_files_and_blocks_that_cannot_match_are_not_read(folder, eager, counted, predicate, blocks):
    t = open_dataset(folder / "user=anna" / "date=2026-01-01").read(["t"]).t.tolist()
    condition = predicate(t)
    lazy = scan_polars(folder, path="file")
    counted.reset()
    found = lazy.filter(condition).collect()
    assert counted.blocks == blocks
    same(found, eager.filter(condition))


def test_time_of_day_chooses_blocks_too(folder, counted):
    lazy = scan_polars(folder, timestamps=True)
    late = open_dataset(folder).read(["t"]).t.max() - 10**6
    counted.reset()
    when = dt.datetime.fromtimestamp((EPOCH + late) / 1e9, dt.UTC)
    assert lazy.filter(pl.col("t") >= when).collect().height > 0
    assert 1 <= counted.blocks <= 6


def test_kinds_choose_blocks(tmp_path, counted):
    kinds = np.repeat(np.array([EventKind.MOVE, EventKind.SCROLL, 200], np.uint8), 1_000)
    batch = EventBatch(t=np.arange(3_000), kind=kinds, x=np.arange(3_000))
    path = tmp_path / "s.evc"
    path.write_bytes(stream_of(batch, rows=1_000))
    for dictionaries, scroll, own in ((True, "scroll", "kind 200"), (False, 3, 200)):
        lazy = scan_polars(path, dictionaries=dictionaries)
        counted.reset()
        found = lazy.filter(pl.col("kind") == scroll).select("x").collect()
        assert found["x"].to_list() == list(range(1_000, 2_000))
        assert counted.blocks == 1
        counted.reset()
        both = lazy.filter(pl.col("kind").is_in([scroll, own]), pl.col("kind") != own)
        assert len(both.collect()) == 1_000
        assert counted.blocks == 1
        counted.reset()
        assert lazy.filter(pl.col("kind").is_in([own])).select("x").collect()["x"].to_list() == list(
            range(2_000, 3_000)
        )
        assert counted.blocks == 1


def test_the_first_rows_need_the_first_blocks(folder, eager, counted):
    lazy = scan_polars(
        open_dataset(
            folder,
        ),
        path="file",
    )
    counted.reset()
    same(lazy.head(5).collect(), eager.head(5))
    assert counted.blocks == 1
    counted.reset()
    same(lazy.head(ROWS + 1).collect(), eager.head(ROWS + 1))
    assert counted.blocks == 2
    counted.reset()
    assert lazy.head(0).collect().height == 0
    assert counted.blocks == 0


# ---- errors ----


def test_damage_names_the_file_or_is_skipped(folder, tmp_path):
    import shutil

    shutil.copytree(folder, tmp_path / "copy")
    bad = tmp_path / "copy" / "user=Bo" / "date=2026-01-02" / "s.evc"
    data = bytearray(bad.read_bytes())
    with Reader(bytes(data)) as reader:
        block = reader.blocks[3]
    data[block.position + block.size // 2] ^= 1
    bad.write_bytes(data)
    lazy = scan_polars(tmp_path / "copy")
    with pytest.raises(Exception, match=r"user=Bo.*date=2026-01-02.*s\.evc: byte \d+"):
        lazy.collect()
    assert lazy.filter(pl.col("user") == "anna").collect().height == 20 * ROWS
    dataset = open_dataset(tmp_path / "copy", on_error="skip")
    assert scan_polars(dataset).collect().height == 59 * ROWS
    assert [problem.path for problem in dataset.problems] == [str(bad)]


def test_what_is_skipped_is_told_to_the_dataset_whichever_files_the_query_chooses(tmp_path):
    paths = [put(tmp_path / f"user={user}" / "s.evc", made(30)) for user in "ab"]
    dataset = open_dataset(tmp_path, on_error="skip")
    paths[0].write_bytes(b"something else")
    lazy = scan_polars(dataset)
    assert lazy.filter(pl.col("user") == "b").collect().height == 30
    assert dataset.problems == []
    assert lazy.filter(pl.col("user") == "a").collect().height == 0
    assert [problem.path for problem in dataset.problems] == [str(paths[0])]


def test_bad_arguments(folder):
    with pytest.raises(InvalidArgumentError, match="on_error with a Dataset"):
        scan_polars(open_dataset(folder), on_error="skip")
    with pytest.raises(InvalidArgumentError):
        scan_polars(folder, path="x")
    with pytest.raises(InvalidArgumentError):
        scan_polars(folder, path="user")
    with pytest.raises(TypeError):
        scan_polars(folder, nonsense=1)
    with pytest.raises(pl.exceptions.ColumnNotFoundError):
        scan_polars(folder).select("nonsense").collect()


def test_polars_is_an_extra(folder, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(evcodec.MissingExtraError, match=r"pip install 'evcodec\[polars\]'"):
        scan_polars(folder)


def test_the_source_can_be_pickled(folder):
    from evcodec.polars import _Asked, _Scan

    scan = pickle.loads(pickle.dumps(_Scan(open_dataset(folder), _Asked(True, None, False, None, True))))
    assert sum(len(frame) for frame in scan(["t"], None, None, None)) == 60 * ROWS


def test_partitions_that_some_files_lack(tmp_path):
    for place in ("user=a", "user=a/date=1", "date=2", "."):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / place / "s.evc").write_bytes(stream_of(session(3)))
    lazy = scan_polars(tmp_path, path="file")
    everything = lazy.collect()
    missing = "__HIVE_DEFAULT_PARTITION__"
    assert set(everything["date"]) == {"1", "2", missing}
    for name in ("user", "date"):
        for value in ("a", "1", "2", missing, "x"):
            for chosen in (pl.col(name) == value, pl.col(name) != value):
                same(lazy.filter(chosen).collect(), everything.filter(chosen))
                same(
                    lazy.filter(chosen).select("user", "t").collect(),
                    everything.filter(chosen).select("user", "t"),
                )


def test_no_events(tmp_path):
    path = tmp_path / "s.evc"
    path.write_bytes(stream_of(EventBatch()))
    assert scan_polars(path).collect().shape == (0, 0)
    path.write_bytes(stream_of(session(5)))
    assert scan_polars(path).filter(pl.col("t") < 0).collect().shape == (0, 7)

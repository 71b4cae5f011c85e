"""Encrypted groups in datasets: what a key opens is read by every library, what none opens is refused or left out, and is
never zeros; keys go to workers as they were given.
"""

from __future__ import annotations

import copy
import io
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("cryptography")

import evcodec
from dataset_files import WALL_NS, made, put, stream, without_index
from evcodec import Context, EventBatch, MissingKeyError, Writer, open_dataset
from evcodec.crypto import PrivateKey, PublicKey, SigningKey

POINTER, TYPING = PrivateKey.generate(), PrivateKey.generate()
ROWS = 300
# By what must be there to read everything: the file, and how it is written.
SEALED: dict[str, dict[str, Any]] = {
    "a.evc": {"recipients": {"keys": TYPING.public, "context": TYPING.public}},
    "b.evc": {"recipients": {"pointer": [POINTER.public, TYPING.public], "keys": TYPING.public}},
    "c.evc": {},
}


def _batch(seed: int) -> EventBatch:
    codes = np.arange(seed * 1_000 + 1, seed * 1_000 + 1 + ROWS, dtype=np.int32)
    return made(ROWS, code=codes, pressure=codes.astype(np.uint16))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with two groups encrypted, one with two others, one with none; each of three blocks and an index."""
    folder = tmp_path_factory.mktemp("sealed")
    for seed, (name, options) in enumerate(SEALED.items()):
        put(folder / name, _batch(seed), epoch=WALL_NS, block_events=100, **options)
        with evcodec.Reader(folder / name) as reader:
            assert len(reader.blocks) == 3
    TYPING.save(folder / "typing.pem")
    return folder


@pytest.fixture(scope="module")
def plain() -> EventBatch:
    return EventBatch.concat([_batch(seed) for seed in range(len(SEALED))])


def test_who_has_the_key_reads_everything(folder: Path, plain: EventBatch) -> None:
    dataset = open_dataset(folder, keys=TYPING)
    assert dataset.read().equals(plain)
    assert dataset.encrypted == {
        0: (POINTER.public.id, TYPING.public.id),
        1: (TYPING.public.id,),
        2: (TYPING.public.id,),
    }
    assert [sorted(file.encrypted) for file in dataset.files] == [[1, 2], [0, 1], []]
    assert (
        dataset.filter(kinds=[1], start=50_000)
        .read()
        .equals(
            EventBatch.concat(
                [evcodec.Reader(stream(_batch(i))).read(kinds=[1], start=50_000) for i in range(3)]
            )
        )
    )
    parts = dataset.splits(1)
    assert len(parts) == 9
    assert sum(len(batch) for part in parts for batch in dataset.read_split(part, ["code"])) == len(plain)


@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_without_a_key_nothing_of_it_is_given(folder: Path, on_error: str) -> None:
    with pytest.raises(
        MissingKeyError, match=r"b\.evc.*pointer to x25519:"
    ):  # its anchor is in the pointer group
        open_dataset(folder, on_error=on_error)
    dataset = open_dataset(folder, keys=POINTER, on_error=on_error)
    assert len(dataset.read(["t", "x"])) == 3 * ROWS
    for read in (
        lambda: dataset.read(),
        lambda: dataset.read(["code"]),
        lambda: list(dataset.batches(["t", "code"])),
        lambda: dataset.arrow(["t", "code"]),
        lambda: dataset.dtypes(["code"]),
        lambda: list(dataset.read_split(dataset.splits()[0], ["code"])),
    ):
        with pytest.raises(MissingKeyError, match=rf"code|keys to {TYPING.public.id}"):
            read()
    assert not dataset.problems


def test_a_column_that_some_file_hides_is_left_out_of_all(folder: Path, plain: EventBatch) -> None:
    dataset = open_dataset(folder, keys=POINTER, without_key="skip")
    assert list(dataset.columns) == ["t", "kind", "x", "pressure"]
    assert dataset.read().equals(EventBatch(**{name: plain[name] for name in dataset.columns}))
    for narrowed in (dataset, dataset.filter(where={"path": str(folder / "c.evc")})):
        assert list(narrowed.columns) == list(dataset.columns)
        assert set(narrowed.read().columns) == set(dataset.columns)
    with pytest.raises(MissingKeyError, match="columns code: found encrypted"):
        dataset.read(["t", "code"])
    # With no key at all the times of one file are hidden: so are those of all, and nothing is filtered by them.
    dataset = open_dataset(folder, without_key="skip")
    assert list(dataset.columns) == ["pressure"]
    assert dataset.files[1].epoch_ns is None
    assert dataset.read().equals(EventBatch(pressure=plain["pressure"]))
    with pytest.raises(MissingKeyError, match="kinds and times"):
        dataset.read(kinds=[1])


def test_what_no_index_names_is_not_taken_for_zeros(tmp_path: Path) -> None:
    options = {"recipients": {"keys": TYPING.public, 9: TYPING.public}, "block_events": 100}
    put(tmp_path / "a.evc", made(ROWS, code=np.arange(ROWS, dtype=np.int32)), **options)
    (tmp_path / "a.evc").write_bytes(without_index((tmp_path / "a.evc").read_bytes()))
    put(tmp_path / "b.evc", _batch(1))
    dataset = open_dataset(tmp_path, without_key="skip")
    # Nobody knows whether the user's own column is in what a.evc has of group 9.
    assert list(dataset.columns) == ["t", "kind", "x"]
    assert len(dataset.read()) == 2 * ROWS
    for name in ("code", "pressure", "vk"):
        with pytest.raises(MissingKeyError, match=rf"columns {name}: found encrypted, as in .*a\.evc"):
            dataset.read([name])
    assert set(open_dataset(tmp_path, keys=TYPING).columns) == {"t", "kind", "x", "code", "pressure"}


def test_streams_put_end_to_end_to_different_readers(tmp_path: Path) -> None:
    one = stream(_batch(0), recipients={"keys": POINTER.public}, block_events=100)
    other = stream(_batch(1), recipients={"keys": TYPING.public}, block_events=100)
    (tmp_path / "a.evc").write_bytes(one + other)
    assert list(open_dataset(tmp_path, keys=TYPING, without_key="skip").columns) == [
        "t",
        "kind",
        "x",
        "pressure",
    ]
    with pytest.raises(MissingKeyError):
        open_dataset(tmp_path, keys=TYPING).read(["code"])
    assert len(open_dataset(tmp_path, keys=[TYPING, POINTER]).read()) == 2 * ROWS


def test_a_catalogue_knows_what_is_encrypted_and_no_more(
    folder: Path, tmp_path: Path, plain: EventBatch
) -> None:
    pytest.importorskip("pyarrow")
    catalogue = tmp_path / "c.parquet"
    opened: list[int] = []

    def open_again(**options: Any) -> Any:
        opened.clear()
        return open_dataset(folder, catalogue=catalogue, progress=lambda _, of: opened.append(of), **options)

    open_again(keys=TYPING)
    dataset = open_again(keys=TYPING)
    # Who has its key knows more of b.evc, when it was recorded, than may stand in a catalogue.
    assert opened == [1]
    assert dataset.read().equals(plain)
    dataset = open_again(keys=POINTER, without_key="skip")
    assert list(dataset.columns) == ["t", "kind", "x", "pressure"]
    assert dataset.encrypted == open_dataset(folder, keys=TYPING).encrypted
    with pytest.raises(MissingKeyError):
        open_again(keys=POINTER).read(["code"])
    found = catalogue.read_bytes()
    assert b"b.evc" not in found
    assert b"PRIVATE" not in found


def test_a_row_of_a_catalogue_that_cannot_be(folder: Path, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    catalogue = tmp_path / "c.parquet"
    open_dataset(folder, catalogue=catalogue, keys=TYPING)
    table = pq.read_table(catalogue)
    at = table.column_names.index("encrypted")
    for text in ("[]", "[[[[1]]], [], true]", "7", "[[], [[1, 2, 3]], true]"):
        column = pa.array([text] + [None] * (len(table) - 1), pa.string())
        pq.write_table(table.set_column(at, table.schema.field(at), column), catalogue)
        with pytest.raises(evcodec.CorruptDataError, match=r"c\.parquet: catalogue"):
            open_dataset(folder, catalogue=catalogue, keys=TYPING)


# ---- on the way to workers ----


def test_keys_travel_as_they_were_given(folder: Path, plain: EventBatch, tmp_path: Path) -> None:
    secret = TYPING.pem()
    lines = [line for line in secret.splitlines() if b"KEY" not in line]
    by_path = pickle.dumps(open_dataset(folder, keys=folder / "typing.pem"))
    assert not any(line in by_path for line in lines)
    assert b"typing.pem" in by_path
    assert pickle.loads(by_path).read().equals(plain)
    for given in (TYPING, secret):
        taken = pickle.dumps(open_dataset(folder, keys=given))
        assert any(line in taken for line in lines)
        assert pickle.loads(taken).read().equals(plain)
    # In another process, with another folder to work in; nothing else went along.
    found = subprocess.run(
        [sys.executable, "-c", "import pickle, sys; print(len(pickle.load(sys.stdin.buffer).read()))"],
        input=by_path,
        capture_output=True,
        cwd=tmp_path,
        check=True,
    )
    assert int(found.stdout) == len(plain)


def test_a_key_that_is_not_where_a_worker_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "a.evc", _batch(0), recipients=TYPING.public)
    TYPING.save(tmp_path / "k.pem")
    monkeypatch.chdir(tmp_path)
    dataset = open_dataset("a.evc", keys="k.pem", on_error="skip")
    taken = pickle.dumps(dataset)
    (tmp_path / "k.pem").unlink()
    assert len(dataset.read()) == ROWS  # who has read it has it
    with pytest.raises(MissingKeyError, match=r"k\.pem.*a path that every worker has"):
        pickle.loads(taken).read()


def test_a_key_is_not_pickled_by_itself(tmp_path: Path) -> None:
    for key in (TYPING, SigningKey.generate()):
        for take in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match=r"Key to be pickled, allowed: the path of its file"):
                take(key)
        assert pickle.loads(pickle.dumps(key.public)) == key.public
    assert isinstance(copy.deepcopy(TYPING.public), PublicKey)


def test_ray_tasks_take_the_keys_along(folder: Path, plain: EventBatch) -> None:
    import ray_cluster  # noqa: F401  (settings that Ray reads when it is imported)

    pytest.importorskip("ray.data")
    import pyarrow as pa
    from ray import cloudpickle

    from evcodec.ray import EvcDatasource

    dataset = open_dataset(folder, keys=folder / "typing.pem")
    tasks = EvcDatasource(dataset).get_read_tasks(3)
    taken = [cloudpickle.dumps(task.read_fn) for task in tasks]
    assert not any(b"PRIVATE" in one for one in taken)
    tables = [table for one in taken for table in cloudpickle.loads(one)()]
    assert EventBatch.from_arrow(pa.concat_tables(tables)).equals(plain)
    with pytest.raises(MissingKeyError):
        EvcDatasource(open_dataset(folder, keys=POINTER))
    tasks = EvcDatasource(open_dataset(folder, keys=POINTER), columns=["x"]).get_read_tasks(2)
    assert (
        sum(len(table) for task in tasks for table in cloudpickle.loads(cloudpickle.dumps(task.read_fn))())
        == 900
    )
    skipping = EvcDatasource(open_dataset(folder, keys=POINTER, without_key="skip"))
    (table, *_) = skipping.get_read_tasks(1)[0].read_fn()
    assert table.column_names == ["t", "kind", "x", "pressure"]


@pytest.mark.parametrize("workers", [0, 2])
def test_windows_for_training(folder: Path, plain: EventBatch, workers: int) -> None:
    pytest.importorskip("torch")
    from evcodec.torch import EventWindows

    windows = EventWindows(folder, 50, columns=["t", "code"], batch_size=3, keys=folder / "typing.pem")
    codes = [batch["code"].numpy().ravel() for batch in windows.loader(workers)]
    assert sorted(np.concatenate(codes).tolist()) == sorted(plain["code"].tolist())
    state = json.dumps(windows.state_after(2, workers))
    assert "pem" not in state
    assert "PRIVATE" not in state


def test_windows_without_a_key(folder: Path) -> None:
    pytest.importorskip("torch")
    from evcodec.torch import EventWindows

    for on_error in ("raise", "skip"):
        dataset = open_dataset(folder, keys=POINTER, on_error=on_error)
        for columns in (None, ["t", "code"]):
            with pytest.raises(MissingKeyError):
                EventWindows(dataset, 50, columns=columns)
        assert len(EventWindows(dataset, 50, columns=["t", "x"])) == 1
        assert EventWindows(dataset, 5, tick_ns=10_000).windows
    with pytest.raises(MissingKeyError):
        EventWindows(open_dataset(folder, without_key="skip"), 5, tick_ns=10_000)
    windows = EventWindows(folder, 50, keys=POINTER, without_key="skip")
    assert set(windows.dtypes) == {"t", "kind", "x", "pressure"}
    with pytest.raises(evcodec.InvalidArgumentError, match="keys: found with a Dataset"):
        EventWindows(open_dataset(folder, keys=TYPING), 50, keys=TYPING)


def test_lazy_frames_of_polars(folder: Path, plain: EventBatch) -> None:
    pl = pytest.importorskip("polars")
    from evcodec import scan_polars

    frame = scan_polars(folder, keys=TYPING)
    assert frame.collect()["code"].to_list() == plain["code"].tolist()
    assert frame.filter(pl.col("t") < 5_000).select("code").collect().height == 15
    pointer = scan_polars(folder, keys=POINTER)
    assert pointer.select("x").collect().height == 900
    with pytest.raises(MissingKeyError):
        pointer.select("code").collect()
    skipping = scan_polars(folder, keys=POINTER, without_key="skip")
    assert skipping.collect_schema().names() == ["t", "kind", "x", "pressure"]


def test_readers_to_arrow(plain: EventBatch) -> None:
    pa = pytest.importorskip("pyarrow")
    target = io.BytesIO()
    with Writer(target, recipients={"keys": TYPING.public, "context": TYPING.public}) as writer:
        writer.add(Context(index=1, context_type="window", value="a letter"))
        writer.write(made(10, code=np.arange(10, dtype=np.int32), context=np.ones(10, np.uint32)))
    with evcodec.Reader(target.getvalue(), keys=TYPING) as reader:
        table = pa.table(reader.arrow())
        assert table["code"].to_pylist() == list(range(10))
        assert "a letter" in table["context"][0].as_py()
    with evcodec.Reader(target.getvalue()) as reader:
        with pytest.raises(pa.ArrowInvalid, match=r"MissingKeyError: .* keys to x25519"):
            pa.table(reader.arrow(["t", "code"]))
        assert pa.table(reader.arrow(["t", "x"])).num_rows == 10
    with evcodec.Reader(target.getvalue(), without_key="skip") as reader:
        assert pa.table(reader.arrow()).column_names == ["t", "kind", "x"]

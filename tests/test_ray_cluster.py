"""Jobs on a real Ray cluster of several nodes: what is killed in the middle of them changes nothing."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import ray_cluster
from evcodec import CorruptDataError, EventBatch, EventKind, InvalidArgumentError, Writer, open_dataset
from evcodec.sample import sample_session

ray = pytest.importorskip("ray")
pytest.importorskip("ray.data")
if sys.platform == "win32":
    pytest.skip("kills processes as POSIX systems do", allow_module_level=True)

from evcodec.ray import EvcDatasink, ReadReport, read_evc, write_evc  # noqa: E402

LIMIT_S = 300
# Ray sets settings of its own that it has deprecated.
pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.data.context")]


@pytest.fixture(autouse=True)
def limit():
    """Show where a test hangs, and end it."""
    faulthandler.dump_traceback_later(LIMIT_S, exit=True, file=sys.__stderr__)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(scope="module")
def nodes():
    with ray_cluster.running(2) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One stream of many blocks among small ones."""
    folder = tmp_path_factory.mktemp("streams")
    for i in range(20):
        with Writer(folder / f"s{i:02d}.evc", governance={"purpose": ("training", "support")[i % 2]}) as w:
            w.write(sample_session(500 + i, seed=i))
    with Writer(folder / "long.evc", block_events=4_000, governance={"purpose": "training"}) as w:
        w.write(sample_session(200_000, seed=99))
    return folder


@pytest.fixture(scope="module")
def expected(folder):
    return open_dataset(folder).read()


@pytest.fixture
def small_blocks():
    """Have Ray cut what tasks give into many blocks."""
    with blocks_of(200_000):
        yield


@contextmanager
def blocks_of(size):
    context = ray.data.DataContext.get_current()
    before = context.target_max_block_size
    context.target_max_block_size = size
    try:
        yield
    finally:
        context.target_max_block_size = before


def rows(ds):
    """Return a Ray dataset as one batch, in its order."""
    return EventBatch.concat(
        EventBatch.from_arrow(table) for table in ds.iter_batches(batch_size=None, batch_format="pyarrow")
    )


def test_rows_are_those_of_one_reader(nodes, folder, expected):
    ds = read_evc(folder, override_num_blocks=7)
    assert ds.count() == len(expected)
    assert rows(ds).equals(expected)
    assert rows(ds.select_columns(["y", "t"])).equals(expected.select(["y", "t"]))


def test_kinds_time_and_files_are_chosen(nodes, folder):
    chosen = open_dataset(folder, where={"purpose": "training"})
    want = chosen.read(["t", "x"], [EventKind.MOVE], 10**9, 10**11)
    ds = read_evc(
        folder,
        columns=["t", "x"],
        kinds=[EventKind.MOVE],
        start=10**9,
        stop=10**11,
        where={"purpose": "training"},
    )
    assert ds.count() == len(want) > 0
    assert rows(ds).equals(want)


def test_killed_workers_change_nothing(nodes, folder, expected, tmp_path, small_blocks):
    flags, out = tmp_path / "flags", tmp_path / "out"
    flags.mkdir()

    def die_once(name):
        try:
            os.close(os.open(flags / name, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    def reading(table):
        if table["t"][0].as_py() > 10**11:
            die_once("reader")
        return table

    class Dying(EvcDatasink):
        def _batches(self, blocks):
            for number, batch in enumerate(super()._batches(blocks)):
                yield batch
                if number == 2:  # three batches of the stream are written
                    die_once("writer")

    ds = read_evc(folder, override_num_blocks=6).map_batches(
        reading, batch_format="pyarrow", batch_size=None, zero_copy_batch=True
    )
    assert rows(ds).equals(expected)
    assert (flags / "reader").exists()

    sink = Dying(out, min_rows_per_stream=20_000)
    read_evc(folder, override_num_blocks=6).write_datasink(sink)
    assert (flags / "writer").exists()
    assert sorted(path.name for path in out.iterdir()) == [Path(path).name for path in sink.paths]
    assert open_dataset(out).read().equals(expected)


def test_memory_is_bounded(nodes, tmp_path):
    events = 6_000_000
    t = np.arange(events)
    batch = EventBatch(**dict.fromkeys(("t", "a", "b", "c", "d", "e", "f", "g"), t))
    with Writer(tmp_path / "long.evc", level="fast") as w:
        w.write(batch)
    del batch

    def private_bytes(table):
        with open("/proc/self/status") as status:
            found = {line.split()[0]: line.split()[1] for line in status if line.startswith("Rss")}
        return {"rows": [len(table)], "kib": [int(found["RssAnon:"])]}

    nothing = ray.data.range(1).map_batches(private_bytes, batch_format="pyarrow").take_all()[0]["kib"]
    with blocks_of(4 * 2**20):
        ds = read_evc(tmp_path / "long.evc", override_num_blocks=2)
        done = ds.map_batches(private_bytes, batch_format="pyarrow", batch_size=None).take_all()
    assert sum(row["rows"] for row in done) == events
    # A task reads 192 MB, both 384 MB, and a node's object store has 80 MB.
    assert max(row["kib"] for row in done) - nothing < 60_000


def test_damage_fails_the_job_or_is_reported(nodes, folder, expected, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "a-foreign.evc").write_bytes(b"PAR1 is something else" * 9)
    data = bytearray((tmp_path / "long.evc").read_bytes())
    place = open_dataset(tmp_path / "long.evc")
    with place.open(place.files[0]) as reader:
        hit = reader.blocks[20]
    data[hit.position + hit.size // 2] ^= 0xFF
    (tmp_path / "long.evc").write_bytes(data)

    with pytest.raises(CorruptDataError, match=r"a-foreign\.evc"):
        read_evc(tmp_path)
    (tmp_path / "a-foreign.evc").rename(tmp_path / "a-foreign.txt")
    with pytest.raises(CorruptDataError, match=r"long\.evc"):
        rows(read_evc(tmp_path, override_num_blocks=4))
    (tmp_path / "a-foreign.txt").rename(tmp_path / "a-foreign.evc")

    report = ReadReport()
    one = open_dataset(tmp_path, on_error="skip")
    ds = read_evc(tmp_path, on_error="skip", report=report, override_num_blocks=4)
    assert [problem.path for problem in report.problems] == [str(tmp_path / "a-foreign.evc")]
    for _ in range(2):
        assert rows(ds).equals(one.read())
        assert report.problems == one.problems
    assert len(one.read()) == len(expected) - hit.events
    assert [Path(path).name for path, _, _ in report.problems] == ["a-foreign.evc", "long.evc"]
    assert report.problems[1].position == hit.position


def test_a_job_that_fails_leaves_nothing(nodes, folder, tmp_path, small_blocks):
    def failing(table):
        if table["t"][0].as_py() > 10**11:
            raise ValueError("made up")
        return table

    old = tmp_path / "old.evc"
    with Writer(old) as w:
        w.move(1, 2, 3)
    ds = read_evc(folder).map_batches(failing, batch_format="pyarrow", batch_size=None)
    with pytest.raises(ray.exceptions.RayTaskError, match="made up"):
        write_evc(ds, tmp_path, mode="overwrite")
    deadline = time.monotonic() + 30
    while os.listdir(tmp_path) != ["old.evc"] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert os.listdir(tmp_path) == ["old.evc"]
    with pytest.raises(InvalidArgumentError, match=r"column 'name': found utf8"):
        write_evc(ray.data.from_items([{"t": 1, "name": "x"}]), tmp_path, mode="append")
    assert os.listdir(tmp_path) == ["old.evc"]


def test_an_object_store_is_read_and_written(nodes, folder, expected, tmp_path):
    pytest.importorskip("s3fs")
    pytest.importorskip("moto.server")
    from objectstore import object_store

    flag = tmp_path / "killed"

    class Dying(EvcDatasink):
        def write(self, blocks, ctx):
            name = super().write(blocks, ctx)
            if not flag.exists():  # the object is there, and nobody knows
                flag.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return name

    with object_store() as store:
        ds = read_evc(folder, override_num_blocks=3)
        sink = Dying("s3://streams/killed", storage_options=store.options)
        ds.write_datasink(sink)
        assert flag.exists()
        assert [f"s3://{name}" for name in sorted(store.files.find("streams/killed"))] == sink.paths
        written = write_evc(ds, "s3://streams/out", storage_options=store.options, job="nightly")
        again = write_evc(ds, "s3://streams/out", storage_options=store.options, job="nightly")
        assert written == again == [f"s3://streams/out/nightly-{task:06d}.evc" for task in range(3)]
        with store.counted() as requests:
            back = read_evc("s3://streams/out", storage_options=store.options)
            assert rows(back).equals(expected)
        assert {request.method for request in requests} <= {"GET", "HEAD"}


def test_a_node_that_is_gone_changes_nothing(nodes, folder, expected, tmp_path, small_blocks):
    flags, out = tmp_path / "flags", tmp_path / "out"
    flags.mkdir()
    assert len(nodes.nodes) > 1

    def waiting(table):
        """Let each node do something; then wait for one of them to be gone."""
        seen = flags / ray.get_runtime_context().get_node_id()
        deadline = time.monotonic() + 20
        while seen.exists() and not (flags / "gone").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        seen.touch()
        return table

    def take_away():
        while sum(1 for _ in flags.iterdir()) < 2:
            time.sleep(0.05)
        nodes.take_one_away()
        (flags / "gone").touch()

    # What was read is on both nodes, so that half of it is lost and must be read again.
    read = read_evc(folder, override_num_blocks=8).materialize()
    thread = threading.Thread(target=take_away)
    thread.start()
    ds = read.map_batches(waiting, batch_format="pyarrow", batch_size=None, zero_copy_batch=True)
    written = write_evc(ds, out, min_rows_per_stream=20_000)
    thread.join()
    assert (flags / "gone").exists()
    assert sorted(str(path) for path in out.iterdir()) == written
    assert open_dataset(out).read().equals(expected)
    assert rows(read).equals(expected)

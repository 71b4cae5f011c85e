"""What Ray is handed, without a cluster: read tasks, their sizes, and what a sink does with a folder."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import ray_cluster  # noqa: F401  (settings that Ray reads when it is imported)
from dataset_files import LATER_NS
from evcodec import EventBatch, EventKind, InvalidArgumentError, Reader, Writer, open_dataset
from evcodec.sample import sample_session
from evcodec.ticks import READS, TICK_COLUMNS, fixed_ticks, tick_batches

pytest.importorskip("ray.data")
pa = pytest.importorskip("pyarrow")

from ray import cloudpickle as pickle  # noqa: E402
from ray.data._internal.execution.interfaces import TaskContext  # noqa: E402

from evcodec.ray import EvcDatasink, EvcDatasource, common_governance  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streams")
    for i in range(12):
        path = folder / f"user=u{i % 3}" / f"s{i:02d}.evc"
        path.parent.mkdir(exist_ok=True)
        with Writer(path, governance={"purpose": "training", "retain_until_ns": LATER_NS + i}) as w:
            w.write(sample_session(300 + i, seed=i))
    with Writer(folder / "long.evc", block_events=1_000) as w:
        w.write(sample_session(50_500, seed=99))
    return folder


@pytest.fixture(scope="module")
def dataset(folder):
    return open_dataset(folder)


def rows(tasks):
    """Run read tasks here, after a journey, and return their tables as one batch and their labels."""
    tables = [table for task in tasks for table in pickle.loads(pickle.dumps(task.read_fn))()]
    table = pa.concat_tables(tables)
    labels = [name for name in table.column_names if table.schema.field(name).type == pa.string()]
    return EventBatch.from_arrow(table.drop_columns(labels)), {
        name: table[name].to_pylist() for name in labels
    }


@pytest.mark.parametrize("parallelism", [1, 2, 5, 13, 64, 1_000])
def test_tasks_together_read_everything_in_order(dataset, parallelism):
    tasks = EvcDatasource(dataset).get_read_tasks(parallelism)
    assert len(tasks) <= parallelism
    batch, labels = rows(tasks)
    assert batch.equals(dataset.read())
    assert labels == {
        "user": [file.partitions.get("user") for file in dataset.files for _ in range(file.events)]
    }


def test_large_files_are_divided_and_small_ones_grouped(dataset):
    tasks = EvcDatasource(dataset, partitions=False).get_read_tasks(4)
    sizes = [task.metadata.size_bytes for task in tasks]
    assert len(tasks) == 4
    files = [len(task.metadata.input_files) for task in tasks]
    work = [size + 65_536 * opened for size, opened in zip(sizes, files, strict=True)]
    assert max(work) < 1.5 * min(work)
    assert min(files) == 1
    assert max(files) >= 4
    assert sum(files) > len(dataset.files)  # the long one is in several
    assert sum(sizes) == pytest.approx(sum(a.nbytes for a in dataset.read().columns.values()), rel=0.01)


def test_sizes_and_rows_are_those_that_are_read(dataset):
    kinds = [EventKind.BUTTON_DOWN]
    source = EvcDatasource(dataset, kinds=kinds, columns=["t", "x"], partitions=False)
    batch = dataset.read(["t", "x"], kinds)
    (whole,) = source.get_read_tasks(1)
    assert whole.metadata.num_rows == len(batch)
    assert source.estimate_inmemory_data_size() == whole.metadata.size_bytes == 12 * len(batch)
    # Of a part of a file, or of a time, the number is a guess, which Ray must not take for a count.
    assert {task.metadata.num_rows for task in source.get_read_tasks(40)} >= {None}
    assert EvcDatasource(dataset, start=5 * 10**9).get_read_tasks(1)[0].metadata.num_rows is None


def test_no_more_tasks_than_are_worth_it(tmp_path):
    with Writer(tmp_path / "s.evc", block_events=100_000) as w:
        w.write(EventBatch(t=np.arange(10**6), **{name: np.arange(10**6) for name in "abcdefghijkl"}))
    source = EvcDatasource(open_dataset(tmp_path))
    assert source.estimate_inmemory_data_size() == 104 * 10**6
    found = [source.default_tasks(processors) for processors in (0, 1, 2, 3, 100)]
    assert found == [1, 2, 4, 6, 10]  # there are ten blocks
    assert [len(source.get_read_tasks(tasks)) for tasks in found] == found
    assert EvcDatasource(open_dataset(tmp_path), columns=["t"]).default_tasks(100) == 7
    assert EvcDatasource(open_dataset(tmp_path), where=lambda file: False).default_tasks(2) == 1


def test_columns_that_ray_leaves_out_are_not_read(dataset):
    source = EvcDatasource(dataset, include_paths=True)
    assert source.supports_projection_pushdown()
    pushed = source.apply_projection({"path": "path", "y": "y", "t": "t"})
    batch, labels = rows(pushed.get_read_tasks(3))
    assert batch.equals(dataset.read(["y", "t"]))
    assert labels == {"path": [file.path for file in dataset.files for _ in range(file.events)]}
    assert pushed.get_read_tasks(3)[0].schema.names == ["y", "t", "path"]
    assert pushed.estimate_inmemory_data_size() < source.estimate_inmemory_data_size()
    none = [table for task in source.apply_projection({}).get_read_tasks(3) for table in task()]
    assert sum(len(table) for table in none) == len(dataset)
    assert {table.nbytes for table in none} <= {0}


def test_a_task_takes_along_its_own_files_only(dataset):
    task = EvcDatasource(dataset).get_read_tasks(13)[-1]
    data = pickle.dumps(task.read_fn)
    assert b"s11.evc" in data
    assert b"s00.evc" not in data


def test_a_transform_sees_files_whole(dataset):
    period = 20_000_000

    def ticks(file, batches):
        yield from tick_batches(batches, period)

    source = EvcDatasource(dataset, columns=READS, transform=ticks, partitions=False, include_paths=True)
    tasks = source.get_read_tasks(1_000)
    assert len(tasks) == len(dataset.files)
    batch, labels = rows(tasks)
    assert list(batch.columns) == list(TICK_COLUMNS)
    parts = []
    for file in dataset.files:
        with dataset.open(file) as reader:
            parts.append(fixed_ticks(reader.read(), period))
    assert batch.equals(EventBatch.concat(parts))
    assert labels["path"] == [
        f.path for f, p in zip(dataset.files, parts, strict=True) for _ in range(len(p))
    ]
    assert not source.supports_projection_pushdown()


def test_what_fails_in_a_transform_names_the_file(dataset):
    def failing(file, batches):
        raise ValueError("made up")
        yield

    (task,) = EvcDatasource(dataset, transform=failing).get_read_tasks(1)
    with pytest.raises(ValueError, match="made up") as caught:
        list(task())
    assert caught.value.__notes__ == [f"while reading {dataset.files[0].path}"]


def test_a_label_named_as_a_column_is_refused(tmp_path):
    with Writer(tmp_path / "s.evc") as w:
        w.write(EventBatch(t=[1], path=np.array([3])))
    with pytest.raises(InvalidArgumentError, match="found \\['path'\\]"):
        EvcDatasource(open_dataset(tmp_path), include_paths=True)


# ---- the sink ----


def write(sink, tasks):
    """Do what Ray does: a start, tasks with their blocks, an end."""
    copy = pickle.dumps(sink)  # as the workers get it
    sink.on_write_start()
    names = [
        pickle.loads(copy).write(blocks, TaskContext(task_idx=number, op_name="Write"))
        for number, blocks in enumerate(tasks)
    ]
    sink.on_write_complete(names)
    return names


def table(*t, **more):
    return pa.table({"t": pa.array(t, pa.int64()), **more})


def test_columns_dtypes_and_governance_are_kept(tmp_path):
    batch = EventBatch(
        t=[1, 2], kind=[0, 1], pressure=np.array([5, 6], np.uint16), a=np.array([-1, 1], np.int8)
    )
    sink = EvcDatasink(
        tmp_path / "new" / "out", governance={"purpose": "training"}, metadata={"n": 1}, job="j"
    )
    names = write(sink, [[pa.table(batch)], [table().slice(0, 0)], [], [pa.table(batch).to_pandas()]])
    assert names == ["j-000000.evc", None, None, "j-000003.evc"]
    assert sink.paths == [str(tmp_path / "new" / "out" / name) for name in names if name]
    assert sorted(os.listdir(tmp_path / "new" / "out")) == [name for name in names if name]
    with Reader(sink.paths[0]) as r:
        assert (r.governance, r.metadata) == ({"purpose": "training"}, {"n": 1})
        assert r.read().equals(batch)
        assert {name: str(dtype) for name, dtype in r.columns.items()} == {
            "t": "int64",
            "kind": "uint8",
            "pressure": "uint16",
            "a": "int8",
        }
    with Reader(sink.paths[1]) as r:
        assert r.read(["t", "pressure"]).equals(batch.select(["t", "pressure"]))


def test_a_second_attempt_takes_the_place_of_the_first(tmp_path):
    sink = EvcDatasink(tmp_path, job="j")
    context = TaskContext(task_idx=4, op_name="Write")
    sink.on_write_start()
    assert [path.name for path in tmp_path.iterdir()] == [".j.staging"]
    with pytest.raises(ZeroDivisionError):
        sink.write((table(1) if i == 0 else 1 / 0 for i in range(2)), context)
    assert list((tmp_path / ".j.staging").iterdir()) == []
    sink.write([table(7)], context)
    assert list(tmp_path.rglob("*.evc")) == []
    assert sink.write([table(7), table(8)], context) == "j-000004.evc"
    sink.on_write_complete(["j-000004.evc"])
    assert os.listdir(tmp_path) == ["j-000004.evc"]
    assert open_dataset(tmp_path).read().t.tolist() == [7, 8]


def times(folder):
    return sorted(open_dataset(folder).read().t.tolist())


def test_modes(tmp_path):
    write(EvcDatasink(tmp_path, job="a"), [[table(1)], [table(2)]])
    with pytest.raises(
        InvalidArgumentError, match=r"found 2 streams, such as .*a-000000\.evc, allowed: none"
    ):
        EvcDatasink(tmp_path, job="b").on_write_start()
    assert times(tmp_path) == [1, 2]
    write(EvcDatasink(tmp_path, job="b", mode="append"), [[table(3)]])
    write(EvcDatasink(tmp_path, job="a-b", mode="append"), [[table(4)]])
    assert times(tmp_path) == [1, 2, 3, 4]
    # The same job again, in other parts.
    write(EvcDatasink(tmp_path, job="a", mode="append"), [[table(5)]])
    assert times(tmp_path) == [3, 4, 5]
    (tmp_path / "deep").mkdir()
    (tmp_path / "a-000000.evc").rename(tmp_path / "deep" / "other.evc")
    sink = EvcDatasink(tmp_path, mode="overwrite")
    sink.on_write_start()
    assert times(tmp_path) == [3, 4, 5]
    sink.on_write_complete([])
    assert list(tmp_path.rglob("*.evc")) == []


def test_the_job_of_before_is_replaced_in_mode_error(tmp_path):
    write(EvcDatasink(tmp_path, job="a"), [[table(1)], [table(2)]])
    write(EvcDatasink(tmp_path, job="a"), [[table(3)]])
    assert times(tmp_path) == [3]


def test_overwriting_does_not_follow_links(tmp_path):
    (tmp_path / "out").mkdir()
    write(EvcDatasink(tmp_path / "elsewhere"), [[table(1)]])
    (tmp_path / "out" / "link").symlink_to(tmp_path / "elsewhere")
    write(EvcDatasink(tmp_path / "out", mode="overwrite"), [[table(2)]])
    assert times(tmp_path / "elsewhere") == [1]


def test_what_a_killed_driver_left_is_cleaned(tmp_path):
    first = EvcDatasink(tmp_path, job="j")
    first.on_write_start()
    first.write([table(1)], TaskContext(task_idx=7, op_name="Write"))
    write(EvcDatasink(tmp_path, job="j"), [[table(2)]])
    assert os.listdir(tmp_path) == ["j-000000.evc"]


def test_a_failed_job_leaves_nothing(tmp_path):
    sink = EvcDatasink(tmp_path)
    sink.on_write_start()
    sink.write([table(1)], TaskContext(task_idx=0, op_name="Write"))
    sink.on_write_failed(ValueError())
    assert os.listdir(tmp_path) == []
    with pytest.raises(InvalidArgumentError, match="no folder of this job"):
        sink.write([table(1)], TaskContext(task_idx=0, op_name="Write"))
    with pytest.raises(InvalidArgumentError, match="allowed: a new one for each job"):
        sink.on_write_start()


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (pa.table({"t": [1.5]}), "column 't': found float64"),
        (pa.table({"t": [1], "path": ["x"]}), "column 'path': found utf8"),
        (pa.table({"t": pa.array([1, None])}), "column 't': found a null"),
    ],
    ids=["float", "text", "null"],
)
def test_what_is_no_event_is_refused(tmp_path, block, message):
    sink = EvcDatasink(tmp_path)
    sink.on_write_start()
    with pytest.raises(InvalidArgumentError, match=message):
        sink.write([block], TaskContext(task_idx=0, op_name="Write"))
    chosen = EvcDatasink(tmp_path, columns=["t"], job="chosen")
    if message.startswith("column 'path'"):
        write(chosen, [[block]])
        assert times(tmp_path) == [1]
    with pytest.raises(InvalidArgumentError, match=r"found \['z'\], allowed: t"):
        EvcDatasink(tmp_path, columns=["z"]).write([block], TaskContext(task_idx=0, op_name="Write"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "ignore"},
        {"level": "best"},
        {"columns": "t"},
        {"job": "../x"},
        {"job": ""},
        {"min_rows_per_stream": 0},
        {"path": b"x"},
        {"path": ""},
        {"governance": {"purpose": 1}},
        {"metadata": {"x": 1.5j}},
    ],
    ids=str,
)
def test_bad_arguments(tmp_path, wrong):
    with pytest.raises(InvalidArgumentError):
        EvcDatasink(**{"path": tmp_path, **wrong})
    assert os.listdir(tmp_path) == []


def test_governance_in_common(dataset):
    training = dataset.filter(where={"purpose": "training"})
    assert common_governance(training) == {"purpose": "training", "retain_until_ns": LATER_NS}
    with pytest.raises(
        InvalidArgumentError, match=r"purpose: found None in .*long\.evc and 'training' in .*s00\.evc"
    ):
        common_governance(dataset)
    assert common_governance(dataset.filter(where=lambda file: False)) == {}


def test_without_ray_the_extra_is_named(tmp_path):
    (tmp_path / "ray.py").write_text("raise ImportError('No module named ray')")
    script = "import sys; sys.path.insert(0, sys.argv[1])\nimport evcodec.ray"
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert "MissingExtraError: evcodec.ray: No module named ray; pip install 'evcodec[ray]'" in done.stderr

"""Datasets of local files: what is planned, what is read, and what bad input gives."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

import evcodec
from evcodec import EventBatch, EventKind, InvalidArgumentError, Writer


def write(path: Path, batch: EventBatch, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with Writer(path, **options) as writer:
        writer.write(batch)
    return path


def made(count: int = 100, start: int = 0, **columns) -> EventBatch:
    t = start + 1_000 * np.arange(count)
    return EventBatch(t=t, kind=np.arange(count) % 3, x=np.arange(count, dtype=np.int32), **columns)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for user in ("ada", "bob"):
        for day in (1, 2, 3):
            write(
                tmp_path / f"user={user}" / f"date=2026-01-0{day}" / "s.evc",
                made(100 * day, start=10**9 * day),
                metadata={"task": f"t{day}"},
                governance={"purpose": "training" if user == "ada" else "support"},
                block_events=64,
            )
    return tmp_path


def test_a_folder_is_read_in_the_order_of_its_paths(folder):
    dataset = evcodec.open_dataset(folder)
    assert [file.path for file in dataset.files] == sorted(map(str, folder.rglob("*.evc")))
    assert len(dataset) == 1_200
    joined = EventBatch.concat(evcodec.decode(Path(file.path).read_bytes()) for file in dataset.files)
    assert dataset.read().equals(joined)
    assert EventBatch.concat(dataset.batches()).equals(joined)


def test_partitions_governance_and_metadata_choose_files(folder):
    dataset = evcodec.open_dataset(folder)
    assert dataset.files[0].partitions == {"user": "ada", "date": "2026-01-01"}
    assert [f.purpose for f in dataset.filter(where={"user": "ada"}).files] == ["training"] * 3
    assert len(dataset.filter(where={"purpose": "support", "task": {"t1", "t2"}}).files) == 2
    assert len(dataset.filter(where=lambda file: file.events > 150).files) == 4
    with pytest.raises(InvalidArgumentError, match="where: found 'usr', which no file has"):
        dataset.filter(where={"usr": "ada"})


def test_splits_are_all_of_it(folder):
    dataset = evcodec.open_dataset(folder)
    splits = pickle.loads(pickle.dumps(dataset.splits(max_bytes=200)))
    assert len(splits) > len(dataset.files)
    copy = pickle.loads(pickle.dumps(dataset))
    parts = [batch for split in splits for batch in copy.read_split(split)]
    assert EventBatch.concat(parts).equals(dataset.read())
    assert sum(split.events for split in splits) <= len(dataset)


def test_kinds_columns_and_time_are_pushed_down(folder):
    dataset = evcodec.open_dataset(folder)
    everything = dataset.read()
    found = dataset.read(columns=("x", "t"), kinds=(EventKind.BUTTON_DOWN,), start=2 * 10**9, stop=3 * 10**9)
    mask = (everything.kind == 1) & (everything.t >= 2 * 10**9) & (everything.t < 3 * 10**9)
    assert list(found.columns) == ["x", "t"]
    assert found.x.tolist() == everything.x[mask].tolist()
    narrowed = dataset.filter(kinds=(1,), start=2 * 10**9).filter(stop=3 * 10**9)
    assert narrowed.read(columns=("x", "t")).equals(found)
    assert len(narrowed.files) == 2

"""Random datasets, asked at random: the same as reading every event and then choosing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import evcodec
from dataset_files import WALL_NS, stream
from evcodec import EventBatch

DTYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32")


def made(rng: np.random.Generator) -> EventBatch:
    """Return events whose times run in any direction, with some columns of any dtype."""
    count = int(rng.choice([0, 1, 50, 700]))
    t = np.cumsum(rng.integers(-20, 100, count)) + rng.integers(-5_000, 5_000)
    kind = rng.choice([0, 0, 0, 1, 2, 200], count) if rng.random() < 0.8 else np.zeros(count, np.uint8)
    columns = {}
    for name in ("x", "tilt", "pen"):
        if rng.random() < 0.7:
            bounds = np.iinfo(rng.choice(DTYPES))
            columns[name] = rng.integers(bounds.min, bounds.max, count, bounds.dtype, endpoint=True)
    return EventBatch(t=t, kind=kind, **columns)


def chosen(
    batch: EventBatch, kinds: list[int] | None, start: int | None, stop: int | None, shift: int
) -> EventBatch:
    mask = np.ones(len(batch), bool)
    mask &= np.isin(batch.kind, kinds) if kinds is not None else True
    mask &= batch.t + shift >= start if start is not None else True
    mask &= batch.t + shift < stop if stop is not None else True
    return batch[mask]


def test_datasets_are_what_their_files_are(
    tmp_path: Path, seed: int, tries: Callable[[int, int], int]
) -> None:
    fsspec = pytest.importorskip("fsspec")
    files = fsspec.filesystem("memory")
    rng = np.random.default_rng(seed)
    for number in range(tries(quick=10, soak=1_500)):
        folder, url = tmp_path / str(number), f"memory://{tmp_path.name}/{number}"
        folder.mkdir()
        wall = bool(rng.random() < 0.5)
        batches, shifts = [], []
        for i in range(int(rng.integers(1, 6))):
            parts = [made(rng) for _ in range(int(rng.integers(1, 3)))]
            shifts.append(int(rng.integers(-3_000, 3_000)) if wall else 0)
            data = b"".join(
                stream(part, epoch=WALL_NS + shifts[-1], block_events=int(rng.choice([16, 100, 1_000])))
                for part in parts
            )
            (folder / f"{i}.evc").write_bytes(data)
            files.pipe_file(f"/{tmp_path.name}/{number}/{i}.evc", data)
            batches.append(evcodec.decode(data))
        zero = WALL_NS if wall else 0
        kinds = (
            rng.choice([0, 1, 2, 3, 200], int(rng.integers(1, 3))).tolist() if rng.random() < 0.5 else None
        )
        start, stop = (
            zero + int(rng.integers(-6_000, 40_000)) if rng.random() < 0.5 else None for _ in range(2)
        )
        columns = ("tilt", "t", "vk", "x") if rng.random() < 0.5 else None
        every = EventBatch.concat(batches)
        expected = EventBatch.concat(
            [every[:0]]
            + [
                chosen(batch, kinds, start, stop, zero + shift)
                for batch, shift in zip(batches, shifts, strict=True)
            ]
        )
        if columns is not None:
            known = {*every.columns}
            names = [name for name in columns if name in known or name in ("t", "vk", "x")]
            expected, columns = expected.select(names), tuple(names)
        options = {"clock": "wall" if wall else "session", "threads": int(rng.integers(1, 3))}
        for paths in (folder, url):
            dataset = evcodec.open_dataset(paths, **options)
            what = f"try {number} of seed {seed}: {paths} {columns} {kinds} {start} {stop}"
            assert dataset.read(columns, kinds, start, stop).equals(expected), what
            limited = dataset.filter(kinds=kinds, start=start, stop=stop)
            assert limited.read(columns).equals(expected), what
            pieces = [
                batch
                for split in limited.splits(int(rng.choice([1, 500, 10**6])))
                for batch in limited.read_split(split, columns)
            ]
            assert sum(map(len, pieces)) == len(expected), what
            assert not pieces or EventBatch.concat(pieces).equals(expected), what
    files.rm(f"/{tmp_path.name}", recursive=True)

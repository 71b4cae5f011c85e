"""Batches that make each way of storing a column the cheapest once; ``BATCHES`` is the whole table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from assemble import IDS
from evcodec import EventBatch
from generators import DTYPES, SHAPES, session

COUNTS = (0, 1, 2, 3, 4, 5, 300, 3_000)
INT64 = np.iinfo(np.int64)


def _hostile(dtype: str, count: int) -> EventBatch:
    """Give columns of one dtype that are all against some assumption."""
    rng = np.random.default_rng(count)
    found = {shape.__name__.strip("_"): shape(rng, count, np.dtype(dtype)) for shape in SHAPES}
    at = np.arange(count)
    found["progression"] = (at * 7 - 3).astype(dtype)
    found["falling"] = (at * -11 + 5).astype(dtype)
    found["squares"] = (at * at).astype(dtype)
    found["extremes_then_still"] = np.where(at < count // 2, found["extremes"], found["constant"])
    found["one_at_the_end"] = (at == count - 1).astype(dtype)
    return EventBatch(**found)


def _noises(rng: np.random.Generator, width: int, count: int) -> Iterator[tuple[str, np.ndarray]]:
    """Give what makes each layout of residuals the cheapest, under each transform."""
    spread = np.exp(rng.uniform(0, 20, count)).astype(np.int64)
    wide = np.exp2(rng.uniform(0, width - 2, count)).astype(np.int64)
    # few values, and rarely one of any size
    few = np.where(rng.random(count) < 0.02, spread, rng.choice([3, 1_000, 70_000], count))
    rare = np.where(rng.random(count) < 0.02, rng.integers(1, 1_000, count), 0)
    short = rng.integers(1, 400, count)
    long = np.exp(rng.uniform(0, 6, count)).astype(np.int64)
    signs = rng.choice([-1, 1], count)
    for name, noise in {
        "bytes": rng.integers(0, 200, count),
        "spread": spread,
        "few": few,
        "few and a constant": np.where(rng.random(count) < 0.01, 9_999_999, rng.choice([3, 1_000], count)),
        "few and wide": np.where(rng.random(count) < 0.3, wide, rng.choice([3, 1_000], count)),
        "rare": rare,
        "runs of wide": np.repeat(wide, 5)[:count],
        "runs": np.repeat(rng.integers(0, 2**14, count), short)[:count],
        "runs of spread": np.repeat(spread, long)[:count],
        "runs of two": np.repeat(rng.choice([5, 2**20], count), long)[:count],
        "even runs": np.repeat(rng.integers(0, 2**14, count), 30)[:count],
    }.items():
        yield name, noise
        yield f"sums of {name}", np.cumsum(noise)
        yield f"thousands of sums of {name}", 1_000 * np.cumsum(noise)
        yield f"sums of sums of {name}", np.cumsum(np.cumsum(noise * signs))


def _columns(width: int, count: int) -> EventBatch:
    """Give columns of one width, signed and unsigned by turns."""
    rng = np.random.default_rng([width, count])
    noises = list(_noises(rng, width, count))
    return EventBatch(
        **{name: noise.astype(f"{'u' * (i % 2)}int{width}") for i, (name, noise) in enumerate(noises)}
    )


BATCHES: dict[str, Callable[[], EventBatch]] = {
    **{f"hostile, {n} of {dtype}": lambda d=dtype, n=n: _hostile(d, n) for dtype in DTYPES for n in COUNTS},
    **{
        f"noises, {n} of {w} bits": lambda w=w, n=n: _columns(w, n)
        for w in (8, 16, 32, 64)
        for n in (60, 5_000)
    },
    "session": lambda: session(5_000),
    "events without columns": lambda: EventBatch(),
    "sparse by kind": lambda: _sparse(3_000, tuple(range(13))),
    "sparse by 256 kinds": lambda: _sparse(3_000, tuple(range(256))),
    "all of one kind": lambda: _sparse(500, (255,)),
    "t over all 64 bits": lambda: EventBatch(t=[INT64.min, INT64.max, 0, -1, INT64.max, INT64.min]),
    "every column": lambda: EventBatch(**{name: np.arange(9) % 5 for name in IDS}),
}


def _sparse(count: int, kinds: tuple[int, ...]) -> EventBatch:
    """Give columns that are zero for all but one, two, or half of the kinds."""
    rng = np.random.default_rng(len(kinds))
    kind = rng.choice(np.array(kinds, np.uint8), count)
    values = rng.integers(-(2**31), 2**31, (4, count))
    return EventBatch(
        t=np.cumsum(rng.integers(-5, 2_000_000, count)),
        kind=kind,
        x=np.where(kind == kinds[0], values[0], 0).astype(np.int32),
        code=np.where(np.isin(kind, kinds[-2:]), values[1], 0).astype(np.int32),
        context=np.where(kind % 2 == 0, values[2] % 7, 0).astype(np.uint32),
        pressure=np.where(kind % 2, values[3] % 4096, 0).astype(np.uint16),
        payload=np.zeros(count, np.uint32),
    )


# ---- what only some columns have ----


def _typing(width: int, count: int) -> EventBatch:
    """Keys that go up in about the order in which they went down, and buttons beside them."""
    rng = np.random.default_rng([width, count, 1])
    pool = rng.integers(0, 2 ** (width - 1), 60)
    kinds, codes, down = [], [], []
    while len(kinds) < count:
        if down and rng.random() < 0.55:
            codes.append(down.pop(0 if rng.random() < 0.9 else -1))
            kinds.append(5)
        elif len(down) < 3:
            codes.append(int(rng.choice(pool)))
            down.append(codes[-1])
            kinds.append(4)
        if down and rng.random() < 0.1:
            codes.append(down[-1])
            kinds.append(8)
        if rng.random() < 0.1:
            codes += [1, 1]
            kinds += [1, 2]
    dtype = f"int{width}"
    times = 10**9 + np.cumsum(rng.integers(10, 200, count)) * 1_000_000
    return EventBatch(t=times, kind=np.array(kinds[:count], np.uint8), code=np.array(codes[:count], dtype))


def _polled(count: int) -> EventBatch:
    """Give times of devices that report at ticks of their own, some of them missing, each late by something."""
    rng = np.random.default_rng(count)
    found = {}
    for name, period in [("t", 8_000_000), ("os_time", 1_000_000), ("coarse", 125_000), ("jumpy", 10_000)]:
        ticks = np.cumsum(rng.choice([1, 1, 1, 1, 1, 2, 7], count)) * period
        found[name] = ticks + rng.gamma(2, period / 60, count).astype(np.int64)
    found["jumpy"] += 2**40 * (np.arange(count) * 7 // count)
    found["microseconds"] = found["t"] // 1_000 * 1_000
    return EventBatch(**found)


def _by_kind(width: int, count: int) -> EventBatch:
    """Numbers that are small for one kind of event and large for another, or after small ones and large ones."""
    rng = np.random.default_rng([width, count, 2])
    kind = rng.choice(np.array([0, 1, 3], np.uint8), count)
    wide = rng.integers(0, 2 ** (width - 2), count)
    signs = rng.choice([-1, 1], count)
    found = {}
    for name, large in [
        ("kinds", kind == 1),
        ("times", np.arange(count) // 40 % 2 == 1),
        ("both", (kind == 1) & (np.arange(count) // 40 % 2 == 1)),
    ]:
        noise = np.where(large, wide, rng.integers(0, 3, count))
        found[name] = noise
        found[f"sums_of_{name}"] = np.cumsum(noise * signs)
        found[f"sums_of_sums_of_{name}"] = np.cumsum(np.cumsum(noise * signs))
    # ranges that only the kind tells apart
    found["apart"] = 30 * kind.astype(np.int64) + rng.integers(0, 4, count)
    return EventBatch(kind=kind, **{name: noise.astype(f"int{width}") for name, noise in found.items()})


for _width in (8, 16, 32, 64):
    for _count in (300, 5_000):
        BATCHES[f"typing, {_count} of {_width} bits"] = partial(_typing, _width, _count)
        BATCHES[f"by kind, {_count} of {_width} bits"] = partial(_by_kind, _width, _count)
for _count in (300, 5_000):
    BATCHES[f"polled, {_count}"] = partial(_polled, _count)

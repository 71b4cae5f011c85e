"""Batches for tests: hypothesis strategies for hostile ones, and small ones that look like a session."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from hypothesis import strategies as st

from evcodec import EventBatch, Writer

DTYPES = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
STANDARD = ("x", "y", "code", "dx", "dy", "source", "seq", "os_time", "flags", "vk", "modifiers", "payload")
YEAR_NS = 365 * 86_400 * 10**9
INT64 = np.iinfo(np.int64)
# When the clock of `stream_of` showed 0, in ns since 1970.
EPOCH = 1_700_000_000_000_000_000

SEEDS = st.integers(0, 2**32 - 1)
TIMES = st.one_of(st.integers(INT64.min, INT64.max), st.integers(-100, 5_000))


def _random(rng: np.random.Generator, count: int, dtype: np.dtype) -> np.ndarray:
    return rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, count, dtype, endpoint=True)


def _small(rng: np.random.Generator, count: int, dtype: np.dtype) -> np.ndarray:
    return rng.integers(0, 4, count).astype(dtype)


def _walk(rng: np.random.Generator, count: int, dtype: np.dtype) -> np.ndarray:
    """Walk in small steps from a random place; it may run over the edge and come back on the other side."""
    with np.errstate(over="ignore"):
        steps = rng.integers(-3, 4, count).astype(np.int64).astype(dtype)
        return (_random(rng, 1, dtype) + np.cumsum(steps, dtype=dtype)).astype(dtype)


def _extremes(rng: np.random.Generator, count: int, dtype: np.dtype) -> np.ndarray:
    bounds = np.iinfo(dtype)
    return np.where(np.arange(count) % 2, bounds.max, bounds.min).astype(dtype)


def _some_extremes(rng: np.random.Generator, count: int, dtype: np.dtype) -> np.ndarray:
    bounds = np.iinfo(dtype)
    edges = np.array([bounds.min, bounds.min + 1, 0, 1, bounds.max - 1, bounds.max], dtype)
    return np.where(rng.random(count) < 0.1, rng.choice(edges, count), dtype.type(7)).astype(dtype)


def _wide(rng: np.random.Generator, count: int, dtype: np.dtype) -> np.ndarray:
    """Values of every magnitude: each number of bits as likely as any other."""
    shifts = rng.integers(0, 8 * dtype.itemsize, count).astype(dtype)
    return _random(rng, count, dtype) >> shifts


def _constant(rng: np.random.Generator, count: int, dtype: np.dtype) -> np.ndarray:
    return np.repeat(_random(rng, 1, dtype), count)


def _zeros(rng: np.random.Generator, count: int, dtype: np.dtype) -> np.ndarray:
    return np.zeros(count, dtype)


def _runs(rng: np.random.Generator, count: int, dtype: np.dtype) -> np.ndarray:
    return np.repeat(_random(rng, count, dtype), rng.integers(1, 40, count))[:count]


def _multiples(rng: np.random.Generator, count: int, dtype: np.dtype) -> np.ndarray:
    """Walk in steps that share a divisor, as a coarse clock does; it wraps at the edge of the dtype."""
    scale = int(_random(rng, 1, dtype)[0])
    mask = 2 ** (8 * dtype.itemsize) - 1
    at, found = int(_random(rng, 1, dtype)[0]), []
    for step in rng.integers(-2, 50, count).tolist():
        at += scale * step
        found.append(at & mask)
    return np.array(found, f"u{dtype.itemsize}").view(dtype)


SHAPES = (_random, _small, _walk, _extremes, _some_extremes, _wide, _constant, _zeros, _runs, _multiples)


def _times(rng: np.random.Generator, count: int, manner: str) -> np.ndarray:
    """Return times that pass as clocks do when they misbehave."""
    if manner == "hostile":
        return SHAPES[int(rng.integers(len(SHAPES)))](rng, count, np.dtype(np.int64))
    steps = rng.integers(0, 20, count) * 1_000_000
    if manner == "backwards":
        steps = -steps
    elif manner == "still":
        steps[:] = 0
    elif manner == "years":
        steps[rng.random(count) < 0.1] = 80 * YEAR_NS
        steps[rng.random(count) < 0.1] = -80 * YEAR_NS
    return np.cumsum(steps) + int(rng.integers(0, 10**12))


@st.composite
def columns(draw: st.DrawFn, count: int) -> np.ndarray:
    """Draw a column of any integer dtype: hostile shapes of values, or values one by one."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    if count <= 8 and draw(st.booleans()):
        bounds = np.iinfo(dtype)
        edges = st.sampled_from([bounds.min, bounds.max, 0, 1])
        values = st.lists(edges | st.integers(bounds.min, bounds.max), min_size=count, max_size=count)
        return np.array(draw(values), dtype)
    rng = np.random.default_rng(draw(SEEDS))
    return draw(st.sampled_from(SHAPES))(rng, count, dtype)


def presented(draw: st.DrawFn, array: np.ndarray) -> np.ndarray:
    """Show the same values as arrays of callers do: strided, reversed, byte-swapped, unaligned, read-only."""
    manner = draw(
        st.sampled_from(("plain", "plain", "strided", "reversed", "swapped", "unaligned", "read-only"))
    )
    if manner == "strided":
        spread = np.full(3 * len(array), 99, array.dtype)
        spread[1::3] = array
        return spread[1::3]
    if manner == "reversed":
        return array[::-1].copy()[::-1]
    if manner == "swapped":
        return array.astype(array.dtype.newbyteorder())
    if manner == "unaligned":
        raw = np.zeros(array.nbytes + 1, np.uint8)
        raw[1:] = array.view(np.uint8)
        return raw[1:].view(array.dtype)
    found = array.copy()
    found.flags.writeable = manner != "read-only"
    return found


NAMES = st.one_of(
    st.sampled_from(STANDARD),
    st.sampled_from(
        ("pressure", "self", "name", "columns", "größe", "圧力", "a b", "\0", "🖱" * 16, "n" * 64)
    ),
    st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12),
).filter(lambda name: name not in ("t", "kind"))
SIZES = st.one_of(st.sampled_from((0, 1, 2, 3)), st.integers(0, 40), st.integers(200, 3_000))


@st.composite
def batches(draw: st.DrawFn, sizes: st.SearchStrategy[int] = SIZES) -> EventBatch:
    """Draw a batch of any integer columns."""
    count = draw(sizes)
    rng = np.random.default_rng(draw(SEEDS))
    found: dict[str, Any] = {}
    if draw(st.integers(0, 9)):
        manner = draw(st.sampled_from(("forward", "backwards", "still", "years", "hostile")))
        found["t"] = presented(draw, _times(rng, count, manner))
    if draw(st.integers(0, 9)):
        kinds = draw(st.sampled_from(((0,), (0, 0, 0, 1, 2, 3), (5,), range(13), range(256))))
        found["kind"] = presented(draw, rng.choice(np.array(kinds, np.uint8), count))
    for name in draw(st.lists(NAMES, max_size=5, unique=True)):
        values = draw(columns(count))
        if "kind" in found and draw(st.booleans()):
            # a field that does not apply to some kinds of event
            values = np.where(found["kind"] % 2 == draw(st.integers(0, 1)), values, values.dtype.type(0))
        found[name] = presented(draw, values)
    return batch_of(found)


def batch_of(columns: dict[str, Any]) -> EventBatch:
    """Return a batch of columns whatever they are called."""
    return EventBatch(**columns)


def session(count: int, seed: int = 0, start_ns: int = 1_000_000_000) -> EventBatch:
    """Return events of a person who moves, clicks, scrolls and types; every value can be told from its neighbours."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(np.array([0, 0, 0, 0, 0, 1, 2, 3, 4, 5], np.uint8), count)
    clicks, scrolls, keys = np.isin(kind, (1, 2)), kind == 3, np.isin(kind, (4, 5))
    return EventBatch(
        t=start_ns + np.cumsum(rng.integers(500_000, 1_500_000, count)),
        kind=kind,
        x=np.where(keys, 0, 900 + np.cumsum(rng.integers(-9, 10, count))).astype(np.int32),
        y=np.where(keys, 0, 500 + np.cumsum(rng.integers(-9, 10, count))).astype(np.int32),
        code=(rng.integers(1, 100, count) * (clicks | keys)).astype(np.int32),
        dx=np.zeros(count, np.int32),
        dy=(rng.integers(1, 4, count) * 120 * scrolls).astype(np.int32),
    )


def assert_same(found: EventBatch, expected: EventBatch) -> None:
    """Check that two batches hold the same events, column by column, dtypes too."""
    assert len(found) == len(expected)
    for name, values in expected.columns.items():
        assert found[name].dtype == values.dtype.newbyteorder("="), name
        np.testing.assert_array_equal(found[name], values, err_msg=name)
    for name in found.columns.keys() - expected.columns.keys():
        assert not found[name].any(), name


def stream_of(batch: EventBatch, rows: int = 1_000, contexts: bool = True, anchored: bool = True) -> bytes:
    """Return a stream of several blocks, with an anchor and contexts 1 and 2."""
    target = io.BytesIO()
    with Writer(target, metadata={"task": "x"}) as writer:
        if anchored:
            writer.anchor(7, EPOCH + 7)
        if contexts:
            writer.context("window", {"title": "Ärger"})
            writer.context("application", b"\0\1")
        for start in range(0, len(batch), rows):
            writer.write(batch[start : start + rows])
            writer.flush()
    return target.getvalue()

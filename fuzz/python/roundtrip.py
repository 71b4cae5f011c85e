"""Whatever batches and entries are written come back, through ``encode`` and through a Writer.

Input: choices of options, columns, values and entries.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np

import evcodec
from evcodec import EvcodecError, EventBatch, Reader, Writer
from evcodec.entries import Anchor, Context, Gap, Marker, Payload, Source, VideoAnchor
from evcodec.schema import INTEGER_DTYPES, STANDARD_COLUMNS
from evcodec.stream import verify

from .common import Input, require

LEVELS = ("fast", "balanced", "small")
NAMES = ("t", "kind", *STANDARD_COLUMNS, "v", "é", "a name", "x" * 64)


def _values(taken: Input, dtype: np.dtype, count: int) -> np.ndarray:
    """Return values of one manner: steps, few, any, constant."""
    manner = taken.byte()
    raw = np.frombuffer(taken.rest(min(count * 2, 64)).ljust(8, b"\1"), np.uint8)
    base = np.resize(raw, count).astype(np.int64)
    match manner & 3:
        case 0:
            values = np.cumsum(base * (1 << (manner >> 2 & 31)) - 128)
        case 1:
            values = base % 5
        case 2:
            values = base.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(manner)
        case _:
            values = np.full(count, taken.number(8))
    return values.astype(np.uint64).astype(dtype)


def _batch(taken: Input) -> EventBatch:
    count = taken.byte()
    columns: dict[str, Any] = {}
    for _ in range(1 + taken.byte() % 6):
        name = taken.choice(NAMES)
        standard = STANDARD_COLUMNS.get(name)
        own = standard.dtype if standard and name in ("t", "kind") else taken.choice(INTEGER_DTYPES)
        columns[name] = _values(taken, standard.dtype if standard and taken.byte() & 1 else own, count)
    return EventBatch(**columns)


def _value(taken: Input, depth: int = 0) -> Any:
    match taken.byte() % 8:
        case 0:
            return None
        case 1:
            return taken.number(8)
        case 2:
            return taken.rest(taken.byte() % 20).decode("utf-8", "surrogateescape")
        case 3:
            return taken.rest(taken.byte() % 20)
        case 4 if depth < 70:
            return [_value(taken, depth + 1) for _ in range(taken.byte() % 4)]
        case 5 if depth < 70:
            return {str(_value(taken, 99)): _value(taken, depth + 1) for _ in range(taken.byte() % 3)}
        case 6:
            return float(taken.number(4)) / 8
        case _:
            return bool(taken.byte() & 1)


def _entry(taken: Input) -> Any:
    t, name = taken.number(8), taken.rest(taken.byte() % 6).decode("latin-1")
    match taken.byte() % 7:
        case 0:
            return Source(
                index=taken.number(3),
                name=name,
                properties={"scale_exponent": taken.number(1), "any": _value(taken)},
            )
        case 1:
            return Context(index=taken.number(4), context_type=name, value=_value(taken))
        case 2:
            return Gap(
                reason=taken.byte(),
                t0=t,
                t1=t + taken.number(2),
                source=taken.byte() or None,
                lost=taken.number(4),
            )
        case 3:
            return Anchor(t=t, wall_ns=taken.number(8), clock=name or None, suspended_ns=taken.number(8))
        case 4:
            return VideoAnchor(
                t=t, pts=taken.number(8), time_base=(taken.number(4), taken.number(8)), uri=name or None
            )
        case 5:
            return Marker(t=t, name=name, data=_value(taken))
        case _:
            return Payload(index=taken.number(3), t=t, payload_type=name, data=_value(taken))


def _same(found: EventBatch, expected: EventBatch) -> None:
    require(len(found) == len(expected) or not expected.columns, "as many events come back")
    for name, values in expected.columns.items():
        require(
            name in found.columns and found[name].dtype == values.dtype, f"column {name!r} keeps its dtype"
        )
        require((found[name] == values).all(), f"values of {name!r} come back")


def run(data: bytes) -> None:
    """Write, read, compare."""
    taken = Input(data)
    shape = taken.byte()
    level = LEVELS[shape % 3]
    try:
        batch = _batch(taken)
        stream = evcodec.encode(batch, level)
    except EvcodecError:
        return
    _same(evcodec.decode(stream), batch)
    if not shape & 8:
        return
    target = io.BytesIO()
    written = []
    with Writer(target, level=level, block_events=1 + taken.byte() * 4) as writer:
        for _ in range(1 + taken.byte() % 3):
            writer.write(batch)
            for _ in range(taken.byte() % 4):
                try:
                    entry = _entry(taken)
                    writer.add(entry)
                except EvcodecError:
                    continue
                written.append(type(entry).__name__)
    with Reader(target.getvalue()) as reader:
        found = reader.read()
        entries = [type(entry).__name__ for entry in reader.entries()]
    require(len(found) % max(len(batch), 1) == 0, "whole batches come back")
    if len(batch):
        _same(found[: len(batch)], batch)
        _same(found[len(found) - len(batch) :], batch)
    require(sorted(entries) == sorted(written), "entries come back")
    require(verify(target.getvalue()).ok, "what was written is sound")


def seeds() -> Iterator[bytes]:
    """Yield choices of every kind."""
    for n in range(120):
        step = 7 * n + 3
        yield bytes((n, 2 + n, n % 6)) + bytes((i * step * 31 >> 2) & 255 for i in range(20 + n))

"""Real recordings, in every way that events can be written and read: what comes back is what went in."""

from __future__ import annotations

import io
from functools import cache
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest

import evcodec
from evcodec import EventBatch, EventKind, Reader, Writer
from generators import assert_same

NAMES = (
    "angry_user_mixed",
    "balabit",
    "ducktrack",
    "evemu_devices",
    "gousekid_aim",
    "owa_samples",
    "pohmm_villani_text",
    "sapimouse",
)


@cache
def _load(path: Path) -> EventBatch:
    with np.load(path) as arrays:
        return EventBatch(**{name: arrays[name] for name in arrays.files})


@pytest.fixture(params=NAMES)
def recording(request: pytest.FixtureRequest, shared_data: Path) -> EventBatch:
    """All events of a recording, each with the column ``session``."""
    path = shared_data / "columns" / f"{request.param}.npz"
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    return _load(path)


def _pieces(batch: EventBatch, sizes: tuple[int, ...]) -> list[EventBatch]:
    found, at = [], 0
    for size in cycle(sizes):
        if at >= len(batch):
            return found
        found.append(batch[at : at + size])
        at += size
    raise AssertionError("sizes never end")


def test_whole_recordings(recording):
    data = evcodec.encode(recording)
    assert len(data) < recording.t.nbytes
    assert_same(evcodec.decode(data), recording)


@pytest.mark.parametrize(("level", "events"), [("fast", 200_000), ("small", 20_000)])
def test_other_levels(recording, level, events):
    for start in (0, len(recording) // 2):
        part = recording[start : start + events]
        assert len(part)
        assert_same(evcodec.decode(evcodec.encode(part, level=level)), part)


@pytest.mark.parametrize("level", ["fast", "balanced"])
def test_bulk_in_odd_pieces(recording, level):
    part = recording[:60_000]
    target = io.BytesIO()
    with Writer(target, level=level, block_events=10_007) as writer:
        for piece in _pieces(part, (1, 4_999, 0, 13, 10_007, 30_001)):
            writer.write(piece)
    with Reader(target.getvalue()) as reader:
        assert len(reader) == len(part)
        assert reader.columns == {name: values.dtype for name, values in part.columns.items()}
        assert reader.kinds == dict(
            zip(*[a.tolist() for a in np.unique(part.kind, return_counts=True)], strict=True)
        )
        assert (reader.start, reader.stop) == (int(part.t.min()), int(part.t.max()))
        assert_same(reader.read(), part)
        assert_same(EventBatch.concat(reader.batches()), part)


def append_live(writer: Writer, batch: EventBatch) -> None:
    """Append a batch event by event, with the method that a recorder would use."""
    rows = zip(*(batch[name].tolist() for name in ("t", "kind", "x", "y", "code", "dx", "dy")), strict=True)
    for t, kind, x, y, code, dx, dy in rows:
        if kind == EventKind.MOVE and not (code or dx or dy):
            writer.move(t, x, y)
        elif kind in (EventKind.BUTTON_DOWN, EventKind.BUTTON_UP) and not (dx or dy):
            writer.button(t, code, kind == EventKind.BUTTON_DOWN, x, y)
        elif kind == EventKind.SCROLL and not code:
            writer.scroll(t, dx, dy, x, y)
        elif kind in (EventKind.KEY_DOWN, EventKind.KEY_UP) and not (x or y or dx or dy):
            writer.key(t, code, kind == EventKind.KEY_DOWN)
        else:
            writer.event(kind, t, x=x, y=y, code=code, dx=dx, dy=dy)


def test_live_event_by_event(recording, tmp_path):
    part = recording[:20_000].select(("t", "kind", "x", "y", "code", "dx", "dy"))
    path = tmp_path / "live.evc"
    with Writer(path, flush_interval_s=0.02) as writer:
        append_live(writer, part)
    with Reader(path) as reader:
        assert_same(reader.read(), part)


def test_kinds_of_a_recording(recording):
    """What a reader gives of each kind is what numpy finds."""
    part = recording[:100_000]
    with Reader(evcodec.encode(part, level="fast")) as reader:
        for kind in np.unique(part.kind).tolist():
            found = reader.read(columns=("t", "x", "code"), kinds=(kind,))
            assert_same(found, part[part.kind == kind].select(("t", "x", "code")))


@pytest.mark.parametrize("distinct", [250, 254, 255, 256, 257, 300])
def test_as_many_frequent_values_as_there_are_codes(distinct: int) -> None:
    """Each wants a bin of its own, and two codes are spare."""
    rng = np.random.default_rng(distinct)
    values = rng.integers(-(2**62), 2**62, distinct)
    batch = EventBatch(t=np.arange(16_000), v=np.tile(values, 1 + 16_000 // distinct)[:16_000])
    shuffled = rng.permutation(len(batch))
    batch = EventBatch(t=batch.t, v=batch["v"][shuffled])
    assert evcodec.decode(evcodec.encode(batch, level="small")).equals(batch)

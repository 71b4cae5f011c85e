"""The reference decoder and the real one agree on whatever streams the real writer writes."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evcodec
import evcodec.stream
from agreement import agree
from evcodec import EventBatch, GapReason, Writer
from generators import session
from reference import Decoded

LEVELS = ("fast", "balanced", "small")
INT64 = np.iinfo(np.int64)


class Wire(io.RawIOBase):
    """Takes bytes, and can neither seek nor tell."""

    def __init__(self) -> None:
        super().__init__()
        self.data = b""

    def writable(self) -> bool:
        """Say that it can be written."""
        return True

    def write(self, data: Any) -> int:
        """Take all of it."""
        self.data += bytes(data)
        return len(data)


def _write_live(writer: Writer, seed: int, count: int = 400) -> None:
    """Append events one by one, of all the methods, with flushes between them."""
    rng = np.random.default_rng(seed)
    t = 10**9
    for i in range(count):
        t += int(rng.integers(-1_000, 2_000_000))
        x, y = (int(v) for v in rng.integers(-(2**31), 2**31, 2) >> int(rng.integers(0, 31)))
        match int(rng.integers(6)):
            case 0 | 1:
                writer.move(t, x, y)
            case 2:
                writer.button(t, i % 5, i % 2, x, y)
            case 3:
                writer.scroll(t, 0, 120 * (i % 3 - 1), x, y)
            case 4:
                writer.key(t, i % 256, i % 2)
            case 5:
                writer.event(200 + i % 3, t, pressure=i, source=1, os_time=-t)
        if i % 90 == 89:
            writer.flush()


def _write_entries(writer: Writer) -> None:
    """Put an entry of each type, with and without what is optional, at its bounds."""
    source = writer.source("mouse", scale_exponent=-8, absolute=True, time_unit_ns=100)
    writer.context("window", {"title": "w", "rect": [0, -5, 2**63, 1.5, None, True, b"\x00"]})
    writer.context("display", None)
    writer.gap(GapReason.KERNEL_DROP, INT64.min, INT64.max, source=source, lost=2**64 - 1)
    writer.gap(255, 5, 5)
    writer.anchor(1, 2, clock="boottime", boot_id="b", suspended_ns=-3)
    writer.anchor(INT64.min, INT64.max)
    writer.video_anchor(1, -2, time_base=(1, 90_000), uri="file:v.mp4")
    writer.video_anchor(3, 4)
    writer.marker(5, "m", {"a": [1, {"b": "c"}]})
    writer.marker(6, "")
    writer.payload("text", "hällo", t=7)
    writer.payload("blob", bytes(range(256)) * 40, t=INT64.min)


ENTRY_COUNTS = {1: 1, 2: 2, 3: 2, 4: 2, 5: 2, 6: 2, 7: 2}
METADATA = {"who": "nobody", "screen": [1920, 1080], "nested": {"a": {"b": [None, 1.5, True]}}}
GOVERNANCE = {
    "purpose": "tests",
    "policy_digest": b"\x01",
    "notice_id": "n",
    "retain_until_ns": 2**62,
    "recipient_key_ids": ["k"],
}


def _types(decoded: Decoded) -> dict[int, int]:
    return dict(Counter(kind for kind, _, _ in decoded.entries))


@pytest.mark.parametrize("level", LEVELS)
def test_live_streams(level: str) -> None:
    """A stream that was recorded event by event, over a wire."""
    wire = Wire()
    with Writer(wire, level=level, metadata=METADATA, governance=GOVERNANCE) as writer:
        _write_live(writer, 1)
        _write_entries(writer)
        _write_live(writer, 2)
    decoded = agree(wire.data)
    assert decoded.count == 800
    assert len(decoded.streams[0].blocks) > 4
    assert _types(decoded) == ENTRY_COUNTS
    assert {position for _, position, _ in decoded.entries} == {400}


def test_a_stream_that_is_cut_between_records() -> None:
    """Each part of a live stream that ends behind a record is a stream, though nothing was ended."""
    wire = Wire()
    with Writer(wire) as writer:
        _write_live(writer, 1)
        _write_entries(writer)
    whole = agree(wire.data).streams[0]
    assert [record.type for record in whole.records[-2:]] == [4, 5]
    for record in whole.records[:-1]:
        decoded = agree(wire.data[: record.offset + record.size])
        assert decoded.streams[0].end is None


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("block_events", [1, 7, 1_000, 1_048_576])
def test_bulk_streams(level: str, block_events: int) -> None:
    """Batches of any size, in blocks of any size, with entries between them."""
    batch = session(1_500)
    target = io.BytesIO()
    with Writer(target, level=level, block_events=block_events, metadata=METADATA) as writer:
        writer.write(batch[:300])
        writer.write(batch[300:301])
        _write_entries(writer)
        writer.write(batch[301:])
    decoded = agree(target.getvalue(), batch)
    assert len(decoded.streams[0].blocks) >= len(batch) // block_events
    assert _types(decoded) == ENTRY_COUNTS


def test_columns_that_come_and_go() -> None:
    """Columns that blocks lack, or store under other dtypes, and the index that lists them all."""
    batches = [
        EventBatch(t=[1, 2], x=np.array([-3, 4], np.int8)),
        EventBatch(t=[3], y=np.array([2**40]), late=np.array([7], np.uint64)),
        EventBatch(x=np.array([2**31 - 1, 0], np.int32), kind=[9, 200]),
        EventBatch(t=[INT64.min], x=np.array([-(2**63)]), late=np.array([1], np.uint8)),
    ]
    target = io.BytesIO()
    with Writer(target) as writer:
        for batch in batches:
            writer.write(batch)
            writer.flush()
    decoded = agree(target.getvalue(), EventBatch.concat(batches))
    assert {d["x"] for d in decoded.dtypes if "x" in d} == {"int8", "int32", "int64"}
    assert decoded.streams[0].index is not None


def test_merged_streams(tmp_path: Path) -> None:
    """A live recording whose small blocks were joined when it was closed."""
    made = {}
    for merge in (False, True):
        path = tmp_path / f"{merge}.evc"
        with Writer(path, merge_on_close=merge, metadata=METADATA) as writer:
            _write_live(writer, 3)
            _write_entries(writer)
            _write_live(writer, 4)
        made[merge] = agree(path.read_bytes())
    assert len(made[True].streams[0].blocks) < len(made[False].streams[0].blocks)
    assert made[True].events == made[False].events
    assert made[True].entries == made[False].entries


def test_appended_streams(tmp_path: Path) -> None:
    """A path that was appended to twice: one run of events, whose definitions hold to the end."""
    path = tmp_path / "appended.evc"
    for seed, mode in enumerate("waa"):
        with Writer(path, mode=mode, metadata=METADATA if mode == "w" else None) as writer:
            if mode == "w":
                _write_entries(writer)
            _write_live(writer, seed, 100)
    decoded = agree(path.read_bytes())
    assert decoded.count == 300
    again = [entry for stream in decoded.streams[1:] for entry in stream.entries]
    first = {
        (kind, fields["index"]): fields for kind, _, fields in decoded.streams[0].entries if "index" in fields
    }
    for kind, _, fields in again:
        assert first[kind, fields["index"]] == fields


def test_concatenated_streams(tmp_path: Path) -> None:
    """Streams end to end, with and without an end, and what repair and compact make of them."""
    batch = session(700)
    parts = [batch[:400], batch[:0], batch[400:450], batch[450:]]
    data = b"".join(
        evcodec.encode(part, level=level) for part, level in zip(parts, [*LEVELS, "fast"], strict=True)
    )
    live = io.BytesIO()
    with Writer(live) as writer:
        _write_entries(writer)
        writer.write(batch)
    unended = decoded_prefix(live.getvalue())
    whole = unended + data + live.getvalue()
    expected = EventBatch.concat([batch, batch, batch])
    decoded = agree(whole, expected)
    assert [stream.end is None for stream in decoded.streams] == [True, False, False, False, False, False]
    assert evcodec.stream.repair(whole, tmp_path / "repaired.evc").ok
    assert agree((tmp_path / "repaired.evc").read_bytes(), expected).entries == decoded.entries
    evcodec.stream.compact(whole, tmp_path / "compact.evc")
    compacted = agree((tmp_path / "compact.evc").read_bytes(), expected)
    assert {kind for kind, _, _ in compacted.entries} == {kind for kind, _, _ in decoded.entries}


def decoded_prefix(data: bytes) -> bytes:
    """Cut INDEX and END off."""
    return data[: next(r.offset for r in agree(data).streams[0].records if r.type in (4, 5))]


def test_streams_of_nothing() -> None:
    """A recording in which nothing happened."""
    target = io.BytesIO()
    Writer(target, metadata=METADATA, governance=GOVERNANCE).close()
    decoded = agree(target.getvalue())
    assert decoded.count == 0
    assert decoded.streams[0].header["governance"] == GOVERNANCE


# ---- recordings of people ----

RECORDINGS = (
    "angry_user_mixed",
    "balabit",
    "ducktrack",
    "evemu_devices",
    "gousekid_aim",
    "owa_samples",
    "pohmm_villani_text",
    "sapimouse",
)


@pytest.mark.parametrize("name", RECORDINGS)
def test_recordings(name: str, shared_data: Path) -> None:
    """The first events of a real recording, at all levels."""
    path = shared_data / "columns" / f"{name}.npz"
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    with np.load(path) as arrays:
        batch = EventBatch(**{column: arrays[column][:3_000] for column in arrays.files})
    for level in LEVELS:
        agree(evcodec.encode(batch, level=level), batch)

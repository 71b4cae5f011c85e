"""The reference decoder and the real one agree on whatever the real writer writes."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evcodec
import evcodec.stream
from agreement import agree
from assemble import IDS
from evcodec import EventBatch, GapReason, Writer
from generators import DTYPES, SHAPES, session
from reference import Decoded
from reference_sequence import Sequence

LEVELS = ("fast", "balanced", "small")
COUNTS = (0, 1, 2, 3, 4, 5, 300, 3_000)
INT64 = np.iinfo(np.int64)

# ---- columns ----


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


@cache
def _encoded(name: str, level: str) -> Decoded:
    """Encode a batch, let both decoders read it, and give what the reference found."""
    batch = BATCHES[name]()
    return agree(evcodec.encode(batch, level=level), batch)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", BATCHES)
def test_encoded_batches(name: str, level: str) -> None:
    """All columns of a batch come back, with their dtypes."""
    decoded = _encoded(name, level)
    expected = {column: str(values.dtype) for column, values in BATCHES[name]().columns.items()}
    for dtypes in decoded.dtypes:
        assert dtypes == expected


# ---- what of the document's tables occurs ----


def _sequences(decoded: Decoded) -> Iterator[Sequence]:
    for stream in decoded.streams:
        for block in stream.blocks:
            for table in block.tables.values():
                yield from (s for column in table.columns for s in column.sequences())


@pytest.fixture(scope="module")
def used() -> Counter[Any]:
    """Count what the encoder used for all batches at all levels."""
    found: Counter[Any] = Counter()
    for name in BATCHES:
        for level in LEVELS:
            decoded = _encoded(name, level)
            for stream in decoded.streams:
                for block in stream.blocks:
                    for table in block.tables.values():
                        found.update(("codec", codec) for codec, _ in table.parts)
                        found["parts", min(len(table.parts), 2)] += 1
                        found.update(("dtype", column.dtype) for column in table.columns)
                        found.update(("mask", all(c.mask), any(c.mask)) for c in table.columns)
            for s in _sequences(decoded):
                found["sequence", s.width, s.transform, s.layout] += 1
                found["scale", s.transform, s.scale > 1] += 1
                roles = ("escapes",) if s.layout == 2 else ("run values", "run lengths")
                found.update((role, inner.layout) for role, inner in zip(roles, s.inner, strict=False))
                if s.layout == 2:
                    found["with escapes", bool(s.inner)] += 1
    return found


# What the encoder never finds the shortest; the hand-made vectors hold it. Second differences in runs are shorter
# under another transform, a token of a byte is the byte, and a dictionary of bytes saves nothing on second differences.
NEVER_CHOSEN = {(width, 2, 4) for width in (8, 16, 32, 64)} | {
    (8, t, layout) for t in range(3) for layout in (2, 3)
}
CELLS = [(w, t, layout) for w in (8, 16, 32, 64) for t in range(3) for layout in range(5)]


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell not in NEVER_CHOSEN], ids=str)
def test_every_encoding_occurs(used: Counter[Any], cell: tuple[int, int, int]) -> None:
    """Each transform meets each layout at each width, so that no cell of the tables goes unread."""
    assert used["sequence", *cell]


@pytest.mark.parametrize(
    "what",
    [
        *[("escapes", layout) for layout in (0, 1, 3)],
        # neighbouring runs differ, so their values are never constant; and a block holds too few runs for
        # their lengths to be shorter as tokens
        *[("run values", layout) for layout in (1, 3)],
        *[("run lengths", layout) for layout in (0, 1)],
        *[("dtype", dtype) for dtype in DTYPES],
        *[("scale", transform, above_one) for transform in (1, 2) for above_one in (False, True)],
        ("with escapes", True),
        ("with escapes", False),
        ("codec", 0),
        ("codec", 1),
        *[("parts", count) for count in range(3)],
        *[("mask", *mask) for mask in [(True, True), (False, True), (False, False)]],
    ],
    ids=str,
)
def test_everything_else_of_a_table_occurs(used: Counter[Any], what: tuple[Any, ...]) -> None:
    """Inner sequences, dtypes, scales, codecs, shared and own parts, full, partial and empty masks."""
    assert used[what]


# ---- streams ----


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

"""Entries: what a stream says beside its events, in order, at its place, within its limits."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evcodec import (
    Anchor,
    Context,
    Entry,
    EventBatch,
    Gap,
    GapReason,
    InvalidArgumentError,
    Marker,
    Payload,
    Reader,
    Source,
    VideoAnchor,
    Writer,
)
from evcodec.stream import verify
from reference import decode_stream

LOW, HIGH = -(2**63), 2**63 - 1


def read_entries(target: io.BytesIO) -> list[Entry]:
    """Return all entries of a closed stream, after the reference has found the same number."""
    data = target.getvalue()
    with Reader(data) as reader:
        found = list(reader.entries())
    assert len(decode_stream(data).entries) == len(found)
    assert verify(data).ok
    return found


def test_every_entry_comes_back_as_it_was():
    target = io.BytesIO()
    with Writer(target) as writer:
        assert writer.source("mouse", scale_exponent=-8, clock_id="evdev", anything=[1, {"a": b"x"}]) == 1
        writer.move(1, 0, 0)
        assert writer.context("window", {"title": "Ünïcode", "pid": 7}) == 1
        writer.gap(GapReason.PAUSED, 2, 5, source=1, lost=2**64 - 1)
        writer.gap(200, LOW, HIGH)
        writer.move(6, 0, 0)
        writer.anchor(7, 1_700_000_000_000_000_000, clock="CLOCK_MONOTONIC", boot_id="b", suspended_ns=-1)
        writer.anchor(LOW, HIGH)
        writer.video_anchor(8, 90_000, time_base=(1, 90_000), uri="v.mp4")
        writer.video_anchor(9, -1)
        writer.marker(10, "start", {"n": [None, True, 1.5]})
        writer.marker(11, "")
        assert writer.payload("text", "x" * 1_000, t=12) == 1
        assert writer.payload("raw", b"\0\xff", t=-13) == 2
    expected = [
        Source(
            index=1,
            name="mouse",
            properties={"scale_exponent": -8, "clock_id": "evdev", "anything": [1, {"a": b"x"}]},
        ),
        Context(index=1, context_type="window", value={"title": "Ünïcode", "pid": 7}, position=1),
        Gap(reason=3, t0=2, t1=5, source=1, lost=2**64 - 1, position=1),
        Gap(reason=200, t0=LOW, t1=HIGH, position=1),
        Anchor(
            t=7,
            wall_ns=1_700_000_000_000_000_000,
            clock="CLOCK_MONOTONIC",
            boot_id="b",
            suspended_ns=-1,
            position=2,
        ),
        Anchor(t=LOW, wall_ns=HIGH, position=2),
        VideoAnchor(t=8, pts=90_000, time_base=(1, 90_000), uri="v.mp4", position=2),
        VideoAnchor(t=9, pts=-1, position=2),
        Marker(t=10, name="start", data={"n": [None, True, 1.5]}, position=2),
        Marker(t=11, name="", position=2),
        Payload(index=1, t=12, payload_type="text", data="x" * 1_000, position=2),
        Payload(index=2, t=-13, payload_type="raw", data=b"\0\xff", position=2),
    ]
    found = read_entries(target)
    assert sorted(found, key=lambda e: e.type) == sorted(expected, key=lambda e: e.type)
    with Reader(target.getvalue()) as reader:
        assert reader.sources == expected[:1]
        assert reader.contexts == expected[1:2]
        assert reader.gaps == expected[2:4]
        assert reader.anchors == expected[4:6]
        assert reader.video_anchors == expected[6:8]
        assert reader.markers == expected[8:10]
        assert reader.payloads == expected[10:]
        assert list(reader.entries(Gap, Marker)) == expected[2:4] + expected[8:10]


def test_entries_come_in_the_order_in_which_they_were_added():
    """In each group: those of two groups stand in records of their own."""
    target = io.BytesIO()
    with Writer(target) as writer:
        writer.context("window", 1)
        writer.marker(1, "first")
        writer.payload("text", "a", t=1)
        writer.marker(2, "second")
        writer.context("window", 2)
    found = read_entries(target)
    assert [e.name for e in found if isinstance(e, Marker)] == ["first", "second"]
    assert [e.type for e in found if not isinstance(e, Marker)] == [2, 7, 2]


@pytest.mark.parametrize("bulk", [False, True])
def test_position_counts_the_events_before(bulk):
    target = io.BytesIO()
    with Writer(target, block_events=7) as writer:
        for number in range(30):
            writer.marker(number, f"{number}")
            for t in range(number):
                if bulk:
                    writer.write(EventBatch(t=[t]))
                else:
                    writer.move(t, 0, 0)
    with Reader(target.getvalue()) as reader:
        assert [marker.position for marker in reader.markers] == [sum(range(number)) for number in range(30)]


def test_position_survives_merging(tmp_path):
    path = tmp_path / "s.evc"
    with Writer(path) as writer:
        for number in range(20):
            writer.move(number, 0, 0)
            writer.marker(number, f"{number}")
            writer.flush()
    with Reader(path) as reader:
        assert len(reader.blocks) == 1
        assert [(m.name, m.position) for m in reader.markers] == [(f"{n}", n + 1) for n in range(20)]


def test_equal_sources_and_contexts_are_one():
    target = io.BytesIO()
    with Writer(target) as writer:
        assert [writer.source("a"), writer.source("b"), writer.source("a")] == [1, 2, 1]
        assert writer.source("a", absolute=True) == 3
        assert writer.source("a", absolute=True) == 3
        values: list[Any] = [{"t": 1}, {"t": 2}, {"t": 1}, [1], "1", 1, b"1", None, True, 1.0]
        found = [writer.context("window", value) for value in values]
        assert found == [1, 2, 1, 3, 4, 5, 6, 7, 8, 9]
        assert writer.context("application", {"t": 1}) == 10
    entries = read_entries(target)
    assert [e.index for e in entries if isinstance(e, Source)] == [1, 2, 3]
    assert [e.index for e in entries if isinstance(e, Context)] == list(range(1, 11))


def test_an_index_of_ones_own_and_those_that_follow():
    target = io.BytesIO()
    with Writer(target) as writer:
        writer.add(Context(index=40, context_type="window", value="a", position=99))
        assert writer.context("window", "a") == 40
        assert writer.context("window", "b") == 41
        with pytest.raises(InvalidArgumentError, match="40"):
            writer.add(Context(index=40, context_type="window", value="c"))
        writer.add(Source(index=65_535, name="last"))
        with pytest.raises(InvalidArgumentError, match="index"):
            writer.source("one too many")
        writer.add(Payload(index=9, t=0, payload_type="x", data=1))
        assert writer.payload("x", 2, t=0) == 10
    with Reader(target.getvalue()) as reader:
        assert [(c.index, c.value, c.position) for c in reader.contexts] == [(40, "a", 0), (41, "b", 0)]
        assert [s.index for s in reader.sources] == [65_535]


def test_an_index_is_defined_once():
    target = io.BytesIO()
    with Writer(target) as writer:
        writer.add(Payload(index=1, t=0, payload_type="x", data=1))
        with pytest.raises(InvalidArgumentError, match="index"):
            writer.add(Payload(index=1, t=0, payload_type="x", data=2))
        writer.add(Source(index=1, name="a"))
        with pytest.raises(InvalidArgumentError, match="index"):
            writer.add(Source(index=1, name="b"))
    assert len(read_entries(target)) == 2


BAD: dict[str, Callable[[Writer], Any]] = {
    "gap backwards": lambda w: w.gap(1, 5, 4),
    "gap float": lambda w: w.gap(1, 0.5, 4),
    "gap too late": lambda w: w.gap(1, 0, 2**63),
    "gap reason 0": lambda w: w.gap(0, 0, 1),
    "gap reason 256": lambda w: w.gap(256, 0, 1),
    "gap reason none": lambda w: w.gap(None, 0, 1),
    "gap lost negative": lambda w: w.gap(1, 0, 1, lost=-1),
    "gap lost too many": lambda w: w.gap(1, 0, 1, lost=2**64),
    "gap source too large": lambda w: w.gap(1, 0, 1, source=65_536),
    "anchor float": lambda w: w.anchor(1, 1.5),
    "anchor clock": lambda w: w.anchor(1, 1, clock=5),
    "video base of zero": lambda w: w.video_anchor(1, 1, time_base=(1, 0)),
    "video base of three": lambda w: w.video_anchor(1, 1, time_base=(1, 2, 3)),
    "video base of floats": lambda w: w.video_anchor(1, 1, time_base=(1.0, 2.0)),
    "video uri": lambda w: w.video_anchor(1, 1, uri=b"x"),
    "marker name": lambda w: w.marker(1, None),
    "marker bool": lambda w: w.marker(True, "x"),
    "source scale": lambda w: w.source("a", scale_exponent=1),
    "source scale too small": lambda w: w.source("a", scale_exponent=-17),
    "source scale float": lambda w: w.source("a", scale_exponent=-1.0),
    "source name": lambda w: w.source(5),
    "context type": lambda w: w.context(None, 1),
    "payload type": lambda w: w.payload(1, "x", t=0),
    "unknown object": lambda w: w.marker(1, "x", object()),
    "integer too large": lambda w: w.marker(1, "x", 2**64),
    "integer too small": lambda w: w.marker(1, "x", -(2**63) - 1),
    "keys of a map": lambda w: w.context("window", {1: 2}),
    "too many elements": lambda w: w.marker(1, "x", list(range(16_385))),
    "too many keys": lambda w: w.marker(1, "x", {f"{i}": i for i in range(16_385)}),
    "lone surrogate": lambda w: w.marker(1, "\ud800"),
    "too much": lambda w: w.payload("x", b"\0" * (16 * 2**20 + 1), t=0),
    "entry of no kind": lambda w: w.add(Entry()),
    "no entry": lambda w: w.add("gap"),
    "index 0": lambda w: w.add(Context(index=0, context_type="window", value=1)),
    "index too large": lambda w: w.add(Payload(index=2**32, t=0, payload_type="x", data=1)),
    "position is set, not checked": lambda w: w.add(Marker(t="x", name="y", position=0)),
}


@pytest.mark.parametrize("call", BAD.values(), ids=BAD)
def test_a_bad_entry_is_refused_and_leaves_nothing_behind(call):
    target = io.BytesIO()
    with Writer(target) as writer:
        writer.move(1, 0, 0)
        with pytest.raises(InvalidArgumentError) as caught:
            call(writer)
        assert any(word in str(caught.value) for word in ("found", "allowed", "exceeds"))
        writer.marker(1, "good")
        assert writer.source("first") == 1
        assert writer.context("first", 1) == 1
        assert writer.payload("first", 1, t=0) == 1
    assert [e.type for e in sorted(read_entries(target), key=lambda e: e.type)] == [1, 2, 6, 7]


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_nesting_has_a_limit():
    """The entry itself and its fields are two of the 64 levels."""
    target = io.BytesIO()
    with Writer(target) as writer:
        writer.marker(1, "deep", _nested(62))
        for depth in (63, 64, 1_000, 100_000):
            with pytest.raises(InvalidArgumentError, match=r"nest|recurs|deep"):
                writer.marker(1, "deeper", _nested(depth))
    (marker,) = read_entries(target)
    assert marker.data == _nested(62)  # type: ignore[attr-defined]


def test_the_largest_arrays_and_payloads_survive():
    target = io.BytesIO()
    with Writer(target) as writer:
        writer.marker(1, "m", list(range(16_384)))
        for number in range(3):
            writer.payload("raw", bytes([number]) * (7 * 2**20), t=number)
    found = read_entries(target)
    assert [e.data for e in found if isinstance(e, Marker)] == [list(range(16_384))]
    assert [(e.data[:1], len(e.data)) for e in found if isinstance(e, Payload)] == [
        (bytes([number]), 7 * 2**20) for number in range(3)
    ]


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(LOW, 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
)
KEYS = st.text() | st.binary()
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4)
)
TEXT = st.text(st.characters(exclude_categories=("Cs",)))


@given(st.lists(st.tuples(st.integers(LOW, HIGH), TEXT, VALUES), max_size=8))
def test_any_msgpack_value_survives(entries):
    target = io.BytesIO()
    with Writer(target) as writer:
        for t, name, value in entries:
            writer.marker(t, name, value)
            writer.payload(name, value, t=t)
    with Reader(target.getvalue()) as reader:
        assert [(m.t, m.name, m.data) for m in reader.markers] == entries
        assert [(p.t, p.payload_type, p.data) for p in reader.payloads] == entries


GOVERNANCE = {
    "purpose": "training of agents",
    "policy_digest": b"\x01\x02",
    "notice_id": "n-7",
    "retain_until_ns": 2_000_000_000_000_000_000,
    "recipient_key_ids": ["a", "b"],
}


def test_governance_comes_back():
    for given_ in ({}, GOVERNANCE, {"policy_digest": "sha256:00"}, {"recipient_key_ids": []}):
        target = io.BytesIO()
        with Writer(target, governance=given_):
            pass
        with Reader(target.getvalue()) as reader:
            assert reader.governance == given_


@pytest.mark.parametrize(
    "wrong",
    [
        {"purpose": 5},
        {"purpose": None},
        {"policy_digest": 7},
        {"notice_id": b"x"},
        {"retain_until_ns": 1.5},
        {"retain_until_ns": 2**63},
        {"recipient_key_ids": "abc"},
        {"recipient_key_ids": [1]},
        {"purposes": "a typing error"},
        {5: "x"},
        [("purpose", "x")],
    ],
    ids=repr,
)
def test_wrong_governance_is_refused(wrong):
    target = io.BytesIO()
    with pytest.raises(InvalidArgumentError, match="governance"):
        Writer(target, governance=wrong)
    assert target.getvalue() == b""


def test_metadata_has_a_limit():
    with pytest.raises(InvalidArgumentError, match="1048576"):
        Writer(io.BytesIO(), metadata={"a": b"x" * 2**20})
    target = io.BytesIO()
    most = {"a": b"x" * (2**20 - 60), "größe": {"": [None]}}
    with Writer(target, metadata=most):
        pass
    with Reader(target.getvalue()) as reader:
        assert reader.metadata == most


def test_entries_do_not_change():
    marker = Marker(t=1, name="x")
    with pytest.raises(dataclasses.FrozenInstanceError):
        marker.t = 2  # type: ignore[misc]
    assert marker == Marker(t=1, name="x")
    assert Gap(reason=GapReason.ERASED, t0=0, t1=0) == Gap(reason=8, t0=0, t1=0)


def test_entries_of_a_pipe_come_as_it_is_read():
    target = io.BytesIO()
    with Writer(target) as writer:
        writer.marker(1, "a")
        writer.move(1, 0, 0)
        writer.flush()
        writer.marker(2, "b")
        writer.move(2, 0, 0)

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    with Reader(Pipe(target.getvalue())) as reader:
        batches = reader.batches()
        next(batches)
        assert [marker.name for marker in reader.markers] == ["a"]
        next(batches)
        assert list(batches) == []
        assert [marker.name for marker in reader.markers] == ["a", "b"]

"""Appending to a stream: after a clean end, after a crash at any byte, and never to what is damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evcodec import (
    CorruptDataError,
    EvcodecError,
    EventBatch,
    Reader,
    UnsupportedVersionError,
    WriteFailedError,
    Writer,
)
from evcodec.framing import RecordScanner, RecordType, pack_record
from evcodec.stream import verify
from generators import assert_same, session
from reference import decode_stream


def write(path: Path, batch: EventBatch, block_events: int = 10, **options: Any) -> None:
    """Write a stream of small blocks that closing leaves as they are."""
    with Writer(path, block_events=block_events, merge_on_close=False, **options) as writer:
        writer.write(batch)


def records_of(data: bytes) -> list[tuple[int, int, int]]:
    """Return type, first byte and the byte behind the last of each record."""
    scanner = RecordScanner()
    scanner.feed(data)
    found = []
    while (record := scanner.next()) is not None:
        found.append((record.type, record.position, record.end))
    return found


@pytest.mark.parametrize("merge", [True, False])
def test_appending_goes_on(merge, tmp_path):
    path = tmp_path / "s.evc"
    batch = session(300)
    for number in range(3):
        with Writer(path, mode="a", merge_on_close=merge, metadata={"n": number}) as writer:
            writer.write(batch[number * 100 : number * 100 + 100])
    with Reader(path) as reader:
        assert_same(reader.read(), batch)
        assert len(reader) == 300
        assert reader.metadata == {"n": 0}
        assert [header.metadata for header in reader.headers] == [{"n": n} for n in range(3)]
    report = verify(path)
    assert (report.ok, report.complete, report.streams) == (True, True, 3)
    assert decode_stream(path.read_bytes()).count == 300


def test_what_was_there_stays_byte_for_byte(tmp_path):
    path = tmp_path / "s.evc"
    write(path, session(100))
    before = path.read_bytes()
    write(path, session(50), mode="a")
    assert path.read_bytes()[: len(before)] == before
    assert len(path.read_bytes()) > len(before)


@pytest.mark.parametrize("there", [None, b""], ids=["missing", "empty"])
def test_appending_to_nothing_begins(there, tmp_path):
    path = tmp_path / "s.evc"
    if there is not None:
        path.write_bytes(there)
    write(path, session(30), mode="a", metadata={"a": 1})
    with Reader(path) as reader:
        assert_same(reader.read(), session(30))
        assert reader.metadata == {"a": 1}


def test_metadata_and_governance_carry_over(tmp_path):
    path = tmp_path / "s.evc"
    governance = {"purpose": "tests", "retain_until_ns": 4 * 10**18}
    write(path, session(10), metadata={"a": 1}, governance=governance)
    write(path, session(10), mode="a")
    write(path, session(10), mode="a", metadata={})
    with Reader(path) as reader:
        assert [header.metadata for header in reader.headers] == [{"a": 1}, {"a": 1}, {}]
        assert [header.governance for header in reader.headers] == [governance] * 3


def test_indices_go_on(tmp_path):
    """What an index meant before, it means after; new ones are new; and each stream defines what it relies on."""
    path = tmp_path / "s.evc"
    with Writer(path) as writer:
        first = [writer.source("mouse", scale_exponent=-8), writer.source("keys")]
        window = writer.context("window", {"title": "a"})
        assert writer.payload("text", "x", t=1) == 1
        writer.event(7, 1, source=first[0], context=window, payload=1)
    with Writer(path, mode="a") as writer:
        assert writer.source("keys") == first[1]
        assert writer.source("mouse", scale_exponent=-8) == first[0]
        assert writer.source("mouse", scale_exponent=-7) == 3
        assert writer.context("window", {"title": "b"}) == window + 1
        assert writer.context("window", {"title": "a"}) == window
        assert writer.payload("text", "y", t=2) == 2
        writer.event(7, 2, source=3, context=window + 1, payload=2)
    data = path.read_bytes()
    second = data[[start for kind, start, _ in records_of(data) if kind == RecordType.HEADER][1] :]
    with Reader(second) as reader:
        assert {s.index: (s.name, dict(s.properties)) for s in reader.sources} == {
            1: ("mouse", {"scale_exponent": -8}),
            2: ("keys", {}),
            3: ("mouse", {"scale_exponent": -7}),
        }
        assert {c.index: c.value["title"] for c in reader.contexts} == {window: "a", window + 1: "b"}
        assert [(p.index, p.data) for p in reader.payloads] == [(2, "y")]
    assert verify(data).ok
    assert decode_stream(data).count == 2


def test_after_a_crash_at_every_byte(tmp_path):
    """Whole records stay, the one that was cut goes, and what is appended stands right behind them."""
    path = tmp_path / "s.evc"
    batch, more = session(40), session(7, seed=9)
    write(path, batch, metadata={"a": 1})
    data = path.read_bytes()
    records = records_of(data)
    assert [kind for kind, _, _ in records].count(RecordType.BLOCK) == 4
    for cut in range(records[-4][1], len(data)):
        path.write_bytes(data[:cut])
        write(path, more, mode="a")
        found = path.read_bytes()
        kept = max(end for _, _, end in records if end <= cut)
        whole = sum(kind == RecordType.BLOCK and end <= cut for kind, _, end in records)
        assert found[: min(kept, records[-2][1])] == data[: min(kept, records[-2][1])]
        with Reader(found) as reader:
            assert_same(reader.read(), EventBatch.concat([batch[: whole * 10], more]))
            assert reader.metadata == {"a": 1}
        report = verify(found)
        assert (report.ok, report.complete) == (True, True), (cut, report.problems)
        assert decode_stream(found).count == whole * 10 + 7, cut


@pytest.mark.parametrize("cut", [1, 4, 15, 16, 17, 30])
def test_after_a_crash_inside_the_first_header(cut, tmp_path):
    """Nothing was recorded yet: appending begins anew, or says that there is no stream, and changes nothing then."""
    path = tmp_path / "s.evc"
    write(path, session(10))
    torn = path.read_bytes()[:cut]
    path.write_bytes(torn)
    try:
        write(path, session(10), mode="a")
    except EvcodecError:
        assert path.read_bytes() == torn
    else:
        assert verify(path).ok
        with Reader(path) as reader:
            assert_same(reader.read(), session(10))


def _corrupt(data: bytes) -> bytes:
    middle = [start for kind, start, _ in records_of(data) if kind == RecordType.BLOCK][1] + 20
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


FOREIGN = {
    "text": (lambda data: b"record timestamp,client timestamp\n1,2\n" * 9, CorruptDataError),
    "zeros": (lambda data: bytes(200), CorruptDataError),
    "flipped bit": (lambda data: _corrupt(data)[:-50], CorruptDataError),
    "garbage behind": (lambda data: data + b"garbage", CorruptDataError),
    "later version": (lambda data: pack_record(1, 0, b"\x02\x00\x80"), UnsupportedVersionError),
    "later record": (lambda data: data[:-44] + pack_record(0x20, 7, b""), EvcodecError),
}


@pytest.mark.parametrize(("change", "error"), FOREIGN.values(), ids=FOREIGN)
def test_what_is_damaged_is_left_alone(change, error, tmp_path):
    path = tmp_path / "s.evc"
    write(path, session(40))
    path.write_bytes(change(path.read_bytes()))
    before = path.read_bytes()
    with pytest.raises(error) as caught:
        write(path, session(3), mode="a")
    assert not isinstance(caught.value, WriteFailedError)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_wrong_argument_leaves_the_stream_alone(tmp_path):
    path = tmp_path / "s.evc"
    write(path, session(10))
    before = path.read_bytes()
    for options in ({"level": "?"}, {"metadata": {1: 2}}, {"block_events": 0}):
        with pytest.raises(EvcodecError):
            Writer(path, mode="a", **options)
    assert path.read_bytes() == before


def test_appended_live_blocks_are_merged_within_their_stream(tmp_path):
    path = tmp_path / "s.evc"
    batch = session(50)
    with Writer(path) as writer:
        writer.write(batch)
    with Writer(path, mode="a") as writer:
        for t in range(20):
            writer.move(t, t, t)
            writer.flush()
    with Reader(path) as reader:
        assert [(block.stream, block.events) for block in reader.blocks] == [(0, 50), (1, 20)]
        moves = np.arange(20)
        assert_same(
            reader.read()[50:], EventBatch(t=moves, x=moves.astype(np.int32), y=moves.astype(np.int32))
        )

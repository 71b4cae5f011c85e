"""What verify and repair say: each broken rule, apart from it what is only odd, what was lost, and no more lines than help."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assemble import (
    BLOCK,
    ENTRIES,
    HEADER,
    Maker,
    Parts,
    block,
    column,
    column_head,
    entries,
    header,
    plain,
    table,
)
from evcodec import Context, CorruptDataError, EventBatch, EventKind, Payload, Reader, Source, Writer
from evcodec.emitter import StreamEmitter
from evcodec.framing import RecordScanner
from evcodec.limits import MAX_PROBLEMS
from evcodec.stream import repair, verify
from running import evcodec
from test_fault_resync import forged


def _records(data: bytes) -> list[tuple[int, int, int]]:
    scanner, found = RecordScanner(), []
    scanner.feed(data)
    while (record := scanner.next()) is not None:
        found.append((record.type, record.position, record.end))
    return found


def _stream(**columns: Any) -> bytes:
    target = io.BytesIO()
    with Writer(target, block_events=10) as writer:
        writer.write(EventBatch(t=np.arange(50), **columns))
    return target.getvalue()


# ---- an index beside encrypted sections ----


def _encrypted(listed: list[bytes], blocks: int = 1) -> bytes:
    """Return a stream whose blocks have a column ``a`` and an encrypted section of keys, with these columns in its index."""
    parts = Parts()
    plain_table = table([column("a", [1, 2], parts, transform=plain())], parts)
    payload = block(2, [(1, 1, b"secret"), (3, 0, plain_table)])
    maker = Maker().add(HEADER, header())
    for _ in range(blocks):
        maker.row(BLOCK, payload, 2, 0, 0, 1)
    maker.kinds, maker.columns = [(0, 2 * blocks)], listed
    return maker.index().end().data


@pytest.mark.parametrize(
    ("listed", "ok"),
    [
        (["a"], True),
        (["code", "a"], True),
        (["a", "code", "vk"], True),
        ([], False),
        (["code"], False),
        (["a", "b"], False),
        (["a", "x"], False),
        (["a", "context"], False),
    ],
)
def test_only_columns_of_encrypted_sections_may_differ(listed: list[str], ok: bool) -> None:
    heads = [column_head(name, "int32" if name in ("a", "b") else None) for name in listed]
    report = verify(_encrypted(heads))
    assert report.ok == ok, report.problems
    assert report.problem_groups == ({} if ok else {"columns of the index": 1})


# ---- remarks ----


def test_what_is_odd_is_no_problem(tmp_path: Path) -> None:
    kinds = np.zeros(50, np.uint8)
    kinds[7], kinds[8] = 99, EventKind.CONTEXT
    code = np.where(kinds == EventKind.CONTEXT, 12, 0).astype(np.int32)
    flags = np.full(50, 16, np.uint16)
    source = np.full(50, 3, np.uint16)
    path = tmp_path / "s.evc"
    with Writer(path) as writer:
        writer.add(Source(index=3, name="mouse", properties={"wrap_bits": 32}))
        writer.add(Context(index=1, context_type="window", value="w"))
        writer.add(Payload(index=1, t=0, payload_type="text", data="x"))
        writer.write(
            EventBatch(
                t=np.arange(50),
                kind=kinds,
                code=code,
                flags=flags,
                source=source,
                os_time=np.arange(50) + 2**32 - 10,
                context=np.full(50, 5, np.uint32),
                payload=np.ones(50, np.uint32),
            )
        )
    report = verify(path)
    assert (report.ok, report.state) == (True, "whole")
    said = " ".join(remark.message for remark in report.remarks)
    for part in (
        "kind column: found 1 values",
        "flags column: found 50 values above 15",
        "code column: found index 12, which no context entry",
        "context column: found index 5, which no context entry",
        "os_time column: found 4294967335, beyond the 32 bits of source 3",
    ):
        assert part in said
    assert report.remark_count == 5
    done = evcodec("verify", path)
    assert done.status == 0
    assert "5 remarks:" in done.text


def test_an_entry_behind_the_last_event_is_odd() -> None:
    marker = entries([[6, 99, {"t": 0, "name": "m"}], [6, 3, {"t": 0, "name": "n"}]])
    report = verify(Maker().add(HEADER, header()).add(ENTRIES, marker).end().data)
    assert report.ok
    assert report.remark_count == 2


def test_a_plain_stream_has_no_remarks() -> None:
    report = verify(_stream(x=np.arange(50, dtype=np.int32)))
    assert (report.ok, report.remark_count, report.lost_records, report.lost_bytes) == (True, 0, 0, 0)


# ---- what was lost ----


def test_what_a_flip_costs_is_told(tmp_path: Path) -> None:
    data = _stream()
    blocks = [(start, end) for kind, start, end in _records(data) if kind == BLOCK]
    damaged = bytearray(data)
    for start, _ in blocks[1:3]:
        damaged[start + 20] ^= 1
    report = repair(bytes(damaged), tmp_path / "saved.evc")
    assert (report.state, report.events, report.lost_records, report.lost_events) == ("damaged", 30, 2, 20)
    assert report.lost_bytes == sum(end - start for start, end in blocks[1:3])
    # Two checksums and a jump of the numbers: that the totals differ too is no other problem.
    assert report.problem_count == 3
    with Reader(tmp_path / "saved.evc") as reader:
        assert reader.gaps == []  # no reason says that a file was damaged


def test_a_cut_is_told_from_damage() -> None:
    data = _stream()
    _, start, end = _records(data)[3]
    cut, damaged = verify(data[: end - 1]), verify(data[: end - 1].replace(b"\x00", b"\x01", 1))
    assert (cut.state, cut.lost_bytes, cut.lost_events) == ("cut", end - 1 - start, None)
    assert damaged.state == "damaged"
    assert (verify(data[:start]).state, verify(data).state) == ("open", "whole")
    assert verify(b"no stream").state == "damaged"


def test_a_lost_header_costs_no_more_than_itself(tmp_path: Path) -> None:
    first, second = _stream(), _stream(x=np.ones(50, np.int32))
    damaged = bytearray(first + second)
    damaged[len(first) + 17] ^= 1
    with Reader(bytes(damaged), on_error="skip") as reader:
        assert len(reader.read()) == 100
    report = repair(bytes(damaged), tmp_path / "saved.evc")
    assert (report.events, report.streams, report.lost_events) == (100, 2, 0)
    with Reader(tmp_path / "saved.evc") as reader:
        assert reader.read()["x"].tolist() == [0] * 50 + [1] * 50


def test_a_stream_behind_a_header_that_is_not_sound() -> None:
    """Its number is not that of the streams before it that have records."""
    bad = Maker().add(HEADER, header(version=1, features=7)).data
    cut = _stream()[:-1]
    for reader in (Reader(bad * 3 + cut, on_error="skip"), Reader(cut + bad * 2 + cut, on_error="skip")):
        with reader:
            assert len(reader.read()) in (50, 100)


# ---- repair proves what it wrote ----


def test_repair_does_not_replace_by_what_it_cannot_prove(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "saved.evc"
    target.write_bytes(b"what was there")
    data = _stream()
    write = StreamEmitter.encoded_block

    def forgetful(self: StreamEmitter, payload: bytes) -> None:
        if self.events != 20:
            write(self, payload)
        else:
            write(self, block(0))

    monkeypatch.setattr(StreamEmitter, "encoded_block", forgetful)
    with pytest.raises(CorruptDataError, match="what was written"):
        repair(data[:-1], target)
    assert target.read_bytes() == b"what was there"
    assert [path.name for path in tmp_path.iterdir()] == ["saved.evc"]


def test_what_is_defined_twice_is_saved_as_it_is(tmp_path: Path) -> None:
    twice = entries([[1, 0, {"index": 1, "name": name, "properties": {}}] for name in "ab"])
    data = Maker().add(HEADER, header()).add(ENTRIES, twice).end().data
    report = repair(data, tmp_path / "saved.evc")
    assert (report.ok, report.repeated_definitions, report.entries) == (False, 1, 2)
    assert verify(tmp_path / "saved.evc").repeated_definitions == 1


# ---- very many problems ----


def test_a_page_stays_a_page(tmp_path: Path) -> None:
    path = tmp_path / "forged.evc"
    path.write_bytes(_stream() + forged(100) * 3_000 + bytes(100))
    report = verify(path)
    assert report.problem_count > 2_900
    assert len(report.problems) == MAX_PROBLEMS
    assert sum(report.problem_groups.values()) == report.problem_count
    with Reader(path, on_error="skip") as reader:
        assert len(reader.read()) == 50
        assert len(reader.problems) == MAX_PROBLEMS
        assert reader.problem_count == report.problem_count
    done = evcodec("verify", path)
    assert done.status == 1
    assert len(done.text.splitlines()) < 20
    assert f"evcodec repair {path} OUT" in done.text
    (told,) = map(json.loads, evcodec("verify", path, "--json").text.splitlines())
    assert told["problem_count"] == report.problem_count
    assert told["state"] == "damaged"
    saved = evcodec("repair", path, tmp_path / "saved.evc")
    assert (saved.status, len(saved.text.splitlines()) < 20) == (0, True)

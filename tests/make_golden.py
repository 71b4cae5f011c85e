"""Makes golden streams: ``python tests/make_golden.py`` writes those that are missing in tests/golden, and changes none.

A golden stream is named by the version of the format and what it shows; a rejected one by the kind of error that it deserves.
A stream stays as it is, whatever its builder would write today: every later version must read it. What it holds is written beside
it as JSON, once, when the library, the reference decoder and, for hand-made streams, what was put in agree; SHA256SUMS has
the digest of each file. golden_clauses.py says which hand-made stream shows which sentence of the format.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import evcodec
from encoded_batches import BATCHES
from evcodec import EventBatch, GapReason, Reader, Writer
from evcodec.framing import RecordScanner, RecordType, pack_record
from generators import DTYPES, SHAPES, session
from golden_clauses import ACCEPTED as BY_CLAUSE
from golden_clauses import REJECTED as REJECTED_BY_CLAUSE
from reference import decode_stream
from vectors import VECTORS

HAND_MADE = {vector.name: vector for vector in VECTORS}
GOLDEN = Path(__file__).resolve().parent / "golden"
SUMS = GOLDEN / "SHA256SUMS"


def _shapes() -> bytes:
    """Every dtype in every shape that the tests know, fields that only some kinds have among them."""
    count, found = 60, {}
    kind = np.arange(count, dtype=np.uint8) % 20
    for number, dtype in enumerate(DTYPES):
        for shape in SHAPES:
            values = shape(np.random.default_rng(number), count, np.dtype(dtype))
            found[f"{shape.__name__.strip('_')}_{dtype}"] = values
            found[f"some_{shape.__name__.strip('_')}_{dtype}"] = np.where(
                kind == 3, values, values.dtype.type(0)
            )
    return evcodec.encode(EventBatch(t=np.arange(count) * 15_625_000, kind=kind, **found), level="small")


def _names() -> bytes:
    names = ("größe", "圧力", "a b", "n" * 64, "🖱", "\n", "self")
    columns = {name: np.array([number, -number], np.int16) for number, name in enumerate(names, 1)}
    return evcodec.encode(EventBatch(t=[-5, 2**62], **columns))


def _standard() -> bytes:
    """Every column that has a number, under its own dtype and under another."""
    from evcodec.schema import STANDARD_COLUMNS

    target = io.BytesIO()
    with Writer(target, level="fast") as writer:
        for other in (False, True):
            columns = {
                column.name: np.arange(
                    1, 8, dtype="int64" if other and column.name != "kind" else column.dtype
                )
                * column.id
                for column in STANDARD_COLUMNS.values()
            }
            writer.write(EventBatch(**columns))
            writer.flush()
    return target.getvalue()


def _entries() -> bytes:
    target = io.BytesIO()
    governance = {
        "purpose": "golden",
        "policy_digest": b"\1\2",
        "notice_id": "n",
        "retain_until_ns": 2**62,
        "recipient_key_ids": ["k"],
    }
    with Writer(target, metadata={"task": "größe", "list": [1, None, 0.5]}, governance=governance) as writer:
        writer.source("mouse", scale_exponent=-8, clock_id="evdev")
        writer.context("window", {"title": "x", "pid": 7})
        for round_ in range(4):
            for t in range(round_ * 20, round_ * 20 + 20):
                writer.move(t, -t, 2**33 if round_ == 3 else t)
                writer.event(200, t, pressure=t, source=1, context=1, payload=1 if round_ > 1 else 0)
            writer.gap(GapReason.SECURE_FIELD, 5, 6, source=1, lost=round_)
            writer.anchor(t, 10**18 + t, clock="m", boot_id="b", suspended_ns=0)
            writer.video_anchor(t, 90 * t, time_base=(1, 90_000), uri="v.mp4")
            writer.marker(t, f"m{round_}", {"deep": [[b"\xff"]]})
            if round_ == 1:
                writer.payload("text", "typed", t=t)
            writer.flush()
    return target.getvalue()


def _blocks() -> bytes:
    """Return a stream of ten blocks and an index."""
    target = io.BytesIO()
    with Writer(target, block_events=30) as writer:
        writer.write(session(300, seed=4))
    return target.getvalue()


def _kinds() -> bytes:
    """Numbers that the kind of an event, or of the one before, tells much about."""
    batch = BATCHES["by kind, 5000 of 16 bits"]()
    chosen = ("kind", "kinds", "sums_of_kinds", "sums_of_times")
    return evcodec.encode(EventBatch(**{name: batch[name][:4_000] for name in chosen}), level="small")


def _ways() -> bytes:
    """Streams put together by hand, of ways to store a column that the encoder does not choose."""
    names = [
        f"int32, {transform}, {layout}"
        for transform in ("none from -3", "delta", "second difference", "grid of 101", "grid of 2**40")
        for layout in ("bins of 2 bits", "escapes as bins", "runs of bins", "split by magnitude")
    ]
    names += ["int32, grid of 8, dictionary", "held codes, session 3", "held codes, 200 keys"]
    return b"".join(HAND_MADE[name].data for name in names)


def _records(data: bytes) -> list[tuple[int, int, int]]:
    scanner = RecordScanner()
    scanner.feed(data)
    found = []
    while (record := scanner.next()) is not None:
        found.append((record.type, record.position, record.end))
    return found


def _unfinished() -> bytes:
    data = _blocks()
    return data[: _records(data)[5][2]]


def _ancillary() -> bytes:
    """Return a stream with a record that a later version may have put there, to be skipped."""
    data = _blocks()
    return data[: _records(data)[0][2]] + pack_record(0x80, 1, b"later")


def _changed(at: int, bit: int) -> bytes:
    data = bytearray(_blocks())
    data[_records(bytes(data))[2][1] + at] ^= 1 << bit
    return bytes(data)


def _without_a_block() -> bytes:
    data = _blocks()
    start, end = _records(data)[4][1:]
    return data[:start] + data[end:]


def _long_payload() -> bytes:
    head = bytearray(pack_record(RecordType.BLOCK, 1, b"")[:14])
    head[6:10] = (64 * 2**20 + 1).to_bytes(4, "little")
    from binascii import crc_hqx

    data = _blocks()
    return data[: _records(data)[0][2]] + bytes(head) + crc_hqx(bytes(head), 0).to_bytes(2, "little")


ACCEPTED: dict[str, Callable[[], bytes]] = {
    "v1-empty": lambda: evcodec.encode(EventBatch()),
    "v1-no-events": lambda: evcodec.encode(
        EventBatch(t=np.empty(0, np.int64), pressure=np.empty(0, np.uint16))
    ),
    "v1-one-event": lambda: evcodec.encode(EventBatch(t=[5], kind=[3], dy=np.array([-120], np.int32))),
    "v1-session-fast": lambda: evcodec.encode(session(400), level="fast"),
    "v1-session-balanced": lambda: evcodec.encode(session(400)),
    "v1-session-small": lambda: evcodec.encode(session(400), level="small"),
    "v1-shapes": _shapes,
    "v1-names": _names,
    "v1-standard-columns": _standard,
    "v1-entries": _entries,
    "v1-blocks": _blocks,
    "v1-unfinished": _unfinished,
    "v1-ancillary-record": _ancillary,
    "v1-typing": lambda: evcodec.encode(BATCHES["typing, 300 of 32 bits"]()),
    "v1-typing-small": lambda: evcodec.encode(BATCHES["typing, 5000 of 16 bits"]()[:1_000], level="small"),
    "v1-polled": lambda: evcodec.encode(BATCHES["polled, 300"]()),
    "v1-kinds": _kinds,
    "v1-ways": _ways,
    "v1-three-streams": lambda: _unfinished() + evcodec.encode(session(20, seed=8)) + _blocks(),
}
ACCEPTED |= {
    name: lambda names=names: b"".join(HAND_MADE[each].data for each in names)
    for name, (_, names) in BY_CLAUSE.items()
}
REJECTED: dict[str, Callable[[], bytes]] = {
    "v1-corrupt-flipped-bit": lambda: _changed(30, 3),
    "v1-corrupt-length": lambda: _changed(6, 0),
    "v1-corrupt-record-missing": _without_a_block,
    "v1-corrupt-text": lambda: b"record timestamp,client timestamp\n",
    "v1-truncated-block": lambda: _blocks()[: _records(_blocks())[3][2] - 1],
    "v1-truncated-head": lambda: _blocks()[: _records(_blocks())[3][1] + 9],
    "v1-truncated-nothing": lambda: b"",
    "v1-unsupported-version": lambda: pack_record(RecordType.HEADER, 0, b"\x02\x00\x80"),
    "v1-unsupported-record": lambda: evcodec.encode(EventBatch())[:-44] + pack_record(0x20, 1, b""),
    "v1-limit-payload": _long_payload,
}
REJECTED |= {name: lambda each=each: HAND_MADE[each].data for name, (_, each) in REJECTED_BY_CLAUSE.items()}


def plain(value: Any) -> Any:
    """Return a value as JSON carries it: bytes as hexadecimal."""
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def described(data: bytes) -> dict[str, Any]:
    """Return what a stream holds, as JSON carries it."""
    with Reader(data, without_key="skip", past_retention="allow") as reader:
        return described_by(reader)


def described_by(reader: Reader) -> dict[str, Any]:
    """Return what a reader gives."""
    batch = reader.read()
    return {
        "events": len(batch),
        "metadata": plain(reader.metadata),
        "governance": plain(reader.governance),
        "columns": {
            name: {"dtype": str(values.dtype), "values": values.tolist()}
            for name, values in batch.columns.items()
        },
        "entries": [
            {"type": type(entry).__name__}
            | plain({f.name: getattr(entry, f.name) for f in dataclasses.fields(entry)})
            for entry in reader.entries()
        ],
    }


def confirm(name: str, data: bytes, found: dict[str, Any]) -> None:
    """Check what is to be written beside a stream against the reference decoder, and what was put in by hand."""
    decoded = decode_stream(data)
    values = {column: held["values"] for column, held in found["columns"].items()}
    assert (found["events"], values) == (decoded.count, decoded.events), name
    for vector in (HAND_MADE[each] for each in BY_CLAUSE.get(name, ("", []))[1]):
        start, length = data.index(vector.data), len(vector.data)
        assert decode_stream(data[start : start + length]).events == vector.events, vector.name


def sums() -> dict[str, str]:
    """Return the digests that are written down, by name of the file."""
    lines = SUMS.read_text(encoding="ascii").splitlines()
    return {name: digest for digest, name in (line.split("  ") for line in lines)}


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    """Write what is missing."""
    GOLDEN.mkdir(exist_ok=True)
    known = sums() if SUMS.exists() else {}
    for name, build in {**ACCEPTED, **REJECTED}.items():
        path = GOLDEN / f"{name}.evc"
        if path.exists():
            print(f"{path.name}: there already")
            continue
        data = build()
        path.write_bytes(data)
        if name in ACCEPTED:
            found = described(data)
            confirm(name, data, found)
            text = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
            path.with_suffix(".json").write_text(text + "\n", encoding="utf-8")
        print(f"{path.name}: {len(data)} bytes")
    for path in GOLDEN.iterdir():
        if path != SUMS:
            known.setdefault(path.name, digest_of(path))
    SUMS.write_text(
        "".join(f"{digest}  {name}\n" for name, digest in sorted(known.items())), encoding="ascii"
    )


if __name__ == "__main__":
    main()

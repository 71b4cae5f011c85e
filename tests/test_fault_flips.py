"""Damage of every kind is seen, costs the records that it hit and no others, and is reported where it is."""

from __future__ import annotations

import io
import random
from functools import cache

import numpy as np
import pytest

from evcodec import EventBatch, Writer
from evcodec.framing import RecordType
from faults_damage import WAYS, Known, check
from generators import session


def _stream(
    blocks: int,
    events: int,
    level: str,
    *,
    entries: bool = True,
    seed: int = 0,
    columns: tuple[str, ...] = (),
) -> bytes:
    """Return a stream of blocks, an entry before each but the first; an index if there are enough of them."""
    target = io.BytesIO()
    with Writer(target, level=level, block_events=events, metadata={"a": 1}) as writer:
        for number in range(blocks):
            if number and entries:
                writer.marker(number, f"m{number}")
            batch = session(events, seed=seed * 1000 + number, start_ns=10**9 * (1 + number))
            writer.write(batch.select(columns) if columns else batch)
            writer.flush()
    return target.getvalue()


@cache
def _small(level: str, shape: str) -> Known:
    stream = {
        "an index": lambda: _stream(4, 5, level, columns=("t", "kind", "x")),
        "one block": lambda: _stream(1, 30, level),
        "no entries": lambda: _stream(3, 4, level, entries=False, columns=("t", "kind", "code")),
    }[shape]()
    return Known(stream)


def _data(known: Known) -> bytes:
    return b"".join(kept.data for kept in known.records)


@pytest.mark.parametrize(
    ("level", "shape"),
    [
        *((level, "one block") for level in ("fast", "balanced", "small")),
        ("balanced", "an index"),
        ("balanced", "no entries"),
    ],
)
def test_every_byte_with_every_other_value(level, shape, tries, seed, record_property):
    """Of small streams; in the quick form with some of the values."""
    known = _small(level, shape)
    data = _data(known)
    assert len(data) < 1200
    assert (RecordType.INDEX in [kept.type for kept in known.records]) == (shape == "an index")
    rng = random.Random(f"{seed}{level}{shape}")
    changes = [(at, change) for at in range(len(data)) for change in range(1, 256)]
    count = min(len(changes), tries(quick=60, soak=10**6))
    for at, change in changes if count == len(changes) else rng.sample(changes, count):
        damaged = bytearray(data)
        damaged[at] ^= change
        check(known, bytes(damaged), ["bytes"] if rng.random() < 0.98 else WAYS)
    record_property(f"changed bytes, level {level}, {shape}", f"{count} of {len(changes)}")


@cache
def _large() -> tuple[Known, bytes]:
    """Return streams of several MB, with an index and entries, the second for splices."""
    rng = np.random.default_rng(1)
    streams = []
    for number in range(2):
        target = io.BytesIO()
        with Writer(target, level="fast", block_events=20_000) as writer:
            for block in range(24):
                writer.marker(block, f"{number}.{block}")
                batch = session(20_000, seed=100 * number + block)
                noise = rng.integers(0, 2 ** (40 if block % 2 else 8), len(batch))
                writer.write(EventBatch(**batch.columns, noise=noise))
        streams.append(target.getvalue())
    assert min(map(len, streams)) > 2_000_000
    return Known(*streams), streams[1]


def _damaged(rng: random.Random, known: Known, data: bytes, other: bytes) -> tuple[str, bytes, bool]:
    """Return what was done, the damaged data, and whether all records stand where they stood."""
    starts = known.starts
    inner = [i for i, kept in enumerate(known.records) if kept.type in (RecordType.BLOCK, RecordType.ENTRIES)]
    at = rng.randrange(len(data))
    size = rng.choice((1, 2, 7, 16, 100, 512, 4096, rng.randrange(1, 65_537)))
    what = rng.choice(
        (
            "bit",
            "bits",
            "burst",
            "zeros",
            "ones",
            "inserted",
            "deleted",
            "cut",
            "swapped",
            "doubled",
            "lost",
            "spliced",
        )
    )
    end = min(at + size, len(data))
    if what in ("bit", "bits"):
        changed = bytearray(data)
        for bit in rng.sample(range(8 * len(data)), 1 if what == "bit" else rng.randrange(2, 9)):
            changed[bit // 8] ^= 1 << bit % 8
        return what, bytes(changed), True
    if what in ("burst", "zeros", "ones"):
        filling = {"burst": rng.randbytes(end - at), "zeros": bytes(end - at), "ones": b"\xff" * (end - at)}[
            what
        ]
        return what, data[:at] + filling + data[end:], True
    if what == "inserted":
        return what, data[:at] + rng.randbytes(size) + data[at:], False
    if what == "deleted":
        return what, data[:at] + data[end:], False
    if what == "cut":
        return what, data[:at], True
    records = [kept.data for kept in known.records]
    one, two = sorted(rng.sample(inner, 2))
    if what == "swapped":
        records[one], records[two] = records[two], records[one]
        return what, b"".join(records), False
    if what == "doubled":
        records.insert(rng.choice(inner), records[one])
        return what, b"".join(records), False
    if what == "lost":
        del records[one:two]
        return what, b"".join(records), False
    # The first stream ends anywhere before its index, the other begins anywhere: but not so that the whole is as long as
    # the other one, since it is that one then, with its first records changed.
    cut, begin = rng.randrange(starts[inner[-1]]), rng.randrange(len(other))
    return what, data[:cut] + other[begin + (begin == cut) :], False


def _check(what: str, known: Known, damaged: bytes, ways: list[str], in_place: bool) -> None:
    try:
        check(known, damaged, ways, in_place=in_place)
    except AssertionError as error:
        error.add_note(what)
        raise


def test_random_damage_of_large_streams(tries, seed, record_property):
    known, other = _large()
    data = _data(known)
    rng = random.Random(seed)
    done: dict[str, int] = {}
    for number in range(tries(quick=24, soak=3_000)):
        what, damaged, in_place = _damaged(rng, known, data, other)
        if damaged == data:
            continue
        done[what] = done.get(what, 0) + 1
        ways = rng.sample(list(WAYS), 2) if number % 8 else list(WAYS)
        _check(f"try {number}: {what}", known, damaged, ways, in_place)
    record_property("damage of streams of 2 MB", ", ".join(f"{n} {what}" for what, n in sorted(done.items())))


def test_random_damage_of_small_streams(tries, seed, record_property):
    """The same on streams of a few hundred bytes, where damage often hits more than one record."""
    done: dict[str, int] = {}
    rng = random.Random(seed + 1)
    streams = [
        (Known(first, second), first, second)
        for level in ("fast", "balanced", "small")
        for first, second in [(_stream(5, 9, level), _stream(4, 7, level, seed=1))]
    ]
    for number in range(tries(quick=200, soak=40_000)):
        known, data, other = streams[number % len(streams)]
        what, damaged, in_place = _damaged(rng, known, data, other)
        if damaged == data:
            continue
        done[what] = done.get(what, 0) + 1
        ways = ["bytes", "pipe"] if number % 16 == 0 else ["bytes"]
        _check(f"try {number}: {what}", known, damaged, ways, in_place)
    record_property("damage of small streams", ", ".join(f"{n} {what}" for what, n in sorted(done.items())))

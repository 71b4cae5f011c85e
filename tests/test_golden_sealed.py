"""Golden streams with encrypted groups and chains: they stay readable with the keys that they were made for, and refused
without them.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cryptography")

import evcodec
from evcodec import CorruptDataError, EvcodecError, LimitExceededError, MissingKeyError, Reader
from evcodec.stream import verify
from make_golden import digest_of
from make_golden_sealed import (
    ACCEPTED,
    GOLDEN,
    NAMES,
    REJECTED,
    SUMS,
    by_hand,
    described,
    private,
    raw_keys,
    signer,
)
from reference import ReferenceCorrupt, ReferenceFault, ReferenceLimit, decode_stream
from reference_sealed import check_chain
from sealed_streams import CHAIN, KEYS, pieces_of

KINDS: dict[str, tuple[type[EvcodecError], type[ReferenceFault]]] = {
    "corrupt": (CorruptDataError, ReferenceCorrupt),
    "limit": (LimitExceededError, ReferenceLimit),
}
RAW = tuple(raw_keys()[name] for name in NAMES)


def _path(name: str) -> Path:
    return GOLDEN / f"{name}.evc"


def test_no_golden_stream_was_changed_or_is_missing():
    lines = SUMS.read_text(encoding="ascii").splitlines()
    known = {name: digest for digest, name in (line.split("  ") for line in lines)}
    assert {path.name: digest_of(path) for path in GOLDEN.iterdir() if path != SUMS} == known
    assert {path.stem for path in GOLDEN.glob("*.evc")} == {*ACCEPTED, *REJECTED}
    assert len(known) >= 34
    assert all(path.stat().st_size < 20_000 for path in GOLDEN.iterdir())


@pytest.mark.parametrize("name", ACCEPTED)
def test_the_same_comes_back_with_the_keys(name):
    data = _path(name).read_bytes()
    expected: dict[str, Any] = json.loads(_path(name).with_suffix(".json").read_text(encoding="utf-8"))
    assert described(data) == expected
    assert verify(data, keys=private()).ok
    assert verify(data).ok
    decoded = decode_stream(data, RAW)
    assert decoded.count == expected["events"]
    for column, held in expected["columns"].items():
        assert decoded.events[column] == held["values"], column


@pytest.mark.parametrize("name", [name for name in ACCEPTED if "chain" not in name])
def test_nothing_of_them_comes_back_without(name):
    data = _path(name).read_bytes()
    with pytest.raises(MissingKeyError):
        evcodec.decode(data)
    with Reader(io.BytesIO(data), without_key="skip") as reader:
        assert "code" not in reader.read().columns
        with pytest.raises(MissingKeyError):
            reader.read(columns=("code",))


@pytest.mark.parametrize("name", ACCEPTED)
def test_their_chains_hold(name):
    data = _path(name).read_bytes()
    pieces = pieces_of(data)
    links = [piece for piece in pieces if piece.type == CHAIN]
    report = verify(data, chain=True)
    assert report.ok == bool(links)
    if links:
        found = check_chain([tuple(piece) for piece in pieces], name)
        who = {signature for _, signature in found}
        assert who <= {None, signer().public.raw}
        assert report.chains[0].complete == found[-1][0]


@pytest.mark.parametrize("name", REJECTED)
def test_what_was_refused_still_is(name):
    data = _path(name).read_bytes()
    kind, reference_kind = KINDS[name.split("-")[1]]
    if "chain" in name:
        assert verify(data, keys=private()).ok
        assert not verify(data, chain=True).ok
        if "short" not in name:
            with pytest.raises(reference_kind):
                check_chain([tuple(piece) for piece in pieces_of(data)], name)
        return
    with pytest.raises(kind) as caught:
        _read(data)
    assert caught.type is kind
    assert not verify(data, keys=private()).ok
    with pytest.raises(reference_kind):
        decode_stream(data, RAW)


def _read(data: bytes) -> None:
    with Reader(data, keys=private()) as reader:
        reader.read()
        list(reader.entries())


def test_the_stream_by_hand_is_what_the_document_says():
    """Every byte of it comes from the text of the document and the RFCs: none of the library's."""
    data = b"".join(piece.packed() for piece in by_hand())
    assert data == _path("v1-sealed-by-hand").read_bytes()
    batch = evcodec.decode(data, keys=private())
    assert {name: values.tolist() for name, values in batch.columns.items()} == {
        "t": [5, 7, 11, 12],
        "kind": [0, 0, 4, 5],
        "x": [900, 901, 0, 0],
        "code": [0, 0, 30, 31],
    }
    assert [piece.type for piece in pieces_of(data)].count(KEYS) == 1

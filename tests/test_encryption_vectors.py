"""Whatever a stream is, encrypted it is the same to who has the keys: every hand-made stream, sealed, gives the values or the
kind of error that it gives plain. So what is authentic is no more trusted than what is not.
"""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

pytest.importorskip("cryptography")

import evcodec
from evcodec import EvcodecError
from evcodec._codec import BlockHead
from evcodec.crypto import PrivateKey
from evcodec.sealed import Sealing
from sealed_streams import BLOCK, END, ENTRIES, HEADER, INDEX, KEYS, Piece, joined, pieces_of
from vectors import VECTORS

KEY = PrivateKey.generate()


def _sealed(pieces: list[Piece]) -> bytes:
    """Seal all that is plain, as a Writer would have."""
    out: list[Piece] = []
    sealing = None
    for piece in pieces:
        if piece.type == HEADER:
            sealing = Sealing(dict.fromkeys(range(5), (KEY.public,)))
            number = 2
            out += [piece._replace(sequence=0), Piece(KEYS, 1, sealing.record)]
            continue
        assert sealing is not None
        payload = piece.payload
        if piece.type == BLOCK:
            payload = sealing.block(payload, number)
        elif piece.type == ENTRIES:
            payload = sealing.entries(payload, number)
        out.append(Piece(piece.type, number, payload))
        number += 1
    return joined(out, renumber=False)


def _outcome(data: bytes) -> Any:
    """Return the events and entries, or the kind of error."""
    try:
        with evcodec.Reader(data, keys=KEY, without_key="skip") as reader:
            batch = reader.read()
            entries = [repr(entry) for entry in reader.entries()]
            return {n: (str(v.dtype), v.tolist()) for n, v in batch.columns.items()}, entries
    except EvcodecError as error:
        return type(error)


def _is_plain(piece: Piece) -> bool:
    """Tell whether nothing of a record is hidden already: in a stream with data keys that is something else."""
    if piece.type == ENTRIES:
        return piece.payload[1:2] == b"\0"
    if piece.type != BLOCK:
        return True
    with contextlib.suppress(EvcodecError):
        return not any(storage for _, storage, _, _ in BlockHead(memoryview(piece.payload), "").sections)
    return True


def _candidates() -> list[tuple[str, list[Piece]]]:
    found = []
    for vector in VECTORS:
        try:
            pieces = pieces_of(vector.data)
        except IndexError:
            continue
        whole = b"".join(piece.packed() for piece in pieces) == vector.data
        # One stream, whose records are sound: what is in them is what this is about.
        kinds = [piece.type for piece in pieces]
        one = kinds[:1] == [HEADER] and not {HEADER, INDEX, END} & {*kinds[1:]} and len(vector.data) < 100_000
        sealable = all(map(_is_plain, pieces))
        if whole and one and sealable and [p.sequence for p in pieces] == list(range(len(pieces))):
            found.append((vector.name, pieces))
    return found


def test_sealed_vectors_are_what_they_were(tries, seed):
    candidates = _candidates()
    assert len(candidates) > 2_000
    step = max(1, len(candidates) // tries(quick=250, soak=len(candidates)))
    compared = {"values": 0, "errors": 0}
    for name, pieces in candidates[seed % step :: step]:
        plain = _outcome(joined(pieces, renumber=False))
        with contextlib.suppress(EvcodecError):  # of the head of a block, which is not sealed
            assert _outcome(_sealed(pieces)) == plain, name
        compared["errors" if isinstance(plain, type) else "values"] += 1
    assert min(compared.values()) > 30, compared

"""Streams that are encrypted, and their records taken apart and put together again."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import evcodec
from assemble import record
from evcodec import Context, EventBatch, Gap, GapReason, Payload
from evcodec.crypto import PrivateKey
from generators import session

HEADER, BLOCK, ENTRIES, INDEX, END, KEYS, CHAIN, VOID = 1, 2, 3, 4, 5, 0xC0, 0xC1, 0xC2


class Piece(NamedTuple):
    """A record, without its checksums."""

    type: int
    sequence: int
    payload: bytes

    def packed(self) -> bytes:
        """The record, sound by itself."""
        return record(self.type, self.payload, self.sequence)


def pieces_of(data: bytes) -> list[Piece]:
    """Take sound data apart."""
    found, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at + 6 : at + 10], "little")
        sequence = int.from_bytes(data[at + 10 : at + 14], "little")
        found.append(Piece(data[at + 4], sequence, data[at + 16 : at + 16 + size]))
        at += 20 + size
    return found


def joined(pieces: list[Piece], renumber: bool = True) -> bytes:
    """Put records together, without an index and an end, and numbered as they stand."""
    kept = [piece for piece in pieces if piece.type not in (INDEX, END)]
    if renumber:
        kept = [piece._replace(sequence=number) for number, piece in enumerate(kept)]
    return b"".join(piece.packed() for piece in kept)


def raw(key: PrivateKey) -> bytes:
    """The 32 bytes of a private key."""
    return key._key.private_bytes_raw()


def typed(count: int = 2_000, seed: int = 0) -> EventBatch:
    """A session with keys, contexts, and a column of the user's own."""
    batch = session(count, seed)
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = dict(batch.columns)
    columns["context"] = rng.integers(0, 3, count, dtype=np.uint32)
    columns["pressure"] = rng.integers(0, 1024, count, dtype=np.uint16)
    return EventBatch(**columns)


def write_entries(writer: evcodec.Writer) -> None:
    """Append entries of both groups."""
    writer.add(Context(index=1, context_type="window", value="a title that nobody else reads"))
    writer.add(Payload(index=1, t=5, payload_type="text", data="words"))
    writer.add(Gap(reason=GapReason.PAUSED, t0=1, t1=9))

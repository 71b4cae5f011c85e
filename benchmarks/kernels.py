"""Single columns for the kernels, and the encodings that the encoder offers for each; nothing here is timed."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from evcodec._codec import SequenceEncoder, Table
from evcodec.sample import sample_session
from evcodec.schema import STANDARD_COLUMNS
from evcodec.wire import pack_varint

EVENTS = 65_536

# docs/format.md, 5.2. What is not named here goes by its number.
TRANSFORMS = ("none", "delta", "delta2", "grid")
LAYOUTS = ("constant", "planes", "dictionary", "tokens", "runs", "bins", "split")

Encoding = tuple[bytearray, list[tuple[int, bytes, bool]]]


class Kernel(NamedTuple):
    """An encoding of an input: by transform, layout, and the input's name."""

    transform: str
    layout: str
    source: str

    def __str__(self) -> str:
        return f"{self.transform}-{self.layout}-{self.source}"


def _bits(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


@cache
def inputs() -> dict[str, np.ndarray]:
    """Return one column of each kind that streams have, 65,536 values each."""
    session = sample_session(2 * EVENTS, rate_hz=1000)
    moves = session[session.kind == 0]
    thinned = session[::7]
    typed = session[session.code != 0]
    found = {
        "clock_1us": session.t,
        "clock_1ms": session.t // 1_000_000 * 1_000_000,
        "clock_15ms": sample_session(EVENTS, clock_ns=15_625_000).t,
        "position_1khz": moves["x"],
        "position_thinned": np.resize(thinned["x"], EVENTS),
        "motion": np.diff(moves["x"], prepend=np.int32(0)),
        "kind": session.kind,
        "code": np.resize(typed["code"], EVENTS),
        "noise_16bit": _bits(1).integers(-(1 << 15), 1 << 15, EVENTS).astype(np.int32),
        "noise_64bit": _bits(2).integers(-(1 << 63), 1 << 63, EVENTS, dtype=np.int64),
        "constant": np.full(EVENTS, 7, np.int32),
    }
    return {name: np.ascontiguousarray(values[:EVENTS]) for name, values in found.items()}


def name_of(description: bytes | bytearray, source: str) -> Kernel:
    """Return what the first byte of a description states."""
    transform, layout = description[0] >> 4, description[0] & 15
    return Kernel(
        TRANSFORMS[transform] if transform < len(TRANSFORMS) else f"transform{transform}",
        LAYOUTS[layout] if layout < len(LAYOUTS) else f"layout{layout}",
        source,
    )


@cache
def encoder(source: str) -> SequenceEncoder:
    """Return what has looked at all values of an input, thoroughly."""
    values = inputs()[source]
    return SequenceEncoder(values, values.dtype.kind == "i", 0, True)


@cache
def offered() -> dict[Kernel, int]:
    """Return every encoding that the encoder offers for any input, and which way of it that is; the cheapest of a name."""
    found: dict[Kernel, int] = {}
    for source in inputs():
        for way in range(len(encoder(source).costs)):
            description, _ = encoder(source).encode(way)
            found.setdefault(name_of(description, source), way)
    return found


def table_of(encoding: Encoding, dtype: np.dtype) -> Table:
    """Return a table (docs/format.md, section 5) of one column, each stream in a part of its own, stored as it is."""
    description, streams = encoding
    description = bytearray(description)
    for part, (at, _, _) in enumerate(streams):
        description[at] = part
    entries = b"".join(b"\0" + pack_varint(len(data)) for _, data, _ in streams)
    body = b"".join(
        (
            pack_varint(1),
            # Column 1 with a dtype of its own, as the table of an index has it: no mask of kinds.
            pack_varint(1 << 1 | 1),
            bytes((_dtype_code(dtype),)),
            description,
            pack_varint(len(streams)),
            entries,
            *(data for _, data, _ in streams),
        )
    )
    return Table(body, None, EVENTS, bytes(1 + len(STANDARD_COLUMNS)))


def _dtype_code(dtype: np.dtype) -> int:
    return ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64").index(dtype.name)

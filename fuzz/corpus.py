"""The corpus: for each target a list of inputs, as one file (a msgpack array of binaries, compressed with zstd).

What is here was found by fuzzing from streams that were put together by hand, and minimised. Nothing in it was recorded.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

import msgpack
import zstandard

CORPUS = Path(__file__).resolve().parent / "corpus"
MOST_FILE_BYTES = 64 * 1024
MOST_INPUTS = 600


def path_of(target: str) -> Path:
    """Return where the corpus of a target is."""
    return CORPUS / f"{target}.msgpack.zst"


def load(target: str) -> list[bytes]:
    """Return the inputs of a target, none where it has no corpus."""
    path = path_of(target)
    if not path.exists():
        return []
    return msgpack.unpackb(zstandard.decompress(path.read_bytes()))


def save(target: str, inputs: Iterable[bytes]) -> int:
    """Write the corpus of a target, the shortest inputs first, as many as may be; return how many."""
    chosen = sorted(set(inputs), key=lambda item: (len(item), item))[:MOST_INPUTS]
    while True:
        packed = zstandard.ZstdCompressor(19).compress(msgpack.packb(chosen))
        if len(packed) <= MOST_FILE_BYTES:
            break
        chosen = chosen[: len(chosen) * 9 // 10]
    CORPUS.mkdir(exist_ok=True)
    path_of(target).write_bytes(packed)
    return len(chosen)


def as_pack(inputs: Iterable[bytes]) -> bytes:
    """Return inputs as kernels/replay.c reads them."""
    return b"".join(struct.pack("<I", len(item)) + item for item in inputs)


def unpack(target: str, folder: Path) -> None:
    """Write each input to a file of its own, as libFuzzer wants them."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, item in enumerate(load(target)):
        (folder / f"{target}-{number:04}").write_bytes(item)

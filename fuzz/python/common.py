"""What the targets share: choices taken from the input, mending checksums, the errors that may come out."""

from __future__ import annotations

import struct
import sys
import zlib
from binascii import crc_hqx
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from evcodec import EvcodecError

ROOT = Path(__file__).resolve().parents[2]
MARKER = b"\xecEVC"
HEAD, TAIL = 16, 4
END = 5

_Choice = TypeVar("_Choice")


class BrokenPromise(AssertionError):
    """What a target found."""


def require(condition: object, what: str) -> None:
    """Raise unless a promise holds."""
    if not condition:
        raise BrokenPromise(what)


def allowed(error: BaseException) -> bool:
    """Tell whether an error is of a kind that data of strangers may lead to: not memory, nor what a caller did wrong."""
    return isinstance(error, EvcodecError) and not isinstance(error, MemoryError)


class Input:
    """The bytes of an input, taken one choice after the other; zeros when they are used up."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def left(self) -> int:
        """Return how many bytes are left."""
        return len(self._data) - self._at

    def byte(self) -> int:
        """Return the next byte."""
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def number(self, size: int) -> int:
        """Return a signed number of ``size`` bytes."""
        return int.from_bytes(bytes(self.byte() for _ in range(size)), "little", signed=True)

    def choice(self, options: Sequence[_Choice]) -> _Choice:
        """Return one of them."""
        return options[self.byte() % len(options)]

    def rest(self, most: int | None = None) -> bytes:
        """Return what is left, or the first ``most`` bytes of it."""
        stop = len(self._data) if most is None else min(self._at + most, len(self._data))
        found = self._data[self._at : stop]
        self._at = max(stop, self._at)
        return found


def mended(data: bytes, numbers: bool) -> bytes:
    """Give each record, as far as the lengths tell where they are, the checksums that it needs; with ``numbers`` also the
    sequence number that comes next, a length that is there, and the distances of END.
    """
    out = bytearray(data)
    at = start = index_at = sequence = 0
    while at + HEAD <= len(out):
        out[at : at + 4] = MARKER
        kind, size = out[at + 4], struct.unpack_from("<I", out, at + 6)[0]
        if numbers:
            if kind == 1:
                start, sequence, index_at = at, 0, 0
            index_at = at if kind == 4 else index_at
            size = min(size, max(len(out) - at - HEAD - TAIL, 0))
            struct.pack_into("<II", out, at + 6, size, sequence)
            sequence += 1
        struct.pack_into("<H", out, at + 14, crc_hqx(out[at : at + 14], 0))
        end = at + HEAD + size
        if end + TAIL > len(out):
            break
        if numbers and kind == END and size >= 16:
            distance = at - index_at if index_at else 0
            struct.pack_into("<QQ", out, at + HEAD, distance, end + TAIL - start)
        struct.pack_into("<I", out, end, zlib.crc32(out[at:end]))
        at = end + TAIL
    return bytes(out)


def stream_of(shape: int, data: bytes) -> bytes:
    """Return the stream that an input stands for: as it is, or with its checksums mended, or its numbers too."""
    manner = shape & 3
    return data if manner == 0 else mended(data, numbers=manner > 1)


def _tests() -> None:
    tests = str(ROOT / "tests")
    if tests not in sys.path:
        sys.path.append(tests)


def small_streams(most: int = 2000) -> Iterator[bytes]:
    """Yield streams that were put together by hand, and golden ones; never anything that was recorded."""
    _tests()
    from vectors import VECTORS

    for vector in VECTORS:
        if len(vector.data) <= most:
            yield vector.data
    for path in sorted((ROOT / "tests/golden").glob("*.evc")):
        if path.stat().st_size <= most:
            yield path.read_bytes()

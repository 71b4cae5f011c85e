"""Faults: what is done to the bytes of a file, drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

PAGE = 4096
_BURST = 64
KINDS = ("flip", "burst", "page", "cut")


@dataclass(frozen=True)
class Fault:
    """``patch`` takes the place of the bytes at ``at``; None: the file ends there."""

    kind: str
    at: int
    patch: bytes | None

    def apply(self, data: bytes) -> bytes:
        """Return the damaged file."""
        if self.patch is None:
            return data[: self.at]
        return data[: self.at] + self.patch + data[self.at + len(self.patch) :]


def faults(kind: str, data: bytes, count: int, seed: str) -> Iterator[Fault]:
    """Yield faults at places of which each is as likely as any other; none leaves the file as it is.

    A flip is one bit. A burst is 64 bytes, each a random other one. A page is 4,096 bytes, aligned, that turn zero.
    """
    draw = random.Random(f"{seed} {kind}")
    size = len(data)
    pages = [at for at in range(0, size, PAGE) if any(data[at : at + PAGE])]
    for _ in range(count):
        if kind == "flip":
            at = draw.randrange(size)
            patch: bytes | None = bytes([data[at] ^ 1 << draw.randrange(8)])
        elif kind == "burst":
            at = draw.randrange(max(size - _BURST, 0) + 1)
            patch = bytes(byte ^ draw.randrange(1, 256) for byte in data[at : at + _BURST])
        elif kind == "page":
            at = draw.choice(pages)
            patch = bytes(min(PAGE, size - at))
        else:
            at, patch = draw.randrange(size), None
        yield Fault(kind, at, patch)

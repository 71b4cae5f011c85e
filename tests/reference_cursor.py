"""Faults, and a cursor over the bytes of a record (section 1 of docs/format.md).

Part of :mod:`reference`; written from the document alone, and it imports nothing of evcodec.
"""

from __future__ import annotations

from dataclasses import dataclass


class ReferenceFault(Exception):
    """Base of what the reference decoder raises. The message says where, what was found, what is allowed."""

    def __init__(self, where: str, found: object, allowed: object) -> None:
        super().__init__(f"{where}: found {found}, allowed {allowed}")


class ReferenceCorrupt(ReferenceFault):
    """A complete record contradicts the document."""


class ReferenceTruncated(ReferenceFault):
    """The data ends inside a record."""


class ReferenceUnsupported(ReferenceFault):
    """The document calls it an unsupported version."""


class ReferenceLimit(ReferenceFault):
    """A row of section 9 would be exceeded."""


@dataclass
class Cursor:
    """Reads forward through bytes of a complete record, so running out of them is corrupt, not truncated."""

    data: bytes
    where: str
    position: int = 0

    def left(self) -> int:
        """Bytes that are not read yet."""
        return len(self.data) - self.position

    def at(self, what: str) -> str:
        """Say where something is; what already says it all stays as it is."""
        return what if what.startswith(self.where) else f"{self.where}, {what}"

    def take(self, size: int, what: str) -> bytes:
        """Take ``size`` bytes."""
        if size > self.left():
            raise ReferenceCorrupt(self.at(what), f"{self.left()} bytes left", f"{size} bytes")
        start = self.position
        self.position += size
        return self.data[start : self.position]

    def u8(self, what: str) -> int:
        """Take one byte."""
        return self.take(1, what)[0]

    def varint(self, what: str) -> int:
        """Take a varint in its only allowed, shortest form."""
        value = 0
        for i in range(10):
            byte = self.u8(what)
            if i == 9 and byte > 1:
                raise ReferenceCorrupt(self.at(what), f"tenth byte {byte} of a varint", "0 or 1")
            value |= (byte & 0x7F) << (7 * i)
            if byte < 0x80:
                if byte == 0 and i > 0:
                    raise ReferenceCorrupt(self.at(what), f"varint of {i + 1} bytes", "shortest form")
                return value
        raise AssertionError("the tenth byte either ended the varint or was refused")

    def svarint(self, what: str) -> int:
        """Take a signed varint."""
        return unzigzag(self.varint(what))

    def end(self, what: str) -> None:
        """Refuse bytes that nothing has claimed."""
        if self.left():
            raise ReferenceCorrupt(
                f"{self.where}, end of {what}", f"{self.left()} bytes more", "no byte more"
            )


def unzigzag(value: int) -> int:
    """Map 0, 1, 2, 3, 4 to 0, -1, 1, -2, 2."""
    return value // 2 if value % 2 == 0 else -(value + 1) // 2

"""Records (docs/format.md, section 2): bytes in, records out. No I/O, and no idea of what a payload means."""

from __future__ import annotations

import struct
import zlib
from binascii import crc_hqx
from enum import IntEnum
from typing import NamedTuple

from ._codec import find_head
from .checksums import RunChecksums
from .errors import (
    CorruptDataError,
    EvcodecError,
    LimitExceededError,
    TruncatedDataError,
    UnsupportedVersionError,
)
from .limits import MAX_PAYLOAD_BYTES

MARKER = b"\xecEVC"
HEAD_BYTES = 16
TAIL_BYTES = 4
FIRST_ANCILLARY = 0x80
RESERVED_FLAGS = 0x0F

_HEAD = struct.Struct("<4sBBIIH")
_TAIL = struct.Struct("<I")


class RecordType(IntEnum):
    """Types of record that this version knows."""

    HEADER = 1
    BLOCK = 2
    ENTRIES = 3
    INDEX = 4
    END = 5
    KEYS = 0xC0
    CHAIN = 0xC1
    VOID = 0xC2


class RecordHead(NamedTuple):
    """The first 16 bytes of a record, checked."""

    type: int
    payload_bytes: int
    sequence: int

    @property
    def record_bytes(self) -> int:
        """Bytes of the whole record."""
        return HEAD_BYTES + self.payload_bytes + TAIL_BYTES


def pack_record(record_type: int, sequence: int, payload: bytes) -> bytes:
    """Return a whole record."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise LimitExceededError(f"record: payload: found {len(payload)} bytes, allowed: {MAX_PAYLOAD_BYTES}")
    head = _HEAD.pack(MARKER, record_type, 0, len(payload), sequence & 0xFFFFFFFF, 0)[:14]
    head += struct.pack("<H", crc_hqx(head, 0))
    return b"".join((head, payload, _TAIL.pack(zlib.crc32(payload, zlib.crc32(head)))))


def parse_head(data: memoryview, offset: int, position: int) -> RecordHead | None:
    """Return the head at ``offset`` of ``data``, or None when fewer than 16 bytes are left there.

    ``position`` is where that is in the stream, for messages.

    Raises
    ------
    CorruptDataError
        The bytes there are no head: marker, checksum or reserved flags are wrong.
    UnsupportedVersionError
        The record is of a type that a later version defines and that may not be skipped.
    LimitExceededError
        The payload is longer than the format allows.
    """
    found = data[offset : offset + len(MARKER)]
    if found != MARKER[: len(found)]:
        shown = bytes(found).hex(" ")
        raise CorruptDataError(f"byte {position}: record marker: found {shown}, allowed: {MARKER.hex(' ')}")
    if len(data) - offset < HEAD_BYTES:
        return None
    _, record_type, flags, length, sequence, checksum = _HEAD.unpack_from(data, offset)
    expected = crc_hqx(data[offset : offset + 14], 0)
    if checksum != expected:
        raise CorruptDataError(
            f"byte {position}: checksum of a record head: found {checksum:#06x}, allowed: {expected:#06x}"
        )
    if flags & RESERVED_FLAGS:
        raise CorruptDataError(
            f"byte {position}: reserved flags of a record: found {flags & RESERVED_FLAGS:#x}, allowed: 0"
        )
    if record_type < FIRST_ANCILLARY and not RecordType.HEADER <= record_type <= RecordType.END:
        raise UnsupportedVersionError(
            f"byte {position}: record type: found {record_type}, allowed in this version: 1 to 5, 128 to 255"
        )
    if length > MAX_PAYLOAD_BYTES:
        raise LimitExceededError(
            f"byte {position}: payload of a record: found {length} bytes, allowed: {MAX_PAYLOAD_BYTES}"
        )
    return RecordHead(record_type, length, sequence)


def check_record(record: memoryview, position: int, expected: int | None = None) -> memoryview:
    """Return the payload of a whole record whose head has been parsed; raise CorruptDataError if its
    checksum is wrong. ``expected`` is what it should be, where that is known.
    """
    (found,) = _TAIL.unpack(record[-TAIL_BYTES:])
    if expected is None:
        expected = zlib.crc32(record[:-TAIL_BYTES])
    if found != expected:
        raise CorruptDataError(
            f"byte {position}: checksum of a record: found {found:#010x}, allowed: {expected:#010x}"
        )
    return record[HEAD_BYTES:-TAIL_BYTES]


class Record(NamedTuple):
    """A whole record that has passed its checksums."""

    type: int
    sequence: int
    position: int
    """Where its first byte stands in the data."""
    payload: memoryview

    @property
    def record_bytes(self) -> int:
        """Bytes of the whole record."""
        return HEAD_BYTES + len(self.payload) + TAIL_BYTES

    @property
    def end(self) -> int:
        """Where the byte behind its last one stands."""
        return self.position + self.record_bytes


class RecordScanner:
    """Turns data that arrives in pieces of any size into records.

    Parameters
    ----------
    position : int
        Where the first byte that will be fed stands, for messages.

    Notes
    -----
    Feed, then call ``next`` until it returns None, then feed again; after ``finish`` None means the end. Not
    safe for several threads.
    """

    def __init__(self, position: int = 0) -> None:
        self._data = bytearray()
        self._at = 0
        self._base = position
        self._finished = False
        self._lost = False
        self._sums: RunChecksums | None = None

    @property
    def position(self) -> int:
        """Where the next record is looked for."""
        return self._base + self._at

    def feed(self, data: bytes | memoryview) -> None:
        """Take more data."""
        del self._data[: self._at]
        self._base += self._at
        self._at = 0
        self._data += data

    def finish(self) -> None:
        """Say that no more data will come."""
        self._finished = True

    def next(self) -> Record | None:
        """Return the next record, or None when more data is needed for one, or when the data has ended.

        Raises
        ------
        TruncatedDataError
            The data has ended inside a record.
        CorruptDataError, UnsupportedVersionError, LimitExceededError
            As ``parse_head`` and ``check_record`` do. ``skip_damage`` must come before the next call.
        """
        if self._lost and not self._resynchronise():
            return None
        left = len(self._data) - self._at
        if not left:
            return None
        with memoryview(self._data) as view:
            head = parse_head(view, self._at, self.position)
            if head is not None and left >= head.record_bytes:
                return self._take(head, view)
        if not self._finished:
            return None
        needed = HEAD_BYTES if head is None else head.record_bytes
        raise TruncatedDataError(
            f"byte {self.position}: record: found {left} of its {needed} bytes, then the data ended"
        )

    def _take(self, head: RecordHead, view: memoryview) -> Record:
        """Return a copy of the record that is there, checked, and step over it."""
        position, stop = self.position, self._at + head.record_bytes
        expected = None
        if self._sums is not None:
            expected = self._sums.of(view, self._base, position, self._base + stop - TAIL_BYTES)
        with view[self._at : stop] as there:
            check_record(there, position, expected).release()
            record = memoryview(bytes(there))
        self._at = stop
        return Record(head.type, head.sequence, position, record[HEAD_BYTES:-TAIL_BYTES])

    def skip_damage(self) -> None:
        """After an error, go on behind the first byte of the record that failed, at the next marker whose
        head is sound.
        """
        self._at += 1
        self._lost = True
        if self._sums is None:
            # Heads can be forged: from here on no byte is summed again for each record that may begin before it.
            self._sums = RunChecksums()

    def _resynchronise(self) -> bool:
        """Move to the next place where a head is sound; False when more data is needed to tell."""
        with memoryview(self._data) as view:
            while True:
                self._at = find_head(view, self._at)
                try:
                    head = parse_head(view, self._at, self.position)
                except EvcodecError:
                    self._at += 1
                    continue
                if head is None and self._finished:
                    self._at = len(view)
                self._lost = head is None
                return head is not None

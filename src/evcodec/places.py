"""Records at known places of a seekable input."""

from __future__ import annotations

from typing import NamedTuple

from .errors import CorruptDataError, TruncatedDataError
from .framing import HEAD_BYTES, Record, RecordHead, check_record, parse_head
from .inputs import SeekableInput


class RecordPlace(NamedTuple):
    """A BLOCK or ENTRIES record: where it stands in the data, and what an index says of it."""

    stream: int
    position: int
    size: int
    type: int
    events: int
    t_min: int
    t_max: int
    kinds: int
    sequence: int | None
    """Its sequence number, where the index tells."""


def read_record(source: SeekableInput, place: RecordPlace) -> Record:
    """Return the record at a place; raise CorruptDataError if it is not what the index says."""
    data = source.read_at(place.position, place.size)
    head = read_head(data, place)
    return Record(head.type, head.sequence, place.position, check_record(data, place.position))


def read_head(data: memoryview, place: RecordPlace) -> RecordHead:
    """Return the head at the start of data; raise CorruptDataError if it is not what the index says."""
    head = parse_head(data, 0, place.position)
    if head is None or head.record_bytes != place.size or head.type != place.type:
        raise CorruptDataError(
            f"byte {place.position}: record: found another type or size than the index states"
        )
    # Two records that changed places may be alike in all that an index says of them.
    if place.sequence not in (None, head.sequence):
        raise CorruptDataError(
            f"byte {place.position}: sequence number: found {head.sequence}, allowed: {place.sequence}; "
            "the order was changed"
        )
    return head


class Records:
    """Records of an input at their positions."""

    def __init__(self, source: SeekableInput) -> None:
        self._source = source
        self.size = source.size()
        self._held_start = 0
        self._held = memoryview(b"")

    def hold(self, start: int, size: int) -> None:
        """Read bytes at once, for the records among them."""
        self._held_start = start
        self._held = self._source.read_at(start, size)

    def at(self, position: int, stop: int, record_type: int | None = None) -> Record:
        """Return the record at a position, checked; raise an EvcodecError if there is none of this type that ends by
        ``stop``. Nothing but its head is read before that is known, so that no byte is read for two streams.
        """
        left = stop - position
        head = parse_head(self._bytes(position, min(HEAD_BYTES, max(left, 0))), 0, position)
        if head is None:
            raise TruncatedDataError(f"byte {position}: record: found {left} bytes, needed {HEAD_BYTES}")
        if record_type not in (None, head.type):
            raise CorruptDataError(
                f"byte {position}: record type: found {head.type}, allowed here: {record_type}"
            )
        if head.record_bytes > left:
            raise CorruptDataError(
                f"byte {position}: record: found {head.record_bytes} bytes, allowed before byte {stop}: {left}"
            )
        data = self._bytes(position, head.record_bytes)
        return Record(head.type, head.sequence, position, check_record(data, position))

    def _bytes(self, position: int, size: int) -> memoryview:
        start = position - self._held_start
        if 0 <= start <= len(self._held) - size:
            return self._held[start : start + size]
        return self._source.read_at(position, size)

"""Payloads that are not blocks: HEADER, ENTRIES, END (docs/format.md, sections 3, 6 and 8). No I/O."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from . import compression, messages
from .entries import (
    ENTRY_TYPES,
    Anchor,
    Context,
    Entry,
    Gap,
    Marker,
    Payload,
    Source,
    UnknownEntry,
    VideoAnchor,
)
from .errors import CorruptDataError, InvalidArgumentError, LimitExceededError, UnsupportedVersionError
from .limits import MAX_ENTRIES_BYTES, MAX_HEADER_BYTES, MAX_RECORD_ELEMENTS
from .schema import ColumnGroup

FORMAT_VERSION = 1

_ELEMENT_BYTES = 80
_INT64 = (-(2**63), 2**63 - 1)
_UINT64 = (0, 2**64 - 1)


def _integer(low: int, high: int) -> Callable[[Any], str | None]:
    def check(value: Any) -> str | None:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return None
        return f"an integer from {low} to {high}"

    return check


def _string(value: Any) -> str | None:
    return None if isinstance(value, str) else "a string"


def _string_map(value: Any) -> str | None:
    return (
        None
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value)
        else "a map with string keys"
    )


def _properties(value: Any) -> str | None:
    if problem := _string_map(value):
        return problem
    if _integer(-16, 0)(value.get("scale_exponent", 0)):
        return "a map whose scale_exponent is an integer from -16 to 0"
    return None


def _ratio(value: Any) -> str | None:
    valid = (
        isinstance(value, (list, tuple)) and len(value) == 2 and not any(map(_integer(1, 2**63 - 1), value))
    )
    return None if valid else "two integers of at least 1"


def _anything(value: Any) -> str | None:
    return None


def _digest(value: Any) -> str | None:
    return None if isinstance(value, (str, bytes)) else "a string or bytes"


def _strings(value: Any) -> str | None:
    return (
        None
        if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)
        else "an array of strings"
    )


class _Field(NamedTuple):
    attribute: str
    check: Callable[[Any], str | None]
    required: bool = True
    key: str | None = None  # name in the format, where it differs


_TIME = _integer(*_INT64)
_INDEX = _integer(1, 2**32 - 1)
_FIELDS: dict[type[Entry], tuple[_Field, ...]] = {
    Source: (_Field("index", _integer(1, 65535)), _Field("name", _string), _Field("properties", _properties)),
    Context: (
        _Field("index", _INDEX),
        _Field("context_type", _string, key="type"),
        _Field("value", _anything),
    ),
    Gap: (
        _Field("reason", _integer(1, 255)),
        _Field("t0", _TIME),
        _Field("t1", _TIME),
        _Field("source", _integer(0, 65535), required=False),
        _Field("lost", _integer(*_UINT64), required=False),
    ),
    Anchor: (
        _Field("t", _TIME),
        _Field("wall_ns", _TIME),
        _Field("clock", _string, required=False),
        _Field("boot_id", _string, required=False),
        _Field("suspended_ns", _TIME, required=False),
    ),
    VideoAnchor: (
        _Field("t", _TIME),
        _Field("pts", _TIME),
        _Field("time_base", _ratio),
        _Field("uri", _string, required=False),
    ),
    Marker: (_Field("t", _TIME), _Field("name", _string), _Field("data", _anything, required=False)),
    Payload: (
        _Field("index", _INDEX),
        _Field("t", _TIME),
        _Field("payload_type", _string, key="type"),
        _Field("data", _anything),
    ),
}
_GOVERNANCE: dict[str, Callable[[Any], str | None]] = {
    "purpose": _string,
    "policy_digest": _digest,
    "notice_id": _string,
    "retain_until_ns": _TIME,
    "recipient_key_ids": _strings,
}
GOVERNANCE_KEYS = tuple(_GOVERNANCE)


# ---- header ----


@dataclass(frozen=True)
class Header:
    """What a stream says of itself."""

    metadata: dict[str, Any] = field(default_factory=dict)
    governance: dict[str, Any] = field(default_factory=dict)
    writer: str = ""


def _check_header(header: Header) -> str | None:
    """Return what is wrong, or None."""
    if problem := _string_map(header.metadata):
        return f"metadata: found {type(header.metadata).__name__}, allowed: {problem}"
    if not isinstance(header.governance, Mapping):
        return f"governance: found {type(header.governance).__name__}, allowed: a map"
    for key, value in header.governance.items():
        check = _GOVERNANCE.get(key, _anything)
        if problem := check(value):
            return f"governance {key!r}: found {type(value).__name__}, allowed: {problem}"
    return _string(header.writer) and "writer: allowed: a string"


def pack_header(header: Header) -> bytes:
    """Return the payload of a HEADER; raise InvalidArgumentError for what it cannot carry."""
    if problem := _check_header(header):
        raise InvalidArgumentError(problem)
    if unknown := set(header.governance) - set(_GOVERNANCE):
        raise InvalidArgumentError(f"governance: found {sorted(unknown)}, allowed: {sorted(_GOVERNANCE)}")
    fields = {
        "writer": header.writer,
        "metadata": dict(header.metadata),
        "governance": dict(header.governance),
    }
    data = messages.pack({key: value for key, value in fields.items() if value}, "metadata")
    if len(data) > MAX_HEADER_BYTES:
        raise InvalidArgumentError(
            f"metadata: found {len(data)} bytes of msgpack, allowed: {MAX_HEADER_BYTES}"
        )
    return bytes((FORMAT_VERSION, 0)) + data


def unpack_header(payload: memoryview, where: str) -> Header:
    """Return the header that a payload holds; raise an EvcodecError that says what is wrong with it."""
    if len(payload) < 2:
        raise CorruptDataError(f"{where}: header: found {len(payload)} bytes, allowed: at least 3")
    if payload[0] != FORMAT_VERSION:
        raise UnsupportedVersionError(
            f"{where}: version of the format: found {payload[0]}, allowed: {FORMAT_VERSION}"
        )
    if payload[1]:
        raise CorruptDataError(f"{where}: reserved features of the header: found {payload[1]:#x}, allowed: 0")
    if len(payload) - 2 > MAX_HEADER_BYTES:
        raise LimitExceededError(
            f"{where}: header map: found {len(payload) - 2} bytes, allowed: {MAX_HEADER_BYTES}"
        )
    fields = messages.unpack(payload[2:], f"{where}: header")
    if _string_map(fields):
        raise CorruptDataError(
            f"{where}: header: found {type(fields).__name__}, allowed: a map with string keys"
        )
    header = Header(fields.get("metadata", {}), fields.get("governance", {}), fields.get("writer", ""))
    if problem := _check_header(header):
        raise CorruptDataError(f"{where}: header: {problem}")
    return header


# ---- entries ----


def entry_group(entry: Entry) -> ColumnGroup:
    """Return the group that an entry belongs to."""
    if isinstance(entry, UnknownEntry):
        return ColumnGroup(entry.group)
    return ColumnGroup.CONTEXT if isinstance(entry, (Context, Payload)) else ColumnGroup.POINTER


def _entry_problem(entry: Entry) -> str | None:
    for spec in _FIELDS[type(entry)]:
        value = getattr(entry, spec.attribute)
        if value is None and not spec.required:
            continue
        if problem := spec.check(value):
            shown = value if isinstance(value, int) else type(value).__name__
            return (
                f"{type(entry).__name__.lower()} entry, {spec.key or spec.attribute}: "
                f"found {shown}, allowed: {problem}"
            )
    if isinstance(entry, Gap) and entry.t0 > entry.t1:
        return f"gap entry, t1: found {entry.t1}, allowed: t0 ({entry.t0}) or later"
    return None


def pack_entry(entry: Entry) -> bytes:
    """Return an entry's msgpack; raise InvalidArgumentError for what it cannot carry."""
    if type(entry) not in _FIELDS:
        raise InvalidArgumentError(
            f"entry: found {type(entry).__name__}, allowed: {[cls.__name__ for cls in _FIELDS]}"
        )
    if problem := _entry_problem(entry):
        raise InvalidArgumentError(problem)
    fields = {
        spec.key or spec.attribute: value
        for spec in _FIELDS[type(entry)]
        if (value := getattr(entry, spec.attribute)) is not None or spec.required
    }
    data = messages.pack([entry.type, entry.position, fields], f"{type(entry).__name__.lower()} entry")
    if len(data) > MAX_ENTRIES_BYTES:
        raise InvalidArgumentError(
            f"{type(entry).__name__.lower()} entry: found {len(data)} bytes, allowed: {MAX_ENTRIES_BYTES}"
        )
    return data


def copied(entry: Entry) -> Entry:
    """Return an entry as a reader will see it, which shares nothing with what the caller may still change.

    Raises
    ------
    InvalidArgumentError
        The format cannot carry it.
    """
    return _unpack_entry(messages.unpack(pack_entry(entry), "entry"), ColumnGroup.CONTEXT, "entry")


def pack_entries(group: ColumnGroup, packed: Iterable[bytes], efforts: Sequence[compression.Effort]) -> bytes:
    """Return the payload of an ENTRIES record; at most MAX_ENTRIES_BYTES in all, which the caller sees to."""
    raw = b"".join(packed)
    codec, data = compression.compress(raw, efforts)
    return bytes((group, 0, codec)) + pack_varint(len(raw)) + data


def is_encrypted(payload: memoryview) -> bool:
    """Tell whether a sound payload of entries cannot be read."""
    return bool(payload[1])


def may_be_sealed(group: int, type_bits: int) -> bool:
    """Tell whether encrypted entries of a group may have one of these types: contexts and payloads have their own."""
    others = 1 << Context.type | 1 << Payload.type
    return bool(type_bits & (others if group == ColumnGroup.CONTEXT else ~others))


def entries_bytes(payload: memoryview, where: str) -> int:
    """Return what the entries of a sound payload take in memory, at most: an element is one byte, and eighty in memory."""
    if is_encrypted(payload):
        return 0
    raw, _ = unpack_varint(payload, 3, where)
    return raw + _ELEMENT_BYTES * min(raw, MAX_RECORD_ELEMENTS)


def unpack_entries(payload: memoryview, where: str) -> list[Entry]:
    """Return the entries of a payload, those of later versions as UnknownEntry; raise an EvcodecError that
    says what is wrong with it.
    """
    if len(payload) < 2:
        raise CorruptDataError(f"{where}: entries: found {len(payload)} bytes, allowed: at least 2")
    group, storage = payload[:2]
    if group not in (ColumnGroup.POINTER, ColumnGroup.CONTEXT):
        raise CorruptDataError(f"{where}: group of entries: found {group}, allowed: 0, 2")
    if storage:
        return []
    if len(payload) < 4:
        raise CorruptDataError(f"{where}: entries: found {len(payload)} bytes, allowed: at least 4")
    codec = payload[2]
    if codec not in (compression.STORED, compression.ZSTD):
        raise UnsupportedVersionError(
            f"{where}: codec of entries: found {codec}, allowed in this version: 0, 1"
        )
    raw_length, start = unpack_varint(payload, 3, where)
    if raw_length > MAX_ENTRIES_BYTES:
        raise LimitExceededError(f"{where}: entries: found {raw_length} bytes, allowed: {MAX_ENTRIES_BYTES}")
    raw = compression.decompress(codec, payload[start:], raw_length, where)
    found = []
    for item in messages.unpack_all(raw, f"{where}: entries"):
        entry = _unpack_entry(item, group, where)
        if entry_group(entry) > group:
            raise CorruptDataError(
                f"{where}: {type(entry).__name__.lower()} entry: found in group {group}, allowed: 2"
            )
        found.append(entry)
    return found


def _unpack_entry(item: Any, group: int, where: str) -> Entry:
    position = _integer(*_UINT64)
    if (
        not isinstance(item, list)
        or len(item) != 3
        or position(item[0])
        or position(item[1])
        or _string_map(item[2])
    ):
        raise CorruptDataError(
            f"{where}: entry: found {type(item).__name__}, allowed: [type, position, fields]"
        )
    cls = ENTRY_TYPES.get(item[0])
    if cls is None:
        return UnknownEntry(position=item[1], unknown_type=item[0], group=group, fields=item[2])
    values: dict[str, Any] = {}
    for spec in _FIELDS[cls]:
        key = spec.key or spec.attribute
        if key in item[2]:
            values[spec.attribute] = item[2][key]
            if problem := spec.check(item[2][key]):
                raise CorruptDataError(
                    f"{where}: {cls.__name__.lower()} entry, {key}: found "
                    f"{type(item[2][key]).__name__}, allowed: {problem}"
                )
        elif spec.required:
            raise CorruptDataError(
                f"{where}: {cls.__name__.lower()} entry: found no {key}, which is required"
            )
    entry = cls(position=item[1], **values)
    if problem := _entry_problem(entry):
        raise CorruptDataError(f"{where}: {problem}")
    if isinstance(entry, VideoAnchor):
        numerator, denominator = entry.time_base
        entry = replace(entry, time_base=(numerator, denominator))
    return entry


# ---- end ----

_END = struct.Struct("<QQQ")
END_PAYLOAD_BYTES = _END.size


class End(NamedTuple):
    """Payload of an END record."""

    index_distance: int
    stream_bytes: int
    events: int


def pack_end(end: End) -> bytes:
    """Return the payload of an END record."""
    return _END.pack(*end)


def unpack_end(payload: memoryview, where: str) -> End:
    """Return what an END record says; raise CorruptDataError if it has another length."""
    if len(payload) != END_PAYLOAD_BYTES:
        raise CorruptDataError(f"{where}: end: found {len(payload)} bytes, allowed: {END_PAYLOAD_BYTES}")
    return End(*_END.unpack(payload))


# ---- varints ----


def pack_varint(value: int) -> bytes:
    """Return an unsigned integer below 2**64 as a varint."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def zigzag(value: int) -> int:
    """Return a signed 64-bit integer in zigzag form."""
    return value << 1 if value >= 0 else (-value << 1) - 1


def unpack_varint(data: memoryview, start: int, where: str) -> tuple[int, int]:
    """Return the varint at ``start`` and the offset behind it; raise CorruptDataError if there is none."""
    value = 0
    for at in range(start, min(start + 10, len(data))):
        byte = data[at]
        value |= (byte & 0x7F) << 7 * (at - start)
        if byte < 0x80:
            if value >= 2**64 or (byte == 0 and at > start):
                break
            return value, at + 1
    raise CorruptDataError(
        f"{where}: varint: found {bytes(data[start : start + 10]).hex(' ')}, "
        "allowed: the shortest form, below 2**64"
    )

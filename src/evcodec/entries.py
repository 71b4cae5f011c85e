"""Entries: what a stream says beside its events. Plain values; ``wire`` gives them their bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, ClassVar


class GapReason(IntEnum):
    """Why something was not recorded."""

    KERNEL_DROP = 1
    QUEUE_FULL = 2
    PAUSED = 3
    SECURE_FIELD = 4
    NOT_LISTED = 5
    PERMISSION = 6
    REDACTED = 7
    ERASED = 8
    BLIND = 9
    SUSPENDED = 10
    INDICATOR_LOST = 11
    UNCONFIRMED = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Base of all entries.

    Attributes
    ----------
    position : int
        Number of events of the stream before this entry.
    """

    type: ClassVar[int]
    position: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Source(Entry):
    """What the ``source`` column's ``index`` means: a device or a hook.

    ``properties`` may hold ``scale_exponent`` (positions are in units of 2**exponent pixel, -16 to 0),
    ``time_unit_ns``, ``clock_id`` and ``wrap_bits`` of ``os_time``, ``absolute``, and anything else msgpack
    carries.
    """

    type: ClassVar[int] = 1
    index: int
    name: str
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context(Entry):
    """What a context index means: a window, an application, a UI element, a display layout, ..."""

    type: ClassVar[int] = 2
    index: int
    context_type: str
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap(Entry):
    """Something was not recorded in [t0, t1), and why. ``lost`` is the number of events, where it is known."""

    type: ClassVar[int] = 3
    reason: int
    t0: int
    t1: int
    source: int | None = None
    lost: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor(Entry):
    """The session clock showed ``t`` ns when the wall clock showed ``wall_ns`` ns since 1970."""

    type: ClassVar[int] = 4
    t: int
    wall_ns: int
    clock: str | None = None
    boot_id: str | None = None
    suspended_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoAnchor(Entry):
    """A video showed ``pts`` (in units of ``time_base`` seconds) at ``t`` ns."""

    type: ClassVar[int] = 5
    t: int
    pts: int
    time_base: tuple[int, int] = (1, 1_000_000_000)
    uri: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker(Entry):
    """A named instant."""

    type: ClassVar[int] = 6
    t: int
    name: str
    data: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload(Entry):
    """Text or another rare payload; events refer to it by ``index`` in the ``payload`` column."""

    type: ClassVar[int] = 7
    index: int
    t: int
    payload_type: str
    data: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownEntry(Entry):
    """An entry of a later version: kept when a stream is written anew, else ignored."""

    type: ClassVar[int] = 0
    unknown_type: int
    group: int
    fields: Mapping[str, Any]


def type_number(entry: Entry) -> int:
    """Return the type of an entry in the format."""
    return entry.unknown_type if isinstance(entry, UnknownEntry) else entry.type


ENTRY_TYPES: dict[int, type[Entry]] = {
    cls.type: cls for cls in (Source, Context, Gap, Anchor, VideoAnchor, Marker, Payload)
}


def reason_name(reason: int) -> str:
    """Return a gap reason's lower-case name, or its number where the format names none."""
    try:
        return GapReason(reason).name.lower()
    except ValueError:
        return f"reason {reason}"

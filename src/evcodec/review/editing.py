"""Writing a stream anew without what a plan takes out of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from ..columns import group_of
from ..compression import Effort, decompress
from ..emitter import StreamEmitter
from ..entries import Context, Gap, Marker, Payload
from ..errors import UnsupportedVersionError
from ..limits import MAX_ENTRIES_BYTES
from ..messages import pack, unpack_all
from ..schema import ColumnGroup
from ..wire import Header, pack_entries, unpack_varint
from .finding import Strings
from .parts import BlockPart, EntriesPart
from .plan import Hole, Plan, floor
from .strokes import KEY_KINDS

# Other columns that hold a time: ns, or the unit of the source; and what is finer than a nanosecond.
_TIMES = ("os_time", "owa_time", "utc_ns")
_FINER = ("t_atto",)
_LARGEST_TYPE = 7
# Types of contexts and payloads that recorder and importers give.
OWN_TYPES = frozenset(
    """
    application window element display layout device key button screen keyboard_state mouse_state
    mcap.schema mcap.attachment mcap.metadata owamcap.json owamcap.message ducktrack.line evemu.line
    """.split()
)


class Editor:
    """Copies one stream into an emitter, changed as a plan says.

    Parameters
    ----------
    emitter : StreamEmitter
    plan : Plan
    strings : Strings
        Takes texts out of entries.
    units : dict of int to int
        ns of a unit of ``os_time``, by source.
    """

    def __init__(self, emitter: StreamEmitter, plan: Plan, strings: Strings, units: dict[int, int]) -> None:
        self._emitter = emitter
        self._plan = plan
        self._strings = strings
        self._units = units
        self._removed = np.array(sorted(plan.removed), np.int64)
        self._holes = sorted(plan.holes)
        self._last_t: int | None = None
        self.replaced = 0
        """Texts that were replaced in entries."""
        self.coarsened = 0
        """Keys whose times were coarsened."""

    def position(self, event: int) -> int:
        """Return how many of the first events stay."""
        return event - int(np.searchsorted(self._removed, event))

    def finish(self, events: int) -> None:
        """Write the gaps behind the last event."""
        self._write_holes(events + 1)

    def _write_holes(self, before: int) -> None:
        due = [hole for hole in self._holes if hole.event < before]
        self._holes = self._holes[len(due) :]
        if due:
            self._emitter.entries(_gap(hole, self.position(hole.event)) for hole in due)

    # ---- entries ----

    def entries(self, part: EntriesPart) -> None:
        """Write a record of entries; fields and entries that this version does not know stay."""
        group, items = items_of(part.payload, part.where)
        changed = False
        kept: list[Any] = []
        for item in items:
            new = self._item(*item)
            changed |= new != item
            if new is not None:
                kept.append(new)
        if not changed:
            self._emitter.encoded_entries(part.payload, part.where)
        elif kept:
            packed = [pack(item, f"{part.where}: entry") for item in kept]
            self._emitter.encoded_entries(pack_entries(ColumnGroup(group), packed, (Effort(3),)), part.where)

    def _item(self, number: int, position: int, fields: dict[str, Any]) -> list[Any] | None:
        fields = dict(fields)
        is_known = 0 < number <= _LARGEST_TYPE
        if is_known and "t" in fields and any(t0 <= fields["t"] < t1 for t0, t1 in self._plan.erased):
            if number == Marker.type:
                return None
            if number == Payload.type:
                fields["data"] = None
        if number == Context.type and fields["index"] in self._plan.contexts:
            fields["value"] = None
        if number == Payload.type and fields["index"] in self._plan.payloads:
            fields["data"], fields["t"] = None, floor(fields["t"])
        for name, value in fields.items():
            if name == "type" and value in OWN_TYPES:
                continue
            found = self._strings.without(value)
            if found.times:
                fields[name] = found.value
                self.replaced += found.times
        return [number, self.position(position), fields]

    # ---- blocks ----

    def block(self, part: BlockPart) -> None:
        """Write a block without the events that go."""
        first, last = part.first, part.first + part.block.events
        self._write_holes(last)
        low, high = np.searchsorted(self._removed, (first, last))
        moved = {event - first: t for event, t in self._plan.moved.items() if first <= event < last}
        overlaps = any(t0 <= part.block.t_max and part.block.t_min < t1 for t0, t1 in self._plan.coarse)
        if low == high and not moved and not overlaps:
            self._emitter.encoded_block(part.payload)
            self._last_t = part.block.t_max
            return
        if part.block.encrypted_groups or any(
            part.block.groups[name] != group_of(name) for name in part.block.groups
        ):
            raise UnsupportedVersionError(
                f"{part.where}: found a column group that cannot be encoded anew, allowed: groups of the format's own columns"
            )
        columns = part.columns()
        times = columns["t"].copy()
        for place, t in moved.items():
            times[place] = t
        keep = np.ones(last - first, bool)
        keep[self._removed[low:high] - first] = False
        columns = {name: values[keep] for name, values in (columns | {"t": times}).items()}
        if len(columns["t"]):
            if overlaps:
                columns = self._coarsened(columns)
            self._last_t = int(columns["t"][-1])
            self._emitter.block({name: np.ascontiguousarray(values) for name, values in columns.items()})

    def _coarsened(self, columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Round the times of keys down that stand beside what went."""
        old = columns["t"]
        near = np.zeros(len(old), bool)
        for t0, t1 in self._plan.coarse:
            near |= (old >= t0) & (old < t1)
        near &= np.isin(columns["kind"], KEY_KINDS)
        if not near.any():
            return columns
        columns = {name: values.copy() for name, values in columns.items()}
        new = columns["t"]
        before = self._last_t
        places = np.flatnonzero(near)
        for place in places.tolist():
            # Not before the event in front of it: the order says that much anyway, and times stay in order.
            at = before if place == 0 else int(new[place - 1])
            t = floor(int(old[place]))
            new[place] = t if at is None else max(t, min(at, int(old[place])))
        self._shift_others(columns, old, places)
        self.coarsened += len(places)
        return columns

    def _shift_others(self, columns: dict[str, np.ndarray], old: np.ndarray, places: np.ndarray) -> None:
        """Move the other times of events as far as ``t``."""
        by = old[places] - columns["t"][places]
        for name in _TIMES:
            if name in columns:
                unit = np.ones(len(places), np.int64)
                if name == "os_time":
                    sources = columns["source"][places].tolist() if "source" in columns else [0] * len(places)
                    # 0: in what it counts is not said, so that the exact time could be told from the difference.
                    unit = np.array([self._units.get(source, 0) for source in sources], np.int64)
                values = columns[name][places]
                steps = (by // np.maximum(unit, 1)).astype(values.dtype)
                columns[name][places] = np.where((unit > 0) & (values >= steps), values - steps, 0)
        for name in _FINER:
            if name in columns:
                columns[name][places] = 0


def _gap(hole: Hole, position: int) -> Gap:
    return Gap(reason=hole.reason, t0=hole.t0, t1=hole.t1, position=position)


def raw_entries(payload: bytes, where: str) -> bytes:
    """Return the entries of a record that was checked, decompressed."""
    view = memoryview(payload)
    length, start = unpack_varint(view, 3, where)
    return bytes(decompress(payload[2], view[start:], min(length, MAX_ENTRIES_BYTES), where))


def items_of(payload: bytes, where: str) -> tuple[int, list[list[Any]]]:
    """Return the group of a record of entries that was checked, and its entries as they stand: type, position, fields."""
    return payload[0], list(unpack_all(raw_entries(payload, where), where))


def header_without(header: Header, strings: Strings) -> tuple[Header, int]:
    """Return a header without what is found in its strings, and how often that was."""
    metadata, governance = strings.without(header.metadata), strings.without(header.governance)
    return replace(
        header, metadata=metadata.value, governance=governance.value
    ), metadata.times + governance.times


def copy(
    parts: Iterable[BlockPart | EntriesPart], editor: Editor, progress: Callable[[int], object] | None
) -> int:
    """Write all records of a stream, and return the number of events that it had."""
    events = 0
    for part in parts:
        if isinstance(part, BlockPart):
            editor.block(part)
            events = part.first + part.block.events
        else:
            editor.entries(part)
        if progress is not None:
            progress(part.size)
    editor.finish(events)
    return events

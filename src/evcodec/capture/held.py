"""What the gate holds back: runs of pointer events, single keys, notes, in order of time. Arrays are wiped when dropped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np

from ..batch import EventBatch
from ..schema import EventKind, common_dtype
from .model import ElementActed, EventsLost, wipe
from .policy import Keys

POINTER_COLUMNS = (
    "t", "kind", "x", "y", "x_sub", "y_sub", "code", "dx", "dy", "source", "os_time", "flags", "scroll_source",
)  # fmt: skip
# No position: where the pointer is while somebody types is for pointer events to say, where they may be recorded.
KEY_COLUMNS = (
    "t", "kind", "code", "source", "os_time", "flags", "scancode", "vk", "keysym", "modifiers", "layout", "key_class",
)  # fmt: skip
# What tells one key from another.
IDENTITY_COLUMNS = ("code", "scancode", "vk", "keysym", "modifiers", "layout")

_LAST_POINTER_KIND = EventKind.SCROLL
_LATEST = (1 << 63) - 1
_KEY_KINDS = (EventKind.KEY_DOWN, EventKind.KEY_UP, EventKind.KEY_REPEAT)


@dataclass(slots=True, eq=False)
class Run:
    """Pointer events of one time to another, not decreasing."""

    t: int
    end_t: int
    columns: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.columns["t"])

    def cut(self, start: int, stop: int) -> Run:
        """Return the events from ``start`` until before ``stop``; the arrays are views."""
        columns = {name: values[start:stop] for name, values in self.columns.items()}
        return Run(int(columns["t"][0]), int(columns["t"][-1]), columns)

    def wipe(self) -> None:
        """Overwrite the events."""
        _wipe(self.columns)

    def batch(self) -> EventBatch:
        """Return the events."""
        return EventBatch._from_arrays(self.columns, len(self))


class Fate(Enum):
    """What was decided of a key."""

    OPEN = "open"
    DROPPED = "dropped"
    PASSED = "passed"


@dataclass(slots=True, eq=False)
class Key:
    """One key event. ``t`` is where it stands in order, ``true_t`` when it was."""

    t: int
    true_t: int
    kind: int
    device: int
    code: int
    columns: dict[str, np.ndarray]
    fate: Fate = Fate.OPEN
    is_asked: bool = False

    @property
    def end_t(self) -> int:
        """As of a run."""
        return self.t

    def drop(self) -> None:
        """Forget which key it was."""
        self.fate = Fate.DROPPED
        self.code = -1
        _wipe(self.columns)

    def keep(self, keys: Keys, os_unit_ns: int | None, quantum_ns: int) -> None:
        """Make the columns what may be recorded, in place; what may not is overwritten."""
        self.fate = Fate.PASSED
        self.code = -1
        if keys is not Keys.FULL:
            _wipe({name: self.columns[name] for name in IDENTITY_COLUMNS if name in self.columns})
        if quantum_ns:
            self.columns["t"][0] = self.t
            if "os_time" in self.columns:
                self.columns["os_time"][0] = self._coarse_os_time(os_unit_ns)

    def _coarse_os_time(self, unit_ns: int | None) -> int:
        """Return the OS time of the coarse ``t``; 0 where the two clocks are not one, so that they could be compared."""
        os_time = self.columns["os_time"]
        if not unit_ns:
            return 0
        ahead = int(os_time[0]) - self.true_t // unit_ns
        coarse = self.t // unit_ns + ahead
        # Clocks of 32 bits wrap.
        return coarse if not ahead % (1 << 32) and 0 <= coarse <= np.iinfo(os_time.dtype).max else 0

    def batch(self) -> EventBatch:
        """Return the event."""
        return EventBatch._from_arrays(self.columns, 1)


@dataclass(slots=True, eq=False)
class Note:
    """A change of what is in force, an act, or a loss, at ``t``."""

    t: int
    news: ElementActed | EventsLost | None = None

    @property
    def end_t(self) -> int:
        """As of a run."""
        return self.t


Held = Run | Key | Note


class Queue:
    """Held things in order of time; runs are cut where something else lies in between."""

    def __init__(self) -> None:
        self._items: list[Held] = []
        self._head = 0
        self.events = 0

    def __iter__(self) -> Iterator[Held]:
        return iter(self._items[self._head :])

    @property
    def head(self) -> Held | None:
        """The earliest."""
        return self._items[self._head] if self._head < len(self._items) else None

    def pop(self) -> None:
        """Take the earliest away."""
        self._count(self._items[self._head], -1)
        self._head += 1
        if self._head > 64 and 2 * self._head > len(self._items):
            del self._items[: self._head]
            self._head = 0

    def add(self, new: list[Held]) -> None:
        """Put things in, each behind what is as early."""
        for item in new:
            self._count(item, 1)
        first = min(item.t for item in new)
        at = len(self._items)
        while at > self._head and self._items[at - 1].end_t > first:
            at -= 1
        if at == len(self._items) and len(new) == 1:
            self._items.append(new[0])
            return
        moved = self._items[at:]
        self._items[at:] = _in_order([*moved, *new])

    def _count(self, item: Held, sign: int) -> None:
        if not isinstance(item, Note):
            self.events += sign * (len(item) if isinstance(item, Run) else 1)


def _in_order(items: list[Held]) -> list[Held]:
    """Return things in order of time: runs that overlap become one, which is cut where something else lies in it."""
    points: list[Held] = sorted(
        (item for item in items if not isinstance(item, Run)), key=lambda item: item.t
    )
    runs = sorted((item for item in items if isinstance(item, Run)), key=lambda run: run.t)
    joined: list[Run] = []
    for run in runs:
        if joined and joined[-1].end_t > run.t and _go_together(joined[-1], run):
            joined.append(_join(joined.pop(), run))
        else:
            joined.append(run)
    found: list[Held] = []
    for run in joined:
        while points and points[0].t <= run.t:
            found.append(points.pop(0))
        rest: Run | None = run
        while rest is not None and points and points[0].t <= rest.end_t:
            at = int(np.searchsorted(rest.columns["t"], points[0].t))
            if at:
                found.append(rest.cut(0, at))
            rest = rest.cut(at, len(rest)) if at < len(rest) else None
            found.append(points.pop(0))
        if rest is not None:
            found.append(rest)
    return [*found, *points]


def _go_together(one: Run, other: Run) -> bool:
    shared = one.columns.keys() & other.columns.keys()
    return all(common_dtype({one.columns[name].dtype, other.columns[name].dtype}) for name in shared)


def _join(one: Run, other: Run) -> Run:
    batch = EventBatch.concat([one.batch(), other.batch()])
    one.wipe()
    other.wipe()
    return sorted_run(dict(batch.columns))


def sorted_run(columns: dict[str, np.ndarray]) -> Run:
    """Return events as a run; those out of order are sorted, those of the same time stay as they are."""
    t = columns["t"]
    if (t[1:] < t[:-1]).any():
        order = np.argsort(t, kind="stable")
        unsorted = columns
        columns = {name: values[order] for name, values in columns.items()}
        _wipe(unsorted)
        t = columns["t"]
    return Run(int(t[0]), int(t[-1]), columns)


def split(batch: EventBatch, quantum_ns: int) -> list[Held]:
    """Return the events of a source as a run and as keys, without columns and kinds that may not pass anyway.

    The batch's arrays are the run's where it has no keys; else they are copied and wiped.
    """
    columns = batch.columns
    kind = columns.get("kind")
    if not len(batch) or kind is None or "t" not in columns:
        wipe(batch)
        return []
    if int(kind.max()) <= _LAST_POINTER_KIND:
        kept = {name: columns[name] for name in POINTER_COLUMNS if name in columns}
        return [sorted_run(kept)]
    found: list[Held] = []
    pointer = kind <= _LAST_POINTER_KIND
    if pointer.any():
        found.append(
            sorted_run({name: columns[name][pointer] for name in POINTER_COLUMNS if name in columns})
        )
    for at in np.flatnonzero(np.isin(kind, _KEY_KINDS)).tolist():
        found.append(_key(columns, at, quantum_ns))
    wipe(batch)
    return found


def _key(columns: Mapping[str, np.ndarray], at: int, quantum_ns: int) -> Key:
    one = {name: columns[name][at : at + 1].copy() for name in KEY_COLUMNS if name in columns}
    true_t = int(one["t"][0])
    code = next((int(one[name][0]) for name in ("code", "scancode", "vk", "keysym") if name in one), 0)
    return Key(
        t=min(-(-true_t // quantum_ns) * quantum_ns, _LATEST) if quantum_ns else true_t,
        true_t=true_t,
        kind=int(one["kind"][0]),
        device=int(one["source"][0]) if "source" in one else 0,
        code=code,
        columns=one,
    )


def drop_all(items: Iterable[Held]) -> None:
    """Wipe things that are held."""
    for item in items:
        if isinstance(item, Run):
            item.wipe()
        elif isinstance(item, Key):
            item.drop()


def _wipe(columns: Mapping[str, np.ndarray]) -> None:
    for values in columns.values():
        if values.flags.writeable:
            values[:] = 0

"""What the gate lets through, as plain values that a recorder turns into calls of a Writer without deciding anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..batch import EventBatch
from ..entries import GapReason
from ..schema import EventKind


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedDevice:
    """A device that events may be of: ``Writer.source(name, **properties)``; ``id`` is what their ``source`` column says."""

    id: int
    name: str
    properties: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedEvents:
    """Events, final but for indices that the recorder gives.

    Attributes
    ----------
    batch : EventBatch
        Of one or more events, for ``Writer.write``. ``source`` holds ids of `PassedDevice`, for which the recorder puts its
        index of the Writer's source; ``layout`` what the source of keys says, for which it puts the index of a context
        ``layout``; a column ``display`` is for it to add, with the index of the latest ``display`` context. The arrays
        belong to who receives them.
    has_keys : bool
        Whether there are keys in it: who is done with it wipes it (`model.wipe`).
    """

    batch: EventBatch
    has_keys: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedContext:
    """From ``t`` on this is in force: ``Writer.context(context_type, value)``, and a CONTEXT event with its index.

    Attributes
    ----------
    context_type : str
        ``application``: ``{"executable", "window_class", "pointer", "keys"}``, the last two what is recorded of it.
        ``window``: ``{"id"}`` and, as the policy has it, ``"title"`` or ``"title_digest"``. ``element``: ``{"role"}`` and,
        where known and allowed, ``"name"``, ``"bounds"`` [x, y, width, height]; ``{}`` when no element that may be told has
        the focus. ``display``: ``{"displays": [{"name", "bounds", "scale"}]}``.
    value : dict
        Strings, integers, floats, lists and dicts; keys that are not known are left out.
    """

    t: int
    context_type: str
    value: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedAct:
    """Something was done with an element: an event of ``kind`` with the index of the context ``element`` of this value.

    ``value`` is as in `PassedContext`, and may have a ``"value"``: what was committed.
    """

    t: int
    kind: EventKind
    value: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedGap:
    """Something was not recorded in [t0, t1): ``Writer.gap``. ``device_id`` is the id of a `PassedDevice`, or None for all."""

    reason: GapReason
    t0: int
    t1: int
    device_id: int | None = None
    lost: int | None = None


Passed = PassedDevice | PassedEvents | PassedContext | PassedAct | PassedGap

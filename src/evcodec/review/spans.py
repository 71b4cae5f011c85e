"""What was in front, when: the stretches of a stream by application. No I/O.

The recorder writes a context ``application`` (``executable``, ``window_class``, what is recorded of it), then ``window``
and ``element``, and an event of kind CONTEXT with the index of each where it comes into force. Imported recordings have
contexts ``window`` with a title at most; then the last part of a title that has parts stands for the application, as
programs write it ("Letter - Writer").
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..schema import EventKind

UNKNOWN_APPLICATION = ""
_TITLE_PARTS = re.compile(r"\s+[-\u2013\u2014|]\s+")


@dataclass
class Span:
    """Events in front of one application: numbers ``first`` to ``last``, the last not included.

    ``t0`` and ``t1`` are the times of its first event and of the first one behind it; ``names`` what it may be called.
    """

    application: str
    names: frozenset[str]
    first: int
    t0: int
    last: int = 0
    t1: int = 0
    kinds: Counter[int] = field(default_factory=Counter)
    keys_full: int = 0
    keys_class: int = 0


def names_of(context_type: str, value: Any) -> tuple[str, frozenset[str]]:
    """Return what to call an application, empty if nobody knows, and all that it may be called."""
    fields = value if isinstance(value, Mapping) else {"name": value}
    given = [fields.get(name) for name in ("executable", "name", "app", "window_class", "origin")]
    if context_type == "window":
        given = [fields.get(name) for name in ("app", "executable")]
        title = fields.get("title", fields.get("name"))
        parts = _TITLE_PARTS.split(title) if isinstance(title, str) else []
        if not any(given) and len(parts) < 2:  # all of it may be somebody's words
            return UNKNOWN_APPLICATION, frozenset(part.casefold() for part in parts)
        given += parts[-1:]
    texts = [text for text in given if isinstance(text, str) and text]
    if not texts:
        return UNKNOWN_APPLICATION, frozenset()
    texts += [_last_part(text) for text in texts]
    return _last_part(texts[0]) or texts[0], frozenset(text.casefold() for text in texts)


def _last_part(path: str) -> str:
    return re.split(r"[/\\]", path)[-1]


class SpanFinder:
    """Collects the spans of one stream, block by block.

    Parameters
    ----------
    contexts : mapping of int to (type, value)
    """

    def __init__(self, contexts: Mapping[int, tuple[str, Any]]) -> None:
        self._contexts = contexts
        types = {context_type for context_type, _value in contexts.values()}
        self._telling = "application" if "application" in types else "window"
        self.spans: list[Span] = []

    def add(self, columns: Mapping[str, np.ndarray], first: int) -> None:
        """Add the events of a block; ``first`` is the number of its first event."""
        count = len(columns["kind"])
        places = self._changes(columns)
        starts = [0, *(place for place, _index in places)]
        stops = [*starts[1:], count]
        indices = [None, *(index for _place, index in places)]
        for start, stop, index in zip(starts, stops, indices, strict=True):
            self._switch(index, first + start, columns["t"], start)
            if stop > start and self.spans:
                self._count(columns, slice(start, stop), first)

    def _changes(self, columns: Mapping[str, np.ndarray]) -> list[tuple[int, int]]:
        """Return where a context of the telling type comes into force, and its index."""
        if "code" not in columns:
            return []
        places = np.flatnonzero(columns["kind"] == EventKind.CONTEXT)
        found = zip(places.tolist(), columns["code"][places].tolist(), strict=True)
        return [
            (place, index)
            for place, index in found
            if self._contexts.get(index, ("", None))[0] == self._telling
        ]

    def _switch(self, index: int | None, event: int, times: np.ndarray, place: int) -> None:
        if index is None and self.spans:
            return
        if not len(times):
            return
        known = self._contexts.get(index, ("", None)) if index is not None else ("", None)
        application, names = names_of(*known)
        t = int(times[place])
        if self.spans:
            last = self.spans[-1]
            if (last.application, last.names) == (application, names):
                return
            last.last, last.t1 = event, t
            if last.last == last.first:
                self.spans.pop()
        self.spans.append(Span(application, names, event, t))

    def _count(self, columns: Mapping[str, np.ndarray], rows: slice, first: int) -> None:
        span, kinds = self.spans[-1], columns["kind"][rows]
        values, counts = np.unique(kinds, return_counts=True)
        span.kinds.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
        is_down = kinds == EventKind.KEY_DOWN
        identities = [
            columns[name][rows] != 0 for name in ("keysym", "code", "vk", "scancode") if name in columns
        ]
        full = int((is_down & np.logical_or.reduce(identities)).sum()) if identities else 0
        span.keys_full += full
        span.keys_class += int(is_down.sum()) - full
        span.last, span.t1 = first + rows.stop, int(columns["t"][rows].max())

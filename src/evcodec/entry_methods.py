"""The methods of a Writer that append entries, by what they say."""

from __future__ import annotations

import threading
from typing import Any

from .entries import Anchor, Context, Entry, Gap, Marker, Payload, Source, VideoAnchor
from .resume import Definitions


class EntryMethods:
    """Makes entries of arguments, and hands them to `add`, which the subclass has."""

    _order: threading.RLock
    _sources: Definitions
    _contexts: Definitions
    _payload_count: int

    def add(self, entry: Entry) -> None:
        """Append an entry."""
        raise NotImplementedError

    def source(self, name: str, **properties: Any) -> int:
        """Return the index of the source with this name and these properties, for the ``source`` column.

        It is defined if need be. Errors as in `add`.
        """
        with self._order:
            entry = Source(index=self._sources.next_index, name=name, properties=properties)
            return self._define_once(self._sources, entry)

    def context(self, context_type: str, value: Any) -> int:
        """Return the index of the context with this type and value, defined if need be.

        Types that evcodec knows are device, window, application, element, display and layout; any other will
        do. Errors as in `add`.
        """
        with self._order:
            entry = Context(index=self._contexts.next_index, context_type=context_type, value=value)
            return self._define_once(self._contexts, entry)

    def _define_once(self, known: Definitions, entry: Source | Context) -> int:
        found = known.index_of(entry)
        if found is None:
            self.add(entry)
        return found or entry.index

    def gap(
        self, reason: int, t0: int, t1: int, *, source: int | None = None, lost: int | None = None
    ) -> None:
        """Record that nothing was recorded in [t0, t1), and why (a `GapReason`); errors as in `add`."""
        self.add(Gap(reason=reason, t0=t0, t1=t1, source=source, lost=lost))

    def anchor(
        self,
        t: int,
        wall_ns: int,
        *,
        clock: str | None = None,
        boot_id: str | None = None,
        suspended_ns: int | None = None,
    ) -> None:
        """Record that the session clock showed ``t`` when the wall clock showed ``wall_ns`` ns since 1970;
        errors as in `add`.
        """
        self.add(Anchor(t=t, wall_ns=wall_ns, clock=clock, boot_id=boot_id, suspended_ns=suspended_ns))

    def video_anchor(
        self, t: int, pts: int, *, time_base: tuple[int, int] = (1, 1_000_000_000), uri: str | None = None
    ) -> None:
        """Record that a video showed ``pts``, in units of ``time_base`` seconds, at ``t``; errors as in
        `add`.
        """
        self.add(VideoAnchor(t=t, pts=pts, time_base=time_base, uri=uri))

    def marker(self, t: int, name: str, data: Any = None) -> None:
        """Name the instant ``t``; errors as in `add`."""
        self.add(Marker(t=t, name=name, data=data))

    def payload(self, payload_type: str, data: Any, *, t: int) -> int:
        """Append text or another rare payload and return its index, for the ``payload`` column; errors as in
        `add`.
        """
        with self._order:
            index = self._payload_count + 1
            self.add(Payload(index=index, t=t, payload_type=payload_type, data=data))
            return index

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
        """Return the index of a source, for the ``source`` column; define it if need be.

        Parameters
        ----------
        name : str
            What produces events: a device, a hook.
        **properties : any
            Values that msgpack carries. ``scale_exponent`` (-16 to 0): positions are in units of 2**exponent pixel;
            ``time_unit_ns``, ``clock_id``, ``wrap_bits`` describe ``os_time``; ``absolute``; any other.

        Returns
        -------
        int
            1 to 65,535; the same for equal name and properties.

        Raises
        ------
        InvalidArgumentError, LimitExceededError, WriteFailedError
            As in `add`.
        """
        with self._order:
            entry = Source(index=self._sources.next_index, name=name, properties=properties)
            return self._define_once(self._sources, entry)

    def context(self, context_type: str, value: Any) -> int:
        """Return the index of a context, for CONTEXT events and context columns; define it if need be.

        Parameters
        ----------
        context_type : str
            ``device``, ``window``, ``application``, ``element``, ``display``, ``layout``, or any other word.
        value : any
            What msgpack carries.

        Returns
        -------
        int
            From 1 on; the same for equal type and value.

        Raises
        ------
        InvalidArgumentError, LimitExceededError, WriteFailedError
            As in `add`.
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
        """Record that nothing was recorded for a while, and why.

        Parameters
        ----------
        reason : GapReason or int
            1 to 255.
        t0, t1 : int
            From ``t0`` until before ``t1``, ns on the session clock; t0 <= t1.
        source : int, optional
            Index of the source that it concerns; all by default.
        lost : int, optional
            Number of events, where it is known.

        Raises
        ------
        InvalidArgumentError, LimitExceededError, WriteFailedError
            As in `add`.
        """
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
        """Record where the session clock and the wall clock met.

        Parameters
        ----------
        t : int
            ns on the session clock.
        wall_ns : int
            ns since 1970, UTC, at the same instant.
        clock, boot_id : str, optional
            Which monotonic clock it is, and of which run of the machine.
        suspended_ns : int, optional
            How long the machine has slept since it was started, which a monotonic clock may not count.

        Raises
        ------
        InvalidArgumentError, LimitExceededError, WriteFailedError
            As in `add`.
        """
        self.add(Anchor(t=t, wall_ns=wall_ns, clock=clock, boot_id=boot_id, suspended_ns=suspended_ns))

    def video_anchor(
        self, t: int, pts: int, *, time_base: tuple[int, int] = (1, 1_000_000_000), uri: str | None = None
    ) -> None:
        """Record where the session clock and a video's clock met; call it as often as they do.

        Parameters
        ----------
        t : int
            ns on the session clock.
        pts : int
            Presentation time in the video, in units of ``time_base``.
        time_base : (int, int)
            Seconds, as numerator and denominator, each at least 1.
        uri : str, optional
            Which video.

        Raises
        ------
        InvalidArgumentError, LimitExceededError, WriteFailedError
            As in `add`.
        """
        self.add(VideoAnchor(t=t, pts=pts, time_base=time_base, uri=uri))

    def marker(self, t: int, name: str, data: Any = None) -> None:
        """Name an instant.

        Parameters
        ----------
        t : int
            ns on the session clock.
        name : str
        data : any, optional
            What msgpack carries.

        Raises
        ------
        InvalidArgumentError, LimitExceededError, WriteFailedError
            As in `add`.
        """
        self.add(Marker(t=t, name=name, data=data))

    def payload(self, payload_type: str, data: Any, *, t: int) -> int:
        """Append text, or another rare thing that is no integer, and return its index for the ``payload`` column.

        Parameters
        ----------
        payload_type : str
            What it is, in a word.
        data : any
            What msgpack carries.
        t : int
            ns on the session clock.

        Returns
        -------
        int
            From 1 on, each one more.

        Raises
        ------
        InvalidArgumentError, LimitExceededError, WriteFailedError
            As in `add`.
        """
        with self._order:
            index = self._payload_count + 1
            self.add(Payload(index=index, t=t, payload_type=payload_type, data=data))
            return index

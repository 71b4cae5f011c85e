"""The methods of a Reader that give entries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar, cast

from .contents import FileContents, PipeContents, check_entries_size
from .entries import Anchor, Context, Entry, Gap, Marker, Payload, Source, UnknownEntry, VideoAnchor

_EntryT = TypeVar("_EntryT", bound=Entry)


class EntryLists:
    """Gives the entries of what the subclass reads from."""

    _contents: FileContents | PipeContents
    _max_read_bytes: int

    def entries(self, *types: type[_EntryT]) -> Iterator[_EntryT]:
        """Yield the entries of these classes, all when none is given. On a pipe: those that have come so far.

        They come as they stand in the stream. Contexts and payloads are a column group of their own, so
        they may stand before or behind others that were appended between two blocks with them; ``position``
        tells.
        """
        wanted: tuple[type[Entry], ...] = types or (Entry,)
        bits = sum(1 << cls.type for cls in types) if types else -1
        for entries, _ in self._contents.entries(bits):
            for entry in entries:
                if isinstance(entry, wanted) and not isinstance(entry, UnknownEntry):
                    yield cast(_EntryT, entry)

    def _all(self, cls: type[_EntryT]) -> list[_EntryT]:
        """Return the entries of a class; raise ReadLimitError if they are more than a list may hold."""
        found: list[_EntryT] = []
        size = 0
        for entries, most_bytes in self._contents.entries(1 << cls.type):
            wanted = [entry for entry in entries if isinstance(entry, cls)]
            found += wanted
            size += most_bytes * len(wanted) // max(len(entries), 1)
            check_entries_size(size, self._max_read_bytes)
        return found

    @property
    def sources(self) -> list[Source]:
        """What the values of the ``source`` column mean."""
        return self._all(Source)

    @property
    def contexts(self) -> list[Context]:
        """What context indices mean."""
        return self._all(Context)

    @property
    def gaps(self) -> list[Gap]:
        """What was not recorded, and why."""
        return self._all(Gap)

    @property
    def anchors(self) -> list[Anchor]:
        """Where the session clock and the wall clock met."""
        return self._all(Anchor)

    @property
    def video_anchors(self) -> list[VideoAnchor]:
        """Where the session clock and a video's clock met."""
        return self._all(VideoAnchor)

    @property
    def markers(self) -> list[Marker]:
        """Named instants."""
        return self._all(Marker)

    @property
    def payloads(self) -> list[Payload]:
        """Text and other rare payloads."""
        return self._all(Payload)

"""What streams say of themselves, as properties of a Reader."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from .contents import FileContents, PipeContents
from .errors import InvalidArgumentError
from .findings import Problem
from .framing import RecordType
from .sealed import encrypted_to
from .select import Filter, make_filter, shared_dtypes
from .wire import Header


class BlockInfo(NamedTuple):
    """Where a block stands and what it holds. ``kinds`` has bit k for kind k below 63, and bit 63 for all
    others.
    """

    stream: int
    position: int
    size: int
    events: int
    t_min: int
    t_max: int
    kinds: int


class Stated:
    """What a Reader tells without giving events."""

    _contents: FileContents | PipeContents

    @property
    def metadata(self) -> dict[str, Any]:
        """Session metadata of the first stream."""
        return self._contents.headers[0].metadata

    @property
    def governance(self) -> dict[str, Any]:
        """Purpose, policy digest, notice, retention and recipients of the first stream, as far as it states
        them.
        """
        return self._contents.headers[0].governance

    @property
    def headers(self) -> list[Header]:
        """Header of each stream that was put end to end; on a pipe of each that has come so far."""
        return list(self._contents.headers)

    @property
    def encrypted(self) -> dict[int, tuple[str, ...]]:
        """Who can read which encrypted group, as `PublicKey.id`, in any of the streams; on a pipe as far as it has come.

        A group that nobody can read any more has no one.
        """
        return encrypted_to(self._contents.keys())

    @property
    def opened(self) -> frozenset[int]:
        """Encrypted groups that the keys open in every stream that has them, as far as `encrypted` knows."""
        streams = self._contents.keys()
        return frozenset(self.encrypted) - {group for keys in streams for group in keys.lacking("keys")}

    @property
    def problems(self) -> list[Problem]:
        """Damage that reading went on behind, when ``on_error`` is "skip": the first 1,000 problems, by position."""
        return self._contents.problems()

    @property
    def problem_count(self) -> int:
        """Number of all of them; what is read again after the first 1,000 counts again."""
        return self._contents.findings.count

    def __len__(self) -> int:
        """Return the number of events."""
        return self._contents.summary().events

    @property
    def start(self) -> int | None:
        """Smallest ``t``, None when there are no events."""
        return self._contents.summary().t_min

    @property
    def stop(self) -> int | None:
        """Largest ``t``, None when there are no events. An event at this time is inside a range only if the
        range stops later.
        """
        return self._contents.summary().t_max

    @property
    def kinds(self) -> dict[int, int]:
        """Number of events by kind, ascending."""
        return dict(sorted(self._contents.summary().kinds.items()))

    @property
    def columns(self) -> dict[str, np.dtype]:
        """Dtype of each column; the smallest that holds all values where blocks differ.

        Raises
        ------
        InvalidArgumentError
            A column is uint64 in one block and signed in another.
        """
        return shared_dtypes(self._contents.summary().columns)

    def _dtypes(self, chosen: Filter) -> dict[str, np.dtype]:
        if isinstance(self._contents, PipeContents):
            self._contents.summary()  # raises before the end
        return shared_dtypes(self._contents.columns(), chosen)

    @property
    def blocks(self) -> list[BlockInfo]:
        """Where the blocks stand and what they hold, in order."""
        return [
            BlockInfo(
                place.stream, place.position, place.size, place.events, place.t_min, place.t_max, place.kinds
            )
            for place in self._contents.places()
            if place.type == RecordType.BLOCK
        ]

    def column_bytes(self) -> dict[str, float]:
        """Return the stored bytes of each column, and those of all else under "(records)"; reads the whole
        stream.

        A part that several columns share is divided by what each has in it before compression.
        """
        if isinstance(self._contents, PipeContents):
            raise InvalidArgumentError(
                f"{self._contents.name}: found a pipe, allowed: a path, bytes, a seekable file"
            )
        sizes: Counter[str] = Counter()
        for _, block in self._contents.blocks(make_filter(None, None, None, None)):
            sizes.update(block.column_bytes())
        sizes["(records)"] = self._contents.size() - sum(sizes.values())
        return dict(sizes)

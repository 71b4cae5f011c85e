"""Dividing the work: runs of blocks, planned without opening a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..errors import InvalidArgumentError
from ..select import as_int
from .files import StreamFile
from .where import Limits


@dataclass(frozen=True, slots=True)
class Split:
    """A run of blocks of one file: a piece of work for one worker.

    Attributes
    ----------
    file : StreamFile
    first_block, stop_block : int
        Half open, positions in `Reader.blocks`.
    events : int
        About how many events it gives.
    bytes : int
        About how many bytes of the file it reads.
    """

    file: StreamFile
    first_block: int
    stop_block: int
    events: int
    bytes: int


def plan_splits(files: Iterable[tuple[StreamFile, Limits]], max_bytes: int) -> Iterator[Split]:
    """Yield splits of files, with limits in their own ``t``, in order, each of about ``max_bytes`` of a file or fewer,
    and of one block at least. A file without an index is one split.
    """
    if as_int("max_bytes", max_bytes) < 1:
        raise InvalidArgumentError(f"max_bytes: found {max_bytes}, allowed: 1 or more")
    for file, limits in files:
        events = file.events
        if limits.kinds is not None:
            events = sum(count for kind, count in file.kinds.items() if kind in limits.kinds)
        # Who opens a file without an index reads all of it.
        pieces = min(-(-file.size // max_bytes), file.blocks if file.indexed else 1, file.blocks)
        for i in range(pieces):
            first, stop = file.blocks * i // pieces, file.blocks * (i + 1) // pieces
            share = stop - first
            yield Split(file, first, stop, events * share // file.blocks, file.size * share // file.blocks)

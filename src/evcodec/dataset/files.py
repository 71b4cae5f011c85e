"""What a dataset knows of one file, and how it is read from a Reader without reading events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from .. import messages
from ..contents import FileContents
from ..entries import Anchor
from ..errors import CorruptDataError, EvcodecError
from ..framing import RecordType
from ..reader import Reader
from ..select import shared_dtypes
from .encrypted import Sealed
from .paths import Listed

EMPTY_METADATA = messages.pack({}, "metadata")


class FileProblem(NamedTuple):
    """Something wrong with a file of a dataset that was opened with ``on_error="skip"``.

    Attributes
    ----------
    path : str
    position : int or None
        Byte of the file at which reading went on; None where the whole file was left out.
    message : str
    """

    path: str
    position: int | None
    message: str


@dataclass(frozen=True, slots=True)
class StreamFile:
    """A file of a dataset, as its footer describes it.

    Attributes
    ----------
    path : str
        Absolute path, or URL.
    size : int
        Bytes.
    modified_ns : int or None
        When it was last changed, in ns since 1970, where the file system tells.
    etag : str or None
        What names this state of an object, where the store tells.
    events, blocks : int
    start, stop : int or None
        Smallest and largest ``t``, in ns; None when there are no events.
    kinds : mapping of int to int
        Number of events by kind, ascending.
    columns : mapping of str to dtype
        The smallest dtype that holds all values of the column.
    epoch_ns : int or None
        What is to be added to ``t`` to get ns since 1970, by the first ANCHOR of the file; None when it has none.
    governance : mapping
        As `Reader.governance`.
    partitions : mapping of str to str or None
        What the folders ``key=value`` of the path say.
    packed_metadata : bytes
        `metadata` in msgpack, which takes less memory.
    indexed : bool
        Whether it is found at its end where its blocks stand; else all of it is read for that when it is opened.
    ends : (int, int)
        Bytes at the start and at the end of a remote file that say what it holds; 0 where nobody asked.
    sealed : Sealed or None
        What of it is encrypted, None where nothing is.
    """

    path: str
    size: int
    modified_ns: int | None
    etag: str | None
    events: int
    blocks: int
    start: int | None
    stop: int | None
    kinds: Mapping[int, int] = field(hash=False)
    columns: Mapping[str, np.dtype] = field(hash=False)
    epoch_ns: int | None
    governance: Mapping[str, Any] = field(hash=False)
    partitions: Mapping[str, str | None] = field(hash=False)
    packed_metadata: bytes = field(default=EMPTY_METADATA, repr=False)
    indexed: bool = True
    ends: tuple[int, int] = field(default=(0, 0), repr=False)
    sealed: Sealed | None = field(default=None, repr=False)

    @property
    def metadata(self) -> dict[str, Any]:
        """As `Reader.metadata`; raises CorruptDataError if a catalogue held something else."""
        if self.packed_metadata == EMPTY_METADATA:
            return {}
        found = messages.unpack(self.packed_metadata, f"{self.path}: metadata")
        if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
            raise CorruptDataError(
                f"{self.path}: metadata: found {type(found).__name__}, allowed: a map with string keys"
            )
        return found

    @property
    def encrypted(self) -> dict[int, tuple[str, ...]]:
        """Who can read which encrypted group, as `Reader.encrypted`."""
        return {} if self.sealed is None else self.sealed.groups

    @property
    def purpose(self) -> str | None:
        """What the recording may be used for, as far as it states it."""
        found: str | None = self.governance.get("purpose")
        return found

    @property
    def retain_until_ns(self) -> int | None:
        """Until when it may be kept, in ns since 1970, as far as it states it."""
        found: int | None = self.governance.get("retain_until_ns")
        return found


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Have errors of evcodec say which file they are about."""
    try:
        yield
    except EvcodecError as error:
        if path in str(error):
            raise
        raise type(error)(f"{path}: {error}") from error


def describe(
    listed: Listed, reader: Reader, ends: Callable[[], tuple[int, int]], shared: dict[Any, Any]
) -> StreamFile:
    """Return what the open Reader of a listed file says of it.

    ``ends`` is called when all that was needed has been read; ``shared`` has what many files have alike.
    """
    events, blocks, start, stop, kinds, columns = _facts(reader)
    governance = reader.governance
    epoch = epoch_of(reader)
    assert isinstance(reader._contents, FileContents)
    sealed = reader._contents.sealed()
    return StreamFile(
        path=listed.path,
        size=listed.size,
        modified_ns=listed.modified_ns,
        etag=listed.etag,
        events=events,
        blocks=blocks,
        start=start,
        stop=stop,
        kinds=kinds,
        columns=shared.setdefault(tuple(columns.items()), columns),
        epoch_ns=epoch,
        governance=shared.setdefault(messages.pack(governance, "governance"), governance),
        partitions=listed.partitions,
        packed_metadata=messages.pack(reader.metadata, "metadata"),
        indexed=not reader._contents.was_walked,
        ends=ends(),
        sealed=Sealed(*sealed) if sealed else None,
    )


class _Facts(NamedTuple):
    """What the index of a file says."""

    events: int
    blocks: int
    start: int | None
    stop: int | None
    kinds: dict[int, int]
    columns: dict[str, np.dtype]


def _facts(reader: Reader) -> _Facts:
    """Return what `StreamFile` has of a Reader. Its properties would add up all blocks once for each of them."""
    contents = reader._contents
    found = contents.summary()
    blocks = sum(place.type == RecordType.BLOCK for place in contents.places())
    assert isinstance(contents, FileContents)  # else it has raised
    known = (
        contents.grouped_columns()
    )  # those that no key opens too, so that what is known does not depend on keys
    columns = dict(known.keys())
    if len(columns) < len(known):  # one has several dtypes
        columns = shared_dtypes(known)
    return _Facts(found.events, blocks, found.t_min, found.t_max, dict(sorted(found.kinds.items())), columns)


def epoch_of(reader: Reader) -> int | None:
    """Return what turns ``t`` into ns since 1970; reads the entries up to the first ANCHOR only."""
    anchor = next(reader.entries(Anchor), None)
    return None if anchor is None else anchor.wall_ns - anchor.t


def check_unchanged(file: StreamFile, reader: Reader, *, events: bool = True) -> None:
    """Raise CorruptDataError if a file is not what the dataset was planned with; without ``events`` its header only."""
    found = _facts(reader)
    planned = (file.events, file.blocks, file.start, file.stop, file.kinds, file.columns)
    header = reader.metadata, reader.governance
    if (events and found != planned) or header != (file.metadata, file.governance):
        raise CorruptDataError(
            f"{file.path}: found {found.events} events in {found.blocks} blocks that are not those that the dataset was "
            f"planned with, allowed: {file.events} in {file.blocks}, unchanged since; open the dataset anew"
        )


def check_epoch(file: StreamFile, reader: Reader) -> None:
    """Raise CorruptDataError if a file's epoch is not the one that the dataset was planned with."""
    if epoch_of(reader) != file.epoch_ns:
        raise CorruptDataError("epoch: found another than the dataset was planned with")

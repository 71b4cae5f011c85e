"""Reader: streams back to events, columns, kinds and time pushed down to blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from types import TracebackType
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np

from .batch import EventBatch
from .block import Block
from .entries import Anchor, Context, Entry, Gap, Marker, Payload, Source, UnknownEntry, VideoAnchor
from .errors import CorruptDataError, EvcodecError, InvalidArgumentError
from .framing import RecordType
from .inputs import PipeInput, open_input
from .limits import DEFAULT_BLOCK_BYTES
from .locate import Locator, RecordPlace, read_record
from .scan import Problem, StreamRecord, StreamScanner
from .schema import STANDARD_COLUMNS
from .select import Filter, Gatherer, as_int, decode_matching, make_filter, shared_dtype, unknown_columns
from .wire import Header, unpack_entries

_EntryT = TypeVar("_EntryT", bound=Entry)


# What an index states is not trusted for memory: beyond this, arrays grow as blocks are read.
_MOST_EVENTS_A_BYTE = 64


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


class Reader:
    """Reads the events and entries of one stream, or of several put end to end.

    Parameters
    ----------
    source : path, binary file object, or bytes-like
        A file object stays open when the Reader is closed. One that cannot seek is read as it grows, once.
    on_error : {"raise", "skip"}
        What to do at damage: raise, after everything before it has been given; or go on behind it and list
        it in ``problems``.
    max_block_bytes : int
        Most bytes that the columns of one block may take in memory; a block that would take more is refused.

    Raises
    ------
    InvalidArgumentError
        An argument is outside of what is allowed.
    TruncatedDataError, CorruptDataError, UnsupportedVersionError
        There is no sound header.
    OSError
        A path cannot be opened or read.

    Notes
    -----
    Memory is bounded by the block, not by the stream, except in ``read``. On a path or on bytes several
    threads may call the methods of one Reader; on a pipe one thread at a time may. ``len``, ``start``,
    ``stop``, ``kinds``, ``columns`` and ``blocks`` need an end, so they raise InvalidArgumentError on a
    pipe that has not been read to its end.
    """

    def __init__(
        self, source: Any, *, on_error: str = "raise", max_block_bytes: int = DEFAULT_BLOCK_BYTES
    ) -> None:
        if on_error not in ("raise", "skip"):
            raise InvalidArgumentError(f"on_error: found {on_error!r}, allowed: 'raise', 'skip'")
        if as_int("max_block_bytes", max_block_bytes) < 1:
            raise InvalidArgumentError(f"max_block_bytes: found {max_block_bytes}, allowed: 1 or more")
        self._skip_damage = on_error == "skip"
        self._max_block_bytes = max_block_bytes
        self._problems: list[Problem] = []
        self._pipe_entries: list[Entry] = []
        self._pipe_summary = _Summary()
        self._pipe_records: Iterator[StreamRecord] | None = None
        self._pipe_done = False
        self._input = open_input(source)
        try:
            self._open()
        except BaseException:
            self._input.close()
            raise

    def _open(self) -> None:
        if isinstance(self._input, PipeInput):
            self._scanner = StreamScanner(self._skip_damage)
            self._pipe_records = self._scan_pipe(self._input)
            first = next(self._pipe_records, None)
            self._pipe_records = chain(() if first is None else (first,), self._pipe_records)
            self._headers = [stream.header for stream in self._scanner.streams] or [Header()]
            return
        self._locator = Locator(self._input, self._skip_damage)
        self._headers = self._locator.headers

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, if the Reader opened it. A second call does nothing."""
        self._input.close()

    # ---- what the stream says of itself ----

    @property
    def metadata(self) -> dict[str, Any]:
        """Session metadata of the first stream."""
        return self._headers[0].metadata

    @property
    def governance(self) -> dict[str, Any]:
        """Purpose, policy digest, notice, retention and recipients of the first stream, as far as it states
        them.
        """
        return self._headers[0].governance

    @property
    def headers(self) -> list[Header]:
        """Header of each stream that was put end to end; on a pipe of each that has come so far."""
        return list(self._headers)

    @property
    def problems(self) -> list[Problem]:
        """Damage that reading went on behind, when ``on_error`` is "skip"."""
        if isinstance(self._input, PipeInput):
            return self._scanner.problems + self._problems
        return self._locator.problems() + self._problems

    def _summary(self) -> _Summary:
        if isinstance(self._input, PipeInput):
            if not self._pipe_done:
                raise InvalidArgumentError(
                    f"{self._input.name}: what a pipe holds is known when it has been read to its end"
                )
            return self._pipe_summary
        found = _Summary()
        for place in self._locator.places():
            found.add(place)
        found.kinds = self._locator.kinds()
        found.columns = self._locator.columns()
        return found

    def __len__(self) -> int:
        """Return the number of events."""
        return self._summary().events

    @property
    def start(self) -> int | None:
        """Smallest ``t``, None when there are no events."""
        return self._summary().t_min

    @property
    def stop(self) -> int | None:
        """Largest ``t``, None when there are no events. An event at this time is inside a range only if the
        range stops later.
        """
        return self._summary().t_max

    @property
    def kinds(self) -> dict[int, int]:
        """Number of events by kind, ascending."""
        return dict(sorted(self._summary().kinds.items()))

    @property
    def columns(self) -> dict[str, np.dtype]:
        """Dtype of each column; the smallest that holds all values where blocks differ.

        Raises
        ------
        InvalidArgumentError
            A column is uint64 in one block and signed in another.
        """
        dtypes: dict[str, set[np.dtype]] = {}
        for name, dtype in self._summary().columns:
            dtypes.setdefault(name, set()).add(dtype)
        return {name: shared_dtype(name, found) for name, found in dtypes.items()}

    @property
    def blocks(self) -> list[BlockInfo]:
        """Where the blocks stand and what they hold, in order."""
        if isinstance(self._input, PipeInput):
            raise InvalidArgumentError(
                f"{self._input.name}: the blocks of a pipe cannot be listed; "
                "allowed: a path, bytes, a seekable file"
            )
        return [
            BlockInfo(
                place.stream, place.position, place.size, place.events, place.t_min, place.t_max, place.kinds
            )
            for place in self._locator.places()
            if place.type == RecordType.BLOCK
        ]

    def column_bytes(self) -> dict[str, float]:
        """Return the stored bytes of each column, and those of all else under "(records)"; reads the whole
        stream.

        A part that several columns share is divided by what each has in it before compression.
        """
        sizes: Counter[str] = Counter()
        for block in self._blocks(make_filter(None, None, None, None)):
            sizes.update(block.column_bytes())
        sizes["(records)"] = self._seekable().size() - sum(sizes.values())
        return dict(sizes)

    # ---- entries ----

    def entries(self, *types: type[_EntryT]) -> Iterator[_EntryT]:
        """Yield the entries of these classes, all when none is given. On a pipe: those that have come so far.

        They come as they stand in the stream. Contexts and payloads are a column group of their own, so
        they may stand before or behind others that were appended between two blocks with them; ``position``
        tells.
        """
        wanted: tuple[type[Entry], ...] = types or (Entry,)
        if isinstance(self._input, PipeInput):
            yield from (
                cast(_EntryT, entry)
                for entry in list(self._pipe_entries)
                if isinstance(entry, wanted) and not isinstance(entry, UnknownEntry)
            )
            return
        bits = sum(1 << cls.type for cls in types) if types else -1
        for place in self._locator.places():
            if place.type != RecordType.ENTRIES or not place.kinds & bits:
                continue
            for entry in self._guarded(place.position, self._entries_at, place) or ():
                if isinstance(entry, wanted) and not isinstance(entry, UnknownEntry):
                    yield cast(_EntryT, entry)
        self._locator.raise_damage()

    def _entries_at(self, place: RecordPlace) -> list[Entry]:
        return unpack_entries(read_record(self._seekable(), place).payload, f"byte {place.position}")

    @property
    def sources(self) -> list[Source]:
        """What the values of the ``source`` column mean."""
        return list(self.entries(Source))

    @property
    def contexts(self) -> list[Context]:
        """What context indices mean."""
        return list(self.entries(Context))

    @property
    def gaps(self) -> list[Gap]:
        """What was not recorded, and why."""
        return list(self.entries(Gap))

    @property
    def anchors(self) -> list[Anchor]:
        """Where the session clock and the wall clock met."""
        return list(self.entries(Anchor))

    @property
    def video_anchors(self) -> list[VideoAnchor]:
        """Where the session clock and a video's clock met."""
        return list(self.entries(VideoAnchor))

    @property
    def markers(self) -> list[Marker]:
        """Named instants."""
        return list(self.entries(Marker))

    @property
    def payloads(self) -> list[Payload]:
        """Text and other rare payloads."""
        return list(self.entries(Payload))

    # ---- events ----

    def read(
        self,
        columns: Collection[str] | None = None,
        kinds: Iterable[int] | None = None,
        start: int | None = None,
        stop: int | None = None,
    ) -> EventBatch:
        """Return all events that match, in memory.

        Parameters
        ----------
        columns : collection of str, optional
            Columns to decode; all by default. A standard column that the stream lacks reads as zeros.
        kinds : iterable of int, optional
            Kinds to keep, 0 to 255.
        start, stop : int, optional
            Keep events with ``start <= t < stop``, in ns.

        Returns
        -------
        EventBatch
            Columns keep their dtype. Where blocks differ in the dtype of a column it is the smallest that
            holds all values.

        Raises
        ------
        InvalidArgumentError
            An argument is outside of what is allowed; or a column is in no block, and not a standard one;
            or it is uint64 in one block and signed in another.
        CorruptDataError, TruncatedDataError, UnsupportedVersionError, LimitExceededError
            At damage, unless it is skipped.
        """
        chosen = make_filter(columns, kinds, start, stop)
        stated = sum(place.events for place in self._places(chosen))
        if not isinstance(self._input, PipeInput):
            stated = min(stated, _MOST_EVENTS_A_BYTE * self._input.size())
        gathered = Gatherer(chosen, stated)
        for block in self._blocks(chosen):
            self._guarded(0, gathered.add, block)
        return gathered.finish(self._known_columns())

    def batches(
        self,
        columns: Collection[str] | None = None,
        kinds: Iterable[int] | None = None,
        start: int | None = None,
        stop: int | None = None,
    ) -> Iterator[EventBatch]:
        """Yield the events that match, a batch for each block that has any, in order; arguments and errors
        as in `read`.
        """
        return self._batches(make_filter(columns, kinds, start, stop))

    def _batches(self, chosen: Filter) -> Iterator[EventBatch]:
        found = chosen.columns is None
        for block in self._blocks(chosen):
            batch = self._guarded(0, decode_matching, block, chosen)
            found = found or not unknown_columns(chosen, set(block.dtypes))
            if batch is not None and len(batch):
                yield batch
        if not found and chosen.columns is not None:
            known = set(STANDARD_COLUMNS) | {name for name, _ in self._known_columns()}
            if missing := [name for name in chosen.columns if name not in known]:
                raise InvalidArgumentError(f"columns: found {missing}, allowed: {', '.join(sorted(known))}")

    def _known_columns(self) -> Collection[tuple[str, np.dtype]]:
        return self._pipe_summary.columns if isinstance(self._input, PipeInput) else self._locator.columns()

    def _places(self, chosen: Filter) -> list[RecordPlace]:
        if isinstance(self._input, PipeInput):
            return []
        return [
            place
            for place in self._locator.places()
            if place.type == RecordType.BLOCK and chosen.may_match(place.kinds, place.t_min, place.t_max)
        ]

    def _blocks(self, chosen: Filter) -> Iterator[Block]:
        """Yield the blocks that may hold what was asked for, then raise for damage that ended the walk."""
        if isinstance(self._input, PipeInput):
            yield from self._pipe_blocks()
            return
        for place in self._places(chosen):
            block = self._guarded(place.position, self._block_at, place)
            if block is not None:
                yield block
        self._locator.raise_damage()

    def _block_at(self, place: RecordPlace) -> Block:
        record = read_record(self._seekable(), place)
        block = Block(record.payload, f"byte {place.position}: block", self._max_block_bytes)
        if (block.events, block.t_min, block.t_max) != (place.events, place.t_min, place.t_max):
            raise CorruptDataError(
                f"byte {place.position}: block: found {block.events} events, allowed "
                f"by the index: {place.events}, at the same times"
            )
        return block

    def _seekable(self) -> Any:
        return self._input

    def _guarded(self, position: int, action: Any, *arguments: Any) -> Any:
        """Run an action on a block; list its error and return None when damage is skipped."""
        try:
            return action(*arguments)
        except InvalidArgumentError:
            raise
        except EvcodecError as error:
            if not self._skip_damage:
                raise
            self._problems.append(Problem(position, str(error)))
            return None

    # ---- pipes ----

    def _scan_pipe(self, pipe: PipeInput) -> Iterator[StreamRecord]:
        while piece := pipe.read_piece():
            yield from self._scanner.feed(piece)
        self._pipe_done = True
        yield from self._scanner.finish()

    def _pipe_blocks(self) -> Iterator[Block]:
        assert self._pipe_records is not None
        for _, record in self._pipe_records:
            self._headers = [stream.header for stream in self._scanner.streams]
            where = f"byte {record.position}"
            if record.type == RecordType.ENTRIES:
                self._pipe_entries += (
                    self._guarded(record.position, unpack_entries, record.payload, where) or []
                )
            elif record.type == RecordType.BLOCK:
                block = self._guarded(
                    record.position, Block, record.payload, f"{where}: block", self._max_block_bytes
                )
                if block is not None:
                    self._pipe_summary.add_block(block)
                    yield block


class _Summary:
    """Totals over blocks."""

    def __init__(self) -> None:
        self.events = 0
        self.t_min: int | None = None
        self.t_max: int | None = None
        self.kinds: Counter[int] = Counter()
        self.columns: dict[tuple[str, np.dtype], None] = {}

    def add(self, place: Any) -> None:
        """Add a block, or its place; entries count nothing."""
        if (isinstance(place, RecordPlace) and place.type != RecordType.BLOCK) or not place.events:
            return
        self.events += place.events
        self.t_min = place.t_min if self.t_min is None else min(self.t_min, place.t_min)
        self.t_max = place.t_max if self.t_max is None else max(self.t_max, place.t_max)

    def add_block(self, block: Block) -> None:
        """Add a block with its kinds and columns."""
        self.add(block)
        self.kinds.update(block.kinds)
        self.columns.update(dict.fromkeys(block.dtypes.items()))


def decode(data: Any) -> EventBatch:
    """Return all events of a stream in memory (bytes-like); errors as in `Reader.read`."""
    with Reader(data) as reader:
        return reader.read()

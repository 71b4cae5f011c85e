"""The methods of a Reader that hand its events to Arrow libraries."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from .arrow import ArrowStream, Origin, Part, context_texts, make_stream
from .batch import EventBatch
from .entries import Anchor, Context
from .errors import EvcodecError, InvalidArgumentError
from .plain import dumps, plain
from .schema import in_column_order
from .select import Filter, as_int, make_filter

# A batch holds blocks up to these: the larger the arrays, the fewer pages of memory must be fetched one by one.
_MOST_ROWS = 2**20
_MOST_BYTES = 2**26


class ArrowMethods:
    """Makes Arrow streams of what the subclass reads."""

    @property
    def metadata(self) -> dict[str, Any]:
        """Session metadata."""
        raise NotImplementedError

    @property
    def governance(self) -> dict[str, Any]:
        """Purpose, policy digest, notice, retention and recipients."""
        raise NotImplementedError

    @property
    def contexts(self) -> list[Context]:
        """What context indices mean."""
        raise NotImplementedError

    def entries(self, *types: Any) -> Iterator[Any]:
        """Yield entries."""
        raise NotImplementedError

    def batches(self, *arguments: Any, **keywords: Any) -> Iterator[EventBatch]:
        """Yield events."""
        raise NotImplementedError

    def read(self, *arguments: Any, **keywords: Any) -> EventBatch:
        """Return events."""
        raise NotImplementedError

    @property
    def blocks(self) -> list[Any]:
        """Where the blocks stand and what they hold."""
        raise NotImplementedError

    def _dtypes(self, chosen: Filter) -> dict[str, np.dtype]:
        """Return the dtypes of the columns that were asked for."""
        raise NotImplementedError

    def arrow(
        self,
        columns: Collection[str] | None = None,
        kinds: Iterable[int] | None = None,
        start: int | None = None,
        stop: int | None = None,
        blocks: range | None = None,
        *,
        timestamps: bool = False,
        epoch_ns: int | None = None,
        dictionaries: bool = True,
    ) -> ArrowStream:
        """Return the events that match as a stream that Arrow libraries take: pyarrow, pandas, Polars, DuckDB, nanoarrow.

        Parameters
        ----------
        columns, kinds, start, stop, blocks
            As in `read`.
        timestamps : bool
            Give ``t`` as timestamp[ns, UTC] instead of int64: the epoch of the session is added.
        epoch_ns : int, optional
            Nanoseconds since 1970 when the session clock showed 0; by default what the first anchor of the stream says.
        dictionaries : bool
            Give ``kind`` as names, and ``context`` as JSON text of what its index means; else as integers.

        Returns
        -------
        ArrowStream
            It may be taken several times, as long as the Reader is open. Other columns are integers of their dtype,
            and nothing is null. The metadata of its schema has ``evcodec.metadata`` and ``evcodec.governance`` as JSON,
            where the stream has any. A dictionary has ``index``, ``type`` and ``value`` of each context that the
            stream defines; where streams that were put end to end disagree, ``definitions`` instead.

        Raises
        ------
        InvalidArgumentError
            An argument is outside of what is allowed; a column is in no block and not a standard one, is uint64 in one
            block and signed in another, or has a NUL in its name; the source is a pipe, whose columns nobody knows
            before its end; or timestamps are asked for and there is no anchor.
        CorruptDataError, TruncatedDataError, UnsupportedVersionError, LimitExceededError
            At damage that must be read over for this. Later damage ends the stream with an error of the consumer's that
            names it, unless it is skipped.
        """
        chosen = make_filter(columns, kinds, start, stop, blocks)
        dtypes = self._dtypes(chosen)
        if columns is None:
            dtypes = {name: dtypes[name] for name in in_column_order(dtypes)}
        stamped = timestamps and "t" in dtypes
        epoch = self._epoch(epoch_ns) if stamped else None

        said = {"evcodec.metadata": self.metadata, "evcodec.governance": self.governance}

        @cache
        def origin() -> Origin:
            texts = context_texts(self.contexts if dictionaries and "context" in dtypes else ())
            return Origin(epoch or 0, texts)

        def parts() -> Iterator[Part]:
            for batch in self._large_batches(chosen._replace(columns=tuple(dtypes)), dtypes):
                yield batch, origin()

        return make_stream(
            dtypes,
            parts,
            timestamps=stamped,
            dictionaries=dictionaries,
            epoch_ns=epoch,
            metadata={name: dumps(plain(value)) for name, value in said.items() if value},
            with_timestamps=None
            if stamped
            else lambda: self.arrow(*chosen, timestamps=True, epoch_ns=epoch_ns, dictionaries=dictionaries),
        )

    def _large_batches(self, chosen: Filter, dtypes: Mapping[str, np.dtype]) -> Iterator[EventBatch]:
        """Yield the events of several blocks at once, which are decoded into the same arrays; else as `batches` does."""
        row_bytes = sum(dtype.itemsize for dtype in dtypes.values())
        most = min(_MOST_ROWS, _MOST_BYTES // max(row_bytes, 1))
        for run in _runs(self.blocks, chosen, most):
            asked = chosen._replace(blocks=run)
            try:
                batch = self.read(*asked)
            except EvcodecError:
                # Block by block, what is sound comes before what is not.
                yield from self.batches(*asked)
            else:
                yield batch
        # No event: only damage that ended the walk over the stream.
        yield from self.batches(*chosen._replace(kinds=frozenset()))

    def _epoch(self, given: int | None) -> int:
        if given is not None:
            return as_int("epoch_ns", given)
        anchor = next(self.entries(Anchor), None)
        if anchor is None:
            raise InvalidArgumentError(
                "timestamps: found no anchor in the stream, so nobody knows the time of day; allowed: "
                "epoch_ns=, the ns since 1970 when its clock showed 0"
            )
        return int(anchor.wall_ns) - int(anchor.t)

    def __arrow_c_schema__(self) -> object:
        """Return a capsule with the Arrow schema of all columns; `arrow` has the choices and the errors."""
        return self.arrow().__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return a capsule with all events as an Arrow stream; `arrow` has the choices and the errors."""
        return self.arrow().__arrow_c_stream__(requested_schema)


def _runs(blocks: Sequence[Any], chosen: Filter, most: int) -> Iterator[range]:
    """Yield ranges of blocks, each with so many events at most, or a single block, that may match."""
    wanted = chosen.blocks if chosen.blocks is not None else range(len(blocks))
    first, events = wanted.start, 0
    for number in range(wanted.start, min(wanted.stop, len(blocks))):
        block = blocks[number]
        if not chosen.may_match(block.kinds, block.t_min, block.t_max):
            continue
        if events and events + block.events > most:
            yield range(first, number)
            first, events = number, 0
        events += block.events
    if events:
        yield range(first, wanted.stop)

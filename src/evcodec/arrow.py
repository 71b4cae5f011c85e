"""Streams of Arrow record batches, without an Arrow library: the PyCapsule interface, which these libraries take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from ._arrow import array_capsule, schema_capsule, stream_capsule
from ._arrow_input import schema_of
from .arrow_fields import TIMESTAMP_FORMAT, Field, Form, Origin, Plan, Texts, Values, make_plan
from .batch import EventBatch
from .entries import Context
from .plain import dumps, plain

__all__ = ["ArrowStream", "Origin", "RecordBatch", "Texts", "context_texts", "make_stream"]

# Smaller batches are joined: consumers work on each, and a recorder writes a block every quarter of a second.
ROWS_AT_ONCE = 65_536
# A batch that is larger than this many times that is not copied to be joined.
_MOST_JOINED = 2

Part = tuple[EventBatch, Origin]


class RecordBatch:
    """Columns of some events, as any Arrow library takes them."""

    __slots__ = ("_schema", "_values")

    def __init__(self, schema: Field, values: Values) -> None:
        self._schema = schema
        self._values = values

    def __len__(self) -> int:
        return self._values[0]

    def __arrow_c_schema__(self) -> object:
        """Return a capsule with the schema."""
        return schema_capsule(self._schema)

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]:
        """Return capsules with schema and values, whatever is requested."""
        return schema_capsule(self._schema), array_capsule(self._values)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return a capsule with a stream of this batch alone."""
        return stream_capsule(self._schema, lambda: (self._values,))


class ArrowStream:
    """Events as a stream of Arrow record batches.

    Whatever takes the Arrow PyCapsule interface takes it as it is: ``pyarrow.table(stream)``, ``polars.DataFrame(stream)``,
    ``pandas.DataFrame.from_arrow(stream)``, DuckDB's queries, ``nanoarrow.ArrayStream(stream)``. Nothing is read before
    a consumer asks for the first batch, and one batch at a time is in memory. It may be taken any number of times; each
    reads anew.

    Notes
    -----
    An error while reading ends the stream with an error of the consumer's, whose text names that of evcodec. Take it from
    several threads as the source may be read from several threads; what one call returned belongs to one thread at a time.
    """

    def __init__(
        self,
        plan: Plan,
        parts: Callable[[], Iterable[Part]],
        with_timestamps: Callable[[], ArrowStream] | None = None,
    ) -> None:
        self._plan = plan
        self._parts = parts
        self._with_timestamps = with_timestamps
        self._schema = plan.schema()

    @property
    def columns(self) -> list[str]:
        """Names of the columns, labels among them."""
        return [column.name for column in self._plan.columns]

    def __arrow_c_schema__(self) -> object:
        """Return a capsule with the schema."""
        return schema_capsule(self._schema)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return a capsule with the stream.

        Parameters
        ----------
        requested_schema : capsule, optional
            Types that are wanted: ``t`` as int64 or as timestamp[ns, UTC], ``kind`` and ``context`` plain or as
            dictionaries, labels as dictionaries or as text. What there is not is given as `__arrow_c_schema__` has it.
        """
        if self._with_timestamps is not None and _wants_timestamps(self._plan, requested_schema):
            return self._with_timestamps().__arrow_c_stream__(requested_schema)
        plan = self._plan.as_requested(requested_schema)
        return stream_capsule(plan.schema(), lambda: _values(plan, self._parts(), ROWS_AT_ONCE))

    def record_batches(self, rows: int = ROWS_AT_ONCE) -> Iterator[RecordBatch]:
        """Yield the record batches one by one, for libraries that go on by themselves.

        Parameters
        ----------
        rows : int
            Small batches are joined until they have so many rows.

        Raises
        ------
        EvcodecError
            As the source does; what was sound before has been given.
        """
        for values in _values(self._plan, self._parts(), rows):
            yield RecordBatch(self._schema, values)

    def __repr__(self) -> str:
        return f"<ArrowStream ({', '.join(self.columns)})>"


def make_stream(
    dtypes: Mapping[str, np.dtype],
    parts: Callable[[], Iterable[Part]],
    *,
    labels: Sequence[str] = (),
    contexts: bool = True,
    timestamps: bool = False,
    dictionaries: bool = True,
    epoch_ns: int | None = None,
    metadata: Mapping[str, str] | None = None,
    with_timestamps: Callable[[], ArrowStream] | None = None,
) -> ArrowStream:
    """Return a stream of batches, whatever they come from.

    Parameters
    ----------
    dtypes : mapping of str to dtype
        Columns of the table, in order. A batch may lack some, which are zero then, have others, which are left out, and
        have smaller dtypes.
    parts : callable
        Called each time that the stream is taken; what it returns is iterated over as the consumer goes on. Each item is
        a batch and the `Origin` of its file: the epoch for timestamps, the texts of contexts, the value of each label.
    labels : sequence of str
        Columns behind the others, with one text for all events of a batch: partitions, the path.
    contexts : bool
        Whether origins know what contexts mean; else ``context`` stays an integer.
    timestamps : bool
        Give ``t`` as timestamp[ns, UTC], the epoch of the origin added.
    dictionaries : bool
        Give ``kind``, ``context`` and labels as dictionaries of text; else as integers and text.
    epoch_ns : int, optional
        Epoch of all origins where they have one in common: kept beside the field, so that `EventBatch.from_arrow` finds
        ``t`` again.
    metadata : mapping of str to str, optional
        Said beside the schema.
    with_timestamps : callable, optional
        Returns the same stream with timestamps, for consumers that ask for them.

    Raises
    ------
    InvalidArgumentError
        A label is named as a column; a name has NUL in it.
    """
    plan = make_plan(
        dtypes,
        contexts=contexts,
        timestamps=timestamps,
        dictionaries=dictionaries,
        epoch_ns=epoch_ns,
        labels=labels,
        metadata=metadata,
    )
    return ArrowStream(plan, parts, with_timestamps)


def context_texts(contexts: Iterable[Context]) -> Texts:
    """Return the dictionary of contexts: JSON objects with ``index``, ``type`` and ``value``.

    An index that streams put end to end define differently has ``definitions``, a list of types and values.
    """
    found: dict[int, list[str]] = {}
    for entry in contexts:
        definition = dumps({"type": entry.context_type, "value": plain(entry.value)})
        known = found.setdefault(entry.index, [])
        if definition not in known:
            known.append(definition)
    return Texts(
        {
            index: f'{{"index":{index},{known[0][1:]}'
            if len(known) == 1
            else f'{{"index":{index},"definitions":[{",".join(known)}]}}'
            for index, known in found.items()
        }
    )


def _wants_timestamps(plan: Plan, requested_schema: object | None) -> bool:
    """Tell whether a consumer asks for timestamps that the plan does not have."""
    if requested_schema is None or all(
        column.name != "t" or column.form is Form.TIMESTAMP for column in plan.columns
    ):
        return False
    return any(
        name == "t" and format_ == TIMESTAMP_FORMAT
        for format_, name, _, _, _ in schema_of(requested_schema)[3]
    )


def _values(plan: Plan, parts: Iterable[Part], rows: int) -> Iterator[Values]:
    """Yield the buffers of each batch; small ones are joined."""
    for batches, origin in _joined(parts, rows):
        batch = batches[0] if len(batches) == 1 else EventBatch.concat(batches)
        yield plan.values(batch.columns, len(batch), origin)


def _joined(parts: Iterable[Part], enough: int) -> Iterator[tuple[list[EventBatch], Origin]]:
    """Yield batches of one origin together, until they have enough rows. Before an error comes what there was."""
    waiting: list[EventBatch] = []
    rows = 0
    last = Origin()
    source = iter(parts)
    failure: Exception | None = None
    while failure is None:
        try:
            part = next(source, None)
        except Exception as error:
            part, failure = None, error
        if waiting and (part is None or part[1] is not last or rows + len(part[0]) > _MOST_JOINED * enough):
            yield waiting, last
            waiting, rows = [], 0
        if part is None:
            break
        if len(part[0]):
            waiting.append(part[0])
            rows += len(part[0])
            last = part[1]
        if rows >= enough:
            yield waiting, last
            waiting, rows = [], 0
    if failure is not None:
        raise failure

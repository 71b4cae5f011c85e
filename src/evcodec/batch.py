"""EventBatch: named integer columns of one length, the unit that readers give and writers take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np

from ._arrow import array_capsule, schema_capsule, stream_capsule
from .arrow_fields import Field, Origin, Plan, Values, make_plan
from .arrow_input import arrow_columns
from .errors import InvalidArgumentError
from .limits import MAX_COLUMNS, MAX_NAME_BYTES
from .schema import STANDARD_COLUMNS, common_dtype


def check_column_name(name: object) -> str:
    """Return ``name`` if the format can carry it, else raise InvalidArgumentError."""
    if not isinstance(name, str):
        raise InvalidArgumentError(f"column name: found {type(name).__name__}, allowed: str")
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise InvalidArgumentError("column name: found lone surrogates, allowed: valid Unicode") from None
    if not 1 <= size <= MAX_NAME_BYTES:
        raise InvalidArgumentError(
            f"column name {name[:20]!r}: found {size} bytes of UTF-8, allowed: 1 to {MAX_NAME_BYTES}"
        )
    return name


def _as_column(name: str, values: Any) -> np.ndarray:
    """Return ``values`` as a one-dimensional native-order integer array, values unchanged."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise InvalidArgumentError(f"column {name!r}: found {array.ndim} dimensions, allowed: 1")
    standard = STANDARD_COLUMNS.get(name)
    if array.size == 0 and not isinstance(values, np.ndarray):
        return np.empty(0, standard.dtype if standard else np.int64)
    if array.dtype.kind not in "iu":
        raise InvalidArgumentError(
            f"column {name!r}: found dtype {array.dtype}, allowed: integers of 8 to 64 bits"
        )
    if name in ("t", "kind"):
        assert standard is not None
        return _as_exactly(name, array, standard.dtype)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="), copy=False)


def _as_exactly(name: str, array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return ``array`` as ``dtype``; raise rather than change a value."""
    if array.dtype == dtype:
        return array if array.dtype.isnative else array.astype(dtype)
    bounds = np.iinfo(dtype)
    if array.size and (int(array.min()) < bounds.min or int(array.max()) > bounds.max):
        raise InvalidArgumentError(
            f"column {name!r}: found values from {int(array.min())} to {int(array.max())}, "
            f"allowed: {bounds.min} to {bounds.max} ({dtype})"
        )
    return array.astype(dtype)


class EventBatch:
    """Named integer columns of one length.

    Parameters
    ----------
    **columns : array_like of int, shape (n,)
        Columns by name, of any integer dtype of 8 to 64 bits. Arrays are kept as they are, without a copy,
        unless their byte order is foreign. ``t`` is int64 and ``kind`` is uint8: other dtypes are converted
        if every value fits.

    Raises
    ------
    InvalidArgumentError
        A column is not one-dimensional, is not of an integer dtype, has another length than the others, has
        an unusable name, or ``t`` or ``kind`` has a value that does not fit.

    Notes
    -----
    A standard column that was not given reads as zeros (``batch.dx``). A batch does not change after it was
    made, but it does not copy: who changes an array that was passed in changes the batch. Safe to read from
    several threads.
    """

    __slots__ = ("_columns", "_length")

    def __init__(self, /, **columns: Any) -> None:
        arrays = {check_column_name(name): _as_column(name, values) for name, values in columns.items()}
        lengths = {name: len(array) for name, array in arrays.items()}
        if len(set(lengths.values())) > 1:
            found = ", ".join(f"{name}: {length}" for name, length in lengths.items())
            raise InvalidArgumentError(f"columns: found lengths {found}; allowed: one length for all")
        self._columns = arrays
        self._length = next(iter(lengths.values()), 0)

    @classmethod
    def _from_arrays(cls, arrays: dict[str, np.ndarray], length: int) -> EventBatch:
        """Wrap arrays that are known to be valid columns of one length."""
        batch = cls.__new__(cls)
        batch._columns = arrays
        batch._length = length
        return batch

    @classmethod
    def concat(cls, batches: Iterable[EventBatch]) -> EventBatch:
        """Join batches in order; a column that some of them lack is zero there.

        Parameters
        ----------
        batches : iterable of EventBatch

        Returns
        -------
        EventBatch
            Of copies. Columns of different dtypes get the smallest dtype that holds all their values.

        Raises
        ------
        InvalidArgumentError
            A column is uint64 in one batch and signed in another, so that no integer dtype holds both.
        """
        parts = list(batches)
        length = sum(map(len, parts))
        names = dict.fromkeys(name for part in parts for name in part._columns)
        arrays: dict[str, np.ndarray] = {}
        for name in names:
            dtype = common_dtype({part._columns[name].dtype for part in parts if name in part._columns})
            if dtype is None:
                raise InvalidArgumentError(
                    f"column {name!r}: found uint64 and signed batches, allowed: "
                    "dtypes with a common integer dtype"
                )
            array = np.zeros(length, dtype)
            at = 0
            for part in parts:
                if name in part._columns:
                    array[at : at + len(part)] = part._columns[name]
                at += len(part)
            arrays[name] = array
        return cls._from_arrays(arrays, length)

    @property
    def columns(self) -> Mapping[str, np.ndarray]:
        """Read-only mapping of column name to array, in the order in which they were given."""
        return MappingProxyType(self._columns)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, key: Any) -> Any:
        """Return a column for a name, an event as a dict for an int, a batch for a slice, mask or index
        array.
        """
        if isinstance(key, str):
            found = self._columns.get(key)
            if found is not None:
                return found
            if key in STANDARD_COLUMNS:
                return np.zeros(self._length, STANDARD_COLUMNS[key].dtype)
            raise KeyError(
                f"column {key!r}: not in this batch, which has {', '.join(self._columns) or 'none'}"
            )
        if isinstance(key, (int, np.integer)):
            return {name: int(array[key]) for name, array in self._columns.items()}
        if not isinstance(key, slice):
            key = np.asarray(key)
            if key.ndim != 1 or key.dtype.kind not in "iub":
                raise InvalidArgumentError(
                    "batch index: allowed are a column name, an int, a slice, a mask, an index array"
                )
        arrays = {name: array[key] for name, array in self._columns.items()}
        length = (
            len(range(*key.indices(self._length)))
            if isinstance(key, slice)
            else len(np.arange(self._length)[key])
        )
        return EventBatch._from_arrays(arrays, length)

    def __getattr__(self, name: str) -> np.ndarray:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            column: np.ndarray = self[name]
        except KeyError as error:
            raise AttributeError(error.args[0]) from None
        return column

    def __iter__(self) -> Iterator[dict[str, int]]:
        return (self[i] for i in range(self._length))

    def equals(self, other: object) -> bool:
        """Tell whether ``other`` holds the same events.

        Parameters
        ----------
        other : object
            Whatever is no EventBatch is not equal.

        Lengths, values and dtypes must be equal. A column that only one of the two has must be zero
        throughout, since a column that is missing means zeros.
        """
        if not isinstance(other, EventBatch) or len(self) != len(other):
            return False
        for name in {**self._columns, **other._columns}:
            mine, theirs = self._columns.get(name), other._columns.get(name)
            if mine is None or theirs is None:
                present = mine if theirs is None else theirs
                if present is not None and present.any():
                    return False
            elif mine.dtype != theirs.dtype or not np.array_equal(mine, theirs):
                return False
        return True

    def select(self, names: Sequence[str]) -> EventBatch:
        """Return a batch of the named columns only; a standard column that is missing reads as zeros.

        Parameters
        ----------
        names : sequence of str

        Raises
        ------
        KeyError
            A name is neither a column of this batch nor a standard one.
        """
        return EventBatch._from_arrays({name: self[name] for name in names}, self._length)

    # ---- Arrow ----

    def __arrow_c_schema__(self) -> object:
        """Return a capsule with the Arrow type of the batch: a struct of its columns, ``kind`` as a dictionary of names."""
        return schema_capsule(self._arrow_plan(None)[1])

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]:
        """Return capsules with type and values of the batch as a struct array, for any Arrow library.

        Parameters
        ----------
        requested_schema : capsule, optional
            Types that are wanted; ``kind`` as uint8 instead of as names is what there is to choose.

        Returns
        -------
        tuple of capsules
            The values are those of the columns, not copied, if they stand side by side in memory, and live as long as
            the consumer wants. Nothing is null.

        Raises
        ------
        InvalidArgumentError
            The name of a column has a NUL in it.
        """
        plan, schema = self._arrow_plan(requested_schema)
        return schema_capsule(schema), array_capsule(self._arrow_values(plan))

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return a capsule with the batch as an Arrow stream of one record batch, as `__arrow_c_array__` has it."""
        plan, schema = self._arrow_plan(requested_schema)
        return stream_capsule(schema, lambda: (self._arrow_values(plan),))

    def _arrow_plan(self, requested_schema: object | None) -> tuple[Plan, Field]:
        own = _plan_of(tuple((name, array.dtype) for name, array in self._columns.items()))
        if requested_schema is None:
            return own
        plan = own[0].as_requested(requested_schema)
        return plan, plan.schema()

    def _arrow_values(self, plan: Plan) -> Values:
        return plan.values(self._columns, self._length, Origin())

    @classmethod
    def from_arrow(cls, data: Any, *, epoch_ns: int | None = None) -> EventBatch:
        """Return Arrow data of any library as one batch: a table, a record batch, a data frame, a stream.

        Parameters
        ----------
        data : object
            With ``__arrow_c_stream__`` or ``__arrow_c_array__``. Columns are integers of 8 to 64 bits, or dictionaries of
            them, without nulls. ``kind`` may also be names, as `EventBatch.__arrow_c_array__` writes them, ``context`` JSON
            text with an ``index``, as `Reader.arrow` writes it, and ``t`` a timestamp of any unit.
        epoch_ns : int, optional
            What is taken from a timestamp to get ``t``: ns since 1970 when the session clock showed 0. By default what
            is said beside the field, as `Reader.arrow` does; else 0.

        Returns
        -------
        EventBatch
            A single record batch is not copied: its integers stay in the memory of the library that made it.

        Raises
        ------
        InvalidArgumentError
            ``data`` is no Arrow data, or its producer fails; a column is of another type, has a null, or a value that
            does not fit; the message names the column and what was found.
        """
        batches = list(cls.batches_from_arrow(data, epoch_ns=epoch_ns))
        return batches[0] if len(batches) == 1 else cls.concat(batches)

    @classmethod
    def batches_from_arrow(cls, data: Any, *, epoch_ns: int | None = None) -> Iterator[EventBatch]:
        """Yield Arrow data as batches, one for each record batch, so that a stream may be larger than memory.

        Parameters
        ----------
        data, epoch_ns
            As in `from_arrow`.

        Yields
        ------
        EventBatch
            At least one, so that columns are known.

        Raises
        ------
        InvalidArgumentError
            As in `from_arrow`; what is wrong with a record batch is met after those before it were given.
        """
        for arrays, length in arrow_columns(data, epoch_ns):
            batch = cls(**arrays)
            batch._length = length  # also without columns
            yield batch

    def __repr__(self) -> str:
        columns = ", ".join(f"{name}: {array.dtype}" for name, array in self._columns.items())
        return f"<EventBatch of {self._length} events ({columns})>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (dict(self._columns), self._length)


@lru_cache(64)
def _plan_of(dtypes: tuple[tuple[str, np.dtype], ...]) -> tuple[Plan, Field]:
    plan = make_plan(dict(dtypes), contexts=False)
    return plan, plan.schema()


def check_batch(value: object) -> EventBatch:
    """Return a batch that can be written; raise InvalidArgumentError for anything else."""
    if not isinstance(value, EventBatch):
        raise InvalidArgumentError(f"batch: found {type(value).__name__}, allowed: EventBatch")
    if len(value.columns) > MAX_COLUMNS:
        raise InvalidArgumentError(f"batch: found {len(value.columns)} columns, allowed: {MAX_COLUMNS}")
    return value


def join_columns(pieces: Iterable[dict[str, np.ndarray]]) -> EventBatch:
    """Return pieces, each of columns of one length and at least one, as one batch; a single one is not copied."""
    batches = [EventBatch._from_arrays(piece, len(next(iter(piece.values())))) for piece in pieces]
    return batches[0] if len(batches) == 1 else EventBatch.concat(batches)


def _rebuild(arrays: dict[str, np.ndarray], length: int) -> EventBatch:
    return EventBatch._from_arrays(arrays, length)

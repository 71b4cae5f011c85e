"""What columns are in Arrow: the type of each, and its buffers. Knows numpy and Arrow's C structs, no Arrow library."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ._arrow_input import schema_of
from .errors import InvalidArgumentError, LimitExceededError
from .schema import EventKind, kind_name

# Letters of the C data interface by dtype.
INTEGER_FORMATS = {"int8": "c", "uint8": "C", "int16": "s", "uint16": "S"}
INTEGER_FORMATS |= {"int32": "i", "uint32": "I", "int64": "l", "uint64": "L"}
TIMESTAMP_FORMAT = "tsn:UTC"
TEXT_FORMAT = "u"
EPOCH_KEY, DTYPE_KEY = b"evcodec.epoch_ns", b"evcodec.dtype"

# Dictionaries hold this many contexts at most by their index; beyond, each batch has one of its own.
_MOST_BY_INDEX = 65_536
# Kinds from here on are rare: a dictionary names those that occur in its batch.
_NAMED_KINDS = max(EventKind) + 1

Field = tuple[bytes, bytes, int, "bytes | None", tuple[Any, ...], "tuple[Any, ...] | None"]
Values = tuple[int, tuple[Any, ...], tuple[Any, ...], "tuple[Any, ...] | None"]


class Form(Enum):
    """How a column looks in Arrow."""

    INTEGER = "integer"
    TIMESTAMP = "timestamp"
    NAMES = "names"  # kinds, by their names
    TEXTS = "texts"  # contexts, as JSON
    LABEL = "label"  # one text for all events of a batch, as a dictionary
    LABEL_TEXT = "label text"  # and as it is


class Column(NamedTuple):
    """A column of a plan; a label has no dtype of its own."""

    name: str
    dtype: np.dtype
    form: Form


def text_values(texts: Sequence[str]) -> Values:
    """Return texts as an array of UTF-8."""
    encoded = [text.encode() for text in texts]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    if offsets[-1] > np.iinfo(np.int32).max:
        raise LimitExceededError(f"context: found {offsets[-1]} bytes of text, allowed: 2 GiB")
    return len(texts), (offsets.astype(np.int32), b"".join(encoded)), (), None


def _index_dtype(dtype: np.dtype) -> np.dtype:
    """Return the dtype of indices into a dictionary of contexts, by that of the column."""
    return np.dtype(np.int64 if dtype.itemsize == 8 else np.uint32)


class Texts:
    """Dictionary of the contexts of a stream: for each index a text, unique since the index is in it.

    Parameters
    ----------
    texts : mapping of int to str
        JSON objects with an ``index``; for any other index it is all they have.
    """

    def __init__(self, texts: Mapping[int, str] | None = None) -> None:
        self._texts = texts or {}
        self._most = max(self._texts, default=0)
        self._dictionary: Values = text_values([])

    def encoded(self, values: np.ndarray) -> tuple[np.ndarray, Values]:
        """Return an index into a dictionary for each value, and the dictionary."""
        dtype = _index_dtype(values.dtype)
        low, high = (int(values.min()), int(values.max())) if len(values) else (0, 0)
        wanted = max(high, self._most) + 1
        if low >= 0 and wanted <= _MOST_BY_INDEX:
            dictionary = self._dictionary  # another thread may put a smaller one there meanwhile
            if dictionary[0] < wanted:
                dictionary = self._dictionary = text_values([self._text(index) for index in range(wanted)])
            return values.astype(dtype, copy=False), dictionary
        found, positions = np.unique(values, return_inverse=True)
        return positions.astype(dtype), text_values([self._text(index) for index in found.tolist()])

    def _text(self, index: int) -> str:
        return self._texts.get(index, f'{{"index":{index}}}')


class Origin(NamedTuple):
    """What batches of one file have in common.

    Attributes
    ----------
    epoch_ns : int
        Nanoseconds since 1970 when the session clock showed 0; matters where times are written as timestamps.
    texts : Texts
        What context indices mean.
    labels : mapping of str to str
        Value of each label of the plan.
    """

    epoch_ns: int = 0
    texts: Texts = Texts()
    labels: Mapping[str, str] = {}


class Plan(NamedTuple):
    """The columns of a table, and what is said beside them.

    ``epoch_ns`` is that of all batches, None where they have several or none.
    """

    columns: tuple[Column, ...]
    epoch_ns: int | None = None
    metadata: Mapping[str, str] = {}

    def schema(self) -> Field:
        """Return the struct type of the table, for `evcodec._arrow`."""
        return (
            b"+s",
            b"",
            0,
            _metadata({key.encode(): text.encode() for key, text in self.metadata.items()}),
            tuple(map(self._field, self.columns)),
            None,
        )

    def _field(self, column: Column) -> Field:
        if "\0" in column.name:
            raise InvalidArgumentError(
                f"column {column.name!r}: found NUL in its name, allowed in Arrow: names without"
            )
        name = column.name.encode()
        text: Field = (TEXT_FORMAT.encode(), b"", 0, None, (), None)
        metadata: dict[bytes, bytes] = {}
        match column.form:
            case Form.TIMESTAMP:
                if self.epoch_ns is not None:
                    metadata[EPOCH_KEY] = b"%d" % self.epoch_ns
                return TIMESTAMP_FORMAT.encode(), name, 0, _metadata(metadata), (), None
            case Form.NAMES | Form.LABEL:
                return b"C", name, 0, None, (), text
            case Form.TEXTS:
                metadata[DTYPE_KEY] = column.dtype.name.encode()
                format_ = INTEGER_FORMATS[_index_dtype(column.dtype).name]
                return format_.encode(), name, 0, _metadata(metadata), (), text
            case Form.LABEL_TEXT:
                return TEXT_FORMAT.encode(), name, 0, None, (), None
        return INTEGER_FORMATS[column.dtype.name].encode(), name, 0, None, (), None

    def values(self, arrays: Mapping[str, np.ndarray], length: int, origin: Origin) -> Values:
        """Return the buffers of a batch, for `evcodec._arrow`; a column that it lacks is zero."""
        return (
            length,
            (),
            tuple(self._column(column, arrays, length, origin) for column in self.columns),
            None,
        )

    def _column(
        self, column: Column, arrays: Mapping[str, np.ndarray], length: int, origin: Origin
    ) -> Values:
        match column.form:
            case Form.LABEL:
                codes = np.zeros(length, np.uint8)
                return length, (codes,), (), text_values([origin.labels[column.name]])
            case Form.LABEL_TEXT:
                return _repeated(origin.labels[column.name].encode(), length)
        array = arrays.get(column.name)
        if array is None:
            array = np.zeros(length, column.dtype)
        # Arrow wants values side by side, at addresses that are multiples of their size.
        array = array.astype(column.dtype, casting="safe", copy=False)
        if not (array.flags.c_contiguous and array.flags.aligned):
            array = array.copy()
        if column.form is Form.NAMES:
            codes, dictionary = _named(array)
            return length, (codes,), (), dictionary
        if column.form is Form.TEXTS:
            codes, dictionary = origin.texts.encoded(array)
            return length, (codes,), (), dictionary
        if column.form is Form.TIMESTAMP:
            array = shifted(array, origin.epoch_ns, "t and the epoch of its session")
        return length, (array,), (), None

    def as_requested(self, capsule: object | None) -> Plan:
        """Return the plan with the types that a consumer asked for, where they are among those that there are."""
        if capsule is None:
            return self
        _, _, _, children, _ = schema_of(capsule)
        wanted = {name: (format_, dictionary) for format_, name, _, _, dictionary in children}
        if wanted.keys() != {column.name for column in self.columns}:
            return self
        columns = [column._replace(form=_form(column, *wanted[column.name])) for column in self.columns]
        return self._replace(columns=tuple(columns))


def make_plan(
    dtypes: Mapping[str, np.dtype],
    *,
    contexts: bool = True,
    timestamps: bool = False,
    dictionaries: bool = True,
    epoch_ns: int | None = None,
    labels: Sequence[str] = (),
    metadata: Mapping[str, str] | None = None,
) -> Plan:
    """Return the plan for columns of these dtypes, and for labels behind them.

    ``contexts`` tells whether it is known what the values of ``context`` mean.
    """
    if twice := sorted(dtypes.keys() & set(labels)):
        raise InvalidArgumentError(f"labels: found {twice}, allowed: names that no column has")
    columns = [Column(name, dtype, Form.INTEGER) for name, dtype in dtypes.items()]
    forms = {
        "t": Form.TIMESTAMP if timestamps else Form.INTEGER,
        "kind": Form.NAMES if dictionaries else Form.INTEGER,
        "context": Form.TEXTS if dictionaries and contexts else Form.INTEGER,
    }
    columns = [column._replace(form=forms.get(column.name, Form.INTEGER)) for column in columns]
    label = Form.LABEL if dictionaries else Form.LABEL_TEXT
    columns += [Column(name, np.dtype(np.uint8), label) for name in labels]
    return Plan(tuple(columns), epoch_ns, metadata or {})


def shifted(t: np.ndarray, by: int, what: str) -> np.ndarray:
    """Return int64 times and a number added up; raise InvalidArgumentError where that is outside of int64."""
    if not by:
        return t
    bounds = np.iinfo(np.int64)
    if len(t) and not (bounds.min <= int(t.min()) + by and int(t.max()) + by <= bounds.max):
        raise InvalidArgumentError(
            f"{what}: found sums from {int(t.min()) + by} to {int(t.max()) + by} ns, allowed: int64"
        )
    # The number alone may be outside of int64; a sum modulo 2**64 that fits is right.
    return (t.view(np.uint64) + np.uint64(by % 2**64)).view(np.int64)


def _repeated(text: bytes, count: int) -> Values:
    if len(text) * count > np.iinfo(np.int32).max:
        raise LimitExceededError(f"label: found {len(text) * count} bytes of text in a batch, allowed: 2 GiB")
    return count, (np.arange(count + 1, dtype=np.int32) * np.int32(len(text)), text * count), (), None


def _named(kinds: np.ndarray) -> tuple[np.ndarray, Values]:
    """Return an index into a dictionary of names for each kind, and the dictionary."""
    if not len(kinds) or int(kinds.max()) < _NAMED_KINDS:
        return kinds, _kind_names(())
    # 256 names are more than some consumers allow for indices of a byte, and clutter.
    others = np.flatnonzero(np.bincount(kinds, minlength=256)[_NAMED_KINDS:]) + _NAMED_KINDS
    codes = np.arange(256, dtype=np.uint8)
    codes[others] = np.arange(_NAMED_KINDS, _NAMED_KINDS + len(others))
    return codes[kinds], _kind_names(tuple(others.tolist()))


@lru_cache(64)
def _kind_names(others: tuple[int, ...]) -> Values:
    return text_values([kind_name(kind) for kind in (*range(_NAMED_KINDS), *others)])


def _metadata(pairs: Mapping[bytes, bytes]) -> bytes | None:
    """Return pairs as Arrow has them in memory, None if there are none."""
    if not pairs:
        return None
    texts = [text for pair in pairs.items() for text in pair]
    return struct.pack("=i", len(pairs)) + b"".join(struct.pack("=i", len(text)) + text for text in texts)


def _form(column: Column, format_: str, dictionary: object | None) -> Form:
    """Return the form of a column that is nearest to a type."""
    integers: Callable[[], bool] = lambda: format_ == INTEGER_FORMATS[column.dtype.name]  # noqa: E731
    match column.form:
        case Form.LABEL | Form.LABEL_TEXT:
            return Form.LABEL if dictionary is not None else Form.LABEL_TEXT
        case Form.NAMES | Form.TEXTS if dictionary is None and integers():
            return Form.INTEGER
        case Form.INTEGER if column.name == "kind" and dictionary is not None:
            return Form.NAMES
        case Form.TIMESTAMP if integers():
            return Form.INTEGER
    return column.form

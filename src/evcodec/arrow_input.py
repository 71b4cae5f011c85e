"""Arrow data of any library as columns of integers: exactly, or not at all."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ._arrow_input import Array, schema_of, take_array, take_stream
from .arrow_fields import DTYPE_KEY, EPOCH_KEY, INTEGER_FORMATS, shifted
from .errors import InvalidArgumentError
from .schema import INTEGER_DTYPES, STANDARD_COLUMNS, kind_name

_DTYPES = {format_: np.dtype(name) for name, format_ in INTEGER_FORMATS.items()}
_TIMESTAMP = re.compile(r"ts([smun]):")
_NS = {"s": 10**9, "m": 10**6, "u": 10**3, "n": 1}
_TEXT: dict[str, np.dtype | None] = {"u": np.dtype(np.int32), "U": np.dtype(np.int64), "vu": None}
# Names of types for messages; others are shown as the C data interface spells them.
_TYPE_NAMES = {
    "b": "bool",
    "e": "float16",
    "f": "float32",
    "g": "float64",
    "n": "null",
    "u": "utf8",
    "U": "large_utf8",
}
_TYPE_NAMES |= {
    "vu": "utf8_view",
    "z": "binary",
    "Z": "large_binary",
    "vz": "binary_view",
    "+s": "struct",
    "+l": "list",
}
_TYPE_NAMES |= {"+L": "large_list", "+r": "run_end_encoded", "+m": "map", "tdD": "date32", "tdm": "date64"}
_KINDS = {kind_name(kind).encode(): kind for kind in range(256)}
_MOST_REMEMBERED = 65_536
_ALLOWED = "integers of 8 to 64 bits"
_ALSO = {"kind": ", names of kinds", "t": ", timestamps", "context": ', JSON text with an "index"'}

Described = tuple[str, str, Mapping[bytes, bytes], tuple[Any, ...], "tuple[Any, ...] | None"]


class _Window(NamedTuple):
    """Which rows of an array are meant: those of its parent, from its own offset on."""

    array: Array
    start: int
    length: int


def arrow_columns(data: Any, epoch_ns: int | None) -> Iterator[tuple[dict[str, np.ndarray], int]]:
    """Yield columns and length of each record batch of Arrow data, at least of one.

    Raises
    ------
    InvalidArgumentError
        It is no Arrow data, or not of integers; or its producer fails.
    """
    if epoch_ns is not None and (isinstance(epoch_ns, bool) or not isinstance(epoch_ns, (int, np.integer))):
        raise InvalidArgumentError(f"epoch_ns: found {type(epoch_ns).__name__}, allowed: integers")
    schema, arrays = _opened(data)
    format_, _, _, fields, _ = schema
    if format_ != "+s":
        raise InvalidArgumentError(
            f"Arrow data: found {_type_name(schema)}, allowed: a table, a record batch, a struct array"
        )
    names = [field[1] for field in fields]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise InvalidArgumentError(f"Arrow columns: found {twice} more than once, allowed: each name once")
    readers = [_reader(field, epoch_ns) for field in fields]
    empty = True
    for array in arrays:
        columns = array.children(len(fields))
        window = _Window(array, array.offset, array.length)
        _check_nulls(window, "Arrow table")
        found = {}
        for name, reader, column in zip(names, readers, columns, strict=True):
            if column.length < array.offset + array.length:
                raise InvalidArgumentError(
                    f"column {name!r}: found {column.length} values, allowed: {array.offset + array.length} or more"
                )
            found[name] = reader(_Window(column, column.offset + array.offset, array.length))
        yield found, array.length
        empty = False
    if empty:
        yield {name: np.empty(0, _empty_dtype(field)) for name, field in zip(names, fields, strict=True)}, 0


def _opened(data: Any) -> tuple[Described, Iterable[Array]]:
    """Return the schema of Arrow data and its arrays."""
    if hasattr(data, "__arrow_c_stream__"):
        stream = take_stream(data.__arrow_c_stream__())
        return stream.schema, stream
    if hasattr(data, "__arrow_c_array__"):
        found = data.__arrow_c_array__()
        if not (isinstance(found, tuple) and len(found) == 2):
            raise InvalidArgumentError("Arrow array: found no pair of capsules, allowed: schema and array")
        return schema_of(found[0]), (take_array(found[1]),)
    raise InvalidArgumentError(
        f"Arrow data: found {type(data).__name__}, allowed: what has __arrow_c_stream__ or __arrow_c_array__"
    )


def _type_name(field: Described) -> str:
    format_, _, _, _, dictionary = field
    name = _TYPE_NAMES.get(format_) or (_DTYPES[format_].name if format_ in _DTYPES else f"type {format_!r}")
    return name if dictionary is None else f"dictionary of {_type_name(dictionary)}"


def _empty_dtype(field: Described) -> np.dtype:
    """Return the dtype of a column of which nothing came."""
    format_, name, _, _, dictionary = field
    if dictionary is not None:
        format_ = dictionary[0]
    return _DTYPES[format_] if format_ in _DTYPES else STANDARD_COLUMNS[name].dtype


def _reader(field: Described, epoch_ns: int | None) -> Callable[[_Window], np.ndarray]:
    """Return what makes a column of an array of this type; raise InvalidArgumentError if that cannot be."""
    format_, name, metadata, _, dictionary = field
    where = f"column {name!r}"

    def refused() -> InvalidArgumentError:
        return InvalidArgumentError(
            f"{where}: found {_type_name(field)}, allowed: {_ALLOWED}{_ALSO.get(name, '')}"
        )

    if dictionary is not None:
        if format_ not in _DTYPES:
            raise refused()
        try:
            values_of = _reader((*dictionary[:1], name, metadata, *dictionary[3:]), epoch_ns)
        except InvalidArgumentError:
            raise refused() from None
        return lambda window: _from_dictionary(window, _DTYPES[format_], values_of, where)
    if format_ in _DTYPES:
        return lambda window: _integers(window, _DTYPES[format_], where)
    if name == "t" and (unit := _TIMESTAMP.match(format_)):
        factor = _NS[unit[1]]
        epoch = _epoch(metadata, where) if epoch_ns is None else int(epoch_ns)
        return lambda window: _times(_integers(window, np.dtype(np.int64), where), factor, epoch)
    if name == "kind" and format_ in _TEXT:
        return lambda window: _from_texts(window, format_, np.dtype(np.uint8), _KINDS.get, where)
    if name == "context" and format_ in _TEXT:
        said = metadata.get(DTYPE_KEY, b"").decode("ascii", "replace")
        dtype = np.dtype(said) if said in INTEGER_FORMATS else None
        index_of = lru_cache(_MOST_REMEMBERED)(_context_of)
        return lambda window: _from_texts(window, format_, dtype, index_of, where)
    raise refused()


def _epoch(metadata: Mapping[bytes, bytes], where: str) -> int:
    text = metadata.get(EPOCH_KEY, b"0")
    if not re.fullmatch(rb"-?[0-9]{1,20}", text):
        raise InvalidArgumentError(f"{where}: found the epoch {text!r} beside it, allowed: an integer")
    return int(text)


def _buffer(window: _Window, number: int, size: int, where: str) -> Any:
    """Return the first bytes of a buffer that must be there."""
    found = window.array.buffer(number, size)
    if found is None:
        if size:
            raise InvalidArgumentError(f"{where}: found no buffer {number}, allowed: {size} bytes or more")
        return b""
    return found


def _check_nulls(window: _Window, where: str) -> None:
    """Raise InvalidArgumentError if a value is null."""
    array, start, length = window
    if array.null_count == 0 or not length:
        return
    bits = array.buffer(0, (start + length + 7) // 8)
    if bits is None:
        if array.null_count > 0:
            raise InvalidArgumentError(
                f"{where}: found {array.null_count} nulls, and not where; allowed: none"
            )
        return
    first = start // 8
    valid = np.unpackbits(np.frombuffer(bits, np.uint8)[first:], bitorder="little")[start - 8 * first :][
        :length
    ]
    if not valid.all():
        raise InvalidArgumentError(f"{where}: found a null in row {int(valid.argmin())}, allowed: none")


def _integers(window: _Window, dtype: np.dtype, where: str) -> np.ndarray:
    _check_nulls(window, where)
    _, start, length = window
    data = np.frombuffer(_buffer(window, 1, (start + length) * dtype.itemsize, where), dtype)
    return data[start : start + length]


def _times(values: np.ndarray, factor: int, epoch: int) -> np.ndarray:
    bounds = np.iinfo(np.int64)
    if factor > 1 and len(values):
        low, high = int(values.min()) * factor, int(values.max()) * factor
        if low < bounds.min or high > bounds.max:
            raise InvalidArgumentError(
                f"column 't': found timestamps from {low} to {high} ns, allowed: int64"
            )
    return shifted(values * np.int64(factor) if factor > 1 else values, -epoch, "column 't' less its epoch")


def _from_dictionary(
    window: _Window, dtype: np.dtype, values_of: Callable[[_Window], np.ndarray], where: str
) -> np.ndarray:
    indices = _integers(window, dtype, where)
    dictionary = window.array.dictionary()
    if dictionary is None:
        raise InvalidArgumentError(f"{where}: found no dictionary, allowed: the one of its type")
    count = dictionary.length
    if len(indices) and not (int(indices.min()) >= 0 and int(indices.max()) < count):
        raise InvalidArgumentError(
            f"{where}: found indices from {int(indices.min())} to {int(indices.max())} into a dictionary of {count}, "
            f"allowed: 0 to {count - 1}"
        )
    whole = _Window(dictionary, dictionary.offset, count)
    try:
        values = values_of(whole)
    except InvalidArgumentError:
        # What no row refers to may be null, or mean nothing.
        used, indices = np.unique(indices, return_inverse=True)
        values = _some_values(whole, used, indices, values_of, where)
    if values.dtype == indices.dtype and np.array_equal(values, np.arange(len(values))):
        return indices
    return np.take(values, indices)


def _some_values(
    dictionary: _Window,
    used: np.ndarray,
    rows: np.ndarray,
    values_of: Callable[[_Window], np.ndarray],
    where: str,
) -> np.ndarray:
    """Return the used values of a dictionary; ``rows`` has the place of each row's value among them."""
    pieces = []
    for number, index in enumerate(used.tolist()):
        try:
            pieces.append(values_of(_Window(dictionary.array, dictionary.start + index, 1)))
        except InvalidArgumentError as error:
            row = int((rows == number).argmax())
            raise InvalidArgumentError(f"{where}, row {row}: dictionary: {error}") from None
    return np.concatenate(pieces) if pieces else np.empty(0, np.int64)


def _from_texts(
    window: _Window, format_: str, dtype: np.dtype | None, value_of: Callable[[bytes], int | None], where: str
) -> np.ndarray:
    """Return a number for each text."""
    values = []
    for row, text in enumerate(_texts(window, format_, where)):
        value = value_of(text)
        if value is None:
            raise InvalidArgumentError(
                f"{where}: found the text {text[:40].decode('utf-8', 'replace')!r} in row {row}, allowed: "
                f"{_ALLOWED}{_ALSO[where[8:-1]]}"
            )
        values.append(value)
    return _fitting(values, dtype, where)


def _fitting(values: list[int], dtype: np.dtype | None, where: str) -> np.ndarray:
    """Return values as a dtype; as the smallest of some where it is not known or does not do."""
    low, high = min(values, default=0), max(values, default=0)
    for candidate in (dtype, np.dtype(np.uint32), *INTEGER_DTYPES):
        if candidate is not None and np.iinfo(candidate).min <= low and high <= np.iinfo(candidate).max:
            return np.array(values, candidate)
    raise InvalidArgumentError(f"{where}: found values from {low} to {high}, allowed: {_ALLOWED}")


def _texts(window: _Window, format_: str, where: str) -> Iterator[bytes]:
    """Yield texts as UTF-8."""
    _check_nulls(window, where)
    _, start, length = window
    if not length:
        return
    offset_dtype = _TEXT[format_]
    if offset_dtype is None:
        yield from _viewed_texts(window, where)
        return
    size = (start + length + 1) * offset_dtype.itemsize
    offsets = np.frombuffer(_buffer(window, 1, size, where), offset_dtype)[start:]
    if int(offsets[0]) < 0 or (offsets[1:] < offsets[:-1]).any():
        raise InvalidArgumentError(f"{where}: found offsets of texts that fall, allowed: rising ones")
    data = memoryview(_buffer(window, 2, int(offsets[-1]), where))
    at = int(offsets[0])
    for end in offsets[1:].tolist():
        yield bytes(data[at:end])
        at = end


def _viewed_texts(window: _Window, where: str) -> Iterator[bytes]:
    """Yield texts that stand in several buffers: of each its length and itself, or a prefix, the buffer and the place."""
    array, start, length = window
    raw = memoryview(_buffer(window, 1, 16 * (start + length), where))
    views = np.frombuffer(raw, np.int32).reshape(-1, 4)[start:]
    count = array.n_buffers - 3
    if count < 0:
        raise InvalidArgumentError(f"{where}: found {array.n_buffers} buffers, allowed: 3 and more")
    sizes = np.frombuffer(_buffer(window, array.n_buffers - 1, 8 * count, where), np.int64)
    buffers: dict[int, memoryview] = {}
    for row, (size, _, number, at) in enumerate(views.tolist()):
        if 0 <= size <= 12:
            place = 16 * (start + row) + 4
            yield bytes(raw[place : place + size])
            continue
        if size < 0 or not 0 <= number < count or not 0 <= at <= int(sizes[number]) - size:
            raise InvalidArgumentError(f"{where}: found a text outside of its buffer in row {row}")
        if number not in buffers:
            buffers[number] = memoryview(_buffer(window, 2 + number, int(sizes[number]), where))
        yield bytes(buffers[number][at : at + size])


def _context_of(text: bytes) -> int | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    index = found.get("index") if isinstance(found, dict) else None
    return index if isinstance(index, int) and not isinstance(index, bool) else None

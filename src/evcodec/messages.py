"""msgpack values within the format's limits: the one module that knows msgpack."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgpack

from .errors import CorruptDataError, EvcodecError, InvalidArgumentError, LimitExceededError
from .limits import MAX_ELEMENTS, MAX_NESTING, MAX_RECORD_ELEMENTS

# Sizes are bounded where lists are made: a forged length must not allocate. Strings and bytes are bounded by
# the data itself.
_UNPACK_LIMITS = {
    "max_array_len": MAX_ELEMENTS,
    "max_map_len": MAX_ELEMENTS,
    "raw": False,
    "strict_map_key": True,
}


def pack(value: Any, what: str) -> bytes:
    """Return ``value`` as msgpack.

    Raises
    ------
    InvalidArgumentError
        msgpack cannot carry the value, or a reader would not take it back.
    """
    try:
        data: bytes = msgpack.packb(value, use_bin_type=True)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidArgumentError(
            f"{what}: {error}; allowed: what msgpack carries, integers of at most 64 bits"
        ) from None
    try:
        unpack(data, what)
    except EvcodecError as error:
        raise InvalidArgumentError(str(error)) from None
    return data


def unpack(data: bytes | memoryview, where: str) -> Any:
    """Return the one value that ``data`` holds; raise CorruptDataError or LimitExceededError."""
    values = list(unpack_all(data, where))
    if len(values) != 1:
        raise CorruptDataError(f"{where}: msgpack values: found {len(values)}, allowed: 1")
    return values[0]


class _Budget:
    """Counts the elements of all arrays and maps of one record: an empty array is one byte, and sixty in memory."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._left = MAX_RECORD_ELEMENTS

    def _take(self, count: int) -> None:
        self._left -= count + 1
        if self._left < 0:
            raise LimitExceededError(
                f"{self._where}: elements of all arrays and maps: found more than {MAX_RECORD_ELEMENTS}, "
                f"allowed: {MAX_RECORD_ELEMENTS}"
            )

    def take_list(self, items: list[Any]) -> list[Any]:
        self._take(len(items))
        return items

    def take_map(self, pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
        self._take(len(pairs))
        return dict(pairs)


def unpack_all(data: bytes | memoryview, where: str) -> Iterator[Any]:
    """Yield the values that stand back to back in ``data``; raise CorruptDataError or LimitExceededError."""
    budget = _Budget(where)
    unpacker = msgpack.Unpacker(
        max_buffer_size=max(len(data), 1),
        list_hook=budget.take_list,
        object_pairs_hook=budget.take_map,
        **_UNPACK_LIMITS,
    )
    unpacker.feed(data)
    while unpacker.tell() < len(data):
        at = unpacker.tell()
        try:
            value = unpacker.unpack()
        except msgpack.OutOfData:
            raise CorruptDataError(
                f"{where}, byte {at}: msgpack value runs beyond its {len(data)} bytes"
            ) from None
        except (msgpack.StackError, RecursionError):
            raise LimitExceededError(
                f"{where}, byte {at}: nesting: found more than {MAX_NESTING}, allowed: {MAX_NESTING}"
            ) from None
        except LimitExceededError:
            raise
        except UnicodeDecodeError as error:
            raise CorruptDataError(f"{where}, byte {at}: string: {error.reason}, allowed: UTF-8") from None
        except (ValueError, TypeError, msgpack.UnpackException) as error:
            if "exceeds max_array_len" in str(error) or "exceeds max_map_len" in str(error):
                raise LimitExceededError(f"{where}, byte {at}: {error}") from None
            raise CorruptDataError(f"{where}, byte {at}: msgpack: {error}") from None
        _check_nesting(value, where)
        yield value


def _check_nesting(value: Any, where: str) -> None:
    """Raise LimitExceededError when arrays and maps stand more than MAX_NESTING deep in each other."""
    level = [value]
    for _ in range(MAX_NESTING + 1):
        level = [outer for outer in level if isinstance(outer, (list, dict))]
        if not level:
            return
        level = [inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer)]
    raise LimitExceededError(f"{where}: nesting: found more than {MAX_NESTING}, allowed: {MAX_NESTING}")

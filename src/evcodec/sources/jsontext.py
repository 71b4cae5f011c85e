"""JSON without loss: numbers stay text or int, repeated keys and nonsense are refused."""

from __future__ import annotations

import json
from typing import Any

MAX_DEPTH = 16


class NumberText(str):
    """A JSON number with a fraction or an exponent, as its text: no float ever touches it."""

    __slots__ = ()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object names a key twice")
    return found


def _constant(text: str) -> Any:
    raise ValueError(f"{text} is not a JSON number")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=NumberText, parse_constant=_constant)


def parse_object(text: str) -> dict[str, Any]:
    """Return the JSON object that ``text`` is.

    Numbers are int or :class:`NumberText`. The message of an error says what is wrong and where,
    never what the text says: it may be what somebody typed.

    Raises
    ------
    ValueError
        ``text`` is not one JSON object.
    """
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"found no JSON at column {error.pos + 1} ({error.msg}), allowed: one JSON object"
        ) from None
    except RecursionError:
        raise ValueError("found JSON that is nested too deep, allowed: one flat object") from None
    except ValueError as error:  # of the hooks above, or of an integer with thousands of digits
        problem = str(error) if "digits" not in str(error) else "an integer of thousands of digits"
        raise ValueError(f"found JSON with a fault: {problem}") from None
    if not isinstance(value, dict):
        raise ValueError(f"found JSON of type {json_type(value)}, allowed: an object")
    return value


def json_type(value: Any) -> str:
    """Return the JSON name of a value's type, for messages that must not show the value."""
    names = {
        dict: "object",
        list: "array",
        bool: "boolean",
        int: "number",
        NumberText: "number",
        str: "string",
    }
    return names.get(type(value), "null")


def is_plain(value: Any, depth: int = 0) -> bool:
    """Tell whether a parsed JSON value is carried exactly by msgpack: no fractions, no broken text, no huge numbers."""
    kind = type(value)
    if value is None or kind is bool:
        return True
    if kind is int:
        return -(1 << 63) <= int(value) < 1 << 63
    if kind is str:
        return value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value)
    if depth < MAX_DEPTH and kind is list:
        return all(is_plain(item, depth + 1) for item in value)
    if depth < MAX_DEPTH and kind is dict:
        return all(is_plain(key) and is_plain(item, depth + 1) for key, item in value.items())
    return False

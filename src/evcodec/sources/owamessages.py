"""Messages of OWAMcap as columns: one function for each schema.

Each takes the fields it understands out of the message. What is left over, an explicit null for instance, makes
the message inexact, and the caller keeps its text beside the columns.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntFlag
from typing import Any

from ..entries import VideoAnchor
from ..schema import EventFlag, EventKind
from .contexts import Definitions
from .decimals import INT64_MAX, INT64_MIN
from .jsontext import is_plain, json_type
from .rows import Row

NOTCH = 120

DTYPES = {
    "owa_fields": "uint16",
    "owa_time": "int64",
    "utc_ns": "int64",
    "pts": "int64",
    "raw_flags": "uint16",
    "raw_buttons": "uint16",
    "raw_data": "int32",
    "raw_device": "int64",
}


class Field(IntFlag):
    """Bits of ``owa_fields``: which optional fields the message had, so that absent and 0 differ."""

    TIMESTAMP = 1
    NULLS = 2
    """Every optional field that is not otherwise there was null."""
    DX_DY = 4
    """Raw motion was called ``dx`` and ``dy``, as early versions did, not ``last_x`` and ``last_y``."""
    US_FLAGS = 8
    BUTTON_FLAGS = 16
    BUTTON_DATA = 32
    DEVICE_HANDLE = 64


# Raw Input's button flags that stand for one button going down or up: code and kind.
RAW_BUTTONS = {
    1 << bit: (bit // 2, EventKind.BUTTON_UP if bit % 2 else EventKind.BUTTON_DOWN) for bit in range(10)
}
RAW_CODES = (1, 2, 3, 4, 5)  # left, right, middle, x1, x2
RAW_WHEEL, RAW_HWHEEL = 0x400, 0x800
RAW_ABSOLUTE = 1

Fields = dict[str, Any]


def convert(schema: str, message: Fields, row: Row, definitions: Definitions) -> bool:
    """Put ``message`` into ``row`` and ``definitions``; return whether they carry all of it.

    ``row`` holds ``t`` already. Raises ValueError where a field has a type or a size that its schema forbids.
    """
    converter = _CONVERTERS.get(schema)
    row["kind"] = EventKind.OTHER
    return converter is not None and converter(dict(message), row, definitions)


def _integer(fields: Fields, name: str, low: int = INT64_MIN, high: int = INT64_MAX) -> int:
    value = fields.pop(name, None)
    if type(value) is not int:
        raise ValueError(f"{name}: found JSON of type {json_type(value)}, allowed: an integer")
    if not low <= value <= high:
        raise ValueError(f"{name}: found {str(value)[:40]}, allowed: {low} to {high}")
    return value


def _optional(fields: Fields, row: Row, name: str, column: str, bit: Field) -> int:
    """Move an optional integer into a column; absent, or null, is no value and no bit."""
    if fields.get(name) is None:
        return 0
    row[column] = value = _integer(fields, name)
    row["owa_fields"] = row.get("owa_fields", 0) | bit
    return value


def _complete(fields: Fields, row: Row, optional: tuple[str, ...]) -> bool:
    """Tell whether nothing is left of the message, after its timestamp and nulls went into the row."""
    _optional(fields, row, "timestamp", "owa_time", Field.TIMESTAMP)
    if not fields:
        return True
    bits = row.get("owa_fields", 0)
    taken = {"timestamp"} if bits & Field.TIMESTAMP else set()
    if set(fields) == set(optional) - taken and all(value is None for value in fields.values()):
        row["owa_fields"] = bits | Field.NULLS
        return True
    return False


def _mouse(fields: Fields, row: Row, definitions: Definitions) -> bool:
    event = fields.pop("event_type", None)
    row["x"], row["y"] = _integer(fields, "x"), _integer(fields, "y")
    if event == "move":
        row["kind"] = EventKind.MOVE
        return _complete(fields, row, ("button", "pressed", "dx", "dy", "timestamp"))
    button, pressed = fields.get("button"), fields.get("pressed")
    if event == "click" and isinstance(button, str) and is_plain(button) and isinstance(pressed, bool):
        del fields["button"], fields["pressed"]
        row["kind"] = EventKind.BUTTON_DOWN if pressed else EventKind.BUTTON_UP
        row["code"] = definitions.button(button)
        return _complete(fields, row, ("dx", "dy", "timestamp"))
    if event == "scroll" and fields.get("dx") is not None and fields.get("dy") is not None:
        row["kind"] = EventKind.SCROLL
        limit = INT64_MAX // NOTCH
        for name in ("dx", "dy"):
            row[name] = _integer(fields, name, -limit, limit) * NOTCH
        return _complete(fields, row, ("button", "pressed", "timestamp"))
    return False


def _raw_mouse(fields: Fields, row: Row, definitions: Definitions) -> bool:
    legacy = "last_x" not in fields and "dx" in fields
    if legacy:
        row["owa_fields"] = Field.DX_DY
    x, y = (_integer(fields, name) for name in (("dx", "dy") if legacy else ("last_x", "last_y")))
    flags = _optional(fields, row, "us_flags", "raw_flags", Field.US_FLAGS)
    buttons = _optional(fields, row, "button_flags", "raw_buttons", Field.BUTTON_FLAGS)
    data = _optional(fields, row, "button_data", "raw_data", Field.BUTTON_DATA)
    _optional(fields, row, "device_handle", "raw_device", Field.DEVICE_HANDLE)
    if flags & RAW_ABSOLUTE:
        row |= {"x": x, "y": y, "flags": EventFlag.ABSOLUTE}
    else:
        row |= {"dx": x, "dy": y, "flags": EventFlag.RELATIVE_ONLY}
    if buttons == 0:
        row["kind"] = EventKind.MOVE
    elif buttons in RAW_BUTTONS:
        button, row["kind"] = RAW_BUTTONS[buttons]
        row["code"] = RAW_CODES[button]
    elif buttons in (RAW_WHEEL, RAW_HWHEEL) and not flags & RAW_ABSOLUTE and x == y == 0:
        # The wheel's turn stands where motion would: with motion in the same message it stays in raw_data alone.
        row["kind"] = EventKind.SCROLL
        row["dx" if buttons == RAW_HWHEEL else "dy"] = data
    taken = {
        name
        for name, bit in (
            ("us_flags", Field.US_FLAGS),
            ("button_flags", Field.BUTTON_FLAGS),
            ("button_data", Field.BUTTON_DATA),
            ("device_handle", Field.DEVICE_HANDLE),
        )
        if row.get("owa_fields", 0) & bit
    }
    optional = {"us_flags", "button_flags", "button_data", "device_handle", "timestamp"} - taken
    return _complete(fields, row, tuple(optional))


def _keyboard(fields: Fields, row: Row, definitions: Definitions) -> bool:
    event = fields.pop("event_type", None)
    row["vk"] = row["code"] = _integer(fields, "vk", 0, (1 << 31) - 1)
    if event not in ("press", "release"):
        return False
    row["kind"] = EventKind.KEY_DOWN if event == "press" else EventKind.KEY_UP
    return _complete(fields, row, ("timestamp",))


def _keyboard_state(fields: Fields, row: Row, definitions: Definitions) -> bool:
    return _state("keyboard_state", fields, row, definitions)


def _mouse_state(fields: Fields, row: Row, definitions: Definitions) -> bool:
    row["x"], row["y"] = _integer(fields, "x"), _integer(fields, "y")
    return _state("mouse_state", fields, row, definitions)


def _state(context_type: str, fields: Fields, row: Row, definitions: Definitions) -> bool:
    """Make the pressed keys or buttons a context."""
    pressed = fields.pop("buttons", None)
    if not isinstance(pressed, list):
        raise ValueError(f"buttons: found JSON of type {json_type(pressed)}, allowed: an array")
    if not is_plain(pressed):
        return False
    row["code"] = definitions.context(context_type, pressed)
    return _complete(fields, row, ("timestamp",))


def _window(fields: Fields, row: Row, definitions: Definitions) -> bool:
    title = fields.get("title")
    if not isinstance(title, str):
        raise ValueError(f"title: found JSON of type {json_type(title)}, allowed: a string")
    row["kind"] = EventKind.CONTEXT
    if not is_plain(fields):
        return False
    row["code"] = definitions.context("window", fields)
    return True


def _screen(fields: Fields, row: Row, definitions: Definitions) -> bool:
    """Make a captured screen a video anchor and an event: its times are columns, the rest is a context."""
    if not is_plain(fields):
        return False
    kept = dict(fields)
    at = row["t"]
    if kept.get("utc_ns") is not None:
        at = row["utc_ns"] = _integer(kept, "utc_ns")
        kept["utc_ns"] = IN_COLUMN
    media = kept.get("media_ref")
    holder, name = (dict(media), "pts_ns") if isinstance(media, dict) else (kept, "pts")
    if holder.get(name) is not None:
        row["pts"] = _integer(holder, name)
        holder[name] = IN_COLUMN
        uri = holder.get("uri" if holder is not kept else "path")
        anchor = VideoAnchor(t=at, pts=row["pts"], uri=uri if isinstance(uri, str) else None)
        definitions.add(anchor)
    if holder is not kept:
        kept["media_ref"] = holder
    if len(repr(kept)) > MAX_CONTEXT_CHARS:
        return False  # an image inside of the message: each differs, so a context would be no gain
    row["code"] = definitions.context("screen", kept)
    return True


# Stands in a context for a value that differs each time and is in the column of that name.
IN_COLUMN = {"column": True}
MAX_CONTEXT_CHARS = 4096


_CONVERTERS: dict[str, Callable[[Fields, Row, Definitions], bool]] = {
    "MouseEvent": _mouse,
    "RawMouseEvent": _raw_mouse,
    "KeyboardEvent": _keyboard,
    "KeyboardState": _keyboard_state,
    "MouseState": _mouse_state,
    "WindowInfo": _window,
    "ScreenEmitted": _screen,
    "ScreenCaptured": _screen,
}

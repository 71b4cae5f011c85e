"""Entries and metadata as values that JSON can hold, without losing any."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any

from ..entries import Context, Entry, Gap, GapReason, Payload
from ..reader import Reader


def plain(value: Any) -> Any:
    """Return ``value`` in terms of JSON.

    What JSON has no word for becomes a map with one key that starts with ``$``: bytes ``{"$bytes": base64}``,
    infinities and NaN ``{"$float": "inf"}``, a map with keys that are not strings ``{"$map": [[key, value], ...]}``.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": str(value)}
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, Mapping):
        # A map that looks like one of ours must not be taken for it.
        if all(isinstance(key, str) for key in value) and not (
            len(value) == 1 and next(iter(value))[:1] == "$"
        ):
            return {key: plain(item) for key, item in value.items()}
        return {"$map": [[plain(key), plain(item)] for key, item in value.items()]}
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    return {"$other": repr(value)}


def reason_name(reason: int) -> str:
    """Return a gap reason's lower-case name, or its number where the format names none."""
    try:
        return GapReason(reason).name.lower()
    except ValueError:
        return f"reason {reason}"


def entry_name(entry: Entry | type[Entry]) -> str:
    """Return the name under which an entry is written: ``gap``, ``context``, ``video_anchor``."""
    name = entry.__name__ if isinstance(entry, type) else type(entry).__name__
    return "".join(
        "_" + letter.lower() if letter.isupper() and at else letter.lower() for at, letter in enumerate(name)
    )


def plain_entry(entry: Entry) -> dict[str, Any]:
    """Return an entry as one JSON object, ``{"entry": "gap", "reason": "paused", ...}``, without what is not known."""
    found: dict[str, Any] = {"entry": entry_name(entry)}
    for field in fields(entry):
        value = getattr(entry, field.name)
        if value is not None:
            found[field.name] = plain(value)
    if isinstance(entry, Gap):
        found["reason"] = reason_name(entry.reason)
    return found


def dumps(value: Any) -> str:
    """Return compact JSON of a plain value; it can always be encoded as UTF-8."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            # A lone surrogate, as in the name of a file, has no UTF-8; JSON's escape for it stays ASCII.
            return json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text


def stream_object(reader: Reader) -> dict[str, Any]:
    """Return what the header of the stream says, as one JSON object."""
    return {"entry": "stream", "metadata": plain(reader.metadata), "governance": plain(reader.governance)}


def entry_objects(reader: Reader, *, content: bool = True) -> Iterator[dict[str, Any]]:
    """Yield the entries of a stream as JSON objects; without ``content``, only those that hold no text of anybody's."""
    entries: Iterator[Entry] = reader.entries()
    for entry in entries:
        if content or not isinstance(entry, (Context, Payload)):
            yield plain_entry(entry)

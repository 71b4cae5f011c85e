"""Entries and headers of streams as values that JSON can hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from ..entries import Context, Entry, Gap, Payload, reason_name
from ..plain import plain
from ..reader import Reader


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


def stream_object(reader: Reader) -> dict[str, Any]:
    """Return what the header of the stream says, as one JSON object."""
    return {"entry": "stream", "metadata": plain(reader.metadata), "governance": plain(reader.governance)}


def entry_objects(reader: Reader, *, content: bool = True) -> Iterator[dict[str, Any]]:
    """Yield the entries of a stream as JSON objects; without ``content``, only those that hold no text of anybody's."""
    entries: Iterator[Entry] = reader.entries()
    for entry in entries:
        if content or not isinstance(entry, (Context, Payload)):
            yield plain_entry(entry)

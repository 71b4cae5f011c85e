"""Which sources a recorder opens, by name."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from ..errors import InvalidArgumentError
from .model import FieldSource, Source

HOTKEY = "ctrl+alt+p"
SOURCES = ("x11", "fields", "evdev", "pynput")
_OF_INPUT = ("x11", "evdev", "pynput")


def default_sources() -> tuple[str, ...]:
    """Return the names of the sources that fit this session: input and windows, and fields where an application tells them."""
    if sys.platform in ("win32", "darwin"):
        return ("pynput",)
    if os.environ.get("XDG_SESSION_TYPE") == "wayland" or not os.environ.get("DISPLAY"):
        return ("evdev", "fields")
    return ("x11", "fields")


def check_sources(names: Sequence[str]) -> tuple[str, ...]:
    """Return names of sources, each once, with one of input among them; raise InvalidArgumentError for others."""
    found = tuple(dict.fromkeys(names))
    if unknown := [name for name in found if name not in SOURCES]:
        raise InvalidArgumentError(f"sources: found {unknown[0]!r}, allowed: {', '.join(SOURCES)}")
    of_input = [name for name in found if name in _OF_INPUT]
    if not of_input:
        raise InvalidArgumentError("sources: found none of input, allowed: x11, evdev or pynput among them")
    if len(of_input) > 1:
        # The kernel's keys are also those of a console, of another user's session, of a screen that no display has: the
        # windows and fields of this display say nothing of where they went.
        raise InvalidArgumentError(f"sources: found {' and '.join(of_input)}, allowed: one of input")
    return found


def open_sources(names: Sequence[str], hotkey: str | None = HOTKEY) -> list[Source]:
    """Open sources by their names; those that were opened are closed when one fails.

    Raises
    ------
    CaptureError
        No display, no permission, an unsupported session; the message says what to do.
    MissingExtraError
        What a source needs is not installed.
    InvalidArgumentError
        The hotkey is none.
    """
    opened: list[Source] = []
    try:
        for name in names:
            opened.append(_open(name, hotkey))
    except BaseException:
        close_sources(opened)
        raise
    return opened


def close_sources(sources: Sequence[Source]) -> None:
    """Close sources; what one of them raises keeps none of the others open."""
    for source in sources:
        with suppress(Exception):
            source.close()


def field_source(sources: Sequence[Source]) -> FieldSource | None:
    """Return the source that can be asked about fields, if there is one."""
    return next((source for source in sources if isinstance(source, FieldSource)), None)


def _open(name: str, hotkey: str | None) -> Source:
    if name == "x11":
        from .x11 import X11Source

        return X11Source(hotkey=hotkey)
    if name == "fields":
        from .fields import AccessibilityFields

        return AccessibilityFields()
    if name == "evdev":
        from .evdev import EvdevSource

        return EvdevSource()
    if name == "pynput":
        from .hooks import HookSource

        return HookSource()
    raise InvalidArgumentError(f"sources: {name} is not available here")

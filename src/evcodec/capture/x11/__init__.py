"""Input, windows, displays and the hotkey of an X11 session: XInput2 2.2 over connections of our own.

``connection`` finds the server and speaks its byte order; ``stream`` reads events in bulk; ``devices``, ``keyboard``,
``windows`` and ``displays`` say what their numbers mean; ``source`` puts them together as a `Source`.
"""

from __future__ import annotations

from .source import X11Source

__all__ = ["X11Source"]

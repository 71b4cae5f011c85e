"""The monitors of an X server."""

from __future__ import annotations

import struct

from ..model import Bounds, Display
from . import wire
from .connection import Connection, monitors


def displays(connection: Connection) -> tuple[Display, ...]:
    """Return the monitors, or the whole screen as one where the server has no RandR of 1.5 or later."""
    found = tuple(
        Display(
            name=connection.atom_name(monitor.name) or f"monitor {place}",
            bounds=Bounds(x=monitor.x, y=monitor.y, width=monitor.width, height=monitor.height),
        )
        for place, monitor in enumerate(monitors(connection))
    )
    if found:
        return found
    width, height = screen_size(connection)
    return (Display(name="screen", bounds=Bounds(x=0, y=0, width=width, height=height)),)


def screen_size(connection: Connection) -> tuple[int, int]:
    """Return the size of the whole screen, in pixels."""
    answer = connection.ask(wire.get_geometry(connection.root))
    return struct.unpack_from("=HH", answer, 16) if answer else connection.size

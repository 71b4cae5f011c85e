"""What both windows need of Tk: a readable size on every screen, fonts that are there, a channel in Tk's loop."""

from __future__ import annotations

import contextlib
import sys
import tkinter as tk
import tkinter.font
from collections.abc import Callable
from typing import Any

from ..xlib import connect
from .channel import Channel

# Where the system cannot wake Tk for a socket.
POLL_MS = 50


def dots_per_inch(root: tk.Tk) -> float:
    """Return the density that the desktop is set to: Xft.dpi where it is stated, else what the display says."""
    stated = root.winfo_fpixels("1i")
    if root.tk.call("tk", "windowingsystem") == "x11":
        stated = 96.0  # what X servers say of themselves is rarely true
        with contextlib.suppress(Exception):
            display = connect()
            found = display.screen().root.get_full_text_property(display.get_atom("RESOURCE_MANAGER"))
            display.close()
            stated = next(
                float(line.split(":")[1])
                for line in (found or "").splitlines()
                if line.startswith("Xft.dpi:")
            )
    return min(max(stated, 72.0), 480.0)


class Scale:
    """Lengths in pixels and fonts, for a window that was drawn at 96 dots per inch."""

    def __init__(self, root: tk.Tk, *, fitting: tuple[int, int]) -> None:
        # A dense but small screen must still hold the whole window.
        room = min(root.winfo_screenwidth() / fitting[0], root.winfo_screenheight() / fitting[1])
        self._factor = max(1.0, min(dots_per_inch(root) / 96.0, room))
        families = {name.lower(): name for name in tkinter.font.families(root)}
        wanted = (
            "segoe ui",
            "helvetica neue",
            "noto sans",
            "cantarell",
            "dejavu sans",
            "liberation sans",
            "ubuntu",
        )
        self._family = next((families[name] for name in wanted if name in families), "Helvetica")

    def __call__(self, pixels: float) -> int:
        """Return a length of this many pixels at 96 dots per inch, on this screen."""
        return round(pixels * self._factor)

    def font(self, pixels: float, *, bold: bool = False) -> tuple[str, int, str]:
        """Return a font whose letters are this high."""
        return self._family, -self(pixels), "bold" if bold else "normal"


def listen(
    root: tk.Tk, channel: Channel, handle: Callable[[dict[str, Any]], None], ended: Callable[[], None]
) -> None:
    """Call ``handle`` with each message, in Tk's loop, and ``ended`` when the other end is gone."""

    def arrived(*_: object) -> None:
        for message in channel.receive():
            handle(message)
        if channel.is_closed:
            if sys.platform != "win32" and descriptor >= 0:
                root.tk.deletefilehandler(descriptor)
            ended()

    descriptor = channel.fileno()
    if sys.platform == "win32":

        def poll() -> None:
            arrived()
            if not channel.is_closed:
                root.after(POLL_MS, poll)

        poll()
    else:
        root.tk.createfilehandler(descriptor, tk.READABLE, arrived)

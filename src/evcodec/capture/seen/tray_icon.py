"""The tray icon, as a process of its own: ``python -m evcodec.capture.seen.tray_icon``, started by the indicator.

With GTK (AppIndicator, or its own tray icons) there is a menu; through plain X11 only an icon, which shows the state.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import threading
from typing import Any

from ..xlib import connect, take_cookies_for_any_host
from . import process
from .channel import Channel
from .look import figures
from .reports import Ask, State

SIDE = 64


class TrayIcon:
    """An icon of pystray and its menu; the channel is read by a thread, since pystray's loop knows no sockets."""

    def __init__(self, channel: Channel) -> None:
        if sys.platform.startswith("linux"):
            take_cookies_for_any_host()
        import pystray

        self._channel = channel
        self._state = State.RECORDING
        item = pystray.MenuItem
        self._menu = pystray.Menu(
            item(lambda _item: f"evcodec: {self._state.value}", None, enabled=False),
            pystray.Menu.SEPARATOR,
            item("What is recorded …", lambda: channel.send("open notice"), default=True),
            item(lambda _item: self._other().value.capitalize(), lambda: self._ask(self._other())),
            item("Stop recording", lambda: self._ask(Ask.STOP)),
        )
        self._icon: Any = pystray.Icon("evcodec", self._picture(), self._title(), self._menu)

    def run(self) -> None:
        """Show the icon until the indicator is gone."""
        self._icon.run(self._started)

    def _started(self, icon: Any) -> None:
        """Show the icon, and listen from now on."""
        icon.visible = True
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        """Follow what the indicator says; end with it."""
        while not self._channel.is_closed:
            self._channel.wait(None)
            for message in self._channel.receive():
                if message["kind"] == "show":
                    self._state = State[message["state"]]
                    self._icon.icon = self._picture()
                    self._icon.title = self._title()
                    self._icon.update_menu()
        # Toolkits may hang when their tray has gone before them.
        os._exit(0)

    def _ask(self, ask: Ask) -> None:
        """Tell what the person wants."""
        self._channel.send("ask", ask=ask.value)

    def _other(self) -> Ask:
        """Return what the menu offers beside Stop."""
        return Ask.RESUME if self._state is State.PAUSED else Ask.PAUSE

    def _title(self) -> str:
        """Return the words of the icon."""
        return f"evcodec: {self._state.value}"

    def _picture(self) -> Any:
        """Return the sign of the state, on a clear ground."""
        from PIL import Image, ImageDraw

        picture = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0))
        draw = ImageDraw.Draw(picture)
        for what, points, colour in figures(self._state, SIDE):
            (draw.ellipse if what == "oval" else draw.polygon)(points, fill=colour)
        return picture


def missing() -> str | None:
    """Return why there can be no icon, if that is known before trying."""
    for module, package in (("pystray", "pystray"), ("PIL", "pillow")):
        if importlib.util.find_spec(module) is None:
            return f"{package} is not installed: pip install 'evcodec[capture]'"
    if sys.platform.startswith("linux") and importlib.util.find_spec("gi") is None:
        display = connect()
        try:
            tray = display.intern_atom(f"_NET_SYSTEM_TRAY_S{display.get_default_screen()}")
            if not display.get_selection_owner(tray):
                return "the desktop has no tray (panels with a notification area have one)"
        finally:
            display.close()
    return None


def main() -> int:
    """Show the icon; return the status of the process."""
    channel = process.inherited()
    why = missing()
    if why is None:
        with contextlib.suppress(SystemExit):
            try:
                TrayIcon(channel).run()
            except Exception as error:  # whatever a toolkit raises: the recorder goes on without it
                why = f"{type(error).__name__}: {error}"
    if why is not None:
        channel.send("failed", why=why)
    return why is not None


if __name__ == "__main__":
    sys.exit(main())

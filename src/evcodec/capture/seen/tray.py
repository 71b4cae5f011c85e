"""The indicator's side of the tray icon, which is a process of its own: its toolkits have loops of their own."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from typing import Any

from ...errors import CaptureError
from . import process
from .channel import Channel
from .reports import Ask, State
from .toolkit import listen


class Tray:
    """A tray icon where the desktop has a place for one. Its absence is told once to the recorder and stops nothing."""

    def __init__(
        self,
        root: tk.Tk,
        recorder: Channel,
        ask: Callable[[Ask], None],
        open_notice: Callable[[], None],
    ) -> None:
        self._recorder, self._ask, self._open_notice = recorder, ask, open_notice
        self._is_missed = False
        try:
            self._process, self._channel = process.start("tray_icon")
        except CaptureError as error:
            self._miss(str(error))
            return
        listen(root, self._channel, self._handle, lambda: self._miss("its process has ended"))

    def show(self, state: State) -> None:
        """Show a state in the icon and in its menu."""
        if not self._is_missed:
            self._channel.send("show", state=state.name)

    def _handle(self, message: dict[str, Any]) -> None:
        """Do what was chosen in the menu."""
        match message:
            case {"kind": "ask", "ask": str(asked)}:
                self._ask(Ask(asked))
            case {"kind": "open notice"}:
                self._open_notice()
            case {"kind": "failed", "why": str(why)}:
                self._miss(why)

    def _miss(self, why: str) -> None:
        """Say once that there is no icon."""
        if not self._is_missed:
            self._is_missed = True
            self._recorder.send("no tray", why=why)

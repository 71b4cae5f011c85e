"""The indicator, as a process of its own: ``python -m evcodec.capture.seen.indicator_window``, started by `Indicator`.

It is above all windows, says the state by colour, shape and word, and watches that it can be seen. When its recorder is
gone it goes too; an error ends it, and with it the recording.
"""

from __future__ import annotations

import sys
import time
import tkinter as tk
from collections.abc import Callable
from typing import Any

from . import paper, tray
from .bar import Bar
from .channel import Channel
from .loop import run
from .notice import Notice
from .reports import Ask, State
from .sight import OwnSight, Sight, X11Sight
from .toolkit import Scale

# How often it looks whether it is in sight; what the window system tells of itself comes at once.
LOOK_MS = 400
# So long something may lie over it before that counts as hidden; what it is in sight meanwhile is taken off.
PATIENCE_NS = 2_000_000_000
# So much of it must be left before it counts as in sight again: who fights for the place is out of it at times.
RELIEF_NS = 1_000_000_000
# A recorder that has not asked for so long does not run.
SILENCE_NS = 3_000_000_000


class IndicatorWindow:
    """The bar on the screen, the tray icon, and what passes between them and the recorder."""

    def __init__(self, root: tk.Tk, channel: Channel, notice: Notice, started_t: int) -> None:
        self._root, self._channel, self._notice = root, channel, notice
        self._scale = Scale(root, fitting=(1000, 560))
        self._bar = Bar(root, self._scale, started_t, self.ask, self.open_notice)
        # What is not mapped yet has not all of its windows.
        self._bar.place()
        root.update_idletasks()
        self._sight: Sight = (
            X11Sight(root.winfo_id()) if root.tk.call("tk", "windowingsystem") == "x11" else OwnSight(root)
        )
        self._tray: tray.Tray | None = None
        self._is_visible = False
        self._good_t = self._looked_t = self._heard_t = time.monotonic_ns()
        self._covered_ns = 0
        self._bar.screen = self._sight.screen
        self._bar.place()
        for event in ("<Visibility>", "<Unmap>", "<Configure>"):
            root.bind(event, self._look_soon)
        self._look_id: str | None = None
        self._look_soon()
        self._tick()

    def handle(self, message: dict[str, Any]) -> None:
        """Do what the recorder says."""
        match message:
            case {"kind": "show", "state": str(name), "detail": str(detail)}:
                self._bar.show(State[name], detail)
                if self._tray is not None:
                    self._tray.show(State[name])
                self._look_soon()
            case {"kind": "beat", "n": int(n)}:
                self._heard_t = time.monotonic_ns()
                # What was to be shown before this is on the screen when the answer goes.
                self._root.update_idletasks()
                self._channel.send("beat", n=n)
            case {"kind": "open notice"}:
                self.open_notice()

    def ask(self, ask: Ask) -> None:
        """Tell the recorder what the person wants."""
        self._channel.send("ask", ask=ask.value)

    def open_notice(self) -> None:
        """Show what is recorded, in a window of its own."""
        window = tk.Toplevel(self._root, class_="Evcodec")
        window.title("What is recorded")
        window.geometry(f"{self._scale(680)}x{self._scale(480)}")
        text = paper.show(window, self._notice, self._scale)
        window.bind("<Escape>", lambda _event: window.destroy())
        text.focus_set()

    def _look_soon(self, event: tk.Event[tk.Misc] | None = None) -> None:
        """Look as soon as what waits is done."""
        if event is not None and event.widget is not self._root:
            return
        if self._look_id is not None:
            self._root.after_cancel(self._look_id)
        self._look_id = self._root.after(10, self._look)

    def _look(self) -> None:
        """See whether the bar is in sight, mend what is wrong, tell the recorder what cannot wait."""
        self._look_id = self._root.after(LOOK_MS, self._look)
        fault = self._sight.fault(self._bar.smallest, self._bar.probe())
        now_t = time.monotonic_ns()
        since_ns, self._looked_t = now_t - self._looked_t, now_t
        is_covered = fault is not None and fault.is_mild
        self._covered_ns += since_ns if is_covered else -since_ns
        self._covered_ns = min(max(self._covered_ns, 0), PATIENCE_NS)
        if fault is None:
            self._good_t = now_t
            if not self._is_visible and self._covered_ns <= RELIEF_NS:
                self._is_visible = True
                self._channel.send("visible")
                if self._tray is None:
                    self._tray = tray.Tray(self._root, self._channel, self.ask, self.open_notice)
                    self._tray.show(self._bar.state)
            return
        if self._is_visible and not (fault.is_mild and self._covered_ns < PATIENCE_NS):
            self._is_visible = False
            since_t = min(self._good_t, now_t - self._covered_ns)
            self._channel.send("hidden", since_t=since_t, why=fault.why)
        elif self._tray is None:
            self._channel.send("waiting", why=fault.why)
        self._sight.lift()
        self._bar.place()

    def _tick(self) -> None:
        """Show the time that has passed, and that the recorder is silent if it is."""
        self._root.after(500, self._tick)
        now_t = time.monotonic_ns()
        self._bar.tick(now_t, is_silent=now_t - self._heard_t > SILENCE_NS)


def begin(
    root: tk.Tk, channel: Channel, _end: Callable[[], None], message: dict[str, Any]
) -> Callable[[dict[str, Any]], None]:
    """Show the indicator that the recorder's first message asks for."""
    return IndicatorWindow(root, channel, Notice.from_plain(message["notice"]), message["started_t"]).handle


if __name__ == "__main__":
    sys.exit(run(begin))

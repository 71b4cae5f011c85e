"""The life of a window's process: Tk's loop, until the recorder is gone, the window is done, or something fails."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from typing import Any

from . import process
from .channel import Channel
from .toolkit import listen

# Above what the user's X resources say: a word in the colour of its ground is not shown.
INK = "#101014"


class Root(tk.Tk):
    """Tk's root, into which nobody else can reach: no file of the home folder and no other program runs anything in it."""

    def __init__(self) -> None:
        super().__init__(className="Evcodec")
        self.withdraw()
        # By it any program of this display could press a button, or draw over the state.
        if self.tk.call("info", "commands", "send"):
            self.tk.call("rename", "send", "")
        for option in ("*foreground", "*Foreground"):
            self.option_add(option, INK, 100)

    def readprofile(self, baseName: str, className: str) -> None:
        """Run none of ``~/.Evcodec.py``, ``~/.Evcodec.tcl`` and the like, which Tk runs otherwise."""


def run(
    begin: Callable[[tk.Tk, Channel, Callable[[], None], dict[str, Any]], Callable[[dict[str, Any]], None]],
) -> int:
    """Begin a window with the first message, give it the others, and return the status of the process.

    ``begin`` gets Tk's root, the channel, what ends the loop, and the first message; it returns what takes the others.
    An error ends the process, and is told: a window that goes on after one may show what is not so.
    """
    channel = process.inherited()
    failures: list[BaseException] = []
    takers: list[Callable[[dict[str, Any]], None]] = []
    try:
        root = Root()

        def fail(_kind: object, error: BaseException, _where: object) -> None:
            failures.append(error)
            root.quit()

        def handle(message: dict[str, Any]) -> None:
            if takers:
                takers[0](message)
            else:
                takers.append(begin(root, channel, root.quit, message))

        root.report_callback_exception = fail
        listen(root, channel, handle, root.quit)
        root.mainloop()
    except Exception as error:  # of a handler of the channel, which Tk does not report but raises
        failures.append(error)
    if failures:
        channel.send("failed", why=f"{type(failures[0]).__name__}: {failures[0]}")
    return bool(failures)

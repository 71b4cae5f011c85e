"""The consent window, as a process of its own: ``python -m evcodec.capture.seen.consent_window``, started by `ask`.

It may come up while somebody types or clicks somewhere else. So no button has the focus at first, Start recording can be
pressed only after a pause without keys, and a key that comes right behind another one does not press it.
"""

from __future__ import annotations

import sys
import time
import tkinter as tk
from collections.abc import Callable
from typing import Any

from . import paper
from .channel import Channel
from .loop import run
from .notice import Notice
from .sight import X11Sight
from .toolkit import Scale

WIDTH, HEIGHT = 760, 620
# So long the window is there, and no key has come, before Start can be pressed.
CALM_MS = 1500
# A key this soon after another one is somebody typing on.
TYPING_S = 0.6
PAPER, BUTTON, BUTTON_LIT, BUTTON_OFF = "#f3f3f6", "#2f3138", "#4a4d57", "#8d8f97"
COVERED = "Another window lies over this one: take it away, and read"
SOON = "Start recording can be pressed in a moment"


class ConsentWindow:
    """The window. It says ``agreed`` or ``refused`` once, and goes."""

    def __init__(self, root: tk.Tk, channel: Channel, notice: Notice, end: Callable[[], None]) -> None:
        self._root, self._channel, self._notice, self._end = root, channel, notice, end
        scale = Scale(root, fitting=(WIDTH + 40, HEIGHT + 60))
        width = min(scale(WIDTH), root.winfo_screenwidth() - 20)
        height = min(scale(HEIGHT), root.winfo_screenheight() - 60)
        left, top = (root.winfo_screenwidth() - width) // 2, (root.winfo_screenheight() - height) // 2
        root.title("May evcodec record what you do?")
        root.configure(bg=PAPER, padx=scale(20), pady=scale(16))
        root.geometry(f"{width}x{height}+{left}+{max(0, top - 20)}")
        root.minsize(min(scale(480), width), min(scale(360), height))
        self._last_key = 0.0
        self._is_calm = False
        self._calm_id: str | None = None
        # From the bottom up, so that a small window cuts the text, which scrolls, and nothing else.
        self._buttons(scale)
        tk.Label(
            root, text="May evcodec record what you do?", font=scale.font(21, bold=True), bg=PAPER, anchor="w"
        ).pack(side="top", fill="x")
        tk.Label(
            root,
            text="Nothing is recorded unless you press Start recording. Closing this window means no.",
            font=scale.font(14),
            bg=PAPER,
            anchor="w",
        ).pack(side="top", fill="x", pady=(0, scale(10)))
        text = paper.show(root, notice, scale)
        # Tab goes through the text, which it scrolls with keys, to No and only then to Start.
        text.configure(takefocus=True)
        text.bind("<Tab>", lambda _event: self._no.focus_set() or "break")  # type: ignore[func-returns-value]
        self._row.lift()
        root.protocol("WM_DELETE_WINDOW", lambda: self._refuse("the window was closed"))
        root.bind("<Escape>", lambda _event: self._refuse("Escape was pressed"))
        root.bind("<KeyPress>", self._key, add=True)
        root.bind("<Map>", lambda event: self._wait_for_calm() if event.widget is root else None)
        root.focus_set()
        root.lift()

    def _buttons(self, scale: Scale) -> None:
        """Put the buttons at the bottom."""
        self._row = row = tk.Frame(self._root, bg=PAPER)
        row.pack(side="bottom", fill="x", pady=(scale(14), 0))
        looks: dict[str, Any] = {
            "font": scale.font(16, bold=True),
            "padx": scale(18),
            "pady": scale(8),
            "takefocus": True,
            "highlightthickness": scale(3),
            "highlightbackground": PAPER,
            "highlightcolor": "#2a62c9",
            "default": "disabled",
            "width": 16,
            "relief": "flat",
            # Yes and no look the same: neither is recommended.
            "bg": BUTTON,
            "fg": "white",
            "activebackground": BUTTON_LIT,
            "activeforeground": "white",
            "disabledforeground": BUTTON_OFF,
        }
        self._no = tk.Button(
            row,
            text="Do not record",
            command=lambda: self._refuse("Do not record was pressed"),
            **looks,
        )
        self._start = tk.Button(
            row,
            text="Start recording",
            command=self._agree,
            state="disabled",
            **looks,
        )
        self._hint = tk.Label(row, text=SOON, font=scale.font(12), bg=PAPER)
        self._no.pack(side="left")
        self._start.pack(side="right")
        self._hint.pack(side="left", fill="x", expand=True)
        for button in (self._no, self._start):
            # The class's own binding of the space bar would not ask whether somebody is typing.
            for key in ("<Key-space>", "<Key-Return>", "<Key-KP_Enter>"):
                button.bind(key, self._press_by_key)

    def _press_by_key(self, event: tk.Event[tk.Misc]) -> str:
        """Press the button that has the focus, unless this key follows close upon another one."""
        is_typing = time.monotonic() - self._last_key < TYPING_S
        self._key(event)
        if not is_typing and isinstance(event.widget, tk.Button):
            event.widget.invoke()
        return "break"

    def _key(self, _event: tk.Event[tk.Misc]) -> None:
        """Note a key; before Start is active it begins the pause anew."""
        self._last_key = time.monotonic()
        if not self._is_calm:
            self._wait_for_calm()

    def _wait_for_calm(self) -> None:
        """Let Start be pressed after a pause from now."""
        if self._is_calm:
            return
        if self._calm_id is not None:
            self._root.after_cancel(self._calm_id)
        self._calm_id = self._root.after(CALM_MS, self._calm)

    def _calm(self) -> None:
        """Let Start be pressed."""
        self._is_calm = True
        self._start.configure(state="normal")
        self._hint.configure(text="")

    def _agree(self) -> None:
        """Say that the person agrees to what this window shows, unless it cannot be read."""
        if self._is_covered():
            self._hint.configure(text=COVERED)
            self._root.lift()
            return
        self._channel.send("agreed", t=time.monotonic_ns(), ns=time.time_ns(), digest=self._notice.digest())
        self._end()

    def _is_covered(self) -> bool:
        """Return whether another program's window lies over a part of this one, as far as the window system tells."""
        if self._root.tk.call("tk", "windowingsystem") != "x11":
            return False
        sight = X11Sight(self._root.winfo_id())
        try:
            return sight.is_covered()
        finally:
            sight.close()

    def _refuse(self, why: str) -> None:
        """Say that the person does not."""
        self._channel.send("refused", why=why)
        self._end()


def begin(
    root: tk.Tk, channel: Channel, end: Callable[[], None], message: dict[str, Any]
) -> Callable[[dict[str, Any]], None]:
    """Show the notice that the recorder's first message holds; there are no others."""
    ConsentWindow(root, channel, Notice.from_plain(message["notice"]), end)
    root.deiconify()
    return lambda _message: None


if __name__ == "__main__":
    sys.exit(run(begin))

"""The bar that the indicator is: a sign, a word, the time, and buttons."""

from __future__ import annotations

import tkinter as tk
import tkinter.font
from collections.abc import Callable

from .look import BUTTON, BUTTON_PRESSED, FAINT_INK, GROUND, INK, LOOKS, elapsed, figures
from .reports import Ask, State
from .sight import Area
from .toolkit import Scale

# In pixels at 96 dots per inch; it is never smaller.
WIDTH, HEIGHT = 500, 48
SIGN = 26
# A point of each sign that has its colour, as parts of its side.
PROBES = {
    State.RECORDING: (0.5, 0.5),
    State.ELSEWHERE: (0.5, 0.17),
    State.PAUSED: (0.28, 0.5),
    State.BLIND: (0.2, 0.86),
}
SILENT = "The recorder does not answer"


class Bar:
    """Fills a Tk root that no window manager frames, moves or covers."""

    def __init__(
        self,
        root: tk.Tk,
        scale: Scale,
        started_t: int,
        ask: Callable[[Ask], None],
        open_notice: Callable[[], None],
    ) -> None:
        # Until somebody knows better.
        self.screen: Callable[[tuple[int, int] | None], Area] = lambda _at: Area(
            0, 0, root.winfo_screenwidth(), root.winfo_screenheight()
        )
        self._root, self._started_t, self._ask = root, started_t, ask
        self.state = State.RECORDING
        self._detail = ""
        self._is_silent = False
        self._at: tuple[int, int] | None = None
        self.smallest = scale(WIDTH), scale(HEIGHT)
        self._sign_size = scale(SIGN)
        self._margin = (self.smallest[1] - self._sign_size) // 2
        root.overrideredirect(True)
        root.title("evcodec is recording")
        root.configure(bg=GROUND)
        self._sign = tk.Canvas(
            root, width=self.smallest[1], height=self.smallest[1], bg=GROUND, highlightthickness=0
        )
        self._edge = tk.Frame(root, height=scale(4))
        self._word = tk.Label(root, font=scale.font(16, bold=True), fg=INK, bg=GROUND, anchor="w")
        self._words = tkinter.font.Font(root, font=scale.font(12))
        self._small = tk.Label(root, font=self._words, fg=FAINT_INK, bg=GROUND, anchor="w")
        self._time = tk.Label(root, font=scale.font(15), fg=INK, bg=GROUND, anchor="e")
        self._pause = self._button(scale, "Pause", lambda: ask(self._other_ask()))
        self._stop = self._button(scale, "Stop", lambda: ask(Ask.STOP))
        self._more = self._button(scale, "☰", self._open_menu)
        self._menu = tk.Menu(root, tearoff=False, font=scale.font(14))
        self._menu.add_command(label="", state="disabled", font=scale.font(14, bold=True))
        self._menu.add_separator()
        self._menu.add_command(label="What is recorded …", command=open_notice)
        self._menu.add_command(label="", command=lambda: ask(self._other_ask()))
        self._menu.add_command(label="Stop recording", command=lambda: ask(Ask.STOP))
        self._lay_out(scale)
        for part in (root, self._sign, self._word, self._small, self._time):
            part.bind("<ButtonPress-1>", self._grab)
            part.bind("<B1-Motion>", self._drag)
            part.bind("<ButtonPress-3>", lambda _event: self._open_menu())
        self._draw()

    def show(self, state: State, detail: str) -> None:
        """Show a state, and a few words on it."""
        self.state, self._detail = state, " ".join(detail.split())
        self._draw()

    def tick(self, now_t: int, *, is_silent: bool) -> None:
        """Show the time since the start; ``is_silent``: the recorder does not answer."""
        self._time.configure(text=elapsed(now_t - self._started_t))
        if is_silent != self._is_silent:
            self._is_silent = is_silent
            self._draw()

    def probe(self) -> tuple[int, int, str]:
        """Return a point of the bar and the colour that must be seen there."""
        state = State.BLIND if self._is_silent else self.state
        x, y = PROBES[state]
        return (
            round(self._margin + x * self._sign_size),
            round(self._margin + y * self._sign_size),
            LOOKS[state].colour,
        )

    def place(self) -> None:
        """Put it where the person has dragged it, or at the top centre, and in any case whole on a monitor."""
        width, height = self.smallest
        screen = self.screen(self._at and (self._at[0] + width // 2, self._at[1] + height // 2))
        x, y = self._at or (screen.x + (screen.width - width) // 2, screen.y)
        x = max(screen.x, min(x, screen.x + screen.width - width))
        y = max(screen.y, min(y, screen.y + screen.height - height))
        self._root.geometry(f"{width}x{height}+{x}+{y}")
        self._root.deiconify()
        self._root.update_idletasks()

    def _lay_out(self, scale: Scale) -> None:
        """Put the parts into their places; what has no room is the detail, never a button."""
        width, height = self.smallest
        edge = scale(4)
        self._edge.place(x=0, y=height - edge, width=width, height=edge)
        self._sign.place(x=0, y=0)
        self._edge.lift()
        right = width - scale(6)
        for button, wide in ((self._more, 34), (self._stop, 54), (self._pause, 76)):
            right -= scale(wide)
            button.place(x=right, y=scale(8), width=scale(wide) - scale(4), height=scale(30))
        right -= scale(68)
        self._time.place(x=right, y=scale(8), width=scale(60), height=scale(30))
        self._room = right - height
        self._upper, self._middle = (scale(4), scale(22)), (0, height - edge)
        self._word.place(x=height, width=self._room)
        self._small.place(x=height, y=scale(25), width=self._room, height=scale(17))
        self._word.lift()  # over the small words where there are none

    def _button(self, scale: Scale, text: str, press: Callable[[], None]) -> tk.Button:
        """Return a button of the bar."""
        return tk.Button(
            self._root,
            text=text,
            command=press,
            font=scale.font(14),
            fg=INK,
            bg=BUTTON,
            activeforeground=INK,
            activebackground=BUTTON_PRESSED,
            relief="flat",
            bd=0,
            highlightthickness=0,
            padx=0,
            pady=0,
            takefocus=False,
        )

    def _other_ask(self) -> Ask:
        """Return what the left button asks for now."""
        return Ask.RESUME if self.state is State.PAUSED else Ask.PAUSE

    def _draw(self) -> None:
        """Draw the state."""
        state = State.BLIND if self._is_silent else self.state
        self._sign.delete("all")
        for what, points, colour in figures(state, self._sign_size, self._margin, self._margin):
            draw = self._sign.create_oval if what == "oval" else self._sign.create_polygon
            draw(*points, fill=colour, outline="")
        self._edge.configure(bg=LOOKS[state].colour)
        word = SILENT if self._is_silent else state.value
        self._word.configure(text=word)
        self._small.configure(text=self._fitting(self._detail))
        # A word without others stands in the middle.
        y, height = self._upper if self._detail else self._middle
        self._word.place_configure(y=y, height=height)
        other = self._other_ask().value.capitalize()
        self._pause.configure(text=other)
        self._menu.entryconfigure(0, label=word)
        self._menu.entryconfigure(3, label=other)

    def _fitting(self, text: str) -> str:
        """Return as much of a text as there is room for."""
        if self._words.measure(text) <= self._room:
            return text
        while text and self._words.measure(f"{text}…") > self._room:
            text = text[:-1]
        return f"{text}…"

    def _open_menu(self) -> None:
        """Open the menu below the bar, or above it where there is no room."""
        self._menu.update_idletasks()
        root = self._root
        x = root.winfo_rootx() + root.winfo_width() - self._menu.winfo_reqwidth()
        below = root.winfo_rooty() + root.winfo_height()
        screen = self.screen((x, root.winfo_rooty()))
        fits = below + self._menu.winfo_reqheight() <= screen.y + screen.height
        self._menu.tk_popup(x, below if fits else root.winfo_rooty() - self._menu.winfo_reqheight())

    def _grab(self, event: tk.Event[tk.Misc]) -> None:
        """Remember where the bar was taken."""
        self._taken = event.x_root - self._root.winfo_rootx(), event.y_root - self._root.winfo_rooty()

    def _drag(self, event: tk.Event[tk.Misc]) -> None:
        """Move the bar with the pointer."""
        self._at = event.x_root - self._taken[0], event.y_root - self._taken[1]
        self.place()

"""Text from strokes: what stood in a field in the end and on the way, each character with the events that made it. No I/O.

Applications differ, and a recording has no screen: this is a model of an ordinary text field, and where it cannot know (a
click, an undo, a paste) it begins anew. So whatever is searched for is also searched for in the bare sequence of characters
that were typed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..keysyms import character_of, composed, mark_of
from ..schema import KeyClass
from .layouts import BACKSPACE, DELETE, DOWN, END, HOME, LEFT, PAGE_DOWN, PAGE_UP, RIGHT, TAB, UP
from .strokes import Act, Stroke

UNKNOWN = "\ufffd"  # a key of which only the class is there
PASTED = "\ufffc"  # nobody knows how much
_KEYPAD = {
    0xFF95: HOME,
    0xFF96: LEFT,
    0xFF97: UP,
    0xFF98: RIGHT,
    0xFF99: DOWN,
    0xFF9A: PAGE_UP,
    0xFF9B: PAGE_DOWN,
    0xFF9C: END,
    0xFF9F: DELETE,
}
_TYPING = (KeyClass.LETTER, KeyClass.DIGIT, KeyClass.PUNCTUATION)


@dataclass(eq=False, slots=True)
class Press:
    """A key from its down to its up: the numbers of its events, in order, and what it typed."""

    events: list[int] = field(default_factory=list)
    typed: list[Typed] = field(default_factory=list)
    erased: dict[int, list[Typed]] = field(default_factory=dict)
    """Of the events those that took characters away, and which."""
    is_modifier: bool = False
    is_open: bool = True
    above: list[Press] = field(default_factory=list)
    """Of a modifier: the presses that began while it was down."""
    under: list[Press] = field(default_factory=list)
    """The modifiers that were down when it began."""


@dataclass(eq=False, slots=True)
class Typed:
    """A character that was typed, and the presses that made it: its key, and dead keys before it."""

    character: str
    t: int
    presses: tuple[Press, ...]
    is_command: bool = False
    number: int = 0
    """Its place in `Typing.everything`."""
    erased_by: Press | None = None
    """What took it away again, if a key did that and nothing else."""


@dataclass(slots=True)
class Passage:
    """What stood in a field when typing there ended, as far as it was typed in one go."""

    start: int
    stop: int
    text: list[Typed]

    def __str__(self) -> str:
        """Return the text."""
        return "".join(typed.character for typed in self.text)


@dataclass(slots=True)
class Typing:
    """All that was typed in a stream.

    Attributes
    ----------
    passages : list of Passage
        The final texts.
    states : list of list of Typed
        What stood around a place before something of it was taken away again.
    raw : list of Typed
        All characters in the order in which they were typed, whatever became of them; commands (control, alt) left out.
    everything : list of Typed
        The same with them.
    """

    passages: list[Passage] = field(default_factory=list)
    states: list[list[Typed]] = field(default_factory=list)
    raw: list[Typed] = field(default_factory=list)
    everything: list[Typed] = field(default_factory=list)

    def readings(self) -> list[list[Typed]]:
        """Return every sequence that a text may be found in."""
        return [*(passage.text for passage in self.passages), *self.states, self.raw, self.everything]


def typing_of(strokes: Iterable[Stroke], reach: int = 256) -> Typing:
    """Return what strokes typed.

    Parameters
    ----------
    strokes : iterable of Stroke
        Of one stream, in order.
    reach : int
        How many characters of `Typing.states` are kept on both sides of a change: as long as what is searched for.
    """
    editor = _Editor(reach)
    for stroke in strokes:
        editor.take(stroke)
    editor.leave()
    return editor.typing


class _Editor:
    """A text field with one cursor, and a keyboard."""

    def __init__(self, reach: int) -> None:
        self.typing = Typing()
        self._reach = reach
        self._presses: dict[int, Press] = {}
        self._held: list[Press] = []
        self._dead: list[tuple[str, Press]] = []
        self._start = self._stop = 0
        self._begin()

    def _begin(self) -> None:
        self._text: list[Typed] = []
        self._at = 0
        self._anchor: int | None = None
        self._fresh = False
        self._low = self._high = 0

    def leave(self) -> None:
        """End the passage: what comes next is typed elsewhere."""
        if self._text:
            self.typing.passages.append(Passage(self._start, self._stop, self._text))
        self._begin()

    def take(self, stroke: Stroke) -> None:
        """Let one stroke do what it does."""
        if stroke.act in (Act.CLICK, Act.MOVED):
            self._dead.clear()
            self.leave()
            return
        press = self._press(stroke)
        if stroke.act is Act.UP or press.is_modifier:
            return
        if not self._text:
            self._start = stroke.t
        self._stop = stroke.t
        keysym = _KEYPAD.get(stroke.keysym, stroke.keysym)
        if stroke.is_command:
            self._command(stroke, keysym, press)
        elif (mark := mark_of(keysym)) is not None:
            self._dead.append((mark, press))
        elif (character := character_of(keysym)) is not None:
            self._character(character, stroke, press)
        elif keysym in (BACKSPACE, DELETE):
            self._erase(keysym == BACKSPACE, stroke, press)
        elif keysym:
            self._move(keysym, stroke.is_shifted)
        elif stroke.key_class in _TYPING:
            self._insert(Typed(UNKNOWN, stroke.t, ()))
        elif stroke.key_class:  # it may have moved or taken away anything
            self.leave()

    def _press(self, stroke: Stroke) -> Press:
        """Return the press that a stroke belongs to. A second down without an up in between is a repeat."""
        press = self._presses.get(stroke.key) if stroke.key else None
        if press is None or (stroke.act is Act.DOWN and not press.is_open):
            press = Press(is_modifier=stroke.key_class == KeyClass.MODIFIER)
            self._held = [held for held in self._held if held.is_open]
            for held in self._held:
                held.above.append(press)
                press.under.append(held)
            if press.is_modifier and stroke.act is not Act.UP:
                self._held.append(press)
            if stroke.key:
                self._presses[stroke.key] = press
        press.events.append(stroke.event)
        if stroke.act is Act.UP:
            press.is_open = False
        return press

    # ---- typing ----

    def _character(self, character: str, stroke: Stroke, press: Press) -> None:
        if self._dead:
            character = composed("".join(mark for mark, _press in self._dead), character)
        presses = (*(dead for _mark, dead in self._dead), press)
        self._dead.clear()
        for one in character:
            self._insert(Typed(one, stroke.t, presses))
        if character == "\t":
            self.leave()

    def _insert(self, typed: Typed) -> None:
        for one in typed.presses:
            one.typed.append(typed)
        self.typing.raw.append(typed)
        self._note(typed)
        if self._anchor is not None:
            self._take_away(*self._selected())
        self._text.insert(self._at, typed)
        self._high = max(self._high + 1, self._at + 1) if self._fresh else self._at + 1
        self._low = min(self._low, self._at) if self._fresh else self._at
        self._at += 1
        self._fresh = True

    def _note(self, typed: Typed) -> None:
        typed.number = len(self.typing.everything)
        self.typing.everything.append(typed)

    # ---- taking away ----

    def _erase(self, backwards: bool, stroke: Stroke, press: Press) -> None:
        if self._dead:  # it takes the dead key back
            self._dead.pop()
        elif self._anchor is not None:
            self._take_away(*self._selected(), press, stroke.event)
        else:
            to = (
                self._word(-1 if backwards else 1)
                if stroke.is_command
                else self._at + (-1 if backwards else 1)
            )
            self._take_away(min(self._at, to), max(self._at, to), press, stroke.event)

    def _take_away(self, start: int, stop: int, press: Press | None = None, event: int = 0) -> None:
        start, stop = max(start, 0), min(stop, len(self._text))
        self._anchor = None
        if start >= stop:
            return
        self._keep_state(start, stop)
        if press is not None:
            press.erased.setdefault(event, []).extend(self._text[start:stop])
            for typed in self._text[start:stop]:
                typed.erased_by = press
        del self._text[start:stop]
        self._at = start

    def _keep_state(self, start: int, stop: int) -> None:
        """Keep what stands around what changed since the last time, before something is taken away."""
        if not self._fresh:
            return
        low, high = min(self._low, start), max(self._high, stop)
        self.typing.states.append(self._text[max(low - self._reach, 0) : high + self._reach])
        self._fresh = False

    # ---- the cursor ----

    def _selected(self) -> tuple[int, int]:
        assert self._anchor is not None
        return min(self._anchor, self._at), max(self._anchor, self._at)

    def _word(self, step: int) -> int:
        """Return where the word before or behind the cursor ends."""
        at, text = self._at, self._text

        def character(place: int) -> str:
            place -= step < 0
            return text[place].character if 0 <= place < len(text) else ""

        for is_space in (True, False):
            while character(at) and character(at).isspace() == is_space:
                at += step
        return at

    def _line(self, step: int) -> int:
        """Return where the line of the cursor begins or ends."""
        at = self._at
        while 0 <= at + min(step, 0) < len(self._text) and self._text[at + min(step, 0)].character != "\n":
            at += step
        return at

    def _move(self, keysym: int, is_shifted: bool, by_word: bool = False) -> None:
        if keysym in (UP, DOWN, PAGE_UP, PAGE_DOWN, TAB):
            self.leave()
            return
        if keysym not in (LEFT, RIGHT, HOME, END):
            return
        step = -1 if keysym in (LEFT, HOME) else 1
        if keysym in (HOME, END):
            to = (0 if step < 0 else len(self._text)) if by_word else self._line(step)
        elif by_word:
            to = self._word(step)
        elif self._anchor is not None and not is_shifted:
            to = self._selected()[step > 0]
        else:
            to = min(max(self._at + step, 0), len(self._text))
        if not is_shifted:
            self._anchor = None
        elif self._anchor is None:
            self._anchor = self._at
        self._at = to
        if self._anchor == self._at:
            self._anchor = None

    def _command(self, stroke: Stroke, keysym: int, press: Press) -> None:
        """Do what control, alt or super with a key does; it is no text, though its letter is kept in case it was."""
        character = character_of(keysym)
        if keysym in (BACKSPACE, DELETE):
            self._erase(keysym == BACKSPACE, stroke, press)
        elif keysym in (LEFT, RIGHT, HOME, END, UP, DOWN, PAGE_UP, PAGE_DOWN):
            self._move(keysym, stroke.is_shifted, by_word=True)
        elif character is not None:
            typed = Typed(character, stroke.t, (press,), is_command=True)
            press.typed.append(typed)
            self._note(typed)
            self._shortcut(character.lower(), press, stroke.event)

    def _shortcut(self, letter: str, press: Press, event: int) -> None:
        if letter == "a" and self._text:
            self._anchor, self._at = 0, len(self._text)
        elif letter == "x" and self._anchor is not None:
            self._take_away(*self._selected(), press, event)
        elif letter == "v":
            if self._anchor is not None:
                self._take_away(*self._selected())
            self._text.insert(self._at, Typed(PASTED, 0, ()))
            self._at += 1
        elif letter in ("z", "y", "\t", "\n"):
            self.leave()

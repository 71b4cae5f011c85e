"""What the person last did, as far as menus need it: they do not tell whether an item was chosen or the menu given up."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...schema import EventKind
from ..model import Bounds, InputEvents

KEY_DOWN, BUTTON_DOWN, BUTTON_UP = (
    int(kind) for kind in (EventKind.KEY_DOWN, EventKind.BUTTON_DOWN, EventKind.BUTTON_UP)
)
RETURN, KP_ENTER, SPACE, ESCAPE = 0xFF0D, 0xFF8D, 0x20, 0xFF1B
# By scancode, where the keysym is not told.
SCANCODES = {28: RETURN, 96: KP_ENTER, 57: SPACE, 1: ESCAPE}
BEFORE_NS = 100_000_000  # an application tells of an item after the pointer has come to it, and a key may follow at once
RECENT_NS = 1_500_000_000


class Deed(NamedTuple):
    """A key that chooses or gives up, or the release of a button; no other key is ever kept."""

    t: int
    key: int | None = None
    x: int = 0
    y: int = 0


class Deeds:
    """The last deed, and when anything was done."""

    def __init__(self) -> None:
        self._last: Deed | None = None
        self._any_t: int | None = None

    def note(self, events: InputEvents) -> None:
        """Take in events of an input source; of keys it keeps those four alone, and nothing of the others but the time."""
        batch = events.batch
        kinds = batch["kind"]
        for i in np.flatnonzero((kinds == KEY_DOWN) | (kinds == BUTTON_UP) | (kinds == BUTTON_DOWN)):
            kind = kinds[i]
            t = int(batch["t"][i])
            self._any_t = t
            if kind == BUTTON_UP:
                self._last = Deed(t, None, int(batch["x"][i]), int(batch["y"][i]))
            elif kind == KEY_DOWN:
                keysym = int(batch["keysym"][i]) if "keysym" in batch.columns else 0
                key = SCANCODES.get(int(batch["code"][i])) if keysym == 0 else keysym
                if key in (RETURN, KP_ENTER, SPACE, ESCAPE):
                    self._last = Deed(t, key)

    def chose(self, bounds: Bounds | None, since_t: int) -> bool:
        """Tell whether the last deed, no earlier than about ``since_t``, chose what is at ``bounds``."""
        deed = self._last
        if deed is None or deed.t < since_t - BEFORE_NS:
            return False
        if deed.key is not None:
            return deed.key != ESCAPE
        if bounds is None:
            return False
        dx, dy = deed.x - bounds.x, deed.y - bounds.y
        return 0 <= dx < bounds.width and 0 <= dy < bounds.height

    def opened(self, t: int) -> bool:
        """Tell whether the last of all that was done before ``t`` was a deed that opens what has the focus."""
        deed = self._last
        return deed is not None and deed.key != ESCAPE and deed.t == self._any_t and t - deed.t < RECENT_NS

    def is_recent(self, t: int) -> bool:
        """Tell whether something was done shortly before ``t``, or nothing is known of what is done."""
        return self._any_t is None or t - self._any_t < RECENT_NS

"""A key with modifiers that is taken from all applications."""

from __future__ import annotations

from itertools import product

from ...errors import CaptureError, InvalidArgumentError
from . import wire
from .connection import Connection
from .keyboard import Keyboard

_MODIFIERS = {"shift": 1, "ctrl": 4, "control": 4, "alt": 8, "super": 64}
_NUM_LOCK, _SCROLL_LOCK, _CAPS_LOCK = 0xFF7F, 0xFF14, 2
_NAMED = {"pause": 0xFF13, "escape": 0xFF1B, "space": 0x20, **{f"f{n}": 0xFFBD + n for n in range(1, 13)}}


def parse(name: str) -> tuple[int, int]:
    """Return (keysym, modifiers) of a name such as ``ctrl+alt+p``.

    Raises
    ------
    InvalidArgumentError
        It has no modifier, or not one key, or a word that is neither.
    """
    *words, key = name.lower().replace(" ", "").split("+")
    keysym = _NAMED.get(key, ord(key) if len(key) == 1 and "!" <= key <= "~" else 0)
    if not keysym or not words or not all(word in _MODIFIERS for word in words):
        raise InvalidArgumentError(
            f"hotkey: found {name!r}, allowed: one or more of {', '.join(sorted(_MODIFIERS))} and a key, such as 'ctrl+alt+p'"
        )
    return keysym, sum({_MODIFIERS[word] for word in words})


class Hotkey:
    """A passive grab, whatever Num Lock, Caps Lock and Scroll Lock are.

    Raises
    ------
    CaptureError
        Another program holds the key, or the keyboard lacks it.
    """

    def __init__(self, connection: Connection, keyboard: Keyboard, name: str) -> None:
        self._connection = connection
        self._keyboard = keyboard
        self._name = name
        self._keysym, self._modifiers = parse(name)
        self._grabbed: list[tuple[int, int]] = []
        self._is_down = False
        self.grab()

    def grab(self) -> None:
        """Take the key where the map now has it."""
        keycode = self._keyboard.keycode_of(self._keysym)
        if any(keycode == code for code, _ in self._grabbed):
            return
        self.release()
        if keycode is None:
            raise CaptureError(
                f"hotkey: found no key for {self._name!r} on this keyboard, allowed: one that it has"
            )
        locks = [_CAPS_LOCK, *(self._keyboard.modifier_of(key) for key in (_NUM_LOCK, _SCROLL_LOCK))]
        combined = {
            sum({lock for lock, is_on in zip(locks, on, strict=True) if is_on})
            for on in product((0, 1), repeat=3)
        }
        for lock in sorted(combined):
            if self._connection.is_refused(
                wire.grab_key(self._connection.root, keycode, self._modifiers | lock)
            ):
                self.release()
                raise CaptureError(
                    f"hotkey: found {self._name!r} taken by another program, allowed: one that is free; "
                    "choose another, or end the program that holds it"
                )
            self._grabbed.append((keycode, self._modifiers | lock))

    def release(self) -> None:
        """Give the key back."""
        self._connection.send(
            *(
                wire.ungrab_key(self._connection.root, keycode, modifiers)
                for keycode, modifiers in self._grabbed
            )
        )
        self._grabbed = []

    def is_pressed(self, event: bytes) -> bool:
        """Return whether an event is the hotkey going down; repeats while it is held are not."""
        if event[0] not in (wire.KEY_PRESS, wire.KEY_RELEASE) or event[1] not in {
            code for code, _ in self._grabbed
        }:
            return False
        was_down, self._is_down = self._is_down, event[0] == wire.KEY_PRESS
        return self._is_down and not was_down

"""Input of Windows and macOS through pynput, as a source of events. It was type-checked for them and not run there."""

from __future__ import annotations

import socket
import sys
import threading
from collections import deque
from contextlib import suppress
from typing import Any

import numpy as np

from ..batch import EventBatch
from ..errors import CaptureError, MissingExtraError
from ..keysyms import key_class_of
from ..schema import EventKind, ScrollSource
from .clock import now_t
from .model import DeviceFound, EventsLost, InputEvents, Observed, Sense, SenseLost, wipe

# More than a second of the fastest mouse; a recorder that reads later has lost what came meanwhile.
MAX_WAITING = 20_000
_NOTCH = 120
_SOURCE = 1
_BUTTONS = {"left": 1, "right": 2, "middle": 3, "x1": 4, "x2": 5, "button8": 4, "button9": 5}
# pynput's name of a key -> keysym, and Linux scancode.
_KEYS = {
    "alt": (0xFFE9, 56), "alt_l": (0xFFE9, 56), "alt_r": (0xFFEA, 100), "alt_gr": (0xFE03, 100), "backspace": (0xFF08, 14),
    "caps_lock": (0xFFE5, 58), "cmd": (0xFFEB, 125), "cmd_l": (0xFFEB, 125), "cmd_r": (0xFFEC, 126), "ctrl": (0xFFE3, 29),
    "ctrl_l": (0xFFE3, 29), "ctrl_r": (0xFFE4, 97), "delete": (0xFFFF, 111), "down": (0xFF54, 108), "end": (0xFF57, 107),
    "enter": (0xFF0D, 28), "esc": (0xFF1B, 1), "home": (0xFF50, 102), "insert": (0xFF63, 110), "left": (0xFF51, 105),
    "menu": (0xFF67, 127), "num_lock": (0xFF7F, 69), "page_down": (0xFF56, 109), "page_up": (0xFF55, 104),
    "pause": (0xFF13, 119), "print_screen": (0xFF61, 99), "right": (0xFF53, 106), "scroll_lock": (0xFF14, 70),
    "shift": (0xFFE1, 42), "shift_l": (0xFFE1, 42), "shift_r": (0xFFE2, 54), "space": (0x20, 57), "tab": (0xFF09, 15),
    "up": (0xFF52, 103),
    **{f"f{n}": (0xFFBD + n, 58 + n if n < 11 else 76 + n if n < 13 else 170 + n) for n in range(1, 21)},
}  # fmt: skip

# t, kind, x, y, code, dx, dy, scroll source, keysym, virtual key
_Row = tuple[int, int, int, int, int, int, int, int, int, int]
_COLUMNS = ("t", "kind", "x", "y", "code", "dx", "dy", "scroll_source", "keysym", "vk")
_DTYPES = ("int64", "uint8", "int32", "int32", "int32", "int32", "int32", "uint8", "uint32", "uint32")


class HookSource:
    """Events of pynput's listeners; a `Source`.

    Parameters
    ----------
    keyboard, mouse : module, optional
        pynput's, which are imported by default.

    Raises
    ------
    MissingExtraError
        pynput is not installed.
    CaptureError
        The system does not let this program listen; on macOS the message names the setting.

    Notes
    -----
    What pynput cannot deliver: the time of the system (``t`` is that of receipt), the device (there is one source for all),
    raw motion, scrolling finer than a notch, the layout and the modifiers, and whether input was injected. A key that is held
    is told by most systems as pressed again: KEY_REPEAT here. Of a key that types a character ``keysym`` is that character's,
    and ``code`` is 0; its ``vk`` is the system's own number.

    It tells neither windows nor fields, and there is no source here that does: a gate stays closed and a recording has gaps
    only, until somebody writes and tries one on these systems. It was tried with pynput's X11 listeners, nowhere else. The
    listeners are threads of pynput; all methods here belong to one thread.
    """

    name = "pynput"

    def __init__(self, keyboard: Any = None, mouse: Any = None) -> None:
        if keyboard is None or mouse is None:
            keyboard, mouse = _listeners()
        self._waiting: deque[_Row] = deque()
        self._lock = threading.Lock()
        self._held: set[tuple[int, int, int]] = set()
        self._lost = 0
        self._lost_t = 0
        self._pending: list[Observed] = [
            DeviceFound(
                t=now_t(),
                id=_SOURCE,
                name="pynput",
                properties={"platform": sys.platform, "time": "of receipt"},
            )
        ]
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._theirs.setblocking(False)
        self._listeners: list[Any] = []
        self._dead: set[int] = set()
        try:
            self._listeners.append(
                mouse.Listener(on_move=self._moved, on_click=self._clicked, on_scroll=self._scrolled)
            )
            self._listeners.append(keyboard.Listener(on_press=self._pressed, on_release=self._released))
            for listener in self._listeners:
                listener.start()
                listener.wait()
                if getattr(listener, "IS_TRUSTED", True) is False:
                    raise CaptureError(
                        "macOS does not let this program listen to input: allow it in System Settings, Privacy & Security, "
                        "Input Monitoring and Accessibility, then start it again"
                    )
        except CaptureError:
            self.close()
            raise
        except Exception as error:
            self.close()
            # Its text may be anything.
            raise CaptureError(f"pynput cannot listen to input here: {type(error).__name__}") from None

    def fileno(self) -> int:
        """Return a descriptor that is readable when something was heard; of a socket, as Windows waits for these only."""
        return self._ours.fileno()

    def next_read_t(self) -> int | None:
        """Return at once while devices are untold; else never."""
        return 0 if self._pending else None

    def read(self, now_t: int) -> list[Observed]:
        """Return what was heard; a listener that has ended is a `SenseLost`, once."""
        with suppress(BlockingIOError):
            while self._ours.recv(4096):
                pass
        with self._lock:
            rows, self._waiting = self._waiting, deque()
            lost, lost_t, self._lost = self._lost, self._lost_t, 0
        found, self._pending = self._pending, []
        if rows:
            found.append(InputEvents(batch=_batch(rows)))
        if lost:
            found.append(EventsLost(t=now_t, since_t=lost_t, device_id=_SOURCE, lost=lost))
        for number, listener in enumerate(self._listeners):
            if number not in self._dead and not listener.is_alive():
                self._dead.add(number)
                why = f"pynput's listener of the {'mouse' if number == 0 else 'keyboard'} has ended"
                found.append(SenseLost(t=now_t, sense=Sense.INPUT, since_t=now_t, why=why))
        return found

    def close(self) -> None:
        """End the listeners and drop what was not read; a second call does nothing."""
        for listener in self._listeners:
            with suppress(Exception):
                listener.stop()
        self._listeners.clear()
        with self._lock:
            rows, self._waiting = self._waiting, deque()
        if rows:
            wipe(_batch(rows))
        self._ours.close()
        self._theirs.close()

    # ---- called by the threads of pynput

    def _moved(self, x: float, y: float) -> None:
        self._hear(EventKind.MOVE, x=int(x), y=int(y))

    def _clicked(self, x: float, y: float, button: Any, pressed: bool) -> None:
        kind = EventKind.BUTTON_DOWN if pressed else EventKind.BUTTON_UP
        name = getattr(button, "name", "")
        number = int(name[6:]) if name.startswith("button") and name[6:].isdigit() else 0
        self._hear(kind, x=int(x), y=int(y), code=_BUTTONS.get(name, number))

    def _scrolled(self, x: float, y: float, dx: float, dy: float) -> None:
        turn = {"dx": round(dx * _NOTCH), "dy": round(dy * _NOTCH), "scroll_source": ScrollSource.WHEEL}
        self._hear(EventKind.SCROLL, x=int(x), y=int(y), **turn)

    def _pressed(self, key: Any) -> None:
        numbers = _numbers(key)
        is_held = numbers in self._held
        # Nothing but what is down: bounded even where releases are not heard.
        if len(self._held) < 256:
            self._held.add(numbers)
        self._hear_key(EventKind.KEY_REPEAT if is_held else EventKind.KEY_DOWN, numbers)

    def _released(self, key: Any) -> None:
        numbers = _numbers(key)
        self._held.discard(numbers)
        self._hear_key(EventKind.KEY_UP, numbers)

    def _hear_key(self, kind: EventKind, numbers: tuple[int, int, int]) -> None:
        keysym, code, vk = numbers
        self._hear(kind, keysym=keysym, code=code, vk=vk)

    def _hear(self, kind: int, **values: int) -> None:
        row = (now_t(), int(kind), *(int(values.get(name, 0)) for name in _COLUMNS[2:]))
        with self._lock:
            if len(self._waiting) >= MAX_WAITING:
                self._lost_t = self._lost_t if self._lost else row[0]
                self._lost += 1
                return
            self._waiting.append(row)  # type: ignore[arg-type]
        with suppress(OSError):  # full: there is a byte already; closed: nobody reads
            self._theirs.send(b"!")


def _listeners() -> tuple[Any, Any]:
    """Return pynput's modules of the keyboard and of the mouse."""
    try:
        from pynput import keyboard, mouse
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "pynput":
            raise MissingExtraError(
                "capture: found no package pynput, needed: pip install 'evcodec[capture]'"
            ) from None
        raise CaptureError(
            "pynput finds nothing to listen to here: it needs a desktop that it knows"
        ) from None
    return keyboard, mouse


def _numbers(key: Any) -> tuple[int, int, int]:
    """Return keysym, Linux scancode and virtual key of a key of pynput; 0 where it has none."""
    named = _KEYS.get(getattr(key, "name", None) or "")
    vk = getattr(getattr(key, "value", key), "vk", None)
    number = vk if isinstance(vk, int) and 0 <= vk < 1 << 32 else 0
    if named is not None:
        return (*named, number)
    character = getattr(key, "char", None)
    if not isinstance(character, str) or len(character) != 1:
        return 0, 0, number
    point = ord(character)
    return (point if 0x20 <= point < 0x7F or 0xA0 <= point < 0x100 else 0x1000000 + point), 0, number


def _batch(rows: deque[_Row]) -> EventBatch:
    columns: dict[str, np.ndarray] = {
        name: np.array(values, dtype)
        for name, dtype, values in zip(_COLUMNS, _DTYPES, zip(*rows, strict=True), strict=True)
    }
    classes = [int(key_class_of(keysym)) if keysym else 0 for keysym in columns["keysym"].tolist()]
    columns["key_class"] = np.array(classes, np.uint8)
    columns["source"] = np.full(len(rows), _SOURCE, np.uint16)
    return EventBatch(**columns)

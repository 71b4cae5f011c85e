"""Keysyms of keys that a recording has only as numbers or names: Windows' virtual keys, Linux' key codes, names of pynput.

A number says which key it was, not what stood on it: letters and signs are those of a US layout, which is an assumption.
"""

from __future__ import annotations

from ..keysyms import character_of

SHIFT, CONTROL, ALT, ALTGR, SUPER, CAPS = 0xFFE1, 0xFFE3, 0xFFE9, 0xFE03, 0xFFEB, 0xFFE5
BACKSPACE, TAB, RETURN, ESCAPE, DELETE = 0xFF08, 0xFF09, 0xFF0D, 0xFF1B, 0xFFFF
HOME, LEFT, UP, RIGHT, DOWN, PAGE_UP, PAGE_DOWN, END = range(0xFF50, 0xFF58)
INSERT = 0xFF63

_SHIFTED = dict(zip("`1234567890-=[]\\;',./", '~!@#$%^&*()_+{}|:"<>?', strict=True))

# Rows of keys: the first number and what stands on it and its neighbours (Linux' input-event-codes.h).
_LINUX_ROWS = ((2, "1234567890-="), (16, "qwertyuiop[]"), (30, "asdfghjkl;'`"), (43, "\\zxcvbnm,./"))
_LINUX_OTHERS = {
    1: ESCAPE, 14: BACKSPACE, 15: TAB, 28: RETURN, 29: CONTROL, 42: SHIFT, 54: SHIFT, 56: ALT, 57: 0x20, 58: CAPS, 97:
    CONTROL, 100: ALTGR, 125: SUPER, 126: SUPER, 96: 0xFF8D, 102: HOME, 103: UP, 104: PAGE_UP, 105: LEFT, 106: RIGHT,
    107: END, 108: DOWN, 109: PAGE_DOWN, 110: INSERT, 111: DELETE, 55: 0xFFAA, 74: 0xFFAD, 78: 0xFFAB, 83: 0xFFAE, 98:
    0xFFAF, **{code: 0xFFB0 + digit for code, digit in zip((82, 79, 80, 81, 75, 76, 77, 71, 72, 73), range(10),
    strict=True)},
}  # fmt: skip
# Windows' winuser.h: letters and digits are their ASCII; the signs are where a US keyboard has them.
_VK_SIGNS = {
    0xBA: ";",
    0xBB: "=",
    0xBC: ",",
    0xBD: "-",
    0xBE: ".",
    0xBF: "/",
    0xC0: "`",
    0xDB: "[",
    0xDC: "\\",
    0xDD: "]",
    0xDE: "'",
}
_VK_OTHERS = {
    0x08: BACKSPACE, 0x09: TAB, 0x0D: RETURN, 0x10: SHIFT, 0x11: CONTROL, 0x12: ALT, 0x14: CAPS, 0x1B: ESCAPE, 0x20:
    0x20, 0x21: PAGE_UP, 0x22: PAGE_DOWN, 0x23: END, 0x24: HOME, 0x25: LEFT, 0x26: UP, 0x27: RIGHT, 0x28: DOWN, 0x2D:
    INSERT, 0x2E: DELETE, 0x5B: SUPER, 0x5C: SUPER, 0xA0: SHIFT, 0xA1: SHIFT, 0xA2: CONTROL, 0xA3: CONTROL, 0xA4: ALT,
    0xA5: ALTGR, 0x6A: 0xFFAA, 0x6B: 0xFFAB, 0x6D: 0xFFAD, 0x6E: 0xFFAE, 0x6F: 0xFFAF, **{0x60 + digit: 0xFFB0 + digit
    for digit in range(10)},
}  # fmt: skip
_NAMES = {
    "backspace": BACKSPACE, "tab": TAB, "enter": RETURN, "return": RETURN, "esc": ESCAPE, "escape": ESCAPE, "delete":
    DELETE, "home": HOME, "left": LEFT, "up": UP, "right": RIGHT, "down": DOWN, "page_up": PAGE_UP, "page_down":
    PAGE_DOWN, "pageup": PAGE_UP, "pagedown": PAGE_DOWN, "end": END, "insert": INSERT, "space": 0x20, "shift": SHIFT,
    "ctrl": CONTROL, "control": CONTROL, "alt": ALT, "alt_gr": ALTGR, "altgr": ALTGR, "cmd": SUPER, "command": SUPER,
    "win": SUPER, "super": SUPER, "meta": SUPER, "option": ALT, "caps_lock": CAPS, "capslock": CAPS,
}  # fmt: skip

_LINUX = {first + place: sign for first, row in _LINUX_ROWS for place, sign in enumerate(row)}


def _keysym(sign: str, shift: bool, caps: bool) -> int:
    """Return the keysym of a sign on a US keyboard under shift and caps lock."""
    if sign.isalpha():
        return ord(sign.upper() if shift != caps else sign)
    return ord(_SHIFTED.get(sign, sign) if shift else sign)


def of_linux(code: int, shift: bool, caps: bool) -> int:
    """Return the keysym of a key of Linux; 0 for one that types and does nothing here."""
    sign = _LINUX.get(code)
    return _keysym(sign, shift, caps) if sign else _LINUX_OTHERS.get(code, 0)


def of_virtual_key(code: int, shift: bool, caps: bool) -> int:
    """Return the keysym of a virtual key of Windows; 0 for one that types and does nothing here."""
    if 0x30 <= code <= 0x39 or 0x41 <= code <= 0x5A:
        return _keysym(chr(code).lower(), shift, caps)
    sign = _VK_SIGNS.get(code)
    return _keysym(sign, shift, caps) if sign else _VK_OTHERS.get(code, 0)


def of_name(name: str) -> int:
    """Return the keysym of a key's name, which for keys that type is the character itself, shift and all."""
    if len(name) == 1 and name.isprintable():
        return ord(name) if ord(name) < 0x100 else 0x01000000 + ord(name)
    base = name.lower().removeprefix("key.")
    found = _NAMES.get(base) or _NAMES.get(base.removesuffix("_l").removesuffix("_r"))
    return found or _NAMES.get(base.removesuffix("left").removesuffix("right"), 0)


def types(keysym: int) -> bool:
    """Tell whether a keysym types a character."""
    return character_of(keysym) is not None

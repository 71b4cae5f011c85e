"""What a key means under modifiers and a layout: the map of XKB."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ...keysyms import key_class_of
from . import wire
from .connection import Connection

_LOCK = 2
_CLAMP, _REDIRECT = 0x40, 0x80  # in a key's group info: what groups beyond its own mean


@dataclass(frozen=True, slots=True)
class KeyType:
    """Which level a key has under which modifiers; level 0 under those that are not named."""

    mask: int
    levels: dict[int, int]


@dataclass(frozen=True, slots=True)
class Key:
    """Symbols of a key, by group and level."""

    types: tuple[KeyType, ...]
    info: int
    width: int
    symbols: tuple[int, ...]

    def keysym(self, modifiers: int, group: int) -> int:
        """Return what the key means; 0: nothing."""
        groups = self.info & 0x0F
        if not groups:
            return 0
        if group >= groups:
            if self.info & _REDIRECT:
                group = self.info >> 4 & 3
                group = group if group < groups else 0
            elif self.info & _CLAMP:
                group = groups - 1
            else:
                group %= groups
        kind = self.types[group]
        level = kind.levels.get(modifiers & kind.mask, 0)
        place = group * self.width + level
        symbol = self.symbols[place] if level < self.width and place < len(self.symbols) else 0
        if modifiers & _LOCK and not kind.mask & _LOCK:
            return upper(symbol)
        return symbol


def upper(keysym: int) -> int:
    """Return the capital of a letter, as Caps Lock makes it where the key's own type does not."""
    if 0x61 <= keysym <= 0x7A or (0xE0 <= keysym <= 0xFE and keysym != 0xF7):
        return keysym - 0x20
    if keysym >> 24 == 1:
        capital = chr(keysym & 0xFFFFFF).upper() if keysym & 0xFFFFFF < 0x110000 else ""
        return 0x1000000 | ord(capital) if len(capital) == 1 else keysym
    return keysym


def keys_of(answer: bytes) -> dict[int, Key]:
    """Return the keys of an answer to XkbGetMap, by keycode."""
    first_type, type_count = answer[14], answer[15]
    first, count = answer[17], answer[20]
    at = 40
    types = [KeyType(0, {})] * first_type
    for _ in range(type_count):
        mask, _, _, _, entries, has_preserve = struct.unpack_from("=BBHBBB", answer, at)
        at += 8
        levels = {}
        for _ in range(entries):
            is_active, under, level = struct.unpack_from("=BBB", answer, at)
            if is_active:
                levels[under] = level
            at += 8
        at += 4 * entries if has_preserve else 0
        types.append(KeyType(mask, levels))
    found = {}
    for keycode in range(first, first + count):
        info, width, size = struct.unpack_from("=BBH", answer, at + 4)
        kinds = tuple(types[place] if place < len(types) else KeyType(0, {}) for place in answer[at : at + 4])
        found[keycode] = Key(kinds, info, width, struct.unpack_from(f"={size}I", answer, at + 8))
        at += 8 + 4 * size
    return found


def layout_names(rules: bytes) -> list[str]:
    """Return the names of layouts in ``_XKB_RULES_NAMES``, with their variants: ``us``, ``de(nodeadkeys)``."""
    parts = [part.decode("latin-1") for part in rules.split(b"\0")]
    if len(parts) < 4 or not parts[2]:
        return []
    layouts, variants = parts[2].split(","), parts[3].split(",")
    variants += [""] * (len(layouts) - len(variants))
    return [f"{name}({kind})" if kind else name for name, kind in zip(layouts, variants, strict=False)]


class Keyboard:
    """The map of the core keyboard, as it is now.

    Attributes
    ----------
    names : list of str
        Of layouts, by their index.
    """

    def __init__(self, connection: Connection, opcode: int) -> None:
        self._connection = connection
        self._opcode = opcode
        self._keys: dict[int, Key] = {}
        self._classes: dict[int, int] = {}
        self.names: list[str] = []
        self.reload()

    def reload(self) -> None:
        """Ask for the map and the names of layouts."""
        answer = self._connection.ask(wire.xkb_get_map(self._opcode))
        self._keys = keys_of(answer) if answer else {}
        # Of all symbols, before any is typed: what is kept here tells nothing of what was.
        symbols = {symbol for key in self._keys.values() for symbol in key.symbols}
        self._classes = {symbol: int(key_class_of(symbol)) for symbol in symbols | set(map(upper, symbols))}
        rules = self._connection.window_property(self._connection.root, "_XKB_RULES_NAMES")
        self.names = layout_names(rules[1]) if rules else []

    def state(self) -> tuple[int, int, int]:
        """Return (device, modifiers, group) of the core keyboard now."""
        answer = self._connection.ask(wire.xkb_get_state(self._opcode))
        return (answer[1], answer[8], answer[12]) if answer else (0, 0, 0)

    def meaning(self, keycode: int, modifiers: int, group: int) -> tuple[int, int]:
        """Return a key's keysym and class."""
        key = self._keys.get(keycode)
        keysym = key.keysym(modifiers, group) if key else 0
        return keysym, self._classes.get(keysym, 0)

    def keycode_of(self, keysym: int) -> int | None:
        """Return a key that means this without modifiers in one of the layouts, the first layout preferred."""
        for group in range(4):
            for keycode, key in self._keys.items():
                if group < key.info & 0x0F and key.keysym(0, group) == keysym:
                    return keycode
        return None

    def modifier_of(self, *keysyms: int) -> int:
        """Return the modifier that one of these keys sets; 0 where none does."""
        answer = self._connection.ask(wire.get_modifiers())
        for place, keycodes in enumerate(wire.answer_modifiers(answer) if answer else ()):
            for keycode in keycodes:
                key = self._keys.get(keycode)
                if key is not None and any(symbol in keysyms for symbol in key.symbols):
                    return 1 << place
        return 0

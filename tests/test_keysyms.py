"""Keysyms, beside libxkbcommon and the table of X11's own header, where they are installed."""
# ruff: noqa: RUF001

from __future__ import annotations

import ctypes
import ctypes.util
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from evcodec.keysyms import character_of, composed, key_class_of, key_classes_of, mark_of, spacing
from evcodec.schema import KeyClass

HEADER = Path("/usr/include/X11/keysymdef.h")
# keysymdef.h still says U+2329 and U+232A of the angle brackets of publishing, which Unicode deprecated; libxkbcommon says these.
RENEWED = {0xABC: "\u27e8", 0xABE: "\u27e9"}
TYPED_CONTROLS = {"\r": "\n", "\t": "\t", "\n": "\n"}


@pytest.fixture(scope="module")
def of_xkb() -> Callable[[int], str]:
    """Return libxkbcommon's character of a keysym, an empty string for none."""
    name = ctypes.util.find_library("xkbcommon")
    if name is None:
        pytest.skip("libxkbcommon is not installed")
    convert = ctypes.CDLL(name).xkb_keysym_to_utf32
    convert.argtypes, convert.restype = [ctypes.c_uint32], ctypes.c_uint32
    return lambda keysym: chr(code) if (code := convert(keysym)) else ""


@pytest.fixture(scope="module")
def header() -> dict[int, tuple[str, str]]:
    """Return (name, character or an empty string) of each keysym of X11's header; the first name counts."""
    if not HEADER.exists():
        pytest.skip("x11proto-dev is not installed")
    found: dict[int, tuple[str, str]] = {}
    for line in HEADER.read_text(encoding="utf-8").splitlines():
        if match := re.match(r"#define XK_(\w+)\s+0x([0-9a-f]+)(?:\s*/\*\(?\s*U\+([0-9A-F]{4,6}))?", line):
            character = chr(int(match[3], 16)) if match[3] else ""
            found.setdefault(int(match[2], 16), (match[1], character))
    assert len(found) > 1500
    return found


@pytest.mark.parametrize(
    ("keysym", "character"),
    [
        (0x20, " "), (0x61, "a"), (0xE4, "ä"), (0x1A3, "Ł"), (0x2A1, "Ħ"), (0x3BD, "Ŋ"), (0x4B1, "ア"),
        (0x5C7, "ا"), (0x6C1, "а"), (0x7F3, "ς"), (0x8BC, "≤"), (0xAAA, "–"), (0xCE0, "א"), (0xDA1, "ก"),
        (0xEA1, "ㄱ"), (0x13BD, "œ"), (0x20AC, "€"), (0xFFB7, "7"), (0xFF0D, "\n"), (0xFF8D, "\n"),
        (0xFF09, "\t"), (0x1000416, "Ж"), (0x101F600, "😀"), (0x1000041, "A"),
    ],
)  # fmt: skip
def test_each_set_gives_its_characters(keysym: int, character: str) -> None:
    assert character_of(keysym) == character


SILENT = (
    -1,
    0,
    0x1F,
    0x7F,
    0x85,
    0x1A0,
    0xFE51,
    0xFF08,
    0xFF1B,
    0xFFFF,
    0xFFE1,
    0x1000007,
    0x100D800,
    0x1110000,
    1 << 32,
)


@pytest.mark.parametrize("keysym", SILENT)
def test_what_types_nothing_has_no_character(keysym: int) -> None:
    assert character_of(keysym) is None


def test_libxkbcommon_agrees_on_all_numbers(of_xkb: Callable[[int], str]) -> None:
    def theirs(keysym: int) -> str:
        character = of_xkb(keysym)
        if character and unicodedata.category(character) in ("Cc", "Cs"):  # text only where it types some
            return TYPED_CONTROLS.get(character, "") if keysym < 0x01000000 else ""
        return character

    numbers = {*range(0x10000), *range(0x01000000, 0x01003000), 0x110FFFF, 0x1110000, 0x1008FF11}
    differing = {hex(number) for number in numbers if (character_of(number) or "") != theirs(number)}
    # Clear types nothing here. ISO's left tab and enter type; in Thai what has no name is as in TIS 620.
    assert differing <= {"0xff0b", "0xfe20", "0xfe34", "0xdde", "0xdee", "0xdef", "0xdfa", "0xdfb"}


def test_x11s_header_agrees_on_all_names(header: dict[int, tuple[str, str]]) -> None:
    named = {
        keysym: RENEWED.get(keysym, character) for keysym, (_name, character) in header.items() if character
    }
    assert {keysym: character_of(keysym) for keysym in named} == named


def test_classes_of_characters() -> None:
    classes = {
        KeyClass.LETTER: (0x61, 0x41, 0xE4, 0x6C1, 0x4B1, 0xDA1, 0xFE51),
        KeyClass.DIGIT: (0x30, 0xFFB7, 0xDF1, 0x1000660),
        KeyClass.PUNCTUATION: (0x20, 0x2E, 0x40, 0xFFAB, 0x20AC),
        KeyClass.UNKNOWN: (0, 0x7F, 0x1A0, 0x1110000),
    }
    assert {k: {key_class_of(keysym) for keysym in keysyms} for k, keysyms in classes.items()} == {
        k: {k} for k in classes
    }


def test_every_named_key_has_the_class_of_its_name(header: dict[int, tuple[str, str]]) -> None:
    patterns = {
        KeyClass.EDITING: r"(KP_)?(BackSpace|Return|Enter|Delete|Insert)|Linefeed|Clear|Undo|Redo|ISO_Enter",
        KeyClass.NAVIGATION: r"(KP_)?(Home|Left|Up|Right|Down|Prior|Next|End|Begin|Tab)|ISO_Left_Tab",
        KeyClass.MODIFIER: r"(Shift|Control|Alt|Meta|Super|Hyper)_[LR]|(Caps|Shift|Num|Scroll)_Lock|Mode_switch|Multi_key"
        r"|ISO_(Lock|Level[235]_(Shift|Latch|Lock)|(Group|Next_Group|Prev_Group|First_Group|Last_Group)(_Latch|_Lock)?|Group_Shift)",
        KeyClass.FUNCTION: r"(KP_)?F\d+|Escape|Pause|Sys_Req|Print|Menu|Help|Break|Cancel|Find|Select|Execute|Henkan_Mode|Kanji",
        KeyClass.LETTER: r"dead_\w+",
    }
    wrong, found = [], 0
    for keysym, (name, _character) in header.items():
        for key_class, pattern in patterns.items():
            if re.fullmatch(pattern, name):
                found += 1
                wrong += [name] * (key_class_of(keysym) is not key_class)
    assert (wrong, found > 150) == ([], True)


def test_no_key_of_the_header_is_left_without_a_class(header: dict[int, tuple[str, str]]) -> None:
    unknown = {
        name for keysym, (name, _character) in header.items() if key_class_of(keysym) is KeyClass.UNKNOWN
    }
    # Parts of symbols, accessibility switches and terminal pointer keys: nothing that people type text or commands with.
    assert len(unknown) < 140
    typing = ("KP_", "Cyrillic", "Greek", "Arabic", "kana")
    assert not {name for name in unknown if len(name) == 1 or name.startswith(typing)}


@pytest.mark.parametrize("dtype", ["uint32", "int64"])
def test_classes_of_arrays_are_those_of_their_values(dtype: str, seed: int) -> None:
    keysyms = np.random.default_rng(seed).integers(0, 0x10000, 500).astype(dtype)
    assert key_classes_of(keysyms).tolist() == [int(key_class_of(int(keysym))) for keysym in keysyms]
    empty = key_classes_of(keysyms[:0])
    assert (empty.dtype.name, empty.shape) == ("uint8", (0,))


def test_every_dead_key_of_the_header_has_the_mark_of_its_name(header: dict[int, tuple[str, str]]) -> None:
    synonyms = {
        "abovedot": "DOT ABOVE", "diaeresis": "DIAERESIS", "abovering": "RING ABOVE",
        "doubleacute": "DOUBLE ACUTE ACCENT", "iota": "GREEK YPOGEGRAMMENI",
        "voiced_sound": "KATAKANA-HIRAGANA VOICED SOUND MARK",
        "semivoiced_sound": "KATAKANA-HIRAGANA SEMI-VOICED SOUND MARK", "belowdot": "DOT BELOW",
        "hook": "HOOK ABOVE", "stroke": "SHORT STROKE OVERLAY", "abovecomma": "COMMA ABOVE",
        "abovereversedcomma": "REVERSED COMMA ABOVE", "doublegrave": "DOUBLE GRAVE ACCENT",
        "belowring": "RING BELOW", "belowmacron": "MACRON BELOW",
        "belowcircumflex": "CIRCUMFLEX ACCENT BELOW", "belowtilde": "TILDE BELOW",
        "belowbreve": "BREVE BELOW", "belowdiaeresis": "DIAERESIS BELOW",
        "invertedbreve": "INVERTED BREVE", "belowcomma": "COMMA BELOW", "lowline": "LOW LINE",
        "aboveverticalline": "VERTICAL LINE ABOVE", "belowverticalline": "VERTICAL LINE BELOW",
        "longsolidusoverlay": "LONG SOLIDUS OVERLAY", "grave": "GRAVE ACCENT", "acute": "ACUTE ACCENT",
        "circumflex": "CIRCUMFLEX ACCENT",
    }  # fmt: skip
    named = {
        keysym: name[5:]
        for keysym, (name, _character) in header.items()
        if name.startswith("dead_") and mark_of(keysym)
    }
    assert len(named) > 30
    for keysym, name in named.items():
        found = unicodedata.name(mark_of(keysym) or "")
        assert found.removeprefix("COMBINING ") == synonyms.get(name, name.upper()), name
    assert [mark_of(keysym) for keysym in (0x61, 0xFE4F, 0xFE80, 0xFE94)] == [None] * 4


@pytest.mark.parametrize(
    ("marks", "character", "typed"),
    [
        ("\u0301", "e", "é"), ("\u0308", "U", "Ü"), ("\u0302\u0301", "a", "ấ"), ("\u0335", "d", "đ"),
        ("\u0335", "O", "Ø"), ("\u0301", " ", "'"), ("\u0302", " ", "^"), ("\u0327", " ", "¸"),
        ("\u0301\u0302", "a", "ấ"), ("\u0301", "k", "ḱ"), ("\u0301", "q", "'q"),
        ("\u0335", "q", "\u0335q"), ("", "x", "x"), ("\u3099", "カ", "ガ"),
    ],
)  # fmt: skip
def test_dead_keys_compose(marks: str, character: str, typed: str) -> None:
    assert composed(marks, character) == typed


def test_spacing_marks() -> None:
    assert [spacing(mark) for mark in "\u0300\u0304\u0306\u0328\u0331"] == ["`", "¯", "˘", "˛", "\u0331"]

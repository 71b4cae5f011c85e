"""What X11's keysyms mean: the character that one types, the class of its key, the mark of a dead key. Pure.

The rules are those of the X Window System Protocol, appendix A ("KEYSYM Encoding"): which block of numbers is which
character set, and that a set leaves out what an earlier one holds. Where a set has a codec in Python its table is
taken from there; the sets of no standard are spelled out here, as the appendix lists them.
"""
# ruff: noqa: RUF001  (characters that look like others are what this is about)

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache

import numpy as np

from .schema import KeyClass

# Sets that are the upper half of a standard, by the number's second byte (appendix A: Latin-2, -3, -4, Arabic, Hebrew, Thai).
_CODECS = {1: "iso8859_2", 2: "iso8859_3", 3: "iso8859_4", 5: "iso8859_6", 12: "iso8859_8", 13: "iso8859_11"}
# The others: where a run starts, and its characters in order; a space stands for a number without one.
_RUNS = (
    # Katakana: JIS X 0201's order, but full-width.
    (0x47E, "‾"),
    (0x4A1, "。「」、・ヲァィゥェォャュョッーアイウエオカキクケコサシスセソタチツテト"),
    (0x4C5, "ナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン゛゜"),
    # Cyrillic: the letters of Serbian, Macedonian, Ukrainian and Belarusian, then KOI8-R.
    (0x6A1, "ђѓёєѕіїјљњћќґўџ№ЂЃЁЄЅІЇЈЉЊЋЌҐЎЏ" + bytes(range(0xC0, 0x100)).decode("koi8_r")),
    # Greek: accented letters, then the plain ones; ISO 8859-7 has them elsewhere.
    (0x7A1, "ΆΈΉΊΪ ΌΎΫ Ώ  ΅―"),
    (0x7B1, "άέήίϊΐόύϋΰώ"),
    (0x7C1, "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣ ΤΥΦΧΨΩ"),
    (0x7E1, "αβγδεζηθικλμνξοπρσςτυφχψω"),
    # Technical.
    (0x8A1, "⎷┌─⌠⌡│⎡⎣⎤⎦⎛⎝⎞⎠⎨⎬"),
    (0x8BC, "≤≠≥∫∴∝∞  ∇  ∼≃   ⇔⇒≡      √   ⊂⊃∩∪∧∨"),
    (0x8EF, "∂      ƒ    ←↑→↓"),
    # Special: VT100's line drawing.
    (0x9E0, "◆▒␉␌␍␊  ␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│"),
    # Publishing.
    (0xAA1, "\u2003\u2002\u2004\u2005\u2007\u2008\u2009\u200a—– ␣ …‥⅓⅔⅕⅖⅗⅘⅙⅚℅  ‒⟨.⟩  "),
    (0xAC3, "⅛⅜⅝⅞  ™☓ ◁▷○▯‘’“”℞‰′″ ✝ ▬◀▶●▮◦▫▭△▽☆•▪▲▼☜☞♣♦♥ ✠†‡✓✗♯♭♂♀☎⌕℗‸‚„"),
    # APL.
    (0xBA3, "<  > ∨∧"),
    (0xBC0, "¯ ⊤∩⌊ _   ∘ ⎕ ⊥○   ⌈  ∪ ⊃ ⊂ ⊣"),
    (0xBFC, "⊢"),
    # Hangul: compatibility jamo, final consonants, old letters, the won sign.
    (0xEA1, "".join(map(chr, (*range(0x3131, 0x3164), *range(0x11A8, 0x11C3))))),
    (0xEEF, "ㅭㅱㅸㅿㆁㆄㆆㆍㆎᇫᇰᇹ"),
    (0xEFF, "₩"),
    # What Latin-9 has and Latin-1 lacks; the euro.
    (0x13BC, "ŒœŸ"),
    (0x20AC, "€"),
    # Keypad.
    (0xFFAA, "*+,-./0123456789"),
)  # fmt: skip
# Typed as text all the same: space, tab, return of the keypad; tab and return of the main keys; the keypad's equals sign.
_CONTROLS = {
    0xFF80: " ", 0xFF89: "\t", 0xFF8D: "\n", 0xFFBD: "=", 0xFF09: "\t", 0xFE20: "\t", 0xFF0A: "\n", 0xFF0D: "\n", 0xFE34: "\n",
}  # fmt: skip
# Dead keys, from 0xfe50 up: the combining mark of each; a blank has none, the stroke goes by names.
_MARKS = "".join((
    "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327\u0328\u0345\u3099\u309a",
    "\u0323\u0309\u031b\u0335\u0313\u0314\u030f\u0325\u0331\u032d\u0330\u032e\u0324\u0311\u0326",
))  # fmt: skip
_LATE_MARKS = "\u0332\u030d\u0329\u0338"  # from 0xfe90
_STROKE = "\u0335"
# What a dead key types with a space behind it, where ASCII has it (the Compose file of libX11's UTF-8 locales).
_SPACING = {"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0308": '"'}

# Functions that no character tells, as (first, last) of appendix A's keyboard set and ISO 9995's; the first that holds counts.
_CLASSES: tuple[tuple[KeyClass, tuple[tuple[int, int], ...]], ...] = (
    # Shift to Hyper, mode switch and the locks, compose; level 2 to 5 and group shifts and latches.
    (KeyClass.MODIFIER, ((0xFFE1, 0xFFEE), (0xFF7E, 0xFF7F), (0xFF14, 0xFF14), (0xFF20, 0xFF20), (0xFE01, 0xFE13))),
    # Home to Begin, and on the keypad; tab, which goes to the next field.
    (KeyClass.NAVIGATION, ((0xFF50, 0xFF58), (0xFF95, 0xFF9D), (0xFF09, 0xFF09), (0xFF89, 0xFF89), (0xFE20, 0xFE20))),
    # Backspace, line feed, clear, return, insert, undo, redo, delete; of the keypad too. Copy, cut, paste of XFree86.
    (
        KeyClass.EDITING,
        (
            (0xFF08, 0xFF08), (0xFF0A, 0xFF0B), (0xFF0D, 0xFF0D), (0xFF63, 0xFF63), (0xFF65, 0xFF66), (0xFFFF, 0xFFFF),
            (0xFF8D, 0xFF8D), (0xFF9E, 0xFF9F), (0xFE34, 0xFE34), (0x1008FF57, 0x1008FF58), (0x1008FF6D, 0x1008FF6D),
        ),
    ),
    # Dead keys belong to the letter that follows.
    (KeyClass.LETTER, ((0xFE50, 0xFE93),)),
    # F1 to F35 and the keypad's; escape, pause, system request; select to break; conversion keys; the keys of vendors.
    (
        KeyClass.FUNCTION,
        ((0xFFBE, 0xFFE0), (0xFF91, 0xFF94), (0xFF13, 0xFF1B), (0xFF21, 0xFF6B), (0xFD01, 0xFD1E), (0x10000000, 0x1FFFFFFF)),
    ),
)  # fmt: skip


def _runs() -> Iterator[tuple[int, str]]:
    """Yield (number, character) of all sets but Latin-1, in the order of their numbers."""
    seen = {chr(code) for code in range(0x100)}
    for page, codec in _CODECS.items():
        half = bytes(range(0xA0, 0x100)).decode(codec, errors="replace")
        for place, character in enumerate(half):
            # Marks of direction (in Hebrew's set) are no keysyms.
            if character not in seen and character != "\ufffd" and unicodedata.category(character) != "Cf":
                yield page << 8 | 0xA0 + place, character
        seen.update(half)
    for first, characters in _RUNS:
        for place, character in enumerate(characters):
            if character != " ":
                yield first + place, character


_CHARACTERS = dict(_runs()) | _CONTROLS


def character_of(keysym: int) -> str | None:
    """Return the character that a keysym types, or None if it types none.

    Return and the keypad's enter give a line feed, tab a tab; backspace, delete and escape type nothing. A dead key types
    nothing by itself: see `mark_of`.

    Parameters
    ----------
    keysym : int
        X11's number, from 0 to 2**32 - 1; any other number types nothing.

    Returns
    -------
    str or None
        One character.
    """
    # Latin-1 is its own number; so is Unicode, above 2**24 (but for its controls and surrogates, which nobody types).
    code = keysym if keysym < 0x100 else keysym - 0x01000000
    if 0x20 <= code < 0x7F or 0xA0 <= code < 0xD800 or 0xE000 <= code <= 0x10FFFF:
        return chr(code)
    return _CHARACTERS.get(keysym)


def mark_of(keysym: int) -> str | None:
    """Return the combining mark of a dead key, which goes onto the next character; None for any other keysym."""
    for first, marks in ((0xFE50, _MARKS), (0xFE90, _LATE_MARKS)):
        if first <= keysym < first + len(marks):
            return marks[keysym - first]
    return None


def composed(marks: str, character: str) -> str:
    """Return what dead keys and then a character type.

    Parameters
    ----------
    marks : str
        Combining marks of `mark_of`, in the order of their keys.
    character : str
        The character of the key behind them.

    Returns
    -------
    str
        The composed letter where Unicode has one; the marks alone where ``character`` is a space; else the marks
        alone and then the character, since applications differ there.
    """
    for ordered in (marks, marks[::-1]):
        whole = unicodedata.normalize("NFC", character + ordered)
        if len(whole) == 1:
            return whole
    if marks == _STROKE:
        with suppress(KeyError):  # Unicode does not decompose the letters with a stroke
            return unicodedata.lookup(unicodedata.name(character, "") + " WITH STROKE")
    return "".join(map(spacing, marks)) + ("" if character == " " else character)


def spacing(mark: str) -> str:
    """Return the character that shows a combining mark alone."""
    if mark in _SPACING:
        return _SPACING[mark]
    for code in range(0xA8, 0x385):  # spacing marks decompose into a space and the mark
        if unicodedata.decomposition(chr(code)) == f"<compat> 0020 {ord(mark):04X}":
            return chr(code)
    return mark


@lru_cache(maxsize=4096)
def key_class_of(keysym: int) -> KeyClass:
    """Return the class of a key, which is all that may be kept where its identity is dropped.

    Parameters
    ----------
    keysym : int
        X11's number.

    Returns
    -------
    KeyClass
        LETTER for letters of all scripts, their marks and dead keys; DIGIT for numbers of all scripts, also on the keypad;
        PUNCTUATION for whatever else types a character, a space too; tab is NAVIGATION, return EDITING. UNKNOWN where
        the number means nothing.
    """
    for key_class, ranges in _CLASSES:
        if any(first <= keysym <= last for first, last in ranges):
            return key_class
    character = character_of(keysym)
    if character is None:
        return KeyClass.UNKNOWN
    first = unicodedata.category(character)[0]
    return {"L": KeyClass.LETTER, "M": KeyClass.LETTER, "N": KeyClass.DIGIT}.get(first, KeyClass.PUNCTUATION)


def key_classes_of(keysyms: np.ndarray) -> np.ndarray:
    """Return `key_class_of` of each keysym.

    Parameters
    ----------
    keysyms : ndarray of any integer dtype, shape (n,)
        X11's numbers.

    Returns
    -------
    ndarray of uint8, shape (n,)
        Values of `KeyClass`.
    """
    distinct, places = np.unique(keysyms, return_inverse=True)
    classes = np.fromiter((key_class_of(keysym) for keysym in distinct.tolist()), np.uint8, len(distinct))
    return classes[places]

"""Canaries: random secrets that are typed where nothing may be recorded, and the search for them wherever they could be.

They are of an alphabet that nothing else is typed in, so that parts of one are found too, down to PART characters.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import zstandard

from evcodec import Reader

# Without vowels, as no word of any language has four of these in a row.
CANARY_ALPHABET = "qwrgjkzxvbm"
PLAIN_ALPHABET = "etaosnhdlcf"
# So many characters of a canary, one after the other, are a find.
PART = 4
_ZSTD = b"\x28\xb5\x2f\xfd"
# Linux codes of the keys that type a character on the layout of the tests, which is that of the US.
_ROWS = {2: "1234567890", 16: "qwertyuiop", 30: "asdfghjkl", 44: "zxcvbnm", 57: " "}
CODES = {character: first + at for first, row in _ROWS.items() for at, character in enumerate(row)}
_CHARACTERS = {code: character for character, code in CODES.items()}


@dataclass(frozen=True)
class Canary:
    """A secret, and how it was typed."""

    kind: str
    text: str


@dataclass(frozen=True)
class Find:
    """A part of a canary where none may be. It says where, and of which kind the canary is."""

    kind: str
    part: str
    where: str


def parts_of(canaries: Iterable[Canary]) -> dict[str, str]:
    """Return part -> kind for every run of PART characters."""
    return {one.text[at : at + PART]: one.kind for one in canaries for at in range(len(one.text) - PART + 1)}


def make(rng: random.Random, alphabet: str, length: int) -> str:
    """Return random text; no character twice in a row, which some toolkits would take for a repeated key."""
    text = ""
    while len(text) < length:
        text += rng.choice([character for character in alphabet if character != text[-1:]])
    return text


class Search:
    """Looks for canaries, in texts, bytes, streams and folders.

    Parameters
    ----------
    canaries : iterable of Canary
    """

    def __init__(self, canaries: Iterable[Canary]) -> None:
        self._kinds = parts_of(canaries)
        self._patterns: dict[bytes, str] = {}
        for part in self._kinds:
            for pattern in _encodings(part):
                self._patterns[pattern] = part
        # Bytes are looked up by their first two: one pass for all patterns.
        self._by_start: dict[int, list[bytes]] = {}
        for pattern in self._patterns:
            self._by_start.setdefault(int.from_bytes(pattern[:2], "little"), []).append(pattern)
        self._starts = np.zeros(1 << 16, bool)
        self._starts[list(self._by_start)] = True

    def in_text(self, text: str, where: str) -> list[Find]:
        """Search a text, however its letters are written."""
        text = text.lower()
        found = []
        for at in range(len(text) - PART + 1):
            kind = self._kinds.get(text[at : at + PART])
            if kind is not None:
                found.append(Find(kind, text[at : at + PART], where))
        return found

    def in_bytes(self, data: bytes, where: str, exact: int | None = None) -> list[Find]:
        """Search bytes for ASCII, UTF-16, and runs of codes and keysyms, also where each stands twice: down and up."""
        found = []
        raw = np.frombuffer(data, np.uint8)
        if len(raw) < 2:
            return []
        pairs = raw[:-1].astype(np.uint16) | raw[1:].astype(np.uint16) << 8
        for at in np.flatnonzero(self._starts[pairs]).tolist():
            for pattern in self._by_start[int(pairs[at])]:
                if data.startswith(pattern, at):
                    part = self._patterns[pattern]
                    found.append(Find(self._kinds[part], part, f"{where}, byte {at}"))
        return found

    def in_stream(self, data: bytes, where: str = "stream") -> list[Find]:
        """Search a stream: its bytes, what is compressed in it, its columns and every text of its entries."""
        found = self.in_bytes(data, f"{where}: raw bytes")
        for at, body in decompressed(data):
            found += self.in_bytes(body, f"{where}: decompressed at {at}")
        with Reader(data) as reader:
            for name, text in typed_texts(reader):
                found += self.in_text(text, f"{where}: {name}")
            for name, text in entry_texts(reader):
                found += self.in_text(text, f"{where}: {name}")
            batch = reader.read()
            for name, values in batch.columns.items():
                found += self.in_bytes(np.ascontiguousarray(values).tobytes(), f"{where}: column {name}")
        return found

    def in_folder(self, folder: Path, skipped: Iterable[str] = ()) -> list[Find]:
        """Search the names and bytes of all files, but for paths that contain one of ``skipped``."""
        found = []
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if any(part in name for part in skipped):
                continue
            found += self.in_text(name, f"name of {name}")
            if path.is_file() and not path.is_symlink():
                found += self.in_bytes(path.read_bytes(), name)
        return found


def _encodings(part: str) -> Iterator[bytes]:
    """Yield how a part may stand in bytes."""
    for text in (part, part.upper()):
        yield text.encode()
        yield text.encode("utf-16-le")
        yield text.encode("utf-32-le")
    codes = [CODES[character] for character in part]
    # Twice each as keys that go down and up; keysyms of these characters are their ASCII numbers.
    for numbers in (codes, [code + 8 for code in codes], [ord(character) for character in part]):
        doubled = [number for number in numbers for _ in range(2)]
        # Four small numbers may be anything; so the bare run of codes is told by its width only.
        yield bytes(doubled)
        for dtype in ("<u2", "<u4", "<u8"):
            yield np.array(doubled, dtype).tobytes()
            yield np.array(numbers, dtype).tobytes()


def decompressed(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (position, content) of everything in these bytes that zstd can decompress, wherever it begins."""
    at = data.find(_ZSTD)
    while at >= 0:
        with contextlib.suppress(zstandard.ZstdError):
            yield at, zstandard.ZstdDecompressor().decompressobj().decompress(data[at:])
        at = data.find(_ZSTD, at + 1)


_KEY_DOWN, _KEY_UP, _KEY_REPEAT = 4, 5, 8


def typed_texts(reader: Reader) -> Iterator[tuple[str, str]]:
    """Yield (how, text) of what the keys of a stream type, by each column that could tell, downs and ups apart."""
    columns = ("kind", "code", "keysym", "scancode", "vk")
    keys = reader.read(columns=columns, kinds=(_KEY_DOWN, _KEY_UP, _KEY_REPEAT))
    for kind in (_KEY_DOWN, _KEY_UP):
        mine = keys[keys.kind == kind]
        yield f"keysyms of kind {kind}", "".join(_of_keysym(value) for value in mine.keysym.tolist())
        yield f"codes of kind {kind}", "".join(_CHARACTERS.get(value, "?") for value in mine.code.tolist())
        yield (
            f"scancodes of kind {kind}",
            "".join(_CHARACTERS.get(value, "?") for value in mine["scancode"].tolist()),
        )
        yield f"virtual keys of kind {kind}", "".join(_of_keysym(value) for value in mine["vk"].tolist())


def _of_keysym(value: int) -> str:
    return (
        chr(value)
        if 0x20 <= value < 0x100
        else chr(value - 0x1000000)
        if 0x1000000 <= value < 0x1110000
        else "?"
    )


def entry_texts(reader: Reader) -> Iterator[tuple[str, str]]:
    """Yield (where, text) of every text in the header and in the entries of a stream."""
    yield from _texts(reader.metadata, "metadata")
    yield from _texts(reader.governance, "governance")
    for name in ("sources", "contexts", "payloads", "gaps", "clock_anchors", "video_anchors", "erasures"):
        for entry in getattr(reader, name, ()):
            fields = {
                field: getattr(entry, field, None)
                for field in dir(entry)
                if not field.startswith("_") and not callable(getattr(entry, field, None))
            }
            yield from _texts(fields, f"{name} {getattr(entry, 'index', '')}")


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, bytes):
        yield where, value.decode("latin-1")
        try:
            inner = msgpack.unpackb(value)
        except Exception:
            return
        if not isinstance(inner, (bytes, int)):
            yield from _texts(inner, where)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(key, where)
            yield from _texts(inner, where)
    elif isinstance(value, (list, tuple, set)):
        for inner in value:
            yield from _texts(inner, where)


def characters_in(reader: Reader, alphabet: str) -> int:
    """Return how many keys of a stream type a character of an alphabet: one is too many where no canary may be."""
    columns = ("kind", "code", "keysym")
    keys = reader.read(columns=columns, kinds=(_KEY_DOWN, _KEY_UP, _KEY_REPEAT))
    codes = [CODES[character] for character in alphabet]
    keysyms = [ord(form) for character in alphabet for form in (character, character.upper())]
    return int((np.isin(keys.code, codes) | np.isin(keys.keysym, keysyms)).sum())

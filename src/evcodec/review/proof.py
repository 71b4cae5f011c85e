"""The proof that a text is no longer in a stream: what was written is read anew, and searched in every way there is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..entries import Entry
from ..errors import CorruptDataError
from ..inputs import SeekableInput
from ..keyring import Keyring
from .editing import OWN_TYPES, items_of, raw_entries
from .finding import Finder, Needles, Strings, find
from .parts import EntriesPart, Streams
from .plan import Contents

_PIECE_BYTES = 2**20
# Shorter than this, a text is met in numbers and compressed bytes by chance.
_TELLING_BYTES = 6


class RedactionFailedError(CorruptDataError):
    """What was to go is still there after all; nothing was written."""


class Proof:
    """Looks for what is to be gone.

    Parameters
    ----------
    finder : callable
    needles : Needles
        The texts of the finder that are known as they are, to be looked for in bytes too.
    """

    def __init__(self, finder: Finder, needles: Needles) -> None:
        self._finder = finder
        self._needles = needles
        self._patterns = [
            pattern
            for pattern in _patterns(needles.texts)
            if len(pattern) >= _TELLING_BYTES and len(set(pattern)) > 2
        ]

    def check(
        self,
        source: SeekableInput,
        keyring: Keyring,
        ranges: Sequence[tuple[int, int]],
        names: frozenset[str],
        moved: set[int],
    ) -> int:
        """Look through a file, and return the number of characters that were rebuilt and looked through.

        Parameters
        ----------
        source : SeekableInput
        keyring : Keyring
            Opens all of it.
        ranges : sequence of (int, int)
            Times that no event may have.
        names : frozenset of str
            Applications that no event may be in front of.
        moved : set of int
            Times at which a context may stand though a range holds them: that of another range's end.

        Raises
        ------
        RedactionFailedError
            It is still there. The message says where it was found, never what.
        """
        streams = Streams(source, keyring)
        strings = Strings(self._finder)
        characters = 0
        for number, header in enumerate(streams.headers):
            if strings.count(header.metadata) or strings.count(header.governance):
                self._fail(streams.name, "the header")
            entries = self._entries(streams, number, strings)
            contents = Contents.of(entries, streams.blocks(number))
            typing = contents.typing(set(), max(self._needles.longest, 256))
            if find(typing, self._finder).matches:
                self._fail(streams.name, "the text that its keys make")
            characters += len(typing.everything)
            if any(span.names & names and span.last > span.first for span in contents.spans):
                self._fail(streams.name, "events of an application that was to go")
            for part in streams.blocks(number):
                columns = part.columns()
                times = columns["t"]
                if any(
                    ((times >= t0) & (times < t1) & ~np.isin(times, list(moved))).any() for t0, t1 in ranges
                ):
                    self._fail(streams.name, "events of a time that was to go")
                for values in columns.values():
                    self._bytes(streams.name, np.ascontiguousarray(values).tobytes(), "a column")
        self._raw(source)
        return characters

    def _fail(self, name: str, where: str) -> None:
        raise RedactionFailedError(
            f"{name}: found what was to be taken out in {where}, allowed: nowhere; nothing was written"
        )

    def _entries(self, streams: Streams, number: int, strings: Strings) -> list[Entry]:
        entries: list[Entry] = []
        for part in streams.parts(number):
            if not isinstance(part, EntriesPart):
                continue
            entries += part.entries()
            for value in fields_of(part):
                if strings.count(value):
                    self._fail(streams.name, "an entry")
            self._bytes(streams.name, raw_entries(part.payload, part.where), "an entry")
        return entries

    def _bytes(self, name: str, data: bytes, where: str) -> None:
        if any(pattern in data for pattern in self._patterns):
            self._fail(name, f"the bytes of {where}")

    def _raw(self, source: SeekableInput) -> None:
        overlap = max(map(len, self._patterns), default=0)
        size = source.size()
        for piece in range(math.ceil(size / _PIECE_BYTES)):
            start = piece * _PIECE_BYTES
            data = source.read_at(start, min(_PIECE_BYTES + overlap, size - start))
            self._bytes(source.name, bytes(data), "the file")


def fields_of(part: EntriesPart) -> list[object]:
    """Return all values of the fields of a record of entries but types that have a name of their own."""
    _group, items = items_of(part.payload, part.where)
    return [
        value
        for _number, _position, fields in items
        for name, value in fields.items()
        if not (name == "type" and value in OWN_TYPES)
    ]


def _patterns(texts: Sequence[str]) -> list[bytes]:
    forms = {form for text in texts for form in (text, text.lower(), text.upper(), text.capitalize())}
    return [
        form.encode(encoding, "surrogatepass")
        for form in forms
        for encoding in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le")
    ]

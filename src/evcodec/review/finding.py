"""Where texts stand in what was typed, and in strings; and which events go when they go. No I/O."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .typed import Press, Typing

# Words that stand for what was taken out; the first that does not hold it itself.
INSTEAD = ("[redacted]", "\u2588\u2588\u2588", "-")
# Keys of maps that the recorder, importers and the format give: no words of the person.
OWN_NAMES = frozenset(
    """
    application window element
    executable window_class pointer keys pid id title title_digest role name value bounds displays scale x y width height
    purpose policy_digest notice_id retain_until_ns recipient_key_ids data media_type metadata encoding schema
    """.split()
)

# Places of what was found in a text: pairs of start and stop.
Finder = Callable[[str], Iterable[tuple[int, int]]]


def _folded(character: str) -> str:
    folded = character.casefold()
    return folded if len(folded) == 1 else character


class Needles:
    """Texts to be found. They are the person's own: they must not reach a message, a log or the report.

    Parameters
    ----------
    texts : iterable of str
    ignore_case : bool
    """

    def __init__(self, texts: Iterable[str], ignore_case: bool = True) -> None:
        self._ignore_case = ignore_case
        self.texts = list(
            dict.fromkeys(self.fold(unicodedata.normalize("NFC", text)) for text in texts if text)
        )

    def __repr__(self) -> str:
        return f"<{len(self.texts)} texts>"

    @property
    def longest(self) -> int:
        """Characters of the longest."""
        return max(map(len, self.texts), default=0)

    def fold(self, text: str) -> str:
        """Return a text as it is compared, character by character."""
        return "".join(map(_folded, text)) if self._ignore_case else text

    def places(self, text: str) -> list[tuple[int, int]]:
        """Return where any of them stands, one over the other too."""
        found, folded = [], self.fold(text)
        for needle in self.texts:
            at = folded.find(needle)
            while at >= 0:
                found.append((at, at + len(needle)))
                at = folded.find(needle, at + 1)
        return found


@dataclass(eq=False)
class Found:
    """What is to go from one stream, by number of event.

    Attributes
    ----------
    events : set of int
    matches : int
        Distinct places.
    """

    events: set[int] = field(default_factory=set)
    matches: int = 0


def find(typing: Typing, finder: Finder) -> Found:
    """Return the events of all that a finder finds in any reading of what was typed.

    With a character go all events of its key (down, repeats, up) and of the dead keys before it; of the keys that took it away
    again as many; what was typed in between and taken away; and modifiers that were down for nothing else.
    """
    chosen: dict[Press, None] = {}
    seen: set[frozenset[int]] = set()
    for reading in typing.readings():
        text = "".join(typed.character for typed in reading)
        for start, stop in finder(text):
            presses = [press for typed in reading[start:stop] for press in typed.presses]
            numbers = [typed.number for typed in reading[start:stop] if typed.presses]
            for typed in typing.everything[min(numbers, default=0) : max(numbers, default=0)]:
                if typed.erased_by is not None:  # a slip in the middle of it
                    chosen.update(dict.fromkeys(typed.presses))
            chosen.update(dict.fromkeys(presses))
            if presses:
                seen.add(frozenset(press.events[0] for press in presses))
    events = _events_of(chosen)
    return Found(
        events,
        len({place for place in seen if not any(place < other for other in seen)})
        if len(seen) < 1000
        else len(seen),
    )


def _events_of(chosen: Mapping[Press, None]) -> set[int]:
    removed = set(chosen)
    pending = list(chosen)
    while pending:  # the other half of a letter with a dead key goes too
        for typed in pending.pop().typed:
            fresh = [press for press in typed.presses if press not in removed]
            removed.update(fresh)
            pending += fresh
    events = {event for press in removed for event in press.events}
    gone = {id(typed) for press in removed for typed in press.typed}
    erasers: set[Press] = {typed.erased_by for press in removed for typed in press.typed if typed.erased_by}
    for press in erasers:
        count = sum(all(id(typed) in gone for typed in erased) for erased in press.erased.values())
        if count >= len(press.erased):
            events.update(press.events)
            removed.add(press)
        else:  # its last repeats, so that what stays is a key that went down and up
            events.update(list(press.erased)[len(press.erased) - count :])
    for modifier in {modifier for press in removed for modifier in press.under}:
        if modifier.above and all(press in removed or press.is_modifier for press in modifier.above):
            events.update(modifier.events)
    return events


class Replaced(NamedTuple):
    """A value without what was found in its strings, and how often that was."""

    value: Any
    times: int


class Strings:
    """Takes what a finder finds out of the strings of entries and headers.

    Parameters
    ----------
    finder : callable
    """

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        # The word that stands for it must not hold it.
        self._instead = next((word for word in INSTEAD if not list(finder(word))), "")

    def count(self, value: Any) -> int:
        """Return how much there is to find in a value."""
        return self.without(value).times

    def without(self, value: Any) -> Replaced:
        """Return a value without what is found in its strings, keys and bytes; names that the recorder gives stay."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return self._bytes(bytes(value))
        if isinstance(value, Mapping):
            pairs = [(self._key(key), self.without(item)) for key, item in value.items()]
            return Replaced(
                {key.value: item.value for key, item in pairs},
                sum(key.times + item.times for key, item in pairs),
            )
        if isinstance(value, (list, tuple)):
            items = [self.without(item) for item in value]
            return Replaced([item.value for item in items], sum(item.times for item in items))
        return Replaced(value, 0)

    def _key(self, key: Any) -> Replaced:
        return Replaced(key, 0) if key in OWN_NAMES else self.without(key)

    def _text(self, text: str) -> Replaced:
        normal = unicodedata.normalize("NFC", text)
        places = sorted(self._finder(normal))
        if not places:
            return Replaced(text, 0)
        out, at, count = [], 0, 0
        for start, stop in places:
            if start >= at:
                out += [normal[at:start], self._instead]
                count += 1
            at = max(at, stop)
        return Replaced("".join([*out, normal[at:]]), count)

    def _bytes(self, data: bytes) -> Replaced:
        """Look into bytes as text of the encodings that programs write."""
        for encoding, errors in (
            ("utf-8", "surrogateescape"),
            ("utf-16-le", "strict"),
            ("utf-16-be", "strict"),
        ):
            try:
                found = self._text(data.decode(encoding, errors))
            except UnicodeDecodeError:
                continue
            if found.times:
                return Replaced(found.value.encode(encoding, errors), found.times)
        return Replaced(data, 0)

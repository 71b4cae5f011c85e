"""What a Writer must know of a stream to append to it."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from .entries import Context, Entry, Payload, Source
from .errors import InvalidArgumentError, TruncatedDataError
from .framing import MARKER, RecordType
from .inputs import FileInput, open_input
from .keyrecord import Recipients, group_name, stated_recipients
from .locate import Locator
from .places import read_record
from .wire import pack_entry, unpack_entries

_MAY_BE_A_HEADER = MARKER + bytes((RecordType.HEADER,))


class Definitions:
    """What sources, or what contexts, a stream has defined."""

    def __init__(self) -> None:
        self._by_meaning: dict[bytes, int] = {}
        self._indices: set[int] = set()
        self.next_index = 1

    def index_of(self, entry: Source | Context) -> int | None:
        """Return the index under which the same is defined; raise InvalidArgumentError for what cannot be."""
        return self._by_meaning.get(_meaning(entry))

    def define(self, entry: Source | Context) -> None:
        """Take a definition; raise InvalidArgumentError if its index is another's."""
        self.claim(entry)
        self.remember(entry)

    def claim(self, entry: Source | Context) -> None:
        """Take the index of a definition that is about to be written; raise InvalidArgumentError if it is another's."""
        if entry.index in self._indices:
            raise InvalidArgumentError(
                f"{type(entry).__name__.lower()} entry, index: found {entry.index}, which is defined; "
                f"allowed: a new one, such as {self.next_index}"
            )
        self.next_index = max(self.next_index, entry.index + 1)
        self._indices.add(entry.index)

    def remember(self, entry: Source | Context) -> None:
        """Have the meaning of a definition that was written found again."""
        self._by_meaning.setdefault(_meaning(entry), entry.index)


def _meaning(entry: Source | Context) -> bytes:
    """Return what two definitions of the same have in common: all but the index and the place."""
    return pack_entry(replace(entry, index=1, position=0))


@dataclass
class Resumed:
    """Where to go on, and what is defined already; nothing for a new stream."""

    position: int | None = None
    """Where the new stream begins in the file; None when there is nothing before it."""
    metadata: dict[str, Any] = field(default_factory=dict)
    governance: dict[str, Any] = field(default_factory=dict)
    definitions: list[Entry] = field(default_factory=list)
    """Sources and contexts in force, for the new stream to repeat."""
    sources: Definitions = field(default_factory=Definitions)
    contexts: Definitions = field(default_factory=Definitions)
    payloads: int = 0
    """Largest payload index so far."""
    recipients: dict[int, tuple[bytes, ...]] = field(default_factory=dict)
    """Who may read which group of the last stream, by the raw bytes of their keys."""
    has_later_keys: bool = False
    """Whether a later version wrote that down."""

    def same_recipients(self) -> Recipients:
        """Return who may read the last stream; raise InvalidArgumentError where a group would become plain for want of
        anybody to encrypt it to.
        """
        erased = [group_name(group) for group, keys in self.recipients.items() if not keys]
        if erased or self.has_later_keys:
            raise InvalidArgumentError(
                f"recipients: found none to go on with for {', '.join(erased) or 'a stream of a later version'}, "
                "whose last stream is encrypted; allowed: to say who they are, {} for nobody"
            )
        return stated_recipients(self.recipients)


def resume(target: Any) -> Resumed:
    """Return what is known of the stream at a path, which may be missing or empty.

    A record that was cut off at the end, by a crash, is left out: the Writer writes over it, and over all if that was
    the header.

    Raises
    ------
    CorruptDataError, UnsupportedVersionError
        The data is damaged before its end, or is no stream.
    OSError
        The path cannot be read.
    """
    if not isinstance(target, (str, os.PathLike)):
        raise InvalidArgumentError(f"mode: found 'a' with {type(target).__name__}, allowed: a path")
    if not os.path.exists(target) or not os.path.getsize(target):
        return Resumed()
    source = open_input(target)
    if not isinstance(source, FileInput):
        source.close()
        raise InvalidArgumentError(
            f"mode: found 'a' with {target}, which cannot seek; allowed: a regular file"
        )
    try:
        return _resume_from(source)
    finally:
        source.close()


def _resume_from(source: FileInput) -> Resumed:
    try:
        locator = Locator(source, skip_damage=False)
    except TruncatedDataError:
        if not _MAY_BE_A_HEADER.startswith(source.read_at(0, min(len(_MAY_BE_A_HEADER), source.size()))):
            raise
        return Resumed(position=0)
    if not isinstance(locator.damage, TruncatedDataError):
        locator.raise_damage()
    last = locator.headers[-1]
    found = Resumed(locator.sound_bytes, last.metadata, last.governance)
    keys = locator.keys_of(len(locator.headers) - 1)
    found.recipients, found.has_later_keys = keys.recipients, keys.is_later
    for place in locator.places():
        if place.type != RecordType.ENTRIES:
            continue
        for entry in unpack_entries(read_record(source, place).payload, f"byte {place.position}"):
            if isinstance(entry, Payload):
                found.payloads = max(found.payloads, entry.index)
            elif isinstance(entry, (Source, Context)):
                known = found.sources if isinstance(entry, Source) else found.contexts
                if known.index_of(entry) is None:
                    with suppress(
                        InvalidArgumentError
                    ):  # another stream of the file gave the index to another
                        known.define(entry)
                        found.definitions.append(replace(entry, position=0))
    return found

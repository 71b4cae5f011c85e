"""What is odd about the events and entries of a stream though no rule of the format forbids it. No I/O."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .block import Block
from .entries import Context, Entry, Gap, Payload, Source
from .findings import Findings
from .schema import EventKind

# Columns whose values refer to entries of a class.
_REFERENCES: dict[str, type[Entry]] = {
    "source": Source,
    "context": Context,
    "display": Context,
    "layout": Context,
    "payload": Payload,
}
# Largest values that docs/format.md gives a meaning, section 5.1.
_MEANT = {"flags": 15, "scroll_source": 3, "key_class": 7}
_LATER_KINDS = range(max(EventKind) + 1, 128)
# Definitions and references beyond so many are not compared: what is kept of them is bounded.
_MOST_DEFINED = 2**20
_MOST_REFERRED = 2**16


class Defined:
    """Indices that entries of one stream have defined."""

    def __init__(self) -> None:
        self._indices: dict[type[Entry], set[int]] = {Source: set(), Context: set(), Payload: set()}
        self.is_complete = True
        """Whether all definitions are known: none is encrypted, none was beyond what is kept."""

    def define(self, entry: Entry) -> bool:
        """Take a definition; return False if its index was defined before."""
        known = self._indices.get(type(entry))
        if known is None:
            return True
        index = entry.index  # type: ignore[attr-defined]
        if index in known:
            return False
        if len(known) >= _MOST_DEFINED:
            self.is_complete = False
        else:
            known.add(index)
        return True

    def missing(self, cls: type[Entry], indices: Iterable[int]) -> list[int]:
        """Return the indices that no entry of the class defines, ascending."""
        return sorted(set(indices) - self._indices[cls])


class Remarker:
    """Looks at the events and entries of one stream, and says in the end what is odd."""

    def __init__(self, findings: Findings, defined: Defined) -> None:
        self._findings = findings
        self._defined = defined
        self._events = 0
        self._referred: dict[str, dict[int, int]] = {}  # by column: index, and where it was first
        self._wraps: dict[int, int] = {}
        self._highest: dict[int, tuple[int, int]] = {}  # by source: largest raw time, and where
        self._last_position: dict[int, int] = {}
        self._beyond: tuple[int, int] | None = None  # largest position of an entry, and where

    def block(self, at: int, block: Block, columns: dict[str, np.ndarray]) -> None:
        """Look at a block at a position, decoded."""
        self._events += block.events
        if later := sum(block.kinds.get(kind, 0) for kind in _LATER_KINDS):
            self._say(at, f"kind column: found {later} values that no version has a meaning for")
        for name, most in _MEANT.items():
            values = columns.get(name)
            if values is not None and (above := int(np.count_nonzero((values < 0) | (values > most)))):
                self._say(at, f"{name} column: found {above} values above {most}, which have no meaning")
        for name in _REFERENCES.keys() & columns.keys():
            self._refer(name, at, columns[name])
        if "code" in columns and EventKind.CONTEXT in block.kinds and "kind" in columns:
            self._refer("code", at, columns["code"][columns["kind"] == EventKind.CONTEXT])
        if "os_time" in columns:
            self._raw_times(at, columns["os_time"], columns.get("source"))

    def _refer(self, name: str, at: int, values: np.ndarray) -> None:
        known = self._referred.setdefault(name, {})
        if len(values):
            first_of_run = np.append(True, values[1:] != values[:-1])
            for index in np.unique(values[first_of_run]).tolist():
                if index and len(known) < _MOST_REFERRED:
                    known.setdefault(index, at)

    def _raw_times(self, at: int, times: np.ndarray, sources: np.ndarray | None) -> None:
        if sources is None or not len(times):
            found = {0: int(times.max())} if len(times) else {}
        else:
            order = np.argsort(sources, kind="stable")
            starts = np.flatnonzero(np.append(True, np.diff(sources[order]) != 0))
            highest = np.maximum.reduceat(times[order], starts)
            found = dict(zip(sources[order][starts].tolist(), highest.tolist(), strict=True))
        for source, high in found.items():
            if source not in self._highest or high > self._highest[source][0]:
                self._highest[source] = high, at

    def entry(self, at: int, entry: Entry, group: int) -> None:
        """Look at an entry of a record of a group at a position."""
        if isinstance(entry, Source):
            bits = entry.properties.get("wrap_bits")
            if isinstance(bits, int) and 0 < bits < 63:
                self._wraps.setdefault(entry.index, bits)
        elif isinstance(entry, Gap) and entry.source:
            known = self._referred.setdefault("gap entries'", {})
            if len(known) < _MOST_REFERRED:
                known.setdefault(entry.source, at)
        if entry.position < self._last_position.get(group, 0):
            self._say(at, "position of an entry: found an earlier one than that of the entry before it")
        self._last_position[group] = entry.position
        if self._beyond is None or entry.position > self._beyond[0]:
            self._beyond = entry.position, at

    def finish(self, is_ended: bool) -> None:
        """Say what only the whole stream tells."""
        for name, referred in sorted(self._referred.items()):
            cls = _REFERENCES.get(name, Source if name.startswith("gap") else Context)
            missing = self._defined.missing(cls, referred) if self._defined.is_complete else []
            if missing:
                more = f" and {len(missing) - 1} more" if missing[1:] else ""
                self._say(
                    referred[missing[0]],
                    f"{name} column: found index {missing[0]}{more}, which no {cls.__name__.lower()} entry defines",
                )
        for source, bits in sorted(self._wraps.items()):
            high, at = self._highest.get(source, (0, 0))
            if high >> bits:
                self._say(at, f"os_time column: found {high}, beyond the {bits} bits of source {source}")
        if is_ended and self._beyond is not None and self._beyond[0] > self._events:
            self._say(
                self._beyond[1],
                f"position of an entry: found {self._beyond[0]}, behind the last of {self._events} events",
            )

    def _say(self, at: int, message: str) -> None:
        self._findings.add(at, f"byte {at}: {message}")

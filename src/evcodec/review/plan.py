"""What is to go from one stream, and what is changed beside it. No I/O.

Times of keys beside what is taken out are coarsened to `QUANTUM`: the up of the key before, the down of the one behind
would tell when the first and the last key of a secret went down, and so how long it took. The gap has the same edges, and
no count of events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..entries import Context, Entry, GapReason, Payload
from ..schema import EventKind
from .finding import Finder, Found, find
from .parts import BlockPart
from .spans import Span, SpanFinder
from .strokes import COLUMNS, KEY_KINDS, Act, Strokes
from .typed import Typing, typing_of

QUANTUM = 1_000_000_000
# Keys further apart than that are taken out with a gap each.
_APART = 2 * QUANTUM
_INT64 = (-(2**63), 2**63 - 1)
# Columns by which events refer to contexts.
_CONTEXT_COLUMNS = ("code", "display", "layout", "context")
_BUTTONS = 1000  # importers number other buttons than five from here on
_SEEN = frozenset((*COLUMNS, *_CONTEXT_COLUMNS, "payload"))


class Hole(NamedTuple):
    """A gap to be written before the event of number ``event``."""

    event: int
    reason: GapReason
    t0: int
    t1: int


def floor(t: int) -> int:
    """Return a time rounded down to the quantum."""
    return max(t // QUANTUM * QUANTUM, _INT64[0])


def ceil(t: int) -> int:
    """Return a time rounded up to the quantum."""
    return min(-(-t // QUANTUM) * QUANTUM, _INT64[1])


@dataclass
class Contents:
    """What of a stream decides what goes: strokes, spans, and which events refer to which entries."""

    strokes: Strokes
    spans: list[Span]
    contexts: dict[int, tuple[str, Any]]
    events: int

    @classmethod
    def of(cls, entries: Sequence[Entry], blocks: Any) -> Contents:
        """Read the blocks of a stream once.

        Parameters
        ----------
        entries : sequence of Entry
            All of the stream.
        blocks : iterable of BlockPart
        """
        contexts = contexts_of(entries)
        strokes, finder = Strokes(contexts), SpanFinder(contexts)
        events = 0
        part: BlockPart
        for part in blocks:
            events = part.first + part.block.events
            if not part.is_readable:
                continue
            columns = part.columns(tuple(_SEEN))
            strokes.add(columns, part.first)
            finder.add(columns, part.first)
        return cls(strokes, finder.spans, contexts, events)

    def typing(self, without: set[int], reach: int) -> Typing:
        """Return what was typed, without some events."""
        return typing_of((stroke for stroke in self.strokes.found if stroke.event not in without), reach)


def contexts_of(entries: Sequence[Entry]) -> dict[int, tuple[str, Any]]:
    """Return type and value of contexts by index; the first definition counts."""
    found: dict[int, tuple[str, Any]] = {}
    for entry in entries:
        if isinstance(entry, Context):
            found.setdefault(entry.index, (entry.context_type, entry.value))
    return found


@dataclass
class Plan:
    """What is to go from one stream.

    Attributes
    ----------
    removed : set of int
        Numbers of events.
    moved : dict of int to int
        Events that stay, at another time: contexts that are in force behind what was erased.
    holes : list of Hole
    coarse : list of (int, int)
        Times, half open, in which keys that stay have coarse times.
    erased : list of (int, int)
        Times, half open, that were erased: markers and payloads of them go too.
    matches : int
        Places in what was typed.
    contexts, payloads : set of int
        Indices whose values go, since nothing that stays refers to them.
    """

    removed: set[int] = field(default_factory=set)
    moved: dict[int, int] = field(default_factory=dict)
    holes: list[Hole] = field(default_factory=list)
    coarse: list[tuple[int, int]] = field(default_factory=list)
    erased: list[tuple[int, int]] = field(default_factory=list)
    matches: int = 0
    contexts: set[int] = field(default_factory=set)
    payloads: set[int] = field(default_factory=set)

    def redact(self, contents: Contents, blocks: Any, finder: Finder, reach: int) -> None:
        """Have all events go that a text is made of, until none is left that is found.

        Parameters
        ----------
        contents : Contents
        blocks : iterable of BlockPart
            Those of the stream, once more.
        finder : callable
        reach : int
            As in `typing_of`.
        """
        gone: set[int] = set()
        while True:
            found: Found = find(contents.typing(self.removed, reach), finder)
            if not found.events - self.removed:
                break
            self.removed |= found.events
            gone |= found.events
            self.matches += found.matches
        times = sorted((stroke.event, stroke.t) for stroke in contents.strokes.found if stroke.event in gone)
        start = 0
        for at in range(1, len(times) + 1):
            if at == len(times) or times[at][1] - times[at - 1][1] > _APART:
                inside = [t for _event, t in times[start:at]]
                t0, t1 = floor(min(inside)), ceil(max(inside) + 1)
                self.holes.append(Hole(times[start][0], GapReason.REDACTED, t0, t1))
                self.coarse.append((t0, t1))
                start = at
        self._end_states(contents, blocks)

    def _end_states(self, contents: Contents, blocks: Any) -> None:
        """Have the states of the keyboard go that some recorders note now and then: they name the keys that were down."""
        states = [index for index, (kind, _value) in contents.contexts.items() if kind == "keyboard_state"]
        if not states or not self.coarse:
            return
        part: BlockPart
        for part in blocks:
            columns = part.columns(("t", "kind", "code"))
            near = np.zeros(part.block.events, bool)
            for t0, t1 in self.coarse:
                near |= (columns["t"] >= t0) & (columns["t"] < t1)
            near &= (columns["kind"] == EventKind.OTHER) & np.isin(columns.get("code", 0), states)
            self.removed.update((part.first + np.flatnonzero(near)).tolist())

    def erase(
        self, contents: Contents, blocks: Any, ranges: Sequence[tuple[int, int]], names: frozenset[str]
    ) -> int:
        """Have all events of ranges of time and of applications go; return how many spans that were.

        Parameters
        ----------
        contents : Contents
        blocks : iterable of BlockPart
            Those of the stream, once more.
        ranges : sequence of (int, int)
            Half open.
        names : frozenset of str
            Of applications, case folded.
        """
        chosen = [span for span in contents.spans if span.names & names]
        firsts: dict[tuple[int, int], int] = {}
        last_contexts: dict[tuple[int, int], dict[str, int]] = {}
        part: BlockPart
        for part in blocks:
            columns = part.columns(("t", "kind", "code"))
            times = columns["t"]
            for at in ranges:
                inside = np.flatnonzero((times >= at[0]) & (times < at[1]))
                if len(inside):
                    firsts.setdefault(at, part.first + int(inside[0]))
                    self.removed.update((part.first + inside).tolist())
                    self._in_force(contents, columns, inside, part.first, last_contexts.setdefault(at, {}))
        for span in chosen:
            self.removed.update(range(span.first, span.last))
            self.holes.append(Hole(span.first, GapReason.ERASED, span.t0, max(span.t1, span.t0)))
            self.erased.append((span.t0, span.t1))
        for at in ranges:
            first = firsts.get(at, contents.events)
            self.holes.append(Hole(first, GapReason.ERASED, *at))
            self.erased.append(at)
            self._keep_in_force(contents, last_contexts.get(at, {}), at[1])
        self._end_presses(contents)
        return len(chosen)

    def _end_presses(self, contents: Contents) -> None:
        """Have repeats and ups go whose down goes: they tell which key it was."""
        gone: dict[int, bool] = {}
        for stroke in contents.strokes.found:
            if stroke.act is Act.DOWN:
                gone[stroke.key] = stroke.event in self.removed
            elif stroke.act in (Act.REPEAT, Act.UP) and gone.get(stroke.key, False):
                self.removed.add(stroke.event)

    def _in_force(
        self,
        contents: Contents,
        columns: Mapping[str, np.ndarray],
        inside: np.ndarray,
        first: int,
        last: dict[str, int],
    ) -> None:
        """Note the last context of each type inside of a range."""
        if "code" not in columns:
            return
        for place in inside[columns["kind"][inside] == EventKind.CONTEXT].tolist():
            context_type, _value = contents.contexts.get(int(columns["code"][place]), ("", None))
            last[context_type] = first + place

    def _keep_in_force(self, contents: Contents, last: dict[str, int], t: int) -> None:
        """Keep the contexts that hold on behind a range, from its end on."""
        for event in last.values():
            span = next((span for span in contents.spans if span.first <= event < span.last), None)
            if span is None or span.t1 > t:
                self.removed.discard(event)
                self.moved[event] = t

    def forget(self, contents: Contents, entries: Sequence[Entry], blocks: Any) -> None:
        """Find the contexts and payloads whose values go: only events that go refer to them, or were beside them."""
        kept: dict[str, set[int]] = {"context": set(), "payload": set()}
        gone: dict[str, set[int]] = {"context": set(), "payload": set()}
        removed = np.array(sorted(self.removed), np.int64)
        part: BlockPart
        for part in blocks:
            columns = part.columns((*_CONTEXT_COLUMNS, "payload", "kind"))
            goes = np.isin(np.arange(part.first, part.first + part.block.events), removed)
            for rows, found in ((~goes, kept), (goes, gone)):
                taken = {name: values[rows] for name, values in columns.items()}
                found["context"].update(_contexts_in(taken, contents.contexts))
                found["payload"].update(np.unique(taken.get("payload", removed[:0])).tolist())
        for entry in entries:
            if isinstance(entry, (Context, Payload)) and {entry.position - 1, entry.position} <= self.removed:
                gone["context" if isinstance(entry, Context) else "payload"].add(entry.index)
        self.contexts = gone["context"] - kept["context"]
        self.payloads = gone["payload"] - kept["payload"]

    @property
    def is_empty(self) -> bool:
        """Whether no event goes and nothing is erased."""
        return not (self.removed or self.holes or self.moved)


def _contexts_in(columns: Mapping[str, np.ndarray], contexts: Mapping[int, tuple[str, Any]]) -> set[int]:
    """Return the contexts that events refer to."""
    found: set[int] = set()
    for name in _CONTEXT_COLUMNS[1:]:
        if name in columns:
            found.update(np.unique(columns[name]).tolist())
    if "code" in columns:
        kinds, codes = columns["kind"], columns["code"]
        # The number of a key or a button may be that of a context too, and mean nothing by it.
        is_key = np.isin(kinds, KEY_KINDS)
        is_input = is_key | (kinds < EventKind.KEY_DOWN)
        found.update(np.unique(codes[~is_input]).tolist())
        found.update(
            code for code in np.unique(codes[is_key]).tolist() if contexts.get(code, ("",))[0] == "key"
        )
        found.update(
            code - _BUTTONS
            for code in np.unique(codes[is_input & ~is_key]).tolist()
            if contexts.get(code - _BUTTONS, ("",))[0] == "button"
        )
    return found

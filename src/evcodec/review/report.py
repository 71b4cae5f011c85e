"""What is in a recording, for the person it is of: spans by application, gaps, purpose, who may read. No content of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..entries import Anchor, Entry, Gap, GapReason, reason_name
from ..errors import InvalidArgumentError
from ..governance import is_past_retention
from ..inputs import PipeInput, SeekableInput, open_input
from ..keyrecord import group_name
from ..keyring import Keyring
from ..schema import ColumnGroup, EventKind, kind_name
from .parts import Streams
from .plan import Contents
from .spans import UNKNOWN_APPLICATION, Span
from .typed import Passage

# Of such a time nothing is there, whatever was in front before it.
_ALL_GONE = (
    GapReason.PAUSED,
    GapReason.NOT_LISTED,
    GapReason.ERASED,
    GapReason.SUSPENDED,
    GapReason.INDICATOR_LOST,
)
EVERYBODY = "whoever has the file"


@dataclass
class Reviewed:
    """What is in a recording; all but ``passages`` is without content.

    Attributes
    ----------
    spans : list of Span
    gaps : list of Gap
    anchors : list of Anchor
    governance : dict
        Of the first stream: purpose, retention, notice, recipients, as far as it states them.
    readers : dict of str to str
        Who can read which column group.
    events : int
    start, stop : int or None
        Smallest and largest time of the spans.
    assumed : set of str
        What had to be assumed to tell keys.
    passages : list of (application, Passage)
        What was typed, where it was asked for.
    """

    spans: list[Span] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    anchors: list[Anchor] = field(default_factory=list)
    governance: dict[str, Any] = field(default_factory=dict)
    readers: dict[str, str] = field(default_factory=dict)
    events: int = 0
    start: int | None = None
    stop: int | None = None
    assumed: set[str] = field(default_factory=set)
    passages: list[tuple[str, Passage]] = field(default_factory=list)

    def wall_ns(self, t: int) -> int | None:
        """Return the wall clock at ``t``, from the last anchor before it, or else the first; None without one."""
        if not self.anchors:
            return None
        near = max(
            (anchor for anchor in self.anchors if anchor.t <= t), key=lambda anchor: anchor.t, default=None
        )
        near = near or min(self.anchors, key=lambda anchor: anchor.t)
        return near.wall_ns + t - near.t

    def t_of_wall(self, wall_ns: int) -> int | None:
        """Return the time of the session clock at a time of the wall clock; None without an anchor."""
        if not self.anchors:
            return None
        near = max(
            (anchor for anchor in self.anchors if anchor.wall_ns <= wall_ns),
            key=lambda anchor: anchor.wall_ns,
            default=None,
        )
        near = near or min(self.anchors, key=lambda anchor: anchor.wall_ns)
        return near.t + wall_ns - near.wall_ns

    @property
    def is_past_retention(self) -> bool:
        """Whether the recording should have been deleted by now."""
        return is_past_retention(self.governance)

    def gap_totals(self) -> dict[str, tuple[int, int]]:
        """Return how many gaps there are of each reason, and how long they are together, in ns."""
        found: dict[str, tuple[int, int]] = {}
        for gap in self.gaps:
            count, length = found.get(reason_name(gap.reason), (0, 0))
            found[reason_name(gap.reason)] = count + 1, length + gap.t1 - gap.t0
        return found

    def in_front(self, span: Span) -> int:
        """Return how long a span is in ns without what was not recorded of it at all: pauses, other applications, sleep."""
        length, at = span.t1 - span.t0, span.t0
        for t0, t1 in sorted((gap.t0, gap.t1) for gap in self.gaps if gap.reason in _ALL_GONE):
            length -= max(min(t1, span.t1) - max(t0, at), 0)
            at = max(at, t1)
        return length

    def applications(self) -> list[Application]:
        """Return the spans of each application together, the longest first."""
        found: dict[str, Application] = {}
        for span in self.spans:
            found.setdefault(span.application, Application(span.application)).add(span, self.in_front(span))
        return sorted(found.values(), key=lambda application: -application.length)

    def plain(self) -> dict[str, Any]:
        """Return all but what was typed, in terms of JSON."""
        return {
            "events": self.events,
            "start": self.start,
            "stop": self.stop,
            "purpose": self.governance.get("purpose"),
            "notice_id": self.governance.get("notice_id"),
            "retain_until_ns": self.governance.get("retain_until_ns"),
            "is_past_retention": self.is_past_retention,
            "readers": self.readers,
            "spans": [
                {
                    "application": span.application or None,
                    "t0": span.t0,
                    "t1": span.t1,
                    "length_ns": self.in_front(span),
                    "wall_ns": self.wall_ns(span.t0),
                    "kinds": {kind_name(kind): count for kind, count in sorted(span.kinds.items())},
                    "keys_full": span.keys_full,
                    "keys_class": span.keys_class,
                }
                for span in self.spans
            ],
            "gaps": [
                {"reason": reason_name(gap.reason), "t0": gap.t0, "t1": gap.t1, "lost": gap.lost}
                for gap in self.gaps
            ],
            "assumed": sorted(self.assumed),
        }


@dataclass
class Application:
    """The spans of one application together."""

    name: str
    spans: int = 0
    length: int = 0
    kinds: Counter[int] = field(default_factory=Counter)
    keys_full: int = 0
    keys_class: int = 0

    def add(self, span: Span, length: int) -> None:
        """Add a span that was in front for so long."""
        self.spans += 1
        self.length += length
        self.kinds += span.kinds
        self.keys_full += span.keys_full
        self.keys_class += span.keys_class

    @property
    def clicks(self) -> int:
        """Presses of buttons."""
        return self.kinds[EventKind.BUTTON_DOWN]

    @property
    def choices(self) -> int:
        """Items of menus chosen, and values committed."""
        return self.kinds[EventKind.ITEM_SELECT] + self.kinds[EventKind.VALUE_COMMIT]


@contextmanager
def opened(source: Any) -> Iterator[SeekableInput]:
    """Open what can be read more than once."""
    taken = open_input(source)
    try:
        if isinstance(taken, PipeInput):
            raise InvalidArgumentError(f"{taken.name}: found a pipe, allowed: a path, bytes, a seekable file")
        yield taken
    finally:
        taken.close()


def review(source: Any, *, show_text: bool = False, keys: Any = None) -> Reviewed:
    """Return what is in a recording, without what was typed, unless that is asked for.

    Parameters
    ----------
    source : path, seekable binary file object, or bytes-like
    show_text : bool
        Rebuild what was typed, too: for the eyes of the person who typed it.

    keys
        As in `Reader`; encrypted groups that they do not open are left out.

    Raises
    ------
    InvalidArgumentError
        The source is a pipe.
    CorruptDataError, TruncatedDataError, UnsupportedVersionError, LimitExceededError
        It is damaged.
    OSError
        It cannot be read.
    """
    result = Reviewed()
    with opened(source) as taken:
        streams = Streams(taken, Keyring(keys, "skip"))
        result.governance = streams.headers[0].governance
        for number in range(len(streams.headers)):
            entries = streams.entries(number)
            contents = Contents.of(entries, streams.blocks(number))
            _add(result, contents, entries)
            if show_text:
                typing = contents.typing(set(), 0)
                result.passages += [(_front(contents.spans, at), at) for at in typing.passages]
        encrypted = {
            group_name(group): ", ".join(ids) or "nobody" for group, ids in streams.encrypted().items()
        }
        result.readers = {group.name.lower(): EVERYBODY for group in ColumnGroup} | encrypted
    result.start = min((span.t0 for span in result.spans), default=None)
    result.stop = max((span.t1 for span in result.spans), default=None)
    return result


def _add(result: Reviewed, contents: Contents, entries: Sequence[Entry]) -> None:
    result.spans += contents.spans
    result.events += contents.events
    result.assumed |= contents.strokes.assumed
    result.gaps += [entry for entry in entries if isinstance(entry, Gap)]
    result.anchors += [entry for entry in entries if isinstance(entry, Anchor)]


def _front(spans: Sequence[Span], passage: Passage) -> str:
    """Return the application in front when a passage began."""
    for span in spans:
        if span.t0 <= passage.start <= span.t1:
            return span.application
    return UNKNOWN_APPLICATION

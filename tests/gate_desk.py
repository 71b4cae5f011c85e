"""A desk without a screen: what sources would tell a gate, in rounds as the recorder makes them, and what the gate passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evcodec import EventBatch, EventKind
from evcodec.capture.gate import Gate, Timing
from evcodec.capture.model import (
    Application,
    Field,
    FieldConfirmed,
    FieldFocused,
    InputEvents,
    Observed,
    PointerEntered,
    Secrecy,
    Window,
    WindowFocused,
)
from evcodec.capture.passed import Passed, PassedContext, PassedEvents, PassedGap
from evcodec.capture.policy import Accessibility, ApplicationRule, Elements, Keys, Policy, Title, Values
from evcodec.schema import ColumnGroup

MS = 1_000_000
ROUND = 8 * MS

EDITOR = Application(executable="/usr/bin/editor", window_class="Editor", pid=11)
OTHER = Application(executable="/usr/bin/other", window_class="Other", pid=12)
TERMINAL = Application(executable="/usr/bin/terminal", window_class="Terminal", pid=13)
BROWSER = Application(executable="/usr/lib/chromium/chromium", window_class="Chromium", pid=14)
UNLISTED = Application(executable="/usr/bin/bank", window_class="Bank", pid=15)

EDITOR_RULE = ApplicationRule(
    executables=("/usr/bin/editor",),
    pointer=True,
    keys=Keys.FULL,
    title=Title.KEEP,
    elements=Elements.NAME,
    values=Values.KEEP,
)
OTHER_RULE = ApplicationRule(executables=("/usr/bin/other",), pointer=True, keys=Keys.FULL)
TERMINAL_RULE = ApplicationRule(
    executables=("/usr/bin/terminal",),
    pointer=True,
    keys=Keys.CLASS,
    accessibility=Accessibility.NONE,
    accepted_by="owner",
)
BROWSER_RULE = ApplicationRule(
    executables=("/usr/lib/chromium/chromium",),
    origins=("https://books.example.org",),
    pointer=True,
    keys=Keys.FULL,
    title=Title.KEEP,
    elements=Elements.NAME,
    values=Values.KEEP,
)

# Columns that sources give, with their dtypes.
DTYPES = {
    "t": "i8", "kind": "u1", "x": "i4", "y": "i4", "code": "i4", "dx": "i4", "dy": "i4", "source": "u2", "os_time": "i8",
    "flags": "u2", "scroll_source": "u1", "keysym": "u4", "modifiers": "u4", "layout": "u2", "key_class": "u1",
}  # fmt: skip


def policy(*rules: ApplicationRule, **changes: Any) -> Policy:
    """Return a policy of all column groups."""
    values = {"digest": "sha256:0", "purpose": "tests", "notice_id": "n", "groups": frozenset(ColumnGroup)}
    return Policy(**{**values, "applications": rules, **changes})


def plain(id_: str = "f", application: Application = EDITOR, **changes: Any) -> Field:
    """Return a plain field of an application."""
    return Field(id=id_, **{"role": "text", "secrecy": Secrecy.PLAIN, "pid": application.pid, **changes})


def secure(id_: str = "s", application: Application = EDITOR, **changes: Any) -> Field:
    """Return a field for a password."""
    return plain(id_, application, role="password text", secrecy=Secrecy.SECURE, **changes)


def window(application: Application = EDITOR, id_: int = 1, title: str | None = "A letter") -> Window:
    """Return a window."""
    return Window(id=id_, application=application, title=title)


def events(rows: list[dict[str, int]]) -> EventBatch:
    """Return rows as a source gives them."""
    return EventBatch(
        **{name: np.array([row.get(name, 0) for row in rows], dtype) for name, dtype in DTYPES.items()}
    )


def move(t: int, x: int = 5, y: int = 6) -> dict[str, int]:
    """Return a motion."""
    return {"t": t, "kind": EventKind.MOVE, "x": x, "y": y, "source": 1, "os_time": t // MS, "dx": 1}


def key(t: int, code: int, kind: EventKind = EventKind.KEY_DOWN, **more: int) -> dict[str, int]:
    """Return a key, of which everything tells which one it is."""
    return {
        "t": t, "kind": kind, "code": code, "source": 2, "os_time": t // MS, "keysym": 1000 + code, "modifiers": 1,
        "layout": 1, "key_class": 1, **more,
    }  # fmt: skip


def typed(t: int, code: int, held: int = 40 * MS) -> list[dict[str, int]]:
    """Return a key that goes down and up."""
    return [key(t, code), key(t + held, code, EventKind.KEY_UP)]


@dataclass
class Desk:
    """A gate in its rounds: what is scheduled is observed in the first round after its time.

    ``answers`` says what an application answers when it is asked: (delay in ns, whether it has the focus), or None.
    """

    policy: Policy
    timing: Timing = field(default_factory=Timing)
    answers: Callable[[str, int], tuple[int, bool] | None] = lambda _id, _t: (5 * MS, True)
    start_t: int = 0
    heard_t: Callable[[], int | None] = lambda: None

    def __post_init__(self) -> None:
        self.gate = Gate(self.policy, self.start_t, title_key=b"k" * 32, timing=self.timing)
        self.now = self.start_t
        self.passed: list[Passed] = []
        self.asked: list[tuple[int, str]] = []
        self._scheduled: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        self.given: list[EventBatch] = []

    def at(self, t: int, call: Callable[[], None]) -> None:
        """Do something in the first round after ``t``, before events of that time, as a source would tell it."""
        self._count += 1
        self._scheduled.append((t, self._count - (1 << 40), call))

    def tell(self, *news: Observed) -> None:
        """Schedule news for the time that they state."""
        for one in news:
            self.at(one.t, lambda one=one: self.gate.observe(one))

    def input(self, *rows: dict[str, int], late: int = 0) -> None:
        """Schedule events, each in a batch of its own round."""
        for row in rows:
            self._count += 1
            self._scheduled.append((row["t"] + late, self._count, lambda row=row: self.give([row])))

    def give(self, rows: list[dict[str, int]]) -> None:
        """Give events to the gate, and remember their arrays."""
        batch = events(rows)
        self.given.append(batch)
        self.gate.observe(InputEvents(batch=batch))

    def run(self, until: int) -> None:
        """Make rounds."""
        while self.now < until:
            self.now += ROUND
            self.round()

    def round(self) -> None:
        """Read what has come, ask, release."""
        due = sorted(one for one in self._scheduled if one[0] <= self.now)
        self._scheduled = [one for one in self._scheduled if one[0] > self.now]
        for _, _, call in due:
            call()
        asked = self.gate.question(self.now)
        if asked is not None:
            self.asked.append((self.now, asked))
            answer = self.answers(asked, self.now)
            if answer is not None:
                self.tell(
                    FieldConfirmed(
                        t=self.now + answer[0],
                        asked_t=self.now,
                        field_id=asked,
                        is_focused=answer[1],
                        heard_t=self.heard_t(),
                    )
                )
        self.passed += self.gate.release(self.now)

    def finish(self) -> list[Passed]:
        """End it and return all that passed."""
        self.passed += self.gate.finish(self.now)
        return self.passed

    # ---- what passed ----

    @property
    def rows(self) -> list[dict[str, int]]:
        """Events that passed, in order."""
        return [row for one in self.passed if isinstance(one, PassedEvents) for row in one.batch]

    @property
    def codes(self) -> list[int]:
        """Codes of keys that went down, passed."""
        return [row["code"] for row in self.rows if row["kind"] == EventKind.KEY_DOWN]

    @property
    def moves(self) -> list[int]:
        """Times of motions that passed, in ms."""
        return [row["t"] // MS for row in self.rows if row["kind"] == EventKind.MOVE]

    @property
    def gaps(self) -> list[tuple[str, int, int]]:
        """Gaps that were told: reason, and from when to when, in ms."""
        return [
            (one.reason.name, one.t0 // MS, one.t1 // MS) for one in self.passed if isinstance(one, PassedGap)
        ]

    @property
    def contexts(self) -> list[tuple[int, str, dict[str, Any]]]:
        """Contexts that were told: when, in ms, of what type, and what."""
        return [
            (one.t // MS, one.context_type, one.value)
            for one in self.passed
            if isinstance(one, PassedContext)
        ]


LISTED = policy(EDITOR_RULE, OTHER_RULE, TERMINAL_RULE, BROWSER_RULE)


def desk(
    *rules: ApplicationRule, application: Application = EDITOR, field: Field | None = None, **changes: Any
) -> Desk:
    """Return a desk where an application has the focus and the pointer since the beginning, by default in a plain field."""
    made = Desk(policy(*rules) if rules else LISTED, **changes)
    made.tell(
        WindowFocused(t=0, window=window(application)),
        PointerEntered(t=0, application=application),
        FieldFocused(t=0, field=plain(application=application) if field is None else field),
    )
    return made

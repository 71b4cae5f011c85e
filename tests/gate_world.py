"""A desk made up at random, with what was really so at each moment. It knows nothing of how the gate decides.

A person acts; a window manager, applications that take their input in order (or hang for seconds) and an accessibility bus
tell of it late; a recorder reads all that in rounds, or stands still.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

from evcodec import EventKind
from evcodec.capture.gate import Gate
from evcodec.capture.model import (
    Application,
    Field,
    FieldConfirmed,
    FieldFocused,
    InputEvents,
    KeyboardGrabbed,
    Observed,
    PointerEntered,
    Secrecy,
    Sense,
    SenseLost,
    SenseRegained,
    WindowFocused,
)
from evcodec.capture.passed import Passed
from gate_desk import (
    BROWSER,
    BROWSER_RULE,
    EDITOR,
    EDITOR_RULE,
    MS,
    OTHER,
    OTHER_RULE,
    ROUND,
    TERMINAL,
    TERMINAL_RULE,
    UNLISTED,
    events,
    key,
    move,
    plain,
    policy,
    secure,
    window,
)

RULES = policy(EDITOR_RULE, OTHER_RULE, TERMINAL_RULE, BROWSER_RULE)
PLACES = (EDITOR, EDITOR, OTHER, TERMINAL, BROWSER, UNLISTED, None)
PAGE = "https://books.example.org"
# How late an application tells of its focus, and how late when it has just woken: then it was not the telling that was slow.
LATEST, LATEST_AWAKE = 80, 55
# How long nothing may have the focus between two elements, as far as news of both can tell.
NOWHERE = (30 + LATEST) * MS
# How long before and after a key nothing else may happen, so that it has to pass.
CALM_BEFORE, CALM_AFTER = 250 * MS, 900 * MS


def fields_of(application: Application) -> tuple[Field | None, ...]:
    """Return what may have the focus in an application, beginning with what has it first."""
    if application is TERMINAL:
        return (None,)
    name = application.window_class or ""
    if application is BROWSER:
        return (
            plain("b1", BROWSER, origin=PAGE),
            secure("b2", BROWSER, origin=PAGE),
            plain("b3", BROWSER, origin="https://bank.example.org"),
            plain("b4", BROWSER),
        )
    return (
        plain(f"{name}1", application),
        secure(f"{name}2", application),
        plain(f"{name}3", application),
        None,
    )


def is_harmless(application: Application | None, element: Field | None) -> bool:
    """Tell whether a key that went there may be recorded in full."""
    if application not in (EDITOR, OTHER, BROWSER) or element is None or element.role != "text":
        return False
    return application is not BROWSER or element.origin == PAGE


@dataclass
class App:
    """An application that takes its input in order."""

    application: Application
    focus: Field | None
    waiting: deque[tuple[str, Any]] = field(default_factory=deque)
    hung_until: int = 0
    # Keys that were taken while nothing had the focus, since when, and what had it before.
    nowhere: list[Struck] = field(default_factory=list)
    nowhere_t: int = 0
    before: Field | None = None

    def move_focus(self, element: Field | None, now: int) -> None:
        """Give another element the focus."""
        if self.focus is not None and element is None:
            self.nowhere, self.nowhere_t, self.before = [], now, self.focus
        elif self.focus is None and element is not None and now - self.nowhere_t <= NOWHERE:
            for struck in self.nowhere:
                struck.is_between = all(is_harmless(self.application, one) for one in (self.before, element))
        self.focus = element


@dataclass
class Struck:
    """A key: what was so when it was struck, and in which field it was taken."""

    t: int
    application: Application | None
    is_seen: bool  # nobody has paused, windows and input are seen, and the keyboard is in nobody's hands
    are_fields_seen: bool
    element: Field | None = None
    is_taken: bool = False
    # The element had no focus for a moment only, between two that are harmless.
    is_between: bool = False

    @property
    def is_harmless(self) -> bool:
        """Whether it has to be recorded in full."""
        return (
            self.is_seen
            and self.are_fields_seen
            and self.is_taken
            and is_harmless(self.application, self.element)
        )

    @property
    def may_be_full(self) -> bool:
        """Whether it may be recorded in full."""
        return self.is_harmless or (
            self.is_seen and self.are_fields_seen and self.is_taken and self.is_between
        )

    @property
    def may_have_class(self) -> bool:
        """Whether its class may be recorded."""
        return self.may_be_full or (self.is_seen and self.application is TERMINAL)


class World:
    """All of it, and the gate."""

    def __init__(self, seed: int, rules: Any = RULES) -> None:
        self.rng = random.Random(seed)
        self.now = 0
        self.gate = Gate(rules, 0, title_key=b"k" * 32)
        self.passed: list[Passed] = []
        self.keys: dict[int, Struck] = {}  # by code
        self.moves: dict[int, bool] = {}  # by x: whether it may be recorded
        self.given: list[Any] = []
        self.upset: list[tuple[int, int]] = []
        self.apps = {one.pid: App(one, fields_of(one)[0]) for one in PLACES if one is not None}
        self.front: Application | None = EDITOR
        self.over: Application | None = EDITOR
        self.is_grabbed = self.is_paused = False
        self.lost: set[Sense] = set()
        self.stall_until = 0
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        self._rows: list[dict[str, int]] = []
        self._news: list[Callable[[int], Observed]] = []
        self._told: dict[str, int] = {}
        self._look = 0
        self._tell_windows()
        self._tell_focus(self.apps[EDITOR.pid], 0)
        self.at(ROUND, self._round)

    # ---- time ----

    def at(self, t: int, call: Callable[[], None]) -> None:
        """Do something at a time."""
        self._count += 1
        heappush(self._due, (t, self._count, call))

    def run(self, until: int) -> None:
        """Let time pass."""
        while self._due and self._due[0][0] <= until:
            self.now, _, call = heappop(self._due)
            call()
        self.now = until

    # ---- what the person does; each takes two numbers ----

    def type(self, count: int, every: int) -> None:
        """Strike keys."""
        for at in range(1 + count % 4):
            self.at(self.now + at * (every % 40) * MS + 1 + at, self._strike)

    def _strike(self) -> None:
        code = 1 + len(self.keys)
        is_seen = not (self.is_grabbed or self.is_paused or self.lost & {Sense.WINDOWS, Sense.INPUT})
        self.keys[code] = Struck(self.now, self.front, is_seen, Sense.FIELDS not in self.lost)
        self._rows += [key(self.now, code), key(self.now + 1, code, EventKind.KEY_UP)]
        if self.front is not None and not self.is_grabbed:
            self._send(self.apps[self.front.pid], "key", code)

    def move(self, _a: int, _b: int) -> None:
        """Move the pointer."""
        x = 1 + len(self.moves)
        listed = (EDITOR, OTHER, TERMINAL, BROWSER)
        self.moves[x] = (
            self.front in listed
            and self.over in listed
            and not (self.over is BROWSER and self.front is not BROWSER)
            and not self.is_paused
            and not self.lost & {Sense.WINDOWS, Sense.INPUT}
        )
        self._rows.append(move(self.now, x=x))

    def switch(self, which: int, late: int) -> None:
        """Give another window the focus."""
        self._upset()
        self.front = PLACES[which % len(PLACES)]
        self._tell_windows(late % 20)
        if self.front is not None:
            self._send(self.apps[self.front.pid], "front", None)

    def refocus(self, which: int, _b: int) -> None:
        """Move the focus inside of the application in front."""
        if self.front is None:
            return
        app = self.apps[self.front.pid]
        fields = fields_of(app.application)
        self._upset()
        self._send(app, "focus", fields[which % len(fields)])

    def point(self, which: int, _b: int) -> None:
        """Move the pointer over another window."""
        self.over = PLACES[which % len(PLACES)]
        self._tell_pointer()

    def grab(self, _a: int, late: int) -> None:
        """Take the keyboard, or give it back."""
        self._upset()
        is_grabbed = self.is_grabbed = not self.is_grabbed
        self._tell("x11", late % 10, lambda t: KeyboardGrabbed(t=t, is_grabbed=is_grabbed))

    def pause(self, _a: int, _b: int) -> None:
        """Pause, or go on."""
        self._upset()
        self.is_paused = not self.is_paused
        (self.gate.pause if self.is_paused else self.gate.resume)(self.now)

    def hang(self, length: int, _b: int) -> None:
        """Let the application in front hang."""
        if self.front is not None:
            self.apps[self.front.pid].hung_until = self.now + length * 11 * MS
            self._upset(length * 11 * MS)

    def stall(self, length: int, _b: int) -> None:
        """Let the recorder stand still."""
        self.stall_until = self.now + length * 7 * MS
        self._upset(length * 7 * MS)

    def blind(self, which: int, late: int) -> None:
        """Lose a sense, or find it again."""
        self._upset()
        sense, since = [*Sense][which % 3], self.now
        source = "bus" if sense is Sense.FIELDS else "x11"
        if sense in self.lost:
            self.lost.discard(sense)
            self._tell(source, 0, lambda t: SenseRegained(t=t, sense=sense))
            self._tell_windows()
            for app in self.apps.values():
                if app.application is self.front:
                    self._tell_focus(app, 0)
        else:
            self.lost.add(sense)
            self._tell(source, late % 50, lambda t: SenseLost(t=t, sense=sense, since_t=since, why="gone"))

    def _upset(self, length: int = 0) -> None:
        self.upset.append((self.now, self.now + length))

    # ---- what applications do ----

    def _send(self, app: App, what: str, value: Any) -> None:
        app.waiting.append((what, value))
        self.at(max(self.now, app.hung_until) + self.rng.choice((0, 0, 2, 6)) * MS, lambda: self._take(app))

    def _take(self, app: App) -> None:
        if self.now < app.hung_until:
            self.at(app.hung_until + self.rng.choice((0, 2, 6)) * MS, lambda: self._take(app))
            return
        while app.waiting:
            what, value = app.waiting.popleft()
            if what == "key":
                struck = self.keys[value]
                struck.element, struck.is_taken = app.focus, True
                if app.focus is None:
                    app.nowhere.append(struck)
                continue
            if what == "focus":
                app.move_focus(value, self.now)
            if self.front is app.application:
                has_hung = self.now - app.hung_until < 200 * MS
                self._tell_focus(app, self.rng.randrange(LATEST_AWAKE if has_hung else LATEST))

    def _tell_focus(self, app: App, late: int) -> None:
        element = app.focus
        if app.application is TERMINAL or Sense.FIELDS in self.lost:
            return
        look = self._look = self._look + 1
        if element is None or self.rng.random() < 0.4:
            self._tell("bus", late, lambda t: FieldFocused(t=t, field=element))
            return
        # First that the focus is on its way, then where it is, and what that is when it has been looked at.
        unknown = Field(id=element.id, role="unknown", secrecy=Secrecy.UNKNOWN)
        self._tell("bus", late, lambda t: FieldFocused(t=t, field=None))
        self._tell("bus", late + self.rng.choice((0, 1, 5)), lambda t: FieldFocused(t=t, field=unknown))

        def found() -> None:
            if look == self._look and Sense.FIELDS not in self.lost:
                self._news.append(lambda t: FieldFocused(t=t, field=element))

        self.at(self._told["bus"] + self.rng.choice((1, 8, 40, 150)) * MS, found)

    def _tell_windows(self, late: int = 0) -> None:
        if Sense.WINDOWS in self.lost:
            return
        front = self.front
        focused = None if front is None else window(front, front.pid or 0, title=f"of {front.pid}")
        self._tell("x11", late, lambda t: WindowFocused(t=t, window=focused))
        self._tell_pointer()

    def _tell_pointer(self) -> None:
        over = self.over
        if Sense.WINDOWS not in self.lost:
            self._tell("x11", 0, lambda t: PointerEntered(t=t, application=over))

    def _answer(self, field_id: str, asked_t: int) -> None:
        """Let whoever has the field answer as soon as it is awake, before it takes what waits."""
        for app in self.apps.values():
            if any(one is not None and one.id == field_id for one in fields_of(app.application)):
                delay = max(self.now + self.rng.choice((1, 5, 30)) * MS, app.hung_until)

                def answer(app: App = app) -> None:
                    if self.now < app.hung_until:
                        self.at(app.hung_until, answer)
                        return
                    is_focused = app.focus is not None and app.focus.id == field_id
                    self._tell(
                        "bus",
                        0,
                        lambda t: FieldConfirmed(
                            t=t, asked_t=asked_t, field_id=field_id, is_focused=is_focused
                        ),
                    )

                # Ahead of whatever else waits for it to wake.
                heappush(self._due, (delay, -self._count, answer))
                self._count += 1

    # ---- what the recorder does ----

    def _tell(self, source: str, late: int, make: Callable[[int], Observed]) -> None:
        """Let a source have news in ``late`` ms, behind what it had before."""
        t = self._told[source] = max(self.now + late * MS, self._told.get(source, 0))
        self.at(t, lambda: self._news.append(make))

    def _round(self) -> None:
        self.at(self.now + ROUND, self._round)
        if self.now < self.stall_until:
            return
        t = self.now
        rows = [row for row in self._rows if row["t"] <= t]
        self._rows = [row for row in self._rows if row["t"] > t]
        news, self._news = self._news, []
        calls: list[Callable[[], None]] = [
            lambda make=make: self.gate.observe(make(t + 1000)) for make in news
        ]
        if rows:
            batch = events(sorted(rows, key=lambda row: row["t"]))
            self.given.append(batch)
            calls.insert(
                self.rng.randrange(len(calls) + 1), lambda: self.gate.observe(InputEvents(batch=batch))
            )
        for call in calls:
            call()
        asked = self.gate.question(t)
        if asked is not None:
            self._answer(asked, t)
        self.passed += self.gate.release(t)

    def finish(self) -> None:
        """End the recording."""
        self.passed += self.gate.finish(self.now)

    def is_calm(self, struck: Struck) -> bool:
        """Tell whether nothing happened around a key that could cost it."""
        return all(end < struck.t - CALM_BEFORE or begin > struck.t + CALM_AFTER for begin, end in self.upset)

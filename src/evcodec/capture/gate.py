"""The gate: what sources observe goes in, what may be recorded comes out, everything else is wiped. No I/O, no clock."""

from __future__ import annotations

from collections import deque

import numpy as np

from ..batch import EventBatch
from ..entries import GapReason
from .confirming import Confirming
from .decision import Desktop, is_pending
from .gate_state import GateState, Recording, state_of
from .held import Fate, Key, Note, Queue, Run, drop_all, split
from .keygate import LASTING, KeyGate
from .model import (
    DeviceFound,
    DisplaysChanged,
    ElementActed,
    EventsLost,
    Field,
    FieldConfirmed,
    FieldFocused,
    InputEvents,
    KeyboardGrabbed,
    Observed,
    PointerEntered,
    Sense,
    SenseLost,
    SenseRegained,
    WindowFocused,
    wipe,
)
from .passed import Passed, PassedDevice, PassedEvents, PassedGap
from .policy import Policy, Title
from .teller import Teller
from .timeline import Change, CoarseGaps, GapLine, Timeline
from .timing import Timing

__all__ = ["Gate", "GateState", "Recording", "Timing"]

# How soon `wake_t` comes again when something could have been decided and was not.
_AGAIN_NS = 8_000_000
_MOST_NOTES = 1 << 14


class Gate:
    """Decides what of the observations of sources may be recorded.

    Parameters
    ----------
    policy : Policy
    t : int
        When recording starts; nothing before it passes.
    title_key : bytes
        32 random bytes, made for this recording and forgotten after it, under which titles are digested.
    timing : Timing, optional

    Notes
    -----
    Closed by default: until it is told that a listed window has the focus, nothing passes. Use it from one thread, as
    ``now_t = clock(); read all sources; observe() each; question(now_t); release(now_t)``, often while anything is
    held (`wake_t`): a change reaches back to the round before, so longer rounds drop more beside each. All times are
    ns of CLOCK_MONOTONIC. Nothing raises for what sources give, and nothing is logged. Columns other than those of
    `held` do not pass, nor do positions of keys and key columns of pointer events; everything else of what passes is
    as it was, but for a policy's ``key_quantum_ns`` and classes.
    """

    def __init__(self, policy: Policy, t: int, *, title_key: bytes, timing: Timing | None = None) -> None:
        self._policy = policy
        self._timing = timing or Timing()
        # All that the sources had at this time was observed.
        self._now_t = t
        self._desktop = Desktop(policy)
        self._timeline = Timeline(t, self._desktop.judge())
        self._queue = Queue()
        self._notes = 0
        self._confirming = Confirming(self._timing)
        self._unconfirmed = CoarseGaps(GapReason.UNCONFIRMED, t)
        self._key_gate = KeyGate(
            self._timeline, self._confirming, self._unconfirmed, self._timing, policy.key_quantum_ns
        )
        self._field_t = t
        self._title_t = t
        # Asked about it in vain: there is nothing new to be told before a key or another field.
        self._is_title_unheard = False
        self._gap_lines = (
            GapLine(t, lambda verdict: verdict.reason),
            GapLine(t, lambda verdict: verdict.pointer_reason),
            GapLine(t, lambda verdict: verdict.keys_reason if verdict.keys_reason in LASTING else None),
        )
        for line in self._gap_lines:
            line.change(self._timeline.last, [])
        self._untold_changes: deque[Change] = deque()
        # The last change that was one of the focused field, and when it may have been heard of first.
        self._field_news: tuple[Change, int] | None = None
        self._lost_devices: dict[int, int] = {}
        self._ready: list[Passed] = []
        self._teller = Teller(policy, title_key)
        self._is_finished = False

    # ---- what is told to it ----

    def observe(self, observed: Observed) -> None:
        """Take what a source has read; the arrays of a batch belong to the gate from now on, which wipes what it drops.

        `HotkeyPressed` changes nothing: who owns the loop calls `pause` or `resume`, and tells the indicator.
        """
        if isinstance(observed, InputEvents):
            self._observe_events(observed.batch)
            return
        desktop = self._desktop
        since_t: int | None = None
        match observed:
            case WindowFocused(window=window):
                if window is not None and window == desktop.window:
                    # Told anew though nothing differs: it was another in between.
                    desktop.window = None
                    self._judge(observed.t)
                elif window is not None:
                    self._forget_title(observed.t)
                desktop.window = window
            case PointerEntered(application=application):
                desktop.pointer_over = application
            case KeyboardGrabbed(is_grabbed=is_grabbed):
                desktop.is_grabbed = is_grabbed
            case FieldFocused(field=field):
                before, desktop.field = desktop.field, field
                self._field_t = observed.t
                if field is None or before is None or field.origin != before.origin:
                    self._forget_title(max(self._title_t, observed.t))
                self._is_title_unheard = False
                if not self._amend(before, observed):
                    # Also where it changes nothing, so that what is learnt of this element is not taken for the one before.
                    self._judge(observed.t, since_t=observed.t)
                    self._field_news = (self._timeline.last, min(observed.t, self._now_t))
                return
            case FieldConfirmed():
                self._observe_answer(observed)
            case DisplaysChanged(displays=displays):
                desktop.displays = displays
                self._hold_note(Note(observed.t))
                return
            case SenseLost():
                since_t = observed.since_t
                self._lose(observed)
            case SenseRegained(sense=sense, device_id=device_id):
                if device_id is None:
                    desktop.lost.discard(sense)
                else:
                    self._regain_device(device_id, observed.t)
            case ElementActed() | EventsLost():
                if isinstance(observed, EventsLost):
                    self._key_gate.lose_track()
                self._hold_note(Note(observed.t, observed))
                return
            case DeviceFound(id=id_, name=name, properties=properties):
                unit = properties.get("time_unit_ns")
                self._key_gate.os_units[id_] = unit if isinstance(unit, int) and unit > 0 else 0
                self._ready.append(PassedDevice(id=id_, name=name, properties=properties))
                return
            case _:
                return
        self._judge(observed.t, since_t)

    def _observe_events(self, batch: EventBatch) -> None:
        if self._is_finished or not len(batch):
            wipe(batch)
            return
        last = self._timeline.last
        is_closed = last.verdict.reason is not None and not last.verdict.is_pending
        if is_closed and int(batch.t.min()) >= last.t:
            # Closed, and no news can open what was before it: not held for a moment.
            if int(batch.kind.max()) > 3:
                self._key_gate.lose_track()
            wipe(batch)
            return
        held = split(batch, self._policy.key_quantum_ns)
        if self._queue.events + len(batch) > self._timing.most_events:
            self._overflow(held)
            return
        for item in held:
            if isinstance(item, Key):
                self._key_gate.add(item)
        if held:
            self._queue.add(held)

    def _overflow(self, held: list[Run | Key | Note]) -> None:
        """Drop events that do not fit; keys among them are not counted."""
        if any(isinstance(item, Key) for item in held):
            self._key_gate.lose_track()
        for run in held:
            if isinstance(run, Run):
                gap = PassedGap(reason=GapReason.QUEUE_FULL, t0=run.t, t1=run.end_t + 1, lost=len(run))
                self._ready.append(gap)
        drop_all(held)

    def _observe_answer(self, news: FieldConfirmed) -> None:
        desktop = self._desktop
        field_id = None if desktop.field is None else desktop.field.id
        if self._confirming.answered(news, field_id, self._field_t):
            # A browser that still is busy with the next page answers for the one before, which has the focus no more.
            self._is_title_unheard = news.heard_t is not None and news.heard_t < self._title_t
            if not self._is_title_unheard and news.asked_t >= self._title_t + self._timing.hold:
                desktop.is_title_known = True
        elif not news.is_focused and news.field_id == field_id and news.asked_t >= self._field_t:
            desktop.field = None
            self._field_t = news.t

    def _forget_title(self, t: int) -> None:
        """Take the window's title for one that may be another page's, until the page that has the focus was confirmed."""
        self._desktop.is_title_known = self._is_title_unheard = False
        self._title_t = t

    def _lose(self, news: SenseLost) -> None:
        desktop = self._desktop
        if news.sense is Sense.INPUT:
            self._key_gate.lose_track()
        if news.device_id is not None:
            self._lost_devices.setdefault(news.device_id, news.since_t)
            return
        desktop.lost.add(news.sense)
        # What was known is old news when the sense is regained.
        if news.sense is Sense.WINDOWS:
            desktop.window = desktop.pointer_over = None
        elif news.sense is Sense.FIELDS:
            desktop.field = None

    def _regain_device(self, device_id: int, t: int) -> None:
        since_t = self._lost_devices.pop(device_id, None)
        if since_t is not None:
            self._ready.append(
                PassedGap(reason=GapReason.BLIND, t0=min(since_t, t), t1=t, device_id=device_id)
            )

    def pause(self, t: int) -> None:
        """Pass nothing from ``t`` on, nor keys that are still held; the same as ``block(GapReason.PAUSED, t)``."""
        self.block(GapReason.PAUSED, t)

    def resume(self, t: int) -> None:
        """End a pause; nothing before ``t`` passes."""
        self.unblock(GapReason.PAUSED, t)

    def block(self, reason: GapReason, t: int, since_t: int | None = None) -> None:
        """Pass nothing from ``t`` on for a reason of the recorder's own: PAUSED, INDICATOR_LOST, BLIND, ...

        ``since_t``, at most ``t``, is when the reason may have begun: nothing from then on passes that has not passed.
        """
        self._desktop.blocks.add(reason)
        self._judge(t, since_t)

    def unblock(self, reason: GapReason, t: int) -> None:
        """End what `block` began, as of ``t``."""
        self._desktop.blocks.discard(reason)
        self._judge(t)

    def suspended(self, t0: int, t1: int) -> None:
        """Say that the machine slept, or a clock jumped, between ``t0`` and ``t1``: nothing of it passes, nor keys held."""
        self._key_gate.lose_track()
        self.block(GapReason.SUSPENDED, t0)
        self.unblock(GapReason.SUSPENDED, t1)

    def _amend(self, before: Field | None, news: FieldFocused) -> bool:
        """Learn more of the last change, if it was one of the focus and nothing has been decided under it.

        An element that has got the focus is looked at, and until then unknown: what it is found to be it was from the start.
        And between two elements of one application none has the focus for a moment.
        """
        if self._field_news is None or not is_pending(before):
            return False
        change, begun_t = self._field_news
        if (
            change is not self._timeline.last
            or not self._untold_changes
            or change is not self._untold_changes[-1]
        ):
            return False
        if before is None:
            if news.field is None or news.t - begun_t > self._timing.transit:
                return False
        elif news.field is None or news.field.id != before.id:
            return False
        change = self._timeline.amend(self._desktop.judge())
        self._untold_changes[-1] = change
        self._field_news = (change, begun_t)
        return True

    def _judge(self, t: int, since_t: int | None = None) -> None:
        """Take note that something has changed; the news may be late by what the sources and the loop are late."""
        verdict = self._desktop.judge()
        if verdict == self._timeline.last.verdict and since_t is None:
            return
        begun_t = min(t, self._now_t, t if since_t is None else since_t)
        change = self._timeline.add(t + self._timing.stamp, begun_t - self._timing.hold, verdict)
        self._untold_changes.append(change)
        self._hold_note(Note(change.t), is_needed=True)

    def _hold_note(self, note: Note, *, is_needed: bool = False) -> None:
        if self._is_finished or (self._notes >= _MOST_NOTES and not is_needed):
            return
        self._notes += 1
        self._queue.add([note])

    # ---- what it asks ----

    def question(self, now_t: int) -> str | None:
        """Return the id of the field to ask about now (`FieldSource.confirm`), or None. It counts as asked at ``now_t``.

        ``now_t`` is as in `release`; it is of the same round.
        """
        self._now_t = max(now_t, self._now_t)
        verdict = self._timeline.last.verdict
        if verdict.confirm is None or not self._confirming.may_ask(verdict.confirm, now_t):
            return None
        if not self._key_gate.wants_answer(now_t) and not self._wants_title(now_t):
            return None
        self._confirming.asked(verdict.confirm, now_t)
        return verdict.confirm

    def _wants_title(self, now_t: int) -> bool:
        rule = self._timeline.last.verdict.rule
        is_open = not self._desktop.is_title_known and not self._is_title_unheard
        is_due = is_open and now_t >= self._title_t + self._timing.hold
        return is_due and rule is not None and bool(rule.origins) and rule.title is not Title.DROP

    def wake_t(self) -> int | None:
        """Return when `release` or `question` may have something new though no source has; None: only when a source has."""
        head, key_t = self._queue.head, self._key_gate.first_t
        times = [] if head is None else [head.end_t]
        if key_t is not None:
            times.append(key_t)
        if not times:
            return self._now_t if self._ready else None
        return max(min(times) + self._timing.hold, self._now_t + _AGAIN_NS)

    @property
    def holds_keys(self) -> bool:
        """Whether a key waits to be decided: then rounds should be short, since it waits for several."""
        return self._key_gate.first_t is not None

    def state(self, now_t: int) -> GateState:
        """Return what is recorded now."""
        return state_of(self._timeline.last.verdict)

    # ---- what comes out ----

    def release(self, now_t: int) -> list[Passed]:
        """Return what may be recorded, in order of time, and wipe what may not.

        Parameters
        ----------
        now_t : int
            A time from *before* the sources were last read: all that they had then was observed. Taken anew for each round;
            when rounds are late, changes that are heard of then reach back to the round before, so that no stall opens anything.

        Returns
        -------
        list of Passed
            In order of time; a gap comes when it is over, one that lasts each minute.
        """
        now_t = self._now_t = max(now_t, self._now_t)
        self._key_gate.decide(now_t)
        due_t = now_t - self._timing.hold
        passed: list[Passed] = []
        head = self._queue.head
        while head is not None and (head.end_t <= due_t or head.t > now_t + self._timing.ahead):
            if self._is_awaited(head.end_t, now_t):
                break
            if isinstance(head, Key):
                if head.fate is Fate.OPEN:
                    break
                if head.fate is Fate.PASSED:
                    passed.append(PassedEvents(batch=head.batch(), has_keys=True))
            elif isinstance(head, Run):
                self._pass_run(head, passed, now_t)
            else:
                self._notes -= 1
                possible = list(self._timeline.possible(head.t))
                self._teller.pass_note(head, possible, self._desktop.displays, passed)
            self._queue.pop()
            head = self._queue.head
        return self._with_gaps(passed, due_t if head is None else min(due_t, head.t))

    def finish(self, t: int) -> list[Passed]:
        """Return the last of what may be recorded, with the gaps that are open, as of ``t``; what is undecided is wiped."""
        self._key_gate.decide(max(t, self._now_t))
        self._key_gate.finish()
        self._is_finished = True
        passed = self.release(t)
        drop_all(self._queue)
        gaps: list[PassedGap] = []
        for change in self._untold_changes:
            for line in self._gap_lines:
                line.change(change, gaps)
        self._untold_changes.clear()
        for line in self._gap_lines:
            line.finish(t, gaps)
        self._unconfirmed.finish(gaps)
        for device_id in list(self._lost_devices):
            self._regain_device(device_id, t)
        ready, self._ready, self._queue = self._ready, [], Queue()
        return [*passed, *ready, *sorted(gaps, key=lambda gap: gap.t1)]

    def _is_awaited(self, t: int, now_t: int) -> bool:
        """Tell whether what closes this time may be known better in a moment: the next field of a page is being looked at."""
        last = self._timeline.last
        is_pending = last.verdict.is_pending and last.verdict.reason is not None
        return is_pending and last.doubt_t <= t and now_t <= last.t + self._timing.hold

    def _pass_run(self, run: Run, passed: list[Passed], now_t: int) -> None:
        timeline = self._timeline
        last = timeline.last
        if run.t > now_t + self._timing.ahead:
            run.wipe()
            passed.append(PassedGap(reason=GapReason.SUSPENDED, t0=now_t, t1=now_t))
        elif last.t <= run.t:
            if last.verdict.pointer:
                passed.append(PassedEvents(batch=run.batch()))
            else:
                run.wipe()
        else:
            t = run.columns["t"]
            edges = np.searchsorted(t, timeline.edges(run.t, run.end_t)).tolist()
            start = 0
            for stop in [*dict.fromkeys(edge for edge in edges if edge), len(run)]:
                part = run.cut(start, stop)
                start = stop
                possible = list(timeline.possible(part.t))
                if possible and all(verdict.pointer for verdict in possible):
                    passed.append(PassedEvents(batch=part.batch()))
                else:
                    part.wipe()

    def _with_gaps(self, passed: list[Passed], until_t: int) -> list[Passed]:
        gaps: list[PassedGap] = []
        while self._untold_changes and self._untold_changes[0].t <= until_t:
            change = self._untold_changes.popleft()
            for line in self._gap_lines:
                line.change(change, gaps)
        for line in self._gap_lines:
            line.reach(until_t, gaps)
        self._unconfirmed.take(until_t, gaps)
        self._timeline.forget(until_t)
        if gaps:
            # Stable, so that what is of one time stays as it was; a gap before what begins at its end.
            passed = sorted([*gaps, *passed], key=_time_of)
        if self._ready:
            passed = [*self._ready, *passed]
            self._ready = []
        return passed


def _time_of(passed: Passed) -> int:
    if isinstance(passed, PassedEvents):
        return int(passed.batch.t[0])
    if isinstance(passed, PassedGap):
        return passed.t1
    return 0 if isinstance(passed, PassedDevice) else passed.t

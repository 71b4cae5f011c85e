"""One recording: what comes to the gate, what the person asks for, what the clocks say, and what goes to the output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ..entries import GapReason
from .clock import ClockWatch, Reading, boot_id, clock_name, read_clocks
from .gate import Gate, GateState, Recording
from .model import FieldSource, HotkeyPressed, InputEvents, Observed, SenseLost, SenseRegained
from .policy import program_name
from .recorder_loop import MS
from .recorder_output import Output
from .seen.reports import (
    Ask,
    IndicatorHidden,
    IndicatorLost,
    IndicatorSeen,
    PersonAsked,
    Report,
    State,
    TrayMissing,
)

# What has passed is moved this often: handing over a batch costs about as much as a thousand of its events.
MOVE_EVERY_NS = 60 * MS
# The clocks are compared this often, and the loop wakes for it when idle.
_CLOCK_EVERY_NS = 1_000 * MS
# An indicator that is out of sight for longer ends the recording; until then nothing is recorded.
HIDDEN_NS = 60_000 * MS

_STATES = {
    Recording.RECORDING: State.RECORDING,
    Recording.NOT_LISTED: State.ELSEWHERE,
    Recording.PAUSED: State.PAUSED,
    Recording.BLIND: State.BLIND,
}


class ShownIndicator(Protocol):
    """The indicator, as a recording uses it: `seen.Indicator`."""

    @property
    def is_visible(self) -> bool:
        """Whether it is in sight."""
        ...

    def read(self, now_t: int) -> list[Report]:
        """Return what it reports."""
        ...

    def next_read_t(self) -> int | None:
        """Return when `read` must be called."""
        ...

    def show(self, state: State, detail: str = "") -> None:
        """Show a state."""
        ...


class Session:
    """A recording as the loop's task.

    Parameters
    ----------
    gate : Gate
    output : Output
    indicator : ShownIndicator
    fields : FieldSource or None
        Whom the gate asks.
    say : callable
        Takes a message for the person.
    until_t : int, optional
        When to end.

    Attributes
    ----------
    ended : str or None
        Why it is over, in words; None while it goes on.
    failed : str or None
        What went wrong, where the recording was not ended on purpose.
    state : GateState or None
        What was recorded when that was last looked at.
    """

    def __init__(
        self,
        gate: Gate,
        output: Output,
        indicator: ShownIndicator,
        fields: FieldSource | None,
        *,
        say: Callable[[str], None],
        until_t: int | None = None,
        clocks: Callable[[], Reading] = read_clocks,
    ) -> None:
        self._gate = gate
        self._output = output
        self._indicator = indicator
        self._fields = fields
        self._say = say
        self._until_t = until_t
        self._read_clocks = clocks
        self._clock = ClockWatch()
        self._boot_id = boot_id()
        self._clock_t = 0
        self._move_t = 0
        self._hidden_t: int | None = None
        self._is_indicator_ready = True
        self._is_paused = False
        self._shown: tuple[State, str] | None = None
        self._trouble = ""
        self._lost: dict[Any, str] = {}
        self.ended: str | None = None
        self.failed: str | None = None
        self.state: GateState | None = None

    # ---- what the loop calls ----

    def observed(self, observed: Observed) -> None:
        """Take what a source has seen."""
        match observed:
            case InputEvents():
                if self._fields is not None:
                    self._fields.note_input(observed)
            case HotkeyPressed():
                self._pause(not self._is_paused, observed.t)
            case SenseLost():
                key = observed.sense, observed.device_id
                if key not in self._lost:
                    self._say(f"blind to {observed.sense.value}: {observed.why}")
                self._lost[key] = observed.why
            case SenseRegained():
                if self._lost.pop((observed.sense, observed.device_id), None):
                    self._say(f"no longer blind to {observed.sense.value}")
        self._gate.observe(observed)

    def woken(self, t: int) -> None:
        """Do what is due."""
        beat_t = self._indicator.next_read_t()
        if self._is_indicator_ready or (beat_t is not None and t >= beat_t):
            self._is_indicator_ready = False
            self._hear_indicator(t)
        if self._hidden_t is not None and t >= self._hidden_t + HIDDEN_NS:
            self.end("the indicator was lost", "the indicator was out of sight for a minute")
        if t >= self._clock_t:
            self._clock_t = t + _CLOCK_EVERY_NS
            self._compare_clocks()
        question = self._gate.question(t)
        if question is not None and self._fields is not None:
            self._fields.confirm(question, t)
        if self._until_t is not None and t >= self._until_t:
            self.end("the time that was asked for is over")
        if self.ended is not None:
            return
        for passed in self._gate.release(t):
            self._output.take(passed)
        if t >= self._move_t:
            self._move_t = t + MOVE_EVERY_NS
            self._output.commit()
            if self._trouble and not self._output.is_failing:
                self.trouble("")
                self._say("the disk takes what is recorded again")
            self._show(self._gate.state(t))

    def indicator_is_ready(self) -> None:
        """Hear that the indicator has something to say: what it is is done with the rest of the round."""
        self._is_indicator_ready = True

    def next_t(self) -> int | None:
        """Return when something is due."""
        wake_t = self._gate.wake_t()
        times = [
            self._clock_t,
            self._until_t,
            self._indicator.next_read_t(),
            wake_t,
            self._move_t if self._output.is_waiting else None,
            None if self._hidden_t is None else self._hidden_t + HIDDEN_NS,
        ]
        return min(t for t in times if t is not None)

    def is_calm(self) -> bool:
        """Tell whether no key waits to be decided."""
        return not self._gate.holds_keys

    def is_over(self) -> bool:
        """Tell whether the recording has ended."""
        return self.ended is not None

    # ---- the end ----

    def end(self, why: str, failed: str | None = None) -> None:
        """End the recording, after this round; the first reason counts."""
        if self.ended is None:
            self.ended, self.failed = why, failed

    def finish(self, t: int) -> None:
        """Take the last of what may be recorded; what the gate has not decided is wiped there."""
        for passed in self._gate.finish(t):
            self._output.take(passed)
        self._output.commit()

    # ---- the person and the indicator ----

    def _pause(self, is_paused: bool, t: int) -> None:
        if is_paused == self._is_paused:
            return
        self._is_paused = is_paused
        if is_paused:
            self._gate.pause(t)
        else:
            self._gate.resume(t)
        self._show(self._gate.state(t))

    def _hear_indicator(self, t: int) -> None:
        for report in self._indicator.read(t):
            match report:
                case PersonAsked(ask=Ask.PAUSE):
                    self._pause(True, report.t)
                case PersonAsked(ask=Ask.RESUME):
                    self._pause(False, report.t)
                case PersonAsked(ask=Ask.STOP):
                    self.end("stopped by the person")
                case IndicatorHidden():
                    self._gate.block(GapReason.INDICATOR_LOST, report.t, report.since_t)
                    self._hidden_t = report.t if self._hidden_t is None else self._hidden_t
                    self._say(f"nothing is recorded while the indicator is not in sight: {report.why}")
                case IndicatorSeen():
                    if self._hidden_t is not None:
                        self._hidden_t = None
                        self._gate.unblock(GapReason.INDICATOR_LOST, report.t)
                        self._say("the indicator is in sight again")
                case IndicatorLost():
                    self._gate.block(GapReason.INDICATOR_LOST, report.t, report.since_t)
                    self.end("the indicator was lost", report.why)
                case TrayMissing():
                    self._say(f"no tray icon: {report.why}")

    def _show(self, state: GateState) -> None:
        self.state = state
        shown = _STATES[state.recording], self._detail(state)
        if shown != self._shown:
            self._shown = shown
            self._indicator.show(*shown)

    def _detail(self, state: GateState) -> str:
        """Return a few words beside the state: never anything recorded."""
        if self._trouble:
            return self._trouble
        if state.recording is Recording.BLIND and self._lost:
            return next(iter(self._lost.values()))
        if state.recording is not Recording.RECORDING:
            return ""
        name = program_name(state.application or "")
        return f"{name}, no keys in this field" if state.keys_reason is not None else name

    def trouble(self, message: str) -> None:
        """Show what goes wrong with writing, in place of other details; empty when it has passed."""
        self._trouble = message

    # ---- clocks ----

    def _compare_clocks(self) -> None:
        news = self._clock.observe(self._read_clocks())
        if news is None:
            return
        if news.slept is not None:
            self._gate.suspended(*news.slept)
        self._output.clock(news, clock=clock_name(), boot_id=self._boot_id)

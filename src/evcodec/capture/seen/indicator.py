"""The recorder's side of the indicator: what to show, and whether it is in sight."""

from __future__ import annotations

import time

from ...errors import CaptureError
from . import process
from .notice import Notice
from .reports import (
    Ask,
    IndicatorHidden,
    IndicatorLost,
    IndicatorSeen,
    PersonAsked,
    Report,
    State,
    TrayMissing,
)

# A heartbeat is asked for this often, and must be answered within the deadline: loaded machines need some of it.
BEAT_NS = 400_000_000
DEADLINE_NS = 1_500_000_000
# Python and Tk start within a second; a loaded machine may take several.
START_NS = 20_000_000_000


class Indicator:
    """The indicator on the screen. Used from one thread; nothing but the constructor and `close` waits.

    The constructor returns when the indicator is in sight. The recorder's loop waits for `fileno` and until `next_read_t`,
    then calls `read`, and does what the reports ask for:

    ========================= ==============================================================================
    `PersonAsked`             pause, resume or stop, and `show` the state that this leads to
    `IndicatorHidden`         record nothing, with a gap from ``since_t``, until `IndicatorSeen`
    `IndicatorLost`           stop recording, with a gap from ``since_t``
    `TrayMissing`             say it once
    ========================= ==============================================================================

    Parameters
    ----------
    notice : Notice
        What the person has agreed to; the menu shows it.
    started_t : int
        When the recording started, in ns of CLOCK_MONOTONIC, for the elapsed time.
    state, detail
        What to show first; see `show`.

    Raises
    ------
    CaptureError
        There is no Tk or no display, or the window did not come into sight within 20 s.
    """

    def __init__(
        self, notice: Notice, started_t: int, *, state: State = State.RECORDING, detail: str = ""
    ) -> None:
        self._process, self._channel = process.start("indicator_window")
        self._visible = False
        self._lost = False
        self._failure = ""
        now_t = time.monotonic_ns()
        self._last_read_t = self._answered_t = now_t
        self._asked_t: int | None = None
        self._next_beat_t = now_t
        self._beats = 0
        self._channel.send("begin", notice=notice.as_plain(), started_t=started_t)
        self.show(state, detail)
        try:
            self._wait_until_seen(now_t + START_NS)
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        """Return a file descriptor that is readable when `read` has something; -1 after `close` or a loss."""
        return self._channel.fileno()

    @property
    def is_visible(self) -> bool:
        """Whether the indicator is in sight, by what it said last. Record only while it is."""
        return self._visible and not self._lost

    def next_read_t(self) -> int | None:
        """Return when `read` must be called even if nothing came: heartbeats are asked for and judged there."""
        if self._lost:
            return None
        return self._next_beat_t if self._asked_t is None else self._asked_t + DEADLINE_NS

    def show(self, state: State, detail: str = "") -> None:
        """Show a state. ``detail`` is a few words beside it, of the policy or why it is blind; never anything recorded."""
        self._channel.send("show", state=state.name, detail=detail)

    def show_notice(self) -> None:
        """Open the window that tells what is recorded."""
        self._channel.send("open notice")

    def read(self, now_t: int) -> list[Report]:
        """Return what the indicator reports, in order; asks it for a heartbeat when one is due. Raises nothing."""
        reports: list[Report] = []
        if self._lost:
            return reports
        for message in self._channel.receive():
            report = self._report(message, now_t)
            if report is not None:
                reports.append(report)
        if self._channel.is_closed:
            return [*reports, self._lose(now_t, f"it has ended{self._failure or self._exit_words()}")]
        self._channel.flush()
        if self._asked_t is not None:
            if now_t - self._last_read_t > DEADLINE_NS // 2:
                # This process stood still itself (a suspend, a debugger): the indicator gets its time anew.
                self._asked_t = now_t
            elif now_t - self._asked_t >= DEADLINE_NS:
                return [*reports, self._lose(now_t, "it does not answer")]
        elif now_t >= self._next_beat_t:
            self._beats += 1
            self._channel.send("beat", n=self._beats)
            self._next_beat_t = now_t + BEAT_NS
            self._asked_t = now_t
        self._last_read_t = now_t
        return reports

    def close(self) -> None:
        """Take the indicator from the screen; it is gone when this returns. A second call does nothing."""
        self._lost = True
        process.end(self._process, self._channel)

    def _wait_until_seen(self, deadline_t: int) -> None:
        """Wait for the first sight of the window."""
        why = "it did not come into sight within 20 s"
        while not self._visible and (now_t := time.monotonic_ns()) < deadline_t:
            self._channel.wait((deadline_t - now_t) / 1e9)
            for message in self._channel.receive():
                if message["kind"] == "waiting":
                    why = f"{message.get('why')}, for 20 s"
                self._report(message, time.monotonic_ns())
            if self._channel.is_closed:
                why = f"it has ended{self._failure or self._exit_words()}"
                break
        if not self._visible or self._channel.is_closed:
            raise CaptureError(f"the indicator cannot be shown: {why}: nothing is recorded")

    def _report(self, message: dict[str, object], now_t: int) -> Report | None:
        """Return the report of a message, if it is one."""
        match message:
            case {"kind": "beat", "n": int(n)}:
                if n == self._beats:
                    self._asked_t, self._answered_t = None, now_t
            case {"kind": "ask", "ask": str(asked)} if asked in {ask.value for ask in Ask}:
                return PersonAsked(t=now_t, ask=Ask(asked))
            case {"kind": "visible"}:
                was, self._visible = self._visible, True
                return None if was else IndicatorSeen(t=now_t)
            case {"kind": "hidden", "since_t": int(since_t), "why": str(why)}:
                self._visible = False
                return IndicatorHidden(t=now_t, since_t=min(since_t, now_t), why=why)
            case {"kind": "failed", "why": str(why)}:
                self._failure = f": {why}"
            case {"kind": "no tray", "why": str(why)}:
                return TrayMissing(t=now_t, why=why)
        return None

    def _lose(self, now_t: int, why: str) -> IndicatorLost:
        """Give the indicator up: what does not answer, but may still be on the screen, is ended."""
        since_t = self._answered_t
        self._lost = True
        self._channel.close()
        self._process.kill()
        return IndicatorLost(t=now_t, since_t=since_t, why=f"the indicator is gone: {why}")

    def _exit_words(self) -> str:
        """Return how the process ended, if it is known already."""
        status = self._process.poll()
        if status is None:
            return ""
        return f" (signal {-status})" if status < 0 else f" (status {status})"

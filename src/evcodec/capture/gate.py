"""The gate: what sources observe goes in, what may be recorded comes out, everything else is wiped. No I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ..entries import GapReason
from .model import Observed
from .passed import Passed
from .policy import Keys, Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long the gate waits, in ns.

    Attributes
    ----------
    hold : int
        How late news of a change may come: applications tell of a new field 1 to 80 ms after the key that moved the focus, window
        managers of a new window within a few. Everything is held back so long, and a change reaches back so far.
    settle : int
        How long after an application's answer nothing adverse may be heard before the answer counts.
    answer : int
        An answer that took longer was given by an application that hung, and is asked for again.
    deadline : int
        Keys that are undecided so long are dropped.
    """

    hold: int = 100_000_000
    settle: int = 60_000_000
    answer: int = 200_000_000
    deadline: int = 1_000_000_000


class Recording(Enum):
    """What the indicator shows."""

    RECORDING = "recording"
    NOT_LISTED = "not in this application"
    PAUSED = "paused"
    BLIND = "blind"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateState:
    """What is recorded now, for the indicator and ``evcodec record --status``; nothing of it is content.

    Attributes
    ----------
    recording : Recording
    reason : GapReason or None
        Why nothing is recorded.
    application : str or None
        Executable of the listed application that has the focus; None while nothing is recorded.
    pointer : bool
        Whether the pointer is recorded where it is now.
    keys : Keys
        How much of keys is recorded in the field that has the focus now.
    is_secure : bool
        Whether keys are held back because of the field: it is secure, or not known.
    """

    recording: Recording
    reason: GapReason | None = None
    application: str | None = None
    pointer: bool = False
    keys: Keys = Keys.NONE
    is_secure: bool = False


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
    ``read all sources, observe() each; question(); release()`` at least every 20 ms while anything is held (`wake_t`).
    All times are ns of CLOCK_MONOTONIC. Nothing raises for what it is given, and nothing is logged.
    """

    def __init__(self, policy: Policy, t: int, *, title_key: bytes, timing: Timing | None = None) -> None:
        raise NotImplementedError

    def observe(self, observed: Observed) -> None:
        """Take what a source has read; the arrays of a batch belong to the gate from now on, which wipes what it drops.

        `HotkeyPressed` changes nothing: who owns the loop calls `pause` or `resume`, and tells the indicator.
        """
        raise NotImplementedError

    def pause(self, t: int) -> None:
        """Pass nothing from ``t`` on, nor keys that are still held; the same as ``block(GapReason.PAUSED, t)``."""
        raise NotImplementedError

    def resume(self, t: int) -> None:
        """End a pause; nothing before ``t`` passes."""
        raise NotImplementedError

    def block(self, reason: GapReason, t: int, since_t: int | None = None) -> None:
        """Pass nothing from ``t`` on for a reason of the recorder's own: PAUSED, INDICATOR_LOST, BLIND, ...

        ``since_t``, at most ``t``, is when the reason may have begun: nothing from then on passes that has not passed.
        """
        raise NotImplementedError

    def unblock(self, reason: GapReason, t: int) -> None:
        """End what `block` began, as of ``t``."""
        raise NotImplementedError

    def suspended(self, t0: int, t1: int) -> None:
        """Say that the machine slept, or a clock jumped, between ``t0`` and ``t1``: nothing of it passes, nor keys held."""
        raise NotImplementedError

    def question(self, now_t: int) -> str | None:
        """Return the id of the field to ask about now (`FieldSource.confirm`), or None. It counts as asked at ``now_t``."""
        raise NotImplementedError

    def release(self, now_t: int) -> list[Passed]:
        """Return what may be recorded, in order of time, and wipe what may not.

        Parameters
        ----------
        now_t : int
            A time from *before* the sources were last read: all that they had then was observed. Taken anew for each round; when
            rounds are late, changes that are heard of then reach back to the round before, so that no stall opens anything.
        """
        raise NotImplementedError

    def wake_t(self) -> int | None:
        """Return when `release` or `question` may have something new though no source has; None: only when a source has."""
        raise NotImplementedError

    def state(self, now_t: int) -> GateState:
        """Return what is recorded now."""
        raise NotImplementedError

    def finish(self, t: int) -> list[Passed]:
        """Return the last of what may be recorded, with the gaps that are open, as of ``t``; what is undecided is wiped."""
        raise NotImplementedError

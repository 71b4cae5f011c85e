"""How long the gate waits for news."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long the gate waits, in ns, and how much it holds.

    Attributes
    ----------
    hold : int
        How late news of a change may come: applications tell of a new field 1 to 80 ms after the key that moved the focus, window
        managers of a new window within a few. Everything is held back so long, and a change reaches back so far.
    stamp : int
        How late the time of an event may be: where the system tells none it is that of its receipt. What news open, they
        open for events from so much later on.
    settle : int
        How long after an application's answer nothing adverse may be heard before the answer counts: one that hung may answer
        before it takes what was typed meanwhile.
    transit : int
        For how long no element may have the focus on its way from one to another.
    answer : int
        An answer that took longer was given by an application that hung, and is asked for again.
    between : int
        Applications are not asked more often than this.
    deadline : int
        Keys that are undecided so long are dropped.
    ahead : int
        Events that lie further in the future are of another clock, and are dropped.
    most_events : int
        Most events that are held; what comes beyond is dropped and told as a gap.
    """

    hold: int = 100_000_000
    stamp: int = 20_000_000
    settle: int = 80_000_000
    transit: int = 30_000_000
    answer: int = 200_000_000
    between: int = 30_000_000
    deadline: int = 1_000_000_000
    ahead: int = 2_000_000_000
    most_events: int = 1 << 18

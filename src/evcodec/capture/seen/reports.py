"""What the indicator shows, and what comes back from it to the recorder. Plain values, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ..model import Observation


class State(Enum):
    """What the indicator says; the value is the word that the person reads."""

    RECORDING = "Recording"
    ELSEWHERE = "Not in this application"
    PAUSED = "Paused"
    BLIND = "Blind"


class Ask(Enum):
    """What the person wants, by a button or a menu; no reason is asked for."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonAsked(Observation):
    """The person pressed Pause, Resume or Stop, on the indicator or in the tray's menu."""

    ask: Ask


@dataclass(frozen=True, slots=True, kw_only=True)
class IndicatorHidden(Observation):
    """The indicator has not been in sight since ``since_t`` and could not mend that: record nothing until `IndicatorSeen`.

    ``why`` is in words for a person: covered, off the screen, unmapped, transparent, too small.
    """

    since_t: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IndicatorSeen(Observation):
    """The indicator is in sight again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndicatorLost(Observation):
    """The indicator has ended or does not answer; ``since_t`` is when it last did. It does not come back: stop recording."""

    since_t: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrayMissing(Observation):
    """There is no tray icon, and why; recording goes on. Comes at most once."""

    why: str


Report = PersonAsked | IndicatorHidden | IndicatorSeen | IndicatorLost | TrayMissing

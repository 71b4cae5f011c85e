"""What the indicator and ``evcodec record --status`` show of the gate."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ..entries import GapReason
from .decision import Verdict
from .policy import Keys


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
    keys_reason : GapReason or None
        Why keys are held back, although the policy has keys of this application: SECURE_FIELD, UNCONFIRMED, ...
    """

    recording: Recording
    reason: GapReason | None = None
    application: str | None = None
    pointer: bool = False
    keys: Keys = Keys.NONE
    keys_reason: GapReason | None = None

    @property
    def is_secure(self) -> bool:
        """Whether keys are held back because of where the focus is: in a secure field, or in one that is not known."""
        return self.keys_reason is not None


_SHOWN = {
    None: Recording.RECORDING,
    GapReason.PAUSED: Recording.PAUSED,
    GapReason.NOT_LISTED: Recording.NOT_LISTED,
}


def state_of(verdict: Verdict) -> GateState:
    """Return what is shown under a verdict."""
    return GateState(
        recording=_SHOWN.get(verdict.reason, Recording.BLIND),
        reason=verdict.reason,
        application=None if verdict.window is None else verdict.window.application.executable,
        pointer=verdict.pointer,
        keys=verdict.keys,
        keys_reason=verdict.keys_reason,
    )

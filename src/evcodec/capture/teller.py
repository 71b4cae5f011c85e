"""What is in force, told when it changes and anew behind each gap; and acts. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..entries import GapReason
from ..schema import ColumnGroup
from .decision import Verdict
from .held import Note
from .model import Display, ElementActed, EventsLost
from .passed import Passed, PassedAct, PassedContext, PassedGap
from .policy import Policy
from .telling import act_kind, act_value, application_value, display_value, element_value, window_value


class Teller:
    """Turns notes into what passes of them, where all that may be the truth allows it.

    Parameters
    ----------
    policy : Policy
    title_key : bytes
        Under which titles are digested.
    """

    def __init__(self, policy: Policy, title_key: bytes) -> None:
        self._has_contexts = ColumnGroup.CONTEXT in policy.groups
        self._title_key = title_key
        # What was told last of each type of context since the last gap, the outer ones first.
        self._told: dict[str, dict[str, Any]] = {}
        self._told_displays: tuple[Display, ...] = ()

    def pass_note(
        self, note: Note, possible: Sequence[Verdict], displays: tuple[Display, ...], passed: list[Passed]
    ) -> None:
        """Add what passes of a note, of which one of the ``possible`` verdicts is true, the first as far as is known."""
        is_open = bool(possible) and all(verdict.reason is None for verdict in possible)
        if isinstance(note.news, EventsLost):
            _pass_loss(note.news, possible, passed)
        elif not is_open:
            self._told.clear()
        elif self._has_contexts:
            if isinstance(note.news, ElementActed):
                _pass_act(note.t, note.news, possible, passed)
            else:
                self._pass_contexts(note.t, possible[0], displays, passed)

    def _pass_contexts(
        self, t: int, verdict: Verdict, displays: tuple[Display, ...], passed: list[Passed]
    ) -> None:
        if displays and displays != self._told_displays:
            self._told_displays = displays
            passed.append(PassedContext(t=t, context_type="display", value=display_value(displays)))
        for context_type, value in (
            ("application", application_value(verdict)),
            ("window", window_value(verdict, self._title_key)),
            ("element", element_value(verdict)),
        ):
            if self._told.get(context_type, {}) == value:
                continue
            # What lies inside of something new is told anew.
            while context_type in self._told:
                self._told.popitem()
            self._told[context_type] = value
            passed.append(PassedContext(t=t, context_type=context_type, value=value))


def _pass_act(t: int, news: ElementActed, possible: Sequence[Verdict], passed: list[Passed]) -> None:
    verdict = possible[0]
    is_own = news.pid is not None and all(
        one.pid == news.pid and one.rule is verdict.rule for one in possible
    )
    if not is_own or any(one.keys_reason is GapReason.SECURE_FIELD for one in possible):
        return
    value = act_value(news, verdict)
    if value is not None:
        passed.append(PassedAct(t=t, kind=act_kind(news), value=value))


def _pass_loss(news: EventsLost, possible: Sequence[Verdict], passed: list[Passed]) -> None:
    if all(verdict.reason is not None for verdict in possible):
        return  # there is a gap anyway
    # Where keys may be secret, the count of what was lost may be theirs.
    is_counted = all(verdict.reason is None and verdict.keys_reason is None for verdict in possible)
    passed.append(
        PassedGap(
            reason=GapReason.KERNEL_DROP,
            t0=min(news.since_t, news.t),
            t1=news.t,
            device_id=news.device_id,
            lost=news.lost if is_counted else None,
        )
    )

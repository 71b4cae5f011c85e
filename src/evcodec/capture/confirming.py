"""Which field an application has confirmed, and when it is to be asked again. No I/O, no clock."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from .model import FieldConfirmed
from .timing import Timing

# Answers are of no use for keys that were dropped for their age.
_MOST_ANSWERS = 256


class Answer(NamedTuple):
    """An application said that the field had the focus; it counts from ``until_t`` on, if nothing adverse is heard by then.

    ``heard_t`` is as in `FieldConfirmed`.
    """

    asked_t: int
    until_t: int
    heard_t: int | None


class Confirming:
    """Questions and their answers."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._answers: deque[Answer] = deque(maxlen=_MOST_ANSWERS)
        self._asked: tuple[str, int] | None = None
        self._next_t = 0

    def may_ask(self, field_id: str, now_t: int) -> bool:
        """Tell whether an application is to be asked now: not while it still may answer, and not all the time."""
        if self._asked is None:
            return now_t >= self._next_t
        asked_id, asked_t = self._asked
        return asked_id != field_id or now_t - asked_t > self._timing.answer

    def asked(self, field_id: str, now_t: int) -> None:
        """Note that it was asked."""
        self._asked = (field_id, now_t)
        self._next_t = now_t + self._timing.between

    def answered(self, news: FieldConfirmed, field_id: str | None, since_t: int) -> bool:
        """Take an answer, and tell whether the focused field was confirmed.

        Parameters
        ----------
        news : FieldConfirmed
        field_id : str or None
            The field that is known to have the focus, since ``since_t``.
        """
        if self._asked == (news.field_id, news.asked_t):
            self._asked = None
        if not news.is_focused or news.field_id != field_id or news.asked_t < since_t:
            return False
        took = news.t - news.asked_t
        if not 0 <= took <= self._timing.answer:
            return False
        # Who answers slowly also tells slowly what happened meanwhile.
        self._answers.append(Answer(news.asked_t, news.t + max(self._timing.settle, took), news.heard_t))
        return True

    def first_for(self, t: int, *, has_gone_down: bool) -> Answer | None:
        """Return the first answer that tells where a key went that was struck at ``t``; None: there is none yet.

        Of one that has gone down before, and passed, all is known but that it came up, so that it need not have been heard of.
        """
        for answer in self._answers:
            is_heard = has_gone_down or answer.heard_t is None or answer.heard_t >= t
            if is_heard and answer.asked_t >= t + self._timing.hold:
                return answer
        return None

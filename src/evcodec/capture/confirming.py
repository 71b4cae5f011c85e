"""Which field an application has confirmed, and when it is to be asked again. No I/O, no clock."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from .model import FieldConfirmed
from .timing import Timing

# Answers are of no use for keys that were dropped for their age.
_MOST_ANSWERS = 256


class Answer(NamedTuple):
    """An application said that the field had the focus; it counts from ``until_t`` on, if nothing adverse is heard by then."""

    asked_t: int
    until_t: int


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
        self._answers.append(Answer(news.asked_t, news.t + max(self._timing.settle, took)))
        return True

    def first_after(self, t: int) -> Answer | None:
        """Return the first answer to a question that was asked at ``t`` or later."""
        return next((answer for answer in self._answers if answer.asked_t >= t), None)

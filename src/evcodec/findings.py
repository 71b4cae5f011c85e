"""What was found wrong: the first cases one by one, all of them counted by what they are about."""

from __future__ import annotations

import re
import threading
from collections import Counter
from typing import NamedTuple

from .limits import MAX_PROBLEMS

# Kinds of problem that are told apart. Messages hold names from the data, of which there may be any number.
_MOST_GROUPS = 100
_OTHERS = "others"
_MOST_CHARACTERS = 120


class Problem(NamedTuple):
    """Something that is wrong with a stream, and that reading went on behind."""

    position: int
    message: str


class Findings:
    """Collects problems in memory that is bounded however many there are.

    Attributes
    ----------
    count : int
        All that were added.
    groups : Counter of str
        How many are about what: the messages without what differs from one to the next.
    """

    def __init__(self) -> None:
        self.count = 0
        self.groups: Counter[str] = Counter()
        self._kept: dict[Problem, None] = {}
        self._lock = threading.Lock()  # a Reader may be used from several threads

    def add(self, position: int, message: str) -> None:
        """Count a problem, and keep it if it is among the first."""
        self._add(Problem(position, message), every_time=True)

    def add_once(self, position: int, message: str) -> None:
        """Add a problem unless it is one of those that are kept: what is read twice is found twice."""
        self._add(Problem(position, message), every_time=False)

    def _add(self, problem: Problem, every_time: bool) -> None:
        with self._lock:
            if problem in self._kept and not every_time:
                return
            self.count += 1
            group = subject(problem.message)
            self.groups[group if group in self.groups or len(self.groups) < _MOST_GROUPS else _OTHERS] += 1
            if len(self._kept) < MAX_PROBLEMS:
                self._kept[problem] = None

    def kept(self) -> list[Problem]:
        """Return the first problems, by position."""
        with self._lock:
            return sorted(self._kept)


def subject(message: str) -> str:
    """Return what a message is about, without its place, numbers and names."""
    text = re.sub(r"^(.*?, )?byte \d+(: |, )", "", message).partition(": found")[0]
    text = re.sub(r"'[^']*'|\"[^\"]*\"", "…", text)
    return re.sub(r"\d+", "N", text)[:_MOST_CHARACTERS]

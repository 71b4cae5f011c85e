"""What a dataset left out: the first of it, however much there is."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from ..limits import MAX_PROBLEMS
from .files import FileProblem


class Problems:
    """Problems of files, each once. Safe from several threads."""

    def __init__(self, problems: Iterable[FileProblem] = ()) -> None:
        self._lock = threading.Lock()
        self._kept: dict[FileProblem, None] = {}
        for problem in problems:
            self.add(problem)

    def add(self, problem: FileProblem) -> None:
        """Keep a problem, if it is among the first."""
        with self._lock:
            if len(self._kept) < MAX_PROBLEMS:
                self._kept[problem] = None

    def kept(self) -> list[FileProblem]:
        """Return the problems, by path and position."""
        with self._lock:
            return sorted(
                self._kept, key=lambda p: (p.path, -1 if p.position is None else p.position, p.message)
            )

    def __reduce__(self) -> tuple[type[Problems], tuple[list[FileProblem]]]:
        return Problems, (self.kept(),)

"""Waiting for what another thread brings about, with nothing held meanwhile."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress


class Bell:
    """Wakes those who wait for something to become true.

    Nobody holds a lock of it, as with a Condition, so the exception of a signal handler may end a wait at any instant,
    and a fork may come at any.
    """

    def __init__(self) -> None:
        self._waiting: deque[threading.Lock] = deque()

    def ring(self) -> None:
        """Have all who wait look again; whatever they wait for has been changed before."""
        for _ in range(len(self._waiting)):
            with suppress(IndexError):  # another thread rang too
                self._waiting.popleft().release()

    def wait_for(self, holds: Callable[[], bool], timeout: float | None = None) -> None:
        """Return when ``holds()``, which is asked after each ring, or after ``timeout`` seconds."""
        give_up = None if timeout is None else time.monotonic() + timeout
        while not holds():
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
            try:
                if holds():  # a ring in between would not have been heard
                    return
                if give_up is None:
                    turn.acquire()
                elif not turn.acquire(timeout=max(0.0, give_up - time.monotonic())):
                    return
            finally:
                with suppress(ValueError):
                    self._waiting.remove(turn)

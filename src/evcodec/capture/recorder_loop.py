"""The loop of a recorder: wakes when something waits, hands it to the gate, and moves what has passed to the output."""

from __future__ import annotations

import selectors
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any, Protocol

from .clock import now_t
from .model import Observed, Source

MS = 1_000_000
# While events flow the loop wakes this often: each wake costs about as much as a thousand of the events that it brings.
WAKE_EVERY_NS = 32 * MS
# While nothing but the pointer comes: no key waits to be decided, and what passes is written four times a second.
CALM_WAKE_EVERY_NS = 64 * MS
# A source that is readable and gives nothing, this often in a row, is asked each second only: its system has hung up.
_MOST_EMPTY_READS = 32
_EMPTY_RETRY_NS = 1_000 * MS


class Task(Protocol):
    """What a loop runs: the recorder, as the loop sees it."""

    def observed(self, observed: Observed) -> None:
        """Take what a source has seen."""
        ...

    def woken(self, now_t: int) -> None:
        """Do what is due, after all that waited was taken."""
        ...

    def next_t(self) -> int | None:
        """Return when `woken` wants to be called next, even if nothing comes."""
        ...

    def is_calm(self) -> bool:
        """Tell whether the next wake may come a little later."""
        ...

    def is_over(self) -> bool:
        """Tell whether the loop should end."""
        ...


@dataclass(slots=True)
class _Watched:
    """A source, and how it behaves."""

    source: Source
    empty_reads: int = 0
    retry_t: int | None = None


class Loop:
    """Waits for sources and others, on one thread; idle it wakes only when somebody asked for it.

    Parameters
    ----------
    task : Task
    sources : sequence of Source
    others : sequence of (object with ``fileno``, callable without arguments)
        What is called when its descriptor is readable.
    wake_every_ns : int
        While something comes, at most one wake in this time.
    calm_wake_every_ns : int, optional
        The same while the task is calm; by default ``wake_every_ns``.
    """

    def __init__(
        self,
        task: Task,
        sources: Sequence[Source],
        others: Sequence[tuple[Any, Callable[[], None]]] = (),
        *,
        wake_every_ns: int = WAKE_EVERY_NS,
        calm_wake_every_ns: int | None = None,
    ) -> None:
        self._task = task
        self._watched = [_Watched(source) for source in sources]
        self._others = others
        self._wake_every_ns = wake_every_ns
        self._calm_wake_every_ns = wake_every_ns if calm_wake_every_ns is None else calm_wake_every_ns
        self._selector = selectors.DefaultSelector()
        self.wakes = 0

    def run(self) -> None:
        """Run until the task is over. What the task raises goes to the caller."""
        try:
            for watched in self._watched:
                self._selector.register(watched.source.fileno(), selectors.EVENT_READ, watched)
            for other, call in self._others:
                self._selector.register(other.fileno(), selectors.EVENT_READ, call)
            has_read = False
            while not self._task.is_over():
                if not has_read:
                    self._selector.select(self._timeout_s())
                # All that waits at this time is read before the task hears of it.
                t = now_t()
                ready = self._selector.select(0)
                has_read = self._read({id(key.data) for key, _ in ready}, t)
                for key, _ in ready:
                    if not isinstance(key.data, _Watched):
                        key.data()
                self._task.woken(t)
                self.wakes += 1
                if has_read and not self._task.is_over():
                    # Not a wait in select, which would end with the first of the events that should gather.
                    every_ns = self._calm_wake_every_ns if self._task.is_calm() else self._wake_every_ns
                    time.sleep(max(0, t + every_ns - now_t()) / 1e9)
        finally:
            self._selector.close()

    def _timeout_s(self) -> float | None:
        due = [self._task.next_t(), *(w.source.next_read_t() for w in self._watched)]
        due += [w.retry_t for w in self._watched]
        times = [t for t in due if t is not None]
        return max(0, min(times) - now_t()) / 1e9 if times else None

    def _read(self, ready: set[int], t: int) -> bool:
        """Take what waits in sources that are ready, or due."""
        has_read = False
        for watched in self._watched:
            source = watched.source
            is_ready = id(watched) in ready
            due_t = source.next_read_t()
            is_due = due_t is not None and due_t <= t
            if watched.retry_t is not None and watched.retry_t <= t:
                self._watch_again(watched)
                is_ready = True
            if not (is_ready or is_due):
                continue
            found = source.read(t)
            for observed in found:
                self._task.observed(observed)
            has_read = has_read or is_ready
            if found:
                watched.empty_reads = 0
            elif is_ready and _is_readable(source):
                self._count_empty(watched, t)
            else:
                watched.empty_reads = 0
        return has_read

    def _count_empty(self, watched: _Watched, t: int) -> None:
        watched.empty_reads += 1
        if watched.empty_reads >= _MOST_EMPTY_READS:
            with suppress(KeyError, ValueError):
                self._selector.unregister(watched.source.fileno())
            watched.retry_t = t + _EMPTY_RETRY_NS

    def _watch_again(self, watched: _Watched) -> None:
        watched.retry_t = None
        watched.empty_reads = _MOST_EMPTY_READS - 1
        with suppress(KeyError, ValueError, OSError):
            self._selector.register(watched.source.fileno(), selectors.EVENT_READ, watched)


def _is_readable(source: Source) -> bool:
    """Tell whether a source that was read still is readable: what it read may have been of no interest."""
    with selectors.DefaultSelector() as selector:
        selector.register(source.fileno(), selectors.EVENT_READ)
        return bool(selector.select(0))


class StopSignals:
    """Tells when the process was asked to end; readable then, so that a loop wakes.

    Attributes
    ----------
    number : int or None
        The signal that came.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._theirs.setblocking(False)

    def fileno(self) -> int:
        """Return a file descriptor that is readable once a signal came."""
        return self._ours.fileno()

    def ring(self) -> None:
        """Make it readable, as a signal does."""
        with suppress(OSError):
            self._theirs.send(b"!")

    def drain(self) -> None:
        """Take what made it readable."""
        with suppress(OSError):
            self._ours.recv(4096)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        self.number = number

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Take the signals that end a process, in the main thread; elsewhere its owner takes them."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = [signal.SIGINT, signal.SIGTERM]
        if hasattr(signal, "SIGHUP"):
            numbers.append(signal.SIGHUP)
        before = {number: signal.signal(number, self._take) for number in numbers}
        old_fd = signal.set_wakeup_fd(self._theirs.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(old_fd)
            for number, handler in before.items():
                signal.signal(number, handler)

    def close(self) -> None:
        """Let go of the descriptors."""
        self._ours.close()
        self._theirs.close()

"""Calls on threads, what they return in the order of the calls. No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Generic, NoReturn, ParamSpec, TypeVar

from .errors import InvalidArgumentError
from .waiting import Bell

_Arguments = ParamSpec("_Arguments")
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# Calls that were started and not taken, for each thread: one runs, one has ended or is next.
_CALLS_A_THREAD = 2


def check_threads(value: Any) -> int:
    """Return a number of threads; raise InvalidArgumentError if it is none."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidArgumentError(f"threads: found {value!r}, allowed: integers from 1")
    return value


class Job(Generic[_Result]):
    """A call that a crew runs."""

    def __init__(self, crew: Crew, call: Callable[[], _Result]) -> None:
        self._crew = crew
        self._call = call
        self._done: Callable[[], _Result] | None = None  # gives, or raises, what the call did
        self.is_begun = False
        """Whether a thread of the crew runs it, or will."""

    def run(self) -> None:
        """Run the call on a thread of the crew."""
        try:
            result = self._call()
        except BaseException as error:
            self._done = partial(_raise, error)
        else:
            self._done = lambda: result
        self._crew.changed.ring()

    def is_done(self) -> bool:
        """Tell whether ``take`` will not wait for a thread."""
        return self._done is not None or not self.is_begun or self._crew.is_over

    def take(self) -> _Result:
        """Return, or raise, what the call did; once. A call that no thread has run is run now."""
        self._crew.release()
        # A Future's own wait may be broken by the exception of a signal handler, and its lock stay taken.
        self._crew.changed.wait_for(self.is_done)
        # What a closed crew never began fails, or not, as it does with one thread; a child has no threads.
        return (self._done or self._call)()


def _raise(error: BaseException) -> NoReturn:
    raise error


class Crew:
    """Threads that run calls beside the caller's own.

    Parameters
    ----------
    threads : int
        With 1 there are none: a call runs when its result is taken.

    Attributes
    ----------
    changed : Bell
        Rings when a thread has run a call, and when there are no threads any more.
    is_over : bool
        Whether there are no threads any more.

    Notes
    -----
    One thread starts and takes; any may close.
    """

    def __init__(self, threads: int = 1) -> None:
        self._most = _CALLS_A_THREAD * threads if threads > 1 else 0
        self._untaken = 0
        self.changed = Bell()
        self.is_over = False
        if threads > 1:
            from concurrent.futures import ThreadPoolExecutor  # takes milliseconds to import

            self._pool = ThreadPoolExecutor(threads, thread_name_prefix="evcodec")

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Return when no thread runs any more; calls that were not begun are not, unless they are taken."""
        if self._most and not self.is_over:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self.abandon()

    def abandon(self) -> None:
        """Forget the threads, in a child after a fork: they are the parent's, and a copy of their lock may be held."""
        self.is_over = True
        self.changed.ring()

    def start(
        self, action: Callable[_Arguments, _Result], *args: _Arguments.args, **kwargs: _Arguments.kwargs
    ) -> Job[_Result]:
        """Have a call run; its caller sees to it that the crew was not full."""
        job = Job(self, partial(action, *args, **kwargs))
        self._untaken += 1
        if self._most and not self.is_over:
            # Closed, or no thread to be had, as when the interpreter exits: the caller's own runs it.
            with suppress(RuntimeError):
                self._pool.submit(job.run)
                job.is_begun = True
        return job

    def release(self) -> None:
        """Count a job that was taken."""
        self._untaken -= 1

    @property
    def is_full(self) -> bool:
        """Tell whether a job must be taken before another is started."""
        return self._untaken >= max(self._most, 1)

    def in_order(
        self, action: Callable[[_Item], _Result], items: Iterable[_Item]
    ) -> Iterator[tuple[_Item, Job[_Result]]]:
        """Yield each item with the job that runs ``action`` on it, to be taken before the next; a few ahead run."""
        waiting: deque[tuple[_Item, Job[_Result]]] = deque()
        for item in items:
            waiting.append((item, self.start(action, item)))
            if self.is_full:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()

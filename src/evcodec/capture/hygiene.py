"""Keeping what was typed inside of the process: no core dumps, no other process reading its memory, no text in messages."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import sys
import threading
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

if sys.platform != "win32":
    import resource

# <sys/prctl.h> and <sys/mman.h> of Linux.
_PR_GET_DUMPABLE = 3
_PR_SET_DUMPABLE = 4
_MCL_CURRENT = 1
_MCL_FUTURE = 2
_MCL_ONFAULT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Hygiene:
    """What could be done. Each is False where the system has no such thing, or forbids it.

    Attributes
    ----------
    no_core_dumps : bool
        A crash leaves no image of the memory.
    is_closed_to_others : bool
        Other processes of the same user can neither trace this one nor read its memory (root can).
    is_locked_in_memory : bool
        Nothing of the process goes to the swap space.
    """

    no_core_dumps: bool
    is_closed_to_others: bool
    is_locked_in_memory: bool

    def warnings(self) -> list[str]:
        """Return what a person should know, one line each."""
        said = []
        if not self.no_core_dumps:
            said.append(
                "a crash of the recorder may leave an image of its memory: this system cannot forbid it"
            )
        if not self.is_closed_to_others:
            said.append(
                "other programs of this user may read the recorder's memory: this system cannot forbid it"
            )
        if not self.is_locked_in_memory:
            said.append(
                "keys that are held back may reach the swap space: memory is not locked, since the limit "
                "(ulimit -l) is not 'unlimited'; encrypted swap closes this"
            )
        return said


def harden() -> Hygiene:
    """Close the process, for good: core dumps, tracing, swapping, files that others may read, and what tracebacks print.

    A second call changes nothing.
    """
    os.umask(0o077)
    faulthandler.disable()  # it prints what stands in memory, in its own way, to stderr
    sys.excepthook = _tell_place
    threading.excepthook = _tell_place_of_thread
    sys.unraisablehook = _tell_place_of_unraisable
    return Hygiene(
        no_core_dumps=_forbid_core_dumps(),
        is_closed_to_others=_forbid_tracing(),
        is_locked_in_memory=_lock_memory(),
    )


def place_of(error: BaseException) -> str:
    """Return kind and place of an error without its message, which may hold what was typed: ``ValueError at gate.py:12``."""
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


def _say(text: str) -> None:
    try:
        sys.stderr.write(f"evcodec: {text}\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        return


def _tell_place(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    _say(f"stopped by {place_of(error.with_traceback(trace))}")


def _tell_place_of_thread(args: Any) -> None:
    if args.exc_value is not None and args.exc_type is not SystemExit:
        _say(f"a thread was stopped by {place_of(args.exc_value)}")


def _tell_place_of_unraisable(args: Any) -> None:
    if args.exc_value is not None:
        _say(f"went on after {place_of(args.exc_value)}")


def _forbid_core_dumps() -> bool:
    if sys.platform == "win32":
        return False
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError):
        return False
    return resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _forbid_tracing() -> bool:
    """Also what forbids core dumps where a program takes them through a pipe, whatever their limit."""
    if sys.platform != "linux":
        return False
    try:
        libc = _libc()
        libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        return int(libc.prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0)) == 0
    except (OSError, AttributeError):
        return False


def _lock_memory() -> bool:
    """Lock all pages once they are used; not below a limit, where a later allocation would fail instead."""
    if sys.platform != "linux":
        return False
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if soft != resource.RLIM_INFINITY and os.geteuid() != 0:
        return False
    try:
        return int(_libc().mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT)) == 0
    except (OSError, AttributeError):
        return False

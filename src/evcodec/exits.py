"""What happens to open Writers when the interpreter exits, and in a child process after a fork."""

from __future__ import annotations

import atexit
import os
import warnings
import weakref
from typing import Protocol

from .errors import EvcodecError


class Closable(Protocol):
    """What is closed at exit, and abandoned in a child."""

    def close(self) -> None:
        """End it well."""

    def _abandon(self) -> None:
        """Forget it: it is the parent's."""


_open: weakref.WeakSet[Closable] = weakref.WeakSet()


def close_at_exit(writer: Closable) -> None:
    """Have a Writer closed at exit."""
    _open.add(writer)


def forget(writer: Closable) -> None:
    """Say that nothing is left to be closed."""
    _open.discard(writer)


def _close_all() -> None:
    for writer in list(_open):
        try:
            writer.close()
        except (OSError, EvcodecError) as error:
            warnings.warn(
                f"evcodec: a Writer could not be closed at exit: {error}", RuntimeWarning, stacklevel=1
            )


def _abandon_all() -> None:
    for writer in list(_open):
        writer._abandon()
    _open.clear()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)

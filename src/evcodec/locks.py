"""One Writer a file: locks of the operating system, where the file system has them. Reading takes none."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from .errors import InvalidArgumentError

if sys.platform == "win32":
    import msvcrt

    # Windows keeps readers from what is locked: a byte that few streams reach.
    _LOCKED_BYTE = 2**31 - 2

    def _set_lock(file: BinaryIO, locks: bool) -> None:
        at = file.tell()
        file.seek(_LOCKED_BYTE)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK if locks else msvcrt.LK_UNLCK, 1)
        finally:
            file.seek(at)

    _TAKEN = {errno.EACCES, errno.EDEADLK}
else:
    import fcntl

    def _set_lock(file: BinaryIO, locks: bool) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB if locks else fcntl.LOCK_UN)

    _TAKEN = {errno.EWOULDBLOCK, errno.EAGAIN}

# File systems that give a file another number each time it is asked for must not keep us for ever.
MOST_ATTEMPTS = 20


def lock(file: BinaryIO, name: object) -> None:
    """Take the lock of a file, or go on without one where the file system has none.

    Raises
    ------
    InvalidArgumentError
        Somebody else has it, in this process or in another.
    """
    try:
        _set_lock(file, True)
    except OSError as error:
        if error.errno in _TAKEN:
            raise InvalidArgumentError(
                f"{name}: found another Writer that has it open, allowed: one Writer a file"
            ) from error


def unlock(file: BinaryIO) -> None:
    """Let go of the lock; closing would not, where a child process has inherited the file."""
    with suppress(OSError, ValueError):
        _set_lock(file, False)


def stands_at(path: Path, file: BinaryIO) -> bool:
    """Tell whether this path names this open file now."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except (OSError, ValueError):
        return False


class Claim:
    """Keeps Writers from the file at a path, which is about to be replaced.

    Parameters
    ----------
    path : Path
    own : binary file, optional
        The file that a Writer of ours has open at the path, and has locked: nothing else may be replaced.

    Raises
    ------
    InvalidArgumentError
        A Writer has the file open.
    """

    def __init__(self, path: Path, own: BinaryIO | None = None) -> None:
        self._path = path
        self._own = own
        self._file: BinaryIO | None = None
        self.renew()

    def renew(self) -> None:
        """Claim what stands at the path by now; call it before the replacement. Raises as the constructor does."""
        if self._own is not None:
            if not stands_at(self._path, self._own):
                raise InvalidArgumentError(
                    f"{self._path}: the file was moved; found another, or none, allowed: the Writer's own"
                )
            return
        for _ in range(MOST_ATTEMPTS):
            if self._file is not None and stands_at(self._path, self._file):
                return
            self.release()
            self._file = _opened(self._path)
            if self._file is None:
                return
            try:
                lock(self._file, self._path)
            except InvalidArgumentError:
                self._file.close()
                self._file = None
                raise

    def release(self) -> None:
        """Let Writers have the file again."""
        if self._file is not None:
            unlock(self._file)
            self._file.close()
            self._file = None


def _opened(path: Path) -> BinaryIO | None:
    """Return a regular file to be locked; None where there is none that we may open."""
    for mode in ("r+b", "rb"):  # some file systems lock only what may be written
        with suppress(OSError):
            if path.is_file():
                return open(path, mode, buffering=0)
    return None

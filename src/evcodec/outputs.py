"""Where a Writer puts bytes: a path, a file object, or a pipe."""

from __future__ import annotations

import errno
import io
import os
import stat
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from .errors import InvalidArgumentError, WriteFailedError
from .locks import MOST_ATTEMPTS, lock, stands_at, unlock


class Output:
    """A target that takes whole records.

    Attributes
    ----------
    path : Path or None
        Where it stands, when the Writer was given a path to a regular file.
    file : binary file
        What is written to.
    can_go_on : bool
        Whether the target ends with a whole record, after a failure too, so that the next one may be tried.
    """

    def __init__(self, file: BinaryIO, name: str, path: Path | None, owned: bool, fsync: bool) -> None:
        self.path = path
        self.file = file
        self.can_go_on = True
        # Past the caller's buffer: a child after a fork would write what is left in its copy of it.
        self._sink = cast(BinaryIO, file.raw) if type(file) is io.BufferedWriter else file
        self._name = name
        self._owned = owned
        self._fsync = fsync
        self._written = 0
        self._synced = 0
        self._start = 0
        if owned:
            _owned.add(self)

    def is_at_path(self) -> bool:
        """Tell whether the file that is written still stands at its path, and was not moved or replaced."""
        return self.path is not None and stands_at(self.path, self.file)

    def write(self, data: bytes) -> None:
        """Hand all of ``data`` to the operating system.

        Raises
        ------
        WriteFailedError
            The target did not take it. What it took of it is cut off again where the target can be cut.
        """
        view = memoryview(data)
        try:
            if self._sink is not self.file:
                self.file.flush()
            while view:
                view = view[self._taken(view) :]
            self._sink.flush()
        except (OSError, ValueError) as error:
            self.can_go_on = self._cut()
            raise self._failure(error) from error
        self._written += len(data)

    def _taken(self, view: memoryview) -> int:
        """Write some of it, and return how many bytes that was."""
        taken = self._sink.write(view)
        if taken is None:
            raise BlockingIOError("the target is not ready; allowed: a target that blocks")
        if not 0 < taken <= len(view):
            raise OSError(f"write() of {len(view)} bytes: found {taken!r}, allowed: how many were written")
        return taken

    def sync(self) -> None:
        """Force what was written to the device, if the Writer was asked to."""
        if not self._fsync or self._synced == self._written:
            return
        try:
            os.fsync(self.file.fileno())
        except OSError as error:
            raise self._failure(error) from error
        self._synced = self._written

    def _failure(self, error: Exception) -> WriteFailedError:
        number = getattr(error, "errno", None)
        reason = getattr(error, "strerror", None) or str(error)
        message = f"{self._name}, byte {self._written}: {reason}; what was written before stays readable"
        return WriteFailedError(message) if number is None else WriteFailedError(number, message)

    def _cut(self) -> bool:
        """Drop the part of a record that was taken before a failure; tell whether that was possible. Where it is
        not, a reader copes with a truncated record.
        """
        if self.path is None:
            return False
        try:
            self.file.truncate(self._start + self._written)
            self.file.seek(self._start + self._written)
        except (OSError, ValueError):
            return False
        return True

    def begin_at(self, position: int) -> None:
        """Write from ``position`` on, dropping what stands behind it."""
        self.file.seek(position)
        self.file.truncate()
        self._start = position

    def close(self) -> None:
        """Close the target, if it was opened here, and let other Writers have it."""
        if not self._owned:
            return
        if self.path is not None:
            unlock(self.file)
        try:
            self.file.close()
        except OSError as error:
            raise self._failure(error) from error

    def abandon(self) -> None:
        """Close a child's copy of the descriptor: the file and its lock stay the parent's."""
        with suppress(OSError):
            self.file.close()


_owned: weakref.WeakSet[Output] = weakref.WeakSet()


def _abandon_all() -> None:
    for output in list(_owned):
        output.abandon()
    _owned.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)

_MODES = {"w": "wb", "x": "xb", "a": "r+b"}


def open_output(target: Any, mode: str, fsync: bool) -> Output:
    """Return the output for what a Writer was given.

    Raises
    ------
    InvalidArgumentError
        It is neither a path nor a binary file object, or the mode does not fit it; or another Writer has the
        file open.
    OSError
        A path cannot be opened.
    """
    if not isinstance(mode, str) or mode not in _MODES:
        raise InvalidArgumentError(
            f"mode: found {mode!r}, allowed: 'w' (replace), 'x' (refuse to replace), 'a' (append)"
        )
    if isinstance(target, (str, os.PathLike)):
        path = Path(os.path.abspath(target))  # the working directory may change
        file, regular = _open_path(path, mode)
        output = Output(file, str(path), path if regular else None, owned=True, fsync=fsync and regular)
        if fsync and regular:
            try:
                sync_folder(path.parent)  # a file is not there after a power cut before its name is
            except BaseException:
                output.close()
                raise
        return output
    if mode == "a":
        raise InvalidArgumentError(f"mode: found 'a' with {type(target).__name__}, allowed: a path")
    if not hasattr(target, "write") or isinstance(target, io.TextIOBase):
        raise InvalidArgumentError(
            f"target: found {type(target).__name__}, allowed: path, binary file object"
        )
    if mode != "w":
        raise InvalidArgumentError(
            f"mode: found {mode!r} with a file object, allowed: 'w'; a "
            "stream that is written at its end is an append"
        )
    if fsync:
        try:
            target.fileno()
        except (AttributeError, OSError):
            raise InvalidArgumentError(
                f"fsync: found True with {type(target).__name__}, allowed: a file of the system"
            ) from None
    name = getattr(target, "name", None)
    return Output(
        target, name if isinstance(name, str) else type(target).__name__, None, owned=False, fsync=fsync
    )


def _open_path(path: Path, mode: str) -> tuple[BinaryIO, bool]:
    """Open a path, and lock it where it is a regular file; nothing of it is changed before it is locked."""
    for attempt in range(MOST_ATTEMPTS):
        opener = _open_or_make if mode == "a" else _open_whole
        file = cast(BinaryIO, open(path, _MODES[mode], buffering=0, opener=opener))  # noqa: SIM115 - kept open
        try:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return file, False
            lock(file, path)
            if stands_at(path, file) or attempt == MOST_ATTEMPTS - 1:
                if mode == "w":
                    file.truncate(0)
                return file, True
        except BaseException:
            file.close()
            raise
        # Whoever had it put another file in its place, or took it away, before it was locked here.
        unlock(file)
        file.close()
    raise FileNotFoundError(errno.ENOENT, "found it removed again and again", str(path))


def _open_whole(path: str, flags: int) -> int:
    return os.open(path, flags & ~os.O_TRUNC, 0o666)


def _open_or_make(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT, 0o666)  # where a link leads to nothing, what it leads to is made


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to the device, where the system can; raise OSError when that fails."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        return  # files can be made in a folder that cannot be read
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems that cannot, and need not
            raise
    finally:
        os.close(descriptor)

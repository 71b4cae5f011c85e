"""Where a Writer puts bytes: a path, a file object, or a pipe."""

from __future__ import annotations

import errno
import io
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from .errors import InvalidArgumentError, WriteFailedError


class Output:
    """A target that takes whole records.

    Attributes
    ----------
    path : Path or None
        Where it stands, when the Writer was given a path to a regular file.
    """

    def __init__(self, file: BinaryIO, name: str, path: Path | None, owned: bool, fsync: bool) -> None:
        self.path = path
        self._file = file
        self._name = name
        self._owned = owned
        self._fsync = fsync
        self._written = 0
        self._synced = 0
        self._start = 0

    def is_at_path(self) -> bool:
        """Tell whether the file that is written still stands at its path, and was not moved or replaced."""
        if self.path is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), self.path.stat())
        except OSError:
            return False

    def write(self, data: bytes) -> None:
        """Hand all of ``data`` to the operating system.

        Raises
        ------
        WriteFailedError
            The target did not take it. What it took of it is cut off again where the target can be cut.
        """
        view = memoryview(data)
        try:
            while view:
                taken = self._file.write(view)
                if taken is None:
                    raise BlockingIOError("the target is not ready; allowed: a target that blocks")
                view = view[taken:]
            self._file.flush()
        except (OSError, ValueError) as error:
            self._cut()
            raise self._failure(error) from error
        self._written += len(data)

    def sync(self) -> None:
        """Force what was written to the device, if the Writer was asked to."""
        if not self._fsync or self._synced == self._written:
            return
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._failure(error) from error
        self._synced = self._written

    def _failure(self, error: Exception) -> WriteFailedError:
        number = getattr(error, "errno", None)
        reason = getattr(error, "strerror", None) or str(error)
        return WriteFailedError(
            number, f"{self._name}, byte {self._written}: {reason}; what was written before stays readable"
        )

    def _cut(self) -> None:
        """Drop the part of a record that was taken before a failure, so that an append finds a whole one
        last.
        """
        if self.path is None:
            return
        with suppress(OSError, ValueError):  # where it cannot be cut, a reader copes with a truncated record
            self._file.truncate(self._start + self._written)

    def begin_at(self, position: int) -> None:
        """Write from ``position`` on, dropping what stands behind it."""
        self._file.seek(position)
        self._file.truncate()
        self._start = position

    def close(self) -> None:
        """Close the target, if it was opened here."""
        if not self._owned:
            return
        try:
            self._file.close()
        except OSError as error:
            raise self._failure(error) from error


_MODES = {"w": "wb", "x": "xb", "a": "r+b"}


def open_output(target: Any, mode: str, fsync: bool) -> Output:
    """Return the output for what a Writer was given.

    Raises
    ------
    InvalidArgumentError
        It is neither a path nor a binary file object, or the mode does not fit it.
    OSError
        A path cannot be opened.
    """
    if not isinstance(mode, str) or mode not in _MODES:
        raise InvalidArgumentError(
            f"mode: found {mode!r}, allowed: 'w' (replace), 'x' (refuse to replace), 'a' (append)"
        )
    if isinstance(target, (str, os.PathLike)):
        path = Path(os.path.abspath(target))  # the working directory may change
        if mode == "a" and not path.exists():
            mode = "x"
        file = cast(BinaryIO, path.open(_MODES[mode], buffering=0))
        regular = file.seekable() and path.is_file()
        if fsync and regular:
            sync_folder(path.parent)  # a file is not there after a power cut before its name is
        return Output(file, str(path), path if regular else None, owned=True, fsync=fsync and regular)
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

"""Where a Reader gets bytes from: a path, a file object, bytes, or a pipe."""

from __future__ import annotations

import io
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from .errors import InvalidArgumentError, TruncatedDataError

PIECE_BYTES = 2**20
_SMALL_BYTES = 2**16


class Input(Protocol):
    """Bytes in order."""

    name: str
    seekable: bool

    def read_piece(self) -> bytes | memoryview:
        """Return the next bytes, at least one unless the data has ended."""

    def close(self) -> None:
        """Close what was opened here; what the caller opened stays open."""


class SeekableInput(ABC):
    """Bytes that can be read anywhere."""

    seekable = True
    is_far = False
    """Whether each read is a request, so that few large ones are better than many small ones."""

    name: str

    @abstractmethod
    def read_piece(self) -> bytes | memoryview:
        """Return the next bytes, none at the end."""

    @abstractmethod
    def rewind(self) -> None:
        """Make ``read_piece`` start over."""

    @abstractmethod
    def size(self) -> int:
        """Return the number of bytes that there are now."""

    @abstractmethod
    def read_at(self, offset: int, size: int) -> memoryview:
        """Return ``size`` bytes from ``offset`` on; raise TruncatedDataError if they are not there."""

    @abstractmethod
    def close(self) -> None:
        """Close what was opened here; what the caller opened stays open."""

    @contextmanager
    def ahead(self, ranges: Iterable[tuple[int, int]]) -> Iterator[SeekableInput]:
        """Give the input for reads of these ranges (offset, size), most of them, in this order; it may read ahead."""
        yield self


class BytesInput(SeekableInput):
    """Bytes in memory."""

    def __init__(self, data: Any) -> None:
        self.name = "bytes"
        self._data = memoryview(data).cast("B")
        self._closed = False
        self._at = 0

    def read_piece(self) -> memoryview:
        """Return the next bytes, none at the end."""
        piece = self._open()[self._at : self._at + PIECE_BYTES]
        self._at += len(piece)
        return piece

    def rewind(self) -> None:
        """Make ``read_piece`` start over."""
        self._at = 0

    def size(self) -> int:
        """Return the number of bytes."""
        return len(self._open())

    def _open(self) -> memoryview:
        if self._closed:
            raise InvalidArgumentError(f"{self.name}: found a closed Reader, allowed: an open one")
        return self._data

    def read_at(self, offset: int, size: int) -> memoryview:
        """Return ``size`` bytes from ``offset`` on; raise TruncatedDataError if they are not there."""
        if offset < 0 or size > self.size() - offset:
            raise TruncatedDataError(
                f"{self.name}, byte {offset}: found {len(self._data)} "
                f"bytes in all, needed {size} from there on"
            )
        return self._data[offset : offset + size]

    def close(self) -> None:
        """Let the buffer go."""
        self._closed = True
        self._data.release()


class FileInput(SeekableInput):
    """A file that can be read anywhere.

    Safe from several threads. A file that was opened here is read at offsets of its own, so that a process and what it
    forked may both read; one of the caller's is sought in, under a lock.
    """

    def __init__(self, file: BinaryIO, name: str, owned: bool) -> None:
        self.name = name
        self._file = file
        self._owned = owned
        self._lock = threading.Lock()
        self._start = 0 if owned else file.tell()
        self._at = 0
        self._has_pread = owned and hasattr(os, "pread")

    def read_piece(self) -> bytes:
        """Return the next bytes, none at the end."""
        piece = self._read(self._at, PIECE_BYTES)
        self._at += len(piece)
        return piece

    def rewind(self) -> None:
        """Make ``read_piece`` start over."""
        self._at = 0

    def size(self) -> int:
        """Return the number of bytes that the file has now."""
        if self._has_pread:
            return os.fstat(self._descriptor()).st_size
        with self._lock:
            return self._file.seek(0, os.SEEK_END) - self._start

    def read_at(self, offset: int, size: int) -> memoryview:
        """Return ``size`` bytes from ``offset`` on; raise TruncatedDataError if they are not there."""
        there = offset + size if size <= _SMALL_BYTES else self.size()
        if offset < 0 or size > there - offset:  # nothing large is allocated for bytes that do not exist
            raise TruncatedDataError(
                f"{self.name}, byte {offset}: found {there} bytes in all, needed {size} from there on"
            )
        data = self._read(offset, size)
        if len(data) < size:
            raise TruncatedDataError(f"{self.name}, byte {offset}: found {len(data)} bytes, needed {size}")
        return memoryview(data)

    def _read(self, offset: int, size: int) -> bytes:
        if self._has_pread:
            descriptor = self._descriptor()
            data = os.pread(descriptor, size, offset)
            if len(data) == size:
                return data
            return _read_fully(lambda done, left: os.pread(descriptor, left, offset + done), size)
        with self._lock:
            self._file.seek(self._start + offset)
            return _read_fully(lambda _, left: self._file.read(left), size)

    def _descriptor(self) -> int:
        if self._file.closed:
            raise InvalidArgumentError(f"{self.name}: found a closed Reader, allowed: an open one")
        return self._file.fileno()

    def close(self) -> None:
        """Close the file, if it was opened here."""
        if self._owned:
            self._file.close()


class PipeInput:
    """A file object that can only be read in order."""

    seekable = False

    def __init__(self, file: BinaryIO, name: str, owned: bool) -> None:
        self.name = name
        self._file = file
        self._owned = owned
        # What is there now must be given at once: a growing pipe may not fill a buffer for hours.
        self._read = getattr(file, "read1", None) or file.read

    def read_piece(self) -> bytes:
        """Return the next bytes, none at the end."""
        piece = self._read(2**16)
        if piece is None:
            raise InvalidArgumentError(
                f"{self.name}: found a source that is not ready, allowed: one that blocks"
            )
        return piece

    def close(self) -> None:
        """Close the file, if it was opened here."""
        if self._owned:
            self._file.close()


def _read_fully(read: Callable[[int, int], bytes | None], size: int) -> bytes:
    """Read ``size`` bytes, or all that is left; ``read(done, left)`` may give fewer than ``left``."""
    data = read(0, size) or b""
    if len(data) in (0, size):
        return data
    pieces = [data]
    done = len(data)
    while done < size and (data := read(done, size - done) or b""):
        pieces.append(data)
        done += len(data)
    return b"".join(pieces)


def open_input(source: Any) -> SeekableInput | PipeInput:
    """Return the input for what a Reader was given, which may be one already.

    Raises
    ------
    InvalidArgumentError
        It is none of path, binary file object and bytes.
    OSError
        A path cannot be opened.
    """
    if isinstance(source, SeekableInput):
        return source
    if isinstance(source, (bytes, bytearray, memoryview)):
        return BytesInput(source)
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        file: BinaryIO = path.open("rb", buffering=0)
        if file.seekable():
            return FileInput(file, str(path), owned=True)
        return PipeInput(file, str(path), owned=True)
    if not hasattr(source, "read"):
        raise InvalidArgumentError(
            f"source: found {type(source).__name__}, allowed: path, binary file object, bytes"
        )
    if isinstance(source, io.TextIOBase):
        raise InvalidArgumentError("source: found a text file, allowed: a file opened in binary mode")
    name = getattr(source, "name", None)
    shown = name if isinstance(name, str) else type(source).__name__
    seekable = getattr(source, "seekable", None)
    if seekable is not None and seekable():
        return FileInput(source, shown, owned=False)
    return PipeInput(source, shown, owned=False)

"""Where a Reader gets bytes from: a path, a file object, bytes, or a pipe."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from .errors import InvalidArgumentError, TruncatedDataError

PIECE_BYTES = 2**20


class Input(Protocol):
    """Bytes in order."""

    name: str
    seekable: bool

    def read_piece(self) -> bytes | memoryview:
        """Return the next bytes, at least one unless the data has ended."""

    def close(self) -> None:
        """Close what was opened here; what the caller opened stays open."""


class BytesInput:
    """Bytes in memory."""

    seekable = True

    def __init__(self, data: Any) -> None:
        self.name = "bytes"
        self._data = memoryview(data).cast("B")
        self._at = 0

    def read_piece(self) -> memoryview:
        """Return the next bytes, none at the end."""
        piece = self._data[self._at : self._at + PIECE_BYTES]
        self._at += len(piece)
        return piece

    def rewind(self) -> None:
        """Make ``read_piece`` start over."""
        self._at = 0

    def size(self) -> int:
        """Return the number of bytes."""
        return len(self._data)

    def read_at(self, offset: int, size: int) -> memoryview:
        """Return ``size`` bytes from ``offset`` on; raise TruncatedDataError if they are not there."""
        if offset < 0 or size > len(self._data) - offset:
            raise TruncatedDataError(
                f"{self.name}, byte {offset}: found {len(self._data)} "
                f"bytes in all, needed {size} from there on"
            )
        return self._data[offset : offset + size]

    def close(self) -> None:
        """Let the buffer go."""
        self._data.release()


class FileInput:
    """A file that can be read anywhere. Safe from several threads: each read seeks under a lock."""

    seekable = True

    def __init__(self, file: BinaryIO, name: str, owned: bool) -> None:
        self.name = name
        self._file = file
        self._owned = owned
        self._lock = threading.Lock()
        self._start = 0 if owned else file.tell()
        self._at = 0

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
        with self._lock:
            return self._file.seek(0, os.SEEK_END) - self._start

    def read_at(self, offset: int, size: int) -> memoryview:
        """Return ``size`` bytes from ``offset`` on; raise TruncatedDataError if they are not there."""
        if offset < 0 or size > self.size() - offset:  # nothing is allocated for bytes that do not exist
            raise TruncatedDataError(
                f"{self.name}, byte {offset}: found {self.size()} bytes in all, needed {size} from there on"
            )
        data = self._read(offset, size)
        if len(data) < size:
            raise TruncatedDataError(f"{self.name}, byte {offset}: found {len(data)} bytes, needed {size}")
        return memoryview(data)

    def _read(self, offset: int, size: int) -> bytes:
        with self._lock:
            self._file.seek(self._start + offset)
            return _read_fully(self._file, size)

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


def _read_fully(file: BinaryIO, size: int) -> bytes:
    """Read ``size`` bytes, or all that is left; unbuffered files may give fewer at a time."""
    data = file.read(size) or b""
    if len(data) in (0, size):
        return data
    pieces = [data]
    left = size - len(data)
    while left and (data := file.read(left) or b""):
        pieces.append(data)
        left -= len(data)
    return b"".join(pieces)


def open_input(source: Any) -> BytesInput | FileInput | PipeInput:
    """Return the input for what a Reader was given.

    Raises
    ------
    InvalidArgumentError
        It is none of path, binary file object and bytes.
    OSError
        A path cannot be opened.
    """
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

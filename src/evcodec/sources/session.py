"""What every importer gives: a session, read from an input of any kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from ..batch import EventBatch
from ..entries import Entry
from ..errors import InvalidArgumentError, TruncatedDataError


@dataclass
class Session:
    """A recording of another program, as batches and entries.

    Attributes
    ----------
    format : str
        Name of the recorder's format: ``"balabit"``, ``"ducktrack"``, ``"evemu"`` or ``"owamcap"``.
    metadata : dict
        What is known before the first event; meant for ``Writer(metadata=...)``.
    items : iterator of EventBatch or Entry
        In stream order, each definition before the first event that refers to it. Batches hold at most
        65,536 events. On bad data everything before it comes out first, then the error is raised.
    losses : list of str
        What could not be carried, one precise line each. Complete when ``items`` is exhausted.
    """

    format: str
    metadata: dict[str, Any]
    items: Iterator[EventBatch | Entry]
    losses: list[str] = field(default_factory=list)
    _close: Callable[[], None] | None = field(default=None, repr=False)

    def close(self) -> None:
        """Close the file, if the importer opened it. Harmless when repeated."""
        if self._close is not None:
            self._close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Input:
    """Bytes of a path or of a binary file object, seekable or not, with a name for messages.

    Parameters
    ----------
    source : path or binary file object
        A path is opened here and closed by :meth:`close`; a file object stays the caller's.
    """

    def __init__(self, source: Path | str | BinaryIO) -> None:
        self._head = b""
        if isinstance(source, (str, Path)):
            self.name = str(source)
            self._file: BinaryIO = open(source, "rb")  # noqa: SIM115 - close() closes it
            self.close: Callable[[], None] = self._file.close
        elif hasattr(source, "read"):
            name = getattr(source, "name", None)
            self.name = name if isinstance(name, str) else "<input>"
            self._file = source
            self.close = lambda: None
        else:
            found = type(source).__name__
            raise InvalidArgumentError(f"source: found {found}, allowed: a path or a binary file object")

    @classmethod
    def of(cls, source: Path | str | BinaryIO | Input) -> Input:
        """Return ``source`` itself if it is an Input already, else open it."""
        return source if isinstance(source, Input) else cls(source)

    def _read_some(self, size: int) -> bytes:
        data = self._file.read(size)
        if not isinstance(data, (bytes, bytearray, memoryview)):
            found = "no data yet" if data is None else type(data).__name__
            raise InvalidArgumentError(f"{self.name}: read gave {found}, allowed: bytes of a blocking file")
        return bytes(data)

    def peek(self, size: int) -> bytes:
        """Return up to ``size`` bytes from here on without taking them; fewer only at the end."""
        while len(self._head) < size:
            more = self._read_some(size - len(self._head))
            if not more:
                break
            self._head += more
        return self._head[:size]

    def read(self, size: int) -> bytes:
        """Return from 1 to ``size`` bytes, or none at the end."""
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
            return data
        return self._read_some(size)

    def metadata(self, format_name: str) -> dict[str, Any]:
        """Return the metadata that all importers share: where the events came from."""
        return {"source_format": format_name, "source_name": Path(self.name).name}


class ExactInput:
    """A file object whose ``read(n)`` gives n bytes or raises: parsers of binary files rely on it."""

    STEP = 1 << 20

    def __init__(self, source: Input) -> None:
        self._source = source
        self.position = 0

    def read(self, size: int) -> bytes:
        """Return exactly ``size`` bytes; memory grows with what arrives, not with what was announced."""
        parts = []
        missing = size
        while missing:
            part = self._source.read(min(missing, self.STEP))
            if not part:
                raise TruncatedDataError(
                    f"{self._source.name}: found the end of the data at byte {self.position}, "
                    f"allowed: {missing} bytes more"
                )
            parts.append(part)
            missing -= len(part)
            self.position += len(part)
        return b"".join(parts)

"""Importers: recordings of other programs as batches and entries of evcodec.

Each format has a module of its own with one function, ``open_<format>``. The functions here choose among them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ..batch import EventBatch
from ..errors import CorruptDataError, InvalidArgumentError, TruncatedDataError
from .balabit import HEADER as _BALABIT_HEADER
from .balabit import open_balabit
from .ducktrack import open_ducktrack
from .evemu import open_evemu
from .lines import UTF8_MARK
from .owamcap import open_owamcap
from .session import Input, Session

if TYPE_CHECKING:
    from ..writer import Writer

__all__ = [
    "FORMATS",
    "HEAD_BYTES",
    "Session",
    "detect",
    "import_file",
    "open_balabit",
    "open_ducktrack",
    "open_evemu",
    "open_owamcap",
    "open_session",
    "write_session",
]

FORMATS: dict[str, Callable[[Path | str | BinaryIO | Input], Session]] = {
    "balabit": open_balabit,
    "ducktrack": open_ducktrack,
    "evemu": open_evemu,
    "owamcap": open_owamcap,
}

# Enough for the first line of any of the formats.
HEAD_BYTES = 4096

_MCAP_MAGIC = b"\x89MCAP0\r\n"
_EVEMU_LINE = re.compile(
    rb"E: ?[0-9]+\.[0-9]+ [0-9a-fA-F]{4} [0-9a-fA-F]{1,4} |N: .|I: [0-9a-fA-F]{4} |# EVEMU "
)
_DUCKTRACK_LINE = re.compile(rb'\{(?=[^\n]*"time_stamp"\s*:)(?=[^\n]*"action"\s*:)')


def detect(head: bytes) -> str | None:
    """Return the name of the format that data with this beginning is of, or None.

    Parameters
    ----------
    head : bytes
        The first bytes, best ``HEAD_BYTES`` of them.
    """
    if head.startswith(_MCAP_MAGIC):
        return "owamcap"
    text = head.removeprefix(UTF8_MARK)
    if text.split(b"\n", 1)[0].rstrip(b"\r") == _BALABIT_HEADER:
        return "balabit"
    for line in text.split(b"\n"):
        line = line.strip()
        if _EVEMU_LINE.match(line):
            return "evemu"
        if line and not line.startswith(b"#"):
            return "ducktrack" if _DUCKTRACK_LINE.match(line) else None
    return None


def open_session(source: Path | str | BinaryIO, format: str | None = None) -> Session:
    """Open a recording of any known format.

    Parameters
    ----------
    source : path or binary file object
        Need not be seekable.
    format : str, optional
        One of ``FORMATS``; found out from the content when not given.

    Raises
    ------
    InvalidArgumentError
        ``format`` is not known.
    CorruptDataError
        The content is of no known format.
    TruncatedDataError
        There is no content.
    OSError
        The file cannot be read.
    """
    if format is not None and format not in FORMATS:
        raise InvalidArgumentError(f"format: found {format!r}, allowed: {', '.join(FORMATS)}")
    opened = Input(source)
    try:
        if format is None:
            head = opened.peek(HEAD_BYTES)
            if not head:
                raise TruncatedDataError(f"{opened.name}: found an empty file, allowed: {', '.join(FORMATS)}")
            format = detect(head)
            if format is None:
                raise CorruptDataError(
                    f"{opened.name}: found content of no known format, allowed: {', '.join(FORMATS)}"
                )
    except BaseException:
        opened.close()
        raise
    return FORMATS[format](opened)


def write_session(session: Session, writer: Writer, progress: Callable[[int], object] | None = None) -> int:
    """Write all items of a session and return the number of events; ``session.losses`` is complete then.

    Parameters
    ----------
    session : Session
    writer : Writer
    progress : callable, optional
        Called after each item with the number of events written so far.
    """
    events = 0
    for item in session.items:
        if isinstance(item, EventBatch):
            writer.write(item)
            events += len(item)
        else:
            writer.add(item)
        if progress is not None:
            progress(events)
    return events


def import_file(
    source: Path | str | BinaryIO, target: Any, *, format: str | None = None, **options: Any
) -> Session:
    """Import a recording into a new stream.

    Parameters
    ----------
    source, format
        As for :func:`open_session`.
    target : path, binary file object or Writer
        Where the stream goes. A Writer gets the items but not the metadata, which is the business of who
        made it, and stays open.
    **options
        For the Writer. ``metadata`` is added to what the recording says of itself.

    Returns
    -------
    Session
        Its ``losses`` say what could not be carried.

    Raises
    ------
    EvcodecError
        As :func:`open_session` and the items of its session. What was read before the error is in the stream.
    """
    from ..writer import Writer

    with open_session(source, format) as session:
        if isinstance(target, Writer):
            if options:
                raise InvalidArgumentError(
                    f"options: found {', '.join(options)}, allowed: none beside a Writer"
                )
            write_session(session, target)
        else:
            metadata = session.metadata | (options.pop("metadata", None) or {})
            with Writer(target, metadata=metadata, **options) as writer:
                write_session(session, writer)
    return session

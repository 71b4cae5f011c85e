"""Lines of text files with their numbers, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..errors import CorruptDataError, LimitExceededError, TruncatedDataError
from .session import Input

BLOCK_BYTES = 1 << 20
# A line may become a payload, and an entry must fit into a record of entries with room to spare.
MAX_LINE_BYTES = 8 << 20
UTF8_MARK = b"\xef\xbb\xbf"


class LineBlock(NamedTuple):
    """Whole lines: ``data`` ends with a line end, except where the file ends without one."""

    first_line: int
    data: bytes
    complete: bool


def read_line_blocks(source: Input, size: int = BLOCK_BYTES) -> Iterator[LineBlock]:
    """Yield the lines of ``source`` in blocks of about ``size`` bytes.

    Raises
    ------
    LimitExceededError
        A line is longer than 8 MiB.
    TruncatedDataError
        There are no bytes at all.
    """
    line = 1
    rest = b""
    started = False
    while data := source.read(size):
        if not started:
            data = _whole_mark(source, data).removeprefix(UTF8_MARK)
            started = True
        end = data.rfind(b"\n") + 1
        if not end:
            rest += data
            if len(rest) > MAX_LINE_BYTES:
                raise LimitExceededError(
                    f"{source.name}:{line}: found a line longer than {MAX_LINE_BYTES} bytes, "
                    f"allowed: {MAX_LINE_BYTES}"
                )
            continue
        whole = rest + data[:end]
        rest = data[end:]
        yield LineBlock(line, whole, True)
        line += whole.count(b"\n")
    if not started:
        raise TruncatedDataError(f"{source.name}:1: found an empty file, allowed: at least one line")
    if rest:
        yield LineBlock(line, rest, False)


def _whole_mark(source: Input, data: bytes) -> bytes:
    """Return ``data`` with enough bytes to tell whether it starts with a UTF-8 mark."""
    while len(data) < len(UTF8_MARK) and UTF8_MARK.startswith(data) and (more := source.read(1)):
        data += more
    return data


class Line(NamedTuple):
    """One line of text without its end."""

    number: int
    text: str
    complete: bool


def read_lines(source: Input) -> Iterator[Line]:
    """Yield the lines of ``source`` as text; both LF and CR LF end a line.

    Raises
    ------
    CorruptDataError
        A line is not UTF-8.
    LimitExceededError, TruncatedDataError
        As :func:`read_line_blocks`.
    """
    for block in read_line_blocks(source):
        lines = block.data.split(b"\n")
        if block.complete:
            lines.pop()
        for number, line in enumerate(lines, block.first_line):
            if line.endswith(b"\r"):
                line = line[:-1]
            yield Line(number, decode_text(source.name, number, line), block.complete)


def decode_text(name: str, number: int, line: bytes) -> str:
    """Return a line's text, or raise CorruptDataError that names the line and the byte."""
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise CorruptDataError(
            f"{name}:{number}: found byte 0x{line[error.start]:02x} at column {error.start + 1}, allowed: UTF-8"
        ) from None


def bad_line(name: str, number: int, complete: bool, problem: str) -> CorruptDataError | TruncatedDataError:
    """Return the error for a line: truncated where the file ends inside of it, else corrupt."""
    if complete:
        return CorruptDataError(f"{name}:{number}: {problem}")
    return TruncatedDataError(f"{name}:{number}: the file ends inside this line: {problem}")


def no_line_end(number: int) -> str:
    """Return what ``losses`` say of a last line that may have been cut where nobody can see it."""
    return f"line {number}: whether it was cut, for it has no line end; it was taken as complete"

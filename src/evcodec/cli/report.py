"""What is said of one input: its error, and the damage that was stepped over, always with its name."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from ..errors import CorruptDataError, TruncatedDataError
from ..reader import Reader
from .files import FULL, MARKER, STDIO, head_of, shown_name
from .terminal import error_text, printable, say_error


def about(path: str, text: str) -> str:
    """Return a message that begins with the name of its input; most errors of the library have it in front."""
    name = shown_name(path)
    # Not `name in text`: the hint names it too, and a short name is part of some other word.
    begins = (f"{name}:", f"{name},", *(("<stdin>:", "<stdin>,") if path == STDIO else ()))
    return text if text.startswith(begins) else f"{name}: {text}"


def repair_hint(error: BaseException, path: str) -> str:
    """Return how to save what is whole in a damaged stream; nothing for what does not begin as a stream does."""
    damaged = isinstance(error, (CorruptDataError, TruncatedDataError))
    if damaged and path != STDIO and head_of(path, len(MARKER)) == MARKER:
        return f"; evcodec repair {printable(path)} OUT saves what is whole"
    return ""


def report_error(path: str, error: BaseException) -> None:
    """Print the error of an input to stderr, behind what was printed of it so far."""
    sys.stdout.flush()
    if isinstance(error, OSError) and error.filename is None and error.errno in FULL:
        error.filename = "stdout"  # reading cannot fail so
    say_error(about(path, error_text(error)) + repair_hint(error, path))


def problems_of(reader: Reader) -> list[str]:
    """Return what ``--skip-damage`` stepped over, in the order of the bytes, each once however often it was read."""
    return list(dict.fromkeys(problem.message for problem in sorted(reader.problems)))


def report_problems(path: str, problems: Iterable[str]) -> int:
    """Print to stderr what was stepped over, and return the exit status: 1 when anything was."""
    sys.stdout.flush()
    status = 0
    for problem in problems:
        say_error(f"{shown_name(path)}: left out: {printable(problem, 2_000)}")
        status = 1
    return status

"""What the commands share in speaking to a person: consoles, progress, numbers, spans of time, safe text."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from ..errors import EvcodecError, MissingKeyError, RetentionError
from ..plain import dumps

# Off a terminal there is no width to keep to, and a path cut short is of no use to a script.
_WIDTH_OF_A_PIPE = 240


def console(*, stderr: bool = False) -> Console:
    """Return a console that takes text as it is: no markup, no emoji, no guessed colours."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _WIDTH_OF_A_PIPE
    return Console(
        file=stream, width=width, markup=False, emoji=False, highlight=False, soft_wrap=not stream.isatty()
    )


def table(*columns: str, numbers: int = 0, title: str | None = None) -> Table:
    """Return an empty table, the last ``numbers`` columns aligned to the right."""
    made = Table(
        title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0)
    )
    for at, name in enumerate(columns):
        right = at >= len(columns) - numbers
        made.add_column(name, justify="right" if right else "left", no_wrap=right, overflow="fold")
    return made


def show(out: Console, rows: Table) -> None:
    """Print a table; off a terminal without the spaces that fill its last column."""
    if out.is_terminal:
        out.print(rows)
        return
    with out.capture() as taken:
        out.print(rows)
    for line in taken.get().removesuffix("\n").split("\n"):
        click.echo(line.rstrip(), file=out.file)


def progress() -> Progress:
    """Return a progress bar on stderr; off a terminal it shows nothing."""
    out = console(stderr=True)
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        console=out,
        transient=True,
        # What is printed meanwhile goes where it belongs, and `aside` keeps it out of the bar.
        redirect_stdout=False,
        redirect_stderr=False,
        disable=not (sys.stderr.isatty() and out.is_interactive),
    )


@contextmanager
def aside(bar: Progress) -> Iterator[None]:
    """Take the bar off the screen while something else is printed: stdout may be the same terminal."""
    bar.stop()
    try:
        yield
        sys.stdout.flush()
    finally:
        bar.start()


def printable(value: object, limit: int = 400) -> str:
    """Return text of a file or a path so that it cannot move the cursor or colour the screen."""
    text = str(value)
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text
    )


def say(line: str) -> None:
    """Print one line to stdout."""
    click.echo(line)


def say_error(text: str) -> None:
    """Print one message to stderr; if even that fails there is nobody to tell."""
    try:
        click.echo(f"evcodec: {text}", err=True)
    except (OSError, ValueError):
        return


def say_json(value: Any) -> None:
    """Print one JSON object on a line of its own."""
    click.echo(dumps(value))


def error_text(error: BaseException) -> str:
    """Return an error as one printable line, with a hint where there is one."""
    if isinstance(error, OSError) and (error.errno or not isinstance(error, EvcodecError)):
        # By its number: a Writer's error also names the hidden file, and says that its bytes stay.
        own = None if isinstance(error, EvcodecError) else error.strerror
        what = own or os.strerror(error.errno) if error.errno else str(error)
        where = (
            f"{printable(os.fsdecode(error.filename))}: " if isinstance(error.filename, (str, bytes)) else ""
        )
        if error.errno == errno.ENOSPC:
            what = f"{what}; what was being written is not kept"
        return f"{where}{what or type(error).__name__}"
    if isinstance(error, MemoryError):
        return "out of memory"
    text = printable(str(error) or type(error).__name__, 2_000)
    if isinstance(error, MissingKeyError):
        text = text.replace("a key of theirs", "--key with a key of theirs")
        text = text.replace('without_key="skip"', "--skip-encrypted")
    if isinstance(error, RetentionError):
        text = text.replace("past_retention='allow'", "--past-retention")
    return text if isinstance(error, EvcodecError) else f"{type(error).__name__}: {text}"


def counted(n: int, what: str) -> str:
    """Return a count with its noun: ``1 block``, ``2,000 blocks``."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def human_bytes(n: int) -> str:
    """Return a size as ``12 B``, ``3.4 KiB``, ``5.6 MiB``."""
    size = float(n)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1_024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1_024
    return f"{size:.1f} TiB"


def human_span(ns: int) -> str:
    """Return a length of time as a person says it: ``1 h 02 min 03 s``, ``12.345 s``, ``5 µs``."""
    if ns < 0:
        return f"-{human_span(-ns)}"
    if ns < 1_000:
        return f"{ns} ns"
    if ns < 1_000_000:
        return f"{ns / 1e3:.4g} µs"
    if ns < 1_000_000_000:
        return f"{ns / 1e6:.4g} ms"
    seconds = ns // 1_000_000_000
    if seconds < 60:
        return f"{ns / 1e9:.3f} s"
    days, hours, minutes = seconds // 86_400, seconds // 3_600 % 24, seconds // 60 % 60
    text = (
        f"{minutes:02d} min {seconds % 60:02d} s" if hours or days else f"{minutes} min {seconds % 60:02d} s"
    )
    if hours or days:
        text = f"{hours} h {text}"
    return f"{days:,} d {text}" if days else text


def human_wall(ns: int) -> str:
    """Return a wall clock time in UTC to the millisecond; a number where the calendar ends."""
    try:
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ns // 1_000)
    except OverflowError:
        return f"{ns} ns since 1970"
    return at.strftime("%Y-%m-%d %H:%M:%S.") + f"{at.microsecond // 1_000:03d} UTC"


def seconds_text(ns: int) -> str:
    """Return nanoseconds as seconds with all nine digits, exactly."""
    whole, rest = divmod(abs(ns), 1_000_000_000)
    return f"{'-' if ns < 0 else ''}{whole}.{rest:09d}"

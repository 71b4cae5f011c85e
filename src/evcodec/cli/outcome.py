"""What became of each file of many: one failure does not stop the others, and each is told of in the end."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

import click

from ..errors import EvcodecError, InvalidArgumentError, MissingExtraError, NotPermittedError
from .files import STDIO
from .report import about, report_problems
from .terminal import (
    aside,
    console,
    error_text,
    human_bytes,
    printable,
    progress,
    say_error,
    say_json,
    show,
    table,
)


@dataclass
class Outcome:
    """What became of one file."""

    source: str
    target: str
    format: str | None = None
    ok: bool = False
    events: int = 0
    bytes_in: int | None = None
    bytes_out: int | None = None
    losses: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    error: str | None = None

    @property
    def result(self) -> str:
        """Say in a word or two how it went."""
        if self.ok:
            return "ok"
        if self.error is not None:
            return "cut short" if self.bytes_out is not None else "failed"
        return "damage left out"


def convert_each(
    outcomes: Sequence[Outcome],
    convert: Callable[[Outcome, Callable[[int, int], None]], None],
    verb: str,
    as_json: bool,
) -> int:
    """Convert file by file under a progress bar, report, and return the exit status."""
    total = sum(outcome.bytes_in or 0 for outcome in outcomes)
    done = 0
    with progress() as bar:
        task = bar.add_task(verb, total=total or None, note="")
        for at, outcome in enumerate(outcomes):
            name = printable(os.path.basename(outcome.source), 40)

            def advance(position: int, events: int, at: int = at, name: str = name, done: int = done) -> None:
                bar.update(
                    task,
                    completed=done + position,
                    description=name,
                    note=f"{at + 1}/{len(outcomes)}, {events:,} events",
                )

            advance(0, 0)
            try:
                convert(outcome, advance)
            except (BrokenPipeError, MissingExtraError):
                raise
            except InvalidArgumentError as error:
                if len(outcomes) == 1 and not isinstance(error, NotPermittedError):
                    raise
                outcome.error = error_text(error)
            except (EvcodecError, OSError, MemoryError) as error:
                # The other files are not to suffer from this one.
                outcome.error = error_text(error)
            if outcome.result == "failed" and outcome.target != STDIO:
                outcome.events = 0  # those before the error are not kept
            done += outcome.bytes_in or 0
            if as_json:
                with aside(bar):
                    say_json(asdict(outcome))
    for outcome in outcomes:
        if outcome.error is not None:
            say_error(about(outcome.source, outcome.error))
        report_problems(outcome.source, outcome.problems)
    return 0 if all(outcome.ok for outcome in outcomes) else 1


def show_summary(outcomes: Sequence[Outcome]) -> None:
    """Print a table of what was done; to stderr when the data itself goes to stdout."""
    rows = table("file", "format", "result", "events", "bytes in", "bytes out", "bytes/event", numbers=4)
    for outcome in outcomes:
        each = outcome.bytes_out / outcome.events if outcome.bytes_out and outcome.events else None
        rows.add_row(
            printable(outcome.source),
            outcome.format or "?",
            outcome.result,
            f"{outcome.events:,}",
            "" if outcome.bytes_in is None else human_bytes(outcome.bytes_in),
            "" if outcome.bytes_out is None else human_bytes(outcome.bytes_out),
            "" if each is None else f"{each:.2f}",
        )
    if len(outcomes) == 1 and not outcomes[0].events and outcomes[0].result == "failed":
        # The error says it all.
        return
    to_stderr = any(outcome.target == STDIO for outcome in outcomes)
    show(console(stderr=to_stderr), rows)
    for outcome in outcomes:
        for loss in outcome.losses:
            click.echo(f"{printable(outcome.source)}: not carried: {printable(loss, 2_000)}", err=to_stderr)

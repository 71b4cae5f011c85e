"""``review``: what is in a recording, for the person it is of, before it leaves."""

from __future__ import annotations

import os
import sys
from typing import Any

import click
from rich.console import Console

from ..entries import reason_name
from ..errors import EvcodecError
from ..review import Reviewed, review
from ..review.picture import line, page
from .files import check_outputs, check_place, seekable_input, shown_name, streams, whole_output
from .keys import key_option
from .options import force_option, json_option
from .report import report_error
from .terminal import console, counted, human_span, human_wall, printable, say_json, show, table

_BAR = 48


@click.command(
    "review",
    short_help="Show what was recorded where, before it leaves.",
    epilog="""\b
Examples:
  evcodec review session.evc
  evcodec review session.evc --page session.html
  evcodec review session.evc --json | jq '.spans[].application'
  evcodec review session.evc --show-text

\b
What was typed is shown with --show-text only, and on a terminal only; titles and other texts never are.
What is not to leave is taken out by evcodec redact.""",
)
@click.argument("path", metavar="FILE")
@click.option(
    "--show-text", is_flag=True, help="Rebuild what was typed from the keys, and show it on this terminal."
)
@click.option("--anywhere", is_flag=True, help="With --show-text: also into a file or a pipe.")
@click.option("--page", "page_path", metavar="OUT", help="Write a page with a picture (HTML, one file).")
@key_option
@force_option
@json_option
def review_command(
    path: str, show_text: bool, anywhere: bool, page_path: str | None, keys: Any, force: bool, as_json: bool
) -> int:
    """Show spans by application, how keys were recorded in them, what was not recorded and why, purpose, retention, readers.

    FILE is a stream, or - for stdin.
    """
    if show_text and as_json:
        raise click.UsageError(
            "--show-text: found --json, allowed: without it, since JSON has counts and times only"
        )
    if show_text and not sys.stdout.isatty() and not anywhere:
        raise click.UsageError(
            "--show-text: found no terminal, allowed: a terminal, or --anywhere, which puts what was typed where it may stay"
        )
    streams([path])
    if page_path is not None:
        check_place(page_path)
        check_outputs([path], [page_path], force=force)
    try:
        with seekable_input(path) as file:
            found = review(file, show_text=show_text, keys=keys)
    except BrokenPipeError:
        raise
    except (EvcodecError, OSError) as error:
        report_error(path, error)
        return 1
    if page_path is not None:
        with whole_output(page_path) as out:
            out.write(page(found, os.path.basename(shown_name(path)), human_span, _facts(found)).encode())
    if as_json:
        say_json({"path": path, **found.plain()})
        return 0
    _show(console(), path, found)
    return 0


def _facts(found: Reviewed) -> list[tuple[str, str]]:
    """Return what a person wants to know first."""
    governance = found.governance
    facts = [("purpose", printable(governance.get("purpose") or "not stated"))]
    if notice := governance.get("notice_id"):
        facts.append(("notice", printable(notice)))
    until = governance.get("retain_until_ns")
    kept = human_wall(until) if isinstance(until, int) else "not stated"
    facts.append(("kept until", f"{kept}: past" if found.is_past_retention else kept))
    facts += [(f"{group} can be read by", printable(who)) for group, who in found.readers.items()]
    if found.start is not None and found.stop is not None:
        wall = found.wall_ns(found.start)
        when = f"{human_wall(wall)}, " if wall is not None else ""
        facts.append(
            ("recorded", f"{when}{human_span(found.stop - found.start)}, {counted(found.events, 'event')}")
        )
    if found.assumed:
        facts.append(("assumed", "a US keyboard: the recording has numbers of keys, not what they typed"))
    return facts


def _show(out: Console, path: str, found: Reviewed) -> None:
    facts = table("", "")
    facts.show_header = False
    facts.add_row("file", printable(shown_name(path)))
    for name, value in _facts(found):
        facts.add_row(name, value)
    show(out, facts)
    if found.spans:
        out.print()
        rows = table(
            "application",
            "in front",
            "spans",
            "clicks",
            "keys, in full",
            "keys, class only",
            "choices",
            numbers=6,
        )
        for of in found.applications():
            numbers = (of.spans, of.clicks, of.keys_full, of.keys_class, of.choices)
            rows.add_row(_name(of.name), human_span(of.length), *(f"{number:,}" for number in numbers))
        show(out, rows)
        out.print()
        spans = table("start", "application", "length", "events", "keys", numbers=3)
        for span in found.spans:
            keys = span.keys_full + span.keys_class
            spans.add_row(
                _offset(found, span.t0),
                _name(span.application),
                human_span(found.in_front(span)),
                f"{span.kinds.total():,}",
                f"{keys:,}",
            )
        show(out, spans)
    if found.gaps:
        out.print()
        gaps = table("not recorded", "gaps", "together", numbers=2)
        for reason, (count, length) in found.gap_totals().items():
            gaps.add_row(reason.replace("_", " "), f"{count:,}", human_span(length))
        show(out, gaps)
    _show_timeline(out, found)
    for application, passage in found.passages:
        out.print()
        where = f"{_offset(found, passage.start)} {_name(application)}"
        out.print(f"{where}: {printable(str(passage), 100_000)}")


def _show_timeline(out: Console, found: Reviewed) -> None:
    if not found.spans:
        return
    out.print()
    rows = table("", "")
    rows.show_header = False
    for of in found.applications():
        times = [(span.t0, span.t1) for span in found.spans if span.application == of.name]
        rows.add_row(_name(of.name), line(found, times, _BAR, "█"))
    for reason in found.gap_totals():
        times = [(gap.t0, gap.t1) for gap in found.gaps if reason_name(gap.reason) == reason]
        rows.add_row(f"not recorded: {reason.replace('_', ' ')}", line(found, times, _BAR, "░"))
    show(out, rows)


def _name(application: str) -> str:
    return printable(application, 40) if application else "(not known)"


def _offset(found: Reviewed, t: int) -> str:
    """Return a time as `redact --range` takes it: from the start of the recording."""
    seconds, rest = divmod(max(t - (found.start or 0), 0) // 1_000_000, 1_000)
    return f"{seconds // 3_600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:03d}"

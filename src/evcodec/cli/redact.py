"""``redact``: something is taken out of a recording for good."""

from __future__ import annotations

import os
import re
import sys
from datetime import UTC, datetime
from functools import partial
from typing import Any

import click

from ..errors import EvcodecError
from ..review import Redacted, Reviewed, redact, review
from .files import STDIO, check_outputs, check_place, shown_name, size_of, streams
from .keys import key_option
from .options import Time, TimeType, force_option, json_option
from .report import report_error
from .terminal import counted, human_span, printable, progress, say, say_error, say_json

_CLOCK = re.compile(r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})(?:\.(\d{1,9}))?", re.ASCII)


class RangeType(click.ParamType[tuple[Any, Any]]):
    """``A..B``: each an offset (``00:01:10``, ``+70s``), a time of the session clock (``70s``), or ``2026-03-01T09:30``."""

    name = "range"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Any, Any]:
        """Return both ends, as `Time` or datetime."""
        if isinstance(value, tuple):
            return value
        ends = value.split("..")
        if len(ends) != 2:
            self.fail(f"found {value!r}, allowed: A..B", param, ctx)
        return self._end(ends[0], param, ctx), self._end(ends[1], param, ctx)

    def _end(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = text.strip()
        if found := _CLOCK.fullmatch(text):
            hours, minutes, seconds = (int(part or 0) for part in found.groups()[:3])
            return Time(
                (hours * 3_600 + minutes * 60 + seconds) * 10**9 + int((found[4] or "").ljust(9, "0")), True
            )
        if re.match(r"\d{4}-\d\d-\d\d[T ]", text):
            try:
                at = datetime.fromisoformat(text)
            except ValueError:
                self.fail(f"found {text!r}, allowed: a date and time as 2026-03-01T09:30:00", param, ctx)
            return at if at.tzinfo else at.replace(tzinfo=UTC)
        return TimeType().convert(text, param, ctx)


@click.command(
    "redact",
    short_help="Take texts, times or applications out for good.",
    epilog="""\b
Examples:
  evcodec redact session.evc clean.evc --find-from secrets.txt
  evcodec redact session.evc --in-place --range 00:01:10..00:01:30
  evcodec redact session.evc clean.evc --app keepassxc --app thunderbird
  evcodec redact session.evc clean.evc --personal-data

\b
--find-text stands in the history of your shell while --find-from - takes texts from stdin, one a line. With OUT, FILE still
has everything: delete it yourself. With --in-place its old bytes are overwritten, but snapshots, backups and the spare blocks of
an SSD may keep them.""",
)
@click.argument("source", metavar="FILE")
@click.argument("target", metavar="OUT", required=False)
@click.option("--in-place", is_flag=True, help="Replace FILE, when the new one is whole and proved.")
@click.option(
    "--range", "ranges", type=RangeType(), multiple=True, metavar="A..B", help="Everything of this time."
)
@click.option(
    "--app", "applications", multiple=True, metavar="NAME", help="Everything in front of this application."
)
@click.option(
    "--find-text", "texts", multiple=True, metavar="TEXT", help="A text, wherever it was typed or stands."
)
@click.option(
    "--find-from", "lists", multiple=True, metavar="FILE", help="Texts of a file, one a line; - is stdin."
)
@click.option(
    "--personal-data",
    is_flag=True,
    help="E-mail addresses, card numbers, IBANs, phone numbers, … (evcodec[review]).",
)
@click.option("--match-case", is_flag=True, help="Capitals are not small letters.")
@key_option
@force_option
@json_option
def redact_command(
    source: str,
    target: str | None,
    in_place: bool,
    ranges: tuple[tuple[Any, Any], ...],
    applications: tuple[str, ...],
    texts: tuple[str, ...],
    lists: tuple[str, ...],
    personal_data: bool,
    match_case: bool,
    keys: Any,
    force: bool,
    as_json: bool,
) -> int:
    """Take out what was typed, shown or done, write the rest to OUT, and prove that it is gone before OUT gets its name."""
    if (target is None) != in_place:
        raise click.UsageError("OUT: found none or --in-place too, allowed: OUT, or --in-place")
    if not (ranges or applications or texts or lists or personal_data):
        raise click.UsageError(
            "found nothing to take out, allowed: --range, --app, --find-text, --find-from, --personal-data"
        )
    if STDIO in (source, target):
        raise click.UsageError(
            "found -, allowed: files: the recording is read more than once, and what was written is read back"
        )
    streams([source])
    if target is None:
        target = source
    else:
        check_place(target)
        check_outputs([source], [target], force=force, only_streams=True)
    try:
        wanted = [*texts, *(text for path in lists for text in _texts_of(path))]
        times = _ranges(ranges, source, keys) if ranges else []
        with progress() as bar:
            task = bar.add_task("redact", total=size_of(source), note=printable(os.path.basename(source), 40))
            found = redact(
                source,
                target,
                find=wanted,
                ranges=times,
                applications=applications,
                personal_data=personal_data,
                ignore_case=not match_case,
                keys=keys,
                progress=partial(bar.advance, task),
            )
    except BrokenPipeError:
        raise
    except UnicodeDecodeError:
        say_error("--find-from: found bytes that are no text, allowed: UTF-8")
        return 1
    except (EvcodecError, OSError) as error:
        report_error(source, error)
        return 1
    if as_json:
        say_json(_plain(source, target, found))
        return 0
    say("\n".join(_lines(source, target, found, in_place)))
    return 0


def _texts_of(path: str) -> list[str]:
    """Return the lines of a file that hold something."""
    if path == STDIO:
        data = sys.stdin.buffer.read()
    else:
        with open(path, "rb") as file:
            data = file.read()
    return [line for line in data.decode("utf-8-sig").splitlines() if line.strip()]


def _ranges(ranges: tuple[tuple[Any, Any], ...], source: str, keys: Any) -> list[tuple[int, int]]:
    """Return ranges in ns of the session clock."""
    found = review(source, keys=keys)
    times = [(_on_clock(low, found), _on_clock(high, found)) for low, high in ranges]
    for low, high in times:
        if low >= high:
            raise click.UsageError(
                "--range: found an end that is not behind its start, allowed: A..B with A before B"
            )
    return times


def _on_clock(end: Any, found: Reviewed) -> int:
    if isinstance(end, Time):
        return end.ns + (found.start or 0) if end.relative else end.ns
    seconds = (end - datetime(1970, 1, 1, tzinfo=UTC)) // (end.resolution)
    t = found.t_of_wall(seconds * 1_000)
    if t is None:
        raise click.UsageError(
            "--range: found a date and time, allowed here: offsets, since the recording knows no wall clock"
        )
    return t


def _plain(source: str, target: str, found: Redacted) -> dict[str, Any]:
    return {
        "path": source,
        "target": target,
        "matches": found.matches,
        "strings": found.strings,
        "spans": found.spans,
        "events_before": found.events_before,
        "events_after": found.events_after,
        "coarsened": found.coarsened,
        "gaps": [{"reason": reason, "t0": t0, "t1": t1} for reason, t0, t1 in found.gaps],
        "has_lost_chain": found.has_lost_chain,
        "assumed": found.assumed,
        "proved": found.proved,
    }


def _lines(source: str, target: str, found: Redacted, in_place: bool) -> list[str]:
    removed = found.events_before - found.events_after
    lines = [
        f"{shown_name(target)}: took out {counted(removed, 'event')}: {counted(found.matches, 'place')} where it was typed, "
        f"{counted(found.spans, 'span')} of applications; replaced {counted(found.strings, 'text')}"
    ]
    length = sum(t1 - t0 for _reason, t0, t1 in found.gaps)
    if found.gaps:
        keys = f"{counted(found.coarsened, 'key')} beside them got coarse times"
        lines.append(f"  {counted(len(found.gaps), 'gap')} of {human_span(length)} say so; {keys}")
    if found.assumed:
        lines.append(
            "  keys were read as those of a US keyboard: what was typed on another one may not have been found"
        )
    if found.has_lost_chain:
        lines.append(
            "  the hash chain was of the records as they were, and so was its signature: it is not carried over"
        )
    if found.proved:
        lines.append(
            f"  read back: nothing of it is left ({counted(found.characters, 'typed character')} rebuilt)"
        )
    lines.append(
        "  the old bytes were overwritten; snapshots, backups and an SSD's spare blocks may keep them"
        if in_place
        else f"  {shown_name(source)} still has everything"
    )
    return lines

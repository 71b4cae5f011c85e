"""``info`` and ``cat``: what is in a stream, in short and event by event."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

import click
from rich.console import Console

from ..batch import EventBatch
from ..errors import EvcodecError, InvalidArgumentError, NotPermittedError
from ..plain import dumps
from ..reader import Reader
from ..schema import STANDARD_COLUMNS, EventKind, kind_name
from ..sinks.plain import entry_objects, stream_object
from ..sinks.selection import column_dtypes
from .files import is_pipe, streams
from .keys import encrypted_option, key_option
from .options import Selection, damage_option, json_option, reading, selection_options, use_options
from .report import problems_of, report_error, report_problems
from .summary import summarise
from .terminal import (
    console,
    counted,
    error_text,
    human_bytes,
    human_span,
    human_wall,
    printable,
    say_error,
    say_json,
    seconds_text,
    show,
    table,
)


@click.command(
    "info",
    short_help="Show what is in streams, without anybody's words.",
    epilog="""\b
Examples:
  evcodec info session.evc
  evcodec info streams/ --json | jq .events
  evcodec info - < session.evc

\b
Key codes, window titles and texts are never shown, only how many there are: cat and export have them.""",
)
@click.argument("paths", nargs=-1, required=True, metavar="SRC…")
@key_option
@damage_option
@json_option
def info_command(paths: tuple[str, ...], keys: Any, skip_damage: bool, as_json: bool) -> int:
    """Show span, events by kind, bytes by column, gaps and their reasons, sources and metadata.

    SRC is a stream, a folder of streams, or - for stdin. Of groups that are encrypted it shows who can read them, and what
    is in those that --key opens.
    """
    inputs = streams(paths)
    if not inputs:
        say_error(f"{', '.join(map(printable, paths))}: found no evcodec stream")
        return 1
    status = 0
    for at, item in enumerate(inputs):
        try:
            # Who is to decide what becomes of a stream must be able to look at it.
            options = {"keys": keys, "without_key": "skip", "past_retention": "allow"}
            with reading(item.path, skip_damage=skip_damage, **options) as reader:
                found = summarise(reader, item.path)
        except BrokenPipeError:
            raise
        except (EvcodecError, OSError) as error:
            report_error(item.path, error)
            if as_json:
                say_json({"path": item.path, "error": error_text(error)})
            status = 1
            continue
        if as_json:
            say_json(found)
        else:
            out = console()
            if at:
                out.print()
            _show(out, found)
        status |= report_problems(item.path, found["problems"])
    return status


def _show(out: Console, found: dict[str, Any]) -> None:
    events = found["events"]
    facts = table("", "")
    facts.show_header = False
    facts.add_row("file", printable(found["path"]))
    each = f", {found['bytes_per_event']:.2f} bytes an event" if events else ""
    facts.add_row("size", f"{human_bytes(found['size'])} ({found['size']:,} bytes){each}")
    facts.add_row("events", f"{events:,} in {counted(found['blocks'], 'block')}")
    if found["span_ns"] is not None:
        clock = f"{seconds_text(found['start'])} s to {seconds_text(found['stop'])} s of the session clock"
        facts.add_row("span", f"{human_span(found['span_ns'])} ({clock})")
    if found["wall_start_ns"] is not None:
        facts.add_row(
            "recorded", f"{human_wall(found['wall_start_ns'])} to {human_wall(found['wall_stop_ns'])}"
        )
    for name in ("markers", "anchors", "video_anchors"):
        if found[name]:
            facts.add_row(name.replace("_", " "), f"{found[name]:,}")
    for name in ("contexts", "payloads"):
        if found[name]:
            facts.add_row(
                name, ", ".join(f"{count:,} {printable(kind, 60)}" for kind, count in found[name].items())
            )
    show(out, facts)

    if found["kinds"]:
        kinds = table("kind", "events", "share", numbers=2)
        for name, count in found["kinds"].items():
            kinds.add_row(name, f"{count:,}", f"{count / events:.1%}")
        _section(out, kinds)
    if found["columns"]:
        columns = table("column", "dtype", "bytes", "bytes/event", numbers=2)
        for name, column in found["columns"].items():
            per = "" if column["bytes_per_event"] is None else f"{column['bytes_per_event']:.3f}"
            columns.add_row(printable(name), column["dtype"], f"{column['bytes']:,}", per)
        other = found["other_bytes"]
        columns.add_row("other", "", f"{other:,}", f"{other / events:.3f}" if events else "")
        _section(out, columns)
    if found["encrypted"]:
        encrypted = table("encrypted", "readable by")
        for name, group in found["encrypted"].items():
            sealed = "opened" if group["opened"] else "not opened here"
            encrypted.add_row(name, f"{', '.join(group['recipients']) or 'nobody'} ({sealed})")
        _section(out, encrypted)
    if found["gaps"]:
        gaps = table("not recorded", "gaps", "span", "events lost", numbers=3)
        for reason, gap in found["gaps"].items():
            known = gap["lost_unknown"] < gap["count"]
            lost = f"{'at least ' if gap['lost_unknown'] else ''}{gap['lost']:,}" if known else "unknown"
            gaps.add_row(reason.replace("_", " "), f"{gap['count']:,}", human_span(gap["span_ns"]), lost)
        _section(out, gaps)
    if found["sources"]:
        sources = table("source", "name", "properties")
        for source in found["sources"]:
            sources.add_row(str(source["index"]), printable(source["name"]), _pairs(source["properties"]))
        _section(out, sources)
    if found["past_retention"]:
        out.print()
        out.print("It was to be kept up to a time that is past: read no more, to be erased.")
    for name in ("metadata", "governance"):
        if found[name]:
            values = table(name, "")
            for key, value in found[name].items():
                values.add_row(printable(key), printable(value if isinstance(value, str) else dumps(value)))
            _section(out, values)


def _section(out: Console, rows: Any) -> None:
    out.print()
    show(out, rows)


def _pairs(properties: dict[str, Any]) -> str:
    return printable(
        ", ".join(
            f"{key}={value if isinstance(value, str) else dumps(value)}" for key, value in properties.items()
        )
    )


# What is worth showing of each kind even when it is 0.
_SHOWN: dict[int, tuple[str, ...]] = {
    EventKind.MOVE: ("x", "y"),
    EventKind.BUTTON_DOWN: ("code", "x", "y"),
    EventKind.BUTTON_UP: ("code", "x", "y"),
    EventKind.SCROLL: ("dx", "dy", "x", "y"),
    EventKind.KEY_DOWN: ("code",),
    EventKind.KEY_UP: ("code",),
    EventKind.KEY_REPEAT: ("code",),
}


@click.command(
    "cat",
    short_help="Print events, one a line.",
    epilog="""\b
Examples:
  evcodec cat session.evc --head 20
  evcodec cat session.evc --kinds button_down --start +10s --stop +20s
  evcodec cat session.evc --json --columns t,x,y | jq -c .
  evcodec cat - --entries < session.evc

\b
Lines hold the time in seconds of the session clock, the kind, and every field that is not 0; JSON
lines hold every column as an integer. What was typed and read is shown: you asked for the data.""",
)
@click.argument("paths", nargs=-1, required=True, metavar="SRC…")
@selection_options
@click.option("--head", type=click.IntRange(min=0), metavar="N", help="Stop after N events.")
@click.option(
    "--time",
    "clock",
    type=click.Choice(["s", "ns", "relative"]),
    help="Seconds (default for lines), ns (default for JSON), or seconds since the first event.",
)
@click.option(
    "--entries",
    is_flag=True,
    help="First print what the stream says beside events: gaps, contexts, markers, …",
)
@encrypted_option
@use_options
@damage_option
@json_option
def cat_command(
    paths: tuple[str, ...],
    columns: tuple[str, ...] | None,
    kinds: tuple[int, ...] | None,
    start: Any,
    stop: Any,
    head: int | None,
    clock: str | None,
    entries: bool,
    keys: Any,
    without_key: str,
    purpose: Any,
    past_retention: str,
    skip_damage: bool,
    as_json: bool,
) -> int:
    """Print the events of streams as lines for people, or as JSON lines.

    SRC is a stream, a folder of streams, or - for stdin.
    """
    inputs = streams(paths)
    if not inputs:
        say_error(f"{', '.join(map(printable, paths))}: found no evcodec stream")
        return 1
    wanted = Selection(columns, kinds, start, stop)
    clock = clock or ("ns" if as_json else "s")
    left = head
    status = 0
    for item in inputs:
        try:
            # What comes through a pipe is shown when it comes, unless the first event of all must be known.
            live = is_pipe(item.path) and clock != "relative" and not wanted.is_relative
            with reading(
                item.path,
                skip_damage=skip_damage,
                as_it_comes=live,
                keys=keys,
                without_key=without_key,
                purpose=purpose,
                past_retention=past_retention,
            ) as reader:
                left = _print(reader, wanted, left, clock, as_json, entries, live)
                status |= report_problems(item.path, problems_of(reader))
        except BrokenPipeError:
            raise
        except (EvcodecError, OSError) as error:
            is_usage = isinstance(error, InvalidArgumentError) and not isinstance(error, NotPermittedError)
            if is_usage and len(inputs) == 1:
                # Bad usage; of several inputs, one that lacks a column does not stop the others.
                raise
            report_error(item.path, error)
            status = 1
    return status


def _print_entries(found: Iterable[dict[str, Any]], as_json: bool) -> None:
    for entry in found:
        if as_json:
            click.echo(dumps(entry))
        else:
            fields = " ".join(f"{key}={_field(value)}" for key, value in entry.items() if key != "entry")
            click.echo(f"# {entry['entry']} {fields}")


def _field(value: Any) -> str:
    text = (
        value if isinstance(value, str) and value and not any(c in value for c in " =\"'\n") else dumps(value)
    )
    return printable(text, 100_000)


def _print(
    reader: Reader, wanted: Selection, left: int | None, clock: str, as_json: bool, entries: bool, live: bool
) -> int | None:
    """Print entries and events until ``left`` events are printed, and return how many may still follow."""
    arguments = wanted.arguments(reader)
    asked = wanted.columns
    schema = None if live else tuple(column_dtypes(reader))
    if asked is not None:
        for name in asked if schema is not None else ():
            if name not in schema and name not in STANDARD_COLUMNS:  # type: ignore[operator]
                have = ", ".join(schema or ()) or "no columns"
                raise InvalidArgumentError(
                    f"column {name!r}: found nowhere in the recording, which has {have}"
                )
        # Lines need the time and the kind to be understood.
        arguments["columns"] = asked if as_json else tuple(dict.fromkeys(("t", "kind", *asked)))
    if entries:
        _print_entries([stream_object(reader)], as_json)
    printed = 0
    zero = (reader.start or 0) if clock == "relative" else 0
    for batch in chain([EventBatch()], reader.batches(**arguments)):
        if entries:
            # A pipe has those that came so far.
            found = list(entry_objects(reader)) if live or not printed else []
            _print_entries(found[printed:], as_json)
            printed = max(printed, len(found), 1)
        if left is not None and left <= 0:
            break
        part: EventBatch = batch if left is None else batch[:left]
        if left is not None:
            left -= len(part)
        names = asked or schema or tuple(part.columns)
        lines = (
            _json_lines(part, names, clock, zero) if as_json else _text_lines(part, names, asked, clock, zero)
        )
        # Some at a time: one write a line is slow, one write a block makes `| head` wait.
        while text := "\n".join(islice(lines, 1_000)):
            click.echo(text)
    return left


def _column(batch: EventBatch, name: str) -> list[int]:
    if name in batch.columns or name in STANDARD_COLUMNS:
        values: list[int] = batch[name].tolist()
        return values
    return [0] * len(batch)


def _times(t: list[int], clock: str, zero: int) -> list[str]:
    if clock == "ns":
        return [str(value) for value in t]
    return [seconds_text(value - zero) for value in t]


def _json_lines(batch: EventBatch, names: tuple[str, ...], clock: str, zero: int) -> Iterator[str]:
    if not names:
        return
    columns: list[Any] = [
        _times(_column(batch, name), clock, zero) if name == "t" else _column(batch, name) for name in names
    ]
    line = "{" + ",".join(dumps(name).replace("%", "%%") + ":%s" for name in names) + "}"
    for row in zip(*columns, strict=True):
        yield line % row


def _text_lines(
    batch: EventBatch, names: tuple[str, ...], asked: tuple[str, ...] | None, clock: str, zero: int
) -> Iterator[str]:
    times = _times(_column(batch, "t"), clock, zero)
    kinds = _column(batch, "kind")
    width = max(map(len, times), default=0)
    fields = [name for name in names if name not in ("t", "kind")]
    labels = {name: printable(name) for name in fields}
    columns = {name: _column(batch, name) for name in fields}
    for at, (time, kind) in enumerate(zip(times, kinds, strict=True)):
        always = _SHOWN.get(kind, ()) if asked is None else asked
        first = [name for name in always if name in columns]
        rest = [name for name in fields if name not in always and columns[name][at]]
        shown = " ".join(f"{labels[name]}={columns[name][at]}" for name in (*first, *rest))
        sign = "+" if clock == "relative" and not time.startswith("-") else ""
        yield f"{sign + time:>{width}}  {kind_name(kind):<11}  {shown}".rstrip()

"""``import`` and ``export``: many files at once, each whole or not at all, one failure not stopping the others."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from ..errors import (
    CorruptDataError,
    EvcodecError,
    TruncatedDataError,
)
from ..reader import Reader
from ..sinks import FORMATS, export
from ..sources import FORMATS as SOURCE_FORMATS
from ..sources import HEAD_BYTES, detect, open_session, write_session
from ..writer import Writer
from .files import (
    MARKER,
    STDIO,
    SUFFIX,
    Input,
    check_outputs,
    expand,
    head_of,
    is_locked,
    opened_input,
    plan,
    shown_name,
    size_of,
    streams,
    whole_output,
)
from .keys import encrypted_option
from .options import (
    Selection,
    damage_option,
    force_option,
    json_option,
    level_option,
    reading,
    selection_options,
    threads_option,
    use_options,
)
from .outcome import Outcome, convert_each, show_summary
from .report import problems_of, repair_hint
from .terminal import (
    counted,
    error_text,
    printable,
    say_error,
)


def _targets(paths: Sequence[str], default: Callable[[str], str]) -> tuple[list[str], str]:
    """Split ``SRC… [DST]``; with one path only, the output has the default name."""
    if len(paths) > 1:
        return list(paths[:-1]), paths[-1]
    return list(paths), default(paths[0])


@click.command(
    "import",
    short_help="Turn recordings of other programs into streams.",
    epilog="""\b
Examples:
  evcodec import session.csv session.evc
  evcodec import recordings/ more.jsonl streams/   folders and files into a folder
  evcodec import session.mcap                      writes ./session.mcap.evc
  zcat old.jsonl.gz | evcodec import - session.evc

\b
Formats, told from the content: Balabit CSV, DuckTrack/AgentNet JSON lines, OWAMcap, evemu.
A file of a folder whose format is not known is left out and named. A file that
fails does not stop the others; the exit status is 1 then.""",
)
@click.argument("paths", nargs=-1, required=True, metavar="SRC… [DST]")
@level_option("balanced")
@threads_option
@click.option(
    "--format",
    "format_name",
    type=click.Choice(list(SOURCE_FORMATS)),
    help="Take the sources for this format instead of telling it from the content.",
)
@click.option("--salvage", is_flag=True, help="Keep what stands before the damage in a damaged source.")
@force_option
@json_option
def import_command(
    paths: tuple[str, ...],
    level: str,
    threads: int,
    format_name: str | None,
    salvage: bool,
    force: bool,
    as_json: bool,
) -> int:
    """Turn recordings of other programs into evcodec streams.

    DST is a file for one SRC, a folder for many or for a folder; - is stdin or stdout. Files in a folder are
    named as their source, with .evc added. Each output appears when it is whole. DST is made, folders above it
    are not.
    """
    given, target = _targets(
        paths, lambda path: Path("stdin" if path == STDIO else os.path.abspath(path)).name + SUFFIX
    )
    if as_json and target == STDIO:
        raise click.UsageError("--json: found - as DST, allowed: a file, since both would go to stdout")
    inputs, unknown = _recordings(expand(given), format_name)
    targets = plan(inputs, given, target, SUFFIX)
    check_outputs([item.path for item in inputs], targets, force=force, only_streams=True)
    outcomes = [
        Outcome(item.path, path, bytes_in=size_of(item.path))
        for item, path in zip(inputs, targets, strict=True)
    ]

    def convert(outcome: Outcome, advance: Callable[[int, int], None]) -> None:
        _import_one(outcome, level, threads, format_name, salvage, advance)

    status = convert_each(outcomes, convert, "import", as_json)
    if not as_json and outcomes:
        show_summary(outcomes)
    if unknown:
        some = ", ".join(printable(path) for path in unknown[:5]) + (" …" if len(unknown) > 5 else "")
        say_error(f"left out {len(unknown)} of no known format: {some}")
    if not outcomes:
        say_error(f"{', '.join(map(printable, given))}: found no recording of a known format")
        return 1
    return status


def _recordings(items: list[Input], format_name: str | None) -> tuple[list[Input], list[str]]:
    """Split what folders hold into recordings and the rest; what was named one by one is always tried."""
    known, unknown = [], []
    for item in items:
        head = head_of(item.path, HEAD_BYTES) if item.found_in_folder else b""
        if item.found_in_folder and head.startswith(MARKER):
            continue
        # A file that cannot be opened gives its error when it is tried.
        if not item.found_in_folder or format_name or is_locked(item.path) or detect(head) is not None:
            known.append(item)
        else:
            unknown.append(item.path)
    return known, unknown


def _import_one(
    outcome: Outcome,
    level: str,
    threads: int,
    format_name: str | None,
    salvage: bool,
    advance: Callable[[int, int], None],
) -> None:
    with opened_input(outcome.source) as file, open_session(file, format_name) as session:
        outcome.format = session.format
        seekable = outcome.source != STDIO and outcome.bytes_in is not None

        def count(events: int) -> None:
            outcome.events = events
            advance(file.tell() if seekable else 0, events)

        with whole_output(outcome.target, make_folders=True) as output:
            # The output cannot be seen before it is whole, so there is nothing to flush in time.
            with Writer(
                output, level=level, metadata=session.metadata, flush_interval_s=3_600.0, threads=threads
            ) as writer:
                try:
                    write_session(session, writer, count)
                except (EvcodecError, OSError) as error:
                    outcome.losses = list(session.losses)
                    if not salvage or not outcome.events:
                        raise
                    outcome.error = f"{error_text(error)}; kept the {outcome.events:,} events before"
            if outcome.target != STDIO:
                output.flush()
                outcome.bytes_out = os.fstat(output.fileno()).st_size
        outcome.losses = list(session.losses)
        outcome.ok = outcome.error is None


@click.command(
    "export",
    short_help="Turn streams into JSON lines, CSV, Parquet or Arrow.",
    epilog="""\b
Examples:
  evcodec export session.evc session.parquet
  evcodec export session.evc --format csv > session.csv
  evcodec export streams/ tables/ --format parquet
  evcodec export session.evc clicks.jsonl --kinds button_down --columns t,x,y

\b
Formats: jsonl, csv, parquet, arrow (IPC file), arrows (IPC stream); the last three need evcodec[arrow].
Every integer is kept exactly. A column that only some events have is 0 elsewhere.""",
)
@click.argument("paths", nargs=-1, required=True, metavar="SRC… [DST]")
@click.option(
    "--format",
    "format_name",
    type=click.Choice(list(FORMATS)),
    help="Told from the name of DST by default; jsonl for stdout.",
)
@click.option(
    "--entries",
    is_flag=True,
    help="Also export contexts, markers and payloads (gaps and sources too, as JSON lines).",
)
@selection_options
@encrypted_option
@use_options
@damage_option
@threads_option
@force_option
@json_option
def export_command(
    paths: tuple[str, ...],
    format_name: str | None,
    entries: bool,
    columns: tuple[str, ...] | None,
    kinds: tuple[int, ...] | None,
    start: Any,
    stop: Any,
    keys: Any,
    without_key: str,
    purpose: Any,
    past_retention: str,
    skip_damage: bool,
    threads: int,
    force: bool,
    as_json: bool,
) -> int:
    """Turn evcodec streams into tables that other programs read.

    DST is a file for one SRC, a folder for many or for a folder; - is stdin or stdout, and stdout is the default.
    """
    given, target = _targets(paths, lambda _path: STDIO)
    if as_json and target == STDIO:
        raise click.UsageError("--json: found stdout as DST, allowed: a file, since both would go to stdout")
    inputs = streams(given)
    if not inputs:
        say_error(f"{', '.join(map(printable, given))}: found no evcodec stream")
        return 1
    chosen = format_name or _format_of(target)
    sink = FORMATS[chosen]
    if entries and not sink.carries_entries:
        raise click.UsageError(
            f"--entries: found {chosen}, allowed: {', '.join(n for n, f in FORMATS.items() if f.carries_entries)}"
        )
    targets = plan(inputs, given, target, sink.suffixes[0], drop=SUFFIX)
    if target != STDIO or not sink.is_text:
        check_outputs([item.path for item in inputs], targets, force=force)
    wanted = Selection(columns, kinds, start, stop)
    outcomes = [
        Outcome(item.path, path, chosen, bytes_in=size_of(item.path))
        for item, path in zip(inputs, targets, strict=True)
    ]

    def convert(outcome: Outcome, advance: Callable[[int, int], None]) -> None:
        try:
            with reading(
                outcome.source,
                skip_damage=skip_damage,
                threads=threads,
                keys=keys,
                without_key=without_key,
                purpose=purpose,
                past_retention=past_retention,
            ) as reader:
                with whole_output(outcome.target, make_folders=True) as output:
                    outcome.events = export(
                        reader, output, chosen, entries=entries, **wanted.arguments(reader)
                    )
                outcome.problems = problems_of(reader)
                if not entries:
                    outcome.losses = _left_out(reader, chosen)
        except (CorruptDataError, TruncatedDataError) as error:
            outcome.error = error_text(error) + repair_hint(error, outcome.source)
            return
        outcome.bytes_out = size_of(outcome.target) if outcome.target != STDIO else None
        outcome.ok = not outcome.problems

    status = convert_each(outcomes, convert, "export", as_json)
    if not as_json and target != STDIO:
        show_summary(outcomes)
    for outcome in outcomes if target == STDIO else ():
        for loss in outcome.losses:
            say_error(f"{shown_name(outcome.source)}: not carried: {loss}")
    return status


def _format_of(target: str) -> str:
    """Return the format that a name asks for."""
    suffix = os.path.splitext(target)[1].lower()
    for name, sink in FORMATS.items():
        if suffix in sink.suffixes:
            return name
    if target == STDIO:
        return "jsonl"
    known = ", ".join(suffix for sink in FORMATS.values() for suffix in sink.suffixes)
    raise click.UsageError(f"{target}: found no format in its name, allowed: {known}; or give --format")


def _left_out(reader: Reader, format_name: str) -> list[str]:
    """Say what an export without ``--entries`` does not have; what was not recorded matters to who reads the table."""
    found = {
        "gap": len(reader.gaps),
        "context": len(reader.contexts),
        "marker": len(reader.markers),
        "payload": len(reader.payloads),
    }
    if not FORMATS[format_name].is_text:
        # Parquet and Arrow carry all but contexts and payloads in the schema's metadata.
        found = {name: found[name] for name in ("context", "payload")}
    parts = [counted(count, name) for name, count in found.items() if count]
    if not parts:
        return []
    way = (
        "--entries adds them" if FORMATS[format_name].carries_entries else "--format jsonl --entries has them"
    )
    return [f"{', '.join(parts)}; {way}"]

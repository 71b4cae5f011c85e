"""``demo``: one session stored in every way there is here, sizes and rates side by side, nothing shown unchecked."""

from __future__ import annotations

import tempfile
from typing import Any

import click

from ..batch import EventBatch
from ..sample import sample_session
from ..sources import open_session
from ..writer import Writer
from .files import MARKER, STDIO, check_outputs, check_place, expand, head_of, opened_input, whole_output
from .options import force_option, json_option, reading
from .peers import Way, ways
from .terminal import console, counted, human_span, printable, progress, say, say_error, say_json, show, table

_EVENTS = 200_000


@click.command(
    "demo",
    short_help="Show what evcodec does to a session, beside other formats.",
    epilog="""\b
Examples:
  evcodec demo                            a made-up session
  evcodec demo recording.csv              a recording of yours: any source of import, or a stream
  evcodec demo --rate 1000 --events 1000000
  evcodec demo --save sample.evc          keep the made-up session as a stream

\b
Every way of storing is run several times in turn; the table shows medians. A row is
shown only if every value came back.""",
)
@click.argument("source", required=False, metavar="[INPUT]")
@click.option(
    "--events",
    type=click.IntRange(1, 50_000_000),
    metavar="N",
    help=f"Events to use: {_EVENTS:,}, or at most five times that of INPUT.",
)
@click.option(
    "--rate",
    type=click.IntRange(1, 100_000),
    default=500,
    show_default=True,
    help="Reports of the made-up mouse a second.",
)
@click.option(
    "--clock",
    type=click.IntRange(1, 10**9),
    default=1_000,
    show_default=True,
    help="Resolution of the made-up clock in ns.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, (1 << 64) - 1),
    default=0,
    show_default=True,
    help="Another seed makes another session.",
)
@click.option(
    "--runs",
    type=click.IntRange(1, 100),
    metavar="N",
    help="Runs of each way, of which medians are shown: 3, or 9 for a short recording.",
)
@click.option("--save", metavar="FILE", help="Write the session as a stream and measure nothing.")
@force_option
@json_option
def demo_command(
    source: str | None,
    events: int | None,
    rate: int,
    clock: int,
    seed: int,
    runs: int | None,
    save: str | None,
    force: bool,
    as_json: bool,
) -> int:
    """Store a session live and in bulk, as JSON lines, msgpack, Parquet and pco, read each back, and compare.

    INPUT is one recording or stream, or - for stdin; without it a session is made up, the same one every time.
    """
    if source is not None:
        # A path that is not there is bad usage, found before anything is measured.
        expand([source])
    if save is not None:
        check_place(save)
        check_outputs([source] if source else [], [save], force=force, only_streams=True)
    if source is None:
        batch = sample_session(events or _EVENTS, seed=seed, rate_hz=rate, clock_ns=clock)
        what = f"made-up session, mouse at {rate} Hz, clock of {clock:,} ns, seed {seed}"
    else:
        batch = _read(source, events or 5 * _EVENTS)
        what = printable(source)
    if save is not None:
        with (
            whole_output(save) as output,
            Writer(output, metadata={"source_format": "sample"} if source is None else None) as writer,
        ):
            writer.write(batch)
        if save != STDIO:
            say(f"{printable(save)}: {counted(len(batch), 'event')}")
        return 0
    if not len(batch):
        say_error(f"{what}: found no events")
        return 1
    # A short one is soon done, and a short time is easily disturbed.
    runs = runs or (3 if len(batch) >= 100_000 else 9)
    found, missing = _measure(batch, runs)
    rows = [way.row(len(batch)) for way in found if way.fault is None]
    if as_json:
        say_json(
            {
                "input": source or "sample",
                "events": len(batch),
                "runs": runs,
                "rows": rows,
                "missing": missing,
            }
        )
    else:
        _show(batch, what, rows, missing, runs)
    faults = [way for way in found if way.fault is not None]
    for way in faults:
        say_error(f"{way.name}: not shown, since it came back changed: {way.fault}")
    return 1 if faults else 0


def _read(source: str, most: int) -> EventBatch:
    """Return the first ``most`` events of a stream or of any recording that can be imported."""
    parts: list[EventBatch] = []
    count = 0
    if source != STDIO and head_of(source, len(MARKER)) == MARKER:
        with reading(source) as reader:
            for batch in reader.batches():
                parts.append(batch)
                count += len(batch)
                if count >= most:
                    break
    else:
        with opened_input(source) as file, open_session(file) as session:
            for item in session.items:
                if isinstance(item, EventBatch):
                    parts.append(item)
                    count += len(item)
                    if count >= most:
                        break
    joined: EventBatch = EventBatch.concat(parts)[:most]
    return joined


def _measure(batch: EventBatch, runs: int) -> tuple[list[Way], list[str]]:
    with tempfile.TemporaryDirectory(prefix="evcodec-demo-") as folder, progress() as bar:
        found, missing = ways(batch, folder)
        task = bar.add_task("measure", total=runs * len(found), note="")
        # In turn, not one after the other: what else the machine does then falls on all of them alike.
        for _ in range(runs):
            for way in found:
                bar.update(task, note=way.name)
                way.run(batch)
                bar.advance(task)
    return found, missing


def _show(batch: EventBatch, what: str, rows: list[dict[str, Any]], missing: list[str], runs: int) -> None:
    out = console()
    span = human_span(int(batch.t.max()) - int(batch.t.min()))
    out.print(f"{what}: {counted(len(batch), 'event')} over {span}")
    out.print()
    shown = table("", "bytes/event", "written, Mev/s", "read, Mev/s", "of JSON lines", numbers=4)
    json_bytes = next((row["bytes"] for row in rows if row["name"] == "JSON lines"), None)
    for row in rows:
        shown.add_row(
            row["name"],
            f"{row['bytes_per_event']:.3f}",
            f"{row['written_events_per_s'] / 1e6:.2f}",
            f"{row['read_events_per_s'] / 1e6:.2f}",
            f"{row['bytes'] / json_bytes:.1%}" if json_bytes else "",
        )
    show(out, shown)
    out.print()
    times = f"median of {runs} runs in turn" if runs > 1 else "one run"
    out.print(
        f"Mev/s: million events a second, {times}. Every row was read back and equals what was written."
    )
    if missing:
        out.print(f"Not installed, so not compared: {', '.join(missing)}.")

"""``verify``, ``repair`` and ``compact``: is a stream whole, save what is, make it smaller."""

from __future__ import annotations

import sys
from typing import Any

import click

from ..errors import EvcodecError
from ..stream import compact, repair, verify
from .files import STDIO, check_outputs, seekable_input, size_of, streams, whole_output
from .options import force_option, json_option, level_option
from .terminal import error_text, human_bytes, printable, progress, say, say_error, say_json


@click.command(
    "verify",
    short_help="Check every byte of streams.",
    epilog="""\b
Examples:
  evcodec verify session.evc
  evcodec verify streams/ --json
  evcodec verify - < session.evc""",
)
@click.argument("paths", nargs=-1, required=True, metavar="SRC…")
@json_option
def verify_command(paths: tuple[str, ...], as_json: bool) -> int:
    """Read every record of streams, check every checksum, decode every block.

    SRC is a stream, a folder of streams, or - for stdin. The exit status is 1 when any stream has a problem.
    """
    inputs = streams(paths)
    if not inputs:
        say_error(f"{', '.join(map(printable, paths))}: found no evcodec stream")
        return 1
    status = 0
    with progress() as bar:
        task = bar.add_task("verify", total=len(inputs), note="")
        for item in inputs:
            bar.update(task, description=printable(item.path, 40))
            shown = printable(item.path)
            try:
                report: dict[str, Any] = verify(
                    sys.stdin.buffer if item.path == STDIO else item.path
                ).to_dict()
            except BrokenPipeError:
                raise
            except (EvcodecError, OSError) as error:
                report = {"ok": False, "problems": [error_text(error)]}
            bar.advance(task)
            if not report["ok"]:
                status = 1
            if as_json:
                say_json({"path": item.path, **report})
            elif report["ok"]:
                counts = (f"{report[name]:,} {name}" for name in ("events", "blocks", "records"))
                say(f"{shown}: ok, {', '.join(counts)}")
            else:
                say(f"{shown}: damaged")
                for problem in report["problems"]:
                    say(f"  {printable(problem, 2_000)}")
    return status


@click.command(
    "repair",
    short_help="Save what is whole in a damaged stream.",
    epilog="""\b
Examples:
  evcodec repair damaged.evc whole.evc
  evcodec repair - whole.evc < damaged.evc

\b
The exit status is 0 when OUT was written, also when something was lost: what was is printed.""",
)
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
@force_option
@json_option
def repair_command(source: str, target: str, force: bool, as_json: bool) -> int:
    """Write every whole block of IN to OUT, and say what was left out.

    IN is left as it is. - is stdin or stdout.
    """
    _check(source, target, force, as_json)
    with progress() as bar, seekable_input(source) as file:
        bar.add_task("repair", total=None, note="")
        with whole_output(target) as output:
            report: dict[str, Any] = repair(file, output).to_dict()
    if as_json:
        say_json({"path": source, "target": target, **report})
        return 0
    to_stderr = target == STDIO
    saved = f"saved {report['events']:,} events in {report['blocks']:,} blocks"
    lost = len(report["problems"])
    click.echo(
        f"{printable(source)}: {saved}; "
        + (f"{lost} problem{'' if lost == 1 else 's'}:" if lost else "nothing was damaged"),
        err=to_stderr,
    )
    for problem in report["problems"]:
        click.echo(f"  {printable(problem, 2_000)}", err=to_stderr)
    return 0


@click.command(
    "compact",
    short_help="Write a stream anew, as small as it goes.",
    epilog="""\b
Examples:
  evcodec compact live.evc small.evc
  evcodec compact live.evc fast.evc --level fast""",
)
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
@level_option("small")
@force_option
@json_option
def compact_command(source: str, target: str, level: str, force: bool, as_json: bool) -> int:
    """Merge the small blocks of IN and compress them again into OUT; every event and entry stays as it is.

    IN is left as it is. - is stdin or stdout.
    """
    _check(source, target, force, as_json)
    with progress() as bar, seekable_input(source) as file:
        bar.add_task("compact", total=None, note="")
        with whole_output(target) as output:
            compact(file, output, level=level)
    before, after = size_of(source), size_of(target)
    if as_json:
        say_json({"path": source, "target": target, "level": level, "bytes_in": before, "bytes_out": after})
    elif before and after is not None:
        say(
            f"{printable(source)}: {human_bytes(before)} before, {human_bytes(after)} after ({after / before:.0%})"
        )
    return 0


def _check(source: str, target: str, force: bool, as_json: bool) -> None:
    if source != STDIO:
        # Before anything is written: a missing file is a slip of the hand.
        streams([source])
        if size_of(source) is None:
            with open(source, "rb"):
                pass
    if as_json and target == STDIO:
        raise click.UsageError("--json: found - as OUT, allowed: a file, since both would go to stdout")
    check_outputs([source], [target], force=force, only_streams=True)

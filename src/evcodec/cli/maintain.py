"""``verify``, ``repair`` and ``compact``: is a stream whole, save what is, make it smaller."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import click

from ..errors import EvcodecError
from ..stream import compact, repair, verify
from .files import (
    STDIO,
    check_outputs,
    check_place,
    opened_input,
    output_path,
    seekable_input,
    shown_name,
    size_of,
    streams,
)
from .health import counts, lost, page, plain, problem_lines
from .keys import key_option
from .options import force_option, json_option, level_option, threads_option
from .report import about, report_error
from .terminal import aside, counted, error_text, human_bytes, printable, progress, say, say_error, say_json


@click.command(
    "verify",
    short_help="Check every byte of streams.",
    epilog="""\b
Examples:
  evcodec verify session.evc
  evcodec verify streams/ --json
  evcodec verify session.evc --chain --public-key signer.pem.pub
  evcodec verify - < session.evc""",
)
@click.argument("paths", nargs=-1, required=True, metavar="SRC…")
@click.option("--chain", is_flag=True, help="Require a chain over all records of each stream, that holds.")
@click.option(
    "--public-key",
    "signer",
    metavar="FILE",
    help="Require that this Ed25519 key has signed the chain of each stream.",
)
@key_option
@json_option
def verify_command(paths: tuple[str, ...], chain: bool, signer: str | None, keys: Any, as_json: bool) -> int:
    """Read every record of streams, check every checksum, decode every block, compare the index.

    Groups that are encrypted are decoded when --key opens them; otherwise their records are checked from outside.

    SRC is a stream, a folder of streams, or - for stdin. The exit status is 1 when any stream has a problem; a remark, what
    is odd but allowed, is none.
    """
    inputs = streams(paths)
    if not inputs:
        say_error(f"{', '.join(map(printable, paths))}: found no evcodec stream")
        return 1
    status = 0
    verify_key = None
    if signer is not None:
        from ..crypto import VerifyKey

        verify_key = VerifyKey.load(signer)
    with progress() as bar:
        task = bar.add_task("verify", total=sum(size_of(item.path) or 0 for item in inputs) or None, note="")
        for at, item in enumerate(inputs, 1):
            bar.update(
                task, description=printable(os.path.basename(item.path), 40), note=f"{at}/{len(inputs)}"
            )
            try:
                with opened_input(item.path) as file:
                    report = verify(
                        file, progress=partial(bar.advance, task), keys=keys, chain=chain, signer=verify_key
                    )
            except BrokenPipeError:
                raise
            except (EvcodecError, OSError) as error:
                # Not the same as damaged: the next attempt may well succeed.
                with aside(bar):
                    say_error(f"{shown_name(item.path)}: not checked: {error_text(error)}")
                    if as_json:
                        say_json({"path": item.path, "ok": False, "error": error_text(error)})
                status = 1
                continue
            if not report.ok:
                status = 1
            with aside(bar):
                if as_json:
                    say_json(plain(report, item.path))
                else:
                    say("\n".join(page(shown_name(item.path), item.path, report)))
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
    """Write every whole block of IN to OUT, read OUT back and count it, and say what was left out.

    IN is left as it is. - is stdin or stdout.
    """
    _check(source, target, force, as_json)
    try:
        with _shown("repair", source) as advance, opened_input(source) as file, output_path(target) as path:
            report = repair(file, path, progress=advance)
    except BrokenPipeError:
        raise
    except (EvcodecError, OSError) as error:
        # Without the hint to repair it.
        say_error(about(source, error_text(error)))
        return 1
    if as_json:
        say_json({**plain(report, source), "target": target, "next": None})
        return 0
    found = "nothing was damaged" if report.ok else f"lost: {lost(report)}"
    lines = [f"{shown_name(source)}: saved {counts(report)}; {found}", *problem_lines(report)]
    lines.append("  what was written was read back, checked and counted")
    click.echo("\n".join(lines), err=target == STDIO)
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
@key_option
@threads_option
@force_option
@json_option
def compact_command(
    source: str, target: str, level: str, keys: Any, threads: int, force: bool, as_json: bool
) -> int:
    """Merge the small blocks of IN and compress them again into OUT; every event and entry stays as it is.

    What is encrypted is encrypted anew, to the same recipients, and needs --key for all of it. A chain is not carried over.

    IN is left as it is. - is stdin or stdout.
    """
    _check(source, target, force, as_json)
    try:
        with (
            _shown("compact", source) as advance,
            seekable_input(source) as file,
            output_path(target) as path,
        ):
            events = compact(file, path, level=level, threads=threads, progress=advance, keys=keys)
            after = size_of(path) or 0
            # Taken from what was read: stdin has a size too when it is a file.
            before = file.seek(0, os.SEEK_END)
    except BrokenPipeError:
        raise
    except (EvcodecError, OSError) as error:
        report_error(source, error)
        return 1
    if as_json:
        sizes = {"bytes_in": before, "bytes_out": after}
        say_json({"path": source, "target": target, "level": level, "events": events, **sizes})
        return 0
    change = f"{human_bytes(before)} before, {human_bytes(after)} after ({after / before:.0%})"
    click.echo(f"{shown_name(source)}: {counted(events, 'event')}, {change}", err=target == STDIO)
    return 0


@contextmanager
def _shown(what: str, source: str) -> Iterator[Callable[[int], None]]:
    """Show progress through the bytes of ``source`` on a terminal."""
    with progress() as bar:
        task = bar.add_task(what, total=size_of(source), note=printable(os.path.basename(source), 40))
        yield partial(bar.advance, task)


def _check(source: str, target: str, force: bool, as_json: bool) -> None:
    if source != STDIO:
        # Before anything is written: a missing file is a slip of the hand.
        streams([source])
        if size_of(source) is None:
            with open(source, "rb"):
                pass
    if as_json and target == STDIO:
        raise click.UsageError("--json: found - as OUT, allowed: a file, since both would go to stdout")
    check_place(target)
    check_outputs([source], [target], force=force, only_streams=True)

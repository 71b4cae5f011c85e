"""The group of commands, and the one place where errors become messages and exit statuses."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

import click
from click.shell_completion import shell_complete

from ..errors import EvcodecError, InvalidArgumentError, MissingExtraError
from .convert import export_command, import_command
from .demo import demo_command
from .inspect import cat_command, info_command
from .keys import keygen_command, rekey_command
from .maintain import compact_command, repair_command, verify_command
from .policy import policy_command
from .record import record_command
from .redact import redact_command
from .review import review_command
from .terminal import error_text, say_error

_EPILOG = """\b
Examples:
  evcodec import recordings/ streams/      every recording below a folder
  evcodec info streams/                    what is in them
  evcodec cat session.evc --kinds key_down,key_up --head 20
  evcodec export session.evc session.parquet
  evcodec verify streams/                  is every byte as it was written?

\b
Exit status: 0 all went well, 1 bad data or a file that cannot be read or written, 2 bad usage.
Every command has its own --help."""


class _InOrder(click.Group):
    """A group that lists its commands in the order in which one meets them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_InOrder,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="evcodec", message="evcodec %(version)s")
def cli() -> None:
    """Mouse and keyboard recordings: import, look at, check and export evcodec streams (.evc)."""


for _command in (
    import_command,
    export_command,
    info_command,
    cat_command,
    verify_command,
    repair_command,
    compact_command,
    keygen_command,
    rekey_command,
    policy_command,
    record_command,
    review_command,
    redact_command,
    demo_command,
):
    cli.add_command(_command)


def run(args: Sequence[str]) -> int:
    """Run one command and return the exit status; every error ends here as one message."""
    _prepare_streams()
    _clean_up_when_terminated()
    try:
        if instruction := os.environ.get("_EVCODEC_COMPLETE"):
            return shell_complete(cli, {}, "evcodec", "_EVCODEC_COMPLETE", instruction)
        # Not cli.main: it takes every EOFError for Ctrl-D, and data that ends too early is one.
        with cli.make_context("evcodec", list(args)) as context:
            status = cli.invoke(context)
        # What is still buffered may fail too, and the interpreter's exit would show a traceback.
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except click.exceptions.Exit as asked:
        return asked.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.UsageError as error:
        hint = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
        say_error(f"{error.format_message()}{hint}")
        return 2
    except click.ClickException as error:
        say_error(error.format_message())
        return 2 if isinstance(error, click.FileError) else 1
    except (KeyboardInterrupt, click.Abort):
        _abandon_stdout()
        say_error("interrupted")
        return 130
    except Exception as error:
        return _status_of(error)


def _status_of(error: Exception) -> int:
    if isinstance(error, BrokenPipeError) or (isinstance(error, OSError) and error.errno == errno.EPIPE):
        # Whoever read our output has had enough, as in `evcodec cat s.evc | head`.
        _abandon_stdout()
        return 0
    _abandon_stdout()
    if os.environ.get("EVCODEC_TRACEBACK"):
        raise error
    say_error(error_text(error))
    if isinstance(error, (InvalidArgumentError, MissingExtraError)):
        return 2
    if not isinstance(error, (EvcodecError, OSError, MemoryError)):
        say_error("this is a fault in evcodec; EVCODEC_TRACEBACK=1 shows where")
    return 1


def _prepare_streams() -> None:
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - lives as long as the process
        elif hasattr(stream, "reconfigure"):
            # A name that the terminal cannot show must not end the command.
            stream.reconfigure(errors="backslashreplace")


def _clean_up_when_terminated() -> None:
    def leave(number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + number)

    try:
        signal.signal(signal.SIGTERM, leave)
    except ValueError:
        # Not in the main thread: then it is not our process to clean up.
        return


def _abandon_stdout() -> None:
    """Let what is still buffered go nowhere, so that the interpreter's exit does not fail on it."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        return

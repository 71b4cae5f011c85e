"""Options that several commands share: which columns, kinds and times, and how they are written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import click

from ..reader import Reader
from ..schema import EventKind
from .files import opened_input, seekable_input

_Command = TypeVar("_Command", bound=Callable[..., Any])

LEVELS = ("fast", "balanced", "small")

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 10**9,
    "min": 60 * 10**9,
    "h": 3_600 * 10**9,
}
_TIME = re.compile(
    r"(?P<relative>\+)?(?P<sign>-)?(?P<whole>\d{1,30})(?:\.(?P<part>\d{1,30}))?\s*(?P<unit>ns|us|µs|ms|s|min|h)?"
)


class Time(NamedTuple):
    """A time as it was typed: on the session's clock, or from its first event on."""

    ns: int
    relative: bool

    def on_clock_of(self, reader: Reader) -> int:
        """Return the time in ns on the clock of a recording."""
        at = self.ns + (reader.start or 0) if self.relative else self.ns
        # Beyond int64 there is no event, so the bound may as well be the last one.
        return max(-(1 << 63), min(at, (1 << 63) - 1))


class TimeType(click.ParamType[Time]):
    """``1500`` ns, ``1.5s``, ``20ms``, ``2min``; with ``+`` in front, after the first event."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Time:
        """Return what was typed as a Time."""
        if isinstance(value, Time):
            return value
        found = _TIME.fullmatch(value.replace("_", ""))
        if found is None or (found["part"] and not found["unit"]):
            self.fail(
                f"found {value!r}, allowed: ns as an integer, or a number with ns, us, ms, s, min or h",
                param,
                ctx,
            )
        unit = _UNITS[found["unit"] or "ns"]
        part = found["part"] or ""
        # Integers throughout: a double cannot hold an hour in nanoseconds exactly.
        ns = int(found["whole"]) * unit + (int(part) * unit // 10 ** len(part) if part else 0)
        return Time(-ns if found["sign"] else ns, bool(found["relative"]))


class Selection(NamedTuple):
    """What of a recording was asked for."""

    columns: tuple[str, ...] | None
    kinds: tuple[int, ...] | None
    start: Time | None
    stop: Time | None

    @property
    def is_relative(self) -> bool:
        """Tell whether a time counts from the first event."""
        return any(time is not None and time.relative for time in (self.start, self.stop))

    def arguments(self, reader: Reader) -> dict[str, Any]:
        """Return the arguments of ``Reader.batches``."""
        return {
            "columns": self.columns,
            "kinds": self.kinds,
            "start": self.start.on_clock_of(reader) if self.start else None,
            "stop": self.stop.on_clock_of(reader) if self.stop else None,
        }


def _split(values: Iterable[str]) -> tuple[str, ...]:
    names = (name.strip() for value in values for name in value.split(","))
    return tuple(dict.fromkeys(name for name in names if name))


def _columns(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...] | None:
    return _split(values) if values else None


def _kinds(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> tuple[int, ...] | None:
    if not values:
        return None
    named = {kind.name.lower(): int(kind) for kind in EventKind}
    kinds = []
    for name in _split(values):
        number = named.get(name.lower().replace("-", "_"))
        if number is None and name.isascii() and name.isdigit() and int(name) < 256:
            number = int(name)
        if number is None:
            raise click.BadParameter(f"found {name!r}, allowed: 0 to 255, {', '.join(named)}")
        kinds.append(number)
    return tuple(kinds)


def selection_options(command: _Command) -> _Command:
    """Add ``--columns --kinds --start --stop`` to a command."""
    for option in (
        click.option("--stop", type=TimeType(), help="Only events before this time; written like --start."),
        click.option(
            "--start",
            type=TimeType(),
            help="Only events from this time on: integer ns, or 1.5s, 20ms, 2min; +10s: after the first event.",
        ),
        click.option(
            "--kinds",
            multiple=True,
            metavar="KIND,…",
            callback=_kinds,
            help="Only these kinds: move, button_down, …, or numbers.",
        ),
        click.option(
            "--columns",
            multiple=True,
            metavar="NAME,…",
            callback=_columns,
            help="Only these columns: t, kind, x, …",
        ),
    ):
        command = option(command)
    return command


def json_option(command: _Command) -> _Command:
    """Add ``--json``."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print JSON for a machine: one object a line."
    )(command)


def force_option(command: _Command) -> _Command:
    """Add ``--force``."""
    return click.option("--force", "-f", is_flag=True, help="Write over outputs that exist.")(command)


def level_option(default: str) -> Callable[[_Command], _Command]:
    """Add ``--level``."""
    return click.option(
        "--level",
        type=click.Choice(LEVELS),
        default=default,
        show_default=True,
        help="How hard to compress; reading is equally fast.",
    )


def threads_option(command: _Command) -> _Command:
    """Add ``--threads``."""
    return click.option(
        "--threads",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="How many threads encode or decode blocks; the result is the same.",
    )(command)


def damage_option(command: _Command) -> _Command:
    """Add ``--skip-damage``."""
    return click.option(
        "--skip-damage",
        is_flag=True,
        help="Leave out what is damaged, and name it, instead of stopping there; the exit status is 1.",
    )(command)


def use_options(command: _Command) -> _Command:
    """Add ``--purpose`` and ``--past-retention``."""
    command = click.option(
        "--past-retention",
        flag_value="allow",
        default="raise",
        help="Read also what states that it was to be kept up to a time that is past.",
    )(command)
    return click.option(
        "--purpose",
        multiple=True,
        metavar="TEXT",
        callback=lambda _ctx, _param, values: values or None,
        help="Refuse what states another purpose, or none; may be given several times.",
    )(command)


@contextmanager
def reading(
    path: str,
    *,
    skip_damage: bool = False,
    as_it_comes: bool = False,
    threads: int = 1,
    keys: Any = None,
    without_key: str = "raise",
    purpose: Any = None,
    past_retention: str = "raise",
) -> Iterator[Reader]:
    """Open a stream, raising at damage or stepping over it.

    A pipe is read to its end first, since most commands need to know what a stream holds before they begin;
    with ``as_it_comes`` it is not.
    """
    opened = opened_input if as_it_comes else seekable_input
    with (
        opened(path) as file,
        Reader(
            file,
            on_error="skip" if skip_damage else "raise",
            threads=threads,
            keys=keys,
            without_key=without_key,
            purpose=purpose,
            past_retention=past_retention,
        ) as reader,
    ):
        yield reader

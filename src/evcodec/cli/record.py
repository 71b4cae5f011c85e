"""``record``: a recording from a real desktop, after the person has agreed and while they see it."""

from __future__ import annotations

from typing import Any

import click

from .files import STDIO, check_outputs, check_place
from .options import Time as GivenTime
from .options import TimeType
from .terminal import counted, human_bytes, human_span, printable, say, say_error, say_json

_SOURCES = ("x11", "fields", "evdev", "pynput")
_S = 1_000_000_000


@click.command(
    "record",
    short_help="Record this desktop under a policy, where the person sees it.",
    epilog="""\b
Examples:
  evcodec policy check agreed.toml                    is the policy valid, and what does it allow?
  evcodec record --policy agreed.toml session.evc     until Ctrl-C, or Stop on the indicator
  evcodec record --policy agreed.toml --duration 30min session.evc
  evcodec record --status                             what is being recorded now?

\b
Recording begins when the person presses Start in the consent window, which shows the
purpose, the columns, the applications and the retention of the policy. An indicator
stays on the screen; without it nothing is recorded. Ctrl+Alt+P pauses and resumes.
What the policy does not list is not recorded: the stream has a gap with the reason.

\b
Exit status: 0 recorded, or --status answered; 1 not agreed, nothing to see or to show
it on, or something failed (what was recorded before stays); 2 bad usage or policy.""",
)
@click.argument("target", required=False, metavar="[OUT.evc]")
@click.option("--policy", metavar="POLICY.toml", help="What may be recorded; needed, but for --status.")
@click.option(
    "--sources",
    metavar="NAMES",
    help=f"Of {', '.join(_SOURCES)}, with commas between; those that fit this session by default.",
)
@click.option("--duration", type=TimeType(), metavar="TIME", help="End after this long: 90s, 30min, 2h.")
@click.option("--fsync", is_flag=True, help="Force what is written to the device, four times a second.")
@click.option(
    "--chain", is_flag=True, help="Chain the records, so that a change of any shows (verify --chain)."
)
@click.option("--sign", metavar="KEY", help="Sign the chain with this key, of keygen --sign.")
@click.option("--force", is_flag=True, help="Write over OUT.evc.")
@click.option("--status", is_flag=True, help="Say what is being recorded now, and record nothing.")
@click.option("--json", "as_json", is_flag=True, help="Say it as JSON.")
def record_command(
    target: str | None,
    policy: str | None,
    sources: str | None,
    duration: GivenTime | None,
    fsync: bool,
    chain: bool,
    sign: str | None,
    force: bool,
    status: bool,
    as_json: bool,
) -> int:
    """Record mouse, keys, menus and choices of this desktop into OUT.evc, as far as POLICY.toml allows.

    It records only after the person at this desktop has agreed in a window, and shows an indicator all the while. It cannot
    be started hidden, in the background or from elsewhere.
    """
    if status:
        if target or policy or sources or duration or fsync or chain or sign or force:
            raise click.UsageError("--status goes with --json only")
        return _say_status(as_json)
    if target is None or policy is None:
        raise click.UsageError("needs --policy POLICY.toml and OUT.evc, or --status")
    if target == STDIO:
        raise click.UsageError("OUT.evc: found - (stdout), allowed: a file of this machine")
    if duration is not None and (duration.relative or duration.ns <= 0):
        raise click.UsageError("--duration: allowed: above 0, as 90s, 30min or 2h")
    check_place(target)
    check_outputs([policy], [target], force=force, only_streams=True)
    options = {"fsync": fsync, "chain": chain or sign is not None, "signing_key": sign}
    return _record(target, policy, sources, duration, options, as_json)


def _record(
    target: str,
    policy: str,
    sources: str | None,
    duration: GivenTime | None,
    options: dict[str, Any],
    as_json: bool,
) -> int:
    from ..capture import Recorder, load_policy

    recorder = Recorder(
        load_policy(policy),
        target,
        sources=None if sources is None else [name.strip() for name in sources.split(",")],
        **options,
        say=lambda message: say_error(printable(message)),
    )
    found = recorder.run(None if duration is None else duration.ns / _S)
    if as_json:
        say_json(
            {
                "path": found.file,
                "events": found.events,
                "gaps": found.gaps,
                "bytes": found.size,
                "seconds": found.seconds,
                "ended": found.ended,
                "failed": found.failed,
            }
        )
    else:
        span = human_span(int(found.seconds * _S))
        say(
            f"{printable(found.file)}: {counted(found.events, 'event')} in {span}, {human_bytes(found.size)}; {found.ended}"
        )
        for reason, count in found.gaps.items():
            say(f"  not recorded, {reason.replace('_', ' ')}: {counted(count, 'gap')}")
    if found.failed is not None:
        say_error(
            f"recording has stopped: {printable(found.failed)}; what was recorded before is in {printable(found.file)}"
        )
        return 1
    return 0


def _say_status(as_json: bool) -> int:
    from ..capture.status import read_statuses

    found = read_statuses()
    if as_json:
        say_json({"recording": bool(found), "recorders": found})
        return 0
    if not found:
        say("nothing is being recorded")
    for told in found:
        _say_one(told)
    return 0


def _say_one(told: dict[str, Any]) -> None:
    if "file" not in told:
        say(f"a recorder is there and does not answer ({printable(told.get('socket', ''))})")
        return
    state = str(told["state"])
    if told.get("application"):
        state += f", {told['application']}"
    elif told.get("reason"):
        state += f" ({str(told['reason']).replace('_', ' ')})"
    gaps = sum(told["gaps"].values())
    for name, value in (
        ("state", state),
        ("file", told["file"]),
        ("since", told["since"]),
        ("recorded", f"{counted(told['events'], 'event')}, {counted(gaps, 'gap')}"),
        ("purpose", told["purpose"]),
        ("policy", f"{told['policy_digest']}, notice {told['notice_id']}"),
        ("applications", ", ".join(told["applications"])),
        ("by", f"{told['user']}, process {told['pid']}, display {told['display']}"),
    ):
        say(f"{name:<13} {printable(value)}")

"""``policy``: what a policy of the recorder says, in a table, before anybody is recorded under it."""

from __future__ import annotations

from typing import Any

import click

from .options import json_option
from .terminal import console, printable, say, say_error, say_json, show, table


@click.group(
    "policy",
    short_help="Check what a policy of the recorder allows.",
    epilog="""\b
Examples:
  evcodec policy check policy.toml""",
)
def policy_command() -> None:
    """Look at policies of the recorder."""


@policy_command.command(
    "check",
    short_help="Check a policy and show what it allows.",
    epilog="""\b
Examples:
  evcodec policy check policy.toml
  evcodec policy check policy.toml --json | jq .digest

\b
Exit status: 0 the policy can be used, with or without warnings; 1 it cannot, so that nothing would be recorded.""",
)
@click.argument("path", metavar="FILE")
@click.option(
    "--here/--elsewhere", default=True, help="Whether programs and key files have to be on this machine."
)
@json_option
def check_command(path: str, here: bool, as_json: bool) -> int:
    """Show what may be recorded under a policy, and warn of what is risky in it."""
    from ..capture.policy_file import PolicyError, load_policy
    from ..capture.policy_machine import misfits_of
    from ..capture.policy_risks import risks_of

    try:
        policy = load_policy(path)
    except PolicyError as error:
        faults = [printable(fault, 2_000) for fault in error.faults]
        if as_json:
            say_json({"path": path, "ok": False, "faults": faults})
        for fault in faults:
            say_error(fault)
        return 1
    warnings = [*risks_of(policy), *(misfits_of(policy) if here else ())]
    found = _described(policy)
    if as_json:
        told = [{"where": risk.where, "what": risk.what} for risk in warnings]
        say_json({"path": path, "ok": True, **found, "warnings": told})
        return 0
    _show(found)
    for risk in warnings:
        say_error(f"warning: {printable(path)}, {risk.where}: {printable(risk.what, 2_000)}")
    return 0


def _described(policy: Any) -> dict[str, Any]:
    """Return a policy as plain values."""
    return {
        "digest": policy.digest,
        "purpose": policy.purpose,
        "notice_id": policy.notice_id,
        "retention_days": policy.retention_days,
        "groups": [group.name.lower() for group in sorted(policy.groups)],
        "key_quantum_ms": policy.key_quantum_ns // 1_000_000,
        "recipients": {group.name.lower(): list(paths) for group, paths in sorted(policy.recipients.items())},
        "applications": [
            {
                "executable": list(rule.executables),
                "window_class": list(rule.window_classes),
                "origins": list(rule.origins),
                "pointer": rule.pointer,
                "keys": rule.keys.value,
                "title": rule.title.value,
                "elements": rule.elements.value,
                "values": rule.values.value,
                "accessibility": rule.accessibility.value,
                "fields": [
                    {
                        name: value if isinstance(value, str) else value.value
                        for name in ("role", "name", "keys", "elements", "values")
                        if (value := getattr(one, name)) is not None
                    }
                    for one in rule.fields
                ],
            }
            for rule in policy.applications
        ],
    }


def _show(found: dict[str, Any]) -> None:
    days = found["retention_days"]
    for name, value in (
        ("purpose", found["purpose"]),
        ("notice", found["notice_id"]),
        ("kept for", "not said" if days is None else f"{days} days"),
        ("recorded", ", ".join(found["groups"]) or "nothing"),
        ("times of keys", f"to {found['key_quantum_ms']} ms" if found["key_quantum_ms"] else "exact"),
        (
            "encrypted",
            ", ".join(f"{name} ({len(keys)})" for name, keys in found["recipients"].items()) or "nothing",
        ),
        ("digest", found["digest"]),
    ):
        say(f"{name:<14}{printable(value)}")
    say("")
    rows = table("application", "only", "pointer", "keys", "titles", "elements", "values")
    for rule in found["applications"]:
        only = [*rule["window_class"], *rule["origins"]]
        keys = f"{rule['keys']}, fields unknown" if rule["accessibility"] == "none" else rule["keys"]
        rows.add_row(
            printable(", ".join(rule["executable"])),
            printable(", ".join(only)),
            "yes" if rule["pointer"] else "no",
            keys,
            rule["title"],
            rule["elements"],
            rule["values"],
        )
        for one in rule["fields"]:
            which = [f"{name} {one[name]}" for name in ("role", "name") if name in one]
            rows.add_row(
                f"  in fields: {printable(', '.join(which))}",
                "",
                "",
                one.get("keys", ""),
                "",
                one.get("elements", ""),
                one.get("values", ""),
            )
    show(console(), rows)
    say("Whatever is not in this table is not recorded.")

"""What of a policy does not fit this machine: programs that are not there, links, scripts, key files. Reads, never runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from .policy import Policy
from .policy_risks import Risk

_SCRIPT = b"#!"


def misfits_of(policy: Policy) -> list[Risk]:
    """Return what of a policy does not match anything here, or not what one may expect.

    Parameters
    ----------
    policy : Policy

    Returns
    -------
    list of Risk
    """
    found = []
    for at, rule in enumerate(policy.applications, 1):
        for path in rule.executables:
            if path.startswith("/") and "*" not in path:
                found += [
                    Risk(where=f"[[application]] {at}, executable", what=what)
                    for what in _of_program(Path(path))
                ]
    for group, paths in policy.recipients.items():
        for path in paths:
            if not os.access(path, os.R_OK):
                where = f"[recipients], {group.name.lower()}"
                found.append(Risk(where=where, what=f"{path}: no key file that can be read here"))
    return found


def _of_program(path: Path) -> Iterator[str]:
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError):
        yield f"{path}: not on this machine"
        return
    if real != path:
        yield f"{path}: a link, which matches nothing: the program that runs is {real}"
    try:
        with open(real, "rb") as file:
            head = file.read(128)
    except OSError:
        return
    if head.startswith(_SCRIPT):
        line = head[2:].split(b"\n")[0].decode("utf-8", "replace").strip()
        yield f"{path}: a script, which matches nothing: what runs is {line}, or what the script starts"

"""What of a policy is allowed and yet worth a second look, before people are recorded under it. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..schema import ColumnGroup
from .policy import (
    BROWSERS,
    INTERPRETERS,
    TERMINALS,
    Accessibility,
    ApplicationRule,
    Keys,
    Policy,
    Title,
    program_name,
)

_LONG_DAYS = 366


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """Something to look at: where in the policy, and what it means."""

    where: str
    what: str


def risks_of(policy: Policy) -> list[Risk]:
    """Return what is risky, or does not do what one may expect, in the order of the file.

    Parameters
    ----------
    policy : Policy

    Returns
    -------
    list of Risk
        Empty for a policy without warnings.
    """
    found = [Risk(where=where, what=what) for where, what in _of_policy(policy)]
    for at, rule in enumerate(policy.applications, 1):
        where = f"[[application]] {at}"
        found += [Risk(where=f"{where}, {key}", what=what) for key, what in _of_rule(policy, rule)]
        earlier = _shadow(policy.applications[: at - 1], rule)
        if earlier:
            found.append(
                Risk(
                    where=where,
                    what=f"never reached: [[application]] {earlier} matches all that this one does",
                )
            )
    return found


def _of_policy(policy: Policy) -> Iterator[tuple[str, str]]:
    if policy.retention_days is None:
        yield "retention_days", "none: what is recorded says no day on which it has to be deleted"
    elif policy.retention_days > _LONG_DAYS:
        yield "retention_days", f"{policy.retention_days} days are more than a year"
    if not policy.groups:
        yield "groups", "none: nothing is recorded"
    if not policy.applications:
        yield "application", "none: nothing is recorded"
    recorded = {group.name.lower() for group in policy.groups}
    sealed = {group.name.lower() for group, paths in policy.recipients.items() if paths}
    for name in sorted(recorded - sealed - {"pointer"}):
        yield f"[recipients], {name}", "none: this group is written unencrypted"
    for name in sorted(sealed - recorded):
        yield f"[recipients], {name}", "this group is not in groups, so it is not recorded"
    has_keys = ColumnGroup.KEYS in policy.groups
    if (
        has_keys
        and any(_most(rule) is Keys.FULL for rule in policy.applications)
        and not policy.key_quantum_ns
    ):
        yield "key_quantum_ms", "0: exact times of keys tell who types"


def _of_rule(policy: Policy, rule: ApplicationRule) -> Iterator[tuple[str, str]]:
    for path in rule.executables:
        if "/" not in path:
            yield "executable", f"{path}: broad: every program of this name, wherever it is"
        elif "*" in path:
            yield "executable", f"{path}: broad: * matches any part of a folder's name"
    names = {program_name(path) for path in rule.executables}
    keys = _most(rule)
    for name in sorted(names):
        if _is_like(name, INTERPRETERS) and not rule.window_classes:
            yield "executable", f"{name} runs other programs: without window_class all of them are meant"
        if name in TERMINALS and keys is Keys.FULL:
            yield (
                "keys",
                f"{name} is a terminal: passwords look like other text there, so its keys do not pass in full",
            )
        if name in BROWSERS and not rule.origins:
            yield "origins", f"{name} is a browser: nothing of it is recorded without origins"
    if rule.origins and keys is Keys.FULL:
        yield "keys", "full in pages: a page that takes secrets in a plain field is recorded"
    for origin in rule.origins:
        if origin.startswith("http://") and not origin.startswith(("http://localhost", "http://127.0.0.1")):
            yield "origins", f"{origin}: without encryption anybody on the way can be this page"
    if rule.title is Title.KEEP:
        yield "title", "keep: titles hold names of documents, people and messages"
    if rule.accessibility is Accessibility.NONE and keys is not Keys.NONE:
        yield (
            "keys",
            "classes of keys are kept in every field, also in those for passwords: their length can be told",
        )
    for group, wants in (
        (ColumnGroup.POINTER, rule.pointer),
        (ColumnGroup.KEYS, keys is not Keys.NONE),
        (ColumnGroup.CONTEXT, rule.title is not Title.DROP or rule.elements.value != "drop"),
    ):
        if wants and group not in policy.groups:
            yield group.name.lower(), "asked for here, but the group is not in groups, so it is not recorded"
    if not rule.pointer and keys is Keys.NONE and rule.elements.value == "drop":
        yield "pointer", "nothing is recorded of this application but that it has the focus"


def _most(rule: ApplicationRule) -> Keys:
    return max((rule.keys, *(one.keys for one in rule.fields if one.keys)), key=lambda keys: keys.rank)


def _is_like(name: str, known: frozenset[str]) -> bool:
    """Tell whether a name is one of those, with a version behind it or not: python3.11."""
    return name in known or name.rstrip("0123456789.") in known


def _shadow(earlier: tuple[ApplicationRule, ...], rule: ApplicationRule) -> int | None:
    """Return the number of an earlier rule that matches whatever this one does, as far as names tell."""
    for at, one in enumerate(earlier, 1):
        classes = not one.window_classes or (
            bool(rule.window_classes) and {*rule.window_classes} <= {*one.window_classes}
        )
        covers = all(
            path in one.executables or program_name(path) in one.executables for path in rule.executables
        )
        if classes and covers:
            return at
    return None

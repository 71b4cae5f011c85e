"""What a policy comes to, in words for the person who is to be recorded. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from ..schema import ColumnGroup
from .policy import Accessibility, ApplicationRule, Elements, Keys, Policy, Title, Values
from .seen.notice import Notice, NoticeApplication

_COLUMNS = {
    ColumnGroup.POINTER: "pointer: position, motion, buttons, scrolling, and when",
    ColumnGroup.KEYS: "keys: which keys are pressed, as far as each application below allows it",
    ColumnGroup.CONTEXT: "context: which application and window, which field or menu, as far as allowed below",
}
_KEYS = {Keys.FULL: "in full", Keys.CLASS: "class only (letter, digit, ...)", Keys.NONE: "none"}
_TITLES = {Title.KEEP: "kept", Title.DIGEST: "as a digest only", Title.DROP: "none"}


def notice_of(policy: Policy, *, file: str, hotkey: str, now_ns: int, remarks: Sequence[str] = ()) -> Notice:
    """Return what the consent window shows of a policy.

    Parameters
    ----------
    policy : Policy
    file : str
        Where the recording goes.
    hotkey : str
        What pauses and resumes.
    now_ns : int
        ns since 1970, from which the time of retention counts.
    remarks : sequence of str
        What else the person should know.
    """
    days = policy.retention_days
    until = "" if days is None else _date(now_ns, days)
    said = [*remarks]
    for group, keys in policy.recipients.items():
        said.append(f"the columns of {group.name.lower()} are encrypted for {', '.join(map(_last, keys))}")
    if not policy.recipients:
        said.append("the file is not encrypted")
    if policy.key_quantum_ns:
        said.append(f"times of keys are rounded to {policy.key_quantum_ns / 1e6:g} ms")
    return Notice(
        purpose=policy.purpose,
        recipients=tuple(sorted({_last(key) for keys in policy.recipients.values() for key in keys})),
        columns=tuple(text for group, text in _COLUMNS.items() if group in policy.groups),
        applications=tuple(_application(name, rule) for rule in policy.applications for name in _names(rule)),
        retention="not limited by the policy" if days is None else f"{days} day{'s' * (days != 1)}",
        retention_until=until,
        notice_id=policy.notice_id,
        policy_digest=policy.digest,
        file=file,
        hotkey=hotkey,
        remarks=tuple(said),
    )


def _date(now_ns: int, days: int) -> str:
    try:
        return (datetime.fromtimestamp(now_ns / 1e9, UTC) + timedelta(days=days)).date().isoformat()
    except (OverflowError, ValueError):
        return ""


def _last(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]


def _names(rule: ApplicationRule) -> list[str]:
    programs = ", ".join(rule.executables)
    return [f"{origin} in {programs}" for origin in rule.origins] or [programs]


def _application(name: str, rule: ApplicationRule) -> NoticeApplication:
    remarks = []
    if not rule.pointer:
        remarks.append("the pointer is not recorded")
    if rule.elements is not Elements.DROP:
        remarks.append(
            "fields and menus: what they are"
            + (" and their labels" if rule.elements is Elements.NAME else "")
        )
    if rule.values is not Values.DROP:
        remarks.append("values chosen in dropdowns, check boxes and sliders")
    if rule.accessibility is Accessibility.NONE:
        remarks.append(
            "it does not tell which of its fields are passwords"
            + (f"; accepted by {rule.accepted_by}" if rule.accepted_by else "")
        )
    for field in rule.fields:
        which = (
            " ".join(part for part in (field.role, field.name and f'"{field.name}"') if part) or "any field"
        )
        what = [] if field.keys is None else [f"keys {_KEYS[field.keys]}"]
        what += [] if field.elements is None else [f"elements: {field.elements.value}"]
        what += [] if field.values is None else [f"values: {field.values.value}"]
        remarks.append(f"{which}: {', '.join(what)}")
    return NoticeApplication(
        name=name, keys=_KEYS[rule.keys], titles=_TITLES[rule.title], remarks=tuple(remarks)
    )

"""Contexts and acts as the policy has them: what was observed of windows and elements, less what may not be told. No I/O."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from ..schema import EventKind
from .decision import Verdict
from .model import Bounds, Display, ElementAct, ElementActed
from .policy import Accessibility, Elements, Keys, Title, Values

# Roles whose value is what somebody typed, or a whole text.
_TEXT_ROLES = frozenset(
    "autocomplete;date editor;document text;document web;editbar;entry;paragraph;password text;spell;spin button;"
    "terminal;text".split(";")
)
_KINDS = {
    ElementAct.MENU_OPEN: EventKind.MENU_OPEN,
    ElementAct.ITEM_HOVER: EventKind.ITEM_HOVER,
    ElementAct.ITEM_SELECT: EventKind.ITEM_SELECT,
    ElementAct.VALUE_COMMIT: EventKind.VALUE_COMMIT,
}


def act_kind(act: ElementActed) -> EventKind:
    """Return the kind of the event of an act."""
    return _KINDS[act.act]


def application_value(verdict: Verdict) -> dict[str, Any]:
    """Return what is told of the application that has the focus, and of how much of it is recorded."""
    assert verdict.window is not None
    assert verdict.rule is not None
    application, rule = verdict.window.application, verdict.rule
    keys = Keys.CLASS if rule.accessibility is Accessibility.NONE and rule.keys is Keys.FULL else rule.keys
    found: dict[str, Any] = {"executable": application.executable}
    if application.window_class is not None:
        found["window_class"] = application.window_class
    return {**found, "pointer": rule.pointer, "keys": keys.value}


def window_value(verdict: Verdict, title_key: bytes) -> dict[str, Any]:
    """Return what is told of the window."""
    assert verdict.window is not None
    assert verdict.rule is not None
    found: dict[str, Any] = {"id": verdict.window.id}
    if verdict.title is None:
        return found
    if verdict.rule.title is Title.KEEP:
        found["title"] = verdict.title
    elif verdict.rule.title is Title.DIGEST:
        # Under a key that nobody keeps: without it whoever guesses a title could check the guess.
        raw = verdict.title.encode("utf-8", "surrogatepass")
        found["title_digest"] = blake2b(raw, key=title_key, digest_size=16).hexdigest()
    return found


def element_value(verdict: Verdict) -> dict[str, Any]:
    """Return what is told of the element that has the focus; empty where it may not be told."""
    element = verdict.field
    if element is None or verdict.elements is Elements.DROP:
        return {}
    return _element(element.role, element.name, element.bounds, verdict.elements)


def act_value(act: ElementActed, verdict: Verdict) -> dict[str, Any] | None:
    """Return what is told of an act; None: nothing."""
    assert verdict.rule is not None
    role = act.role.lower()
    _, elements, values = verdict.rule.of_element(role, act.name)
    if elements is Elements.DROP or role == "password text":
        return None
    found = _element(act.role, act.name, act.bounds, elements)
    if act.value is not None and values is Values.KEEP and role not in _TEXT_ROLES:
        found["value"] = act.value
    return found


def display_value(displays: tuple[Display, ...]) -> dict[str, Any]:
    """Return what is told of the monitors."""
    return {
        "displays": [
            {"name": one.name, "bounds": _corners(one.bounds), "scale": one.scale} for one in displays
        ]
    }


def _element(role: str, name: str | None, bounds: Bounds | None, elements: Elements) -> dict[str, Any]:
    found: dict[str, Any] = {"role": role}
    if name is not None and elements is Elements.NAME:
        found["name"] = name
    if bounds is not None:
        found["bounds"] = _corners(bounds)
    return found


def _corners(bounds: Bounds) -> list[int]:
    return [bounds.x, bounds.y, bounds.width, bounds.height]

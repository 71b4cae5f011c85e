"""What is known of the desktop at one moment, and what may be recorded under it. No times, no events, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..entries import GapReason
from ..schema import ColumnGroup
from .model import Application, Display, Field, Secrecy, Sense, Window
from .policy import Accessibility, ApplicationRule, Elements, Keys, Policy, Title, Values

# Roles under which a password looks like other text: no key of them is known to be harmless.
_OPAQUE_ROLES = frozenset(("terminal",))
_SECURE_ROLES = frozenset(("password text",))
# The reason that is told when there are several: what concerns all of the desktop hides what lies behind it.
_PRECEDENCE = (GapReason.INDICATOR_LOST, GapReason.PAUSED, GapReason.SUSPENDED, GapReason.BLIND)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What may be recorded, as far as is known now.

    Attributes
    ----------
    reason : GapReason or None
        Why nothing at all may be; None: a listed application has the focus. All below is empty unless it is None.
    rule, window
        Of the application that has the focus.
    pointer : bool
        Whether pointer events may be recorded.
    pointer_reason : GapReason or None
        Why not, although the policy has the pointer of this application.
    keys : Keys
        What may be recorded of keys, once their field is confirmed where `confirm` names one.
    keys_reason : GapReason or None
        Why nothing of keys may be, although the policy has keys of this application.
    confirm : str or None
        Id of the field that has to be confirmed before a key passes.
    field : Field or None
        The plain element that has the focus.
    elements, values
        What may be recorded of that element.
    title : str or None
        The window's title, as far as it may be told.
    is_pending : bool
        Whether this may be known better in a moment: the focus is on its way, or the element that has it is being looked at.
    """

    reason: GapReason | None
    rule: ApplicationRule | None = None
    window: Window | None = None
    pointer: bool = False
    pointer_reason: GapReason | None = None
    keys: Keys = Keys.NONE
    keys_reason: GapReason | None = None
    confirm: str | None = None
    field: Field | None = None
    elements: Elements = Elements.DROP
    values: Values = Values.DROP
    title: str | None = None
    is_pending: bool = False

    @property
    def pid(self) -> int | None:
        """The process that has the focus."""
        return None if self.window is None else self.window.application.pid


@dataclass(slots=True)
class Desktop:
    """What sources and the recorder have told last."""

    policy: Policy
    blocks: set[GapReason] = field(default_factory=set)
    lost: set[Sense] = field(default_factory=set)
    window: Window | None = None
    pointer_over: Application | None = None
    is_grabbed: bool = False
    field: Field | None = None
    displays: tuple[Display, ...] = ()
    # Whether the page that has the focus was confirmed since the window had its title: the two are told apart.
    is_title_known: bool = False

    def judge(self) -> Verdict:
        """Return what may be recorded under all this."""
        for reason in _PRECEDENCE:
            if reason in self.blocks:
                return Verdict(reason=reason)
        if self.blocks:
            return Verdict(reason=min(self.blocks))
        if self.lost & {Sense.WINDOWS, Sense.INPUT}:
            return Verdict(reason=GapReason.BLIND)
        window = self.window
        rule = None if window is None else self.policy.rule_for(window.application)
        if window is None or rule is None:
            return Verdict(reason=GapReason.NOT_LISTED)
        is_browser = rule.is_browser(window.application)
        element = self._field_of(window.application)
        if is_browser:
            if Sense.FIELDS in self.lost:
                return Verdict(reason=GapReason.BLIND)
            if element is None or not rule.allows_origin(element.origin):
                return Verdict(reason=GapReason.NOT_LISTED, is_pending=is_pending(self.field))
        pointer, pointer_reason = self._pointer(rule, window.application)
        keys, keys_reason = self._keys(rule, element)
        plain = element if element is not None and _is_plain(element) and _is_of_page(rule, element) else None
        _, elements, values = (rule.keys, Elements.DROP, Values.DROP) if plain is None else rule.of(plain)
        has_title = rule.title is not Title.DROP and (self.is_title_known or not is_browser)
        return Verdict(
            reason=None,
            rule=rule,
            window=window,
            pointer=pointer,
            pointer_reason=pointer_reason,
            keys=keys,
            keys_reason=keys_reason,
            confirm=None if rule.accessibility is Accessibility.NONE or element is None else element.id,
            field=plain,
            elements=elements,
            values=values,
            title=window.title if has_title else None,
            is_pending=is_pending(self.field),
        )

    def _field_of(self, application: Application) -> Field | None:
        """Return the focused element if it is this process's own: one of another process is old news, or a stranger's."""
        element = self.field
        if element is None or Sense.FIELDS in self.lost or element.pid is None:
            return None
        return element if element.pid == application.pid else None

    def _pointer(self, rule: ApplicationRule, focused: Application) -> tuple[bool, GapReason | None]:
        if ColumnGroup.POINTER not in self.policy.groups or not rule.pointer:
            return False, None
        over = self.pointer_over
        under = self.policy.rule_for(over)
        if over is None or under is None or not under.pointer:
            return False, GapReason.NOT_LISTED
        if under.is_browser(over) and (over.pid is None or over.pid != focused.pid):
            # Which page is under the pointer is known only of the browser that has the focus.
            return False, GapReason.NOT_LISTED
        return True, None

    def _keys(self, rule: ApplicationRule, element: Field | None) -> tuple[Keys, GapReason | None]:
        wanted = max((rule.keys, *(one.keys for one in rule.fields if one.keys)), key=lambda keys: keys.rank)
        if ColumnGroup.KEYS not in self.policy.groups or wanted is Keys.NONE:
            return Keys.NONE, None
        if element is not None and _is_secure(element):
            return Keys.NONE, GapReason.SECURE_FIELD
        if self.is_grabbed:
            return Keys.NONE, GapReason.UNCONFIRMED
        if rule.accessibility is Accessibility.NONE:
            return (Keys.NONE if rule.keys is Keys.NONE else Keys.CLASS), None
        if Sense.FIELDS in self.lost:
            return Keys.NONE, GapReason.BLIND
        if element is None or not _is_plain(element):
            return Keys.NONE, GapReason.UNCONFIRMED
        if not _is_of_page(rule, element):
            return Keys.NONE, GapReason.NOT_LISTED
        return rule.of(element)[0], None


def is_pending(element: Field | None) -> bool:
    """Tell whether an element is one of which nothing is known yet but that it has the focus, or none."""
    return element is None or (element.secrecy is Secrecy.UNKNOWN and element.role == "unknown")


def _is_secure(element: Field) -> bool:
    return element.secrecy is Secrecy.SECURE or element.role.lower() in _SECURE_ROLES


def _is_plain(element: Field) -> bool:
    return (
        element.secrecy is Secrecy.PLAIN
        and not _is_secure(element)
        and element.role.lower() not in _OPAQUE_ROLES
    )


def _is_of_page(rule: ApplicationRule, element: Field) -> bool:
    """Tell whether an element is in no page, or in one that is listed."""
    return element.origin is None or rule.allows_origin(element.origin)

"""What a policy allows, as plain immutable values: which applications, which fields, and how much of each. No I/O.

Everything that a policy does not allow is closed: an application that no rule matches records nothing, and a rule
that says nothing but its executable records nothing of it either. `policy_file` makes these values of a TOML file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import translate
from functools import lru_cache

from ..schema import ColumnGroup
from .model import Application, Field

_DAY_NS = 24 * 3_600 * 10**9

# Names of programs that show pages of many owners: without listed origins nothing of them is recorded, whatever a rule says.
BROWSERS = frozenset(
    "brave brave-browser chrome chromium chromium-browser epiphany falkon firefox firefox-bin firefox-esr google-chrome "
    "konqueror librewolf midori msedge opera palemoon qutebrowser vivaldi vivaldi-bin waterfox".split()
)
# Names of programs that run other programs, so that their own name says little.
INTERPRETERS = frozenset(
    "bash dash electron gjs java mono node perl php pypy3 python python2 python3 qml ruby sh wine".split()
)
# Names of programs in which a password prompt looks like any other text.
TERMINALS = frozenset(
    "alacritty foot gnome-terminal-server kgx kitty konsole lxterminal mate-terminal qterminal rxvt sakura st terminator "
    "termite tilix urxvt uxterm wezterm-gui xfce4-terminal xterm".split()
)


class Keys(Enum):
    """How much of a key may be kept."""

    NONE = "none"
    CLASS = "class"
    FULL = "full"

    @property
    def rank(self) -> int:
        """From 0, nothing, to 2, everything."""
        return _RANKS[self]


_RANKS = {Keys.NONE: 0, Keys.CLASS: 1, Keys.FULL: 2}


class Title(Enum):
    """What becomes of a window's title."""

    DROP = "drop"
    DIGEST = "digest"
    KEEP = "keep"


class Elements(Enum):
    """What becomes of elements: fields that get the focus, menus, items, committed values."""

    DROP = "drop"
    ROLE = "role"
    NAME = "name"


class Values(Enum):
    """What becomes of the value of a dropdown, a check box, a slider that was set; text that was typed is never a value."""

    DROP = "drop"
    KEEP = "keep"


class Accessibility(Enum):
    """Whether an application tells which of its fields has the focus."""

    REQUIRED = "required"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """What is different in some fields of an application; what is None is as in the application.

    Attributes
    ----------
    role : str or None
        AT-SPI's role in lower case, exactly; None: any.
    name : str or None
        Pattern of the label, with ``*`` and ``?``, in any case; None: any. A field without a label has the name "".
    """

    role: str | None = None
    name: str | None = None
    keys: Keys | None = None
    elements: Elements | None = None
    values: Values | None = None

    def matches(self, role: str, name: str | None) -> bool:
        """Tell whether an element of this role and label is meant."""
        if self.role is not None and role.lower() != self.role:
            return False
        return self.name is None or _pattern(self.name.casefold()).match((name or "").casefold()) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationRule:
    """One application and what may be recorded of it; defaults record nothing.

    Attributes
    ----------
    executables : tuple of str
        Absolute paths, or names without a slash. Compared with the path of the running program as the system tells it, which
        is where links lead, not the link: a path must be equal, or match where it has a ``*`` (which stands for anything but
        a slash); a name must be that path's last part. A script is run by its interpreter, so its own path never matches.
    window_classes : tuple of str
        The window's class must be one of these, exactly; empty: any.
    origins : tuple of str
        Pages that may be recorded, as ``scheme://host`` or ``scheme://host:port``; only for what shows pages.
    pointer : bool
        Whether pointer events are recorded.
    keys, title, elements, values
        How much is kept.
    accessibility : Accessibility
        NONE: fields of this application are never known, and its owner accepts that classes of keys are kept (`accepted_by`).
    fields : tuple of FieldRule
        The first that matches counts.
    """

    executables: tuple[str, ...]
    window_classes: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    pointer: bool = False
    keys: Keys = Keys.NONE
    title: Title = Title.DROP
    elements: Elements = Elements.DROP
    values: Values = Values.DROP
    accessibility: Accessibility = Accessibility.REQUIRED
    accepted_by: str | None = None
    fields: tuple[FieldRule, ...] = ()

    def matches(self, application: Application) -> bool:
        """Tell whether this rule is about a running program."""
        path = application.executable
        if path is None or not any(_is_executable(wanted, path) for wanted in self.executables):
            return False
        return not self.window_classes or application.window_class in self.window_classes

    def is_browser(self, application: Application) -> bool:
        """Tell whether only pages of listed origins may be recorded."""
        return bool(self.origins) or program_name(application.executable or "") in BROWSERS

    def allows_origin(self, origin: str | None) -> bool:
        """Tell whether a page, or what an application shows as one, may be recorded."""
        return origin is not None and normal_origin(origin) in self.origins

    def of(self, element: Field) -> tuple[Keys, Elements, Values]:
        """Return what may be kept in a field, as far as it is plain."""
        return self.of_element(element.role, element.name)

    def of_element(self, role: str, name: str | None) -> tuple[Keys, Elements, Values]:
        """Return what may be kept of an element of this role and label."""
        found = next((rule for rule in self.fields if rule.matches(role, name)), None)
        if found is None:
            return self.keys, self.elements, self.values
        return (
            self.keys if found.keys is None else found.keys,
            self.elements if found.elements is None else found.elements,
            self.values if found.values is None else found.values,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What was agreed on.

    Attributes
    ----------
    digest : str
        ``sha256:`` and the hexadecimal SHA-256 of the file's bytes, for the header of what is recorded under it.
    purpose, notice_id : str
        Why, and which notice the person was shown.
    groups : frozenset of ColumnGroup
        What may be recorded at all: POINTER, KEYS, CONTEXT.
    applications : tuple of ApplicationRule
        The first that matches counts.
    retention_days : int or None
        How long it may be kept.
    recipients : mapping of ColumnGroup to tuple of str
        Paths of the public key files that each group is encrypted to, absolute; empty: nothing is encrypted.
    key_quantum_ns : int
        Times of keys are rounded up to a multiple of this; 0: they are kept.
    """

    digest: str
    purpose: str
    notice_id: str
    groups: frozenset[ColumnGroup] = frozenset()
    applications: tuple[ApplicationRule, ...] = ()
    retention_days: int | None = None
    recipients: Mapping[ColumnGroup, tuple[str, ...]] = field(default_factory=dict)
    key_quantum_ns: int = 0

    def rule_for(self, application: Application | None) -> ApplicationRule | None:
        """Return the first rule that matches a running program; None: nothing of it is recorded."""
        if application is None:
            return None
        return next((rule for rule in self.applications if rule.matches(application)), None)

    def governance(self, wall_ns: int) -> dict[str, str | int]:
        """Return what `Writer(governance=)` takes, for a recording that starts at ``wall_ns`` (ns since 1970)."""
        found: dict[str, str | int] = {
            "purpose": self.purpose,
            "policy_digest": self.digest,
            "notice_id": self.notice_id,
        }
        if self.retention_days is not None:
            found["retain_until_ns"] = wall_ns + self.retention_days * _DAY_NS
        return found


def program_name(path: str) -> str:
    """Return the last part of a path."""
    return path.rpartition("/")[2]


_DEFAULT_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443", "ftp": "21"}


def normal_origin(origin: str) -> str:
    """Return an origin in lower case and without the port that its scheme has anyway; no path, no name of a user."""
    scheme, separator, host = origin.strip().lower().partition("://")
    host = host.rstrip("/")
    name, colon, port = host.rpartition(":")
    if colon and port == _DEFAULT_PORTS.get(scheme):
        host = name
    return f"{scheme}{separator}{host}"


def _is_executable(wanted: str, path: str) -> bool:
    if "/" not in wanted:
        return program_name(path) == wanted
    if "*" not in wanted:
        return path == wanted
    return _path_pattern(wanted).fullmatch(path) is not None


@lru_cache(256)
def _path_pattern(wanted: str) -> re.Pattern[str]:
    return re.compile("[^/]*".join(map(re.escape, wanted.split("*"))))


@lru_cache(256)
def _pattern(wanted: str) -> re.Pattern[str]:
    return re.compile(translate(wanted))

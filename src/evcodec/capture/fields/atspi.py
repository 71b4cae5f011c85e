"""AT-SPI's words: roles, states, interfaces, and readers for what applications answer, which may be anything."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from ..model import Bounds

ROLES = tuple(
    """invalid|accelerator label|alert|animation|arrow|calendar|canvas|check box|check menu item|color chooser|column header
    |combo box|date editor|desktop icon|desktop frame|dial|dialog|directory pane|drawing area|file chooser|filler
    |focus traversable|font chooser|frame|glass pane|html container|icon|image|internal frame|label|layered pane|list
    |list item|menu|menu bar|menu item|option pane|page tab|page tab list|panel|password text|popup menu|progress bar
    |push button|radio button|radio menu item|root pane|row header|scroll bar|scroll pane|separator|slider|spin button
    |split pane|status bar|table|table cell|table column header|table row header|tearoff menu item|terminal|text
    |toggle button|tool bar|tool tip|tree|tree table|unknown|viewport|window|extended|header|footer|paragraph|ruler
    |application|autocomplete|editbar|embedded|entry|chart|caption|document frame|heading|page|section|redundant object
    |form|link|input method window|table row|tree item|document spreadsheet|document presentation|document text
    |document web|document email|comment|list box|grouping|image map|notification|info bar|level bar|title bar
    |block quote|audio|video|definition|article|landmark|log|marquee|math|rating|timer|static|math fraction|math root
    |subscript|superscript|description list|description term|description value|footnote|content deletion
    |content insertion|mark|suggestion|push button menu|switch""".replace("\n", "")
    .replace("    |", "|")
    .split("|")
)
UNKNOWN_ROLE = "unknown"

# Bits of a set of states.
ACTIVE, CHECKED, DEFUNCT, EDITABLE = 1 << 1, 1 << 4, 1 << 6, 1 << 7
EXPANDED, FOCUSED, MULTI_LINE, PRESSED = 1 << 10, 1 << 12, 1 << 17, 1 << 20
SELECTED, SHOWING, VISIBLE, HAS_POPUP = 1 << 23, 1 << 25, 1 << 30, 1 << 42

REGISTRY = "org.a11y.atspi.Registry"
ACCESSIBLE = "org.a11y.atspi.Accessible"
APPLICATION = "org.a11y.atspi.Application"
COLLECTION = "org.a11y.atspi.Collection"
COMPONENT = "org.a11y.atspi.Component"
DOCUMENT = "org.a11y.atspi.Document"
VALUE = "org.a11y.atspi.Value"
EVENT = "org.a11y.atspi.Event."
PROPERTIES = "org.freedesktop.DBus.Properties"
ROOT_PATH = "/org/a11y/atspi/accessible/root"
NULL_PATH = "/org/a11y/atspi/null"
SCREEN = 0  # coordinates of Component.GetExtents

LONGEST_NAME = 200
LONGEST_ORIGIN = 300
LARGEST_PLACE = 1 << 20  # pixels; farther away is nonsense


class Element(NamedTuple):
    """An element: the connection of its application, and its path there."""

    bus_name: str
    path: str


def role_name(number: object) -> str:
    """Return AT-SPI's name of a role."""
    return ROLES[number] if isinstance(number, int) and 0 <= number < len(ROLES) else UNKNOWN_ROLE


def states(answer: object) -> int | None:
    """Return the bits of a set of states, None where the answer is none."""
    if isinstance(answer, list) and len(answer) == 2 and all(isinstance(word, int) for word in answer):
        return int(answer[0]) | int(answer[1]) << 32
    return None


def name(answer: object) -> str | None:
    """Return a name of a property, shortened; None where it is empty."""
    text = variant(answer)
    return text[:LONGEST_NAME] or None if isinstance(text, str) else None


def variant(answer: object) -> object:
    """Return what is in a variant."""
    return answer[1] if isinstance(answer, tuple) and len(answer) == 2 else None


def element(answer: object) -> Element | None:
    """Return an element that is a pair of name and path; None where it is none, or the null element."""
    if isinstance(answer, tuple) and len(answer) == 2 and all(isinstance(part, str) for part in answer):
        return Element(*answer) if answer[0] and answer[1] != NULL_PATH and len(answer[1]) < 1024 else None
    return None


def elements(answer: object, most: int) -> list[Element]:
    """Return a list of elements, of which those behind ``most`` are left out."""
    if not isinstance(answer, list):
        return []
    return [found for part in answer[:most] if (found := element(part)) is not None]


def bounds(answer: object) -> Bounds | None:
    """Return a rectangle; None for one that is empty or beyond any screen, as hidden elements have."""
    if isinstance(answer, tuple) and len(answer) == 4 and all(isinstance(part, int) for part in answer):
        x, y, width, height = answer
        if width > 0 and height > 0 and max(abs(x), abs(y), width, height) < LARGEST_PLACE:
            return Bounds(x=x, y=y, width=width, height=height)
    return None


def attributes(answer: object) -> dict[str, str]:
    """Return attributes; those that are no pairs of texts are left out."""
    if not isinstance(answer, dict):
        return {}
    return {k: v for k, v in answer.items() if isinstance(k, str) and isinstance(v, str)}


def document_url(answer: object) -> str:
    """Return the address among the attributes of a document: Firefox and WebKit call it DocURL, Chromium URI."""
    found = attributes(answer)
    return found.get("DocURL") or found.get("URI") or ""


def origin(url: str) -> str | None:
    """Return scheme, host and port of an address.

    An address without a host gives its scheme only (``file:``); None for what takes its origin from the document around
    (``about:``, ``data:``, ``javascript:``) and for what is no address.
    """
    url = url[5:] if url.startswith("blob:") else url
    try:
        parts = urlsplit(url[:4096])
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not parts.scheme or parts.scheme in ("about", "data", "javascript"):
        return None
    if not host:
        return f"{parts.scheme}:"
    host = f"[{host}]" if ":" in host else host
    if port == {"http": 80, "https": 443}.get(parts.scheme):
        port = None
    found = f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "")
    return found if len(found) <= LONGEST_ORIGIN else None

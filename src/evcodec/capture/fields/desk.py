"""One connection to the accessibility bus: what is listened to, and who hears it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import jeepney

from ..model import Observation
from . import atspi
from .acts import Acts
from .atspi import Element
from .bus import Body, Bus, BusLost, Signal
from .deeds import Deeds
from .finding import Finder
from .focus import Focus
from .looking import Looker

# As the registry writes them. None of what a text holds, none of the mouse: what nobody listens to costs applications nothing.
EVENTS = (
    "object:state-changed:focused",
    "focus:",
    "window:activate",
    "window:deactivate",
    "object:state-changed:selected",
    "object:state-changed:checked",
    "object:state-changed:expanded",
    "object:selection-changed",
    "object:property-change:accessible-value",
    "object:text-caret-moved",  # without the text: that keys have come to a page which has a browser answer for it
)
OBJECT = "interface='org.a11y.atspi.Event.Object',member="
MATCHES = (
    OBJECT + "'StateChanged',arg0='focused'",
    OBJECT + "'StateChanged',arg0='selected'",
    OBJECT + "'StateChanged',arg0='checked'",
    OBJECT + "'StateChanged',arg0='expanded'",
    OBJECT + "'SelectionChanged'",
    OBJECT + "'PropertyChange',arg0='accessible-value'",
    "interface='org.a11y.atspi.Event.Focus'",
    "interface='org.a11y.atspi.Event.Window'",
    "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.a11y.atspi.Registry'",
)
CLEAN = re.compile(r":[A-Za-z0-9_.-]+/[A-Za-z0-9_/]*")
SEARCH_NS = 100_000_000  # after a window came to the front, or a flood, until the focus is looked for


class Desk:
    """Listens on the accessibility bus at ``address``; ``tell`` takes what was observed."""

    def __init__(self, address: str, tell: Callable[[Observation], None], deeds: Deeds, prefix: str) -> None:
        self._bus = Bus(address, self._on_signal)
        self._looker = Looker(self._bus)
        self.focus = Focus(self._looker, tell, prefix, self._listen_to_caret)
        self.acts = Acts(self._looker, self.focus, deeds, tell)
        self._finder: Finder | None = None
        self._search_t: int | None = None
        self._search_in: Element | None = None
        self._why: str | None = None
        self._caret_of: Element | None = None
        self._caret_rule: str | None = None
        self._registrations = len(EVENTS)
        self._heard: dict[tuple[str, str, str], Callable[[Element, int, int], None]] = {
            ("Object", "statechanged", "focused"): self._on_focused,
            ("Focus", "focus", ""): self._on_focus,
            ("Window", "activate", ""): self._on_activate,
            ("Window", "deactivate", ""): self._on_deactivate,
            ("Object", "statechanged", "selected"): partial(self.acts.heard, "selected"),
            ("Object", "statechanged", "checked"): partial(self.acts.heard, "checked"),
            ("Object", "statechanged", "expanded"): partial(self.acts.heard, "expanded"),
            ("Object", "selectionchanged", ""): partial(self.acts.heard, "selection"),
            ("Object", "propertychange", "accessible-value"): partial(self.acts.heard, "value"),
            ("Object", "textcaretmoved", ""): self._on_caret,
        }
        for rule in MATCHES:
            self._bus.call(jeepney.message_bus, "AddMatch", "s", (f"type='signal',{rule}",))
        registry = Element(atspi.REGISTRY, "/org/a11y/atspi/registry")
        for event in EVENTS:
            place = jeepney.DBusAddress(registry.path, registry.bus_name, registry.bus_name)
            self._bus.call(place, "RegisterEvent", "s", (event,), self._on_registered, 20_000_000_000)

    @property
    def is_ready(self) -> bool:
        """Whether all events are registered for."""
        return self._registrations == 0

    @property
    def has_unsent(self) -> bool:
        """As `Bus.has_unsent`."""
        return self._bus.has_unsent

    @property
    def has_more(self) -> bool:
        """As `Bus.has_more`."""
        return self._bus.has_more

    def fileno(self) -> int:
        """As `Bus.fileno`."""
        return self._bus.fileno()

    def next_t(self) -> int | None:
        """Return when `pump` wants to be called."""
        times = (self._bus.next_deadline_t(), self.focus.next_t(), self.acts.next_t(), self._search_t)
        return min((t for t in times if t is not None), default=None)

    def pump(self, now_t: int) -> None:
        """Take in what came; `BusLost` where the bus or its registry is gone."""
        self._bus.pump(now_t)
        if not self._bus.has_more:
            self.focus.reading(now_t)
        if self._why is not None:
            raise BusLost(self._why)
        if self._bus.has_overflowed:
            self._bus.has_overflowed = False
            self.focus.unfocused(None, now_t)
            self._search_later(None, now_t)
        self.focus.settle(now_t)
        self.acts.settle(now_t)
        if self._search_t is not None and self._search_t <= now_t:
            self._search_t = None
            if self.focus.element is None:
                self._search()

    def close(self) -> None:
        """Hang up."""
        self._bus.close()

    def _search_later(self, window: Element | None, now_t: int) -> None:
        self._search_t, self._search_in = now_t + SEARCH_NS, window

    def _search(self) -> None:
        if self._finder is not None:
            self._finder.stop()
        self._finder = Finder(self._looker, self._on_found)
        if self._search_in is None:
            self._finder.search_all()
        else:
            self._finder.search_window(self._search_in)

    def _on_found(self, element: Element, now_t: int) -> None:
        if self.focus.element is None:
            self.focus.focused(element, now_t)

    def _on_registered(self, body: Body | None, now_t: int) -> None:
        if body is None:
            self._why = "the registry of the accessibility bus does not answer"
        self._registrations -= 1
        if self._registrations == 0:
            self._search_later(None, now_t - SEARCH_NS)

    def _on_signal(self, signal: Signal, now_t: int) -> None:
        if signal.member == "NameOwnerChanged" and signal.sender == "org.freedesktop.DBus":
            if self.is_ready:
                self._why = "the registry of the accessibility bus is gone"
            return
        if not signal.interface.startswith(atspi.EVENT) or not signal.body or len(signal.body) < 4:
            return
        detail, on, *_ = signal.body
        if not isinstance(detail, str) or not isinstance(on, int) or len(signal.path) >= 1024:
            return
        kind = signal.interface[len(atspi.EVENT) :]
        key = (kind, signal.member.replace("-", "").lower(), detail.lower() if kind == "Object" else "")
        heard = self._heard.get(key)
        if heard is not None:
            heard(Element(signal.sender, signal.path), on, now_t)

    def _on_focused(self, element: Element, on: int, now_t: int) -> None:
        if on:
            self.focus.focused(element, now_t)
        else:
            self.focus.unfocused(element, now_t)

    def _on_focus(self, element: Element, on: int, now_t: int) -> None:
        self.focus.focused(element, now_t)

    def _listen_to_caret(self, element: Element | None) -> None:
        """Listen to the text cursor of one element, which costs where it is typed into; None: of none."""
        if element == self._caret_of:
            return
        self._caret_of = element
        if self._caret_rule is not None:
            self._bus.call(jeepney.message_bus, "RemoveMatch", "s", (self._caret_rule,))
            self._caret_rule = None
        if element is not None and CLEAN.fullmatch(element.bus_name + element.path):
            self._caret_rule = (
                f"type='signal',{OBJECT}'TextCaretMoved',sender='{element.bus_name}',path='{element.path}'"
            )
            self._bus.call(jeepney.message_bus, "AddMatch", "s", (self._caret_rule,))

    def _on_caret(self, element: Element, on: int, now_t: int) -> None:
        self.focus.caret_moved(element, now_t)

    def _on_activate(self, window: Element, on: int, now_t: int) -> None:
        self._search_later(window, now_t)

    def _on_deactivate(self, window: Element, on: int, now_t: int) -> None:
        if self.focus.element is not None and self.focus.element.bus_name == window.bus_name:
            self.focus.unfocused(None, now_t)

"""Asking an application about one of its elements: all questions at once, answers as they come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import jeepney

from ..model import Bounds
from . import atspi
from .atspi import Element
from .bus import Body, Bus

MOST_APPLICATIONS = 256  # of which pid and toolkit are remembered
MOST_OUTSIDE = 4096
DEEPEST = 64  # elements between a field and its document
DOCUMENTS = frozenset({"document web", "document frame", "document text", "document email", "html container"})
TOPS = frozenset({"application", "desktop frame", "frame"})

OnPart = Callable[[object, int], None]  # the first value of an answer, None for none; when


@dataclass(slots=True)
class Look:
    """What is known of an element; None: not told, or not told yet."""

    element: Element
    role: str | None = None
    states: int | None = None
    name: str | None = None
    bounds: Bounds | None = None
    input_type: str | None = None
    pid: int | None = None
    toolkit: str = ""
    origin: str | None = None
    is_complete: bool = False
    waits_for: set[str] = field(default_factory=set)

    @property
    def label(self) -> str | None:
        """The name, where it cannot be what somebody typed: Qt names a combo box by its text, a page a heading by its own."""
        if self.toolkit == "Qt" and self.role == "combo box":
            return None
        is_entry = self.role in ("text", "entry", "password text", "autocomplete")
        return self.name if is_entry or not (self.states or 0) & atspi.EDITABLE else None


class Looker:
    """Asks over one connection."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._outside: set[Element] = set()  # of no document, as was found out
        self._processes: dict[str, tuple[int, str]] = {}

    def ask(
        self,
        of: Element,
        interface: str,
        member: str,
        on_part: OnPart | None = None,
        signature: str = "",
        body: Body = (),
    ) -> None:
        """Call a method; ``on_part`` takes the first value of the answer."""
        try:
            address = jeepney.DBusAddress(of.path, of.bus_name, interface)
        except ValueError:
            address = jeepney.DBusAddress("/", None, interface)  # a call that fails, in its turn
        self._bus.call(address, member, signature, body, on_part and _first(on_part))

    def get(self, of: Element, interface: str, name: str, on_part: OnPart) -> None:
        """Read a property; ``on_part`` takes its variant."""
        self.ask(of, atspi.PROPERTIES, "Get", on_part, "ss", (interface, name))

    def look(
        self, element: Element, on_look: Callable[[Look, int], None], *, with_document: bool = True
    ) -> None:
        """Find out all about an element; ``on_look`` is called as soon as role and states are known, and when all is.

        Parameters
        ----------
        element : Element
            Of which application and path.
        on_look : callable
            Takes the `Look`, of which ``is_complete`` says that no more comes, and the time.
        with_document : bool
            Whether to look for the document that holds it, too.
        """
        look = Look(element)

        def part(what: str, take: Callable[[object], None]) -> OnPart:
            look.waits_for.add(what)

            def on_part(answer: object, now_t: int) -> None:
                look.waits_for.discard(what)
                take(answer)
                if what == "states" or not look.waits_for:
                    look.is_complete = not look.waits_for
                    if look.toolkit == "GTK":
                        look.bounds = None  # of GTK 4: within the window, which it takes for the screen
                    on_look(look, now_t)

            return on_part

        def took(name: str, read: Callable[[object], object]) -> Callable[[object], None]:
            return lambda answer: setattr(look, name, read(answer))

        self.ask(element, atspi.ACCESSIBLE, "GetRole", part("role", took("role", _role)))
        self.ask(element, atspi.ACCESSIBLE, "GetState", part("states", took("states", atspi.states)))
        self.get(element, atspi.ACCESSIBLE, "Name", part("name", took("name", atspi.name)))
        on_part = part("bounds", took("bounds", atspi.bounds))
        self.ask(element, atspi.COMPONENT, "GetExtents", on_part, "u", (atspi.SCREEN,))
        if with_document:
            on_part = part("attributes", took("input_type", _input_type))
            self.ask(element, atspi.ACCESSIBLE, "GetAttributes", on_part)
        self._look_at_process(element, look, part)
        if with_document:
            finish = part("origin", took("origin", lambda found: found))
            self._look_for_document(element, finish, look)

    def _look_at_process(
        self, element: Element, look: Look, part: Callable[[str, Callable[[object], None]], OnPart]
    ) -> None:
        known = self._processes.get(element.bus_name)
        if known is not None:
            look.pid, look.toolkit = known
            return

        def took(name: str) -> Callable[[object], None]:
            def take(answer: object) -> None:
                value = (
                    atspi.name(answer) or ""
                    if name == "toolkit"
                    else answer
                    if isinstance(answer, int)
                    else None
                )
                setattr(look, name, value)
                if look.pid is not None and look.toolkit:
                    if len(self._processes) >= MOST_APPLICATIONS:
                        self._processes.clear()
                    self._processes[element.bus_name] = (look.pid, look.toolkit)

            return take

        bus = Element("org.freedesktop.DBus", "/org/freedesktop/DBus")
        on_part = part("pid", took("pid"))
        self.ask(bus, bus.bus_name, "GetConnectionUnixProcessID", on_part, "s", (element.bus_name,))
        root = Element(element.bus_name, atspi.ROOT_PATH)
        self.get(root, atspi.APPLICATION, "ToolkitName", part("toolkit", took("toolkit")))

    def _look_for_document(self, element: Element, finish: OnPart, look: Look) -> None:
        """Call ``finish`` with the origin of the innermost document that has one: where it is, then outwards."""
        seen = {element}
        documents = 0

        def ended(now_t: int) -> None:
            # Elements do not move into a document; which one it is may change, so that those are walked anew.
            if not documents:
                if len(self._outside) >= MOST_OUTSIDE:
                    self._outside.clear()
                self._outside |= seen
            finish(None, now_t)

        def at(of: Element) -> None:
            answers: list[object] = []

            def on_role(answer: object, now_t: int) -> None:
                nonlocal documents
                answers.append(_role(answer))
                documents += answers[0] in DOCUMENTS or answers[0] is None

            def on_url(answer: object, now_t: int) -> None:
                found = atspi.origin(atspi.document_url(answer))
                # Chromium tells the document's address at each of its elements, none at those of the browser itself.
                if found is not None:
                    finish(found, now_t)
                else:
                    self.get(of, atspi.ACCESSIBLE, "Parent", on_parent)

            def on_parent(answer: object, now_t: int) -> None:
                above = atspi.element(atspi.variant(answer))
                if answers[0] in TOPS or above in self._outside:
                    ended(now_t)
                elif above is None or above in seen or len(seen) > DEEPEST:
                    finish(None, now_t)
                else:
                    seen.add(above)
                    at(above)

            self.ask(of, atspi.ACCESSIBLE, "GetRole", on_role)
            self.ask(of, atspi.DOCUMENT, "GetAttributes", on_url)

        if element in self._outside:
            finish(None, 0)
        else:
            at(element)


def _first(on_part: OnPart) -> Callable[[Body | None, int], None]:
    return lambda body, now_t: on_part(body[0] if body else None, now_t)


def _role(answer: object) -> str | None:
    return atspi.role_name(answer) if isinstance(answer, int) else None


def _input_type(answer: object) -> str | None:
    return atspi.attributes(answer).get("text-input-type")

"""Which element has the focus, and what is known of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..model import Field, FieldConfirmed, FieldFocused, Observation, Secrecy
from . import atspi
from .atspi import Element
from .looking import Look, Looker
from .secrecy import has_focus, secrecy_of

AGAIN_NS = 30_000_000  # until an element that has just got the focus is asked once more whether it has
MOST_AGAIN = 5
SOON_NS = 100_000_000
READ_NS = 8_000_000  # what was read now may have come so long ago, where there was no read meanwhile
MOST_SECURE = 4096  # fields of which it is remembered that they were secure


class Focus:
    """The focus as one connection tells it.

    Parameters
    ----------
    looker : Looker
        Of the connection.
    tell : callable
        Takes what was observed.
    prefix : str
        Of the ids of fields: another one for each connection.
    listen_to_caret : callable
        Takes the element of which `caret_moved` is to be called from now on, or None.
    """

    def __init__(
        self,
        looker: Looker,
        tell: Callable[[Observation], None],
        prefix: str,
        listen_to_caret: Callable[[Element | None], None],
    ) -> None:
        self._looker = looker
        self._tell = tell
        self._prefix = prefix
        self._listen_to_caret = listen_to_caret
        self._wanted = False  # a look, as soon as all that waits was heard
        self._again_t: int | None = None
        self._asked_t: int | None = None
        self._tries = 0
        self._round = 0  # answers to looks of earlier rounds are none
        self._secure: dict[str, None] = {}
        self._is_remote = False
        self._heard_t = self._read_t = 0
        self.on_known: Callable[[Look, int], None] | None = None
        self.element: Element | None = None
        self.field: Field | None = None

    def reading(self, now_t: int) -> None:
        """Note that all is read that came until now."""
        self._read_t = now_t

    def caret_moved(self, element: Element, now_t: int) -> None:
        """Take in that the text cursor of an element moved: what was struck before had come there."""
        if element == self.element:
            self._heard_t = max(self._read_t, now_t - READ_NS)

    def is_asking(self, now_t: int) -> bool:
        """Tell whether answers about the focused element are to come soon: the application was asked, not long ago."""
        return self._asked_t is not None and now_t - self._asked_t < SOON_NS

    def next_t(self) -> int | None:
        """Return when `settle` wants to be called."""
        return self._again_t

    def focused(self, element: Element, now_t: int) -> None:
        """Take in that an element says it has got the focus."""
        if element != self.element:
            self.element = element
            self._heard_t = max(self._read_t, now_t - READ_NS)
            self._is_remote = True  # until it is known not to be
            self._publish(Field(id=self.id_of(element), role="unknown", secrecy=Secrecy.UNKNOWN), now_t)
        self._wanted, self._tries = True, 0

    def unfocused(self, element: Element | None, now_t: int) -> None:
        """Take in that an element says it has lost the focus; None: whichever had it."""
        if self.element is not None and element in (None, self.element):
            self.element = None
            self._round += 1
            self._wanted, self._again_t, self._asked_t = False, None, None
            self._listen_to_caret(None)
            self._publish(None, now_t)

    def settle(self, now_t: int) -> None:
        """Ask about the last element of all that said they have got the focus."""
        if self._again_t is not None and self._again_t <= now_t:
            self._wanted, self._again_t = True, None
        if self._wanted and self.element is not None:
            self._wanted = False
            self._round += 1
            self._asked_t = now_t
            if self._is_remote:
                self._listen_to_caret(self.element)
            self._looker.look(self.element, self._on_look_of(self._round))

    def confirm(self, field_id: str, asked_t: int) -> None:
        """Ask whether a field has the focus, and what role it has now."""
        element = self._element_of(field_id)
        if element is None:
            return
        roles: list[object] = []
        self._looker.ask(element, atspi.ACCESSIBLE, "GetRole", lambda answer, _: roles.append(answer))

        def on_states(answer: object, now_t: int) -> None:
            states = atspi.states(answer)
            if states is None or not isinstance(roles[0], int):
                return
            is_current = element == self.element
            if is_current and self.field is not None:
                self._compare(self.field, atspi.role_name(roles[0]), now_t)
            is_focused = is_current and has_focus(atspi.role_name(roles[0]), states)
            heard_t = self._heard_t if is_current and self._is_remote else None
            self._tell(
                FieldConfirmed(
                    t=now_t, asked_t=asked_t, field_id=field_id, is_focused=is_focused, heard_t=heard_t
                )
            )

        self._looker.ask(element, atspi.ACCESSIBLE, "GetState", on_states)

    def id_of(self, element: Element) -> str:
        """Return the id of an element."""
        return f"{self._prefix}{element.bus_name}{element.path}"

    def _element_of(self, field_id: str) -> Element | None:
        bus_name, slash, path = field_id.partition("/")
        if not bus_name.startswith(self._prefix + ":"):
            return None
        return Element(bus_name[len(self._prefix) :], slash + path)

    def _compare(self, known: Field, role: str, now_t: int) -> None:
        """Look again at a field whose role has changed since it was looked at: a page makes a password visible, or hides it."""
        if role in (known.role, "unknown") or known.role == "unknown":
            return
        secrecy = Secrecy.SECURE if "password text" in (role, known.role) else Secrecy.UNKNOWN
        self._publish(replace(known, role=role, secrecy=secrecy), now_t)
        self._wanted = True

    def _on_look_of(self, number: int) -> Callable[[Look, int], None]:
        def on_look(look: Look, now_t: int) -> None:
            if number != self._round:
                return
            field = self._field_of(look)
            self._asked_t = None if look.is_complete else self._asked_t
            # A browser answers for its pages, which may be far behind; what is not told yet may be one.
            if look.is_complete and self._is_remote and look.origin is None:
                self._is_remote = False
                self._listen_to_caret(None)
            if look.is_complete or field.secrecy is Secrecy.SECURE:
                self._publish(field, now_t)
            if look.is_complete and self.on_known is not None:
                self.on_known(look, now_t)
            # GTK 3 says that an element has the focus before it has it.
            if look.is_complete and not has_focus(look.role, look.states) and self._tries < MOST_AGAIN:
                self._tries += 1
                self._again_t = now_t + AGAIN_NS * self._tries

        return on_look

    def _field_of(self, look: Look) -> Field:
        field_id = self.id_of(look.element)
        secrecy = Secrecy.UNKNOWN
        if look.role is not None:
            secrecy = secrecy_of(
                look.role,
                look.states,
                toolkit=look.toolkit,
                input_type=look.input_type,
                label=look.name,
                was_secure=field_id in self._secure,
            )
        return Field(
            id=field_id,
            role=look.role or "unknown",
            secrecy=secrecy,
            pid=look.pid,
            origin=look.origin,
            name=look.label,
            bounds=look.bounds,
        )

    def _publish(self, field: Field | None, now_t: int) -> None:
        if field is not None and field.secrecy is Secrecy.SECURE:
            if len(self._secure) >= MOST_SECURE:
                del self._secure[next(iter(self._secure))]
            self._secure[field.id] = None
        if field != self.field:
            self.field = field
            self._tell(FieldFocused(t=now_t, field=field))

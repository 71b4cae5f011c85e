"""`AccessibilityFields`: the focused element of the desktop, and what was done with menus and choices."""

from __future__ import annotations

import contextlib
import os
import select
import time
from typing import Any

from ..model import InputEvents, Observed, Sense, SenseLost, SenseRegained
from .bus import BusLost
from .deeds import Deeds
from .desk import Desk
from .switch import Switch

FIRST_RETRY_NS = 250_000_000
STAY_NS = 6_000_000
LONGEST_RETRY_NS = 5_000_000_000


class AccessibilityFields:
    """The focused element and the choices made, over AT-SPI (a `FieldSource`).

    The desktop's accessibility is switched on (``org.a11y.Status.IsEnabled``) while this is open, and given back as it was
    by `close`. The text of an entry is never read: no event of text is listened to, and no method of AT-SPI's Text or
    EditableText interface is called. See `secrecy` for what makes a field PLAIN, SECURE or UNKNOWN.

    Parameters
    ----------
    session_bus : str, optional
        The address of the session bus; by default that of ``DBUS_SESSION_BUS_ADDRESS``, else ``$XDG_RUNTIME_DIR/bus``.

    Notes
    -----
    Nothing connects before the first `read`. What fails is a `SenseLost` of `Sense.FIELDS`; the source then tries again by
    itself, at growing intervals of at most 5 s, and says `SenseRegained`. Ids of fields are new then. Not thread-safe.
    """

    name = "at-spi"

    def __init__(self, session_bus: str | None = None) -> None:
        self._address = session_bus if session_bus is not None else _session_address()
        self._poll = select.epoll()
        self._watched: dict[int, int] = {}
        self._observed: list[Observed] = []
        self._switch: Switch | None = None
        self._desk: Desk | None = None
        self._deeds = Deeds()
        self._was_enabled: bool | None = None
        self._connections = 0
        self._is_lost = False
        self._heard_t: int | None = None  # when the sense was there for the last time
        self._retry_t: int | None = 0
        self._retry_ns = FIRST_RETRY_NS
        self._more = False

    def fileno(self) -> int:
        """Return a file descriptor, the same for as long as the source is open, that is readable when `read` has something."""
        return self._poll.fileno()

    def read(self, now_t: int) -> list[Observed]:
        """Return what came: FieldFocused, FieldConfirmed, ElementActed, SenseLost, SenseRegained. Raises nothing."""
        if self._poll.closed:
            return []
        next_t = self.next_read_t()
        if (next_t is not None and next_t <= now_t) or self._poll.poll(0):
            try:
                self._step(now_t)
                self._await_answers(now_t)
            except BusLost as lost:
                self._lose(str(lost), now_t)
            self._watch()
        elif self._desk is not None:
            self._desk.focus.reading(now_t)
        observed, self._observed = self._observed, []
        return observed

    def next_read_t(self) -> int | None:
        """Return when `read` wants to be called for a deadline or another try; None: never."""
        times = [self._retry_t, 0 if self._more else None]
        for part in (self._switch, self._desk):
            if part is not None:
                times.append(part.next_t())
        return min((t for t in times if t is not None), default=None)

    def confirm(self, field_id: str, now_t: int) -> None:
        """Ask the application whether this element still has the focus and what role it has now.

        The answer comes as `FieldConfirmed`, preceded by a `FieldFocused` where the role has changed; where the
        application does not answer within 2 s, nothing comes.
        """
        if self._desk is not None:
            self._desk.focus.confirm(field_id, now_t)
            self._watch()

    def note_input(self, events: InputEvents) -> None:
        """Take in what an input source has read, before anything of it is wiped.

        Menus do not tell whether an item was chosen or the menu given up, so that the person's last deed is needed: kept are
        the times of Return, Space, Escape and of the last release of a button, its place, and when any key went down.
        """
        self._deeds.note(events)

    def close(self) -> None:
        """Give the desktop's accessibility switch back as it was, and let go of the bus; a second call does nothing."""
        if self._poll.closed:
            return
        if self._switch is not None and self._was_enabled is False:
            self._switch.give_back()
        self._hang_up()
        self._poll.close()
        self._retry_t = None

    def _step(self, now_t: int) -> None:
        if self._retry_t is not None and self._retry_t <= now_t:
            self._retry_t = None
            self._switch = Switch(self._address, self._on_address)
        self._more = False
        if self._switch is not None:
            self._switch.pump(now_t)
            self._more = self._switch.has_more
            if self._was_enabled is None:
                self._was_enabled = self._switch.was_enabled
        if self._desk is not None:
            was_ready = self._desk.is_ready
            self._desk.pump(now_t)
            self._more |= self._desk.has_more
            if self._desk.is_ready:
                self._heard_t = now_t
                self._retry_ns = FIRST_RETRY_NS
                if self._is_lost and not was_ready:
                    self._is_lost = False
                    self._observed.insert(0, SenseRegained(t=now_t, sense=Sense.FIELDS))

    def _await_answers(self, now_t: int) -> None:
        """Stay a few ms while an application tells of a field that has just got the focus: one question leads to the next."""
        end = now_t + STAY_NS
        while self._desk is not None and self._desk.focus.is_asking(now_t):
            self._watch()
            left_ns = end - time.monotonic_ns()
            if left_ns <= 0 or not self._poll.poll(left_ns / 1e9):
                return
            self._step(time.monotonic_ns())

    def _on_address(self, address: str) -> None:
        self._connections += 1
        self._desk = Desk(address, self._observed_one, self._deeds, str(self._connections))

    def _observed_one(self, observation: Any) -> None:
        self._observed.append(observation)

    def _lose(self, why: str, now_t: int) -> None:
        self._hang_up()
        if not self._is_lost:
            self._is_lost = True
            since_t = self._heard_t if self._heard_t is not None else now_t
            self._observed.append(SenseLost(t=now_t, sense=Sense.FIELDS, since_t=since_t, why=why))
        self._retry_t = now_t + self._retry_ns
        self._retry_ns = min(2 * self._retry_ns, LONGEST_RETRY_NS)

    def _hang_up(self) -> None:
        for part in (self._switch, self._desk):
            if part is not None:
                part.close()
        self._switch = self._desk = None
        self._more = False

    def _watch(self) -> None:
        """Make `fileno` readable when a connection is, or can take what waits to be sent."""
        wanted = {}
        for part in (self._switch, self._desk):
            if part is not None and part.fileno() >= 0:
                wanted[part.fileno()] = select.EPOLLIN | (select.EPOLLOUT if part.has_unsent else 0)
        for number in [number for number in self._watched if number not in wanted]:
            del self._watched[number]
            with contextlib.suppress(OSError):  # closed, which took it out
                self._poll.unregister(number)
        for number, mask in wanted.items():
            try:
                self._poll.register(number, mask)
            except FileExistsError:
                if self._watched.get(number) != mask:
                    self._poll.modify(number, mask)
            self._watched[number] = mask


def _session_address() -> str:
    address = os.environ.get("DBUS_SESSION_BUS_ADDRESS", "")
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    return address or (f"unix:path={runtime}/bus" if runtime else "")

"""The desktop's accessibility switch on the session bus, and the address of the accessibility bus."""

from __future__ import annotations

from collections.abc import Callable

import jeepney

from . import atspi
from .bus import Body, Bus, BusLost, Signal

NAME, PATH, STATUS = "org.a11y.Bus", "/org/a11y/bus", "org.a11y.Status"
START_NS = 20_000_000_000  # the bus may have to be started first


class Switch:
    """Switches accessibility on and finds its bus; ``on_address`` is called once, from `pump`."""

    def __init__(self, address: str, on_address: Callable[[str], None]) -> None:
        self._on_address = on_address
        self._found: str | None = None
        self._why: str | None = None
        self._bus = Bus(address, self._on_signal)
        self.was_enabled: bool | None = None
        status = jeepney.DBusAddress(PATH, NAME, atspi.PROPERTIES)
        self._bus.call(status, "Get", "ss", (STATUS, "IsEnabled"), self._on_status, START_NS)

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
        """As `Bus.next_deadline_t`."""
        return self._bus.next_deadline_t()

    def pump(self, now_t: int) -> None:
        """Take in what came; `BusLost` where the session bus is gone or offers no accessibility."""
        self._bus.pump(now_t)
        if self._why is not None:
            raise BusLost(self._why)
        found, self._found = self._found, None
        if found is not None:
            self._on_address(found)

    def give_back(self) -> None:
        """Switch accessibility off."""
        self._set(False)

    def close(self) -> None:
        """Hang up."""
        self._bus.close()

    def _set(self, is_enabled: bool) -> None:
        status = jeepney.DBusAddress(PATH, NAME, atspi.PROPERTIES)
        self._bus.call(status, "Set", "ssv", (STATUS, "IsEnabled", ("b", is_enabled)))

    def _on_status(self, body: Body | None, now_t: int) -> None:
        if not body:
            self._why = "the session offers no accessibility bus (at-spi2-core is missing?)"
            return
        self.was_enabled = bool(atspi.variant(body[0]))
        self._set(True)
        place = jeepney.DBusAddress(PATH, NAME, NAME)
        self._bus.call(place, "GetAddress", "", (), self._on_place, START_NS)

    def _on_place(self, body: Body | None, now_t: int) -> None:
        if body and isinstance(body[0], str) and body[0]:
            self._found = body[0]
        else:
            self._why = "the accessibility bus does not start"

    def _on_signal(self, signal: Signal, now_t: int) -> None:
        pass

"""Connections to an X server: python-xlib finds it and proves that we may, then the socket is ours."""

from __future__ import annotations

import os
import select
import socket
import struct
from collections import deque
from typing import Any

from ...errors import CaptureError, MissingExtraError
from ..xlib import take_cookies_for_any_host
from . import wire

_ANSWER_S = 1.0  # a server that is held by another client answers nobody
_MOST_UNREAD = 4096  # events between two looks


class ServerLostError(Exception):
    """The connection ended, or the server does not answer."""


class Connection:
    """Requests and their answers; events that come between them wait in `events`.

    Parameters
    ----------
    name : str or None
        As in ``DISPLAY``.

    Raises
    ------
    MissingExtraError, CaptureError
        python-xlib is missing; there is no server of that name, or it does not let us in.
    """

    def __init__(self, name: str | None) -> None:
        server = _connected(name)
        self._server = server  # holds the socket open
        self.socket: socket.socket = server.socket
        self.name: str = server.display_name
        screen = server.info.roots[server.default_screen]
        self.root: int = int(screen.root)
        self.size: tuple[int, int] = (screen.width_in_pixels, screen.height_in_pixels)
        self._next_id: int = server.info.resource_id_base
        self._sent: int = server.request_serial - 1 & 0xFFFF
        self._unread = bytearray()
        self.events: deque[bytes] = deque(maxlen=_MOST_UNREAD)
        self.atoms: dict[str, int] = {}
        self._atom_names: dict[int, str] = {}
        self.socket.setblocking(False)

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self.socket.fileno()

    def new_id(self) -> int:
        """Return a number for a resource of ours."""
        self._next_id += 1
        return self._next_id

    def send(self, *requests: bytes) -> None:
        """Send requests without waiting for what comes of them."""
        data = b"".join(requests)
        self._sent = self._sent + len(requests) & 0xFFFF
        while data:
            try:
                data = data[self.socket.send(data) :]
            except BlockingIOError:
                if not select.select([], [self.socket], [], _ANSWER_S)[1]:
                    raise ServerLostError("it takes no requests") from None
            except OSError as error:
                raise ServerLostError(error.strerror or "the connection broke") from None

    def ask(self, request: bytes) -> bytes | None:
        """Return the answer to a request; None where the server calls it an error.

        Raises
        ------
        ServerLostError
            The connection ended, or nothing came for a second.
        """
        self.send(request)
        return self._answer(self._sent)

    def is_refused(self, request: bytes) -> bool:
        """Return whether the server refused a request that has no answer."""
        self.send(request)
        number = self._sent
        self.send(wire.get_input_focus())
        refused = False
        while True:
            packet = self._packet()
            (serial,) = struct.unpack_from("=H", packet, 2)
            if packet[0] == wire.ERROR and serial == number:
                refused = True
            elif packet[0] == wire.REPLY and serial == self._sent:
                return refused
            elif packet[0] > wire.REPLY:
                self.events.append(packet)

    def _answer(self, number: int) -> bytes | None:
        while True:
            packet = self._packet()
            if packet[0] > wire.REPLY:
                self.events.append(packet)
            elif struct.unpack_from("=H", packet, 2)[0] == number:
                return packet if packet[0] == wire.REPLY else None

    def _packet(self) -> bytes:
        """Wait for a packet."""
        while (packet := self._take()) is None:
            if not select.select([self.socket], [], [], _ANSWER_S)[0]:
                raise ServerLostError("it does not answer")
            self._receive()
        return packet

    def _receive(self) -> None:
        try:
            more = self.socket.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError as error:
            raise ServerLostError(error.strerror or "the connection broke") from None
        if not more:
            raise ServerLostError("it closed the connection")
        self._unread += more

    def _take(self) -> bytes | None:
        """Return the first whole packet that was received."""
        if len(self._unread) < 32:
            return None
        size = 32
        if self._unread[0] in (wire.REPLY, wire.GENERIC):
            size += 4 * int(struct.unpack_from("=I", self._unread, 4)[0])
            if size > 1 << 26:
                raise ServerLostError("it sends what no X server sends")
        if len(self._unread) < size:
            return None
        packet = bytes(self._unread[:size])
        self._unread[:size] = bytes(size)  # so that keys do not stay in memory
        del self._unread[:size]
        return packet

    def drain(self) -> list[bytes]:
        """Return the events that have come, without waiting."""
        self._receive()
        while (packet := self._take()) is not None:
            if packet[0] > wire.REPLY:
                self.events.append(packet)
        found = list(self.events)
        self.events.clear()
        return found

    def extension(self, name: str) -> wire.Extension | None:
        """Return an extension's numbers, or None."""
        answer = self.ask(wire.query_extension(name))
        return wire.answer_extension(answer) if answer else None

    def atom(self, name: str) -> int:
        """Return the number of a name."""
        if name not in self.atoms:
            answer = self.ask(wire.intern_atom(name))
            self.atoms[name] = struct.unpack_from("=I", answer, 8)[0] if answer else 0
        return self.atoms[name]

    def atom_name(self, atom: int) -> str:
        """Return the name of a number; empty where it has none."""
        if atom not in self._atom_names:
            answer = self.ask(wire.get_atom_name(atom))
            size = struct.unpack_from("=H", answer, 8)[0] if answer else 0
            self._atom_names[atom] = answer[32 : 32 + size].decode("latin-1") if answer else ""
        return self._atom_names[atom]

    def window_property(self, window: int, name: str, words: int = 1024) -> tuple[int, bytes] | None:
        """Return (type, bytes) of a window's property, or None where there is none."""
        answer = self.ask(wire.get_property(window, self.atom(name), words=words))
        if answer is None:
            return None
        kind, data = wire.answer_property(answer)
        return (kind, data) if kind else None

    @property
    def serial(self) -> int:
        """Return the number of the last request, which its answer bears."""
        return self._sent

    def rest(self) -> bytes:
        """Return what was received of a packet whose end has not come, and forget it: from now on the caller reads."""
        found = bytes(self._unread)
        self._unread[:] = bytes(len(found))
        self._unread.clear()
        return found

    def close(self) -> None:
        """End the connection."""
        self._unread[:] = bytes(len(self._unread))
        self.events.clear()
        self.socket.close()


def _connected(name: str | None) -> Any:
    try:
        from Xlib import error as xlib_error
        from Xlib.protocol.display import Display
    except ImportError:
        raise MissingExtraError(
            "recording of X11: python-xlib is not installed; install it by: pip install 'evcodec[capture]'"
        ) from None
    wanted = os.environ.get("DISPLAY", "") if name is None else name
    if not wanted:
        session = ", in a Wayland session without X11" if os.environ.get("WAYLAND_DISPLAY") else ""
        raise CaptureError(
            f"X11 display: found none (DISPLAY is not set{session}), allowed: a display such as :0; start this in an X11 session"
        )

    class Plain(Display):  # type: ignore[misc]
        """A connection that calls windows by their numbers."""

        resource_classes: dict[str, type] = {}  # noqa: RUF012

        def __init__(self, wanted: str) -> None:
            try:
                super().__init__(wanted)
            except BaseException:
                if (opened := getattr(self, "socket", None)) is not None:
                    opened.close()  # a server that lets nobody in: python-xlib leaves it open
                raise

    take_cookies_for_any_host()
    try:
        return Plain(wanted)
    except xlib_error.DisplayNameError:
        raise CaptureError(f"X11 display: found {wanted!r}, allowed: a name such as :0") from None
    except (xlib_error.DisplayError, xlib_error.XauthError, OSError, OverflowError) as error:
        told = getattr(error, "msg", error) or "no answer"
        reason = told.decode("latin-1") if isinstance(told, bytes) else str(told)
        raise CaptureError(
            f"X11 display {wanted!r}: found no access ({reason.strip()}), allowed: a running server that lets this user in; "
            "look at DISPLAY and XAUTHORITY"
        ) from None


def why_blind(connection: Connection, device_names: list[str]) -> str | None:
    """Return why this server does not see the session, as a guest of a Wayland compositor; None where it does.

    Session variables are no proof: they are also set for an X server that runs beside or inside of a Wayland session.
    """
    is_guest = any(name.startswith("xwayland-") for name in device_names)
    if not is_guest and connection.extension("XWAYLAND") is None:
        return None
    return (
        "session: found Wayland, allowed: X11; through XWayland a recorder sees its clients only, so it would be blind to most "
        "of what is done: log in to an X11 session, or record from evdev"
    )


def monitors(connection: Connection) -> list[wire.Monitor]:
    """Return the monitors that RandR knows; none where it is missing or old."""
    randr = connection.extension("RANDR")
    if randr is None:
        return []
    version = connection.ask(wire.randr_query_version(randr.opcode))
    if version is None or struct.unpack_from("=II", version, 8) < (1, 5):
        return []
    answer = connection.ask(wire.randr_get_monitors(randr.opcode, connection.root))
    return wire.answer_monitors(answer) if answer else []

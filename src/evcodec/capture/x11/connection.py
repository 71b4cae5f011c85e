"""Connections to an X server: where it is, what proves that we may, requests and answers."""

from __future__ import annotations

import os
import re
import select
import socket
import struct
import sys
from collections import deque
from collections.abc import Iterator

from ...errors import CaptureError
from . import wire

_ANSWER_S = 1.0  # a server that is held by another client answers nobody
_SETUP_S = 5.0
_ANY_HOST, _THIS_HOST = 0xFFFF, 256  # families of addresses, in XAUTHORITY
_MOST_AUTHORITY = 1 << 20
_DISPLAY = re.compile(r"(?:unix/|tcp/)?([-\w.]*):(\d{1,5})(?:\.\d+)?")
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
    CaptureError
        There is no server of that name, or it does not let us in.
    """

    def __init__(self, name: str | None) -> None:
        self.name, self.socket, setup = _connected(name)
        self._next_id: int = struct.unpack_from("=I", setup, 4)[0]
        vendor, formats = struct.unpack_from("=H", setup, 16)[0], setup[21]
        screen = 32 + vendor + -vendor % 4 + 8 * formats
        self.root: int = struct.unpack_from("=I", setup, screen)[0]
        self.size: tuple[int, int] = struct.unpack_from("=HH", setup, screen + 20)
        self._sent = 0
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


def _connected(name: str | None) -> tuple[str, socket.socket, bytes]:
    """Return a display's name, a socket to it that it took, and what it said of itself."""
    wanted = os.environ.get("DISPLAY", "") if name is None else name
    if not wanted:
        session = ", in a Wayland session without X11" if os.environ.get("WAYLAND_DISPLAY") else ""
        raise CaptureError(
            f"X11 display: found none (DISPLAY is not set{session}), allowed: a display such as :0; start this in an X11 session"
        )
    parts = _DISPLAY.fullmatch(wanted)
    if parts is None:
        raise CaptureError(f"X11 display: found {wanted!r}, allowed: a name such as :0")
    host, number = parts[1], int(parts[2])
    try:
        opened = _opened(host, number)
    except OSError:
        raise CaptureError(
            f"X11 display {wanted!r}: found no server, allowed: one that runs; look at DISPLAY"
        ) from None
    try:
        return wanted, opened, _set_up(opened, *_authority(number))
    except (OSError, struct.error, ServerLostError) as error:
        opened.close()
        reason = str(error) if isinstance(error, ServerLostError) else "it does not answer"
        raise CaptureError(
            f"X11 display {wanted!r}: found no access ({reason}), allowed: a server that lets this user in; look at XAUTHORITY"
        ) from None


def _opened(host: str, number: int) -> socket.socket:
    """Return a socket to a server of this machine, or of another."""
    if host not in ("", "unix"):
        return socket.create_connection((host, 6000 + number), _SETUP_S)
    path = f"/tmp/.X11-unix/X{number}"
    opened = socket.socket(socket.AF_UNIX)
    opened.settimeout(_SETUP_S)
    try:
        opened.connect(path if os.path.exists(path) else f"\0{path}")
    except OSError:
        opened.close()
        raise
    return opened


def _authority(number: int) -> tuple[bytes, bytes]:
    """Return name and data of what proves that we may, by the file that XAUTHORITY names; empty where it has nothing."""
    path = os.environ.get("XAUTHORITY") or os.path.expanduser("~/.Xauthority")
    try:
        with open(path, "rb") as file:
            data = file.read(_MOST_AUTHORITY)
    except OSError:
        return b"", b""
    here, shown = socket.gethostname().encode(), str(number).encode()
    for family, address, display, kind, proof in _entries(data):
        is_here = family == _ANY_HOST or (family == _THIS_HOST and address == here)
        if is_here and display in (b"", shown) and kind == b"MIT-MAGIC-COOKIE-1":
            return kind, proof
    return b"", b""


def _entries(data: bytes) -> Iterator[tuple[int, bytes, bytes, bytes, bytes]]:
    """Yield family, address, display, kind and proof of each entry, as long as they are whole."""
    at = 0
    while at + 2 <= len(data):
        (family,) = struct.unpack_from(">H", data, at)
        at += 2
        fields = []
        for _ in range(4):
            if at + 2 > len(data):
                return
            (size,) = struct.unpack_from(">H", data, at)
            fields.append(data[at + 2 : at + 2 + size])
            at += 2 + size
        if at > len(data):
            return
        yield family, fields[0], fields[1], fields[2], fields[3]


def _set_up(opened: socket.socket, kind: bytes, data: bytes) -> bytes:
    """Say who we are; return what the server says of itself."""
    order = ord("l" if sys.byteorder == "little" else "B")
    opened.sendall(
        struct.pack("=BxHHHHxx", order, 11, 0, len(kind), len(data))
        + kind
        + bytes(-len(kind) % 4)
        + data
        + bytes(-len(data) % 4)
    )
    head = _take(opened, 8)
    body = _take(opened, 4 * struct.unpack_from("=H", head, 6)[0])
    if head[0] != 1:
        raise ServerLostError(body[: head[1]].decode("latin-1").strip() or "it refused")
    return body


def _take(opened: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = opened.recv(size - len(found))
        if not more:
            raise ServerLostError("it closed the connection")
        found += more
    return found


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

"""The connection that events come on: read in bulk, and wiped."""

from __future__ import annotations

import select
import struct
from collections import deque
from contextlib import suppress

from ... import _x11
from . import wire
from .connection import Connection, ServerLostError
from .session import Session

_ROOM = 1 << 18
_MOST_BYTES = 8 << 20  # in one read
_MANY_BYTES = 1 << 16  # from here on the server holds more, and sends it as fast as it is taken
_WAIT_S = 0.002
_POINTER, _FOCUS, _BEGIN = range(3)
_ZEROS = bytes(_ROOM)


class Stream:
    """All events of the session on one connection, so that they come in the order of the server."""

    def __init__(self, name: str, session: Session, xinput: wire.Extension, xkb: wire.Extension) -> None:
        self._connection = Connection(name)
        self._session = session
        self._rows = session.rows
        self._xinput = xinput.opcode
        self._buffer = bytearray(_ROOM)
        self._view = memoryview(self._buffer)
        self._have = 0
        self._asked: deque[tuple[int, int]] = deque()
        self._waits = [0, 0, 0]
        self._select(xkb)

    def _select(self, xkb: wire.Extension) -> None:
        connection, root = self._connection, self._connection.root
        connection.ask(wire.xi_query_version(self._xinput))
        connection.ask(wire.xkb_use(xkb.opcode))
        randr = connection.extension("RANDR")
        self._session.numbers(self._xinput, xkb.first_event, -1 if randr is None else randr.first_event)
        answer = connection.ask(wire.xi_query_device(self._xinput, wire.ALL_MASTERS))
        masters = devices_numbers(answer) if answer else []
        self._pointer_request = wire.xi_query_pointer(self._xinput, root, masters[0] if masters else 2)
        if randr is not None:
            connection.ask(wire.randr_query_version(randr.opcode))
            connection.send(wire.randr_select(randr.opcode, root))
        connection.send(
            wire.xi_select(
                self._xinput, root, wire.ALL_MASTERS, *range(wire.RAW_KEY_PRESS, wire.RAW_MOTION + 1)
            ),
            wire.xi_select(self._xinput, root, wire.ALL_DEVICES, wire.DEVICE_CHANGED, wire.HIERARCHY_CHANGED),
            wire.select_core(
                root,
                wire.PROPERTY_CHANGE | wire.SUBSTRUCTURE_CHANGE | wire.FOCUS_CHANGE | wire.STRUCTURE_CHANGE,
            ),
            wire.xkb_select(xkb.opcode),
        )

    def begin(self) -> None:
        """Ask for where things stand; what was sent before the answer does not count for grabs."""
        while self._connection.events:  # that came between requests and answers
            self._session.other(self._connection.events.popleft())
        rest = self._connection.rest()
        self._view[: len(rest)] = rest
        self._have = len(rest)
        self._ask(_BEGIN, wire.get_input_focus())
        self._ask(_POINTER, self._pointer_request)

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._connection.fileno()

    def send(self, *requests: bytes) -> None:
        """Send requests that have no answer; that the server is gone is seen when there is no more to read."""
        with suppress(ServerLostError):
            self._connection.send(*requests)

    def salvage(self) -> None:
        """Read rows until the connection's end; nothing can be asked any more."""
        self._session.is_deaf = True
        with suppress(ServerLostError):
            self._parse(self._have)
            while self._connection.fileno() >= 0 and select.select([self._connection.socket], [], [], 0)[0]:
                self.receive()

    def receive(self) -> None:
        """Read all that waits."""
        total = 0
        while total < _MOST_BYTES:
            try:
                got = self._connection.socket.recv_into(self._view[self._have :])
            except BlockingIOError:
                if total < _MANY_BYTES or not select.select([self._connection.socket], [], [], _WAIT_S)[0]:
                    return
                continue
            except OSError as error:
                raise ServerLostError(error.strerror or "the connection broke") from None
            if not got:
                raise ServerLostError("it closed the connection")
            total += got
            self._parse(self._have + got)
            if total < _MANY_BYTES:
                return  # a person at work does not fill this in the time between two reads

    def _parse(self, stop: int) -> None:
        done = 0
        try:
            while True:
                taken, why, length = self._rows.parse(self._buffer, done, stop)
                done += taken
                if why == _x11.MORE:
                    break
                if why == _x11.OTHER:
                    self._other(bytes(self._view[done : done + length]))
                    done += length
                elif why == _x11.FULL:
                    self._session.make_room()
                elif not self._session.meet(self._number(done), is_known=why == _x11.FINER):
                    done += length
        finally:
            left = stop - done
            self._view[:left] = bytes(self._view[done:stop])
            self._view[left:stop] = _ZEROS[: stop - left]
            self._have = left

    def _number(self, at: int) -> int:
        """Return the number of the device that a raw event comes from."""
        return int(struct.unpack_from("=H", self._buffer, at + 20)[0])

    def _other(self, packet: bytes) -> None:
        if packet[0] > wire.REPLY:
            self._session.other(packet)
            return
        (serial,) = struct.unpack_from("=H", packet, 2)
        if not self._asked or self._asked[0][0] != serial:
            return  # an error of a request about a window that is gone
        _, what = self._asked.popleft()
        self._waits[what] -= 1
        if packet[0] == wire.ERROR:
            return
        if what == _POINTER:
            self._session.pointer_is(wire.answer_pointer(packet))
        else:
            if what == _BEGIN:
                self._session.has_begun()
            self._session.focus_is(struct.unpack_from("=I", packet, 8)[0])

    def ask_if_needed(self, *, ping: bool) -> bool:
        """Ask for the pointer and the focus where what came may have changed them; return whether something was asked.

        The answers come among the events, and with them the next read; nobody waits. With ``ping`` something is asked anyway.
        """
        session, rows = self._session, self._rows
        is_asking = False
        if (rows.count > rows.placed or session.wants_pointer) and not self._waits[_POINTER]:
            session.wants_pointer = False
            self._ask(_POINTER, self._pointer_request)
            is_asking = True
        if (rows.unnamed_keys or session.wants_focus or ping) and not self._waits[_FOCUS]:
            session.wants_focus = False
            self._ask(_FOCUS, wire.get_input_focus())
            is_asking = True
        return is_asking

    def _ask(self, what: int, request: bytes) -> None:
        self._connection.send(request)
        self._asked.append((self._connection.serial, what))
        self._waits[what] += 1

    def close(self) -> None:
        """End the connection, and wipe what was not dealt with."""
        self._view[:] = _ZEROS
        self._connection.close()


def devices_numbers(answer: bytes) -> list[int]:
    """Return the numbers of the devices of an answer to XIQueryDevice that are master pointers."""
    (count,) = struct.unpack_from("=H", answer, 8)
    found, at = [], 32
    for _ in range(count):
        number, use, _, classes, size = struct.unpack_from("=HHHHH", answer, at)
        at += 12 + size + -size % 4
        for _ in range(classes):
            at += 4 * max(1, int(struct.unpack_from("=H", answer, at + 2)[0]))
        if use == 1:
            found.append(number)
    return found

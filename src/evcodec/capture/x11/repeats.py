"""Repeats of held keys, which raw events do not tell: what the extension RECORD shows of core key events."""

from __future__ import annotations

import struct
from typing import NamedTuple

from . import wire
from .connection import Connection, ServerLostError

_FROM_SERVER = 0


class Repeat(NamedTuple):
    """A key that was held long enough; modifiers and layout are those of its moment."""

    ms: int
    keycode: int
    modifiers: int
    layout: int


class Repeats:
    """A connection that the server sends core key events to, of which only repeats are kept.

    Parameters
    ----------
    asking : Connection
        Which holds what is asked for.
    """

    def __init__(self, asking: Connection) -> None:
        self._connection: Connection | None = None
        self._down: set[int] = set()
        self._unread = bytearray()
        extension = asking.extension("RECORD")
        if extension is None:
            return
        context = asking.new_id()
        if asking.is_refused(wire.record_create(extension.opcode, context)):
            return
        self._connection = Connection(asking.name)
        self._connection.send(wire.record_enable(extension.opcode, context))

    def fileno(self) -> int | None:
        """Return a descriptor that is readable when the server has sent something; None without RECORD."""
        return None if self._connection is None else self._connection.fileno()

    def read(self) -> list[Repeat]:
        """Return the repeats that have come."""
        if self._connection is None:
            return []
        found: list[Repeat] = []
        while True:
            try:
                more = self._connection.socket.recv(1 << 16)
            except BlockingIOError:
                break
            except OSError as error:
                raise ServerLostError(error.strerror or "the connection broke") from None
            if not more:
                raise ServerLostError("it closed the connection")
            self._unread += more
        done = 0
        while len(self._unread) - done >= 32:
            size = 32
            if self._unread[done] in (wire.REPLY, wire.GENERIC):
                size += 4 * int(struct.unpack_from("=I", self._unread, done + 4)[0])
            if size > 1 << 20:
                raise ServerLostError("it sends what no X server sends")
            if len(self._unread) - done < size:
                break
            if self._unread[done] == wire.REPLY and self._unread[done + 1] == _FROM_SERVER:
                for at in range(done + 32, done + size - 31, 32):
                    self._event(at, found)
            done += size
        self._unread[:done] = bytes(done)
        del self._unread[:done]
        return found

    def _event(self, at: int, found: list[Repeat]) -> None:
        kind, keycode, _, ms = struct.unpack_from("=BBHI", self._unread, at)
        if kind == wire.KEY_RELEASE:
            self._down.discard(keycode)
        elif kind == wire.KEY_PRESS:
            if keycode in self._down:
                (state,) = struct.unpack_from("=H", self._unread, at + 28)
                found.append(Repeat(ms, keycode, state & 0xFF, state >> 13 & 3))
            self._down.add(keycode)

    @property
    def is_any_down(self) -> bool:
        """Whether a key is held, so that repeats may come."""
        return bool(self._down)

    def close(self) -> None:
        """End the connection."""
        self._unread[:] = bytes(len(self._unread))
        if self._connection is not None:
            self._connection.close()

"""JSON lines over a socket, never waiting: what the recorder and its windows say to each other."""

from __future__ import annotations

import json
import select
import socket
from typing import Any

# A notice of thousands of applications fits; more is not one of ours.
MOST_BYTES = 4 << 20


class Channel:
    """One end of a socket pair. A message is a dict with a ``kind``.

    Both ends are ours: what is no message, or too long, closes the channel like an end of the other process.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._received = bytearray()
        self._unsent = bytearray()
        self.is_closed = False

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._socket.fileno()

    def send(self, kind: str, **fields: Any) -> None:
        """Send a message, or as much of it as is taken at once; the rest goes with the next calls."""
        if self.is_closed:
            return
        self._unsent += json.dumps({"kind": kind, **fields}).encode() + b"\n"
        if len(self._unsent) > 2 * MOST_BYTES:
            self.close()  # the other process has long stopped reading
            return
        self.flush()

    def flush(self) -> bool:
        """Send what waits; return whether all has gone."""
        try:
            while self._unsent and not self.is_closed:
                del self._unsent[: self._socket.send(self._unsent)]
        except BlockingIOError:
            return False
        except OSError:
            # What the other end had said before it closed can still be read.
            self._unsent.clear()
        return True

    def receive(self) -> list[dict[str, Any]]:
        """Return the messages that wait, in order; `is_closed` tells afterwards whether more can come."""
        try:
            while not self.is_closed:
                data = self._socket.recv(1 << 16)
                if not data:
                    self.close()
                self._received += data
                if len(self._received) > MOST_BYTES:
                    self._received.clear()
                    self.close()
        except BlockingIOError:
            pass
        except OSError:
            self.close()
        *lines, rest = bytes(self._received).split(b"\n")
        self._received[:] = rest
        messages = []
        for line in lines:
            try:
                message = json.loads(line)
                message["kind"]
            except (ValueError, TypeError, KeyError):
                self.close()
                break
            messages.append(message)
        return messages

    def wait(self, seconds: float | None) -> None:
        """Wait until something can be read or the time is over; sends meanwhile what waits."""
        if not self.is_closed:
            writers = [] if self.flush() else [self._socket]
            select.select([self._socket], writers, [], seconds)

    def close(self) -> None:
        """Close this end: the other process ends then. A second call does nothing."""
        self.is_closed = True
        self._socket.close()

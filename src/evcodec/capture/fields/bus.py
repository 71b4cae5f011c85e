"""A D-Bus connection that never blocks: calls with deadlines, answers and signals in the order of the bus.

jeepney makes and parses the messages. Whatever a peer sends costs bounded memory and time, and raises nothing but `BusLost`.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jeepney
from jeepney.auth import BEGIN, Authenticator
from jeepney.bus import get_connectable_addresses
from jeepney.low_level import HeaderFields, MessageType, calc_msg_size

ANSWER_NS = 2_000_000_000
PUMP_NS = 4_000_000  # of one `pump`; what is left waits for the next
READ_BYTES = 1 << 18
LONGEST_MESSAGE = 1 << 16  # longer ones are passed over unread
LONGEST_BACKLOG = 1 << 20  # of bytes not yet parsed: more is a flood, whose signals are dropped
MOST_PENDING = 4096  # calls without an answer
MOST_UNSENT = 1 << 20  # bytes

Body = tuple[Any, ...]
Answer = Callable[
    [Body | None, int], None
]  # the body, None for an error, a deadline or a lost bus; when, in ns


class BusLost(Exception):
    """The connection is gone, or could not be made; the message is words for a person."""


class Signal(NamedTuple):
    """A signal; all parts but the body are what the bus has checked."""

    sender: str
    path: str
    interface: str
    member: str
    body: Body


class Bus:
    """One connection. Callbacks are called from `pump` only, `call` never calls back before it has returned.

    Parameters
    ----------
    address : str
        As D-Bus writes it: ``unix:path=/run/user/1000/bus``.
    on_signal : callable
        Takes a `Signal` and the time of its receipt.

    Raises
    ------
    BusLost
        Nothing listens there.
    """

    def __init__(self, address: str, on_signal: Callable[[Signal, int], None]) -> None:
        self._on_signal = on_signal
        self._pending: dict[int, tuple[int, Answer]] = {}  # serial -> deadline, answer
        self._refused: list[Answer] = []
        self._serial = 0
        self._received = bytearray()
        self._skip = 0  # bytes of a message that is too long
        self._unsent = bytearray()
        self._authenticator: Authenticator | None = Authenticator()
        self.has_overflowed = False
        self.bus_name: str | None = None
        self._socket = _connected(address)
        try:
            self._socket.sendall(self._authenticator.data_to_send() or b"")
        except OSError as error:
            self.close()
            raise BusLost(f"the bus hung up ({os.strerror(error.errno or 0)})") from None
        self.call(jeepney.message_bus, "Hello", "", (), self._named)

    def fileno(self) -> int:
        """Return the socket's descriptor, -1 once closed."""
        return self._socket.fileno()

    @property
    def has_unsent(self) -> bool:
        """Whether `pump` wants to be called when the socket can take more."""
        return bool(self._unsent) and self._authenticator is None

    @property
    def has_more(self) -> bool:
        """Whether the last `pump` ran out of time before it ran out of messages."""
        return bool(self._refused) or (self._authenticator is None and self._message_size() is not None)

    def next_deadline_t(self) -> int | None:
        """Return the next deadline of a call, None: no call has one."""
        return min((deadline for deadline, _ in self._pending.values()), default=None)

    def call(
        self,
        to: jeepney.DBusAddress,
        member: str,
        signature: str,
        body: Body,
        on_answer: Answer | None = None,
        within_ns: int = ANSWER_NS,
    ) -> None:
        """Send a call; without ``on_answer`` no answer is wanted. Raises nothing: what cannot be sent has no answer."""
        try:
            message = jeepney.new_method_call(to, member, signature or None, body)
            self._serial = self._serial % 0xFFFFFFFF + 1
            if on_answer is None:
                message.header.flags |= 1
            raw = message.serialise(self._serial)
        except (ValueError, TypeError, UnicodeError, struct.error):
            raw = b""  # a name of a peer's making that is none
        if not raw or len(self._pending) >= MOST_PENDING or len(self._unsent) + len(raw) > MOST_UNSENT:
            if on_answer is not None:
                self._refused.append(on_answer)
            return
        if on_answer is not None:
            self._pending[self._serial] = (time.monotonic_ns() + within_ns, on_answer)
        self._unsent += raw
        if self._authenticator is None:
            self._send()

    def pump(self, now_t: int) -> None:
        """Send and receive what can be, and call back; `BusLost` when the connection is gone."""
        end = time.monotonic_ns() + PUMP_NS
        refused, self._refused = self._refused, []
        for on_answer in refused:
            on_answer(None, now_t)
        self._receive()
        if self._authenticator is not None:
            self._authenticate()
        self._send()
        while self._authenticator is None and time.monotonic_ns() < end:
            size = self._message_size()
            if size is None:
                break
            raw = bytes(self._received[:size])
            del self._received[:size]
            self._take(raw, now_t)
        for serial in [serial for serial, (due, _) in self._pending.items() if due <= now_t]:
            self._pending.pop(serial)[1](None, now_t)

    def close(self) -> None:
        """Hang up; nobody is called back. What was sent without an answer is still delivered by the system."""
        self._pending.clear()
        self._refused.clear()
        self._socket.close()

    def _named(self, body: Body | None, now_t: int) -> None:
        if body and isinstance(body[0], str):
            self.bus_name = body[0]

    def _authenticate(self) -> None:
        assert self._authenticator is not None
        if b"\r\n" not in self._received:
            return
        line, _, rest = bytes(self._received).partition(b"\r\n")
        try:
            self._authenticator.feed(line + b"\r\n")
        except ValueError:
            raise BusLost("the bus does not let this user in") from None
        if self._authenticator.authenticated:
            self._authenticator = None
            self._received = bytearray(rest)
            self._unsent[:0] = BEGIN

    def _send(self) -> None:
        while self._unsent and self._authenticator is None:
            try:
                del self._unsent[: self._socket.send(self._unsent)]
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                return  # reading says what is the matter

    def _receive(self) -> None:
        while len(self._received) < LONGEST_BACKLOG:
            try:
                data = self._socket.recv(READ_BYTES)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                raise BusLost(f"the bus hung up ({os.strerror(error.errno or 0)})") from None
            if not data:
                raise BusLost("the bus hung up")
            if self._skip:
                cut = min(self._skip, len(data))
                data, self._skip = data[cut:], self._skip - cut
            self._received += data
            if len(data) < READ_BYTES // 2:
                return
        self._drop_signals()

    def _message_size(self) -> int | None:
        """Return the length of the message that is first and whole, None where none is; what is too long is passed over."""
        while len(self._received) >= 16:
            try:
                size = int(calc_msg_size(bytes(self._received[:16])))
            except (KeyError, struct.error):
                raise BusLost("the bus sends what is no message") from None
            if size > LONGEST_MESSAGE:
                self.has_overflowed |= self._received[1] == MessageType.signal.value
                cut = min(size, len(self._received))
                del self._received[:cut]
                self._skip = size - cut
                continue
            return size if size <= len(self._received) else None
        return None

    def _drop_signals(self) -> None:
        """Keep nothing but answers of a flood."""
        kept = bytearray()
        while (size := self._message_size()) is not None:
            if self._received[1] != MessageType.signal.value:
                kept += self._received[:size]
            del self._received[:size]
        self._received[:0] = kept
        self.has_overflowed = True

    def _take(self, raw: bytes, now_t: int) -> None:
        try:
            message = jeepney.low_level.Message.from_buffer(raw)
            kind, fields = message.header.message_type, message.header.fields
            body = message.body
            if kind is MessageType.signal:
                signal = Signal(
                    fields.get(HeaderFields.sender, ""),
                    fields[HeaderFields.path],
                    fields[HeaderFields.interface],
                    fields[HeaderFields.member],
                    body,
                )
            else:
                serial = fields.get(HeaderFields.reply_serial, 0)
        except (ValueError, KeyError, IndexError, TypeError, AssertionError, struct.error, RecursionError):
            self.has_overflowed |= (
                raw[1] == MessageType.signal.value
            )  # something was said, and not understood
            return
        if kind is MessageType.signal:
            self._on_signal(signal, now_t)
        elif kind in (MessageType.method_return, MessageType.error) and serial in self._pending:
            self._pending.pop(serial)[1](body if kind is MessageType.method_return else None, now_t)


def _connected(address: str) -> socket.socket:
    """Return a connected socket that does not block; the bus is on this machine, so connecting is immediate."""
    failed = "no address"
    try:
        places = list(get_connectable_addresses(address))
    except (RuntimeError, ValueError):
        raise BusLost("the address of the bus is none that can be used") from None
    for place in places:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        status = made.connect_ex(place)
        if status == 0:
            return made
        made.close()
        failed = errno.errorcode.get(status, str(status))
    raise BusLost(f"nothing answers at the address of the bus ({failed})")

"""One input device of the kernel: opened, asked what it is and which keys it holds, and read."""

from __future__ import annotations

import os
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from .records import (
    EV_ABS,
    EV_KEY,
    EV_REL,
    KEY_CODES,
    MAX_REPORT_RECORDS,
    RECORD,
    Columns,
    DeviceState,
    Dropped,
    X,
    Y,
    take,
)

READ_BYTES = 64 << 10
_READ, _WRITE = 2, 1
_CLOCK_MONOTONIC = 1
_ABS_RANGE = struct.Struct("=6i")  # value, minimum, maximum, fuzz, flat, resolution


class Device:
    """An open device; a FIFO of the kernel's records will do for one, and is asked nothing.

    Parameters
    ----------
    path : Path

    Raises
    ------
    OSError
        It is not there, or may not be read.

    Attributes
    ----------
    state : DeviceState
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0))
        self.state = DeviceState()
        self._buffer = bytearray(READ_BYTES + (MAX_REPORT_RECORDS + 1) * RECORD.itemsize)
        self._left = 0
        try:
            # Times of the session's clock, not of the wall clock; a FIFO has those of who writes to it.
            self.is_device = self._ask(_WRITE, 0xA0, struct.pack("=i", _CLOCK_MONOTONIC)) is not None
            self.kinds = self._kinds()
            self.name, self.properties = self._describe()
            self.refresh()
        except BaseException:
            self.close()
            raise

    @property
    def is_input(self) -> bool:
        """Whether it has keys, buttons, relative motion or positions at all."""
        return not self.is_device or bool(self.kinds & {EV_KEY, EV_REL, EV_ABS})

    @property
    def is_injecting(self) -> bool:
        """Whether a program makes its input (uinput), by the place of the device in the system."""
        return "/devices/virtual/input/" in str(self.properties.get("system_path", ""))

    def read(self, now_t: int) -> list[Columns | Dropped] | None:
        """Return what waits, up to 64 KiB of records; None when nothing does.

        Raises
        ------
        OSError, EOFError
            It has gone.
        """
        try:
            size = os.readv(self.fd, [memoryview(self._buffer)[self._left :]])
        except BlockingIOError:
            return None
        if not size:
            raise EOFError
        size += self._left
        found, used = take(self._buffer, size, self.state, now_t)
        # What was a key is overwritten; only the start of a report stays.
        self._left = size - used
        self._buffer[:size] = self._buffer[used:size] + bytes(used)
        return found

    def held(self) -> set[int] | None:
        """Return the codes of keys and buttons that are down now; None where the kernel does not tell."""
        bits = self._ask(_READ, 0x18, bytes(KEY_CODES // 8))
        return None if bits is None else _members(bits)

    def refresh(self) -> None:
        """Ask where an absolute device is."""
        for axis in (X, Y):
            known = self._ask(_READ, 0x40 + axis, bytes(_ABS_RANGE.size)) if EV_ABS in self.kinds else None
            if known is not None:
                value = _ABS_RANGE.unpack(known)[0]
                if axis == X:
                    self.state.x = value
                else:
                    self.state.y = value

    def close(self) -> None:
        """Close it; a second call does nothing."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def _kinds(self) -> set[int]:
        return _members(self._ask(_READ, 0x20, bytes(4)) or b"")

    def _describe(self) -> tuple[str, dict[str, Any]]:
        properties: dict[str, Any] = {
            "path": str(self.path),
            "time_unit_ns": 1_000,
            "clock_id": "CLOCK_MONOTONIC",
            "motion_exponent": 0,
            "key_classes": "by place on a US keyboard",
        }
        identity = self._ask(_READ, 0x02, bytes(8))
        if identity is not None:
            names = ("bus", "vendor", "product", "version")
            properties |= zip(names, struct.unpack("=4H", identity), strict=True)
        if EV_ABS in self.kinds:
            for name, axis in (("x_range", X), ("y_range", Y)):
                known = self._ask(_READ, 0x40 + axis, bytes(_ABS_RANGE.size))
                if known is not None:
                    properties[name] = list(_ABS_RANGE.unpack(known)[1:3])
        with suppress(OSError):
            properties["system_path"] = os.path.realpath(f"/sys/class/input/{self.path.name}/device")
        name = self._text(0x06) or self.path.name
        if phys := self._text(0x07):
            properties["phys"] = phys
        return name, properties

    def _text(self, number: int) -> str:
        told = self._ask(_READ, number, bytes(256)) or b""
        return told.split(b"\0")[0].decode(errors="replace")

    def _ask(self, direction: int, number: int, value: bytes) -> bytes | None:
        """Return the answer to an ioctl of the type ``E``, or None where there is none."""
        if sys.platform != "linux":
            return None
        import fcntl

        request = direction << 30 | len(value) << 16 | ord("E") << 8 | number
        answer = bytearray(value)
        try:
            fcntl.ioctl(self.fd, request, answer)
        except OSError:
            return None
        return bytes(answer)


def _members(bits: bytes) -> set[int]:
    """Return the numbers of the bits that are set."""
    number = int.from_bytes(bits, sys.byteorder)
    return {bit for bit in range(len(bits) * 8) if number >> bit & 1}

"""Input made up on an X display at a steady rate: XTEST requests written in bulk to the server's socket.

Run as a program it drives the display and prints what it sent as JSON; the requests cost about 2 µs each, so that what is
measured is whoever listens.
"""

from __future__ import annotations

import argparse
import json
import socket
import struct
import sys
import time

import numpy as np

# Requests and events of the X11 core protocol, and of XTEST 2.2.
_QUERY_EXTENSION = 98
_GET_INPUT_FOCUS = 43
_FAKE_INPUT = 2
_KEY_PRESS, _KEY_RELEASE, _BUTTON_PRESS, _BUTTON_RELEASE, _MOTION = 2, 3, 4, 5, 6
_REQUEST = np.dtype(
    [
        ("major", "u1"), ("minor", "u1"), ("length", "<u2"), ("type", "u1"), ("detail", "u1"), ("pad", "<u2"),
        ("delay", "<u4"), ("root", "<u4"), ("pad2", "<u8"), ("x", "<i2"), ("y", "<i2"), ("pad3", "<u8"),
    ]
)  # fmt: skip
assert _REQUEST.itemsize == 36


class Driver:
    """A connection to an X server of this machine that takes no authorisation, as Xvfb."""

    def __init__(self, display: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(f"/tmp/.X11-unix/X{display.lstrip(':').partition('.')[0]}")
        self._socket.sendall(struct.pack("<BxHHHHxx", ord("l"), 11, 0, 0, 0))
        head = self._take(8)
        body = self._take(4 * struct.unpack_from("<H", head, 6)[0])
        if head[0] != 1:
            raise RuntimeError("the X server wants an authorisation")
        vendor, formats = struct.unpack_from("<H", body, 16)[0], body[21]
        screen = 32 + (vendor + 3) // 4 * 4 + 8 * formats
        (self.root,) = struct.unpack_from("<I", body, screen)
        self.width, self.height = struct.unpack_from("<HH", body, screen + 20)
        name = b"XTEST"
        self._socket.sendall(struct.pack("<BxHHxx8s", _QUERY_EXTENSION, 4, len(name), name))
        answer = self._take(32)
        if not answer[8]:
            raise RuntimeError("the X server has no XTEST")
        self._major = answer[9]

    def _take(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            more = self._socket.recv(size - len(found))
            if not more:
                raise RuntimeError("the X server hung up")
            found += more
        return found

    def requests(self, count: int) -> np.ndarray:
        """Return motions that differ from one to the next, to be changed or sent as they are."""
        made = np.zeros(count, _REQUEST)
        made["major"], made["minor"], made["length"] = self._major, _FAKE_INPUT, 9
        made["type"], made["root"] = _MOTION, self.root
        n = np.arange(count)
        # A triangle in each direction, with periods that have no common divisor: each step is to another place.
        made["x"] = 10 + np.abs(n % 1198 - 599) % (self.width - 20)
        # The lower half: the indicator, which is not listed, is in the upper one.
        made["y"] = self.height // 2 + np.abs(n % 794 - 397) % (self.height // 2 - 20)
        return made

    def click(self, button: int = 1) -> None:
        """Press and release a button where the pointer is."""
        made = self.requests(2)
        made["type"], made["detail"] = (_BUTTON_PRESS, _BUTTON_RELEASE), button
        self._socket.sendall(made.tobytes())

    def move(self, x: int, y: int) -> None:
        """Put the pointer somewhere."""
        made = self.requests(1)
        made["x"], made["y"] = x, y
        self._socket.sendall(made.tobytes())

    def settle(self) -> None:
        """Return when the server has dealt with all that was sent."""
        self._socket.sendall(struct.pack("<BxH", _GET_INPUT_FOCUS, 1))
        while self._take(32)[0] != 1:
            pass

    def drive(self, rate_hz: int, seconds: float) -> int:
        """Send motions at a rate, in steps of a millisecond or the time between two, and return how many."""
        total = int(rate_hz * seconds)
        data = self.requests(total).tobytes()
        start, sent = time.perf_counter(), 0
        while sent < total:
            due = min(total, int((time.perf_counter() - start) * rate_hz))
            if due > sent:
                self._socket.sendall(data[sent * _REQUEST.itemsize : due * _REQUEST.itemsize])
                sent = due
            time.sleep(0.001)
        self.settle()
        return total

    def close(self) -> None:
        self._socket.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("display")
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    driver = Driver(given.display)
    begun = time.monotonic_ns()
    sent = driver.drive(given.rate, given.seconds)
    json.dump({"sent": sent, "since_t": begun, "until_t": time.monotonic_ns()}, sys.stdout)
    driver.close()


if __name__ == "__main__":
    main()

"""CRC-32 of many runs of the same bytes, each byte summed once: what finding records behind damage takes."""

from __future__ import annotations

import zlib
from array import array

from ._codec import crc32_shift

# A run costs up to this many bytes at each of its ends, and each step of the data a sum that is kept.
STEP_BYTES = 512


class RunChecksums:
    """Sums runs that begin ever later in data of which a window is there.

    Notes
    -----
    Kept is the CRC-32 of the data up to each multiple of ``STEP_BYTES``. That of what lies between two of them
    follows: crc(a + b) = shift(crc(a), len(b)) ^ crc(b). However many runs overlap, the work is linear in the data and
    the number of runs. Not safe for several threads.
    """

    def __init__(self) -> None:
        self._first = 0  # step of the first sum
        self._sums = array("I", (0,))

    def of(self, window: memoryview, position: int, start: int, stop: int) -> int:
        """Return the CRC-32 of the bytes from ``start`` up to ``stop``.

        Parameters
        ----------
        window : memoryview
            Bytes of the data, those of the run among them.
        position : int
            Where the first of them stands.
        start, stop : int
            Where the run stands; ``start`` is never before that of an earlier call.
        """
        first, last = -(-start // STEP_BYTES), stop // STEP_BYTES
        if last <= first:
            return zlib.crc32(window[start - position : stop - position])
        self._extend(window, position, first, last)
        head = zlib.crc32(window[start - position : first * STEP_BYTES - position])
        length = (last - first) * STEP_BYTES
        steps = crc32_shift(head ^ self._sums[first - self._first], length) ^ self._sums[last - self._first]
        return zlib.crc32(window[last * STEP_BYTES - position : stop - position], steps)

    def _extend(self, window: memoryview, position: int, first: int, last: int) -> None:
        """Have the sums from one step to another."""
        known = self._first + len(self._sums) - 1
        if first > known:  # what lies between was never asked for
            known = self._first = first
            self._sums = array("I", (0,))
        elif 2 * (first - self._first) > len(self._sums):  # half of them will not be asked for again
            del self._sums[: first - self._first]
            self._first = first
        summed = self._sums[-1]
        for at in range(known * STEP_BYTES - position, last * STEP_BYTES - position, STEP_BYTES):
            summed = zlib.crc32(window[at : at + STEP_BYTES], summed)
            self._sums.append(summed)

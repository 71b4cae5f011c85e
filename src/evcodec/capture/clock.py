"""Where the session's clock and the wall clock meet: anchors, time that the machine slept, and steps of the wall clock."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

# An anchor this often, so that drift of either clock can be told from a step.
ANCHOR_EVERY_NS = 60_000_000_000
# Readings further apart than clocks that are slewed (500 ppm, read each second) and a reader that is interrupted explain.
_STEP_NS = 20_000_000
_SLEPT_NS = 20_000_000
# A pair of readings is as good as the time that passes between them; few tries give a good one.
_TRIES = 3

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The clocks at one instant.

    Attributes
    ----------
    t : int
        ns of the session's clock, CLOCK_MONOTONIC.
    wall_ns : int
        ns since 1970, UTC.
    suspended_ns : int or None
        How long the machine has slept since it was started; None where the system does not tell.
    """

    t: int
    wall_ns: int
    suspended_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockNews:
    """What is to be written of the clocks: an anchor, and the span of session time within which the machine slept."""

    reading: Reading
    slept: tuple[int, int] | None = None
    slept_ns: int = 0


class ClockWatch:
    """Tells from readings when an anchor is due, and whether the machine slept. Pure: it reads no clock itself."""

    def __init__(self) -> None:
        self._last: Reading | None = None
        self._anchored_t = 0

    def observe(self, reading: Reading) -> ClockNews | None:
        """Return what is to be written after this reading, which is no earlier than the last; None: nothing."""
        last, self._last = self._last, reading
        if last is None:
            self._anchored_t = reading.t
            return ClockNews(reading=reading)
        slept_ns = (reading.suspended_ns or 0) - (last.suspended_ns or 0)
        # The wall clock goes on while the machine sleeps, so a step is what neither clock explains.
        stepped_ns = (reading.wall_ns - last.wall_ns) - (reading.t - last.t) - slept_ns
        has_slept = slept_ns >= _SLEPT_NS
        if not (has_slept or abs(stepped_ns) >= _STEP_NS or reading.t - self._anchored_t >= ANCHOR_EVERY_NS):
            return None
        self._anchored_t = reading.t
        if not has_slept:
            return ClockNews(reading=reading)
        return ClockNews(reading=reading, slept=(last.t, reading.t), slept_ns=slept_ns)


def now_t() -> int:
    """Return ns on the session's clock."""
    return time.monotonic_ns()


def read_clocks() -> Reading:
    """Return the clocks at one instant, as nearly as they can be read one after the other."""
    best: tuple[int, Reading] | None = None
    for _ in range(_TRIES):
        before = time.monotonic_ns()
        wall_ns = time.time_ns()
        boot_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else None
        after = time.monotonic_ns()
        middle = (before + after) // 2
        suspended_ns = None if boot_ns is None else max(0, boot_ns - middle)
        if best is None or after - before < best[0]:
            best = (after - before, Reading(t=middle, wall_ns=wall_ns, suspended_ns=suspended_ns))
    assert best is not None
    return best[1]


def clock_name() -> str:
    """Return the name of the session's clock, as the system calls it."""
    return (
        "CLOCK_MONOTONIC"
        if hasattr(time, "CLOCK_MONOTONIC")
        else time.get_clock_info("monotonic").implementation
    )


def boot_id() -> str | None:
    """Return what names this run of the machine, since a monotonic clock begins anew with each; None where nothing does."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None

"""A made-up session: what a hand and a keyboard leave behind, from a seed and nothing else.

Nobody is recorded in it. It is for demonstrations, benchmarks and tests that must run where no real
recording is.

How it is made:

- A stroke follows the minimum-jerk path, ``x(tau) = x0 + (x1 - x0) (10 tau^3 - 15 tau^4 + 6 tau^5)``
  (T. Flash and N. Hogan, "The coordination of arm movements", Journal of Neuroscience 5(7), 1985), bent a
  little to one side. It misses its target by a few percent of the distance; a second stroke corrects it.
- A stroke lasts ``a + b sqrt(distance / width)``, width being the target's (D. E. Meyer et al., "Optimality
  in human motor performance", Psychological Review 95(3), 1988): nearly what Fitts' logarithm gives.
- The mouse reports on the grid of its poll rate, and only when something changed. The computer stamps each
  report a little late: tens of microseconds, now and then a millisecond.
- Text is key codes drawn at random by the frequency of English letters, with spaces between; neighbouring
  keys overlap as they do in quick typing.

Only the raw output of PCG64 and arithmetic that IEEE 754 rounds correctly (no logarithm, no sine) are used,
so a seed gives the same events on every platform and with every version of numpy.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .batch import EventBatch
from .errors import InvalidArgumentError
from .schema import EventKind

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]

# Activities are made in runs of this many, each from a seed of its own: a short session is the start of a
# longer one.
_RUN = 64
_MS = 1_000_000

# evdev codes and how often English text uses them, in 1/1000.
_LETTERS = (
    (18, 127), (20, 91), (30, 82), (24, 75), (23, 70), (49, 67), (31, 63), (35, 61), (19, 60),
    (32, 43), (38, 40), (46, 28), (22, 28), (50, 24), (17, 24), (33, 22), (34, 20), (21, 20),
    (25, 19), (48, 15), (47, 10), (37, 8), (36, 2), (45, 2), (16, 1), (44, 1),
)  # fmt: skip
_SPACE, _BACKSPACE, _ENTER = 57, 14, 28


class _Events(NamedTuple):
    """Parallel arrays of events that are not in order yet; ``t`` is when the device reports."""

    t: _Ints
    kind: _Ints
    x: _Ints
    y: _Ints
    code: _Ints
    dy: _Ints


class _Random:
    """Uniform and bell-shaped numbers out of raw PCG64 output."""

    def __init__(self, seed: int, run: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence([seed, run]))

    def uniform(self, n: int, low: float = 0.0, high: float = 1.0) -> _Floats:
        raw: npt.NDArray[np.uint64] = self._bits.random_raw(n)
        # The 53 high bits, which a double holds exactly.
        unit = (raw >> np.uint64(11)).astype(np.float64) * np.float64(2.0**-53)
        return np.float64(low) + np.float64(high - low) * unit

    def bell(self, n: int) -> _Floats:
        """Return ``n`` numbers around 0 with variance 1: the sum of twelve uniform ones, less six."""
        total = self.uniform(n)
        for _ in range(11):
            total = total + self.uniform(n)
        return total - 6.0

    def heavy(self, n: int, least: float, most: float) -> _Floats:
        """Return ``n`` numbers of at least ``least`` with a heavy tail: pauses between actions."""
        return np.minimum(least / np.sqrt(self.uniform(n, 1e-6, 1.0)), most)


def sample_session(
    events: int = 100_000,
    *,
    seed: int = 0,
    rate_hz: int = 500,
    clock_ns: int = 1_000,
    width: int = 1_920,
    height: int = 1_080,
    start_ns: int = 0,
) -> EventBatch:
    """Return a made-up but realistic session of mouse and keyboard.

    Parameters
    ----------
    events : int
        Number of events.
    seed : int
        Equal seeds give equal events, on every platform. A shorter session is the start of a longer one.
    rate_hz : int
        How often the mouse reports: 125, 500 and 1000 are common.
    clock_ns : int
        Resolution of the time stamps: 100 or 1,000 on most systems, 1,000,000 or 15,625,000 on coarse ones.
    width, height : int
        Size of the screen in pixels.
    start_ns : int
        Where the session clock stands at the beginning.

    Returns
    -------
    EventBatch
        Columns t, kind, x, y, code, dx, dy; time never runs backwards.

    Raises
    ------
    InvalidArgumentError
        A parameter is out of range.
    """
    for name, value, least, most in (
        ("events", events, 0, 1 << 40),
        ("seed", seed, 0, (1 << 64) - 1),
        ("rate_hz", rate_hz, 1, 100_000),
        ("clock_ns", clock_ns, 1, 1_000_000_000),
        ("width", width, 16, 1 << 20),
        ("height", height, 16, 1 << 20),
        ("start_ns", start_ns, -(1 << 62), 1 << 62),
    ):
        if not least <= value <= most:
            raise InvalidArgumentError(f"{name}: found {value}, allowed: {least} to {most}")
    period = 1_000_000_000 // rate_hz
    parts: list[EventBatch] = []
    made, run, clock = 0, 0, 0
    pointer = (width / 2, height / 2)
    last = -(1 << 62)
    while not parts or made < events:
        random = _Random(seed, run)
        found, clock, pointer = _run_of_activities(random, clock, pointer, period, (width, height))
        batch, last = _stamped(random, found, last, clock_ns, start_ns)
        parts.append(batch)
        made += len(batch)
        run += 1
    session: EventBatch = EventBatch.concat(parts)[:events]
    return session


def _stamped(
    random: _Random, found: _Events, last: int, clock_ns: int, start_ns: int
) -> tuple[EventBatch, int]:
    """Order events and stamp them as a computer does: late, on its own clock, never backwards."""
    order = np.argsort(found.t, kind="stable")
    n = len(order)
    delay = 20_000.0 + 9_000.0 * np.abs(random.bell(n))
    held_up = random.uniform(n) < 0.004
    delay = np.where(held_up, delay + random.heavy(n, 200_000.0, 4_000_000.0), delay)
    t = found.t[order] + delay.astype(np.int64) + start_ns
    t = np.maximum.accumulate(np.maximum(t - t % clock_ns, last))
    int32 = {name: getattr(found, name)[order].astype(np.int32) for name in ("x", "y", "code", "dy")}
    batch = EventBatch(
        t=t,
        kind=found.kind[order].astype(np.uint8),
        x=int32["x"],
        y=int32["y"],
        code=int32["code"],
        dx=np.zeros(n, np.int32),
        dy=int32["dy"],
    )
    return batch, int(t[-1]) if n else last


def _run_of_activities(
    random: _Random, clock: int, pointer: tuple[float, float], period: int, screen: tuple[int, int]
) -> tuple[_Events, int, tuple[float, float]]:
    """Make one run of activities: an aimed movement, then perhaps a click, the wheel, some typing; a pause."""
    n = _RUN
    target_x, target_y, size = _targets(random, n, screen)
    from_x = np.concatenate(([pointer[0]], target_x[:-1]))
    from_y = np.concatenate(([pointer[1]], target_y[:-1]))
    # The first stroke ends a few percent off; the second mends it.
    distance = np.sqrt((target_x - from_x) ** 2 + (target_y - from_y) ** 2)
    miss = 0.05 * distance
    via_x = target_x + miss * random.bell(n)
    via_y = target_y + miss * random.bell(n)
    main_ns = ((0.09 + 0.09 * np.sqrt(distance / size)) * 1e9 * random.uniform(n, 0.8, 1.3)).astype(np.int64)
    mend_ns = (np.sqrt(miss + 1.0) * 0.035e9 * random.uniform(n, 0.8, 1.3)).astype(np.int64) + 30 * _MS
    settle_ns = (random.uniform(n, 20.0, 160.0) * _MS).astype(np.int64)

    what = random.uniform(n)
    clicks = what < 0.78
    double = what < 0.07
    drags = (what >= 0.07) & (what < 0.13)
    wheels = random.uniform(n) < 0.28
    types = random.uniform(n) < 0.16
    hold_ns = (random.uniform(n, 55.0, 125.0) * _MS).astype(np.int64)
    click_ns = np.where(double, 3 * hold_ns, hold_ns) * clicks
    notches = np.where(wheels, random.heavy(n, 2.0, 40.0).astype(np.int64), 0)
    notch_ns = (random.uniform(n, 18.0, 70.0) * _MS).astype(np.int64)
    keys = np.where(types, random.heavy(n, 12.0, 160.0).astype(np.int64), 0)
    press_ns = (random.uniform(n, 95.0, 210.0) * _MS).astype(np.int64)
    pause_ns = (random.heavy(n, 90.0, 25_000.0) * _MS).astype(np.int64)

    lasts = (
        main_ns
        + mend_ns
        + settle_ns
        + click_ns
        + notches * notch_ns
        + keys * press_ns
        + 300 * _MS * types
        + pause_ns
    )
    begin = clock + np.concatenate(([0], np.cumsum(lasts)))
    starts = begin[:-1]
    arrives = starts + main_ns + mend_ns
    pressed = _on_grid(arrives + settle_ns, period)
    released = _on_grid(arrives + settle_ns + hold_ns, period)
    px, py = np.rint(target_x).astype(np.int64), np.rint(target_y).astype(np.int64)

    parts = [
        _moves(random, (starts, main_ns, from_x, from_y, via_x, via_y), period, screen),
        _moves(random, (starts + main_ns, mend_ns, via_x, via_y, target_x, target_y), period, screen),
    ]
    button = np.where(random.uniform(n) < 0.93, 1, 2)
    # A drag presses the button where the stroke begins.
    down_at = np.where(drags, _on_grid(starts, period), pressed)
    down_x = np.where(drags, np.rint(from_x).astype(np.int64), px)
    down_y = np.where(drags, np.rint(from_y).astype(np.int64), py)
    parts.append(_buttons(EventKind.BUTTON_DOWN, down_at, button, down_x, down_y, clicks))
    parts.append(_buttons(EventKind.BUTTON_UP, released, button, px, py, clicks))
    parts.append(
        _buttons(EventKind.BUTTON_DOWN, _on_grid(released + hold_ns, period), button, px, py, double)
    )
    parts.append(
        _buttons(EventKind.BUTTON_UP, _on_grid(released + 2 * hold_ns, period), button, px, py, double)
    )
    parts.append(_wheel(random, pressed + click_ns, notches, notch_ns, px, py, period))
    parts.append(_typing(random, pressed + click_ns + notches * notch_ns + 300 * _MS, keys, press_ns))
    joined = _Events(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    return joined, int(begin[-1]), (float(target_x[-1]), float(target_y[-1]))


def _on_grid(t: _Ints, period: int) -> _Ints:
    return -(-t // period) * period


def _targets(random: _Random, n: int, screen: tuple[int, int]) -> tuple[_Floats, _Floats, _Floats]:
    """Return where to aim, and how wide each target is: clusters, as menus and forms make them."""
    cluster = np.cumsum(random.uniform(n) < 0.45)
    found: list[_Floats] = []
    for extent in screen:
        centre = random.uniform(n + 1, 0.04, 0.96)[cluster] * extent
        found.append(np.clip(centre + random.bell(n) * extent * 0.05, 2.0, extent - 3.0))
    return found[0], found[1], random.uniform(n, 14.0, 90.0)


def _flat(counts: _Ints) -> tuple[_Ints, _Ints]:
    """Return for ``counts`` items of each owner: the owner of each item, and its number among the owner's
    items.
    """
    owner = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum(counts) - counts
    return owner, np.arange(len(owner)) - first[owner]


def _moves(
    random: _Random,
    legs: tuple[_Ints, _Ints, _Floats, _Floats, _Floats, _Floats],
    period: int,
    screen: tuple[int, int],
) -> _Events:
    """Sample strokes on the mouse's grid; a report that would repeat the position is not sent."""
    start, lasts, x0, y0, x1, y1 = legs
    first = -(-start // period)
    leg, nth = _flat(-(-(start + lasts) // period) - first)
    tick = (first[leg] + nth) * period
    tau = (tick - start[leg]) / lasts[leg]
    tau3 = tau * tau * tau
    way = tau3 * (10.0 + tau * (6.0 * tau - 15.0))
    rest = 1.0 - tau
    bend = (0.06 * random.bell(len(start)))[leg] * (16.0 * (tau * tau) * (rest * rest))
    span_x, span_y = (x1 - x0)[leg], (y1 - y0)[leg]
    x = x0[leg] + span_x * way - span_y * bend + 0.25 * random.bell(len(leg))
    y = y0[leg] + span_y * way + span_x * bend + 0.25 * random.bell(len(leg))
    px = np.clip(np.rint(x), 0, screen[0] - 1).astype(np.int64)
    py = np.clip(np.rint(y), 0, screen[1] - 1).astype(np.int64)
    changed = np.ones(len(leg), np.bool_)
    changed[1:] = (np.diff(px) != 0) | (np.diff(py) != 0)
    n = int(changed.sum())
    none = np.zeros(n, np.int64)
    return _Events(tick[changed], np.full(n, EventKind.MOVE, np.int64), px[changed], py[changed], none, none)


def _buttons(
    kind: EventKind, t: _Ints, code: _Ints, x: _Ints, y: _Ints, which: npt.NDArray[np.bool_]
) -> _Events:
    n = int(which.sum())
    return _Events(
        t[which], np.full(n, kind, np.int64), x[which], y[which], code[which], np.zeros(n, np.int64)
    )


def _wheel(
    random: _Random, start: _Ints, notches: _Ints, notch_ns: _Ints, x: _Ints, y: _Ints, period: int
) -> _Events:
    """Turn the wheel notch by notch, one way in a burst; a quick finger turns two at once."""
    owner, nth = _flat(notches)
    shake = random.uniform(len(owner), 0.0, 0.5)
    t = start[owner] + nth * notch_ns[owner] + (shake * notch_ns[owner]).astype(np.int64)
    way = np.where(random.uniform(len(start)) < 0.75, -120, 120)[owner]
    dy = way * np.where(random.uniform(len(owner)) < 0.06, 2, 1)
    n = len(owner)
    return _Events(
        _on_grid(t, period),
        np.full(n, EventKind.SCROLL, np.int64),
        x[owner],
        y[owner],
        np.zeros(n, np.int64),
        dy,
    )


def _typing(random: _Random, start: _Ints, keys: _Ints, press_ns: _Ints) -> _Events:
    """Press and release keys; the next one often goes down before the last is up."""
    owner, nth = _flat(keys)
    n = len(owner)
    beat = press_ns[owner]
    down = start[owner] + nth * beat + (random.uniform(n, 0.0, 0.45) * beat).astype(np.int64)
    up = down + (random.uniform(n, 62.0, 128.0) * _MS).astype(np.int64)
    # A keyboard looks at its keys every eight milliseconds.
    down, up = _on_grid(down, 8 * _MS), _on_grid(up, 8 * _MS)
    codes = np.array([code for code, _ in _LETTERS])
    edges = np.cumsum([weight for _, weight in _LETTERS]) / sum(weight for _, weight in _LETTERS)
    code = codes[np.minimum(np.searchsorted(edges, random.uniform(n), side="right"), len(codes) - 1)]
    other = random.uniform(n)
    code = np.where(
        other < 0.18, _SPACE, np.where(other < 0.205, _BACKSPACE, np.where(other < 0.215, _ENTER, code))
    )
    none = np.zeros(2 * n, np.int64)
    kind = np.concatenate((np.full(n, EventKind.KEY_DOWN, np.int64), np.full(n, EventKind.KEY_UP, np.int64)))
    return _Events(np.concatenate((down, up)), kind, none, none, np.concatenate((code, code)), none)

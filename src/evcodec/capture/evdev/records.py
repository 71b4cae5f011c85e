"""Records of the kernel to events: bytes and arrays only, no device. What a report says at once becomes one event of a kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...schema import EventFlag, EventKind, KeyClass, ScrollSource

# ``struct input_event``; its first two fields are C longs.
RECORD = np.dtype([("sec", "l"), ("usec", "l"), ("type", "u2"), ("code", "u2"), ("value", "i4")])
# A report of the kernel has some ten records; beyond this the bytes are none of its reports.
MAX_REPORT_RECORDS = 4_096

EV_SYN, EV_KEY, EV_REL, EV_ABS = 0, 1, 2, 3
SYN_REPORT, SYN_DROPPED = 0, 3
X, Y = 0, 1
_HWHEEL, _WHEEL, _WHEEL_HIGH, _HWHEEL_HIGH = 0x06, 0x08, 0x0B, 0x0C
_NOTCH = 120
_SECOND_NS = 1_000_000_000
_INT32 = np.iinfo(np.int32)
KEY_CODES = 0x300

# Mouse buttons as the model numbers them; others, of tablets and gamepads, keep the kernel's number.
_BUTTONS = np.arange(KEY_CODES, dtype=np.int32)
_BUTTONS[0x110:0x115] = (1, 2, 3, 4, 5)
_IS_BUTTON = np.zeros(KEY_CODES, bool)
for _low, _high in ((0x100, 0x160), (0x220, 0x224), (0x2C0, 0x2E8)):
    _IS_BUTTON[_low:_high] = True

# By the place on a keyboard of the US, as the kernel knows no layout.
_CLASSES = np.zeros(KEY_CODES, np.uint8)
for _class, _codes in (
    (KeyClass.LETTER, [*range(16, 26), *range(30, 39), *range(44, 51)]),
    (KeyClass.DIGIT, [*range(2, 12), *range(71, 74), *range(75, 78), *range(79, 83)]),
    (
        KeyClass.PUNCTUATION,
        [12, 13, 26, 27, 39, 40, 41, 43, 51, 52, 53, 55, 57, 74, 78, 83, 86, 98, 117, 121],
    ),
    (KeyClass.EDITING, [14, 15, 28, 96, 110, 111]),
    (KeyClass.NAVIGATION, [102, 103, 104, 105, 106, 107, 108, 109]),
    (KeyClass.MODIFIER, [29, 42, 54, 56, 58, 69, 97, 100, 125, 126]),
    (KeyClass.FUNCTION, [1, *range(59, 69), 70, 87, 88, 99, 113, 114, 115, 119, 127, *range(183, 195)]),
):
    _CLASSES[_codes] = _class


@dataclass
class DeviceState:
    """What a device's records build on.

    Attributes
    ----------
    is_dropping : bool
        The kernel has dropped records: the next ones are worth nothing until a report ends.
    x, y : int
        Of an absolute device, in its own units.
    held : set of int
        Codes of keys and buttons that are down.
    last_t : int
        Of the last event; where a loss began.
    """

    is_dropping: bool = False
    x: int = 0
    y: int = 0
    held: set[int] = field(default_factory=set)
    last_t: int = 0


@dataclass
class Dropped:
    """Records were dropped between these times, in ns: the state of the device must be asked for."""

    since_t: int
    t: int


Columns = dict[str, np.ndarray]


def take(data: Any, size: int, state: DeviceState, now_t: int) -> tuple[list[Columns | Dropped], int]:
    """Turn bytes that were read into columns of events, in order, with what was dropped between them.

    Parameters
    ----------
    data : bytes-like
        The next of the device's stream of records, of which ``size`` bytes count; it may end inside of a record or a report.
    state : DeviceState
        Brought up to date.
    now_t : int
        ns; stands for times that cannot be.

    Returns
    -------
    found : list of dict or Dropped
        Arrays of their own.
    used : int
        How many bytes were taken; those behind them are the start of what comes next.
    """
    records = np.frombuffer(data, RECORD, size // RECORD.itemsize)
    found: list[Columns | Dropped] = []
    is_sync = records["type"] == EV_SYN
    ends = np.flatnonzero(is_sync & (records["code"] == SYN_REPORT))
    drops = np.flatnonzero(is_sync & (records["code"] == SYN_DROPPED))
    start = 0
    while True:
        if state.is_dropping:
            later = ends[np.searchsorted(ends, start) :]
            if not len(later):
                start = len(records)
                break
            start = int(later[0]) + 1
            t = _times(records[start - 1 : start], now_t)[1][0]
            state.is_dropping = False
            found.append(Dropped(since_t=min(state.last_t or int(t), int(t)), t=int(t)))
        here = drops[np.searchsorted(drops, start) :]
        stop = int(here[0]) if len(here) else len(records)
        before = ends[(ends >= start) & (ends < stop)]
        end = int(before[-1]) + 1 if len(before) else start
        if end > start:
            columns = _events(records[start:end], state, now_t)
            if columns is not None:
                found.append(columns)
        start = end
        if not len(here):
            break
        # Also what the kernel gave of a report that it then could not finish.
        start = stop + 1
        state.is_dropping = True
    if len(records) - start > MAX_REPORT_RECORDS:
        start = len(records)
        state.is_dropping = True
    return found, start * RECORD.itemsize


def changed_keys(state: DeviceState, held: set[int], t: int) -> Columns | None:
    """Return events of the keys that went up or down while records were dropped, flagged as emulated; or None."""
    codes = [*sorted(state.held - held), *sorted(held - state.held)]
    if not codes:
        return None
    values = np.array([code in held for code in codes], np.int64)
    state.held = set(held)
    count = len(codes)
    columns = _keys(np.array(codes, np.int64), values)
    columns["flags"] = np.full(count, EventFlag.EMULATED, np.uint16)
    columns["t"] = np.full(count, t, np.int64)
    columns["os_time"] = columns["t"] // 1_000
    return columns


def _times(records: np.ndarray, now_t: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the kernel's time in us, and ns of the session; ``now_t`` where that cannot be."""
    sec, usec = records["sec"].astype(np.int64), records["usec"].astype(np.int64)
    is_sane = (sec >= 0) & (sec < 1 << 32) & (usec >= 0) & (usec < 1_000_000)
    micros = np.where(is_sane, sec * 1_000_000 + usec, 0)
    t = micros * 1_000
    return micros, np.where(is_sane & (t <= now_t + _SECOND_NS), t, now_t)


def _events(records: np.ndarray, state: DeviceState, now_t: int) -> Columns | None:
    """Return the events of whole reports."""
    is_end = (records["type"] == EV_SYN) & (records["code"] == SYN_REPORT)
    # The number of the report that a record is in.
    report = np.cumsum(is_end) - is_end
    parts = [
        *_motion(records, report),
        *_position(records, report, state),
        *_scroll(records, report),
        *_pressed(records, state),
    ]
    if not parts:
        return None
    at = np.concatenate([at for at, _ in parts])
    order = np.argsort(at, kind="stable")
    names = dict.fromkeys(name for _, columns in parts for name in columns)
    joined: Columns = {}
    for name in names:
        dtype = next(columns[name].dtype for _, columns in parts if name in columns)
        joined[name] = np.concatenate(
            [columns[name] if name in columns else np.zeros(len(at), dtype) for at, columns in parts]
        )[order]
    joined["os_time"], joined["t"] = _times(records[at[order]], now_t)
    state.last_t = int(joined["t"][-1])
    return joined


_Part = tuple[np.ndarray, Columns]


def _sums(report: np.ndarray, which: np.ndarray, values: np.ndarray, reports: np.ndarray) -> np.ndarray:
    """Return for each of ``reports`` the sum of the values that are marked in it."""
    sums = np.zeros(len(reports), np.int64)
    np.add.at(sums, np.searchsorted(reports, report[which]), values[which].astype(np.int64))
    return sums


def _int32(values: np.ndarray) -> np.ndarray:
    small: np.ndarray = np.clip(values, _INT32.min, _INT32.max).astype(np.int32)
    return small


def _motion(records: np.ndarray, report: np.ndarray) -> list[_Part]:
    """Return one MOVE for each report with relative motion."""
    is_relative = records["type"] == EV_REL
    which = is_relative & (records["code"] <= Y)
    if not which.any():
        return []
    reports, first = np.unique(report[which], return_index=True)
    at = np.flatnonzero(which)[first]
    code, value = records["code"], records["value"]
    return [
        (
            at,
            {
                "kind": np.full(len(at), EventKind.MOVE, np.uint8),
                "dx": _int32(_sums(report, which & (code == X), value, reports)),
                "dy": _int32(_sums(report, which & (code == Y), value, reports)),
                "flags": np.full(len(at), EventFlag.RELATIVE_ONLY, np.uint16),
            },
        )
    ]


def _position(records: np.ndarray, report: np.ndarray, state: DeviceState) -> list[_Part]:
    """Return one MOVE for each report with a position; an axis that a report leaves out is where it was."""
    which = (records["type"] == EV_ABS) & (records["code"] <= Y)
    if not which.any():
        return []
    reports, first = np.unique(report[which], return_index=True)
    at = np.flatnonzero(which)[first]
    axes = []
    for axis, before in ((X, state.x), (Y, state.y)):
        mine = np.flatnonzero(which & (records["code"] == axis))
        # The last of a report, or the last before it.
        upto = np.searchsorted(report[mine], reports, side="right") - 1
        known = records["value"][mine][np.maximum(upto, 0)] if len(mine) else np.zeros(len(at), np.int32)
        axes.append(np.where(upto >= 0, known, before).astype(np.int32))
    state.x, state.y = int(axes[0][-1]), int(axes[1][-1])
    flags = np.full(len(at), EventFlag.ABSOLUTE, np.uint16)
    return [
        (at, {"kind": np.full(len(at), EventKind.MOVE, np.uint8), "x": axes[0], "y": axes[1], "flags": flags})
    ]


def _scroll(records: np.ndarray, report: np.ndarray) -> list[_Part]:
    """Return one SCROLL for each report with a wheel, from the fine axis where the report has it."""
    code, value = records["code"], records["value"]
    is_relative = records["type"] == EV_REL
    which = is_relative & (
        (code == _WHEEL) | (code == _HWHEEL) | (code == _WHEEL_HIGH) | (code == _HWHEEL_HIGH)
    )
    if not which.any():
        return []
    reports, first = np.unique(report[which], return_index=True)
    at = np.flatnonzero(which)[first]
    columns: Columns = {"kind": np.full(len(at), EventKind.SCROLL, np.uint8)}
    for name, coarse, fine in (("dx", _HWHEEL, _HWHEEL_HIGH), ("dy", _WHEEL, _WHEEL_HIGH)):
        is_fine = is_relative & (code == fine)
        has_fine = np.isin(reports, report[is_fine])
        by_notch = _sums(report, is_relative & (code == coarse), value, reports) * _NOTCH
        columns[name] = _int32(np.where(has_fine, _sums(report, is_fine, value, reports), by_notch))
    columns["scroll_source"] = np.full(len(at), ScrollSource.WHEEL, np.uint8)
    return [(at, columns)]


def _pressed(records: np.ndarray, state: DeviceState) -> list[_Part]:
    """Return an event for each key and button."""
    value = records["value"]
    which = (records["type"] == EV_KEY) & (records["code"] < KEY_CODES) & (value >= 0) & (value <= 2)
    # A button does not repeat.
    at = np.flatnonzero(which)
    at = at[~((value[at] == 2) & _IS_BUTTON[records["code"][at]])]
    if not len(at):
        return []
    codes, values = records["code"][at].astype(np.int64), value[at].astype(np.int64)
    for one, down in zip(codes.tolist(), values.tolist(), strict=True):
        if down:
            state.held.add(one)
        else:
            state.held.discard(one)
    return [(at, _keys(codes, values))]


def _keys(codes: np.ndarray, values: np.ndarray) -> Columns:
    """Return kind, code and class of keys and buttons; a value is 0 up, 1 down, 2 repeat."""
    is_button = _IS_BUTTON[codes]
    of_key = np.array([EventKind.KEY_UP, EventKind.KEY_DOWN, EventKind.KEY_REPEAT], np.uint8)[values]
    of_button = np.array([EventKind.BUTTON_UP, EventKind.BUTTON_DOWN, EventKind.OTHER], np.uint8)[values]
    return {
        "kind": np.where(is_button, of_button, of_key),
        "code": np.where(is_button, _BUTTONS[codes], codes).astype(np.int32),
        "key_class": np.where(is_button, 0, _CLASSES[codes]).astype(np.uint8),
    }

"""evemu text: raw events of the Linux kernel, with or without the description of the device."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from ..batch import EventBatch
from ..entries import Entry
from ..schema import EventKind, ScrollSource
from .contexts import Definitions
from .decimals import split_seconds
from .lines import Line, bad_line, no_line_end, read_lines
from .rows import Row, RowBuffer, in_batches
from .session import Input, Session

NOTCH = 120
DTYPES = {"t_atto": "uint32", "ev_type": "uint16", "ev_code": "uint16", "ev_value": "int32"}
# A stream's header map holds 1 MiB; a description beyond this goes into payloads like lines further down.
MAX_DESCRIPTION_BYTES = 512 << 10

_EVENT = re.compile(
    r"E:\s*(?P<time>[0-9]{1,19}(?:\.[0-9]*)?)\s+(?P<type>[0-9a-fA-F]{1,8})\s+(?P<code>[0-9a-fA-F]{1,8})\s+"
    r"(?P<value>[+-]?[0-9]{1,20})\s*(?P<comment>#.*)?",
    re.ASCII,
)
# N name, I ids, P properties, B bits, A absolute axes, L LEDs, S switches, and what people wrote.
_DESCRIPTION = re.compile(r"(?:[NIPBALS]: ?.*|\s*#.*|\s*)", re.ASCII)

EV_KEY, EV_REL, EV_ABS = 1, 2, 3
REL_X, REL_Y, REL_HWHEEL, REL_WHEEL = 0, 1, 6, 8
POSITION_AXES = frozenset((0x00, 0x01, 0x35, 0x36))  # ABS_X, ABS_Y and their multi-touch twins
BUTTONS = (range(0x100, 0x160), range(0x220, 0x224), range(0x2C0, 0x2E8))
BUTTON_CODES = {0x110: 1, 0x111: 2, 0x112: 3, 0x113: 4, 0x114: 5}


def open_evemu(path: Path | str | BinaryIO | Input) -> Session:
    """Open a recording of ``evemu-record``, or bare ``E:`` lines of one.

    Each ``E:`` line is an event whose raw form is in ``ev_type``, ``ev_code`` and ``ev_value``; ``kind``,
    ``code``, ``dx`` and ``dy`` are derived from them. The lines above the first event are
    ``metadata["evemu_description"]``; lines between events are payloads of type ``evemu.line``.

    Raises
    ------
    CorruptDataError
        From this function or from ``items``: a line is not of evemu's form, or a number
        is outside of what the kernel has.
    TruncatedDataError
        Likewise: the file is empty, or ends inside a line.
    LimitExceededError
        Likewise: a line is longer than 8 MiB.
    """
    source = Input.of(path)
    try:
        lines = read_lines(source)
        description, rest = _description(source.name, lines)
    except BaseException:
        source.close()
        raise
    metadata = source.metadata("evemu")
    if description:
        metadata["evemu_description"] = "\n".join(description)
    session = Session("evemu", metadata, iter(()), _close=source.close)
    session.items = _items(source, chain(rest, lines), session.losses)
    return session


def _description(name: str, lines: Iterator[Line]) -> tuple[list[str], list[Line]]:
    """Return the lines above the first event, and the one line that was read too far."""
    description: list[str] = []
    size = 0
    for line in lines:
        size += len(line.text.encode()) + 1
        if line.text.startswith("E:") or size > MAX_DESCRIPTION_BYTES:
            return description, [line]
        _check_description(name, line)
        description.append(line.text)
    return description, []


def _check_description(name: str, line: Line) -> None:
    if not _DESCRIPTION.fullmatch(line.text):
        problem = "found a line of unknown form, allowed: event lines 'E:', device lines 'N: I: P: B: A: L: S:', '#'"
        raise bad_line(name, line.number, line.complete, problem)


def _items(source: Input, lines: Iterator[Line], losses: list[str]) -> Iterator[EventBatch | Entry]:
    try:
        importer = _Importer(source.name)
        yield from in_batches(importer.steps(lines), importer.rows, importer.definitions)
        losses.extend(importer.losses())
    finally:
        source.close()


class _Importer:
    """Turns lines into rows."""

    def __init__(self, name: str) -> None:
        self.rows = RowBuffer(DTYPES)
        self.definitions = Definitions()
        self._name = name
        self._events = 0
        self._comments = 0
        self._t = 0
        self._unfinished = 0

    def steps(self, lines: Iterator[Line]) -> Iterator[None]:
        """Convert one line each step."""
        for line in lines:
            if line.text.startswith("E:"):
                try:
                    self.rows.add(self._event(line.text))
                except ValueError as error:
                    raise bad_line(self._name, line.number, line.complete, str(error)) from None
                self._events += 1
            else:
                _check_description(self._name, line)
                data = {"before_event": self._events, "text": line.text}
                self.definitions.payload("evemu.line", data, self._t)
            if not line.complete:
                self._unfinished = line.number
            yield

    def losses(self) -> list[str]:
        """Return what was left behind."""
        found = []
        if self._comments:
            found.append(
                f"comments behind the numbers of {self._comments} event lines (evemu makes them from the numbers)"
            )
        if self._unfinished:
            found.append(no_line_end(self._unfinished))
        return found

    def _event(self, text: str) -> Row:
        match = _EVENT.fullmatch(text)
        if match is None:
            raise ValueError(
                "found an event line of unknown form, allowed: 'E: SECONDS.MICROSECONDS TYPE CODE VALUE' "
                "with TYPE and CODE in hexadecimal and VALUE in decimal"
            )
        time, type_text, code_text, value_text, comment = match.groups()
        found = split_seconds(time)
        if found is None or not found[2]:
            raise ValueError(f"time: found {time[:40]}, allowed: below 2**63 ns, with at most 18 decimals")
        ev_type, ev_code, ev_value = int(type_text, 16), int(code_text, 16), int(value_text)
        if ev_type > 0xFFFF or ev_code > 0xFFFF:
            raise ValueError(f"type and code: found {ev_type:#x} and {ev_code:#x}, allowed: up to 0xffff")
        if not -(1 << 31) <= ev_value < 1 << 31:
            raise ValueError(f"value: found {ev_value}, allowed: -2**31 to 2**31 - 1")
        self._comments += comment is not None
        self._t = found[0]
        row = derived(ev_type, ev_code, ev_value)
        row |= {
            "t": found[0],
            "t_atto": found[1],
            "ev_type": ev_type,
            "ev_code": ev_code,
            "ev_value": ev_value,
        }
        return row


def derived(ev_type: int, ev_code: int, ev_value: int) -> Row:
    """Return the standard columns of one kernel event, which say nothing that it does not say."""
    if ev_type == EV_REL:
        if ev_code in (REL_X, REL_Y):
            return {"kind": EventKind.MOVE, "dy" if ev_code == REL_Y else "dx": ev_value}
        # High-resolution twins of these repeat the same turn of the wheel: they stay OTHER, or sums would double.
        if ev_code in (REL_WHEEL, REL_HWHEEL):
            axis = "dy" if ev_code == REL_WHEEL else "dx"
            return {"kind": EventKind.SCROLL, axis: ev_value * NOTCH, "scroll_source": ScrollSource.WHEEL}
    elif ev_type == EV_ABS and ev_code in POSITION_AXES:
        return {"kind": EventKind.MOVE}  # one axis is not a position: the value stays in ev_value alone
    elif ev_type == EV_KEY and ev_value in (0, 1, 2):
        if not any(ev_code in codes for codes in BUTTONS):
            kind = (EventKind.KEY_UP, EventKind.KEY_DOWN, EventKind.KEY_REPEAT)[ev_value]
            return {"kind": kind, "code": ev_code}
        if ev_value < 2:
            kind = EventKind.BUTTON_DOWN if ev_value else EventKind.BUTTON_UP
            return {"kind": kind, "code": BUTTON_CODES.get(ev_code, ev_code)}
    return {"kind": EventKind.OTHER}

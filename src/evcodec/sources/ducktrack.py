"""DuckTrack and AgentNet ``events.jsonl``: one JSON object a line, times and positions as decimal fractions."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from ..batch import EventBatch
from ..entries import Entry, Source
from ..errors import EvcodecError
from ..schema import EventKind
from .contexts import Definitions
from .decimals import INT64_MAX, INT64_MIN, parse_decimal, parse_scaled, split_seconds
from .jsontext import NumberText, is_plain, json_type, parse_object
from .lines import Line, bad_line, no_line_end, read_lines
from .rows import Row, RowBuffer, in_batches
from .session import Input, Session

NOTCH = 120
SCALE_SAMPLE = 8192
SCALE_SAMPLE_CHARS = 8 << 20
DTYPES = {"t_atto": "uint32"} | {name + "_float64": "int64" for name in ("x", "y", "dx", "dy")}

Message = tuple[Line, dict[str, Any]]


def open_ducktrack(path: Path | str | BinaryIO | Input) -> Session:
    """Open the ``events.jsonl`` of DuckTrack or AgentNet.

    Positions are in units of 2**``scale_exponent`` pixel, a property of the one source. A value that is no whole
    number of units has its float64 bits in ``x_float64`` (``y_float64``, ``dx_float64``, ``dy_float64``); a line that
    columns cannot carry exactly is kept as it is, in a payload.

    Raises
    ------
    CorruptDataError
        From ``items``: a line is not a JSON object, or a known action lacks a field or has one of a wrong type.
    TruncatedDataError
        From ``items``: the file is empty, or ends inside a line.
    LimitExceededError
        From ``items``: a line is longer than 8 MiB.
    """
    source = Input.of(path)
    session = Session("ducktrack", source.metadata("ducktrack"), iter(()), _close=source.close)
    session.items = _items(source, session.losses)
    return session


def _items(source: Input, losses: list[str]) -> Iterator[EventBatch | Entry]:
    try:
        messages = _messages(source, losses)
        first, error = _take(messages)
        exponent = _scale_exponent(first)
        properties = {"absolute": True, "scale_exponent": exponent}
        yield Source(index=1, name="ducktrack", properties=properties)
        importer = _Importer(source.name, exponent)
        steps = importer.steps(chain(first, messages), error)
        yield from in_batches(steps, importer.rows, importer.definitions)
    finally:
        source.close()


def _messages(source: Input, losses: list[str]) -> Iterator[Message]:
    """Yield each line that is not empty with its object."""
    for line in read_lines(source):
        if not line.text.strip():
            continue
        try:
            message = parse_object(line.text)
        except ValueError as error:
            raise bad_line(source.name, line.number, line.complete, str(error)) from None
        if not line.complete:
            losses.append(no_line_end(line.number))
        yield line, message


def _take(messages: Iterator[Message]) -> tuple[list[Message], EvcodecError | None]:
    """Return the messages that the scale is chosen by, and the error that cut them short."""
    taken: list[Message] = []
    size = 0
    try:
        for message in messages:
            taken.append(message)
            size += len(message[0].text)
            if len(taken) == SCALE_SAMPLE or size >= SCALE_SAMPLE_CHARS:
                break
    except EvcodecError as error:
        return taken, error
    return taken, None


def _scale_exponent(messages: list[Message]) -> int:
    """Return the unit for a session that starts like this.

    macOS gives 1/256 pixel and XInput2 1/65536. Where scaling by a display factor made other fractions no
    binary unit fits, and 1/256 is kept beside the exact value.
    """
    finest = 0
    for _, message in messages:
        for name in ("x", "y"):
            text = message.get(name)
            if not isinstance(text, NumberText):
                continue
            while (found := parse_scaled(text, 1 << -finest)) and not found[1]:
                if finest == -16:
                    return -8
                finest -= 8
    return finest


class _Importer:
    """Turns messages into rows."""

    def __init__(self, name: str, exponent: int) -> None:
        self.rows = RowBuffer(DTYPES)
        self.definitions = Definitions()
        self._name = name
        self._pixel = 1 << -exponent

    def steps(self, messages: Iterable[Message], error: EvcodecError | None) -> Iterator[None]:
        """Convert one message each step, then raise ``error``, if there is one."""
        for line, message in messages:
            try:
                self.rows.add(self._convert(line, message))
            except ValueError as problem:
                raise bad_line(self._name, line.number, True, str(problem)) from None
            yield
        if error is not None:
            raise error

    def _convert(self, line: Line, message: dict[str, Any]) -> Row:
        fields = dict(message)
        row: Row = {}
        exact = self._time(fields, row)
        action = fields.pop("action", None)
        if action == "move":
            row["kind"] = EventKind.MOVE
            exact &= self._position(fields, row)
        elif action == "click":
            pressed = _typed(fields, "pressed", bool, "a boolean")
            row["kind"] = EventKind.BUTTON_DOWN if pressed else EventKind.BUTTON_UP
            name = _typed(fields, "button", str, "a string")
            if is_plain(name):
                row["code"] = self.definitions.button(name)
            else:
                exact = False
            exact &= self._position(fields, row)
        elif action == "scroll":
            row["kind"] = EventKind.SCROLL
            exact &= self._position(fields, row)
            exact &= _scaled(fields, "dx", NOTCH, row) & _scaled(fields, "dy", NOTCH, row)
        elif action in ("press", "release"):
            row["kind"] = EventKind.KEY_DOWN if action == "press" else EventKind.KEY_UP
            name = _typed(fields, "name", str, "a string")
            if is_plain(name):
                row["code"] = self.definitions.context("key", name)
            else:
                exact = False
        else:
            row["kind"] = EventKind.OTHER
            exact = False
        if fields or not exact:
            row["payload"] = self.definitions.payload("ducktrack.line", line.text, row["t"])
        return row

    def _time(self, fields: dict[str, Any], row: Row) -> bool:
        value = _number(fields, "time_stamp")
        found = split_seconds(str(value))
        if found is None:
            raise ValueError("time_stamp: found a time outside of int64 ns, allowed: -2**63 to 2**63 - 1 ns")
        row["t"], atto, exact = found
        if atto:
            row["t_atto"] = atto
        return exact

    def _position(self, fields: dict[str, Any], row: Row) -> bool:
        return _scaled(fields, "x", self._pixel, row) & _scaled(fields, "y", self._pixel, row)


def _typed(fields: dict[str, Any], name: str, kind: type, allowed: str) -> Any:
    """Take a field of one type out of ``fields``."""
    if name not in fields:
        raise ValueError(f"{name}: found no such field, allowed: {allowed}")
    value = fields.pop(name)
    if type(value) is not kind:
        raise ValueError(f"{name}: found JSON of type {json_type(value)}, allowed: {allowed}")
    return value


def _number(fields: dict[str, Any], name: str) -> int | NumberText:
    if type(fields.get(name)) is NumberText:
        text: NumberText = fields.pop(name)
        return text
    value: int = _typed(fields, name, int, "a number")
    return value


def _scaled(fields: dict[str, Any], name: str, factor: int, row: Row) -> bool:
    """Put floor(value x factor) into the row, and the float64 bits where that is not all.

    Returns whether the two carry the value exactly.
    """
    value = _number(fields, name)
    bits = 0
    exact = True
    if isinstance(value, int):
        scaled = value * factor
    else:
        found = parse_scaled(value, factor)
        if found is None:
            raise ValueError(f"{name}: found a number of absurd size, allowed: at most 400 digits")
        scaled, whole = found
        if not whole or (not scaled and value.startswith("-")):  # -0.0 is a float of its own
            number = float(value)
            bits = struct.unpack("<q", struct.pack("<d", number))[0]
            # Recorders write the shortest text of a float64; whoever wrote more digits than that gets them kept.
            exact = bits != 0 and Decimal(repr(number)) == parse_decimal(value)
    if not INT64_MIN <= scaled <= INT64_MAX:
        raise ValueError(
            f"{name}: found a value that x {factor} is outside of int64, allowed: -2**63 to 2**63 - 1"
        )
    if scaled:
        row[name] = scaled
    if bits:
        row[name + "_float64"] = bits
    return exact

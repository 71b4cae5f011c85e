"""Balabit Mouse Dynamics Challenge CSV: office mouse use over remote desktop, with two clocks.

A file is read in blocks of about 1 MiB and each block is parsed by columns, since these files come by the thousand.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from ..batch import EventBatch
from ..entries import Entry, Source
from ..errors import EvcodecError
from ..schema import EventKind, ScrollSource
from .contexts import BUTTON_BASE, Definitions
from .decimals import (
    Int64Array,
    parse_integer,
    parse_integer_column,
    parse_seconds_column,
    split_seconds,
)
from .lines import LineBlock, bad_line, no_line_end, read_line_blocks
from .session import Input, Session

HEADER = b"record timestamp,client timestamp,button,state,x,y"
FIELDS = ("record timestamp", "client timestamp", "button", "state", "x", "y")
MAX_BATCH = 65_536
MAX_LABEL_BYTES = 64
MAX_LABELS = 4096
NOTCH = 120

_BUTTONS = {"NoButton": 0, "Left": 1, "Right": 2, "Middle": 3}


class Action(NamedTuple):
    """What a row's button and state mean as columns."""

    kind: int
    code: int = 0
    dy: int = 0
    drag: int = 0
    scroll_source: int = 0


_SCROLLS = {
    ("Scroll", "Up"): Action(EventKind.SCROLL, dy=NOTCH, scroll_source=ScrollSource.WHEEL),
    ("Scroll", "Down"): Action(EventKind.SCROLL, dy=-NOTCH, scroll_source=ScrollSource.WHEEL),
}
_STATES = {
    "Move": EventKind.MOVE,
    "Drag": EventKind.MOVE,
    "Pressed": EventKind.BUTTON_DOWN,
    "Released": EventKind.BUTTON_UP,
}


def open_balabit(path: Path | str | BinaryIO | Input) -> Session:
    """Open a Balabit CSV file.

    ``t`` is the record timestamp and ``os_time`` the client timestamp, both in ns, with attoseconds below in
    ``t_atto`` and ``os_time_atto``. ``drag`` is 1 where the state is Drag.

    Raises
    ------
    CorruptDataError
        From ``items``: a row is not six fields of the right types.
    TruncatedDataError
        From ``items``: the file is empty, or ends inside a row.
    """
    source = Input.of(path)
    session = Session("balabit", source.metadata("balabit"), iter(()), _close=source.close)
    session.items = _items(source, session.losses)
    return session


def _items(source: Input, losses: list[str]) -> Iterator[EventBatch | Entry]:
    try:
        properties = {"absolute": True, "clock_id": "client timestamp", "time_unit_ns": 1}
        yield Source(index=1, name="balabit", properties=properties)
        actions = _Actions()
        empty_line = 0
        for block in _row_blocks(source):
            text = block.data.rstrip(b"\r\n")
            if text and empty_line:
                raise bad_line(source.name, empty_line, True, "found an empty line, allowed: 6 fields")
            after = block.first_line
            if text:
                # Empty lines are harmless at the end of the file and nowhere else: set aside until that is known.
                complete = block.complete or len(text) < len(block.data)
                data = text + b"\n" if complete else text
                rows = _Rows(source.name, LineBlock(block.first_line, data, complete), actions)
                yield from actions.definitions.take()
                for start in range(0, rows.count, MAX_BATCH):
                    yield rows.batch[start : start + MAX_BATCH]
                if rows.error is not None:
                    raise rows.error
                after += data.count(b"\n")
                if not complete:
                    losses.append(no_line_end(after))
            if not empty_line and after < block.first_line + block.data.count(b"\n"):
                empty_line = after
    finally:
        source.close()


def _row_blocks(source: Input) -> Iterator[LineBlock]:
    """Yield the blocks of rows below the header line."""
    for block in read_line_blocks(source):
        if block.first_line == 1:
            yield LineBlock(2, _without_header(source.name, block), block.complete)
        else:
            yield block


def _without_header(name: str, block: LineBlock) -> bytes:
    """Return the block after the header line, or raise if it is not there."""
    header, _, rest = block.data.partition(b"\n")
    header = header.removesuffix(b"\r")
    if header != HEADER:
        # Not what stands there: it may be of another format, and have been typed.
        problem = f"found another first line, of {len(header)} bytes, allowed: the header {HEADER.decode()!r}"
        raise bad_line(name, 1, block.complete or bool(rest) or not HEADER.startswith(header), problem)
    return rest


class _Actions:
    """Maps (button, state) labels to columns, and remembers what a file needed beyond the known ones."""

    def __init__(self) -> None:
        self.definitions = Definitions()
        self._known: dict[bytes, Action] = {}

    def find(self, label: bytes) -> Action:
        """Return the columns of ``b"button,state"``; raises ValueError with the problem."""
        action = self._known.get(label)
        if action is None:
            if len(self._known) >= MAX_LABELS:
                raise ValueError(f"found more than {MAX_LABELS} different buttons and states")
            action = self._known[label] = self._define(label)
        return action

    def _define(self, label: bytes) -> Action:
        try:
            button, state = label.decode().split(",")
        except UnicodeDecodeError:
            raise ValueError("found bytes that are not UTF-8 in button or state, allowed: UTF-8") from None
        if not button or not state:
            raise ValueError("found an empty button or state, allowed: names such as 'Left' and 'Pressed'")
        if (button, state) in _SCROLLS:
            return _SCROLLS[button, state]
        if button == "Scroll" or state not in _STATES:
            index = self.definitions.context("button_state", [button, state])
            return Action(EventKind.OTHER, code=BUTTON_BASE + index)
        code = _BUTTONS.get(button)
        if code is None:
            code = BUTTON_BASE + self.definitions.context("button", button)
        return Action(_STATES[state], code=code, drag=int(state == "Drag"))


class _Rows:
    """The rows of one block as a batch, up to the first bad one, whose error is kept."""

    def __init__(self, name: str, block: LineBlock, actions: _Actions) -> None:
        self._name = name
        self._block = block
        self.error: EvcodecError | None = None
        data = np.frombuffer(block.data, np.uint8)
        self._data = data
        ends = np.flatnonzero(data == ord("\n"))
        if not block.complete:
            ends = np.append(ends, len(data))
        starts = np.append(0, ends[:-1] + 1)
        ends = ends - ((ends > starts) & (data[np.maximum(ends - 1, 0)] == ord("\r")))
        commas = np.flatnonzero(data == ord(","))
        first, last = np.searchsorted(commas, starts), np.searchsorted(commas, ends)
        bad = np.flatnonzero(last - first != len(FIELDS) - 1)
        self.count = self._total = len(starts)
        if len(bad):
            row = int(bad[0])
            found = int(last[row] - first[row]) + 1 if ends[row] > starts[row] else 0
            self._fail(row, f"found {found} fields, allowed: {len(FIELDS)}")
        inner = commas[: self.count * 5].reshape(-1, 5)
        self._edges = np.column_stack([starts[: self.count] - 1, inner, ends[: self.count]])
        self.batch = self._parse(actions)

    def _fail(self, row: int, problem: str) -> None:
        """Keep the rows before ``row`` and an error for it."""
        self.count = row
        complete = self._block.complete or row < self._total - 1
        self.error = bad_line(self._name, self._block.first_line + row, complete, problem)

    def _field(self, index: int) -> tuple[Int64Array, Int64Array]:
        return self._edges[:, index] + 1, self._edges[:, index + 1]

    def _text(self, row: int, index: int) -> str:
        start, end = self._edges[row, index] + 1, self._edges[row, index + 1]
        return self._block.data[start:end].decode("utf-8", "backslashreplace")

    def _parse(self, actions: _Actions) -> EventBatch:
        if not self.count:
            return EventBatch(t=np.empty(0, np.int64), kind=np.empty(0, np.uint8))
        t, t_atto, good_t = parse_seconds_column(self._data, *self._field(0))
        client, client_atto, good_client = parse_seconds_column(self._data, *self._field(1))
        x, good_x = parse_integer_column(self._data, *self._field(4))
        y, good_y = parse_integer_column(self._data, *self._field(5))
        for row in np.flatnonzero(~(good_t & good_client & good_x & good_y)).tolist():
            try:
                t[row], t_atto[row] = self._slow_time(row, 0)
                client[row], client_atto[row] = self._slow_time(row, 1)
                x[row], y[row] = self._slow_integer(row, 4), self._slow_integer(row, 5)
            except ValueError as error:
                self._fail(row, str(error))
                break
        names, which = self._labels()
        found = [self._action(actions, names, which, index) for index in range(len(names))]
        n = self.count
        table = np.array([action or Action(0) for action in found], np.int64).reshape(-1, len(Action._fields))
        picked = table[which[:n]]
        columns: dict[str, np.ndarray] = {"t": t[:n], "kind": picked[:, 0].astype(np.uint8)}
        columns |= {"x": _narrow(x[:n]), "y": _narrow(y[:n]), "code": picked[:, 1].astype(np.int32)}
        optional: dict[str, npt.NDArray[Any]] = {
            "dy": picked[:, 2].astype(np.int32),
            "drag": picked[:, 3].astype(np.uint8),
            "scroll_source": picked[:, 4].astype(np.uint8),
            "os_time": client[:n],
            "t_atto": t_atto[:n],
            "os_time_atto": client_atto[:n],
        }
        columns |= {name: values for name, values in optional.items() if values.any()}
        return EventBatch(**columns)

    def _action(
        self, actions: _Actions, names: list[bytes], which: npt.NDArray[np.intp], index: int
    ) -> Action | None:
        """Return the action of one label; a bad label fails the first row that has it."""
        rows = np.flatnonzero(which[: self.count] == index)
        if not len(rows):
            return None  # only on rows after a bad one
        try:
            if len(names[index]) > MAX_LABEL_BYTES:
                raise ValueError(f"found a button and state of more than {MAX_LABEL_BYTES} bytes")
            return actions.find(names[index])
        except ValueError as error:
            self._fail(int(rows[0]), str(error))
            return None

    def _labels(self) -> tuple[list[bytes], npt.NDArray[np.intp]]:
        """Return the distinct ``button,state`` texts in order of appearance, and each row's index among them."""
        start, end = self._edges[:, 2] + 1, self._edges[:, 4]
        width = min(int((end - start).max()), MAX_LABEL_BYTES + 1)
        words = -(-width // 8)
        places = start[:, None] + np.arange(words * 8)
        inside = places < end[:, None]
        matrix = np.where(inside, self._data[np.minimum(places, len(self._data) - 1)], 0).astype(np.uint8)
        keys = matrix.view(np.uint64)
        # Rows that look like the one before are most of them: number the runs, then compare runs by their text.
        length = end - start  # a NUL in the file looks like the padding
        changed = np.append(True, (keys[1:] != keys[:-1]).any(axis=1) | (length[1:] != length[:-1]))
        numbers: dict[bytes, int] = {}
        texts = [self._block.data[start[row] : end[row]] for row in np.flatnonzero(changed).tolist()]
        of_run = np.array([numbers.setdefault(text, len(numbers)) for text in texts], np.intp)
        return list(numbers), of_run[np.cumsum(changed) - 1]

    def _slow_time(self, row: int, index: int) -> tuple[int, int]:
        text = self._text(row, index)
        found = split_seconds(text)
        if found is None:
            raise ValueError(
                f"{FIELDS[index]}: found {text[:40]!r}, allowed: seconds as a decimal number below 2**63 ns"
            )
        if not found[2]:
            raise ValueError(f"{FIELDS[index]}: found {text[:40]!r}, allowed: at most 18 decimals")
        return found[:2]

    def _slow_integer(self, row: int, index: int) -> int:
        text = self._text(row, index)
        value = parse_integer(text)
        if value is None:
            raise ValueError(f"{FIELDS[index]}: found {text[:40]!r}, allowed: a 64-bit integer")
        return value


def _narrow(values: Int64Array) -> np.ndarray:
    """Return ``values`` as int32 if they fit, as they nearly always do."""
    narrow = values.astype(np.int32)
    return narrow if np.array_equal(narrow, values) else values

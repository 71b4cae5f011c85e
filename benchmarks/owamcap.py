"""Events as OWAMcap: one typed message an event, written and read by the package of Open World Agents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.recordings import COLUMNS
from evcodec import EventBatch, EventKind
from evcodec.cli.peers import Way

_BUTTONS = ("unknown", "left", "right", "middle", "x1", "x2")


def carried(batch: EventBatch, most: int) -> EventBatch:
    """Return the first events that OWAMcap's mouse and keyboard messages can carry."""
    kind, code = batch.kind, batch.code
    still = (batch.dx == 0) & (batch.dy == 0)
    placed = (batch.x != 0) | (batch.y != 0)
    fits = (
        ((kind == EventKind.MOVE) & still & (code == 0))
        | (
            np.isin(kind, (EventKind.BUTTON_DOWN, EventKind.BUTTON_UP))
            & still
            & (code > 0)
            & (code < len(_BUTTONS))
        )
        | ((kind == EventKind.SCROLL) & (code == 0))
        | (np.isin(kind, (EventKind.KEY_DOWN, EventKind.KEY_UP)) & still & ~placed)
    ) & (batch.t >= 0)
    return batch[fits][:most]


def way(batch: EventBatch, path: str) -> Way:
    """Return the way of one message an event. Its own optional timestamp is left out: the container has one."""
    from mcap_owa.highlevel import OWAMcapReader, OWAMcapWriter
    from owa.msgs.desktop.keyboard import KeyboardEvent
    from owa.msgs.desktop.mouse import MouseEvent

    rows = list(zip(*(batch[name].tolist() for name in COLUMNS), strict=True))

    def write() -> str:
        with OWAMcapWriter(path) as writer:
            send = writer.write_message
            for t, kind, x, y, code, dx, dy in rows:
                if kind == EventKind.MOVE:
                    send(MouseEvent(event_type="move", x=x, y=y), "mouse", t)
                elif kind == EventKind.SCROLL:
                    send(MouseEvent(event_type="scroll", x=x, y=y, dx=dx, dy=dy), "mouse", t)
                elif kind in (EventKind.BUTTON_DOWN, EventKind.BUTTON_UP):
                    pressed = kind == EventKind.BUTTON_DOWN
                    event = MouseEvent(event_type="click", x=x, y=y, button=_BUTTONS[code], pressed=pressed)
                    send(event, "mouse", t)
                else:
                    word = "press" if kind == EventKind.KEY_DOWN else "release"
                    send(KeyboardEvent(event_type=word, vk=code), "keyboard", t)
        return path

    def read(path: str) -> EventBatch:
        found = []
        with OWAMcapReader(path) as reader:
            for message in reader.iter_messages(log_time_order=False):
                found.append(row_of(message.timestamp, message.topic, message.decoded))
        columns = zip(*found, strict=True)
        return EventBatch(
            **{
                name: np.array(values, batch[name].dtype)
                for name, values in zip(COLUMNS, columns, strict=True)
            }
        )

    return Way("OWAMcap", write, read, lambda path: Path(path).stat().st_size)


def row_of(t: int, topic: str, event: Any) -> tuple[int, ...]:
    """Return the seven columns of a message."""
    kind = event.event_type
    if topic == "keyboard":
        return t, EventKind.KEY_DOWN if kind == "press" else EventKind.KEY_UP, 0, 0, event.vk, 0, 0
    if kind == "move":
        return t, EventKind.MOVE, event.x, event.y, 0, 0, 0
    if kind == "scroll":
        return t, EventKind.SCROLL, event.x, event.y, 0, event.dx, event.dy
    down = EventKind.BUTTON_DOWN if event.pressed else EventKind.BUTTON_UP
    return t, down, event.x, event.y, _BUTTONS.index(event.button), 0, 0

"""MCAP files of Open World Agents whose container is whole and whose messages are not; and containers that are not.

Input: shape, then the file; or schemas and messages, which a container is made around.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

from mcap.writer import CompressionType, IndexType, Writer

from evcodec import EvcodecError
from evcodec.entries import Entry
from evcodec.sources import open_owamcap

from .common import Input, require

SCHEMAS = (
    "desktop/MouseEvent",
    "desktop/RawMouseEvent",
    "desktop/KeyboardEvent",
    "desktop/KeyboardState",
    "desktop/MouseState",
    "desktop/WindowInfo",
    "desktop/ScreenCaptured",
    "owa.env.desktop.msg.ScreenEmitted",
    "other/Thing",
)
MESSAGES = (
    {"event_type": "move", "x": 1, "y": 2},
    {"event_type": "click", "x": 1, "y": 2, "button": "left", "pressed": True},
    {"event_type": "scroll", "x": 1, "y": 2, "dx": 0, "dy": -1.5, "timestamp": 5},
    {"last_x": 3, "last_y": -4},
    {
        "dx": 0,
        "dy": 0,
        "us_flags": 1,
        "button_flags": 1024,
        "button_data": 120,
        "device_handle": 77,
        "timestamp": None,
    },
    {"event_type": "press", "vk": 65},
    {"buttons": [1, 2], "timestamp": 1},
    {"buttons": ["left"], "x": 1, "y": 2},
    {"title": "made up", "rect": [0, 0, 1, 1], "hWnd": 1},
    {"path": "a.mkv", "pts": 5, "utc_ns": 7},
    {"utc_ns": 1, "source_shape": [1, 2], "shape": [1, 2], "media_ref": {"uri": "a.mkv", "pts_ns": 9}},
    [1],
    {"x": 1e400},
)


def _file(taken: Input) -> bytes:
    """Return an MCAP file around the messages of the input."""
    to = io.BytesIO()
    writer = Writer(to, compression=CompressionType.NONE, index_types=IndexType.NONE, use_chunking=False)
    writer.start()
    for number in range(6):
        if not taken.left():
            break
        shape = taken.byte()
        schema = writer.register_schema(
            SCHEMAS[shape % len(SCHEMAS)], "jsonschema" if shape & 128 else "json", b"{}"
        )
        channel = writer.register_channel(
            f"t{number}", "json" if shape & 64 else "", schema if shape & 32 else 0
        )
        size = taken.byte() + (taken.byte() << 4)
        t = abs(taken.number(8 if shape & 16 else 2))
        writer.add_message(channel, t, taken.rest(size), t, number)
    writer.finish()
    return to.getvalue()


def run(data: bytes) -> None:
    """Open a file and take everything of it."""
    taken = Input(data)
    shape = taken.byte()
    content = _file(taken) if shape & 1 else taken.rest(8192)
    try:
        with open_owamcap(io.BytesIO(content)) as session:
            events = 0
            for item in session.items:
                events += 0 if isinstance(item, Entry) else len(item)
    except EvcodecError:
        return
    if shape & 1:
        require(events <= 6, "a message is an event")


def seeds() -> Iterator[bytes]:
    """Yield messages of every schema, and a container as it is."""
    for schema in range(len(SCHEMAS)):
        for message in MESSAGES:
            text = json.dumps(message).encode()
            head = bytes(
                (224 + schema if 224 + schema < 256 else schema, len(text) & 15, len(text) >> 4, 1, 2)
            )
            yield b"\1" + head + text
    for shape in (1, 40, 200):
        yield b"\0" + _file(Input(bytes((shape, 10, 0, 1, 2)) + b'{"x": 1, "y": 2}'))

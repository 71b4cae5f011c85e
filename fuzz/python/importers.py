"""Files of other recorders, from strangers: text formats, and whatever is taken for one.

Input: shape, the file.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

from evcodec import EvcodecError, EventBatch, Reader
from evcodec.entries import Entry
from evcodec.sources import FORMATS, detect, import_file, open_session

from .common import ROOT, Input, require

HEADS = {
    "balabit": b"record timestamp,client timestamp,button,state,x,y\n",
    "ducktrack": b'{"time_stamp": 1, "action": "move", "x": 1, "y": 2}\n',
    "evemu": b"E: 0.000001 0000 0000 0000\t# x\n",
    "owamcap": b"\x89MCAP0\r\n",
}


def run(data: bytes) -> None:
    """Import, and write what was imported."""
    taken = Input(data)
    shape = taken.byte()
    format = list(FORMATS)[shape & 3]
    content = taken.rest(8192)
    if shape & 4:
        content = HEADS[format] + content
    named = format if shape & 8 else None
    detect(content)
    try:
        with open_session(io.BytesIO(content), named) as session:
            events = 0
            for item in session.items:
                require(isinstance(item, (EventBatch, Entry)), "items are batches and entries")
                events += len(item) if isinstance(item, EventBatch) else 0
    except EvcodecError as error:
        require(": " in str(error), "an error says where")
        return
    require(all(isinstance(line, str) for line in session.losses), "losses are lines")
    target = io.BytesIO()
    import_file(io.BytesIO(content), target, format=named, level="fast")
    with Reader(target.getvalue()) as reader:
        require(len(reader.read()) == events, "every event is in the stream")


LINES = {
    0: [
        "1.5,2.5,Left,Pressed,3,4",
        "0,0,Scroll,Up,65535,65535",
        "1e5,-0.000000000000000001,Wheel,x,-1,9223372036854775807",
    ],
    1: [
        '{"time_stamp": 1e3, "action": "scroll", "x": 1.5, "y": -2, "dx": 0.1, "dy": -1}',
        '{"time_stamp": 0.1, "action": "press", "name": "shift", "more": [1, {"a": null}]}',
        '{"time_stamp": 12345678901234567890, "action": "click", "x": 1, "y": 2, "button": "left", "pressed": true}',
        '{"action": "dragged", "time_stamp": -5}',
    ],
    2: [
        "E: 1.000002 0001 0110 0001",
        "E: 2.5 0003 0035 0100 # ----",
        "N: a mouse",
        "I: 0003 046d c52b 0111",
        "A: 00 0 255 0 0 4",
    ],
}


def seeds() -> Iterator[bytes]:
    """Yield small files that were made up."""
    for format, name in enumerate(("balabit.csv", "ducktrack.jsonl", "evemu.events")):
        whole = (ROOT / "tests/fixtures" / name).read_bytes()
        yield bytes((format,)) + whole[:3000]
        yield bytes((format,)) + whole[:700].replace(b"\n", b"\r\n")
    for format, lines in LINES.items():
        for line in lines:
            yield bytes((format | 12,)) + line.encode() + b"\n"
            yield bytes((format | 12,)) + (line + "\n" + "\n".join(lines)).encode()

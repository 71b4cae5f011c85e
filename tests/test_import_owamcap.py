"""OWAMcap, message by message against mcap's own reader and the json module."""

from __future__ import annotations

import io
import itertools
import json
import re
import struct
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from evcodec import (
    CorruptDataError,
    EventBatch,
    EventKind,
    LimitExceededError,
    TruncatedDataError,
    UnsupportedVersionError,
)
from evcodec.sources import open_owamcap

mcap_reader = pytest.importorskip("mcap.reader")
mcap_writer = pytest.importorskip("mcap.writer")

BUTTONS = {1: "left", 2: "right", 3: "middle", 4: "x1", 5: "x2"}
OPTIONAL = {
    "MouseEvent": {"button", "pressed", "dx", "dy", "timestamp"},
    "RawMouseEvent": {"us_flags", "button_flags", "button_data", "device_handle", "timestamp"},
}
RAW_COLUMNS = {
    8: ("us_flags", "raw_flags"),
    16: ("button_flags", "raw_buttons"),
    32: ("button_data", "raw_data"),
    64: ("device_handle", "raw_device"),
}


def independent(data: bytes) -> list[tuple[Any, ...]]:
    """Read the messages by other means than the importer's: container by mcap's indexed reader, content by json."""
    reader = mcap_reader.make_reader(io.BytesIO(data))
    found = []
    for schema, channel, message in reader.iter_messages(log_time_order=False):
        content: Any = message.data
        if channel.message_encoding == "json":
            content = json.loads(content)
        name = schema.name if schema else ""
        found.append((channel.topic, name, message.log_time, message.publish_time, message.sequence, content))
    return found


def message_of(event: dict[str, int], schema: str, found: Any) -> Any:
    """Return the message that an event holds, as docs/importing.md tells to."""
    if payload := event.get("payload", 0):
        entry = found.payloads[payload]
        return json.loads(entry.data) if entry.payload_type == "owamcap.json" else entry.data
    kind, bits, code = EventKind(event["kind"]), event.get("owa_fields", 0), event.get("code", 0)
    message: dict[str, Any] = {}
    if schema == "MouseEvent":
        message |= {"event_type": "move", "x": event["x"], "y": event["y"]}
        if kind == EventKind.SCROLL:
            message |= {"event_type": "scroll", "dx": event["dx"] / 120, "dy": event["dy"] / 120}
        elif kind != EventKind.MOVE:
            button = found.contexts[code - 1000].value if code > 1000 else BUTTONS[code]
            message |= {"event_type": "click", "button": button, "pressed": kind == EventKind.BUTTON_DOWN}
    elif schema == "RawMouseEvent":
        names = ("dx", "dy") if bits & 4 else ("last_x", "last_y")
        if event["flags"] == 1:
            values = event.get("x", 0), event.get("y", 0)
        else:
            values = (0, 0) if kind == EventKind.SCROLL else (event.get("dx", 0), event.get("dy", 0))
        message |= dict(zip(names, values, strict=True))
        message |= {name: event.get(column, 0) for bit, (name, column) in RAW_COLUMNS.items() if bits & bit}
    elif schema == "KeyboardEvent":
        message |= {"event_type": "press" if kind == EventKind.KEY_DOWN else "release", "vk": event["vk"]}
        assert event["code"] == event["vk"]
    elif schema in ("KeyboardState", "MouseState"):
        message["buttons"] = found.contexts[code].value
        if schema == "MouseState":
            message |= {"x": event["x"], "y": event["y"]}
    elif schema == "WindowInfo":
        assert (kind, found.contexts[code].context_type) == (EventKind.CONTEXT, "window")
        return found.contexts[code].value
    else:
        assert (kind, found.contexts[code].context_type) == (EventKind.OTHER, "screen")
        text = json.dumps(found.contexts[code].value)
        filled = {"utc_ns": event.get("utc_ns", 0), "pts": event.get("pts", 0), "pts_ns": event.get("pts", 0)}
        for name, value in filled.items():
            text = text.replace(f'"{name}": {{"column": true}}', f'"{name}": {value}')
        return json.loads(text)
    if bits & 1:
        message["timestamp"] = event.get("owa_time", 0)
    if bits & 2:
        message |= dict.fromkeys(OPTIONAL.get(schema, {"timestamp"}) - set(message))
    return message


def rebuilt(found: Any) -> list[tuple[Any, ...]]:
    """Return the messages that a stream holds."""
    messages = []
    for event in found.batch:
        source = found.sources[event["source"]]
        schema = source.properties["schema"]
        content = message_of(event, re.split("[./]", schema)[-1], found)
        times = event["t"], event.get("os_time", 0), event.get("seq", 0)
        messages.append((source.name, schema, *times, content))
    return messages


def assert_same(found: Any, data: bytes) -> None:
    expected, got = independent(data), rebuilt(found)
    assert len(got) == len(expected) > 0
    # Not pytest's own comparison of the lists: it would print window titles and keys.
    wrong = [
        (index, pair[1][0])
        for index, pair in enumerate(zip(got, expected, strict=True))
        if pair[0] != pair[1]
    ]
    assert wrong == []


@pytest.mark.parametrize("name", ["0.3.2.mcap", "0.4.2.mcap", "0.5.1.mcap", "example.mcap"])
def test_real_files(name: str, shared_data: Path, import_through: Callable[..., Any]) -> None:
    path = shared_data / "source" / "owamcap" / name
    found = import_through(path)
    assert_same(found, path.read_bytes())
    assert found.losses == []
    assert {entry.payload_type for entry in found.payloads.values()} == {"mcap.schema"}
    screens = [message for message in independent(path.read_bytes()) if message[0] == "screen"]
    assert len(screens) > 10
    anchors = []
    for *_, content in screens:
        media = content.get("media_ref") or {"pts_ns": content.get("pts"), "uri": content.get("path")}
        anchors.append((content["utc_ns"], media["pts_ns"], (1, 10**9), media["uri"]))
    assert [(a.t, a.pts, tuple(a.time_base), a.uri) for a in found.video_anchors] == anchors
    schemas = mcap_reader.make_reader(io.BytesIO(path.read_bytes())).get_summary().schemas
    kept = {entry.data["id"]: entry.data["data"] for entry in found.payloads.values()}
    assert kept == {schema.id: schema.data for schema in schemas.values()}


def written(
    messages: Iterable[tuple[str, str, Any]],
    *,
    compression: str = "ZSTD",
    extras: Callable[[Any], None] | None = None,
) -> bytes:
    """Return an MCAP file with these (topic, schema, content) messages."""
    target = io.BytesIO()
    writer = mcap_writer.Writer(target, compression=mcap_writer.CompressionType[compression], chunk_size=500)
    writer.start(profile="owa", library="made up")
    channels: dict[tuple[str, str], int] = {}
    for number, (topic, schema, content) in enumerate(messages):
        if (topic, schema) not in channels:
            schema_id = writer.register_schema(schema, "jsonschema", b'{"made": "up"}') if schema else 0
            encoding = "json" if not isinstance(content, bytes) or schema != "binary" else "protobuf"
            channels[topic, schema] = writer.register_channel(topic, encoding, schema_id, {"note": topic})
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        writer.add_message(channels[topic, schema], 10**18 + number, data, 10**18 + number // 2, number % 7)
    if extras:
        extras(writer)
    writer.finish()
    return target.getvalue()


MOUSE: list[dict[str, Any]] = [
    {"event_type": "move", "x": -5, "y": 7},
    {"event_type": "move", "x": 1, "y": 2, "timestamp": 0},
    {"event_type": "move", "x": 1, "y": 2, "timestamp": 1700000000000000000},
    {
        "event_type": "move",
        "x": 1,
        "y": 2,
        "button": None,
        "pressed": None,
        "dx": None,
        "dy": None,
        "timestamp": None,
    },
    {
        "event_type": "move",
        "x": 1,
        "y": 2,
        "button": None,
        "pressed": None,
        "dx": None,
        "dy": None,
        "timestamp": 5,
    },
    {"event_type": "move", "x": 1, "y": 2, "button": None},
    {"event_type": "move", "x": 1, "y": 2, "button": "left"},
    {"event_type": "click", "x": 1, "y": 2, "button": "left", "pressed": True},
    {"event_type": "click", "x": 1, "y": 2, "button": "x2", "pressed": False, "timestamp": 9},
    {
        "event_type": "click",
        "x": 1,
        "y": 2,
        "button": "unknown",
        "pressed": False,
        "dx": None,
        "dy": None,
        "timestamp": None,
    },
    {"event_type": "click", "x": 1, "y": 2, "button": None, "pressed": True},
    {"event_type": "click", "x": 1, "y": 2, "button": "\ud800", "pressed": True},
    {"event_type": "scroll", "x": 1, "y": 2, "dx": 0, "dy": -3},
    {
        "event_type": "scroll",
        "x": 1,
        "y": 2,
        "dx": 1,
        "dy": 0,
        "button": None,
        "pressed": None,
        "timestamp": None,
    },
    {"event_type": "scroll", "x": 1, "y": 2, "dx": 1},
    {"event_type": "hover", "x": 1, "y": 2, "new": [1.5, {"a": None}]},
    {"event_type": "move", "x": 3 * 10**9, "y": 2, "extra": 1e-5},
    {"x": 1, "y": 2},
]
RAW: list[dict[str, Any]] = [
    {"last_x": 3, "last_y": -4, "button_flags": flags, "button_data": data, **more}
    for flags, (data, more) in itertools.product(
        [0, *(1 << bit for bit in range(12)), 0x402, 0xFFF],
        [(0, {}), (-120, {"us_flags": 0, "timestamp": 3}), (120, {"us_flags": 1, "device_handle": 2**40})],
    )
] + [
    {"last_x": 0, "last_y": 0, "button_flags": 0x400, "button_data": -240},
    {"last_x": 0, "last_y": 0, "button_flags": 0x800, "button_data": 120, "us_flags": 0},
    {"last_x": 0, "last_y": 0, "button_flags": 0x400},
    {"dx": 5, "dy": 6, "button_flags": 0, "button_data": 0},
    {"last_x": 5, "last_y": 6},
    {
        "last_x": 5,
        "last_y": 6,
        "us_flags": None,
        "button_flags": None,
        "button_data": None,
        "device_handle": None,
        "timestamp": None,
    },
    {
        "last_x": 5,
        "last_y": 6,
        "us_flags": 2,
        "button_flags": 1,
        "button_data": 0,
        "device_handle": None,
        "timestamp": None,
    },
    {"last_x": 5, "last_y": 6, "device_handle": None},
    {"last_x": 5, "last_y": 6, "dx": 7},
]
KEYS: list[dict[str, Any]] = [
    {"event_type": "press", "vk": 65},
    {"event_type": "release", "vk": 65, "timestamp": 12},
    {"event_type": "release", "vk": 255, "timestamp": None},
    {"event_type": "hold", "vk": 65},
]
SCREENS: list[dict[str, Any]] = [
    {"path": "made-up.mkv", "pts": 0, "utc_ns": 10**18},
    {"path": "made-up.mkv", "pts": 1, "utc_ns": 10**18 + 5},
    {
        "utc_ns": 7,
        "source_shape": [1920, 1080],
        "shape": None,
        "media_ref": {"uri": "made-up.mkv", "pts_ns": 16},
    },
    {"utc_ns": 7, "source_shape": None, "shape": None, "media_ref": {"uri": "made-up.png", "pts_ns": None}},
    {"utc_ns": None, "media_ref": {"uri": "data:image/png;base64," + "A" * 9000, "pts_ns": None}},
    {"shape": [0.5], "media_ref": {"uri": "fraction.png"}},
    {"media_ref": None},
]
MESSAGES: list[tuple[str, str, Any]] = [
    *(("mouse", "desktop/MouseEvent", content) for content in MOUSE),
    *(("mouse/raw", "desktop/RawMouseEvent", content) for content in RAW),
    *(("keyboard", "owa.env.desktop.msg.KeyboardEvent", content) for content in KEYS),
    ("keyboard/state", "desktop/KeyboardState", {"buttons": []}),
    ("keyboard/state", "desktop/KeyboardState", {"buttons": [16, 65], "timestamp": 4}),
    ("keyboard/state", "desktop/KeyboardState", {"buttons": [16, 65], "timestamp": None}),
    ("mouse/state", "desktop/MouseState", {"x": 1, "y": -1, "buttons": ["left"]}),
    ("mouse/state", "desktop/MouseState", {"x": 1, "y": -1, "buttons": [0.5]}),
    ("window", "desktop/WindowInfo", {"title": "Made up \u2603", "rect": [0, 0, 10, -10], "hWnd": 5}),
    ("window", "desktop/WindowInfo", {"title": "half \ud83d", "rect": [0, 0, 10, 10], "hWnd": 2**70}),
    ("window", "desktop/WindowInfo", {"title": "Made up \u2603", "rect": [0, 0, 10, -10], "hWnd": 5}),
    *(("screen", "desktop/ScreenCaptured", content) for content in SCREENS),
    ("gamepad", "made/UpEvent", {"axes": [0.25, -1e300], "deep": [[[[1]]]]}),
    ("plain", "", {"no": "schema"}),
    ("pose", "binary", b"\x00\xff\x01"),
]


@pytest.mark.parametrize("compression", ["NONE", "LZ4", "ZSTD"])
def test_made_up_messages(compression: str, import_through: Callable[..., Any]) -> None:
    data = written(MESSAGES, compression=compression)
    found = import_through(io.BytesIO(data))
    assert len(found.batch) == len(MESSAGES)
    assert_same(found, data)
    assert found.metadata["mcap_library"] == "made up"
    assert found.losses == []


def test_columns_carry_what_they_can(import_through: Callable[..., Any]) -> None:
    """Only messages with something that columns cannot say may fall back on their text."""
    found = import_through(io.BytesIO(written(MESSAGES)))
    texts = [entry.data for entry in found.payloads.values() if entry.payload_type == "owamcap.json"]
    kept = [json.loads(text) for text in texts]
    assert [message for message in MOUSE if message in kept] == [
        MOUSE[i] for i in (5, 6, 10, 11, 14, 15, 16, 17)
    ]
    assert [message for message in RAW if message in kept] == RAW[-2:]
    assert [message for message in KEYS if message in kept] == KEYS[-1:]
    batch = found.batch
    raw = batch[len(MOUSE) : len(MOUSE) + len(RAW)]
    wheel = raw[(raw.kind == EventKind.SCROLL)]
    assert wheel.dy.tolist() == [-240, 0, 0]
    assert wheel.dx.tolist() == [0, 120, 0]
    down = [(event["kind"], event["code"]) for event in raw[3:33:3]]
    assert down == [(1 + bit % 2, 1 + bit // 2) for bit in range(10)]
    assert [(anchor.t, anchor.pts) for anchor in found.video_anchors] == [
        (10**18, 0),
        (10**18 + 5, 1),
        (7, 16),
    ]


def test_window_titles_are_defined_once(import_through: Callable[..., Any]) -> None:
    messages = [
        ("window", "desktop/WindowInfo", {"title": f"made up {i % 3}", "rect": [], "hWnd": 1})
        for i in range(30)
    ]
    found = import_through(io.BytesIO(written(messages)))
    assert len(found.contexts) == 3
    assert found.batch.code.tolist() == [1, 2, 3] * 10


def test_attachments_and_metadata(
    import_through: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evcodec.sources.owamcap.MAX_DATA_BYTES", 1000)

    def extras(writer: Any) -> None:
        writer.add_attachment(5, 6, "notes.txt", "text/plain", b"made up")
        writer.add_attachment(5, 6, "large.bin", "application/octet-stream", bytes(1001))
        writer.add_metadata("made.up", {"key": "value"})

    found = import_through(io.BytesIO(written(MESSAGES[:3], extras=extras)))
    kept = {entry.payload_type: entry.data for entry in found.payloads.values()}
    names = ("create_time", "log_time", "name", "media_type", "data")
    assert [kept["mcap.attachment"][name] for name in names] == [5, 6, "notes.txt", "text/plain", b"made up"]
    assert kept["mcap.metadata"] == {"name": "made.up", "metadata": {"key": "value"}}
    assert found.losses == ["mcap.attachment of 1001 bytes after 0 messages: larger than 1000 bytes"]


GOOD = ("mouse", "desktop/MouseEvent", {"event_type": "move", "x": 1, "y": 2})


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (("mouse", "desktop/MouseEvent", b"{"), "found no JSON at column 2"),
        (("mouse", "desktop/MouseEvent", b""), "found no JSON at column 1"),
        (("mouse", "desktop/MouseEvent", b"[" * 100_000), "nested too deep"),
        (("mouse", "desktop/MouseEvent", b'{"x": "\xff"}'), "found byte 0xff, allowed: UTF-8"),
        (("mouse", "desktop/MouseEvent", [1]), "found JSON of type array"),
        (("mouse", "desktop/MouseEvent", b'{"x": 1, "x": 2}'), "names a key twice"),
        (
            ("mouse", "desktop/MouseEvent", {"event_type": "move", "x": "1", "y": 2}),
            "x: found JSON of type string",
        ),
        (
            ("mouse", "desktop/MouseEvent", {"event_type": "move", "x": 1.5, "y": 2}),
            "x: found JSON of type number",
        ),
        (
            ("mouse", "desktop/MouseEvent", {"event_type": "move", "x": True, "y": 2}),
            "x: found JSON of type boolean",
        ),
        (("mouse", "desktop/MouseEvent", {"event_type": "move", "x": 1}), "y: found JSON of type null"),
        (
            ("mouse", "desktop/MouseEvent", {"event_type": "move", "x": 2**63, "y": 2}),
            "x: found 9223372036854775808",
        ),
        (("keyboard", "desktop/KeyboardEvent", {"event_type": "press", "vk": -1}), "vk: found -1"),
        (("mouse/raw", "desktop/RawMouseEvent", {"last_x": 1}), "last_y: found JSON of type null"),
        (("window", "desktop/WindowInfo", {"title": 5}), "title: found JSON of type number"),
        (("keyboard/state", "desktop/KeyboardState", {"buttons": 5}), "buttons: found JSON of type number"),
    ],
)
def test_bad_messages_are_corrupt_and_messages_before_them_are_kept(bad: Any, message: str) -> None:
    items: list[Any] = []
    with pytest.raises(CorruptDataError) as caught:
        items.extend(open_owamcap(io.BytesIO(written([GOOD, GOOD, bad, GOOD]))).items)
    assert message in str(caught.value)
    assert f"message 3 of topic {bad[0]!r}" in str(caught.value)
    assert re.match(r"<input>: chunk at byte \d+: ", str(caught.value))
    assert sum(len(item) for item in items if isinstance(item, EventBatch)) == 2


def consumed(data: bytes) -> tuple[int, Exception | None]:
    """Return how many events come out of a file, and the error that ends it."""
    events = 0
    try:
        for item in open_owamcap(io.BytesIO(data)).items:
            if isinstance(item, EventBatch):
                events += len(item)
    except (CorruptDataError, TruncatedDataError, LimitExceededError, UnsupportedVersionError) as error:
        return events, error
    return events, None


def test_every_truncation_is_truncated() -> None:
    data = written(MESSAGES[:12], compression="NONE")
    whole, error = consumed(data)
    assert (whole, error) == (12, None)
    most = 0
    for cut in range(len(data)):
        events, error = consumed(data[:cut])
        assert isinstance(error, TruncatedDataError), cut
        assert events >= most
        most = events
    assert most == 12


def test_damage_is_never_silent() -> None:
    """A flipped bit in a chunk is found by its checksum; anywhere, nothing but the stated errors comes out."""
    data = written(MESSAGES[:12], compression="ZSTD")
    expected, _ = consumed(data)
    changed = 0
    for place in range(0, len(data), 3):
        damaged = data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :]
        events, error = consumed(damaged)
        assert events == expected if error is None else events <= expected
        changed += error is not None
    assert changed > len(data) // 3 // 2


def record(opcode: int, body: bytes) -> bytes:
    return struct.pack("<BQ", opcode, len(body)) + body


def text(value: bytes) -> bytes:
    return struct.pack("<I", len(value)) + value


MAGIC = b"\x89MCAP0\r\n"
HEADER = record(1, text(b"owa") + text(b"made up"))


def chunk(compression: bytes, size: int, data: bytes) -> bytes:
    head = struct.pack("<QQQI", 0, 0, size, zlib.crc32(data))
    return record(6, head + text(compression) + struct.pack("<Q", len(data)) + data)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", TruncatedDataError, "end of the data at byte 0"),
        (b"\x89MCAP1\r\n" + HEADER, CorruptDataError, "magic"),
        (MAGIC + record(4, b"\0" * 20), CorruptDataError, "allowed: Header first"),
        (MAGIC + HEADER + struct.pack("<BQ", 6, 2**62), LimitExceededError, "byte 35: CHUNK record"),
        (MAGIC + HEADER + struct.pack("<BQ", 5, 200 << 20), TruncatedDataError, "end of the data"),
        (MAGIC + HEADER + chunk(b"zstd", 2**40, b"x"), LimitExceededError, "1099511627776 bytes unfolded"),
        (MAGIC + HEADER + chunk(b"zstd", 10, b"not zstd"), CorruptDataError, "no valid MCAP record"),
        (MAGIC + HEADER + chunk(b"lz4", 10, b"not lz4"), CorruptDataError, "no valid MCAP record"),
        (MAGIC + HEADER + chunk(b"", 10, b"x"), CorruptDataError, "unfolds to 1 bytes, allowed: 10"),
        (
            MAGIC + HEADER + chunk(b"", 20, b"\x05" + b"\x50" + bytes(18)),
            CorruptDataError,
            "ends inside a record",
        ),
        (MAGIC + HEADER + chunk(b"brotli", 10, b"x"), UnsupportedVersionError, "compressed by 'brotli'"),
        (
            MAGIC + HEADER + record(5, struct.pack("<HIQQ", 9, 0, 0, 0)),
            CorruptDataError,
            "message of channel 9",
        ),
        (
            MAGIC + HEADER + record(4, struct.pack("<HH", 1, 7) + text(b"t") + text(b"json") + b"\0" * 4),
            CorruptDataError,
            "found schema 7",
        ),
    ],
)
def test_forged_containers(data: bytes, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        list(open_owamcap(io.BytesIO(data)).items)


def test_data_behind_the_end_is_not_left_out_in_silence() -> None:
    data = written([GOOD] * 3)
    events, error = consumed(data + data)
    assert events == 3
    assert isinstance(error, CorruptDataError)
    assert "behind the end" in str(error)


def test_times_beyond_int64_are_corrupt() -> None:
    channel = record(4, struct.pack("<HH", 1, 0) + text(b"t") + text(b"json") + b"\0" * 4)
    message = record(5, struct.pack("<HIQQ", 1, 0, 2**63, 0) + b"{}")
    with pytest.raises(CorruptDataError, match="log_time: found 9223372036854775808"):
        list(open_owamcap(io.BytesIO(MAGIC + HEADER + channel + message)).items)

"""DuckTrack JSON lines, field by field against the json and decimal modules."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evcodec import CorruptDataError, EventBatch, EventKind, LimitExceededError, TruncatedDataError
from evcodec.sources import lines as lines_module
from evcodec.sources import open_ducktrack

BUTTONS = {1: "left", 2: "right", 3: "middle", 4: "x1", 5: "x2"}


def independent(text: str) -> list[dict[str, Any]]:
    """Parse the lines by other means than the importer's: every number as its exact decimal value."""
    rows = [line for line in text.replace("\r\n", "\n").split("\n") if line.strip()]
    return [json.loads(line, parse_float=Decimal, parse_int=Decimal) for line in rows]


def from_bits(bits: int) -> Decimal:
    """Return the decimal that the shortest text of a float64 says."""
    return Decimal(repr(struct.unpack("<d", struct.pack("<q", bits))[0]))


def rebuilt(found: Any) -> list[dict[str, Any]]:
    """Return the messages that a stream holds, as docs/importing.md tells to."""
    exponent = found.sources[1].properties["scale_exponent"]
    unit = Decimal(2) ** exponent
    messages = []
    for event in found.batch:
        if event.get("payload", 0):
            entry = found.payloads[event["payload"]]
            assert entry.payload_type == "ducktrack.line"
            messages.append(json.loads(entry.data, parse_float=Decimal, parse_int=Decimal))
            continue
        kind = EventKind(event["kind"])
        time = Decimal(event["t"] * 10**9 + event.get("t_atto", 0)).scaleb(-18)
        message: dict[str, Any] = {"time_stamp": time}

        def value(name: str, unit: Decimal, event: dict[str, int] = event) -> Decimal:
            bits = event.get(name + "_float64", 0)
            return from_bits(bits) if bits else event.get(name, 0) * unit

        if kind in (EventKind.KEY_DOWN, EventKind.KEY_UP):
            message["action"] = "press" if kind == EventKind.KEY_DOWN else "release"
            assert found.contexts[event["code"]].context_type == "key"
            message["name"] = found.contexts[event["code"]].value
        else:
            message |= {"x": value("x", unit), "y": value("y", unit), "action": "move"}
        if kind in (EventKind.BUTTON_DOWN, EventKind.BUTTON_UP):
            code = event["code"]
            message["action"] = "click"
            message["pressed"] = kind == EventKind.BUTTON_DOWN
            message["button"] = found.contexts[code - 1000].value if code > 1000 else BUTTONS[code]
        elif kind == EventKind.SCROLL:
            notch = Decimal(1) / 120
            message["action"] = "scroll"
            for name in ("dx", "dy"):
                exact = value(name, Decimal(1))
                message[name] = exact if event.get(name + "_float64", 0) else exact * notch
        messages.append(message)
    return messages


def scroll_as_thirds(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Round scroll to what Decimal division by 120 can say, on both sides alike."""
    return [
        {name: round(value, 20) if name in ("dx", "dy") else value for name, value in message.items()}
        for message in messages
    ]


def assert_same(found: Any, text: str) -> None:
    expected = independent(text)
    assert len(found.batch) == len(expected) > 0
    got = scroll_as_thirds(rebuilt(found))
    expected = scroll_as_thirds(expected)
    # Not pytest's own comparison of the lists: it would print what somebody typed.
    wrong = [index for index, pair in enumerate(zip(got, expected, strict=True)) if pair[0] != pair[1]]
    assert wrong == []


def test_real_file(shared_data: Path, import_through: Callable[..., Any]) -> None:
    path = shared_data / "source" / "ducktrack" / "events.jsonl"
    found = import_through(path)
    assert_same(found, path.read_text())
    assert len(found.batch) == 13_401
    assert found.sources[1].properties["scale_exponent"] == -8
    assert found.losses == []
    assert not found.payloads
    assert "x_float64" not in found.batch.columns


def test_made_up_file(fixtures: Path, import_through: Callable[..., Any]) -> None:
    found = import_through(fixtures / "ducktrack.jsonl")
    assert_same(found, (fixtures / "ducktrack.jsonl").read_text())
    batch = found.batch
    assert batch.t.tolist()[:2] == [123456789012345, 123456790012345]
    assert batch.x.tolist()[0] == 1234 * 256 + 145
    assert batch.dy.tolist()[2] == -240


@pytest.mark.parametrize(
    ("coordinates", "exponent", "floats"),
    [
        (["5", "7.0"], 0, 0),
        (["5.5", "0.00390625"], -8, 0),
        (["0.5", "0.0000152587890625"], -16, 0),
        (["0.1", "123.2"], -8, 2),
        (["0.5", "0.1"], -8, 1),
        (["5", "-0.0"], 0, 1),
    ],
)
def test_scale_is_chosen_by_the_values(
    coordinates: list[str], exponent: int, floats: int, import_through: Callable[..., Any]
) -> None:
    text = "".join(
        f'{{"time_stamp": {i}.5, "action": "move", "x": {x}, "y": 3}}\n' for i, x in enumerate(coordinates)
    )
    found = import_through(io.BytesIO(text.encode()))
    assert_same(found, text)
    assert found.sources[1].properties["scale_exponent"] == exponent
    held = found.batch.columns.get("x_float64", [])
    assert sum(bool(value) for value in held) == floats
    assert not found.payloads


def test_a_late_fraction_is_kept_beside_whole_pixels(
    import_through: Callable[..., Any], monkeypatch: Any
) -> None:
    monkeypatch.setattr("evcodec.sources.ducktrack.SCALE_SAMPLE", 1)
    text = "".join(
        f'{{"time_stamp": {i}, "action": "move", "x": {x}, "y": 0}}\n' for i, x in enumerate(["5", "5.25"])
    )
    found = import_through(io.BytesIO(text.encode()))
    assert_same(found, text)
    assert found.batch.x.tolist() == [5, 5]


NUMBER = st.one_of(
    st.integers(-(10**12), 10**12).map(str),
    st.floats(-1e12, 1e12).map(repr),
    st.integers(-(10**6), 10**6).map(lambda value: repr(value / 256)),
    st.decimals(-1000, 1000, places=30).map(str),
)


@given(st.lists(st.tuples(NUMBER, NUMBER, NUMBER), min_size=1, max_size=20))
def test_any_numbers(import_through: Callable[..., Any], rows: list[tuple[str, str, str]]) -> None:
    rows = [(t if abs(float(t)) < 9e9 else "1", x, y) for t, x, y in rows]
    text = "".join(f'{{"time_stamp": {t}, "action": "move", "x": {x}, "y": {y}}}\r\n' for t, x, y in rows)
    assert_same(import_through(io.BytesIO(text.encode())), text)


@pytest.mark.parametrize(
    "line",
    [
        '{"time_stamp": 2.5, "action": "move", "x": 1, "y": 2, "element": {"role": "button", "value": 0.1}}',
        '{"time_stamp": 2.5, "action": "teleport", "x": "far"}',
        '{"time_stamp": 2.5, "action": null}',
        '{"time_stamp": 2.5}',
        '{"time_stamp": 2.1234567890123456789, "action": "press", "name": "q"}',
        '{"time_stamp": 2.5, "action": "press", "name": "\\ud800"}',
        '{"time_stamp": 2.5, "action": "click", "x": 1, "y": 2, "pressed": true, "button": "\\udfff"}',
        '{"time_stamp": 2.5, "action": "move", "x": 0.12345678901234567890123, "y": 2}',
        '{"time_stamp": 2.5, "action": "scroll", "x": 1, "y": 2, "dx": 0, "dy": 1e-330}',
    ],
)
def test_what_columns_cannot_say_is_kept_as_its_line(line: str, import_through: Callable[..., Any]) -> None:
    found = import_through(io.BytesIO(line.encode() + b"\n"), "ducktrack")
    assert [entry.data for entry in found.payloads.values()] == [line]
    assert found.batch["payload"].tolist() == [1]
    assert found.batch.t.tolist()[0] // 10**9 == 2


def test_long_lines_do_not_pile_up(import_through: Callable[..., Any]) -> None:
    """Lines near the limit become payloads that a record of entries holds, and few of them wait at a time."""
    text = "x" * ((8 << 20) - 1000)
    line = f'{{"time_stamp": 2.5, "action": "note", "text": "{text}"}}\n'.encode()
    session = open_ducktrack(io.BytesIO(line * 6))
    waiting = most = 0
    for item in session.items:
        waiting = 0 if isinstance(item, EventBatch) else waiting + 1
        most = max(most, waiting)
    assert most <= 3
    found = import_through(io.BytesIO(line * 2))
    assert [len(entry.data) for entry in found.payloads.values()] == [len(line) - 1] * 2


def test_fractional_scroll(import_through: Callable[..., Any]) -> None:
    text = "".join(
        f'{{"time_stamp": 1, "action": "scroll", "x": 1, "y": 2, "dx": {dx}, "dy": {dy}}}\n'
        for dx, dy in [("0.5", "0.1"), ("0.013", "-2"), ("-0.3", "1e1")]
    )
    found = import_through(io.BytesIO(text.encode()))
    assert_same(found, text)
    assert found.batch.dx.tolist() == [60, 1, -36]
    assert found.batch.dy.tolist() == [12, -240, 1200]


MOVE = '{"time_stamp": 1.5, "action": "move", "x": 1.5, "y": 2}\n'


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("[1, 2]", "found JSON of type array"),
        ("null", "found JSON of type null"),
        ("{", "found no JSON at column 2"),
        ('{"a": 1} {"b": 2}', "found no JSON at column 10"),
        ("[" * 200_000, "nested too deep"),
        ('{"time_stamp": 1, "action": "move", "x": 1, "x": 2, "y": 0}', "names a key twice"),
        ('{"time_stamp": NaN, "action": "move", "x": 1, "y": 0}', "NaN is not a JSON number"),
        ('{"time_stamp": 1, "action": "move", "x": -Infinity, "y": 0}', "-Infinity is not a JSON number"),
        ('{"time_stamp": ' + "9" * 5000 + ', "action": "move"}', "thousands of digits"),
        ('{"time_stamp": 99999999999, "action": "move", "x": 1, "y": 0}', "outside of int64 ns"),
        ('{"time_stamp": 1e400, "action": "move", "x": 1, "y": 0}', "outside of int64 ns"),
        ('{"time_stamp": "1", "action": "move", "x": 1, "y": 0}', "time_stamp: found JSON of type string"),
        ('{"time_stamp": true, "action": "move", "x": 1, "y": 0}', "time_stamp: found JSON of type boolean"),
        ('{"action": "move", "x": 1, "y": 0}', "time_stamp: found no such field"),
        ('{"time_stamp": 1, "action": "move", "x": 1}', "y: found no such field"),
        ('{"time_stamp": 1, "action": "move", "x": null, "y": 1}', "x: found JSON of type null"),
        ('{"time_stamp": 1, "action": "move", "x": 1e30, "y": 1}', "outside of int64"),
        ('{"time_stamp": 1, "action": "move", "x": 1e3000, "y": 1}', "absurd size"),
        (
            '{"time_stamp": 1, "action": "click", "x": 1, "y": 1, "button": 1, "pressed": true}',
            "button: found JSON",
        ),
        (
            '{"time_stamp": 1, "action": "click", "x": 1, "y": 1, "button": "left", "pressed": 1}',
            "pressed: found JSON",
        ),
        ('{"time_stamp": 1, "action": "press", "name": ["secret"]}', "name: found JSON of type array"),
    ],
)
def test_bad_lines_are_corrupt_and_lines_before_them_are_kept(bad: str, message: str) -> None:
    items: list[Any] = []
    with pytest.raises(CorruptDataError) as caught:
        items.extend(open_ducktrack(io.BytesIO((MOVE * 3 + bad + "\n" + MOVE).encode())).items)
    assert str(caught.value).startswith("<input>:4: ")
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)
    assert sum(len(item) for item in items if isinstance(item, EventBatch)) == 3


def test_every_truncation_keeps_whole_lines() -> None:
    text = MOVE * 2
    for cut in range(len(MOVE), len(text)):
        items: list[Any] = []
        session = open_ducktrack(io.BytesIO(text[:cut].encode()))
        try:
            items.extend(session.items)
            error = None
        except TruncatedDataError as found:
            error = found
        count = sum(len(item) for item in items if isinstance(item, EventBatch))
        if cut == len(text) - 1:
            assert (error, count) == (None, 2)
            assert session.losses == [
                "line 2: whether it was cut, for it has no line end; it was taken as complete"
            ]
        else:
            assert (error is not None, count) == (cut > len(MOVE), 1)


def test_bytes_that_are_not_utf8() -> None:
    with pytest.raises(CorruptDataError, match=r"<input>:2: found byte 0xff at column 3, allowed: UTF-8"):
        list(open_ducktrack(io.BytesIO(MOVE.encode() + b'{"\xff": 1}\n')).items)


def test_empty_file() -> None:
    with pytest.raises(TruncatedDataError, match="<input>:1: found an empty file"):
        list(open_ducktrack(io.BytesIO(b"")).items)


def test_endless_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "MAX_LINE_BYTES", 1 << 20)
    data = MOVE.encode() + b'{"a": "' + b"x" * (4 << 20)
    with pytest.raises(LimitExceededError, match="<input>:2: found a line longer than 1048576 bytes"):
        list(open_ducktrack(io.BytesIO(data)).items)

"""evemu text, event by event against a plain split of the lines."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evcodec import CorruptDataError, EventBatch, EventKind, TruncatedDataError
from evcodec.sources import open_evemu

Raw = tuple[int, int, int, int]


def independent(text: str) -> list[Raw]:
    """Parse the event lines by other means than the importer's: time in ns, type, code, value."""
    events = []
    for line in text.splitlines():
        if line.startswith("E:"):
            time, type_, code, value = line[2:].split("#")[0].split()
            seconds, micros = time.split(".")
            assert len(micros) == 6
            events.append(
                (int(seconds) * 10**9 + int(micros) * 1000, int(type_, 16), int(code, 16), int(value))
            )
    return events


def rebuilt(batch: EventBatch) -> list[Raw]:
    """Return the raw events that a stream holds."""
    names = ("t", "ev_type", "ev_code", "ev_value")
    return [tuple(event.get(name, 0) for name in names) for event in batch]  # type: ignore[misc]


def test_real_files(shared_data: Path, import_through: Callable[..., Any]) -> None:
    paths = sorted(path for path in (shared_data / "source" / "evemu").iterdir() if path.is_file())
    assert len(paths) == 10
    total = described = 0
    for path in paths:
        text = path.read_text()
        found = import_through(path)
        assert rebuilt(found.batch) == independent(text)
        total += len(found.batch)
        above = text.split("\nE:")[0].removesuffix("\n") if not text.startswith("E:") else ""
        assert found.metadata.get("evemu_description", "") == above
        described += bool(above)
        comments = sum("#" in line for line in text.splitlines() if line.startswith("E:"))
        assert len(found.losses) == bool(comments)
        assert all(f"of {comments} event lines" in loss for loss in found.losses)
    assert total == 24_427
    assert described == 4


def test_multi_touch_is_there(shared_data: Path, import_through: Callable[..., Any]) -> None:
    batch = import_through(shared_data / "source" / "evemu" / "SynPS2_Synaptics_TouchPad.events").batch
    slots = batch[(batch["ev_type"] == 3) & (batch["ev_code"] == 0x39)]
    assert len(slots) > 10
    assert (slots.kind == EventKind.OTHER).all()
    positions = batch[(batch["ev_type"] == 3) & ((batch["ev_code"] == 0x35) | (batch["ev_code"] == 0x36))]
    assert len(positions) > 1000
    assert (positions.kind == EventKind.MOVE).all()
    assert not positions.x.any()


def test_made_up_file(fixtures: Path, import_through: Callable[..., Any]) -> None:
    text = (fixtures / "evemu.events").read_text()
    found = import_through(fixtures / "evemu.events")
    assert rebuilt(found.batch) == independent(text)
    assert found.metadata["evemu_description"].split("\n")[0] == "# EVEMU 1.3"
    assert found.metadata["evemu_description"].split("\n")[-1].startswith("S:")
    kinds = [EventKind(kind).name for kind in found.batch.kind]
    assert kinds == [
        *("MOVE", "MOVE", "OTHER", "SCROLL", "OTHER", "SCROLL", "BUTTON_DOWN", "BUTTON_UP", "BUTTON_DOWN"),
        *("KEY_DOWN", "KEY_REPEAT", "KEY_UP", "OTHER", "MOVE", "MOVE", "OTHER", "OTHER"),
    ]
    assert found.batch.dx.tolist()[:1] == [8]
    assert found.batch.dy.tolist()[1:2] == [-13]
    assert found.batch.dy.tolist()[3] == -120
    assert found.batch.dx.tolist()[5] == 240
    assert found.batch.code.tolist()[6:12] == [1, 1, 0x14A, 28, 28, 28]
    [comment] = found.payloads.values()
    assert comment.payload_type == "evemu.line"
    assert comment.data == {"before_event": 2, "text": "# a remark in the middle"}


def test_line_ends_are_told_apart_from_content(fixtures: Path, import_through: Callable[..., Any]) -> None:
    data = (fixtures / "evemu.events").read_bytes()
    unix, dos = (import_through(io.BytesIO(text)) for text in (data, data.replace(b"\n", b"\r\n")))
    assert unix.batch.equals(dos.batch)
    assert unix.metadata == dos.metadata


GOOD = "E: 1.000001 0002 0000 1\n"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("E: 1.000001 0002 0000", "unknown form"),
        ("E: 1.000001 0002 0000 1 2", "unknown form"),
        ("E: 1.000001 0002 0000 one", "unknown form"),
        ("E: -1.000001 0002 0000 1", "unknown form"),
        ("E: nan 0002 0000 1", "unknown form"),
        ("E: 1.000001 00zz 0000 1", "unknown form"),
        ("E: 1.000001 12345 0000 1", "type and code: found 0x12345"),
        ("E: 1.000001 0002 ffffff 1", "type and code"),
        ("E: 1.000001 0002 0000 2147483648", "value: found 2147483648"),
        ("E: 1.000001 0002 0000 99999999999999999999999", "unknown form"),
        ("E: 99999999999.0 0002 0000 1", "time: found 99999999999.0"),
        ("E: 1.0000000000000000001 0002 0000 1", "at most 18 decimals"),
        ("[1, 2]", "unknown form"),
        ("Z: what", "unknown form"),
    ],
)
def test_bad_lines_are_corrupt_and_events_before_them_are_kept(bad: str, message: str) -> None:
    items: list[Any] = []
    with pytest.raises(CorruptDataError) as caught:
        items.extend(open_evemu(io.BytesIO((GOOD * 3 + bad + "\n" + GOOD).encode())).items)
    assert str(caught.value).startswith("<input>:4: ")
    assert message in str(caught.value)
    assert sum(len(item) for item in items if isinstance(item, EventBatch)) == 3


def test_file_that_ends_inside_a_line() -> None:
    with pytest.raises(TruncatedDataError, match="<input>:2: the file ends inside this line"):
        list(open_evemu(io.BytesIO((GOOD + GOOD[:15]).encode())).items)
    session = open_evemu(io.BytesIO((GOOD + GOOD.strip()).encode()))
    assert sum(len(item) for item in session.items if isinstance(item, EventBatch)) == 2
    assert session.losses == ["line 2: whether it was cut, for it has no line end; it was taken as complete"]


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", TruncatedDataError, "<input>:1: found an empty file"),
        (b"# EVEMU 1.2\nrubbish\n", CorruptDataError, "<input>:2: found a line of unknown form"),
        (
            b"# EVEMU 1.2\nN: \xff\n",
            CorruptDataError,
            "<input>:2: found byte 0xff at column 4, allowed: UTF-8",
        ),
    ],
)
def test_bad_descriptions_are_found_on_opening(data: bytes, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        open_evemu(io.BytesIO(data))


def test_description_without_events(import_through: Callable[..., Any]) -> None:
    found = import_through(io.BytesIO(b"# EVEMU 1.2\nN: pad\n"))
    assert len(found.batch) == 0
    assert found.metadata["evemu_description"] == "# EVEMU 1.2\nN: pad"


def test_endless_description_does_not_outgrow_the_header(
    import_through: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evcodec.sources.evemu.MAX_DESCRIPTION_BYTES", 1000)
    lines = [f"# remark {i}" for i in range(300)]
    found = import_through(io.BytesIO(("# EVEMU 1.2\n" + "\n".join(lines) + "\n" + GOOD).encode()))
    above = found.metadata["evemu_description"].split("\n")
    below = [entry.data["text"] for entry in found.payloads.values()]
    assert above + below == ["# EVEMU 1.2", *lines]
    assert 50 < len(above) < 100

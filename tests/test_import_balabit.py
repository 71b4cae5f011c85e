"""Balabit CSV, row by row against the csv and decimal modules."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from evcodec import CorruptDataError, EventBatch, EventKind, TruncatedDataError
from evcodec.sources import balabit, open_balabit

HEADER = "record timestamp,client timestamp,button,state,x,y\n"
Row = tuple[Decimal, Decimal, str, str, int, int]


def independent(text: str) -> list[Row]:
    """Parse the file by other means than the importer's; times in attoseconds."""
    rows = list(csv.DictReader(io.StringIO(text)))
    return [
        (
            Decimal(row["record timestamp"]).scaleb(18),
            Decimal(row["client timestamp"]).scaleb(18),
            row["button"],
            row["state"],
            int(row["x"]),
            int(row["y"]),
        )
        for row in rows
    ]


def labels(event: dict[str, int], contexts: dict[int, Any]) -> tuple[str, str]:
    """Return the button and state of an event, as docs/importing.md tells to."""
    kind, code = event["kind"], event.get("code", 0)
    if kind == EventKind.OTHER:
        entry = contexts[code - 1000]
        assert entry.context_type == "button_state"
        button, state = entry.value
        return button, state
    if kind == EventKind.SCROLL:
        return "Scroll", {120: "Up", -120: "Down"}[event["dy"]]
    if code > 1000:
        assert contexts[code - 1000].context_type == "button"
        button = contexts[code - 1000].value
    else:
        button = ("NoButton", "Left", "Right", "Middle")[code]
    if kind == EventKind.MOVE:
        return button, "Drag" if event.get("drag", 0) else "Move"
    return button, {EventKind.BUTTON_DOWN: "Pressed", EventKind.BUTTON_UP: "Released"}[EventKind(kind)]


def rebuilt(batch: EventBatch, contexts: dict[int, Any]) -> list[Row]:
    """Return the rows that a stream holds."""
    return [
        (
            Decimal(event["t"] * 10**9 + event.get("t_atto", 0)),
            Decimal(event.get("os_time", 0) * 10**9 + event.get("os_time_atto", 0)),
            *labels(event, contexts),
            event["x"],
            event["y"],
        )
        for event in batch
    ]


def test_real_files(shared_data: Path, import_through: Callable[..., Any]) -> None:
    paths = sorted((shared_data / "source" / "balabit").glob("*.csv"))
    assert len(paths) == 11
    for path in paths:
        found = import_through(path)
        expected = independent(path.read_text())
        assert len(expected) > 10_000
        assert rebuilt(found.batch, found.contexts) == expected
        assert found.losses == []
        assert found.metadata["source_name"] == path.name


def test_made_up_file(fixtures: Path, import_through: Callable[..., Any]) -> None:
    found = import_through(fixtures / "balabit.csv")
    expected = independent((fixtures / "balabit.csv").read_text())
    assert rebuilt(found.batch, found.contexts) == expected
    assert len(expected) == 14
    kinds = found.batch.kind.tolist()
    assert kinds[:4] == [EventKind.MOVE, EventKind.BUTTON_DOWN, EventKind.MOVE, EventKind.BUTTON_UP]
    assert found.batch["drag"].tolist()[:4] == [0, 0, 1, 0]
    assert found.batch.t.tolist()[:2] == [0, 128000020]
    assert found.batch["t_atto"].tolist()[:2] == [0, 981_000_000]
    assert found.batch.os_time.tolist()[1] == 140000000
    assert 65535 in found.batch.x.tolist()


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("tail", ["", "END", "ENDEND"])
@pytest.mark.parametrize("block", [64, 100, 1 << 20])
def test_line_ends_and_blocks(
    end: str, tail: str, block: int, import_through: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        f"{i}.{i:03d},{i},{'Left' if i % 3 else 'NoButton'},{'Drag' if i % 3 else 'Move'},{i},-{i}"
        for i in range(50)
    ]
    text = HEADER + "\n".join(rows) + tail.replace("END", "\n")
    monkeypatch.setattr("evcodec.sources.lines.read_line_blocks.__defaults__", (block,))
    found = import_through(io.BytesIO(text.replace("\n", end).encode()))
    assert rebuilt(found.batch, found.contexts) == independent(text)
    assert len(found.losses) == (tail == "")


def test_many_rows_come_in_batches_of_bounded_size() -> None:
    text = HEADER + "0,0,NoButton,Move,1,1\n" * 90_000
    batches = [item for item in open_balabit(io.BytesIO(text.encode())).items if isinstance(item, EventBatch)]
    assert sum(map(len, batches)) == 90_000
    assert max(map(len, batches)) <= 65_536


GOOD = "1.5,1.25,Left,Pressed,10,20\n"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("1.5,1.25,Left,Pressed,10\n", "found 5 fields"),
        ("1.5,1.25,Left,Pressed,10,20,30\n", "found 7 fields"),
        ("\n", "found 0 fields"),
        (HEADER, "record timestamp: found 'record timestamp'"),
        ("abc,1.25,Left,Pressed,10,20\n", "record timestamp: found 'abc'"),
        ("nan,1.25,Left,Pressed,10,20\n", "record timestamp: found 'nan'"),
        ("1.5,inf,Left,Pressed,10,20\n", "client timestamp: found 'inf'"),
        ("1.5,1e12,Left,Pressed,10,20\n", "client timestamp: found '1e12'"),
        ("1.5,1.1234567890123456789,Left,Pressed,10,20\n", "at most 18 decimals"),
        ("1.5,1.25,Left,Pressed,1.5,20\n", "x: found '1.5'"),
        ("1.5,1.25,Left,Pressed,10,\n", "y: found ''"),
        ("1.5,1.25,Left,Pressed,10,99999999999999999999\n", "y: found '99999999999999999999'"),
        ("1.5,1.25,,Pressed,10,20\n", "empty button or state"),
        ("1.5,1.25," + "L" * 80 + ",Pressed,10,20\n", "more than 64 bytes"),
    ],
)
def test_bad_rows_are_corrupt_and_rows_before_them_are_kept(bad: str, message: str) -> None:
    session = open_balabit(io.BytesIO((HEADER + GOOD * 3 + bad + GOOD).encode()))
    items: list[Any] = []
    with pytest.raises(CorruptDataError) as caught:
        items.extend(session.items)
    assert "<input>:5: " in str(caught.value)
    assert message in str(caught.value)
    assert sum(len(item) for item in items if isinstance(item, EventBatch)) == 3


@pytest.mark.parametrize("block", [16, 64, 1 << 20])
def test_empty_lines_are_harmless_only_at_the_end(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evcodec.sources.lines.read_line_blocks.__defaults__", (block,))
    data = (HEADER + GOOD * 2 + "\n" * 200).encode()
    assert (
        sum(len(item) for item in open_balabit(io.BytesIO(data)).items if isinstance(item, EventBatch)) == 2
    )
    with pytest.raises(CorruptDataError, match="<input>:4: found "):
        list(open_balabit(io.BytesIO(data + GOOD.encode())).items)


def test_bytes_that_are_not_utf8() -> None:
    data = (HEADER + GOOD).encode() + b"1.5,1.25,L\xff,Pressed,10,20\n"
    with pytest.raises(CorruptDataError, match=r"<input>:3: .*UTF-8"):
        list(open_balabit(io.BytesIO(data)).items)


def test_nul_bytes_do_not_make_labels_equal() -> None:
    data = (HEADER + "1,1,Left,Pressed,1,1\n1,1,Left,Pressed\0,1,1\n").encode()
    batch = next(item for item in open_balabit(io.BytesIO(data)).items if isinstance(item, EventBatch))
    assert batch.kind.tolist() == [EventKind.BUTTON_DOWN, EventKind.OTHER]


@pytest.mark.parametrize("cut", ["1.5,1.25,Left,Pre", "1.5", "1.5,1.25,Left,Pressed,10,"])
def test_file_that_ends_inside_a_row_is_truncated(cut: str) -> None:
    items: list[Any] = []
    with pytest.raises(TruncatedDataError, match="<input>:4: the file ends inside this line"):
        items.extend(open_balabit(io.BytesIO((HEADER + GOOD * 2 + cut).encode())).items)
    assert sum(len(item) for item in items if isinstance(item, EventBatch)) == 2


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", TruncatedDataError),
        (b"record timestamp,cli", TruncatedDataError),
        (b"something else\n1,2\n", CorruptDataError),
        (b"something else", CorruptDataError),
    ],
)
def test_files_without_the_header(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error, match="<input>:1: "):
        list(open_balabit(io.BytesIO(data)).items)


def test_header_alone_is_a_session_without_events(import_through: Callable[..., Any]) -> None:
    assert len(import_through(io.BytesIO(HEADER.encode())).batch) == 0
    assert len(import_through(io.BytesIO(HEADER.strip().encode())).batch) == 0


def test_too_many_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(balabit, "MAX_LABELS", 3)
    rows = "".join(f"1,1,B{i},Pressed,1,1\n" for i in range(5))
    with pytest.raises(CorruptDataError, match="<input>:5: found more than 3 different"):
        list(open_balabit(io.BytesIO((HEADER + rows).encode())).items)

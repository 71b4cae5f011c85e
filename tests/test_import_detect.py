"""Finding out the format of a recording, and opening it from anything that can be read."""

from __future__ import annotations

import gc
import io
import os
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evcodec import (
    CorruptDataError,
    EventBatch,
    InvalidArgumentError,
    MissingExtraError,
    Reader,
    TruncatedDataError,
    Writer,
)
from evcodec.sources import FORMATS, HEAD_BYTES, detect, import_file, open_session

MADE_UP = {"balabit.csv": "balabit", "ducktrack.jsonl": "ducktrack", "evemu.events": "evemu"}


def test_real_files(shared_data: Path) -> None:
    seen = set()
    for folder in sorted((shared_data / "source").iterdir()):
        for path in sorted(folder.iterdir()):
            with path.open("rb") as file:
                assert detect(file.read(HEAD_BYTES)) == folder.name
            seen.add(folder.name)
    assert seen == set(FORMATS)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\x89MCAP0\r\n\x01", "owamcap"),
        (b"\x89MCAP1\r\n\x01", None),
        (b"record timestamp,client timestamp,button,state,x,y\r\n0,0", "balabit"),
        (b"\xef\xbb\xbfrecord timestamp,client timestamp,button,state,x,y\n", "balabit"),
        (b"record timestamp,client timestamp\n", None),
        (b"# EVEMU 1.2\n# Input device name", "evemu"),
        (b"# a remark\n\nE: 1332938253.689858 0002 0008 19\n", "evemu"),
        (b"N: Made-up Mouse\nI: 0003 046d 404d 0111\n", "evemu"),
        (b'{"time_stamp": 1.5, "action": "move", "x": 1', "ducktrack"),
        (b'\n{"action":"move","time_stamp":1}\n', "ducktrack"),
        (b'{"t": 1, "kind": "move"}\n{"time_stamp": 1, "action": 2}\n', None),
        (b'["time_stamp", "action"]', None),
        (b"", None),
        (b"\n\n# only remarks\n", None),
        (b"PK\x03\x04", None),
        (b"\xecEVC", None),
        (bytes(range(256)), None),
    ],
)
def test_detect(head: bytes, expected: str | None) -> None:
    assert detect(head) == expected


@pytest.mark.parametrize("name", MADE_UP)
def test_paths_files_and_pipes_give_the_same(
    name: str, fixtures: Path, import_through: Callable[..., Any]
) -> None:
    path = fixtures / name
    data = path.read_bytes()
    by_path = import_through(path)
    assert import_through(str(path)).batch.equals(by_path.batch)
    assert import_through(io.BytesIO(data)).batch.equals(by_path.batch)
    assert by_path.metadata["source_format"] == MADE_UP[name]
    read_end, write_end = os.pipe()

    def feed() -> None:
        with os.fdopen(write_end, "wb", buffering=0) as pipe:
            for start in range(0, len(data), 7):
                pipe.write(data[start : start + 7])

    feeder = threading.Thread(target=feed)
    feeder.start()
    with os.fdopen(read_end, "rb", buffering=0) as pipe:
        by_pipe = import_through(pipe)
    feeder.join()
    assert by_pipe.batch.equals(by_path.batch)


def test_byte_order_mark(fixtures: Path, import_through: Callable[..., Any]) -> None:
    for name in MADE_UP:
        data = (fixtures / name).read_bytes()
        marked = import_through(io.BytesIO(b"\xef\xbb\xbf" + data))
        assert marked.batch.equals(import_through(io.BytesIO(data)).batch)


def test_bad_arguments(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="format: found 'csv', allowed: balabit"):
        open_session(io.BytesIO(b""), "csv")
    with pytest.raises(InvalidArgumentError, match="source: found int"):
        open_session(5)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="read gave str"):
        open_session(io.StringIO("text"))  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        open_session(tmp_path / "absent.csv")
    with pytest.raises(TruncatedDataError, match="found an empty file"):
        open_session(io.BytesIO(b""))
    with pytest.raises(CorruptDataError, match="found content of no known format, allowed: balabit"):
        open_session(io.BytesIO(b"some letter"))


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_of_a_format_is_taken_for_another(name: str) -> None:
    if name == "owamcap":
        pytest.importorskip("mcap")
    with pytest.raises((CorruptDataError, TruncatedDataError)):
        list(open_session(io.BytesIO(b"\x00\xff some bytes\n"), name).items)


def test_owamcap_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcap.stream_reader", None)  # an import of it fails now
    monkeypatch.setitem(sys.modules, "mcap.exceptions", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'evcodec\[mcap\]'"):
        open_session(io.BytesIO(b"\x89MCAP0\r\n" + bytes(100)))


@pytest.mark.parametrize("name", MADE_UP)
def test_files_are_closed(name: str, fixtures: Path) -> None:
    """However far the items were read, and whether or not anybody closed the session."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(open_session(fixtures / name).items)
        session = open_session(fixtures / name)
        session.close()
        session.close()
        with open_session(fixtures / name) as session:
            next(session.items)
        del session
        gc.collect()


def test_import_file_to_a_path_and_into_a_writer(fixtures: Path, tmp_path: Path) -> None:
    session = import_file(
        fixtures / "balabit.csv", tmp_path / "a.evc", metadata={"who": "nobody"}, level="small"
    )
    assert session.losses == []
    with Reader(tmp_path / "a.evc") as reader:
        assert reader.metadata == {"source_format": "balabit", "source_name": "balabit.csv", "who": "nobody"}
        assert len(reader) == 14
        whole = reader.read()
    with Writer(tmp_path / "b.evc", metadata={"mine": 1}) as writer:
        import_file(fixtures / "balabit.csv", writer)
        with pytest.raises(InvalidArgumentError, match="options: found level"):
            import_file(fixtures / "balabit.csv", writer, level="fast")
    with Reader(tmp_path / "b.evc") as reader:
        assert reader.metadata == {"mine": 1}
        assert reader.read().equals(whole)


def test_what_came_before_an_error_is_in_the_stream(tmp_path: Path) -> None:
    data = b'{"time_stamp": 1, "action": "move", "x": 1, "y": 1}\n' * 100 + b"oops\n"
    with pytest.raises(CorruptDataError, match="<input>:101: "):
        import_file(io.BytesIO(data), tmp_path / "a.evc")
    with Reader(tmp_path / "a.evc") as reader:
        assert len(reader) == 100


def test_memory_stays_bounded() -> None:
    """A recording is never held whole: items come out before the input is read to its end."""
    line = b'{"time_stamp": 1, "action": "move", "x": 1, "y": 1}\n'

    class Endless(io.RawIOBase):
        given = 0

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            self.given += 1
            assert self.given < 100, "read on and on without giving an event"
            return line * (65_536 // len(line))

    session = open_session(Endless())  # type: ignore[arg-type]
    assert sum(isinstance(next(session.items), EventBatch) for _ in range(4)) >= 3

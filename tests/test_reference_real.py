"""The real decoder, on every stream that was put together by hand."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import evcodec
import evcodec.stream
from agreement import as_written, known_fields, read_everything
from evcodec.errors import (
    CorruptDataError,
    EvcodecError,
    LimitExceededError,
    TruncatedDataError,
    UnsupportedVersionError,
)
from reference import decode_stream
from vectors import VECTORS, Vector

KINDS: dict[str, type[EvcodecError]] = {
    "corrupt": CorruptDataError,
    "truncated": TruncatedDataError,
    "unsupported": UnsupportedVersionError,
    "limit": LimitExceededError,
}
GOOD = [pytest.param(v, id=v.name) for v in VECTORS if not v.error]
BAD = [pytest.param(v, id=v.name) for v in VECTORS if v.error and not v.only_verify]
UNSOUND = [pytest.param(v, id=v.name) for v in VECTORS if v.only_verify]


class Pipe(io.RawIOBase):
    """Bytes that come a few at a time and only once."""

    def __init__(self, data: bytes, step: int) -> None:
        super().__init__()
        self._source = io.BytesIO(data)
        self._step = step

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Give at most a step of bytes."""
        data = self._source.read(min(self._step, len(buffer)))
        buffer[: len(data)] = data
        return len(data)


def _pipe(data: bytes) -> Any:
    return Pipe(data, max(7, len(data) // 100))


SOURCES = [
    pytest.param(lambda data: data, id="bytes"),
    pytest.param(io.BytesIO, id="file"),
    pytest.param(_pipe, id="pipe"),
]


def _compare(vector: Vector, batch: evcodec.EventBatch, found: list[Any], *, dtypes: bool = True) -> None:
    """Hold values, number of events, dtypes, and entries against those that were put in."""
    assert len(batch) == vector.count
    for name, values in vector.events.items():
        assert batch[name].tolist() == values, name
    for name in batch.columns.keys() - vector.events.keys():
        assert not batch[name].any(), name
    for name, dtype in vector.dtypes.items():
        assert not dtypes or batch.columns[name].dtype == dtype, name
    assert [as_written(entry) for entry in found] == [known_fields(entry) for entry in vector.entries]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Write every fourth stream anew, and all of them in the long form: each is several files."""
    if metafunc.function in (test_repair_keeps_what_is_sound, test_compact_keeps_everything):
        metafunc.parametrize("vector", GOOD if metafunc.config.getoption("--soak") else GOOD[::4])


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("vector", GOOD)
def test_real_decodes(vector: Vector, source: Callable[[bytes], Any]) -> None:
    """Values, number of events, dtypes and entries are those that were put in."""
    _compare(vector, *read_everything(source(vector.data)))


@pytest.mark.parametrize("vector", [v for v in GOOD if v.values[0].events])
def test_real_decodes_each_column_alone(vector: Vector) -> None:
    """What a column needs of others, the kinds of its rows, is read though nobody asked for it."""
    with evcodec.Reader(vector.data) as reader:
        for name, values in vector.events.items():
            assert reader.read(columns=[name])[name].tolist() == values, name


@pytest.mark.parametrize("vector", GOOD)
def test_real_finds_nothing_wrong(vector: Vector) -> None:
    """A check of the whole stream has nothing to say."""
    report = evcodec.stream.verify(vector.data)
    assert report.problems == []
    assert report.ok
    assert report.events == vector.count


def test_repair_keeps_what_is_sound(vector: Vector, tmp_path: Path) -> None:
    """A repaired stream holds the same, as the reference and as the real decoder read it."""
    target = tmp_path / "repaired.evc"
    assert evcodec.stream.repair(vector.data, target).ok
    _compare(vector, *read_everything(target))
    _compare_reference(vector, target.read_bytes())


def test_compact_keeps_everything(vector: Vector, tmp_path: Path) -> None:
    """A compacted stream holds the same, as the reference and as the real decoder read it."""
    target = tmp_path / "compact.evc"
    evcodec.stream.compact(vector.data, target)
    _compare(vector, *read_everything(target), dtypes=False)
    _compare_reference(vector, target.read_bytes())
    assert evcodec.stream.verify(target).problems == []


def _compare_reference(vector: Vector, data: bytes) -> None:
    decoded = decode_stream(data)
    assert decoded.count == vector.count
    events = {name: [0] * vector.count for name in decoded.events} | vector.events
    assert decoded.events == {name: events[name] for name in decoded.events}
    assert {name for name, values in vector.events.items() if any(values)} <= decoded.events.keys()
    # entries of later versions too
    whole = decode_stream(vector.data).entries
    assert [known_fields(entry) for entry in decoded.entries] == [known_fields(entry) for entry in whole]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("vector", BAD)
def test_real_refuses(vector: Vector, source: Callable[[bytes], Any]) -> None:
    """The kind of error is the one that the document asks for."""
    with pytest.raises(EvcodecError) as caught:
        read_everything(source(vector.data))
    assert caught.type is KINDS[vector.error], caught.value


@pytest.mark.parametrize("vector", [*BAD, *UNSOUND])
def test_real_finds_what_is_wrong(vector: Vector) -> None:
    """A check of the whole stream refuses what the document refuses, and says where."""
    report = evcodec.stream.verify(vector.data)
    assert not report.ok
    assert report.problems


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("vector", UNSOUND)
def test_real_never_gives_wrong_values(vector: Vector, source: Callable[[bytes], Any]) -> None:
    """What is only wrong about a stream as a whole may be refused when it is read, but changes no value."""
    refused = contextlib.nullcontext() if vector.readable else contextlib.suppress(KINDS[vector.error])
    with refused:
        batch, found = read_everything(source(vector.data))
        _compare(vector, batch, found)

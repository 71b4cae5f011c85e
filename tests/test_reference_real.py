"""The real decoder, on every stream that was put together by hand."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable
from typing import Any

import pytest

import evcodec
from evcodec.errors import (
    CorruptDataError,
    EvcodecError,
    LimitExceededError,
    TruncatedDataError,
    UnsupportedVersionError,
)
from vectors import VECTORS, Vector

KINDS: dict[str, type[EvcodecError]] = {
    "corrupt": CorruptDataError,
    "truncated": TruncatedDataError,
    "unsupported": UnsupportedVersionError,
    "limit": LimitExceededError,
}
GOOD = [pytest.param(v, id=v.name) for v in VECTORS if not v.error]
BAD = [pytest.param(v, id=v.name) for v in VECTORS if v.error]


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


def _columns(source: Any) -> tuple[dict[str, Any], int]:
    with evcodec.Reader(source) as reader:
        batch = reader.read()
    return dict(batch.columns), len(batch)


def _entries(source: Any) -> list[Any]:
    with evcodec.Reader(source) as reader:
        # a pipe knows its entries only when all of it has been read
        reader.read()
        return list(reader.entries())


def _read_everything(source: Callable[[bytes], Any], data: bytes) -> None:
    _columns(source(data))
    _entries(source(data))


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("vector", GOOD)
def test_real_decodes(vector: Vector, source: Callable[[bytes], Any]) -> None:
    """Values, number of events and dtypes are those that were put in."""
    columns, count = _columns(source(vector.data))
    assert count == vector.count
    for name, values in vector.events.items():
        assert columns[name].tolist() == values, name
    for name in columns.keys() - vector.events.keys():
        assert not columns[name].any(), name
    for name, dtype in vector.dtypes.items():
        if name not in ("t", "kind"):
            assert columns[name].dtype == dtype, name


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("vector", [pytest.param(v, id=v.name) for v in VECTORS if v.entries])
def test_real_gives_entries(vector: Vector, source: Callable[[bytes], Any]) -> None:
    """Entries come in their order, at their positions, with their fields."""
    found = _entries(source(vector.data))
    assert len(found) == len(vector.entries)
    for entry, (_, position, fields) in zip(found, vector.entries, strict=True):
        seen = {f.name: getattr(entry, f.name) for f in dataclasses.fields(entry)}
        assert seen.pop("position") == position
        for name, value in fields.items():
            if name != "later":
                assert value in [list(v) if isinstance(v, tuple) else v for v in seen.values()], name


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("vector", BAD)
def test_real_refuses(vector: Vector, source: Callable[[bytes], Any]) -> None:
    """The kind of error is the one that the document asks for."""
    with pytest.raises(EvcodecError) as caught:
        _read_everything(source, vector.data)
    assert caught.type is KINDS[vector.error], caught.value

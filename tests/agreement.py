"""Holds the real reader against the reference decoder, column by column and entry by entry."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

import evcodec
import evcodec.stream
from reference import Decoded, decode_stream

Entry = tuple[int, int, dict[str, Any]]

# what the dataclasses call otherwise than the document
FIELD_NAMES = {"context_type": "type", "payload_type": "type"}


def as_written(entry: Any) -> Entry:
    """Give an entry of the real reader as the document writes it; what is absent or nil is left out."""
    fields = {FIELD_NAMES.get(f.name, f.name): getattr(entry, f.name) for f in dataclasses.fields(entry)}
    position = fields.pop("position")
    return (
        entry.type,
        position,
        {name: list(v) if isinstance(v, tuple) else v for name, v in fields.items() if v is not None},
    )


def known_fields(entry: Entry) -> Entry:
    """Leave out what is nil, and the field that the vectors call ``later``, which nobody knows."""
    kind, position, fields = entry
    return kind, position, {k: v for k, v in fields.items() if k != "later" and v is not None}


def read_everything(source: Any) -> tuple[evcodec.EventBatch, list[Any]]:
    """Give all events and entries, but for what is encrypted."""
    with evcodec.Reader(source, without_key="skip", past_retention="allow") as reader:
        # a pipe knows its entries only when all of it has been read
        return reader.read(), list(reader.entries())


def agree(data: bytes, expected: evcodec.EventBatch | None = None) -> Decoded:
    """Hold the reader, and what was put in, against the reference; give what the reference found."""
    decoded = decode_stream(data)
    batch, entries = read_everything(data)
    assert len(batch) == decoded.count
    assert batch.columns.keys() == decoded.events.keys()
    for name, values in decoded.events.items():
        assert batch[name].tolist() == values, name
        stored = {dtypes[name] for dtypes in decoded.dtypes if name in dtypes}
        if len(stored) == 1:
            assert batch[name].dtype == stored.pop(), name
    assert [as_written(entry) for entry in entries] == [known_fields(entry) for entry in decoded.entries]
    if expected is not None:
        assert len(expected) == decoded.count
        for name, column in expected.columns.items():
            assert decoded.events.get(name, [0] * decoded.count) == column.tolist(), name
        for name in decoded.events.keys() - expected.columns.keys():
            assert not any(decoded.events[name]), name
    _agree_on_heads(data, decoded)
    report = evcodec.stream.verify(data)
    assert report.problems == []
    assert report.events == decoded.count
    return decoded


def _agree_on_heads(data: bytes, decoded: Decoded) -> None:
    blocks = [block for stream in decoded.streams for block in stream.blocks]
    with evcodec.Reader(data, without_key="skip", past_retention="allow") as reader:
        assert len(reader) == decoded.count
        assert reader.metadata == decoded.streams[0].header.get("metadata", {})
        assert reader.governance == decoded.streams[0].header.get("governance", {})
        stated = [(info.events, info.t_min, info.t_max) for info in reader.blocks]
        assert stated == [(block.events, block.t_min, block.t_max) for block in blocks]
        kinds: dict[int, int] = {}
        for block in blocks:
            for kind, count in block.kinds:
                kinds[kind] = kinds.get(kind, 0) + count
        assert reader.kinds == kinds
        filled = [block for block in blocks if block.events]
        if filled:
            assert reader.start == min(block.t_min for block in filled)
            assert reader.stop == max(block.t_max for block in filled)
        for kind in kinds:
            rows = np.array(decoded.events.get("kind", [0] * decoded.count), np.uint8) == kind
            chosen = reader.read(kinds=(kind,))
            for name, values in decoded.events.items():
                assert chosen[name].tolist() == [v for v, row in zip(values, rows, strict=True) if row], name

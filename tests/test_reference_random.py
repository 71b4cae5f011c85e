"""Both decoders on streams that chance put together: whatever may be described, whatever is encoded, whatever is damaged."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

import evcodec
from agreement import agree
from assemble import record
from descriptions import Description, descriptions
from evcodec.errors import (
    CorruptDataError,
    EvcodecError,
    LimitExceededError,
    TruncatedDataError,
    UnsupportedVersionError,
)
from generators import batches
from reference import (
    Decoded,
    ReferenceCorrupt,
    ReferenceFault,
    ReferenceLimit,
    ReferenceTruncated,
    ReferenceUnsupported,
    decode_stream,
)

# there are more ways to describe a stream than a profile has examples
MANY = settings(max_examples=5 * settings.default.max_examples, suppress_health_check=[HealthCheck.too_slow])
KINDS: dict[type[ReferenceFault], type[EvcodecError]] = {
    ReferenceCorrupt: CorruptDataError,
    ReferenceTruncated: TruncatedDataError,
    ReferenceUnsupported: UnsupportedVersionError,
    ReferenceLimit: LimitExceededError,
}


@MANY
@given(descriptions())
def test_described_streams(description: Description) -> None:
    """Any transform with any layout and any parameters."""
    decoded = agree(description.data)
    _note(decoded)
    for name in description.names:
        # a column alone, whose values may need a column that nobody asked for
        with evcodec.Reader(description.data, without_key="skip") as reader:
            assert reader.read(columns=[name])[name].tolist() == decoded.events[name]


@pytest.mark.parametrize("level", ["fast", "balanced", "small"])
@given(batch=batches())
def test_encoded_batches(level: str, batch: evcodec.EventBatch) -> None:
    """Any batch at each level."""
    _note(agree(evcodec.encode(batch, level=level), batch))


@MANY
@given(descriptions(), st.data())
def test_changed_descriptions(description: Description, data: st.DataObject) -> None:
    """A block that is changed in some bytes, under checksums that are right, is read alike or refused by both."""
    header, payload = description.data[:23], bytearray(description.data[39:-4])
    assert header + record(2, bytes(payload), 1) == description.data
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(payload) - 1) | st.integers(0, min(60, len(payload) - 1)))
        match data.draw(st.integers(0, 3)):
            case 0:
                payload[at] ^= 1 << data.draw(st.integers(0, 7))
            case 1:
                payload[at] = data.draw(st.integers(0, 255))
            case 2:
                del payload[at : at + data.draw(st.integers(1, 3))]
            case 3:
                payload[at:at] = data.draw(st.binary(min_size=1, max_size=3))
        if not payload:
            break
    changed = header + record(2, bytes(payload), 1)
    expected: Any = None
    try:
        decoded = decode_stream(changed)
        expected = {name: decoded.events[name] for name in decoded.events}
    except ReferenceFault as fault:
        event(type(fault).__name__)
        with pytest.raises(EvcodecError):
            evcodec.decode(changed, without_key="skip")
        return
    event("read")
    assert {
        name: values.tolist() for name, values in evcodec.decode(changed, without_key="skip").columns.items()
    } == expected


def _note(decoded: Decoded) -> None:
    """Say what occurred, for ``--hypothesis-show-statistics``."""
    for stream in decoded.streams:
        for block in stream.blocks:
            for table in block.tables.values():
                for column in table.columns:
                    event("held" if column.held is not None else "not held")
                    for s in column.sequences():
                        event(f"transform {s.transform}, layout {s.layout}")

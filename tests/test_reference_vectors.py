"""The reference decoder, and then the real one, on every stream that was put together by hand."""

from __future__ import annotations

import pytest

from reference import (
    ReferenceCorrupt,
    ReferenceFault,
    ReferenceLimit,
    ReferenceTruncated,
    ReferenceUnsupported,
    decode_stream,
)
from vectors import VECTORS, Vector

KINDS: dict[str, type[ReferenceFault]] = {
    "corrupt": ReferenceCorrupt,
    "truncated": ReferenceTruncated,
    "unsupported": ReferenceUnsupported,
    "limit": ReferenceLimit,
}
GOOD = [pytest.param(v, id=v.name) for v in VECTORS if not v.error]
BAD = [pytest.param(v, id=v.name) for v in VECTORS if v.error]


def test_names_are_unique() -> None:
    """A vector that replaces another would go unnoticed."""
    assert len({v.name for v in VECTORS}) == len(VECTORS)


@pytest.mark.parametrize("vector", GOOD)
def test_reference_decodes(vector: Vector) -> None:
    """The values are those that were put in."""
    decoded = decode_stream(vector.data)
    assert decoded.count == vector.count
    assert decoded.events == vector.events
    known = [entry for entry in decoded.entries if 1 <= entry[0] <= 7]
    assert known == vector.entries
    if vector.dtypes:
        assert decoded.dtypes == [vector.dtypes]


@pytest.mark.parametrize("vector", BAD)
def test_reference_refuses(vector: Vector) -> None:
    """The kind of error is the one that the document asks for, and its message has all three parts."""
    with pytest.raises(ReferenceFault) as caught:
        decode_stream(vector.data)
    assert caught.type is KINDS[vector.error]
    message = str(caught.value)
    assert ": found " in message
    assert ", allowed " in message

"""The stream that docs/format.md spells out byte by byte is what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import evcodec
from evcodec.stream import verify
from reference import decode_stream

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "format.md"
EVENTS = {
    "t": [1_000_000, 9_000_000, 17_000_000, 25_000_000],
    "kind": [0, 0, 0, 1],
    "x": [5, 6, 8, 8],
    "code": [0, 0, 0, 1],
}

if not DOCUMENT.is_file():
    pytest.skip("the document is not beside the tests", allow_module_level=True)


@pytest.fixture(scope="module")
def spelled_out() -> bytes:
    """Return the bytes that stand left of the words."""
    _, _, chapter = DOCUMENT.read_text(encoding="utf-8").partition("## 10. ")
    (listing,) = re.findall(r"```text\n(.*?)```", chapter, re.DOTALL)
    hexes = [re.match(r"(?:[0-9a-f]{2} {1,2})+", line) for line in listing.splitlines() if line]
    assert all(hexes), "each line begins with bytes"
    return bytes.fromhex("".join(found[0] for found in hexes if found))


def test_both_decoders_read_it(spelled_out: bytes) -> None:
    assert decode_stream(spelled_out).events == EVENTS
    found = evcodec.decode(spelled_out)
    assert {name: values.tolist() for name, values in found.columns.items()} == EVENTS


def test_it_is_a_sound_and_whole_stream(spelled_out: bytes) -> None:
    report = verify(spelled_out)
    assert report.ok, report.problems
    assert report.complete
    assert (report.bytes, report.events, report.records) == (149, 4, 3)

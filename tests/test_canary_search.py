"""The search for canaries finds each that is planted, in every place that it looks at; and nothing where there is none."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest

from canary_search import CANARY_ALPHABET, CODES, PLAIN_ALPHABET, Canary, Search, characters_in, make
from evcodec import EventBatch, EventKind, GapReason, Reader, Writer

CANARY = "qzwxrvbkgjm"
SEARCH = Search([Canary("a planted one", CANARY)])


def stream(fill=lambda writer: None, **columns):
    target = io.BytesIO()
    with Writer(target, metadata={"recorder": "test"}) as writer:
        writer.source("keyboard")
        count = len(next(iter(columns.values()), []))
        if count:
            kinds = np.resize([EventKind.KEY_DOWN, EventKind.KEY_UP], count).astype(np.uint8)
            writer.write(EventBatch(**({"t": np.arange(count) * 1_000, "kind": kinds} | columns)))
        fill(writer)
    return target.getvalue()


def typed(text, numbers):
    return np.array([number for character in text for number in [numbers(character)] * 2], np.uint32)


def test_a_stream_of_plain_text_has_none():
    text = make(random.Random(1), PLAIN_ALPHABET, 5_000)
    data = stream(keysym=typed(text, ord), code=typed(text, CODES.__getitem__).astype(np.int32))
    assert SEARCH.in_stream(data) == []
    with Reader(data) as reader:
        assert characters_in(reader, CANARY_ALPHABET) == 0


@pytest.mark.parametrize(
    ("column", "numbers"),
    [
        ("keysym", ord),
        ("keysym", lambda c: 0x1000000 + ord(c)),
        ("keysym", lambda c: ord(c.upper())),
        ("code", CODES.__getitem__),
        ("scancode", CODES.__getitem__),
        ("vk", lambda c: ord(c.upper())),
    ],
    ids=["keysyms", "keysyms of Unicode", "capitals", "codes", "scancodes", "virtual keys"],
)
@pytest.mark.parametrize("part", [CANARY, CANARY[3:7]], ids=["whole", "four characters"])
def test_in_columns(column, numbers, part):
    rng = random.Random(2)
    text = make(rng, PLAIN_ALPHABET, 300) + part + make(rng, PLAIN_ALPHABET, 300)
    found = SEARCH.in_stream(stream(**{column: typed(text, numbers)}))
    assert found
    assert {find.kind for find in found} == {"a planted one"}


def test_three_characters_are_no_find_but_are_counted():
    data = stream(keysym=typed(CANARY[:3], ord))
    assert SEARCH.in_stream(data) == []
    with Reader(data) as reader:
        assert characters_in(reader, CANARY_ALPHABET) == 6


@pytest.mark.parametrize(
    "fill",
    [
        lambda writer: writer.context("window", {"title": f"a {CANARY} b"}),
        lambda writer: writer.context("element", {"children": [{"name": CANARY[2:6]}]}),
        lambda writer: writer.payload("note", {"text": CANARY.upper()}, t=1),
        lambda writer: writer.payload("raw", CANARY.encode(), t=1),
        lambda writer: writer.source("mouse", note=CANARY),
        lambda writer: writer.payload("long", {"text": "plain " * 2_000 + CANARY}, t=1),
    ],
    ids=["title", "nested", "payload", "bytes", "source", "compressed"],
)
def test_in_entries(fill):
    assert SEARCH.in_stream(stream(fill))


@pytest.mark.parametrize("encoding", ["ascii", "utf-16-le", "utf-32-le"])
def test_in_files_and_their_names(tmp_path, encoding):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "log").write_bytes(b"x" * 999 + CANARY[:5].encode(encoding) + b"x")
    assert SEARCH.in_folder(tmp_path)
    assert SEARCH.in_folder(tmp_path, skipped=("deep/",)) == []
    (tmp_path / "deep" / "log").unlink()
    assert SEARCH.in_folder(tmp_path) == []
    (tmp_path / f"{CANARY}.tmp").touch()
    assert SEARCH.in_folder(tmp_path)


def test_behind_the_end_of_a_stream():
    data = stream(lambda writer: writer.gap(GapReason.PAUSED, t0=1, t1=2), keysym=typed("tea", ord))
    assert SEARCH.in_stream(data) == []
    assert SEARCH.in_bytes(data + CANARY.encode(), "file")

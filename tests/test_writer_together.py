"""What several calls put together: columns, entries, waiting events, files that move."""

from __future__ import annotations

import io
import time
from typing import Any

import numpy as np
import pytest

from evcodec import Context, EventBatch, InvalidArgumentError, Marker, Payload, Reader, Source, Writer, decode
from evcodec.entries import UnknownEntry
from evcodec.stream import verify


def test_an_entry_is_what_it_was_when_it_was_added() -> None:
    """The caller may go on changing what it passed."""
    target = io.BytesIO()
    state: dict[str, Any] = {}
    with Writer(target) as writer:
        for i in range(3):
            state["n"] = i
            writer.marker(i, "state", state)
            writer.payload("state", state, t=i)
            writer.context("state", state)
        state["n"] = object()
    with Reader(target.getvalue()) as reader:
        assert [entry.data["n"] for entry in reader.entries(Marker)] == [0, 1, 2]
        assert [entry.data["n"] for entry in reader.entries(Payload)] == [0, 1, 2]
        assert [entry.value["n"] for entry in reader.entries(Context)] == [0, 1, 2]


def test_an_entry_of_a_later_version_cannot_be_added() -> None:
    target = io.BytesIO()
    with Writer(target) as writer, pytest.raises(InvalidArgumentError, match="UnknownEntry"):
        writer.add(UnknownEntry(unknown_type=3, group=7, fields={}))
    assert verify(target.getvalue()).ok


def test_batches_of_many_columns_do_not_share_a_block() -> None:
    """Each may have as many columns as a block may; together they have more."""
    target = io.BytesIO()
    first = EventBatch(t=[1], **{f"a{i}": [i] for i in range(600)})
    second = EventBatch(t=[2], **{f"b{i}": [i] for i in range(600)})
    with Writer(target) as writer:
        writer.write(first)
        writer.write(second)
    found = decode(target.getvalue())
    assert len(found) == 2
    assert found["a599"].tolist() == [599, 0]
    assert found["b599"].tolist() == [0, 599]


def test_small_blocks_of_many_columns_are_not_merged_into_one(tmp_path) -> None:
    path = tmp_path / "s.evc"
    with Writer(path) as writer:
        for word in "ab":
            for _ in range(2):
                writer.write(EventBatch(t=[1], **{f"{word}{i}": [i] for i in range(600)}))
                writer.flush()
    with Reader(path) as reader:
        assert [block.events for block in reader.blocks] == [2, 2]


def test_single_events_have_no_more_columns_than_a_block() -> None:
    target = io.BytesIO()
    kept = 1_017  # with x, y, code, dx, dy, t and kind these are 1,024
    with Writer(target) as writer:
        for i in range(kept):
            writer.event(0, i, **{f"c{i}": 1})
        with pytest.raises(InvalidArgumentError, match="columns of single events"):
            writer.event(0, kept, one_more=1)
        writer.event(0, 5_000, c0=2)
    found = decode(target.getvalue())
    assert len(found) == kept + 1
    assert found["c0"][-1] == 2
    assert found[f"c{kept - 1}"].sum() == 1


def test_more_columns_than_an_index_lists() -> None:
    """The stream has no index then, and is sound."""
    target = io.BytesIO()
    with Writer(target) as writer:
        for piece in range(9):
            writer.write(EventBatch(t=[piece], **{f"c{piece}_{i}": [1] for i in range(1_000)}))
            writer.flush()
    assert verify(target.getvalue()).ok
    with Reader(target.getvalue()) as reader:
        assert len(reader.columns) == 9_001


def test_what_waits_for_a_full_block_does_not_fill_the_queue() -> None:
    """Nothing stalls, so nothing is dropped."""
    target = io.BytesIO()
    with Writer(target, on_full="drop", queue_events=10, flush_interval_s=60) as writer:
        for start in range(0, 60, 6):
            writer.write(EventBatch(t=np.arange(start, start + 6)))
            time.sleep(0.05)  # far longer than the thread takes to see it
    with Reader(target.getvalue()) as reader:
        assert reader.read().t.tolist() == list(range(60))
        assert reader.gaps == []


def test_closing_merges_only_the_file_that_was_written(tmp_path) -> None:
    """After a rename another Writer may have the path: its stream is not to be touched."""
    path, moved = tmp_path / "s.evc", tmp_path / "s.1.evc"
    first = Writer(path)
    for t in (1, 2):
        first.move(t, 0, 0)
        first.flush()
    path.rename(moved)
    with Writer(path) as second:
        second.move(3, 0, 0)
        second.flush()
        with pytest.warns(RuntimeWarning, match="moved"):
            first.close()
        second.move(4, 0, 0)
    for where, times in ((moved, [1, 2]), (path, [3, 4])):
        with Reader(where) as reader:
            assert reader.read().t.tolist() == times
        assert verify(where).complete


def test_sources_are_told_apart_by_name_and_properties() -> None:
    target = io.BytesIO()
    with Writer(target) as writer:
        indices = [writer.source("mouse"), writer.source("mouse", absolute=True), writer.source("mouse")]
    with Reader(target.getvalue()) as reader:
        assert indices == [1, 2, 1]
        assert [entry.index for entry in reader.entries(Source)] == [1, 2]

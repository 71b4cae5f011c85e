"""An index whose checksums hold, and that leaves blocks out: it is never believed over the records themselves."""

from __future__ import annotations

import io

import numpy as np
import pytest

from evcodec import CorruptDataError, EventBatch, Reader, Writer
from evcodec.framing import Record, RecordScanner, RecordType, pack_record
from evcodec.index import pack_index, unpack_index
from evcodec.levels import level_of
from evcodec.stream import verify
from evcodec.wire import End, pack_end


def _records(data: bytes) -> list[Record]:
    scanner = RecordScanner()
    scanner.feed(data)
    scanner.finish()
    return list(iter(scanner.next, None))


def _without_rows(data: bytes, keep: int, sequence: int) -> bytes:
    (old,) = (record for record in _records(data) if record.type == RecordType.INDEX)
    index = unpack_index(old.payload, old.position, "index")
    del index.rows[keep:]
    index.kinds[0] = index.events
    stated = pack_record(RecordType.INDEX, sequence, pack_index(index, level_of("fast")))
    before = data[: old.position] + stated
    return before + pack_record(
        RecordType.END, sequence + 1, pack_end(End(len(stated), len(before) + 44, index.events))
    )


@pytest.mark.parametrize("keep", [1, 3, 5])
@pytest.mark.parametrize("more", [0, 1, 7])
def test_an_index_that_leaves_blocks_out(keep, more):
    file = io.BytesIO()
    with Writer(file, block_events=10) as writer:
        writer.write(EventBatch(t=np.arange(60)))
    forged = _without_rows(file.getvalue(), keep, 7 + more)
    assert not verify(forged).ok
    try:
        with Reader(forged) as reader:
            assert len(reader.read()) == 60
    except CorruptDataError:  # where a walk finds a number or a count that does not fit
        pass
    with Reader(forged, on_error="skip") as reader:
        assert len(reader.read()) == 60

"""Small data that would unfold to much: refused before it takes memory. And readers that must not disturb each other."""

from __future__ import annotations

import os
import subprocess
import sys
from types import FrameType

import numpy as np
import pytest
import zstandard

import evcodec
from evcodec import EventBatch, LimitExceededError, Reader, Writer, compression
from evcodec.errors import CorruptDataError
from evcodec.framing import HEAD_BYTES, RecordType, pack_record
from evcodec.stream import verify
from evcodec.wire import Header, pack_header, pack_varint


def _with_entries(raw: bytes) -> bytes:
    compressed = zstandard.compress(raw)
    payload = bytes((0, 0, 1)) + pack_varint(len(raw)) + compressed
    return pack_record(RecordType.HEADER, 0, pack_header(Header())) + pack_record(
        RecordType.ENTRIES, 1, payload
    )


@pytest.mark.parametrize(
    "raw",
    [
        # one marker whose data is 60 arrays of 16,384 empty arrays
        b"\x93\x06\x00\x83\xa1t\x00\xa4name\xa1m\xa4data\xdc\x00\x3c"
        + (b"\xdc\x40\x00" + b"\x90" * 16_384) * 60,
        # a million entries of no known type
        b"\x93\x63\x00\x80" * 1_000_000,
        # maps in maps
        b"\x93\x06\x00\x83\xa1t\x00\xa4name\xa1m\xa4data\xdd\x00\x04\x00\x00" + b"\x80" * 262_144,
    ],
    ids=["nested arrays", "many entries", "many maps"],
)
def test_entries_that_unfold_are_refused(raw: bytes) -> None:
    data = _with_entries(raw)
    assert len(data) < 10_000
    with pytest.raises(LimitExceededError), Reader(data) as reader:
        list(reader.entries())
    assert not verify(data).ok


def test_many_real_entries_are_taken() -> None:
    """More elements than one record may have come in several."""
    target: list[bytes] = []

    class Sink:
        def write(self, data: bytes) -> int:
            target.append(bytes(data))
            return len(data)

        def flush(self) -> None:
            pass

    with Writer(Sink()) as writer:
        for i in range(40):
            writer.marker(i, "list", list(range(10_000)))
    with Reader(b"".join(target)) as reader:
        assert [marker.data[-1] for marker in reader.markers] == [9_999] * 40


def test_a_skipped_block_leaves_nothing_in_the_next() -> None:
    """A column of the broken block was decoded before the fault was met; the rows are the next block's."""
    n = 20_000
    kinds = np.arange(n, dtype=np.uint8) % 2
    noise = np.random.default_rng(1).integers(0, 2**31, n, np.int32)
    first = EventBatch(t=np.arange(n), kind=kinds, x=np.where(kinds, 7, 0).astype(np.int32), code=noise)
    second = EventBatch(t=np.arange(n), kind=kinds, code=noise)
    data = bytearray(evcodec.encode(first) + evcodec.encode(second))
    clean = evcodec.decode(bytes(data))
    with Reader(bytes(data)) as reader:
        block = reader.blocks[0]
    start, end = block.position + HEAD_BYTES, block.position + block.size - 4
    payload = bytearray(data[start:end])
    at = payload.rfind(b"\x28\xb5\x2f\xfd")  # the zstd frame of the last part, which is a plane of codes
    assert at > 0
    payload[at + 9 : at + 60] = bytes(51)
    sequence = int.from_bytes(data[block.position + 10 : block.position + 14], "little")
    data[block.position : block.position + block.size] = pack_record(
        RecordType.BLOCK, sequence, bytes(payload)
    )
    with pytest.raises(CorruptDataError):
        evcodec.decode(bytes(data))
    with Reader(bytes(data), on_error="skip") as reader:
        for _ in range(2):
            found = reader.read()
            assert len(found) == n
            assert not found.x.any()
            assert found.code.tolist() == clean[n:].code.tolist()
        assert [problem.position for problem in reader.problems] == [block.position]


FORKED = """
import os, sys
import evcodec

reader = evcodec.Reader(sys.argv[1])
children = []
for _ in range(3):
    pid = os.fork()
    if not pid:
        try:
            for _ in range(30):
                assert sum(map(len, reader.batches())) == 40_000
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
        os._exit(0)
    children.append(pid)
sys.exit(any(os.waitpid(pid, 0)[1] for pid in children))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_reader_is_shared_by_forked_processes(tmp_path) -> None:
    path = tmp_path / "s.evc"
    with Writer(path, block_events=500) as writer:
        writer.write(EventBatch(t=np.arange(40_000), x=np.arange(40_000, dtype=np.int32)))
    done = subprocess.run(
        [sys.executable, "-c", FORKED, str(path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def _compressed_bytes(columns: int) -> int:
    """Give how many bytes are compressed, in all trials, to encode a batch of a few rows of so many columns."""
    rng = np.random.default_rng(0)
    batch = EventBatch(**{f"c{i}": rng.integers(0, 1_000, 8).astype(np.int32) for i in range(columns)})
    total = 0

    def note(frame: FrameType, event: str, _: object) -> None:
        nonlocal total
        if event == "call" and frame.f_code is compression.compress.__code__:
            total += len(frame.f_locals["raw"])

    sys.setprofile(note)
    try:
        evcodec.encode(batch, level="small")
    finally:
        sys.setprofile(None)
    return total


def test_work_grows_with_columns_and_not_with_their_square() -> None:
    """Ways to encode small columns are tried together, but not as many as there are columns."""
    assert _compressed_bytes(512) < 3 * _compressed_bytes(256)

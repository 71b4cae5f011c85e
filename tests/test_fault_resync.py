"""Finding records behind damage: every sound one is found, in work that is linear in the data however heads were forged."""

from __future__ import annotations

import binascii
import random
import struct
import zlib
from collections.abc import Callable, Iterator

import pytest

from evcodec import EvcodecError, checksums, framing
from evcodec._codec import crc32_shift, find_head
from evcodec.framing import HEAD_BYTES, MARKER, RecordScanner, pack_record, parse_head
from evcodec.limits import MAX_PAYLOAD_BYTES
from evcodec.stream import verify


def forged(length: int, record_type: int = 0x80) -> bytes:
    """Return a sound head of a record that is not there."""
    head = struct.pack("<4sBBII", MARKER, record_type, 0, length, 0)
    return head + struct.pack("<H", binascii.crc_hqx(head, 0))


def scanned(data: bytes, pieces: Iterator[int]) -> list[tuple[int, int]]:
    """Return position and size of the records that a scanner finds in data that comes in pieces of these sizes."""
    scanner, found, at = RecordScanner(), [], 0
    while True:
        try:
            record = scanner.next()
        except EvcodecError:
            scanner.skip_damage()
            continue
        if record is not None:
            found.append((record.position, record.record_bytes))
        elif at == len(data):
            if not scanner.position < len(data):
                return found
            scanner.finish()
        else:
            size = next(pieces)
            scanner.feed(data[at : at + size])
            at = min(at + size, len(data))


def by_hand(data: bytes) -> list[tuple[int, int]]:
    """Return the same as docs/format.md, section 2.2, has it, each checksum taken anew."""
    found, at = [], 0
    while at < len(data):
        try:
            head = parse_head(memoryview(data), at, at)
        except EvcodecError:
            head = None
        if head is not None and at + head.record_bytes <= len(data):
            body = data[at : at + head.record_bytes]
            if zlib.crc32(body[:-4]) == int.from_bytes(body[-4:], "little"):
                found.append((at, len(body)))
                at += len(body)
                continue
        at += 1
    return found


def pieces_of(draw: random.Random) -> Iterator[int]:
    """Yield sizes of pieces, now small, now large."""
    while True:
        yield draw.choice((1, 7, 100, 511, 512, 513, 5_000, 2**20))


def test_every_sound_record_is_found(tries: Callable[..., int], seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(tries(quick=60, soak=3_000)):
        parts: list[bytes] = []
        for _ in range(draw.randrange(1, 25)):
            noise = draw.randbytes(draw.choice((0, 1, 5, 40, 600, 3_000)))
            sound = pack_record(draw.choice((2, 3, 0x80)), 0, draw.randbytes(draw.randrange(2_500)))
            broken = bytearray(sound)
            broken[draw.randrange(len(broken))] ^= 1 << draw.randrange(8)
            forgery = forged(draw.choice((0, 1, 500, 2_000, 40_000, MAX_PAYLOAD_BYTES)))
            inside = pack_record(0x80, 0, noise + forgery + sound)
            parts += draw.choice(
                ([sound], [sound], [noise], [bytes(broken)], [forgery], [forgery] * 9, [MARKER[:2]], [inside])
            )
        data = b"".join(parts)
        assert scanned(data, pieces_of(draw)) == by_hand(data)


def test_sums_of_joined_bytes(tries: Callable[..., int], seed: int) -> None:
    draw = random.Random(seed)
    for size in (
        0,
        1,
        2,
        3,
        511,
        512,
        513,
        2**16 + 1,
        *(draw.randrange(2**18) for _ in range(tries(5, 500))),
    ):
        first, second = draw.randbytes(draw.randrange(100)), draw.randbytes(size)
        assert crc32_shift(zlib.crc32(first), size) ^ zlib.crc32(second) == zlib.crc32(first + second)
    # Sizes that no test can hold: shifting twice is shifting once by the sum.
    for size in (2**26, 2**29, 2**32 - 1, 2**40 + 12345):
        assert crc32_shift(crc32_shift(0x12345678, size), 999) == crc32_shift(0x12345678, size + 999)


def test_heads_are_found_where_they_stand() -> None:
    head = forged(5)
    assert find_head(b"\xec" * 9 + head, 0) == 9
    assert find_head(head[:-1] + b"\x00" + head, 0) == HEAD_BYTES
    for size in range(1, HEAD_BYTES):  # what may still become a head
        assert find_head(b"ab" + head[:size], 0) == 2
    assert find_head(b"ab\xecEX", 0) == 5
    assert find_head(b"", 0) == 0
    assert find_head(head, 1) == len(head)


def _summed(data: bytes, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Return how many bytes a check of the data sums, and by how many calls."""
    total = calls = 0

    class Counting:
        @staticmethod
        def crc32(run: memoryview, before: int = 0) -> int:
            nonlocal total, calls
            total += len(run)
            calls += 1
            return zlib.crc32(run, before)

    with monkeypatch.context() as patch:
        patch.setattr(framing, "zlib", Counting)
        patch.setattr(checksums, "zlib", Counting)
        verify(data)
    return total, calls


def _to_the_end(size: int) -> bytes:
    return b"".join(forged(size - at - 60) for at in range(0, size - 76, 16)) + bytes(64)


def _with_sound_ones(size: int) -> bytes:
    """A sound record behind each forged head: damage seems to be over each time."""
    sound = pack_record(0x80, 0, b"")
    return b"".join(forged(size - at - 80) + sound for at in range(0, size - 116, 36)) + bytes(100)


def _one_length(size: int) -> bytes:
    return forged(size // 2) * (size // 16)


@pytest.mark.parametrize("forgery", [_to_the_end, _with_sound_ones, _one_length])
def test_forged_heads_take_linear_work(
    forgery: Callable[[int], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it was 64 MiB for each head. What is summed now is a step or two for each, and the data itself."""
    for size in (40_000, 160_000):
        data = forgery(size)
        assert size - 40 < len(data) < size + 40
        heads = size // 16
        total, calls = _summed(data, monkeypatch)
        assert total <= 3 * size + 2 * checksums.STEP_BYTES * heads
        assert calls <= 4 * heads + size // checksums.STEP_BYTES + 100


def test_sound_data_is_summed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    data = pack_record(1, 0, b"\x01\x00\x80") + b"".join(
        pack_record(0x80, number, bytes(5_000)) for number in range(1, 50)
    )
    assert _summed(data, monkeypatch) == (len(data) - 50 * 4, 50)

"""Records and streams from data that arrives in pieces: the same records and problems however it is cut.

Input: shape, sizes of pieces, the stream.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evcodec import EvcodecError
from evcodec.framing import check_record
from evcodec.scan import StreamScanner

from .common import Input, require, small_streams, stream_of


def _scan(pieces: Sequence[bytes], skip: bool) -> tuple[list[tuple[int, ...]], list[int], str]:
    """Return the records, the positions of problems, and the kind of error that ended it."""
    scanner, found, error = StreamScanner(skip), [], ""
    try:
        for given in (*map(scanner.feed, pieces), scanner.finish()):
            for stream, record in given:
                found.append((stream, *record[:3], hash(bytes(record.payload))))
    except EvcodecError as caught:
        require(not skip, "damage that is skipped raises nothing")
        error = type(caught).__name__
    return found, [problem.position for problem in scanner.findings.kept()], error


def run(data: bytes) -> None:
    """Scan whole and in pieces, strictly and skipping."""
    taken = Input(data)
    shape = taken.byte()
    sizes = [taken.byte() + 1, taken.byte() + 1, taken.byte() + 1]
    stream = stream_of(shape, taken.rest(4096))
    pieces, at = [], 0
    while at < len(stream):
        size = sizes[len(pieces) % 3]
        pieces.append(stream[at : at + size])
        at += size
    skipped = _scan([stream], skip=True)
    if shape & 4:
        require(skipped == _scan(pieces, skip=True), "pieces give what the whole gives, behind damage too")
    else:
        strict = _scan(pieces, skip=False)
        require(
            skipped[0][: len(strict[0])] == strict[0], "what stands before the damage is given all the same"
        )
        require(bool(skipped[1]) == bool(strict[2]), "what is skipped is named")
        require(not shape & 8 or strict == _scan([stream], skip=False), "pieces give what the whole gives")
    for _, _, _, position, _ in skipped[0]:
        size = int.from_bytes(stream[position + 6 : position + 10], "little")
        check_record(memoryview(stream)[position : position + size + 20], position)


def seeds() -> Iterator[bytes]:
    """Yield streams, cut in several ways."""
    for number, stream in enumerate(small_streams(600)):
        yield bytes((number % 3 | number % 4 << 2, number % 40, 16, 3)) + stream

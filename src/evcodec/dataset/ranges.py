"""A file of another machine as an input: exact ranges of it, few requests, several of them at once."""

from __future__ import annotations

import os
import threading
import weakref
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from ..errors import InvalidArgumentError, TruncatedDataError
from ..inputs import SeekableInput
from ..parallel import Crew, Job

# What is asked for before it is known how long the header and the index are.
_HEAD_BYTES = 2 * 2**10
_TAIL_BYTES = 14 * 2**10
_MOST_HEAD_BYTES = 2**18
# A read of no more is of a record's head, so that more of its neighbours will be wanted.
_SMALL_READ = 64
# Asking for what lies between is cheaper than another request.
_MOST_GAP = 16 * 2**10
# Pieces grow, so that the first is there soon.
_FIRST_PIECE_BYTES = 2**18
_PIECE_BYTES = 2 * 2**20
_IN_FLIGHT = 4
# A file without an index is read twice: to find its blocks, and for what is in them. One that is no larger is kept.
_KEPT_BYTES = 16 * 2**20
_MOST_HELD = 6

Fetch = Callable[[int, int], bytes]

_crews: weakref.WeakSet[Crew] = weakref.WeakSet()


def _abandon_crews() -> None:
    for crew in list(_crews):
        crew.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_crews)


def far_crew(threads: int) -> Crew:
    """Return threads that wait for requests; a child after a fork has none of them."""
    crew = Crew(threads)
    _crews.add(crew)
    return crew


class RangeInput(SeekableInput):
    """A file that is read by requests for ranges of it. Safe from several threads.

    Parameters
    ----------
    fetch : callable
        Returns the bytes from one offset to another, or raises OSError.
    name : str
    size : int
        Bytes, as the listing says.
    ends : (int, int)
        Bytes at its start and at its end that say what it holds; 0 where that is not known.
    whole : bool
        Fetch all of it when anything is needed, since all of it will be.
    """

    is_far = True

    def __init__(
        self, fetch: Fetch, name: str, size: int, ends: tuple[int, int] = (0, 0), whole: bool = False
    ) -> None:
        self.name = name
        self._fetch_range = fetch
        self._size = size
        head, tail = min(ends[0] or _HEAD_BYTES, size), min(ends[1] or _TAIL_BYTES, size)
        apart = size - tail - head > (0 if all(ends) else _MOST_GAP) and not whole
        self._ends = [(0, head), (size - tail, size)] if apart else [(0, size)]
        self._held: deque[tuple[int, memoryview]] = deque(maxlen=_MOST_HELD)
        self._asked = self._closed = False
        self._lock = threading.Lock()
        self._pieces: Iterator[memoryview] = iter(())
        self._touched = [0, size]

    @property
    def ends(self) -> tuple[int, int]:
        """Bytes at the start and at the end of the file that were read so far. Entries may stand behind the header: of large
        ones not all is said, since nobody else may want them.
        """
        return min(self._touched[0], _MOST_HEAD_BYTES), self._size - self._touched[1]

    def size(self) -> int:
        """Return the number of bytes, as the listing says."""
        return self._size

    def read_at(self, offset: int, size: int) -> memoryview:
        """Return ``size`` bytes from ``offset`` on; raise TruncatedDataError if they are not there."""
        stop = offset + size
        if offset < 0 or stop > self._size:
            raise TruncatedDataError(
                f"{self.name}, byte {offset}: found {self._size} bytes in all, needed {size} from there on"
            )
        if offset <= self._touched[0] < stop:
            self._touched[0] = stop
        if offset < self._touched[1] <= stop:
            self._touched[1] = offset
        self._ask_ends()
        held = self.held(offset, stop)
        if held is not None:
            return held
        if size <= _SMALL_READ:
            # Heads that stand alone are those of streams that were put end to end: a header, behind the end of another.
            start = max(offset - _TAIL_BYTES, 0)
            data = self.fetch(start, min(offset + _HEAD_BYTES, self._size))
            self._held.append((start, data))
            return data[offset - start : stop - start]
        return self._completed(offset, stop)

    def _ask_ends(self) -> None:
        """Fetch both ends of the file, at once, when anything is needed for the first time."""
        with self._lock:
            if self._asked or self._closed:
                return
            with far_crew(len(self._ends)) as crew:
                jobs = [(start, crew.start(self.fetch, start, stop)) for start, stop in self._ends]
                self._held.extend([(start, job.take()) for start, job in jobs])
            self._asked = True

    def held(self, start: int, stop: int) -> memoryview | None:
        """Return bytes that need not be fetched; None where they must be."""
        if self._closed:
            raise InvalidArgumentError(f"{self.name}: found a closed Reader, allowed: an open one")
        for at, data in tuple(self._held):
            if at <= start and stop <= at + len(data):
                return data[start - at : stop - at]
        return None

    def _completed(self, start: int, stop: int) -> memoryview:
        """Return bytes of which a part may be held: a header or an index that is longer than what was asked for first."""
        for at, data in tuple(self._held):
            if start < at < stop <= at + len(data):
                return memoryview(b"".join((self.fetch(start, at), data[: stop - at])))
            if at <= start < at + len(data) < stop:
                return memoryview(b"".join((data[start - at :], self.fetch(at + len(data), stop))))
        return self.fetch(start, stop)

    def fetch(self, start: int, stop: int) -> memoryview:
        """Return a range of the file, by a request."""
        data = self._fetch_range(start, stop)
        if len(data) != stop - start:
            raise TruncatedDataError(
                f"{self.name}, byte {start}: found {len(data)} bytes, needed {stop - start}: the file was changed since "
                "it was listed, or its server gives no ranges"
            )
        return memoryview(data)

    def rewind(self) -> None:
        """Make ``read_piece`` start over."""
        self._pieces = self._walk()

    def read_piece(self) -> memoryview:
        """Return the next bytes, none at the end; more are under way."""
        return next(self._pieces, memoryview(b""))

    def _walk(self) -> Iterator[memoryview]:
        parts = [
            (start, min(_PIECE_BYTES, self._size - start)) for start in range(0, self._size, _PIECE_BYTES)
        ]
        pieces = []
        with self.ahead(parts) as source:
            for start, size in parts:
                piece = source.read_at(start, size)
                if self._size <= _KEPT_BYTES:
                    pieces.append(piece)
                yield piece
        if pieces and not self._closed:
            self._held.append((0, memoryview(b"".join(pieces))))

    @contextmanager
    def ahead(self, ranges: Iterable[tuple[int, int]]) -> Iterator[SeekableInput]:
        """Give an input that fetches these ranges, neighbours together, several at once, when they are nearly needed."""
        pieces = [
            piece for piece in _merged(ranges) if not self._asked or self.held(piece[0], piece[1]) is None
        ]
        if not pieces:
            yield self
            return
        with far_crew(min(_IN_FLIGHT, len(pieces))) as crew:
            yield _Ahead(self, crew, pieces)

    def close(self) -> None:
        """Let what is held go."""
        self._closed = True
        self._held.clear()


def _merged(ranges: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Return pieces [start, stop, number of ranges] that cover ranges (offset, size), in their order."""
    found: list[list[int]] = []
    for offset, size in ranges:
        last = found[-1] if found else [0, -1, 0]
        most = min(_FIRST_PIECE_BYTES << min(len(found) - 1, 8), _PIECE_BYTES) if found else 0
        if 0 <= offset - last[1] <= _MOST_GAP and offset + size - last[0] <= most:
            last[1], last[2] = offset + size, last[2] + 1
        else:
            found.append([offset, offset + size, 1])
    return found


class _Ahead(SeekableInput):
    """Reads ranges that were announced, in ascending order, from pieces that are fetched before they are needed."""

    is_far = True

    def __init__(self, source: RangeInput, crew: Crew, pieces: list[list[int]]) -> None:
        self.name = source.name
        self._source = source
        self._crew = crew
        self._pieces = pieces
        self._starts = [piece[0] for piece in pieces]
        self._next = self._taken = 0
        self._under_way: dict[int, Job[memoryview]] = {}
        self._there: dict[int, memoryview] = {}
        # One thread at a time starts and takes. What others wait for is under way meanwhile.
        self._lock = threading.Lock()

    def read_at(self, offset: int, size: int) -> memoryview:
        """Return bytes of a piece, or of the file where they were not announced."""
        with self._lock:
            data = self._from_piece(offset, size)
        return self._source.read_at(offset, size) if data is None else data

    def _from_piece(self, offset: int, size: int) -> memoryview | None:
        number = bisect_right(self._starts, offset) - 1
        if number < 0 or offset + size > self._pieces[number][1]:
            return None
        self._begin(number)
        if number in self._under_way:
            self._there[number] = self._under_way.pop(number).take()
            self._taken += 1
            self._begin(number)
        data = self._there.get(number)
        if data is None:  # it was read before
            return None
        piece = self._pieces[number]
        piece[2] -= 1
        if not piece[2]:
            del self._there[number]
        return data[offset - piece[0] : offset - piece[0] + size]

    def _begin(self, number: int) -> None:
        """Have the piece of a number fetched, and further ones, the more the more were taken: whoever looks at the first
        event only shall not fetch a file.
        """
        while self._next < len(self._pieces) and (
            self._next <= number or (self._next <= number + 1 + self._taken and not self._crew.is_full)
        ):
            start, stop, _ = self._pieces[self._next]
            self._under_way[self._next] = self._crew.start(self._source.fetch, start, stop)
            self._next += 1

    def size(self) -> int:
        """Return the number of bytes."""
        return self._source.size()

    def read_piece(self) -> memoryview:
        """Return the next bytes of the file."""
        return self._source.read_piece()

    def rewind(self) -> None:
        """Make ``read_piece`` start over."""
        self._source.rewind()

    def close(self) -> None:
        """Do nothing: the file stays open."""

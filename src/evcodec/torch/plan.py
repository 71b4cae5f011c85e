"""Which windows a dataset has and what must be read for them: one pass over footers, or over times and kinds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..dataset import Dataset, FileProblem, StreamFile
from ..dataset.files import naming
from ..dataset.where import Limits
from ..errors import CorruptDataError, EvcodecError
from ..reader import Reader
from ..stated import BlockInfo
from .segments import Gaps, Ints, Segments, cuts, pieces


class Shape(NamedTuple):
    """What a window is."""

    length: int
    stride: int
    tick_ns: int | None
    """Length of a row, where rows are ticks."""
    max_gap_ns: int | None
    break_at_gaps: bool
    row_bytes: int
    unit_bytes: int
    """About how much is read at once; a block is never divided."""

    @property
    def is_cut(self) -> bool:
        """Tell whether windows end at pauses or gaps."""
        return self.max_gap_ns is not None or self.break_at_gaps


class Unit(NamedTuple):
    """Windows that are read together, because they start in a run of blocks: all numbers are int."""

    file: int
    first: int
    """Number of its first window in the file."""
    windows: int
    low: int
    high: int
    """Rows that the windows have, half open."""
    block: int
    stop_block: int
    """Blocks that hold these rows."""


class FilePlan(NamedTuple):
    """What is known of one file."""

    file: StreamFile
    limits: Limits
    borders: Ints
    """Rows before each block, and in all; of ticks, the number of the first one."""
    segments: Segments


class Plan:
    """Windows of a dataset.

    Parameters
    ----------
    dataset : Dataset
        Limited to the kinds and times that were asked for.
    shape : Shape
    problems : list of FileProblem
        Takes what is skipped.
    """

    def __init__(self, dataset: Dataset, shape: Shape, problems: list[FileProblem]) -> None:
        self.shape = shape
        self.files: list[FilePlan] = []
        units: list[Unit] = []
        self._uncut: dict[int, tuple[Ints, Segments]] = {}
        for file, limits in dataset.reached():
            try:
                planned = self._planned(dataset, file, limits, problems)
            except (EvcodecError, OSError) as error:
                if not dataset._access.skips(error):
                    raise
                problems.append(FileProblem(file.path, None, str(error)))
                continue
            if planned.segments.windows:
                units += self._units(len(self.files), planned)
                self.files.append(planned)
        self.units: Ints = np.array(units, np.int64).reshape(-1, len(Unit._fields))
        counts = [planned.segments.windows for planned in self.files]
        self.firsts: Ints = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)))

    @property
    def windows(self) -> int:
        """Number of windows."""
        return int(self.firsts[-1])

    @property
    def unit_rows(self) -> Ints:
        """Rows of each unit."""
        rows: Ints = self.units[:, 4] - self.units[:, 3]
        return rows

    def _planned(
        self, dataset: Dataset, file: StreamFile, limits: Limits, problems: list[FileProblem]
    ) -> FilePlan:
        """Return the plan of a file."""
        raise NotImplementedError

    def _units(self, number: int, planned: FilePlan) -> Iterator[Unit]:
        """Yield the units of a file."""
        raise NotImplementedError

    def _cut(self, breaks: Ints, rows: int) -> Segments:
        return Segments(*pieces(breaks, rows), self.shape.length, self.shape.stride)


class EventPlan(Plan):
    """Windows of consecutive events."""

    def _planned(
        self, dataset: Dataset, file: StreamFile, limits: Limits, problems: list[FileProblem]
    ) -> FilePlan:
        return self._known(file, limits) or self._opened(dataset, file, limits, problems)

    def _known(self, file: StreamFile, limits: Limits) -> FilePlan | None:
        """Return the plan of a file of at most one block of which the footer says enough."""
        start, stop = file.start, file.stop
        if start is None or stop is None:
            return FilePlan(file, limits, *self._whole(0))
        inside = (limits.start is None or start >= limits.start) and (
            limits.stop is None or stop < limits.stop
        )
        if file.blocks != 1 or not inside or self.shape.is_cut:
            return None
        if limits.kinds is None:
            return FilePlan(file, limits, *self._whole(file.events))
        rows = sum(count for kind, count in file.kinds.items() if kind in limits.kinds)
        return FilePlan(file, limits, *self._whole(rows))

    def _whole(self, rows: int) -> tuple[Ints, Segments]:
        """Return borders and windows of a file of one block that is not cut; files of one length share theirs."""
        found = self._uncut.get(rows)
        if found is None:
            borders = np.array([0, rows], np.int64)
            found = borders, self._cut(borders[:0], rows)
            self._uncut[rows] = found
        return found

    def _opened(
        self, dataset: Dataset, file: StreamFile, limits: Limits, problems: list[FileProblem]
    ) -> FilePlan:
        with naming(file.path), dataset.open(file) as reader:
            borders, breaks = self._measure(reader, limits)
            problems += (FileProblem(file.path, *problem) for problem in reader.problems)
        return FilePlan(file, limits, borders, self._cut(breaks, int(borders[-1])))

    def _measure(self, reader: Reader, limits: Limits) -> tuple[Ints, Ints]:
        """Return the rows before each block and in all, and the rows before which a piece ends."""
        gaps = Gaps([(gap.t0, gap.t1) for gap in reader.gaps] if self.shape.break_at_gaps else [])
        needs_times = self.shape.max_gap_ns is not None or bool(gaps)
        counts: list[int] = []
        breaks: list[Ints] = []
        last: int | None = None
        rows = 0
        for number, block in enumerate(reader.blocks):
            known = None if needs_times else _certain_count(block, limits)
            found = reader.problem_count
            if known is None:
                names = ("t",) if needs_times else ()
                batches = list(reader.batches(names, *limits, blocks=range(number, number + 1)))
                known = sum(map(len, batches))
                if reader.problem_count > found:  # what was on its two sides was not neighbours
                    breaks.append(np.array([rows], np.int64))
                for batch in batches if needs_times else ():
                    t = batch["t"]
                    breaks.append(
                        rows + np.flatnonzero(cuts(t, last, self.shape.max_gap_ns, gaps)).astype(np.int64)
                    )
                    last = int(t[-1])
            counts.append(known)
            rows += known
        borders = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)))
        if reader.problems:
            breaks.append(borders[behind_damage(reader.blocks)])
        return borders, np.concatenate(breaks) if breaks else np.zeros(0, np.int64)

    def _units(self, number: int, planned: FilePlan) -> Iterator[Unit]:
        """Yield the units of a file: runs of blocks of about the size that was asked for."""
        segments, borders = planned.segments, planned.borders
        most = max(self.shape.unit_bytes // self.shape.row_bytes, 1)
        first = block = 0
        while first < segments.windows:
            stop = int(np.searchsorted(borders, borders[block] + most, "right")) - 1
            stop = max(stop, block + 1)
            before = int(segments.before(borders[stop : stop + 1])[0]) if stop < len(borders) else 0
            end = before if stop < len(borders) - 1 else segments.windows
            if end > first:
                yield self._unit(number, planned, first, end - first)
            first, block = end, stop

    def _unit(self, number: int, planned: FilePlan, first: int, windows: int) -> Unit:
        edges = planned.segments.rows(np.array([first, first + windows - 1]))
        low, high = int(edges[0]), int(edges[1]) + self.shape.length
        block = int(np.searchsorted(planned.borders, low, "right")) - 1
        stop_block = int(np.searchsorted(planned.borders, high, "left"))
        # Blocks of which hardly a row is not needed are taken whole, so that they are decoded in place.
        start, stop = int(planned.borders[block]), int(planned.borders[stop_block])
        slack = (stop - start) // 8
        low = start if low - start < slack else low
        high = stop if stop - high < slack else high
        return Unit(number, first, windows, low, high, block, stop_block)


def _certain_count(block: BlockInfo, limits: Limits) -> int | None:
    """Return how many events of a block are within limits, where its place in the index tells."""
    if limits.kinds is not None and not any(block.kinds >> min(kind, 63) & 1 for kind in limits.kinds):
        return 0
    if (limits.start is not None and block.t_max < limits.start) or (
        limits.stop is not None and block.t_min >= limits.stop
    ):
        return 0
    inside = (limits.start is None or block.t_min >= limits.start) and (
        limits.stop is None or block.t_max < limits.stop
    )
    if not inside:
        return None
    # Bit 63 stands for all kinds from there on.
    allowed = None if limits.kinds is None else sum(1 << kind for kind in limits.kinds if kind < 63)
    return block.events if allowed is None or not block.kinds & ~allowed else None


def behind_damage(blocks: list[BlockInfo]) -> list[int]:
    """Return the numbers of the blocks that do not follow directly upon the one before."""
    return [
        number
        for number in range(1, len(blocks))
        if blocks[number - 1].position + blocks[number - 1].size != blocks[number].position
    ]


def check_rows(path: str, found: int, planned: int) -> None:
    """Raise CorruptDataError if blocks gave another number of events than when the windows were counted."""
    if found != planned:
        raise CorruptDataError(
            f"{path}: found {found} events in blocks that had {planned} when the windows were counted, "
            "allowed: files that do not change; make the dataset anew"
        )

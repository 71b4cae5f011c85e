"""Windows of ticks of a regular clock: which there are, and their rows out of the blocks of their time."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np

from ..batch import EventBatch
from ..dataset import Dataset, FileProblem, StreamFile
from ..dataset.files import naming
from ..dataset.where import Limits
from ..errors import CorruptDataError, InvalidArgumentError, LimitExceededError
from ..reader import Reader
from ..select import decode_matching, make_filter
from ..ticks import READS, TICK_COLUMNS, fixed_ticks, is_positioned
from .plan import FilePlan, Plan, Unit, behind_damage
from .reading import Arrays, Source
from .segments import Ints, Segments, pieces

# Time may jump by years: more ticks than this in one file are a mistake, and would take hours to count.
_MOST_TICKS = 2**31
# About what the columns that ticks are made of take for each event.
_EVENT_BYTES = 31


def tick_dtypes(columns: Collection[str] | None) -> dict[str, np.dtype]:
    """Return the dtypes of the columns of ticks that were asked for; raise InvalidArgumentError if there is no such one."""
    names = list(dict.fromkeys(TICK_COLUMNS if columns is None else columns))
    if missing := [name for name in names if name not in TICK_COLUMNS]:
        raise InvalidArgumentError(f"columns of ticks: found {missing}, allowed: {', '.join(TICK_COLUMNS)}")
    return dict.fromkeys(names, np.dtype(np.int64))


class TickPlan(Plan):
    """Windows of consecutive ticks."""

    def _planned(
        self, dataset: Dataset, file: StreamFile, limits: Limits, problems: list[FileProblem]
    ) -> FilePlan:
        period = self._period
        if file.start is None or file.stop is None:
            return FilePlan(file, limits, np.zeros(1, np.int64), self._cut(np.zeros(0, np.int64), 0))
        start = file.start if limits.start is None else max(file.start, limits.start)
        stop = file.stop if limits.stop is None else min(file.stop, limits.stop - 1)
        first = start // period
        rows = max(stop // period - first + 1, 0)
        starts, counts = pieces(np.zeros(0, np.int64), rows)
        if self.shape.is_cut:
            with naming(file.path), dataset.open(file) as reader:
                starts, counts = _apart(self._removed(reader, limits, first), rows)
                problems += (FileProblem(file.path, *problem) for problem in reader.problems)
        if int(counts.sum()) > _MOST_TICKS:
            raise LimitExceededError(
                f"{file.path}: ticks: found {int(counts.sum())}, allowed: {_MOST_TICKS}; leave pauses out with max_gap_ns"
            )
        segments = Segments(starts, counts, self.shape.length, self.shape.stride)
        return FilePlan(file, limits, np.array([first], np.int64), segments)

    @property
    def _period(self) -> int:
        assert self.shape.tick_ns is not None
        return self.shape.tick_ns

    def _removed(self, reader: Reader, limits: Limits, first: int) -> list[tuple[int, int]]:
        """Return the ticks, half open, that are in pauses and gaps; an empty range where two ticks are no neighbours."""
        period, longest = self._period, self.shape.max_gap_ns
        removed: list[tuple[int, int]] = []
        if self.shape.break_at_gaps:
            for gap in reader.gaps:
                removed.append((gap.t0 // period - first, max(gap.t1 - 1, gap.t0) // period + 1 - first))
        if longest is not None:
            batches = [batch["t"] for batch in reader.batches(("t",), *limits)]
            t = np.sort(np.concatenate(batches)) if batches else np.zeros(0, np.int64)
            pauses = np.flatnonzero(np.diff(t.view(np.uint64)) > np.uint64(longest))
            for before, after in zip(
                (t[pauses] // period).tolist(), (t[pauses + 1] // period).tolist(), strict=True
            ):
                if before < after:
                    removed.append((before + 1 - first, after - first))
        return sorted(removed)

    def _units(self, number: int, planned: FilePlan) -> Iterator[Unit]:
        """Yield the units of a file: stretches of time of about the size that was asked for, holes included."""
        segments, shape = planned.segments, self.shape
        density = planned.file.events / max(int(segments.stop), 1)
        most = max(int(shape.unit_bytes / (shape.row_bytes + density * _EVENT_BYTES)), shape.length)
        first = 0
        while first < segments.windows:
            low = int(segments.rows(np.array([first]))[0])
            end = max(int(segments.before(np.array([low + most - shape.length + 1]))[0]), first + 1)
            high = int(segments.rows(np.array([end - 1]))[0]) + shape.length
            yield Unit(number, first, end - first, low, high, 0, 0)
            first = end


def _apart(removed: list[tuple[int, int]], rows: int) -> tuple[Ints, Ints]:
    """Return first row and number of rows of what is left between ranges that were removed, in ascending order."""
    starts, counts = [], []
    at = 0
    for first, stop in [*removed, (rows, rows)]:
        if min(first, rows) > at:
            starts.append(at)
            counts.append(min(first, rows) - at)
        at = max(at, stop)
    return np.array(starts, np.int64), np.array(counts, np.int64)


class TickSource(Source):
    """Reads the units of a `TickPlan`."""

    def _fill(self, reader: Reader, planned: FilePlan, unit: Unit, out: Arrays) -> None:
        period = self._plan.shape.tick_ns
        assert period is not None
        first = int(planned.borders[0])
        start, stop = (first + unit.low) * period, (first + unit.high) * period
        kinds, least, most = planned.limits
        since = start if least is None else max(start, least)
        inside = _events(reader, kinds, since, stop if most is None else min(stop, most))
        # What comes before moves the pointer and is not counted, in the tick in which the asked-for time begins too.
        position = _position(_last_positioned(reader, kinds, since)) if {"x", "y"} & out.keys() else (0, 0)
        batch = EventBatch.concat(inside)
        rows = fixed_ticks(
            batch, period, start=start, stop=stop, position=position, max_ticks=unit.high - unit.low
        )
        for name, array in out.items():
            array[:] = rows[name]

    def _lost(self, reader: Reader, planned: FilePlan, unit: Unit, out: Arrays) -> list[tuple[int, int]]:
        return [(unit.low, unit.high)]

    def _holes(self, reader: Reader, planned: FilePlan) -> list[tuple[int, int]]:
        """Return the rows between blocks that do not follow upon each other, because damage lies between them."""
        period = self._plan.shape.tick_ns
        assert period is not None
        first = int(planned.borders[0])
        blocks = reader.blocks
        return [
            (blocks[number - 1].t_max // period - first, blocks[number].t_min // period + 1 - first)
            for number in behind_damage(blocks)
        ]


def _events(
    reader: Reader, kinds: Collection[int] | None, start: int | None, stop: int, blocks: range | None = None
) -> list[EventBatch]:
    """Return events of a time, of all blocks that may have any; raise CorruptDataError if one cannot be read, even where
    the Reader skips damage.
    """
    chosen = make_filter(READS, kinds, start, stop, blocks)
    found = [decode_matching(block, chosen, {}) for _, block in reader._contents.blocks(chosen)]
    known = reader.blocks if blocks is None else reader.blocks[blocks.start : blocks.stop]
    expected = sum(chosen.may_match(block.kinds, block.t_min, block.t_max) for block in known)
    if len(found) != expected:
        raise CorruptDataError(
            f"blocks of a time: found {len(found)} that are sound, allowed: all {expected}"
        )
    return found


def _last_positioned(reader: Reader, kinds: Collection[int] | None, stop: int) -> list[EventBatch]:
    """Return events before a time, among them the last one that says where the pointer is, if there is one."""
    blocks = [(min(block.t_max, stop - 1), i) for i, block in enumerate(reader.blocks) if block.t_min < stop]
    found: dict[int, list[EventBatch]] = {}
    best: int | None = None
    for t_max, number in sorted(blocks, reverse=True):
        if best is not None and t_max < best:
            break
        batches = _events(reader, kinds, None, stop, range(number, number + 1))
        for batch in batches:
            t = batch["t"][is_positioned(batch)]
            if len(t) and (best is None or int(t.max()) > best):
                best = int(t.max())
        found[number] = batches
    return [batch for number in sorted(found) for batch in found[number]]


def _position(batches: list[EventBatch]) -> tuple[int, int]:
    """Return where the last of these events that says so, by time and then by place, puts the pointer."""
    batch = EventBatch.concat(batches)
    placed = np.flatnonzero(is_positioned(batch))
    if not len(placed):
        return 0, 0
    t = batch["t"][placed]
    last = placed[np.flatnonzero(t == t.max())[-1]]
    return int(batch["x"][last]), int(batch["y"][last])

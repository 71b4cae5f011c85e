"""Rows of a unit into arrays that are there: blocks read from files, what is lost told."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ..batch import EventBatch
from ..block import Block
from ..dataset import Dataset, FileProblem
from ..dataset.files import naming
from ..dataset.reading import NEVER_SKIPPED
from ..errors import CorruptDataError, EvcodecError
from ..reader import Reader
from ..select import decode_matching, make_filter
from .plan import FilePlan, Plan, Unit, check_rows

Arrays = Mapping[str, npt.NDArray[np.generic]]
# Files of which more may be read soon stay open, so many of them.
_MOST_OPEN = 8


class Source:
    """Reads the units of a plan. Of one process and one thread; not pickled.

    Parameters
    ----------
    dataset : Dataset
    plan : Plan
    problems : dict of FileProblem to None
        Takes what is skipped, each once.
    """

    def __init__(self, dataset: Dataset, plan: Plan, problems: dict[FileProblem, None]) -> None:
        self._dataset = dataset
        self._plan = plan
        self._problems = problems
        self._skips = dataset.on_error == "skip"
        self._open: OrderedDict[int, Reader] = OrderedDict()

    def close(self) -> None:
        """Close the files."""
        while self._open:
            self._open.popitem()[1].close()

    def fill(self, unit: Unit, out: Arrays) -> list[tuple[int, int]]:
        """Put rows ``unit.low`` to ``unit.high`` into arrays; return those of them, half open, that are lost.

        Raises
        ------
        EvcodecError, OSError
            A block cannot be read, unless damage is skipped.
        """
        planned = self._plan.files[unit.file]
        path = planned.file.path
        try:
            with naming(path):
                reader = self._reader(unit.file)
        except (EvcodecError, OSError) as error:
            if not self._dataset._access.skips(error):
                raise
            self._problems[FileProblem(path, None, str(error))] = None
            return [(unit.low, unit.high)]
        try:
            with naming(path):
                self._fill(reader, planned, unit, out)
                return self._holes(reader, planned) if reader.problem_count else []
        except NEVER_SKIPPED:
            raise
        except (EvcodecError, OSError) as error:
            if not self._skips:
                raise
            self._note(reader, path, error)
        return self._lost(reader, planned, unit, out)

    def _fill(self, reader: Reader, planned: FilePlan, unit: Unit, out: Arrays) -> None:
        """Fill in the rows of a unit; raise an error if any cannot be read."""
        raise NotImplementedError

    def _lost(self, reader: Reader, planned: FilePlan, unit: Unit, out: Arrays) -> list[tuple[int, int]]:
        """Fill in the rows that can be read of a unit, and return the others."""
        raise NotImplementedError

    def _holes(self, reader: Reader, planned: FilePlan) -> list[tuple[int, int]]:
        """Return the rows of a file that are lost although every block that is known was read."""
        return []

    def _note(self, reader: Reader, path: str, error: Exception) -> None:
        """List what is skipped: what the Reader met, or the error."""
        if isinstance(error, EvcodecError) and reader.problems:
            for problem in reader.problems:
                self._problems[FileProblem(path, *problem)] = None
        else:
            self._problems[FileProblem(path, None, str(error))] = None

    def _reader(self, file: int) -> Reader:
        """Return the open Reader of a file."""
        reader = self._open.pop(file, None)
        if reader is None:
            reader = self._dataset.open(self._plan.files[file].file)
        self._open[file] = reader
        if len(self._open) > _MOST_OPEN:
            self._open.popitem(last=False)[1].close()
        return reader


class EventSource(Source):
    """Reads the units of an `EventPlan`."""

    def _lost(self, reader: Reader, planned: FilePlan, unit: Unit, out: Arrays) -> list[tuple[int, int]]:
        lost = []
        for block in range(unit.block, unit.stop_block):
            try:
                self._fill(reader, planned, unit._replace(block=block, stop_block=block + 1), out)
            except NEVER_SKIPPED:
                raise
            except (EvcodecError, OSError) as error:
                self._note(reader, planned.file.path, error)
                lost.append((int(planned.borders[block]), int(planned.borders[block + 1])))
        return lost

    def _fill(self, reader: Reader, planned: FilePlan, unit: Unit, out: Arrays) -> None:
        path = planned.file.path
        at = start = int(planned.borders[unit.block])
        stop = int(planned.borders[unit.stop_block])
        names = [name for name in out if name in planned.file.columns]
        chosen = make_filter(names, *planned.limits, range(unit.block, unit.stop_block))
        # Not batches(): most blocks are decoded where they are to be, without memory of their own.
        for _, block in reader._contents.blocks(chosen):
            in_place = at >= unit.low and at + block.events <= unit.high and chosen.passes_whole(block)
            if in_place and at + block.events <= stop:
                _decode(path, block, {name: out[name][at - unit.low :] for name in names})
                at += block.events
                continue
            batch = decode_matching(block, chosen, {name: out[name].dtype for name in names})
            check_rows(path, max(at + len(batch), stop) - start, stop - start)
            _place(path, batch, names, at - unit.low, out)
            at += len(batch)
        check_rows(path, at - start, stop - start)
        low, high = max(start, unit.low) - unit.low, min(stop, unit.high) - unit.low
        for name, array in out.items():
            if name not in planned.file.columns:
                array[low:high] = 0


def _decode(path: str, block: Block, out: Arrays) -> None:
    """Decode a block into the first rows of arrays; a column that it lacks is zero there."""
    rows = {name: array[: block.events] for name, array in out.items()}
    there = [name for name in rows if name in block.dtypes]
    for name in there:
        _check_dtype(path, name, block.dtypes[name], rows[name].dtype)
    same = {name: rows[name] for name in there if rows[name].dtype == block.dtypes[name]}
    decoded = block.decode(there, same)
    for name, array in rows.items():
        if name not in same:
            array[:] = decoded.get(name, 0)


def _place(path: str, batch: EventBatch, names: list[str], at: int, out: Arrays) -> None:
    """Copy the events of a batch to rows from ``at`` on, as far as there are such rows."""
    for name in names:
        array = out[name]
        low, high = max(at, 0), min(at + len(batch), len(array))
        if low < high:
            values = batch[name]
            _check_dtype(path, name, values.dtype, array.dtype)
            array[low:high] = values[low - at : high - at]


def _check_dtype(path: str, name: str, found: np.dtype, allowed: np.dtype) -> None:
    if not np.can_cast(found, allowed, "safe"):
        raise CorruptDataError(
            f"{path}: column {name!r}: found {found} in a block, allowed: what the index of the file states"
        )

"""Dataset: many streams as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ..batch import EventBatch
from ..errors import EvcodecError, InvalidArgumentError, ReadLimitError
from ..parallel import check_threads
from ..reader import Reader
from .files import FileProblem, StreamFile, check_unchanged, naming
from .listing import plan
from .problems import Problems
from .splits import Split, plan_splits
from .unify import chosen_dtypes, conform, unified
from .where import Limits, Where, choose

DEFAULT_SPLIT_BYTES = 32 * 2**20


class Dataset:
    """Many streams, read as one; made by `open_dataset`.

    Files come in the order of their paths. Every batch has the columns and dtypes of the dataset.
    """

    def __init__(
        self,
        files: Iterable[StreamFile],
        *,
        on_error: str = "raise",
        clock: str = "session",
        threads: int = 1,
        storage_options: Mapping[str, Any] | None = None,
        problems: Iterable[FileProblem] = (),
        limits: Limits | None = None,
        columns: Mapping[str, np.dtype] | None = None,
    ) -> None:
        self._files = tuple(files)
        self._on_error = on_error
        self._wall = clock == "wall"
        self._threads = check_threads(threads)
        self._storage_options = dict(storage_options or {})
        self._problems = Problems(problems)
        self._limits = Limits() if limits is None else limits
        self._columns = unified(self._files) if columns is None else dict(columns)

    # ---- what it is ----

    @property
    def files(self) -> tuple[StreamFile, ...]:
        """The files, in the order of their paths."""
        return self._files

    @property
    def problems(self) -> list[FileProblem]:
        """What was left out, with ``on_error="skip"``: by planning, and by all reading so far of this Dataset."""
        return self._problems.kept()

    @property
    def columns(self) -> dict[str, np.dtype]:
        """Dtype of each column, the smallest that holds all values of all files."""
        return dict(self._columns)

    @property
    def kinds(self) -> dict[int, int]:
        """Number of events by kind in the files, ascending."""
        found: Counter[int] = Counter()
        for file in self._files:
            found.update(file.kinds)
        allowed = self._limits.kinds
        return {kind: found[kind] for kind in sorted(found) if allowed is None or kind in allowed}

    @property
    def start(self) -> int | None:
        """Smallest time of the files, on the clock of the dataset; None when there are no events."""
        return min(
            (file.start + self._shift(file) for file in self._files if file.start is not None), default=None
        )

    @property
    def stop(self) -> int | None:
        """Largest time of the files, on the clock of the dataset; None when there are no events."""
        return max(
            (file.stop + self._shift(file) for file in self._files if file.stop is not None), default=None
        )

    def _shift(self, file: StreamFile) -> int:
        return file.epoch_ns or 0 if self._wall else 0

    def __len__(self) -> int:
        """Return the number of events."""
        return sum(self.kinds.values())

    def __bool__(self) -> bool:
        return bool(self._files)

    def __repr__(self) -> str:
        return f"<Dataset of {len(self._files)} files>"

    # ---- choosing ----

    def filter(
        self,
        *,
        where: Where = None,
        start: Any = None,
        stop: Any = None,
        kinds: Iterable[int] | None = None,
    ) -> Dataset:
        """Return a dataset of the files for which ``where`` holds, limited to these kinds and this time."""
        limits = self._limits.within(kinds, start, stop, self._wall)
        files = [file for file, _ in self._reached(choose(self._files, where), limits)]
        return Dataset(
            files,
            on_error=self._on_error,
            clock="wall" if self._wall else "session",
            threads=self._threads,
            storage_options=self._storage_options,
            problems=self._problems.kept(),
            limits=limits,
            columns=self._columns,
        )

    def _reached(self, files: Iterable[StreamFile], limits: Limits) -> Iterator[tuple[StreamFile, Limits]]:
        """Yield the files that may hold events within limits, with the limits in their own ``t``."""
        for file in files:
            try:
                own = limits.in_t_of(file, self._wall)
            except InvalidArgumentError as error:
                self._skip(file.path, error)
                continue
            if own.may_match(file):
                yield file, own

    def _skip(self, path: str, error: Exception) -> None:
        """Raise an error, or list it as the reason for leaving a file out."""
        if self._on_error == "raise":
            raise error
        self._problems.add(FileProblem(path, None, str(error)))

    # ---- reading ----

    def read(
        self,
        columns: Collection[str] | None = None,
        kinds: Iterable[int] | None = None,
        start: Any = None,
        stop: Any = None,
    ) -> EventBatch:
        """Return all events that match, in memory."""
        dtypes = chosen_dtypes(columns, self._columns)
        batches = list(self.batches(columns, kinds, start, stop))
        empty = EventBatch._from_arrays({name: np.zeros(0, dtype) for name, dtype in dtypes.items()}, 0)
        return (
            EventBatch.concat([empty, *batches])
            if dtypes
            else EventBatch._from_arrays({}, sum(map(len, batches)))
        )

    def batches(
        self,
        columns: Collection[str] | None = None,
        kinds: Iterable[int] | None = None,
        start: Any = None,
        stop: Any = None,
    ) -> Iterator[EventBatch]:
        """Yield the events that match, a batch for each block that has any, file by file."""
        return (batch for _, batch in self.located(columns, kinds, start, stop))

    def located(
        self,
        columns: Collection[str] | None = None,
        kinds: Iterable[int] | None = None,
        start: Any = None,
        stop: Any = None,
    ) -> Iterator[tuple[StreamFile, EventBatch]]:
        """Yield each batch with the file that it is from."""
        limits = self._limits.within(kinds, start, stop, self._wall)
        dtypes = chosen_dtypes(columns, self._columns)
        return (
            (file, batch)
            for file, own in self._reached(self._files, limits)
            for batch in self._read(file, dtypes, columns is None, own, None)
        )

    def _read(
        self,
        file: StreamFile,
        dtypes: Mapping[str, np.dtype],
        every: bool,
        limits: Limits,
        blocks: range | None,
    ) -> Iterator[EventBatch]:
        """Yield the batches of one file, within limits in its own ``t``."""
        try:
            reader = self.open(file)
        except (EvcodecError, OSError) as error:
            self._skip(file.path, error)
            return
        with reader:
            names = None if every else [name for name in dtypes if name in file.columns]
            batches = reader.batches(names, *limits, blocks=blocks)
            while True:
                try:
                    with naming(file.path):
                        batch = next(batches, None)
                        if batch is None:
                            break
                        batch = conform(batch, dtypes, file.path)
                except ReadLimitError:
                    raise
                except (EvcodecError, OSError) as error:
                    self._skip(file.path, error)
                    break
                yield batch
            for problem in reader.problems:
                self._problems.add(FileProblem(file.path, *problem))

    def open(self, file: StreamFile) -> Reader:
        """Return a Reader of a file, which its caller closes."""
        with naming(file.path):
            reader = Reader(file.path, on_error=self._on_error, threads=self._threads)
            try:
                check_unchanged(file, reader)
            except BaseException:
                reader.close()
                raise
            return reader

    # ---- dividing the work ----

    def splits(
        self,
        max_bytes: int = DEFAULT_SPLIT_BYTES,
        kinds: Iterable[int] | None = None,
        start: Any = None,
        stop: Any = None,
    ) -> list[Split]:
        """Return runs of blocks that together are all of what matches, in order; no file is opened."""
        limits = self._limits.within(kinds, start, stop, self._wall)
        return list(plan_splits(self._reached(self._files, limits), max_bytes))

    def read_split(
        self,
        split: Split,
        columns: Collection[str] | None = None,
        kinds: Iterable[int] | None = None,
        start: Any = None,
        stop: Any = None,
    ) -> Iterator[EventBatch]:
        """Yield the events of a split that match, a batch for each block that has any."""
        limits = self._limits.within(kinds, start, stop, self._wall).in_t_of(split.file, self._wall)
        dtypes = chosen_dtypes(columns, self._columns)
        blocks = range(split.first_block, split.stop_block)
        return self._read(split.file, dtypes, columns is None, limits, blocks)


def open_dataset(
    paths: Any,
    *,
    partitioning: str | None = "hive",
    catalogue: Any = None,
    storage_options: Mapping[str, Any] | None = None,
    where: Where = None,
    on_error: str = "raise",
    clock: str = "session",
    threads: int = 1,
) -> Dataset:
    """Open many streams as one."""
    for name, value, allowed in (
        ("partitioning", partitioning, ("hive", None)),
        ("on_error", on_error, ("raise", "skip")),
        ("clock", clock, ("session", "wall")),
    ):
        if value not in allowed:
            raise InvalidArgumentError(f"{name}: found {value!r}, allowed: {', '.join(map(repr, allowed))}")
    check_threads(threads)
    problems: list[FileProblem] = []
    files = plan(paths, partitioning == "hive", problems if on_error == "skip" else None)
    dataset = Dataset(
        files,
        on_error=on_error,
        clock=clock,
        threads=threads,
        storage_options=storage_options,
        problems=problems,
    )
    return dataset if where is None else dataset.filter(where=where)

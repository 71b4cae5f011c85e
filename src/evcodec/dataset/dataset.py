"""Dataset: many streams as one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from ..arrow import ArrowStream
from ..batch import EventBatch
from ..errors import EvcodecError, InvalidArgumentError
from ..limits import DEFAULT_READ_BYTES
from ..reader import Reader
from .described import Described
from .files import FileProblem, StreamFile
from .paths import is_url
from .planning import FAR_THREADS
from .ranges import far_crew
from .reading import Wanted, batches_of
from .splits import Split, plan_splits
from .streams import dataset_stream
from .unify import gathered
from .where import Limits, Where, choose

DEFAULT_SPLIT_BYTES = 32 * 2**20


class Dataset(Described):
    """Many streams, read as one. `open_dataset` makes it.

    Files come in the order of their paths, the events of each as they stand in it. Every batch has the columns that were
    asked for, in the dtypes of the dataset. Events are not merged by time.

    Notes
    -----
    A Dataset does not change, but for its list of problems. It may be used from several threads and after a fork, and may
    be pickled, which takes what is known of the files along and opens none, and keys as `open_dataset` says. Memory is a
    few hundred bytes for each file, and what reading one file takes; one file is open at a time, some more on other machines.
    """

    # ---- choosing ----

    def filter(
        self,
        *,
        where: Where = None,
        start: Any = None,
        stop: Any = None,
        kinds: Iterable[int] | None = None,
    ) -> Dataset:
        """Return a dataset of the files that may hold what is asked for, limited to it; no file is opened.

        Parameters
        ----------
        where : mapping or callable, optional
            Names to the value that a file must have, or to a set or list of them. A name is a partition (compared as text,
            None where it is missing), one of governance (``purpose``, ``notice_id``, ``retain_until_ns``, …), ``path``, or
            a key of the metadata, the first of these that the file has. Or a function of a `StreamFile`.
        start, stop : int or datetime, optional
            Keep events with ``start <= t < stop``, in ns on the `clock` of the dataset; with ``clock="wall"`` also
            datetimes that know their zone.
        kinds : iterable of int, optional
            Kinds to keep, 0 to 255.

        Returns
        -------
        Dataset
            Its columns are still those of all files, so that what is read of parts goes together.

        Raises
        ------
        InvalidArgumentError
            An argument is outside of what is allowed; no file has a name of ``where``; or a file has no ANCHOR, which
            ``start`` and ``stop`` need on the wall clock, and ``on_error`` is "raise".
        """
        limits = self._limits.within(kinds, start, stop, self._wall)
        files = [file for file, _ in self._reached(choose(self._files, where), limits)]
        return Dataset(
            files,
            self._access,
            wall=self._wall,
            problems=self._problems.kept(),
            limits=limits,
            columns=self._columns,
        )

    def reached(
        self, kinds: Iterable[int] | None = None, start: Any = None, stop: Any = None
    ) -> Iterator[tuple[StreamFile, Limits]]:
        """Yield the files that may hold events of these kinds and this time, with what is to be read of each.

        Parameters
        ----------
        kinds, start, stop
            As in `filter`, whose own limits count too.

        Yields
        ------
        file : StreamFile
        limits : (kinds, start, stop)
            In the file's own ``t``, as `Reader.batches` takes them.
        """
        return self._reached(self._files, self._limits.within(kinds, start, stop, self._wall))

    def _reached(self, files: Iterable[StreamFile], limits: Limits) -> Iterator[tuple[StreamFile, Limits]]:
        for file in files:
            try:
                own = limits.in_t_of(file, self._wall)
            except InvalidArgumentError as error:
                self._leave_out(file.path, error)
                continue
            if own.may_match(file):
                yield file, own

    def _leave_out(self, path: str, error: Exception) -> None:
        """Raise an error, or list it as the reason for leaving a file out."""
        if not self._access.skips(error):
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
        """Return all events that match, in memory.

        Parameters
        ----------
        columns : collection of str, optional
            Columns to decode; all by default. One that a file lacks reads as zeros there, one that is encrypted never.
        kinds, start, stop
            As in `filter`.

        Raises
        ------
        InvalidArgumentError
            An argument is outside of what is allowed; or a column is in no file, and not a standard one.
        MissingKeyError
            A column is encrypted in a file, and no key opens it; whatever ``on_error`` says.
        CorruptDataError, TruncatedDataError, UnsupportedVersionError, LimitExceededError
            A file is damaged, or not what it was when the dataset was opened, and ``on_error`` is "raise"; or the events
            would take more than 8 GiB.
        OSError
            A file cannot be read, and ``on_error`` is "raise".
        """
        wanted = self._wanted(columns)
        return gathered(self.batches(columns, kinds, start, stop), wanted.dtypes, DEFAULT_READ_BYTES)

    def batches(
        self,
        columns: Collection[str] | None = None,
        kinds: Iterable[int] | None = None,
        start: Any = None,
        stop: Any = None,
    ) -> Iterator[EventBatch]:
        """Yield the events that match, a batch for each block that has any, file by file.

        Parameters
        ----------
        columns, kinds, start, stop
            As in `read`, and so are errors; damage is met after the batches before it were given.
        """
        return (batch for _, batch in self.located(columns, kinds, start, stop))

    def located(
        self,
        columns: Collection[str] | None = None,
        kinds: Iterable[int] | None = None,
        start: Any = None,
        stop: Any = None,
    ) -> Iterator[tuple[StreamFile, EventBatch]]:
        """Yield each batch of `batches` with the file that it is from."""
        wanted = self._wanted(columns)
        return self._located(wanted, self.reached(kinds, start, stop))

    def _located(
        self, wanted: Wanted, reached: Iterable[tuple[StreamFile, Limits]], blocks: range | None = None
    ) -> Iterator[tuple[StreamFile, EventBatch]]:
        for file, _, batches in self._opened(wanted, reached, blocks):
            for batch in batches:
                yield file, batch

    def _opened(
        self, wanted: Wanted, reached: Iterable[tuple[StreamFile, Limits]], blocks: range | None = None
    ) -> Iterator[tuple[StreamFile, Reader, Iterator[EventBatch]]]:
        """Yield each file with its Reader and the batches that match; it is closed when the next is taken."""
        far = any(is_url(file.path) for file in self._files)
        # Files of other machines are opened ahead: most of the time that a small one takes is waiting.
        with far_crew(FAR_THREADS if far and blocks is None else 1) as crew:
            for (file, limits), job in crew.in_order(
                lambda found: self._access.open(*found, blocks, self._wall), reached
            ):
                try:
                    reader = job.take()
                except (EvcodecError, OSError) as error:
                    self._leave_out(file.path, error)
                    continue
                with reader:
                    yield (
                        file,
                        reader,
                        batches_of(reader, file, wanted, limits, blocks, self._leave_out, self._problems.add),
                    )

    def open(self, file: StreamFile) -> Reader:
        """Return a Reader of a file of the dataset, which its caller closes; by range requests where it is on another machine.

        Raises
        ------
        CorruptDataError, TruncatedDataError, UnsupportedVersionError, LimitExceededError
            The file is damaged, or not what it was when the dataset was opened; whatever ``on_error`` says.
        OSError
            It cannot be read.
        """
        return self._access.open(file)

    # ---- to Arrow ----

    def arrow(
        self,
        columns: Collection[str] | None = None,
        kinds: Iterable[int] | None = None,
        start: Any = None,
        stop: Any = None,
        *,
        partitions: bool = True,
        path: str | None = None,
        timestamps: bool = False,
        epoch_ns: int | None = None,
        dictionaries: bool = True,
    ) -> ArrowStream:
        """Return the events that match as a stream that Arrow libraries take: pyarrow, pandas, Polars, DuckDB, nanoarrow.

        Parameters
        ----------
        columns, kinds, start, stop
            As in `read`.
        partitions : bool
            Give partitions as columns of text behind the others; ``__HIVE_DEFAULT_PARTITION__`` where a file has none.
        path : str, optional
            Name of one more column of text, for the path of the file.
        timestamps : bool
            Give ``t`` as timestamp[ns, UTC] instead of int64: the epoch of each file is added.
        epoch_ns : int, optional
            For files without an ANCHOR: nanoseconds since 1970 when the session clock showed 0.
        dictionaries : bool
            Give ``kind`` as names, ``context`` as JSON text of what its index means, partitions and the path as
            dictionaries; else as integers and plain text.

        Returns
        -------
        ArrowStream
            It may be taken several times; each reads the files anew.

        Raises
        ------
        InvalidArgumentError
            As in `read`; or two columns have one name. Timestamps of a file without an anchor, and damage, end the stream
            with an error of the consumer's that names the file, unless ``on_error`` is "skip".
        """
        wanted = self._wanted(columns)
        limits = self._limits.within(kinds, start, stop, self._wall)
        return dataset_stream(
            wanted.dtypes,
            lambda: self._opened(wanted, self._reached(self._files, limits)),
            self._files,
            self._leave_out,
            partitions=self.partitions if partitions else [],
            path=path,
            timestamps=timestamps,
            epoch_ns=epoch_ns,
            dictionaries=dictionaries,
            with_timestamps=lambda: self.arrow(
                columns,
                kinds,
                start,
                stop,
                partitions=partitions,
                path=path,
                timestamps=True,
                epoch_ns=epoch_ns,
                dictionaries=dictionaries,
            ),
        )

    def __arrow_c_schema__(self) -> object:
        """Return a capsule with the Arrow schema of all columns and partitions; `arrow` has the choices and the errors."""
        return self.arrow().__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return a capsule with all events as an Arrow stream; `arrow` has the choices and the errors."""
        return self.arrow().__arrow_c_stream__(requested_schema)

    # ---- dividing the work ----

    def splits(
        self,
        max_bytes: int = DEFAULT_SPLIT_BYTES,
        kinds: Iterable[int] | None = None,
        start: Any = None,
        stop: Any = None,
    ) -> list[Split]:
        """Return runs of blocks that together are all of what matches, in order; no file is opened.

        Parameters
        ----------
        max_bytes : int
            About how many bytes of a file a split may be; it is one block at least. A file without an index is one split.
        kinds, start, stop
            As in `filter`, for leaving out files; `read_split` takes them too.
        """
        return list(plan_splits(self.reached(kinds, start, stop), max_bytes))

    def read_split(
        self,
        split: Split,
        columns: Collection[str] | None = None,
        kinds: Iterable[int] | None = None,
        start: Any = None,
        stop: Any = None,
    ) -> Iterator[EventBatch]:
        """Yield the events of a split that match, a batch for each block that has any.

        Parameters
        ----------
        split : Split
            Of this dataset, or of one that was filtered from the same; its file need not be among the files.
        columns, kinds, start, stop
            As in `batches`, and so are errors.
        """
        wanted = self._wanted(columns)
        limits = self._limits.within(kinds, start, stop, self._wall)
        reached = self._reached([split.file], limits)
        blocks = range(split.first_block, split.stop_block)
        return (batch for _, batch in self._located(wanted, reached, blocks))

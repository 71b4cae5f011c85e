"""Streams as a Ray dataset: what is planned on the driver, and handed to read tasks."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any

import pyarrow as pa
import ray.data
from ray.data.block import BlockMetadata
from ray.data.datasource import Datasource, ReadTask

from ..batch import EventBatch
from ..dataset import Dataset, Split, StreamFile, open_dataset
from ..dataset.unify import chosen_dtypes
from ..dataset.where import Where
from ..errors import InvalidArgumentError
from .planning import divide, is_whole
from .reports import ReadReport
from .tasks import ReadSplits, label_names, label_text, table_schema

Transform = Callable[[StreamFile, Iterator[EventBatch]], Iterable[EventBatch]]

# What a task reads, in memory: so much that starting it costs little, or less where processors would be idle.
_TASK_BYTES = 64 * 2**20
_LEAST_BYTES = 2**20
# What Arrow takes for a text beside its characters.
_TEXT_BYTES = 4


class EvcDatasource(Datasource):  # type: ignore[misc]
    """A Ray ``Datasource`` of evcodec streams; `read_evc` makes one and reads it.

    Parameters
    ----------
    dataset : Dataset
    columns, kinds, start, stop, where, partitions, include_paths, transform, report
        As in `read_evc`.

    Raises
    ------
    InvalidArgumentError
        An argument is outside of what is allowed; or the path would have the name of a column.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        columns: Collection[str] | None = None,
        kinds: Iterable[int] | None = None,
        start: Any = None,
        stop: Any = None,
        where: Where = None,
        partitions: bool = True,
        include_paths: bool = False,
        transform: Transform | None = None,
        report: ReadReport | None = None,
    ) -> None:
        super().__init__()
        self._dataset = dataset.filter(where=where, kinds=kinds, start=start, stop=stop)
        self._columns = list(dataset.dtypes(columns))
        self._labels = label_names(dataset.files, partitions, include_paths)
        if clash := set(self._labels) & set(self._columns):
            raise InvalidArgumentError(
                f"columns: found {sorted(clash)} among those of the events and of the path, allowed: each name once"
            )
        self._transform = transform
        self._skips = dataset.on_error == "skip"
        self._collector = report._begin(self._dataset.problems) if report is not None else None
        # Tasks take their splits along, which know their files: of 100,000 others they need nothing.
        self._without_files = self._dataset.filter(where=lambda file: False)
        self._is_timed = any(own[1:] != (None, None) for _, own in self._dataset.reached())
        # What Ray's optimizer pushes down, set by its `apply_projection`; its name is part of that interface.
        self._projection_map: Mapping[str, str] | None = None

    def get_name(self) -> str:
        """Return what Ray shows for the read."""
        return "Evc"

    def supports_projection_pushdown(self) -> bool:
        """Tell whether ``select_columns`` may be pushed down: unless a transform needs what the dataset reads."""
        return self._transform is None and hasattr(Datasource, "get_projection_map")

    def _chosen(self) -> tuple[list[str], list[str]]:
        """Return columns and labels of the rows, after what Ray pushed down."""
        pushed = self._projection_map
        if pushed is None:
            return self._columns, self._labels
        known = {*self._columns, *self._labels}
        if missing := [name for name in pushed if name not in known]:
            raise InvalidArgumentError(f"columns: found {missing}, allowed: {', '.join(sorted(known))}")
        return [n for n in pushed if n in self._columns], [n for n in pushed if n in self._labels]

    def _size(self, split: Split) -> int:
        """Return about how many bytes the rows of a split take as Arrow data."""
        columns, labels = self._chosen()
        dtypes = chosen_dtypes(columns, self._dataset.columns)
        of_row = sum(dtype.itemsize for dtype in dtypes.values())
        of_row += sum(_TEXT_BYTES + len(label_text(split.file, name) or "") for name in labels)
        return split.events * of_row

    def estimate_inmemory_data_size(self) -> int | None:
        """Return about how many bytes all rows take as Arrow data; with a transform, those that it is given."""
        return sum(map(self._size, self._dataset.splits(2**62)))

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, data_context: Any = None
    ) -> list[ReadTask]:
        """Return tasks that together read everything, in order: about ``parallelism``, fewer where there are fewer blocks."""
        columns, labels = self._chosen()
        schema = None if self._transform else table_schema(self._dataset, columns, labels)
        limited = {} if per_task_row_limit is None else {"per_task_row_limit": per_task_row_limit}
        tasks = []
        for splits in divide(self._dataset, parallelism, self._size, whole=self._transform is not None):
            read = ReadSplits(
                dataset=self._without_files,
                splits=splits,
                columns=columns,
                labels=labels,
                transform=self._transform,
                collector=self._collector,
            )
            metadata = self._metadata(splits, schema)
            if "schema" in _METADATA_FIELDS:
                tasks.append(ReadTask(read, metadata, **limited))
            else:
                tasks.append(ReadTask(read, metadata, schema=schema, **limited))
        return tasks

    def default_tasks(self, processors: float) -> int:
        """Return how many tasks to ask for, where nobody says: each costs Ray some hundredths of a second.

        As many as can be had, so that Ray, which asks for 200 and more, does not cut what fewer give into small blocks.
        """
        size = self.estimate_inmemory_data_size() or 0
        busy = min(2 * math.ceil(processors), size // _LEAST_BYTES)
        tasks = max(size // _TASK_BYTES, busy, 1)
        while (found := len(self.get_read_tasks(tasks))) < tasks:
            tasks = max(found, 1)
            if not found:
                break
        return tasks

    def _metadata(self, splits: list[Split], schema: pa.Schema | None) -> BlockMetadata:
        """Return what Ray schedules by. It takes a number of rows for the truth, so it gets one where that is known."""
        events = sum(split.events for split in splits)
        exact = (
            self._transform is None and not self._skips and not self._is_timed and all(map(is_whole, splits))
        )
        older = {"schema": schema} if "schema" in _METADATA_FIELDS else {}
        return BlockMetadata(
            num_rows=events if exact else None,
            size_bytes=sum(map(self._size, splits)),
            input_files=list(dict.fromkeys(split.file.path for split in splits)),
            exec_stats=None,
            **older,
        )


_METADATA_FIELDS = {field.name for field in fields(BlockMetadata)}


def read_evc(
    paths: Any,
    *,
    columns: Collection[str] | None = None,
    kinds: Iterable[int] | None = None,
    start: Any = None,
    stop: Any = None,
    where: Where = None,
    on_error: str | None = None,
    report: ReadReport | None = None,
    partitions: bool = True,
    include_paths: bool = False,
    transform: Transform | None = None,
    concurrency: int | None = None,
    override_num_blocks: int | None = None,
    ray_remote_args: dict[str, Any] | None = None,
    **dataset_options: Any,
) -> ray.data.Dataset:
    """Return streams as a Ray dataset: large files divided by blocks, small ones read several to a task.

    Parameters
    ----------
    paths : path, glob, folder, URL, list of these, or Dataset
        As in `evcodec.open_dataset`.
    columns, kinds, start, stop
        As in `Dataset.read`: files and blocks that cannot match are not read, other columns are not decompressed. What
        ``select_columns`` of the Ray dataset leaves is pushed down too.
    where : mapping or callable, optional
        As in `Dataset.filter`: which files, by partitions, purpose, retention, metadata.
    on_error : {"raise", "skip"}, optional
        ``"raise"``: the job fails, naming the file. ``"skip"``: a file that cannot be read, and damage, are left out and
        told to ``report``, or to the logs of the workers. By default what the Dataset has, else "raise".
    report : ReadReport, optional
        Gets what is left out.
    partitions, include_paths : bool
        Add a column for each partition of the paths, and one named ``path``, of text; None where a file lacks the partition.
    transform : callable, optional
        Called in the task with each file, as a `StreamFile`, and its batches; what it yields takes their place. It sees
        a session whole, so files are not divided. All batches that it yields must have the same columns and dtypes.
    override_num_blocks : int, optional
        Number of tasks; by default one for each 64 MiB in memory, and two for each processor of the cluster at least.
    concurrency, ray_remote_args
        As in ``ray.data.read_datasource``.
    **dataset_options
        Those of `evcodec.open_dataset`: ``partitioning``, ``catalogue``, ``storage_options``, ``clock``, ``keys``,
        ``without_key``. Keys are sent to the workers as that says.

    Returns
    -------
    ray.data.Dataset
        Blocks are Arrow tables. Columns are integers of their dtype, ``kind`` and ``context`` too. The rows of a task are
        in the order of paths, and within a file in that of the stream; see the guide for the order of tasks.

    Raises
    ------
    InvalidArgumentError
        An argument is outside of what is allowed.
    CorruptDataError, TruncatedDataError, UnsupportedVersionError, LimitExceededError, OSError
        Files cannot be opened, unless they are skipped. While the job runs such an error is raised by Ray.
    """
    if isinstance(paths, Dataset):
        if dataset_options:
            raise InvalidArgumentError(
                f"options: found {sorted(dataset_options)}, allowed: none with a Dataset"
            )
        if on_error not in (None, paths.on_error):
            raise InvalidArgumentError(
                f"on_error: found {on_error!r}, allowed: that of the Dataset, {paths.on_error!r}"
            )
        dataset = paths
    else:
        dataset = open_dataset(paths, on_error=on_error or "raise", **dataset_options)
    source = EvcDatasource(
        dataset,
        columns=columns,
        kinds=kinds,
        start=start,
        stop=stop,
        where=where,
        partitions=partitions,
        include_paths=include_paths,
        transform=transform,
        report=report,
    )
    if override_num_blocks is None:
        if not ray.is_initialized():
            ray.init()
        override_num_blocks = source.default_tasks(ray.cluster_resources().get("CPU", 1))
    return ray.data.read_datasource(
        source,
        concurrency=concurrency,
        override_num_blocks=override_num_blocks,
        ray_remote_args=ray_remote_args,
    )

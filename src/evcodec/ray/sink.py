"""A Ray dataset as streams: one for each write task, whole or not at all, none twice."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import ray.data
from ray.data.block import Block, BlockAccessor
from ray.data.datasource import Datasink

from ..batch import EventBatch
from ..errors import InvalidArgumentError
from ..levels import level_of
from ..oneshot import header_of
from ..wire import pack_header
from ..writer import Writer
from .targets import is_of_job, stream_name, target_of

_JOB = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_MODES = ("error", "overwrite", "append")
# Enough for a Writer's thread to work beside the task; each event takes some tens of bytes.
_QUEUE_EVENTS = 2**18
# Blocks are full ones, however slowly rows come: a stream of a task is nobody's to read before it is whole.
_NEVER_S = 3600.0


class EvcDatasink(Datasink):  # type: ignore[misc]
    """A Ray ``Datasink`` that writes evcodec streams; `write_evc` makes one and writes to it.

    Parameters
    ----------
    path, mode, columns, level, metadata, governance, job, min_rows_per_stream, storage_options
        As in `write_evc`.

    Raises
    ------
    InvalidArgumentError
        An argument is outside of what is allowed.

    Notes
    -----
    For one ``write_datasink``. `paths` has the streams afterwards.
    """

    def __init__(
        self,
        path: Any,
        *,
        mode: str = "error",
        columns: Collection[str] | None = None,
        level: str = "balanced",
        metadata: Mapping[str, Any] | None = None,
        governance: Mapping[str, Any] | None = None,
        job: str | None = None,
        min_rows_per_stream: int | None = None,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if mode not in _MODES:
            raise InvalidArgumentError(f"mode: found {mode!r}, allowed: {', '.join(map(repr, _MODES))}")
        job = f"part-{secrets.token_hex(6)}" if job is None else job
        if not isinstance(job, str) or not _JOB.fullmatch(job):
            raise InvalidArgumentError(
                f"job: found {job!r}, allowed: 1 to 64 letters, digits, '_', '.', '-', the first a letter or a digit"
            )
        if isinstance(columns, str):
            raise InvalidArgumentError(f"columns: found {columns!r}, allowed: a list of names")
        rows = min_rows_per_stream
        if rows is not None and (isinstance(rows, bool) or not isinstance(rows, int) or rows < 1):
            raise InvalidArgumentError(f"min_rows_per_stream: found {rows!r}, allowed: 1 or more")
        level_of(level)
        pack_header(header_of(metadata, governance))
        self._path = path
        self._mode = mode
        self._columns = None if columns is None else list(columns)
        self._level = level
        self._metadata = None if metadata is None else dict(metadata)
        self._governance = None if governance is None else dict(governance)
        self._job = job
        self._min_rows = rows
        self._target = target_of(path, job, storage_options)
        self._state = "new"
        self._before: list[str] = []
        self.paths: list[str] = []

    @property
    def job(self) -> str:
        """What the names of the streams begin with."""
        return self._job

    @property
    def min_rows_per_write(self) -> int | None:
        """How many rows Ray brings together for a stream, at least."""
        return self._min_rows

    def get_name(self) -> str:
        """Return what Ray shows for the write."""
        return "Evc"

    # ---- on the driver ----

    def on_write_start(self, schema: Any = None) -> None:
        """Look at what is there, and make room; Ray calls it before the first task.

        Raises
        ------
        InvalidArgumentError
            There are streams, and the mode is "error"; or this sink was written to before.
        OSError
            The folder cannot be made or listed.
        """
        if self._state == "begun":
            return
        if self._state != "new":
            raise InvalidArgumentError(
                f"{self._path}: found a sink that was written to, allowed: a new one for each job"
            )
        streams = self._target.streams()
        own = [path for path in streams if is_of_job(path, self._job)]
        if self._mode == "error" and len(streams) > len(own):
            raise InvalidArgumentError(
                f"{self._path}: found {len(streams)} streams, such as {streams[0]}, allowed: none; or mode='overwrite', "
                "mode='append'"
            )
        self._before = own if self._mode == "append" else streams
        self._target.begin()
        self._state = "begun"

    def on_write_complete(self, write_result: Any) -> None:
        """Show the streams; Ray calls it when all tasks are done. What the mode replaces goes then, not before."""
        self.on_write_start()
        written = getattr(write_result, "write_returns", write_result)
        names = sorted({name for name in written if name is not None})
        self.paths = self._target.commit(names)
        kept = set(self.paths)
        self._target.remove(path for path in self._before if path not in kept)
        self._state = "done"

    def on_write_failed(self, error: BaseException) -> None:
        """Take away what the tasks wrote; Ray calls it when the job fails."""
        if self._state == "begun":
            self._state = "failed"
            self._target.abandon()

    # ---- on a worker ----

    def write(self, blocks: Iterable[Block], ctx: Any) -> str | None:
        """Write the rows of a task as one stream and return its name; None, and no stream, for a task without rows.

        Raises
        ------
        InvalidArgumentError
            A column is not of integers, has a null, or is not there.
        WriteFailedError, OSError
            The stream cannot be written.
        """
        batches = self._batches(blocks)
        first = next(batches, None)
        if first is None:
            return None
        name = stream_name(self._job, ctx.task_idx)
        with (
            self._target.file(name) as file,
            Writer(
                file,
                level=self._level,
                metadata=self._metadata,
                governance=self._governance,
                flush_interval_s=_NEVER_S,
                queue_events=_QUEUE_EVENTS,
            ) as writer,
        ):
            for batch in chain((first,), batches):
                writer.write(batch)
        return name

    def _batches(self, blocks: Iterable[Block]) -> Iterator[EventBatch]:
        for block in blocks:
            table = BlockAccessor.for_block(block).to_arrow()
            if not table.num_rows:
                continue
            if self._columns is not None:
                if missing := [name for name in self._columns if name not in table.column_names]:
                    raise InvalidArgumentError(
                        f"columns: found {missing}, allowed: {', '.join(table.column_names)}"
                    )
                table = table.select(self._columns)
            yield from EventBatch.batches_from_arrow(table)


def write_evc(
    ds: ray.data.Dataset,
    path: Any,
    *,
    mode: str = "error",
    columns: Collection[str] | None = None,
    level: str = "balanced",
    metadata: Mapping[str, Any] | None = None,
    governance: Mapping[str, Any] | None = None,
    job: str | None = None,
    min_rows_per_stream: int | None = None,
    storage_options: Mapping[str, Any] | None = None,
    concurrency: int | None = None,
    ray_remote_args: dict[str, Any] | None = None,
) -> list[str]:
    """Write a Ray dataset as streams, one for each task that has rows, and return their paths.

    Parameters
    ----------
    ds : ray.data.Dataset
        Of integer columns, in any block format.
    path : path or URL
        A folder that all nodes see, or a URL of fsspec's. It is made where it is missing.
    mode : {"error", "overwrite", "append"}
        When there are streams below ``path``: refuse; replace all of them when the job has ended well; or add to them.
    columns : collection of str, optional
        Columns to write; all by default.
    level : {"fast", "balanced", "small"}
    metadata, governance : mapping, optional
        As in `Writer`, for each stream. Rows do not take along what their files said: `common_governance` tells what
        those of a Dataset have in common.
    job : str, optional
        What names begin with, ``part-`` and random digits by default: streams are named ``<job>-<task>.evc``. What a job of
        the same name wrote before is replaced in every mode, so that a job that is run again leaves nothing twice.
    min_rows_per_stream : int, optional
        Bring together rows of several blocks for a stream, about so many at least.
    storage_options : mapping, optional
        For fsspec's file system.
    concurrency, ray_remote_args
        As in ``Dataset.write_datasink``.

    Returns
    -------
    list of str
        Sorted. Rows of a stream are in the order in which its task got them; in a dataset with ``preserve_order`` the
        streams, by name, are in the order of the dataset.

    Raises
    ------
    InvalidArgumentError
        An argument is outside of what is allowed; there are streams already; or, by Ray, a column is not of integers, or
        a value is null.
    WriteFailedError, OSError
        A stream cannot be written. Nothing is left of the job then.
    """
    sink = EvcDatasink(
        path,
        mode=mode,
        columns=columns,
        level=level,
        metadata=metadata,
        governance=governance,
        job=job,
        min_rows_per_stream=min_rows_per_stream,
        storage_options=storage_options,
    )
    sink.on_write_start()
    try:
        ds.write_datasink(sink, concurrency=concurrency, ray_remote_args=ray_remote_args)
    except BaseException as error:  # Ray tells the sink of an Exception only
        sink.on_write_failed(error)
        raise
    return sink.paths

"""Reading one file of a dataset: checked against what was planned, in the dataset's columns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from ..batch import EventBatch
from ..errors import EvcodecError, MissingExtraError, NotPermittedError, ReadLimitError, RetentionError
from ..governance import Use
from ..keyring import Keyring
from ..reader import Reader
from .files import FileProblem, StreamFile, check_epoch, check_unchanged, naming
from .stores import Stores
from .unify import conform
from .where import Limits

# A file that is no larger is one request, where all of it is wanted.
_WHOLE_BYTES = 2**20
# What is wrong with the caller or with the installation, and so with every file.
NEVER_SKIPPED = (MissingExtraError, NotPermittedError, ReadLimitError)


class Wanted(NamedTuple):
    """Columns of a dataset that were asked for, with their dtypes; ``every`` when they are all that files have."""

    dtypes: Mapping[str, np.dtype]
    every: bool

    def of(self, file: StreamFile) -> Collection[str] | None:
        """Return what to ask a Reader of this file for."""
        return None if self.every else [name for name in self.dtypes if name in file.columns]


class FileAccess(NamedTuple):
    """How the files of a dataset are opened."""

    stores: Stores
    on_error: str
    threads: int
    keyring: Keyring
    use: Use

    def skips(self, error: Exception) -> bool:
        """Tell whether a file is left out for this error, and listed as a problem, instead of raising it."""
        if isinstance(error, RetentionError):
            return self.use.past_retention == "skip"
        return self.on_error == "skip" and not isinstance(error, NEVER_SKIPPED)

    def open(
        self,
        file: StreamFile,
        limits: Limits | None = None,
        blocks: range | None = None,
        wall: bool = False,
    ) -> Reader:
        """Return a Reader of a file that is what it was when the dataset was planned.

        Parameters
        ----------
        file : StreamFile
        limits : Limits, optional
            What of it will be read, in its own ``t``.
        blocks : range, optional
            Which blocks of it will be read.
        wall : bool
            Whether they come from times of the wall clock, by the file's epoch.
        """
        whole = limits is not None and file.size <= _WHOLE_BYTES and limits.allow_all(file)
        whole = whole and (blocks is None or len(blocks) == file.blocks)
        with naming(file.path):
            source = self.stores.source(file.path, file.size, file.ends, whole)
            reader = Reader(
                source,
                on_error=self.on_error,
                threads=self.threads,
                keys=self.keyring,
                purpose=self.use.purposes,
                past_retention="allow" if self.use.past_retention == "allow" else "raise",
            )
            try:
                # Where damage was met, and went on behind, events are not as they were; what they may be used for is.
                check_unchanged(file, reader, events=not reader.problem_count)
                if wall and limits is not None and limits.is_timed:
                    check_epoch(file, reader)
            except BaseException:
                reader.close()
                raise
            return reader


def batches_of(
    reader: Reader,
    file: StreamFile,
    wanted: Wanted,
    limits: Limits,
    blocks: range | None,
    leave_out: Callable[[str, Exception], None],
    report: Callable[[FileProblem], None],
) -> Iterator[EventBatch]:
    """Yield the batches of an open file, within limits in its own ``t``, and close it.

    ``leave_out`` is told what ends it early, and raises or not; ``report`` is told what was skipped.
    """
    try:
        batches = reader.batches(wanted.of(file), *limits, blocks=_blocks(reader, file, blocks))
        while True:
            try:
                with naming(file.path):
                    batch = next(batches, None)
                    if batch is not None:
                        batch = conform(batch, wanted.dtypes, file.path)
            except NEVER_SKIPPED:
                raise
            except (EvcodecError, OSError) as error:
                leave_out(file.path, error)
                return
            if batch is None:
                return
            yield batch
    finally:
        for problem in reader.problems:
            report(FileProblem(file.path, *problem))
        reader.close()


def _blocks(reader: Reader, file: StreamFile, blocks: range | None) -> range | None:
    """Return the blocks to read of a run that was planned; where damage left others, all runs together are all of them."""
    there = 0 if blocks is None else len(reader.blocks)
    if blocks is None or there == file.blocks:
        return blocks
    stop = there if blocks.stop >= file.blocks else min(blocks.stop, there)
    return range(min(blocks.start, stop), stop)

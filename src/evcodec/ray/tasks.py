"""What a read task does on its worker: splits to Arrow tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa

from ..batch import EventBatch
from ..dataset import Dataset, Split, StreamFile
from ..dataset.unify import chosen_dtypes
from .reports import send

PATH = "path"

# Smaller batches are joined, which copies them; larger ones are handed over as they are.
_TABLE_BYTES = 4 * 2**20
# Not dictionaries: Arrow groups and joins by them only where all blocks have the same one.
_LABEL_TYPE = pa.string()
# Ray's own name for a column that only keeps the number of rows, where no column is wanted.
_STUB = "__bsp_stub"


def label_names(files: Iterable[StreamFile], partitions: bool, include_paths: bool) -> list[str]:
    """Return the names of the columns that say where rows are from."""
    keys = dict.fromkeys(key for file in files for key in file.partitions) if partitions else {}
    return [*keys, *([PATH] if include_paths else [])]


def table_schema(dataset: Dataset, columns: Sequence[str], labels: Sequence[str]) -> pa.Schema:
    """Return the schema of all tables."""
    dtypes = chosen_dtypes(columns, dataset.columns)
    found = [pa.field(name, pa.from_numpy_dtype(dtype)) for name, dtype in dtypes.items()]
    found += [pa.field(name, _LABEL_TYPE) for name in labels]
    return pa.schema(found or [pa.field(_STUB, pa.null())])


@dataclass(frozen=True)
class ReadSplits:
    """Reads some splits, in order. It is sent to a worker, so it holds what these need and no more."""

    dataset: Dataset
    splits: list[Split]
    columns: list[str]
    labels: list[str]
    transform: Callable[[StreamFile, Iterator[EventBatch]], Iterable[EventBatch]] | None
    collector: Any

    __name__ = "read_evc"  # what Ray calls it in its messages

    def __call__(self) -> Iterator[pa.Table]:
        """Yield the rows as tables of some MiB, one at a time in memory."""
        planned = set(self.dataset.problems)
        waiting: list[tuple[StreamFile, EventBatch]] = []
        size = 0
        given = False
        for file, batch in self._located():
            nbytes = sum(array.nbytes for array in batch.columns.values())
            if waiting and size + nbytes > _TABLE_BYTES:
                yield self._table(waiting)
                given, waiting, size = True, [], 0
            waiting.append((file, batch))
            size += nbytes
        if waiting:
            yield self._table(waiting)
        elif not given and self.transform is None:
            yield table_schema(self.dataset, self.columns, self.labels).empty_table()
        send(self.collector, [problem for problem in self.dataset.problems if problem not in planned])

    def _located(self) -> Iterator[tuple[StreamFile, EventBatch]]:
        for _, splits in groupby(self.splits, key=lambda split: split.file.path):
            split = next(splits)
            file = split.file
            batches = (
                batch for part in (split, *splits) for batch in self.dataset.read_split(part, self.columns)
            )
            if self.transform is None:
                yield from ((file, batch) for batch in batches)
                continue
            try:
                yield from ((file, batch) for batch in self.transform(file, batches))
            except Exception as error:
                error.add_note(f"while reading {file.path}")
                raise

    def _table(self, parts: list[tuple[StreamFile, EventBatch]]) -> pa.Table:
        """Return batches and where they are from as one table; the columns of a single batch are not copied."""
        batches = [batch for _, batch in parts]
        batch = batches[0] if len(batches) == 1 else EventBatch.concat(batches)
        arrays = [pa.array(array) for array in batch.columns.values()]
        found = [pa.field(name, array.type) for name, array in zip(batch.columns, arrays, strict=True)]
        lengths = np.array([len(batch) for batch in batches])
        for name in self.labels:
            arrays.append(_label([label_text(file, name) for file, _ in parts], lengths))
            found.append(pa.field(name, _LABEL_TYPE))
        if not found:
            arrays, found = [pa.nulls(int(lengths.sum()))], [pa.field(_STUB, pa.null())]
        return pa.Table.from_arrays(arrays, schema=pa.schema(found))


def label_text(file: StreamFile, label: str) -> str | None:
    """Return what a label says of the rows of a file."""
    return file.path if label == PATH and PATH not in file.partitions else file.partitions.get(label)


def _label(texts: list[str | None], lengths: np.ndarray) -> pa.Array:
    """Return a column with one text for each run of rows."""
    indices = pa.array(np.repeat(np.arange(len(texts), dtype=np.int32), lengths))
    return pa.DictionaryArray.from_arrays(indices, pa.array(texts, _LABEL_TYPE)).cast(_LABEL_TYPE)

"""One schema for many files: the columns of all, each of the smallest dtype that holds every value."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np

from ..batch import EventBatch
from ..errors import CorruptDataError, InvalidArgumentError, ReadLimitError
from ..schema import STANDARD_COLUMNS, common_dtype, in_column_order
from .files import StreamFile


def unified(files: Iterable[StreamFile]) -> dict[str, np.dtype]:
    """Return the columns of all files, in the order of their numbers and then of the first file that has them.

    Raises
    ------
    InvalidArgumentError
        A column is uint64 in one file and signed in another; or a partition has the name of a column.
    """
    owners: dict[str, dict[np.dtype, str]] = {}
    keys: dict[str, str] = {}
    seen: set[int] = set()
    for file in files:
        for key in file.partitions:
            keys.setdefault(key, file.path)
        if id(file.columns) in seen:  # files of one schema share one mapping
            continue
        seen.add(id(file.columns))
        for name, dtype in file.columns.items():
            owners.setdefault(name, {}).setdefault(dtype, file.path)
    for name in owners.keys() & keys.keys():
        raise InvalidArgumentError(
            f"{keys[name]}: partition {name!r}: found a column of this name in {next(iter(owners[name].values()))}, "
            "allowed: partitions that have names of their own; or partitioning=None"
        )
    return {name: _shared(name, owners[name]) for name in in_column_order(owners)}


def _shared(name: str, owners: Mapping[np.dtype, str]) -> np.dtype:
    dtype = common_dtype(set(owners))
    if dtype is not None:
        return dtype
    unsigned = owners[np.dtype(np.uint64)]
    signed, other = next((found, path) for found, path in owners.items() if found.kind == "i")
    raise InvalidArgumentError(
        f"column {name!r}: found uint64 in {unsigned} and {signed} in {other}, allowed: dtypes with a common integer dtype"
    )


def chosen_dtypes(columns: Collection[str] | None, known: Mapping[str, np.dtype]) -> dict[str, np.dtype]:
    """Return the dtypes of the columns that were asked for, in that order.

    Raises
    ------
    InvalidArgumentError
        One is in no file, and not a standard one.
    """
    if columns is None:
        return dict(known)
    names = list(dict.fromkeys(columns))
    if missing := [name for name in names if name not in known and name not in STANDARD_COLUMNS]:
        allowed = ", ".join(sorted({*STANDARD_COLUMNS, *known}))
        raise InvalidArgumentError(f"columns: found {missing}, allowed: {allowed}")
    return {name: known[name] if name in known else STANDARD_COLUMNS[name].dtype for name in names}


def conform(batch: EventBatch, dtypes: Mapping[str, np.dtype], path: str) -> EventBatch:
    """Return a batch of a file with exactly these columns and dtypes; what it lacks is zero.

    Raises
    ------
    CorruptDataError
        A column is not among those that the file's index states, or of a dtype that holds more.
    """
    for name, array in batch.columns.items():
        if name not in dtypes or not np.can_cast(array.dtype, dtypes[name], "safe"):
            raise CorruptDataError(
                f"{path}: column {name!r}: found {array.dtype} in a block, allowed: what the index of the file states"
            )
    arrays = {
        name: batch.columns[name].astype(dtype, copy=False)
        if name in batch.columns
        else np.zeros(len(batch), dtype)
        for name, dtype in dtypes.items()
    }
    return EventBatch._from_arrays(arrays, len(batch))


def gathered(batches: Iterable[EventBatch], dtypes: Mapping[str, np.dtype], max_bytes: int) -> EventBatch:
    """Return batches of these columns as one; raise ReadLimitError if they take more than ``max_bytes``."""
    row_bytes = sum(dtype.itemsize for dtype in dtypes.values())
    parts: list[EventBatch] = []
    length = 0
    for batch in batches:
        length += len(batch)
        if length * row_bytes > max_bytes:
            raise ReadLimitError(
                f"read: found at least {length} events of {row_bytes} bytes, allowed: {max_bytes} bytes in all; "
                "batches() gives them block by block"
            )
        parts.append(batch)
    arrays = {
        name: np.concatenate([np.zeros(0, dtype), *(part.columns[name] for part in parts)])
        for name, dtype in dtypes.items()
    }
    return EventBatch._from_arrays(arrays, length)

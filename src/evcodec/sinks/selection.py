"""What all exporters share: what was asked for, one schema for all blocks, and every block brought to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import InvalidArgumentError
from ..reader import Reader
from ..schema import STANDARD_COLUMNS, common_dtype

Column = npt.NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Selection:
    """What of a recording was asked for; see :func:`evcodec.sinks.export`."""

    columns: Sequence[str] | None = None
    kinds: Sequence[int] | None = None
    start: int | None = None
    stop: int | None = None
    entries: bool = False


class Table(NamedTuple):
    """The columns that will be written, and the blocks' events under them.

    Where a dtype is None, each block keeps its own: they have none in common.
    """

    schema: dict[str, np.dtype | None]
    blocks: Iterator[list[Column]]


def column_dtypes(reader: Reader) -> dict[str, np.dtype | None]:
    """Return the columns of a recording; a dtype is None where blocks have no integer dtype in common."""
    try:
        return dict(reader.columns)
    except InvalidArgumentError:
        # uint64 here and signed there: rare enough to look at every block for it.
        dtypes: dict[str, set[np.dtype]] = {}
        for batch in reader.batches():
            for name, column in batch.columns.items():
                dtypes.setdefault(name, set()).add(column.dtype)
        return {name: common_dtype(found) for name, found in dtypes.items()}


def select(reader: Reader, selection: Selection) -> Table:
    """Return the schema and, one block at a time, its columns in the schema's order and dtypes.

    Raises
    ------
    InvalidArgumentError
        A column was asked for that no block has and that is not a standard one.
    """
    found = column_dtypes(reader)
    if selection.columns is None:
        schema = found
    else:
        schema = {}
        for name in selection.columns:
            if name in found:
                schema[name] = found[name]
            elif name in STANDARD_COLUMNS:
                schema[name] = STANDARD_COLUMNS[name].dtype
            else:
                raise InvalidArgumentError(
                    f"column {name!r}: found nowhere in the recording, which has {', '.join(found) or 'no columns'}"
                )
    return Table(schema, _blocks(reader, schema, selection))


def _blocks(
    reader: Reader, schema: dict[str, np.dtype | None], selection: Selection
) -> Iterator[list[Column]]:
    if not schema:
        return
    for batch in reader.batches(tuple(schema), selection.kinds, selection.start, selection.stop):
        if not len(batch):
            continue
        have = batch.columns
        yield [
            _widened(have[name], dtype) if name in have else np.zeros(len(batch), dtype or np.uint8)
            for name, dtype in schema.items()
        ]


def _widened(array: Column, dtype: np.dtype | None) -> Column:
    """Return ``array`` as ``dtype``, which holds every value of the column in all blocks."""
    return array if dtype is None or array.dtype == dtype else array.astype(dtype, casting="safe")

"""What all exporters share: one schema for all blocks, and every block brought to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import InvalidArgumentError
from ..reader import Reader
from ..schema import STANDARD_COLUMNS

Column = npt.NDArray[np.integer]


class Selection(NamedTuple):
    """The columns that will be written, and the blocks' events under them."""

    schema: dict[str, np.dtype]
    blocks: Iterator[list[Column]]


def select(
    reader: Reader,
    columns: Sequence[str] | None,
    kinds: Sequence[int] | None,
    start: int | None,
    stop: int | None,
) -> Selection:
    """Return the schema and, one block at a time, its columns in the schema's order and dtypes.

    Raises
    ------
    InvalidArgumentError
        A column was asked for that no block has and that is not a standard one.
    """
    found = dict(reader.columns)
    if columns is None:
        schema = {name: np.dtype(dtype) for name, dtype in found.items()}
    else:
        schema = {}
        for name in columns:
            if name in found:
                schema[name] = np.dtype(found[name])
            elif name in STANDARD_COLUMNS:
                schema[name] = STANDARD_COLUMNS[name].dtype
            else:
                raise InvalidArgumentError(
                    f"column {name!r}: found nowhere in the recording, which has {', '.join(found) or 'no columns'}"
                )
    return Selection(schema, _blocks(reader, schema, kinds, start, stop))


def _blocks(
    reader: Reader,
    schema: dict[str, np.dtype],
    kinds: Sequence[int] | None,
    start: int | None,
    stop: int | None,
) -> Iterator[list[Column]]:
    if not schema:
        return
    for batch in reader.batches(columns=tuple(schema), kinds=kinds, start=start, stop=stop):
        if not len(batch):
            continue
        have = batch.columns
        yield [
            _widened(name, have[name], dtype) if name in have else np.zeros(len(batch), dtype)
            for name, dtype in schema.items()
        ]


def _widened(name: str, array: Column, dtype: np.dtype) -> Column:
    """Return ``array`` as ``dtype``, which holds every value of the column; refuse to change one."""
    if array.dtype == dtype:
        return array
    if not np.can_cast(array.dtype, dtype, "safe"):
        raise InvalidArgumentError(
            f"column {name!r}: found {array.dtype} in one block and {dtype} in another, "
            "allowed: dtypes with a common integer dtype"
        )
    return array.astype(dtype)

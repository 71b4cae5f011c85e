"""CSV: a line of column names, then one line an event, all integers."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import IO

from ..errors import InvalidArgumentError
from ..reader import Reader
from .selection import select


def export_csv(
    reader: Reader,
    target: IO[bytes],
    *,
    columns: Sequence[str] | None = None,
    kinds: Sequence[int] | None = None,
    start: int | None = None,
    stop: int | None = None,
    entries: bool = False,
) -> int:
    r"""Write events as CSV (RFC 4180, but with ``\n`` at the end of lines) and return their number.

    See :func:`evcodec.sinks.export` for the arguments.

    Raises
    ------
    InvalidArgumentError
        Entries were asked for: a table of one shape cannot hold them.
    """
    if entries:
        raise InvalidArgumentError(
            "export to csv: found a wish for entries, allowed: events only (jsonl, parquet and arrow carry entries)"
        )
    selection = select(reader, columns, kinds, start, stop)
    head = io.StringIO()
    csv.writer(head, lineterminator="\n").writerow(selection.schema)
    target.write(head.getvalue().encode())
    line = ",".join(["%d"] * len(selection.schema)) + "\n"
    count = 0
    for block in selection.blocks:
        rows = zip(*(column.tolist() for column in block), strict=True)
        target.write("".join([line % row for row in rows]).encode())
        count += len(block[0])
    return count

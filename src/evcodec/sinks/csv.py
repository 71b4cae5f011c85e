"""CSV: a line of column names, then one line an event, all integers."""

from __future__ import annotations

import csv
import io
from typing import IO

from ..errors import InvalidArgumentError
from ..reader import Reader
from .selection import Selection, select


def export_csv(reader: Reader, target: IO[bytes], selection: Selection) -> int:
    r"""Write events as CSV (RFC 4180, but with ``\n`` at the end of lines) and return their number.

    Raises
    ------
    InvalidArgumentError
        Entries were asked for: a table of one shape cannot hold them.
    """
    if selection.entries:
        raise InvalidArgumentError(
            "export to csv: found a wish for entries, allowed: events only (jsonl, parquet and arrow carry entries)"
        )
    table = select(reader, selection)
    head = io.StringIO()
    csv.writer(head, lineterminator="\n").writerow(table.schema)
    target.write(head.getvalue().encode())
    line = ",".join(["%d"] * len(table.schema)) + "\n"
    count = 0
    for block in table.blocks:
        rows = zip(*(column.tolist() for column in block), strict=True)
        target.write("".join([line % row for row in rows]).encode())
        count += len(block[0])
    return count

"""Parquet: columns with their dtypes, delta coded, zstd, with page checksums. Needs the extra ``arrow``."""

from __future__ import annotations

from typing import IO

from ..reader import Reader
from .arrow import ForwardOnly, arrow_schema, import_pyarrow, record_batches
from .selection import Selection, select

# One row group holds about this many events: enough for the codings to pay, little enough for bounded memory.
ROWS_IN_GROUP = 524_288


def export_parquet(reader: Reader, target: IO[bytes], selection: Selection) -> int:
    """Write events as Parquet and return their number."""
    pa = import_pyarrow()
    import pyarrow.parquet

    table = select(reader, selection)
    schema = arrow_schema(reader, table.schema, selection.entries)
    count = 0
    with pyarrow.parquet.ParquetWriter(
        pa.PythonFile(ForwardOnly(target), mode="w"),
        schema,
        compression="zstd",
        use_dictionary=False,
        column_encoding=dict.fromkeys(table.schema, "DELTA_BINARY_PACKED"),
        write_page_checksum=True,
    ) as writer:
        for batch in record_batches(schema, table.blocks, ROWS_IN_GROUP):
            writer.write_batch(batch, row_group_size=len(batch))
            count += batch.num_rows
    return count

"""Arrow IPC: the file format (random access) and the stream format (pipes). Needs the extra ``arrow``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

import numpy as np

from ..errors import InvalidArgumentError, MissingExtraError
from ..plain import dumps, plain
from ..reader import Reader
from .plain import entry_objects
from .selection import Column, Selection, select


def import_pyarrow() -> Any:
    """Return the module pyarrow.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise MissingExtraError(
            "export to Arrow or Parquet: pyarrow is missing; pip install 'evcodec[arrow]'"
        ) from error
    return pyarrow


class ForwardOnly:
    """A target that pyarrow can write to without seeking in it, so that a pipe will do."""

    closed = False

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self._at = 0

    def write(self, data: Any) -> int:
        """Write all of ``data``."""
        view = memoryview(data)
        self._target.write(view)
        self._at += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        """Return the number of bytes written."""
        return self._at

    def flush(self) -> None:
        """Flush the target."""
        self._target.flush()

    def readable(self) -> bool:
        """Tell that nothing can be read back."""
        return False

    def writable(self) -> bool:
        """Tell that bytes are taken."""
        return True

    def seekable(self) -> bool:
        """Tell that there is one way only."""
        return False


def arrow_schema(reader: Reader, columns: dict[str, np.dtype | None], entries: bool) -> Any:
    """Return the Arrow schema: the columns' own dtypes, and the stream's header and entries as JSON in its metadata.

    Without ``entries`` the contexts and payloads are left out: they may hold what somebody read or wrote. Gaps,
    sources and anchors are always there, since events mean little without them.
    """
    pa = import_pyarrow()
    for name, dtype in columns.items():
        if dtype is None:
            raise InvalidArgumentError(
                f"column {name!r}: found uint64 in one block and signed integers in another, "
                "which no Arrow integer holds; allowed: the other columns, or csv and jsonl"
            )
    metadata = {
        "evcodec.metadata": dumps(plain(reader.metadata)),
        "evcodec.governance": dumps(plain(reader.governance)),
        "evcodec.entries": "["
        + ",".join(dumps(entry) for entry in entry_objects(reader, content=entries))
        + "]",
    }
    fields = [pa.field(name, pa.from_numpy_dtype(dtype), nullable=False) for name, dtype in columns.items()]
    return pa.schema(fields, metadata=metadata)


def record_batches(schema: Any, blocks: Iterator[list[Column]], rows: int = 65_536) -> Iterator[Any]:
    """Yield Arrow record batches of at least ``rows`` rows each, but for the last; small blocks are gathered."""
    pa = import_pyarrow()
    waiting: list[list[Column]] = []
    count = 0
    for block in blocks:
        waiting.append(block)
        count += len(block[0])
        if count >= rows:
            yield _record_batch(pa, schema, waiting)
            waiting, count = [], 0
    if waiting:
        yield _record_batch(pa, schema, waiting)


def _record_batch(pa: Any, schema: Any, blocks: list[list[Column]]) -> Any:
    columns = [parts[0] if len(parts) == 1 else np.concatenate(parts) for parts in zip(*blocks, strict=True)]
    return pa.record_batch([pa.array(column) for column in columns], schema=schema)


def export_arrow(reader: Reader, target: IO[bytes], selection: Selection) -> int:
    """Write events as an Arrow IPC file, which is Feather version 2, and return their number."""
    return _export(reader, target, selection, as_file=True)


def export_arrows(reader: Reader, target: IO[bytes], selection: Selection) -> int:
    """Write events as an Arrow IPC stream, which can be read while it is written, and return their number."""
    return _export(reader, target, selection, as_file=False)


def _export(reader: Reader, target: IO[bytes], selection: Selection, *, as_file: bool) -> int:
    pa = import_pyarrow()
    import pyarrow.ipc

    table = select(reader, selection)
    schema = arrow_schema(reader, table.schema, selection.entries)
    options = pyarrow.ipc.IpcWriteOptions(compression="zstd")
    opened = pyarrow.ipc.new_file if as_file else pyarrow.ipc.new_stream
    count = 0
    with opened(pa.PythonFile(ForwardOnly(target), mode="w"), schema, options=options) as writer:
        for batch in record_batches(schema, table.blocks):
            writer.write_batch(batch)
            count += batch.num_rows
    return count

"""Exporters: an open Reader goes in, bytes of another format come out, block by block.

Every exporter keeps every integer of every column exactly. A column that only some blocks have is zero elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import IO, NamedTuple

from ..errors import InvalidArgumentError
from ..reader import Reader
from .arrow import export_arrow, export_arrows
from .csv import export_csv
from .jsonl import export_jsonl
from .parquet import export_parquet
from .selection import Selection

__all__ = ["FORMATS", "SinkFormat", "export"]


class SinkFormat(NamedTuple):
    """One format that can be exported."""

    export: Callable[[Reader, IO[bytes], Selection], int]
    suffixes: tuple[str, ...]
    is_text: bool
    carries_entries: bool


FORMATS: dict[str, SinkFormat] = {
    "jsonl": SinkFormat(export_jsonl, (".jsonl", ".ndjson", ".json"), True, True),
    "csv": SinkFormat(export_csv, (".csv",), True, False),
    "parquet": SinkFormat(export_parquet, (".parquet", ".pq"), False, True),
    "arrow": SinkFormat(export_arrow, (".arrow", ".feather", ".ipc"), False, True),
    "arrows": SinkFormat(export_arrows, (".arrows",), False, True),
}


def export(
    reader: Reader,
    target: IO[bytes],
    format: str,
    *,
    columns: Sequence[str] | None = None,
    kinds: Sequence[int] | None = None,
    start: int | None = None,
    stop: int | None = None,
    entries: bool = False,
) -> int:
    """Write the selected events of ``reader`` to ``target``.

    Parameters
    ----------
    reader : Reader
        Where the events come from.
    target : binary file object
        Only ``write`` is called, so a pipe will do.
    format : str
        ``jsonl``, ``csv``, ``parquet``, ``arrow`` (IPC file) or ``arrows`` (IPC stream).
    columns, kinds, start, stop
        As for :meth:`Reader.batches`.
    entries : bool
        Also write what the stream says beside its events: sources, contexts, gaps, anchors, markers, payloads.

    Returns
    -------
    int
        Number of events written.

    Raises
    ------
    InvalidArgumentError
        The format is unknown or cannot do what was asked.
    MissingExtraError
        The format needs pyarrow.
    """
    if format not in FORMATS:
        raise InvalidArgumentError(f"export format: found {format!r}, allowed: {', '.join(FORMATS)}")
    return FORMATS[format].export(reader, target, Selection(columns, kinds, start, stop, entries))

"""What is damaged: evcodec and its peers, each with how it is written, read strictly, and read around damage.

A format is written at its defaults and, beside that, with the settings that its documentation offers against damage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.reliability import columnar, messages, rows
from evcodec import EventBatch, Reader, Writer
from evcodec.cli.peers import calls

# Events of a block, row group or record batch where one is asked for, and of a flush of a live writer at 1 kHz.
BLOCK, FLUSH = 1024, 250


@dataclass(frozen=True)
class Format:
    """One way of storing events.

    ``read`` gives all events or raises; ``rest`` gives, piece by piece, what the format's own reader can still read.
    ``live`` writes event after event of a batch as ``ticks`` gives their numbers. None: not written in this way.
    """

    name: str
    package: str
    settings: str
    write: Callable[[EventBatch, Path], None] | None
    read: Callable[[Path], EventBatch]
    rest: Callable[[Path], Iterator[EventBatch]]
    live: Callable[[EventBatch, Path, Iterator[int]], None] | None = None
    flushes: str = ""
    slow: bool = False

    @property
    def is_here(self) -> bool:
        """Tell whether the package is installed."""
        return self.version is not None

    @property
    def version(self) -> str | None:
        """Return the version of the package, None if it is not installed."""
        if self.package == "sqlite3":
            return rows.SQLITE_VERSION
        if self.package == "Python":
            return ""
        try:
            return version(self.package)
        except PackageNotFoundError:
            return None


def _write_evcodec(batch: EventBatch, path: Path, block_events: int | None = None) -> None:
    with Writer(path, block_events=block_events) as writer:
        writer.write(batch)


def _read_evcodec(path: Path) -> EventBatch:
    with Reader(path) as reader:
        back: EventBatch = reader.read()
        return back


def _rest_evcodec(path: Path) -> Iterator[EventBatch]:
    with Reader(path, on_error="skip") as reader:
        yield from reader.batches()


def _live_evcodec(batch: EventBatch, path: Path, ticks: Iterator[int]) -> None:
    made = calls(batch)
    with Writer(path, flush_interval_s=FLUSH / 1000) as writer:
        methods = (writer.move, writer.button, writer.scroll, writer.key, writer.event)
        for number in ticks:
            which, args, columns = made[number]
            methods[which](*args, **columns)


def _evcodec(name: str, settings: str, block_events: int | None, live: bool) -> Format:
    return Format(
        name,
        "evcodec",
        settings,
        lambda batch, path: _write_evcodec(batch, path, block_events),
        _read_evcodec,
        _rest_evcodec,
        _live_evcodec if live else None,
        "`flush_interval_s=0.25`, the default" if live else "",
    )


def _columnar(name: str, settings: str, how: columnar.Parquet | columnar.Arrow, flushes: str = "") -> Format:
    """Return a format of pyarrow's; ``flushes`` says how a live one is flushed."""
    return Format(
        name,
        "pyarrow",
        settings,
        how.write,
        how.read,
        how.rest,
        (lambda batch, path, ticks: how.live(batch, path, ticks, FLUSH)) if flushes else None,
        flushes,
    )


def _parquet(name: str, settings: str, *, checksums: bool, group: int | None, live: bool = False) -> Format:
    flushes = "a row group (`ParquetWriter.write_batch`) every 250 ms" if live else ""
    return _columnar(name, settings, columnar.Parquet(checksums, group), flushes)


def _arrow(name: str, settings: str, *, stream: bool, size: int | None, live: bool = False) -> Format:
    return _columnar(
        name, settings, columnar.Arrow(stream, size), "a record batch every 250 ms" if live else ""
    )


def _mcap(
    name: str, settings: str, how: messages.Mcap, *, bulk: bool = True, live: bool = False, flushes: str = ""
) -> Format:
    return Format(
        name,
        "mcap",
        settings,
        how.write if bulk else None,
        how.read,
        how.rest,
        (lambda batch, path, ticks: how.live(batch, path, ticks, FLUSH)) if live else None,
        flushes,
        slow=True,
    )


_FOUND = (
    _evcodec("evcodec", "defaults: one block of all events, as it holds up to 131,072", None, True),
    _evcodec("evcodec, small blocks", f"`block_events={BLOCK}`", BLOCK, False),
    _parquet("Parquet", "defaults: one row group, no checksums", checksums=False, group=None),
    _parquet(
        "Parquet, checksums",
        "`write_page_checksum=True`, read with `page_checksum_verification=True`",
        checksums=True,
        group=None,
        live=True,
    ),
    _parquet(
        "Parquet, checksums, small groups",
        f"the same, `row_group_size={BLOCK}`",
        checksums=True,
        group=BLOCK,
    ),
    _arrow(
        "Arrow IPC file",
        f"record batches of {BLOCK:,}; read, then `validate(full=True)`",
        stream=False,
        size=BLOCK,
        live=True,
    ),
    _arrow(
        "Arrow IPC stream",
        f"record batches of {BLOCK:,}; read, then `validate(full=True)`",
        stream=True,
        size=BLOCK,
        live=True,
    ),
    Format(
        "Vortex",
        "vortex-data",
        "defaults; it has no checksums",
        columnar.write_vortex,
        columnar.read_vortex,
        columnar.rest_vortex,
        lambda batch, path, ticks: columnar.live_vortex(batch, path, ticks, FLUSH),
        "a record batch every 250 ms into one `write`",
    ),
    _mcap(
        "mcap",
        "defaults: chunks of 1 MiB, zstd, chunk CRCs written but not checked on reading",
        messages.Mcap(1 << 20, validate=False),
        live=True,
        flushes="chunks of 1 MiB, the default; the file flushed every 250 ms",
    ),
    _mcap(
        "mcap, CRCs, small chunks",
        "chunks of 32 KiB, `enable_data_crcs=True`, read with `validate_crcs=True`",
        messages.Mcap(32 << 10, validate=True),
        live=True,
        flushes="chunks of 32 KiB",
    ),
    _mcap(
        "mcap, no chunks",
        "`use_chunking=False`",
        messages.Mcap(0, validate=True),
        bulk=False,
        live=True,
        flushes="no chunks; the file flushed every 250 ms",
    ),
    Format(
        "SQLite",
        "sqlite3",
        "a row an event; `PRAGMA integrity_check` before reading",
        rows.write_sqlite,
        rows.read_sqlite,
        rows.rest_sqlite,
        lambda batch, path, ticks: rows.live_sqlite(batch, path, ticks, FLUSH),
        "WAL, `synchronous=NORMAL`, a commit every 250 ms",
        slow=True,
    ),
    Format(
        "JSON lines",
        "Python",
        "an object a line",
        rows.write_json,
        rows.read_json,
        rows.rest_json,
        lambda batch, path, ticks: rows.live_json(batch, path, ticks, FLUSH),
        "the file flushed every 250 ms",
        slow=True,
    ),
)
FORMATS: dict[str, Format] = {found.name: found for found in _FOUND}

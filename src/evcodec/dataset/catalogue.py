"""The catalogue: what the footers of many files say, in one Parquet file, so that planning does not open them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import Any

import numpy as np

from .. import messages
from ..errors import (
    CorruptDataError,
    EvcodecError,
    InvalidArgumentError,
    MissingExtraError,
    UnsupportedVersionError,
)
from ..schema import INTEGER_DTYPES
from ..wire import FORMAT_VERSION, unpack_header
from .encrypted import Sealed
from .files import StreamFile
from .paths import Listed
from .stores import Stores

_MARK = b"evcodec.catalogue"
_VERSION = b"2"
_OLDER = (b"1",)
_INT64 = range(-(2**63), 2**63)
_DTYPES = {dtype.name: dtype for dtype in INTEGER_DTYPES}


class Catalogue:
    """Rows of files, by path; a row is believed while size and time of change, or tag, are those of the listing.

    Parameters
    ----------
    path : str
        A Parquet file, local or a URL. There may be none yet.
    stores : Stores

    Raises
    ------
    MissingExtraError
        pyarrow is not installed.
    InvalidArgumentError, UnsupportedVersionError
        There is a file that is no catalogue, or one of a later version. It is left as it is.
    CorruptDataError
        The file is damaged.
    OSError
        It cannot be read.
    """

    def __init__(self, path: str, stores: Stores) -> None:
        self.path = path
        self._stores = stores
        self._pyarrow, self._parquet = _pyarrow()
        self._rows: dict[str, tuple[Any, ...]] = {}
        self._shared: dict[Any, Any] = {}
        data = stores.load(path)
        if data is not None:
            with _blaming(path):
                self._rows = self._read(data)

    # ---- looking up ----

    def get(self, listed: Listed) -> StreamFile | None:
        """Return what the catalogue says of a file, unless the file has changed since.

        Raises
        ------
        CorruptDataError
            The row says what cannot be.
        """
        row = self._rows.get(listed.path)
        if row is None or row[:3] != (listed.size, listed.modified_ns, listed.etag):
            return None
        if listed.modified_ns is None and listed.etag is None:  # nothing tells whether it changed
            return None
        (size, modified, tag, events, blocks, start, stop, epoch, head, tail) = row[:10]
        kinds, columns, governance, metadata, indexed, encrypted = row[10:]
        return StreamFile(
            listed.path,
            size,
            modified,
            tag,
            events,
            blocks,
            start,
            stop,
            kinds,
            self._columns(columns),
            epoch,
            self._governance(governance),
            listed.partitions,
            metadata,
            indexed,
            (head, tail),
            self._sealed(encrypted),
        )

    def _columns(self, text: str) -> Mapping[str, np.dtype]:
        """Return dtypes by name; files that have the same share them."""
        found: dict[str, np.dtype] | None = self._shared.get(text)
        if found is None:
            with _blaming(self.path):
                found = {str(name): _DTYPES[dtype] for name, dtype in json.loads(text)}
            self._shared[text] = found
        return found

    def _sealed(self, text: str | None) -> Sealed | None:
        """Return what of a file is encrypted, of its JSON."""
        if text is None:
            return None
        with _blaming(self.path):
            streams, columns, _ = json.loads(text)
            return Sealed(
                tuple(
                    tuple((int(group), tuple(map(str, ids))) for group, ids in stream) for stream in streams
                ),
                tuple((str(name), int(group)) for name, group in columns),
                True,
            )

    def _governance(self, data: bytes) -> Mapping[str, Any]:
        found: dict[str, Any] | None = self._shared.get(data)
        if found is None:
            with _blaming(self.path):
                # As the header of a stream that has nothing else, whose checks are the same.
                packed = bytes((FORMAT_VERSION, 0, 0x81)) + messages.pack("governance", "key") + data
                found = unpack_header(memoryview(packed), self.path).governance
            self._shared[data] = found
        return found

    # ---- writing ----

    def update(
        self, listed: Collection[Listed], files: Mapping[str, StreamFile], problems: Collection[str]
    ) -> None:
        """Write the catalogue anew if it does not say what is known: rows of files that are gone, have changed or have
        problems leave it.
        """
        rows: dict[str, tuple[Any, ...]] = {}
        for item in listed:
            file = files.get(item.path)
            if file is None:  # listed, and not asked for: what was known stays
                row = self._rows.get(item.path)
                if row is not None and row[:3] == (item.size, item.modified_ns, item.etag):
                    rows[item.path] = row
            elif item.path not in problems and _fits(file):
                rows[item.path] = self._row(file)
        if rows != self._rows:
            self._rows = rows
            # Another process that found the same is writing it: as when many begin a job together.
            with suppress(InvalidArgumentError):
                self._stores.store(self.path, self._written())

    def _row(self, file: StreamFile) -> tuple[Any, ...]:
        known = self._rows.get(file.path)
        if known is not None and known[:3] == (file.size, file.modified_ns, file.etag):
            return known
        columns = json.dumps([[name, dtype.name] for name, dtype in file.columns.items()])
        governance = messages.pack(dict(file.governance), "governance")
        return (
            *(file.size, file.modified_ns, file.etag, file.events, file.blocks, file.start, file.stop),
            *(file.epoch_ns, *file.ends, dict(file.kinds), columns, governance, file.packed_metadata),
            file.indexed,
            None if file.sealed is None else json.dumps(file.sealed),
        )

    # ---- as Parquet ----

    def _schema(self) -> Any:
        pa = self._pyarrow
        integer, text = pa.int64(), pa.string()
        fields = [
            pa.field("path", text, nullable=False),
            pa.field("size", integer, nullable=False),
            pa.field("modified_ns", integer),
            pa.field("etag", text),
            pa.field("events", integer, nullable=False),
            pa.field("blocks", integer, nullable=False),
            pa.field("start", integer),
            pa.field("stop", integer),
            pa.field("epoch_ns", integer),
            pa.field("head_bytes", integer, nullable=False),
            pa.field("tail_bytes", integer, nullable=False),
            pa.field("kinds", pa.list_(pa.uint8()), nullable=False),
            pa.field("kind_events", pa.list_(integer), nullable=False),
            pa.field("columns", text, nullable=False),
            pa.field("governance", pa.binary(), nullable=False),
            pa.field("metadata", pa.binary(), nullable=False),
            pa.field("indexed", pa.bool_(), nullable=False),
            pa.field("encrypted", text),
            # For those who look into the catalogue with other tools; never read back.
            pa.field("purpose", text),
            pa.field("retain_until_ns", integer),
        ]
        return pa.schema(fields, {_MARK: _VERSION})

    def _written(self) -> bytes:
        pa = self._pyarrow
        paths, rows = list(self._rows), list(self._rows.values())
        governed = [self._governance(row[12]) for row in rows]
        columns = [
            paths,
            *([row[i] for row in rows] for i in range(10)),
            [list(row[10]) for row in rows],
            [list(row[10].values()) for row in rows],
            *([row[i] for row in rows] for i in range(11, 16)),
            [found.get("purpose") for found in governed],
            [found.get("retain_until_ns") for found in governed],
        ]
        schema = self._schema()
        arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
        target = pa.BufferOutputStream()
        self._parquet.write_table(pa.table(arrays, schema=schema), target, compression="zstd")
        written: bytes = target.getvalue().to_pybytes()
        return written

    def _read(self, data: bytes) -> dict[str, tuple[Any, ...]]:
        pa = self._pyarrow
        source = pa.BufferReader(data)
        found = self._parquet.read_schema(source)
        version = (found.metadata or {}).get(_MARK)
        if version is None:
            raise InvalidArgumentError(
                f"{self.path}: found a Parquet file that is no catalogue, allowed: a name of its own, for one"
            )
        if version in _OLDER:  # it is written anew
            return {}
        if version != _VERSION:
            raise UnsupportedVersionError(
                f"{self.path}: version of the catalogue: found {version!r}, allowed: up to {_VERSION.decode()}"
            )
        table = self._parquet.read_table(source)
        if not table.schema.equals(self._schema()):
            raise CorruptDataError(f"{self.path}: found other columns than those of a catalogue")
        for field in table.schema:
            if not field.nullable and table.column(field.name).null_count:
                raise CorruptDataError(f"{self.path}: {field.name}: found null, allowed: values")
        named = {name: table.column(name) for name in table.column_names[:18]}
        kinds = list(_kinds(named.pop("kinds").combine_chunks(), named.pop("kind_events").combine_chunks()))
        values = [column.to_pylist() for column in named.values()]
        rows = zip(*values[1:11], kinds, *values[11:], strict=True)
        found_rows = dict(zip(values[0], rows, strict=True))
        self._check(table, found_rows)
        return found_rows

    def _check(self, table: Any, rows: Mapping[str, tuple[Any, ...]]) -> None:
        """Raise CorruptDataError for figures that cannot be."""
        if len(rows) != len(table):
            raise CorruptDataError(f"{self.path}: found a path twice, allowed: once")
        for path, row in rows.items():
            size, events, blocks, start, stop, head, tail = row[0], *row[3:7], *row[8:10]
            sound = min(size, events, blocks, head, tail) >= 0 and max(head, tail) <= size
            sound = sound and (blocks > 0 or not events) and (start is None or stop is None or start <= stop)
            if not (
                sound
                and sum(row[10].values()) == events
                and (start is None) == (stop is None) == (not events)
                and min(row[10].values(), default=1) > 0
            ):
                raise CorruptDataError(f"{self.path}: row of {path}: found figures that cannot be")


def _fits(file: StreamFile) -> bool:
    """Tell whether a row can hold a file: names may be no text, and epochs beyond int64. Of what is encrypted it holds nothing
    that only keys tell. Such files are opened each time.
    """
    if file.sealed is not None and (file.sealed.hides_pointer or not file.sealed.is_named):
        return False
    try:
        file.path.encode()
    except UnicodeEncodeError:
        return False
    return file.epoch_ns is None or file.epoch_ns in _INT64


def _kinds(kinds: Any, counts: Any) -> Iterator[dict[int, int]]:
    """Yield events by kind of each row, from two lists."""
    offsets = kinds.offsets.to_pylist()
    if offsets != counts.offsets.to_pylist():
        raise CorruptDataError("kinds: found others than there are counts of")
    of_kinds, of_counts = kinds.values.to_pylist(), counts.values.to_pylist()
    for start, stop in pairwise(offsets):
        yield dict(zip(of_kinds[start:stop], of_counts[start:stop], strict=True))


@contextmanager
def _blaming(path: str) -> Iterator[None]:
    """Have whatever goes wrong inside be an error that names the catalogue."""
    try:
        yield
    except (InvalidArgumentError, UnsupportedVersionError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, EvcodecError) and path in str(error):
            raise
        raise CorruptDataError(
            f"{path}: catalogue: {type(error).__name__}: {error}; allowed: one that evcodec wrote, or none"
        ) from error


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("a catalogue needs pyarrow: pip install 'evcodec[arrow]'") from None
    return pyarrow, pyarrow.parquet

"""Makes the file of cases that driver.c runs: what kernels must do, as bytes that a machine of any byte order reads.

Tables are those of the hand-made reference vectors and of the golden streams, their parts decompressed, with the values that the
reference decoder finds; encodings and everything about kinds are what this machine gives, numbers little-endian.
"""

from __future__ import annotations

import struct
import zlib
from binascii import crc_hqx
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from encoded_batches import BATCHES
from evcodec import CorruptDataError, EvcodecError, LimitExceededError, UnsupportedVersionError, compression
from evcodec._codec import BlockHead, SequenceEncoder, Table, hold, kinds_match
from evcodec.columns import read_column_head
from evcodec.framing import RecordScanner, RecordType
from evcodec.schema import INTEGER_DTYPES, STANDARD_COLUMNS
from evcodec.wire import unpack_varint
from reference import decode_stream
from reference_model import Block as ReferenceBlock
from vectors import VECTORS

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
MAGIC = b"ECASES1\0"
MARKER = b"\xecEVC"
TABLES, ENCODE, KINDS, RECORDS = 1, 2, 3, 4
BLOCK_ROWS = 2**32 - 1
ACCEPTED, CORRUPT, UNSUPPORTED, LIMIT = range(4)
OUTCOMES = {"": ACCEPTED, "corrupt": CORRUPT, "unsupported": UNSUPPORTED, "limit": LIMIT}
CODES = {dtype: code for code, dtype in enumerate(INTEGER_DTYPES)}
STANDARD = bytes([0, *(CODES[column.dtype] for column in STANDARD_COLUMNS.values())])
INDEX_STANDARD = bytes(
    [0, *(CODES[np.dtype(name)] for name in "int64 int64 uint8 int64 int64 int64 uint64".split())]
)
NAMES = {column.id: name for name, column in STANDARD_COLUMNS.items()}
MOST_INDEX_ROWS = 100_000  # of a vector that lies about them
INDEX_NAMES = ("offset", "size", "type", "events", "t_min", "t_max", "kinds")


def run(data: bytes | bytearray | memoryview) -> bytes:
    """Write a length and the bytes."""
    return struct.pack("<I", len(data)) + data


def numbers(values: np.ndarray) -> bytes:
    """Write integers, little-endian, with their length."""
    return run(np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"))).tobytes())


@dataclass
class Cases:
    """The cases of a file, and how many there are of what."""

    found: list[bytes] = field(default_factory=list)
    vectors: int = 0
    vectors_elsewhere: int = (
        0  # rejected by what is not a kernel: records, entries, the index beside its table
    )

    def add(self, sort: int, name: str, body: bytes) -> None:
        """Append a case."""
        self.found.append(bytes([sort]) + run(name.encode()) + run(body))

    def ends(self) -> list[int]:
        """Give where the first case of each sort ends in the file: there stands what is expected of it."""
        found: dict[int, int] = {}
        at = len(MAGIC) + 4
        for case in self.found:
            at += len(case)
            found.setdefault(case[0], at - 1)
        return list(found.values())

    def pack(self) -> bytes:
        """Give the file."""
        return MAGIC + struct.pack("<I", len(self.found)) + b"".join(self.found)


# ---- tables ----


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Give type and payload of each record, up to the first that is wrong."""
    scanner = RecordScanner()
    scanner.feed(data)
    try:
        while (record := scanner.next()) is not None:
            yield record.type, bytes(record.payload)
    except EvcodecError:
        return


def _parts_of(table: Table) -> bytes:
    """Write the decompressed parts that are not stored as they are; those that cannot be decompressed are absent."""
    out = [struct.pack("<I", len(table.parts))]
    for part, (codec, raw, _) in enumerate(table.parts):
        try:
            data = compression.decompress(codec, table.part_bytes(part), raw, "") if codec else None
        except EvcodecError:
            data = None
        out.append(b"\0" if data is None else b"\1" + run(data))
    return b"".join(out)


def _expected(names: list[tuple[str, int]], values: dict[str, list[int]]) -> bytes:
    """Write the values of columns, given by name and code of dtype; those that are not known are not compared."""
    out = []
    for name, code in names:
        dtype = INTEGER_DTYPES[code]
        if name in values:
            out.append(bytes([1, code]) + numbers(np.array(values[name], dtype)))
        else:
            out.append(b"\0")
    return b"".join(out)


def _tables_of_block(payload: bytes) -> tuple[BlockHead, list[Table]]:
    head = BlockHead(payload)
    bodies = [payload[at : at + length] for _, storage, at, length in head.sections if not storage]
    return head, [Table(body, head, head.events, STANDARD) for body in bodies]


def _index_table(payload: bytes) -> tuple[int, bytes]:
    """Give how many rows an INDEX has, and its table."""
    rows, at = unpack_varint(payload, 0, "")
    kinds, at = unpack_varint(payload, at, "")
    for _ in range(kinds):
        _, at = unpack_varint(payload, at + 1, "")
    columns, at = unpack_varint(payload, at, "")
    for _ in range(columns):
        *_, at = read_column_head(memoryview(payload), at, "")
    return rows, payload[at:]


def _decode(table: Table, at: int, kinds: np.ndarray | None, rows: int) -> np.ndarray:
    out = np.zeros(rows, INTEGER_DTYPES[table.columns[at][2]])
    parts: list[bytes | None] = []
    for part, (codec, raw, _) in enumerate(table.parts):
        try:
            parts.append(compression.decompress(codec, table.part_bytes(part), raw, "") if codec else None)
        except EvcodecError:
            if part in {number for number, length in table.streams_of(at) if length}:
                return out
            parts.append(None)
    table.decode(at, parts, kinds, out)
    return out


def _check_block(payload: bytes) -> None:
    """Do what the driver does with a block; raises what the kernels have against it."""
    head, tables = _tables_of_block(payload)
    if any(group == 0 and storage for group, storage, _, _ in head.sections):
        return
    kinds = None
    for table in tables:
        if kinds is None:
            kinds = np.zeros(head.events, np.uint8)
            for at, column in enumerate(table.columns):
                if column[0] == 2:
                    if column[2] != CODES[np.dtype("uint8")]:
                        raise CorruptDataError("dtype of kind")
                    kinds = _decode(table, at, None, head.events)
                    if not kinds_match(kinds, head):
                        raise CorruptDataError("kinds")
        for at, column in enumerate(table.columns):
            values = _decode(table, at, kinds, head.events)
            if column[0] == 1 and values.itemsize == 8 and head.events:
                ends = values.view(np.int64)
                if (ends.min(), ends.max()) != (head.t_min, head.t_max):
                    raise CorruptDataError("t")


def _check_index(rows: int, body: bytes) -> None:
    table = Table(body, None, rows, INDEX_STANDARD)
    for at in range(len(table.columns)):
        _decode(table, at, None, rows)


def _outcome(check: Callable[..., None], *arguments: object) -> int:
    try:
        check(*arguments)
    except LimitExceededError:
        return LIMIT
    except UnsupportedVersionError:
        return UNSUPPORTED
    except EvcodecError:
        return CORRUPT
    return ACCEPTED


def _add_block(cases: Cases, name: str, payload: bytes, values: dict[str, list[int]]) -> int:
    outcome, parts, columns = _outcome(_check_block, payload), b"", b""
    try:
        _, tables = _tables_of_block(payload)
    except EvcodecError as error:
        if "UTF-8" in str(error):
            return ACCEPTED  # kernels take names as bytes
        tables = []
    for table in tables:
        parts += _parts_of(table)
        columns += _expected([(own or NAMES[id_], code) for id_, own, code, _, _ in table.columns], values)
    body = run(payload) + run(STANDARD) + struct.pack("<IB", BLOCK_ROWS, outcome) + run(parts) + run(columns)
    cases.add(TABLES, name, body)
    return outcome


def _add_index(
    cases: Cases, name: str, payload: bytes, index: list[dict[str, int]] | None, allowed: int
) -> int:
    try:
        rows, body = _index_table(payload)
    except EvcodecError:
        return ACCEPTED  # what stands above the table is no kernel's
    if rows > MOST_INDEX_ROWS:
        return ACCEPTED
    outcome, parts, columns = _outcome(_check_index, rows, body), b"", b""
    if outcome not in (ACCEPTED, allowed):
        return ACCEPTED  # a fault above the table has moved it
    try:
        table = Table(body, None, rows, INDEX_STANDARD)
        parts = _parts_of(table)
        values = {name: [row[name] for row in index] for name in INDEX_NAMES} if index else {}
        columns = _expected(
            [(own or INDEX_NAMES[id_ - 1], code) for id_, own, code, _, _ in table.columns], values
        )
    except EvcodecError:
        pass
    body = run(body) + run(INDEX_STANDARD) + struct.pack("<IB", rows, outcome) + run(parts) + run(columns)
    cases.add(TABLES, name, body)
    return outcome


def _add_stream(cases: Cases, name: str, data: bytes, error: str) -> None:
    """Add the blocks and the indices of a stream; of a rejected one without values."""
    blocks: list[ReferenceBlock] = []
    indices: list[list[dict[str, int]] | None] = []
    if not error:
        streams = decode_stream(data).streams
        blocks = [block for stream in streams for block in stream.blocks]
        indices = [stream.index for stream in streams if stream.index is not None]
    outcomes, block, index = [ACCEPTED], 0, 0
    for kind, payload in _records(data):
        if kind == RecordType.BLOCK:
            outcomes.append(_add_block(cases, name, payload, {} if error else blocks[block].columns))
            block += 1
        elif kind == RecordType.INDEX:
            found = None if error else indices[index]
            outcomes.append(_add_index(cases, name, payload, found, OUTCOMES.get(error, ACCEPTED)))
            index += 1
    # A kernel that rejects does so for the reason in the vector's name.
    if not set(outcomes) <= {ACCEPTED, OUTCOMES.get(error, ACCEPTED)}:
        raise AssertionError(f"{name}: the kernels found {outcomes}, allowed: {error or 'no error'}")
    cases.vectors += 1
    cases.vectors_elsewhere += bool(error) and max(outcomes) == ACCEPTED


def _add_records(cases: Cases, name: str, data: bytes) -> None:
    """Add where heads of records stand in a stream, and CRC-32s of joined bytes, as zlib has them."""
    places = [
        at
        for at in range(len(data))
        if data[at : at + 4] == MARKER[: len(data) - at]
        and (
            len(data) - at < 16
            or crc_hqx(data[at : at + 14], 0) == int.from_bytes(data[at + 14 : at + 16], "little")
        )
    ]
    body = run(data) + run(struct.pack(f"<{len(places) + 1}I", *places, len(data)))
    for cut in range(0, len(data), 97):
        # crc(a + b) is what a adds, and crc(b)
        shifted = zlib.crc32(data) ^ zlib.crc32(data[cut:])
        body += struct.pack("<IQI", zlib.crc32(data[:cut]), len(data) - cut, shifted)
    cases.add(RECORDS, name, body)


# ---- encodings ----


def _add_encoding(
    cases: Cases, name: str, values: np.ndarray, thorough: bool, kinds: np.ndarray | None
) -> None:
    listed = b"" if kinds is None else bytes(np.unique(kinds).tolist())
    sample = 0 if thorough else 4096
    signed = values.dtype.kind == "i"
    encoder = SequenceEncoder(np.ascontiguousarray(values), signed, sample, thorough, kinds, listed)
    body = struct.pack("<BBIB", values.itemsize * 8, signed, sample, thorough)
    body += numbers(values) + run(b"" if kinds is None else kinds.tobytes()) + run(listed)
    body += bytes([len(encoder.costs)])
    for way in range(len(encoder.costs)):
        description, streams = encoder.encode(way)
        body += run(description) + bytes([len(streams)])
        body += b"".join(struct.pack("<IB", at, noise) + run(data) for at, data, noise in streams)
    cases.add(ENCODE, name, body)


def _add_encodings(cases: Cases, most: int) -> None:
    for batch_name, make in BATCHES.items():
        batch = make()[:most]
        if not len(batch):
            continue
        kinds = batch["kind"] if "kind" in batch.columns and len(np.unique(batch["kind"])) > 1 else None
        for name, values in batch.columns.items():
            _add_encoding(cases, f"{batch_name}: {name}", values, True, None if name == "kind" else kinds)
    for name in ("session", "polled, 5000", "noises, 5000 of 32 bits"):
        for column, values in BATCHES[name]().columns.items():
            _add_encoding(cases, f"{name}, sampled: {column}", values, False, None)


# ---- kinds ----


def _add_kinds(cases: Cases, name: str, values: np.ndarray, kinds: np.ndarray, selected: list[int]) -> None:
    chosen = np.isin(kinds, selected)
    nonzero = np.isin(np.arange(256), kinds[values != 0]).astype(np.uint8)
    flags = np.isin(np.arange(256), selected).astype(np.uint8)
    codes, positions = hold(values, kinds)
    wide = values.dtype == np.int64 and len(values)
    body = bytes([values.itemsize]) + numbers(values) + run(kinds.tobytes()) + run(flags.tobytes())
    body += numbers(np.bincount(kinds, minlength=256).astype(np.uint32)) + run(nonzero.tobytes())
    body += numbers(values[chosen]) + numbers(np.where(chosen, values, values.dtype.type(0)))
    body += numbers(codes) + run(positions.tobytes())
    body += numbers(np.array([values.min(), values.max()], np.int64)) if wide else run(b"")
    cases.add(KINDS, name, body)


def _add_all_kinds(cases: Cases) -> None:
    rng = np.random.default_rng(7)
    for width in (8, 16, 32, 64):
        for count in (1, 2, 7, 63, 64, 65, 300, 1_000):
            for among in ((0,), (1, 2, 4, 5, 8), (0, 0, 0, 0, 3, 4, 5), tuple(range(256))):
                kinds = rng.choice(np.array(among, np.uint8), count)
                values = (rng.integers(0, 9, count) << rng.integers(0, width, count)).astype(f"int{width}")
                for selected in ([among[0]], list(among[1:]), list(range(0, 256, 2))):
                    _add_kinds(cases, f"{count} of {width} bits, kinds {among[:7]}", values, kinds, selected)


def make(most: int = 300) -> Cases:
    """Make all cases; columns that are encoded thoroughly have at most so many values."""
    cases = Cases()
    for path in sorted(GOLDEN.glob("*.evc")):
        error = "" if path.with_suffix(".json").exists() else path.stem.split("-")[1]
        _add_stream(cases, f"golden {path.stem}", path.read_bytes(), error)
        _add_records(cases, f"records of {path.stem}", path.read_bytes())
    for vector in VECTORS:
        _add_stream(cases, vector.name, vector.data, vector.error)
    _add_encodings(cases, most)
    _add_all_kinds(cases)
    return cases

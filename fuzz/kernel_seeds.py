"""First inputs of the targets over the kernels, from the streams that tests/vectors*.py put together by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .python import records
from .python.common import _tests


def _kinds(counts: list[tuple[int, int]]) -> bytes:
    """Spell kinds and counts as column.c reads them, as far as it can."""
    out, before = bytearray((len(counts) - 1,)), 0
    for at, (kind, count) in enumerate(counts):
        out.append((kind - before - (at > 0)) % 16)
        before = kind
        out.append(count - 1 if count <= 224 else min(223 + count // 64, 255))
    return bytes(out)


def _block() -> Iterator[bytes]:
    for payload in records.seeds():
        if payload[0] == 2:
            yield b"\0" + payload[1:]
    from assemble import index_table

    for rows in (1, 3, 40):
        table = index_table([[100 * i, 60, 2 + i % 2, i, -i, i, 1 << i % 64] for i in range(rows)])
        yield bytes((1, rows - 1)) + table


def _column() -> Iterator[bytes]:
    """Columns one by one, with the bytes of their parts behind them."""
    _tests()
    from reference import ReferenceFault
    from reference_block import read_kinds
    from reference_cursor import Cursor
    from reference_table import BLOCK_COLUMNS, _describe_column, decompress

    for payload in records.seeds():
        if payload[0] != 2:
            continue
        cursor = Cursor(payload[1:], "")
        try:
            events = cursor.varint("")
            cursor.svarint(""), cursor.varint("")
            kinds = read_kinds(cursor, events)
            sections = [(cursor.u8(""), cursor.u8(""), cursor.varint("")) for _ in range(cursor.varint(""))]
            for group, storage, length in sections:
                table = Cursor(cursor.take(length, ""), "")
                if storage or not 1 <= len(kinds) <= 15:
                    continue
                count, start = table.varint(""), table.position
                for number in range(count):
                    _describe_column(table, number, events, kinds, group, BLOCK_COLUMNS, [])
                columns = table.data[start : table.position]
                heads = []
                for _ in range(table.varint("")):
                    codec, raw = table.u8(""), table.varint("")
                    heads.append((codec, raw, table.varint("") if codec else raw))
                parts = b"".join(
                    decompress(codec, table.take(size, ""), raw, "") for codec, raw, size in heads
                )
                if 1 <= count <= 4 and len(columns) + len(parts) < 600:
                    yield bytes(((count - 1) << 4 | 4,)) + _kinds(kinds) + columns + parts
        except ReferenceFault:
            continue


def _sequence() -> Iterator[bytes]:
    """The same columns where there is one of an ordinary shape: what stands behind id, dtype and mask."""
    for number, seed in enumerate(_column()):
        kinds = seed[1] + 1
        at = 2 + 2 * kinds
        if seed[0] >> 4 or kinds > 8 or seed[at] not in (1, 2, 4, 6, 8):
            continue
        width = {2: 3, 4: 0, 6: 2, 8: 2}.get(seed[at], 0)
        behind = at + 1
        if seed[at] == 1:
            behind += 3 + seed[at + 1]
            width = seed[behind - 1] & 3
        yield bytes((width | (kinds + 1 & 15) << 2, seed[at - 1])) + seed[behind + 1 :]
        if not number % 3:
            yield bytes((width, seed[at - 1])) + seed[behind + 1 :]


def _made(first: int) -> Callable[[], Iterator[bytes]]:
    def seeds() -> Iterator[bytes]:
        for n in range(60):
            yield bytes((first + 37 * n & 255, 4 * n & 255)) + bytes(
                i * (2 * n + 1) >> (n & 3) & 255 for i in range(8 + n)
            )

    return seeds


def _crc() -> Iterator[bytes]:
    for payload in list(records.seeds())[:20]:
        head = b"\xecEVC" + payload[:1] + bytes(11)
        yield bytes((1, 3)) + payload[1:9] + head + payload[:30] + head[:9]


SEEDS: dict[str, Callable[[], Iterator[bytes]]] = {
    "block": _block,
    "column": _column,
    "crc": _crc,
    "held": _made(3),
    "kinds": _made(1),
    "encode": _made(2),
    "sequence": _sequence,
}

"""Streams that show the index and the end (sections 7 and 8)."""

from __future__ import annotations

from assemble import (
    ANCILLARY,
    BLOCK,
    END,
    ENTRIES,
    HEADER,
    INDEX,
    INDEX_DTYPES,
    Maker,
    Parts,
    block,
    column,
    column_head,
    delta,
    entries,
    header,
    index_head,
    index_table,
    plain,
    planes,
    record,
    sequence,
    stream,
    table,
    tokens,
    varint,
)
from vector import CORRUPT, LIMIT, SMALL, UNSUPPORTED, Vector, Vectors
from vectors_entries import GROUP_2_ENTRIES

VECTORS = Vectors()

SMALL_COLUMNS = [column_head("v", "uint8")]
SMALL_TABLE = b"\x01" + SMALL_COLUMNS[0] + b"\x01" + b"\x00\x00\x07" + b"\x00"


def _small() -> Maker:
    """Put a stream of one block together."""
    maker = Maker(kinds=[(0, 3)], columns=SMALL_COLUMNS).add(HEADER, header())
    return maker.row(BLOCK, SMALL, 3, 0, 0, 1)


def _full() -> Maker:
    """Put a stream together that has each type of record."""
    columns = [column_head("t"), column_head("kind"), *SMALL_COLUMNS]
    maker = Maker(kinds=[(0, 3), (70, 2)], columns=columns).add(HEADER, header())
    body = table([column("t", [3, 9], parts := Parts([0])), column("kind", [70, 70], parts)], parts)
    maker.row(BLOCK, block(2, [(0, 0, body)], t_min=3, span=6, kinds=[(70, 2)]), 2, 3, 9, 1 << 63)
    maker.add(ANCILLARY, b"skip me")
    maker.row(ENTRIES, entries(GROUP_2_ENTRIES, 2), 4, 0, 0, 0b10000110)
    return maker.row(BLOCK, SMALL, 3, 0, 0, 1)


FULL = Vector(
    "",
    b"",
    events={"t": [3, 9, 0, 0, 0], "kind": [70, 70, 0, 0, 0], "v": [0, 0, 7, 7, 7]},
    count=5,
    entries=GROUP_2_ENTRIES,
)


def _sound() -> None:
    for name, data in [
        ("INDEX and END", _full().index().end().data),
        ("INDEX without END", _full().index().data),
        ("END without INDEX", _full().end().data),
        ("ancillary records before INDEX", _full().add(0x81, b"a").add(0xFF, b"").index().end().data),
        ("INDEX with dtypes and tokens", _full().index(_index_otherwise()).end().data),
    ]:
        VECTORS.good(name, data, FULL.count, **FULL.events).entries = FULL.entries
    twice = _full().index().end().data * 2
    doubled = {name: values * 2 for name, values in FULL.events.items()}
    VECTORS.good("offsets are those of the own stream", twice, 10, **doubled).entries = FULL.entries * 2
    VECTORS.good("END alone", Maker().add(HEADER, header()).end().data)
    only = Maker().add(HEADER, header()).row(ENTRIES, entries(GROUP_2_ENTRIES, 2), 4, 0, 0, 0b10000110)
    VECTORS.good("INDEX without kinds and columns", only.index().end().data).entries = FULL.entries
    types = entries([(63, 0, {}), (2**63, 0, {}), (62, 0, {})])
    only = Maker().add(HEADER, header()).row(ENTRIES, types, 3, 0, 0, 0b11 << 62)
    VECTORS.good("INDEX of entries of unknown types", only.index().end().data)
    _by_hand()
    _columns_of_an_index()
    _hidden()


def _by_hand() -> None:
    """Write an INDEX out byte for byte, so that no mistake of the assembling can hide."""
    maker = _small()
    size = 16 + len(SMALL) + 4
    payload = b"\x01" + b"\x01\x00\x03" + b"\x01" + b"\x01\x01v\x03\x04" + b"\x07"
    for number, value in enumerate([23, size, 2, 3, 0, 0, 1], start=1):
        payload += bytes([2 * number, 0x00, 0x00, value])
    VECTORS.good("INDEX by hand", maker.index(payload + b"\x00").end().data, 3, v=[7, 7, 7])


def _columns_of_an_index() -> None:
    """Blocks that store the same columns, in another order and under other dtypes."""
    blocks = []
    for dtype, name in [("int32", "x"), ("int16", "x"), (None, "x"), ("uint32", "y"), ("int16", "y")]:
        parts = Parts([0])
        blocks.append(block(1, [(0, 0, table([column(name, [5], parts, dtype=dtype)], parts))]))
    parts = Parts([0])
    named = [column("b", [1], parts, group=0), column("a", [2], parts, group=0)]
    blocks.append(block(1, [(0, 0, table(named, parts)), (3, 0, SMALL_TABLE)]))
    heads = [
        column_head("x"),
        column_head("x", "int16"),
        column_head("y", "uint32"),
        column_head("y", "int16"),
    ]
    heads += [column_head("b", group=0), column_head("a", group=0), *SMALL_COLUMNS]
    events = {
        "x": [5, 5, 5, 0, 0, 0],
        "y": [0, 0, 0, 5, 5, 0],
        "b": [0] * 5 + [1],
        "a": [0] * 5 + [2],
        "v": [0] * 5 + [7],
    }

    def maker(columns: list[bytes]) -> Maker:
        made = Maker(kinds=[(0, 6)], columns=columns).add(HEADER, header())
        for payload in blocks:
            made.row(BLOCK, payload, 1, 0, 0, 1)
        return made

    right = VECTORS.good(
        "INDEX of columns under several dtypes", maker(heads).index().end().data, 6, **events
    )
    written = [column_head("x", "int32"), *heads[1:]]
    VECTORS.good("INDEX of columns with a dtype written out", maker(written).index().end().data, 6, **events)
    for name, columns in [
        ("in another order", [heads[1], heads[0], *heads[2:]]),
        ("with a dtype less", heads[1:]),
        ("with a column less", heads[:-1]),
        ("with a column more", [*heads, column_head("t")]),
        ("with a column twice", [*heads, heads[-1]]),
        ("with another dtype", [*heads[:-1], column_head("v", "int8")]),
        ("with another group", [*heads[:-1], column_head("v", "uint8", 4)]),
    ]:
        data = maker(columns).index().end().data
        VECTORS.unsound(f"INDEX of columns {name}", CORRUPT, data, right)

    empty = block(0, [(0, 0, b"\x01\x06\x00")])
    made = Maker(columns=[column_head("x")]).add(HEADER, header()).row(BLOCK, empty, 0, 0, 0, 0)
    VECTORS.good("INDEX of an empty batch", made.index().end().data, 0, x=[])


def _hidden() -> None:
    """An INDEX over columns that are encrypted says of them what its writer knew."""
    payload = block(3, [(0, 1, b"secret"), (3, 0, SMALL_TABLE)], t_min=-4, span=9, kinds=[(0, 3)])
    for name, columns in [("lists", [column_head("t"), *SMALL_COLUMNS]), ("does not list", SMALL_COLUMNS)]:
        maker = Maker(kinds=[(0, 3)], columns=columns).add(HEADER, header())
        maker.row(BLOCK, payload, 3, -4, 5, 1)
        data = maker.index().end().data
        VECTORS.good(f"INDEX that {name} what is encrypted", data, 3, v=[7, 7, 7])


def _unsound(name: str, error: str, payload: bytes) -> None:
    VECTORS.unsound(name, error, _full().index(payload).end().data, FULL)


def _index() -> None:
    for i, column_name in enumerate(["offset", "size", "type", "events", "t_min", "t_max", "kinds"]):
        for number in range(3):
            for change in (1, -1):
                maker = _full()
                maker.rows[number][i] += change
                name = f"INDEX, row {number}, {column_name} changed by {change}"
                VECTORS.unsound(name, CORRUPT, maker.index().end().data, FULL)
    full = _full()
    rows, head = full.rows, index_head(3, full.kinds, full.columns)
    for name, wrong in [
        ("too few rows", rows[:2]),
        ("too many rows", [*rows, rows[0]]),
        ("rows out of order", rows[::-1]),
        ("a row that hides a block", [rows[0], rows[1], rows[0]]),
    ]:
        _unsound(
            f"INDEX of {name}",
            CORRUPT,
            index_head(len(wrong), full.kinds, full.columns) + index_table(wrong),
        )
    right, body = full.right_index(), index_table(rows)
    for name, error, payload in [
        ("of 0 bytes", CORRUPT, b""),
        ("with a byte more", CORRUPT, right + b"\0"),
        ("with a byte less", CORRUPT, right[:-1]),
        ("of more than 1,048,576 rows", LIMIT, varint(1_048_577) + right[1:]),
        ("of 2**64 - 1 rows", LIMIT, varint(2**64 - 1) + right[1:]),
        ("of no rows", CORRUPT, index_head(0, full.kinds, full.columns) + index_table([])),
        ("without its kinds", CORRUPT, index_head(3, [], full.columns) + body),
        ("with a kind less", CORRUPT, index_head(3, full.kinds[1:], full.columns) + body),
        ("with another kind", CORRUPT, index_head(3, [(0, 3), (71, 2)], full.columns) + body),
        ("with other counts", CORRUPT, index_head(3, [(0, 2), (70, 3)], full.columns) + body),
        ("with a wrong sum of counts", CORRUPT, index_head(3, [(0, 3), (70, 3)], full.columns) + body),
        ("with kinds descending", CORRUPT, index_head(3, full.kinds[::-1], full.columns) + body),
        ("with a kind of count 0", CORRUPT, index_head(3, [*full.kinds, (71, 0)], full.columns) + body),
        ("with 257 kinds", CORRUPT, varint(3) + varint(257) + right[2:]),
        ("without its columns", CORRUPT, index_head(3, full.kinds) + body),
        ("with 2**63 columns", CORRUPT, index_head(3, full.kinds)[:-1] + varint(2**63) + body),
        ("with a column of id 22", UNSUPPORTED, index_head(3, full.kinds, [b"\x2c"]) + body),
        ("with a column of dtype 8", CORRUPT, index_head(3, full.kinds, [b"\x07\x08"]) + body),
        ("with t as int32", CORRUPT, index_head(3, full.kinds, [b"\x03\x02"]) + body),
        ("with a name of 65 bytes", LIMIT, index_head(3, full.kinds, [b"\x01\x41" + b"n" * 65]) + body),
        ("with a part of codec 2", UNSUPPORTED, head + _constants(range(1, 8)) + b"\x01\x02\x00\x00"),
        ("with a part of 64 MiB and 1", LIMIT, head + _constants(range(1, 8)) + b"\x01\x00\x81\x80\x80\x20"),
        ("of six columns", CORRUPT, head + _constants(range(1, 7)) + b"\x00"),
        ("with an unknown column", CORRUPT, head + _constants(range(1, 9)) + b"\x00"),
        ("with its columns swapped", CORRUPT, head + _constants([2, 1, 3, 4, 5, 6, 7]) + b"\x00"),
        ("with a named column", CORRUPT, head + b"\x08" + body[1:-1] + b"\x01\x01v\x04\x00\x00\x00\x00"),
        ("with another dtype", CORRUPT, head + _other_dtype()),
    ]:
        _unsound(f"INDEX {name}", error, payload)

    for kind, payload in [(BLOCK, SMALL), (ENTRIES, entries([])), (ANCILLARY, b""), (INDEX, right)]:
        VECTORS.bad(f"record of type {kind} after INDEX", CORRUPT, _full().index().add(kind, payload).data)
        maker = _full().index()
        maker.add(kind, payload).events += 3 if kind == BLOCK else 0
        VECTORS.bad(f"record of type {kind} between INDEX and END", CORRUPT, maker.end().data)


def _end() -> None:
    for name, distance, length, events in [
        ("distance", 1, None, None),
        ("length", None, 1, None),
        ("number of events", None, None, 6),
        ("distance 0 with an INDEX", 0, None, None),
        ("distance of 2**64 - 1", 2**64 - 1, None, None),
        ("length of 2**64 - 1", None, 2**64 - 1, None),
        ("number of events of 2**64 - 1", None, None, 2**64 - 1),
    ]:
        data = _full().index().end(distance, length, events).data
        VECTORS.unsound(f"END with a wrong {name}", CORRUPT, data, FULL)
    for distance in (20, 44, len(_full().data), 2**64 - 1):
        data = _full().end(distance).data
        VECTORS.unsound(f"END with a distance of {distance} and no INDEX", CORRUPT, data, FULL)
    # the second stream says that it is both of them
    both = _small().index().end().data
    second = _small().index()
    longer = both + second.end(length=2 * len(both)).data
    doubled = Vector("", b"", events={"v": [7] * 6}, count=6)
    VECTORS.unsound("END with the length of two streams", CORRUPT, longer, doubled)
    VECTORS.bad("END of 23 bytes", CORRUPT, stream((END, bytes(23))))
    VECTORS.bad("END of 25 bytes", CORRUPT, stream((END, bytes(25))))
    sizes = [(0).to_bytes(8, "little"), (23 + 45).to_bytes(8, "little"), (0).to_bytes(8, "little")]
    VECTORS.bad("END with a byte more", CORRUPT, stream((END, b"".join(sizes) + b"\0")))
    VECTORS.bad(
        "END with a byte less", CORRUPT, stream((END, sizes[0] + (23 + 43).to_bytes(8, "little") + bytes(7)))
    )
    ended = Maker().add(HEADER, header()).end()
    for kind, payload in [
        (BLOCK, SMALL),
        (ENTRIES, entries([])),
        (ANCILLARY, b""),
        (INDEX, _small().right_index()),
    ]:
        maker = Maker(ended.data, ended.number)
        VECTORS.bad(f"record of type {kind} after END", CORRUPT, maker.add(kind, payload).data)
    VECTORS.bad("END twice", CORRUPT, Maker(ended.data, ended.number).end(0, len(ended.data) + 44, 0).data)
    # a reader that looks from the end must not believe what stands in a payload
    inside = record(HEADER, header(), 0) + record(END, bytes(24), 1)
    VECTORS.good("a stream inside an ancillary record", stream((ANCILLARY, inside)))


def _index_otherwise() -> bytes:
    """Describe the INDEX of the full stream with dtypes written out and other encodings."""
    full = _full()
    parts = Parts([1])
    codes = (3, 3, 4, 3, 3, 3, 7)
    out = []
    for i, (width, code) in enumerate(zip(INDEX_DTYPES, codes, strict=True)):
        values = [row[i] for row in full.rows]
        described = sequence(parts, values, width, delta(), tokens(2, 1))
        out.append(varint(2 * (i + 1) + 1) + bytes([code]) + described)
    return index_head(3, full.kinds, full.columns) + table(out, parts)


def _constants(ids: range | list[int]) -> bytes:
    """Describe columns that are the constant 0, without the parts."""
    return varint(len(ids)) + b"".join(varint(2 * i) + b"\x00\x00\x00" for i in ids)


def _other_dtype() -> bytes:
    parts = Parts()
    out = []
    for i, width in enumerate((64, 64, 32, 64, 64, 64, 64)):
        head = varint(2 * (i + 1) + (i == 2)) + (b"\x06" if i == 2 else b"")
        out.append(head + sequence(parts, [row[i] for row in _full().rows], width, plain(), planes()))
    return table(out, parts)


_sound()
_index()
_end()

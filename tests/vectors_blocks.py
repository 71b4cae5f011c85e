"""Streams that show blocks, columns and masks (sections 4 and 5.1)."""

from __future__ import annotations

from assemble import (
    BLOCK,
    DEFAULT_DTYPES,
    DTYPES,
    Parts,
    block,
    column,
    constant,
    delta,
    plain,
    planes,
    stream,
    table,
    varint,
)
from vector import (
    CORRUPT,
    LIMIT,
    SMALL,
    UNSUPPORTED,
    Vectors,
    one_block,
)

VECTORS = Vectors()


def _columns() -> None:
    names = [name for name in DEFAULT_DTYPES if _group(name) == 0]
    data = one_block(_all_pointer_columns(names))
    vector = VECTORS.good("all columns of group 0", data, 2, **{name: [1, 2] for name in names})
    vector.dtypes = {name: DEFAULT_DTYPES[name] for name in names}
    for group, label in [(1, "keys"), (2, "context")]:
        names = [name for name in DEFAULT_DTYPES if _group(name) == group]
        parts = Parts([1])
        body = table([column(name, [i, 0], parts) for i, name in enumerate(names)], parts)
        VECTORS.good(
            f"all columns of the group {label}",
            one_block(block(2, [(group, 0, body)])),
            2,
            **{name: [i, 0] for i, name in enumerate(names)},
        ).dtypes = {name: DEFAULT_DTYPES[name] for name in names}
    for dtype in DTYPES:
        parts = Parts([0])
        body = table([column("x", [1, 127], parts, dtype=dtype)], parts)
        VECTORS.good(f"x as {dtype}", one_block(block(2, [(0, 0, body)])), 2, x=[1, 127]).dtypes = {
            "x": dtype
        }
    for name in ("ä", "n" * 64, "a name", "é" * 32, "\x00"):
        parts = Parts([0])
        body = table([column(name, [4], parts)], parts)
        VECTORS.good(f"named column {name!r}", one_block(block(1, [(3, 0, body)])), 1, **{name: [4]})
    parts = Parts([0])
    body = table([column("v", [4], parts, group=255)], parts)
    VECTORS.good("named column of group 255", one_block(block(1, [(255, 0, body)])), 1, v=[4])
    for group in (0, 1, 2):
        parts = Parts([0])
        body = table([column("v", [4], parts, group=group)], parts)
        VECTORS.good(f"named column of group {group}", one_block(block(1, [(group, 0, body)])), 1, v=[4])
    parts, other = Parts([0]), Parts([0])
    both = [(3, 0, table([column("v", [4], parts)], parts))]
    both += [(4, 0, table([column("v", [4], other, group=4)], other))]
    VECTORS.bad("named column in two sections", CORRUPT, one_block(block(1, both)))
    vector = VECTORS.good(
        "column of all zeros by its mask", one_block(block(2, [(0, 0, b"\x01\x06\x00\x00")])), 2, x=[0, 0]
    )
    vector.dtypes = {"x": "int32"}

    for name, body, group, error in [
        ("id 0 without a dtype", b"\x01\x00\x01v\x03\x01\x00\x00\x07\x00", 3, CORRUPT),
        ("id 22", b"\x01" + varint(44) + b"\x01\x00\x00\x07\x00", 0, UNSUPPORTED),
        ("id 2**62", b"\x01" + varint(1 << 63) + b"\x01\x00\x00\x07\x00", 0, UNSUPPORTED),
        ("dtype 255", b"\x01\x07\xff\x01\x00\x00\x07\x00", 0, CORRUPT),
        ("dtype 8", b"\x01\x07\x08\x01\x00\x00\x07\x00", 0, CORRUPT),
        ("name of 0 bytes", b"\x01\x01\x00\x03\x04\x01\x00\x00\x07\x00", 3, CORRUPT),
        ("name of 65 bytes", b"\x01\x01\x41" + b"n" * 65 + b"\x03\x04\x01\x00\x00\x07\x00", 3, LIMIT),
        ("name that is not UTF-8", b"\x01\x01\x01\xff\x03\x04\x01\x00\x00\x07\x00", 3, CORRUPT),
        ("name with a surrogate", b"\x01\x01\x03\xed\xa0\x80\x03\x04\x01\x00\x00\x07\x00", 3, CORRUPT),
        ("named column of another group", b"\x01\x01\x01v\x04\x04\x01\x00\x00\x07\x00", 3, CORRUPT),
        ("name of a numbered column", b"\x01\x01\x01x\x03\x04\x01\x00\x00\x07\x00", 3, CORRUPT),
        ("name of a numbered column in its group", b"\x01\x01\x01x\x00\x04\x01\x00\x00\x07\x00", 0, CORRUPT),
        ("id 2 in the group of keys", b"\x01\x04\x01\x00\x00\x00\x00", 1, CORRUPT),
        ("id 20 in a group of the user", b"\x01\x28\x01\x00\x00\x07\x00", 3, CORRUPT),
        ("numbered column in another group", b"\x01\x06\x01\x00\x00\x07\x00", 1, CORRUPT),
        ("numbered column twice", b"\x02" + b"\x06\x01\x00\x00\x07" * 2 + b"\x00", 0, CORRUPT),
        ("named column twice", b"\x02" + b"\x01\x01v\x03\x04\x01\x00\x00\x07" * 2 + b"\x00", 3, CORRUPT),
        ("reserved bits of a mask", b"\x01\x06\x03\x00\x00\x07\x00", 0, CORRUPT),
        ("top bit of a mask", b"\x01\x06\x81\x00\x00\x07\x00", 0, CORRUPT),
        ("mask of kind not full", b"\x01\x04\x00\x00", 0, CORRUPT),
        ("fewer columns", b"\x02\x06\x01\x00\x00\x07\x00", 0, CORRUPT),
        ("1,025 columns", varint(1025) + b"\x06\x00" * 1025 + b"\x00", 0, LIMIT),
        ("256 parts", b"\x01\x06\x01\x00\x00\x07" + varint(256) + b"\x00\x00" * 256, 0, LIMIT),
        ("empty table body", b"", 0, CORRUPT),
    ]:
        VECTORS.bad(name, error, one_block(block(1, [(group, 0, body)])))
    VECTORS.good("no columns in a section", one_block(block(1, [(0, 0, b"\x00\x00")])), 1)
    many = varint(1024) + b"".join(b"\x01\x03%03x\x03\x04\x01\x00\x00\x07" % i for i in range(1024)) + b"\x00"
    VECTORS.good(
        "1,024 columns", one_block(block(1, [(3, 0, many)])), 1, **{f"{i:03x}": [7] for i in range(1024)}
    )
    parts_255 = (
        b"\x01\x06\x01\x01\x00\x04"
        + varint(254)
        + varint(255)
        + b"\x00\x00" * 254
        + b"\x00\x04"
        + b"\x09\0\0\0"
    )
    VECTORS.good("255 parts", one_block(block(1, [(0, 0, parts_255)])), 1, x=[9])


def _group(name: str) -> int:
    keys = ("code", "scancode", "vk", "keysym", "modifiers", "layout", "key_class")
    return 1 if name in keys else 2 if name in ("context", "payload") else 0


def _all_pointer_columns(names: list[str]) -> bytes:
    parts = Parts([0])
    body = table([column(name, [1, 2], parts, mask=b"\x03") for name in names], parts)
    return block(2, [(0, 0, body)], t_min=1, span=1, kinds=[(1, 1), (2, 1)])


def _masks() -> None:
    kinds = [0, 3, 0, 200, 3, 0]
    counts = [(0, 3), (3, 2), (200, 1)]
    parts = Parts([0, 1])
    pointer = [
        column("x", [10, 20, 30], parts, mask=b"\x01"),
        column("kind", kinds, parts, mask=b"\x07", layout=planes(part=1)),
        column("dy", [-120, 120], parts, mask=b"\x02", transform=plain(-120)),
        column("t", [5, 6, 7, 8, 9, 10], parts, mask=b"\x07", transform=delta(), layout=constant()),
        column("y", [], parts, mask=b"\x00"),
    ]
    key_parts = Parts([0])
    keys = [column("code", [4, 5, 6], key_parts, mask=b"\x06")]
    sections = [(0, 0, table(pointer, parts)), (1, 0, table(keys, key_parts))]
    VECTORS.good(
        "masks of three kinds",
        one_block(block(6, sections, t_min=5, span=5, kinds=counts)),
        6,
        t=[5, 6, 7, 8, 9, 10],
        kind=kinds,
        x=[10, 0, 20, 0, 0, 30],
        dy=[0, -120, 0, 0, 120, 0],
        y=[0] * 6,
        code=[0, 4, 0, 5, 6, 0],
    )
    hidden = [(0, 1, b"secret"), (1, 0, table(keys, key_parts))]
    VECTORS.good(
        "mask that needs the hidden pointer group",
        one_block(block(6, hidden, t_min=5, span=5, kinds=counts)),
        6,
    )
    full_parts = Parts([0])
    full = [
        column("code", [1, 2, 3, 4, 5, 6], full_parts, mask=b"\x07"),
        column("vk", [], full_parts, mask=b"\x00"),
    ]
    hidden = [(0, 255, b"secret"), (1, 0, table(full, full_parts))]
    VECTORS.good(
        "full and empty masks need no pointer group",
        one_block(block(6, hidden, t_min=5, span=5, kinds=counts)),
        6,
        code=[1, 2, 3, 4, 5, 6],
        vk=[0] * 6,
    )
    VECTORS.good("hidden section of 0 bytes", one_block(block(6, [(2, 7, b"")])), 6)
    all_kinds = list(range(256))
    parts = Parts([0])
    mask = bytes([0, 0, 0x10] + [0] * 28 + [0x80])
    body = table(
        [column("kind", all_kinds, parts, mask=b"\xff" * 32), column("x", [7, 8], parts, mask=mask)], parts
    )
    VECTORS.good(
        "256 kinds",
        one_block(block(256, [(0, 0, body)], kinds=[(k, 1) for k in all_kinds])),
        256,
        kind=all_kinds,
        x=[7 if k == 20 else 8 if k == 255 else 0 for k in all_kinds],
    )
    nine = [column("kind", list(range(9)), Parts([0]), mask=b"\xff\x03")]
    parts = Parts([0])
    parts.put(0, bytes(range(9)))
    VECTORS.bad(
        "bit 9 of a mask of 9 kinds",
        CORRUPT,
        one_block(block(9, [(0, 0, table(nine, parts))], kinds=[(k, 1) for k in range(9)])),
    )


def _kind_body(kinds: list[int], dtype: str | None = None, mask: bytes = b"\x01") -> bytes:
    parts = Parts([0])
    return table([column("kind", kinds, parts, dtype=dtype, mask=mask)], parts)


def _blocks() -> None:
    VECTORS.good("block of events without columns", one_block(block(1_048_576)), 1_048_576)
    VECTORS.good("block of 0 events", one_block(block(0)))
    empty = b"\x02\x06" + b"\x01\x01v" + b"\x03\x00" + b"\x00"
    VECTORS.bad("named column in group 0 that says 3", CORRUPT, one_block(block(0, [(0, 0, empty)])))
    names = one_block(block(0, [(0, 0, b"\x02\x06\x08\x00"), (3, 0, b"\x01\x01\x01v\x03\x07\x00")]))
    VECTORS.good("names and dtypes of an empty batch", names, 0, x=[], y=[], v=[])
    both = one_block(block(0, [(0, 0, b"\x01\x07\x01\x00")]))
    VECTORS.good("dtype of an empty batch", both, 0, x=[]).dtypes = {"x": "int16"}
    big = stream(
        (BLOCK, SMALL), (BLOCK, block(2, [(0, 0, _kind_body([9, 9]))], kinds=[(9, 2)])), (BLOCK, SMALL)
    )
    VECTORS.good(
        "columns that a block lacks", big, 8, v=[7, 7, 7, 0, 0, 7, 7, 7], kind=[0, 0, 0, 9, 9, 0, 0, 0]
    )
    VECTORS.good("section count 0 for three events", one_block(block(3)), 3)
    long = 1_048_576
    body = b"\x01\x06\x01" + b"\x10\x00\x01\x02" + b"\x00"
    VECTORS.good(
        "longest block, all deltas 1", one_block(block(long, [(0, 0, body)])), long, x=list(range(long))
    )

    VECTORS.bad("1,048,577 events", LIMIT, one_block(block(1_048_577)))
    VECTORS.bad("2**64 - 1 events", LIMIT, one_block(block(2**64 - 1)))
    VECTORS.bad("no kinds for an event", CORRUPT, one_block(block(1, kinds=[])))
    VECTORS.bad("a kind for no event", CORRUPT, one_block(block(0, kinds=[(0, 1)])))
    VECTORS.bad("a kind with count 0", CORRUPT, one_block(block(1, kinds=[(0, 1), (1, 0)])))
    VECTORS.bad("counts over the events", CORRUPT, one_block(block(1, kinds=[(0, 2)])))
    VECTORS.bad("counts that wrap", CORRUPT, one_block(block(3, kinds=[(0, 2**64 - 1), (1, 4)])))
    two = _kind_body([0, 1], mask=b"\x03")
    VECTORS.good("two kinds", one_block(block(2, [(0, 0, two)], kinds=[(0, 1), (1, 1)])), 2, kind=[0, 1])
    VECTORS.bad("kinds descending", CORRUPT, one_block(block(2, [(0, 0, two)], kinds=[(1, 1), (0, 1)])))
    VECTORS.bad(
        "a kind twice",
        CORRUPT,
        one_block(block(2, [(0, 0, _kind_body([0, 0], mask=b"\x03"))], kinds=[(0, 1), (0, 1)])),
    )
    secret = [(0, 1, b"secret")]
    for name, n, kinds in [
        ("a kind twice", 2, [(0, 1), (0, 1)]),
        ("kinds descending", 2, [(1, 1), (0, 1)]),
        ("a kind of count 0", 1, [(0, 1), (1, 0)]),
        ("too small a sum", 3, [(0, 1), (1, 1)]),
        ("too large a sum", 3, [(0, 1), (1, 3)]),
        ("a sum that wraps", 3, [(0, 2**64 - 1), (1, 4)]),
        ("no kinds", 3, []),
    ]:
        VECTORS.bad(f"pointer group hidden, {name}", CORRUPT, one_block(block(n, secret, kinds=kinds)))
    VECTORS.bad("257 kinds", CORRUPT, one_block(block(257, kinds=[(k % 256, 1) for k in range(257)])))
    VECTORS.bad(
        "kinds of the head are not those of the column",
        CORRUPT,
        one_block(block(2, [(0, 0, _kind_body([0, 1]))])),
    )
    VECTORS.bad(
        "counts are not those of the column",
        CORRUPT,
        one_block(block(3, [(0, 0, _kind_body([0, 0, 1], mask=b"\x03"))], kinds=[(0, 1), (1, 2)])),
    )
    VECTORS.bad(
        "kind -1 as int8", CORRUPT, one_block(block(1, [(0, 0, _kind_body([255], "int8"))], kinds=[(255, 1)]))
    )
    VECTORS.bad("kind 256 as int16", CORRUPT, one_block(block(1, [(0, 0, _kind_body([256], "int16"))])))
    for dtype in DTYPES:
        as_dtype = block(1, [(0, 0, _kind_body([7], dtype))], kinds=[(7, 1)])
        if dtype == "uint8":
            VECTORS.good("kind with its dtype written out", one_block(as_dtype), 1, kind=[7])
        else:
            VECTORS.bad(f"kind as {dtype}", CORRUPT, one_block(as_dtype))
        no_rows = block(0, [(0, 0, b"\x01\x05" + bytes([DTYPES[dtype]]) + b"\x00")])
        if dtype != "uint8":
            VECTORS.bad(f"kind as {dtype} in a block of 0 events", CORRUPT, one_block(no_rows))
    VECTORS.bad("no kind column but kind 1", CORRUPT, one_block(block(1, kinds=[(1, 1)])))
    VECTORS.bad("no kind column but two kinds", CORRUPT, one_block(block(2, kinds=[(0, 1), (1, 1)])))
    VECTORS.bad("sections descending", CORRUPT, one_block(block(1, [(2, 0, b"\0\0"), (1, 0, b"\0\0")])))
    VECTORS.bad("a group twice", CORRUPT, one_block(block(1, [(3, 0, b"\0\0"), (3, 0, b"\0\0")])))
    VECTORS.bad("256 sections", CORRUPT, one_block(block(1, [(g, 0, b"\0\0") for g in range(256)])))
    VECTORS.good("255 sections", one_block(block(1, [(g, 0, b"\0\0") for g in range(255)])), 1)
    VECTORS.bad("a byte after the sections", CORRUPT, one_block(block(1, [(3, 0, b"\0\0")]) + b"\0"))
    VECTORS.bad("section cut short", CORRUPT, one_block(block(1, [(3, 0, b"\0\0")])[:-1]))
    VECTORS.bad(
        "section longer than the block",
        CORRUPT,
        one_block(b"\x01\x00\x00\x01\x00\x01\x01\x00\x00" + varint(2**64 - 1)),
    )
    VECTORS.bad("empty block payload", CORRUPT, one_block(b""))
    VECTORS.bad("block cut in its head", CORRUPT, one_block(block(3)[:3]))
    VECTORS.bad("event count not in shortest form", CORRUPT, one_block(b"\x80" + block(0)))
    _times()


def _times() -> None:
    def timed(values: list[int], t_min: int, span: int, dtype: str | None = None) -> bytes:
        parts = Parts([0])
        body = table([column("t", [v % 2**64 for v in values], parts, dtype=dtype)], parts)
        return one_block(block(len(values), [(0, 0, body)], t_min=t_min, span=span))

    VECTORS.good("t out of order", timed([5, -7, 9], -7, 16), 3, t=[5, -7, 9])
    ends = [-(2**63), 2**63 - 1]
    VECTORS.good("t over all 64 bits", timed(ends, -(2**63), 2**64 - 1), 2, t=ends)
    VECTORS.good("t with its dtype written out", timed([7, 9], 7, 2, "int64"), 2, t=[7, 9])
    for dtype in DTYPES:
        if dtype != "int64":
            VECTORS.bad(f"t as {dtype}", CORRUPT, timed([7, 9], 7, 2, dtype))
            no_rows = block(0, [(0, 0, b"\x01\x03" + bytes([DTYPES[dtype]]) + b"\x00")])
            VECTORS.bad(f"t as {dtype} in a block of 0 events", CORRUPT, one_block(no_rows))
    for name, t_min, span, error in [
        ("0 for the others", 0, 6, ""),
        ("nothing for the others", 5, 1, CORRUPT),
    ]:
        parts = Parts([0])
        columns = [column("kind", [0, 3, 3], parts, mask=b"\x03"), column("t", [5, 6], parts, mask=b"\x02")]
        payload = block(3, [(0, 0, table(columns, parts))], t_min=t_min, span=span, kinds=[(0, 1), (3, 2)])
        if error:
            VECTORS.bad(f"t of one kind, with {name}", error, one_block(payload))
        else:
            VECTORS.good(f"t of one kind, with {name}", one_block(payload), 3, t=[0, 5, 6], kind=[0, 3, 3])
    secret = [(0, 1, b"secret")]
    latest = one_block(block(1, secret, t_min=2**63 - 2, span=1))
    VECTORS.good("hidden t up to 2**63 - 1", latest, 1)
    VECTORS.bad("hidden t of 2**63", CORRUPT, one_block(block(1, secret, t_min=2**63 - 1, span=1)))
    VECTORS.bad("hidden t over all bounds", CORRUPT, one_block(block(1, secret, t_min=1, span=2**64 - 1)))
    VECTORS.bad("t_min too large", CORRUPT, timed([5, 9], 6, 3))
    VECTORS.bad("t_min and span of other columns", CORRUPT, timed([5, 9], 0, 0))
    VECTORS.bad("t_min too small", CORRUPT, timed([5, 9], 4, 5))
    VECTORS.bad("t span too small", CORRUPT, timed([5, 9], 5, 3))
    VECTORS.bad("t span too large", CORRUPT, timed([5, 9], 5, 5))
    VECTORS.bad("t_min without a t column", CORRUPT, one_block(block(1, t_min=1)))
    VECTORS.bad("t span without a t column", CORRUPT, one_block(block(1, span=1)))
    VECTORS.bad("t_min without an event", CORRUPT, one_block(block(0, t_min=1)))


_columns()
_masks()
_blocks()

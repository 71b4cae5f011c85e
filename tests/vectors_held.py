"""Streams that show codes of keys and buttons that are held (section 5.5), and held codes that have to be refused."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable

from assemble import (
    BLOCK,
    DTYPES,
    HEADER,
    Layout,
    Maker,
    Parts,
    Transform,
    block,
    column,
    column_head,
    constant,
    delta,
    dictionary,
    header,
    index_head,
    plain,
    planes,
    runs,
    second,
    sequence,
    signed,
    stream,
    table,
    tokens,
    varint,
)
from assemble_models import bins, grid, held, spread_bins
from vector import CORRUPT, NO_PARTS, UNSUPPORTED, Vector, Vectors, kinds_payload, mask_of, one_block

VECTORS = Vectors()

MOVE, BUTTON_DOWN, BUTTON_UP, SCROLL, KEY_DOWN, KEY_UP, CONTEXT, KEY_REPEAT = 0, 1, 2, 3, 4, 5, 6, 8
Row = tuple[int, int]
Way = tuple[Transform, Layout]


def _good(
    name: str,
    rows: list[Row],
    *,
    stored: Iterable[int] | None = None,
    dtype: str = "int32",
    codes: Way | None = None,
    positions: Way | None = None,
    spell_out: Iterable[int] = (),
) -> None:
    kinds = [kind for kind, _ in rows]
    chosen = set(kinds if stored is None else stored)
    width = int(dtype.lstrip("uint"))
    parts = Parts([0, 1])
    kept = [row for row in rows if row[0] in chosen]
    described = held(kept, parts, width, codes=codes, positions=positions, spell_out=spell_out)
    data = one_block(kinds_payload(kinds, described, parts, chosen, dtype))
    seen = [code if kind in chosen else 0 for kind, code in rows]
    if dtype.startswith("int"):
        seen = [signed(code, width) for code in seen]
    VECTORS.good(f"held codes, {name}", data, len(rows), v=seen, kind=kinds).dtypes = {
        "v": dtype,
        "kind": "uint8",
    }


def _raw(kinds: list[int], described: bytes, stored: bytes = b"") -> bytes:
    """Put a stream together whose column ``v`` of uint8 has this after the marker, byte for byte."""
    parts = Parts([0] if stored else [])
    parts.put(0, stored)
    return one_block(kinds_payload(kinds, b"\x40" + described, parts, dtype="uint8"))


def typing(count: int, seed: int, codes: int = 30) -> list[Row]:
    """Give rows of a person who types with rollover and repeats, and clicks; now and then a row is lost."""
    rng = random.Random(seed)
    keys: list[int] = []
    buttons: list[int] = []
    rows: list[Row] = []
    while len(rows) < count:
        found: Row
        match rng.randrange(9):
            case 0 | 1 | 2:
                found = KEY_DOWN, rng.randrange(codes)
                keys.append(found[1])
            case 3 | 4 if keys:
                found = KEY_UP, keys.pop(rng.randrange(len(keys)))
            case 5 if keys:
                found = KEY_REPEAT, keys[-1]
            case 6:
                found = BUTTON_DOWN, rng.randrange(1, 4)
                buttons.append(found[1])
            case 7 if buttons:
                found = BUTTON_UP, buttons.pop(0)
            case 8:
                found = rng.choice([MOVE, SCROLL, CONTEXT, 200]), rng.randrange(3)
            case _:
                continue
        if rng.random() > 0.05:
            rows.append(found)
    return rows


def _sessions() -> None:
    for seed in range(8):
        rows = typing(120, seed)
        _good(f"session {seed}", rows)
        _good(f"session {seed}, some spelled out", rows, spell_out=range(0, 120, 3))
    rows = typing(150, 9)
    kinds = {kind for kind, _ in rows}
    for name, without in [
        ("moves", {MOVE, SCROLL, CONTEXT, 200}),
        ("keys", {KEY_DOWN, KEY_UP, KEY_REPEAT}),
        ("downs", {KEY_DOWN, BUTTON_DOWN}),
        ("ups and repeats", {KEY_UP, BUTTON_UP, KEY_REPEAT}),
        ("all but ups of keys", kinds - {KEY_UP}),
        ("all but repeats", kinds - {KEY_REPEAT}),
        ("all but moves", kinds - {MOVE}),
    ]:
        _good(f"stored without {name}", rows, stored=kinds - without)
    for dtype in DTYPES:
        width = int(dtype.lstrip("uint"))
        rng = random.Random(width)
        many = [rng.getrandbits(width) for _ in range(30)]
        _good(f"as {dtype}", [(kind, many[code]) for kind, code in typing(100, width)], dtype=dtype)


def _long() -> None:
    """Thousands of rows, and keys under the number that they have."""
    rows = typing(4_099, 5, codes=200)
    _good("4,099 rows", rows, codes=(plain(), bins(8, spread_bins(32))), positions=(plain(), tokens(2, 1)))
    kinds = [kind for kind, _ in rows]
    parts = Parts([1])
    mask = mask_of(kinds, [1, 2, 4, 5, 8])
    stored = [row for row in rows if row[0] in (1, 2, 4, 5, 8)]
    keys = table([column_head("code") + mask + held(stored, parts)], parts)
    own = Parts([1])
    pointer = table([column("kind", kinds, own, mask=mask_of(kinds, kinds))], own)
    payload = block(len(rows), [(0, 0, pointer), (1, 0, keys)], kinds=sorted(Counter(kinds).items()))
    codes = [code if kind in (1, 2, 4, 5, 8) else 0 for kind, code in rows]
    VECTORS.good("code, held", one_block(payload), len(rows), code=codes, kind=kinds)


def _inner() -> None:
    """Codes and positions are sequences like others: every transform and layout but a split."""
    rows = typing(200, 77)
    transforms: dict[str, Transform] = {
        "none": plain(-1),
        "delta": delta(),
        "second difference": second(),
        "grid": grid(5, 4),
    }
    for number, (transform, applied) in enumerate(transforms.items()):
        for dtype, width in [("uint16", 16), ("int64", 64)] if number % 2 else [("uint8", 8), ("int32", 32)]:
            layouts: list[tuple[str, Layout, Layout]] = [
                ("planes", planes(), planes()),
                ("dictionary", dictionary([1, 2, 3], tokens(1, 1)), dictionary([0], bins(8, spread_bins(8)))),
                ("tokens", tokens(3, 1, 0, 1), tokens(1, 0, 1, 0)),
                ("runs", runs(planes(), planes()), runs(bins(8, spread_bins(8)), planes(part=1))),
                ("bins", bins(4, spread_bins(width, 4), 0, 1), bins(8, spread_bins(8), 1, 0)),
            ]
            for layout, of_codes, of_positions in layouts:
                name = f"{dtype}, {transform}, {layout}"
                _good(name, rows, dtype=dtype, codes=(applied, of_codes), positions=(applied, of_positions))
    steps = [(KEY_DOWN, 9), (KEY_UP, 9)] * 4
    for name, codes, positions in [
        ("constant", (plain(), constant()), (plain(), constant())),
        ("constant from a base", (plain(4), constant()), (plain(-1), constant())),
        ("constant deltas", (delta(), constant()), (delta(), constant())),
        ("constant second differences", (second(), constant()), (second(), constant())),
    ]:
        _good(f"{name}, codes and positions", steps, codes=codes, positions=positions)


def _lists() -> None:
    downs = [(KEY_DOWN, i) for i in range(64)]
    ups = [(KEY_UP, i) for i in range(64)]
    _good("64 keys, up in the order of down", downs + ups)
    _good("64 keys, up the other way", downs + ups[::-1])
    _good("64 keys, up and down at the end", [*downs, (KEY_REPEAT, 63), (KEY_UP, 63), (KEY_DOWN, 63)])
    _good("65 keys: the first is forgotten", [*downs, (KEY_DOWN, 64), *ups, (KEY_UP, 64)])
    _good("65 keys, the first once more", [*downs, (KEY_DOWN, 64), (KEY_DOWN, 0), (KEY_UP, 1), (KEY_UP, 0)])
    _good("64 keys and one of them again", [*downs, (KEY_DOWN, 5), (KEY_UP, 0), (KEY_UP, 63)])
    _good("200 keys", [(KEY_DOWN, i) for i in range(200)] + [(KEY_UP, i) for i in range(200)])
    _good("65 buttons", [(BUTTON_DOWN, i) for i in range(65)] + [(BUTTON_UP, i) for i in range(65)])
    _good("a key and a button of one code", [(KEY_DOWN, 1), (BUTTON_DOWN, 1), (KEY_UP, 1), (BUTTON_UP, 1)])
    _good("the button goes down, the key up", [(BUTTON_DOWN, 1), (KEY_UP, 1), (BUTTON_UP, 1)])
    _good("up without down", [(KEY_UP, 7), (BUTTON_UP, 1), (KEY_UP, 7)])
    _good("repeat without down, twice", [(KEY_REPEAT, 7), (KEY_REPEAT, 7), (KEY_UP, 7)])
    _good("repeat keeps the place", [(KEY_DOWN, 1), (KEY_DOWN, 2), (KEY_REPEAT, 1), (KEY_UP, 1), (KEY_UP, 2)])
    _good(
        "down twice keeps the place", [(KEY_DOWN, 1), (KEY_DOWN, 2), (KEY_DOWN, 1), (KEY_UP, 1), (KEY_UP, 2)]
    )
    _good("down once more and up twice", [(KEY_DOWN, 1), (KEY_DOWN, 1), (KEY_UP, 1), (KEY_UP, 1)])
    spelled = [(KEY_DOWN, 1), (KEY_UP, 1), (KEY_UP, 1), (KEY_UP, 1)]
    _good("an up that is spelled out leaves the key down", spelled, spell_out=[1])
    _good("only ups are stored", [(KEY_DOWN, 1), (KEY_UP, 1), (KEY_UP, 2)], stored=[KEY_UP])
    _good("one down", [(KEY_DOWN, -5)])
    _good("one up", [(KEY_UP, 3)])
    _good("rows of one kind, which is no key", [(12, 5), (12, 6), (12, 6)])
    lone = b"\x01" + b"\x01\x01v\x03\x04\x01" + b"\x40\x03\x00\x00\x07" + NO_PARTS
    VECTORS.good(
        "held codes where there is no kind column", one_block(block(3, [(3, 0, lone)])), 3, v=[7, 7, 7]
    )
    parts = Parts([0])
    payload = kinds_payload([4, 5], held([(4, 9), (5, 9)], parts), parts)
    parts = Parts([0])
    alone = kinds_payload([5, 4], held([(5, 9), (4, 9)], parts), parts)
    VECTORS.good(
        "held codes: lists are empty at the start of a block",
        stream((BLOCK, payload), (BLOCK, alone), (BLOCK, payload)),
        6,
        v=[9] * 6,
        kind=[4, 5, 5, 4, 4, 5],
    )
    parts = Parts([0])
    kinds, mask = [4, 4, 5, 0, 5], b"\x07"
    rows = [(4, 3), (4, 4), (5, 4), (0, 1), (5, 3)]
    columns = [
        column_head("x") + mask + held(rows, parts),
        column("kind", kinds, parts, mask=mask),
        column_head("t") + mask + held(rows, parts, 64),
    ]
    before = block(5, [(0, 0, table(columns, parts))], t_min=1, span=3, kinds=[(0, 1), (4, 2), (5, 2)])
    same = [3, 4, 4, 1, 3]
    VECTORS.good("held codes before the kinds", one_block(before), 5, x=same, kind=kinds, t=same)
    _hidden()


def _hidden() -> None:
    parts = Parts([0])
    rows = [(4, 3), (4, 4), (5, 4), (5, 3)]
    keys = [
        column_head("code") + b"\x03" + held(rows, parts),
        column("vk", [1, 2, 3, 4], parts, mask=b"\x03"),
    ]
    sections = [(0, 1, b"secret"), (1, 0, table(keys, parts))]
    data = one_block(block(4, sections, kinds=[(4, 2), (5, 2)]))
    VECTORS.good("held codes of kinds that are hidden", data, 4, vk=[1, 2, 3, 4]).dtypes = {"vk": "uint32"}


def _refused() -> None:
    five = b"\x00\x00\x05"
    first = b"\x00\x00\x01"
    cases: dict[str, tuple[list[int], bytes, bytes]] = {
        "position 1 of an empty list": ([5], b"\x01" + five + first, b""),
        "position 1 of an empty list of buttons": ([4, 2], b"\x02" + five + first, b""),
        "position 1 of the empty list of keys": ([1, 5], b"\x02" + five + first, b""),
        "position 2 of one": ([4, 5], b"\x01" + five + b"\x00\x00\x02", b""),
        "position 255": ([4, 8], b"\x01" + five + b"\x00\x00\xff\x01", b""),
        "position of what went up": ([4, 5, 5], b"\x01" + five + first, b""),
        "position of what went up, repeated": ([4, 5, 8], b"\x01" + five + first, b""),
        "no codes": ([4, 5], b"\x00" + first, b""),
        "no codes for ups": ([5, 5], b"\x00" + b"\x00\x00\x00", b""),
        "a code too few": ([4, 4], b"\x01" + five, b""),
        "a code too few for an up": ([4, 5], b"\x01" + five + b"\x00\x00\x00", b""),
        "a code too many": ([4, 5], b"\x02" + five + first, b""),
        "more codes than rows": ([4, 5], b"\x03" + five + b"\x00\x00\x00", b""),
        "2**64 - 1 codes": ([4, 5], varint(2**64 - 1) + five + first, b""),
        "codes that are split": ([4, 4], b"\x02" + b"\x06\x00\x01\x01\x01\x09\x02" + five + b"\x00", b""),
        "positions that are split": (
            [4, 5, 4, 5],
            b"\x02" + five + b"\x06\x00\x01\x01\x01\x09\x02" + first + b"\x00",
            b"",
        ),
        "delta of one code": ([4], b"\x01" + b"\x10\x05\x01\x00", b""),
        "delta of one position": ([4, 5], b"\x01" + five + b"\x10\x01\x01\x00", b""),
        "a code of 9 bits": ([4, 4], b"\x02" + b"\x00\x00" + varint(256), b""),
        "a position of 9 bits": ([4, 5], b"\x01" + five + b"\x00\x00" + varint(257), b""),
        "a position of 2 planes": ([4, 5], b"\x01" + five + b"\x01\x00\x02\x00", b"\x01\x00"),
        "no positions": ([4, 5], b"\x02" + five, b""),
        "positions where there are no rows for them": ([4, 4], b"\x02" + five + first, b""),
    }
    for name, (kinds, described, parts) in cases.items():
        VECTORS.bad(f"held codes, {name}", CORRUPT, _raw(kinds, described, parts))
    full = [4] * 65 + [5]
    codes = b"\x41" + b"\x10\x00\x01\x02"
    VECTORS.bad("held codes, position 65 of 64", CORRUPT, _raw(full, codes + b"\x00\x00" + b"\x41"))
    VECTORS.good(
        "held codes, position 64 of 64",
        _raw(full, codes + b"\x00\x00" + b"\x40"),
        66,
        v=[*range(65), 64],
        kind=full,
    )
    for name, kinds, described in [
        ("codes that are held", [4, 4], b"\x02" + b"\x40\x02" + five),
        ("positions that are held", [4, 5], b"\x01" + five + b"\x40\x01" + first),
        ("codes of layout 7", [4, 4], b"\x02" + b"\x07\x00\x00"),
        ("positions of transform 4", [4, 5], b"\x01" + five + b"\x41\x00\x01\x00"),
    ]:
        VECTORS.bad(f"held codes, {name}", UNSUPPORTED, _raw(kinds, described))
    for marker in (0x41, 0x42, 0x45, 0x46, 0x4F, 0x50, 0x80):
        payload = kinds_payload([4, 4], bytes([marker]) + b"\x02" + five, Parts([]))
        VECTORS.bad(f"marker {marker:#x}", UNSUPPORTED, one_block(payload))
    for name, error, described in [
        ("escapes", UNSUPPORTED, b"\x02\x00\x01\x05\x02\x00" + b"\x40\x02" + five),
        ("run values", UNSUPPORTED, b"\x04\x00\x02" + b"\x40\x02" + five + b"\x00\x00\x00"),
    ]:
        parts = Parts([0])
        parts.put(0, b"\xff\xff" if name == "escapes" else b"")
        VECTORS.bad(f"{name} that are held", error, one_block(kinds_payload([4, 4], described, parts)))
    kind = b"\x01\x04\x01" + b"\x40\x03" + five + NO_PARTS
    VECTORS.bad("kinds that are held", CORRUPT, one_block(block(3, [(0, 0, kind)], kinds=[(5, 3)])))
    payload = block(3, [(3, 0, b"\x01" + b"\x01\x01v\x03\x04\x01" + b"\x00\x00\x07" + b"\x00")])
    maker = Maker(kinds=[(0, 3)], columns=[column_head("v", "uint8")]).add(HEADER, header())
    maker.row(BLOCK, payload, 3, 0, 0, 1)
    parts = Parts([0])
    rows = zip((64, 64, 8, 64, 64, 64, 64), maker.rows[0], strict=True)
    columns = [
        varint(2 * (i + 1)) + sequence(parts, [v], width, plain(), planes())
        for i, (width, v) in enumerate(rows)
    ]
    columns[4] = varint(10) + b"\x40\x01\x00\x00\x00"
    maker.index(index_head(1, maker.kinds, maker.columns) + table(columns, parts)).end()
    like = Vector("", b"", events={"v": [7] * 3}, count=3)
    VECTORS.unsound("INDEX that is held", CORRUPT, maker.data, like)


_sessions()
_long()
_inner()
_lists()
_refused()

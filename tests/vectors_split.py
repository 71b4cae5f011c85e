"""Streams that show splits by kind and by what came before (section 5.6), and splits that have to be refused."""

from __future__ import annotations

import random

from assemble import (
    BLOCK,
    DTYPES,
    HEADER,
    Layout,
    Maker,
    Parts,
    block,
    column,
    column_head,
    delta,
    header,
    index_head,
    plain,
    planes,
    second,
    sequence,
    table,
    tokens,
    varint,
)
from assemble_models import bins, grid, split, spread_bins
from vector import (
    CORRUPT,
    NO_PARTS,
    UNSUPPORTED,
    Vectors,
    kinds_payload,
    one_block,
    one_part,
    raw_column,
)

VECTORS = Vectors()

TRANSFORMS = {"none": plain(-7), "delta": delta(), "second difference": second(), "grid": grid(100, 5)}


def _by_class(
    name: str,
    classes: list[int],
    thresholds: list[int],
    stored: list[int] | None = None,
    before: list[int] | None = None,
) -> None:
    """Add rows of as many kinds as there are classes, under each transform, at one width after the other."""
    rng = random.Random(name)
    all_kinds = sorted(rng.sample(range(256), len(classes)))
    kinds = [*all_kinds, *rng.choices(all_kinds, k=70)]
    rng.shuffle(kinds)
    chosen = all_kinds if stored is None else [all_kinds[i] for i in stored]
    row_kinds = [all_kinds.index(kind) for kind in kinds if kind in chosen]
    for number, (transform, applied) in enumerate(TRANSFORMS.items()):
        width = (8, 16, 32, 64)[(number + len(thresholds)) % 4]
        values = [rng.getrandbits(rng.randrange(1, 1 + width)) for _ in row_kinds]
        inner: list[Layout] = [planes(), bins(8, spread_bins(width), 1, 0), tokens(2, 2, 0, 1)]
        parts = Parts([0, 1])
        laid = split(thresholds, inner, classes, row_kinds, before or [])
        described = sequence(parts, values, width, applied, laid)
        data = one_block(kinds_payload(kinds, described, parts, chosen, f"uint{width}"))
        left = iter(values)
        seen = [next(left) if kind in chosen else 0 for kind in kinds]
        VECTORS.good(f"split by class, {name}, {transform}", data, len(kinds), v=seen, kind=kinds)


def _classes() -> None:
    _by_class("two kinds", [0, 1], [])
    _by_class("two kinds, and thresholds", [1, 0], [1, 5, 200])
    _by_class("two kinds of one class", [1, 1, 0], [3])
    _by_class("a class of no kind", [0, 2], [3, 9])
    _by_class("a class of kinds that are not stored", [2, 0, 1], [8], [0, 2])
    _by_class("stored kinds of one class", [1, 0, 1, 1], [8], [0, 2, 3])
    _by_class("15 classes", list(range(15)), [])
    _by_class("8 classes", [7, 6, 5, 4, 3, 2, 1, 0], [100])
    _by_class("4 classes", [i % 4 for i in range(40)], [1, 2, 3])
    _by_class("2 classes of 7 thresholds", [1, 0], [1, 2, 3, 4, 5, 6, 250])
    _by_class("256 kinds", [i * 7 % 5 for i in range(256)], [1, 64])
    none, same = [0, 0], [1, 0]
    _by_class("the row before", none, [], before=[0, 1])
    _by_class("the row before, and thresholds", none, [1, 9, 99], before=same)
    _by_class("both rows", same, [], before=same)
    _by_class("both rows, otherwise", [0, 1, 2, 0], [1], before=[1, 0, 0, 1])
    _by_class("both rows, thresholds", [0, 1, 1], [2], before=[2, 0, 1])
    _by_class("both rows, 16 contexts", [0, 1, 2, 3], [], before=[3, 1, 2, 0])
    _by_class("both rows, some stored", [0, 1, 2, 1], [], [1, 3], before=[3, 1, 2, 0])
    _by_class("both rows, 2 of 15 classes", [0] * 15, [], before=list(range(15)))
    _by_class("both rows, 256 kinds", [i % 2 for i in range(256)], [], before=[i // 40 for i in range(256)])


def _by_hand() -> None:
    # below 2: one sequence, from 2 on: the other. 0 looks at 0 and takes 5, which sends to the other
    described = (
        b"\x06\x00" + b"\x01\x01\x01\x02" + b"\x03" + b"\x01\x00\x01\x00" + b"\x02" + b"\x01\x0f\x01\x00"
    )
    VECTORS.good(
        "split by hand", raw_column(described, 5, one_part(b"\x05\x01\x07\x0a\x09")), 5, v=[5, 2, 1, 1, 7]
    )
    constants = b"\x06\x00" + b"\x01\x01\x01\x03" + b"\x02\x00\x00\x04" + b"\x02\x00\x00\x01"
    VECTORS.good("split of constants", raw_column(constants, 4, NO_PARTS), 4, v=[4, 1, 4, 1])
    # steps +1, -2, +2: zigzags 2, 3, 4
    steps = b"\x16\x00\x01" + b"\x01\x01\x01\x03" + b"\x02\x01\x00\x01\x00" + b"\x01\x00\x00\x04"
    VECTORS.good("split of deltas", raw_column(steps, 4, one_part(b"\x02\x03"), "int8"), 4, v=[0, 1, -1, 1])
    # d: 3, 4, 0: the first looks at 6, the zigzag of 3, the second at 8, the zigzag of 4
    twice = b"\x26\x00\x06\x01" + b"\x01\x01\x01\x07" + b"\x01\x00\x00\x02" + b"\x01\x00\x00\x07"
    VECTORS.good("split of second differences", raw_column(twice, 4, NO_PARTS), 4, v=[0, 3, 7, 7])
    wide = b"\x26\x00\x05\x01" + b"\x01\x01\x01\x05" + b"\x00" + b"\x02\x00\x00\x00"
    VECTORS.good(
        "first d of a split that looks at itself", raw_column(wide, 4, NO_PARTS, "int8"), 4, v=[0, -3, -6, -9]
    )
    # bins in a split of deltas are steps themselves
    inner = b"\x05\x00\x01\x00\x80\x05\x00\x00\x00"
    zigzags = b"\x16\x14\x01" + b"\x01\x01\x01\x05" + b"\x01" + inner + b"\x01" + inner
    VECTORS.good("split of deltas into bins", raw_column(zigzags, 3, one_part(b"\x00\x00")), 3, v=[10, 7, 4])
    nothing = b"\x06\x00" + b"\x01\x01\x02\x05\x05" + b"\x03\x00\x00\x04" + b"\x00\x00"
    VECTORS.good("split with empty contexts behind", raw_column(nothing, 3, NO_PARTS), 3, v=[4, 4, 4])
    one = b"\x06\x00" + b"\x01\x01\x01\x05" + b"\x01\x00\x00\x04" + b"\x00"
    VECTORS.good("split of one residual", raw_column(one, 1, NO_PARTS), 1, v=[4])
    for width in (8, 16, 32, 64):
        top = (1 << width) - 1
        highest = (
            b"\x06\x00" + b"\x01\x01\x01" + varint(top) + b"\x01\x00\x00" + varint(top) + b"\x01\x00\x00\x09"
        )
        VECTORS.good(
            f"threshold of 2**{width} - 1", raw_column(highest, 2, NO_PARTS, f"uint{width}"), 2, v=[top, 9]
        )
        lowest = b"\x26\x00" + b"\x01\x01" + b"\x01\x01\x01" + varint(top) + b"\x01\x00\x00\x00" + b"\x00"
        VECTORS.good(
            f"threshold over -1 of {width} bits",
            raw_column(lowest, 3, NO_PARTS, f"int{width}"),
            3,
            v=[0, -1, -2],
        )
    lone = b"\x06\x00" + b"\x02\x01\x01\x00" + b"\x00" + b"\x03\x00\x00\x05"
    VECTORS.good("two classes where there is no kind column", raw_column(lone, 3, NO_PARTS), 3, v=[5, 5, 5])
    _of_kinds()
    _in_an_index()
    # a row is 7 after kind 2, and 9 after kind 4; the first comes after none, which is class 0
    before = b"\x06\x00" + b"\x01" + b"\x02\x01\x00" + b"\x00" + b"\x03\x00\x00\x09" + b"\x02\x00\x00\x07"
    kinds = [4, 2, 2, 4, 4]
    data = one_block(kinds_payload(kinds, before, Parts([]), dtype="uint8"))
    VECTORS.good("split by the row before", data, 5, v=[9, 9, 7, 7, 9], kind=kinds)
    # kinds 2 and 4: after themselves, or after the other; the first row of deltas is given
    both = b"\x16\x32\x01" + b"\x02\x00\x01" + b"\x02\x00\x01" + b"\x00"
    both += b"\x01\x00\x00\x02" + b"\x01\x00\x00\x04" + b"\x01\x00\x00\x06" + b"\x01\x00\x00\x08"
    data = one_block(kinds_payload(kinds, both, Parts([]), dtype="uint8"))
    VECTORS.good("split of deltas by both rows", data, 5, v=[25, 27, 28, 31, 35], kind=kinds)


def _of_kinds() -> None:
    kinds = [0, 0, 1, 2, 0, 0, 1, 2, 9, 9, 1, 2, 0]
    counts = [(kind, kinds.count(kind)) for kind in sorted(set(kinds))]
    parts = Parts([0])
    laid = split([1, 2, 9], [planes(), tokens(1, 0)])
    described = [column("kind", kinds, parts, mask=b"\x0f", layout=laid)]
    data = one_block(block(len(kinds), [(0, 0, table(described, parts))], kinds=counts))
    VECTORS.good("kinds that are split", data, len(kinds), kind=kinds)
    # a column that stands before the kinds that it is split by, in their group and in one before
    parts = Parts([0])
    values = list(range(len(kinds)))
    places = [sorted(set(kinds)).index(kind) for kind in kinds]
    by_class = split([], [planes(1)], [0, 1, 1, 0], places)
    described = [
        column("x", values, parts, mask=b"\x0f", layout=by_class),
        column("kind", kinds, parts, mask=b"\x0f"),
    ]
    data = one_block(block(len(kinds), [(0, 0, table(described, parts))], kinds=counts))
    VECTORS.good("split before the kinds", data, len(kinds), kind=kinds, x=values)
    hidden = Parts([0])
    keys = [
        column("code", values, hidden, mask=b"\x0f", layout=by_class),
        column("vk", values, hidden, mask=b"\x0f", layout=split([2], [planes()])),
    ]
    sections = [(0, 1, b"secret"), (1, 0, table(keys, hidden))]
    data = one_block(block(len(kinds), sections, kinds=counts))
    VECTORS.good("split by kinds that are hidden", data, len(kinds), vk=values).dtypes = {"vk": "uint32"}
    lone = b"\x01\x0a\x01" + b"\x06\x00\x02\x01\x01\x00\x00\x03\x00\x00\x05" + NO_PARTS
    data = one_block(block(3, [(0, 1, b"secret"), (1, 0, lone)], kinds=[(4, 3)]))
    VECTORS.good("split by the only kind, which is hidden", data, 3)
    two = b"\x01\x04\x01" + b"\x06\x00" + b"\x02\x00\x01\x00" + b"\x03\x00\x00\x00" + b"\x00" + NO_PARTS
    VECTORS.bad("kinds that are split by class", CORRUPT, one_block(block(3, [(0, 0, two)])))


def _in_an_index() -> None:
    payload = block(3, [(3, 0, b"\x01" + b"\x01\x01v\x03\x04\x01" + b"\x00\x00\x07" + b"\x00")])
    for classes in (1, 2):
        maker = Maker(kinds=[(0, 6)], columns=[column_head("v", "uint8")]).add(HEADER, header())
        maker.row(BLOCK, payload, 3, 0, 0, 1).row(BLOCK, payload, 3, 0, 0, 1)
        parts = Parts([0])
        heads = [varint(2 * (i + 1)) for i in range(7)]
        widths = (64, 64, 8, 64, 64, 64, 64)
        columns = []
        for i, (head, width) in enumerate(zip(heads, widths, strict=True)):
            values = [row[i] for row in maker.rows]
            columns.append(head + sequence(parts, values, width, plain(), split([1], [planes()])))
        if classes == 2:
            columns[4] = heads[4] + b"\x06\x00" + b"\x02\x00\x01\x00" + b"\x02\x00\x00\x00" + b"\x00"
        maker.index(index_head(2, maker.kinds, maker.columns) + table(columns, parts)).end()
        if classes == 1:
            like = VECTORS.good("INDEX that is split", maker.data, 6, v=[7] * 6)
        else:
            VECTORS.unsound("INDEX that is split by class", CORRUPT, maker.data, like)


def _refused() -> None:
    fives = b"\x00\x00\x05"
    good = b"\x03" + fives + b"\x00"
    # one class, and one threshold of 1, or of 6
    one, six = b"\x01\x01\x01\x01", b"\x01\x01\x01\x06"
    for name, parameters in [
        ("0 classes", b"\x00\x01\x01\x01" + good),
        ("0 classes of the row before", b"\x01\x00\x01\x01" + good),
        ("16 classes", b"\x10\x00\x01\x00" + b"\x03" + fives + bytes(15)),
        ("16 classes of the row before", b"\x01\x10\x00\x00" + b"\x03" + fives + bytes(15)),
        ("255 classes", b"\xff\x00\x01\x00" + b"\x03" + fives + bytes(254)),
        ("255 classes of the row before", b"\x01\xff\x00\x00" + b"\x03" + fives + bytes(254)),
        ("a class that is not there", b"\x02\x02\x01\x00" + good),
        ("a class of the row before that is not there", b"\x01\x02\x02\x00" + good),
        ("class 255", b"\x02\xff\x01\x00" + good),
        ("one context", b"\x01\x01\x00\x03" + fives),
        ("16 thresholds", b"\x01\x01\x10" + b"\x01" * 16 + b"\x03" + fives + bytes(16)),
        ("255 thresholds", b"\x01\x01\xff" + b"\x01" * 255 + b"\x03" + fives + bytes(255)),
        ("18 contexts", b"\x02\x00\x01\x08" + b"\x01" * 8 + b"\x03" + fives + bytes(17)),
        ("18 contexts of 9 classes", b"\x09\x00\x01\x01\x01" + b"\x03" + fives + bytes(17)),
        ("20 contexts of 4 and 5 classes", b"\x04\x00\x05\x00\x00" + b"\x03" + fives + bytes(19)),
        ("18 contexts of 3 and 3 classes", b"\x03\x00\x03\x00\x01\x01" + b"\x03" + fives + bytes(17)),
        ("3,600 contexts", b"\x0f\x00\x0f\x00\x0f" + b"\x01" * 15 + b"\x03" + fives + bytes(3_599)),
        ("threshold 0", b"\x01\x01\x01\x00" + b"\x00\x03" + fives),
        ("a threshold twice", b"\x01\x01\x02\x04\x00" + b"\x03" + fives + b"\x00\x00"),
        ("threshold of 9 bits", b"\x01\x01\x01" + varint(256) + good),
        ("thresholds whose sum has 9 bits", b"\x01\x01\x02\xff\x01\x01" + good + b"\x00"),
        ("thresholds whose sum wraps", b"\x01\x01\x02\x04" + varint(2**64 - 1) + good + b"\x00"),
        ("too few values", one + b"\x02" + fives + b"\x00"),
        ("no values", one + b"\x00\x00"),
        ("too many values", one + b"\x02" + fives + b"\x02" + fives),
        ("more values than rows", one + b"\x04" + fives + b"\x00"),
        ("counts that wrap", one + b"\x04" + fives + varint(2**64 - 1) + fives),
        ("2**63 values", one + varint(1 << 63) + fives + b"\x00"),
        ("a context that ends early", six + b"\x02" + fives + b"\x01" + fives),
        ("a context that nobody is in", six + b"\x00" + b"\x03" + fives),
        ("a context of deltas", six + b"\x03" + b"\x10\x05\x01\x00" + b"\x00"),
        ("a context on a grid", six + b"\x03" + b"\x30\x05\x01\x02\x01\x00" + b"\x00"),
        ("a context of a dictionary", six + b"\x03" + b"\x02\x00\x01\x05\x00\x00" + b"\x00"),
        ("a context of runs", six + b"\x03" + b"\x04\x00\x01" + fives + b"\x00\x00\x02" + b"\x00"),
        ("a context that is split", six + b"\x03" + b"\x06\x00\x01\x01\x01\x06" + good + b"\x00"),
        ("a context of 9 bits", six + b"\x03" + b"\x00\x00" + varint(256) + b"\x00"),
        ("cut short", one + b"\x03"),
    ]:
        parts = one_part(bytes(3)) if "dictionary" in name else NO_PARTS
        VECTORS.bad(f"split of {name}", CORRUPT, raw_column(b"\x06\x00" + parameters, 3, parts))
    for name, first in [("layout 7", b"\x07"), ("transform 4", b"\x40"), ("transform 15", b"\xff")]:
        parameters = six + b"\x03" + first + b"\x00\x05" + b"\x00"
        VECTORS.bad(
            f"split of a context of {name}", UNSUPPORTED, raw_column(b"\x06\x00" + parameters, 3, NO_PARTS)
        )
    for number, dtype in enumerate(DTYPES):
        above = varint(1 << (8 << number % 4)) if number % 4 < 3 else varint(2**64 - 1) + b"\x01"
        count = b"\x01" if number % 4 < 3 else b"\x02"
        parameters = b"\x01\x01" + count + above + good + b"\x00" * (count == b"\x02")
        VECTORS.bad(
            f"threshold too large for {dtype}",
            CORRUPT,
            raw_column(b"\x06\x00" + parameters, 3, NO_PARTS, dtype),
        )
    whole = b"\x06\x00" + six + b"\x02" + fives + b"\x00"
    two = one_part(b"\xff\xff")
    VECTORS.bad("escapes that are split", CORRUPT, raw_column(b"\x02\x00\x01\x05\x02\x00" + whole, 2, two))
    VECTORS.bad(
        "run values that are split",
        CORRUPT,
        raw_column(b"\x04\x00\x02" + whole + b"\x00\x00\x00", 2, NO_PARTS),
    )
    VECTORS.bad(
        "run lengths that are split", CORRUPT, raw_column(b"\x04\x00\x02" + fives + whole, 12, NO_PARTS)
    )
    VECTORS.bad(
        "delta that is split without a step",
        CORRUPT,
        raw_column(b"\x16\x00\x01" + one + b"\x00\x00", 1, NO_PARTS),
    )
    grids = {
        "period 0": b"\x30\x00\x01\x00\x08\x02",
        "period 1": b"\x30\x00\x01\x01\x08\x02",
        "period 2**40 + 1": b"\x30\x00\x01" + varint((1 << 40) + 1) + b"\x08\x02",
        "period 2**64 - 1": b"\x30\x00\x01" + varint(2**64 - 1) + b"\x08\x02",
        "gain 0": b"\x30\x00\x01\x0a\x00\x02",
        "gain 16": b"\x30\x00\x01\x0a\x10\x02",
        "gain 255": b"\x30\x00\x01\x0a\xff\x02",
        "scale 0": b"\x30\x00\x00\x0a\x08\x02",
        "scale of 2**8": b"\x30\x00" + varint(256) + b"\x0a\x08\x02",
    }
    for name, described in grids.items():
        VECTORS.bad(f"grid of {name}", CORRUPT, raw_column(described, 3, NO_PARTS))
    VECTORS.bad("grid without a step", CORRUPT, raw_column(b"\x30\x00\x01\x0a\x08\x02", 1, NO_PARTS))
    on_a_grid = b"\x02\x00\x01\x05\x02\x00" + b"\x30\x00\x01\x0a\x08\x02"
    VECTORS.bad("escapes on a grid", CORRUPT, raw_column(on_a_grid, 2, two))


_classes()
_by_hand()
_refused()

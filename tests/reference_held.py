"""Held codes (section 5.5 of docs/format.md): keys and buttons that go up went down before.

Part of :mod:`reference`; written from the document alone, and it imports nothing of evcodec.
"""

from __future__ import annotations

from collections.abc import Sequence as Items
from dataclasses import dataclass

from reference_cursor import Cursor, ReferenceCorrupt
from reference_sequence import Sequence, Stream, describe_sequence
from reference_values import evaluate

MARKER = 0x40
LIST_LENGTH = 64
BUTTON_DOWN, BUTTON_UP, KEY_DOWN, KEY_UP, KEY_REPEAT = 1, 2, 4, 5, 8
DOWN = (BUTTON_DOWN, KEY_DOWN)
WITH_POSITION = (BUTTON_UP, KEY_UP, KEY_REPEAT)


@dataclass
class Held:
    """Described values of a column; either sequence is None where it would be empty."""

    where: str
    codes: Sequence | None
    positions: Sequence | None


def describe_held(
    cursor: Cursor, stored_kinds: Items[tuple[int, int]], width: int, streams: list[Stream], where: str
) -> Held:
    """Describe what follows the marker; ``stored_kinds`` are kinds of the stored rows, and how many of each."""
    rows = sum(count for _, count in stored_kinds)
    code_count = cursor.varint(f"{where}, code count")
    position_count = sum(count for kind, count in stored_kinds if kind in WITH_POSITION)
    if not rows - position_count <= code_count <= rows:
        raise ReferenceCorrupt(f"{where}, code count", code_count, f"{rows - position_count} to {rows}")
    codes = positions = None
    if code_count:
        codes = describe_sequence(cursor, code_count, width, streams, f"{where}, codes", split=False)
    if position_count:
        positions = describe_sequence(cursor, position_count, 8, streams, f"{where}, positions", split=False)
    return Held(where, codes, positions)


def evaluate_held(held: Held, row_kinds: Items[int]) -> list[int]:
    """Give the codes of the stored rows, whose kinds are ``row_kinds``."""
    codes = evaluate(held.codes) if held.codes else []
    positions = iter(evaluate(held.positions) if held.positions else [])
    keys: list[int] = []
    buttons: list[int] = []
    used = 0
    values = []
    for row, kind in enumerate(row_kinds):
        down = buttons if kind in (BUTTON_DOWN, BUTTON_UP) else keys
        position = next(positions) if kind in WITH_POSITION else 0
        if position > len(down):
            raise ReferenceCorrupt(f"{held.where}, position of row {row}", position, f"0 to {len(down)}")
        if position:
            code = down[position - 1]
            if kind != KEY_REPEAT:
                del down[position - 1]
        elif used == len(codes):
            raise ReferenceCorrupt(f"{held.where}, codes", f"{used} codes", f"one more for row {row}")
        else:
            code = codes[used]
            used += 1
        if kind in DOWN and code not in down:
            if len(down) == LIST_LENGTH:
                del down[0]
            down.append(code)
        values.append(code)
    if used != len(codes):
        raise ReferenceCorrupt(f"{held.where}, codes that rows use", used, f"all {len(codes)}")
    return values

"""What stands first of a column: its name, group and dtype (docs/format.md, section 5.1). No I/O."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .errors import CorruptDataError, UnsupportedVersionError
from .limits import MAX_COLUMNS
from .schema import INTEGER_DTYPES, STANDARD_COLUMNS
from .wire import pack_varint, unpack_varint

_DTYPE_CODES = {dtype: code for code, dtype in enumerate(INTEGER_DTYPES)}
NAMES_BY_ID = {column.id: name for name, column in STANDARD_COLUMNS.items()}
STANDARD_DTYPES = bytes([0, *(_DTYPE_CODES[column.dtype] for column in STANDARD_COLUMNS.values())])
FIRST_USER_GROUP = 3


def may_share_block(first: Mapping[str, np.dtype], second: Mapping[str, np.dtype]) -> bool:
    """Tell whether events with these columns may be joined: no dtype changes, and a block may have so many."""
    together = {**first, **second}
    return together == {**second, **first} and len(together) <= MAX_COLUMNS


def group_of(name: str) -> int:
    """Return the column group of a column."""
    standard = STANDARD_COLUMNS.get(name)
    return standard.group if standard else FIRST_USER_GROUP


def column_head(name: str, dtype: np.dtype, group: int) -> bytes:
    """Return what stands first of a column: id, name and group of a named one, dtype where it is not the
    standard one.
    """
    code = _DTYPE_CODES[dtype]
    standard = STANDARD_COLUMNS.get(name)
    if standard is None:
        encoded = name.encode()
        return bytes((1, len(encoded))) + encoded + bytes((group, code))
    if dtype == standard.dtype:
        return pack_varint(standard.id << 1)
    return pack_varint(standard.id << 1 | 1) + bytes((code,))


def read_column_head(data: memoryview, at: int, where: str) -> tuple[str, np.dtype, int, int]:
    """Return name, dtype and group of the column head at ``at``, and the offset behind it."""
    key, at = unpack_varint(data, at, where)
    name = NAMES_BY_ID.get(key >> 1)
    group = group_of(name) if name else 0
    if name is None and key != 1:
        raise UnsupportedVersionError(
            f"{where}: id of a column: found {key >> 1}, allowed in this version: up to {max(NAMES_BY_ID)}"
        )
    try:
        if name is None:
            size = data[at]
            name = bytes(data[at + 1 : at + 1 + size]).decode()
            at += size + 2
            group = data[at - 1]
        if key & 1:
            dtype = INTEGER_DTYPES[data[at]]
            at += 1
        else:
            dtype = STANDARD_COLUMNS[name].dtype
    except (IndexError, UnicodeDecodeError):
        raise CorruptDataError(f"{where}: column at byte {at}: found a bad name or dtype") from None
    return name, dtype, group, at

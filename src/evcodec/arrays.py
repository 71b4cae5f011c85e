"""Arrays for decoded columns, of memory that costs little to touch. No I/O."""

from __future__ import annotations

from typing import cast

import numpy as np

from ._memory import LARGEST_BYTES, LEAST_BYTES, Memory

# What the system gives in large pages where numpy asks for them; only pages that lie in the memory as a whole are large.
_PAGE_BYTES = 2**21


def new_array(rows: int, dtype: np.dtype, *, zeroed: bool = False) -> np.ndarray:
    """Return an array of any content, or of zeros.

    Zeros of the operating system cost nothing until they are written to, so they are not of memory that is used again.
    """
    size = rows * dtype.itemsize
    if LEAST_BYTES <= size <= LARGEST_BYTES and not zeroed:
        memory = cast(bytearray, Memory(size))  # before Python 3.12 a type cannot say that it is a buffer
        found: np.ndarray = np.frombuffer(memory, dtype)
        return found
    if size < _PAGE_BYTES:
        return (np.zeros if zeroed else np.empty)(rows, dtype)
    room = (np.zeros if zeroed else np.empty)(size + _PAGE_BYTES, np.uint8)
    start = -room.__array_interface__["data"][0] % _PAGE_BYTES
    return room[start : start + size].view(dtype)


def pays_zeroed(rows: int, dtype: np.dtype) -> bool:
    """Tell whether an array of which few rows are written had better be of zeros."""
    return rows * dtype.itemsize > LARGEST_BYTES

"""One kernel at a time: encode_sequence and Table.decode on one column, by transform, layout and input. No zstd.

pytest benchmarks/bench_kernels.py -k "decode and delta2" --benchmark-autosave     # on one commit
pytest benchmarks/bench_kernels.py -k "decode and delta2" --benchmark-compare      # on another
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.kernels import EVENTS, Kernel, chosen, encodings, inputs, offered, table_of
from evcodec._codec import encode_sequence


def _note(benchmark: Any, kernel: Kernel, operation: str, stored: int) -> None:
    benchmark.extra_info.update(
        suite="kernels",
        operation=operation,
        transform=kernel.transform,
        layout=kernel.layout,
        input=kernel.source,
        events=EVENTS,
        bytes=stored,
        checked=True,
    )


def _decoded(kernel: Kernel, encoding: Any, benchmark: Any = None) -> int:
    """Decode, timed if asked to, and check; return the bytes of all streams."""
    values = inputs()[kernel.source]
    table = table_of(encoding, values.dtype)
    out = np.empty_like(values)
    parts: list[bytes | None] = [None] * len(table.parts)
    if benchmark is None:
        table.decode(0, parts, None, out)
    else:
        benchmark(table.decode, 0, parts, None, out)
    assert np.array_equal(out, values)
    return sum(len(data) for _, data, _ in encoding[1])


@pytest.mark.benchmark(group="kernels, decode")
@pytest.mark.parametrize("kernel", offered(), ids=str)
def test_decode(kernel: Kernel, benchmark: Any) -> None:
    _note(benchmark, kernel, "decode", _decoded(kernel, offered()[kernel], benchmark))


@pytest.mark.benchmark(group="kernels, encode")
@pytest.mark.parametrize("kernel", chosen(), ids=str)
def test_encode(kernel: Kernel, benchmark: Any) -> None:
    """Costs estimated on a sample, as the level balanced does, and the cheapest encoding made."""
    values = inputs()[kernel.source]
    benchmark(encode_sequence, values, values.dtype.kind == "i", 4096, 1)
    _note(benchmark, kernel, "encode", _decoded(kernel, encodings(kernel.source, 1)[0]))

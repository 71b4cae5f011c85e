"""One kernel at a time on one column, by transform, layout and input: decoding, encoding, and the search for the
cheapest encoding. No zstd.

    pytest benchmarks/bench_kernels.py -k "decode and delta2" --benchmark-autosave     # on one commit
    pytest benchmarks/bench_kernels.py -k "decode and delta2" --benchmark-compare      # on another
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.kernels import EVENTS, Encoding, Kernel, encoder, inputs, offered, table_of
from evcodec._codec import SequenceEncoder


def _decode(kernel: Kernel, encoding: Encoding, run: Any) -> None:
    """Decode by ``run``, which calls what it is given, and check."""
    values = inputs()[kernel.source]
    table = table_of(encoding, values.dtype)
    out = np.empty_like(values)
    parts: list[bytes | None] = [None] * len(table.parts)
    run(table.decode, 0, parts, None, out)
    assert np.array_equal(out, values)


def _note(benchmark: Any, kernel: Kernel, operation: str, encoding: Encoding) -> None:
    benchmark.extra_info.update(
        suite="kernels",
        operation=operation,
        transform=kernel.transform,
        layout=kernel.layout,
        input=kernel.source,
        events=EVENTS,
        bytes=len(encoding[0]) + sum(len(data) for _, data, _ in encoding[1]),
        checked=True,
    )


@pytest.mark.benchmark(group="kernels, decode")
@pytest.mark.parametrize("kernel", offered(), ids=str)
def test_decode(kernel: Kernel, benchmark: Any) -> None:
    encoding = encoder(kernel.source).encode(offered()[kernel])
    _decode(kernel, encoding, benchmark)
    _note(benchmark, kernel, "decode", encoding)


@pytest.mark.benchmark(group="kernels, encode")
@pytest.mark.parametrize("kernel", offered(), ids=str)
def test_encode(kernel: Kernel, benchmark: Any) -> None:
    encoding = benchmark(encoder(kernel.source).encode, offered()[kernel])
    _decode(kernel, encoding, lambda call, *args: call(*args))
    _note(benchmark, kernel, "encode", encoding)


@pytest.mark.benchmark(group="kernels, search")
@pytest.mark.parametrize("source", inputs())
@pytest.mark.parametrize("how", ["balanced", "small"])
def test_search(how: str, source: str, benchmark: Any) -> None:
    """Estimate what each encoding would cost: on a sample, as the level balanced does, or on all values, thoroughly."""
    values = inputs()[source]
    sample, thorough = (4096, False) if how == "balanced" else (0, True)
    found = benchmark(SequenceEncoder, values, values.dtype.kind == "i", sample, thorough)
    encoding = found.encode(0)
    kernel = Kernel("search", how, source)
    _decode(kernel, encoding, lambda call, *args: call(*args))
    _note(benchmark, kernel, "search", encoding)

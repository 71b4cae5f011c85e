"""evcodec beside pco on the same columns, in one run: bytes an event, encode and decode rates.

    python -m benchmarks.compare [RECORDING.npz|.evc ...] [--level balanced] [--rounds 5] [--events 2000000]

Runs of the two are interleaved and medians taken, so that what else the machine does falls on both. A row is shown only after every column came
back equal. pco gets each column as it is, at level 8, with its own choice of mode and delta order; both codecs work in memory, on one thread.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pcodec
from pcodec import ChunkConfig, standalone

import evcodec
from benchmarks.recordings import recordings
from evcodec import EventBatch

_PCO_LEVEL = 8


class Codec(NamedTuple):
    """Something that turns a batch into bytes and back."""

    name: str
    encode: Callable[[EventBatch], list[bytes]]
    decode: Callable[[list[bytes]], dict[str, np.ndarray]]


def _pco(columns: tuple[str, ...]) -> Codec:
    config = ChunkConfig(compression_level=_PCO_LEVEL)

    def encode(batch: EventBatch) -> list[bytes]:
        # pco has no 8-bit integers.
        return [standalone.simple_compress(batch[name].astype(np.uint16) if name == "kind" else batch[name], config) for name in columns]

    def decode(parts: list[bytes]) -> dict[str, np.ndarray]:
        return {name: standalone.simple_decompress(part) for name, part in zip(columns, parts, strict=True)}

    return Codec(f"pco {_PCO_LEVEL}", encode, decode)


def _evcodec(level: str) -> Codec:
    return Codec(
        f"evcodec {level}",
        lambda batch: [evcodec.encode(batch, level=level)],
        lambda parts: dict(evcodec.decode(parts[0]).columns),
    )


class Row(NamedTuple):
    """What one codec did with one recording."""

    codec: str
    bytes_per_event: float
    encode_rate: float
    decode_rate: float


def measure(batch: EventBatch, codecs: list[Codec], rounds: int) -> list[Row]:
    """Return a row for each codec; raise AssertionError if one does not give the events back."""
    encode_s: dict[str, list[float]] = {codec.name: [] for codec in codecs}
    decode_s: dict[str, list[float]] = {codec.name: [] for codec in codecs}
    sizes: dict[str, int] = {}
    for _ in range(rounds):
        for codec in codecs:
            start = time.perf_counter()
            parts = codec.encode(batch)
            middle = time.perf_counter()
            columns = codec.decode(parts)
            stop = time.perf_counter()
            for name, values in batch.columns.items():
                assert np.array_equal(columns[name], values), f"{codec.name}: column {name} came back changed"
            encode_s[codec.name].append(middle - start)
            decode_s[codec.name].append(stop - middle)
            sizes[codec.name] = sum(map(len, parts))
    return [
        Row(
            codec.name,
            sizes[codec.name] / len(batch),
            len(batch) / statistics.median(encode_s[codec.name]) / 1e6,
            len(batch) / statistics.median(decode_s[codec.name]) / 1e6,
        )
        for codec in codecs
    ]


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recordings", nargs="*", type=Path)
    parser.add_argument("--level", default="balanced")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=2_000_000, help="most events of a recording")
    arguments = parser.parse_args()
    print(f"evcodec {evcodec.__version__}, pcodec {pcodec.__version__ if hasattr(pcodec, '__version__') else ''}, numpy {np.__version__}, "
          f"Python {platform.python_version()}, {platform.machine()}; medians of {arguments.rounds} interleaved rounds\n")
    print("| recording | events | codec | bytes an event | encode, M events/s | decode, M events/s | size | encode | decode |")
    print("|---|---:|---|---:|---:|---:|---:|---:|---:|")
    for name, batch in recordings(arguments.recordings, arguments.events):
        rows = measure(batch, [_pco(tuple(batch.columns)), _evcodec(arguments.level)], arguments.rounds)
        base = rows[0]
        for row in rows:
            ratios = [row.bytes_per_event / base.bytes_per_event, row.encode_rate / base.encode_rate, row.decode_rate / base.decode_rate]
            print(
                f"| {name} | {len(batch):,} | {row.codec} | {row.bytes_per_event:.3f} | {row.encode_rate:.1f} | {row.decode_rate:.1f} | "
                + " | ".join(f"{ratio:.2f} ×" for ratio in ratios)
                + " |"
            )


if __name__ == "__main__":
    main()

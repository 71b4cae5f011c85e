"""What encryption and a chain cost: bytes a block, and time to write and to read, beside the same without.

``python benchmarks/encryption.py`` prints a table. Runs of all ways are interleaved, and what is shown is the median of
the ratios of their processor times; a made-up session, nobody's.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import evcodec
from evcodec.crypto import PrivateKey, SigningKey
from evcodec.sample import sample_session

KEY, SIGNER = PrivateKey.generate(), SigningKey.generate()
WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "keys encrypted": {"recipients": {"keys": KEY.public}},
    "all encrypted": {"recipients": KEY.public},
    "all encrypted, signed": {"recipients": KEY.public, "signing_key": SIGNER},
    "signed": {"signing_key": SIGNER},
}


def timed(call: Callable[[], object]) -> float:
    """Return the processor time of a call in seconds."""
    start = time.process_time()
    call()
    return time.process_time() - start


def write(target: Any, batch: evcodec.EventBatch, block_events: int, **keywords: Any) -> None:
    """Write a session in blocks of a size."""
    with evcodec.Writer(target, block_events=block_events, level="fast", **keywords) as writer:
        writer.write(batch)


def main() -> None:
    """Measure and print."""
    import io

    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--runs", type=int, default=15)
    given = parser.parse_args()
    print("| blocks of | | bytes | more bytes a block | write | read |\n|---:|---|---:|---:|---:|---:|")
    for block_events in (250, 8_192, 131_072):
        batch = sample_session(min(given.events, 400 * block_events), seed=1)
        streams: dict[str, bytes] = {}
        writes: dict[str, list[float]] = {way: [] for way in WAYS}
        reads: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(given.runs):
            for way, keywords in WAYS.items():
                target = io.BytesIO()
                writes[way].append(timed(lambda: write(target, batch, block_events, **keywords)))  # noqa: B023
                streams[way] = target.getvalue()
                reads[way].append(timed(lambda: evcodec.decode(streams[way], keys=KEY)))  # noqa: B023
        blocks = -(-len(batch) // block_events)
        for way in WAYS:
            more = (len(streams[way]) - len(streams["plain"])) / blocks
            ratios = [
                statistics.median(a / b for a, b in zip(times[way], times["plain"], strict=True))
                for times in (writes, reads)
            ]
            shown = f"{len(streams[way]):,} | {more:.1f} | {ratios[0]:.2f} | {ratios[1]:.2f}"
            print(f"| {block_events:,} | {way} | {shown} |")


if __name__ == "__main__":
    main()

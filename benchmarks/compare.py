"""evcodec beside its peers on the same columns, in one run: bytes an event, encode and decode rates.

    python -m benchmarks.compare [RECORDING.npz|.evc ...] [--peers pco,balanced] [--rounds 5] [--json FILE]

Runs are interleaved and medians taken, so that what else the machine does falls on all alike. A row is
shown only when every column came back equal in every round. Ratios are against pco. All work in memory, on
one thread of the caller's; the live row also writes a file and reads it.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.recordings import recordings
from evcodec import EventBatch, __version__
from evcodec.cli.peers import ways

_BASE = "pco"


def measure(batch: EventBatch, wanted: list[str], rounds: int) -> list[dict[str, Any]]:
    """Return a row for each way of storing the batch whose name has one of the wanted words in it."""
    with tempfile.TemporaryDirectory() as folder:
        found, missing = ways(batch, folder)
        chosen = [way for way in found if any(word in way.name for word in wanted)]
        if missing:
            print(f"not installed, so not compared: {', '.join(missing)}")
        for _ in range(rounds):
            for way in chosen:
                way.run(batch)
    for way in chosen:
        if way.fault is not None:
            print(f"{way.name}: not shown, since it came back changed: {way.fault}")
    return [way.row(len(batch)) for way in chosen if way.fault is None]


def table_rows(name: str, events: int, rows: list[dict[str, Any]]) -> list[str]:
    """Return the rows of a Markdown table, each value beside its ratio to pco."""
    base = next((row for row in rows if row["name"].startswith(_BASE)), None)
    lines = []
    for row in rows:
        cells = [name, f"{events:,}", row["name"]]
        for key, shown in (
            ("bytes_per_event", f"{row['bytes_per_event']:.3f}"),
            ("written_events_per_s", f"{row['written_events_per_s'] / 1e6:.2f}"),
            ("read_events_per_s", f"{row['read_events_per_s'] / 1e6:.2f}"),
        ):
            cells.append(shown + (f" ({row[key] / base[key]:.2f}x)" if base else ""))
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recordings", nargs="*", type=Path)
    parser.add_argument(
        "--peers", default="pco,balanced", help="words of the names of what to compare, by commas"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=2_000_000, help="most events of a recording")
    parser.add_argument("--json", type=Path, help="write the rows here too")
    arguments = parser.parse_args()
    print(
        f"evcodec {__version__}, pcodec {version('pcodec')}, numpy "
        f"{np.__version__}, Python {platform.python_version()}, "
        f"{platform.machine()}; medians of {arguments.rounds} interleaved "
        "rounds; in brackets the ratio to pco\n"
    )
    print("| recording | events | | bytes an event | encode, M events/s | decode, M events/s |")
    print("|---|---:|---|---:|---:|---:|")
    results = {}
    for name, batch in recordings(arguments.recordings, arguments.events):
        rows = measure(batch, arguments.peers.split(","), arguments.rounds)
        results[name] = {"events": len(batch), "rows": rows}
        print("\n".join(table_rows(name, len(batch), rows)), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()

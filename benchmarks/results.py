"""What a run of the benchmarks found: pytest-benchmark's JSON, medians taken over rounds, what was not checked left out."""

from __future__ import annotations

import csv
import json
import math
import platform
import statistics
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.ways import SMALLEST_PEERS

_PACKAGES = (
    "evcodec", "numpy", "zstandard", "msgpack", "pcodec", "vortex-data", "pyarrow", "blosc2", "mcap-owa-support",
)  # fmt: skip


@dataclass
class Cell:
    """A way of storing a recording."""

    bytes: float = 0.0
    write: float = math.nan
    read: float = math.nan


@dataclass
class Results:
    """Rows of each suite, with ``seconds`` (a median), and the cells of the comparison of streams."""

    rows: dict[str, list[dict[str, Any]]]
    machine: dict[str, str]
    events: dict[str, int] = field(default_factory=dict)
    cells: dict[str, dict[str, Cell]] = field(default_factory=dict)

    def ways(self) -> list[str]:
        """Return the ways that every recording has."""
        found = [list(ways) for ways in self.cells.values()]
        return [way for way in found[0] if all(way in ways for ways in found)] if found else []

    def smallest_peer(self, recording: str, without: str = "") -> tuple[str, float]:
        """Return the smallest of the peers that sizes are judged by, but for one, and its bytes an event."""
        ways = self.cells[recording]
        sizes = [(ways[name].bytes, name) for name in SMALLEST_PEERS if name in ways and name != without]
        size, name = min(sizes, default=(math.nan, ""))
        return name, size

    def ratios(self, way: str, attribute: str, other: str) -> dict[str, float]:
        """Return, for each recording, a figure of one way over that of another."""
        return {
            recording: getattr(ways[way], attribute) / getattr(ways[other], attribute)
            for recording, ways in self.cells.items()
            if way in ways and other in ways
        }

    def find(self, suite: str, **wanted: Any) -> list[dict[str, Any]]:
        """Return the rows of a suite that have these values."""
        return [
            row
            for row in self.rows.get(suite, ())
            if all(row.get(name) == value for name, value in wanted.items())
        ]

    def median(self, suite: str, key: str = "seconds", **wanted: Any) -> float:
        """Return the median of a value over the rows that have these values; nan if there is none."""
        found = [row[key] for row in self.find(suite, **wanted)]
        return statistics.median(found) if found else math.nan


def geometric_mean(values: Iterable[float]) -> float:
    """Return the geometric mean, nan of nothing."""
    found = list(values)
    return statistics.geometric_mean(found) if found and all(value > 0 for value in found) else math.nan


def load(path: Path) -> Results:
    """Read the JSON of a run."""
    raw = json.loads(path.read_text())
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for benchmark in raw["benchmarks"]:
        row = dict(benchmark["extra_info"])
        if row.pop("checked", False):
            rows[row.pop("suite")].append({**row, "seconds": benchmark["stats"]["median"]})
    results = Results(dict(rows), _machine(raw))
    _add_cells(results)
    return results


def _add_cells(results: Results) -> None:
    """A way is there when each of its reads came back equal; one that failed has left a write without a read."""
    times: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for row in results.rows.get("streams", ()):
        recording, way = row["recording"], row["way"]
        results.events[recording] = row["events"]
        times[recording, way, row["operation"]].append(row["seconds"])
        cell = results.cells.setdefault(recording, {}).setdefault(way, Cell())
        if row["operation"] == "write":
            cell.bytes = row["bytes"] / row["events"]
    for recording, ways in results.cells.items():
        for way, cell in list(ways.items()):
            writes, reads = times[recording, way, "write"], times[recording, way, "read"]
            if not writes or len(reads) < len(writes):
                del ways[way]
                continue
            cell.write = results.events[recording] / statistics.median(writes)
            cell.read = results.events[recording] / statistics.median(reads)


def _machine(raw: dict[str, Any]) -> dict[str, str]:
    """Return what the figures were measured on and with; no name of a host."""
    info = raw["machine_info"]
    cpu = info.get("cpu", {})
    commit = raw.get("commit_info", {})
    found = {
        "processor": f"{cpu.get('brand_raw', info.get('processor') or info['machine'])}, {cpu.get('count', '?')} cores",
        "system": f"{info['system']}, {info['machine']}",
        "Python": f"{info['python_implementation']} {info['python_version']}",
        "commit": f"{str(commit.get('id', '?'))[:10]}{' and changes' if commit.get('dirty') else ''}",
        "date": raw["datetime"][:10],
    }
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed, so not compared"
    libc = " ".join(platform.libc_ver()).strip()
    if libc:
        found["C library"] = libc
    return found


def write_csv(results: Results, folder: Path) -> None:
    """Write a file for each suite, a line for each row: what is one number or one word."""
    for suite, rows in results.rows.items():
        names = list(dict.fromkeys(name for row in rows for name in row))
        names = [name for name in names if not isinstance(rows[0].get(name), (dict, list))]
        with open(folder / f"{suite}.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, names, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)

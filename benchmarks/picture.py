"""Draw the README's picture from the rows that `benchmarks.compare --json` wrote: bytes an event, by
recording and format.

    python -m benchmarks.compare --peers JSON,msgpack,Parquet,pco,balanced --rounds 1 --json sizes.json
    python -m benchmarks.picture sizes.json docs/img/size.svg
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

_COLOURS = {
    "JSON": "#b8b8b8",
    "msgpack": "#8fa3b5",
    "Parquet": "#6d8fb3",
    "pco": "#3f6fa0",
    "evcodec": "#d9572b",
}


def draw(results: dict[str, Any], target: Path) -> None:
    """Write an SVG of grouped bars on a logarithmic axis, each with its value."""
    names = [row["name"] for row in next(iter(results.values()))["rows"]]
    largest = {
        name: max(
            row["bytes_per_event"]
            for found in results.values()
            for row in found["rows"]
            if row["name"] == name
        )
        for name in names
    }
    names.sort(key=lambda name: (name.startswith("evcodec"), -largest[name]))
    plt.rcParams.update(
        {"font.family": "sans-serif", "font.size": 9, "svg.hashsalt": "evcodec", "svg.fonttype": "path"}
    )
    figure, axes = plt.subplots(figsize=(9, 3.6))
    width = 0.8 / len(names)
    for place, name in enumerate(names):
        values = [
            next(row["bytes_per_event"] for row in found["rows"] if row["name"] == name)
            for found in results.values()
        ]
        at = [number + (place - (len(names) - 1) / 2) * width for number in range(len(values))]
        colour = next(colour for word, colour in _COLOURS.items() if word in name)
        bars = axes.bar(at, values, width * 0.92, label=name, color=colour)
        axes.bar_label(bars, [f"{value:.1f}" for value in values], fontsize=6.5, padding=1)
    axes.set_yscale("log")
    axes.set_ylim(0.7, 200)
    axes.set_yticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "100"])
    axes.minorticks_off()
    axes.set_ylabel("bytes an event (log scale)")
    axes.set_xticks(
        range(len(results)),
        [f"{name}\n{found['events']:,} events" for name, found in results.items()],
        fontsize=7.5,
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(ncols=len(names), loc="upper center", bbox_to_anchor=(0.5, 1.16), frameon=False, fontsize=8)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, bbox_inches="tight", metadata={"Date": None})


def main() -> None:
    """Read the rows and draw."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("rows", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    draw(json.loads(arguments.rows.read_text()), arguments.target)


if __name__ == "__main__":
    main()

"""Results as pictures (SVG): size against rates, bytes by column, latencies, and the README's bars."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from benchmarks.results import Results, geometric_mean

_OURS, _PEERS = "#d9572b", "#3f6fa0"
# The README's bars: what they show, its label, its colour.
_BARS = {
    "JSON lines": ("JSON lines", "#b8b8b8"),
    "msgpack rows, zstd 3": ("msgpack rows + zstd", "#8fa3b5"),
    "Parquet delta, zstd 3": ("Parquet, delta + zstd", "#6d8fb3"),
    "pco 8": ("pco", "#3f6fa0"),
    "evcodec balanced": ("evcodec", _OURS),
    "evcodec small": ("evcodec, small", "#a83a14"),
}
# Not stored, or rows: far off the others, they are in the tables.
_NOT_ON_FRONT = ("memcpy", "msgpack rows, zstd 3", "JSON lines", "JSON lines, zstd 3")
_SHADES = ("#3f6fa0", "#b8b8b8", "#d9572b", "#e8976f", "#5a9e6f", "#8fa3b5", "#c9b458", "#444444")


def style() -> None:
    """Let all pictures look alike, and come out the same for the same figures."""
    plt.rcParams.update(
        {"font.family": "sans-serif", "font.size": 9, "svg.hashsalt": "evcodec", "svg.fonttype": "path"}
    )


def draw_all(results: Results, folder: Path) -> list[Path]:
    """Write every picture that the results have figures for; return their paths."""
    style()
    drawn = []
    pictures: dict[str, Callable[[Results, Path], bool]] = {
        "size": _bars,
        "decode": lambda results, path: _front(results, path, "read", "decode"),
        "encode": lambda results, path: _front(results, path, "write", "encode"),
        "columns": _columns,
        "latency": _latency,
    }
    for name, draw in pictures.items():
        path = folder / f"{name}.svg"
        if draw(results, path):
            drawn.append(path)
    return drawn


def save(figure: plt.Figure, path: Path) -> bool:
    """Write and close a picture; return True."""
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    # Matplotlib ends lines of paths with a space.
    text = path.read_text(encoding="utf-8")
    path.write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n", encoding="utf-8")
    return True


def plain(axes: Axes) -> None:
    """Leave the upper and the right side of the frame out."""
    axes.spines[["top", "right"]].set_visible(False)


def _front(results: Results, path: Path, attribute: str, word: str) -> bool:
    """Draw size against a rate, both means over the recordings, and the ways that no other way beats in both."""
    points = {}
    for way in results.ways():
        cells = [ways[way] for ways in results.cells.values()]
        if way not in _NOT_ON_FRONT:
            size = geometric_mean(cell.bytes for cell in cells)
            points[way] = (size, geometric_mean(getattr(cell, attribute) for cell in cells) / 1e6)
    if not points:
        return False
    figure, axes = plt.subplots(figsize=(8.4, 5.4))
    front = sorted(
        (size, rate)
        for size, rate in points.values()
        if not any(s <= size and r >= rate and (s, r) != (size, rate) for s, r in points.values())
    )
    axes.step(
        *zip(*front, strict=True),
        where="post",
        color="#777777",
        linewidth=1.2,
        linestyle="--",
        label="Pareto front",
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.set_minor_formatter(NullFormatter())
    for way, (size, rate) in points.items():
        axes.scatter(size, rate, color=_colour(way), s=22, zorder=2)
    axes.set_xlabel("bytes an event (geometric mean over the recordings, log scale): further left is smaller")
    axes.set_ylabel(f"{word}, million events a second (log scale)")
    axes.legend(frameon=False)
    axes.margins(0.08, 0.08)
    plain(axes)
    _label(figure, axes, points)
    return save(figure, path)


def _colour(way: str) -> str:
    return _OURS if way.startswith("evcodec") else _PEERS


def _label(figure: plt.Figure, axes: Axes, points: dict[str, tuple[float, float]]) -> None:
    """Put each name beside its point, at the first place where it hides no other name."""
    places = [axes.transData.transform(at) for at in points.values()]
    taken = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in places]
    for way, at in sorted(points.items(), key=lambda item: not item[0].startswith("evcodec")):
        for rise in (3, -9, 12, -18, 21, -27, 30, -36, 39, -45, 48):
            for side, align in ((6, "left"), (-6, "right")):
                note = axes.annotate(
                    way,
                    at,
                    (side, rise),
                    textcoords="offset points",
                    fontsize=7,
                    ha=align,
                    color=_colour(way),
                )
                box = note.get_window_extent(figure.canvas.get_renderer())
                inside = axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1 + 60
                if inside and not any(box.overlaps(other) for other in taken):
                    break
                note.remove()
            else:
                continue
            taken.append(box)
            break


def _columns(results: Results, path: Path) -> bool:
    rows = results.rows.get("bytes", [])
    if not rows:
        return False
    names = ["t", "kind", "x", "y", "code", "dx", "dy", "(records)"]
    figure, axes = plt.subplots(figsize=(9, 0.26 * len(rows) + 1.2))
    left = [0.0] * len(rows)
    for name, colour in zip(names, _SHADES, strict=True):
        values = [row["columns"].get(name, 0) / row["events"] for row in rows]
        axes.barh(range(len(rows)), values, left=left, label=name, color=colour, height=0.8)
        left = [start + value for start, value in zip(left, values, strict=True)]
    labels = [
        f"{row['recording']}, {row['way'] if row['way'].startswith('pco') else 'evcodec ' + row['way']}"
        for row in rows
    ]
    axes.set_yticks(range(len(rows)), labels, fontsize=7.5)
    axes.invert_yaxis()
    axes.set_xlabel("bytes an event")
    axes.legend(
        ncols=len(names),
        frameon=False,
        fontsize=8,
        loc="upper center",
        bbox_to_anchor=(0.45, 1 + 0.6 / len(rows) + 0.04),
    )
    plain(axes)
    return save(figure, path)


def _latency(results: Results, path: Path) -> bool:
    rows = results.rows.get("latency", [])
    if not rows:
        return False
    figure, axes = plt.subplots(figsize=(8, 3.6))
    for row in rows:
        colour = _OURS if row["way"] == "move" else _PEERS
        label = "Writer.move" if row["way"] == "move" else "msgpack.Packer().pack"
        style = "-" if row["pace"] == "at once" else ":"
        shares = [count / row["events"] for count in row["histogram"]]
        edges = [edge / 1000 for edge in row["edges_ns"]]
        axes.stairs(shares, edges, color=colour, linestyle=style, label=f"{label}, {row['pace']}")
    axes.axvline(100, color="#999999", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("µs a call, while blocks are sealed (log scale; the line: 100 µs)")
    axes.set_ylabel("share of the calls (log scale)")
    axes.legend(frameon=False, fontsize=8)
    plain(axes)
    return save(figure, path)


def _bars(results: Results, path: Path) -> bool:
    """Draw grouped bars on a logarithmic axis, each with its value."""
    names = [way for way in _BARS if way in results.ways()]
    recordings = sorted(results.cells, key=lambda name: -results.events[name])
    if not names:
        return False
    figure, axes = plt.subplots(figsize=(9.6, 3.6))
    width = 0.84 / len(names)
    for place, name in enumerate(names):
        label, colour = _BARS[name]
        values = [results.cells[recording][name].bytes for recording in recordings]
        at = [number + (place - (len(names) - 1) / 2) * width for number in range(len(values))]
        bars = axes.bar(at, values, width * 0.92, label=label, color=colour)
        axes.bar_label(bars, [f"{value:.1f}" for value in values], fontsize=6, padding=1)
    axes.set_yscale("log")
    axes.set_ylim(0.6, 200)
    axes.set_yticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "100"])
    axes.minorticks_off()
    axes.set_ylabel("bytes an event (log scale)")
    labels = [f"{name}\n{results.events[name]:,} events" for name in recordings]
    axes.set_xticks(range(len(recordings)), labels, fontsize=7)
    axes.legend(ncols=len(names), loc="upper center", bbox_to_anchor=(0.5, 1.16), frameon=False, fontsize=8)
    plain(axes)
    return save(figure, path)

"""What a run found, as tables, as files of comma-separated values, and as a picture."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from benchmarks.plots import plain, save, style
from benchmarks.reliability.formats import FORMATS
from benchmarks.reliability.trial import OUTCOMES
from benchmarks.tables import markdown

Found = dict[str, Any]
Row = dict[str, Any]
_WORDS = {
    "detected": "noticed: an error",
    "harmless": "harmless: all events right",
    "missing": "events missing, nothing said",
    "changed": "wrong values, nothing said",
    "crash": "crash, panic or hang",
}
_COLOURS = dict(zip(OUTCOMES, ("#3f6fa0", "#b8ccdf", "#e8b04f", "#d9572b", "#444444"), strict=True))


def tables(found: Found) -> dict[str, str]:
    """Return every table, by the name of the place that it fills."""
    return {
        "reliability_machine": markdown(("", ""), list(found["machine"].items()), 2),
        "reliability_settings": _settings(found),
        "reliability_flips": _flips(found),
        "reliability_damage": _damage(found),
        "reliability_kills": _kills(found),
    }


def _name(name: str) -> str:
    return f"**{name}**" if name.startswith("evcodec") else name


def _share(part: float, whole: float) -> str:
    """Return a percentage; only all is 100 and only nothing is 0."""
    if not whole:
        return "–"
    percent = 100 * part / whole
    if percent in (0, 100):
        return f"{percent:.0f} %"
    return f"{min(max(percent, 0.01), 99.99):.2f} %"


def _of(found: Found, name: str, fault: str) -> list[Row]:
    return [row for row in found["damage"] if row["format"] == name and row["fault"] == fault]


def _count(rows: Sequence[Row], *outcomes: str) -> int:
    return sum(row["outcome"] in outcomes for row in rows)


def _left(found: Found, rows: Sequence[Row]) -> str:
    return _share(sum(row["right"] for row in rows), len(rows) * found["events"])


def _settings(found: Found) -> str:
    rows = [[_name(name), FORMATS[name].settings, f"{size:.2f}"] for name, size in found["sizes"].items()]
    return markdown(("", "written and read with", "bytes an event"), rows, 2)


def _flips(found: Found) -> str:
    rows = []
    for name in found["sizes"]:
        tries = _of(found, name, "flip")
        cells = [_share(_count(tries, outcome), len(tries)) for outcome in OUTCOMES]
        rows.append([_name(name), f"{len(tries):,}", *cells, _left(found, tries)])
    head = ("one flipped bit", "tries", *(_WORDS[outcome] for outcome in OUTCOMES), "events left")
    return markdown(head, rows)


def _damage(found: Found) -> str:
    rows = []
    for name in found["sizes"]:
        cells = []
        for fault in ("burst", "page", "cut"):
            tries = _of(found, name, fault)
            unsaid = _share(_count(tries, "missing", "changed"), len(tries))
            cells += [unsaid, _share(_count(tries, "crash"), len(tries)), _left(found, tries)]
        rows.append([_name(name), f"{len(tries):,}", *cells])
    words = ("64 bytes", "4,096 zeros", "cut")
    head = [f"{word}: {what}" for word in words for what in ("not noticed", "crash", "events left")]
    return markdown(("", "tries of each", *head), rows)


def _kills(found: Found) -> str:
    rows = []
    for name in dict.fromkeys(row["format"] for row in found["kills"]):
        kills = [row for row in found["kills"] if row["format"] == name]
        lost = [row["lost"] for row in kills]
        events = sum(row["events"] for row in kills)
        rows.append(
            [
                _name(name),
                FORMATS[name].flushes,
                f"{len(kills)}",
                f"{_count(kills, 'harmless', 'missing', 'changed')}",
                f"{statistics.median(lost):,.0f}",
                f"{max(lost):,}",
                _share(sum(lost), events),
                f"{sum(row['wrong'] for row in kills)}",
                f"{sum(row['bytes'] for row in kills) / events:.1f}",
            ]
        )
    head = (
        "killed at a random moment", "flushes", "kills", "read without an error", "lost, ms, median", "most",
        "share lost", "wrong events", "bytes an event",
    )  # fmt: skip
    return markdown(head, rows, 2)


def write_csv(found: Found, folder: Path) -> None:
    """Write every try: one file for damage, one for kills."""
    for what in ("damage", "kills"):
        if rows := found[what]:
            with open(folder / f"reliability-{what}.csv", "w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)


def draw(found: Found, path: Path) -> None:
    """Draw what a flipped bit comes to, and what is left of the events."""
    style()
    names = list(found["sizes"])
    places = range(len(names))
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(10.4, 0.34 * len(names) + 1.3), sharey=True, width_ratios=(3, 2)
    )
    start = [0.0] * len(names)
    for outcome in OUTCOMES:
        shares = [
            100 * _count(tries, outcome) / max(len(tries), 1)
            for tries in (_of(found, name, "flip") for name in names)
        ]
        left.barh(places, shares, left=start, height=0.78, color=_COLOURS[outcome], label=_WORDS[outcome])
        start = [at + share for at, share in zip(start, shares, strict=True)]
    left.set_yticks(places, names, fontsize=8)
    left.invert_yaxis()
    left.set_xlim(0, 100)
    left.set_xlabel("one flipped bit: % of the tries")
    left.legend(
        ncols=3, frameon=False, fontsize=7.5, loc="lower left", bbox_to_anchor=(-0.02, 1.0), borderaxespad=0.2
    )
    bars: list[tuple[str, float, str]] = [("flip", -0.2, "#5a9e6f"), ("cut", 0.2, "#c9b458")]
    mean: Callable[[str, str], float] = lambda name, fault: (  # noqa: E731
        100
        * sum(row["right"] for row in _of(found, name, fault))
        / max(len(_of(found, name, fault)) * found["events"], 1)
    )
    for fault, shift, colour in bars:
        values = [mean(name, fault) for name in names]
        label = "after a flipped bit" if fault == "flip" else "after a cut at a random byte"
        drawn = right.barh([at + shift for at in places], values, height=0.38, color=colour, label=label)
        right.bar_label(drawn, [f"{value:.0f}" for value in values], fontsize=6.5, padding=2)
    right.set_xlim(0, 112)
    right.set_xlabel("right events that can still be read, % (mean)")
    right.legend(frameon=False, fontsize=7.5, loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.2)
    for axes in (left, right):
        plain(axes)
    save(figure, path)

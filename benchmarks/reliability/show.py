"""What a run found, as tables and as files of comma-separated values."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.reliability.formats import FORMATS
from benchmarks.reliability.trial import OUTCOMES
from benchmarks.tables import markdown

Found = dict[str, Any]
Row = dict[str, Any]
WORDS = {
    "detected": "noticed: an error",
    "harmless": "harmless: all events right",
    "missing": "events missing, nothing said",
    "changed": "wrong values, nothing said",
    "crash": "crash, panic or hang",
}


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


def tries_of(found: Found, name: str, fault: str) -> list[Row]:
    return [row for row in found["damage"] if row["format"] == name and row["fault"] == fault]


def count(rows: Sequence[Row], *outcomes: str) -> int:
    return sum(row["outcome"] in outcomes for row in rows)


def _left(found: Found, rows: Sequence[Row]) -> str:
    return _share(sum(row["right"] for row in rows), len(rows) * found["events"])


def _settings(found: Found) -> str:
    rows = [[_name(name), FORMATS[name].settings, f"{size:.2f}"] for name, size in found["sizes"].items()]
    return markdown(("", "written and read with", "bytes an event"), rows, 2)


def _flips(found: Found) -> str:
    rows = []
    for name in found["sizes"]:
        tries = tries_of(found, name, "flip")
        cells = [_share(count(tries, outcome), len(tries)) for outcome in OUTCOMES]
        rows.append([_name(name), f"{len(tries):,}", *cells, _left(found, tries)])
    head = ("one flipped bit", "tries", *(WORDS[outcome] for outcome in OUTCOMES), "events left")
    return markdown(head, rows)


def _damage(found: Found) -> str:
    rows = []
    for name in found["sizes"]:
        cells = []
        for fault in ("burst", "page", "cut"):
            tries = tries_of(found, name, fault)
            unsaid = _share(count(tries, "missing", "changed"), len(tries))
            cells += [unsaid, _share(count(tries, "crash"), len(tries)), _left(found, tries)]
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
                f"{count(kills, 'harmless', 'missing', 'changed')}",
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

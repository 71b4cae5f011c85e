"""What a run found, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.pipelines.measure import CLICK, FULL, MINUTE, SMALL, TWO
from benchmarks.tables import markdown

Row = dict[str, Any]
WINDOWS, RAY = "windows into Torch", "Ray job"
JOBS = (FULL, TWO, CLICK, MINUTE, SMALL, WINDOWS, RAY)
# Job, how many times better than Parquet it should be, and in what.
GOALS = {FULL: (5, "time"), WINDOWS: (5, "time"), CLICK: (20, "either"), MINUTE: (20, "either")}
OWAMCAP_GOAL = 500


def best(rows: Sequence[Row], form: str, figure: str, *, usual: bool = False) -> Row | None:
    """Return the row of a format with the least of a figure; of the usual settings only, where that is asked for."""
    found = [
        row
        for row in rows
        if row["format"] == form and row.get(figure) is not None and (row["usual"] or not usual)
    ]
    return min(found, key=lambda row: row[figure]) if found else None


def ratio(rows: Sequence[Row], peer: str, figure: str, *, usual: bool = False) -> float | None:
    """Return how many times as much a peer takes as evcodec, each with its best settings, or with the usual ones."""
    ours, theirs = (best(rows, form, figure, usual=usual) for form in ("evcodec", peer))
    return theirs[figure] / ours[figure] if ours and theirs and ours[figure] else None


def together(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """Return the rows of each job on each data, in the order of the jobs."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in sorted(rows, key=lambda row: JOBS.index(row["job"])):
        found.setdefault((row["job"], row["data"]), []).append(row)
    return found


def _times(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f} ×" if value >= 100 else f"{value:.1f} ×"


def _seconds(row: Row | None) -> str:
    if row is None:
        return "–"
    return f"{row['seconds'] * 1e3:,.3g} ms" if row["seconds"] < 1 else f"{row['seconds']:,.3g} s"


def _bytes(row: Row | None) -> str:
    if row is None or row["bytes"] is None:
        return "–"
    return f"{row['bytes'] / 1e6:,.2f} MB" if row["bytes"] >= 1e5 else f"{row['bytes'] / 1e3:,.1f} kB"


def _is_met(job: str, time: float | None, size: float | None) -> str:
    if job not in GOALS:
        return ""
    goal, figure = GOALS[job]
    reached = [value for value in ((time,) if figure == "time" else (time, size)) if value is not None]
    if not reached:
        return "not measured"
    return f"{goal} ×: {'yes' if max(reached) >= goal else '**no**'}"


def parquet_table(found: dict[str, Any]) -> str:
    """Return the table beside Parquet: best settings beside best settings, and usual ones beside usual ones."""
    lines = []
    for (job, data), rows in together([row for row in found["rows"] if not row["owamcap"]]).items():
        time, size = (ratio(rows, "Parquet", figure) for figure in ("seconds", "bytes"))
        usual = [ratio(rows, "Parquet", figure, usual=True) for figure in ("seconds", "bytes")]
        lines.append(
            (
                job,
                data,
                _seconds(best(rows, "evcodec", "seconds")),
                _seconds(best(rows, "Parquet", "seconds")),
                _times(time),
                _bytes(best(rows, "evcodec", "bytes")),
                _bytes(best(rows, "Parquet", "bytes")),
                _times(size),
                " / ".join(_times(value) for value in usual),
                _is_met(job, time, size),
            )
        )
    head = (
        "job", "data", "evcodec", "Parquet", "time", "evcodec reads", "Parquet reads", "bytes",
        "time / bytes, usual settings", "goal",
    )  # fmt: skip
    return markdown(head, lines, 2)


def settings_table(found: dict[str, Any]) -> str:
    """Return which settings were the best."""
    lines = []
    for (job, data), rows in together([row for row in found["rows"] if not row["owamcap"]]).items():
        words = []
        for form in ("evcodec", "Parquet"):
            for figure in ("seconds", "bytes"):
                row = best(rows, form, figure)
                words.append(row["settings"] if row else "–")
        lines.append((job, data, *words))
    return markdown(("job", "data", "evcodec, time", "bytes", "Parquet, time", "bytes"), lines, 6)


def owamcap_table(found: dict[str, Any]) -> str:
    """Return the table beside OWAMcap."""
    lines = []
    for (job, data), rows in together([row for row in found["rows"] if row["owamcap"]]).items():
        time = ratio(rows, "OWAMcap", "seconds")
        reached = "–" if time is None else "yes" if time >= OWAMCAP_GOAL else "**no**"
        lines.append(
            (
                job,
                data,
                _seconds(best(rows, "evcodec", "seconds")),
                _seconds(best(rows, "OWAMcap", "seconds")),
                _times(time),
                _times(ratio(rows, "OWAMcap", "bytes")),
                f"{OWAMCAP_GOAL} ×: {reached}",
            )
        )
    return markdown(("job", "data", "evcodec", "OWAMcap", "time", "bytes", "goal"), lines, 2)


def tables(found: dict[str, Any]) -> dict[str, str]:
    """Return every table, by the name of the place that it fills."""
    return {
        "pipelines_parquet": parquet_table(found),
        "pipelines_settings": settings_table(found),
        "pipelines_owamcap": owamcap_table(found),
        "pipelines_machine": markdown(("", ""), list(found["machine"].items()), 2),
    }

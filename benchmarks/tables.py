"""Results as Markdown tables, by the name of the place that they fill."""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchmarks.goals import Goal
from benchmarks.results import Results, geometric_mean

OURS = ("evcodec fast", "evcodec balanced", "evcodec small")
_MARKS = {True: "yes", False: "**no**", None: "not measured"}


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """Return a table; all but the first ``words`` columns are numbers."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * words + "---:|" * (len(head) - words)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def _times(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}" if value < 10 else f"{value:.0f}"


def all_tables(results: Results, found: list[Goal]) -> dict[str, str]:
    """Return every table of a run."""
    return {
        "goals": goals_table(found),
        "measured": _measured(results),
        "machine": markdown(("", ""), [(name, value) for name, value in results.machine.items()], 2),
        "sizes": _sizes(results),
        "ways": _ways(results),
        "columns": _columns(results),
        "latency": _latency(results),
        "live": _live(results),
        "events": _events(results),
        "growth": _growth(results),
        "blocks": _blocks(results),
        "kernels": _kernels(results),
    }


def goals_table(found: list[Goal]) -> str:
    """Return goal, what was measured, and whether it was met."""
    return markdown(
        ("", "goal", "measured", "met?"),
        [(goal.name, goal.goal, goal.measured, _MARKS[goal.met]) for goal in found],
        4,
    )


def _measured(results: Results) -> str:
    """Return the table of the README: sizes beside the smallest peer, rates as ratios."""
    rows = []
    for recording, ways in sorted(results.cells.items(), key=lambda item: -results.events[item[0]]):
        if not {"evcodec balanced", "evcodec small"} <= ways.keys():
            continue
        peer, size = results.smallest_peer(recording)
        ours = ways["evcodec balanced"]
        ratios = [
            _times(ours.write / ways["pco 8"].write) if "pco 8" in ways else "–",
            _times(ours.read / ways["pco 8"].read) if "pco 8" in ways else "–",
            _times(ours.read / ways["memcpy"].read) if "memcpy" in ways else "–",
        ]
        sizes = [f"**{ours.bytes:.2f}**", f"**{ways['evcodec small'].bytes:.2f}**", f"{size:.2f} ({peer})"]
        rows.append([recording, f"{results.events[recording]:,}", *sizes, *ratios])
    head = (
        "recording",
        "events",
        "`balanced`",
        "`small`",
        "smallest peer",
        "encode, × pco 8",
        "decode, × pco 8",
        "decode, × memcpy",
    )
    return markdown(head, rows)


def _sizes(results: Results) -> str:
    """Return bytes an event of every way, by recording."""
    names = [way for way in results.ways() if way != "memcpy"]
    recordings = sorted(results.cells, key=lambda name: -results.events[name])
    rows = []
    for way in names:
        sizes = [results.cells[recording][way].bytes for recording in recordings]
        mean = geometric_mean(
            size / results.smallest_peer(recording)[1]
            for size, recording in zip(sizes, recordings, strict=True)
        )
        rows.append([f"**{way}**" if way in OURS else way, *(f"{size:.3f}" for size in sizes), _times(mean)])
    return markdown(("bytes an event", *recordings, "mean, × smallest peer"), rows)


def _ways(results: Results) -> str:
    """Return size and rates of every way: means over the recordings, and rates against evcodec balanced."""
    rows = []
    ours = {
        name: ways["evcodec balanced"] for name, ways in results.cells.items() if "evcodec balanced" in ways
    }
    for way in results.ways():
        cells = {name: results.cells[name][way] for name in ours}
        rows.append(
            [
                f"**{way}**" if way in OURS else way,
                _times(geometric_mean(cell.bytes for cell in cells.values())),
                _times(geometric_mean(cell.write for cell in cells.values()) / 1e6),
                _times(geometric_mean(cell.write / ours[name].write for name, cell in cells.items())),
                _times(geometric_mean(cell.read for cell in cells.values()) / 1e6),
                _times(geometric_mean(cell.read / ours[name].read for name, cell in cells.items())),
            ]
        )
    head = (
        "geometric means over the recordings",
        "bytes an event",
        "encode, M events/s",
        "× balanced",
        "decode, M events/s",
        "× balanced",
    )
    return markdown(head, rows)


def _columns(results: Results) -> str:
    rows = []
    for row in results.rows.get("bytes", ()):
        sizes = row["columns"]
        names = ("t", "kind", "x", "y", "code", "dx", "dy")
        rest = sum(size for name, size in sizes.items() if name not in names)
        cells = [f"{sizes.get(name, 0) / row['events']:.3f}" for name in names]
        way = row["way"] if row["way"].startswith("pco") else f"evcodec {row['way']}"
        rows.append([row["recording"], way, *cells, f"{rest / row['events']:.3f}"])
    return markdown(("bytes an event", "", "t", "kind", "x", "y", "code", "dx", "dy", "records"), rows, 2)


def _latency(results: Results) -> str:
    rows = []
    for row in results.rows.get("latency", ()):
        way = "`Writer.move`" if row["way"] == "move" else "`Packer().pack`"
        cells = [f"{value / 1000:.2f}" for value in row["percentiles"].values()]
        rows.append([way, row["pace"], f"{row['events']:,}", *cells])
    return markdown(
        (
            "µs a call, the clock's own included",
            "events come",
            "events",
            "50 %",
            "90 %",
            "99 %",
            "99.9 %",
            "99.99 %",
            "most",
        ),
        rows,
        2,
    )


def _live(results: Results) -> str:
    rows = [
        [
            row["recording"],
            f"{row['events']:,}",
            f"{row['bytes_bulk'] / row['events']:.3f}",
            _times(row["bytes_before"] / row["bytes_bulk"]),
            f"{row['bytes'] / row['bytes_bulk']:.3f}",
        ]
        for row in results.rows.get("live", ())
    ]
    return markdown(
        ("", "events", "bulk, bytes an event", "before close, × bulk", "after close, × bulk"), rows
    )


def _events(results: Results) -> str:
    rows = []
    for recording in dict.fromkeys(row["recording"] for row in results.rows.get("events", ())):
        for way in ("evcodec", "OWAMcap"):
            events = results.median("events", "events", recording=recording, way=way)
            if math.isnan(events):
                continue
            size, write, read = (
                results.median("events", key, recording=recording, way=way) / events
                for key in ("bytes", "seconds", "read_s")
            )
            figures = [f"{size:.2f}", f"{write * 1e6:.3f}", f"{read * 1e6:.4f}"]
            rows.append([recording, way, f"{events:,.0f}", *figures])
    return markdown(("", "", "events", "bytes an event", "µs to write one", "µs to read one"), rows, 2)


def _growth(results: Results) -> str:
    rows = []
    for events in sorted({row["events"] for row in results.rows.get("scaling", ())}):
        cells = [
            f"{events / results.median('scaling', operation=how, events=events) / 1e6:.1f}"
            for how in ("write", "scan")
        ]
        size = results.median("scaling", "bytes", operation="write", events=events) / events
        cells.append(f"{size:.3f}")
        for how in ("opened", "cold"):
            row = next(iter(results.find("seeks", how=how, events=events)), None)
            cells += [f"{row['median_s'] * 1e3:.2f}", f"{row['p99_s'] * 1e3:.2f}"] if row else ["–", "–"]
        rows.append([f"{events:,}", *cells])
    head = (
        "events", "write, M/s", "scan, M/s", "bytes an event",
        "seek, ms, median", "99 %", "open and seek, ms, median", "99 %",
    )  # fmt: skip
    return markdown(head, rows)


def _blocks(results: Results) -> str:
    rows = []
    for events in sorted({row["events"] for row in results.rows.get("blocks", ())}):
        for level in dict.fromkeys(row["level"] for row in results.rows["blocks"]):
            encode, decode = (
                results.median("blocks", events=events, level=level, operation=how)
                for how in ("encode", "decode")
            )
            size = results.median("blocks", "bytes", events=events, level=level) / events
            cells = [
                f"{size:.3f}",
                f"{encode * 1e6:,.0f}",
                f"{decode * 1e6:,.0f}",
                _times(events / decode / 1e6),
            ]
            rows.append([f"{events:,}", level, *cells])
    return markdown(
        ("events of a block", "level", "bytes an event", "encode, µs", "decode, µs", "decode, M events/s"),
        rows,
        2,
    )


def _kernels(results: Results) -> str:
    rows = []
    for row in results.rows.get("kernels", ()):
        ns = row["seconds"] / row["events"] * 1e9
        name = f"{row['transform']}, {row['layout']}"
        rows.append(
            [row["operation"], name, row["input"], f"{ns:.2f}", f"{row['bytes'] / row['events']:.2f}"]
        )
    rows.sort()
    return markdown(("kernel", "transform, layout", "input", "ns a value", "bytes to zstd"), rows, 3)

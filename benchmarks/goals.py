"""What evcodec is to reach, what a run measured, and whether that is enough."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from benchmarks.results import Results, geometric_mean
from benchmarks.ways import BETTER_XZ

_KHZ = ("sample at 1 kHz", "ducktrack")


class Goal(NamedTuple):
    """``met`` is None where nothing was measured."""

    name: str
    goal: str
    measured: str
    met: bool | None


def goals(results: Results) -> list[Goal]:
    """Return all goals, in the order of the table."""
    return [
        *_sizes(results),
        *_rates(results),
        *_event(results),
        *_live(results),
        *_threads(results),
        *_growth(results),
        *_by_event(results),
    ]


def _judged(name: str, goal: str, value: float, met: bool, shown: str) -> Goal:
    return Goal(name, goal, "not measured", None) if math.isnan(value) else Goal(name, goal, shown, bool(met))


def _worst(ratios: Mapping[str, float], largest: bool) -> tuple[float, str]:
    pick = max if largest else min
    return pick(((value, name) for name, value in ratios.items()), default=(math.nan, ""))


def _sizes(results: Results) -> list[Goal]:
    found = []
    for level, most in (("small", 0.82), ("balanced", 0.90)):
        ratios, stricter = (
            {
                recording: ways[f"evcodec {level}"].bytes / results.smallest_peer(recording, left_out)[1]
                for recording, ways in results.cells.items()
                if f"evcodec {level}" in ways
            }
            for left_out in (BETTER_XZ, "")
        )
        mean = geometric_mean(ratios.values())
        worst, where = _worst(ratios, largest=True)
        other_worst, other_where = _worst(stricter, largest=True)
        other = (
            f"with the better of two ways to prepare columns for xz: {geometric_mean(stricter.values()):.3f}"
        )
        name = f"size, `{level}`"
        found.append(
            _judged(name, f"≤ {most:.2f} of the smallest peer", mean, mean <= most, f"{mean:.3f} ({other})")
        )
        shown = f"{worst:.3f}, {where} (likewise: {other_worst:.3f}, {other_where})"
        found.append(_judged(f"{name}, the worst", "none above 0.97", worst, worst <= 0.97, shown))
    return found


def _rates(results: Results) -> list[Goal]:
    found = []
    for operation, attribute, other, least in (
        ("decode", "read", "pco 8", 3),
        ("decode", "read", "Vortex default", 2),
        ("decode", "read", "memcpy", 0.8),
        ("encode", "write", "pco 8", 6),
    ):
        ratios = results.ratios("evcodec balanced", attribute, other)
        if other == "Vortex default":  # the faster of its two ways
            second = results.ratios("evcodec balanced", attribute, f"{other}, differenced")
            ratios = {name: min(value, second.get(name, value)) for name, value in ratios.items()}
        mean = geometric_mean(ratios.values())
        large = geometric_mean(v for name, v in ratios.items() if results.events[name] >= 100_000)
        worst, where = _worst(ratios, largest=False)
        shown = f"{mean:.2f} × (worst {worst:.2f}, {where}; {large:.2f} over recordings of 100,000 events and more)"
        found.append(_judged(f"{operation}, `balanced`", f"≥ {least} × {other}", mean, mean >= least, shown))
    return found


def _event(results: Results) -> list[Goal]:
    cost = {way: results.median("cost", way=way) for way in ("move", "msgpack", "loop")}
    ratio = (cost["move"] - cost["loop"]) / (cost["msgpack"] - cost["loop"])
    events = next((row["events"] for row in results.rows.get("cost", ())), 1)
    nanoseconds = {way: (cost[way] - cost["loop"]) / events * 1e9 for way in cost}
    shown = f"{ratio:.2f} ({nanoseconds['move']:.0f} ns of {nanoseconds['msgpack']:.0f} ns)"
    found = [_judged("one `Writer.move`", "≤ 0.25 of `Packer().pack`", ratio, ratio <= 0.25, shown)]
    for pace in ("at once", "8 kHz"):
        rows = {way: results.find("latency", way=way, pace=pace) for way in ("move", "msgpack")}
        if not all(rows.values()):
            found.append(Goal(f"99.99th percentile, {pace}", "≤ 100 µs", "not measured", None))
            continue
        tail = {way: row[0]["percentiles"]["99.99"] / 1000 for way, row in rows.items()}
        shown = f"{tail['move']:.1f} µs (msgpack in the same loop: {tail['msgpack']:.1f})"
        found.append(
            _judged(f"99.99th percentile, {pace}", "≤ 100 µs", tail["move"], tail["move"] <= 100, shown)
        )
    return found


def _live(results: Results) -> list[Goal]:
    rows = [row for row in results.rows.get("live", ()) if row["recording"] in _KHZ]
    found = []
    for key, name, most in (("bytes", "after close", 1.03), ("bytes_before", "before close", 1.35)):
        worst, where = _worst({row["recording"]: row[key] / row["bytes_bulk"] for row in rows}, largest=True)
        shown = f"{worst:.3f} ({where})"
        goal = f"≤ {most:.2f} of the bulk-written size"
        found.append(_judged(f"live at 1 kHz, {name}", goal, worst, worst <= most, shown))
    return found


def _threads(results: Results) -> list[Goal]:
    found = []
    for function, method in (("encode", "write"), ("decode", "read")):
        ratio, other = (
            results.median("threads", operation=how, threads=1)
            / results.median("threads", operation=how, threads=2)
            for how in (function, method)
        )
        bound = results.median("bound", "speedup", operation=function)
        name = "Writer" if method == "write" else "Reader"
        shown = f"{ratio:.2f} × (`{name}`: {other:.2f}; two processes that share nothing: {bound:.2f})"
        found.append(_judged(f"two threads, `{function}`", "≥ 1.8 × one", ratio, ratio >= 1.8, shown))
    return found


def _growth(results: Results) -> list[Goal]:
    sizes = sorted({row["events"] for row in results.rows.get("scaling", ())})
    if len(sizes) < 2:
        return [Goal("growth", "rate within 10 %, < 256 MiB, seek ≤ 20 ms", "not measured", None)]
    small, large = sizes[0], sizes[-1]
    found = []
    for operation in ("write", "scan"):
        rates = {n: n / results.median("scaling", operation=operation, events=n) for n in (small, large)}
        ratio = rates[large] / rates[small]
        cpu = {n: results.median("scaling", "cpu_s", operation=operation, events=n) / n for n in rates}
        of_cpu = f"by processor time {cpu[small] / cpu[large]:.2f}"
        shown = f"{ratio:.2f} ({of_cpu}; {rates[large] / 1e6:.1f} M events/s)"
        name = f"{operation} rate at {large:.0e} events"
        found.append(_judged(name, f"within 10 % of {small:.0e}", ratio, ratio >= 0.9, shown))
    memory = results.median("scaling", "bytes", operation="memory") / 2**20
    found.append(
        _judged(
            "memory while scanning", "< 256 MiB beyond the base", memory, memory < 256, f"{memory:.0f} MiB"
        )
    )
    seek = results.median("seeks", "median_s", events=large, how="opened") * 1e3
    cold = results.median("seeks", "median_s", events=large, how="cold") * 1e3
    shown = f"{seek:.1f} ms ({cold:.1f} ms with opening the stream)"
    found.append(_judged(f"median seek in {large:.0e} events", "≤ 20 ms", seek, seek <= 20, shown))
    row = next(iter(results.find("seeks", events=large, how="opened")), None)
    if row is not None:
        more = row["bytes_read"] / row["bytes_asked"]
        shown = f"{more:.3f} of their size ({row['blocks']:.1f} blocks, {row['bytes_read'] / 1024:.0f} KiB)"
        found.append(_judged("what a seek reads", "only the blocks asked for", more, more <= 1.01, shown))
    return found


def _by_event(results: Results) -> list[Goal]:
    recordings = dict.fromkeys(row["recording"] for row in results.rows.get("events", ()))
    found = []
    for key, word, least in (
        ("bytes", "smaller", 12),
        ("seconds", "faster to write", 100),
        ("read_s", "faster to read", 1000),
    ):
        ratios = {
            name: results.median("events", key, recording=name, way="OWAMcap")
            / results.median("events", key, recording=name, way="evcodec")
            for name in recordings
            if results.find("events", recording=name, way="OWAMcap")
        }
        mean = geometric_mean(ratios.values())
        worst, where = _worst(ratios, largest=False)
        most = max((row["events"] for row in results.rows.get("events", ())), default=0)
        long = geometric_mean(
            ratio for name, ratio in ratios.items() if results.find("events", recording=name, events=most)
        )
        shown = f"{mean:.1f} × (worst {worst:.1f}, {where}; {long:.1f} over recordings of {most:,} events)"
        found.append(
            _judged(f"OWAMcap, event by event: {word}", f"≥ {least:,} ×", mean, mean >= least, shown)
        )
    return found

"""What a check of a stream found, as a page for a person and as keys for a machine."""

from __future__ import annotations

from typing import Any

from ..chain import ChainReport
from ..findings import Problem, subject
from ..schema import kind_name
from ..stream import Report
from .files import STDIO
from .terminal import counted, human_bytes, printable

# More problems than this are told by what they are about.
_MOST_LINES = 10
_VERDICTS = {
    "cut": "cut: the data ends inside a record",
    "damaged": "damaged",
}
# What a problem costs, by how its subject begins; any other costs the record that it is in.
_COSTS = (
    (
        ("row N of", "rows of", "events by kind", "columns of the index", "events of the stream"),
        "no event: it is in a summary",
    ),
    (("distance to the index", "length of the stream"), "no event: it is in a summary"),
    (("sequence number",), "what the missing records held"),
    (("index N of",), "the later of two definitions"),
    (("record type N", "stream"), "the header of a stream"),
)


def counts(report: Report) -> str:
    """Return how many events and blocks are sound."""
    return f"{counted(report.events, 'event')} in {counted(report.blocks, 'block')}"


def next_step(path: str, report: Report) -> str | None:
    """Return the command that helps, or None where none is needed."""
    name = "-" if path == STDIO else printable(path)
    if report.state == "open":
        return f"evcodec compact {name} OUT"
    return f"evcodec repair {name} OUT" if not report.ok and report.streams else None


def plain(report: Report, path: str) -> dict[str, Any]:
    """Return a report for a machine: kinds by name, and the path of the command line instead of the file's name."""
    found = report.to_dict()
    del found["name"]
    kinds = {kind_name(kind): count for kind, count in report.kinds.items()}
    return {"path": path, **found, "kinds": kinds, "next": next_step(path, report)}


def page(name: str, path: str, report: Report) -> list[str]:
    """Return what a check found: one line where all is well, a page where it is not."""
    if report.ok:
        ended = (
            "; not ended: cut off between two records, or still being written"
            if report.state == "open"
            else ""
        )
        lines = [f"{name}: ok, {counts(report)}, {counted(report.records, 'record')}{ended}"]
    else:
        lines = [
            f"{name}: {_VERDICTS[report.state]}",
            f"  sound: {_sound(report)}",
            f"  lost: {lost(report)}",
        ]
        lines += problem_lines(report)
    lines += [_chain_line(chain) for chain in report.chains]
    lines += _listed("remark", report.remark_count, report.remark_groups, report.remarks)
    command = next_step(path, report)
    if command is not None and not report.ok:
        lines.append(f"  next: {command} saves what is sound")
    elif not report.ok:
        lines.append("  next: nothing of it is evcodec's: look for another copy")
    elif command is not None:
        lines.append(f"  next: all of it can be read; {command} writes it with an end")
    return lines


def _chain_line(chain: ChainReport) -> str:
    """Return what the chain of a stream proves."""
    if not chain.digest:
        return f"  chain of stream {chain.stream}: none that holds"
    signed = f"signed by {chain.signer}" if chain.signer else "not signed"
    end = "to its end" if chain.complete else f"not {chain.uncovered_records:,} behind them"
    return (
        f"  chain of stream {chain.stream}: holds for {counted(chain.records, 'record')}, {end}; {signed}; "
        f"digest {chain.digest}"
    )


def _sound(report: Report) -> str:
    ended = "the last one ended" if report.complete else "the last one not ended"
    entries = f"{report.entries:,} {'entry' if report.entries == 1 else 'entries'}"
    return f"{counts(report)}, {entries}; {counted(report.streams, 'stream')}, {ended}"


def lost(report: Report) -> str:
    """Return what of the data is not saved."""
    events = "no event" if report.lost_events == 0 else f"{report.lost_events or 0:,} events"
    if report.lost_events is None:
        events = "nothing tells how many events"
    records = f"{counted(report.lost_records, 'record')} known to be missing or unreadable"
    sizes = f"{human_bytes(report.lost_bytes)} of {human_bytes(report.bytes)}"
    return f"{sizes}; {records}; {events}"


def problem_lines(report: Report) -> list[str]:
    """Return the problems with their places and what they cost."""
    return _listed("problem", report.problem_count, report.problem_groups, report.problems)


def _listed(what: str, count: int, groups: dict[str, int], kept: list[Problem]) -> list[str]:
    if not count:
        return []
    lines = [f"  {counted(count, what)}:"]
    if count <= _MOST_LINES:
        return lines + [
            f"    {printable(problem.message, 2_000)}{_cost(what, problem.message)}" for problem in kept
        ]
    first: dict[str, str] = {}
    for problem in kept:
        first.setdefault(subject(problem.message), problem.message)
    for group in list(groups)[:_MOST_LINES]:
        shown = f"; the first: {printable(first[group], 2_000)}" if group in first else ""
        cost = _cost(what, first.get(group, group))
        lines.append(f"    {groups[group]:,} × {printable(group)}{cost}{shown}")
    if len(groups) > _MOST_LINES:
        others = sum(list(groups.values())[_MOST_LINES:])
        lines.append(f"    {others:,} × {counted(len(groups) - _MOST_LINES, 'other kind')}")
    return lines


def _cost(what: str, message: str) -> str:
    if what == "remark":
        return ""
    about = subject(message)
    cost = next((cost for begins, cost in _COSTS if about.startswith(begins)), "its record")
    return f" (costs {cost})"

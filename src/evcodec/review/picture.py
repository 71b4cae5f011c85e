"""A recording as a picture: a bar for each application and for what was not recorded, in one HTML page. No content."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from ..entries import reason_name
from .report import Reviewed

_WIDTH, _ROW, _LEFT = 900, 26, 180
_COLOURS = ("#3b6fb6", "#4f9d69", "#b5653b", "#7a5aa6", "#a6893b", "#3b9aa6", "#b63b6f", "#6b6b6b")
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1000px; margin: 2em auto; padding: 0 1em; color: #222; background: #fff }
svg { width: 100%; height: auto } table { border-collapse: collapse; margin: 1em 0 }
td, th { text-align: left; padding: .2em 1.2em .2em 0 }
td.n { text-align: right; font-variant-numeric: tabular-nums } .warn { color: #a00; font-weight: bold }
"""


def page(found: Reviewed, name: str, span_text: Callable[[int], str], facts: list[tuple[str, str]]) -> str:
    """Return a page about a recording.

    Parameters
    ----------
    found : Reviewed
    name : str
        Of the recording.
    span_text : callable
        Says a length of time, in ns.
    facts : list of (str, str)
        What stands above the picture.
    """
    rows = "".join(f"<tr><th>{escape(key)}</th><td>{escape(value)}</td></tr>" for key, value in facts)
    applications = ""
    for of in found.applications():
        numbers = (
            span_text(of.length),
            *(f"{n:,}" for n in (of.clicks, of.keys_full, of.keys_class, of.choices)),
        )
        cells = "".join(f"<td class=n>{escape(number)}</td>" for number in numbers)
        applications += f"<tr><td>{escape(of.name or '(not known)')}</td>{cells}</tr>"
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(name)}</title><style>{_STYLE}</style>"
        f"<h1>{escape(name)}</h1><table>{rows}</table>{_timeline(found, span_text)}"
        "<table><tr><th>application<th>time in front<th>clicks<th>keys, in full<th>keys, class only<th>choices</tr>"
        f"{applications}</table><p>What was typed, titles and texts are not on this page.</p></html>\n"
    )


def _timeline(found: Reviewed, span_text: Callable[[int], str]) -> str:
    if found.start is None or found.stop is None:
        return ""
    start, length = found.start, max(found.stop - found.start, 1)

    def bar(t0: int, t1: int, row: int, colour: str, title: str) -> str:
        x = _LEFT + (t0 - start) / length * (_WIDTH - _LEFT)
        width = max((t1 - t0) / length * (_WIDTH - _LEFT), 1)
        x, width = max(x, _LEFT), min(width, _WIDTH - _LEFT)
        place = f'x="{x:.1f}" y="{row * _ROW + 4}" width="{width:.1f}" height="{_ROW - 8}"'
        return f'<rect {place} fill="{colour}"><title>{escape(title)}</title></rect>'

    names = [application.name for application in found.applications()]
    reasons = list(found.gap_totals())
    labels = [
        *(name or "(not known)" for name in names),
        *(f"not recorded: {name.replace('_', ' ')}" for name in reasons),
    ]
    out = [
        f'<text x="0" y="{row * _ROW + 18}" font-size="13">{escape(label[:28])}</text>'
        for row, label in enumerate(labels)
    ]
    for span in found.spans:
        row = names.index(span.application)
        out.append(bar(span.t0, span.t1, row, _COLOURS[row % len(_COLOURS)], span_text(span.t1 - span.t0)))
    for gap in found.gaps:
        row = len(names) + reasons.index(reason_name(gap.reason))
        out.append(bar(gap.t0, gap.t1, row, "#c0392b", span_text(gap.t1 - gap.t0)))
    height = len(labels) * _ROW + 22
    out.append(f'<text x="{_LEFT}" y="{height - 4}" font-size="12">0</text>')
    out.append(
        f'<text x="{_WIDTH}" y="{height - 4}" font-size="12" text-anchor="end">{escape(span_text(length))}</text>'
    )
    return f'<svg viewBox="0 0 {_WIDTH} {height}" xmlns="http://www.w3.org/2000/svg" role="img">{"".join(out)}</svg>'


def line(found: Reviewed, spans: list[tuple[int, int]], width: int, mark: str) -> str:
    """Return a bar of characters: ``mark`` where one of the times is, a dot elsewhere."""
    if found.start is None or found.stop is None:
        return ""
    length = max(found.stop - found.start, 1)
    cells = ["·"] * width
    for t0, t1 in spans:
        low = max(min((t0 - found.start) * width // length, width - 1), 0)
        high = max(min(-(-(t1 - found.start) * width // length), width), low + 1)
        cells[low:high] = mark * (high - low)
    return "".join(cells)

"""What a run found, as a picture: what a flipped bit comes to, and what is left of the events."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt

from benchmarks.plots import plain, save, style
from benchmarks.reliability.show import WORDS, Found, count, tries_of
from benchmarks.reliability.trial import OUTCOMES

_COLOURS = dict(zip(OUTCOMES, ("#3f6fa0", "#b8ccdf", "#e8b04f", "#d9572b", "#444444"), strict=True))


def _mean_left(found: Found, name: str, fault: str, told: bool) -> float:
    """Return the mean percentage of right events, of the tries that said all they had to say or of the others."""
    tries = tries_of(found, name, fault)
    silent = ("missing", "changed")
    right = sum(row["right"] for row in tries if (row["outcome"] not in silent) is told)
    return 100 * right / max(len(tries) * found["events"], 1)


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
            100 * count(tries, outcome) / max(len(tries), 1)
            for tries in (tries_of(found, name, "flip") for name in names)
        ]
        left.barh(places, shares, left=start, height=0.78, color=_COLOURS[outcome], label=WORDS[outcome])
        start = [at + share for at, share in zip(start, shares, strict=True)]
    left.set_yticks(places, names, fontsize=8)
    left.invert_yaxis()
    left.set_xlim(0, 100)
    left.set_xlabel("one flipped bit: % of the tries")
    left.legend(
        ncols=2, frameon=False, fontsize=7.5, loc="lower left", bbox_to_anchor=(-0.02, 1.0), borderaxespad=0.2
    )
    for fault, shift, colours in (
        ("flip", -0.2, ("#5a9e6f", "#cfe3d5")),
        ("cut", 0.2, ("#8a7a2c", "#e6dcae")),
    ):
        start = [0.0] * len(names)
        word = "after a flipped bit" if fault == "flip" else "after a cut at a random byte"
        said = (word, "(pale: wrong ones among them, unmarked)")
        for told, colour, label in zip((True, False), colours, said, strict=True):
            shares = [_mean_left(found, name, fault, told) for name in names]
            drawn = right.barh(
                [at + shift for at in places],
                shares,
                left=start,
                height=0.38,
                color=colour,
                label=label if told or fault == "flip" else None,
            )
            start = [at + share for at, share in zip(start, shares, strict=True)]
        right.bar_label(drawn, [f"{value:.0f}" for value in start], fontsize=6.5, padding=2)
    right.set_xlim(0, 112)
    right.set_xlabel("right events that can still be read, % (mean)")
    right.legend(frameon=False, fontsize=7.5, loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.2)
    for axes in (left, right):
        plain(axes)
    save(figure, path)

"""How each state looks: a colour, a shape and a word, so that none of them is needed to tell the states apart. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

from .reports import State

# Corners of a polygon, or the box of an oval, as parts of a square's side from its upper left corner.
Points = tuple[float, ...]

GROUND = "#1c1c20"
INK = "#ffffff"
FAINT_INK = "#c8c8d0"
BUTTON = "#3a3a42"
BUTTON_PRESSED = "#55555f"


@dataclass(frozen=True, slots=True)
class Look:
    """The colour of a state, and its shape: figures that are drawn one over the other in the colour, or in the ground's."""

    colour: str
    figures: tuple[tuple[str, Points, bool], ...]


# Colours that colour-blind people tell apart by their lightness too; the shapes are told apart by anyone.
LOOKS = {
    State.RECORDING: Look("#e8202a", (("oval", (0.08, 0.08, 0.92, 0.92), True),)),
    State.ELSEWHERE: Look(
        "#a4a4ae",
        (("oval", (0.08, 0.08, 0.92, 0.92), True), ("oval", (0.26, 0.26, 0.74, 0.74), False)),
    ),
    State.PAUSED: Look(
        "#f5b400",
        (
            ("polygon", (0.14, 0.08, 0.42, 0.08, 0.42, 0.92, 0.14, 0.92), True),
            ("polygon", (0.58, 0.08, 0.86, 0.08, 0.86, 0.92, 0.58, 0.92), True),
        ),
    ),
    State.BLIND: Look(
        "#3f8cff",
        (
            ("polygon", (0.5, 0.04, 0.98, 0.94, 0.02, 0.94), True),
            ("polygon", (0.45, 0.36, 0.55, 0.36, 0.55, 0.66, 0.45, 0.66), False),
            ("polygon", (0.45, 0.74, 0.55, 0.74, 0.55, 0.84, 0.45, 0.84), False),
        ),
    ),
}


def figures(state: State, size: float, left: float = 0, top: float = 0) -> list[tuple[str, list[float], str]]:
    """Return what to draw for a state in a square of ``size`` pixels: ``oval`` or ``polygon``, its points, its colour."""
    look = LOOKS[state]
    return [
        (
            what,
            [(top if i % 2 else left) + part * size for i, part in enumerate(points)],
            look.colour if is_ink else GROUND,
        )
        for what, points, is_ink in look.figures
    ]


def elapsed(ns: int) -> str:
    """Return a duration as ``m:ss`` or ``h:mm:ss``."""
    seconds = max(0, ns) // 1_000_000_000
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"

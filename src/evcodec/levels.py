"""How much work an encoder does to make a stream small."""

from __future__ import annotations

from typing import NamedTuple

from .compression import Effort
from .errors import InvalidArgumentError


class Level(NamedTuple):
    """How much work an encoder does.

    ``large`` and ``small`` are the ways in which zstd is tried on a part, by its size: a small part is compressed in no
    time, and its tables weigh more. ``sample`` is the most values of a column that costs are estimated on (0: all).
    ``trials`` is how many of the cheapest encodings of a column are compressed to see which is smallest, on up to
    ``trial_values`` of its values (0: all). ``thorough`` looks at encodings too that take long to find and to decode.
    ``own_part_bytes`` are the sizes to try from which on a stream is compressed on its own, so that it can be left out
    when its column is not asked for; smaller ones share a part, because each zstd frame has a header and tables.
    ``block_events`` is how many events a block of a bulk write has where nothing else is asked for: larger blocks share
    tables among more events, and take longer to read one event from.
    """

    large: tuple[Effort, ...]
    small: tuple[Effort, ...]
    sample: int
    trials: int
    trial_values: int
    thorough: bool
    own_part_bytes: tuple[int, ...]
    block_events: int

    def efforts(self, raw_bytes: int) -> tuple[Effort, ...]:
        """Return how to compress a part of this size."""
        return self.large if raw_bytes > _SMALL_PART_BYTES else self.small

    @property
    def trial_efforts(self) -> tuple[Effort, ...]:
        """How to compress where encodings are only compared."""
        return self.large


_SMALL_PART_BYTES = 32 * 1024
LEVELS: dict[str, Level] = {
    "fast": Level(
        (Effort(1),),
        (Effort(1),),
        sample=2048,
        trials=1,
        trial_values=0,
        thorough=False,
        own_part_bytes=(4096,),
        block_events=131_072,
    ),
    "balanced": Level(
        (Effort(1),),
        (Effort(1), Effort(3, 6), Effort(9)),
        sample=4096,
        trials=3,
        trial_values=16384,
        thorough=False,
        own_part_bytes=(4096, 512),
        block_events=131_072,
    ),
    "small": Level(
        (Effort(19), Effort(19, 6)),
        (Effort(19), Effort(19, 6)),
        sample=0,
        trials=6,
        trial_values=0,
        thorough=True,
        own_part_bytes=(4096, 1024, 384, 128),
        block_events=262_144,
    ),
}


def level_of(name: str) -> Level:
    """Return the level of this name; raise InvalidArgumentError if there is none."""
    try:
        return LEVELS[name]
    except (KeyError, TypeError):
        raise InvalidArgumentError(
            f"level: found {name!r}, allowed: {', '.join(map(repr, LEVELS))}"
        ) from None

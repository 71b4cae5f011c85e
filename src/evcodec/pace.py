"""How fast a Writer is asked to be: the arguments that say so, checked. No I/O."""

from __future__ import annotations

from typing import Any

from .errors import InvalidArgumentError
from .limits import MAX_BLOCK_EVENTS


def check_pace(block_events: Any, queue_events: Any, flush_interval_s: Any, on_full: Any) -> None:
    """Raise InvalidArgumentError if one of these arguments of a Writer is outside of what is allowed."""
    if block_events is not None:
        _check_range("block_events", block_events, 1, MAX_BLOCK_EVENTS)
    _check_range("queue_events", queue_events, 1, None)
    seconds = isinstance(flush_interval_s, (int, float)) and not isinstance(flush_interval_s, bool)
    if not seconds or not 0 < flush_interval_s <= 3600:
        raise InvalidArgumentError(
            f"flush_interval_s: found {flush_interval_s!r}, allowed: above 0, up to 3600"
        )
    if on_full not in ("block", "drop"):
        raise InvalidArgumentError(f"on_full: found {on_full!r}, allowed: 'block', 'drop'")


def _check_range(name: str, value: Any, low: int, high: int | None) -> None:
    if (
        not isinstance(value, int)
        or isinstance(value, bool)
        or value < low
        or (high is not None and value > high)
    ):
        raise InvalidArgumentError(
            f"{name}: found {value!r}, allowed: integers from {low}" + (f" to {high}" if high else "")
        )

"""What streams state of their use, and what a caller wants them for: purposes, and until when they may be kept. No I/O."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np

from .errors import InvalidArgumentError, PurposeError, RetentionError
from .wire import GOVERNANCE_KEYS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNTIL = "retain_until_ns"


def as_values(value: Any) -> list[Any]:
    """Return the values of an argument that may be one or several."""
    if isinstance(value, (set, frozenset, list, tuple, range, np.ndarray)):
        return list(value)
    return [value]


def states_one_of(governance: Mapping[str, Any], name: str, allowed: Collection[Any]) -> bool:
    """Tell whether what a stream states is one of some values, exactly; None stands for stating nothing."""
    return governance.get(name) in allowed


def is_past_retention(governance: Mapping[str, Any], now_ns: int | None = None) -> bool:
    """Tell whether a stream states a time up to which it may be kept, and that is past."""
    until = governance.get(_UNTIL)
    return until is not None and (time.time_ns() if now_ns is None else now_ns) > until


class Use(NamedTuple):
    """What a caller reads for.

    Attributes
    ----------
    purposes : tuple of (str or None), optional
        Purposes that a stream may state; None among them is for streams that state none. Not asked when None itself.
    past_retention : str
        What to do with a stream that should not be kept any longer: "raise", "allow", and in a dataset "skip".
    """

    purposes: tuple[str | None, ...] | None = None
    past_retention: str = "raise"

    @classmethod
    def of(cls, purpose: Any, past_retention: Any, choices: tuple[str, ...] = ("raise", "allow")) -> Use:
        """Return what a caller's arguments say; raise InvalidArgumentError if they say nothing that is allowed."""
        if past_retention not in choices:
            raise InvalidArgumentError(
                f"past_retention: found {past_retention!r}, allowed: {', '.join(map(repr, choices))}"
            )
        if purpose is None:
            return cls(None, past_retention)
        given = as_values(purpose)
        if not given or not all(one is None or isinstance(one, str) for one in given):
            raise InvalidArgumentError(
                f"purpose: found {purpose!r}, allowed: a text, or several; None among several for streams that state none"
            )
        return cls(tuple(dict.fromkeys(given)), past_retention)

    def check(self, governance: Mapping[str, Any], where: str) -> None:
        """Check what a stream states against this.

        Raises
        ------
        PurposeError
            Its purpose is none of those that were given.
        RetentionError
            It may not be kept any longer, and that is not allowed for.
        """
        if self.purposes is not None and not states_one_of(governance, "purpose", self.purposes):
            found = governance.get("purpose")
            raise PurposeError(
                f"{where}: purpose: found {'none' if found is None else repr(found)}, allowed: "
                f"{', '.join('none' if one is None else repr(one) for one in self.purposes)}, as was asked for; "
                "what was recorded for one purpose is not read for another"
            )
        if self.past_retention != "allow" and is_past_retention(governance):
            raise RetentionError(
                f"{where}: retention: found that it may be kept until {_shown(governance[_UNTIL])}, which is past, allowed: "
                "to be erased; or past_retention='allow' for who may read it all the same"
            )


def common_governance(stated: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Return what holds of all of several streams, which must state the same but for the time up to which they may be kept:
    of that it is the earliest.

    Parameters
    ----------
    stated : iterable of (str, mapping)
        Name and governance of each.

    Raises
    ------
    InvalidArgumentError
        They differ; the message names two.
    """
    streams = list(stated)
    found: dict[str, Any] = {}
    for key in GOVERNANCE_KEYS:
        if key == _UNTIL:
            deadlines = [one[key] for _, one in streams if one.get(key) is not None]
            if deadlines:
                found[key] = min(deadlines)
            continue
        for name, one in streams:
            if not states_one_of(one, key, (streams[0][1].get(key),)):
                raise InvalidArgumentError(
                    f"{key}: found {streams[0][1].get(key)!r} in {streams[0][0]} and {one.get(key)!r} in {name}, "
                    "allowed: one for all files"
                )
        if streams and streams[0][1].get(key) is not None:
            found[key] = streams[0][1][key]
    return found


def _shown(ns: int) -> str:
    """Return a time of the wall clock as people write it."""
    try:
        return f"{_EPOCH + timedelta(seconds=ns // 10**9):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError):
        return f"{ns} ns since 1970"

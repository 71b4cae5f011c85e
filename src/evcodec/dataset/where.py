"""Which files were asked for: by partitions, governance and metadata, kinds and time."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from ..errors import InvalidArgumentError
from ..governance import as_values, states_one_of
from ..select import as_int, make_filter
from ..wire import GOVERNANCE_KEYS
from .files import StreamFile

Where = Mapping[str, Any] | Callable[[StreamFile], bool] | None
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Limits(NamedTuple):
    """Kinds and time that a dataset is limited to; start and stop on the clock of the dataset."""

    kinds: frozenset[int] | None = None
    start: int | None = None
    stop: int | None = None

    def within(self, kinds: Iterable[int] | None, start: Any, stop: Any, wall: bool) -> Limits:
        """Return what both these limits and those that a caller gives allow.

        Raises
        ------
        InvalidArgumentError
            One is outside of what is allowed.
        """
        chosen = make_filter(None, kinds, as_time("start", start, wall), as_time("stop", stop, wall))
        return Limits(
            _both(self.kinds, chosen.kinds, operator.and_),
            _both(self.start, chosen.start, max),
            _both(self.stop, chosen.stop, min),
        )

    @property
    def is_timed(self) -> bool:
        """Tell whether there is a limit of time."""
        return self.start is not None or self.stop is not None

    def may_match(self, file: StreamFile) -> bool:
        """Tell whether a file may hold events within limits, which are in its own ``t``."""
        if file.start is None or file.stop is None:
            return self.kinds is None and not self.is_timed
        if self.kinds is not None and self.kinds.isdisjoint(file.kinds):
            return False
        return (self.start is None or file.stop >= self.start) and (
            self.stop is None or file.start < self.stop
        )

    def spans(self, file: StreamFile) -> bool:
        """Tell whether limits in a file's own ``t`` leave all of its time."""
        return (
            file.start is None
            or file.stop is None
            or (
                (self.start is None or self.start <= file.start)
                and (self.stop is None or file.stop < self.stop)
            )
        )

    def allow_all(self, file: StreamFile) -> bool:
        """Tell whether all events of a file are within limits in its own ``t``."""
        return self.spans(file) and (self.kinds is None or self.kinds.issuperset(file.kinds))

    def in_t_of(self, file: StreamFile, wall: bool) -> Limits:
        """Return the limits with times in a file's ``t``; raise InvalidArgumentError if it does not tell the wall clock."""
        if not wall or not self.is_timed:
            return self
        if file.epoch_ns is None:
            raise InvalidArgumentError(
                f"{file.path}: wall clock: found no anchor, which says how t and the wall clock go together, allowed: "
                'at least one; or clock="session"'
            )
        epoch = file.epoch_ns
        start, stop = (None if value is None else value - epoch for value in (self.start, self.stop))
        return Limits(self.kinds, start, stop)


def _both(one: Any, other: Any, join: Callable[[Any, Any], Any]) -> Any:
    if one is None or other is None:
        return other if one is None else one
    return join(one, other)


def as_time(name: str, value: Any, wall: bool) -> int | None:
    """Return a time in ns; raise InvalidArgumentError unless it is an integer or, on the wall clock, a datetime that knows
    its zone.
    """
    if value is None:
        return None
    if isinstance(value, datetime):
        if not wall:
            raise InvalidArgumentError(
                f'{name}: found a datetime, allowed: integers, in ns of t; datetimes with clock="wall"'
            )
        if value.tzinfo is None:
            raise InvalidArgumentError(f"{name}: found a datetime without a zone, allowed: one that has it")
        # pandas' own datetimes have nanoseconds.
        return (value - _EPOCH) // _MICROSECOND * 1_000 + int(getattr(value, "nanosecond", 0))
    return as_int(name, value)


def partitions_allow(partitions: Mapping[str, str | None], where: Where) -> bool:
    """Tell whether a file of these partitions may be one for which ``where`` holds."""
    if not isinstance(where, Mapping):
        return True
    return all(
        _is_among(partitions[key], as_values(value)) for key, value in where.items() if key in partitions
    )


def choose(files: Collection[StreamFile], where: Where, keys: Collection[str] = ()) -> list[StreamFile]:
    """Return the files for which ``where`` holds.

    Parameters
    ----------
    files : collection of StreamFile
    where : mapping or callable, optional
    keys : collection of str
        Names that it may have beside those of the files.

    Raises
    ------
    InvalidArgumentError
        It is neither a mapping nor callable, or no file has one of its keys.
    """
    if where is None:
        return list(files)
    if callable(where):
        return [file for file in files if where(file)]
    if not isinstance(where, Mapping):
        raise InvalidArgumentError(
            f"where: found {type(where).__name__}, allowed: a mapping of names to values, or a function of a file"
        )
    for key in where:
        if key in ("path", *GOVERNANCE_KEYS, *keys) or not files:
            continue
        if not any(key in file.partitions or key in file.metadata for file in files):
            known = dict.fromkeys(keys)
            for file in list(files)[:1_000]:
                known.update(dict.fromkeys((*file.partitions, *file.metadata)))
            shown = ", ".join([*list(known)[:20], *GOVERNANCE_KEYS, "path"])
            raise InvalidArgumentError(f"where: found {key!r}, which no file has, allowed: {shown}")
    tests = [(key, as_values(value)) for key, value in where.items()]
    return [file for file in files if all(_holds(file, key, allowed) for key, allowed in tests)]


def _is_among(partition: str | None, allowed: list[Any]) -> bool:
    # Folders have no types: user=7 is what both 7 and "7" ask for.
    return any(partition is None if value is None else partition == str(value) for value in allowed)


def _holds(file: StreamFile, key: str, allowed: list[Any]) -> bool:
    if key in file.partitions:
        return _is_among(file.partitions[key], allowed)
    if key == "path":
        return file.path in allowed
    if key in GOVERNANCE_KEYS:
        return states_one_of(file.governance, key, allowed)
    return file.metadata.get(key) in allowed

"""What a dataset is, by the ends of its files: nothing is read for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

import numpy as np

from ..errors import InvalidArgumentError
from .encrypted import hidden, missing
from .files import FileProblem, StreamFile
from .problems import Problems
from .reading import FileAccess, Wanted
from .unify import chosen_dtypes, unified
from .where import Limits


class Described:
    """Files with their totals, and how they are read."""

    def __init__(
        self,
        files: Iterable[StreamFile],
        access: FileAccess,
        *,
        wall: bool = False,
        problems: Iterable[FileProblem] = (),
        limits: Limits | None = None,
        columns: Mapping[str, np.dtype] | None = None,
    ) -> None:
        self._files = tuple(files)
        self._access = access
        self._wall = wall
        self._problems = Problems(problems)
        self._limits = Limits() if limits is None else limits
        self._columns = unified(self._files) if columns is None else dict(columns)
        self._sealed = [file for file in self._files if file.sealed]
        if access.keyring.skip and self._sealed:
            lost = hidden(self._sealed, self._columns, access.keyring.ids)
            self._columns = {name: dtype for name, dtype in self._columns.items() if name not in lost}

    # ---- what it is ----

    @property
    def files(self) -> tuple[StreamFile, ...]:
        """The files, in the order of their paths."""
        return self._files

    @property
    def problems(self) -> list[FileProblem]:
        """What was left out or skipped, with ``on_error="skip"``, by path and position: when the dataset was opened, and by
        all reading so far, of this Dataset and in this process. The first 1,000 are kept.
        """
        return self._problems.kept()

    @property
    def on_error(self) -> str:
        """``"raise"`` or ``"skip"``."""
        return self._access.on_error

    @property
    def clock(self) -> str:
        """``"session"`` or ``"wall"``: what ``start`` and ``stop`` are on."""
        return "wall" if self._wall else "session"

    @property
    def columns(self) -> dict[str, np.dtype]:
        """Dtype of each column, the smallest that holds all values of all files."""
        return dict(self._columns)

    @property
    def encrypted(self) -> dict[int, tuple[str, ...]]:
        """Who can read which encrypted group, as `PublicKey.id`, in any of the files."""
        found: dict[int, dict[str, None]] = {}
        for file in self._sealed:
            for group, ids in file.encrypted.items():
                found.setdefault(group, {}).update(dict.fromkeys(ids))
        return {group: tuple(ids) for group, ids in sorted(found.items())}

    def _wanted(self, columns: Collection[str] | None) -> Wanted:
        """Return the columns that were asked for, all by default.

        Raises
        ------
        MissingKeyError
            One is encrypted in a file, and no key opens it.
        InvalidArgumentError
            One is in no file, and not a standard one.
        """
        if self._sealed:
            ids = self._access.keyring.ids
            names = self._columns if columns is None else [n for n in columns if isinstance(n, str)]
            if lost := hidden(self._sealed, names, ids):
                raise missing(lost, ids, self._access.keyring.skip)
        # Where some are left out for want of a key, the others are asked for by name.
        every = columns is None and not self._access.keyring.skip
        return Wanted(chosen_dtypes(columns, self._columns), every)

    def _readable(self) -> list[str]:
        """Return the columns but for those that no key opens."""
        lost = hidden(self._sealed, self._columns, self._access.keyring.ids) if self._sealed else {}
        return [name for name in self._columns if name not in lost]

    def dtypes(self, columns: Collection[str] | None = None) -> dict[str, np.dtype]:
        """Return the dtypes of columns, all by default, in that order; raise as `Dataset.read` would."""
        return dict(self._wanted(columns).dtypes)

    @property
    def partitions(self) -> list[str]:
        """Names of the partitions that files have."""
        return list(dict.fromkeys(key for file in self._files for key in file.partitions))

    @property
    def kinds(self) -> dict[int, int]:
        """Number of events by kind, ascending, as the ends of the files state it; a limit of time does not change it."""
        found: Counter[int] = Counter()
        for file in self._files:
            found.update(file.kinds)
        allowed = self._limits.kinds
        return {kind: found[kind] for kind in sorted(found) if allowed is None or kind in allowed}

    @property
    def start(self) -> int | None:
        """Smallest time of the files, in ns on the `clock` of the dataset; None when there is none. A limit of time does not
        change it.
        """
        return min(
            (file.start + shift for file, shift in self._timed() if file.start is not None), default=None
        )

    @property
    def stop(self) -> int | None:
        """Largest time of the files, in ns on the `clock` of the dataset; None when there is none. An event at this time is
        inside a range only if the range stops later.
        """
        return max(
            (file.stop + shift for file, shift in self._timed() if file.stop is not None), default=None
        )

    def _timed(self) -> Iterator[tuple[StreamFile, int]]:
        """Yield the files that have a time on the clock of the dataset, and what is to be added to their ``t``."""
        for file in self._files:
            shift = file.epoch_ns if self._wall else 0
            if shift is not None:
                yield file, shift

    def __len__(self) -> int:
        """Return the number of events, as the ends of the files state it.

        Raises
        ------
        InvalidArgumentError
            A limit of time goes through a file, so that only reading tells.
        """
        for file in self._files if self._limits.is_timed else ():
            if not self._limits.in_t_of(file, self._wall).spans(file):
                raise InvalidArgumentError(
                    f"number of events: found a limit of time that goes through {file.path}, allowed: none; read it"
                )
        return sum(self.kinds.values())

    def __bool__(self) -> bool:
        return bool(self._files)

    def __repr__(self) -> str:
        return f"<Dataset of {len(self._files)} files, {len(self._columns)} columns>"

"""Which columns of a dataset are encrypted in which file, and what a key makes of that; nothing is opened for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, NamedTuple

from ..errors import MissingKeyError
from ..keyrecord import group_name
from ..schema import STANDARD_COLUMNS, ColumnGroup

if TYPE_CHECKING:
    from .files import StreamFile


class Sealed(NamedTuple):
    """What of a file is encrypted, and to whom.

    Attributes
    ----------
    streams : tuple of tuple of (int, tuple of str)
        Groups with the ids of who can read them, of each stream that was put end to end and differs from the others.
    columns : tuple of (str, int)
        Columns of groups that are encrypted, as far as they are known.
    is_named : bool
        Whether these are all: an index names those that no key opens, and only an index does.
    """

    streams: tuple[tuple[tuple[int, tuple[str, ...]], ...], ...]
    columns: tuple[tuple[str, int], ...]
    is_named: bool

    @property
    def groups(self) -> dict[int, tuple[str, ...]]:
        """Who can read which group in any of the streams, as `Reader.encrypted`."""
        found: dict[int, dict[str, None]] = {}
        for stream in self.streams:
            for group, ids in stream:
                found.setdefault(group, {}).update(dict.fromkeys(ids))
        return {group: tuple(ids) for group, ids in sorted(found.items())}

    def lacking(self, ids: Collection[str]) -> frozenset[int]:
        """Return the groups that keys with these ids do not open in every stream."""
        return frozenset(
            group for stream in self.streams for group, allowed in stream if not set(allowed) & set(ids)
        )

    @property
    def hides_pointer(self) -> bool:
        """Tell whether times, and entries such as anchors, are encrypted."""
        return any(group == ColumnGroup.POINTER for stream in self.streams for group, _ in stream)


def hidden(files: Iterable[StreamFile], names: Iterable[str], ids: Collection[str]) -> dict[str, StreamFile]:
    """Return which of some columns keys with these ids do not open, or may not, each with the first such file."""
    found: dict[str, StreamFile] = {}
    wanted = list(names)
    for file in files:
        if file.sealed is None:
            continue
        lacking = file.sealed.lacking(ids)
        known = dict(file.sealed.columns)
        for name in wanted if lacking else ():
            if name in known:
                is_hidden = known[name] in lacking
            else:
                standard = STANDARD_COLUMNS.get(name)
                unnamed = not file.sealed.is_named and name not in file.columns
                is_hidden = unnamed and (standard is None or standard.group in lacking)
            if is_hidden:
                found.setdefault(name, file)
    return found


def missing(lost: dict[str, StreamFile], ids: Collection[str], skips: bool) -> MissingKeyError:
    """Return the error that says which columns are encrypted, and who could read those of one file."""
    file = next(iter(lost.values()))
    assert file.sealed is not None
    lacking = file.sealed.lacking(ids)
    told = "; ".join(
        f"{group_name(group)} to {', '.join(readers) or 'nobody'}"
        for group, readers in file.sealed.groups.items()
        if group in lacking
    )
    return MissingKeyError(
        f"columns {', '.join(lost)}: found encrypted, as in {file.path}: {told}; keys given: "
        f"{', '.join(sorted(ids)) or 'none'}; allowed: keys= with a key of theirs, or other columns"
        + ("" if skips else ', or without_key="skip" for all that can be read')
    )

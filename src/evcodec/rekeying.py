"""Wrapping the data keys of a stream to other recipients; every other record stays as it is, to the byte."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .errors import CorruptDataError, InvalidArgumentError
from .framing import RecordType, pack_record
from .index import pack_index, unpack_index
from .inputs import open_input
from .keyrecord import Recipients, Wrap, group_name, pack_keys, recipient_id, recipients_of, wrap_info
from .keyring import Keyring
from .levels import level_of
from .replacing import replacing
from .scan import StreamRecord, StreamScanner
from .sealed import StreamKeys
from .wire import pack_end, unpack_end

_LEVEL = level_of("balanced")


def rekey(
    source: Any,
    target: Any,
    *,
    keys: Any = None,
    recipients: Any,
    progress: Callable[[int], object] | None = None,
) -> dict[int, tuple[str, ...]]:
    """Wrap the data keys of streams to other recipients, and return who can read which group then.

    Blocks and entries are not touched: whoever could read them before can read every copy that was made before, and,
    knowing the data key, this one. To keep somebody out who had a key, the data has to be encrypted anew (`compact`).

    Parameters
    ----------
    source : path, binary file object, or bytes-like
    target : path
        Replaced when the new file is whole and on the device; may be the source.
    keys
        As in `Reader`: what opens the groups that get recipients.
    recipients : mapping of group to keys, or keys
        As in `Writer`, each group's in place of those that it had; keys without a mapping are for all groups that are
        encrypted. A group that gets none cannot be read any more from what is written: no key is needed for that.
        Groups that are not named stay as they are.
    progress : callable, optional
        Called with the number of bytes that each step has dealt with.

    Raises
    ------
    InvalidArgumentError
        A group that was named is encrypted in no stream, or an argument is outside of what is allowed.
    MissingKeyError
        No key opens a group that is to get recipients.
    CorruptDataError, TruncatedDataError, UnsupportedVersionError, LimitExceededError
        The source is damaged; the target stays as it was.
    MissingExtraError
        There is no ``evcodec[crypto]``.
    OSError
        The source cannot be read, or the target cannot be written.
    """
    is_for_all = not isinstance(recipients, Mapping)
    if not recipients:
        raise InvalidArgumentError("recipients: found none, allowed: a group at least")
    wanted = recipients_of(recipients, may_be_none=True)
    keyring = Keyring(keys)
    taken = open_input(source)
    try:
        with replacing(Path(target)) as file:
            work = _Rekeying(file.write, keyring, wanted, is_for_all)
            scanner = StreamScanner()
            while piece := taken.read_piece():
                for item in scanner.feed(piece):
                    work.copy(item)
                if progress is not None:
                    progress(len(piece))
            for item in scanner.finish():
                work.copy(item)
            missing = [] if is_for_all and work.found else wanted.keys() - work.found.keys()
            if missing:
                raise InvalidArgumentError(
                    f"{taken.name}: recipients: found {', '.join(map(group_name, sorted(missing)))}, which no stream "
                    f"has encrypted; allowed: {', '.join(map(group_name, sorted(work.found))) or 'none'}"
                )
    finally:
        taken.close()
    return {group: tuple(ids) for group, ids in sorted(work.found.items())}


class _Rekeying:
    """Copies records, those that hold data keys anew."""

    def __init__(
        self, write: Callable[[bytes], object], keyring: Keyring, wanted: Recipients, is_for_all: bool
    ) -> None:
        self._write = write
        self._keyring = keyring
        self._wanted = wanted
        self._is_for_all = is_for_all
        self.found: dict[int, dict[str, None]] = {}
        self._begin(0)

    def _begin(self, position: int) -> None:
        """Begin the stream that stands at a position of the source."""
        self._start = position
        self._written = 0
        self._keys: StreamKeys = self._keyring.stream()
        self._payload = b""
        self._moved: list[tuple[int, int]] = []  # from where on, by how much
        self._index_at = 0

    def copy(self, item: StreamRecord) -> None:
        """Write the next record."""
        record = item.record
        if record.type == RecordType.HEADER:
            self._begin(record.position)
        payload, where = bytes(record.payload), f"byte {record.position}"
        if record.type == RecordType.KEYS:
            payload = self._wrapped_anew(record.payload, where)
        elif record.type == RecordType.INDEX:
            payload = self._index(record.payload, record.position, where)
            self._index_at = self._written
        elif record.type == RecordType.END:
            end = unpack_end(record.payload, where)
            distance = self._written - self._index_at if end.index_distance else 0
            size = self._written + record.record_bytes
            payload = pack_end(end._replace(index_distance=distance, stream_bytes=size))
        data = pack_record(record.type, record.sequence, payload)
        self._write(data)
        self._written += len(data)
        if len(data) != record.record_bytes:
            self._moved.append((record.end - self._start, self._written - (record.end - self._start)))

    def _wrapped_anew(self, payload: memoryview, where: str) -> bytes:
        self._keys.learn(payload, where)
        stated = self._keys.set
        if stated is None:
            return bytes(payload)
        if not self._payload:  # copies of the record stay copies
            groups = {
                group: self._wraps(group, wraps, stated.seal_id, where)
                for group, wraps in stated.groups.items()
            }
            self._payload = pack_keys(stated._replace(groups=groups))
        return self._payload

    def _wraps(self, group: int, wraps: tuple[Wrap, ...], seal_id: bytes, where: str) -> tuple[Wrap, ...]:
        if self._is_for_all:
            public = next(iter(self._wanted.values()))
        elif group in self._wanted:
            public = self._wanted[group]
        else:
            self.found.setdefault(group, {}).update((recipient_id(wrap.recipient), None) for wrap in wraps)
            return wraps
        self.found.setdefault(group, {}).update((key.id, None) for key in public)
        if not public:
            return ()
        data_key = self._keys.data_key(group, where)
        if data_key is None:
            raise self._keys.missing(where, (group,), may_skip=False)
        info = wrap_info(seal_id, group)
        return tuple(Wrap(key.raw, key.wrap(data_key, info)) for key in public)

    def _index(self, payload: memoryview, position: int, where: str) -> bytes:
        index = unpack_index(payload, position - self._start, where)
        rows = []
        for row in index.rows:
            by = next((by for start, by in reversed(self._moved) if row.offset >= start), 0)
            if row.offset < 0 or row.offset > position - self._start:
                raise CorruptDataError(
                    f"{where}: row of the index: found offset {row.offset}, allowed: before it"
                )
            rows.append(row._replace(offset=row.offset + by))
        index.rows[:] = rows
        return pack_index(index, _LEVEL)

"""Streams whose groups are encrypted, with bytes of their records changed behind the checksums: with the key comes what was
there or an error, without it nothing of it.

Input: shape, which groups are encrypted, what is changed where, the stream.
"""

from __future__ import annotations

from typing import Any

from evcodec import EvcodecError, Reader
from evcodec._codec import BlockHead
from evcodec.crypto import PrivateKey
from evcodec.framing import RecordType, pack_record
from evcodec.sealed import Sealing

from .common import HEAD, TAIL, Input, require, small_streams, stream_of

MOST_BYTES = 1 << 20
KEY = PrivateKey.generate()
_AT_ENDS = (RecordType.INDEX, RecordType.END)

Records = list[tuple[int, bytes]]


def _records(data: bytes) -> Records | None:
    """Return type and payload of the records of one stream, nothing if it is no such one, or hides something already."""
    found: Records = []
    at = 0
    while at + HEAD <= len(data):
        kind, size = data[at + 4], int.from_bytes(data[at + 6 : at + 10], "little")
        found.append((kind, data[at + HEAD : at + HEAD + size]))
        at += HEAD + size + TAIL
    if at != len(data) or [kind for kind, _ in found[:1]] != [RecordType.HEADER] or len(found) > 40:
        return None
    for kind, payload in found[1:]:
        if kind in (RecordType.HEADER, RecordType.KEYS) or (
            kind == RecordType.ENTRIES and payload[1:2] != b"\0"
        ):
            return None
        if kind == RecordType.BLOCK:
            storages = _storages(payload)
            if storages is None or any(storages):
                return None
    return [record for record in found if record[0] not in _AT_ENDS]


def _storages(payload: bytes) -> list[int] | None:
    """Return the storage of each section of a block, nothing if it is none."""
    try:
        return [storage for _, storage, _, _ in BlockHead(memoryview(payload), "").sections]
    except EvcodecError:
        return None


def _is_made_plain(kind: int, payload: bytes) -> bool:
    """Tell whether a change says of what was encrypted that it is not: anybody may put plain groups in its place."""
    if kind == RecordType.ENTRIES:
        return payload[1:2] == b"\0"
    return kind == RecordType.BLOCK and 0 in (_storages(payload) or ())


def _sealed(records: Records, groups: list[int]) -> Records:
    """Return the records as a Writer would have written them."""
    sealing = Sealing(dict.fromkeys(groups, (KEY.public,)))
    out = [records[0], (int(RecordType.KEYS), sealing.record)]
    for kind, payload in records[1:]:
        if kind == RecordType.BLOCK:
            payload = sealing.block(payload, len(out))
        elif kind == RecordType.ENTRIES:
            payload = sealing.entries(payload, len(out))
        out.append((kind, payload))
    return out


def _joined(records: Records) -> bytes:
    return b"".join(pack_record(kind, number, payload) for number, (kind, payload) in enumerate(records))


def _read(data: bytes, keys: Any) -> tuple[dict[str, list[int]], list[str]] | None:
    """Return columns and entries, None where there is an error."""
    options: dict[str, Any] = {"keys": keys, "without_key": "skip", "past_retention": "allow"}
    try:
        with Reader(data, max_block_bytes=MOST_BYTES, max_read_bytes=MOST_BYTES, **options) as reader:
            columns = {name: values.tolist() for name, values in reader.read().columns.items()}
            return columns, [repr(entry) for entry in reader.entries()]
    except EvcodecError:
        return None


def run(data: bytes) -> None:
    """Encrypt a stream, change it, and read it with and without the key."""
    taken = Input(data)
    shape, chosen, edits = taken.byte(), taken.byte(), taken.byte() % 4
    groups = [group for group in range(5) if chosen >> group & 1] or [0, 1, 2, 3, 4]
    places = [(taken.number(2), taken.number(2), 1 + taken.byte() % 255) for _ in range(edits)]
    records = _records(stream_of(shape, taken.rest(4096)))
    if records is None:
        return
    plain = _read(_joined(records), None)
    sealed = _sealed(records, groups)
    opened = _read(_joined(sealed), KEY)
    require(opened == plain, "with the key it is what it was")
    if plain is None:
        return
    without = _read(_joined(sealed), None)
    if without is not None:
        require(all(plain[0][name] == values for name, values in without[0].items()), "what is given is so")
        require(set(without[1]) <= set(plain[1]), "no entry is made up")
    changed = [(kind, bytearray(payload)) for kind, payload in sealed]
    touched = False
    for which, where, bits in places:
        kind, payload = changed[which % len(changed)]
        is_sealed = len(groups) == 5 and kind in (RecordType.BLOCK, RecordType.ENTRIES)
        if payload and (is_sealed or kind == RecordType.KEYS):
            payload[where % len(payload)] ^= bits
            touched = True
    forged = [(kind, bytes(payload)) for kind, payload in changed]
    if touched and forged != sealed and not any(_is_made_plain(*record) for record in forged):
        found = _read(_joined(forged), KEY)
        # Another group, or a later version, is one that nobody has a key for: less is given, never something else.
        if found is not None:
            require(
                all(plain[0].get(n) == values for n, values in found[0].items()), "nothing forged is given"
            )
            require(set(found[1]) <= set(plain[1]), "no forged entry is given")


def seeds() -> Any:
    """Yield streams, as they are and with changes."""
    for number, stream in enumerate(small_streams(1200)):
        if not number % 3:
            yield bytes((0, (31, 1, 2, 5, 24)[number % 5], 0)) + stream
            edit = number.to_bytes(2, "little") + (number * 7 % 997).to_bytes(2, "little") + b"\1"
            yield bytes((0, 31, 1)) + edit + stream

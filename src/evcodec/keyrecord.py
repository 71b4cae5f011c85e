"""The KEYS record (docs/format.md, section 11.1): data keys of column groups, wrapped to who may read them. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import CorruptDataError, InvalidArgumentError, LimitExceededError
from .limits import MAX_RECIPIENTS
from .schema import ColumnGroup
from .wire import pack_varint, unpack_varint

if TYPE_CHECKING:
    from .crypto import PublicKey

VERSION = 1
SEAL_ID_BYTES = 16
KEY_BYTES = 32
WRAPPED_BYTES = 80
_WRAP_BYTES = KEY_BYTES + WRAPPED_BYTES
# Groups that a Writer's columns and entries are of: what is sealed when everything is to be.
ALL_GROUPS = (*map(int, ColumnGroup), max(ColumnGroup) + 1)
_GROUP_NAMES: dict[str, int] = {group.name.lower(): int(group) for group in ColumnGroup}


class Wrap(NamedTuple):
    """A data key, wrapped to one recipient; the raw bytes of its public key."""

    recipient: bytes
    wrapped: bytes


class KeySet(NamedTuple):
    """What a KEYS record says. A group without recipients is one that nobody can read any more."""

    seal_id: bytes
    groups: dict[int, tuple[Wrap, ...]]


Recipients = dict[int, "tuple[PublicKey, ...]"]


def wrap_info(seal_id: bytes, group: int) -> bytes:
    """Return what a wrapped data key is bound to."""
    return b"evcodec data key 1\0" + seal_id + bytes((group,))


def pack_keys(keys: KeySet) -> bytes:
    """Return the payload of a KEYS record."""
    out = [bytes((VERSION,)), keys.seal_id, pack_varint(len(keys.groups))]
    for group, wraps in sorted(keys.groups.items()):
        out.append(bytes((group,)) + pack_varint(len(wraps)))
        out += [wrap.recipient + wrap.wrapped for wrap in wraps]
    return b"".join(out)


def unpack_keys(payload: memoryview, where: str) -> KeySet | None:
    """Return what a KEYS record says, None where a later version wrote it.

    Raises
    ------
    CorruptDataError, LimitExceededError
        It contradicts the format.
    """
    if not payload or payload[0] != VERSION:
        if not payload or payload[0] == 0:
            raise CorruptDataError(
                f"{where}: keys: found {bytes(payload[:1])!r}, allowed: a version from 1 on"
            )
        return None
    at = 1 + SEAL_ID_BYTES
    seal_id = bytes(payload[1:at])
    count, at = unpack_varint(payload, at, f"{where}: keys")
    groups: dict[int, tuple[Wrap, ...]] = {}
    before = -1
    for _ in range(count):
        if at >= len(payload) or payload[at] <= before:
            raise CorruptDataError(f"{where}: keys: found no group in ascending order at byte {at}")
        before = payload[at]
        wraps, at = unpack_varint(payload, at + 1, f"{where}: keys")
        if wraps > MAX_RECIPIENTS:
            raise LimitExceededError(
                f"{where}: recipients of group {before}: found {wraps}, allowed: {MAX_RECIPIENTS}"
            )
        if wraps * _WRAP_BYTES > len(payload) - at:
            raise CorruptDataError(
                f"{where}: recipients of group {before}: found {wraps} in {len(payload) - at} bytes, "
                f"allowed: {_WRAP_BYTES} bytes each"
            )
        found = []
        for _ in range(wraps):
            found.append(
                Wrap(bytes(payload[at : at + KEY_BYTES]), bytes(payload[at + KEY_BYTES : at + _WRAP_BYTES]))
            )
            at += _WRAP_BYTES
        groups[before] = tuple(found)
    if at != len(payload):
        raise CorruptDataError(f"{where}: keys: found {len(payload) - at} bytes behind the last, allowed: 0")
    return KeySet(seal_id, groups)


def fixed_part(payload: bytes | memoryview) -> bytes:
    """Return what of a sound KEYS record stays when data keys are wrapped to others: it is what a chain covers."""
    keys = unpack_keys(memoryview(payload), "keys")
    if keys is None:
        return bytes(payload)
    return bytes((VERSION,)) + keys.seal_id + bytes(sorted(keys.groups))


def recipient_id(raw: bytes) -> str:
    """Return what people call a recipient, as `PublicKey.id`."""
    import hashlib

    return f"x25519:{hashlib.sha256(raw).hexdigest()[:16]}"


def group_number(value: Any, name: str) -> int:
    """Return the number of a column group that is given by number or name.

    Raises
    ------
    InvalidArgumentError
        There is none.
    """
    if isinstance(value, str):
        found = _GROUP_NAMES.get(value, int(value) if value.isascii() and value.isdigit() else -1)
    else:
        found = value if isinstance(value, int) and not isinstance(value, bool) else -1
    if not 0 <= found <= 255:
        raise InvalidArgumentError(
            f"{name}: found group {value!r}, allowed: {', '.join(_GROUP_NAMES)}, 0 to 255"
        )
    return int(found)


def group_name(group: int) -> str:
    """Return what people call a group."""
    return next((name for name, number in _GROUP_NAMES.items() if number == group), f"group {group}")


def stated_recipients(groups: Mapping[int, Iterable[bytes]]) -> Recipients:
    """Return who a KEYS record says may read which group; groups that nobody can read are left out.

    Raises
    ------
    MissingExtraError
        There is no ``evcodec[crypto]``.
    CorruptDataError
        What stands for a key is none.
    """
    if not any(groups.values()):
        return {}
    from .crypto import PublicKey

    try:
        return {group: tuple(map(PublicKey.from_raw, keys)) for group, keys in groups.items() if tuple(keys)}
    except ValueError as error:
        raise CorruptDataError(f"recipients: found a key that is none: {error}") from None


def recipients_of(value: Any, may_be_none: bool = False) -> Recipients:
    """Return who may read which group, of what a caller gave.

    Parameters
    ----------
    value : mapping of group to keys, or keys
        Groups by number or name. Keys without a mapping are for everything that a Writer writes.
    may_be_none : bool
        Whether a group may have no recipients: nobody will read it then.

    Raises
    ------
    InvalidArgumentError
        There is no such group, a key is none, or they are too many.
    MissingExtraError
        There are keys, and no ``evcodec[crypto]``.
    """
    if value is None or (isinstance(value, Mapping) and not value):
        return {}
    from .crypto import PublicKey, keys_of

    given: Iterable[tuple[Any, Any]] = (
        value.items() if isinstance(value, Mapping) else [(g, value) for g in ALL_GROUPS]
    )
    found: Recipients = {}
    for group, keys in given:
        number = group_number(group, "recipients")
        public = keys_of(keys, PublicKey, "recipients")
        if not (public or may_be_none) or len(public) > MAX_RECIPIENTS or number in found:
            raise InvalidArgumentError(
                f"recipients of {group_name(number)}: found {len(public)}"
                f"{' and others' if number in found else ''}, allowed: {0 if may_be_none else 1} to {MAX_RECIPIENTS}, once"
            )
        found[number] = public
    return dict(sorted(found.items()))

"""Sealed sections (docs/format.md, section 11): what a Writer seals with, and what a Reader opens with. No I/O."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from ._codec import BlockHead
from .block import Block
from .errors import CorruptDataError, LimitExceededError, MissingKeyError
from .framing import Record, RecordType
from .keyrecord import (
    KEY_BYTES,
    SEAL_ID_BYTES,
    KeySet,
    Recipients,
    Wrap,
    group_name,
    pack_keys,
    recipient_id,
    unpack_keys,
    wrap_info,
)
from .limits import MAX_SEALED_RECORDS
from .wire import pack_varint

if TYPE_CHECKING:
    from .crypto import Cipher, PrivateKey

PLAIN = 0
SEALED = 1
TAG_BYTES = 16
Section = tuple[int, int, bytes]


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "little")


def _associated(seal_id: bytes, record_type: int, group: int, head: bytes) -> bytes:
    """Return what a ciphertext is bound to, beside its key and its nonce."""
    return seal_id + bytes((record_type, group)) + head


def _with_sections(payload: memoryview, head: BlockHead, storages: Iterable[tuple[int, int, int]]) -> bytes:
    """Return the head of a block whose sections have these groups, storages and lengths instead."""
    old = sum(2 + len(pack_varint(length)) for _, _, _, length in head.sections)
    start = head.sections[0][2] - old
    table = b"".join(bytes((group, storage)) + pack_varint(length) for group, storage, length in storages)
    return bytes(payload[:start]) + table


class Sealing:
    """Seals the records of one stream, each once: its data keys live here and nowhere else.

    Parameters
    ----------
    recipients : dict of int to tuple of PublicKey
        Who may open what, by group; other groups stay plain.

    Attributes
    ----------
    record : bytes
        Payload of the KEYS record: the data keys, wrapped.
    recipients : dict of int to tuple of PublicKey

    Notes
    -----
    Every object has keys of its own, made up anew, and seals no number twice. So no nonce comes twice under a key,
    whatever ends, fails, is copied or begins again. One thread seals.
    """

    def __init__(self, recipients: Recipients) -> None:
        from .crypto import Cipher

        self.recipients = recipients
        self._seal_id = secrets.token_bytes(SEAL_ID_BYTES)
        self._ciphers: dict[int, Cipher] = {}
        self._last = -1
        groups: dict[int, tuple[Wrap, ...]] = {}
        for group, keys in recipients.items():
            data_key = bytearray(secrets.token_bytes(KEY_BYTES))
            info = wrap_info(self._seal_id, group)
            groups[group] = tuple(Wrap(key.raw, key.wrap(bytes(data_key), info)) for key in keys)
            self._ciphers[group] = Cipher(data_key)
            data_key[:] = bytes(KEY_BYTES)
        self.record = pack_keys(KeySet(self._seal_id, groups))

    def _take(self, number: int) -> None:
        """Use a number up."""
        if not self._last < number < MAX_SEALED_RECORDS:
            raise LimitExceededError(
                f"record {number} to be sealed: allowed: from {self._last + 1} to {MAX_SEALED_RECORDS - 1}"
            )
        self._last = number

    def block(self, payload: bytes, number: int) -> bytes:
        """Return the payload of a block, its sections sealed for the record with this number."""
        view = memoryview(payload)
        head = BlockHead(view, "block to be sealed")
        if not any(group in self._ciphers and not storage for group, storage, _, _ in head.sections):
            return payload
        self._take(number)
        sealed = {
            group: self._ciphers[group]
            for group, storage, _, _ in head.sections
            if group in self._ciphers and storage == PLAIN
        }
        clear = _with_sections(
            view,
            head,
            [
                (group, SEALED if group in sealed else storage, length + TAG_BYTES * (group in sealed))
                for group, storage, _, length in head.sections
            ],
        )
        bodies = [
            sealed[group].encrypt(
                _nonce(number),
                view[start : start + length],
                _associated(self._seal_id, RecordType.BLOCK, group, clear),
            )
            if group in sealed
            else bytes(view[start : start + length])
            for group, _, start, length in head.sections
        ]
        return b"".join((clear, *bodies))

    def entries(self, payload: bytes, number: int) -> bytes:
        """Return the payload of entries, sealed for the record with this number if their group is."""
        group, storage = payload[:2]
        if group not in self._ciphers or storage != PLAIN:
            return payload
        self._take(number)
        clear = bytes((group, SEALED))
        associated = _associated(self._seal_id, RecordType.ENTRIES, group, clear)
        return clear + self._ciphers[group].encrypt(_nonce(number), payload[2:], associated)

    def ciphers_of(self, seal_id: bytes) -> dict[int, Cipher]:
        """Return what opens the stream, if this is its id, as long as its Writer has it."""
        return self._ciphers if seal_id == self._seal_id else {}

    def forget(self) -> None:
        """Let the data keys go. The library frees its copies; what the interpreter and the system made is theirs."""
        self._ciphers.clear()
        self._last = MAX_SEALED_RECORDS


class StreamKeys:
    """Opens sealed records of one stream, as far as the keys allow that were given.

    Parameters
    ----------
    private : collection of PrivateKey
    skip : bool
        What to do where there is no key: leave out what cannot be read, or raise when it is asked for.

    Attributes
    ----------
    set : KeySet or None
        What the stream's KEYS record says.
    ciphers : dict of int to Cipher
        Of the groups that have been opened.
    is_later : bool
        Whether it has one of a later version only.
    skip : bool
    """

    def __init__(
        self, private: Collection[PrivateKey], skip: bool = False, own: Collection[Sealing] = ()
    ) -> None:
        self._private = private
        self._own = own
        self.skip = skip
        self.set: KeySet | None = None
        self.is_later = False
        self.ciphers: dict[int, Cipher] = {}

    def learn(self, payload: memoryview, where: str) -> None:
        """Take a KEYS record; those behind the first are copies of it.

        Raises
        ------
        CorruptDataError, LimitExceededError
            It contradicts the format, or is no copy.
        """
        found = unpack_keys(payload, where)
        self.is_later = found is None and self.set is None
        if found is None:
            return
        if self.set is None:
            self.set = found
            for sealing in self._own:
                self.ciphers.update(sealing.ciphers_of(found.seal_id))
        elif found != self.set:
            raise CorruptDataError(
                f"{where}: keys: found others than before, allowed: the same in one stream"
            )

    @property
    def recipients(self) -> dict[int, tuple[bytes, ...]]:
        """Who may read which group, by the raw bytes of their keys."""
        groups = self.set.groups if self.set else {}
        return {group: tuple(wrap.recipient for wrap in wraps) for group, wraps in groups.items()}

    def data_key(self, group: int, where: str) -> bytes | None:
        """Return the data key of a group, None where no key is for it.

        Raises
        ------
        CorruptDataError
            What was wrapped to one of the keys is not a data key of this stream.
        """
        if self.set is None:
            return None
        for wrap in self.set.groups.get(group, ()):
            for key in self._private:
                if key.public.raw != wrap.recipient:
                    continue
                data_key = key.unwrap(wrap.wrapped, wrap_info(self.set.seal_id, group))
                if data_key is None or len(data_key) != KEY_BYTES:
                    raise CorruptDataError(
                        f"{where}: data key of {group_name(group)}, wrapped to {key.public.id}: "
                        "found it changed, allowed: what its Writer wrapped"
                    )
                return data_key
        return None

    def cipher(self, group: int, where: str) -> Cipher | None:
        """Return what opens a group, None where no key is for it; raise as `data_key`."""
        known = self.ciphers.get(group)
        if known is not None or not self._private:
            return known
        data_key = self.data_key(group, where)
        if data_key is None:
            return None
        from .crypto import Cipher

        return self.ciphers.setdefault(group, Cipher(data_key))

    def lacking(self, where: str) -> list[int]:
        """Return the groups that are sealed and cannot be opened."""
        return [group for group in (self.set.groups if self.set else ()) if self.cipher(group, where) is None]

    def missing(self, where: str, groups: Collection[int], may_skip: bool = True) -> MissingKeyError:
        """Return the error that says what is encrypted, and who could read it."""
        known = self.set.groups if self.set else {}
        told = []
        for group in sorted(groups):
            ids = ", ".join(recipient_id(wrap.recipient) for wrap in known.get(group, ())) or "nobody"
            told.append(f"{group_name(group)} to {ids if group in known else 'nobody that the stream names'}")
        given = ", ".join(key.public.id for key in self._private) or "none"
        return MissingKeyError(
            f"{where}: found column groups encrypted: {'; '.join(told)}; keys given: {given}; allowed: a key of theirs"
            + (', or without_key="skip" for the other groups' if may_skip else "")
        )

    def block(self, payload: memoryview, number: int, where: str) -> memoryview:
        """Return the payload of a block, the sections that there is a key for opened.

        Raises
        ------
        CorruptDataError
            A section is not what was sealed as this record of this stream.
        """
        if self.set is None:
            return payload
        head = BlockHead(payload, where)
        ciphers = {
            group: cipher
            for group, storage, _, _ in head.sections
            if storage == SEALED and (cipher := self.cipher(group, where)) is not None
        }
        if not ciphers:
            return payload
        clear = bytes(payload[: head.sections[0][2]])
        sections: list[Section] = []
        for group, storage, start, length in head.sections:
            body = payload[start : start + length]
            if group in ciphers and storage == SEALED:
                opened = self._open(ciphers[group], body, RecordType.BLOCK, group, clear, number, where)
                sections.append((group, PLAIN, opened))
            else:
                sections.append((group, storage, bytes(body)))
        table = [(group, storage, len(body)) for group, storage, body in sections]
        return memoryview(
            b"".join((_with_sections(payload, head, table), *(body for _, _, body in sections)))
        )

    def entries(self, payload: memoryview, number: int, where: str) -> memoryview:
        """Return the payload of entries, opened if there is a key; raise as `block`."""
        if self.set is None or len(payload) < 2 or payload[1] != SEALED:
            return payload
        group = payload[0]
        cipher = self.cipher(group, where)
        if cipher is None:
            return payload
        clear = bytes(payload[:2])
        opened = self._open(cipher, payload[2:], RecordType.ENTRIES, group, clear, number, where)
        return memoryview(bytes((group, PLAIN)) + opened)

    def _open(
        self,
        cipher: Cipher,
        body: memoryview,
        record_type: int,
        group: int,
        clear: bytes,
        number: int,
        where: str,
    ) -> bytes:
        assert self.set is not None
        associated = _associated(self.set.seal_id, record_type, group, clear)
        opened = None
        if len(body) >= TAG_BYTES:
            opened = cipher.decrypt(_nonce(number), body, associated)
        if opened is None:
            raise CorruptDataError(
                f"{where}: {group_name(group)}, encrypted: found {len(body)} bytes that do not pass authentication, "
                f"allowed: what was sealed as record {number} of this stream"
            )
        return opened


def open_block(keys: StreamKeys, record: Record, where: str, max_bytes: int) -> Block:
    """Return the block of a record, opened as far as there are keys for it; raise an EvcodecError if it is none."""
    payload = record.payload if keys.set is None else keys.block(record.payload, record.sequence, where)
    block = Block(payload, where, max_bytes)
    block.keys = keys
    return block


def encrypted_to(streams: Iterable[StreamKeys]) -> dict[int, tuple[str, ...]]:
    """Return the ids of who can read which encrypted group, in any of the streams."""
    found: dict[int, dict[str, None]] = {}
    for keys in streams:
        for group, recipients in keys.recipients.items():
            found.setdefault(group, {}).update(dict.fromkeys(map(recipient_id, recipients)))
    return {group: tuple(ids) for group, ids in sorted(found.items())}

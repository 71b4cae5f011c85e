"""What a Writer does to its records beside encoding them: sealing, and a chain. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .chain import EVERY_RECORDS, Chain
from .errors import InvalidArgumentError
from .framing import RecordType
from .keyrecord import Recipients, recipients_of
from .sealed import Sealing

if TYPE_CHECKING:
    from .crypto import SigningKey


class Protection:
    """What was asked for; every stream gets data keys and a chain of its own.

    Parameters
    ----------
    recipients : dict of int to tuple of PublicKey
    chain : bool
    signing_key : SigningKey, optional
    """

    def __init__(
        self, recipients: Recipients, chain: bool = False, signing_key: SigningKey | None = None
    ) -> None:
        self.recipients = recipients
        self.chain = chain
        self.signing_key = signing_key

    @classmethod
    def of(cls, recipients: Any, chain: Any, signing_key: Any) -> Protection:
        """Return what a caller's arguments ask for.

        Raises
        ------
        InvalidArgumentError
            One is outside of what is allowed.
        MissingExtraError
            They need ``evcodec[crypto]``.
        OSError
            A file cannot be read.
        """
        if not isinstance(chain, bool):
            raise InvalidArgumentError(f"chain: found {chain!r}, allowed: True, False")
        key = None
        if signing_key is not None:
            from .crypto import SigningKey, keys_of

            given = keys_of(signing_key, SigningKey, "signing_key")
            if len(given) != 1:
                raise InvalidArgumentError(f"signing_key: found {len(given)}, allowed: 1")
            key = given[0]
        return cls(recipients_of(recipients), chain or key is not None, key)

    def with_recipients(self, recipients: Recipients) -> Protection:
        """Return the same for others."""
        return Protection(recipients, self.chain, self.signing_key)


class StreamProtection:
    """Protects the records of one stream, in order."""

    def __init__(self, protection: Protection | None) -> None:
        recipients = protection.recipients if protection else {}
        self.sealing = Sealing(recipients) if recipients else None
        self._chain = Chain() if protection and protection.chain else None
        self._signing_key = protection.signing_key if protection else None
        self._since = 0

    def keys(self) -> list[tuple[int, bytes]]:
        """Return type and payload of the record that carries the data keys, if there is one."""
        return [(RecordType.KEYS, self.sealing.record)] if self.sealing else []

    def block(self, payload: bytes, number: int) -> bytes:
        """Return the payload of a block for the record with this number."""
        return self.sealing.block(payload, number) if self.sealing else payload

    def entries(self, payload: bytes, number: int) -> bytes:
        """Return the payload of entries for the record with this number."""
        return self.sealing.entries(payload, number) if self.sealing else payload

    def written(self, record_type: int, number: int, payload: bytes) -> None:
        """Take a record that was written."""
        if self._chain is not None:
            self._chain.add(record_type, number, payload)
            self._since = 0 if record_type == RecordType.CHAIN else self._since + 1

    def chain_if_due(self) -> list[tuple[int, bytes]]:
        """Return type and payload of a record of the chain, when it is time for one."""
        return self._link(is_last=False) if self._since >= EVERY_RECORDS else []

    def end(self) -> list[tuple[int, bytes]]:
        """Return type and payload of the last record of the chain, if there is one."""
        return self._link(is_last=True)

    def _link(self, is_last: bool) -> list[tuple[int, bytes]]:
        if self._chain is None:
            return []
        return [(RecordType.CHAIN, self._chain.record(is_last, self._signing_key))]

    def forget(self) -> None:
        """Let the data keys go."""
        if self.sealing is not None:
            self.sealing.forget()

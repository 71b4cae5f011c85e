"""The chain over the records of a stream (docs/format.md, section 11.3). No I/O."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import CorruptDataError
from .framing import Record, RecordType
from .keyrecord import fixed_part

if TYPE_CHECKING:
    from .crypto import SigningKey, VerifyKey

VERSION = 1
UNSIGNED, ED25519 = 0, 1
_START = b"evcodec chain 1\0"
_SIGNED = b"evcodec chain signature 1\0"
_LINK = struct.Struct("<BI")
_DIGEST_BYTES, _PUBLIC_BYTES, _SIGNATURE_BYTES = 32, 32, 64
_SIZES = {
    UNSIGNED: 3 + _DIGEST_BYTES,
    ED25519: 3 + _DIGEST_BYTES + _PUBLIC_BYTES + _SIGNATURE_BYTES,
}
# A record of the chain after so many others, so that what a crash leaves is covered but for its last few.
EVERY_RECORDS = 64


class Chain:
    """The digest over the records of one stream so far."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256(_START).digest()

    def add(self, record_type: int, sequence: int, payload: bytes | memoryview) -> None:
        """Take the next record."""
        covered = fixed_part(payload) if record_type == RecordType.KEYS else payload
        link = _LINK.pack(record_type, sequence & 0xFFFFFFFF) + hashlib.sha256(covered).digest()
        self.digest = hashlib.sha256(self.digest + link).digest()

    def record(self, is_last: bool, key: SigningKey | None) -> bytes:
        """Return the payload of a CHAIN record over all records before it."""
        stated = bytes((VERSION, is_last, UNSIGNED if key is None else ED25519)) + self.digest
        return stated if key is None else stated + key.public.raw + key.sign(_SIGNED + stated)


class _Stated(NamedTuple):
    is_last: bool
    digest: bytes
    signer: bytes | None
    signature: bytes
    signed: bytes


def _unpack(payload: memoryview, where: str) -> _Stated | None:
    """Return what a CHAIN record states, None where a later version wrote it."""
    data = bytes(payload)
    if data[:1] != bytes((VERSION,)):
        if data[:1] in (b"", b"\0"):
            raise CorruptDataError(f"{where}: chain: found {data[:1]!r}, allowed: a version from 1 on")
        return None
    if len(data) < 3 or data[1] > 1 or _SIZES.get(data[2]) != len(data):
        raise CorruptDataError(
            f"{where}: chain: found {data[:3].hex(' ')} and {len(data)} bytes in all, allowed: "
            "01, 00 or 01, then 00 and 35 bytes or 01 and 131 bytes"
        )
    end = 3 + _DIGEST_BYTES
    signer = data[end : end + _PUBLIC_BYTES] or None
    return _Stated(bool(data[1]), data[3:end], signer, data[end + _PUBLIC_BYTES :], _SIGNED + data[:end])


@dataclass
class ChainReport:
    """What the chain of one stream proves.

    Attributes
    ----------
    stream : int
    records : int
        Records of the stream that it covers.
    uncovered_records : int
        Blocks and entries behind the last of its records: nothing is proved of them.
    digest : str
        Of the records that are covered, in hexadecimal; empty without a chain. Who noted it elsewhere can compare.
    signer : str or None
        Who signed all of its records; None when they are not signed.
    complete : bool
        Whether it says that the stream ends where it ends.
    """

    stream: int
    records: int = 0
    uncovered_records: int = 0
    digest: str = ""
    signer: str | None = None
    complete: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the report as values that JSON carries."""
        return asdict(self)


class ChainCheck:
    """Holds the records of one stream against its chain.

    Parameters
    ----------
    stream : int
        Its number.
    signer : VerifyKey or None
        Who must have signed; anybody, or nobody, when None.
    """

    def __init__(self, stream: int, signer: VerifyKey | None) -> None:
        self.report = ChainReport(stream)
        self._chain = Chain()
        self._required = signer
        self._records = 0
        self._signer: bytes | None = None

    def add(self, record: Record, where: str) -> None:
        """Take the next record; raise CorruptDataError if it is one of the chain that does not fit those before."""
        if record.type in (RecordType.INDEX, RecordType.END):
            return
        try:
            if record.type == RecordType.CHAIN and (stated := _unpack(record.payload, where)) is not None:
                self._check(stated, where)
            elif record.type in (RecordType.BLOCK, RecordType.ENTRIES):
                self.report.uncovered_records += 1
                if self.report.complete:
                    self.report.complete = False
                    raise CorruptDataError(f"{where}: chain: found a record behind its last, allowed: none")
        finally:
            self._chain.add(record.type, record.sequence, record.payload)
            self._records += 1

    def _check(self, stated: _Stated, where: str) -> None:
        report = self.report
        if stated.digest != self._chain.digest:
            raise CorruptDataError(
                f"{where}: chain: found digest {stated.digest.hex()}, allowed by the records before: "
                f"{self._chain.digest.hex()}; a record was changed, moved or taken out"
            )
        if report.digest and stated.signer != self._signer:
            raise CorruptDataError(f"{where}: chain: found another signer than before, allowed: one")
        if stated.signer is not None:
            self._check_signature(stated, where)
        self._signer = stated.signer
        report.records, report.uncovered_records = self._records, 0
        report.digest, report.complete = stated.digest.hex(), stated.is_last

    def _check_signature(self, stated: _Stated, where: str) -> None:
        from .crypto import VerifyKey

        assert stated.signer is not None
        key = VerifyKey.from_raw(stated.signer)
        if not key.is_signed(stated.signed, stated.signature):
            raise CorruptDataError(
                f"{where}: chain: found a signature that is not of {key.id}, allowed: its own"
            )
        self.report.signer = key.id

    def problem(self) -> str | None:
        """Return what is wrong at the end of the stream, besides records that did not fit."""
        report, name = self.report, f"chain of stream {self.report.stream}"
        if not report.digest:
            return f"{name}: found none that holds, allowed: one"
        if self._required is not None and self._signer != self._required.raw:
            return f"{name}: found it signed by {report.signer or 'nobody'}, allowed: {self._required.id}"
        if not report.complete:
            return (
                f"{name}: found no end, and {report.uncovered_records} blocks and entries behind its last record, allowed: "
                "an end; the stream was cut, or not closed"
            )
        return None

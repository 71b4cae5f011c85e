"""Keys, and the one module that knows the cryptographic library (``evcodec[crypto]``).

Algorithms are fixed, not chosen: X25519, HKDF-SHA256 and ChaCha20-Poly1305 as HPKE (RFC 9180) puts them together,
ChaCha20-Poly1305 (RFC 8439) for what is sealed, Ed25519 (RFC 8032) for signatures. Keys are kept in PEM files, as
``openssl genpkey -algorithm x25519`` writes them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Generic, TypeVar

from .errors import InvalidArgumentError, MissingExtraError

try:
    from cryptography.exceptions import InvalidSignature, InvalidTag
    from cryptography.hazmat.primitives import hpke, serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
except ImportError as error:
    raise MissingExtraError(
        f"keys: found no usable package cryptography ({error}), needed: pip install 'evcodec[crypto]'"
    ) from error

__all__ = ["PrivateKey", "PublicKey", "SigningKey", "VerifyKey"]

_SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)
# A PEM file is some hundred bytes; what is much longer is something else.
_MOST_PEM_BYTES = 65_536

_Private = TypeVar("_Private", X25519PrivateKey, Ed25519PrivateKey)
_Public = TypeVar("_Public", X25519PublicKey, Ed25519PublicKey)
_KeyT = TypeVar("_KeyT", bound="_PublicHalf[Any] | _PrivateHalf[Any]")


class _PublicHalf(Generic[_Public]):
    _kind: type[Any]
    _name: str

    def __init__(self, key: _Public) -> None:
        self._key: _Public = key

    @property
    def raw(self) -> bytes:
        """The 32 bytes of the key."""
        return self._key.public_bytes_raw()

    @property
    def id(self) -> str:
        """What people call it: the kind, and 16 hexadecimal digits of the SHA-256 of the key."""
        return f"{self._name}:{hashlib.sha256(self.raw).hexdigest()[:16]}"

    def pem(self) -> bytes:
        """Return the key as PEM."""
        return self._key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the key to a new file as PEM; raise FileExistsError if there is one."""
        _write_new(path, self.pem(), 0o644)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.raw == self.raw

    def __hash__(self) -> int:
        return hash(self.raw)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).load, (self.pem(),)  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"


class _PrivateHalf(Generic[_Private]):
    _kind: type[Any]
    _name: str

    def __init__(self, key: _Private) -> None:
        self._key: _Private = key

    def pem(self, passphrase: bytes | None = None) -> bytes:
        """Return the key as PEM, encrypted under a passphrase if there is one."""
        return self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption(),
        )

    def save(self, path: str | os.PathLike[str], passphrase: bytes | None = None) -> None:
        """Write the key to a new file as PEM, for its owner only; raise FileExistsError if there is one."""
        _write_new(path, self.pem(passphrase), 0o600)

    def __reduce__(self) -> tuple[Any, ...]:
        """Refuse: a key must not get into a file because something that refers to it did."""
        raise TypeError(
            f"found a {type(self).__name__} to be pickled, allowed: the path of its file; or pem(), where it is meant to go"
        )


class PublicKey(_PublicHalf[X25519PublicKey]):
    """The public half of a `PrivateKey`: what is sealed to it, only that one opens.

    Attributes
    ----------
    raw : bytes
    id : str
    """

    _kind = X25519PublicKey
    _name = "x25519"

    @classmethod
    def load(cls, source: str | os.PathLike[str] | bytes) -> PublicKey:
        """Return the key of a PEM file, or of the bytes of one.

        Raises
        ------
        InvalidArgumentError
            There is no X25519 public key.
        OSError
            The file cannot be read.
        """
        return cls(_public(source, cls))

    @classmethod
    def from_raw(cls, raw: bytes) -> PublicKey:
        """Return the key with these 32 bytes."""
        return cls(X25519PublicKey.from_public_bytes(raw))

    def wrap(self, data_key: bytes, info: bytes) -> bytes:
        """Return a data key, sealed to this key by HPKE in base mode."""
        return _SUITE.encrypt(data_key, self._key, info=info)


class PrivateKey(_PrivateHalf[X25519PrivateKey]):
    """An X25519 key that opens column groups that were sealed to its public half.

    Notes
    -----
    It is not pickled by itself. A dataset that was opened with it takes it along when it is pickled (`open_dataset`).
    """

    _kind = X25519PrivateKey
    _name = "x25519"

    @classmethod
    def generate(cls) -> PrivateKey:
        """Return a new key."""
        return cls(X25519PrivateKey.generate())

    @classmethod
    def load(cls, source: str | os.PathLike[str] | bytes, passphrase: bytes | None = None) -> PrivateKey:
        """Return the key of a PEM file, or of the bytes of one.

        Raises
        ------
        InvalidArgumentError
            There is no X25519 private key, or the passphrase is not its own.
        OSError
            The file cannot be read.
        """
        return cls(_private(source, passphrase, cls))

    @property
    def public(self) -> PublicKey:
        """The half that may be known."""
        return PublicKey(self._key.public_key())

    def unwrap(self, wrapped: bytes, info: bytes) -> bytes | None:
        """Return a data key that was sealed to this key; None if it was not, or was changed since."""
        try:
            return _SUITE.decrypt(wrapped, self._key, info=info)
        except (InvalidTag, ValueError):
            return None


class VerifyKey(_PublicHalf[Ed25519PublicKey]):
    """The public half of a `SigningKey`."""

    _kind = Ed25519PublicKey
    _name = "ed25519"

    @classmethod
    def load(cls, source: str | os.PathLike[str] | bytes) -> VerifyKey:
        """Return the key of a PEM file, or of the bytes of one; raise as `PublicKey.load`."""
        return cls(_public(source, cls))

    @classmethod
    def from_raw(cls, raw: bytes) -> VerifyKey:
        """Return the key with these 32 bytes."""
        return cls(Ed25519PublicKey.from_public_bytes(raw))

    def is_signed(self, message: bytes, signature: bytes) -> bool:
        """Tell whether the private half has signed this message."""
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            return False
        return True


class SigningKey(_PrivateHalf[Ed25519PrivateKey]):
    """An Ed25519 key that signs the chain of a stream."""

    _kind = Ed25519PrivateKey
    _name = "ed25519"

    @classmethod
    def generate(cls) -> SigningKey:
        """Return a new key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, source: str | os.PathLike[str] | bytes, passphrase: bytes | None = None) -> SigningKey:
        """Return the key of a PEM file, or of the bytes of one; raise as `PrivateKey.load`."""
        return cls(_private(source, passphrase, cls))

    @property
    def public(self) -> VerifyKey:
        """The half that may be known."""
        return VerifyKey(self._key.public_key())

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message, 64 bytes."""
        return self._key.sign(message)


class Cipher:
    """ChaCha20-Poly1305 under one data key. The library keeps the only copy of the key."""

    def __init__(self, data_key: bytes | bytearray) -> None:
        self._aead = ChaCha20Poly1305(data_key)

    def encrypt(self, nonce: bytes, data: bytes | memoryview, associated: bytes) -> bytes:
        """Return the ciphertext, 16 bytes longer than the data."""
        return self._aead.encrypt(nonce, data, associated)

    def decrypt(self, nonce: bytes, data: bytes | memoryview, associated: bytes) -> bytes | None:
        """Return what was encrypted, or None where anything differs."""
        try:
            return self._aead.decrypt(nonce, data, associated)
        except InvalidTag:
            return None


def keys_of(value: Any, kind: type[_KeyT], name: str) -> tuple[_KeyT, ...]:
    """Return keys that were given as one or several of: the key, a path, the bytes of a PEM file.

    Raises
    ------
    InvalidArgumentError
        There is anything else among them; ``name`` is the argument's.
    OSError
        A file cannot be read.
    """
    if value is None:
        return ()
    if isinstance(value, (kind, str, bytes, os.PathLike)):
        value = (value,)
    if not isinstance(value, Iterable):
        raise InvalidArgumentError(
            f"{name}: found {type(value).__name__}, allowed: a {kind.__name__}, a path, or several"
        )
    found: list[_KeyT] = []
    for item in value:
        if isinstance(item, kind):
            found.append(item)
        elif isinstance(item, (str, bytes, os.PathLike)):
            found.append(kind.load(item))  # type: ignore[attr-defined]
        else:
            raise InvalidArgumentError(
                f"{name}: found {type(item).__name__}, allowed: {kind.__name__}, path, bytes of a PEM file"
            )
    return tuple(dict.fromkeys(found))


def as_given(value: Any) -> tuple[str | bytes | PrivateKey, ...]:
    """Return private keys, one or several, as they may be taken to another process: a path from where it was given, absolute.

    Raises
    ------
    InvalidArgumentError
        There is anything else among them.
    """
    if isinstance(value, (PrivateKey, str, bytes, os.PathLike)) or not isinstance(value, Iterable):
        value = (value,)
    given: list[str | bytes | PrivateKey] = []
    for item in value:
        if isinstance(item, (PrivateKey, bytes)):
            given.append(item)
        elif isinstance(item, (str, os.PathLike)):
            given.append(os.path.abspath(os.fsdecode(item)))
        else:
            raise InvalidArgumentError(
                f"keys: found {type(item).__name__}, allowed: PrivateKey, path, bytes of a PEM file"
            )
    return tuple(given)


def _pem_of(source: str | os.PathLike[str] | bytes) -> tuple[bytes, str]:
    if isinstance(source, bytes):
        return source, "key"
    with open(source, "rb") as file:
        return file.read(_MOST_PEM_BYTES), os.fspath(source)


def _private(source: str | os.PathLike[str] | bytes, passphrase: bytes | None, cls: type[Any]) -> Any:
    pem, name = _pem_of(source)
    try:
        key = serialization.load_pem_private_key(pem, passphrase)
    except TypeError as error:  # a passphrase is needed, or given for nothing
        raise InvalidArgumentError(f"{name}: passphrase: {error}") from None
    except Exception as error:
        raise InvalidArgumentError(
            f"{name}: found no private key that can be read, allowed: PEM of an {cls._name} key "
            f"and its passphrase ({type(error).__name__})"
        ) from None
    return _fitting(key, cls, name, "private")


def _public(source: str | os.PathLike[str] | bytes, cls: type[Any]) -> Any:
    pem, name = _pem_of(source)
    try:
        key = serialization.load_pem_public_key(pem)
    except Exception as error:
        raise InvalidArgumentError(
            f"{name}: found no public key, allowed: PEM of an {cls._name} key ({type(error).__name__})"
        ) from None
    return _fitting(key, cls, name, "public")


def _fitting(key: Any, cls: type[Any], name: str, half: str) -> Any:
    if not isinstance(key, cls._kind):
        raise InvalidArgumentError(
            f"{name}: found a {half} key of another kind ({type(key).__name__}), allowed: {cls._name}"
        )
    return key


def _write_new(path: str | os.PathLike[str], data: bytes, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(Path(path), flags, mode), "wb") as file:
        file.write(data)

"""The keys that a caller opens streams with, and how they go to other processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import InvalidArgumentError, MissingKeyError
from .sealed import Sealing, StreamKeys

if TYPE_CHECKING:
    from .crypto import PrivateKey


class Keyring:
    """What a caller opens streams with.

    Attributes
    ----------
    own : list of Sealing
        What is sealing, or was just now: it opens its own.
    skip : bool
        Whether to leave out what no key opens, where it was not asked for by name.

    Parameters
    ----------
    keys : PrivateKey, path, bytes of a PEM file, or several of them; or another Keyring, optional
    without_key : {"raise", "skip"}

    Raises
    ------
    InvalidArgumentError
        An argument is outside of what is allowed.
    MissingExtraError
        There are keys, and no ``evcodec[crypto]``.
    OSError
        A file cannot be read.

    Notes
    -----
    A pickle has what was given: of a path the path, which is read where it is used; of a key the key itself.
    """

    def __init__(self, keys: Any = None, without_key: str = "raise") -> None:
        if without_key not in ("raise", "skip"):
            raise InvalidArgumentError(f"without_key: found {without_key!r}, allowed: 'raise', 'skip'")
        self._given: tuple[str | bytes | PrivateKey, ...] = ()
        self._private: tuple[PrivateKey, ...] | None = ()
        self.skip = without_key == "skip"
        self.own: list[Sealing] = []
        if keys is not None:
            from .crypto import PrivateKey, as_given, keys_of

            self._given = as_given(keys)
            self._private = keys_of(self._given, PrivateKey, "keys")

    def stream(self) -> StreamKeys:
        """Return what opens one stream, which has yet to learn its KEYS record."""
        return StreamKeys(self._keys(), self.skip, self.own)

    @property
    def ids(self) -> frozenset[str]:
        """What people call the keys, as `PublicKey.id`."""
        return frozenset(key.public.id for key in self._keys())

    def _keys(self) -> tuple[PrivateKey, ...]:
        """Return the keys; raise MissingKeyError if they came from another process and are not where it had them."""
        if self._private is None:
            from .crypto import PrivateKey, keys_of

            try:
                self._private = keys_of(self._given, PrivateKey, "keys")
            except OSError as error:
                raise MissingKeyError(
                    f"keys: found none that can be read at {error.filename!r} where it is needed ({error.strerror}), "
                    "allowed: a path that every worker has; or the PrivateKey itself, which is sent to them"
                ) from error
        return self._private

    def __reduce__(self) -> tuple[Any, ...]:
        given = tuple(key if isinstance(key, (str, bytes)) else key.pem() for key in self._given)
        return _arrived, (given, self.skip)


def _arrived(given: tuple[str | bytes, ...], skip: bool) -> Keyring:
    """Return a Keyring that came from another process; its keys are read when they are needed."""
    found = Keyring(None, "skip" if skip else "raise")
    found._given, found._private = given, None if given else ()
    return found

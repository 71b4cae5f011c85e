"""A connection to the X server by python-xlib, also where the cookie is one for any host."""

from __future__ import annotations

from typing import Any

from ..errors import MissingExtraError

# Of a cookie in an Xauthority file that is for whatever address the display has; some display managers write only such.
FAMILY_WILD = 0xFFFF


def connect() -> Any:
    """Return a connection to the display of the environment, an ``Xlib.display.Display``.

    Raises
    ------
    MissingExtraError
        There is no python-xlib.
    """
    try:
        import Xlib.display
    except ImportError as error:
        raise MissingExtraError("an X11 desktop needs python-xlib: pip install 'evcodec[capture]'") from error
    take_cookies_for_any_host()
    return Xlib.display.Display()


def take_cookies_for_any_host() -> None:
    """Let python-xlib, in this process, take a cookie for any host where it has none for this one."""
    from Xlib import xauth
    from Xlib.error import XNoAuthError

    find = xauth.Xauthority.get_best_auth
    if find.__module__ == __name__:
        return

    def get_best_auth(
        self: Any,
        family: int,
        address: bytes,
        dispno: int,
        types: tuple[bytes, ...] = (b"MIT-MAGIC-COOKIE-1",),
    ) -> tuple[bytes, bytes]:
        try:
            found: tuple[bytes, bytes] = find(self, family, address, dispno, types)
            return found
        except XNoAuthError:
            for kind, _, number, name, cookie in self.entries:
                if kind == FAMILY_WILD and number in (b"", str(dispno).encode()) and name in types:
                    return name, cookie
            raise

    xauth.Xauthority.get_best_auth = get_best_auth

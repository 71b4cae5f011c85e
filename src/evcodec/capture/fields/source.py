"""`AccessibilityFields`: the focused element of the desktop, and what was done with menus and choices."""

from __future__ import annotations

from ..model import Observed


class AccessibilityFields:
    """The focused element and the choices made, over AT-SPI (a `FieldSource`).

    Parameters
    ----------
    session_bus : str, optional
        The address of the session bus; by default that of ``DBUS_SESSION_BUS_ADDRESS``, else ``$XDG_RUNTIME_DIR/bus``.

    Raises
    ------
    MissingExtraError
        jeepney is not installed.

    Notes
    -----
    Nothing connects before the first `read`. What fails is a `SenseLost` of `Sense.FIELDS`; the source then tries again by
    itself, at growing intervals of at most 5 s. Not thread-safe.
    """

    name = "at-spi"

    def __init__(self, session_bus: str | None = None) -> None:
        raise NotImplementedError

    def fileno(self) -> int:
        """Return a file descriptor, the same for as long as the source is open, that is readable when `read` has something."""
        raise NotImplementedError

    def read(self, now_t: int) -> list[Observed]:
        """Return what came: FieldFocused, FieldConfirmed, ElementActed, SenseLost, SenseRegained. Raises nothing."""
        raise NotImplementedError

    def next_read_t(self) -> int | None:
        """Return when `read` wants to be called for a deadline or another try; None: never."""
        raise NotImplementedError

    def confirm(self, field_id: str, now_t: int) -> None:
        """Ask the application whether this element still has the focus and what role it has now.

        The answer comes as `FieldConfirmed`, preceded by a `FieldFocused` where the role has changed; where the
        application does not answer within 2 s, nothing comes.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Give the desktop's accessibility switch back as it was, and let go of the bus; a second call does nothing."""
        raise NotImplementedError

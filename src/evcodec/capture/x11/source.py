"""An X11 session as a source of events and observations."""

from __future__ import annotations

from ..model import Observed


class X11Source:
    """Input, windows, pointer, keyboard grabs and displays of an X server, and a hotkey; a `Source`.

    Parameters
    ----------
    display : str, optional
        As in ``DISPLAY``, which it is by default.
    hotkey : str or None
        Modifiers (``ctrl``, ``alt``, ``shift``, ``super``) and a key, joined by ``+``; taken from all applications while the
        source is open. None: no hotkey.

    Raises
    ------
    MissingExtraError
        python-xlib is not installed.
    CaptureError
        No display, no access to it, XInput2 older than 2.2, a Wayland session, or another program holds the hotkey.
        The message says what to do.
    InvalidArgumentError
        The hotkey is none.

    Notes
    -----
    The first `read` gives `DeviceFound` for each device, then `DisplaysChanged`, `WindowFocused` and `PointerEntered`, and
    `KeyboardGrabbed` where the keyboard is held by someone. Columns of events: those of `INPUT_COLUMNS`, and ``x_sub``, ``y_sub``:
    ``x`` and ``y`` are whole pixels of the screen, ``x_sub`` and ``y_sub`` (uint8) what is left in 1/256 pixel, so that their
    differences are the accelerated motion; ``dx`` and ``dy`` of a MOVE are the raw motion in units of 2**``motion_exponent``,
    a property of the source. ``dy`` of a SCROLL is positive upwards, ``dx`` to the right. Not for use by several threads.
    """

    name = "x11"

    def __init__(self, display: str | None = None, *, hotkey: str | None = "ctrl+alt+p") -> None:
        raise NotImplementedError

    def fileno(self) -> int:
        """Return a descriptor that is readable when the server has sent something."""
        raise NotImplementedError

    def read(self, now_t: int) -> list[Observed]:
        """Return what the server has sent, in its order; a lost server is a `SenseLost`, once for each sense."""
        raise NotImplementedError

    def next_read_t(self) -> int | None:
        """Return when to read even if nothing came: while a key is held, or an answer is awaited."""
        raise NotImplementedError

    def layout_name(self, layout: int) -> str | None:
        """Return the name of a value of the column ``layout`` (``us``, ``de(nodeadkeys)``), or None where it is not known."""
        raise NotImplementedError

    def close(self) -> None:
        """Give back the hotkey and the connections; a second call does nothing."""
        raise NotImplementedError

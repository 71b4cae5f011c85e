"""Whether a window of ours can be seen, asked of the X server; and what to do about it when not."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from ..xlib import connect

# A pixel may be this far from its colour: displays of 16 bits round.
TOLERANCE = 12


class Area(NamedTuple):
    """A rectangle of the screen, in pixels."""

    x: int
    y: int
    width: int
    height: int

    def shared(self, other: Area) -> int:
        """Return how many pixels both have."""
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        return max(0, width) * max(0, height)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why the window is not in sight. ``is_mild`` may pass by itself: a menu, a notification over it."""

    why: str
    is_mild: bool = False


class Sight(Protocol):
    """A watch over one window."""

    def screen(self, at: tuple[int, int] | None) -> Area:
        """Return the monitor that has a point, as it is now; the main one for None, and for a point on none."""
        ...

    def fault(self, smallest: tuple[int, int], probe: tuple[int, int, str]) -> Fault | None:
        """Return why the window is not in sight; None: it is.

        ``smallest`` is its size in pixels; ``probe`` a point of it and the colour, ``#rrggbb``, that must be seen there.
        """
        ...

    def lift(self) -> None:
        """Put it above all windows, whole and opaque, and map it."""
        ...


class X11Sight:
    """A window of this process, watched over a connection of its own.

    Under a compositor an X server calls every window unobscured, and a window may be transparent or drawn over; so the
    order of the windows and the picture on the screen are asked for too.
    """

    def __init__(self, window_id: int) -> None:
        self._display: Any = connect()
        import Xlib.error
        import Xlib.ext.randr
        import Xlib.ext.shape

        self._x = Xlib.X
        self._error = Xlib.error.XError
        self._shapes = Xlib.ext.shape.SK.Bounding
        self._root = self._display.screen().root
        self._window = self._display.create_resource_object("window", window_id)
        # What toolkits and window managers wrap a window in goes with it.
        while (parent := self._window.query_tree().parent) not in (self._root, 0):
            self._window = parent
        self._own = window_id & ~self._display.display.info.resource_id_mask
        self._opacity = self._display.intern_atom("_NET_WM_WINDOW_OPACITY")
        self._has_shapes = self._display.has_extension("SHAPE")
        # Xwayland has no picture of the screen to give.
        self._has_picture = self._display.screen().root_depth == 24 and not self._is_xwayland()

    def screen(self, at: tuple[int, int] | None) -> Area:
        """Return the monitor that has a point, as it is now; the main one for None, and for a point on none."""
        monitors = self._monitors()
        having = [] if at is None else [one for one in monitors if one.shared(Area(*at, 1, 1))]
        return (having or monitors)[0]

    def fault(self, smallest: tuple[int, int], probe: tuple[int, int, str]) -> Fault | None:
        """Return why the window is not in sight; None: it is."""
        try:
            return self._fault(smallest, probe)
        except self._error:
            return Fault("its window is gone")

    def _fault(self, smallest: tuple[int, int], probe: tuple[int, int, str]) -> Fault | None:
        """Ask one thing after the other."""
        if self._window.get_attributes().map_state != self._x.IsViewable:
            return Fault("it was unmapped")
        # A window that is no child of the root any more was put into another one.
        if self._window.query_tree().parent != self._root:
            return Fault("it was put into another window")
        area = self._area(self._window)
        if area.width < smallest[0] or area.height < smallest[1]:
            return Fault(f"it was made smaller than {smallest[0]} x {smallest[1]} pixels")
        if sum(area.shared(monitor) for monitor in self._monitors()) < area.width * area.height:
            return Fault("it was moved off the screen")
        opacity = self._window.get_full_property(self._opacity, self._x.AnyPropertyType)
        if opacity is not None and opacity.value[0] < 0xFFFF_FFFF:
            return Fault("it was made transparent")
        if self._has_shapes and self._window.shape_query_extents().bounding_shaped:
            return Fault("a part of it was cut off")
        if self._holds_others():
            return Fault("another program's window is in it")
        if self._is_covered(area):
            return Fault("another window covers it", is_mild=True)
        x, y, colour = probe
        if self._has_picture and not self._shows(area.x + x, area.y + y, colour):
            return Fault("something is drawn over it", is_mild=True)
        return None

    def is_covered(self) -> bool:
        """Return whether a visible window of another client lies over a part of it."""
        try:
            return self._is_covered(self._area(self._window))
        except self._error:
            return True

    def close(self) -> None:
        """Hang up."""
        self._display.close()

    def lift(self) -> None:
        """Put it above all windows, whole and opaque, and map it."""
        with contextlib.suppress(self._error):
            if self._window.query_tree().parent != self._root:
                return
            self._window.delete_property(self._opacity)
            if self._has_shapes:
                self._window.shape_mask(0, self._shapes, 0, 0, self._x.NONE)
            self._window.map()
            self._window.configure(stack_mode=self._x.Above)
            self._display.sync()

    def _area(self, window: Any) -> Area:
        """Return where a child of the root is, with its border."""
        found = window.get_geometry()
        border = 2 * found.border_width
        return Area(found.x, found.y, found.width + border, found.height + border)

    def _monitors(self) -> list[Area]:
        """Return the monitors, the main one first; the whole screen where the server does not tell."""
        root = self._root.get_geometry()
        whole = Area(0, 0, root.width, root.height)
        try:
            found = self._root.xrandr_get_monitors().monitors
        except (self._error, AttributeError):
            return [whole]
        found = sorted(found, key=lambda monitor: not monitor.primary)
        areas = [Area(one.x, one.y, one.width_in_pixels, one.height_in_pixels) for one in found]
        # A server may be slow to tell of a monitor what it has told of the screen.
        return [area for area in areas if area.shared(whole) == area.width * area.height > 0] or [whole]

    def _holds_others(self) -> bool:
        """Return whether another client has put a window inside of it, which no order of the root's windows tells."""
        level = [self._window]
        while level:
            below = [child for window in level for child in window.query_tree().children]
            # A window manager's frame, where it has one, may hold what it likes.
            if any(self._is_own(window) for window in level) and not all(map(self._is_own, below)):
                return True
            level = below
        return False

    def _is_own(self, window: Any) -> bool:
        """Return whether a window is of this process."""
        return bool(window.id & ~self._display.display.info.resource_id_mask == self._own)

    def _is_covered(self, area: Area) -> bool:
        """Return whether a visible window of another client lies over a part of it."""
        above = self._root.query_tree().children
        above = above[above.index(self._window) + 1 :] if self._window in above else []
        for window in above:
            if self._is_own(window):
                continue
            try:
                known = window.get_attributes()
                if known.map_state != self._x.IsViewable or known.win_class == self._x.InputOnly:
                    continue
                if self._area(window).shared(area):
                    return True
            except self._error:
                continue  # it has gone meanwhile
        return False

    def _shows(self, x: int, y: int, colour: str) -> bool:
        """Return whether the screen shows this colour there, or its inverse, which some people set their screen to."""
        data = self._root.get_image(x, y, 1, 1, self._x.ZPixmap, 0xFFFF_FFFF).data
        blue, green, red = data[:3]
        wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        off = [abs(a - b) for a, b in zip((red, green, blue), wanted, strict=True)]
        inverse = [abs(255 - a - b) for a, b in zip((red, green, blue), wanted, strict=True)]
        return bool(max(off) <= TOLERANCE or max(inverse) <= TOLERANCE)

    def _is_xwayland(self) -> bool:
        """Return whether this X server draws into windows of a Wayland compositor."""
        return self._display.query_extension("XWAYLAND") is not None


class OwnSight:
    """Where no one can be asked (Windows, macOS): what Tk knows of the window."""

    def __init__(self, root: Any) -> None:
        self._root = root

    def screen(self, at: tuple[int, int] | None) -> Area:
        """Return the main monitor."""
        return Area(0, 0, self._root.winfo_screenwidth(), self._root.winfo_screenheight())

    def fault(self, smallest: tuple[int, int], probe: tuple[int, int, str]) -> Fault | None:
        """Return why the window is not in sight, as far as Tk knows; it does not know of what covers it."""
        root = self._root
        if not root.winfo_viewable():
            return Fault("it was unmapped")
        area = Area(root.winfo_rootx(), root.winfo_rooty(), root.winfo_width(), root.winfo_height())
        if area.width < smallest[0] or area.height < smallest[1]:
            return Fault(f"it was made smaller than {smallest[0]} x {smallest[1]} pixels")
        if float(root.attributes("-alpha")) < 1:
            return Fault("it was made transparent")
        return None

    def lift(self) -> None:
        """Put it above all windows."""
        self._root.deiconify()
        self._root.attributes("-topmost", True)
        self._root.attributes("-alpha", 1.0)
        self._root.lift()

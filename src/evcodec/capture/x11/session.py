"""What an X session is doing, kept from its events in their order: focus, grabs, pointer, devices, displays."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Protocol

from ..model import (
    Application,
    Display,
    DisplaysChanged,
    InputEvents,
    KeyboardGrabbed,
    Observation,
    Observed,
    PointerEntered,
    Sense,
    SenseLost,
    Window,
    WindowFocused,
)
from . import wire
from .connection import Connection
from .devices import Devices
from .displays import displays, screen_size
from .hotkey import Hotkey
from .keyboard import Keyboard
from .rows import Rows
from .windows import Windows

_NORMAL, _GRAB, _UNGRAB, _WHILE_GRABBED = range(4)  # modes of focus events
_INFERIOR, _OF_POINTER = 2, 5  # details of them
# A person crosses no window and comes back within less; the recorder reads each 64 ms or more often.
_UNSURE_NS = 120_000_000
_DEVICE_CHANGED_ITSELF = 2
_FRESH = object()


class Sending(Protocol):
    """Where requests about windows go: the connection that their events come on."""

    def send(self, *requests: bytes) -> None:
        """Send requests that have no answer."""

    def begin(self) -> None:
        """Ask for where things stand."""


class Session:
    """Notes what happens among the rows.

    Attributes
    ----------
    notes : list of (int, Observation)
        Each with the number of rows before it.
    wants_pointer, wants_focus : bool
        Whether to ask where it is now.
    """

    def __init__(
        self,
        asking: Connection,
        rows: Rows,
        devices: Devices,
        keyboard: Keyboard,
        windows: Windows,
        hotkey: Hotkey | None,
    ) -> None:
        self._asking = asking
        self.rows = rows
        self._devices = devices
        self._keyboard = keyboard
        self._windows = windows
        self._hotkey = hotkey
        self.notes: list[tuple[int, Observation]] = []
        self.now_t = 0
        self.wants_pointer = self.wants_focus = False
        self._has_begun = False
        self.is_deaf = False
        self._focus: int | None = None
        self._top = self._client = 0
        self._window: Window | None = None
        self._over: object = _FRESH
        self._displays: tuple[Display, ...] = ()
        self._is_grabbed = self._is_grab_told = False
        self._is_told = False  # of a focus, or of none
        self._spilled: list[Observed] = []
        self._is_map_stale = False
        self._masks: dict[int, int] = {}

    def numbers(self, xinput: int, xkb: int, randr: int) -> None:
        """Take the numbers that the server gave to extensions."""
        self._xinput, self._xkb, self._randr = xinput, xkb, randr

    def begin(self, now_t: int, stream: Sending) -> None:
        """Look at everything once."""
        self.now_t = now_t
        self._stream = stream
        self._title_atoms = {self._asking.atom(name) for name in ("_NET_WM_NAME", "WM_NAME")}
        self._active_atom = self._asking.atom("_NET_ACTIVE_WINDOW")
        self.devices_look()
        self._look_at_displays()
        _, modifiers, layout = self._keyboard.state()
        self.rows.state["modifiers"], self.rows.state["layout"] = modifiers, layout
        for child in self._windows.children():
            self._watch(child, wire.FOCUS_CHANGE)
        # A grab from before our time shows in no event: try whether it can be had.
        answer = self._asking.ask(wire.grab_keyboard(self._asking.root))
        self._asking.send(wire.ungrab_keyboard())
        self._asking.ask(wire.get_input_focus())
        if answer is None or answer[1] == 1:
            self._is_grabbed = self._is_grab_told = True
            self.note(KeyboardGrabbed(t=now_t, is_grabbed=True))
        stream.begin()

    def has_begun(self) -> None:
        """Tell of grabs from now on: those before were of our own trying, or are over."""
        self._has_begun = True
        self._set_grabbed(self._is_grabbed)

    def note(self, observation: Observation) -> None:
        """Put an observation behind the rows so far."""
        self.notes.append((self.rows.count, observation))

    def shift_notes(self, place: int) -> None:
        """Keep notes where they are when a row was put in at ``place``."""
        self.notes = [(before + (before > place), note) for before, note in self.notes]

    # ---- packets of the stream ----

    def other(self, packet: bytes) -> None:
        """Take an event that is no row."""
        kind = packet[0]
        if self.is_deaf or kind & wire.SENT:
            return
        if kind == wire.GENERIC:
            self._generic(packet)
        elif kind in (wire.FOCUS_IN, wire.FOCUS_OUT):
            self._focus_event(kind, packet[1], *struct.unpack_from("=IB", packet, 4))
        elif kind == wire.PROPERTY:
            self._property(*struct.unpack_from("=II", packet, 4))
        elif wire.CREATE <= kind <= wire.CIRCULATE:
            self._tree(kind, packet)
        elif kind == self._xkb:
            if packet[1] in (wire.XKB_NEW_KEYBOARD, wire.XKB_MAP):
                self.name_keys()
                self._is_map_stale = True
        elif kind == wire.MAPPING:
            self.name_keys()
            self._is_map_stale = True
        elif self._randr >= 0 and kind in (self._randr, self._randr + 1):
            self._look_at_displays()

    def _generic(self, packet: bytes) -> None:
        if packet[1] != self._xinput:
            return
        (event,) = struct.unpack_from("=H", packet, 8)
        if event == wire.HIERARCHY_CHANGED or (
            event == wire.DEVICE_CHANGED and packet[20] == _DEVICE_CHANGED_ITSELF
        ):
            self.devices_look()

    def _focus_event(self, kind: int, detail: int, window: int, mode: int) -> None:
        if mode in (_GRAB, _UNGRAB):
            self._set_grabbed(mode == _GRAB)
            self.wants_focus = self.wants_focus or mode == _UNGRAB
        elif detail not in (_INFERIOR, _OF_POINTER):
            if kind == wire.FOCUS_IN and window != self._asking.root:
                self._focus_came(window)
            elif kind == wire.FOCUS_OUT and window == self._top:
                self._set_focus(None)
            self.wants_focus = True

    def _focus_came(self, top: int) -> None:
        """Say whose a child of the root is, that now holds the focus, or that it is not known."""
        focus = self._windows.focus()
        line = self._windows.line(focus) if focus > wire.POINTER_ROOT else []
        self._set_focus(focus if line and line[-1] == top else None)

    def focus_is(self, focus: int) -> None:
        """Take the window that the server says has the focus; it says so in the order of events."""
        if focus != self._focus and not self.is_deaf:
            self._set_focus(focus)

    def _set_focus(self, focus: int | None) -> None:
        if focus is not None and focus == self._focus:
            return
        old, was_told, self._focus = self._client, self._is_told and self._window is None, focus
        self._window, self._client, self._top = None, 0, 0
        if focus is not None:
            self._client, self._top = self._windows.holder(focus)
        if old and old != self._client:
            self._unwatch(old, wire.PROPERTY_CHANGE)
        if self._client and focus is not None:
            self._watch(self._client, wire.PROPERTY_CHANGE)  # first, so that no change of the title is missed
            self._window = self._windows.describe(focus, self._client)
        if self._window is not None or not was_told:
            self._is_told = True
            self.note(WindowFocused(t=self.now_t, window=self._window))

    def _property(self, window: int, atom: int) -> None:
        if window == self._asking.root:
            if atom == self._active_atom:
                self.wants_focus = True
            elif atom == self._asking.atoms.get("_XKB_RULES_NAMES"):
                self.name_keys()
                self._is_map_stale = True
        elif window == self._client and atom in self._title_atoms and self._window is not None:
            title = self._windows.title(window)
            if title != self._window.title:
                self._window = replace(self._window, title=title)
                self.note(WindowFocused(t=self.now_t, window=self._window))

    def _set_grabbed(self, is_grabbed: bool) -> None:
        self._is_grabbed = is_grabbed
        if self._has_begun and is_grabbed != self._is_grab_told:
            self._is_grab_told = is_grabbed
            self.note(KeyboardGrabbed(t=self.now_t, is_grabbed=is_grabbed))

    def _tree(self, kind: int, packet: bytes) -> None:
        """Follow the windows just below the root."""
        event, window = struct.unpack_from("=II", packet, 4)
        root = self._asking.root
        if window == root:
            if kind == wire.CONFIGURE:
                self._look_at_displays()
            return
        if event != root:
            return
        if kind == wire.CREATE:
            window = struct.unpack_from("=I", packet, 8)[0]
            self._watch(window, wire.FOCUS_CHANGE)
        elif kind == wire.REPARENT and struct.unpack_from("=I", packet, 12)[0] == root:
            self._watch(window, wire.FOCUS_CHANGE)
        elif kind == wire.REPARENT:
            self._windows.forget(struct.unpack_from("=I", packet, 12)[0])
        elif kind == wire.DESTROY:
            self._masks.pop(window, None)
        if kind != wire.CONFIGURE:
            self._windows.forget(window)
        if kind in (wire.CREATE, wire.MAP, wire.UNMAP, wire.DESTROY, wire.REPARENT):
            self.wants_focus = True
        self.wants_pointer = self.wants_pointer or kind != wire.CREATE

    def _watch(self, window: int, mask: int) -> None:
        old = self._masks.get(window, 0)
        if old | mask != old:
            self._masks[window] = old | mask
            self._stream.send(wire.select_core(window, old | mask))

    def _unwatch(self, window: int, mask: int) -> None:
        old = self._masks.get(window, 0)
        left = old & ~mask
        if left:
            self._masks[window] = left
        else:
            self._masks.pop(window, None)
        if left != old:
            self._stream.send(wire.select_core(window, left))

    def pointer_is(self, pointer: wire.Pointer) -> None:
        """Take where the server says the pointer is, behind the rows so far."""
        if self.is_deaf:
            return
        rows = self.rows
        first, stop = rows.placed, rows.count
        is_unsure = rows.span_ns(first, stop) > _UNSURE_NS
        rows.place(stop, (pointer.x, pointer.y))
        over: Application | None = self._windows.under(pointer.child)
        if is_unsure and self._over is not None:
            self._over = None
            self.notes.append((first, PointerEntered(t=self.now_t, application=None)))
            self.notes.sort(key=lambda note: note[0])
        if over != self._over:
            self._over = over
            self.note(PointerEntered(t=self.now_t, application=over))

    # ---- devices, displays, keys ----

    def devices_look(self) -> None:
        """Ask for all devices."""
        found, gone = self._devices.look(self.now_t, self.rows.size)
        for device in found:
            self.note(device)
        for number, name in gone:
            why = f"the device {name!r} was taken away"
            self.note(
                SenseLost(t=self.now_t, sense=Sense.INPUT, since_t=self.now_t, why=why, device_id=number)
            )

    def meet(self, number: int, *, is_known: bool) -> bool:
        """Take in a device that sends before it was told of, or let a known one tell fractions; False: it cannot be."""
        if is_known:
            found = self._devices.refine(number, self.now_t)
        else:
            self.devices_look()
            found = self._devices.adopt(number, self.now_t)
        for device in found:
            self.note(device)
        return self._devices.is_known(number)

    def _look_at_displays(self) -> None:
        self.rows.size = screen_size(self._asking)
        found = displays(self._asking)
        if found != self._displays:
            is_first, self._displays = not self._displays, found
            self.note(DisplaysChanged(t=self.now_t, displays=found))
            if not is_first:
                self.devices_look()

    def name_keys(self) -> None:
        """Say what the keys so far mean, under the map that held when they were pressed."""
        if self._is_map_stale and self.rows.named < self.rows.count:
            self.reload()
        self.rows.name_keys(self._keyboard)

    def reload(self) -> None:
        """Ask for the map of the keyboard, if it changed, and take the hotkey where it now is."""
        if self._is_map_stale:
            self._is_map_stale = False
            self._keyboard.reload()
            if self._hotkey is not None:
                self._hotkey.grab()

    # ---- giving away ----

    def make_room(self) -> None:
        """Place what is there without the server's help: there are more rows than fit."""
        self.rows.place(self.rows.count, None)
        self.name_keys()
        self._spilled = self.give()

    def give(self) -> list[Observed]:
        """Return the rows whose positions are known, and the notes among them."""
        stop = self.rows.placed
        if not self.notes and not self._spilled:  # as nearly always
            given: list[Observed] = [InputEvents(batch=self.rows.batch(0, stop))] if stop else []
            self.rows.drop(stop)
            return given
        given, self._spilled = self._spilled, []
        at = 0
        left = []
        for before, note in self.notes:
            if before > stop:
                left.append((before - stop, note))
                continue
            if before > at:
                given.append(InputEvents(batch=self.rows.batch(at, before)))
                at = before
            if given and isinstance(note, WindowFocused) and isinstance(given[-1], WindowFocused):
                given.pop()  # nothing happened while it held
            given.append(note)
        if stop > at:
            given.append(InputEvents(batch=self.rows.batch(at, stop)))
        self.notes = left
        self.rows.drop(stop)
        return given

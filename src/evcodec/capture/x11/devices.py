"""Input devices of an X server: what their valuators mean, and what a stream says of them."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...schema import EventFlag, ScrollSource
from ..model import DeviceFound
from . import wire
from .connection import Connection, ServerLostError

_KEYS, _BUTTONS, _VALUATORS, _SCROLLS, _TOUCHES = 0, 1, 2, 3, 8
_USES = {1: "master pointer", 2: "master keyboard", 3: "pointer", 4: "keyboard", 5: "floating"}
_VERTICAL, _HORIZONTAL = 1, 2
_NOTCH = 120
_FINE_BITS = 8
_NONE = 255


@dataclass(frozen=True, slots=True)
class Valuator:
    """An axis."""

    number: int
    label: str
    low: float
    high: float
    resolution: int
    is_absolute: bool


@dataclass(frozen=True, slots=True)
class Scroll:
    """An axis that scrolls: ``increment`` of it are one notch."""

    number: int
    is_horizontal: bool
    increment: float


@dataclass(slots=True)
class Device:
    """An input device."""

    number: int
    use: int
    attachment: int
    name: str
    is_enabled: bool
    valuators: list[Valuator] = field(default_factory=list)
    scrolls: list[Scroll] = field(default_factory=list)
    buttons: int = 0
    has_keys: bool = False
    has_touches: bool = False

    @property
    def is_injecting(self) -> bool:
        """Whether its events are made up by programs through XTEST; the server names these devices, and keeps others from it."""
        return self.name.endswith("XTEST pointer") or self.name.endswith("XTEST keyboard")

    def axis(self, *labels: str, fallback: int) -> Valuator | None:
        """Return the axis that moves the pointer one way, by its label, else by its number as the protocol has it."""
        for valuator in self.valuators:
            if valuator.label in labels:
                return valuator
        scrolling = {scroll.number for scroll in self.scrolls}
        rest = [v for v in self.valuators if v.number == fallback and v.number not in scrolling]
        return rest[0] if rest else None


def _fixed(data: bytes, at: int) -> float:
    whole, part = struct.unpack_from("=iI", data, at)
    return float(whole) + float(part) / 2**32


def devices_of(answer: bytes, connection: Connection) -> list[Device]:
    """Return the devices of an answer to XIQueryDevice."""
    (count,) = struct.unpack_from("=H", answer, 8)
    found, at = [], 32
    for _ in range(count):
        number, use, attachment, classes, size, is_enabled = struct.unpack_from("=HHHHHB", answer, at)
        at += 12
        device = Device(
            number, use, attachment, answer[at : at + size].decode(errors="replace"), bool(is_enabled)
        )
        at += size + -size % 4
        for _ in range(classes):
            kind, words = struct.unpack_from("=HH", answer, at)
            _add_class(device, kind, answer, at, connection)
            at += 4 * max(words, 1)
        found.append(device)
    return found


def _add_class(device: Device, kind: int, answer: bytes, at: int, connection: Connection) -> None:
    if kind == _VALUATORS:
        number, label = struct.unpack_from("=HI", answer, at + 6)
        resolution, mode = struct.unpack_from("=IB", answer, at + 36)
        low, high = _fixed(answer, at + 12), _fixed(answer, at + 20)
        name = connection.atom_name(label) if label else ""
        device.valuators.append(Valuator(number, name, low, high, resolution, mode == 1))
    elif kind == _SCROLLS:
        number, way = struct.unpack_from("=HH", answer, at + 6)
        device.scrolls.append(Scroll(number, way == _HORIZONTAL, _fixed(answer, at + 16)))
    elif kind == _BUTTONS:
        (device.buttons,) = struct.unpack_from("=H", answer, at + 6)
    elif kind == _KEYS:
        device.has_keys = True
    elif kind == _TOUCHES:
        device.has_touches = True


class Devices:
    """The devices that events may come from, as the kernel's table and as observations.

    Parameters
    ----------
    table : ndarray of wire.DEVICE, shape (256,)
    """

    def __init__(self, connection: Connection, opcode: int, table: np.ndarray, is_monotonic: bool) -> None:
        self._connection = connection
        self._opcode = opcode
        self._table = table
        self._is_monotonic = is_monotonic
        self._known: dict[int, tuple[str, dict[str, Any]]] = {}
        self._next = 1

    def look(self, now_t: int, size: tuple[int, int]) -> tuple[list[DeviceFound], list[tuple[int, str]]]:
        """Ask for all devices; return those that are new or not what they were, and ids and names of those that are gone."""
        answer = self._connection.ask(wire.xi_query_device(self._opcode))
        if answer is None:
            raise ServerLostError("it does not tell its devices")
        found: list[DeviceFound] = []
        devices = devices_of(answer, self._connection)
        for device in devices:
            if device.number < len(self._table):
                found += self._enter(now_t, device, size)
        gone = []
        for number in self._known.keys() - {device.number for device in devices}:
            name, _ = self._known.pop(number)
            gone.append((int(self._table[number]["id"]), name))
            self._table[number] = np.zeros((), wire.DEVICE)
        return found, sorted(gone)

    def is_known(self, number: int) -> bool:
        """Return whether events of a device can be told."""
        return number in self._known

    def adopt(self, number: int, now_t: int) -> list[DeviceFound]:
        """Take a device that the server does not tell of any more, so that its last events are kept."""
        if number in self._known or number >= len(self._table):
            return []
        entered = np.zeros((), wire.DEVICE)
        entered["axis"], entered["scroll_axis"] = (0, 1), _NONE
        self._table[number] = entered
        properties = self._properties(Device(number, 0, 0, "", is_enabled=False), is_absolute=False)
        return [self._define(number, now_t, "a device that is gone", properties)]

    def refine(self, number: int, now_t: int) -> list[DeviceFound]:
        """Let a device tell fractions, since it has some: from now on it is another source."""
        if number not in self._known:
            return []
        name, properties = self._known[number]
        self._table[number]["motion_bits"] = _FINE_BITS
        return [self._define(number, now_t, name, {**properties, "motion_exponent": -_FINE_BITS})]

    def _define(self, number: int, now_t: int, name: str, properties: dict[str, Any]) -> DeviceFound:
        self._known[number] = (name, properties)
        self._table[number]["id"] = self._next
        self._next = self._next % 65535 + 1
        return DeviceFound(t=now_t, id=int(self._table[number]["id"]), name=name, properties=properties)

    def _enter(self, now_t: int, device: Device, size: tuple[int, int]) -> list[DeviceFound]:
        x = device.axis("Rel X", "Abs X", "Abs MT Position X", fallback=0)
        y = device.axis("Rel Y", "Abs Y", "Abs MT Position Y", fallback=1)
        is_absolute = (
            any(axis is not None and axis.is_absolute for axis in (x, y)) and not device.is_injecting
        )
        is_absolute = is_absolute and not self._is_touchpad(device)
        row = self._table[device.number]
        entered = np.zeros((), wire.DEVICE)
        entered["flags"] = EventFlag.INJECTED if device.is_injecting else 0
        entered["absolute"] = is_absolute
        entered["axis"] = [_NONE if axis is None else axis.number for axis in (x, y)]
        entered["scroll_axis"] = _NONE
        for i, axis in enumerate((x, y)):
            if is_absolute and axis is not None and axis.high > axis.low:
                entered["low"][i] = axis.low
                entered["scale"][i] = size[i] / (axis.high - axis.low + 1)
        for scroll in device.scrolls:
            if scroll.increment:
                way = int(scroll.is_horizontal)
                entered["scroll_axis"][way] = scroll.number
                entered["scroll_unit"][way] = _NOTCH / scroll.increment
        entered["scroll_source"] = self._scroll_source(device)
        properties = self._properties(device, is_absolute)
        known = self._known.get(device.number)
        if known is not None:
            entered["motion_bits"] = row["motion_bits"]
            if row["motion_bits"]:
                properties["motion_exponent"] = -int(row["motion_bits"])
            entered["rest"], entered["scroll_rest"] = row["rest"], row["scroll_rest"]
        entered["id"] = row["id"]
        self._table[device.number] = entered
        if known == (device.name, properties):
            return []
        return [self._define(device.number, now_t, device.name, properties)]

    def _properties(self, device: Device, is_absolute: bool) -> dict[str, Any]:
        found: dict[str, Any] = {
            "system": "x11",
            "device": device.number,
            "use": _USES.get(device.use, "unknown"),
            "injected": device.is_injecting,
            "absolute": is_absolute,
            "scale_exponent": 0,
            "motion_exponent": 0,
            "subpixel_exponent": -8,
            "time_unit_ns": 1_000_000,
            "clock_id": "monotonic" if self._is_monotonic else "x11 server",
            "wrap_bits": 32,
            "buttons": device.buttons,
        }
        if device.valuators:
            found["axes"] = [
                {
                    "label": v.label,
                    "low": v.low,
                    "high": v.high,
                    "resolution": v.resolution,
                    "absolute": v.is_absolute,
                }
                for v in device.valuators
            ]
        if device.scrolls:
            found["scroll_increments"] = [
                {"horizontal": scroll.is_horizontal, "increment": scroll.increment}
                for scroll in device.scrolls
            ]
        return found

    def _driver_properties(self, device: Device) -> set[str]:
        answer = self._connection.ask(wire.xi_list_properties(self._opcode, device.number))
        if answer is None:
            return set()
        (count,) = struct.unpack_from("=H", answer, 8)
        return {self._connection.atom_name(atom) for atom in struct.unpack_from(f"={count}I", answer, 32)}

    def _is_touchpad(self, device: Device) -> bool:
        """Whether its absolute axes are not those of the screen; it moves the pointer by differences."""
        return "touchpad" in device.name.lower() or "Synaptics Off" in self._driver_properties(device)

    def _scroll_source(self, device: Device) -> ScrollSource:
        """Drivers do not tell event by event what scrolls: a finger where a device can be tapped, else a wheel."""
        if not device.scrolls:
            return ScrollSource.WHEEL if device.is_injecting else ScrollSource.UNKNOWN
        told = self._driver_properties(device)
        if told & {"libinput Tapping Enabled", "Synaptics Off"} or self._is_touchpad(device):
            return ScrollSource.FINGER
        return ScrollSource.WHEEL

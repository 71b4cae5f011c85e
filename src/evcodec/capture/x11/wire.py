"""Requests to an X server as bytes, its answers and events as values. No I/O; bytes are in this machine's order."""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

from ... import _x11

# Rows, devices and state of ext/kernels/ev_x11.h, as numpy sees them.
ROW = np.dtype(
    [
        ("t", "i8"), ("os_time", "i8"), ("ax", "i8"), ("ay", "i8"),
        ("x", "i4"), ("y", "i4"), ("code", "i4"), ("dx", "i4"), ("dy", "i4"), ("keysym", "u4"), ("modifiers", "u4"),
        ("source", "u2"), ("flags", "u2"), ("layout", "u2"),
        ("kind", "u1"), ("scroll_source", "u1"), ("key_class", "u1"), ("x_sub", "u1"), ("y_sub", "u1"), ("unused", "V9"),
    ]
)  # fmt: skip
DEVICE = np.dtype(
    [
        ("scroll_unit", "f8", 2), ("scroll_rest", "f8", 2), ("low", "f8", 2), ("scale", "f8", 2), ("rest", "i8", 2),
        ("id", "u2"), ("flags", "u2"), ("absolute", "u1"), ("motion_bits", "u1"), ("axis", "u1", 2), ("scroll_axis", "u1", 2),
        ("scroll_source", "u1"), ("unused", "V5"),
    ]
)  # fmt: skip
STATE = np.dtype(
    [
        ("now_t", "i8"), ("is_monotonic", "i4"), ("modifiers", "u4"), ("layout", "u2"), ("opcode", "u1"), ("xkb_event", "u1"),
        ("keyboard", "u1"), ("unused", "V3"),
    ]
)  # fmt: skip
assert (ROW.itemsize, DEVICE.itemsize, STATE.itemsize) == (
    _x11.ROW_BYTES,
    _x11.DEVICE_BYTES,
    _x11.STATE_BYTES,
)

# Types of packets.
ERROR, REPLY, KEY_PRESS, KEY_RELEASE, FOCUS_IN, FOCUS_OUT = 0, 1, 2, 3, 9, 10
CREATE, DESTROY, UNMAP, MAP, REPARENT, CONFIGURE, CIRCULATE, PROPERTY, MAPPING, GENERIC = (
    16, 17, 18, 19, 21, 22, 26, 28, 34, 35,
)  # fmt: skip
SENT = 0x80  # by another client, who may say what it likes
# Event masks.
STRUCTURE_CHANGE, SUBSTRUCTURE_CHANGE, FOCUS_CHANGE, PROPERTY_CHANGE = 1 << 17, 1 << 19, 1 << 21, 1 << 22
# Events of XInput2.
DEVICE_CHANGED, HIERARCHY_CHANGED, RAW_KEY_PRESS, RAW_MOTION = 1, 11, 13, 17
ALL_DEVICES, ALL_MASTERS = 0, 1
ANY_TYPE = 0
ATOM_STRING, ATOM_WINDOW, ATOM_WM_CLASS, ATOM_WM_NAME = 31, 33, 67, 39
POINTER_ROOT = 1
# Events of XKB.
XKB_NEW_KEYBOARD, XKB_MAP, XKB_STATE = 0, 1, 2
XKB_CORE_KEYBOARD = 0x100


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def request(major: int, minor: int = 0, body: bytes = b"") -> bytes:
    """Return a request: its code, a byte that is its own, and whole words."""
    body = _padded(body)
    return struct.pack("=BBH", major, minor, 1 + len(body) // 4) + body


def query_extension(name: str) -> bytes:
    """Answer: ``answer_extension``."""
    return request(98, 0, struct.pack("=HH", len(name), 0) + name.encode())


class Extension(NamedTuple):
    """Numbers that a server gave to an extension."""

    opcode: int
    first_event: int


def answer_extension(answer: bytes) -> Extension | None:
    """Return the numbers of an extension, or None where the server lacks it."""
    return Extension(answer[9], answer[10]) if answer[8] else None


def intern_atom(name: str) -> bytes:
    """Answer: the number at byte 8."""
    return request(16, 0, struct.pack("=HH", len(name), 0) + name.encode())


def get_property(window: int, name: int, kind: int = ANY_TYPE, words: int = 1024) -> bytes:
    """Answer: `answer_property`."""
    return request(20, 0, struct.pack("=IIIII", window, name, kind, 0, words))


def answer_property(answer: bytes) -> tuple[int, bytes]:
    """Return the type of a property (0: there is none) and its bytes."""
    unit, kind, _, count = answer[1] // 8, *struct.unpack_from("=III", answer, 8)
    return kind, answer[32 : 32 + unit * count]


def query_tree(window: int) -> bytes:
    """Answer: `answer_tree`."""
    return request(15, 0, struct.pack("=I", window))


def answer_tree(answer: bytes) -> tuple[int, tuple[int, ...]]:
    """Return a window's parent (0 of the root), and its children from the lowest up."""
    parent, count = struct.unpack_from("=IH", answer, 12)
    return parent, struct.unpack_from(f"={count}I", answer, 32)


def get_geometry(window: int) -> bytes:
    """Answer: x, y, width, height as hhHH at byte 12."""
    return request(14, 0, struct.pack("=I", window))


def select_core(window: int, mask: int) -> bytes:
    """Ask for the core events of ``mask`` about a window."""
    return request(2, 0, struct.pack("=III", window, 0x800, mask))


def get_input_focus() -> bytes:
    """Answer: the window at byte 8."""
    return request(43)


def get_modifiers() -> bytes:
    """Answer: `answer_modifiers`."""
    return request(119)


def answer_modifiers(answer: bytes) -> list[bytes]:
    """Return the keycodes of each of the eight modifiers, Shift first."""
    width = answer[1]
    return [answer[32 + i * width : 32 + (i + 1) * width].replace(b"\0", b"") for i in range(8)]


def grab_key(window: int, keycode: int, modifiers: int) -> bytes:
    """Take a key with exactly these modifiers from all other clients, without stopping anything."""
    return request(33, 0, struct.pack("=IHBBB3x", window, modifiers, keycode, 1, 1))


def ungrab_key(window: int, keycode: int, modifiers: int) -> bytes:
    """Give it back."""
    return request(34, keycode, struct.pack("=IH2x", window, modifiers))


def grab_keyboard(window: int) -> bytes:
    """Take the keyboard; answer: 0 at byte 1 where nobody else has it, 1 where another client has."""
    return request(31, 0, struct.pack("=IIBB2x", window, 0, 1, 1))


def ungrab_keyboard() -> bytes:
    """Give it back."""
    return request(32, 0, struct.pack("=I", 0))


def xi_query_version(opcode: int) -> bytes:
    """Answer: major and minor as HH at byte 8. Tells the server that we speak 2.2."""
    return request(opcode, 47, struct.pack("=HH", 2, 2))


def xi_select(opcode: int, window: int, device: int, *events: int) -> bytes:
    """Ask for events of XInput2."""
    mask = sum(1 << event for event in events)
    return request(opcode, 46, struct.pack("=IHHHHI", window, 1, 0, device, 1, mask))


def xi_query_device(opcode: int, device: int = ALL_DEVICES) -> bytes:
    """Answer: see ``devices``."""
    return request(opcode, 48, struct.pack("=HH", device, 0))


def xi_list_properties(opcode: int, device: int) -> bytes:
    """Answer: count as H at byte 8, then atoms from byte 32 on."""
    return request(opcode, 56, struct.pack("=HH", device, 0))


def xi_query_pointer(opcode: int, window: int, device: int) -> bytes:
    """Answer: `answer_pointer`."""
    return request(opcode, 40, struct.pack("=IHH", window, device, 0))


class Pointer(NamedTuple):
    """Where the pointer is, in 2^-32 pixel, and over which child of the root (0: none)."""

    x: int
    y: int
    child: int


def answer_pointer(answer: bytes) -> Pointer:
    """Return where the pointer is."""
    child, x, y = struct.unpack_from("=Iii", answer, 12)
    return Pointer(x << 16, y << 16, child)


def xkb_use(opcode: int) -> bytes:
    """Answer: 1 at byte 1 where the server speaks version 1.0 of XKB."""
    return request(opcode, 0, struct.pack("=HH", 1, 0))


def xkb_select(opcode: int) -> bytes:
    """Ask for all changes of state, map and keyboard."""
    events = 1 << XKB_NEW_KEYBOARD | 1 << XKB_MAP | 1 << XKB_STATE
    return request(opcode, 1, struct.pack("=HHHHHH", XKB_CORE_KEYBOARD, events, 0, events, 0xFF, 0xFF))


def xkb_get_state(opcode: int) -> bytes:
    """Answer: device at byte 1, modifiers at 8, group at 12."""
    return request(opcode, 4, struct.pack("=HH", XKB_CORE_KEYBOARD, 0))


def xkb_get_map(opcode: int) -> bytes:
    """Answer: see ``keyboard``. Types and symbols of all keys."""
    return request(opcode, 8, struct.pack("=HHH18x", XKB_CORE_KEYBOARD, 3, 0))


def xkb_detectable_repeat(opcode: int) -> bytes:
    """Let repeats of a key come as presses without releases between them."""
    return request(opcode, 21, struct.pack("=HHIIIII", XKB_CORE_KEYBOARD, 0, 1, 1, 0, 0, 0))


def res_query_version(opcode: int) -> bytes:
    """Answer: major and minor as HH at byte 8."""
    return request(opcode, 0, bytes([1, 2, 0, 0]))


def res_query_pid(opcode: int, resource: int) -> bytes:
    """Answer: `answer_pid`."""
    return request(opcode, 4, struct.pack("=III", 1, resource, 2))


def answer_pid(answer: bytes) -> int | None:
    """Return the process of the client that owns a resource, where the server knows."""
    (count,) = struct.unpack_from("=I", answer, 8)
    at = 32
    for _ in range(count):
        if at + 12 > len(answer):
            break
        _, mask, size = struct.unpack_from("=III", answer, at)
        if mask == 2 and size == 4 and at + 16 <= len(answer):
            (pid,) = struct.unpack_from("=I", answer, at + 12)
            return pid or None
        at += 12 + size
    return None


def randr_query_version(opcode: int) -> bytes:
    """Answer: major and minor as II at byte 8."""
    return request(opcode, 0, struct.pack("=II", 1, 5))


def randr_select(opcode: int, window: int) -> bytes:
    """Ask for changes of the screen, CRTCs and outputs."""
    return request(opcode, 4, struct.pack("=IHH", window, 7, 0))


def randr_get_monitors(opcode: int, window: int) -> bytes:
    """Answer: `answer_monitors`."""
    return request(opcode, 42, struct.pack("=IB3x", window, 1))


class Monitor(NamedTuple):
    """A monitor; its name is an atom."""

    name: int
    x: int
    y: int
    width: int
    height: int


def answer_monitors(answer: bytes) -> list[Monitor]:
    """Return the monitors in their order."""
    (count,) = struct.unpack_from("=I", answer, 12)
    found, at = [], 32
    for _ in range(count):
        name, _, _, outputs, x, y, width, height = struct.unpack_from("=IBBHhhHH", answer, at)
        found.append(Monitor(name, x, y, width, height))
        at += 24 + 4 * outputs
    return found


def get_atom_name(atom: int) -> bytes:
    """Answer: length as H at byte 8, text from byte 32 on."""
    return request(17, 0, struct.pack("=I", atom))


def record_create(opcode: int, context: int) -> bytes:
    """Make a context that records core key events of all devices."""
    ranges = bytes(18) + bytes([KEY_PRESS, KEY_RELEASE]) + bytes(4)
    body = struct.pack("=IB3xII", context, 0, 1, 1) + struct.pack("=I", 3) + ranges
    return request(opcode, 1, body)


def record_enable(opcode: int, context: int) -> bytes:
    """Let what is recorded come as answers to this request, on this connection."""
    return request(opcode, 5, struct.pack("=I", context))


def change_property(window: int, name: int, data: bytes = b"") -> bytes:
    """Append to a property of type STRING, which makes an event with the server's time."""
    head = struct.pack("=IIIB3xI", window, name, ATOM_STRING, 8, len(data))
    return request(18, 2, head + data)


def create_window(window: int, parent: int, mask: int) -> bytes:
    """Make a window that is never shown."""
    body = struct.pack("=IIhhHHHHIII", window, parent, -1, -1, 1, 1, 0, 2, 0, 0x800, mask)
    return request(1, 0, body)

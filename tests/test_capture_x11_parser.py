"""Bytes of an X server to rows: vectors made by hand, and bytes that no server sends."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from evcodec import CorruptDataError, EvcodecError, EventFlag, EventKind, LimitExceededError, _x11
from evcodec.capture.x11 import wire
from evcodec.capture.x11.keyboard import Key, KeyType, keys_of, layout_names, upper
from evcodec.capture.x11.rows import Rows

OPCODE, XKB_EVENT = 131, 85
MOUSE, PEN, XTEST, PAD = 8, 9, 4, 10
NOW_MS = 5_000_000
MS = 1_000_000
PIXEL = 1 << 32


def fixed(value: float) -> bytes:
    whole = int(np.floor(value))
    return struct.pack("=iI", whole, int((value - whole) * 2**32))


def raw_event(
    kind: int,
    device: int,
    *,
    ms: int = NOW_MS,
    detail: int = 0,
    flags: int = 0,
    values: dict[int, tuple[float, float]] | None = None,
) -> bytes:
    """Return a raw event; ``values`` are (accelerated, raw) by valuator."""
    values = values or {}
    mask = sum(1 << number for number in values)
    body = struct.pack("=I", mask) if values else b""
    body += b"".join(fixed(pair[0]) for pair in values.values()) + b"".join(
        fixed(pair[1]) for pair in values.values()
    )
    head = struct.pack(
        "=BBHIHHIIHHII",
        35,
        OPCODE,
        7,
        len(body) // 4,
        kind,
        2,
        ms & 0xFFFFFFFF,
        detail,
        device,
        bool(values),
        flags,
        0,
    )
    return head + body


def motion(device: int, dx: float, dy: float, raw: tuple[float, float] | None = None, **options) -> bytes:
    return raw_event(
        17,
        device,
        values={0: (dx, (raw or (int(dx), int(dy)))[0]), 1: (dy, (raw or (int(dx), int(dy)))[1])},
        **options,
    )


def xkb_state(modifiers: int, group: int, keyboard: int = 3) -> bytes:
    return struct.pack("=BBHIBBBBBB", XKB_EVENT, 2, 0, 0, keyboard, modifiers, 0, 0, 0, group) + bytes(18)


@pytest.fixture
def rows() -> Rows:
    made = Rows((1000, 800))
    made.state[0] = (NOW_MS * MS, 1, 0, 0, OPCODE, XKB_EVENT, 3, b"")
    made.devices["scroll_axis"] = 255
    for number, id_ in ((MOUSE, 1), (PEN, 2), (XTEST, 3), (PAD, 4)):
        made.devices[number]["id"] = id_
        made.devices[number]["axis"] = (0, 1)
    made.devices[XTEST]["flags"] = EventFlag.INJECTED
    made.devices[MOUSE]["scroll_axis"] = (2, 3)
    made.devices[MOUSE]["scroll_unit"] = (120 / 15.0, 120 / 10.0)
    made.devices[MOUSE]["scroll_source"] = 1
    made.devices[PEN]["absolute"] = 1
    made.devices[PEN]["low"] = (-100, 0)
    made.devices[PEN]["scale"] = (0.5, 0.25)
    return made


def parse(rows: Rows, data: bytes) -> tuple[int, int, int]:
    return rows.parse(bytearray(data), 0, len(data))


def all_rows(rows: Rows) -> dict[str, list[int]]:
    return {name: values.tolist() for name, values in rows.batch(0, rows.count).columns.items()}


def test_motion_and_its_rest(rows):
    data = motion(MOUSE, 1.5, -0.25, (3, -1)) + motion(MOUSE, 0.5, 0.25, (1, 0), ms=NOW_MS - 3)
    assert parse(rows, data) == (len(data), _x11.MORE, 0)
    rows.place(2, (12 * PIXEL, 20 * PIXEL))
    found = all_rows(rows)
    assert found["t"] == [NOW_MS * MS, (NOW_MS - 3) * MS]
    assert found["kind"] == [EventKind.MOVE] * 2
    assert (found["dx"], found["dy"]) == ([3, 1], [-1, 0])
    assert found["source"] == [1, 1]


def test_positions_are_summed_and_held_inside_of_the_screen(rows):
    parse(rows, motion(MOUSE, 1.5, 0.75) + motion(MOUSE, -5, 900) + motion(MOUSE, 2, -1))
    rows.at = (2 * PIXEL, 3 * PIXEL)
    rows.place(3, None)
    found = all_rows(rows)
    assert (found["x"], found["y"]) == ([3, 0, 2], [3, 799, 798])
    assert (found["x_sub"], found["y_sub"]) == ([128, 0, 0], [192, 255, 255])


def test_a_warp_is_taken_to_come_before_the_motions(rows):
    parse(rows, motion(MOUSE, 1, 1) + raw_event(15, MOUSE, detail=1))
    rows.place(2, (500 * PIXEL, 400 * PIXEL))
    found = all_rows(rows)
    assert (found["x"], found["y"]) == ([500, 500], [400, 400])
    assert rows.at == (500 * PIXEL, 400 * PIXEL)


def test_what_is_injected_is_a_motion_or_a_position_as_the_pointer_says(rows):
    rows.at = (10 * PIXEL, 10 * PIXEL)
    parse(rows, motion(XTEST, 30, 40) + motion(XTEST, 33, 44))
    rows.place(2, (33 * PIXEL, 44 * PIXEL))
    parse(rows, motion(XTEST, 2, 2))
    rows.place(3, (35 * PIXEL, 46 * PIXEL))
    found = all_rows(rows)
    assert (found["x"], found["y"]) == ([30, 33, 35], [40, 44, 46])
    assert found["flags"] == [EventFlag.INJECTED | EventFlag.ABSOLUTE] * 2 + [EventFlag.INJECTED]
    assert (found["dx"], found["dy"]) == ([0, 0, 2], [0, 0, 2])


def test_absolute_devices_are_scaled_and_an_axis_may_be_missing(rows):
    data = raw_event(17, PEN, values={0: (300, 300), 1: (400, 400)}) + raw_event(
        17, PEN, values={1: (80, 80)}
    )
    parse(rows, data)
    rows.place(2, None)
    found = all_rows(rows)
    assert (found["x"], found["y"]) == ([200, 200], [100, 20])
    assert found["flags"] == [EventFlag.ABSOLUTE] * 2


def test_fractions_of_raw_motion_need_a_finer_unit_and_then_lose_nothing(rows):
    data = motion(PAD, 0.5, 0, (0.3, 0.0)) * 10
    taken, why, length = parse(rows, data)
    assert (taken, why, length, rows.count) == (0, _x11.FINER, len(data) // 10, 0)
    rows.devices[PAD]["motion_bits"] = 8
    assert parse(rows, data)[:2] == (len(data), _x11.MORE)
    assert sum(all_rows(rows)["dx"]) == 768


def test_smooth_scroll_keeps_its_rest(rows):
    data = (
        raw_event(17, MOUSE, values={2: (15, 15)})
        + raw_event(17, MOUSE, values={2: (-0.1, -0.1), 3: (5, 5)}) * 10
    )
    parse(rows, data)
    found = all_rows(rows)
    assert found["kind"] == [EventKind.SCROLL] * 11
    assert found["dy"][0] == -120  # downwards
    assert sum(found["dy"][1:]) == 8
    assert found["dx"][1:] == [60] * 10
    assert found["scroll_source"] == [1] * 11


def test_a_motion_that_also_scrolls_is_two_events(rows):
    parse(rows, raw_event(17, MOUSE, values={0: (1, 1), 1: (1, 1), 2: (15, 15)}))
    assert all_rows(rows)["kind"] == [EventKind.MOVE, EventKind.SCROLL]


def test_emulated_wheel_clicks_give_way_to_valuators(rows):
    press = [
        raw_event(15, device, detail=4, flags=0x10000) + raw_event(16, device, detail=4, flags=0x10000)
        for device in (MOUSE, PAD)
    ]
    parse(rows, b"".join(press))
    found = all_rows(rows)
    assert (found["kind"], found["dy"], found["source"]) == ([EventKind.SCROLL], [120], [4])
    assert found["flags"] == [EventFlag.EMULATED]


@pytest.mark.parametrize(
    ("detail", "kind", "code", "dx", "dy"),
    [
        (1, EventKind.BUTTON_DOWN, 1, 0, 0),
        (2, EventKind.BUTTON_DOWN, 3, 0, 0),
        (3, EventKind.BUTTON_DOWN, 2, 0, 0),
        (5, EventKind.SCROLL, 0, 0, -120),
        (6, EventKind.SCROLL, 0, -120, 0),
        (7, EventKind.SCROLL, 0, 120, 0),
        (8, EventKind.BUTTON_DOWN, 4, 0, 0),
        (9, EventKind.BUTTON_DOWN, 5, 0, 0),
        (20, EventKind.BUTTON_DOWN, 16, 0, 0),
    ],
)
def test_buttons(rows, detail, kind, code, dx, dy):
    parse(rows, raw_event(15, PAD, detail=detail))
    found = all_rows(rows)
    assert (found["kind"], found["code"], found["dx"], found["dy"]) == ([kind], [code], [dx], [dy])


def test_keys_bear_the_state_before_them(rows):
    shift, letter = 50, 38
    data = (
        raw_event(13, XTEST, detail=shift)
        + xkb_state(1, 0)
        + raw_event(13, XTEST, detail=letter)
        + xkb_state(7, 1, keyboard=9)
    )
    data += raw_event(14, XTEST, detail=letter) + xkb_state(0, 1) + raw_event(14, XTEST, detail=shift)
    assert parse(rows, data) == (len(data), _x11.MORE, 0)
    found = all_rows(rows)
    assert found["kind"] == [EventKind.KEY_DOWN, EventKind.KEY_DOWN, EventKind.KEY_UP, EventKind.KEY_UP]
    assert found["code"] == [42, 30, 30, 42]
    assert (found["modifiers"], found["layout"]) == ([0, 1, 1, 0], [0, 0, 0, 1])
    assert rows.unnamed_keys == 4


def test_pointer_rows_do_not_tell_what_is_held(rows):
    parse(rows, xkb_state(1, 1) + motion(MOUSE, 1, 1) + raw_event(15, MOUSE, detail=1))
    found = all_rows(rows)
    assert (found["modifiers"], found["layout"]) == ([0, 0], [0, 0])


def test_time_wraps_and_a_foreign_clock_is_not_believed(rows):
    rows.state["now_t"] = ((1 << 32) + 5) * MS
    parse(rows, motion(MOUSE, 1, 1, ms=(1 << 32) - 2) + motion(MOUSE, 1, 1, ms=3))
    assert all_rows(rows)["t"] == [((1 << 32) - 2) * MS, ((1 << 32) + 3) * MS]
    assert all_rows(rows)["os_time"] == [(1 << 32) - 2, 3]
    rows.drop(2)
    rows.state["is_monotonic"] = 0
    parse(rows, motion(MOUSE, 1, 1, ms=77))
    assert all_rows(rows)["t"] == [((1 << 32) + 5) * MS]


@pytest.mark.parametrize(
    "packet",
    [
        bytes([28]) + bytes(31),
        bytes([1]) + bytes(31),
        bytes([0]) + bytes(31),
        bytes([XKB_EVENT, 1]) + bytes(30),
        bytes([XKB_EVENT | 0x80, 2]) + bytes(30),
        struct.pack("=BBHIH", 35, OPCODE, 0, 0, 11) + bytes(22),
        struct.pack("=BBHIH", 35, OPCODE + 1, 0, 0, 17) + bytes(22),
        struct.pack("=BBHI", 1, 0, 0, 3) + bytes(24 + 12),
    ],
    ids=["property", "answer", "error", "map", "sent", "hierarchy", "other extension", "long answer"],
)
def test_what_is_no_row_is_left_to_the_caller(rows, packet):
    before, behind = motion(MOUSE, 1, 1), motion(MOUSE, 2, 2)
    assert parse(rows, before + packet + behind) == (len(before), _x11.OTHER, len(packet))
    assert rows.count == 1


def test_a_device_that_is_not_known_stops(rows):
    data = motion(77, 1, 1)
    assert parse(rows, data) == (0, _x11.DEVICE, len(data))
    data = motion(0x1234, 1, 1)
    assert parse(rows, data) == (0, _x11.DEVICE, len(data))


def test_every_cut_waits_for_more(rows):
    data = motion(MOUSE, 1, 1)
    for size in range(len(data)):
        assert parse(rows, data[:size]) == (0, _x11.MORE, 0)
    assert rows.count == 0


def test_rows_that_are_full_stop():
    state, devices = np.zeros(1, wire.STATE), np.zeros(_x11.DEVICES, wire.DEVICE)
    table = np.zeros(3, wire.ROW)
    state["opcode"], devices["id"] = OPCODE, 1
    parser = _x11.Parser(state.view(np.uint8), devices.view(np.uint8), table.view(np.uint8))
    data = raw_event(15, MOUSE, detail=1) * 4
    assert parser.read(data, 0, len(data), 0) == (64, 2, _x11.FULL, 0)
    assert parser.read(data, 64, len(data), 2) == (0, 0, _x11.FULL, 0)


@pytest.mark.parametrize(
    ("at", "value", "error"),
    [
        (4, 0xFFFFFFFF, LimitExceededError),
        (4, 1 << 16, LimitExceededError),
        (4, 0, CorruptDataError),
        (4, 8, CorruptDataError),
        (32, 0xFFFFFFFF, CorruptDataError),
    ],
    ids=["endless", "long", "none", "short", "values"],
)
def test_hostile_lengths(rows, at, value, error):
    data = bytearray(motion(MOUSE, 1, 1))
    struct.pack_into("=I", data, at, value)
    with pytest.raises(error, match="from the X server"):
        rows.parse(data, 0, len(data))


def test_too_many_valuators(rows):
    data = bytearray(motion(MOUSE, 1, 1))
    struct.pack_into("=H", data, 22, 3)
    with pytest.raises(LimitExceededError, match="words of valuators"):
        rows.parse(data, 0, len(data))


def test_any_bytes_give_rows_or_one_kind_of_error(rows, seed, tries):
    random = np.random.default_rng(seed)
    valid = bytearray(
        motion(MOUSE, 1, 1)
        + raw_event(13, XTEST, detail=38)
        + xkb_state(1, 0)
        + raw_event(17, MOUSE, values={0: (1, 1), 2: (9, 9), 20: (1, 1)})
    )
    for _ in range(tries(quick=400, soak=100_000)):
        data = bytearray(valid)
        for place in random.integers(0, len(data), 3):
            data[place] = random.integers(0, 256)
        done = 0
        try:
            while done < len(data):
                taken, why, length = rows.parse(data, done, len(data))
                done += taken
                if why == _x11.MORE:
                    break
                assert length >= 32 or why == _x11.FULL
                done += length
        except EvcodecError:
            pass
        rows.place(rows.count, None)
        columns = rows.batch(0, rows.count).columns
        assert all(0 <= x < 1000 for x in columns["x"])
        assert all(0 <= y < 800 for y in columns["y"])
        rows.drop(rows.count)


def test_extreme_numbers_are_held():
    made = Rows((1000, 800))
    made.state[0] = (NOW_MS * MS, 1, 0, 0, OPCODE, XKB_EVENT, 3, b"")
    made.devices["id"], made.devices["axis"] = 1, (0, 1)
    made.devices[PEN]["absolute"], made.devices[PEN]["scale"] = 1, 1e300
    extremes = [struct.pack("=iI", whole, part) for whole in (-(2**31), 2**31 - 1) for part in (0, 2**32 - 1)]
    for device in (MOUSE, PEN):
        for value in extremes:
            data = bytearray(motion(device, 0, 0))
            data[36:44] = data[44:52] = value
            made.parse(data, 0, len(data))
    made.place(made.count, None)
    found = made.batch(0, made.count).columns
    assert set(found["x"].tolist()) <= {0, 999}
    assert set(found["y"].tolist()) <= {0, 799}


def test_what_was_given_away_is_wiped(rows):
    parse(rows, raw_event(13, XTEST, detail=38) + raw_event(14, XTEST, detail=38))
    rows.drop(1)
    assert rows.count == 1
    left = rows.batch(0, 2).columns
    assert left["code"].tolist() == [30, 0]
    rows.drop(1)
    assert rows.batch(0, 2).columns["code"].tolist() == [0, 0]


# ---- keys


def key_map() -> bytes:
    """Return an answer to XkbGetMap: two types, keys 8 (one group, letters) and 9 (two groups)."""
    types = struct.pack("=BBHBBBx", 0, 0, 0, 1, 0, 0)
    types += struct.pack("=BBHBBBx", 3, 3, 0, 2, 3, 1)
    for under, level in ((1, 1), (2, 1), (3, 0)):
        types += struct.pack("=BBBBHxx", 1, under, level, under, 0)
    types += bytes(12)
    keys = struct.pack("=4BBBH", 1, 0, 0, 0, 1, 2, 2) + struct.pack("=2I", ord("a"), ord("A"))
    keys += struct.pack("=4BBBH", 0, 1, 0, 0, 2, 2, 4) + struct.pack("=4I", 0xE4, 0, ord("b"), ord("B"))
    head = bytearray(40)
    head[14:16] = 0, 2
    head[17], head[20] = 8, 2
    return bytes(head) + types + keys


def test_keys_under_modifiers_and_layouts():
    keys = keys_of(key_map())
    assert [keys[8].keysym(modifiers, 0) for modifiers in (0, 1, 2, 3, 4, 5)] == [ord(c) for c in "aAAaaA"]
    assert [keys[9].keysym(0, group) for group in (0, 1, 2, 3)] == [0xE4, ord("b"), 0xE4, ord("b")]
    assert keys[9].keysym(2, 0) == 0xC4  # the type does not know Caps Lock


def test_groups_beyond_those_of_a_key():
    kind = KeyType(0, {})
    assert Key((kind,) * 4, 2 | 0x40, 1, (5, 6)).keysym(0, 3) == 6
    assert Key((kind,) * 4, 2 | 0x80 | 0x10, 1, (5, 6)).keysym(0, 3) == 6
    assert Key((kind,) * 4, 0, 0, ()).keysym(0, 0) == 0


@pytest.mark.parametrize(
    ("keysym", "capital"),
    [(0x61, 0x41), (0xF7, 0xF7), (0x1000451, 0x1000401), (0xFF0D, 0xFF0D), (0x100DF, 0x100DF)],
)
def test_capitals(keysym, capital):
    assert upper(keysym) == capital


def test_names_of_layouts():
    assert layout_names(b"evdev\0pc105\0us,de,ru\0,nodeadkeys\0\0") == ["us", "de(nodeadkeys)", "ru"]
    assert layout_names(b"") == []

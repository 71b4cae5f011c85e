"""The source of the kernel's input devices, through FIFOs of real records: events, losses, devices that come and go."""

from __future__ import annotations

import contextlib
import os
import random
import select
import struct
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="evdev is Linux's")

if sys.platform == "linux":
    from evcodec import EventFlag, EventKind
    from evcodec.capture.evdev import EvdevSource, records
    from evcodec.capture.evdev import source as source_module
    from evcodec.capture.model import DeviceFound, EventsLost, InputEvents, SenseLost, SenseRegained
    from evcodec.errors import CaptureError
    from evcodec.schema import KeyClass

SYN, KEY, REL, ABS = 0, 1, 2, 3
SECOND = 1_000_000_000


def record(t, type_, code, value):
    return struct.pack("llHHi", t // SECOND, t % SECOND // 1000, type_, code, value)


def report(t, *items):
    return b"".join(record(t, *item) for item in (*items, (SYN, 0, 0)))


class Fifo:
    """A device to which tests write records."""

    def __init__(self, path):
        self.path = path
        os.mkfifo(path)
        self.fd = -1

    def open(self):
        self.fd = os.open(self.path, os.O_RDWR)  # waits for nobody

    def write(self, data):
        assert os.write(self.fd, data) == len(data)

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1


@pytest.fixture
def devices(tmp_path):
    """Return what makes FIFOs and a source of them."""
    opened = []

    def make(count=1):
        fifos = [Fifo(tmp_path / f"event{number}") for number in range(count)]
        source = EvdevSource([fifo.path for fifo in fifos])
        opened.extend([source, *fifos])
        for fifo in fifos:
            fifo.open()
        assert [one.name for one in source.read(1) if isinstance(one, DeviceFound)] == [
            fifo.path.name for fifo in fifos
        ]
        return source, fifos

    yield make
    for one in opened:
        one.close()


def rows(observed, *names):
    """Return the events of what was observed, each as a tuple of these columns."""
    batches = [one.batch for one in observed if isinstance(one, InputEvents)]
    return [row for batch in batches for row in zip(*(batch[name].tolist() for name in names), strict=True)]


NOW = 5_000 * SECOND


def test_a_report_is_one_event_of_each_kind(devices):
    source, (fifo,) = devices()
    fifo.write(report(NOW, (REL, 0, 3), (REL, 1, -2), (4, 4, 0x90001), (KEY, 0x110, 1)))
    fifo.write(report(NOW + 1_000, (REL, 1, 7)))
    fifo.write(
        report(NOW + 2_000, (KEY, 30, 1))
        + report(NOW + 3_000, (KEY, 30, 2))
        + report(NOW + 4_000, (KEY, 30, 0))
    )
    found = source.read(NOW + SECOND)
    assert rows(found, "t", "kind", "dx", "dy", "code", "flags", "os_time", "source", "key_class") == [
        (NOW, EventKind.MOVE, 3, -2, 0, EventFlag.RELATIVE_ONLY, NOW // 1000, 1, 0),
        (NOW, EventKind.BUTTON_DOWN, 0, 0, 1, 0, NOW // 1000, 1, 0),
        (NOW + 1_000, EventKind.MOVE, 0, 7, 0, EventFlag.RELATIVE_ONLY, NOW // 1000 + 1, 1, 0),
        (NOW + 2_000, EventKind.KEY_DOWN, 0, 0, 30, 0, NOW // 1000 + 2, 1, KeyClass.LETTER),
        (NOW + 3_000, EventKind.KEY_REPEAT, 0, 0, 30, 0, NOW // 1000 + 3, 1, KeyClass.LETTER),
        (NOW + 4_000, EventKind.KEY_UP, 0, 0, 30, 0, NOW // 1000 + 4, 1, KeyClass.LETTER),
    ]


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        pytest.param([(REL, 8, -1)], (0, -120), id="a notch of an old mouse"),
        pytest.param([(REL, 8, 1), (REL, 11, 120)], (0, 120), id="a notch is not counted twice"),
        pytest.param([(REL, 11, 15)], (0, 15), id="an eighth of a notch"),
        pytest.param([(REL, 6, 2), (REL, 12, 240), (REL, 11, -30)], (240, -30), id="both ways"),
        pytest.param([(REL, 6, 1), (REL, 11, -30)], (120, -30), id="fine one way only"),
    ],
)
def test_the_wheel_is_in_120ths_of_a_notch(devices, items, expected):
    source, (fifo,) = devices()
    fifo.write(report(NOW, *items))
    assert rows(source.read(NOW), "kind", "dx", "dy", "scroll_source") == [(EventKind.SCROLL, *expected, 1)]


def test_an_axis_that_a_report_leaves_out_stays_where_it_was(devices):
    source, (fifo,) = devices()
    fifo.write(report(NOW, (ABS, 0, 100), (ABS, 1, 50)) + report(NOW, (ABS, 0, 110)))
    assert rows(source.read(NOW), "x", "y", "flags") == [(100, 50, 1), (110, 50, 1)]
    fifo.write(report(NOW, (ABS, 1, 60)) + report(NOW, (ABS, 53, 9)))
    assert rows(source.read(NOW), "x", "y", "flags") == [(110, 60, 1)]


@pytest.mark.parametrize(
    ("code", "expected"),
    [(0x110, 1), (0x111, 2), (0x112, 3), (0x113, 4), (0x114, 5), (0x14A, 0x14A)],
)
def test_buttons_are_numbered_as_elsewhere_and_do_not_repeat(devices, code, expected):
    source, (fifo,) = devices()
    fifo.write(b"".join(report(NOW, (KEY, code, value)) for value in (1, 2, 0)))
    assert rows(source.read(NOW), "kind", "code") == [
        (EventKind.BUTTON_DOWN, expected),
        (EventKind.BUTTON_UP, expected),
    ]


def test_what_was_dropped_is_said_and_left_out(devices):
    source, (fifo,) = devices()
    fifo.write(report(NOW, (KEY, 30, 1)))
    # The kernel puts SYN_DROPPED where its buffer was cut: what is left of that report is worth nothing.
    torn = record(NOW + 5_000, REL, 0, 99) + record(NOW + 6_000, SYN, 3, 0) + record(NOW + 6_000, REL, 1, 98)
    fifo.write(torn)
    found = source.read(NOW + SECOND)
    assert rows(found, "kind") == [(EventKind.KEY_DOWN,)]
    fifo.write(
        record(NOW + 7_000, REL, 1, 97) + record(NOW + 7_000, SYN, 0, 0) + report(NOW + 8_000, (REL, 0, 5))
    )
    found = source.read(NOW + SECOND)
    assert rows(found, "dx", "dy") == [(5, 0)]
    (lost,) = [one for one in found if isinstance(one, EventsLost)]
    assert (lost.since_t, lost.t, lost.device_id) == (NOW, NOW + 7_000, 1)


def test_keys_that_changed_while_records_were_dropped_follow_as_emulated(devices, monkeypatch):
    source, (fifo,) = devices()
    fifo.write(report(NOW, (KEY, 30, 1), (KEY, 42, 1)))
    source.read(NOW)
    # A FIFO is asked nothing; a device answers EVIOCGKEY with what is down.
    monkeypatch.setattr(type(source._open[1]), "held", lambda device: {42, 0x110})
    fifo.write(record(NOW + 1_000, SYN, 3, 0) + report(NOW + 2_000))
    found = source.read(NOW + SECOND)
    assert rows(found, "t", "kind", "code", "flags") == [
        (NOW + 2_000, EventKind.KEY_UP, 30, EventFlag.EMULATED),
        (NOW + 2_000, EventKind.BUTTON_DOWN, 1, EventFlag.EMULATED),
    ]
    assert source._open[1].state.held == {42, 0x110}


def test_several_devices_are_in_the_order_of_time(devices):
    source, (mouse, keyboard) = devices(2)
    mouse.write(b"".join(report(NOW + at, (REL, 0, at)) for at in (1_000, 3_000, 5_000)))
    keyboard.write(report(NOW + 2_000, (KEY, 15, 1)) + report(NOW + 4_000, (KEY, 15, 0)))
    assert rows(source.read(NOW + SECOND), "t", "source") == [
        (NOW + at, id_) for at, id_ in ((1_000, 1), (2_000, 2), (3_000, 1), (4_000, 2), (5_000, 1))
    ]


def test_a_device_that_goes_away_is_lost_and_the_others_go_on(devices):
    source, (mouse, keyboard) = devices(2)
    keyboard.write(report(NOW, (KEY, 15, 1)))
    keyboard.close()
    found = source.read(NOW + 7)
    assert rows(found, "code") == [(15,)]
    (lost,) = [one for one in found if isinstance(one, SenseLost)]
    assert (lost.device_id, lost.since_t, lost.t) == (2, NOW, NOW + 7)
    assert lost.why == "the device event1 was unplugged"
    mouse.write(report(NOW, (REL, 0, 1)))
    assert select.select([source], [], [], 5)[0]
    assert rows(source.read(NOW), "dx") == [(1,)]
    assert source.read(NOW) == []


@pytest.fixture
def input_folder(monkeypatch):
    """Folder in place of /dev/input that every user may search."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        monkeypatch.setattr(source_module, "FOLDER", Path(name))
        yield Path(name)


@contextlib.contextmanager
def as_nobody():
    """Be a user who is not root, who may read everything."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65_534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


def test_devices_that_are_plugged_in_or_may_be_read_later_are_found(input_folder):
    fifos = [Fifo(input_folder / f"event{number}") for number in range(3)]
    os.rename(fifos[2].path, input_folder / "elsewhere")
    with contextlib.ExitStack() as stack:
        for fifo in fifos:
            stack.callback(fifo.close)
        fifos[0].open()
        fifos[1].open()
        os.chmod(fifos[0].path, 0o666)
        os.chmod(fifos[1].path, 0)
        with as_nobody():
            source = EvdevSource()
            stack.callback(source.close)
            found = source.read(1)
        assert [type(one) for one in found] == [DeviceFound, DeviceFound, SenseLost]
        assert found[2].why.endswith("event1 cannot be read: Permission denied")
        assert found[2].device_id == found[1].id == 2
        os.rename(input_folder / "elsewhere", fifos[2].path)
        fifos[2].open()
        due_t = source.next_read_t()
        assert due_t is not None
        assert source.read(due_t - 1) == []
        os.chmod(fifos[1].path, 0o666)
        found = source.read(due_t)
        assert [type(one) for one in found] == [SenseRegained, DeviceFound, DeviceFound]
        assert found[0].device_id == 2
        fifos[2].write(report(NOW, (REL, 0, 4)))
        assert rows(source.read(due_t), "dx", "source") == [(4, found[2].id)]


def test_without_permission_the_message_says_what_to_do(input_folder):
    os.chmod(Fifo(input_folder / "event0").path, 0)
    with as_nobody(), pytest.raises(CaptureError) as caught:
        EvdevSource()
    message = str(caught.value)
    for part in ("none of 1 input devices may be read", "usermod -aG input", "udev rule", "every program"):
        assert part in message


def test_a_machine_without_devices_is_told(input_folder, tmp_path):
    with pytest.raises(CaptureError, match="found no input device"):
        EvdevSource()
    with pytest.raises(CaptureError, match="absent cannot be opened: No such file"):
        EvdevSource([tmp_path / "absent"])


def test_bytes_without_a_report_are_bounded(devices):
    source, (fifo,) = devices()
    endless = record(NOW, REL, 0, 1) * 1_000
    for _ in range(10):
        fifo.write(endless)
        assert rows(source.read(NOW), "dx") == []
    assert source._open[1]._left <= records.MAX_REPORT_RECORDS * records.RECORD.itemsize
    fifo.write(report(NOW, (REL, 0, 2)) + report(NOW + 1_000, (REL, 0, 3)))
    found = source.read(NOW)
    assert [type(one) for one in found] == [InputEvents, EventsLost]
    assert rows(found, "dx") == [(3,)]


def test_times_that_cannot_be_are_those_of_receipt(devices):
    source, (fifo,) = devices()
    for sec, usec in ((-1, 0), (NOW // SECOND + 9, 0), (5, 1_000_000), (1 << 62, 5)):
        fifo.write(struct.pack("llHHi", sec, usec, KEY, 30, 1) + struct.pack("llHHi", sec, usec, SYN, 0, 0))
    assert rows(source.read(NOW), "t") == [(NOW,)] * 4


def test_what_was_read_does_not_stay_in_memory(devices):
    source, (fifo,) = devices()
    fifo.write(b"".join(report(NOW, (KEY, code, 1)) for code in range(16, 26)) + record(NOW, KEY, 50, 1))
    assert len(rows(source.read(NOW), "code")) == 10
    device = source._open[1]
    assert device._left == records.RECORD.itemsize
    assert not any(device._buffer[device._left :])


KEYS = ("KEY_UP", "KEY_DOWN", "KEY_REPEAT")
BUTTONS = ("BUTTON_UP", "BUTTON_DOWN")


def model(reports):
    """Return the events of reports, one after the other, in the plainest way."""
    found = []
    x = y = 0
    for t, items in reports:
        event_at = {}
        for kind, code, value in items:
            if kind == REL and code in (0, 1):
                moved = event_at.setdefault("move", [t, EventKind.MOVE, 0, 0, 0, 0, 0])
                moved[4 + code] += value
            elif kind == ABS and code in (0, 1):
                x, y = (value, y) if code == 0 else (x, value)
                event_at.setdefault("place", [t, EventKind.MOVE, 0, 0, 0, 0, 0])[2:4] = [x, y]
            elif kind == REL and code in (6, 8, 11, 12):
                turned = event_at.setdefault("wheel", [t, EventKind.SCROLL, 0, 0, 0, 0, 0])
                axis = 5 if code in (8, 11) else 4
                is_fine = any(k == REL and c == (11 if axis == 5 else 12) for k, c, _ in items)
                turned[axis] += value if code > 10 else 0 if is_fine else value * 120
            elif kind == KEY and value in (0, 1, 2) and (code < 0x100 or value < 2):
                kinds = KEYS if code < 0x100 else BUTTONS
                number = code if code < 0x100 else code - 0x10F
                event_at[len(event_at)] = [t, EventKind[kinds[value]], 0, 0, 0, 0, number]
        found += [tuple(map(int, event)) for event in event_at.values()]
    return found


def test_random_reports_cut_anywhere_are_what_a_plain_model_says(devices, seed, tries):
    source, (fifo,) = devices()
    for number in range(tries(60, 2_000)):
        rng = random.Random(seed * 10_007 + number)
        kinds = [(REL, c) for c in (0, 1, 6, 8, 11, 12, 3)] + [(ABS, c) for c in (0, 1, 2)] + [(4, 4)]
        kinds += [(KEY, c) for c in (1, 30, 57, 0x110, 0x114)]
        fifo.write(report(NOW, (ABS, 0, 0), (ABS, 1, 0)))
        source.read(NOW)
        reports = [
            (
                NOW + at * 1_000,
                [(*rng.choice(kinds), rng.choice([0, 1, 2, -1, 3, 700])) for _ in range(rng.randrange(5))],
            )
            for at in range(rng.randrange(1, 60))
        ]
        data = b"".join(report(t, *items) for t, items in reports)
        cuts = sorted({0, len(data), *(rng.randrange(len(data)) for _ in range(rng.randrange(6)))})
        found = []
        for low, high in pairwise(cuts):
            fifo.write(data[low:high])
            found += source.read(NOW + SECOND)
        got = rows(found, "t", "kind", "x", "y", "dx", "dy", "code")
        assert sorted(got) == sorted(model(reports)), number
        assert [row[0] for row in got] == sorted(row[0] for row in got)


def test_every_event_of_a_burst_comes_through(devices):
    source, (fifo,) = devices()
    os.set_blocking(fifo.fd, True)
    total = 0
    start = time.monotonic_ns()
    for round_ in range(40):
        fifo.write(b"".join(report(start + round_ * 1_000, (REL, 0, 1)) for _ in range(600)))
        total += sum(dx for (dx,) in rows(source.read(start + SECOND), "dx"))
    assert total == 40 * 600
    assert np.all(records._CLASSES[[15, 28]] == KeyClass.EDITING)

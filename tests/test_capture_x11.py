"""The X11 source on a real X server, without a window manager: what XTEST injects comes back, value by value."""

from __future__ import annotations

import gc
import os
import sys

import numpy as np
import pytest

from desktop import Desktop, missing
from evcodec import CaptureError, EventFlag, EventKind, InvalidArgumentError, KeyClass
from evcodec.capture.model import (
    INPUT_COLUMNS,
    DeviceFound,
    DisplaysChanged,
    HotkeyPressed,
    KeyboardGrabbed,
    PointerEntered,
    Sense,
    SenseLost,
    WindowFocused,
)
from evcodec.capture.x11 import X11Source, wire
from evcodec.keysyms import character_of
from x11_clients import Client, Watcher, authority

A, B, SHIFT, CAPS, NUM, SEVEN = 30, 48, 42, 58, 69, 71


@pytest.fixture(scope="module")
def bare():
    """An X server with nothing on it."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    with Desktop(None, accessible=False) as made, authority(made.environ):
        yield made


@pytest.fixture
def client(bare):
    made = Client(bare.display)
    yield made
    made.close()


@pytest.fixture
def opened(bare):
    """Return what opens a source that is closed behind the test."""
    made = []

    def open_source(display=None, **options):
        made.append(X11Source(display or bare.display, **options))
        return made[-1]

    yield open_source
    for source in made:
        source.close()


@pytest.fixture
def watcher(opened, client):
    client.warp(100, 100)
    source = opened(hotkey=None)
    made = Watcher(source)
    made.until(lambda: made.of(PointerEntered) and made.of(WindowFocused), "the first look")
    made.clear()
    return made


def test_devices_come_first_and_say_what_they_are(opened):
    source = opened()
    watcher = Watcher(source)
    watcher.read()
    found = {o.name: o for o in watcher.of(DeviceFound)}
    source.close()
    assert isinstance(watcher.seen[0], DeviceFound)
    assert len({o.id for o in found.values()}) == len(found)
    xtest = found["Virtual core XTEST pointer"].properties
    assert xtest["injected"]
    assert xtest["time_unit_ns"] == 1_000_000
    assert (xtest["clock_id"], xtest["wrap_bits"], xtest["scale_exponent"]) == ("monotonic", 32, 0)
    assert not found["Xvfb mouse"].properties["injected"]
    assert [axis["label"] for axis in xtest["axes"]][:2] == ["Rel X", "Rel Y"]
    (displays,) = watcher.of(DisplaysChanged)
    assert [(d.bounds.width, d.bounds.height) for d in displays.displays] == [(1280, 720)]


def test_motions_and_positions_come_back(watcher, client):
    steps = [(3, 4), (-1, 0), (7, -9), (0, 1)]
    for dx, dy in steps:
        client.move_by(dx, dy)
    client.settle()
    found = watcher.until_events(4)
    assert list(zip(found.dx.tolist(), found.dy.tolist(), strict=True)) == steps
    assert found.x.tolist() == [103, 102, 109, 109]
    assert found.y.tolist() == [104, 104, 95, 96]
    assert set(found.kind.tolist()) == {EventKind.MOVE}
    assert set(found.flags.tolist()) == {EventFlag.INJECTED}
    assert set(found.columns) == {*INPUT_COLUMNS, "x_sub", "y_sub"}
    client.move(600, 500)
    client.move(601, 502)
    client.settle()
    found = watcher.until_events(6)
    assert (found.x[4:].tolist(), found.y[4:].tolist()) == ([600, 601], [500, 502])
    assert set(found.flags[4:].tolist()) == {EventFlag.INJECTED | EventFlag.ABSOLUTE}


def test_positions_stay_on_the_screen(watcher, client):
    client.move_by(-5000, 9000)
    client.move_by(2, -3)
    client.settle()
    found = watcher.until_events(2)
    assert (found.x.tolist(), found.y.tolist()) == ([0, 2], [719, 716])


def test_a_click_behind_a_warp_is_where_the_pointer_is(watcher, client):
    client.warp(321, 123)
    client.button(1)
    client.settle()
    found = watcher.until_events(2)
    assert (found.x.tolist(), found.y.tolist()) == ([321, 321], [123, 123])


def test_times_are_those_of_the_server(watcher, client):
    client.move_by(1, 1)
    client.settle()
    found = watcher.until_events(1)
    now_t = watcher.source._last_t
    assert found.t[0] == found.os_time[0] % (1 << 32) * 1_000_000
    assert 0 <= now_t - found.t[0] < 60_000_000_000


def test_buttons_and_wheel(watcher, client):
    for number in (1, 2, 3, 4, 5, 6, 7, 8, 9):
        client.button(number)
    client.settle()
    found = watcher.until_events(14)
    buttons = found.kind != EventKind.SCROLL
    assert found.code[buttons].tolist() == [1, 1, 3, 3, 2, 2, 4, 4, 5, 5]
    assert found.kind[buttons].tolist() == [EventKind.BUTTON_DOWN, EventKind.BUTTON_UP] * 5
    assert found.dy[~buttons].tolist() == [120, -120, 0, 0]
    assert found.dx[~buttons].tolist() == [0, 0, -120, 120]


def test_keys_under_modifiers_and_locks(watcher, client):
    client.key(A)
    client.key(SHIFT, A)
    client.key(CAPS)
    client.key(A)
    client.key(CAPS)
    client.key(SEVEN)
    client.key(NUM)
    client.key(SEVEN)
    client.key(NUM)
    client.settle()
    found = watcher.until_events(20)
    down = found.kind == EventKind.KEY_DOWN
    typed = [
        (code, keysym)
        for code, keysym in zip(found.code[down].tolist(), found.keysym[down].tolist(), strict=True)
    ]
    assert [character_of(keysym) for code, keysym in typed if code == A] == ["a", "A", "A"]
    assert [keysym for code, keysym in typed if code == SEVEN] == [0xFF95, 0xFFB7]  # KP_Home, KP_7
    letters = down & (found.code == A)
    assert set(found.key_class[letters].tolist()) == {KeyClass.LETTER}
    assert found.modifiers[letters].tolist() == [0, 1, 2]
    assert np.count_nonzero(found.kind == EventKind.KEY_UP) == 10


def test_a_held_key_repeats(bare, watcher, client):
    bare.run("xset", "r", "rate", "150", "50")
    client.fake(2, B + 8)
    watcher.until(
        lambda: np.count_nonzero(watcher.events().kind == EventKind.KEY_REPEAT) >= 5, "five repeats"
    )
    client.fake(2, SHIFT + 8)
    watcher.until(lambda: ord("B") in watcher.events().keysym, "a repeat under Shift")
    client.fake(3, B + 8)
    client.fake(3, SHIFT + 8)
    watcher.until(lambda: np.count_nonzero(watcher.events().kind == EventKind.KEY_UP) == 2, "the releases")
    found = watcher.events()
    repeats = found.kind == EventKind.KEY_REPEAT
    assert set(found.code[repeats].tolist()) == {B}
    assert set(found.source[repeats].tolist()) == set(found.source[~repeats].tolist())
    assert (np.diff(found.t[repeats]) > 0).all()
    assert found.keysym[repeats][0] == ord("b")
    assert watcher.source.next_read_t() is None, "nothing is held: nothing to wake for"


def test_layouts(bare, watcher, client):
    bare.run("setxkbmap", "us,ru,de", "-variant", ",,nodeadkeys")
    try:
        for group in (0, 1, 2):
            client.lock_group(group)
            client.key(A if group < 2 else 21)
        client.settle()
        found = watcher.until_events(6)
        down = found.kind == EventKind.KEY_DOWN
        assert [character_of(keysym) for keysym in found.keysym[down].tolist()] == ["a", "ф", "z"]
        assert found.layout[down].tolist() == [0, 1, 2]
        assert [watcher.source.layout_name(i) for i in (0, 1, 2, 3)] == ["us", "ru", "de(nodeadkeys)", None]
    finally:
        client.lock_group(0)
        bare.run("setxkbmap", "us")


def test_nothing_is_lost_when_nobody_reads(watcher, client):
    count = 20_000
    for _ in range(count // 100):
        for i in range(100):
            client.move_by(1 if i % 2 else -1, 1 if i % 4 < 2 else -1)
    client.settle()
    client.button(1)
    client.settle()
    found = watcher.until_events(count + 2)
    assert len(found) == count + 2
    assert found.dx[:count].tolist() == [-1, 1] * (count // 2)
    assert set(found.x[:count].tolist()) == {99, 100}
    assert (np.diff(found.t) >= 0).all()


# ---- focus, grabs, the pointer


def test_whose_the_focus_is_says_the_server_and_not_the_window(watcher, client):
    window = client.window(300, 300, 100, 80, title="first", name="Liar")
    client.set_number(window, "_NET_WM_PID", 1)
    client.focus(window)
    told = watcher.until_last(WindowFocused, lambda o: o.window is not None, "the focus")
    assert told.window.title == "first"
    assert told.window.application.pid == os.getpid()
    assert told.window.application.executable == os.path.realpath(sys.executable)
    assert told.window.application.window_class == "Liar"
    client.set_text(window, "WM_NAME", "second")
    watcher.until_last(
        WindowFocused, lambda o: o.window is not None and o.window.title == "second", "the new title"
    )
    client.destroy(window)
    watcher.until_last(WindowFocused, lambda o: o.window is None, "no focus")


def test_keys_come_between_the_news_of_their_windows(watcher, client):
    one = client.window(300, 300, 50, 50, title="one", name="One")
    two = client.window(400, 300, 50, 50, title="two", name="Two")
    watcher.read()
    client.focus(one)
    client.key(A)
    client.focus(two)
    client.key(B)
    client.settle()
    watcher.until(lambda: len(watcher.events()) == 4, "the keys")
    watcher.until_last(
        WindowFocused, lambda o: o.window is not None and o.window.title == "two", "the second window"
    )
    order = []
    for o in watcher.seen:
        if isinstance(o, WindowFocused):
            order.append(o.window and o.window.title)
        elif hasattr(o, "batch"):
            order += o.batch.code.tolist()
    # Where the first window was no longer in focus when it was asked for, nobody is said to have had the keys.
    kept = [word for i, word in enumerate(order) if not i or word != order[i - 1]]
    assert kept.index(B) > kept.index("two")
    assert "two" not in kept[: kept.index(A) + 1]
    client.destroy(one)
    client.destroy(two)


@pytest.mark.parametrize("holder", ["root", "own window", "other client's window"])
def test_a_grabbed_keyboard_is_told(bare, watcher, client, holder):
    window = client.window(300, 300, 50, 50, title="focused", name="Focused")
    client.focus(window)
    watcher.until_last(WindowFocused, lambda o: o.window is not None, "the focus")
    other = Client(bare.display)
    place = None
    if holder == "own window":
        place = other.window(10, 10, 5, 5, title="", name="Lock")
    elif holder == "other client's window":
        place = client.window(10, 10, 5, 5, title="", name="Innocent")
    other.grab_keyboard(place)
    watcher.until_last(KeyboardGrabbed, lambda o: o.is_grabbed, "the grab")
    other.ungrab_keyboard()
    watcher.until_last(KeyboardGrabbed, lambda o: not o.is_grabbed, "its end")
    other.grab_keyboard(place)
    watcher.until_last(KeyboardGrabbed, lambda o: o.is_grabbed, "the second grab")
    other.close()
    watcher.until_last(KeyboardGrabbed, lambda o: not o.is_grabbed, "the end of who held it")
    client.destroy(window)


def test_a_grab_from_before_is_found(opened, client):
    client.grab_keyboard()
    source = opened(hotkey=None)
    watcher = Watcher(source)
    watcher.until_last(KeyboardGrabbed, lambda o: o.is_grabbed, "the grab")
    client.ungrab_keyboard()
    watcher.until_last(KeyboardGrabbed, lambda o: not o.is_grabbed, "its end")


def test_no_grab_is_told_where_there_is_none(watcher):
    assert watcher.of(KeyboardGrabbed) == []


def test_events_that_clients_make_up_are_not_believed(watcher, client):
    root = client.connection.root
    for kind in (wire.FOCUS_IN, wire.FOCUS_OUT):
        event = struct_event(kind, root, mode=1)
        client.send(wire.request(25, 0, struct_send(root, wire.FOCUS_CHANGE) + event))
    client.move_by(1, 0)
    client.settle()
    watcher.until_events(1)
    assert watcher.of(KeyboardGrabbed) == []


def struct_event(kind: int, window: int, mode: int) -> bytes:
    return bytes([kind, 3, 0, 0]) + window.to_bytes(4, sys.byteorder) + bytes([mode]) + bytes(23)


def struct_send(window: int, mask: int) -> bytes:
    return window.to_bytes(4, sys.byteorder) + mask.to_bytes(4, sys.byteorder)


def test_the_window_under_the_pointer(watcher, client):
    window = client.window(500, 300, 60, 60, title="", name="Under")
    client.move(520, 320)
    client.settle()
    told = watcher.until_last(PointerEntered, lambda o: o.application is not None, "the window")
    assert told.application.window_class == "Under"
    assert told.application.pid == os.getpid()
    client.destroy(window)  # the pointer stands still
    watcher.until_last(PointerEntered, lambda o: o.application is None, "the bare desktop")


def test_displays_change(bare, watcher):
    bare.run("xrandr", "--setmonitor", "left", "640/200x720/200+0+0", "screen", check=False)
    bare.run("xrandr", "--setmonitor", "right", "640/200x720/200+640+0", "none", check=False)
    told = watcher.until_last(DisplaysChanged, lambda o: len(o.displays) >= 2, "two monitors")
    assert {(d.name, d.bounds.x, d.bounds.width) for d in told.displays} >= {("right", 640, 640)}
    bare.run("xrandr", "--delmonitor", "right")
    bare.run("xrandr", "--delmonitor", "left", check=False)


# ---- the hotkey


CTRL, ALT, P = 29, 56, 25


def test_the_hotkey_whatever_the_locks_are(opened, client):
    source = opened(hotkey="ctrl+alt+p")
    watcher = Watcher(source)
    pressed = 0
    for locks in ((), (CAPS,), (NUM,), (CAPS, NUM)):
        for lock in locks:
            client.key(lock)
        client.key(CTRL, ALT, P)
        pressed += 1
        watcher.until(lambda wanted=pressed: len(watcher.of(HotkeyPressed)) == wanted, f"press {pressed}")
        for lock in locks:
            client.key(lock)
    client.key(CTRL, P)
    client.key(A)
    watcher.until(lambda: A in watcher.events().code, "the keys behind")
    assert len(watcher.of(HotkeyPressed)) == pressed


def test_a_held_hotkey_is_pressed_once(bare, opened, client):
    bare.run("xset", "r", "rate", "150", "50")
    source = opened()
    watcher = Watcher(source)
    client.fake(2, CTRL + 8)
    client.fake(2, ALT + 8)
    client.fake(2, P + 8)
    watcher.until(lambda: np.count_nonzero(watcher.events().kind == EventKind.KEY_REPEAT) >= 5, "repeats")
    assert len(watcher.of(HotkeyPressed)) == 1
    for code in (P, ALT, CTRL):
        client.fake(3, code + 8)
    client.settle()


def test_a_hotkey_that_another_program_holds_fails_loudly(opened):
    first = opened()
    with pytest.raises(CaptureError, match=r"hotkey: found 'ctrl\+alt\+p' taken by another program, allowed"):
        opened()
    first.close()
    opened().close()


@pytest.mark.parametrize("name", ["p", "ctrl+", "ctrl+alt", "hyper+p", "ctrl+é", ""])
def test_what_is_no_hotkey(opened, name):
    with pytest.raises(InvalidArgumentError, match="hotkey: found"):
        opened(hotkey=name)


# ---- what goes wrong


def test_no_display(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(CaptureError, match="DISPLAY is not set"):
        X11Source()


# python-xlib leaves the sockets of a failed connection to the collector.
LEFT = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"
)


@LEFT
@pytest.mark.parametrize("name", ["nonsense", ":59999"])
def test_no_server(name):
    with pytest.raises(CaptureError, match=r"X11 display.* allowed"):
        X11Source(name)
    gc.collect()


@LEFT
def test_no_permission(opened, monkeypatch, tmp_path):
    empty = tmp_path / "none"
    empty.touch()
    monkeypatch.setenv("XAUTHORITY", str(empty))
    with pytest.raises(CaptureError, match=r"found no access \(Authorization required.*XAUTHORITY"):
        opened()
    gc.collect()


def test_a_source_that_is_killed_by_the_server_says_so_once(opened, client):
    source = opened()
    watcher = Watcher(source)
    watcher.read()
    client.send(wire.request(113, 0, source._asking._next_id.to_bytes(4, sys.byteorder)))
    watcher.until(lambda: watcher.of(SenseLost), "the loss")
    lost = watcher.of(SenseLost)
    assert [o.sense for o in lost] == [Sense.INPUT, Sense.WINDOWS]
    assert all("X server is lost" in o.why for o in lost)
    assert source.read(watcher.source._last_t) == []
    assert source.next_read_t() is None
    source.close()
    source.close()
    opened().close()  # the hotkey is free


def test_a_server_that_goes_away(opened):
    with Desktop(None, accessible=False) as other, authority(other.environ):
        source = opened(other.display)
        watcher = Watcher(source)
        watcher.read()
        client = Client(other.display)
        client.move_by(1, 1)
        client.settle()
        other.server.kill()
        watcher.until(lambda: watcher.of(SenseLost), "the loss")
        assert len(watcher.events()) == 1, "what came before the end is not lost"
        source.close()
        client.close()

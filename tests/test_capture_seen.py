"""The indicator on a real desktop: it is on the screen in every state, and the recorder is told when it is not."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

import desktop as desktops
from desktop import Desktop, wait_for
from evcodec import CaptureError
from evcodec.capture.seen import (
    Ask,
    Indicator,
    IndicatorHidden,
    IndicatorLost,
    IndicatorSeen,
    Notice,
    NoticeApplication,
    PersonAsked,
    Report,
    State,
    TrayMissing,
)
from evcodec.capture.seen.look import GROUND, LOOKS

TITLE = "evcodec is recording"
NOTICE = Notice(
    purpose="Learning how expense forms are filled in",
    recipients=("Example GmbH, research",),
    columns=("pointer: position, buttons, scrolling", "keys: as said of each application"),
    applications=(NoticeApplication(name="/usr/bin/gedit", keys="in full", titles="none"),),
    retention="90 days",
    retention_until="2027-02-20",
    notice_id="N-17",
    policy_digest="5e" * 32,
    file="/home/user/session.evc",
    hotkey="Ctrl+Alt+P",
)
# A window that covers the whole screen, and what it does beyond that.
RIVAL = """
import sys, tkinter
root = tkinter.Tk()
root.title("rival window")
root.configure(bg="#20c020")
{}
def tell():
    print("there", flush=True)
root.after(100, tell)
root.mainloop()
"""
FULL_SCREEN = RIVAL.format("root.attributes('-fullscreen', True)")
OVERRIDING = RIVAL.format(
    "root.overrideredirect(True); root.geometry('%dx%d+0+0' % (root.winfo_screenwidth(), root.winfo_screenheight()))"
)
GREEDY = RIVAL.format(
    """root.overrideredirect(True); root.geometry('%dx%d+0+0' % (root.winfo_screenwidth(), root.winfo_screenheight()))
def again():
    root.tk.call('raise', '.')
    root.after(1, again)
again()
root.bind('<Visibility>', lambda event: root.tk.call('raise', '.'))"""
)


def desktop_with(manager: str) -> Desktop:
    """Return a desktop under a window manager; skip where there is none."""
    reason = desktops.missing(manager, "tk")
    if reason:
        pytest.skip(reason)
    return Desktop(manager, accessible=False)


@pytest.fixture(scope="module")
def screen() -> Iterator[Desktop]:
    with desktop_with("openbox") as desktop:
        yield desktop


@pytest.fixture(scope="module")
def kept(screen) -> Iterator[Watched]:
    watched = Watched(screen)
    yield watched
    watched.close()


@pytest.fixture
def indicator(screen, kept) -> Iterator[Watched]:
    """Return an indicator that is on the screen, for tests that leave it there."""
    kept.indicator.show(State.RECORDING)
    kept.until(lambda: kept.indicator.is_visible and shown(screen) is State.RECORDING, "the indicator")
    kept.reports.clear()
    yield kept
    screen.end_programs()


@pytest.fixture(scope="module")
def other_screen() -> Iterator[Desktop]:
    """Return a desktop for indicators that come and go: two would fight for their place."""
    with desktop_with("openbox") as desktop:
        yield desktop


@pytest.fixture
def mortal(other_screen) -> Iterator[Watched]:
    watched = Watched(other_screen)
    yield watched
    watched.close()


class Watched:
    """An indicator with a recorder's loop; nothing that it reported is lost."""

    def __init__(self, desktop: Desktop) -> None:
        with pytest.MonkeyPatch.context() as patch:
            for name in ("DISPLAY", "XAUTHORITY"):
                patch.setenv(name, desktop.environ[name])
            self.indicator = Indicator(NOTICE, time.monotonic_ns())
        self.reports: list[Report] = []

    def turn(self) -> None:
        """Go once through the loop."""
        next_t = self.indicator.next_read_t()
        if next_t is not None:
            wait_s = max(0.0, min((next_t - time.monotonic_ns()) / 1e9, 0.05))
            select.select([self.indicator], [], [], wait_s)
            self.reports += self.indicator.read(time.monotonic_ns())

    def until(self, is_there: Callable[[], object], what: str) -> None:
        """Go on until something holds."""

        def turn() -> object:
            self.turn()
            return is_there()

        wait_for(turn, what)

    def report(self, kind: type[Report], what: str) -> Report:
        """Return the first report of a kind that comes; it is taken from those that are kept."""
        self.until(lambda: any(isinstance(one, kind) for one in self.reports), what)
        index = next(i for i, one in enumerate(self.reports) if isinstance(one, kind))
        return self.reports.pop(index)

    def pid(self) -> int:
        """Return the process of its window."""
        return self.indicator._process.pid

    def close(self) -> None:
        self.indicator.close()


def colour(text: str) -> np.ndarray:
    """Return ``#rrggbb`` as a pixel."""
    return np.array([int(text[i : i + 2], 16) for i in (1, 3, 5)], np.uint8)


def bar(desktop: Desktop) -> tuple[int, int, int, int] | None:
    """Return where a picture of the screen has a bar of the indicator: left, top, right, bottom; None: nowhere."""
    # The ground alone may be that of another program; the sign's colour is looked for inside of it.
    found = np.argwhere((desktop.screenshot() == colour(GROUND)).all(axis=2))
    if len(found) < 5000:
        return None
    (top, left), (bottom, right) = found.min(axis=0), found.max(axis=0)
    return int(left), int(top), int(right), int(bottom)


def shown(desktop: Desktop) -> State | None:
    """Return the state that a picture of the screen shows by the colour of the sign and of the edge."""
    area = bar(desktop)
    if area is None:
        return None
    left, top, right, bottom = area
    part = desktop.screenshot()[top : bottom + 6, left : right + 1]
    counts = {state: int((part == colour(look.colour)).all(axis=2).sum()) for state, look in LOOKS.items()}
    state = max(counts, key=lambda one: counts[one])
    return state if counts[state] > 1000 else None


def sign(desktop: Desktop) -> np.ndarray:
    """Return which pixels of the sign differ from the ground, whatever their colour."""
    area = bar(desktop)
    assert area
    left, top, _, _ = area
    return (desktop.screenshot()[top : top + 44, left : left + 44] != colour(GROUND)).any(axis=2)


def fills(desktop: Desktop) -> bool:
    """Return whether the rival's colour is on most of the screen: the pointer is drawn over it."""
    return bool((desktop.screenshot() == colour("#20c020")).all(axis=2).mean() > 0.9)


def click(desktop: Desktop, from_right: int) -> None:
    """Click into the bar, so many pixels from its right edge."""
    area = bar(desktop)
    assert area
    desktop.click(area[2] - from_right, area[1] + 22)


def test_every_state_is_on_the_screen_by_colour_and_by_shape(screen, indicator):
    signs = []
    for state in (*State, State.RECORDING):
        indicator.indicator.show(state, "a few words")
        indicator.until(lambda state=state: shown(screen) is state, f"the state {state} on the screen")
        signs.append(sign(screen))
    assert indicator.indicator.is_visible
    for i, one in enumerate(signs[:4]):
        for other in signs[i + 1 : 4]:
            assert (one != other).sum() > 40
    assert [one for one in indicator.reports if not isinstance(one, TrayMissing)] == []


@pytest.mark.parametrize("manager", ["metacity", "icewm", "xfwm4"])
def test_other_window_managers_leave_it_above_a_full_screen(manager):
    with desktop_with(manager) as desktop:
        watched = Watched(desktop)
        try:
            desktop.start(sys.executable, "-c", FULL_SCREEN, title="rival window")
            watched.until(lambda: fills(desktop), "a full screen")
            watched.until(lambda: shown(desktop) is State.RECORDING, "the indicator above it")
            assert watched.indicator.is_visible
        finally:
            watched.close()


def test_a_full_screen_window_is_below_it(screen, indicator):
    rival = screen.start(sys.executable, "-c", FULL_SCREEN, title="rival window")
    indicator.until(lambda: fills(screen), "a full screen")
    assert rival.process.poll() is None
    indicator.until(lambda: shown(screen) is State.RECORDING, "the indicator above it")
    assert indicator.indicator.is_visible


def test_what_is_put_over_it_is_below_it_again(screen, indicator):
    screen.start(sys.executable, "-c", OVERRIDING, title="rival window")
    indicator.until(lambda: fills(screen), "a full screen")
    indicator.until(lambda: shown(screen) is State.RECORDING, "the indicator above it")
    assert indicator.indicator.is_visible
    assert not any(isinstance(one, IndicatorHidden) for one in indicator.reports)


def test_what_stays_over_it_is_reported_and_its_end_too(screen, indicator):
    rival = screen.start(sys.executable, "-c", GREEDY, title="rival window")
    hidden = indicator.report(IndicatorHidden, "a report that it is covered")
    assert "over" in hidden.why
    assert hidden.since_t <= hidden.t
    assert not indicator.indicator.is_visible
    rival.close()
    seen = indicator.report(IndicatorSeen, "a report that it is in sight")
    assert seen.t >= hidden.t
    assert indicator.indicator.is_visible
    indicator.until(lambda: shown(screen) is State.RECORDING, "the indicator on the screen")


INSIDE = """
import sys
from evcodec.capture.xlib import connect
display = connect()
bar = display.create_resource_object("window", int(sys.argv[1]))
size = bar.get_geometry()
# All of it but the sign, whose colour is looked at.
bar.create_window(44, 0, size.width - 44, size.height, 0, 24, background_pixel=0x1C1C20).map()
display.sync()
print("there", flush=True)
sys.stdin.read()
"""


def test_a_window_that_another_program_puts_into_it_hides_it(screen, indicator):
    with subprocess.Popen(
        [sys.executable, "-c", INSIDE, str(screen.windows(TITLE)[0])],
        env=screen.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as rival:
        hidden = indicator.report(IndicatorHidden, "a report that it is out of sight")
        assert "in it" in hidden.why
        rival.kill()
    indicator.report(IndicatorSeen, "a report that it is in sight again")


def test_no_other_program_is_let_into_it(screen, indicator):
    names = "import tkinter; root = tkinter.Tk(); print(root.tk.call('winfo', 'interps'))"
    assert "evcodec" not in screen.run(sys.executable, "-c", names)


@pytest.mark.parametrize(
    ("act", "word"),
    [
        ("unmap", "unmapped"),
        ("move", "off the screen"),
        ("resize", "smaller"),
        ("fade", "transparent"),
        ("monitor", "off the screen"),
    ],
)
def test_what_is_done_to_its_window_is_reported_and_undone(screen, indicator, act, word):
    window = screen.windows(TITLE)[0]
    monitor = ("xrandr", "--setmonitor", "small", "800/200x600/150+0+0", "screen")
    done = {
        "unmap": ("xdotool", "windowunmap", window),
        "move": ("xdotool", "windowmove", window, -450, 300),
        "resize": ("xdotool", "windowsize", window, 3, 3),
        "fade": (
            "xprop",
            "-id",
            window,
            "-f",
            "_NET_WM_WINDOW_OPACITY",
            "32c",
            "-set",
            "_NET_WM_WINDOW_OPACITY",
            9,
        ),
        "monitor": monitor,
    }[act]
    try:
        screen.run(*map(str, done))
        hidden = indicator.report(IndicatorHidden, "a report that it is out of sight")
        assert word in hidden.why
        indicator.report(IndicatorSeen, "a report that it is in sight again")
        indicator.until(lambda: shown(screen) is State.RECORDING, "the indicator on the screen")
        area = bar(screen)
        assert act != "monitor" or area[2] < 800
    finally:
        if act == "monitor":
            screen.run("xrandr", "--delmonitor", "small")


def test_buttons_and_menu_ask_and_change_nothing_by_themselves(screen, indicator):
    for from_right, state, asked in (
        (130, State.RECORDING, Ask.PAUSE),
        (130, State.PAUSED, Ask.RESUME),
        (60, State.PAUSED, Ask.STOP),
    ):
        indicator.indicator.show(state)
        indicator.until(lambda state=state: shown(screen) is state, "the state")
        click(screen, from_right)
        assert indicator.report(PersonAsked, "a press").ask is asked
    click(screen, 15)
    indicator.until(lambda: menu(screen), "the menu")
    left, top, right, bottom = menu(screen)
    # A heading, a line, what is recorded, resume, stop.
    screen.click((left + right) // 2, top + round((bottom - top) * 0.7))
    assert indicator.report(PersonAsked, "a choice").ask is Ask.RESUME
    assert shown(screen) is State.PAUSED


def menu(desktop: Desktop) -> tuple[int, int, int, int] | None:
    """Return where the menu is: left, top, right, bottom."""
    found = np.argwhere((desktop.screenshot() == colour("#d9d9d9")).all(axis=2))
    found = found[found[:, 0] > 48]  # not the bar's own letters
    if len(found) < 5000:
        return None
    (top, left), (bottom, right) = found.min(axis=0), found.max(axis=0)
    return int(left), int(top), int(right), int(bottom)


def test_the_notice_can_be_read_at_any_time(screen, indicator):
    indicator.indicator.show_notice()
    window = wait_for(lambda: screen.windows("What is recorded"), "the window")[0]
    assert indicator.indicator.is_visible
    screen.activate(window)
    screen.key("Escape")
    indicator.until(lambda: not screen.windows("What is recorded"), "the end of the window")


def test_it_can_be_dragged_but_not_off_the_screen(screen, indicator):
    left, top, _, _ = bar(screen)
    screen.xdotool(
        "mousemove",
        left + 60,
        top + 10,
        "mousedown",
        1,
        "mousemove",
        300,
        400,
        "mousemove",
        30,
        719,
        "mouseup",
        1,
    )
    indicator.until(lambda: (found := bar(screen)) and found[0] == 0 and found[1] > 600, "the bar below")
    indicator.until(lambda: shown(screen) is State.RECORDING, "the indicator")
    assert not any(isinstance(one, IndicatorHidden) for one in indicator.reports)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["kill", "stop"])
def test_its_end_or_standstill_is_a_loss(other_screen, mortal, how):
    mortal.turn()
    ended_t = time.monotonic_ns()
    os.kill(mortal.pid(), how)
    lost = mortal.report(IndicatorLost, "a report that it is lost")
    assert lost.since_t <= lost.t
    # What was still in sight is not counted as out of sight for longer than a beat and its deadline.
    assert lost.since_t >= ended_t - 3_000_000_000
    assert not mortal.indicator.is_visible
    assert mortal.indicator.next_read_t() is None
    assert mortal.indicator.read(time.monotonic_ns()) == []
    wait_for(lambda: not other_screen.windows(TITLE), "the end of the window")


def test_it_goes_with_its_recorder(other_screen):
    script = (
        "import json, sys, time; from evcodec.capture.seen import Indicator, Notice\n"
        "notice = Notice.from_plain(json.loads(sys.argv[1]))\n"
        "indicator = Indicator(notice, time.monotonic_ns()); print('seen', flush=True); time.sleep(600)"
    )
    recorder = other_screen.start(sys.executable, "-c", script, json.dumps(NOTICE.as_plain()))
    wait_for(lambda: recorder.lines == ["seen"], "the indicator")
    assert shown(other_screen) is State.RECORDING
    # Not `close`, which would end the indicator too.
    os.kill(recorder.pid, signal.SIGKILL)
    wait_for(lambda: not other_screen.windows(TITLE) and shown(other_screen) is None, "the end of the window")


def test_a_recorder_that_stood_still_does_not_call_it_lost(screen, indicator):
    indicator.turn()
    indicator.until(lambda: indicator.indicator._asked_t is not None, "a heartbeat that is out")
    # Later than any deadline, as after a suspend, with the answer not yet there.
    later_t = time.monotonic_ns() + 60_000_000_000
    assert not any(isinstance(one, IndicatorLost) for one in indicator.indicator.read(later_t))
    assert indicator.indicator.is_visible


def test_a_new_one_is_at_the_top_and_tells_once_of_a_missing_tray_and_its_destruction_is_a_loss(
    other_screen, mortal
):
    left, top, right, _ = bar(other_screen)
    assert top == 0
    assert abs((left + right) // 2 - desktops.WIDTH // 2) < 10
    assert right - left > 400
    assert mortal.report(TrayMissing, "a report of the tray").why
    mortal.indicator.show(State.PAUSED)
    mortal.until(lambda: shown(other_screen) is State.PAUSED, "the state")
    assert mortal.reports == []
    other_screen.run("xdotool", "windowkill", str(other_screen.windows(TITLE)[0]))
    mortal.report(IndicatorLost, "a report that it is lost")


def test_where_there_is_no_display_nothing_starts(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(CaptureError, match=r"DISPLAY is not set.*nothing is recorded"):
        Indicator(NOTICE, 0)
    monkeypatch.setenv("DISPLAY", ":65432")
    with pytest.raises(CaptureError, match=r"the indicator cannot be shown.*65432.*nothing is recorded"):
        Indicator(NOTICE, 0)

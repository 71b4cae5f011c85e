"""The virtual desktop that the tests of the recorder stand on, tried by itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from desktop import Desktop, Timeout, missing, wait_for

HERE = Path(__file__).resolve().parent


@pytest.fixture(autouse=True)
def no_programs(desktop):
    yield
    desktop.end_programs()


@pytest.mark.parametrize("name", ["gtk3", "gtk4", "qt5", "tk"])
def test_what_is_typed_into_a_program_is_in_it(desktop, name):
    if reason := missing(name):
        pytest.skip(reason)
    app = desktop.app(name)
    desktop.type("plain text")
    app.wait_value("entry", "plain text")
    app.focus("password")
    desktop.type("secret")
    app.wait_value("password", 6)
    app.focus("second")
    desktop.type("More!")
    app.wait_value("second", "More!")
    assert app.value("entry") == "plain text"
    assert desktop.active_window() == app.window
    assert Path(app.path).name == (name if name != "tk" else Path(os.path.realpath(sys.executable)).name)


def test_a_page_in_chromium_takes_keys_and_a_choice(desktop):
    if reason := missing("chromium"):
        pytest.skip(reason)
    page = desktop.page()
    desktop.type("plain text")
    page.wait_value("entry", "plain text")
    page.focus("password")
    desktop.type("secret")
    page.wait_value("password", 6)
    page.focus("second")
    desktop.key("Tab")
    wait_for(lambda: page.state["focus"] == "combo", "the focus on the choice")
    desktop.key("Down")
    page.wait_value("combo", "Green")
    assert Path(page.path).name == "chromium"


@pytest.mark.parametrize("name", ["gtk3", "gtk4", "qt5"])
def test_menus_and_combo_boxes_are_used_by_clicks_and_keys(desktop, name):
    if reason := missing(name):
        pytest.skip(reason)
    app = desktop.app(name)
    app.click("menu")
    wait_for(lambda: app.state["open"], "the menu")
    desktop.key("Down", "Down", "Return", delay_ms=100)
    wait_for(lambda: app.state["acts"], "the menu item")
    assert app.state["acts"][-1] in ("Open", "Save", "Export")
    before = app.value("combo")
    app.click("combo")
    desktop.key("Down", "Return", delay_ms=100)
    wait_for(lambda: app.value("combo") != before, "another value of the combo box")


def test_other_programs_are_found_by_their_titles(desktop):
    if reason := missing("xterm", "zenity"):
        pytest.skip(reason)
    terminal = desktop.start("xterm", "-T", "a terminal", title="^a terminal$")
    assert Path(terminal.path).name == "xterm"
    zenity = desktop.start("zenity", "--password", "--title", "asked", title="^asked$")
    zenity.activate()
    desktop.type("secret")
    desktop.key("Return")
    assert zenity.wait() == 0
    wait_for(lambda: zenity.lines[-1:] == ["secret"], "what zenity prints")
    terminal.activate()
    assert desktop.active_window() == terminal.window


def test_a_screenshot_shows_what_is_on_the_screen(desktop):
    if reason := missing("gtk3", "import"):
        pytest.skip(reason)
    desktop.move(1279, 719)
    before = desktop.screenshot()
    assert before.shape == (720, 1280, 3)
    app = desktop.app("gtk3")
    x, y = app.middle("entry")
    # An empty entry is white, the bare desktop black.
    wait_for(lambda: desktop.screenshot()[y, x].tolist() == [255, 255, 255], "the entry on the screen")
    assert before[y, x].tolist() == [0, 0, 0]
    raw = subprocess.run(
        ["import", "-silent", "-window", "root", "-depth", "8", "rgb:-"],
        env=desktop.environ,
        capture_output=True,
        check=True,
    ).stdout
    # The two see the same, but for a caret that blinks.
    assert (desktop.screenshot().reshape(-1) != np.frombuffer(raw, np.uint8)).mean() < 0.02


def test_nothing_is_left_of_a_desktop_even_when_a_test_fails():
    if reason := missing("openbox", "at-spi", "gtk3"):
        pytest.skip(reason)

    def fail():
        with Desktop() as desktop:
            desktop.app("gtk3")
            desktop.start("sh", "-c", "sleep 1000 & setsid sleep 1000 & wait")
            left.append(desktop)
            wait_for(lambda: len(list(desktop.processes())) >= 9, "all programs")
            raise ZeroDivisionError

    left: list[Desktop] = []
    with pytest.raises(ZeroDivisionError):
        fail()
    assert not list(left[0].processes())
    assert not left[0].folder.exists()
    assert not Path(f"/tmp/.X11-unix/X{left[0].display[1:]}").exists()


def test_the_accessibility_bus_can_be_killed():
    if reason := missing("openbox", "at-spi"):
        pytest.skip(reason)
    with Desktop() as desktop:

        def there():
            return any(b"at-spi" in b" ".join(words) for _, words in desktop.processes())

        wait_for(there, "the accessibility bus")
        desktop.kill_accessibility()
        wait_for(lambda: not there(), "its end")


def test_what_does_not_come_is_said():
    with pytest.raises(Timeout, match=r"waited 0\.01 s for a miracle"):
        wait_for(lambda: None, "a miracle", 0.01)


def test_missing_programs_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    reason = missing("zenity")
    assert "xdotool (xdotool)" in reason
    assert "zenity (zenity)" in reason

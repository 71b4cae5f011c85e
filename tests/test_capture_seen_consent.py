"""The consent window on a real desktop: nothing but a press of Start recording, on purpose, is an agreement."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

import desktop as desktops
from desktop import Desktop, wait_for
from evcodec import CaptureError
from evcodec.capture.seen import Agreement, Notice, NoticeApplication, Refusal, ask, process
from evcodec.capture.seen.channel import Channel
from evcodec.capture.seen.paper import sections

TITLE = "May evcodec record"
NOTICE = Notice(
    purpose="Learning how expense forms are filled in",
    recipients=("Example GmbH, research",),
    columns=("pointer: position, buttons, scrolling", "keys: as said of each application"),
    applications=tuple(
        NoticeApplication(
            name=f"/usr/bin/program{i}", keys="in full", titles="none", remarks=("its notes: none",)
        )
        for i in range(60)
    ),
    retention="90 days",
    retention_until="2027-02-20",
    notice_id="N-17",
    policy_digest="5e" * 32,
    file="/home/user/session.evc",
    hotkey="Ctrl+Alt+P",
    remarks=("the file is not encrypted",),
)


@pytest.fixture(scope="module")
def screen() -> Iterator[Desktop]:
    reason = desktops.missing("openbox", "tk")
    if reason:
        pytest.skip(reason)
    with Desktop(accessible=False) as desktop, pytest.MonkeyPatch.context() as patch:
        for name in ("DISPLAY", "XAUTHORITY"):
            patch.setenv(name, desktop.environ[name])
        yield desktop


@pytest.fixture
def asked(screen) -> Iterator[Asked]:
    """Return a question that is on the screen, and has the focus of the keyboard."""
    asked = Asked(screen)
    yield asked
    asked.end()


class Asked:
    """`ask` in a thread, and the person's hands."""

    def __init__(self, screen: Desktop) -> None:
        self.screen = screen
        self.answers: list[Agreement | Refusal] = []
        self.thread = threading.Thread(target=lambda: self.answers.append(ask(NOTICE)))
        self.thread.start()
        self.window = wait_for(lambda: screen.windows(TITLE), "the consent window")[0]
        wait_for(lambda: screen.active_window() == self.window, "its focus")

    def answer(self) -> Agreement | Refusal:
        self.thread.join(30)
        assert not self.thread.is_alive()
        return self.answers[0]

    def buttons(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the middles of Do not record and of Start recording."""
        left, top = self.screen.origin(self.window)
        told = self.screen.run("xwininfo", "-id", str(self.window)).splitlines()
        width, height = (
            int(next(line for line in told if name in line).split()[-1]) for name in ("Width:", "Height:")
        )
        return (left + 110, top + height - 38), (left + width - 110, top + height - 38)

    def is_armed(self) -> bool:
        """Return whether Start recording is lit: white letters on it."""
        x, y = self.buttons()[1]
        part = self.screen.screenshot()[y - 12 : y + 12, x - 80 : x + 80]
        return bool((part == 255).all(axis=2).sum() > 100)

    def has_focus_on_start(self) -> bool:
        """Return whether Start recording has a blue frame."""
        time.sleep(0.2)
        x, y = self.buttons()[1]
        part = self.screen.screenshot()[y - 24 : y + 24, x - 115 : x + 115]
        return bool((part == (0x2A, 0x62, 0xC9)).all(axis=2).sum() > 100)

    def end(self) -> None:
        if self.thread.is_alive():
            self.screen.xdotool("windowkill", self.window)
            self.thread.join(30)


def test_a_click_on_start_agrees_to_what_is_shown_but_not_in_the_first_moment(asked):
    before_t, before_ns = time.monotonic_ns(), time.time_ns()
    assert not asked.is_armed()
    asked.screen.click(*asked.buttons()[1])
    # An answer would have come with the window's end.
    wait_for(asked.is_armed, "Start to be active")
    assert asked.answers == []
    asked.screen.click(*asked.buttons()[1])
    agreement = asked.answer()
    assert isinstance(agreement, Agreement)
    assert before_t < agreement.agreed_t < time.monotonic_ns()
    assert before_ns < agreement.agreed_ns < time.time_ns()
    assert agreement.notice == NOTICE
    plain = agreement.as_plain()
    assert plain["notice_digest"] == NOTICE.digest()
    assert Notice.from_plain(json.loads(json.dumps(plain["notice"]))) == NOTICE
    wait_for(lambda: not asked.screen.windows(TITLE), "the end of the window")


PRESSES = """
import tkinter

def press(widget):
    for part in widget.winfo_children():
        if isinstance(part, tkinter.Button) and part.cget("text").startswith("Start"):
            part.configure(state="normal")
            part.invoke()
        press(part)

self.after(100, press, self)
"""


def test_no_file_of_the_home_folder_and_no_other_program_presses_start(screen, monkeypatch, tmp_path):
    for name in (".Evcodec.py", ".consent_window.py"):
        (tmp_path / name).write_text(PRESSES)
    monkeypatch.setenv("HOME", str(tmp_path))
    asked = Asked(screen)
    try:
        wait_for(asked.is_armed, "Start to be active")
        names = "import tkinter; root = tkinter.Tk(); print(root.tk.call('winfo', 'interps'))"
        assert "evcodec" not in screen.run(sys.executable, "-c", names)
        assert asked.answers == []
    finally:
        asked.end()


COVER = """
import sys, tkinter
root = tkinter.Tk()
root.overrideredirect(True)
root.title("cover")
root.geometry(sys.argv[1])
root.mainloop()
"""


def test_what_cannot_be_read_is_not_agreed_to(asked):
    screen = asked.screen
    wait_for(asked.is_armed, "Start to be active")
    left, top = screen.origin(asked.window)
    start = asked.buttons()[1]
    cover = screen.start(sys.executable, "-c", COVER, f"600x400+{left}+{top}", title="cover")
    wait_for(lambda: (screen.screenshot()[top + 200, left + 300] == 217).all(), "what covers it")
    screen.click(*start)
    time.sleep(0.5)
    assert asked.thread.is_alive()
    cover.close()
    wait_for(lambda: not screen.windows("cover"), "the end of what covers it")
    screen.click(*start)
    assert isinstance(asked.answer(), Agreement)


def test_resources_of_the_user_hide_no_words(screen):
    screen.run("sh", "-c", "printf '*foreground: #f3f3f6\n*Label.foreground: #f3f3f6\n' | xrdb -merge")
    asked = Asked(screen)
    try:
        wait_for(asked.is_armed, "Start to be active")
        left, top = screen.origin(asked.window)
        heading = screen.screenshot()[top : top + 60, left : left + 400]
        assert (heading < 60).all(axis=2).sum() > 100
    finally:
        asked.end()
        screen.run("xrdb", "-remove")


def test_keys_agree_on_purpose_only(asked):
    wait_for(asked.is_armed, "Start to be active")
    # Return alone, and the space bar alone: no button has the focus of the keyboard.
    for key in ("Return", "space"):
        asked.screen.key(key)
        time.sleep(0.7)
    # Somebody types on, with Tab and space, as one fills in a form elsewhere.
    asked.screen.type("a b\nc\n", delay_ms=30)
    asked.screen.key(*["Tab", "space", "Return"] * 4, delay_ms=30)
    time.sleep(0.2)
    assert asked.answers == []
    assert asked.screen.windows(TITLE) == [asked.window]
    # On purpose: through the text and past No to Start, and a moment later.
    while asked.answers == [] and not asked.has_focus_on_start():
        asked.screen.key("Tab")
    time.sleep(1.0)
    asked.screen.key("space")
    assert isinstance(asked.answer(), Agreement)


@pytest.mark.parametrize(
    ("act", "word"),
    [
        ("no", "Do not record"),
        ("close", "closed"),
        ("escape", "Escape"),
        ("kill", "ended"),
    ],
)
def test_everything_else_is_a_refusal(asked, act, word):
    match act:
        case "no":
            asked.screen.click(*asked.buttons()[0])
        case "close":
            asked.screen.key("alt+F4")
        case "escape":
            asked.screen.key("Escape")
        case "kill":
            os.kill(window_process(), signal.SIGKILL)
    refusal = asked.answer()
    assert isinstance(refusal, Refusal)
    assert word in refusal.why


def window_process() -> int:
    """Return the child of this process that shows the consent window."""
    pids: list[int] = []
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/children") as file:
            pids += [int(pid) for pid in file.read().split()]
    for pid in pids:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            if b"consent_window" in file.read():
                return pid
    raise AssertionError("no consent window")


def test_everything_that_is_asked_is_in_the_window():
    text = json.dumps(sections(NOTICE))
    for words in (
        NOTICE.purpose, NOTICE.recipients[0], *NOTICE.columns, NOTICE.applications[59].name, "keys: in full; titles: none",
        "its notes: none", "90 days, until 2027-02-20", "N-17", NOTICE.policy_digest, NOTICE.file, NOTICE.hotkey,
        "No reason is needed", NOTICE.remarks[0],
    ):  # fmt: skip
        assert words in text


def test_other_words_have_another_digest():
    assert replace(NOTICE, purpose="Something else").digest() != NOTICE.digest()
    assert replace(NOTICE).digest() == NOTICE.digest()


def test_without_tk_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "_tkinter", None)
    monkeypatch.setattr(process.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CaptureError, match="python3-tk"):
        ask(NOTICE)


def test_messages_come_whole_and_in_order_however_they_are_cut():
    near, far = socket.socketpair()
    channel = Channel(near)
    sent = b'{"kind": "a"}\n{"kind": "b", "n": 1}\n'
    received = []
    for byte in sent:
        far.send(bytes([byte]))
        received += channel.receive()
    assert received == [{"kind": "a"}, {"kind": "b", "n": 1}]
    far.close()
    assert channel.receive() == []
    assert channel.is_closed
    channel.send("c")  # nothing is raised, nobody is there


@pytest.mark.parametrize("sent", [b"nonsense\n", b"[1]\n", b'{"no": "kind"}\n', b"\xff\n"])
def test_what_is_no_message_ends_the_channel(sent):
    near, far = socket.socketpair()
    channel = Channel(near)
    far.send(sent)
    assert channel.receive() == []
    assert channel.is_closed
    far.close()


def test_a_channel_that_nobody_reads_blocks_nobody():
    near, far = socket.socketpair()
    channel = Channel(near)
    for i in range(20_000):
        channel.send("show", text="x" * 1000, n=i)
        if channel.is_closed:
            break
    assert channel.is_closed
    far.close()

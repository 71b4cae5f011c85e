"""A recording of a real desktop on which canaries are typed: the recorder beside the programs, and each way to type."""

from __future__ import annotations

import contextlib
import json
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from canary_search import CANARY_ALPHABET, PART, PLAIN_ALPHABET, Canary, Find, Search, make, typed_texts
from desktop import Desktop, Timeout, wait_for
from desktop_programs import App, Page, Program
from evcodec import EvcodecError, Reader
from evcodec.capture.seen import State
from evcodec.capture.seen.look import GROUND, LOOKS

CONSENT = "May evcodec record"
# What is not evcodec's: profiles of browsers, and the pixels of the screen, which show plain text.
PLAIN_TRIES = 6
# So long after a change of focus, and before the next, nothing is dropped for being too near to it, nor for want of an answer:
# only what is known of the place protects.
DWELL_S = 0.7
NOT_OURS = ("bin/", "chromium-", "Xvfb_screen0", "/.cache/", ".pki/", "dconf")


# Takes the keyboard, and gives it back when its input ends.
GRAB = """
import sys, tkinter
window = tkinter.Tk()
window.geometry("40x40+0+600")
window.overrideredirect(True)
window.wait_visibility()
window.grab_set_global()
window.update()
print("grabbed", flush=True)
window.createfilehandler(sys.stdin, tkinter.READABLE, lambda *_: window.destroy())
window.mainloop()
"""


def write_policy(path: Path, applications: list[dict[str, Any]]) -> Path:
    """Write a policy that records these as far as it can."""
    lines = [
        'version = 1\npurpose = "tests with canaries"\nnotice_id = "n-1"\nretention_days = 1',
        'groups = ["pointer", "keys", "context"]',
    ]
    full = {"pointer": True, "keys": "full", "title": "keep", "elements": "name", "values": "keep"}
    for application in applications:
        lines.append("[[application]]")
        lines += [f"{name} = {json.dumps(value)}" for name, value in (full | application).items()]
    path.write_text("\n".join(lines) + "\n")
    return path


class Session:
    """`evcodec record` on a desktop, and what was typed on it.

    Attributes
    ----------
    canaries : list of Canary
        What may be nowhere.
    plain : list of str
        What must be in the recording, and was while it ran.
    choices : list of str
        What was chosen in menus and lists, and must be in the recording.
    missed : list of str
        Listed plain fields and choices of which nothing was recorded, however often.
    strays : int
        Canaries of which some characters came into a listed plain field after all, since the focus was not yet away.
    unseen : list of str
        When the indicator was not in a screenshot.
    """

    def __init__(self, desktop: Desktop, seed: str) -> None:
        self.desktop = desktop
        self.random = random.Random(seed)
        self.canaries: list[Canary] = []
        self.plain: list[str] = []
        self.plain_tries = 0
        self.missed: list[str] = []
        self.choices: list[str] = []
        self.strays = 0
        self.screenshots = 0
        self.unseen: list[str] = []
        self.folder = desktop.folder / "home" / "recording"
        self.folder.mkdir()
        self.target = self.folder / "session.evc"
        self.process: subprocess.Popen[bytes] | None = None
        self.finds: list[Find] = []

    # ---- the recorder

    def record(self, applications: list[dict[str, Any]]) -> None:
        """Start the recorder and press Start."""
        policy = write_policy(self.folder / "policy.toml", applications)
        with (self.desktop.folder / "logs" / "record.log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "evcodec", "record", "--policy", str(policy), str(self.target)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.desktop.environ,
                cwd=self.folder,
                start_new_session=True,
            )
        wait_for(lambda: self.desktop.windows(CONSENT) or self.has_ended(), "the consent window")
        assert not self.has_ended(), self.said()
        window = self.desktop.windows(CONSENT)[0]

        def is_pressed() -> bool:
            if not self.desktop.windows(CONSENT):
                return True
            with contextlib.suppress(AssertionError):  # it goes while it is asked where it is
                told = self.desktop.run("xdotool", "getwindowgeometry", "--shell", str(window))
                size = dict(re.findall(r"(WIDTH|HEIGHT)=(\d+)", told))
                x, y = self.desktop.origin(window)
                self.desktop.click(x + int(size["WIDTH"]) - 100, y + int(size["HEIGHT"]) - 40)
            time.sleep(0.2)
            return False

        wait_for(is_pressed, "the consent window to go")
        wait_for(lambda: self.has_ended() or self.status(), "the recorder to record")
        assert not self.has_ended(), self.said()
        wait_for(lambda: self.shown() is not None, "the indicator")

    def has_ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def said(self) -> str:
        return self.desktop.log("record")

    def status(self) -> dict[str, Any] | None:
        """Return what `evcodec record --status` would tell, from its socket."""
        import socket

        for path in (self.desktop.folder / "run" / "evcodec").glob("*"):
            with socket.socket(socket.AF_UNIX) as asking:
                try:
                    asking.settimeout(2)
                    asking.connect(str(path))
                    told = b"".join(iter(lambda: asking.recv(65_536), b""))
                    return dict(json.loads(told))
                except (OSError, ValueError):
                    continue
        return None

    def wait_state(self, name: str) -> None:
        """Wait until the recorder is in this state."""
        wait_for(lambda: self.has_ended() or (self.status() or {}).get("state") == name, f"the state {name}")
        assert not self.has_ended(), self.said()

    def shown(self) -> State | None:
        """Return the state that the indicator shows in a picture of the screen; None: it is not in it."""
        picture = self.desktop.screenshot()
        ground = np.argwhere((picture == _pixel(GROUND)).all(axis=2))
        if len(ground) < 5_000:
            return None
        (top, left), (bottom, right) = ground.min(axis=0), ground.max(axis=0)
        bar = picture[top : bottom + 6, left : right + 1]
        counts = {state: int((bar == _pixel(look.colour)).all(axis=2).sum()) for state, look in LOOKS.items()}
        state = max(counts, key=lambda one: counts[one])
        return state if counts[state] > 500 else None

    def look(self, when: str) -> None:
        """Take a screenshot, in which the indicator must be."""
        self.screenshots += 1
        if self.shown() is None:
            # What changes is drawn between two pictures.
            time.sleep(0.02)
            if self.shown() is None:
                self.unseen.append(when)

    def end(self) -> None:
        """End the recording as Ctrl-C does, and search for canaries."""
        assert self.process
        maps = self.mapped_files()
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(60) == 0, self.said()
        search = Search(self.canaries)
        self.finds = search.in_stream(self.target.read_bytes())
        self.finds += search.in_folder(self.desktop.folder, NOT_OURS)
        for path in maps:
            if path.is_file():
                self.finds += search.in_bytes(path.read_bytes(), f"mapped {path.name}")

    def mapped_files(self) -> list[Path]:
        """Return the files that the recorder has in its memory and may write to."""
        assert self.process
        found = set()
        for line in Path(f"/proc/{self.process.pid}/maps").read_text().splitlines():
            words = line.split(maxsplit=5)
            if len(words) == 6 and words[5].startswith("/") and "w" in words[1] and "s" in words[1]:
                found.add(Path(words[5].removesuffix(" (deleted)")))
        return sorted(found)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    # ---- typing

    def recorded_text(self) -> str:
        """Return the text of the keys that are in the file by now."""
        try:
            with Reader(self.target) as reader:
                return dict(typed_texts(reader))["keysyms of kind 4"]
        except (EvcodecError, OSError):
            return ""

    def type_plain(self, app: App, field: str, length: int = 8) -> None:
        """Type into a listed plain field until that is recorded: the first keys in a field may be dropped, unconfirmed."""
        self._go(app, field)
        for _ in range(PLAIN_TRIES):
            text = make(self.random, PLAIN_ALPHABET, length)
            size = len(app.value(field)) + length
            self.desktop.type(text, delay_ms=40)
            wait_for(lambda size=size: len(app.value(field)) == size, "what was typed to be there")
            self.plain_tries += 1
            with contextlib.suppress(Timeout):
                wait_for(lambda text=text: text in self.recorded_text(), "plain text to be recorded", 3)
                self.plain.append(text)
                self.look(f"after plain text in {app.title}")
                return
        self.missed.append(f"{app.title} {field}")

    def new(self, length: int | None = None) -> str:
        """Return a canary's text."""
        return make(self.random, CANARY_ALPHABET, length or self.random.randrange(8, 13))

    def note(self, kind: str, text: str) -> None:
        """Take a canary, or what of it came where it should, into the search."""
        if len(text) >= PART:
            self.canaries.append(Canary(kind, text))
        self.look(f"after a canary of {kind}")

    def into_password(self, app: App, kind: str) -> None:
        """Type into a password entry that has long had the focus."""
        self._prepare(app)
        self._go(app, "password")
        time.sleep(DWELL_S)
        self._into(kind, app, lambda text: self.desktop.type(text, delay_ms=self.rate()))
        time.sleep(DWELL_S)

    def tab_to_password(self, app: App, kind: str, after_ms: float) -> None:
        """Type into the plain entry, go to the password entry by Tab, and type the canary so soon after."""
        self._prepare(app)
        plain = make(self.random, PLAIN_ALPHABET, 3)
        rate = self.rate()

        def act(text: str) -> None:
            words = [
                "key",
                "--delay",
                "0",
                *plain,
                "Tab",
                "sleep",
                after_ms / 1000,
                "type",
                "--delay",
                rate,
                text,
            ]
            self.desktop.xdotool(*words)

        self._into(kind, app, act)

    def click_on_password(self, app: App, kind: str, after_ms: float) -> None:
        """Go from the plain entry to the password entry by a click, and type the canary so soon after."""
        self._prepare(app)
        x, y = app.middle("password")
        rate = self.rate()
        self._into(
            kind,
            app,
            lambda text: self.desktop.xdotool(
                "mousemove", x, y, "click", 1, "sleep", after_ms / 1000, "type", "--delay", rate, text
            ),
        )

    def while_it_hangs(self, app: App, kind: str, hang_s: float, *, chars_after: int = 0) -> None:
        """Stop the application, go to its password entry and type, and let it go on later."""
        self._prepare(app)
        x, y = app.middle("password")

        def act(text: str) -> None:
            with app.stopped():
                if self.random.random() < 0.5:
                    self.desktop.xdotool(
                        "key", "Tab", "type", "--delay", self.rate(), text[: len(text) - chars_after]
                    )
                else:
                    self.desktop.xdotool(
                        "mousemove",
                        x,
                        y,
                        "click",
                        1,
                        "type",
                        "--delay",
                        self.rate(),
                        text[: len(text) - chars_after],
                    )
                time.sleep(hang_s)
            if chars_after:
                self.desktop.type(text[-chars_after:], delay_ms=1)

        self._into(kind, app, act)

    def while_paused(self, app: App, kind: str, after_ms: float, *, resume_at_once: bool = False) -> None:
        """Pause by the hotkey, and type into a plain field."""
        self._go(app, "entry")
        text = self.new()
        sleeping = ["sleep", after_ms / 1000] if after_ms else []
        self.desktop.xdotool("key", "ctrl+alt+p", *sleeping, "type", "--delay", self.rate(), text)
        if not resume_at_once:
            self.wait_state("paused")
        self.desktop.key("ctrl+alt+p")
        self.wait_state("recording")
        self.note(kind, text)

    def while_grabbed(self, app: App, kind: str) -> None:
        """Type while a client has the keyboard for itself, as a screen lock does, and a plain field the focus."""
        self._go(app, "entry")
        with subprocess.Popen(
            [sys.executable, "-c", GRAB],
            env=self.desktop.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as client:
            assert client.stdout
            assert client.stdin
            assert client.stdout.readline() == "grabbed\n"
            time.sleep(self.random.choice([0, DWELL_S]))
            text = self.new()
            self.desktop.type(text, delay_ms=self.rate())
            time.sleep(self.random.choice([0, 0.2]))
            client.stdin.close()
        self.note(kind, text)

    def into_another(self, listed: App, other: App, kind: str, how: str, after_ms: float) -> None:
        """Type into the entry of a program that is not listed, so soon after it got the focus; ``how`` it got it."""
        self._go(listed, "entry")
        x, y = other.middle("entry")
        moves = {
            "activate": ["windowactivate", other.window],
            "focus": ["windowfocus", other.window],
            "click": ["mousemove", x, y, "click", 1],
        }
        text = self.new()
        sleeping = ["sleep", after_ms / 1000] if after_ms else []
        self.desktop.xdotool(*moves[how], *sleeping, "type", "--delay", self.rate(), text)

        def landed() -> str | None:
            """Return the end of the text, as far as it is in the other program, once the rest is in the listed one."""
            # Toolkits may select what is there, so that it is replaced.
            there = next((text[at:] for at in range(len(text)) if text[at:] in other.value("entry")), "")
            return there if text[: len(text) - len(there)] in listed.value("entry") else None

        there = wait_for(lambda: landed() is not None, "what was typed to be somewhere") and landed()
        if there != text:
            self.strays += 1
        if after_ms >= DWELL_S * 1000:
            time.sleep(DWELL_S)
        self.note(kind, there or "")

    def into_program(self, program: Program, kind: str, *, after_ms: float = 0) -> str:
        """Type into a program that tells nothing of what it holds, once it has the focus."""
        self.desktop.activate(program.window)
        time.sleep(after_ms / 1000)
        text = self.new()
        self.desktop.type(text, delay_ms=self.rate())
        self.note(kind, text)
        return text

    def _go(self, app: App, field: str) -> None:
        """Bring a program to the front and give an element the focus; by one click at most, as two select a word."""
        app.activate()
        wait_for(lambda: app.state.get("focus"), f"{app.title} to have the focus")
        if app.state["focus"] != field:
            app.focus(field)
        self.desktop.key("End")  # nothing is selected, which typing would replace

    def _prepare(self, app: App) -> None:
        """Empty the password entry, which Tab would select, and give the plain one the focus."""
        app.activate()
        if app.value("password"):
            self._go(app, "password")
            self.desktop.key("ctrl+a", "BackSpace")
            app.wait_value("password", 0)
        self._go(app, "entry")

    def _into(self, kind: str, app: App, act: Callable[[str], None]) -> None:
        """Type a canary into the password entry; only what came into it may be nowhere."""
        before = app.value("password")
        text = self.new()
        act(text)
        typed = len(text)

        def has_landed() -> bool:
            return app.value("password") - before + strayed() >= typed

        def strayed() -> int:
            """Return how much of the start of the text is in the plain entry."""
            return next((size for size in range(typed, 0, -1) if text[:size] in app.value("entry")), 0)

        try:
            wait_for(has_landed, f"a canary of {kind} to be in an entry")
        except Timeout:
            raise AssertionError(
                f"{kind}: of {typed} characters {app.value('password') - before} came into the password entry"
            ) from None
        there = app.value("password") - before
        if there != typed:
            self.strays += 1
        # What came before the focus was away is plain text in a listed field, rightly recorded.
        self.note(kind, text[typed - there :])

    def rate(self) -> float:
        """Return ms between keys: from as fast as can be to a fast typist."""
        return self.random.choice([0, 1, 3, 8, 20])

    def figures(self) -> str:
        """Return what was typed and found, for the report of a run."""
        counts = Counter(one.kind for one in self.canaries)
        listed = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
        text = self.recorded()
        found = sum(plain in text for plain in self.plain)
        seen = f"{self.screenshots - len(self.unseen)} of {self.screenshots}"
        wanted = len(self.plain) + len(self.missed)
        return (
            f"{len(self.canaries)} canaries ({listed}), {len(self.finds)} finds, {self.strays} strays; "
            f"plain {found} of {wanted} in {self.plain_tries} tries; indicator in {seen}"
        )

    def recorded(self) -> str:
        with Reader(self.target) as reader:
            return dict(typed_texts(reader))["keysyms of kind 4"]


def _pixel(colour: str) -> np.ndarray:
    return np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)], np.uint8)


__all__ = ["App", "Page", "Session"]

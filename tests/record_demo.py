"""A minute at a virtual desktop, recorded: ``make demo-record``.

Somebody presses Start in the consent window, fills in a form with a password in it, uses a menu and a dropdown, types into a
program that the policy does not list, and pauses. Then it is shown what the recording holds, what a review of it says, and
where the pictures of the screen are. The hands are xdotool's; programs, windows and recorder are real.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from desktop import Desktop, missing, wait_for
from desktop_programs import App
from evcodec import EventKind, Reader
from evcodec.keysyms import character_of

PLAIN, SECRET, ELSEWHERE, PAUSED = "taxi from the station 23 50", "horsebattery", "cat diary", "phone number"
POLICY = """\
version = 1
purpose = "Showing what the recorder records"
notice_id = "demo-notice-1"
retention_days = 30
groups = ["pointer", "keys", "context"]

[[application]]
executable = "{executable}"
pointer = true
keys = "full"
title = "keep"
elements = "name"
values = "keep"
"""


class Demo:
    """The desktop, the recorder, and the one who works there."""

    def __init__(self, desktop: Desktop, folder: Path) -> None:
        self.desktop, self.folder = desktop, folder
        self.file = folder / "session.evc"
        self.pictures: list[Path] = []

    def run(self) -> None:
        """Work for a minute."""
        form = self.desktop.app("gtk3", executable="expenses", title="Expenses")
        policy = self.folder / "policy.toml"
        policy.write_text(POLICY.format(executable=form.path))
        say(f"policy: {policy}: keys of {form.path} in full, nothing else")
        recorder = self.desktop.start(
            sys.executable,
            "-m",
            "evcodec",
            "record",
            "--force",
            "--policy",
            policy,
            self.file,
            title="May evcodec record",
        )
        time.sleep(2.5)  # Start can be pressed after a pause
        self.picture("1-consent")
        self.press_start(recorder.window)
        wait_for(lambda: self.desktop.windows("evcodec is recording") or recorder.lines, "the indicator")
        say("Start recording was pressed; at work for a minute ...")
        self.work(form)
        if recorder.process.poll() is None:
            self.stop()
        recorder.wait()
        say(*recorder.lines)

    def press_start(self, window: int) -> None:
        """Click on Start recording."""
        told = self.desktop.run("xdotool", "getwindowgeometry", "--shell", str(window)).split()
        size = {name: int(value) for name, value in (line.split("=") for line in told)}
        left, top = self.desktop.origin(window)
        self.desktop.click(left + size["WIDTH"] - 100, top + size["HEIGHT"] - 40)

    def work(self, form: App) -> None:
        """Fill in the form, look elsewhere, pause."""
        end = time.monotonic() + 60
        self.desktop.activate(form.window)
        self.glide(form, "entry")
        self.slowly(PLAIN)
        self.picture("2-recording")
        self.glide(form, "password")
        self.slowly(SECRET)
        # Of a menu that was opened from a password field nothing is kept: what has the focus behind it is secret.
        self.glide(form, "second")
        time.sleep(0.7)
        self.glide(form, "menu")
        for key in ("Down", "Down", "Return"):
            time.sleep(0.4)
            self.desktop.key(key)
        self.glide(form, "combo")
        for key in ("Down", "Down", "Return"):
            time.sleep(0.4)
            self.desktop.key(key)
        time.sleep(0.7)
        elsewhere = self.desktop.start("xterm", "-geometry", "60x14+700+380", "-T", "diary", title="diary")
        self.desktop.activate(elsewhere.window)
        time.sleep(0.7)
        self.picture("3-not-in-this-application")
        self.slowly(ELSEWHERE)
        self.desktop.activate(form.window)
        self.desktop.key("ctrl+alt+p")
        time.sleep(0.7)
        self.picture("4-paused")
        self.glide(form, "second")
        self.slowly(PAUSED)
        self.desktop.key("ctrl+alt+p")
        self.glide(form, "entry")
        for step in itertools.count():
            if time.monotonic() > end:
                break
            self.desktop.xdotool(
                "mousemove_relative", "--", 3 - step % 7, 2 - step % 5, "click", 4 + step % 2
            )
            time.sleep(0.15)

    def glide(self, form: App, element: str) -> None:
        """Move to an element as a hand does, and click."""
        x, y = form.middle(element)
        for _ in range(60):
            told = self.desktop.xdotool("getmouselocation", "--shell").split()
            at = dict(line.split("=") for line in told)
            dx, dy = x - int(at["X"]), y - int(at["Y"])
            if not dx and not dy:
                break
            step_x, step_y = (max(-40, min(40, d if abs(d) < 4 else d // 3)) for d in (dx, dy))
            self.desktop.xdotool("mousemove_relative", "--", step_x, step_y)
        self.desktop.xdotool("click", 1)
        time.sleep(0.4)

    def slowly(self, text: str) -> None:
        """Type as somebody who types well."""
        self.desktop.type(text, delay_ms=90)
        time.sleep(0.5)

    def stop(self) -> None:
        """Press Stop on the indicator."""
        window = self.desktop.windows("evcodec is recording")[0]
        told = self.desktop.run("xdotool", "getwindowgeometry", "--shell", str(window)).split()
        size = {name: int(value) for name, value in (line.split("=") for line in told)}
        self.desktop.click(size["X"] + size["WIDTH"] - 64, size["Y"] + size["HEIGHT"] // 2)

    def picture(self, name: str) -> None:
        """Keep what the screen shows."""
        path = self.folder / f"{name}.png"
        Image.fromarray(self.desktop.screenshot()).save(path, optimize=True)
        self.pictures.append(path)

    def shows(self, *command: str | Path) -> None:
        """Run a command of evcodec, and show it."""
        say("", f"$ evcodec {' '.join(map(str, command))}")
        subprocess.run([sys.executable, "-m", "evcodec", *map(str, command)], check=True)


def say(*lines: str) -> None:
    """Print lines at once, as other programs print between them."""
    for line in lines:
        print(line, flush=True)


def letters(file: Path) -> Iterator[str]:
    """Yield the character of each key that was stored with its meaning."""
    with Reader(file) as reader:
        batch = reader.read(columns=("keysym",), kinds=(EventKind.KEY_DOWN,))
    for keysym in batch["keysym"].tolist():
        yield character_of(keysym) or ""


def choices(file: Path) -> Iterator[str]:
    """Yield what was done with menus and dropdowns."""
    kinds = EventKind.MENU_OPEN, EventKind.ITEM_HOVER, EventKind.ITEM_SELECT, EventKind.VALUE_COMMIT
    with Reader(file) as reader:
        batch = reader.read(columns=("kind", "context"), kinds=kinds)
        elements = {entry.index: entry.value for entry in reader.contexts}
    for kind, context in zip(batch["kind"].tolist(), batch["context"].tolist(), strict=True):
        element = elements.get(context, {})
        words = [str(element[name]) for name in ("role", "name", "value") if element.get(name)]
        yield f"{EventKind(kind).name.lower()}: {', '.join(words)}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out", type=Path, help="folder for the recording and the pictures; a new one by default"
    )
    arguments = parser.parse_args()
    reason = missing("openbox", "gtk3", "at-spi", "xterm", "tk")
    if reason:
        say(f"{reason}: install that, and run it again (tests/desktop_packages.sh does so on Debian)")
        return 1
    folder = arguments.out or Path(tempfile.mkdtemp(prefix="evcodec-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    with Desktop() as desktop:
        demo = Demo(desktop, folder)
        demo.run()
    demo.shows("info", demo.file)
    demo.shows("review", demo.file)
    stored = "".join(letters(demo.file))
    say("", "menus and choices in the recording:", *(f"  {choice}" for choice in choices(demo.file)))
    say("", "what was typed, and whether it is in the recording:")
    for where, text, wanted in (
        ("into the form", PLAIN, True),
        ("into its password field", SECRET, False),
        ("into xterm, which the policy does not list", ELSEWHERE, False),
        ("while paused", PAUSED, False),
    ):
        is_there = text in stored
        say(f"  {'yes' if is_there else 'no ':<4}{where}")
        assert is_there is wanted, where
    say("", "pictures of the screen:", *(f"  {path}" for path in demo.pictures))
    return 0


if __name__ == "__main__":
    sys.exit(main())

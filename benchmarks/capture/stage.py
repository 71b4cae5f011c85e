"""A virtual desktop with one application, and `evcodec record` on it, begun by a press of the real button."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.capture.driver import Driver

WIDTH, HEIGHT = 1920, 1080
NEEDED = ("Xvfb", "openbox", "xterm", "xdotool", "dbus-daemon")
CONSENT = "May evcodec record"
DEADLINE_S = 60.0


def missing() -> list[str]:
    """Return the programs that are not there."""
    return [name for name in NEEDED if not shutil.which(name)]


def wait_for(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"waited {DEADLINE_S:g} s for {what}")
        time.sleep(0.05)


class Stage:
    """An X server with a window manager, a session bus and a terminal over the whole screen, which is what is listed."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="evbench-")))
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        reading, writing = os.pipe()
        self._run(
            "Xvfb", "-displayfd", str(writing), "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-noreset", "-nolisten", "tcp",
            pass_fds=(writing,), env=dict(os.environ),
        )  # fmt: skip
        os.close(writing)
        with open(reading, "rb") as told:
            self.display = f":{told.readline().decode().strip()}"
        self.environ = {k: v for k, v in os.environ.items() if k not in ("WAYLAND_DISPLAY", "XAUTHORITY")} | {
            "DISPLAY": self.display,
            "XDG_RUNTIME_DIR": str(self.folder),
            "XDG_SESSION_TYPE": "x11",
            "HOME": str(self.folder),
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={self.folder}/bus",
        }
        self._run(
            "dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address=unix:path={self.folder}/bus"
        )
        wait_for((self.folder / "bus").exists, "the session bus")
        self._run("openbox")
        # A window that comes while the manager takes over is not always shown.
        wait_for(
            lambda: (
                subprocess.run(["xdotool", "get_desktop"], env=self.environ, capture_output=True).returncode
                == 0
            ),
            "openbox",
        )
        self._run("xterm", "-maximized", "-T", "listed", "-e", "sleep", "100000")
        wait_for(lambda: self.windows("listed"), "the terminal")
        self.driver = Driver(self.display)
        self._stack.callback(self.driver.close)

    def _run(self, *command: str, **options: object) -> subprocess.Popen[bytes]:
        options.setdefault("env", getattr(self, "environ", None))
        with open(self.folder / f"{command[0]}.log", "wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **options)  # type: ignore[call-overload]
        self._stack.callback(_end, process)
        return process

    def windows(self, title: str) -> list[int]:
        done = subprocess.run(
            ["xdotool", "search", "--onlyvisible", "--name", title],
            env=self.environ, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return [int(line) for line in done.stdout.split()]

    def record(self, target: Path) -> subprocess.Popen[bytes]:
        """Start the recorder, press Start recording, and return its process when it records."""
        policy = self.folder / "policy.toml"
        executable = os.path.realpath(shutil.which("xterm") or "xterm")
        policy.write_text(
            'version = 1\npurpose = "to measure the recorder"\nnotice_id = "none"\nretention_days = 1\n'
            'groups = ["pointer", "keys", "context"]\n[[application]]\n'
            f'executable = "{executable}"\npointer = true\nkeys = "class"\naccessibility = "none"\naccepted_by = "owner"\n'
        )
        process = self._run(
            sys.executable, "-m", "evcodec", "record", "--policy", str(policy), "--force", str(target)
        )
        wait_for(lambda: self.windows(CONSENT) or process.poll() is not None, "the consent window")
        while self.windows(CONSENT) and process.poll() is None:
            self._press_start()
            time.sleep(0.3)
        wait_for(lambda: target.exists() or process.poll() is not None, "the recorder")
        if process.poll() is not None:
            raise RuntimeError(f"the recorder ended: {(self.folder / f'{sys.executable}.log').read_text()}")
        self.driver.move(WIDTH // 2, HEIGHT // 2)
        self.driver.click()
        for step in range(5):
            # The recorder has seen that the pointer is over the terminal: what comes just before such news is not recorded.
            self.driver.move(WIDTH // 2 + step, HEIGHT // 2)
            time.sleep(0.3)
        return process

    def _press_start(self) -> None:
        for window in self.windows(CONSENT):
            told = subprocess.run(
                ["xdotool", "getwindowgeometry", "--shell", str(window)],
                env=self.environ, capture_output=True, text=True, check=False,
            ).stdout  # fmt: skip
            found = dict(line.split("=") for line in told.split() if "=" in line)
            if "WIDTH" in found:
                self.driver.move(
                    int(found["X"]) + int(found["WIDTH"]) - 100, int(found["Y"]) + int(found["HEIGHT"]) - 40
                )
                self.driver.click()
                self.driver.settle()

    def close(self) -> None:
        self._stack.close()

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

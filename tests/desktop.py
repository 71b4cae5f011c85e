"""A virtual desktop for tests: an X server, a window manager, a session bus with accessibility, real applications.

The fixture ``desktop`` of conftest.py starts one for a test module; ``with Desktop() as desktop:`` one that a test may break.
Nothing is shared with another desktop, not even the home folder, and nothing is left when it closes: each program that was
started on it, by itself or by its children, is ended, and the folder removed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from desktop_programs import APPS, Page, Program

T = TypeVar("T")

WIDTH, HEIGHT = 1280, 720
# Program -> the Debian package that has it. A desktop cannot be without these.
NEEDED = {
    "Xvfb": "xvfb", "xkbcomp": "x11-xkb-utils", "xdotool": "xdotool", "xprop": "x11-utils", "dbus-daemon": "dbus-daemon",
    "dbus-send": "dbus-bin", "setpriv": "util-linux",
}  # fmt: skip
# Programs that tests may ask for by name, and what `Desktop.app` needs, as modules of Debian's Python.
PROGRAMS = {
    "openbox": "openbox", "metacity": "metacity", "icewm": "icewm", "xfwm4": "xfwm4", "zenity": "zenity", "xterm": "xterm",
    "chromium": "chromium", "firefox-esr": "firefox-esr", "import": "imagemagick",
}  # fmt: skip
SYSTEM_PYTHON = "/usr/bin/python3"
MODULES = {
    "gtk3": ("import gi; gi.require_version('Gtk', '3.0')", "python3-gi gir1.2-gtk-3.0"),
    "gtk4": ("import gi; gi.require_version('Gtk', '4.0')", "python3-gi gir1.2-gtk-4.0"),
    "qt5": ("import PyQt5.QtWidgets", "python3-pyqt5"),
}
AT_SPI = Path("/usr/libexec/at-spi-bus-launcher"), Path("/usr/lib/at-spi2-core/at-spi-bus-launcher")


def missing(*wanted: str) -> str | None:
    """Return why a desktop with these cannot be had, or None.

    ``wanted`` are names of PROGRAMS, of MODULES, ``tk``, and ``at-spi`` for accessibility.
    """
    absent = []
    for name in (*NEEDED, *wanted):
        if name in MODULES:
            absent += [] if _has_module(name) else [f"{name} ({MODULES[name][1]})"]
        elif name == "tk":
            absent += [] if _imports(sys.executable, "import tkinter") else ["tkinter (of this Python)"]
        elif name == "at-spi":
            absent += [] if any(path.exists() for path in AT_SPI) else ["at-spi2-core"]
        elif not shutil.which(name):
            absent.append(f"{name} ({(NEEDED | PROGRAMS)[name]})")
    return f"a virtual desktop needs {', '.join(absent)}" if absent else None


_known: dict[tuple[str, str], bool] = {}


def _imports(python: str, statement: str) -> bool:
    if (python, statement) not in _known:
        found = shutil.which(python)
        ended = found and subprocess.run(
            [python, "-c", statement], capture_output=True, check=False, timeout=60
        )
        _known[python, statement] = bool(ended) and ended.returncode == 0
    return _known[python, statement]


def _has_module(name: str) -> bool:
    return _imports(SYSTEM_PYTHON, MODULES[name][0])


class Timeout(AssertionError):
    """What a test waited for did not come."""


def wait_for(condition: Callable[[], T | None], what: str, deadline_s: float = 30.0) -> T:
    """Return what ``condition`` returns as soon as that is true; asks every few ms."""
    end = time.monotonic() + deadline_s
    pause = 0.002
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise Timeout(f"waited {deadline_s:g} s for {what}")
        time.sleep(pause)
        pause = min(pause * 1.3, 0.05)


class Desktop:
    """A running desktop of WIDTH x HEIGHT pixels.

    Parameters
    ----------
    manager : str or None
        The window manager: openbox, metacity, icewm, xfwm4; None for none.
    accessible : bool
        Whether the session bus has the accessibility bus, and toolkits are told to use it.

    Attributes
    ----------
    folder : Path
        Of this desktop alone: ``home``, ``run`` (XDG_RUNTIME_DIR), ``tmp`` (TMPDIR), ``bin``, ``logs``.
    environ : dict of str to str
        The environment of its programs; nothing of it is set in the process of the tests.
    """

    def __init__(self, manager: str | None = "openbox", *, accessible: bool = True) -> None:
        reason = missing(*([manager] if manager else []), *(["at-spi"] if accessible else []))
        if reason:
            raise RuntimeError(reason)
        self._stack = contextlib.ExitStack()
        self.programs: list[Program] = []
        # A short path, as sockets need it.
        self.folder = Path(tempfile.mkdtemp(prefix="evdesk-"))
        try:
            self._stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
            for name in ("home", "run", "tmp", "bin", "logs"):
                (self.folder / name).mkdir(mode=0o700)
            self.environ = self._environment(accessible)
            self._stack.callback(self._sweep)
            self._start_server()
            self._start_bus()
            if accessible:
                self.enable_accessibility()
            if manager:
                self.start_manager(manager)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Desktop:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every program and remove the folder."""
        self.end_programs()
        self._stack.close()

    def end_programs(self) -> None:
        """End the programs that tests have started; the desktop itself goes on."""
        while self.programs:
            self.programs.pop().close()

    # ---- what it is made of

    def _environment(self, accessible: bool) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "VIRTUAL_ENV")}
        folder = self.folder
        return kept | {
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "tmp"),
            "XDG_RUNTIME_DIR": str(folder / "run"),
            "XDG_CONFIG_HOME": str(folder / "home" / ".config"),
            "XDG_DATA_HOME": str(folder / "home" / ".local"),
            "XDG_CACHE_HOME": str(folder / "home" / ".cache"),
            "XDG_SESSION_TYPE": "x11",
            "XAUTHORITY": str(folder / "run" / "xauthority"),
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={folder / 'run' / 'bus'}",
            "LC_ALL": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "GSETTINGS_BACKEND": "memory",
            "GDK_BACKEND": "x11",
            "GTK_A11Y": "atspi" if accessible else "none",
            "QT_ACCESSIBILITY": "1" if accessible else "0",
            "QT_LINUX_ACCESSIBILITY_ALWAYS_ON": "1" if accessible else "0",
            "QT_QPA_PLATFORM": "xcb",
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "GSK_RENDERER": "cairo",
        }

    def _spawn(self, name: str, command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        """Start a program that ends with the tests whatever befalls them, in a process group of its own."""
        log = (self.folder / "logs" / f"{name}.log").open("ab")
        with log:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environ,
                cwd=self.folder / "home",
                start_new_session=True,
                **options,
            )
        self._stack.callback(end_group, process, gently=name == "xvfb")
        return process

    def _start_server(self) -> None:
        authority = Path(self.environ["XAUTHORITY"])
        authority.write_bytes(_authority(os.urandom(16)))
        reading, writing = os.pipe()
        # The screen is a file (-fbdir): a picture of it needs no program.
        command = [
            "Xvfb",
            "-displayfd",
            str(writing),
            "-screen",
            "0",
            f"{WIDTH}x{HEIGHT}x24",
            "-noreset",
            "-nolisten",
            "tcp",
        ]
        command += [
            "-auth",
            str(authority),
            "-fbdir",
            str(self.folder / "run"),
            "+extension",
            "XTEST",
            "+extension",
            "RANDR",
        ]
        try:
            server = self._spawn("xvfb", command, pass_fds=(writing,))
        finally:
            os.close(writing)
        with open(reading, "rb") as told:
            number = told.readline().decode().strip()
        if not number:
            raise RuntimeError(f"Xvfb ended with {server.wait()}: {self.log('xvfb')[-500:]}")
        self.server = server
        self.display = f":{number}"
        self.environ["DISPLAY"] = self.display

    def _start_bus(self) -> None:
        address = self.environ["DBUS_SESSION_BUS_ADDRESS"]
        self.bus = self._spawn(
            "bus", ["dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address={address}"]
        )
        path = self.folder / "run" / "bus"
        wait_for(lambda: _listens(path) or self.bus.poll() is not None, "the session bus")
        if self.bus.poll() is not None:
            raise RuntimeError(f"dbus-daemon ended: {self.log('bus')[-500:]}")

    def enable_accessibility(self) -> None:
        """Do what a screen reader does when it starts: tell applications to answer."""
        for name in ("IsEnabled", "ScreenReaderEnabled"):
            self.run(
                "dbus-send", "--session", "--print-reply", "--dest=org.a11y.Bus", "/org/a11y/bus",
                "org.freedesktop.DBus.Properties.Set", "string:org.a11y.Status", f"string:{name}", "variant:boolean:true",
            )  # fmt: skip

    def kill_accessibility(self) -> None:
        """Kill the accessibility bus, its launcher and its registry, as a crash would."""
        for pid, words in self.processes():
            if any(b"at-spi" in word for word in words[:4]):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def start_manager(self, name: str) -> None:
        """Start a window manager and wait until it manages."""
        self.manager = self._spawn(name, [name, *(["--no-composite"] if name == "metacity" else [])])
        wait_for(
            lambda: "window id" in self.run("xprop", "-root", "_NET_SUPPORTING_WM_CHECK"),
            f"the window manager {name}",
        )

    def processes(self) -> list[tuple[int, list[bytes]]]:
        """Return (pid, command line) of all processes of this desktop, also those that a bus has started."""
        return processes(f"HOME={self.folder / 'home'}")

    def _sweep(self) -> None:
        """Kill what is left, which were the children of programs and what the buses had started."""
        kill_all(f"HOME={self.folder / 'home'}")

    # ---- programs

    def run(self, *command: str | Path, check: bool = True, deadline_s: float = 60) -> str:
        """Run a program to its end on this desktop and return what it printed."""
        ended = subprocess.run(
            [str(word) for word in command], env=self.environ, cwd=self.folder / "home", stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=deadline_s,
        )  # fmt: skip
        if check and ended.returncode:
            # Only the program: what it was to type may be a canary.
            raise AssertionError(f"{command[0]} ended with {ended.returncode}: {ended.stderr[-500:]}")
        return ended.stdout

    def start(self, *command: str | Path, title: str | None = None, **options: Any) -> Program:
        """Start a program; with a title (a regular expression) wait for its window."""
        program = Program(self, [str(word) for word in command], title=title, **options)
        self.programs.append(program)
        program.wait_until_there()
        return program

    def app(self, name: str, *, executable: str | None = None, title: str | None = None) -> Program:
        """Start one of desktop_apps: gtk3, gtk4, qt5, tk; wait until it has the focus and takes keys.

        Parameters
        ----------
        name : str
            Which one; pytest skips where its toolkit is missing, see `missing`.
        executable : str or None
            Run it by a copy of the interpreter with this name, as programs are told apart by their executable; None:
            a copy named as ``name``.
        title : str or None
            Of its window; None: ``name`` and "window".
        """
        program = APPS[name](self, name, executable=executable or name, title=title or f"{name} window")
        self.programs.append(program)
        program.wait_until_there()
        return program

    def page(self, *, accessible: bool = True, title: str = "page window", **options: Any) -> Page:
        """Open desktop_apps/page.html in Chromium, from a server of its own on 127.0.0.1; wait until it takes keys."""
        page = Page(self, accessible=accessible, title=title, **options)
        self.programs.append(page)
        page.wait_until_there()
        return page

    def log(self, name: str) -> str:
        """Return what a program wrote to its log so far."""
        return (self.folder / "logs" / f"{name}.log").read_text(errors="replace")

    # ---- hands and eyes

    def xdotool(self, *words: str | float) -> str:
        """Run xdotool with a chain of its commands."""
        return self.run("xdotool", *map(str, words))

    def type(self, text: str, delay_ms: float = 10) -> None:
        """Type ASCII text; returns when the server has it."""
        self.xdotool("type", "--delay", f"{delay_ms:g}", text)

    def key(self, *names: str, delay_ms: float = 10) -> None:
        """Press and release keys, each given by keysym names joined by +: ``Tab``, ``ctrl+a``."""
        self.xdotool("key", "--delay", f"{delay_ms:g}", *names)

    def move(self, x: int, y: int) -> None:
        """Move the pointer."""
        self.xdotool("mousemove", x, y)

    def click(self, x: int, y: int, button: int = 1) -> None:
        """Move the pointer and click."""
        self.xdotool("mousemove", x, y, "click", button)

    def active_window(self) -> int | None:
        """Return the id of the window that the window manager calls active."""
        words = self.run("xprop", "-root", "_NET_ACTIVE_WINDOW").split()
        number = int(words[-1], 16) if words and words[-1].startswith("0x") else 0
        return number or None

    def windows(self, title: str) -> list[int]:
        """Return the ids of the visible windows whose title matches a regular expression."""
        found = self.run("xdotool", "search", "--onlyvisible", "--name", title, check=False)
        return [int(line) for line in found.split()]

    def activate(self, window: int) -> None:
        """Bring a window to the front with the focus, and wait until it has it."""
        self.xdotool("windowactivate", window)
        wait_for(lambda: self.active_window() == window, "the window to be active")

    def origin(self, window: int) -> tuple[int, int]:
        """Return where the inside of a window is on the screen."""
        told = self.run("xwininfo", "-id", str(window))
        found = [int(line.split()[-1]) for line in told.splitlines() if "Absolute upper-left" in line]
        return found[0], found[1]

    def screenshot(self) -> np.ndarray:
        """Return what the screen shows now: uint8, (HEIGHT, WIDTH, 3), red green blue."""
        raw = np.fromfile(self.folder / "run" / "Xvfb_screen0", dtype=np.uint8)
        header = raw[:100].view(">u4")
        start = int(header[0]) + int(header[19]) * 12
        height, width, stride = int(header[5]), int(header[4]), int(header[12])
        rows = (
            raw[start : start + height * stride]
            .reshape(height, stride)[:, : width * 4]
            .reshape(height, width, 4)
        )
        return rows[:, :, 2::-1].copy() if header[7] == 0 else rows[:, :, 1:].copy()


def _listens(path: Path) -> bool:
    """Tell whether a server takes connections there; its socket is there a moment earlier."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def processes(mark: str, session: int | None = None) -> list[tuple[int, list[bytes]]]:
    """Return (pid, command line) of the processes that have NAME=value in their environment, or belong to a session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                status = (entry / "stat").read_bytes().rpartition(b")")[2].split()
                is_marked = mark.encode() in (entry / "environ").read_bytes().split(b"\0")
                # Chromium's children write over their environment.
                if status[0] != b"Z" and (is_marked or int(status[3]) == session):
                    found.append((int(entry.name), (entry / "cmdline").read_bytes().split(b"\0")))
    return found


def kill_all(mark: str, session: int | None = None) -> None:
    """Kill all `processes`, until there are none."""

    def are_gone() -> bool:
        found = processes(mark, session)
        for pid, _ in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not found

    with contextlib.suppress(Timeout):
        wait_for(are_gone, "the end of all programs", 5)


def end_group(process: subprocess.Popen[bytes], *, gently: bool = False) -> None:
    """Kill a process with its group, and reap it; ``gently``: let it first end by itself, as a server removes its socket."""
    if gently:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            stream.close()


def _authority(cookie: bytes) -> bytes:
    """Return an Xauthority file: one cookie, for any address and display (FamilyWild)."""

    def counted(value: bytes) -> bytes:
        return len(value).to_bytes(2, "big") + value

    return b"\xff\xff" + counted(b"") + counted(b"") + counted(b"MIT-MAGIC-COOKIE-1") + counted(cookie)

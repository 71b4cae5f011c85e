"""Programs on a virtual desktop: any program, those of desktop_apps, and a page in Chromium."""

from __future__ import annotations

import contextlib
import http.server
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from desktop import Desktop

HERE = Path(__file__).resolve().parent / "desktop_apps"
SYSTEM_PYTHON = Path("/usr/bin/python3")
CHROMIUM = (
    "--no-sandbox", "--no-first-run", "--no-default-browser-check", "--disable-gpu", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--disable-default-apps", "--disable-domain-reliability", "--disable-breakpad", "--metrics-recording-only",
    "--password-store=basic", "--no-proxy-server", "--test-type", "--disable-translate", "--noerrdialogs",
    "--disable-features=Translate,MediaRouter,OptimizationHints,AutofillServerCommunication,PasswordManagerOnboarding",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip

_numbers = itertools.count()


class Program:
    """A running program. Its output is kept in memory, never in a file, as it may tell what was typed into it.

    Attributes
    ----------
    lines : list of str
        What it printed so far.
    window : int
        The id of its window, where it was started with a title.
    """

    def __init__(
        self,
        desktop: Desktop,
        command: list[str],
        *,
        title: str | None = None,
        environ: dict[str, str] | None = None,
    ) -> None:
        self.desktop = desktop
        self.title = title
        self.lines: list[str] = []
        self.window = 0
        self._mark = f"EVCODEC_TEST_PROGRAM={next(_numbers)}-{os.getpid()}"
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=desktop.environ | (environ or {}) | dict([self._mark.split("=")]),
            cwd=desktop.folder / "home",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line.decode(errors="replace").rstrip("\n"))
            self._told(self.lines[-1])

    def _told(self, line: str) -> None:
        """Take in a line that the program printed."""

    def wait(self, deadline_s: float = 30) -> int:
        """Wait for its end and return its exit code."""
        return self.process.wait(deadline_s)

    def wait_until_there(self) -> None:
        """Wait until its window is there, if it was started with a title."""
        from desktop import wait_for

        if self.title is None:
            return
        found = wait_for(
            lambda: self.desktop.windows(self.title or "") or self._ended(), f"the window of {self._name}"
        )
        assert isinstance(found, list), (
            f"{self._name} ended with {self.process.poll()} before it had a window"
        )
        self.window = found[-1]

    def _ended(self) -> bool:
        return self.process.poll() is not None

    @property
    def _name(self) -> str:
        arguments = self.process.args
        return Path(arguments[3]).name if isinstance(arguments, list) else ""

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def path(self) -> str:
        """Its executable, as the system tells it and a policy names it."""
        return os.readlink(f"/proc/{self.pid}/exe")

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop it with its children for a while, as a program that hangs."""
        from desktop import processes

        pids = [pid for pid, _ in processes(self._mark, self.process.pid)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def activate(self) -> None:
        """Bring its window to the front with the focus."""
        self.desktop.activate(self.window)

    def close(self) -> None:
        """Kill it with its children."""
        from desktop import kill_all

        kill_all(self._mark, self.process.pid)
        self.process.wait()
        self._reader.join()
        if self.process.stdout:
            self.process.stdout.close()


class App(Program):
    """A program of desktop_apps, which tells after each change what it holds.

    Attributes
    ----------
    state : dict
        ``boxes``: name -> (x, y, width, height) inside of the window; ``values``: name -> text (of a password only its
        length); ``focus``: name of the element with the keyboard focus, or None; ``acts``: what menus were told to do.
    """

    state: dict[str, Any]

    def __init__(self, desktop: Desktop, name: str, *, executable: str, title: str) -> None:
        self.state = {}
        script = HERE / f"{name}.py"
        super().__init__(
            desktop,
            [str(self._interpreter(desktop, executable)), str(script), title, executable],
            title=title,
        )

    def _interpreter(self, desktop: Desktop, executable: str) -> Path:
        """Return a copy of Debian's interpreter, as programs are told apart by their executable."""
        copy = desktop.folder / "bin" / executable
        if not copy.exists():
            shutil.copyfile(SYSTEM_PYTHON.resolve(), copy)
            copy.chmod(0o755)
        return copy

    def _told(self, line: str) -> None:
        if line.startswith("{"):
            self.state = json.loads(line)

    def wait_until_there(self) -> None:
        from desktop import wait_for

        super().wait_until_there()
        self.activate()
        wait_for(lambda: self.state.get("focus") and self._is_laid_out(), f"{self._name} to take keys")

    def _is_laid_out(self) -> bool:
        return all(width > 9 and height > 9 for _, _, width, height in self.state["boxes"].values())

    def box(self, name: str) -> tuple[int, int, int, int]:
        """Return where an element is on the screen: x, y, width, height."""
        x, y, width, height = self.state["boxes"][name]
        left, top = self.desktop.origin(self.window)
        return left + x, top + y, width, height

    def middle(self, name: str) -> tuple[int, int]:
        """Return the middle of an element on the screen."""
        x, y, width, height = self.box(name)
        return x + width // 2, y + height // 2

    def click(self, name: str) -> None:
        """Click on an element."""
        self.desktop.click(*self.middle(name))

    def focus(self, name: str) -> None:
        """Give an element the keyboard focus by a click, and wait until it has it."""
        from desktop import wait_for

        self.click(name)
        wait_for(lambda: self.state.get("focus") == name, f"the focus on {name}")

    def value(self, name: str) -> Any:
        """Return what an element holds."""
        return self.state["values"][name]

    def wait_value(self, name: str, value: Any) -> None:
        """Wait until an element holds this: for a password the number of characters."""
        from desktop import wait_for

        wait_for(lambda: self.value(name) == value, f"what was typed to be in {name}")


class TkApp(App):
    """The Tk program, which runs by the tests' own interpreter: that of Debian need not have Tk."""

    def _interpreter(self, desktop: Desktop, executable: str) -> Path:
        return Path(sys.executable)

    def box(self, name: str) -> tuple[int, int, int, int]:
        """Return where an element is on the screen, as Tk tells it."""
        x, y, width, height = self.state["boxes"][name]
        return x, y, width, height


class Page(App):
    """desktop_apps/page.html in Chromium; ``origin`` is the page's scheme, host and port."""

    def __init__(
        self, desktop: Desktop, *, title: str, accessible: bool = True, flags: tuple[str, ...] = ()
    ) -> None:
        self.state = {}
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler(title))
        self._server.daemon_threads = True
        self._serving = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._serving.start()
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"
        profile = desktop.folder / "home" / f"chromium-{self._server.server_address[1]}"
        command = [shutil.which("chromium") or "chromium", *CHROMIUM, f"--user-data-dir={profile}", *flags]
        command += ["--force-renderer-accessibility"] if accessible else []
        command += ["--window-position=40,40", "--window-size=900,600", f"{self.origin}/"]
        Program.__init__(self, desktop, command, title=title)

    def _handler(self, title: str) -> type[http.server.BaseHTTPRequestHandler]:
        page = self
        html = (HERE / "page.html").read_text().replace("TITLE", title).encode()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = self.path == "/"
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(html if found else b"")

            def do_POST(self) -> None:
                state = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                # Requests may overtake one another.
                if state["number"] > page.state.get("number", -1):
                    page.state = state
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler

    def box(self, name: str) -> tuple[int, int, int, int]:
        """Return where an element is on the screen, as the page tells it."""
        x, y, width, height = self.state["boxes"][name]
        return x, y, width, height

    def close(self) -> None:
        super().close()
        self._server.shutdown()
        self._serving.join(5)
        self._server.server_close()


APPS = {"gtk3": App, "choices": App, "gtk4": App, "qt5": App, "tk": TkApp}

"""Starting the windows, each a process with one end of a socket pair, and ending them."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys

from ...errors import CaptureError
from .channel import Channel

# Longer than a window needs to close, shorter than a person waits for a terminal.
ENDING_S = 2.0


def start(module: str) -> tuple[subprocess.Popen[bytes], Channel]:
    """Start a module of this package and return its process, and our end of the pair.

    Nothing of the command line or of the environment tells the window what to show: that comes over the socket.

    Raises
    ------
    CaptureError
        Tk is missing, there is no display, or no process can be started.
    """
    require_tk()
    ours, theirs = socket.socketpair()
    # -P: a file of the working directory does not take the place of a module. Of its own session: Ctrl+C and Ctrl+Z in the
    # terminal are for the recorder, and the indicator stays to say what becomes of it.
    command = [sys.executable, "-P", "-m", f"evcodec.capture.seen.{module}"]
    nothing = subprocess.DEVNULL
    try:
        if sys.platform == "win32":
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=nothing, stderr=nothing)
            assert process.stdin is not None
            process.stdin.write(theirs.share(process.pid))
            process.stdin.close()
        else:
            process = subprocess.Popen(
                [*command, str(theirs.fileno())],
                stdin=nothing,
                stdout=nothing,
                stderr=nothing,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
    except OSError as error:
        ours.close()
        raise CaptureError(
            f"{sys.executable}: the window of the recorder cannot be started ({error.strerror}): nothing is recorded"
        ) from error
    finally:
        theirs.close()
    return process, Channel(ours)


def require_tk() -> None:
    """Raise CaptureError, with what to do, where no window can be shown."""
    if importlib.util.find_spec("_tkinter") is None:
        raise CaptureError(
            f"{sys.executable}: this Python has no Tk, which shows the consent window and the indicator: nothing is recorded. "
            "Install it (Debian, Ubuntu: apt install python3-tk; Fedora: dnf install python3-tkinter)"
        )
    if sys.platform not in ("win32", "darwin") and not os.environ.get("DISPLAY"):
        raise CaptureError(
            "DISPLAY is not set: there is no screen to show the consent window and the indicator on: nothing is recorded. "
            "Start evcodec record in a terminal of the desktop (under Wayland, with Xwayland)"
        )


def inherited() -> Channel:
    """Return the end of the pair that this process was started with. The recorder's end closes when the recorder ends."""
    # A terminal's Ctrl+C is for the recorder.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "win32":
        return Channel(socket.fromshare(sys.stdin.buffer.read()))
    return Channel(socket.socket(fileno=int(sys.argv[1])))


def end(process: subprocess.Popen[bytes], channel: Channel) -> None:
    """Close the channel, upon which the process ends by itself; kill it if it does not."""
    channel.close()
    try:
        process.wait(ENDING_S)
    except subprocess.TimeoutExpired:
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(ENDING_S)

"""What is being recorded now, told to whoever of the same user asks; and one recorder a user and display.

A recorder listens on a socket in the user's runtime directory, which only the user may enter. Whoever connects gets one
line of JSON and is hung up on; nothing can be asked or commanded.
"""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import InvalidArgumentError
from ..locks import lock, unlock

_FOLDER = "evcodec"
_MOST_BYTES = 65_536
_ASK_TIMEOUT_S = 2.0
# pid, uid and gid of the other end of a socket, on Linux.
_PEER = struct.Struct("3i")


def runtime_folder() -> Path:
    """Return the folder of the user's recorders, made if need be, that nobody else can enter.

    Raises
    ------
    InvalidArgumentError
        It belongs to somebody else, or others may enter it; the folder that XDG_RUNTIME_DIR names is not there.
    OSError
        It cannot be made.
    """
    named = os.environ.get("XDG_RUNTIME_DIR")
    uid = os.getuid()
    usual = Path(f"/run/user/{uid}")
    if named:
        folder = Path(named) / _FOLDER
    elif usual.is_dir():
        folder = usual / _FOLDER
    else:
        folder = Path(f"/tmp/{_FOLDER}-{uid}")
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        pass
    except FileNotFoundError:
        raise InvalidArgumentError(
            f"XDG_RUNTIME_DIR: found {folder.parent}, which is not there, allowed: a folder of your own; unset it, or make that"
        ) from None
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & 0o077:
        raise InvalidArgumentError(
            f"{folder}: found a folder that is another user's, or that others may enter; "
            "allowed: one of your own with mode 0700; remove it, or set XDG_RUNTIME_DIR"
        )
    return folder


def _file_name(display: str) -> str:
    """Return a display's name as part of a file's: the screen of an X display is the same display."""
    plain = re.sub(r"^(unix)?(:\d+)\.\d+$", r"\2", display)
    return re.sub(r"[^A-Za-z0-9_-]", "_", plain).strip("_")[:60] or "display"


class StatusSocket:
    """Answers with what ``tell`` returns, and is the claim to be the only recorder of this user on this display.

    Parameters
    ----------
    display : str
        Name of the display, ``:0``.
    tell : callable
        Returns what msgpack or JSON would hold: the state now. It must not hold text that was typed, titles or values.

    Raises
    ------
    InvalidArgumentError
        Another recorder of this user runs on the display.
    OSError
        The runtime folder cannot be written to.

    Notes
    -----
    Not thread-safe; nothing of it blocks. What holds the claim is a lock of the operating system, so that it ends with the
    process, however that ends.
    """

    def __init__(self, display: str, tell: Callable[[], dict[str, Any]]) -> None:
        folder = runtime_folder()
        name = _file_name(display)
        self._tell = tell
        self._path = folder / f"{name}.sock"
        self._socket: socket.socket | None = None
        # Never removed: whoever locked a file that was removed would not see the next one's lock.
        self._claim: BinaryIO = open(folder / f"{name}.lock", "ab", buffering=0)  # noqa: SIM115 - held until close
        try:
            try:
                lock(self._claim, self._path)
            except InvalidArgumentError:
                raise InvalidArgumentError(
                    f"display {display}: found another recorder of yours on it, allowed: one a display; "
                    "`evcodec record --status` says what it records"
                ) from None
        except BaseException:
            self._claim.close()
            raise

    def listen(self) -> None:
        """Begin to answer. Until then nobody hears of the recorder, and no other can begin.

        Raises
        ------
        OSError
            The socket cannot be made.
        """
        self._path.unlink(missing_ok=True)  # of one that was killed: the lock says that none is alive
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listening.bind(str(self._path))
            self._path.chmod(0o600)
            listening.listen(8)
            listening.setblocking(False)
        except BaseException:
            listening.close()
            raise
        self._socket = listening

    def fileno(self) -> int:
        """Return the file descriptor that is readable when somebody asks."""
        assert self._socket is not None
        return self._socket.fileno()

    def answer(self) -> None:
        """Answer all who ask; others than this user are hung up on."""
        assert self._socket is not None
        while True:
            try:
                asking, _ = self._socket.accept()
            except OSError:
                return
            with asking:
                asking.setblocking(False)
                if _peer_uid(asking) == os.getuid():
                    with suppress(OSError):
                        asking.send(json.dumps(self._tell()).encode() + b"\n")

    def close(self) -> None:
        """Stop answering, and let another recorder begin; a second call does nothing."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self._path.unlink(missing_ok=True)
        if not self._claim.closed:
            unlock(self._claim)
            self._claim.close()


def read_statuses() -> list[dict[str, Any]]:
    """Return what each recorder of this user says of itself; none run where the list is empty.

    Raises
    ------
    InvalidArgumentError
        The runtime folder is not this user's alone.
    OSError
        The runtime folder cannot be read.
    """
    found = []
    for path in sorted(runtime_folder().glob("*.sock")):
        answer = _ask(path)
        if answer is not None:
            found.append(answer)
    return found


def _ask(path: Path) -> dict[str, Any] | None:
    """Return what the recorder at a socket says; None where there is none, or it is not this user's."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(_ASK_TIMEOUT_S)
        try:
            asking.connect(str(path))
            if _peer_uid(asking) != os.getuid():
                return None
            said = b""
            while len(said) <= _MOST_BYTES and (more := asking.recv(_MOST_BYTES)):
                said += more
        except TimeoutError:
            # It is alive, or its socket would refuse: a recorder that does not answer is worth a word.
            return {"state": "not answering", "socket": str(path)}
        except OSError:
            return None
    try:
        told = json.loads(said)
    except ValueError:
        return {"state": "not answering", "socket": str(path)}
    return told if isinstance(told, dict) else None


def _peer_uid(connection: socket.socket) -> int | None:
    """Return the user at the other end; None where the system does not tell, which only the folder's mode then guards."""
    if sys.platform == "linux":
        told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        return int(_PEER.unpack(told)[1])
    return os.getuid()

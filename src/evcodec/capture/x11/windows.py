"""Whose window has the keyboard focus, and whose is under the pointer: asked of the server, never believed of the window."""

from __future__ import annotations

import os
import struct

from ..model import Application, Window
from . import wire
from .connection import Connection

_DEEPEST = 16
_MOST_WORDS = 256  # of a title or class


def executable_of(pid: int | None) -> str | None:
    """Return the absolute path of a process's program; None where the system does not tell."""
    if pid is None:
        return None
    try:
        return os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
    except OSError:
        return None


class Windows:
    """Answers questions about windows. A window that is gone in the meantime is no window."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._resources = connection.extension("X-Resource")
        if self._resources is not None:
            version = connection.ask(wire.res_query_version(self._resources.opcode))
            if version is None or struct.unpack_from("=HH", version, 8) < (1, 2):
                self._resources = None
        self._applications: dict[int, Application | None] = {}

    def focus(self) -> int:
        """Return the window that takes keys now; 0 none, 1 whichever is under the pointer."""
        answer = self._connection.ask(wire.get_input_focus())
        return int(struct.unpack_from("=I", answer, 8)[0]) if answer else 0

    def children(self) -> tuple[int, ...]:
        """Return the windows just below the root, from the lowest up."""
        answer = self._connection.ask(wire.query_tree(self._connection.root))
        return wire.answer_tree(answer)[1] if answer else ()

    def line(self, window: int) -> list[int]:
        """Return a window and those that hold it, up to but not including the root; empty where it is gone."""
        found = []
        while window != self._connection.root:
            found.append(window)
            answer = self._connection.ask(wire.query_tree(window)) if len(found) <= _DEEPEST else None
            if answer is None:
                return []
            window = wire.answer_tree(answer)[0]
            if not window:
                return []
        return found

    def holder(self, focus: int) -> tuple[int, int]:
        """Return the client's window that is or holds one with the focus, and the child of the root; 0, 0: none does."""
        line = self.line(focus) if focus > wire.POINTER_ROOT else []
        if not line:
            return 0, 0
        return next((window for window in line if self._is_client(window)), line[-1]), line[-1]

    def describe(self, focus: int, client: int) -> Window | None:
        """Return a client's window as a person sees it, or None where it is gone.

        The application is that of whoever owns the window that takes the keys, also inside of another's window.
        """
        application = self._application(focus, client)
        if application is None:
            return None
        return Window(id=client, application=application, title=self.title(client))

    def under(self, child: int) -> Application | None:
        """Return the application whose window a child of the root is or holds."""
        if not child:
            return None
        if child not in self._applications:
            if len(self._applications) > 1024:
                self._applications.clear()
            client = self._client_in(child)
            self._applications[child] = self._application(client, client)
        return self._applications[child]

    def forget(self, child: int) -> None:
        """Ask anew of a child of the root: it came, went, or took another window in."""
        self._applications.pop(child, None)

    def title(self, client: int) -> str | None:
        """Return a window's title, where it has one."""
        for name in ("_NET_WM_NAME", "WM_NAME"):
            found = self._connection.window_property(client, name, _MOST_WORDS)
            if found is not None:
                kind, data = found
                return data.decode("latin-1" if kind == wire.ATOM_STRING else "utf-8", "replace")
        return None

    def _is_client(self, window: int) -> bool:
        return self._connection.window_property(window, "WM_STATE", 1) is not None

    def _client_in(self, child: int) -> int:
        """Return the client's window in a window manager's frame, or the window itself."""
        level = [child]
        for _ in range(4):
            below: list[int] = []
            for window in level[:64]:
                if self._is_client(window):
                    return window
                answer = self._connection.ask(wire.query_tree(window))
                below += wire.answer_tree(answer)[1] if answer else ()
            level = below
        return child

    def _pid(self, window: int) -> int | None:
        """Return the process that the server knows at the other end; what a window says of itself proves nothing."""
        if self._resources is None:
            return None
        answer = self._connection.ask(wire.res_query_pid(self._resources.opcode, window))
        return wire.answer_pid(answer) if answer else None

    def _application(self, owned: int, client: int) -> Application | None:
        pid = self._pid(owned)
        found = self._connection.window_property(client, "WM_CLASS", _MOST_WORDS)
        names = found[1].split(b"\0") if found else []
        # The second name is that of the program, the first of this window.
        told = (names[1] if len(names) > 1 and names[1] else names[0]).decode("latin-1") if names else None
        if self._connection.ask(wire.get_geometry(owned)) is None:
            return None  # it went while it was asked about, and its number may be another's
        return Application(executable=executable_of(pid), window_class=told or None, pid=pid)

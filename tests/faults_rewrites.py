"""Whole files written in place of others, in processes that are killed at a line of the code, or may not write far."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import evcodec
from evcodec import Writer, merging
from evcodec.cli import main
from evcodec.levels import level_of
from evcodec.outputs import open_output
from evcodec.stream import compact, repair
from faults_kills import Notes
from generators import session
from running import BALABIT, write_balabit

EVENTS, BLOCKS = 60, 5
# The modules that a new file goes through; they are killed at each of their lines.
_FILES = frozenset(
    os.path.join(os.path.dirname(evcodec.__file__), *name.split("/"))
    for name in (
        "replacing.py",
        "rewrite.py",
        "emitter.py",
        "merging.py",
        "outputs.py",
        "stream.py",
        "writer.py",
        "cli/files.py",
        "cli/convert.py",
    )
)


def prepare(folder: Path) -> None:
    """Write what the actions start from: a stream of small blocks, a damaged one, a recording, and an older target."""
    with Writer(folder / "small.evc", block_events=EVENTS, metadata={"a": 1}) as writer:
        for number in range(BLOCKS):
            writer.marker(number, f"m{number}")
            writer.write(session(EVENTS, seed=number))
    data = bytearray((folder / "small.evc").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "damaged.evc").write_bytes(data)
    write_balabit(folder / "recording.csv", 200)
    assert (folder / "recording.csv").read_bytes().startswith(BALABIT)
    with Writer(folder / "old.evc") as writer:
        writer.write(session(9, seed=99))


def _command(*args: str) -> None:
    if status := main([*args]):
        raise OSError(f"status {status}")


def merge(target: Path, **options: Any) -> Writer:
    """Return a Writer whose close() will join its blocks."""
    writer = Writer(target, **options)
    for number in range(BLOCKS):
        writer.write(session(EVENTS, seed=number))
        writer.flush()
    return writer


def action(name: str, folder: Path, target: Path) -> Callable[[], Any]:
    """Return what writes the target; what must be there before has been done."""
    if name == "merge":
        return merge(target).close
    if name == "compact":
        return partial(compact, folder / "small.evc", target)
    if name == "compact in place":
        return partial(compact, target, target)
    if name == "repair":
        return partial(repair, folder / "damaged.evc", target)
    return partial(_command, "import", "--force", str(folder / "recording.csv"), str(target))


ACTIONS = ("merge", "compact", "compact in place", "repair", "import")


def killed_at_line(name: str, folder: Path, target: Path, number: int) -> None:
    """Act, and kill this process when it is about to run the line with this number; tell how many there were."""
    lines = 0

    def local(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal lines
        if event == "line":
            lines += 1
            if lines == number:
                os.kill(os.getpid(), signal.SIGKILL)
                threading.Event().wait()
        return local

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        return local if frame.f_code.co_filename in _FILES else None

    act = action(name, folder, target)
    sys.settrace(trace)
    act()
    sys.settrace(None)
    target.with_suffix(".lines").write_text(str(lines))


def limited(name: str, folder: Path, target: Path, old: bytes, limits: list[int]) -> None:
    """Act with each limit of the size of files, and tell how each ended and what the target was then."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    warnings.simplefilter("error")  # the merge says by a warning that it failed
    quiet = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # may be files, which the limit would hold for too
        os.dup2(quiet, stream)
    found = []
    for limit in limits:
        target.write_bytes(old)
        act = _only_the_merge(target) if name == "merge" else action(name, folder, target)
        old_limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        before = target.read_bytes()
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, old_limit[1]))
        try:
            act()
            ended = "done"
        except (OSError, RuntimeWarning) as error:
            ended = type(error).__name__
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, old_limit)
        kept = "old" if target.read_bytes() == before else "new"
        others = [path.name for path in target.parent.iterdir() if path != target]
        found.append(f"{limit} {ended} {kept} {len(others)}")
    (folder / f"{name}.limits").write_text("\n".join(found))


def _only_the_merge(target: Path) -> Callable[[], Any]:
    """Return what joins the blocks of a stream that has ended: the live one is longer, and would fail before."""
    merge(target, merge_on_close=False).close()
    level = level_of("balanced")
    return lambda: merging.merge(open_output(target, "a", False), target, level, level.block_events, 1)


def write_and_close(path: str, notes: str, blocks: int) -> None:
    """Write many small blocks, which close() joins, and tell when it began and ended."""
    slots = Notes(notes, 1).slots
    writer = Writer(path)
    for number in range(blocks):
        writer.write(session(500, seed=number))
        writer.flush()
    slots[0] = time.monotonic_ns()
    writer.close()
    slots[1] = time.monotonic_ns()

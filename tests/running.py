"""Help for tests of the command line: the real command in a process of its own, and streams to run it on."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from evcodec import GapReason, Writer
from evcodec.cli import main
from evcodec.sample import sample_session

# What must never be shown unless asked for; the streams below hold it in every place that could leak.
SECRET = "Zebra-In-A-Window-Title"


class Done(NamedTuple):
    """How a command ended. No command may ever show a traceback, so every run is checked for one."""

    status: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()


def environment(**changes: str) -> dict[str, str]:
    """Return this environment without what would change how a command speaks."""
    kept = {k: v for k, v in os.environ.items() if k not in ("EVCODEC_TRACEBACK", "FORCE_COLOR", "COLUMNS")}
    return {**kept, **changes}


def evcodec(*args: str | Path, stdin: bytes | None = None, cwd: Path | None = None, **options: Any) -> Done:
    """Run ``python -m evcodec`` and return its status and output."""
    given: dict[str, Any] = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
    done = subprocess.run(
        [sys.executable, "-m", "evcodec", *map(str, args)],
        capture_output=True,
        timeout=120,
        cwd=cwd,
        **{"env": environment(), **given, **options},
    )
    found = Done(done.returncode, done.stdout, done.stderr.decode(errors="replace"))
    assert "Traceback" not in found.err, found.err
    assert b"Traceback" not in found.out
    return found


class _Text(io.TextIOWrapper):
    """What a command prints, with the bytes under it."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    def taken(self) -> bytes:
        self.flush()
        found: bytes = self.buffer.getvalue()  # type: ignore[attr-defined]
        return found


def here(*args: str | Path) -> Done:
    """Run a command in this process, which takes a tenth of the time; for what does not touch stdin or the process."""
    out, err = _Text(), _Text()
    before = signal.getsignal(signal.SIGTERM)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(list(map(str, args)))
    finally:
        signal.signal(signal.SIGTERM, before)
    found = Done(status, out.taken(), err.taken().decode(errors="replace"))
    assert "Traceback" not in found.err + found.text
    return found


def write_stream(path: Path, events: int = 3_000, *, seed: int = 1, **options: Any) -> Path:
    """Write a stream with events of every common kind and an entry of every type."""
    batch = sample_session(events, seed=seed, start_ns=5_000_000_000)
    metadata = {"task": "form", "screen": [1920, 1080]}
    governance = {"purpose": "tests", "notice_id": "n-1"}
    with Writer(path, metadata=metadata, governance=governance, block_events=1_000, **options) as w:
        mouse = w.source("a mouse", scale_exponent=0)
        w.context("window", {"title": SECRET})
        w.anchor(int(batch.t[0]), 1_700_000_000_000_000_000)
        w.write(batch[: events // 2])
        t = int(batch.t[events // 2])
        w.gap(GapReason.PAUSED, t, t + 2_000_000_000, source=mouse, lost=7)
        w.gap(GapReason.SECURE_FIELD, t, t + 1)
        w.marker(t, "half", {"note": SECRET})
        w.payload("text", SECRET, t=t)
        w.video_anchor(t, 42, uri="v.mp4")
        w.write(batch[events // 2 :])
    return path


BALABIT = b"record timestamp,client timestamp,button,state,x,y\n"


def write_balabit(path: Path, rows: int = 500) -> Path:
    """Write a recording as Balabit's recorder does."""
    lines = [BALABIT]
    for i in range(rows):
        state, button = (
            (b"Pressed", b"Left")
            if i % 50 == 20
            else (b"Released", b"Left")
            if i % 50 == 21
            else (b"Move", b"NoButton")
        )
        lines.append(
            b"%d.%03d,%d.%03d,%s,%s,%d,%d\n"
            % (i // 10, i % 10 * 100, i // 10, i % 10 * 100, button, state, 100 + i, 200 - i % 7)
        )
    path.write_bytes(b"".join(lines))
    return path

"""The command line on a terminal: progress there and nowhere else, results beside it, no bytes."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from running import environment, evcodec, write_balabit, write_stream

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX")


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    return write_stream(tmp_path_factory.mktemp("stream") / "s.evc")


def read_all(terminal: int) -> bytes:
    """Return all that is written to a terminal until whoever has it open is gone."""
    shown = b""
    while True:
        try:
            part = os.read(terminal, 65_536)
        except OSError:
            return shown
        if not part:
            return shown
        shown += part


def on_terminal(*args: str) -> tuple[bytes, bytes]:
    """Run a command with a terminal for stderr, and return what it wrote to stdout and there."""
    import pty

    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "evcodec", *args],
        stdout=subprocess.PIPE,
        stderr=child,
        env=environment(TERM="xterm"),
    )
    os.close(child)
    assert process.stdout is not None
    shown = read_all(parent)
    out = process.stdout.read()
    process.stdout.close()
    os.close(parent)
    assert process.wait(timeout=60) == 0
    return out, shown


def test_progress_is_shown_on_a_terminal_and_nowhere_else(tmp_path):
    sources = tmp_path / "in"
    sources.mkdir()
    for name in ("a.csv", "b.csv"):
        write_balabit(sources / name, 5_000)
    args = ("import", str(sources), str(tmp_path / "out"), "--force")
    out, shown = on_terminal(*args)
    assert b"b.csv" in shown
    assert b"2/2, 5,000 events" in shown
    assert b"\x1b[" in shown
    assert b"\x1b[" not in out
    done = evcodec(*args)
    assert (done.status, done.err) == (0, "")
    assert b"\x1b" not in done.out


@pytest.mark.parametrize("command", ["verify", "verify --json", "import --json"])
def test_results_are_not_glued_to_the_progress(tmp_path, command):
    """On one terminal for both, a line of a result starts where nothing stands."""
    import pty

    name, *options = command.split()
    for each in ("a", "b"):
        (write_stream if name == "verify" else write_balabit)(tmp_path / each, 200)
    out = [] if name == "verify" else [str(tmp_path / "out")]
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "evcodec", name, str(tmp_path / "a"), str(tmp_path / "b"), *out, *options],
        stdout=child,
        stderr=child,
        env=environment(TERM="xterm"),
    )
    os.close(child)
    shown = read_all(parent)
    os.close(parent)
    assert process.wait(timeout=60) == 0
    begins = rb'\{"path"|\{"source"|/\S*: ok'
    before = [shown[: found.start()] for found in re.finditer(begins, shown)]
    assert len(before) == 2
    for text in before:
        # Behind the last line end or wiped line, only codes that move nothing.
        last = re.split(rb"\r\n|\x1b\[2K", text)[-1]
        assert re.sub(rb"\x1b\[\?25[lh]|\r", b"", last) == b""


def test_bytes_do_not_go_to_a_terminal(stream):
    import pty

    parent, child = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "evcodec", "compact", str(stream), "-"],
        stdout=child,
        stderr=subprocess.PIPE,
        timeout=60,
    )
    os.close(child)
    os.close(parent)
    assert done.returncode == 2
    assert b"found a terminal" in done.stderr

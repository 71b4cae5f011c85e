"""`evcodec record` from end to end: a real X server, the real windows pressed, real signals."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from desktop import Desktop, Timeout, missing, wait_for
from evcodec import EventKind, GapReason, MissingKeyError, Reader
from evcodec.capture.status import read_statuses
from running import environment

REASON = missing("openbox", "xterm", "at-spi")
pytestmark = pytest.mark.skipif(bool(REASON), reason=str(REASON))

CONSENT = "May evcodec record"
XTERM = os.path.realpath(shutil.which("xterm") or "/usr/bin/xterm")


def write_policy(folder: Path, recipients: str = "", **changes: str) -> Path:
    values = {"executable": XTERM, "keys": "class", "accessibility": "none", "accepted_by": "owner"} | changes
    lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in values.items())
    path = folder / "policy.toml"
    path.write_text(
        'version = 1\npurpose = "tests of the recorder"\nnotice_id = "n-7"\nretention_days = 30\n'
        f'groups = ["pointer", "keys", "context"]\n{recipients}\n[[application]]\npointer = true\n{lines}\n'
    )
    return path


class Recording:
    """`evcodec record` on a desktop."""

    def __init__(self, desktop: Desktop, *arguments: str | Path, target: Path) -> None:
        self.desktop, self.target = desktop, target
        self.out = (target.parent / "out").open("w+b")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "evcodec", "record", *map(str, arguments), str(target)],
            stdin=subprocess.DEVNULL,
            stdout=self.out,
            stderr=subprocess.STDOUT,
            env=desktop.environ,
        )

    def said(self) -> str:
        self.out.flush()
        return (self.target.parent / "out").read_text()

    def ended(self) -> bool:
        return self.process.poll() is not None

    def consent(self) -> int:
        """Wait for the consent window, which has no other way past than its buttons."""
        wait_for(lambda: self.desktop.windows(CONSENT) or self.ended(), "the consent window")
        assert not self.ended(), self.said()
        return self.desktop.windows(CONSENT)[0]

    def press(self, *, start: bool = True) -> None:
        """Press Start recording, or Do not record, until the window goes."""
        window = self.consent()
        told = self.desktop.run("xdotool", "getwindowgeometry", "--shell", str(window))
        found = dict(line.split("=") for line in told.split())
        x, y = self.desktop.origin(window)
        right = x + int(found["WIDTH"]) - 100 if start else x + 100

        def is_gone() -> bool:
            if not self.desktop.windows(CONSENT) or self.ended():
                return True
            self.desktop.click(right, y + int(found["HEIGHT"]) - 40)
            time.sleep(0.2)
            return not self.desktop.windows(CONSENT)

        wait_for(is_gone, "the consent window to go")

    def begin(self) -> None:
        self.press()
        wait_for(lambda: self.ended() or self.status(), "the recorder to record")
        assert not self.ended(), self.said()

    def status(self) -> dict[str, Any] | None:
        found = read_statuses()
        return found[0] if found else None

    def end(self, number: int = signal.SIGINT) -> str:
        self.process.send_signal(number)
        self.process.wait(60)
        return self.said()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.out.close()


def evcodec(desktop: Desktop, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "evcodec", *arguments],
        env=desktop.environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    return done.stdout if done.returncode == 0 else f"{done.returncode}: {done.stderr}"


def nudge(desktop: Desktop, by: int, times: int = 1) -> None:
    """Move the pointer as a device does; `Desktop.move` puts it somewhere, of which devices tell nothing."""
    desktop.xdotool(*["mousemove_relative", "--", by, by] * times)


def kept(path: Path, kind: EventKind) -> int:
    with Reader(path) as reader:
        return len(reader.read(columns=("t",), kinds=(kind,)))


def move_about(desktop: Desktop, one: Recording, x: int, count: int) -> None:
    """Move to the right of ``x`` and ``y`` of that number, step by step, until all steps are in the file.

    A recorder that stood still, on a machine that has much to do, records nothing of what it could not place.
    """
    wanted = set(range(x + 1, x + count + 1))

    def are_kept() -> bool:
        desktop.move(x, x)
        nudge(desktop, 1, count)
        with contextlib.suppress(Timeout):
            wait_for(lambda: wanted <= positions(one.target), "the steps", 3.0)
            return True
        return False

    wait_for(are_kept, "all steps of the pointer", 60.0)


def type_into(desktop: Desktop, one: Recording, text: str) -> None:
    """Type until all of it is in the file; as with `move_about`."""

    def is_kept() -> bool:
        before = kept(one.target, EventKind.KEY_UP)
        desktop.type(text)
        with contextlib.suppress(Timeout):
            wait_for(lambda: kept(one.target, EventKind.KEY_UP) == before + len(text), "keys", 4.0)
            return True
        return False

    wait_for(is_kept, "all keys", 60.0)


def positions(path: Path) -> set[int]:
    with Reader(path) as reader:
        return set(reader.read(columns=("x",), kinds=(EventKind.MOVE,)).x.tolist())


def move_into(desktop: Desktop, one: Recording) -> None:
    """Move the pointer into the window until it is recorded there: news of a window reaches back."""
    desktop.move(300, 300)
    steps = itertools.cycle((1, -1))
    before = one.status()["events"]

    def is_recorded() -> bool:
        nudge(desktop, next(steps))
        return one.status()["events"] > before + 1

    wait_for(is_recorded, "the pointer to be recorded")


@pytest.fixture
def recording(desktop, tmp_path, monkeypatch) -> Iterator[Any]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", desktop.environ["XDG_RUNTIME_DIR"])
    begun: list[Recording] = []

    def begin(*arguments: str | Path, **changes: str) -> Recording:
        policy = write_policy(tmp_path, **changes)
        begun.append(Recording(desktop, "--policy", policy, *arguments, target=tmp_path / "s.evc"))
        return begun[-1]

    with contextlib.ExitStack() as stack:
        yield begin
        for one in begun:
            stack.callback(one.close)
        stack.callback(desktop.end_programs)


def test_a_recording_from_the_press_of_start_to_control_c(desktop, recording):
    desktop.start(
        "xterm", "-T", "listed one", "-geometry", "80x24+100+100", "-e", "sleep 600", title="listed one"
    )
    one = recording()
    one.begin()
    second = subprocess.run(
        [sys.executable, "-m", "evcodec", "record", "--policy", str(one.target.parent / "policy.toml"), str(one.target) + "2"],
        env=desktop.environ, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert second.returncode == 2
    assert "another recorder" in second.stderr
    desktop.activate(desktop.windows("listed one")[0])
    wait_for(lambda: one.status()["state"] == "recording", "the listed window to be recorded")
    told = one.status()
    assert told["application"] == XTERM
    assert told["purpose"] == "tests of the recorder"
    assert told["pid"] == one.process.pid
    shown = evcodec(desktop, "record", "--status")
    assert "tests of the recorder" in shown
    assert XTERM in shown
    move_into(desktop, one)
    # Readable while it is recorded.
    move_about(desktop, one, 200, 30)
    desktop.xdotool("click", 1)
    type_into(desktop, one, "abc1")
    said = one.end()
    assert one.process.returncode == 0, said
    assert "interrupted" in said
    assert json.loads(evcodec(desktop, "record", "--status", "--json")) == {
        "recording": False,
        "recorders": [],
    }
    assert evcodec(desktop, "record", "--status") == "nothing is being recorded\n"
    with Reader(one.target) as reader:
        assert reader.governance["purpose"] == "tests of the recorder"
        assert reader.metadata["agreement"]["notice"]["purpose"] == "tests of the recorder"
        keys = reader.read(kinds=(EventKind.KEY_DOWN,))
        assert keys.key_class.tolist()[-4:] == [1, 1, 1, 2]
        assert not keys.code.any()
        applications = [c.value["executable"] for c in reader.contexts if c.context_type == "application"]
        assert applications == [XTERM]
    assert one.target.stat().st_mode & 0o077 == 0


def test_nobody_agrees(desktop, recording):
    one = recording()
    one.press(start=False)
    one.process.wait(60)
    assert one.process.returncode == 1
    assert "nobody agreed" in one.said()
    assert not one.target.exists()


def test_the_killed_indicator_ends_the_recording_with_a_gap(desktop, recording):
    desktop.start(
        "xterm", "-T", "listed one", "-geometry", "80x24+100+100", "-e", "sleep 600", title="listed one"
    )
    one = recording()
    one.begin()
    desktop.activate(desktop.windows("listed one")[0])
    wait_for(lambda: one.status()["state"] == "recording", "the listed window to be recorded")
    move_into(desktop, one)
    move_about(desktop, one, 300, 20)
    [indicator] = [
        pid for pid, words in desktop.processes() if b"evcodec.capture.seen.indicator_window" in words
    ]
    os.kill(indicator, signal.SIGKILL)
    one.process.wait(60)
    assert one.process.returncode == 1
    assert "the indicator" in one.said()
    with Reader(one.target) as reader:
        assert GapReason.INDICATOR_LOST in [gap.reason for gap in reader.gaps]
        assert len(reader) > 15


def start_and_type(desktop: Desktop, one: Recording) -> None:
    """Start a recording of a terminal, move over it and type into it, until that is in the file."""
    desktop.start(
        "xterm", "-T", "listed one", "-geometry", "80x24+100+100", "-e", "sleep 600", title="listed one"
    )
    one.begin()
    desktop.activate(desktop.windows("listed one")[0])
    wait_for(lambda: one.status()["state"] == "recording", "the listed window to be recorded")
    move_into(desktop, one)
    move_about(desktop, one, 300, 20)
    type_into(desktop, one, "abc1")


def test_column_groups_go_to_the_recipients_of_the_policy(desktop, recording, tmp_path):
    crypto = pytest.importorskip("evcodec.crypto")
    pytest.importorskip("cryptography")
    crypto.PrivateKey.generate().save(tmp_path / "reader.pem")
    crypto.PrivateKey.load(tmp_path / "reader.pem").public.save(tmp_path / "reader.pem.pub")
    one = recording(
        "--chain", recipients='[recipients]\nkeys = "reader.pem.pub"\ncontext = "reader.pem.pub"\n'
    )
    start_and_type(desktop, one)
    one.end()
    assert one.process.returncode == 0, one.said()
    with Reader(one.target) as reader, pytest.raises(MissingKeyError):
        reader.read(columns=("key_class",))
    assert kept(one.target, EventKind.MOVE) > 15
    with Reader(one.target, keys=tmp_path / "reader.pem") as reader:
        assert reader.read(kinds=(EventKind.KEY_DOWN,)).key_class.tolist()[-4:] == [1, 1, 1, 2]
    assert "holds" in evcodec(desktop, "verify", "--chain", str(one.target))


@pytest.mark.soak
@pytest.mark.parametrize("how", ["the recorder is killed", "the X server is killed"])
def test_what_was_recorded_before_a_kill_is_kept(tmp_path, monkeypatch, how):
    with Desktop() as desktop, contextlib.ExitStack() as stack:
        monkeypatch.setenv("XDG_RUNTIME_DIR", desktop.environ["XDG_RUNTIME_DIR"])
        one = Recording(desktop, "--policy", write_policy(tmp_path), target=tmp_path / "s.evc")
        stack.callback(one.close)
        start_and_type(desktop, one)
        (one.process if "recorder" in how else desktop.server).kill()
        one.process.wait(60)
        wait_for(
            lambda: not any(b"indicator" in b" ".join(words) for _, words in desktop.processes()), "its end"
        )
        assert read_statuses() == []
    assert kept(one.target, EventKind.KEY_UP) >= 4
    if "server" in how:
        with Reader(one.target) as reader:
            assert GapReason.INDICATOR_LOST in [gap.reason for gap in reader.gaps]


def test_no_display(tmp_path):
    env = environment(XDG_RUNTIME_DIR=str(tmp_path), XDG_SESSION_TYPE="x11")
    env.pop("DISPLAY", None)
    done = subprocess.run(
        [sys.executable, "-m", "evcodec", "record", "--policy", str(write_policy(tmp_path)), str(tmp_path / "s.evc")],
        env=env, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "DISPLAY" in done.stderr
    assert "nothing is recorded" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "s.evc").exists()

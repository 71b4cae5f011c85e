"""What a recorder stands on: its clock, what it keeps inside of the process, and what it tells of itself."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import threading
import time

import pytest

from evcodec import InvalidArgumentError
from evcodec.capture.clock import ANCHOR_EVERY_NS, ClockWatch, Reading, boot_id, read_clocks

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sockets and signals of Unix")

SECOND = 1_000_000_000
SECRET = "Zebra-0xA11CE-typed"


def a_reading(t: int, wall: int = 0, slept: int | None = 0) -> Reading:
    return Reading(t=t, wall_ns=1_700_000_000 * SECOND + t + wall, suspended_ns=slept)


# ---- the clock ----


def test_the_first_reading_and_each_minute_give_an_anchor():
    watch = ClockWatch()
    found = [t for t in range(0, 200 * SECOND, SECOND) if watch.observe(a_reading(t)) is not None]
    assert found == [0, ANCHOR_EVERY_NS, 2 * ANCHOR_EVERY_NS, 3 * ANCHOR_EVERY_NS]


@pytest.mark.parametrize("stepped", [3_600 * SECOND, -3_600 * SECOND, SECOND, -50_000_000])
def test_a_step_of_the_wall_clock_gives_an_anchor_and_no_gap(stepped):
    watch = ClockWatch()
    watch.observe(a_reading(0))
    assert watch.observe(a_reading(SECOND)) is None
    news = watch.observe(a_reading(2 * SECOND, wall=stepped))
    assert news is not None
    assert news.slept is None
    assert news.reading.wall_ns - 1_700_000_000 * SECOND == 2 * SECOND + stepped
    assert watch.observe(a_reading(3 * SECOND, wall=stepped)) is None


def test_sleep_gives_an_anchor_and_the_span_it_lies_in():
    watch = ClockWatch()
    watch.observe(a_reading(0))
    watch.observe(a_reading(SECOND))
    # Eight hours of sleep: the session's clock stood still meanwhile, and the wall clock did not.
    slept = 8 * 3_600 * SECOND
    news = watch.observe(a_reading(SECOND + 5_000_000, wall=slept, slept=slept))
    assert news is not None
    assert news.slept == (SECOND, SECOND + 5_000_000)
    assert news.slept_ns == slept
    assert news.reading.suspended_ns == slept
    assert watch.observe(a_reading(2 * SECOND, wall=slept, slept=slept)) is None


def test_a_slewed_clock_and_unsteady_readings_are_no_step(seed):
    rng = random.Random(seed)
    watch = ClockWatch()
    watch.observe(a_reading(0))
    for n in range(1, 59):
        drift = 500_000 * n + rng.randrange(-2_000_000, 2_000_000)
        assert watch.observe(a_reading(n * SECOND, wall=drift, slept=rng.randrange(1_000_000))) is None


def test_a_system_without_time_asleep_still_gives_anchors():
    watch = ClockWatch()
    assert watch.observe(a_reading(0, slept=None)) is not None
    assert watch.observe(a_reading(ANCHOR_EVERY_NS, slept=None)) is not None


def test_the_clocks_of_this_machine():
    before = time.monotonic_ns()
    reading = read_clocks()
    assert before <= reading.t <= time.monotonic_ns()
    assert abs(reading.wall_ns - time.time_ns()) < 60 * SECOND
    if sys.platform == "linux":
        assert reading.suspended_ns is not None
        assert boot_id()


# ---- hygiene, in a process of its own since it is for good ----


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", code], capture_output=True, text=True, timeout=60
    )


@pytest.mark.skipif(sys.platform != "linux", reason="prctl of Linux")
def test_no_core_dumps_and_no_tracing():
    done = run("""
import faulthandler, resource, ctypes, json
from evcodec.capture.hygiene import harden
assert faulthandler.is_enabled()
found = [harden(), harden()]
assert found[0] == found[1] and found[0].no_core_dumps and found[0].is_closed_to_others
print(json.dumps({
    "core": resource.getrlimit(resource.RLIMIT_CORE),
    "dumpable": ctypes.CDLL(None).prctl(3, 0, 0, 0, 0),
    "faulthandler": faulthandler.is_enabled(),
    "locked": found[0].is_locked_in_memory,
    "limits": open("/proc/self/status").read(),
    "warned": " ".join(found[0].warnings()),
}))
""")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["core"] == [0, 0]
    assert found["dumpable"] == 0
    assert not found["faulthandler"]
    locked_kb = int(found["limits"].split("VmLck:")[1].split()[0])
    assert (locked_kb > 0) == found["locked"]
    assert ("swap space" in found["warned"]) != found["locked"]


@pytest.mark.skipif(sys.platform != "linux", reason="/proc of Linux")
def test_another_process_of_the_same_user_cannot_read_the_memory():
    """As an ordinary user: root may read all memory, which nothing forbids."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to become the same ordinary user twice")
    code = f"""
import os, sys, time
sys.path[:0] = {sys.path!r}
from evcodec.capture import hygiene
os.setgroups([]); os.setgid(65534); os.setuid(65534)
hygiene._libc().prctl(4, 1, 0, 0, 0)  # a change of user closes the process already: open it, to see it closed
reader, writer = os.pipe(); asked, go = os.pipe()
target = os.getpid()
if os.fork() == 0:
    for _ in range(2):
        os.read(asked, 1)
        try:
            with open(f"/proc/{{target}}/mem", "rb"):
                os.write(writer, b"y")
        except OSError:
            os.write(writer, b"n")
    os._exit(0)
def ask():
    os.write(go, b"?")
    return os.read(reader, 1).decode()
before = ask()
hygiene.harden()
print(before + ask())
"""
    done = run(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "yn"


@pytest.mark.parametrize(
    "failure",
    [
        "raise ValueError(held)",
        "threading.Thread(target=int, args=(held,)).start()",
        "class A:\n    def __del__(self): raise KeyError(held)\nA(); import gc; gc.collect()",
        "try:\n    int(held)\nexcept ValueError as error:\n    raise RuntimeError('again ' + held) from error",
    ],
)
def test_a_failure_tells_its_place_and_nothing_that_is_held(failure):
    done = run(f"""
import threading
from evcodec.capture.hygiene import harden
harden()
held = {SECRET!r}
{failure}
""")
    assert "Error" in done.stderr
    assert "evcodec: " in done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


# ---- the status ----


@pytest.fixture
def runtime(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


def answering(socket_, stop):
    while not stop.is_set():
        socket_.answer()
        time.sleep(0.005)


def test_the_status_is_told_to_its_user(runtime):
    from evcodec.capture.status import StatusSocket, read_statuses

    assert read_statuses() == []
    told = StatusSocket(":7.0", lambda: {"state": "recording", "events": 3})
    assert read_statuses() == []
    told.listen()
    stop = threading.Event()
    thread = threading.Thread(target=answering, args=(told, stop))
    thread.start()
    try:
        assert read_statuses() == [{"state": "recording", "events": 3}]
        assert read_statuses() == [{"state": "recording", "events": 3}]
        assert (runtime / "evcodec").stat().st_mode & 0o777 == 0o700
        assert (runtime / "evcodec" / "7.sock").stat().st_mode & 0o777 == 0o600
    finally:
        stop.set()
        thread.join()
        told.close()
        told.close()
    assert read_statuses() == []


def test_one_recorder_a_display(runtime):
    from evcodec.capture.status import StatusSocket

    first = StatusSocket(":7", dict)
    with pytest.raises(InvalidArgumentError, match=r"another recorder .* --status"):
        StatusSocket(":7.1", dict)
    other = StatusSocket(":8", dict)
    first.close()
    StatusSocket("unix:7", dict).close()
    other.close()


def test_a_killed_recorder_is_none(runtime):
    from evcodec.capture.status import StatusSocket, read_statuses

    code = """
import sys, time
from evcodec.capture.status import StatusSocket
told = StatusSocket(":7", dict)
told.listen()
print("up", flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        with pytest.raises(InvalidArgumentError):
            StatusSocket(":7", dict)
        process.kill()
    assert read_statuses() == []
    StatusSocket(":7", dict).close()


def test_another_user_is_told_nothing(runtime):
    if os.geteuid() != 0:
        pytest.skip("needs root, to become another user")
    from evcodec.capture.status import StatusSocket

    told = StatusSocket(":7", lambda: {"state": "recording"})
    told.listen()
    # Wide open, so that what is left is the question who asks.
    path = runtime / "evcodec" / "7.sock"
    path.chmod(0o777)
    path.parent.chmod(0o777)
    code = f"""
import os, socket
asking = socket.socket(socket.AF_UNIX)
os.chdir({str(path.parent.resolve())!r})
os.setgroups([]); os.setgid(65534); os.setuid(65534)
asking.connect("7.sock")
print("connected", flush=True)
print(asking.recv(1000))
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "connected\n"
        told.answer()
        assert process.stdout.readline() == "b''\n"
    told.close()


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_folder_that_others_may_enter_is_refused(runtime, mode):
    from evcodec.capture.status import StatusSocket

    (runtime / "evcodec").mkdir()
    (runtime / "evcodec").chmod(mode)
    with pytest.raises(InvalidArgumentError, match="mode 0700"):
        StatusSocket(":7", dict)


def test_a_runtime_folder_that_is_not_there_is_named(runtime, monkeypatch):
    from evcodec.capture.status import StatusSocket

    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime / "nowhere"))
    with pytest.raises(InvalidArgumentError, match="nowhere, which is not there"):
        StatusSocket(":7", dict)


def test_what_does_not_answer_is_said(runtime, monkeypatch):
    from evcodec.capture import status

    (runtime / "evcodec").mkdir(mode=0o700)
    monkeypatch.setattr(status, "_ASK_TIMEOUT_S", 0.2)
    with socket.socket(socket.AF_UNIX) as stuck:
        stuck.bind(str(runtime / "evcodec" / "7.sock"))
        stuck.listen()
        assert [found["state"] for found in status.read_statuses()] == ["not answering"]


# ---- the loop ----


class Quiet:
    """A source that tells nothing of what it reads, and the task that lets it be readable again."""

    name = "quiet"

    def __init__(self, wanted: int, deadline_s: float) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.reads, self.wanted = 0, wanted
        self.end = time.monotonic() + deadline_s
        self.theirs.send(b"!")

    def fileno(self) -> int:
        return self.ours.fileno()

    def read(self, now_t: int) -> list:
        self.reads += 1
        self.ours.recv(1)
        return []

    def next_read_t(self) -> None:
        return None

    def woken(self, now_t: int) -> None:
        if self.theirs.fileno() >= 0:
            self.theirs.send(b"!")

    def next_t(self) -> int:
        return time.monotonic_ns() + SECOND // 10

    def is_calm(self) -> bool:
        return False

    def is_over(self) -> bool:
        return self.reads >= self.wanted or time.monotonic() > self.end

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()


def test_a_source_is_read_whether_or_not_it_tells_anything_unless_it_has_hung_up():
    from evcodec.capture.recorder_loop import Loop

    source = Quiet(wanted=200, deadline_s=20)
    Loop(source, [source], wake_every_ns=1000).run()
    assert source.reads == 200
    source.close()
    source = Quiet(wanted=200, deadline_s=0.3)
    source.theirs.close()
    Loop(source, [source], wake_every_ns=1000).run()
    assert source.reads < 200
    source.close()

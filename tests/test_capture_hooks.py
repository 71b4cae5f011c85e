"""The source that listens through pynput, with pynput's X11 listeners: what it tells, what it cannot, and its end."""

from __future__ import annotations

import importlib.util
import select
import subprocess
import sys
from types import SimpleNamespace

import pytest

from desktop import Desktop, missing
from evcodec import EventKind
from evcodec.capture import hooks
from evcodec.capture.hooks import HookSource
from evcodec.capture.model import DeviceFound, EventsLost, InputEvents, SenseLost
from evcodec.errors import CaptureError
from evcodec.schema import KeyClass

LISTEN = """
import select, sys, time
from evcodec.capture.hooks import HookSource
from evcodec.capture.model import InputEvents
source = HookSource()
print("ready", flush=True)
rows = []
end = time.monotonic() + 30
while time.monotonic() < end and not any(row[1] == 0xFF0D and row[0] == 5 for row in rows):
    select.select([source], [], [], 0.1)
    for one in source.read(time.monotonic_ns()):
        if isinstance(one, InputEvents):
            b = one.batch
            rows += zip(b.kind.tolist(), b.keysym.tolist(), b.x.tolist(), b.dy.tolist(), b.code.tolist(), b.key_class.tolist())
source.close()
source.close()
for row in rows:
    print(*row)
"""


def test_what_is_done_on_an_x11_desktop_is_heard():
    if reason := missing("openbox"):
        pytest.skip(reason)
    if importlib.util.find_spec("pynput") is None:
        pytest.skip("pynput is not installed")
    with Desktop(accessible=False) as desktop:
        # python-xlib, which pynput uses, knows no cookie for any host.
        from evcodec.capture import xlib

        code = (
            f"from evcodec.capture import xlib; xlib.{xlib.take_cookies_for_any_host.__name__}()\n" + LISTEN
        )
        with subprocess.Popen(
            [sys.executable, "-c", code], env=desktop.environ, stdout=subprocess.PIPE, text=True
        ) as listening:
            assert listening.stdout
            assert listening.stdout.readline() == "ready\n"
            desktop.move(321, 40)
            desktop.xdotool("click", 1, "click", 4, "key", "q", "Return")
            heard = [tuple(map(int, line.split())) for line in listening.stdout]
        assert listening.returncode == 0
    kinds = [row[0] for row in heard]
    assert 321 in [row[2] for row in heard if row[0] == EventKind.MOVE]
    assert [row[4] for row in heard if row[0] == EventKind.BUTTON_DOWN] == [1]
    assert [row[3] for row in heard if row[0] == EventKind.SCROLL] == [120]
    assert [(row[1], row[5]) for row in heard if row[0] == EventKind.KEY_DOWN] == [
        (ord("q"), KeyClass.LETTER),
        (0xFF0D, KeyClass.EDITING),
    ]
    assert kinds.count(EventKind.KEY_UP) == 2


class Listener:
    """What pynput has in place of a listener, on a system that is not here."""

    IS_TRUSTED = True

    def __init__(self, **calls):
        self.__dict__ |= calls
        self.lives = True

    def start(self):
        pass

    wait = start

    def stop(self):
        self.lives = False

    def is_alive(self):
        return self.lives


@pytest.fixture
def source():
    made = SimpleNamespace(Listener=Listener)
    source = HookSource(made, made)
    assert [type(one) for one in source.read(1)] == [DeviceFound]
    yield source
    source.close()


def test_a_key_that_is_held_repeats(source):
    _, keys = source._listeners
    key = SimpleNamespace(char="é", vk=69)
    for call in (keys.on_press, keys.on_press, keys.on_release, keys.on_press):
        call(key)
    assert select.select([source], [], [], 5)[0]
    [events] = source.read(1)
    assert events.batch.kind.tolist() == [4, 8, 5, 4]
    assert set(events.batch.keysym.tolist()) == {0xE9}
    assert set(events.batch["vk"].tolist()) == {69}
    assert not select.select([source], [], [], 0)[0]


def test_what_nobody_reads_is_bounded_and_told(source):
    mouse, _ = source._listeners
    for at in range(hooks.MAX_WAITING + 7):
        mouse.on_move(at, 0)
    found = source.read(1 << 62)
    assert [type(one) for one in found] == [InputEvents, EventsLost]
    assert len(found[0].batch) == hooks.MAX_WAITING
    assert found[1].lost == 7


def test_a_listener_that_ends_is_a_lost_sense_once(source):
    source._listeners[1].stop()
    [lost] = source.read(5)
    assert isinstance(lost, SenseLost)
    assert "keyboard" in lost.why
    assert source.read(6) == []


def test_no_permission_and_failures_say_what_to_do():
    class Untrusted(Listener):
        IS_TRUSTED = False

    class Failing(Listener):
        def start(self):
            raise RuntimeError("a secret")

    with pytest.raises(CaptureError, match="Input Monitoring"):
        HookSource(SimpleNamespace(Listener=Untrusted), SimpleNamespace(Listener=Untrusted))
    with pytest.raises(CaptureError) as caught:
        HookSource(SimpleNamespace(Listener=Failing), SimpleNamespace(Listener=Failing))
    assert "secret" not in str(caught.value)
    assert "RuntimeError" in str(caught.value)

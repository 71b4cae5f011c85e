"""What befalls the source of fields: buses that die, applications that hang, lie or flood, an entry that must not be read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from desktop import Desktop, missing, wait_for
from evcodec.capture.fields import AccessibilityFields
from evcodec.capture.model import FieldConfirmed, FieldFocused, Secrecy, Sense, SenseLost, SenseRegained
from field_ear import Ear

pytestmark = pytest.mark.skipif(
    bool(missing("openbox", "at-spi", "gtk3")), reason=str(missing("openbox", "at-spi", "gtk3"))
)
HERE = Path(__file__).parent


@pytest.fixture
def ear(desktop):
    with Ear(desktop) as ear:
        yield ear


@pytest.fixture(scope="module")
def app(desktop):
    return desktop.app("gtk3")


def hostile(desktop, what):
    """Start a peer on the accessibility bus that says it has the focus, and answers with whatever ``what`` names."""
    return desktop.start(sys.executable, str(HERE / "desktop_apps" / "hostile.py"), what)


def switch(desktop):
    told = desktop.run(
        "dbus-send", "--session", "--print-reply", "--dest=org.a11y.Bus", "/org/a11y/bus",
        "org.freedesktop.DBus.Properties.Get", "string:org.a11y.Status", "string:IsEnabled",
    )  # fmt: skip
    return "true" in told


def test_the_field_that_has_the_focus_is_found_when_recording_begins(desktop, app):
    for name in ("password", "entry"):
        app.focus(name)
        with Ear(desktop) as ear:
            secure = name == "password"
            ear.known(
                "password text" if secure else "text", Secrecy.SECURE if secure else Secrecy.PLAIN, app.pid
            )


def test_no_session_bus_is_a_sense_lost_and_tried_again(tmp_path, monkeypatch):
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    for address in (None, "", "nonsense", "tcp:host=localhost", f"unix:path={tmp_path / 'none'}"):
        source = AccessibilityFields(address)
        t = time.monotonic_ns()
        (lost,) = source.read(t)
        assert isinstance(lost, SenseLost)
        assert lost.sense is Sense.FIELDS
        for _ in range(5):
            again = source.next_read_t()
            assert t < again <= t + 5_000_000_000
            t = again
            assert source.read(t) == []  # still lost, said once
        source.close()
        source.close()
        assert source.read(t) == []
        assert source.next_read_t() is None


def test_the_switch_is_given_back_as_it_was():
    with Desktop(accessible=False) as desktop:
        assert not switch(desktop)
        with Ear(desktop) as ear:
            ear.until(lambda: switch(desktop), "accessibility to be on")
            ear.settle(100)
        wait_for(lambda: not switch(desktop), "accessibility to be off again")
        desktop.enable_accessibility()
        with Ear(desktop) as ear:
            ear.settle(300)
        time.sleep(0.2)
        assert switch(desktop)


def test_a_bus_that_is_killed_is_a_sense_lost_and_regained():
    with Desktop() as desktop:
        first = desktop.app("gtk3")
        with Ear(desktop) as ear:
            before = ear.known("text", Secrecy.PLAIN, first.pid)
            ear.forget()
            desktop.kill_accessibility()
            assert ear.lost().sense is Sense.FIELDS
            ear.until(lambda: ear.all(SenseRegained), "SenseRegained")
            ear.source.confirm(before.id, time.monotonic_ns())
            first.close()
            # Programs that had been running do not come to the new bus, others do.
            second = desktop.app("gtk3", title="another window")
            after = ear.known("text", Secrecy.PLAIN, second.pid)
            assert after.id != before.id
            assert ear.confirm(after.id).is_focused
            assert not [c for c in ear.all(FieldConfirmed) if c.field_id == before.id]
            ear.forget()
            os.kill(desktop.bus.pid, signal.SIGKILL)
            ear.lost()
            ear.settle(300)
            assert not ear.all(SenseRegained)


def test_a_registry_that_is_killed_is_a_sense_lost_and_the_focus_is_told_anew(desktop, app, ear):
    app.focus("entry")
    ear.known("text", Secrecy.PLAIN, app.pid)
    ear.forget()
    for pid, words in desktop.processes():
        if any(word.endswith(b"at-spi2-registryd") for word in words[:2]):
            os.kill(pid, signal.SIGKILL)
    ear.lost()
    ear.until(lambda: ear.all(SenseRegained), "SenseRegained")


def test_an_application_that_hangs_loses_its_own_answers_only(desktop, app, ear):
    app.focus("entry")
    field = ear.known("text", Secrecy.PLAIN, app.pid)
    ear.forget()
    os.kill(app.pid, signal.SIGSTOP)
    try:
        ear.source.confirm(field.id, time.monotonic_ns())
        start = time.monotonic()
        ear.source.read(time.monotonic_ns())
        assert time.monotonic() - start < 1
        ear.settle(300)
        assert not ear.all(FieldConfirmed)
        other = desktop.app("gtk3", title="other window")
        assert ear.confirm(ear.known("text", Secrecy.PLAIN, other.pid).id).is_focused
        other.close()
    finally:
        os.kill(app.pid, signal.SIGCONT)
    app.focus("second")
    assert ear.confirm(ear.known("text", Secrecy.PLAIN, app.pid).id).is_focused


@pytest.mark.parametrize("what", ["silence", "garbage", "huge", "cycle", "endless"])
def test_an_application_that_lies_gets_no_plain_field_and_harms_nobody(what, desktop, app, ear):
    app.focus("entry")
    ear.known("text", Secrecy.PLAIN, app.pid)
    ear.forget()
    liar = hostile(desktop, what)
    try:
        ear.until(lambda: ear.field is not None and "/hostile" in ear.field.id, "the liar's focus")
        ear.settle(600)
        told = [o.field for o in ear.all(FieldFocused) if o.field is not None and "/hostile" in o.field.id]
        if what not in ("cycle", "endless"):  # these answer well, but for what is around them
            assert {f.secrecy for f in told} == {Secrecy.UNKNOWN}
        assert all(f.name is None or len(f.name) <= 200 for f in told)
        assert not ear.all(SenseLost)
    finally:
        liar.close()
    app.focus("second")
    ear.known("text", Secrecy.PLAIN, app.pid)


def test_a_flood_is_bounded_and_what_was_missed_makes_the_focus_unknown(desktop, app, ear):
    app.focus("entry")
    ear.known("text", Secrecy.PLAIN, app.pid)
    liar = hostile(desktop, "flood")
    try:
        slowest, most = 0.0, 0
        end = time.monotonic() + 1
        while time.monotonic() < end:
            start = time.thread_time()
            most = max(most, len(ear.pump()))
            ear.heard.clear()
            slowest = max(slowest, time.thread_time() - start)
        assert slowest < 1, "a read of a few ms"
        assert 0 < most < 1000
    finally:
        liar.close()
    app.focus("second")
    ear.known("text", Secrecy.PLAIN, app.pid)


def test_the_text_of_an_entry_is_neither_read_nor_listened_to(desktop, app):
    """Watch all that goes over the accessibility bus while somebody types."""
    address = desktop.run(
        "dbus-send", "--session", "--print-reply=literal", "--dest=org.a11y.Bus", "/org/a11y/bus", "org.a11y.Bus.GetAddress"
    ).strip()  # fmt: skip
    with (
        subprocess.Popen(
            ["dbus-monitor", "--address", address],
            env=desktop.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as monitor,
        Ear(desktop) as ear,
    ):
        try:
            app.focus("second")
            app.focus("entry")
            field = ear.known("text", Secrecy.PLAIN, app.pid)
            desktop.type("canary5309")
            app.wait_value("entry", "canary5309")
            assert ear.confirm(field.id).is_focused
            listened = desktop.run(
                "dbus-send", f"--bus={address}", "--print-reply", "--dest=org.a11y.atspi.Registry",
                "/org/a11y/atspi/registry", "org.a11y.atspi.Registry.GetRegisteredEvents",
            )  # fmt: skip
        finally:
            monitor.terminate()
        heard = monitor.stdout.read().decode(errors="replace")
    assert "GetState" in heard
    listened = listened.lower().replace("-", "")
    assert "object:statechanged:focused" in listened
    assert "object:textcaretmoved" in listened
    assert "object:textchanged" not in listened
    assert "object:textselection" not in listened
    assert "interface=org.a11y.atspi.Text;" not in heard
    assert "interface=org.a11y.atspi.EditableText;" not in heard
    assert "canary" not in heard.lower()

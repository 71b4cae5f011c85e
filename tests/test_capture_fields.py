"""What makes a field plain, secure or unknown, and how answers are read that may be anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("jeepney")

from evcodec.capture.fields import atspi
from evcodec.capture.fields.deeds import Deeds
from evcodec.capture.fields.secrecy import COMMANDS, ENTRIES, PROSE, has_focus, secrecy_of
from evcodec.capture.model import Bounds, Secrecy

FOCUSED, EDITABLE = atspi.FOCUSED, atspi.FOCUSED | atspi.EDITABLE
PLAIN, SECURE, UNKNOWN = Secrecy.PLAIN, Secrecy.SECURE, Secrecy.UNKNOWN


@pytest.mark.parametrize(
    ("role", "states", "told", "secrecy"),
    [
        ("password text", EDITABLE, {}, SECURE),
        ("password text", None, {}, SECURE),
        ("text", EDITABLE, {"toolkit": "gtk"}, PLAIN),
        ("entry", EDITABLE, {"toolkit": "Chromium"}, PLAIN),
        ("entry", EDITABLE, {"toolkit": "Chromium", "input_type": "password"}, SECURE),
        ("entry", EDITABLE, {"toolkit": "Chromium", "was_secure": True}, SECURE),
        ("push button", FOCUSED, {"was_secure": True}, SECURE),
        ("entry", EDITABLE, {"toolkit": "Chromium", "label": "Your Password"}, SECURE),
        ("entry", EDITABLE, {"toolkit": "Chromium", "label": "PIN:"}, SECURE),
        ("section", EDITABLE, {"toolkit": "Chromium", "label": "passphrase"}, SECURE),
        ("entry", EDITABLE, {"toolkit": "Chromium", "label": "Shipping, spinach, secretary"}, PLAIN),
        ("push button", FOCUSED, {"toolkit": "Chromium", "label": "Save password"}, PLAIN),
        ("text", atspi.EDITABLE, {"toolkit": "gtk"}, UNKNOWN),
        ("text", None, {"toolkit": "gtk"}, UNKNOWN),
        ("text", EDITABLE | atspi.DEFUNCT, {"toolkit": "gtk"}, UNKNOWN),
        ("text", EDITABLE, {"toolkit": "GTK"}, UNKNOWN),
        ("text", EDITABLE | atspi.MULTI_LINE, {"toolkit": "GTK"}, PLAIN),
        ("text", EDITABLE, {"toolkit": ""}, UNKNOWN),
        ("terminal", EDITABLE, {"toolkit": "gtk"}, UNKNOWN),
        ("terminal", FOCUSED, {"toolkit": "gtk"}, UNKNOWN),
        ("document web", FOCUSED, {"toolkit": "Chromium"}, UNKNOWN),
        ("document web", EDITABLE, {"toolkit": "Chromium"}, PLAIN),
        ("section", FOCUSED, {"toolkit": "Chromium"}, UNKNOWN),
        ("canvas", EDITABLE, {"toolkit": "Chromium"}, UNKNOWN),
        ("frame", FOCUSED, {"toolkit": "gtk"}, UNKNOWN),
        ("unknown", FOCUSED, {"toolkit": "gtk"}, UNKNOWN),
        ("push button", FOCUSED, {"toolkit": "gtk"}, PLAIN),
        ("menu item", atspi.SELECTED, {"toolkit": "gtk"}, PLAIN),
        ("push button", atspi.SELECTED, {"toolkit": "gtk"}, UNKNOWN),
    ],
)
def test_the_table_of_secrecy(role, states, told, secrecy):
    assert secrecy_of(role, states, **told) is secrecy


def test_whatever_is_not_in_the_table_is_unknown():
    assert set(atspi.ROLES) >= (ENTRIES | PROSE | COMMANDS)
    for role in {*atspi.ROLES, "new role", ""} - ENTRIES - COMMANDS - {"password text"}:
        assert secrecy_of(role, FOCUSED, toolkit="gtk") is UNKNOWN
        if role not in PROSE:
            assert secrecy_of(role, EDITABLE, toolkit="gtk") is UNKNOWN
    assert not has_focus("text", None)


def test_roles_have_the_numbers_of_at_spi():
    numbers = {7: "check box", 11: "combo box", 40: "password text", 60: "terminal", 61: "text", 79: "entry"}
    numbers |= {85: "section", 95: "document web", 130: "switch"}
    assert {number: atspi.role_name(number) for number in numbers} == numbers
    for number in (-1, 131, 1 << 40, "40", None, 40.0):
        assert atspi.role_name(number) == "unknown"


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://user:word@Example.org:443/path?query#part", "https://example.org"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("https://example.org:8443", "https://example.org:8443"),
        ("http://[::1]:80/", "http://[::1]"),
        ("blob:https://example.org/1-2", "https://example.org"),
        ("chrome://settings/passwords", "chrome://settings"),
        ("file:///srv/somebody/letter.html", "file:"),
        ("about:srcdoc", None),
        ("data:text/html,<input>", None),
        ("javascript:0", None),
        ("http://example.org:99999/", None),
        ("http://[broken/", None),
        ("no address", None),
        ("", None),
        ("https://" + "a" * 5000, None),
    ],
)
def test_an_origin_is_scheme_host_and_port(url, origin):
    assert atspi.origin(url) == origin


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.tuples(inner, inner)
        | st.tuples(inner, inner, inner, inner)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(ANYTHING)
def test_an_answer_may_be_anything(answer):
    assert isinstance(atspi.role_name(answer), str)
    assert isinstance(atspi.states(answer), int | None)
    assert isinstance(atspi.name(answer), str | None)
    assert isinstance(atspi.bounds(answer), Bounds | None)
    assert isinstance(atspi.element(answer), tuple | None)
    assert len(atspi.elements(answer, 3)) <= 3
    assert isinstance(atspi.origin(atspi.document_url(answer)), str | None)


@given(st.text())
def test_an_address_may_be_anything(url):
    assert len(atspi.origin(url) or "") <= 300


def test_answers_are_cut_to_size():
    assert atspi.name(("s", "n" * 1000)) == "n" * 200
    assert atspi.name(("s", "")) is None
    assert atspi.element((":1.1", "/" + "e" * 2000)) is None
    assert atspi.element((":1.1", "/org/a11y/atspi/null")) is None
    assert atspi.bounds((0, 0, 0, 5)) is None
    assert atspi.bounds((-(1 << 31), 0, 5, 5)) is None
    assert atspi.bounds((-5, 3, 10, 20)) == Bounds(x=-5, y=3, width=10, height=20)


def test_of_keys_only_those_that_choose_or_give_up_are_kept():
    import numpy as np

    from evcodec import EventBatch, EventKind
    from evcodec.capture.model import InputEvents

    place = Bounds(x=10, y=10, width=20, height=20)

    def deeds(*events):
        made = Deeds()
        for t, kind, columns in events:
            row = {"x": 0, "y": 0, "code": 0} | columns
            batch = EventBatch(t=[t], kind=np.array([kind], np.uint8), **{k: [v] for k, v in row.items()})
            made.note(InputEvents(batch=batch))
        return made

    ms, letter = 1_000_000, ord("q")
    t = 1000 * ms
    down, up, release = EventKind.KEY_DOWN, EventKind.KEY_UP, EventKind.BUTTON_UP
    assert not deeds().chose(place, t)
    assert deeds((t, down, {"keysym": 0xFF0D})).chose(None, t)
    assert deeds((t, down, {"code": 28})).chose(None, t)
    assert not deeds((t, down, {"keysym": 0xFF0D}), (t + 1, down, {"keysym": 0xFF1B})).chose(place, t)
    assert not deeds((t, down, {"keysym": 0xFF0D})).chose(place, t + 200 * ms)
    assert deeds((t, release, {"x": 10, "y": 29})).chose(place, t)
    assert not deeds((t, release, {"x": 10, "y": 30})).chose(place, t)
    assert not deeds((t, release, {"x": 15, "y": 15})).chose(None, t)
    typed = deeds((t, down, {"keysym": letter, "code": 24}), (t + 1, up, {"keysym": letter, "code": 24}))
    assert not typed.chose(place, t)
    assert typed.is_recent(t + 1000 * ms)
    assert not typed.is_recent(t + 2000 * ms)
    assert not typed.opened(t)
    kept = [value for slot in vars(typed).values() for value in (slot if isinstance(slot, tuple) else [slot])]
    assert letter not in kept
    assert 24 not in kept

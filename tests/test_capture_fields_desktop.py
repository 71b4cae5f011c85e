"""Fields, menus and choices of real applications on a virtual desktop, as the source of fields tells them."""

from __future__ import annotations

import contextlib
import os
import signal
import time

import pytest

from desktop import missing, processes
from evcodec.capture.model import ElementAct, FieldConfirmed, FieldFocused, Secrecy
from field_ear import Ear

pytestmark = pytest.mark.skipif(bool(missing("openbox", "at-spi")), reason=str(missing("openbox", "at-spi")))


def needs(*names):
    return pytest.mark.skipif(bool(missing(*names)), reason=str(missing(*names)))


@pytest.fixture(scope="module")
def ear(desktop):
    with Ear(desktop) as ear:
        # It asks for events as it is read; a program that starts before it has may never tell of its focus.
        ear.settle(1_500)
        yield ear


@pytest.fixture(scope="module")
def programs(desktop, ear):
    """Return what starts an application once, and brings it to the front each time."""
    running = {}

    def program(name):
        if name not in running:
            running[name] = desktop.page() if name == "page" else desktop.app(name)
        running[name].activate()
        ear.forget()
        return running[name]

    return program


@pytest.fixture(
    params=[
        pytest.param("gtk3", marks=needs("gtk3")),
        pytest.param("gtk4", marks=needs("gtk4")),
        pytest.param("qt5", marks=needs("qt5")),
        pytest.param("page", marks=needs("chromium")),
    ]
)
def app(request, programs):
    program = programs(request.param)
    program.name = request.param
    return program


def test_a_field_is_unknown_until_its_application_has_told(app, ear):
    app.focus("second")
    ear.forget()
    app.focus("password")
    field = ear.known("password text", Secrecy.SECURE)
    told = [o.field for o in ear.all(FieldFocused) if o.field is not None and o.field.id == field.id]
    assert [told[0].role, told[0].secrecy] == ["unknown", Secrecy.UNKNOWN]
    assert all(f.secrecy is Secrecy.SECURE for f in told[1:])
    app.focus("entry")
    role = "entry" if app.name == "page" else "text"
    # GTK 4 does not tell whether an entry shows what is typed.
    field = ear.known(role, Secrecy.UNKNOWN if app.name == "gtk4" else Secrecy.PLAIN)
    assert field.origin == (app.origin if app.name == "page" else None)
    if app.name != "page":
        assert field.pid == app.pid
    if app.name == "gtk4":
        assert field.bounds is None  # it does not tell where on the screen
    else:
        x, y = app.middle("entry")
        assert 0 <= x - field.bounds.x < field.bounds.width
        assert 0 <= y - field.bounds.y < field.bounds.height


def test_confirm_says_whether_the_field_still_has_the_focus(app, ear):
    app.focus("second")
    app.focus("entry")
    first = ear.known(
        "entry" if app.name == "page" else "text", Secrecy.UNKNOWN if app.name == "gtk4" else Secrecy.PLAIN
    )
    assert ear.confirm(first.id).is_focused
    app.focus("password")
    ear.known("password text", Secrecy.SECURE)
    assert not ear.confirm(first.id).is_focused
    ear.source.confirm("7:1.5/org/nobody", 1)
    ear.settle(100)
    assert 1 not in {c.asked_t for c in ear.all(FieldConfirmed)}


@pytest.mark.parametrize(
    "name", [pytest.param("gtk3", marks=needs("gtk3")), pytest.param("page", marks=needs("chromium"))]
)
def test_a_password_that_is_shown_stays_secure_and_a_field_that_becomes_one_is_secure_at_once(
    name, programs, desktop
):
    app = programs(name)
    plain = "entry" if name == "page" else "text"
    with Ear(desktop) as ear:  # which has not seen it hidden
        app.focus("second")
        desktop.key("F9")
        ear.settle(300)
        ear.forget()
        app.focus("password")
        try:
            # The label of the page's says what it is.
            first = ear.known(plain, Secrecy.SECURE if name == "page" else Secrecy.PLAIN)
            ear.forget()
            desktop.key("F9")
            ear.until(
                lambda: ear.confirm(first.id).is_focused and ear.field and ear.field.role == "password text",
                "the password to be hidden",
            )
            assert ear.known("password text", Secrecy.SECURE).id == first.id
            ear.forget()
            desktop.key("F9")
            ear.until(
                lambda: ear.confirm(first.id) and ear.field and ear.field.role == plain, "it to be shown"
            )
            ear.settle(200)
            assert {o.field.secrecy for o in ear.all(FieldFocused)} == {Secrecy.SECURE}
        finally:
            if ear.field is not None and ear.field.role == plain:
                desktop.key("F9")


@needs("chromium")
def test_a_browser_that_answers_for_a_page_that_stands_still_confirms_no_key_struck_meanwhile(
    programs, ear, desktop
):
    app = programs("page")
    app.focus("second")
    app.focus("entry")
    field = ear.known("entry", Secrecy.PLAIN)
    pages = [
        pid
        for pid, words in processes("", app.process.pid)
        if any(b"--type=renderer" in word for word in words)
    ]
    assert pages
    try:
        for pid in pages:
            os.kill(pid, signal.SIGSTOP)
        struck_t = time.monotonic_ns()
        desktop.type("ab")
        ear.settle(200)
        answer = ear.confirm(field.id)
        assert answer.is_focused  # says the browser, which knows no better
        assert answer.heard_t < struck_t
    finally:
        for pid in pages:
            os.kill(pid, signal.SIGCONT)
    app.wait_value("entry", "ab")
    ear.until(lambda: ear.confirm(field.id).heard_t > struck_t, "the page to have told that keys came")


@pytest.mark.parametrize(
    "name", [pytest.param("gtk3", marks=needs("gtk3")), pytest.param("qt5", marks=needs("qt5"))]
)
def test_an_item_of_a_menu_is_selected_by_a_click_on_it_or_return_and_by_nothing_else(name, programs, ear):
    app = programs(name)
    app.focus("entry")
    ear.forget()

    def opened():
        ear.click(*app.middle("menu"))
        return ear.until(lambda: [a for a in ear.acts() if a.act is ElementAct.MENU_OPEN], "the menu")[0]

    def selected():
        return [a.name for a in ear.acts() if a.act is ElementAct.ITEM_SELECT]

    def closed():
        ear.until(lambda: not app.state["open"], "the end of the menu")
        ear.settle(500)

    assert opened().name in ("File", None)
    ear.key("Down")
    ear.acted(ElementAct.ITEM_HOVER, "Open")
    ear.key("Down")
    place = ear.acted(ElementAct.ITEM_HOVER, "Save").bounds
    ear.key("Return")
    assert ear.acted(ElementAct.ITEM_SELECT, "Save").role == "menu item"
    closed()
    assert selected() == ["Save"]
    ear.forget()
    opened()
    ear.key("Down")
    ear.acted(ElementAct.ITEM_HOVER, "Open")
    ear.key("Escape")
    closed()
    ear.key("Escape")
    assert selected() == []
    ear.forget()
    opened()
    for dx in (3, 6, 9, 12):  # Qt passes over the first movement
        ear.desktop.move(place.x + dx, place.y + place.height // 2)
    ear.acted(ElementAct.ITEM_HOVER, "Save")
    ear.click(place.x + 5, place.y + place.height // 2)
    ear.acted(ElementAct.ITEM_SELECT, "Save")
    closed()
    ear.forget()
    opened()
    ear.key("Down")
    ear.acted(ElementAct.ITEM_HOVER, "Open")
    for _ in range(5):  # a menu that has only just opened may pass over a click
        ear.click(1200, 650)
        with contextlib.suppress(AssertionError):
            ear.until(lambda: not app.state["open"], "the end of the menu", 3)
            break
    closed()
    assert selected() == []
    assert app.state["acts"] == ["Save", "Save"]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("gtk3", marks=needs("gtk3")),
        pytest.param("qt5", marks=needs("qt5")),
        pytest.param("page", marks=needs("chromium")),
    ],
)
def test_the_choice_of_a_dropdown_is_committed(name, programs, ear):
    app = programs(name)
    app.focus("second")
    ear.key("Tab")
    ear.until(lambda: app.state["focus"] == "combo", "the focus on the dropdown")
    before = app.value("combo")
    ear.settle(300)

    def choose():
        ear.forget()
        ear.key("space")
        ear.until(lambda: [a for a in ear.acts() if a.act is ElementAct.MENU_OPEN], "the dropdown to open", 6)
        ear.key("Down")
        ear.until(
            lambda: [a for a in ear.acts() if a.act is ElementAct.ITEM_HOVER and a.name != before],
            "a hover",
            6,
        )
        ear.key("Return")
        ear.until(lambda: app.value("combo") != before, "another choice", 6)

    for _ in range(4):  # a list that has only just opened may pass over a key
        with contextlib.suppress(AssertionError):
            choose()
            break
        ear.key("Escape")
    value = app.value("combo")
    assert value != before
    act = ear.until(lambda: [a for a in ear.acts() if a.act is ElementAct.VALUE_COMMIT], "a commit")[0]
    assert (act.role, act.value) == ("combo box", value)


@needs("gtk3")
def test_boxes_scales_tabs_and_rows_tell_what_is_chosen(desktop, ear, programs):
    app = programs("choices")
    ear.click(*app.middle("check"))
    assert ear.acted(ElementAct.VALUE_COMMIT, "agree", "on").role == "check box"
    ear.key("space")
    ear.acted(ElementAct.VALUE_COMMIT, "agree", "off")
    ear.click(*app.middle("two"))
    assert ear.acted(ElementAct.VALUE_COMMIT, "two", "on").role == "radio button"
    assert "one" not in {a.name for a in ear.acts()}
    ear.key("Tab", "Right", "Right")
    assert ear.acted(ElementAct.VALUE_COMMIT, None, "2").role == "slider"
    ear.key("Tab", "Right")
    assert ear.acted(ElementAct.ITEM_SELECT, "second tab").role == "page tab"
    ear.key("Tab", "Down")
    assert ear.acted(ElementAct.ITEM_SELECT, "second row").role == "list item"

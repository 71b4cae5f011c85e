"""Secrets that are typed on a real desktop while it is recorded are nowhere; plain text, menus and choices are recorded."""

from __future__ import annotations

import contextlib
import os
import time

import pytest

from canary_search import CANARY_ALPHABET, characters_in
from canary_session import DWELL_S, Session
from desktop import Desktop, Timeout, missing, wait_for
from evcodec import EventKind, Reader

AFTER_MS = (0, 1, 5, 10, 20, 50, 100)


@contextlib.contextmanager
def recorded_desktop(seed):
    with Desktop() as desktop:
        session = Session(desktop, seed)
        try:
            yield desktop, session
        finally:
            session.close()


def check(session, record_property, name):
    session.end()
    figures = session.figures()
    record_property(name, figures)
    print(figures)
    assert not session.finds, session.finds[:10]
    if not session.strays:
        with Reader(session.target) as reader:
            assert characters_in(reader, CANARY_ALPHABET) == 0
    assert session.missed == []
    text = session.recorded()
    assert [plain for plain in session.plain if plain not in text] == []
    assert set(session.choices) <= acts(session)
    assert session.unseen == []


def acts(session):
    """Return every name and value that was told of elements."""
    with Reader(session.target) as reader:
        elements = [entry.value for entry in reader.contexts if entry.context_type == "element"]
        return {value[key] for value in elements for key in ("name", "value") if key in value}


def choose(session, what, act):
    """Make a choice until it is recorded; what follows a change too soon is not."""
    chosen = {EventKind.ITEM_SELECT, EventKind.VALUE_COMMIT}

    def count():
        with Reader(session.target) as reader:
            return len(reader.read(columns=("t",), kinds=chosen))

    for _ in range(4):
        before = count()
        text = act()
        with contextlib.suppress(Timeout):
            wait_for(lambda before=before: count() > before, what, 4)
            session.choices.append(text)
            return
    session.missed.append(what)


def choose_in_menu(session, app):
    """Choose in the menu of a program; return what was chosen."""
    session.type_plain(app, "entry")
    done = len(app.state["acts"])
    app.click("menu")
    wait_for(lambda: app.state["open"], "the menu")
    time.sleep(0.5)  # the toolkit tells it later than it shows it
    session.look("with an open menu")
    session.desktop.key("Down", "Down", "Return", delay_ms=150)
    wait_for(lambda: len(app.state["acts"]) > done, "the menu item")
    return app.state["acts"][-1]


def choose_in_list(session, page):
    """Choose in the combo box of a program, or the list of a page; return what was chosen."""
    session.type_plain(page, "second")
    before = page.value("combo")
    page.click("combo")
    time.sleep(0.5)  # the list is a window without a name
    session.desktop.key("Up" if before == "Green" else "Down", "Return", delay_ms=200)
    wait_for(lambda: page.value("combo") != before, "another value")
    return page.value("combo")


@pytest.mark.parametrize("toolkit", ["gtk3", "gtk4", "qt5"])
def test_canaries_in_a_program(toolkit, seed, tries, record_property):
    if reason := missing("openbox", "at-spi", toolkit):
        pytest.skip(reason)
    # GTK 4 does not tell whether an entry shows what is typed, so none of it is recorded.
    is_told = toolkit != "gtk4"
    with recorded_desktop(f"{toolkit} {seed}") as (desktop, session):
        # Qt tells a recorder that was there before it.
        session.record([{"executable": str(desktop.folder / "bin" / "listed")}])
        other = desktop.app(toolkit, executable="other", title="other window")
        listed = desktop.app(toolkit, executable="listed", title="listed window")
        session.wait_state("recording")
        rng = session.random
        for turn in range(tries(1, 4)):
            if is_told:
                session.type_plain(listed, "second")
            session.into_password(listed, f"{toolkit} password")
            for after_ms in AFTER_MS if tries(0, 1) else rng.sample(AFTER_MS, 1):
                session.tab_to_password(listed, f"{toolkit} Tab", after_ms)
                session.click_on_password(listed, f"{toolkit} click", after_ms)
            for how in (
                ("activate", "focus", "click")
                if tries(0, 1)
                else [rng.choice(["activate", "focus", "click"])]
            ):
                session.into_another(listed, other, f"{toolkit} unlisted", how, rng.choice(AFTER_MS))
            session.into_another(
                listed, other, f"{toolkit} unlisted, long in front", "activate", DWELL_S * 1000
            )
            session.while_paused(listed, "pause", rng.choice(AFTER_MS), resume_at_once=turn % 2 == 1)
            session.while_grabbed(listed, "keyboard grab")
            session.while_it_hangs(listed, f"{toolkit} hanging", rng.choice([0.05, 0.3, 1.3]))
        if is_told:
            choose(session, "an item of a menu", lambda: choose_in_menu(session, listed))
            choose(session, "a value of a list", lambda: choose_in_list(session, listed))
        check(session, record_property, toolkit)


def test_canaries_in_a_page_and_a_terminal(seed, tries, record_property):
    if reason := missing("openbox", "at-spi", "chromium", "xterm", "zenity"):
        pytest.skip(reason)
    with recorded_desktop(f"page {seed}") as (desktop, session):
        page = desktop.page()
        other = desktop.page(title="another page")
        terminal = desktop.start("xterm", "-T", "a terminal", "-e", "cat", title="^a terminal$")
        classes = {
            "keys": "class",
            "accessibility": "none",
            "accepted_by": "owner",
            "elements": "drop",
            "values": "drop",
        }
        session.record(
            [
                {"executable": page.path, "origins": [page.origin]},
                {"executable": terminal.path, "window_class": "XTerm", "title": "drop", **classes},
                {"executable": os.path.realpath("/usr/bin/zenity")},
            ]
        )
        page.activate()
        rng = session.random
        for _ in range(tries(1, 4)):
            session.type_plain(page, "second")
            session.into_password(page, "page password")
            for after_ms in AFTER_MS if tries(0, 1) else rng.sample(AFTER_MS, 1):
                session.tab_to_password(page, "page Tab", after_ms)
                session.click_on_password(page, "page click", after_ms)
            session.into_another(page, other, "page of another origin", "activate", rng.choice(AFTER_MS))
            session.while_it_hangs(page, "page hanging", rng.choice([0.05, 0.3, 1.3]))
            session.into_another(page, other, "page of another origin", "activate", DWELL_S * 1000)
            session.into_program(
                terminal, "terminal, classes only", after_ms=rng.choice([0, 20, DWELL_S * 1000])
            )
            asked = desktop.start("zenity", "--password", "--title", "asked", title="^asked$")
            session.into_program(asked, "zenity")
            desktop.key("Return")
            asked.wait()
        page.activate()
        choose(session, "a value of a page", lambda: choose_in_list(session, page))
        check(session, record_property, "page, terminal, zenity")


def test_canaries_after_the_accessibility_bus_was_killed(seed, tries, record_property):
    if reason := missing("openbox", "at-spi", "gtk3"):
        pytest.skip(reason)
    with recorded_desktop(f"killed {seed}") as (desktop, session):
        session.record([{"executable": str(desktop.folder / "bin" / "listed")}])
        listed = desktop.app("gtk3", executable="listed", title="listed window")
        session.wait_state("recording")
        session.type_plain(listed, "entry")
        listed.focus("entry")
        desktop.kill_accessibility()
        for _ in range(tries(2, 10)):
            # The program may hang with its bus, so nobody waits for what was typed to be in it.
            text = session.new()
            desktop.xdotool("key", "Tab", "sleep", session.random.choice(AFTER_MS) / 1000, "type", text)
            session.note("bus killed", text)
        check(session, record_property, "accessibility bus killed")

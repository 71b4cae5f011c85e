"""The gate, rule by rule: which applications and pages are recorded, and what is told of them and of what was left out."""

from __future__ import annotations

import pytest

from evcodec import EventKind, GapReason
from evcodec.capture.gate import Recording
from evcodec.capture.model import (
    Application,
    Bounds,
    Display,
    DisplaysChanged,
    ElementAct,
    ElementActed,
    FieldFocused,
    PointerEntered,
    WindowFocused,
)
from evcodec.capture.passed import PassedAct, PassedGap
from evcodec.capture.policy import ApplicationRule, Elements, Keys, Title, Values
from evcodec.schema import ColumnGroup
from gate_desk import (
    BROWSER,
    EDITOR,
    EDITOR_RULE,
    LISTED,
    MS,
    OTHER,
    UNLISTED,
    Desk,
    desk,
    key,
    move,
    plain,
    policy,
    secure,
    typed,
    window,
)

# ---- applications ----


def test_nothing_passes_until_a_listed_window_is_known():
    made = Desk(LISTED)
    made.input(move(100 * MS), *typed(110 * MS, 30))
    made.run(2_000 * MS)
    assert made.gate.state(made.now).recording is Recording.NOT_LISTED
    assert made.finish() == [PassedGap(reason=GapReason.NOT_LISTED, t0=0, t1=made.now)]
    assert all(not values.any() for batch in made.given for values in batch.columns.values())


def test_a_listed_application_passes():
    made = desk()
    made.input(move(300 * MS, x=17, y=-4), *typed(310 * MS, 30), move(400 * MS))
    made.run(1_000 * MS)
    assert made.rows == [
        {name: value for name, value in row.items() if name in passed}
        for row, passed in zip(
            [
                dict(move(300 * MS, x=17, y=-4), code=0, dy=0, flags=0, scroll_source=0),
                dict(key(310 * MS, 30), flags=0),
                dict(key(350 * MS, 30, EventKind.KEY_UP), flags=0),
                dict(move(400 * MS), code=0, dy=0, flags=0, scroll_source=0),
            ],
            made.rows,
            strict=True,
        )
    ]
    assert made.gate.state(made.now).recording is Recording.RECORDING


@pytest.mark.parametrize(
    "other",
    [UNLISTED, None, Application(executable=None, window_class="Editor", pid=11)],
    ids="bank none unknown".split(),
)
def test_an_unlisted_window_reaches_back(other):
    made = desk()
    made.input(*(move(t * MS) for t in range(200, 900, 10)))
    made.tell(
        WindowFocused(t=500 * MS, window=None if other is None else window(other)),
        WindowFocused(t=700 * MS, window=window()),
    )
    made.run(2_000 * MS)
    # The news of 500 may be late by 100 ms and by a round; that of 700 opens what comes 20 ms after it.
    assert made.moves == [*range(200, 391, 10), *range(720, 900, 10)]
    gaps = [gap for gap in made.gaps if gap[2] > 20]
    assert [(name, t1) for name, _, t1 in gaps] == [("NOT_LISTED", 720)]
    assert 390 < gaps[0][1] <= 400


def test_a_window_that_is_told_anew_was_left_in_between():
    made = desk()
    made.input(*(move(t * MS) for t in range(300, 700, 10)))
    made.tell(WindowFocused(t=500 * MS, window=window()))
    made.run(1_000 * MS)
    assert made.moves == [*range(300, 391, 10), *range(520, 700, 10)]


def test_another_title_of_the_same_window_breaks_nothing():
    made = desk()
    made.input(*(move(t * MS) for t in range(300, 700, 10)), key(490 * MS, 30))
    made.tell(WindowFocused(t=500 * MS, window=window(title="Another letter")))
    made.run(1_000 * MS)
    assert made.moves == [*range(300, 700, 10)]
    assert made.codes == [30]
    assert [value["title"] for _, name, value in made.contexts if name == "window"] == [
        "A letter",
        "Another letter",
    ]


def test_the_pointer_over_something_else_is_left_out():
    made = desk()
    made.input(*(move(t * MS) for t in range(300, 900, 10)), key(600 * MS, 30))
    made.tell(
        PointerEntered(t=500 * MS, application=UNLISTED),
        PointerEntered(t=600 * MS, application=None),
        PointerEntered(t=700 * MS, application=OTHER),
    )
    made.run(2_000 * MS)
    assert made.moves == [*range(300, 391, 10), *range(720, 900, 10)]
    assert made.codes == [30]  # keys go where the focus is
    assert [(name, t1) for name, _, t1 in made.gaps if t1 > 20] == [("NOT_LISTED", 720)]


def test_where_the_pointer_is_has_to_be_known():
    made = Desk(LISTED)
    made.tell(WindowFocused(t=0, window=window()), FieldFocused(t=0, field=plain()))
    made.input(move(300 * MS), key(310 * MS, 30))
    made.run(1_000 * MS)
    assert made.moves == []
    assert made.codes == [30]


def test_a_policy_without_a_group_has_nothing_of_it():
    for groups, moves, codes, contexts in (
        ({ColumnGroup.POINTER}, 1, [], 0),
        ({ColumnGroup.KEYS}, 0, [30], 0),
        ({ColumnGroup.CONTEXT}, 0, [], 3),
        ((), 0, [], 0),
    ):
        made = Desk(policy(EDITOR_RULE, groups=frozenset(groups)))
        made.tell(
            WindowFocused(t=0, window=window()),
            PointerEntered(t=0, application=EDITOR),
            FieldFocused(t=0, field=plain()),
            ElementActed(t=300 * MS, act=ElementAct.MENU_OPEN, element_id="m", role="menu", pid=EDITOR.pid),
        )
        made.input(move(300 * MS), key(310 * MS, 30))
        made.run(1_000 * MS)
        found = made.finish()
        assert (len(made.moves), made.codes, len(made.contexts)) == (moves, codes, contexts)
        assert any(isinstance(one, PassedAct) for one in found) is bool(contexts)


# ---- browsers ----

PAGE = "https://books.example.org"


@pytest.mark.parametrize(
    ("origin", "passes"),
    [
        (PAGE, True),
        ("HTTPS://Books.Example.org:443/", True),
        ("http://books.example.org", False),
        ("https://books.example.org:8443", False),
        ("https://books.example.org.evil.example", False),
        ("https://mail.example.org", False),
        (None, False),
    ],
)
def test_pages_by_origin(origin, passes):
    made = desk(application=BROWSER, field=plain(application=BROWSER, origin=origin))
    made.input(move(300 * MS), key(310 * MS, 30))
    made.run(2_000 * MS)
    assert made.moves == ([300] if passes else [])
    assert made.codes == ([30] if passes else [])
    assert bool(made.contexts) is passes


def test_a_browser_without_pages_records_nothing():
    rule = ApplicationRule(executables=("chromium",), pointer=True, keys=Keys.FULL, title=Title.KEEP)
    made = desk(rule, application=BROWSER, field=plain(application=BROWSER, origin=PAGE))
    made.input(move(300 * MS), key(310 * MS, 30))
    made.run(2_000 * MS)
    assert made.rows == made.contexts == []


def test_another_page_of_the_same_window():
    here = plain(application=BROWSER, origin=PAGE)
    made = desk(application=BROWSER, field=here)
    made.input(*(move(t * MS) for t in range(200, 1_000, 10)), key(450 * MS, 40), key(600 * MS, 41))
    made.tell(
        WindowFocused(t=500 * MS, window=window(BROWSER, title="Bank")),
        FieldFocused(t=530 * MS, field=plain("b", BROWSER, origin="https://bank.example.org")),
        FieldFocused(t=700 * MS, field=here),
        WindowFocused(t=730 * MS, window=window(BROWSER, title="Books")),
    )
    made.run(3_000 * MS)
    assert made.codes == []
    assert set(made.moves) == {*range(200, 421, 10), *range(720, 1_000, 10)}
    titles = [value.get("title") for _, name, value in made.contexts if name == "window"]
    assert "Bank" not in titles
    assert titles[-1] == "Books"


def test_the_pointer_over_a_browser_that_has_not_the_focus():
    made = desk()
    made.tell(PointerEntered(t=1, application=BROWSER))
    made.input(move(300 * MS))
    made.run(1_000 * MS)
    assert made.moves == []


# ---- contexts and acts ----


def test_contexts_and_what_they_tell():
    made = desk()
    made.tell(
        DisplaysChanged(t=0, displays=(Display(name="one", bounds=Bounds(x=0, y=0, width=8, height=6)),)),
        FieldFocused(t=300 * MS, field=plain("g", name="Street", bounds=Bounds(x=1, y=2, width=3, height=4))),
        FieldFocused(t=600 * MS, field=secure(name="PIN")),
        WindowFocused(t=900 * MS, window=window(OTHER)),
        WindowFocused(t=1_200 * MS, window=window()),
    )
    made.run(2_000 * MS)
    editor = {"executable": "/usr/bin/editor", "window_class": "Editor", "pointer": True, "keys": "full"}
    other = {"executable": "/usr/bin/other", "window_class": "Other", "pointer": True, "keys": "full"}
    displays = {"displays": [{"name": "one", "bounds": [0, 0, 8, 6], "scale": 1.0}]}
    assert made.contexts == [
        (20, "display", displays),
        (20, "application", editor),
        (20, "window", {"id": 1, "title": "A letter"}),
        (20, "element", {"role": "text"}),
        (320, "element", {"role": "text", "name": "Street", "bounds": [1, 2, 3, 4]}),
        (620, "element", {}),
        (920, "application", other),
        (920, "window", {"id": 1}),
        (1_220, "application", editor),
        (1_220, "window", {"id": 1, "title": "A letter"}),
    ]


def test_contexts_are_told_anew_behind_a_gap():
    made = desk()
    made.tell(WindowFocused(t=300 * MS, window=None), WindowFocused(t=600 * MS, window=window()))
    made.run(2_000 * MS)
    assert [(t, name) for t, name, _ in made.contexts] == [
        (t, name) for t in (20, 620) for name in ("application", "window", "element")
    ]
    # A gap stands before what begins at its end.
    order = [one for one in made.passed if getattr(one, "t", getattr(one, "t1", 0)) == 620 * MS]
    assert isinstance(order[0], PassedGap)


def test_a_digest_of_a_title_needs_a_key_that_nobody_keeps():
    from dataclasses import replace

    from evcodec.capture.gate import Gate

    found = set()
    for title_key in (b"a" * 32, b"b" * 32):
        made = desk(replace(EDITOR_RULE, title=Title.DIGEST))
        made.gate = Gate(made.policy, 0, title_key=title_key)
        made.run(500 * MS)
        (value,) = [value for _, name, value in made.contexts if name == "window"]
        assert value.keys() == {"id", "title_digest"}
        found.add(value["title_digest"])
    assert len(found) == 2


def act(t, name="Save", pid=EDITOR.pid, role="menu item", kind=ElementAct.ITEM_SELECT, value=None):
    return ElementActed(
        t=t * MS, act=kind, element_id="m", role=role, pid=pid, name=name, value=value,
        bounds=Bounds(x=1, y=2, width=3, height=4),
    )  # fmt: skip


def test_acts_pass_where_the_application_is_listed():
    made = desk()
    made.tell(
        act(300),
        act(310, kind=ElementAct.VALUE_COMMIT, role="combo box", name="Country", value="Peru"),
        act(320, kind=ElementAct.VALUE_COMMIT, role="text", name="Street", value="what somebody typed"),
        act(330, kind=ElementAct.VALUE_COMMIT, role="password text", name="PIN", value="1234"),
        act(340, pid=None),
        act(350, pid=OTHER.pid),
        WindowFocused(t=600 * MS, window=window(UNLISTED)),
        act(550, name="late"),
        act(700, pid=UNLISTED.pid),
        act(710),
        WindowFocused(t=900 * MS, window=window()),
        FieldFocused(t=1_200 * MS, field=secure()),
        act(1_300, name="in a secure field"),
    )
    made.run(3_000 * MS)
    assert [one for one in made.passed if isinstance(one, PassedAct)] == [
        PassedAct(
            t=300 * MS,
            kind=EventKind.ITEM_SELECT,
            value={"role": "menu item", "name": "Save", "bounds": [1, 2, 3, 4]},
        ),
        PassedAct(
            t=310 * MS,
            kind=EventKind.VALUE_COMMIT,
            value={"role": "combo box", "name": "Country", "bounds": [1, 2, 3, 4], "value": "Peru"},
        ),
        PassedAct(
            t=320 * MS,
            kind=EventKind.VALUE_COMMIT,
            value={"role": "text", "name": "Street", "bounds": [1, 2, 3, 4]},
        ),
    ]


@pytest.mark.parametrize(
    ("elements", "values", "expected"),
    [
        (Elements.DROP, Values.KEEP, None),
        (Elements.ROLE, Values.DROP, {"role", "bounds"}),
        (Elements.ROLE, Values.KEEP, {"role", "bounds", "value"}),
        (Elements.NAME, Values.DROP, {"role", "bounds", "name"}),
    ],
)
def test_acts_under_a_policy(elements, values, expected):
    rule = ApplicationRule(executables=("editor",), elements=elements, values=values)
    made = desk(rule)
    made.tell(act(300, kind=ElementAct.VALUE_COMMIT, role="combo box", value="Peru"))
    made.run(1_000 * MS)
    assert [one.value.keys() for one in made.passed if isinstance(one, PassedAct)] == (
        [] if expected is None else [expected]
    )


@pytest.mark.parametrize("role", ["spin button", "date editor", "text"])
def test_what_was_typed_is_no_value(role):
    made = desk(ApplicationRule(executables=("editor",), elements=Elements.NAME, values=Values.KEEP))
    made.tell(act(300, kind=ElementAct.VALUE_COMMIT, role=role, value="4711"))
    made.run(1_000 * MS)
    assert [one.value.get("value") for one in made.passed if isinstance(one, PassedAct)] == [None]


def test_a_title_waits_for_the_page_that_it_is_of():
    """A page is asked about for a key just as the title of the next one is there; that answer is not about the title."""
    here = plain(application=BROWSER, origin=PAGE)
    made = desk(application=BROWSER, field=here)
    made.input(key(398 * MS, 30))
    made.tell(
        WindowFocused(t=490 * MS, window=window(BROWSER, title="Bank")),
        FieldFocused(t=680 * MS, field=plain("b", BROWSER, origin="https://bank.example.org")),
    )
    made.run(2_000 * MS)
    assert any(490 <= t // MS < 520 for t, _ in made.asked)
    assert "Bank" not in [value.get("title") for _, name, value in made.contexts if name == "window"]


def test_a_title_is_not_told_by_what_a_busy_browser_says_of_the_page_before():
    """It shows the next page's title, and says that the field of the page before still has the focus."""
    made = desk(application=BROWSER, field=plain(application=BROWSER, origin=PAGE))
    made.heard_t = lambda: 400 * MS
    made.tell(WindowFocused(t=490 * MS, window=window(BROWSER, title="Bank")))
    made.run(3_000 * MS)
    assert 1 <= len([t for t, _ in made.asked if t >= 490 * MS]) <= 2
    assert "Bank" not in [value.get("title") for _, name, value in made.contexts if name == "window"]
    # What is typed into it after that shows which page it is.
    made.heard_t = lambda: made.now - 10 * MS
    made.input(key(3_100 * MS, 30))
    made.run(5_000 * MS)
    assert "Bank" in [value.get("title") for _, name, value in made.contexts if name == "window"]


def test_no_acts_of_nobody():
    """A process that is not known is not the same as another that is not known."""
    made = desk(application=Application(executable="/usr/bin/editor"))
    made.tell(act(300, pid=None))
    made.run(1_000 * MS)
    assert made.contexts
    assert not any(isinstance(one, PassedAct) for one in made.passed)

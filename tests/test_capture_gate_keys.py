"""The gate and keys: those that may be secret are wiped, and nothing that is told of them tells which or how many they were."""

from __future__ import annotations

import pytest

from evcodec import EventKind, GapReason
from evcodec.capture.gate import Timing
from evcodec.capture.model import (
    Application,
    DeviceFound,
    Field,
    FieldConfirmed,
    FieldFocused,
    KeyboardGrabbed,
    PointerEntered,
    Secrecy,
    WindowFocused,
)
from evcodec.capture.passed import PassedGap
from evcodec.capture.policy import ApplicationRule, FieldRule, Keys
from gate_desk import (
    BROWSER,
    EDITOR,
    EDITOR_RULE,
    MS,
    OTHER,
    TERMINAL,
    TERMINAL_RULE,
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

# ---- fields ----


def test_keys_wait_for_the_application_to_confirm():
    made = desk(answers=lambda _id, _t: None)
    made.input(key(300 * MS, 30))
    made.run(1_200 * MS)
    assert made.asked
    assert {asked for _, asked in made.asked} == {"f"}
    assert min(t for t, _ in made.asked) >= 400 * MS
    assert made.codes == []
    made.run(4_000 * MS)
    assert made.codes == []
    # Only that there was something in that second.
    assert [gap for gap in made.gaps if gap[0] == "UNCONFIRMED"] == [("UNCONFIRMED", 0, 1_000)]
    assert all(not values.any() for batch in made.given for values in batch.columns.values())


def test_an_answer_before_the_hold_back_is_over_does_not_count():
    made = desk(timing=Timing(deadline=2_000 * MS))
    made.input(key(300 * MS, 30))
    made.run(310 * MS)
    made.answers = lambda _id, _t: None
    made.gate._confirming.asked("f", 320 * MS)
    made.tell(FieldConfirmed(t=330 * MS, asked_t=320 * MS, field_id="f", is_focused=True))
    made.run(1_000 * MS)
    assert made.codes == []


def test_an_answer_that_took_too_long_is_asked_for_again():
    made = desk(answers=lambda _id, t: (300 * MS if t < 500 * MS else 5 * MS, True))
    made.input(key(300 * MS, 30))
    made.run(1_200 * MS)
    assert len(made.asked) == 2
    assert made.codes == [30]


def test_no_keys_where_the_application_says_that_the_focus_is_elsewhere():
    made = desk(answers=lambda _id, _t: (5 * MS, False))
    made.input(key(300 * MS, 30), key(700 * MS, 31))
    made.run(2_000 * MS)
    assert made.codes == []
    assert made.gate.state(made.now).keys_reason is GapReason.UNCONFIRMED


@pytest.mark.parametrize("late", [0, 40, 90])
def test_a_secret_typed_right_behind_tab(late):
    """Tab moves the focus at 500; the news of it comes late, and the secret is typed at once."""
    made = desk()
    made.input(*typed(300 * MS, 30), key(500 * MS, 15))
    made.input(*(row for at in range(501, 600, 7) for row in typed(at * MS, 40, 3 * MS)))
    made.tell(FieldFocused(t=(500 + late) * MS, field=secure()))
    made.tell(FieldFocused(t=1_000 * MS, field=plain("g")))
    made.input(*typed(1_100 * MS, 31))
    made.run(3_000 * MS)
    assert made.codes == [30, 31]
    ((_, t0, t1),) = [gap for gap in made.gaps if gap[0] == "SECURE_FIELD"]
    assert 390 + late <= t0 <= 400 + late
    assert t1 == 1_020


def test_secure_and_back_at_once():
    made = desk()
    made.input(*typed(300 * MS, 30), key(520 * MS, 40), *typed(800 * MS, 31))
    made.tell(FieldFocused(t=560 * MS, field=secure()), FieldFocused(t=562 * MS, field=plain()))
    made.run(2_000 * MS)
    assert made.codes == [30, 31]


def test_a_gap_of_a_secure_field_tells_nothing_of_keys():
    """Neither count nor times: it is the same whether a password was typed or not."""

    def told(passwords):
        made = desk()
        made.tell(FieldFocused(t=500 * MS, field=secure()), FieldFocused(t=2_000 * MS, field=plain()))
        made.input(*(row for t in passwords for row in typed(t * MS, 40)))
        made.run(6_000 * MS)
        return made.finish()

    one = told(())
    assert told((600, 700, 850, 1_900)) == one
    (gap,) = [gap for gap in one if isinstance(gap, PassedGap) and gap.reason is GapReason.SECURE_FIELD]
    assert gap.lost is None


def test_a_hung_application_confirms_nothing():
    """It takes Tab and the secret when it wakes, and answers what it was asked before that, as if nothing were."""
    made = desk(answers=lambda _id, t: (905 * MS - t, True) if t < 900 * MS else (4 * MS, False))
    made.input(key(500 * MS, 15), *typed(560 * MS, 40), *typed(800 * MS, 41))
    made.tell(FieldFocused(t=960 * MS, field=secure()))
    made.run(3_000 * MS)
    assert made.codes == []


def test_between_plain_fields_nothing_is_lost():
    made = desk()
    for at, code in enumerate(range(30, 50)):
        made.input(*typed((300 + 37 * at) * MS, code, 20 * MS))
    for at in range(6):
        made.tell(FieldFocused(t=(350 + 97 * at) * MS, field=plain(f"f{at}")))
    made.run(3_000 * MS)
    assert made.codes == [*range(30, 50)]


@pytest.mark.parametrize(
    "field",
    [
        plain(secrecy=Secrecy.UNKNOWN),
        plain(role="Password Text"),
        plain(role="terminal"),
        plain(pid=None),
        plain(application=OTHER),
        plain(origin="https://elsewhere.example.org"),
    ],
    ids="unknown role terminal nobody stranger page".split(),
)
def test_fields_that_take_no_keys(field):
    made = desk(field=field)
    made.input(*typed(300 * MS, 30), move(400 * MS))
    made.run(3_000 * MS)
    assert made.codes == []
    assert made.moves == [400]


def test_no_field_of_nobody():
    """A process that is not known is not the same as another that is not known."""
    nobody = Application(executable="/usr/bin/editor")
    made = desk(application=nobody, field=plain(pid=None))
    made.input(key(300 * MS, 30))
    made.run(2_000 * MS)
    assert made.codes == []


def test_a_policy_may_be_stricter_in_some_fields():
    rule = ApplicationRule(
        executables=("editor",),
        keys=Keys.FULL,
        fields=(FieldRule(name="*iban*", keys=Keys.NONE), FieldRule(role="entry", keys=Keys.CLASS)),
    )
    for field, expected in (
        (plain(name="Street"), [30]),
        (plain(name="Your IBAN"), []),
        (plain(role="entry"), [0]),
        (plain(role="entry", name="iban"), []),
    ):
        made = desk(rule, field=field)
        made.input(key(300 * MS, 30))
        made.run(3_000 * MS)
        assert made.codes == expected
        assert [gap for gap in made.gaps if gap[2] > 20] == []


# ---- keys ----


def test_a_class_tells_nothing_of_which_key():
    made = desk(application=TERMINAL, field=plain(application=OTHER))
    made.input(*typed(300 * MS, 30))
    made.run(2_000 * MS)
    assert made.rows == [
        {
            "t": t * MS, "kind": kind, "code": 0, "source": 2, "os_time": t, "flags": 0,
            "keysym": 0, "modifiers": 0, "layout": 0, "key_class": 1,
        }
        for t, kind in ((300, EventKind.KEY_DOWN), (340, EventKind.KEY_UP))
    ]  # fmt: skip
    assert made.asked == []


def test_not_even_a_class_where_the_field_is_known_to_be_secure():
    made = desk(application=TERMINAL, field=secure(application=TERMINAL))
    made.input(*typed(300 * MS, 30))
    made.run(2_000 * MS)
    assert made.rows == []


def test_full_is_never_taken_where_fields_are_not_known():
    """Also when a policy was made without its file, which refuses it."""
    from dataclasses import replace

    made = desk(replace(TERMINAL_RULE, keys=Keys.FULL), application=TERMINAL)
    made.input(*typed(300 * MS, 30))
    made.run(2_000 * MS)
    assert made.codes == [0]


def test_a_dropped_down_drops_its_up_and_its_repeats():
    made = desk()
    made.tell(FieldFocused(t=300 * MS, field=secure()), FieldFocused(t=600 * MS, field=plain("g")))
    made.input(
        key(500 * MS, 40),
        key(900 * MS, 40, EventKind.KEY_REPEAT),
        key(940 * MS, 40, EventKind.KEY_UP),
        key(960 * MS, 41, EventKind.KEY_UP),  # went down before anything was known
        *typed(980 * MS, 30),
    )
    made.run(4_000 * MS)
    assert "UNCONFIRMED" not in {
        reason for reason, _, _ in made.gaps
    }  # the gap of the field tells of the down
    assert [(row["kind"], row["code"]) for row in made.rows] == [
        (EventKind.KEY_DOWN, 30),
        (EventKind.KEY_UP, 30),
    ]


def test_an_up_of_what_went_down_elsewhere_does_not_pass_for_an_earlier_one():
    """A key that passed is struck again in an unlisted window, and comes up back here."""
    made = desk()
    made.input(key(300 * MS, 40))
    made.tell(
        WindowFocused(t=700 * MS, window=window(UNLISTED)), WindowFocused(t=1_500 * MS, window=window())
    )
    made.input(
        key(800 * MS, 40, EventKind.KEY_UP), key(1_000 * MS, 40), key(1_800 * MS, 40, EventKind.KEY_UP)
    )
    made.run(4_000 * MS)
    assert [(row["kind"], row["code"]) for row in made.rows] == [(EventKind.KEY_DOWN, 40)]


def test_what_went_down_as_a_class_does_not_come_up_in_full():
    rule = ApplicationRule(
        executables=("editor",), keys=Keys.FULL, fields=(FieldRule(role="entry", keys=Keys.CLASS),)
    )
    made = desk(rule, field=plain(role="entry"))
    made.tell(FieldFocused(t=600 * MS, field=plain("g")))
    made.input(
        key(300 * MS, 40), key(800 * MS, 40, EventKind.KEY_REPEAT), key(840 * MS, 40, EventKind.KEY_UP)
    )
    made.run(3_000 * MS)
    assert [row["code"] for row in made.rows] == [0, 0, 0]
    assert [row["keysym"] for row in made.rows] == [0, 0, 0]


def test_keys_say_nothing_of_the_pointer_nor_the_pointer_of_keys():
    made = desk()
    made.input(
        dict(key(300 * MS, 30), x=44, y=55, dx=3),
        dict(move(320 * MS), modifiers=5, keysym=77, layout=2, key_class=3),
    )
    made.run(2_000 * MS)
    pressed, moved = made.rows
    assert not {"x", "y", "dx", "dy"} & pressed.keys()
    assert not {"modifiers", "keysym", "layout", "key_class"} & moved.keys()


@pytest.mark.parametrize("columns", [{}, {"os_time": 0}], ids=["known", "unknown"])
def test_times_of_keys_are_coarse_and_so_is_where_they_stand(columns):
    """Also beside a pointer that moves each ms: the order tells no more than the time."""
    made = Desk(policy(EDITOR_RULE, key_quantum_ns=50 * MS))
    if not columns:
        made.tell(DeviceFound(t=0, id=2, name="keyboard", properties={"time_unit_ns": MS}))
    made.tell(
        WindowFocused(t=0, window=window()),
        PointerEntered(t=0, application=EDITOR),
        FieldFocused(t=0, field=plain()),
    )
    made.input(
        *(move(t * MS) for t in range(290, 500)), *typed(313 * MS, 30, 3 * MS), *typed(350 * MS, 31, MS // 2)
    )
    made.run(2_000 * MS)
    keys = [row for row in made.rows if row["kind"] != EventKind.MOVE]
    assert [row["t"] // MS for row in keys] == [350, 350, 350, 400]
    assert [row["os_time"] for row in keys] == ([350, 350, 350, 400] if not columns else [0] * 4)
    times = [row["t"] for row in made.rows]
    assert times == sorted(times)
    assert len(made.moves) == 210


def test_order_and_values_of_a_busy_batch():
    made = desk()
    rows = sorted(
        [
            *(move((300 + at) * MS, x=at) for at in range(60)),
            *typed(305 * MS, 30),
            *typed(320 * MS, 31, 11 * MS),
        ],
        key=lambda row: row["t"],
    )
    made.at(362 * MS, lambda: made.give(rows))
    made.run(2_000 * MS)
    assert [row["t"] for row in made.rows] == [row["t"] for row in rows]
    assert made.codes == [30, 31]
    assert [row["x"] for row in made.rows if row["kind"] == EventKind.MOVE] == [*range(60)]


def test_the_keyboard_in_the_hands_of_another():
    made = desk()
    made.input(
        *typed(300 * MS, 30),
        *typed(560 * MS, 40),
        *typed(700 * MS, 41),
        *typed(1_000 * MS, 31),
        move(710 * MS),
    )
    made.tell(KeyboardGrabbed(t=600 * MS, is_grabbed=True), KeyboardGrabbed(t=900 * MS, is_grabbed=False))
    made.run(3_000 * MS)
    assert made.codes == [30, 31]
    assert made.moves == [710]


def test_a_page_that_is_behind_its_browser():
    """The browser answers for the page; only what is struck before the text cursor moved is known to have gone there."""
    moved = [310]
    made = desk(heard_t=lambda: moved[-1] * MS)
    made.input(*typed(300 * MS, 30), *typed(400 * MS, 31), *typed(900 * MS, 40))
    made.run(700 * MS)
    assert [(row["kind"], row["code"]) for row in made.rows] == [
        (EventKind.KEY_DOWN, 30),
        (EventKind.KEY_UP, 30),
    ]
    moved.append(750)
    made.run(3_000 * MS)
    assert made.codes == [30, 31]


def looked_at(id_: str, t: int, known: Field, after: int) -> list[FieldFocused]:
    """Return what a source tells of an element that gets the focus: nothing has it, it has it, what it is."""
    unknown = Field(id=id_, role="unknown", secrecy=Secrecy.UNKNOWN)
    return [
        FieldFocused(t=t * MS, field=None),
        FieldFocused(t=(t + 1) * MS, field=unknown),
        FieldFocused(t=(t + after) * MS, field=known),
    ]


@pytest.mark.parametrize("after", [2, 30, 80])
def test_what_an_element_is_found_to_be_it_was_from_the_start(after):
    """So that typing on from field to field loses nothing."""
    made = desk()
    for at, code in enumerate(range(30, 50)):
        made.input(*typed((300 + 37 * at) * MS, code, 20 * MS))
    for at in range(4):
        made.tell(*looked_at(f"f{at}", 350 + 180 * at, plain(f"f{at}"), after))
    made.run(3_000 * MS)
    assert made.codes == [*range(30, 50)]


@pytest.mark.parametrize("after", [2, 30, 80, 300])
def test_an_element_that_is_found_to_be_secure_was_so_from_the_start(after):
    made = desk()
    made.input(*typed(200 * MS, 30), key(505 * MS, 15))
    made.input(*(row for at in range(506, 1_000, 7) for row in typed(at * MS, 40, 3 * MS)))
    made.tell(*looked_at("s", 510, secure(), after))
    made.run(3_000 * MS)
    made.finish()
    assert made.codes == [30]
    assert any(gap[0] == "SECURE_FIELD" for gap in made.gaps)


@pytest.mark.parametrize("late", [False, True])
def test_an_element_that_is_not_found_out_takes_no_keys(late):
    made = desk()
    made.input(*typed(200 * MS, 30), *(key(at * MS, 40) for at in range(420, 1_000, 7)))
    made.tell(*looked_at("g", 500, plain("g"), 250)[: 3 if late else 2])
    made.input(key(1_200 * MS, 31))
    made.run(4_000 * MS)
    assert made.codes == [
        30,
        *([40] * sum(at >= 770 for at in range(420, 1_000, 7)) if late else []),
        *[31] * late,
    ]


def test_the_focus_nowhere_for_longer_than_on_its_way():
    """Something that tells nothing of itself may have had it."""
    made = desk()
    made.input(*typed(200 * MS, 30), key(530 * MS, 40), key(700 * MS, 31))
    made.tell(FieldFocused(t=500 * MS, field=None), FieldFocused(t=550 * MS, field=plain("g")))
    made.run(3_000 * MS)
    assert made.codes == [30, 31]
    # A loop that stood still does not know for how long it was nowhere.
    made = desk()
    made.input(*typed(200 * MS, 30))
    made.run(500 * MS)
    made.give([key(530 * MS, 40), key(600 * MS, 40)])
    made.now = 800 * MS
    made.tell(FieldFocused(t=802 * MS, field=None), FieldFocused(t=803 * MS, field=plain("g")))
    made.run(3_000 * MS)
    assert made.codes == [30]


def test_a_page_is_not_left_on_the_way_from_field_to_field():
    here = plain("b1", BROWSER, origin="https://books.example.org")
    made = desk(application=BROWSER, field=here)
    made.input(*(move(t * MS) for t in range(200, 900, 10)))
    made.tell(*looked_at("b2", 500, plain("b2", BROWSER, origin="https://books.example.org"), 40))
    made.run(2_000 * MS)
    assert made.moves == [*range(200, 900, 10)]
    made = desk(application=BROWSER, field=here)
    made.input(*(move(t * MS) for t in range(200, 900, 10)))
    made.tell(*looked_at("b2", 500, plain("b2", BROWSER, origin="https://bank.example.org"), 40))
    made.run(2_000 * MS)
    assert made.moves == [*range(200, 391, 10)]


def test_nowhere_told_twice_is_nowhere_since_the_first_time():
    made = desk()
    made.input(*typed(200 * MS, 30), key(540 * MS, 40))
    made.tell(FieldFocused(t=500 * MS, field=None), *looked_at("g", 590, plain("g"), 5))
    made.run(3_000 * MS)
    assert made.codes == [30]


def test_keys_just_before_another_listed_application():
    """Whose they were is not known well enough to say."""
    made = desk()
    made.input(*typed(200 * MS, 30), key(450 * MS, 40), key(700 * MS, 31))
    made.tell(
        WindowFocused(t=500 * MS, window=window(OTHER)), FieldFocused(t=501 * MS, field=plain("o", OTHER))
    )
    made.run(3_000 * MS)
    assert made.codes == [30, 31]


def test_an_application_that_always_answers_late_confirms_nothing():
    made = desk(answers=lambda _id, _t: (300 * MS, True))
    made.input(key(300 * MS, 40))
    made.run(3_000 * MS)
    assert made.codes == []


def test_an_answer_about_another_field_confirms_nothing():
    made = desk(answers=lambda _id, _t: None)
    made.input(key(300 * MS, 40))
    made.tell(FieldConfirmed(t=505 * MS, asked_t=500 * MS, field_id="other", is_focused=True))
    made.run(3_000 * MS)
    assert made.codes == []


def test_what_another_element_is_says_nothing_of_the_one_before():
    made = desk()
    made.input(*typed(200 * MS, 30), key(530 * MS, 40), key(700 * MS, 31))
    made.tell(*looked_at("s", 500, secure(), 300)[:2], FieldFocused(t=560 * MS, field=plain("g")))
    made.run(3_000 * MS)
    assert made.codes == [30, 31]

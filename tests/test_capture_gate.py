"""The gate, rule by rule: what of a desk may be recorded, what is wiped, and what is said of what was left out."""

from __future__ import annotations

import numpy as np
import pytest

from evcodec import EventKind, GapReason
from evcodec.capture.gate import Recording, Timing
from evcodec.capture.model import (
    Application,
    Bounds,
    DeviceFound,
    Display,
    DisplaysChanged,
    ElementAct,
    ElementActed,
    EventsLost,
    FieldFocused,
    InputEvents,
    KeyboardGrabbed,
    PointerEntered,
    Secrecy,
    Sense,
    SenseLost,
    SenseRegained,
    WindowFocused,
)
from evcodec.capture.passed import PassedAct, PassedDevice, PassedEvents, PassedGap
from evcodec.capture.policy import ApplicationRule, Elements, FieldRule, Keys, Title, Values
from evcodec.schema import ColumnGroup
from gate_desk import (
    BROWSER,
    BROWSER_RULE,
    EDITOR,
    EDITOR_RULE,
    MS,
    OTHER,
    OTHER_RULE,
    TERMINAL,
    TERMINAL_RULE,
    UNLISTED,
    Desk,
    events,
    key,
    move,
    plain,
    policy,
    secure,
    typed,
    window,
)

LISTED = policy(EDITOR_RULE, OTHER_RULE, TERMINAL_RULE, BROWSER_RULE)


def desk(*rules, application=EDITOR, field=None, **changes):
    """Return a desk where an application has the focus and the pointer since the beginning, by default in a plain field."""
    made = Desk(policy(*rules) if rules else LISTED, **changes)
    made.tell(
        WindowFocused(t=0, window=window(application)),
        PointerEntered(t=0, application=application),
        FieldFocused(t=0, field=plain(application=application) if field is None else field),
    )
    return made


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
    # The news of 500 may be late by 100 ms and by a round; that of 700 opens what comes after it.
    assert made.moves == [*range(200, 391, 10), *range(700, 900, 10)]
    gaps = [gap for gap in made.gaps if gap[2] > 1]
    assert [(name, t1) for name, _, t1 in gaps] == [("NOT_LISTED", 700)]
    assert 390 < gaps[0][1] <= 400


def test_a_window_that_is_told_anew_was_left_in_between():
    made = desk()
    made.input(*(move(t * MS) for t in range(300, 700, 10)))
    made.tell(WindowFocused(t=500 * MS, window=window()))
    made.run(1_000 * MS)
    assert made.moves == [*range(300, 391, 10), *range(500, 700, 10)]


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
    assert made.moves == [*range(300, 391, 10), *range(700, 900, 10)]
    assert made.codes == [30]  # keys go where the focus is
    assert [(name, t1) for name, _, t1 in made.gaps] == [("NOT_LISTED", 0), ("NOT_LISTED", 700)] or made.gaps[
        -1
    ][0] == "NOT_LISTED"


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
    from evcodec.capture.model import FieldConfirmed

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
    assert t1 == 1_000


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
        assert [gap for gap in made.gaps if gap[1] > 1] == []


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
    made.run(3_000 * MS)
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


# ---- pausing, blindness, sleep ----


def test_pause_stops_everything_and_tells_nothing_else():
    made = desk()
    made.input(*(move(t * MS) for t in range(200, 1_200, 10)), *typed(200 * MS, 30), *typed(600 * MS, 40))
    made.at(500 * MS, lambda: made.gate.pause(500 * MS))
    made.tell(WindowFocused(t=600 * MS, window=window(UNLISTED)), WindowFocused(t=700 * MS, window=window()))
    made.tell(FieldFocused(t=720 * MS, field=secure()), FieldFocused(t=740 * MS, field=plain()))
    made.run(800 * MS)
    assert made.gate.state(made.now).recording is Recording.PAUSED
    made.at(900 * MS, lambda: made.gate.resume(900 * MS))
    made.input(*typed(950 * MS, 31))
    made.run(3_000 * MS)
    assert made.moves == [*range(200, 391, 10), *range(900, 1_200, 10)]
    assert made.codes == [30, 31]
    assert [gap[0] for gap in made.gaps if gap[2] > 1] == ["PAUSED"]
    assert made.gaps[-1][2] == 900


def test_keys_that_are_held_at_a_pause_are_wiped():
    made = desk(answers=lambda _id, _t: (30 * MS, True))
    made.input(key(300 * MS, 30))
    made.at(430 * MS, lambda: made.gate.pause(430 * MS))
    made.run(450 * MS)
    assert made.codes == []
    assert all(not values.any() for batch in made.given for values in batch.columns.values())


def test_a_block_reaches_back_to_when_it_may_have_begun():
    made = desk()
    made.input(*(move(t * MS) for t in range(200, 700, 10)))
    made.at(600 * MS, lambda: made.gate.block(GapReason.INDICATOR_LOST, 600 * MS, since_t=550 * MS))
    made.run(2_000 * MS)
    made.finish()
    assert made.gate.state(made.now).recording is Recording.BLIND
    # Those until 490 were released in the round before.
    assert made.moves == [*range(200, 491, 10)]
    assert made.gaps[-1] == ("INDICATOR_LOST", 450, made.now // MS)


@pytest.mark.parametrize(
    ("sense", "moves", "codes"),
    [(Sense.INPUT, False, False), (Sense.WINDOWS, False, False), (Sense.FIELDS, True, False)],
    ids="input windows fields".split(),
)
def test_blindness_closes_what_depends_on_it(sense, moves, codes):
    made = desk()
    made.tell(SenseLost(t=500 * MS, sense=sense, since_t=450 * MS, why="gone"))
    made.input(move(460 * MS), key(470 * MS, 40), move(700 * MS), key(710 * MS, 41))
    made.tell(SenseRegained(t=1_000 * MS, sense=sense))
    # What was known before has to be told anew.
    made.input(move(1_050 * MS), key(1_060 * MS, 42))
    made.tell(
        WindowFocused(t=1_200 * MS, window=window(id_=2)),
        PointerEntered(t=1_200 * MS, application=EDITOR),
        FieldFocused(t=1_200 * MS, field=plain("g")),
    )
    made.input(move(1_400 * MS), key(1_410 * MS, 30))
    made.run(3_000 * MS)
    late = [1_050] if sense is not Sense.WINDOWS else []
    assert made.moves == ([460, 700] if moves else []) + late + [1_400]
    assert made.codes == ([42] if sense is Sense.INPUT else []) + [30]
    assert any(gap[0] == "BLIND" and gap[2] == 1_000 for gap in made.gaps)
    assert codes is False


def test_a_device_that_is_gone_is_a_gap_of_its_own():
    made = desk()
    made.tell(
        DeviceFound(t=1, id=1, name="mouse", properties={"scale_exponent": -8}),
        SenseLost(t=500 * MS, sense=Sense.INPUT, since_t=400 * MS, why="unplugged", device_id=7),
        SenseRegained(t=900 * MS, sense=Sense.INPUT, device_id=7),
        SenseLost(t=1_000 * MS, sense=Sense.INPUT, since_t=1_000 * MS, why="unplugged", device_id=8),
    )
    made.input(move(700 * MS))
    made.run(1_500 * MS)
    found = made.finish()
    assert PassedDevice(id=1, name="mouse", properties={"scale_exponent": -8}) in found
    assert made.moves == [700]
    assert [gap for gap in found if isinstance(gap, PassedGap) and gap.device_id is not None] == [
        PassedGap(reason=GapReason.BLIND, t0=400 * MS, t1=900 * MS, device_id=7),
        PassedGap(reason=GapReason.BLIND, t0=1_000 * MS, t1=made.now, device_id=8),
    ]


def test_events_that_the_system_dropped():
    made = desk()
    made.tell(
        EventsLost(t=400 * MS, since_t=390 * MS, device_id=2, lost=9),
        FieldFocused(t=800 * MS, field=secure()),
        EventsLost(t=900 * MS, since_t=890 * MS, device_id=2, lost=8),
        FieldFocused(t=1_000 * MS, field=plain()),
        WindowFocused(t=1_200 * MS, window=None),
        EventsLost(t=1_300 * MS, since_t=1_290 * MS, device_id=2, lost=7),
    )
    made.input(key(300 * MS, 30), key(450 * MS, 30, EventKind.KEY_UP))  # perhaps not the up of that down
    made.run(3_000 * MS)
    dropped = [
        gap for gap in made.passed if isinstance(gap, PassedGap) and gap.reason is GapReason.KERNEL_DROP
    ]
    assert [(gap.t0 // MS, gap.t1 // MS, gap.device_id, gap.lost) for gap in dropped] == [
        (390, 400, 2, 9),
        (890, 900, 2, None),  # a count would be one of the keys of a password
    ]
    assert [row["kind"] for row in made.rows] == [EventKind.KEY_DOWN]


def test_a_machine_that_slept():
    made = desk()
    made.input(key(300 * MS, 40), *(move(t * MS) for t in range(200, 800, 10)))
    made.at(420 * MS, lambda: made.gate.suspended(410 * MS, 415 * MS))
    made.input(key(600 * MS, 30))
    made.run(2_000 * MS)
    assert made.codes == [30]
    assert made.moves[0] == 200
    assert not {*range(330, 415, 10)} & {*made.moves}
    assert any(gap[0] == "SUSPENDED" and gap[2] == 415 for gap in made.gaps)


def test_a_loop_that_stood_still_takes_nothing_for_granted():
    """Keys and news of 300 ms were read at once: the news may be as old as the first key."""
    made = desk()
    made.input(key(200 * MS, 30))
    made.run(500 * MS)
    made.give([key(t * MS, 40) for t in range(510, 800, 20)] + [move(790 * MS)])
    made.now = 800 * MS
    made.gate.observe(WindowFocused(t=801 * MS, window=window(UNLISTED)))
    made.run(2_000 * MS)
    assert made.codes == [30]
    assert made.moves == []


def test_a_loop_that_stood_still_loses_no_motion():
    made = desk()
    made.run(500 * MS)
    made.give([move(t * MS) for t in range(510, 5_000, 20)])
    made.now = 5_000 * MS
    made.run(6_000 * MS)
    assert made.moves == [*range(510, 5_000, 20)]


def test_keys_that_nobody_decided_for_long_are_dropped():
    made = desk()
    made.input(key(300 * MS, 40))
    made.run(350 * MS)
    made.now = 5_000 * MS
    made.run(6_000 * MS)
    assert made.codes == []


def test_what_is_held_is_bounded():
    made = desk(timing=Timing(most_events=100))
    made.run(200 * MS)
    made.give([move((200 + at) * MS) for at in range(60)])
    made.give([move((260 + at) * MS) for at in range(60)])
    made.run(1_000 * MS)
    assert len(made.moves) == 60
    assert PassedGap(reason=GapReason.QUEUE_FULL, t0=260 * MS, t1=319 * MS + 1, lost=60) in made.passed


def test_events_of_another_clock_stop_nothing():
    made = desk()
    made.run(200 * MS)
    made.give([move(1 << 62), key(1 << 62, 40)])
    made.input(move(300 * MS), key(310 * MS, 30))
    made.run(2_000 * MS)
    assert made.moves == [300]
    assert made.codes == [30]


def test_time_before_the_beginning():
    made = desk(start_t=0)
    made.run(200 * MS)
    made.give([move(-5 * MS), key(-4 * MS, 40)])
    made.run(2_000 * MS)
    assert made.rows == []


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
    assert set(made.moves) == {*range(200, 421, 10), *range(700, 1_000, 10)}
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
        (0, "display", displays),
        (0, "application", editor),
        (0, "window", {"id": 1, "title": "A letter"}),
        (0, "element", {"role": "text"}),
        (300, "element", {"role": "text", "name": "Street", "bounds": [1, 2, 3, 4]}),
        (600, "element", {}),
        (900, "application", other),
        (900, "window", {"id": 1}),
        (1_200, "application", editor),
        (1_200, "window", {"id": 1, "title": "A letter"}),
    ]


def test_contexts_are_told_anew_behind_a_gap():
    made = desk()
    made.tell(WindowFocused(t=300 * MS, window=None), WindowFocused(t=600 * MS, window=window()))
    made.run(2_000 * MS)
    assert [(t, name) for t, name, _ in made.contexts] == [
        (t, name) for t in (0, 600) for name in ("application", "window", "element")
    ]
    # A gap stands before what begins at its end.
    order = [one for one in made.passed if getattr(one, "t", getattr(one, "t1", 0)) == 600 * MS]
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


# ---- the rest ----


def test_long_gaps_are_told_each_minute():
    made = Desk(LISTED)
    made.now = 100
    for at in range(1, 200):
        made.gate.release(at * 1_000 * MS) and made.passed
        made.passed += made.gate.release(at * 1_000 * MS)
    assert [(name, (t1 - t0) // 1_000) for name, t0, t1 in made.gaps] in ([("NOT_LISTED", 60)] * 3, [])


def test_nothing_comes_after_the_end():
    made = desk()
    made.input(move(300 * MS), key(310 * MS, 30))
    made.run(350 * MS)
    made.finish()
    count = len(made.passed)
    made.give([move(400 * MS)])
    made.tell(WindowFocused(t=410 * MS, window=window(OTHER)))
    made.run(1_000 * MS)
    assert made.finish()[count:] == []
    assert all(not values.any() for batch in made.given for values in batch.columns.values())


def test_wakes_when_there_is_something_to_decide():
    made = desk()
    made.run(500 * MS)
    assert made.gate.wake_t() is None
    made.give([move(500 * MS)])
    assert made.gate.wake_t() == 600 * MS
    made.run(700 * MS)
    assert made.gate.wake_t() is None


def test_strange_batches_stop_nothing():
    from evcodec import EventBatch

    made = desk()
    made.run(200 * MS)
    for batch in (
        EventBatch(),
        EventBatch(t=[1], kind=[0]),
        EventBatch(x=[1]),
        EventBatch(t=[201 * MS], kind=[200], code=[40]),
        EventBatch(t=[202 * MS], kind=[EventKind.CONTEXT], code=[40], payload=[3]),
        EventBatch(t=[204 * MS, 203 * MS], kind=[0, 0], x=np.array([1, 2], np.uint64)),
        EventBatch(t=[203 * MS, 205 * MS], kind=[0, 0], x=np.array([-1, -2], np.int8)),
        EventBatch(t=[206 * MS], kind=[4], secret=[40]),
    ):
        made.gate.observe(InputEvents(batch=batch))
    made.run(1_000 * MS)
    assert sorted(row["t"] // MS for row in made.rows) == [0, 203, 203, 204, 205, 206]
    assert not any("secret" in row or "payload" in row for row in made.rows)


def test_runs_hold_views_that_are_wiped_where_they_are_dropped():
    made = desk()
    made.tell(PointerEntered(t=320 * MS, application=UNLISTED))
    made.at(328 * MS, lambda: made.give([move(t * MS, x=77) for t in range(150, 328)]))
    made.run(1_000 * MS)
    (batch,) = made.given
    kept = batch.t != 0
    assert kept.any()
    assert not kept.all()
    assert not batch.x[~kept].any()
    assert sum(len(one.batch) for one in made.passed if isinstance(one, PassedEvents)) == kept.sum()


def test_the_desk_itself():
    assert set(events([move(1)]).columns) >= {"t", "kind", "x", "code"}


def test_news_that_a_loop_read_late_counts_against_an_answer_before_it():
    """The application answers, wakes, and moves its focus; the recorder stands still meanwhile, and reads it all later."""
    made = desk(answers=lambda _id, _t: (8 * MS, True))
    made.input(key(300 * MS, 40))
    made.run(420 * MS)
    assert made.asked
    assert made.codes == []
    made.now = 2_000 * MS - 8 * MS
    made.tell(FieldFocused(t=2_000 * MS, field=secure()))
    made.run(3_000 * MS)
    assert made.codes == []

"""The gate when somebody pauses, when a source is blind, when the loop stands still, and with what no source should give."""

from __future__ import annotations

import numpy as np
import pytest

from evcodec import EventKind, GapReason
from evcodec.capture.gate import Recording, Timing
from evcodec.capture.model import (
    DeviceFound,
    EventsLost,
    FieldFocused,
    InputEvents,
    PointerEntered,
    Sense,
    SenseLost,
    SenseRegained,
    WindowFocused,
)
from evcodec.capture.passed import PassedDevice, PassedEvents, PassedGap
from gate_desk import (
    BROWSER,
    EDITOR,
    LISTED,
    MS,
    OTHER,
    UNLISTED,
    Desk,
    desk,
    events,
    key,
    move,
    plain,
    secure,
    typed,
    window,
)

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
    assert made.moves == [*range(200, 391, 10), *range(920, 1_200, 10)]
    assert made.codes == [30, 31]
    assert [gap[0] for gap in made.gaps if gap[2] > 20] == ["PAUSED"]
    assert made.gaps[-1][2] == 920


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
    assert any(gap[0] == "BLIND" and gap[2] == 1_020 for gap in made.gaps)
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
    assert not {*range(330, 435, 10)} & {*made.moves}
    assert any(gap[0] == "SUSPENDED" and gap[2] == 435 for gap in made.gaps)


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
    assert sorted(row["t"] // MS for row in made.rows) == [203, 203, 204, 205, 206]
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


def test_events_that_are_stamped_when_they_are_received():
    """The last key of a password is stamped after the news that the secure field was left."""
    made = desk(field=secure())
    made.tell(FieldFocused(t=500 * MS, field=plain()))
    made.input(key(512 * MS, 40), key(700 * MS, 30))
    made.run(2_000 * MS)
    assert made.codes == [30]


def test_devices_that_are_read_one_after_the_other():
    """Batches that overlap in time, and one out of order, come out in order, with all their values."""
    made = desk()
    made.run(200 * MS)
    made.give([move((300 + at) * MS, x=at) for at in (0, 2, 4, 6)])
    made.give([move((300 + at) * MS, x=at) for at in (1, 3, 9)] + [key(305 * MS, 30)])
    made.give([move((300 + at) * MS, x=at) for at in (8, 7)])
    made.run(2_000 * MS)
    assert [row["x"] for row in made.rows if "x" in row] == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert [row["t"] // MS for row in made.rows] == [300, 301, 302, 303, 304, 305, 306, 307, 308, 309]


def test_a_dropped_key_is_overwritten_where_it_was_held():
    made = desk()
    made.run(200 * MS)
    made.give([key(300 * MS, 40), dict(move(301 * MS), modifiers=5, keysym=77)])
    assert all(not values.any() for values in made.given[0].columns.values())
    held = [*made.gate._queue]
    assert [[*item.columns["code"]] for item in held] == [[40], [0]]
    assert "modifiers" not in held[1].columns
    made.gate.pause(310 * MS)
    made.run(330 * MS)
    assert all(not values.any() for values in held[0].columns.values())
    assert held[0].code == -1


def test_a_browser_whose_pages_cannot_be_seen():
    made = desk(application=BROWSER, field=plain(application=BROWSER, origin="https://books.example.org"))
    made.tell(SenseLost(t=500 * MS, sense=Sense.FIELDS, since_t=500 * MS, why="gone"))
    made.input(move(700 * MS))
    made.run(1_000 * MS)
    made.finish()
    assert made.moves == []
    assert made.gaps[-1][0] == "BLIND"

"""What a review says of a recording: text rebuilt from keys, spans by application, gaps, and that no content gets out."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evcodec import EventBatch, Reader, Writer
from evcodec.capture.passed import PassedContext, PassedEvents, PassedGap
from evcodec.capture.recorder_output import Output
from evcodec.entries import GapReason
from evcodec.review import redact, review
from evcodec.review.layouts import of_linux, of_name, of_virtual_key
from evcodec.review.strokes import Strokes
from evcodec.review.typed import PASTED, UNKNOWN, Typing, typing_of
from evcodec.schema import EventKind, KeyClass
from keyboard import CONTROL, LEFT, Keyboard, edited, play
from running import evcodec, here

GEDIT = ("application", {"executable": "/usr/bin/gedit", "window_class": "Gedit", "keys": "full"})
MAIL = ("application", {"executable": "/opt/mail/mail", "window_class": "Mail", "keys": "class"})

letters = st.text(alphabet="abzAQ9 .é漢", min_size=1, max_size=6)
steps = st.one_of(st.tuples(st.just("type"), letters), st.tuples(st.just("key"), st.sampled_from("<>LRHE")))
scripts = st.lists(steps, max_size=14)


def typing(keyboard: Keyboard, contexts: dict | None = None) -> Typing:
    strokes = Strokes(contexts or {})
    strokes.add(keyboard.batch().columns, 0)
    return typing_of(strokes.found)


def final(keyboard: Keyboard, contexts: dict | None = None) -> list[str]:
    return [str(passage) for passage in typing(keyboard, contexts).passages]


@given(scripts, st.booleans())
def test_rebuilt_text_is_what_a_simple_field_would_hold(script, late_up):
    expected = edited(script)
    assert "".join(final(play(script, late_up=late_up))) == expected


@given(scripts)
def test_the_bare_sequence_has_all_that_was_typed(script):
    typed = "".join(value for what, value in script if what == "type")
    assert "".join(one.character for one in typing(play(script)).raw) == typed


@given(scripts)
def test_each_character_has_the_events_of_its_key(script):
    keyboard = play(script)
    rows = keyboard.batch()
    for one in typing(keyboard).raw:
        for press in one.presses:
            assert {int(rows["code"][event]) for event in press.events} == {
                200 + ord(one.character.lower()[0]) % 1_000
            }
            assert rows["kind"][press.events].tolist() == [EventKind.KEY_DOWN, EventKind.KEY_UP]


def test_repeats_type_again_and_belong_to_the_same_key():
    keyboard = Keyboard()
    keyboard.press(ord("a"), 30, times=4)
    found = typing(keyboard)
    assert str(found.passages[0]) == "aaaa"
    assert len({one.presses[0].events[0] for one in found.raw}) == 1
    assert found.raw[0].presses[0].events == [0, 1, 2, 3, 4]


def test_a_state_before_it_was_erased_is_kept():
    keyboard = play(
        [("type", "secx"), ("key", "<"), ("type", "ret")] + [("key", "<")] * 6 + [("type", "public")]
    )
    found = typing(keyboard)
    assert [str(passage) for passage in found.passages] == ["public"]
    assert "secret" in {"".join(one.character for one in state) for state in found.states}


def test_selections_are_replaced():
    keyboard = play([("type", "one two")])
    for _ in range(3):
        keyboard.press(LEFT, 12, modifiers=1)
    keyboard.type("six")
    keyboard.press(ord("a"), 30, modifiers=4)
    assert final(keyboard) == ["one six"]
    keyboard.type("x")
    assert final(keyboard) == ["x"]


def test_commands_are_no_text_but_are_kept_in_case():
    keyboard = play([("type", "ab")])
    keyboard.press(ord("s"), 31, modifiers=4)
    keyboard.press(ord("v"), 47, modifiers=4)
    found = typing(keyboard)
    assert str(found.passages[0]) == f"ab{PASTED}"
    assert "".join(one.character for one in found.raw) == "ab"
    assert "".join(one.character for one in found.everything) == "absv"


def test_without_a_column_of_modifiers_held_keys_tell():
    keyboard = Keyboard()
    keyboard.event(EventKind.KEY_DOWN, code=29, keysym=CONTROL)
    keyboard.event(EventKind.KEY_DOWN, code=31, keysym=ord("s"))
    keyboard.event(EventKind.KEY_UP, code=31, keysym=ord("s"))
    keyboard.event(EventKind.KEY_UP, code=29, keysym=CONTROL)
    keyboard.event(EventKind.KEY_DOWN, code=30, keysym=ord("a"))
    assert final(keyboard) == ["a"]


def test_dead_keys_make_one_letter_of_two_keys():
    keyboard = Keyboard()
    keyboard.press(0xFE51, 13)
    keyboard.type("e")
    found = typing(keyboard)
    assert str(found.passages[0]) == "é"
    assert [press.events for press in found.raw[0].presses] == [[0, 1], [2, 3]]


def test_another_window_ends_a_text_and_another_title_does_not():
    contexts = {
        1: ("window", {"id": 1, "title": "a"}),
        2: ("window", {"id": 1, "title": "*a"}),
        3: ("window", {"id": 2}),
    }
    keyboard = Keyboard()
    for index, text in ((1, "se"), (2, "cr"), (3, "et")):
        keyboard.context(index)
        keyboard.type(text)
    assert final(keyboard, contexts) == ["secr", "et"]
    assert "".join(one.character for one in typing(keyboard, contexts).raw) == "secret"


def test_what_the_recorder_writes_is_one_text_though_the_title_changes(tmp_path):
    executable = {"executable": "/usr/bin/gedit", "keys": "full", "pointer": True}
    with Writer(tmp_path / "s.evc") as writer:
        output = Output(writer, on_failure=pytest.fail)
        keyboard = Keyboard()
        for title, text, bounds in (
            ("a", "swo", [0, 0, 9, 9]),
            ("*a", "rdf", [0, 0, 9, 20]),
            ("*a", "ish", [0, 0, 9, 20]),
        ):
            for context_type, value in (
                ("application", executable),
                ("window", {"id": 7, "title": title}),
                ("element", {"role": "text", "bounds": bounds}),
            ):
                output.take(PassedContext(t=keyboard.t, context_type=context_type, value=value))
            keyboard.rows.clear()
            keyboard.type(text)
            output.take(PassedEvents(batch=keyboard.batch(), has_keys=True))
        output.take(PassedGap(reason=GapReason.NOT_LISTED, t0=keyboard.t, t1=keyboard.t + 5))
        output.commit()
    found = review(tmp_path / "s.evc", show_text=True)
    assert [(application, str(passage)) for application, passage in found.passages] == [
        ("gedit", "swordfish")
    ]
    redact(tmp_path / "s.evc", tmp_path / "out.evc", applications=["gedit"])
    with Reader(tmp_path / "out.evc") as reader:
        assert len(reader) == 0
        assert {context.value for context in reader.contexts} == {None}


def test_keys_of_which_only_the_class_is_there_stand_as_such():
    keyboard = play([("type", "a")])
    keyboard.event(EventKind.KEY_DOWN, key_class=KeyClass.LETTER)
    keyboard.event(EventKind.KEY_UP, key_class=KeyClass.LETTER)
    keyboard.type("b")
    assert final(keyboard) == [f"a{UNKNOWN}b"]


@pytest.mark.parametrize("column", ["vk", "ev_code", "name"])
def test_imported_keys_are_read_as_those_of_a_us_keyboard(column):
    contexts, rows = {}, []
    if column == "vk":
        codes = {"shift": 0xA0, "h": 0x48, "i": 0x49, "1": 0x31}
    elif column == "ev_code":
        codes = {"shift": 42, "h": 35, "i": 23, "1": 2}
    else:
        contexts = {1: ("key", "shift"), 2: ("key", "H"), 3: ("key", "i"), 4: ("key", "!")}
        codes = {"shift": 1, "h": 2, "i": 3, "1": 4}
    for key, kind in (
        ("shift", 4),
        ("h", 4),
        ("h", 5),
        ("shift", 5),
        ("i", 4),
        ("i", 5),
        ("shift", 4),
        ("1", 4),
        ("1", 5),
    ):
        rows.append((kind, codes[key]))
    kinds, numbers = (np.array(values) for values in zip(*rows, strict=True))
    batch = EventBatch(t=np.arange(9), kind=kinds, **{"code" if column == "name" else column: numbers})
    strokes = Strokes(contexts)
    strokes.add(batch.columns, 0)
    assert [str(passage) for passage in typing_of(strokes.found).passages] == ["Hi!"]
    assert strokes.assumed == (set() if column == "name" else {"us-layout"})


def test_the_two_numberings_of_a_us_keyboard_agree():
    linux = {of_linux(code, shift, False) for code in range(1, 84) for shift in (False, True)}
    windows = {of_virtual_key(code, shift, False) for code in range(256) for shift in (False, True)}
    printable = set(range(0x20, 0x7F))
    assert printable <= linux
    assert printable <= windows
    assert [of_name(name) for name in ("Key.backspace", "enter", "shift_r", "ctrlleft", "é", "nonsense")] == [
        0xFF08, 0xFF0D, 0xFFE1, 0xFFE3, 0xE9, 0,
    ]  # fmt: skip


def session(path, words="swordfish"):
    """Write a recording of two applications, with typing, a gap and an anchor."""
    governance = {"purpose": "to test reviews", "retain_until_ns": 1, "notice_id": "n1"}
    keyboard = Keyboard()
    keyboard.context(1)
    keyboard.context(2)
    keyboard.type(words)
    keyboard.event(EventKind.BUTTON_DOWN, code=1)
    keyboard.context(3)
    keyboard.event(EventKind.KEY_DOWN, key_class=KeyClass.LETTER)
    with Writer(path, governance=governance, metadata={"note": words}) as writer:
        for context in (GEDIT, ("window", {"id": 7, "title": f"letter of {words}"}), MAIL):
            writer.context(*context)
        writer.anchor(1_000_000_000, 1_700_000_000 * 10**9)
        writer.write(keyboard.batch())
        writer.gap(GapReason.SECURE_FIELD, keyboard.t, keyboard.t + 10**9)
    return path


def test_spans_are_those_of_applications(tmp_path):
    found = review(session(tmp_path / "s.evc"))
    assert [(span.application, span.keys_full, span.keys_class) for span in found.spans] == [
        ("gedit", 9, 0),
        ("mail", 0, 1),
    ]
    assert [span.kinds.total() for span in found.spans] == [21, 2]
    assert found.spans[0].t1 == found.spans[1].t0
    assert found.gap_totals() == {"secure_field": (1, 10**9)}
    assert found.is_past_retention
    assert found.wall_ns(2_000_000_000) == 1_700_000_001 * 10**9
    assert found.t_of_wall(1_700_000_001 * 10**9) == 2_000_000_000
    assert found.passages == []


def test_what_was_not_recorded_counts_for_no_application(tmp_path):
    keyboard = Keyboard()
    keyboard.context(1)
    start = keyboard.t
    keyboard.t += 10 * 10**9
    keyboard.move()
    with Writer(tmp_path / "s.evc") as writer:
        writer.context(*GEDIT)
        writer.write(keyboard.batch())
        for t0, t1, reason in (
            (1, 3, "NOT_LISTED"),
            (2, 4, "PAUSED"),
            (5, 6, "SECURE_FIELD"),
            (9, 20, "SUSPENDED"),
        ):
            writer.gap(GapReason[reason], start + t0 * 10**9, start + t1 * 10**9)
    found = review(tmp_path / "s.evc")
    (span,) = found.spans
    assert found.in_front(span) == span.t1 - span.t0 - 3 * 10**9 - (span.t1 - start - 9 * 10**9)


def test_imported_windows_go_by_the_last_part_of_their_title(tmp_path):
    keyboard = Keyboard()
    for index in (1, 2, 3, 4):
        keyboard.context(index)
        keyboard.type("x")
    titles = ("A letter - Writer", "Another letter - Writer", "page | Browser", "somebody's words")
    path = keyboard.write(tmp_path / "s.evc", [("window", {"title": title}) for title in titles])
    assert [span.application for span in review(path).spans] == ["Writer", "Browser", ""]


def test_nothing_of_the_content_is_shown_unless_asked_for(tmp_path):
    path = session(tmp_path / "s.evc")
    for arguments in ((), ("--json",), ("--page", str(tmp_path / "p.html"))):
        done = here("review", str(path), *arguments)
        assert (done.status, "gedit" in done.text) == (0, True)
        assert "sword" not in done.text + done.err
    picture = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert "gedit" in picture
    assert "sword" not in picture
    # One file: nothing is fetched, nothing runs.
    assert not re.search(r"<script|<link|src=|url\(|href=", picture)


def test_typed_text_needs_a_terminal_or_a_word(tmp_path):
    path = session(tmp_path / "s.evc")
    assert here("review", str(path), "--show-text").status == 2
    assert here("review", str(path), "--show-text", "--anywhere", "--json").status == 2
    assert "gedit: swordfish" in here("review", str(path), "--show-text", "--anywhere").text


def test_json_has_counts_and_times(tmp_path):
    done = evcodec("review", str(session(tmp_path / "s.evc")), "--json")
    found = json.loads(done.text)
    assert found["purpose"] == "to test reviews"
    assert found["gaps"][0]["reason"] == "secure_field"
    assert found["spans"][0]["kinds"]["key_down"] == 9
    assert found["readers"]["keys"] == "whoever has the file"


def test_bad_inputs_are_one_line(tmp_path):
    (tmp_path / "no.evc").write_bytes(b"nothing of the kind")
    done = here("review", str(tmp_path / "no.evc"))
    assert (done.status, done.err.count("\n")) == (1, 1)
    data = session(tmp_path / "s.evc").read_bytes()
    (tmp_path / "cut.evc").write_bytes(data[:-60])
    assert here("review", str(tmp_path / "cut.evc")).status == 1

"""What was taken out of a recording is gone, by searches that know nothing of how it was taken out; the rest is as it was."""

from __future__ import annotations

import json
import os
import socket
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evcodec import EventBatch, Reader, Writer
from evcodec.compression import Effort
from evcodec.emitter import StreamEmitter
from evcodec.entries import GapReason
from evcodec.errors import CorruptDataError, InvalidArgumentError
from evcodec.levels import level_of
from evcodec.review import redact
from evcodec.review.proof import RedactionFailedError
from evcodec.schema import ColumnGroup, EventKind
from evcodec.stream import verify
from evcodec.wire import Header, pack_entries
from keyboard import Keyboard, play
from reference import decode_stream
from running import here

SECRET = "swordfish7"
SECOND = 1_000_000_000
KEYS = (EventKind.KEY_DOWN, EventKind.KEY_UP, EventKind.KEY_REPEAT)

words = st.text(alphabet="abcxyz .,QR12é", min_size=0, max_size=12)
# A secret as people type it: parts of it, slips in between that are erased again.
slips = st.lists(
    st.tuples(st.integers(0, len(SECRET)), st.text(alphabet="qwxzé", min_size=1, max_size=3)), max_size=3
)


def typed_with_slips(found: list[tuple[int, str]], erased_after: bool) -> list[tuple[str, str]]:
    script: list[tuple[str, str]] = []
    at = 0
    for place, slip in sorted(found):
        script += [("type", SECRET[at:place]), ("type", slip), *[("key", "<")] * len(slip)]
        at = place
    script.append(("type", SECRET[at:]))
    return script + [("key", "<")] * len(SECRET) * erased_after


def searched(data: bytes) -> dict[str, Any]:
    """Return what an independent decoder makes of a stream: events, entries, and all characters that were typed, in order."""
    found = decode_stream(data)
    events = {"kind": [], "keysym": [], **found.events}
    downs = [
        chr(keysym if keysym < 0x100 else keysym - 0x01000000)
        for kind, keysym in zip(events["kind"], events["keysym"], strict=True)
        if kind in (EventKind.KEY_DOWN, EventKind.KEY_REPEAT)
        and (0x20 <= keysym < 0x100 or keysym >= 0x01000000)
    ]
    field: list[str] = []
    for kind, keysym in zip(events["kind"], events["keysym"], strict=True):
        if kind in (EventKind.KEY_DOWN, EventKind.KEY_REPEAT):
            if keysym == 0xFF08:
                del field[-1:]
            elif 0x20 <= keysym < 0x100:
                field.append(chr(keysym))
    return {"events": events, "entries": found.entries, "raw": "".join(downs), "field": "".join(field)}


def rows_by_serial(batch: EventBatch) -> dict[int, dict[str, int]]:
    columns = {name: values.tolist() for name, values in batch.columns.items()}
    return {
        serial: {name: values[at] for name, values in columns.items()}
        for at, serial in enumerate(columns["serial"])
    }


def check_rest(before: EventBatch, after: EventBatch, gaps: list[tuple[str, int, int]]) -> set[int]:
    """Check that what stays is as it was but for coarse times of keys in the gaps; return the serials of what went."""
    old, new = rows_by_serial(before), rows_by_serial(after)
    assert list(new) == [serial for serial in old if serial in new]
    before_t = -(2**63)
    for serial, row in new.items():
        was = dict(old[serial])
        inside = any(t0 <= was["t"] < t1 for _reason, t0, t1 in gaps)
        if inside and was["kind"] in KEYS:
            assert row["t"] == max(was["t"] // SECOND * SECOND, min(before_t, was["t"]))
            assert row["os_time"] == 0  # nothing says in what it counts
            was["t"], was["os_time"] = row["t"], 0
        assert row == was
        before_t = row["t"]
    assert (np.diff(after.t) >= 0).all()
    return old.keys() - new.keys()


@pytest.mark.parametrize("properties", [{"time_unit_ns": 1_000_000}, {}])
def test_the_time_of_the_system_tells_no_more_than_the_coarse_one(tmp_path, properties):
    """X11 counts ms: what is left of it must not tell when the keys beside a secret were struck, nor lie."""
    text = f"ab {SECRET} cd"
    t = 5 * SECOND + np.arange(2 * len(text)) * 70_000_000
    columns = {
        "t": t,
        "kind": np.tile(np.array([4, 5], np.uint8), len(text)),
        "code": np.repeat(np.arange(len(text), dtype=np.uint32), 2),
        "keysym": np.repeat(np.array([ord(one) for one in text], np.uint32), 2),
        "os_time": (t // 1_000_000).astype(np.uint64),
    }
    with Writer(tmp_path / "whole.evc") as writer:
        source = writer.source("keyboard", **properties)
        writer.write(EventBatch(**columns, source=np.full(len(t), source, np.uint16)))
    redact(tmp_path / "whole.evc", tmp_path / "clean.evc", find=[SECRET])
    with Reader(tmp_path / "clean.evc") as reader:
        left = reader.read()
    is_coarse = left.t % SECOND == 0
    assert is_coarse.any()
    wanted = left.t // 1_000_000
    assert left["os_time"][~is_coarse].tolist() == wanted[~is_coarse].tolist()
    assert left["os_time"][is_coarse].tolist() == (wanted if properties else 0 * wanted)[is_coarse].tolist()


@settings(max_examples=30)
@given(words, slips, words, st.booleans(), st.booleans())
def test_a_secret_goes_and_the_rest_stays(before, found, after, erased_after, late_up):
    keyboard = Keyboard()
    keyboard.move()
    play([("type", before), *typed_with_slips(found, erased_after), ("type", after)], keyboard, late_up)
    keyboard.move()
    with Writer(path := _memory_path(), block_events=64) as writer:
        writer.write(keyboard.batch())
    target = path.with_suffix(".out")
    result = redact(path, target, find=[SECRET])
    data = target.read_bytes()
    independent = searched(data)
    assert SECRET not in independent["raw"]
    assert independent["field"] == before + after  # what erased the secret went with it
    assert result.matches >= 1
    with Reader(path) as a, Reader(target) as b:
        gone = check_rest(a.read(), b.read(), result.gaps)
    # Nothing but keys goes, and no more of them than the secret and its slips took.
    typed = sum(len(value) for _what, value in typed_with_slips(found, erased_after))
    kinds = {row["serial"]: row["kind"] for row in keyboard.rows}
    assert {kinds[serial] for serial in gone} <= set(KEYS)
    assert len(gone) <= 2 * typed
    assert verify(target).ok
    path.unlink()
    target.unlink()


_folder: list[Any] = []


@pytest.fixture(autouse=True)
def _own_folder(tmp_path):
    _folder[:] = [tmp_path]


def _memory_path() -> Any:
    return _folder[0] / f"s{os.urandom(4).hex()}.evc"


@settings(max_examples=20)
@given(st.text(alphabet="ab1 É", min_size=2, max_size=10), st.data())
def test_any_part_of_a_text_goes(text, data):
    start = data.draw(st.integers(0, len(text) - 2))
    needle = text[start : data.draw(st.integers(start + 2, len(text)))]
    path = play([("type", text)]).write(_memory_path())
    target = path.with_suffix(".out")
    redact(path, target, find=[needle], ignore_case=False)
    assert needle not in searched(target.read_bytes())["raw"]
    path.unlink()
    target.unlink()


def everywhere(path, **options):
    """Write a recording that holds the secret in every place that there is."""
    keyboard = play([("type", "my word is "), ("type", SECRET), ("type", " yes")])
    with Writer(
        path,
        metadata={"note": f"about {SECRET}", "n": [1, {SECRET: 2}]},
        governance={"purpose": SECRET},
        **options,
    ) as writer:
        writer.source(f"keyboard {SECRET}", model=SECRET.upper())
        writer.context("window", {"id": 1, "title": f"{SECRET} - editor"})
        writer.context("element", {"role": "text", "name": SECRET, "bounds": [1, 2, 3, 4]})
        writer.write(keyboard.batch())
        writer.marker(keyboard.t, f"typed {SECRET}", {"x": SECRET})
        writer.payload("clip", SECRET.encode(), t=keyboard.t)
        writer.payload("clip", SECRET.encode("utf-16-le"), t=keyboard.t)
        writer.video_anchor(keyboard.t, 1, uri=f"file:///{SECRET}.mp4")
    return path


def test_strings_of_all_entries_and_of_the_header_are_replaced(tmp_path):
    path = everywhere(tmp_path / "s.evc")
    result = redact(path, tmp_path / "out.evc", find=[SECRET])
    data = (tmp_path / "out.evc").read_bytes()
    independent = searched(data)
    for form in (SECRET, SECRET.upper(), SECRET.capitalize()):
        assert form not in repr(independent["entries"])
        assert form.encode() not in data
        assert form.encode("utf-16-le") not in repr(independent["entries"]).encode("unicode_escape")
    with Reader(tmp_path / "out.evc") as reader:
        assert SECRET not in repr((reader.metadata, reader.governance))
        assert reader.metadata["n"][0] == 1
        assert reader.contexts[1].value["bounds"] == [1, 2, 3, 4]
        assert reader.contexts[0].value["title"].endswith(" - editor")
        assert SECRET.encode("utf-16-le") not in reader.payloads[1].data
    assert result.strings == 12


def test_case_matters_when_it_should(tmp_path):
    path = play([("type", "SwordFish7 ")]).write(tmp_path / "s.evc")
    assert redact(path, tmp_path / "a.evc", find=[SECRET], ignore_case=False).matches == 0
    assert redact(path, tmp_path / "b.evc", find=[SECRET]).matches == 1
    with Reader(tmp_path / "b.evc") as reader:  # shift was down for its capitals only
        assert set(reader.read()["keysym"].tolist()) == {0x20}


def test_what_a_removal_forms_anew_goes_too(tmp_path):
    half = len(SECRET) // 2
    path = play([("type", SECRET[:half] + SECRET + SECRET[half:])]).write(tmp_path / "s.evc")
    redact(path, tmp_path / "out.evc", find=[SECRET])
    assert searched((tmp_path / "out.evc").read_bytes())["raw"] == ""


def test_a_gap_says_where_but_not_how_long_or_how_many(tmp_path):
    path = play([("type", "hello " + SECRET + " world")]).write(tmp_path / "s.evc")
    result = redact(path, tmp_path / "out.evc", find=[SECRET])
    with Reader(tmp_path / "out.evc") as reader:
        (gap,) = reader.gaps
        assert (gap.reason, gap.lost, gap.position) == (GapReason.REDACTED, None, 12)
        assert (gap.t0 % SECOND, gap.t1 % SECOND) == (0, 0)
    assert result.gaps == [("redacted", gap.t0, gap.t1)]


def test_a_range_goes_whole_with_the_ups_of_its_keys(tmp_path):
    keyboard = Keyboard()
    keyboard.type("ab")
    begin = keyboard.t + 1
    keyboard.context(1)
    keyboard.type("cd")
    keyboard.event(EventKind.KEY_DOWN, code=18, keysym=ord("e"))
    end = keyboard.t + 1
    keyboard.event(EventKind.KEY_UP, code=18, keysym=ord("e"))
    keyboard.type("f")
    path = _memory_path()
    with Writer(path) as writer:
        writer.context("window", {"id": 5, "title": "now"})
        writer.payload("note", "inside", t=begin)
        writer.marker(begin, "inside")
        writer.write(keyboard.batch())
    redact(path, tmp_path / "out.evc", ranges=[(begin, end)])
    with Reader(tmp_path / "out.evc") as reader:
        batch = reader.read()
        assert not ((batch.t >= begin) & (batch.t < end)).any()
        assert "".join(chr(keysym) for keysym in batch["keysym"] if keysym) == "aabbff"
        # The window that came to the front in it is in front behind it.
        assert batch.t[batch.kind == EventKind.CONTEXT].tolist() == [end]
        assert [(gap.reason, gap.t0, gap.t1) for gap in reader.gaps] == [(GapReason.ERASED, begin, end)]
        assert reader.payloads[0].data is None
        assert reader.markers == []


def test_an_application_goes_with_its_titles(tmp_path):
    keyboard = Keyboard()
    for index, text in ((1, "stays"), (2, "goes"), (1, "again")):
        keyboard.context(index)
        keyboard.context(index + 2)
        keyboard.type(text)
    contexts = [
        ("application", {"executable": "/usr/bin/gedit"}),
        ("application", {"executable": "/opt/Vault/vault", "window_class": "Vault"}),
        ("window", {"id": 1, "title": "letter"}),
        ("window", {"id": 2, "title": "my vault of things"}),
    ]
    path = keyboard.write(tmp_path / "s.evc", contexts)
    result = redact(path, tmp_path / "out.evc", applications=["VAULT"])
    assert result.spans == 1
    data = (tmp_path / "out.evc").read_bytes()
    assert searched(data)["raw"] == "staysagain"
    assert "things" not in repr(searched(data)["entries"])
    assert "letter" in repr(searched(data)["entries"])
    with pytest.raises(InvalidArgumentError, match="'gedit', 'vault'"):
        redact(path, tmp_path / "no.evc", applications=["nothing"])
    assert not (tmp_path / "no.evc").exists()


@pytest.mark.parametrize("column", ["vk", "ev_code"])
def test_keys_of_imported_recordings_go_under_the_assumption_of_a_us_keyboard(tmp_path, column):
    codes = {"vk": [0x48, 0x49, 0x58], "ev_code": [35, 23, 45]}[column]
    rows = [(kind, code) for code in codes for kind in (4, 5)]
    batch = EventBatch(
        t=np.arange(6) * 10,
        kind=[kind for kind, _code in rows],
        **{column: np.array([code for _kind, code in rows])},
    )
    with Writer(tmp_path / "s.evc") as writer:
        writer.write(batch)
    result = redact(tmp_path / "s.evc", tmp_path / "out.evc", find=["hi"])
    assert (result.assumed, result.events_after) == (["us-layout"], 2)


def test_states_of_the_keyboard_beside_it_go_too(tmp_path):
    kinds, codes = [4, 7, 5, 4, 5, 7], [0x48, 1, 0x48, 0x49, 0x49, 2]
    times = np.array([0, 1, 2, 3, 4, 9 * SECOND])
    with Writer(tmp_path / "s.evc") as writer:
        writer.context("keyboard_state", [0x48])
        writer.context("keyboard_state", [])
        writer.write(EventBatch(t=times, kind=kinds, code=codes, vk=np.array(codes) * (np.array(kinds) != 7)))
    redact(tmp_path / "s.evc", tmp_path / "out.evc", find=["hi"])
    with Reader(tmp_path / "out.evc") as reader:
        assert reader.read()["code"].tolist() == [2]
        assert [context.value for context in reader.contexts] == [None, []]


def test_small_blocks_of_a_live_stream_and_several_streams_in_a_file(tmp_path):
    path = tmp_path / "s.evc"
    for mode in ("w", "a"):
        keyboard = play([("type", "left " + SECRET + " right")])
        with Writer(path, mode=mode, block_events=16, merge_on_close=False) as writer:
            writer.write(keyboard.batch())
            writer.marker(keyboard.t, "end")
    result = redact(path, tmp_path / "out.evc", find=[SECRET])
    assert (result.matches, verify(tmp_path / "out.evc").streams) == (2, 2)
    with Reader(tmp_path / "out.evc") as reader:
        assert [marker.position for marker in reader.markers] == [22, 22]
        assert len(reader) == 44


def test_in_place_the_old_bytes_are_overwritten_and_links_are_kept(tmp_path):
    path = play([("type", SECRET)]).write(tmp_path / "s.evc", [("window", {"title": SECRET})])
    with path.open("rb") as old:
        redact(path, path, find=[SECRET])
        assert old.read().strip(b"\0") == b""
    other = play([("type", SECRET)]).write(tmp_path / "t.evc")
    (tmp_path / "backup.evc").hardlink_to(other)
    before = other.read_bytes()
    redact(other, other, find=[SECRET])
    assert (tmp_path / "backup.evc").read_bytes() == before
    assert verify(path).ok


def test_a_failed_proof_leaves_nothing(tmp_path, monkeypatch):
    path = play([("type", "x " + SECRET)]).write(tmp_path / "s.evc")
    before = path.read_bytes()
    from evcodec.review import plan

    monkeypatch.setattr(plan.Plan, "redact", lambda *_arguments: None)  # it takes nothing out
    for target in (tmp_path / "out.evc", path):
        with pytest.raises(RedactionFailedError) as error:
            redact(path, target, find=[SECRET])
        assert SECRET not in str(error.value)
    assert path.read_bytes() == before
    assert sorted(item.name for item in tmp_path.iterdir()) == ["s.evc"]


def test_a_failed_proof_of_strings_leaves_nothing(tmp_path, monkeypatch):
    short = "q7"  # too short to be looked for in bytes
    path = play([("type", "x")]).write(tmp_path / "s.evc", [("window", {"title": f"a {short}"})])
    from evcodec.review import editing

    monkeypatch.setattr(
        editing.Editor, "entries", lambda self, part: self._emitter.encoded_entries(part.payload, part.where)
    )
    with pytest.raises(RedactionFailedError):
        redact(path, tmp_path / "out.evc", find=[short])
    assert not (tmp_path / "out.evc").exists()


def test_dead_keys_go_with_their_letter(tmp_path):
    keyboard = play([("type", "xcaf")])
    keyboard.press(0xFE51, 13)
    keyboard.type("ey")
    path = keyboard.write(tmp_path / "s.evc")
    assert redact(path, tmp_path / "out.evc", find=["CAFÉ"]).matches == 1
    with Reader(tmp_path / "out.evc") as reader:
        assert "".join(map(chr, reader.read()["keysym"])) == "xxyy"


def test_encrypted_recordings_need_the_key_and_stay_encrypted(tmp_path):
    crypto = pytest.importorskip("evcodec.crypto", reason="needs evcodec[crypto]")
    pytest.importorskip("cryptography")
    from evcodec.errors import MissingKeyError

    key = crypto.PrivateKey.generate()
    path = everywhere(tmp_path / "s.evc", recipients=key.public)
    with pytest.raises(MissingKeyError):
        redact(path, tmp_path / "out.evc", find=[SECRET])
    assert not (tmp_path / "out.evc").exists()
    assert redact(path, tmp_path / "out.evc", find=[SECRET], keys=key).matches == 1
    with Reader(tmp_path / "out.evc", keys=key) as reader:
        assert SECRET not in repr([*reader.contexts, *reader.payloads])
        assert set(reader.encrypted) == {0, 1, 2, 3}


def test_entries_and_fields_of_a_later_version_are_kept(tmp_path):
    keyboard = play([("type", SECRET + "!")])
    items = [[99, 2, {"about": SECRET, "n": 7}], [6, 22, {"t": 5, "name": "m", "later": [1, 2]}]]
    with (tmp_path / "s.evc").open("wb") as file:
        emitter = StreamEmitter(file.write, level_of("fast"), Header())
        emitter.block(dict(keyboard.batch().columns))
        emitter.encoded_entries(
            pack_entries(ColumnGroup.POINTER, map(msgpack.packb, items), (Effort(3),)), "made up"
        )
        emitter.end()
    redact(tmp_path / "s.evc", tmp_path / "out.evc", find=[SECRET])
    entries = searched((tmp_path / "out.evc").read_bytes())["entries"]
    assert (99, 0, {"about": "[redacted]", "n": 7}) in entries
    assert (6, 2, {"t": 5, "name": "m", "later": [1, 2]}) in entries


@pytest.mark.parametrize(
    "arguments",
    [{}, {"find": ""}, {"find": ["x"], "ranges": [(5, 5)]}, {"find": "one str"}, {"applications": "one"}],
)
def test_arguments_that_mean_nothing_are_refused(tmp_path, arguments):
    path = play([("type", "x")]).write(tmp_path / "s.evc")
    with pytest.raises(InvalidArgumentError):
        redact(path, tmp_path / "out.evc", **arguments)


def test_a_damaged_recording_is_refused(tmp_path):
    path = play([("type", "x" * 400)]).write(tmp_path / "s.evc")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptDataError):
        redact(path, tmp_path / "out.evc", find=["x"])
    assert not (tmp_path / "out.evc").exists()


# ---- the command ----


def test_the_command_says_counts_and_never_texts(tmp_path):
    path = everywhere(tmp_path / "s.evc")
    (tmp_path / "secrets.txt").write_text(f"{SECRET}\n\n", encoding="utf-8")
    done = here("redact", path, tmp_path / "out.evc", "--find-from", tmp_path / "secrets.txt", "--json")
    found = json.loads(done.text)
    assert (done.status, found["matches"], found["strings"], found["proved"]) == (0, 1, 12, True)
    assert SECRET not in done.text + done.err
    done = here("redact", tmp_path / "out.evc", "--in-place", "--find-text", SECRET)
    assert "0 places" in done.text
    assert SECRET not in done.text + done.err


def test_ranges_are_offsets_times_or_the_wall_clock(tmp_path):
    keyboard = Keyboard()
    for _ in range(1_000):
        keyboard.move()
    path = tmp_path / "s.evc"
    with Writer(path) as writer:
        writer.anchor(keyboard.rows[0]["t"], 1_767_225_600 * SECOND)  # 2026-01-01
        writer.write(keyboard.batch())
    start, left = keyboard.rows[0]["t"], []
    ranges = (
        "00:00:01..00:00:02",
        "+1s..+2s",
        f"{start + SECOND}..{start + 2 * SECOND}",
        "2026-01-01T00:00:01..2026-01-01 00:00:02Z",
    )
    for at, text in enumerate(ranges):
        target = tmp_path / f"{at}.evc"
        assert here("redact", path, target, "--range", text).status == 0
        with Reader(target) as reader:
            batch = reader.read()
        left.append(len(batch))
        assert not ((batch.t >= start + SECOND) & (batch.t < start + 2 * SECOND)).any()
    assert len(set(left)) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        (), ("--find-text", "x"), ("OUT", "--in-place", "--find-text", "x"), ("OUT",), ("OUT", "--range", "5"),
        ("OUT", "--range", "00:00:09..00:00:01"), ("OUT", "--range", "2026-99-01T00:00..+1s"), ("-", "--find-text", "x"),
        ("OUT", "--range", "2026-01-01T00:00..2026-01-02T00:00"), ("OUT", "--find-from", "no-such-file"),
    ],
)  # fmt: skip
def test_bad_usage_is_one_line_and_writes_nothing(tmp_path, arguments):
    path = play([("type", "x")]).write(tmp_path / "s.evc")
    given_arguments = [str(tmp_path / "out.evc") if one == "OUT" else one for one in arguments]
    done = here("redact", path, *given_arguments)
    assert done.status in (1, 2)
    assert done.err.count("\n") == 1
    assert sorted(item.name for item in tmp_path.iterdir()) == ["s.evc"]


# ---- personal data ----


def test_without_presidio_the_command_says_what_to_install(tmp_path):
    try:
        import presidio_analyzer  # noqa: F401

        pytest.skip("presidio-analyzer is installed")
    except ImportError:
        pass
    path = play([("type", "x")]).write(tmp_path / "s.evc")
    done = here("redact", path, tmp_path / "out.evc", "--personal-data")
    assert done.status != 0
    assert "pip install 'evcodec[review]'" in done.err


PERSONAL = (
    "write to jo.doe@example.org today",
    "card 4111 1111 1111 1111 ok",
    "to DE89370400440532013000 now",
    "call +44 20 7946 0958 soon",
)


@pytest.mark.parametrize("text", PERSONAL)
def test_personal_data_is_found_and_goes_without_a_network(tmp_path, monkeypatch, text):
    pytest.importorskip(
        "presidio_analyzer",
        reason="presidio-analyzer (with spaCy 400 MB) is not installed: pip install 'evcodec[review]'",
    )
    path = play([("type", text)]).write(tmp_path / "s.evc", [("window", {"title": text})])
    asked: list[Any] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **_: asked.append(arguments[0]) or [])
    result = redact(path, tmp_path / "out.evc", personal_data=True)
    assert asked == []
    assert (result.matches, result.strings) == (1, 1)
    left = searched((tmp_path / "out.evc").read_bytes())["raw"]
    first, last = text.split()[0], text.split()[-1]
    assert left.startswith(first)
    assert left.endswith(last)
    assert len(left) < len(text) - 10

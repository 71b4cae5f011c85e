"""What a stream states of its use is asked for where it is read: purposes exactly, and until when it may be kept. Looking
at it, checking it and erasing stay possible.
"""

from __future__ import annotations

import json
import os
import pickle
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from dataset_files import LATER_NS, made, put, stream, without_index
from evcodec import (
    EvcodecError,
    InvalidArgumentError,
    NotPermittedError,
    PurposeError,
    Reader,
    RetentionError,
    Writer,
    decode,
    open_dataset,
)
from evcodec.governance import common_governance, is_past_retention
from evcodec.stream import compact, repair, verify

PAST_NS = 10**18  # in September 2001
TRAINING = stream(made(30), governance={"purpose": "training", "retain_until_ns": LATER_NS})
SUPPORT = stream(made(30), governance={"purpose": "support"})
UNSTATED = stream(made(30))
EXPIRED = stream(made(30), governance={"purpose": "training", "retain_until_ns": PAST_NS})


def _piped(data: bytes) -> Any:
    """Return a pipe that gives these bytes."""
    source, target = os.pipe()

    def write() -> None:
        with open(target, "wb") as file:
            file.write(data)

    threading.Thread(target=write, daemon=True).start()
    return open(source, "rb")


def _read(data: bytes, way: str, tmp_path: Path, **options: Any) -> int:
    if way == "decode":
        return len(decode(data, **options))
    if way == "pipe":
        with _piped(data) as pipe, Reader(pipe, **options) as reader:
            return sum(map(len, reader.batches()))
    if way == "dataset":
        (tmp_path / "s.evc").write_bytes(data)
        return len(open_dataset(tmp_path / "s.evc", **options).read())
    with Reader(data, threads=2 if way == "threads" else 1, **options) as reader:
        return len(reader.read())


WAYS = pytest.mark.parametrize("way", ["bytes", "threads", "decode", "pipe", "dataset"])


@WAYS
@pytest.mark.parametrize(
    ("data", "purpose", "found"),
    [
        (TRAINING, "training", None),
        (TRAINING, ["support", "training"], None),
        (TRAINING, None, None),
        (UNSTATED, None, None),
        (UNSTATED, ["training", None], None),
        (TRAINING, {"support"}, "'training'"),
        (TRAINING, "Training", "'training'"),
        (TRAINING, "train", "'training'"),
        (TRAINING, "training ", "'training'"),
        (TRAINING, [None], "'training'"),
        (UNSTATED, "training", "none"),
        (UNSTATED, "None", "none"),
        (stream(made(30), governance={"purpose": "None"}), [None], "'None'"),
        (stream(made(30), governance={"purpose": " training"}), "training", "' training'"),
    ],
)
def test_another_purpose_is_refused(way, data, purpose, found, tmp_path):
    if found is None:
        assert _read(data, way, tmp_path, purpose=purpose) == 30
        return
    with pytest.raises(
        PurposeError, match=rf"purpose: found {found}, allowed: .*, as was asked for"
    ) as caught:
        _read(data, way, tmp_path, purpose=purpose)
    assert isinstance(caught.value, (NotPermittedError, InvalidArgumentError, EvcodecError))


@WAYS
def test_what_should_have_been_erased_is_refused(way, tmp_path):
    with pytest.raises(
        RetentionError, match=r"until 2001-09-09 01:46:40 UTC, which is past, allowed: to be erased"
    ):
        _read(EXPIRED, way, tmp_path)
    assert _read(EXPIRED, way, tmp_path, past_retention="allow") == 30
    assert _read(TRAINING, way, tmp_path) == 30
    with pytest.raises(PurposeError):  # one does not go for the other
        _read(EXPIRED, way, tmp_path, past_retention="allow", purpose="support")


@WAYS
@pytest.mark.parametrize("first", [TRAINING, without_index(TRAINING)], ids=["indexed", "walked"])
def test_every_stream_of_a_file_is_asked(way, first, tmp_path):
    match = ": stream 1: " if way == "dataset" else "^stream 1: "
    with pytest.raises(PurposeError, match=match):
        _read(first + SUPPORT, way, tmp_path, purpose="training")
    with pytest.raises(PurposeError, match=match):
        _read(first + UNSTATED, way, tmp_path, purpose="training")
    with pytest.raises(RetentionError, match=match):
        _read(first + EXPIRED + TRAINING, way, tmp_path)
    assert _read(first + SUPPORT, way, tmp_path, purpose=("training", "support")) == 60


def test_a_pipe_gives_what_came_before_and_nothing_of_what_is_refused():
    with _piped(TRAINING + SUPPORT) as pipe, Reader(pipe, purpose="training") as reader:
        batches = reader.batches()
        assert len(next(batches)) == 30
        with pytest.raises(PurposeError):
            next(batches)
    header_only = stream(made(0), governance={"retain_until_ns": PAST_NS})
    with _piped(TRAINING + header_only) as pipe, Reader(pipe) as reader, pytest.raises(RetentionError):
        list(reader.batches())


def test_damage_does_not_let_anything_through():
    damaged = bytearray(TRAINING + SUPPORT)
    damaged[len(TRAINING) + 20] ^= 1  # in the header of the second: nobody knows what it states
    with pytest.raises(PurposeError, match="found none"):
        Reader(bytes(damaged), on_error="skip", purpose="training")
    with Reader(bytes(damaged), on_error="skip") as reader:
        assert len(reader.read()) == 60
    with (
        _piped(bytes(damaged)) as pipe,
        Reader(pipe, on_error="skip", purpose="training") as reader,
        pytest.raises(PurposeError, match="found none"),
    ):
        reader.read()


def test_the_time_that_counts_is_that_of_opening(tmp_path):
    soon = time.time_ns() + 10**9
    path = put(tmp_path / "s.evc", made(30), governance={"retain_until_ns": soon})
    dataset = open_dataset(path)
    leaving_out = open_dataset(path, past_retention="skip")
    assert len(dataset.read()) == len(leaving_out.read()) == 30
    with Reader(path) as opened:
        while time.time_ns() <= soon:
            time.sleep(0.02)
        assert len(opened.read()) == 30
    with pytest.raises(RetentionError):
        Reader(path)
    with pytest.raises(RetentionError, match=r"s\.evc: stream 0"):
        dataset.read()
    assert len(leaving_out.read()) == 0
    assert [problem.path for problem in leaving_out.problems] == [str(path)]


@pytest.mark.parametrize(
    "options",
    [
        {"purpose": 7},
        {"purpose": []},
        {"purpose": ["a", 7]},
        {"purpose": b"training"},
        {"past_retention": "skip"},
        {"past_retention": True},
        {"past_retention": None},
    ],
)
def test_arguments_that_say_nothing(options):
    with pytest.raises(InvalidArgumentError, match=rf"{next(iter(options))}: found .*, allowed: ") as caught:
        Reader(TRAINING, **options)
    assert not isinstance(caught.value, NotPermittedError)


# ---- datasets ----


@pytest.fixture
def folder(tmp_path):
    for name, data in (("a", TRAINING), ("b", SUPPORT), ("c", UNSTATED), ("d", EXPIRED)):
        (tmp_path / f"{name}.evc").write_bytes(data)
    return tmp_path


@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_a_dataset_refuses_before_anything_is_read(folder, on_error):
    with pytest.raises(RetentionError, match=r"d\.evc: retention: "):
        open_dataset(folder, on_error=on_error)
    with pytest.raises(PurposeError, match=r"b\.evc: purpose: found 'support'"):
        open_dataset(folder, on_error=on_error, purpose="training", past_retention="allow")
    # What was chosen is what is asked.
    chosen = open_dataset(folder, on_error=on_error, where={"purpose": "support"}, purpose="support")
    assert [Path(file.path).name for file in chosen.files] == ["b.evc"]
    assert len(open_dataset(folder, past_retention="allow").files) == 4


def test_a_dataset_leaves_out_what_is_past(folder):
    dataset = open_dataset(folder, past_retention="skip")
    assert [Path(file.path).name for file in dataset.files] == ["a.evc", "b.evc", "c.evc"]
    (problem,) = dataset.problems
    assert problem.path.endswith("d.evc")
    assert "2001-09-09" in problem.message
    with pytest.raises(PurposeError):
        open_dataset(folder, past_retention="skip", purpose="training")


def test_where_and_purpose_are_one_test(folder):
    for asked in ("training", ["training", None], ["support", "training"], [None]):
        chosen = open_dataset(folder, where={"purpose": asked}, past_retention="allow")
        passing = []
        for path in sorted(folder.glob("*.evc")):
            try:
                Reader(path, purpose=asked, past_retention="allow").close()
            except PurposeError:
                continue
            passing.append(str(path))
        assert [file.path for file in chosen.files] == passing


def test_a_catalogue_keeps_no_decision(folder, tmp_path):
    pytest.importorskip("pyarrow")
    catalogue = tmp_path / "c.parquet"
    assert len(open_dataset(folder, catalogue=catalogue, past_retention="skip").files) == 3
    assert len(open_dataset(folder, catalogue=catalogue, past_retention="allow").files) == 4
    with pytest.raises(RetentionError):
        open_dataset(folder, catalogue=catalogue)


@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_workers_ask_too(folder, on_error):
    paths = [folder / "a.evc", folder / "b.evc"]
    dataset = open_dataset(paths, purpose=["training", "support"], on_error=on_error)
    (folder / "b.evc").write_bytes(stream(made(30), metadata={"longer": "x" * 99}))
    with pytest.raises(PurposeError, match=r"b\.evc: stream 0: purpose: found none"):
        pickle.loads(pickle.dumps(dataset)).read()


def test_ray_torch_and_polars_ask(folder):
    import ray_cluster  # noqa: F401  (settings that Ray reads when it is imported)

    pytest.importorskip("torch")
    pytest.importorskip("polars")
    pytest.importorskip("ray.data")
    from evcodec import scan_polars
    from evcodec.ray import read_evc
    from evcodec.torch import EventWindows

    for ask in (scan_polars, read_evc, lambda paths, **options: EventWindows(paths, 10, **options)):
        with pytest.raises(RetentionError, match=r"d\.evc"):
            ask(folder)
        with pytest.raises(PurposeError, match=r"b\.evc"):
            ask(folder, purpose="training", past_retention="skip")
    windows = EventWindows(folder, 10, past_retention="skip")
    assert windows.windows == 9
    assert [problem.path for problem in windows.problems] == [str(folder / "d.evc")]
    assert scan_polars(folder, past_retention="allow").collect().height == 120


def test_a_deadline_that_passes_while_windows_are_read(tmp_path):
    pytest.importorskip("torch")
    from evcodec.torch import EventWindows

    soon = time.time_ns() + 10**9
    put(tmp_path / "a.evc", made(30))
    put(tmp_path / "b.evc", made(30), governance={"retain_until_ns": soon})
    raising = EventWindows(tmp_path, 10)
    skipping = EventWindows(tmp_path, 10, past_retention="skip")
    while time.time_ns() <= soon:
        time.sleep(0.02)
    with pytest.raises(RetentionError, match=r"b\.evc"):
        list(raising)
    assert sum(len(batch["t"]) for batch in skipping) == 3
    assert [problem.path for problem in skipping.problems] == [str(tmp_path / "b.evc")]


def test_what_several_streams_state_in_common():
    training = {"purpose": "training", "retain_until_ns": 5, "notice_id": "n"}
    assert common_governance([("a", training), ("b", training | {"retain_until_ns": 3})]) == (
        training | {"retain_until_ns": 3}
    )
    assert common_governance([("a", training), ("b", {"purpose": "training", "notice_id": "n"})]) == training
    assert common_governance([]) == {}
    with pytest.raises(InvalidArgumentError, match="purpose: found 'training' in a and None in b"):
        common_governance([("a", training), ("b", {"notice_id": "n"})])


def test_when_retention_is_past():
    assert not is_past_retention({}, 2**62)
    assert not is_past_retention({"retain_until_ns": 7}, 7)
    assert is_past_retention({"retain_until_ns": 7}, 8)
    for until in (-(2**63), 0):
        with pytest.raises(RetentionError):
            decode(stream(made(1), governance={"retain_until_ns": until}))
    assert len(decode(stream(made(1), governance={"retain_until_ns": 2**63 - 1}))) == 1


# ---- what stays possible ----


def test_expired_streams_can_be_checked_repaired_and_appended_to(tmp_path):
    path = tmp_path / "s.evc"
    path.write_bytes(EXPIRED)
    assert verify(path).ok
    repair(path, tmp_path / "repaired.evc")
    compact(path, tmp_path / "small.evc")
    with Writer(path, mode="a") as writer:
        writer.move(10**9, 1, 1)
    for kept in (path, tmp_path / "repaired.evc", tmp_path / "small.evc"):
        with pytest.raises(RetentionError):  # what it states goes along
            Reader(kept)
        with Reader(kept, past_retention="allow") as reader:
            assert reader.governance["retain_until_ns"] == PAST_NS
            assert len(reader.read()) >= 30


# ---- the command line ----


def test_commands_that_give_events_away_ask(folder):
    pytest.importorskip("click")
    from running import here

    past, support = folder / "d.evc", folder / "b.evc"
    for command in (("cat", past), ("export", past, folder / "o.csv"), ("cat", past, "--json", "--entries")):
        done = here(*command)
        assert (done.status, done.text) == (1, "")
        assert "2001-09-09" in done.err
        assert "--past-retention" in done.err
        assert len(done.err.splitlines()) == 1
        assert here(*command, "--past-retention").status == 0
        assert here(*command, "--past-retention", "--purpose", "support").status in (1, 2)
    for command in (("cat", support), ("export", support, folder / "p.csv")):
        done = here(*command, "--purpose", "training")
        assert (done.status, done.text) == (1, "")
        assert f"{support}" in done.err
        assert "purpose: found 'support', allowed: 'training'" in done.err
        assert here(*command, "--purpose", "training", "--purpose", "support").status == 0
    assert not (folder / "x.csv").exists()
    # Of several inputs one that is refused does not stop the others.
    done = here("cat", past, folder / "a.evc", "--json")
    assert (done.status, len(done.text.splitlines())) == (1, 30)


def test_commands_that_look_and_keep_do_not_ask(folder):
    pytest.importorskip("click")
    from running import here

    past = folder / "d.evc"
    done = here("info", past)
    assert done.status == 0
    assert "past" in done.text
    found = json.loads(here("info", past, "--json").text)
    assert found["past_retention"] is True
    assert json.loads(here("info", folder / "a.evc", "--json").text)["past_retention"] is False
    assert here("verify", past).status == 0
    assert here("repair", past, folder / "r.evc").status == 0
    assert here("compact", past, folder / "k.evc").status == 0

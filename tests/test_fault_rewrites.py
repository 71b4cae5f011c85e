"""Merging on close, compact, repair and import that are killed or may not write: the old or the new stream is whole."""

from __future__ import annotations

import os
import random
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from evcodec import EventBatch, Reader, Writer
from evcodec.replacing import replacing
from evcodec.stream import verify
from faults_kills import POSIX, Notes, processes
from faults_rewrites import ACTIONS, action, killed_at_line, limited, prepare, write_and_close
from generators import assert_same, session

pytestmark = POSIX


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    found = tmp_path_factory.mktemp("prepared")
    prepare(found)
    return found


@pytest.fixture(scope="module")
def unnamed(folder) -> bool:
    """Whether new files have no name here, so that a process that is killed leaves none, but for one moment."""
    try:
        os.close(os.open(folder, os.O_TMPFILE | os.O_RDWR))
    except (AttributeError, OSError):
        return False
    return True


def _run(function: Any, *args: Any) -> int:
    process = processes().Process(target=function, args=args)
    process.start()
    process.join()
    status = process.exitcode
    process.close()
    return status


def _old(name: str, folder: Path) -> bytes:
    return (folder / ("small.evc" if name == "compact in place" else "old.evc")).read_bytes()


@cache
def _new(name: str, folder: Path) -> tuple[bytes, int]:
    """Return what an action writes when nothing happens to it, and how many lines it takes."""
    target = folder / f"{name}-whole.evc"
    target.write_bytes(_old(name, folder))
    assert _run(killed_at_line, name, folder, target, 0) == 0
    return target.read_bytes(), int(target.with_suffix(".lines").read_text())


def _events(path: Path) -> EventBatch:
    with Reader(path) as reader:
        return reader.read()


@pytest.mark.parametrize("name", ACTIONS)
def test_killed_at_a_line_of_its_code(name, folder, unnamed, tmp_path, tries, seed, record_property):
    """At each line of the modules that a new file goes through; in the quick form at some of them."""
    new, lines = _new(name, folder)
    old = _old(name, folder)
    chosen = sorted(
        random.Random(f"{seed}{name}").sample(range(1, lines + 1), min(lines, tries(quick=8, soak=10**6)))
    )
    left, replaced = 0, 0
    target = tmp_path / "target.evc"
    for number in chosen:
        target.write_bytes(old)
        assert _run(killed_at_line, name, folder, target, number) == -9
        found = target.read_bytes()
        if name == "merge":  # the old one is the live stream, which may not have its end yet
            report = verify(target)
            assert report.ok, (number, report.problems)
            assert_same(_events(target), EventBatch.concat([session(60, seed=n) for n in range(5)]))
        else:
            assert found in (old, new), number
        replaced += found == new
        others = [path for path in tmp_path.iterdir() if path != target]
        for other in others:
            assert not unnamed or other.read_bytes() == new, number
            other.unlink()
        left += len(others)
    assert not unnamed or left <= 9, "only at the few lines between the name and the place"
    record_property(
        f"{name} killed at lines of its code", f"{len(chosen)}; new {replaced}, hidden file left {left}"
    )


@pytest.mark.parametrize("name", ACTIONS)
def test_a_limit_within_each_write(name, folder, tmp_path, tries, record_property):
    """The old file stays and nothing is left beside it, however far the new one came."""
    new, _ = _new(name, folder)
    step = max(1, len(new) // tries(quick=6, soak=500))
    limits = [*range(0, len(new), step), len(new) - 1, len(new)]
    target = tmp_path / "target.evc"
    assert _run(limited, name, folder, target, _old(name, folder), limits) == 0
    found = (folder / f"{name}.limits").read_text().splitlines()
    assert len(found) == len(limits)
    for line in found[:-1]:
        _, ended, kept, others = line.split()
        assert ended != "done", line
        assert (kept, others) == ("old", "0"), line
    assert found[-1].split()[1:3] == ["done", "new"]
    record_property(f"{name} with a limit of file sizes", f"{len(limits)} limits")


def test_killed_at_any_moment_of_closing(unnamed, tmp_path, tries, seed, record_property):
    """All was flushed before close() began: whatever it was about to do, all is there, and can be appended to."""
    rng = random.Random(seed)
    blocks, span_ns, count = 40, 0, tries(quick=10, soak=400)
    truth = EventBatch.concat([session(500, seed=number) for number in range(blocks)])
    ended = {"not ended": 0, "ended": 0, "joined": 0}
    for number in range(count):
        path = tmp_path / f"{number}.evc"
        notes = Notes(tmp_path / "notes", 1)
        notes.slots[0] = notes.slots[1] = 0
        process = processes().Process(
            target=write_and_close, args=(str(path), str(tmp_path / "notes"), blocks)
        )
        process.start()
        while not notes.closing:
            assert process.exitcode is None
            time.sleep(0.0002)
        if number == 0:
            process.join()  # to know how long it takes
            span_ns = notes.closed - notes.closing
        else:
            time.sleep(rng.uniform(0, 1.1) * span_ns / 1e9)
            process.kill()
            process.join()
        process.close()
        notes.release()
        report = verify(path)
        assert (report.ok, report.events) == (True, len(truth)), report.problems
        ended["joined" if report.blocks == 1 else "ended" if report.complete else "not ended"] += 1
        assert_same(_events(path), truth)
        others = [other for other in tmp_path.iterdir() if other.name not in (path.name, "notes")]
        for other in others:
            assert not unnamed or verify(other).complete
            other.unlink()
        with Writer(path, mode="a") as writer:
            writer.write(session(3))
        assert verify(path).complete
        assert_same(_events(path), EventBatch.concat([truth, session(3)]))
        path.unlink()
    record_property(
        "kills during close()", f"{count - 1}: {', '.join(f'{n} {what}' for what, n in ended.items())}"
    )


def test_a_name_that_leaves_no_room(tmp_path):
    """A name as long as names may be can be replaced too."""
    path = tmp_path / ("ä" * 125 + ".evc")
    path.write_bytes(b"old")
    with replacing(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"
    assert [other.name for other in tmp_path.iterdir()] == [path.name]


def test_actions_are_what_they_seem(folder, tmp_path):
    """Each action writes another file than stood there, which is whole."""
    for name in ACTIONS:
        target = tmp_path / f"{name}.evc"
        target.write_bytes(_old(name, folder))
        action(name, folder, target)()
        assert verify(target).complete
        assert target.read_bytes() != _old(name, folder)
        assert target.read_bytes() == _new(name, folder)[0]

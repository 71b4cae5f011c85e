"""Two Writers on one file: the second one is refused, whoever it is, and the stream of the first stays as it is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evcodec import InvalidArgumentError, Reader, Writer
from evcodec.sources import import_file
from evcodec.stream import compact, repair, verify
from faults_files import POSIX, SLACK_S, run
from running import evcodec as command
from running import write_balabit


def _refused(call: Callable[[], Any], path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(
        InvalidArgumentError, match=r"found another Writer .*allowed: one Writer a file"
    ) as caught:
        call()
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("mode", ["w", "a"])
@pytest.mark.parametrize("name", ["s.evc", "link.evc", "hard.evc"])
def test_the_second_writer_is_refused(tmp_path, mode, name):
    path = tmp_path / "s.evc"
    with Writer(path) as writer:
        writer.move(1, 2, 3)
        writer.flush()
        other = tmp_path / name
        if name == "link.evc":
            other.symlink_to(path)
        elif name == "hard.evc":
            os.link(path, other)
        before = path.read_bytes()
        with pytest.raises(InvalidArgumentError, match=f"{name}: found another Writer"):
            Writer(other, mode=mode)
        assert path.read_bytes() == before
        writer.move(2, 3, 4)
    with Reader(path) as reader:
        assert reader.read().t.tolist() == [1, 2]
    with Writer(other, mode=mode) as writer:  # it is free
        writer.move(3, 4, 5)
    with Reader(other) as reader:
        assert reader.read().t.tolist() == [1, 2, 3][-1 if mode == "w" else 0 :]


def test_a_new_file_is_its_writers(tmp_path):
    path = tmp_path / "s.evc"
    with Writer(path, mode="x") as writer:
        _refused(lambda: Writer(path), path)
        with pytest.raises(FileExistsError):
            Writer(path, mode="x")
        writer.move(1, 2, 3)
    assert verify(path).events == 1


def test_a_writer_that_could_not_begin_leaves_no_lock(tmp_path):
    path = tmp_path / "s.evc"
    path.write_bytes(b"no stream")
    for _ in range(2):
        with pytest.raises(ValueError, match="found"):
            Writer(path, mode="a")
    assert path.read_bytes() == b"no stream"
    Writer(path).close()


REPLACING: dict[str, Callable[[Path, Path], Any]] = {
    "compact": lambda path, other: compact(other, path),
    "compact itself": lambda path, other: compact(path, path),
    "repair": lambda path, other: repair(other, path),
    "import": lambda path, other: import_file(write_balabit(other.with_suffix(".csv")), path),
}


@pytest.mark.parametrize("replace", REPLACING.values(), ids=REPLACING)
def test_a_file_that_is_being_written_is_not_replaced(tmp_path, replace):
    path, other = tmp_path / "s.evc", tmp_path / "o.evc"
    with Writer(other) as writer:
        writer.move(9, 9, 9)
    with Writer(path) as writer:
        writer.move(1, 2, 3)
        writer.flush()
        _refused(lambda: replace(path, other), path)
        writer.move(2, 3, 4)
    with Reader(path) as reader:
        assert reader.read().t.tolist() == [1, 2]
    assert not list(tmp_path.glob(".*"))
    replace(path, other)


def test_the_command_line_says_so(tmp_path):
    path = tmp_path / "s.evc"
    source = write_balabit(tmp_path / "b.csv")
    with Writer(path) as writer:
        writer.move(1, 2, 3)
        writer.flush()
        before = path.read_bytes()
        done = command("import", "--force", source, path)
        assert done.status in (1, 2)
        assert "another Writer" in done.err
        assert path.read_bytes() == before


def test_reading_needs_no_lock(tmp_path):
    path = tmp_path / "s.evc"
    with Writer(path) as writer:
        writer.move(1, 2, 3)
        writer.flush()
        with Reader(path) as reader:
            assert reader.read().t.tolist() == [1]
        assert verify(path).ok
        compact(path, tmp_path / "c.evc")


def test_devices_are_not_locked():
    with Writer(os.devnull) as one, Writer(os.devnull) as other:
        one.move(1, 2, 3)
        other.move(1, 2, 3)


# ---- other processes ----

HOLDER = """
import sys, time
from evcodec import Writer
writer = Writer(sys.argv[1], flush_interval_s=0.01)
writer.move(1, 2, 3)
writer.flush()
print("open", flush=True)
sys.stdin.readline()
"""


def test_a_writer_of_another_process(tmp_path):
    """It is refused while the other lives; when the other was killed the file is free at once."""
    path = tmp_path / "s.evc"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        for mode in ("w", "a"):
            _refused(lambda mode=mode: Writer(path, mode=mode), path)
        _refused(lambda: compact(path, path), path)
    finally:
        holder.kill()
        holder.communicate()
    with Writer(path, mode="a") as writer:
        writer.move(2, 3, 4)
    with Reader(path) as reader:
        assert reader.read().t.tolist() == [1, 2]


CHILD = """
import os, signal, sys, time
from evcodec import InvalidArgumentError, Writer
path = sys.argv[1]
writer = Writer(path)
writer.move(1, 2, 3)
child = os.fork()
if not child:
    try:
        writer.close()
        try:
            Writer(path, mode="a")     # the parent's still
            os._exit(3)
        except InvalidArgumentError as error:
            assert "another Writer" in str(error)
        print("child is here", flush=True)
        time.sleep(120)
    finally:
        os._exit(4)
if sys.argv[2] == "closes":
    sys.stdin.readline()
    writer.close()
    with Writer(path, mode="a") as again:   # though a child lives that inherited the first one
        again.move(2, 3, 4)
    os.kill(child, signal.SIGKILL)
else:
    print(child, flush=True)
    time.sleep(120)
"""


@POSIX
@pytest.mark.parametrize("end", ["closes", "is killed"])
def test_a_child_does_not_hold_its_parents_file(tmp_path, end):
    path = tmp_path / "s.evc"
    parent = subprocess.Popen(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", CHILD, str(path), end],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert parent.stdout is not None
        assert parent.stdin is not None
        lines = sorted(parent.stdout.readline().strip() for _ in range(1 if end == "closes" else 2))
        assert lines[-1] == "child is here"
        if end == "closes":
            parent.stdin.write("\n")
            parent.stdin.flush()
            assert parent.wait(SLACK_S) == 0
            with Reader(path) as reader:
                assert reader.read().t.tolist() == [1, 2]
            return
        time.sleep(0.5)  # the parent has flushed by itself
        parent.kill()
        parent.wait()
        with Writer(path, mode="a") as writer:
            writer.move(2, 3, 4)
        os.kill(int(lines[0]), signal.SIGKILL)
    finally:
        parent.kill()
        parent.wait()
        parent.stdin.close()
        parent.stdout.close()
    with Reader(path) as reader:
        assert reader.read().t.tolist() == [1, 2]


# Each process opens, appends, merges and closes as often as it can; who is refused tries again.
CONTENDER = """
import sys, time, warnings
from evcodec import InvalidArgumentError, Writer
warnings.simplefilter("error")
path, own, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
done = refused = 0
while done < rounds:
    try:
        writer = Writer(path, mode="a")
    except InvalidArgumentError as error:
        assert "another Writer" in str(error), error
        refused += 1
        time.sleep(0.0005)
        continue
    for part in range(3):
        writer.move(done * 10 + part, own, part)
        writer.flush()
    writer.close()   # which joins the small blocks, and replaces the file
    done += 1
print(refused)
"""


@POSIX
def test_writers_that_contend_lose_nothing(tmp_path, tries):
    """Also in the instants in which one of them replaces the file by that with its blocks joined."""
    path = tmp_path / "s.evc"
    rounds = tries(quick=8, soak=150)
    outs: list[str] = []
    workers = [
        threading.Thread(target=lambda own=own: outs.append(run(CONTENDER, path, own, rounds, timeout=3600)))
        for own in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(outs) == 3
    assert sum(map(int, outs)) > 0
    print(f"{3 * rounds} Writers, {sum(map(int, outs))} refused")
    report = verify(path)
    assert (report.ok, report.complete) == (True, True)
    with Reader(path) as reader:
        batch = reader.read()
    for own in range(3):
        assert batch[batch.x == own].t.tolist() == [
            10 * done + part for done in range(rounds) for part in range(3)
        ]


NO_LOCKS = """
import errno, fcntl, sys
number = int(sys.argv[2])
real = fcntl.flock
def flock(*args):   # a file system without locks, which few machines have
    raise OSError(number, "no locks here")
fcntl.flock = flock
from evcodec import Writer
from evcodec.stream import compact
with Writer(sys.argv[1]) as writer:
    for t in range(3):
        writer.move(t, 0, 0)
        writer.flush()
compact(sys.argv[1], sys.argv[1])
"""


@POSIX
@pytest.mark.parametrize("name", ["ENOLCK", "EOPNOTSUPP", "ENOSYS", "EINVAL"])
def test_a_file_system_without_locks_is_gone_on_without(tmp_path, name):
    import errno

    run(NO_LOCKS, tmp_path / "s.evc", getattr(errno, name))
    assert verify(tmp_path / "s.evc").events == 3


@POSIX
@pytest.mark.parametrize("mode", ["w", "a"])
def test_a_link_to_nothing_yet(tmp_path, mode):
    """What it leads to is made, as by any program that writes to it."""
    link = tmp_path / "link.evc"
    link.symlink_to("there.evc")
    for _ in range(2):
        with Writer(link, mode=mode) as writer:
            writer.move(1, 1, 1)
    with Reader(tmp_path / "there.evc") as reader:
        assert link.is_symlink()
        assert len(reader) == (1 if mode == "w" else 2)


@POSIX
def test_a_link_to_itself(tmp_path):
    link = tmp_path / "link.evc"
    link.symlink_to(link)
    with pytest.raises(OSError, match="symbolic links"):
        Writer(link, mode="a")

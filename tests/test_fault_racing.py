"""Readers beside a live writer: each sees the first events of the truth, more each time, and nothing else."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evcodec import Reader, TruncatedDataError
from evcodec.stream import verify
from faults_kills import ENTRY_EVERY, POSIX, Live, Notes, check_prefix, expected, processes, write_live

pytestmark = POSIX

SLACK_S = 60
COLUMNS = ("t", "kind", "x", "y", "code", "dy")


@contextmanager
def _writing(path: Path, **options: Any) -> Iterator[tuple[Live, Any, Notes]]:
    """Give a writer that has begun in a process of its own."""
    job = Live(str(path), str(path) + ".notes", entries=True, **options)
    notes = Notes(job.notes, job.events)
    process = processes().Process(target=write_live, args=(job,))
    process.start()
    yield job, process, notes
    process.join(SLACK_S)
    assert process.exitcode == 0
    process.close()
    notes.release()


def _check(reader: Reader, rate: int) -> int:
    """Check what a reader gives of a stream that grows; return the number of events."""
    at, truth, markers = 0, None, []
    try:
        for batch in reader.batches():
            truth = expected(at + len(batch), rate)[at:]
            for name in COLUMNS:
                np.testing.assert_array_equal(batch[name], truth[name], err_msg=name)
            at += len(batch)
        markers = reader.markers
    except TruncatedDataError:
        pass  # it met a record that was being written
    assert [m.position for m in markers] == [ENTRY_EVERY * i for i in range(len(markers))]
    return at


@pytest.mark.parametrize("rate", [1_000, 8_000])
def test_a_file_that_grows(rate, tries, seed, tmp_path, record_property):
    """It is opened again and again, from its first byte to the moment when the joined file takes its place."""
    rng = random.Random(seed)
    reads, joined = 0, 0
    with _writing(tmp_path / "s.evc", rate=rate, events=int(rate * tries(quick=1, soak=60)), merge=True) as (
        job,
        process,
        notes,
    ):
        path, seen = Path(job.path), {"raise": 0, "skip": 0, "verify": 0}
        while not path.exists() or not path.stat().st_size:
            time.sleep(0.001)
        held = Reader(path)
        while not notes.closed:
            how = rng.choice(list(seen))
            if how == "verify":
                report = verify(path)
                found = report.events
                assert all("then the data ended" in problem.message for problem in report.problems), (
                    report.problems
                )
                joined += report.complete
            else:
                with Reader(path, on_error=how, threads=rng.choice((1, 1, 2))) as reader:
                    found = _check(reader, rate)
            appended = len(notes.stamps())
            assert found >= seen[how], "what was there once is there"
            assert found <= appended + 1, (found, appended)  # one may be appended and not noted yet
            seen[how] = found
            reads += 1
            assert process.exitcode is None or notes.closed
        # A reader that was opened before goes on with the file that it opened.
        with held:
            _check(held, rate)
    assert check_prefix(path, rate, True) == job.events
    assert verify(path).complete
    record_property(f"reads of a growing file, {rate} Hz", f"{reads}, of them {joined} of an ended one")


@pytest.mark.parametrize("rate", [1_000, 8_000])
def test_a_pipe_that_grows(rate, tries, tmp_path):
    """Each block is given when it has come, long before the stream ends."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with _writing(fifo, rate=rate, events=rate * tries(quick=1, soak=20)) as (job, _, notes):
        before_the_end, at = 0, 0
        with Reader(fifo) as reader:
            for batch in reader.batches():
                truth = expected(at + len(batch), rate)[at:]
                for name in COLUMNS:
                    np.testing.assert_array_equal(batch[name], truth[name], err_msg=name)
                at += len(batch)
                before_the_end += not notes.closing
            assert len(reader) == at == job.events
            assert len(reader.markers) == -(-job.events // ENTRY_EVERY)
        assert before_the_end >= 2

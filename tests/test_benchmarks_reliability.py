"""Damage beside peers: what the tables say was tried on real files, and a reader that lies is found out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import numpy as np

from evcodec import EventBatch, encode
from evcodec.sample import sample_session

ROOT = Path(__file__).resolve().parents[1]
# Peers that the tests have anyway.
TRIED = ("evcodec", "Parquet, checksums", "Arrow IPC stream", "mcap, CRCs, small chunks")


def changed(batch: EventBatch, name: str, at: int, by: int = 1) -> EventBatch:
    """Return a batch in which one value is another one."""
    values = batch[name].copy()
    values[at] ^= by
    return EventBatch(**{**batch.columns, name: values})


def test_the_command_tries_real_files_of_real_peers(benchmarks, tmp_path):
    command = [sys.executable, "-m", "benchmarks.reliability", "--amount", "tiny", "--no-fill"]
    chosen = [word for name in TRIED for word in ("--only", name)]
    done = subprocess.run(
        [*command, *chosen, "--out", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "reliability.json").read_text())
    tried = Counter((row["format"], row["fault"]) for row in found["damage"])
    assert tried == {
        (name, fault): 8 if fault == "flip" else 3
        for name in TRIED
        for fault in ("flip", "burst", "page", "cut")
    }
    ours = [row for row in found["damage"] if row["format"] == "evcodec"]
    assert {row["outcome"] for row in ours if row["fault"] != "cut"} == {"detected"}
    assert {row["outcome"] for row in ours} <= {"detected", "missing"}  # a cut between two records is none
    assert sum(row["wrong"] for row in ours) == 0
    left = {row["right"] for row in ours if row["fault"] == "flip"}
    assert left <= {0, 512}  # one block: all of it or none
    silent = [
        row for row in found["damage"] if row["format"] == "Arrow IPC stream" and row["fault"] == "flip"
    ]
    assert "changed" in {row["outcome"] for row in silent}  # it has no checksums: the tries do hit values
    (kill,) = (row for row in found["kills"] if row["format"] == "evcodec")
    assert kill["events"] > 200
    assert kill["wrong"] == 0
    (kill,) = (row for row in found["kills"] if row["format"] == "Parquet, checksums")
    assert (kill["outcome"], kill["right"]) == ("detected", 0)  # its footer was never written
    written = (tmp_path / "reliability.md").read_text()
    assert all(name in written for name in TRIED)
    lines = (tmp_path / "reliability-damage.csv").read_text().splitlines()
    assert len(lines) == 1 + len(found["damage"])


def test_wrong_values_without_an_error_are_silent(benchmarks):
    judge = benchmarks("reliability.trial").judge
    batch = sample_session(500)
    assert judge(batch, sample_session(500)).outcome == "harmless"
    wide = EventBatch(**{name: values.astype(np.int64) for name, values in batch.columns.items()})
    assert judge(batch, wide).outcome == "harmless"  # a peer may give another dtype
    for name in batch.columns:
        found = judge(batch, changed(batch, name, 250))
        assert (found.outcome, found.right, found.wrong) == ("changed", 499, 1)
    found = judge(batch, batch[:400])
    assert (found.outcome, found.right, found.wrong) == ("missing", 400, 0)
    found = judge(batch, EventBatch.concat([batch[100:], batch[:100]]))
    assert (found.outcome, found.right, found.wrong) == ("changed", 500, 0)
    found = judge(batch, EventBatch.concat([batch, batch[:1]]))
    assert (found.outcome, found.right, found.wrong) == ("changed", 500, 0)


def test_events_are_counted_by_what_they_hold(benchmarks):
    tally = benchmarks("reliability.trial").tally
    batch = sample_session(100)
    assert tally(batch, []) == (0, 0)
    assert tally(batch, [batch[90:], batch[:50], batch[40:60]]) == (70, 0)
    assert tally(batch, [changed(batch, "y", 5)[:10], batch[:5]]) == (9, 1)


def test_errors_are_seen_and_panics_are_crashes(benchmarks):
    strict = benchmarks("reliability.trial")._strict
    batch = sample_session(10)

    class Panic(BaseException):
        pass

    def fails(error: BaseException):
        def read(path: Path) -> EventBatch:
            raise error

        return read

    assert strict(batch, lambda path: batch, Path()).outcome == "harmless"
    assert strict(batch, fails(ValueError("checksum")), Path()).outcome == "detected"
    assert strict(batch, fails(Panic()), Path()).outcome == "crash"


def test_a_reader_that_hangs_or_dies_is_a_crash_and_the_next_try_is_made(benchmarks, tmp_path):
    trial = benchmarks("reliability.trial")
    batch = sample_session(50)
    whole, stuck = tmp_path / "whole", tmp_path / "stuck"
    whole.write_bytes(encode(batch))
    os.mkfifo(stuck)  # opening it to read waits for a writer
    with trial.Prober("evcodec", batch, b"", tmp_path, seconds=3) as prober:
        assert prober.ask((str(whole), 50)).outcome == "harmless"
        verdict = prober.ask((str(stuck), 50))
        assert verdict.outcome == "crash"
        assert "no answer" in verdict.said
        assert prober.ask((str(whole), 50)).outcome == "harmless"
        killer = threading.Timer(0.2, os.kill, (prober.process_id, signal.SIGSEGV))
        killer.start()
        verdict = prober.ask((str(stuck), 50))
        killer.join()
        assert (verdict.outcome, verdict.said) == ("crash", f"exit status {-signal.SIGSEGV}")
        assert prober.ask((str(whole), 50)).outcome == "harmless"


def test_faults_are_what_they_say_and_the_same_for_a_seed(benchmarks):
    faults = benchmarks("reliability.faults").faults
    data = encode(sample_session(20_000))
    for kind, most in (("flip", 1), ("burst", 64), ("page", 4096)):
        drawn = list(faults(kind, data, 50, "seed"))
        assert drawn == list(faults(kind, data, 50, "seed")) != list(faults(kind, data, 50, "other"))
        assert len({fault.at for fault in drawn}) > 3
        for fault in drawn:
            damaged = fault.apply(data)
            differ = np.flatnonzero(np.frombuffer(damaged, np.uint8) != np.frombuffer(data, np.uint8))
            assert len(damaged) == len(data)
            assert 1 <= len(differ) <= most
            assert differ[-1] - differ[0] < most
            if kind == "flip":
                assert (damaged[differ[0]] ^ data[differ[0]]).bit_count() == 1
            if kind == "page":
                assert fault.at % 4096 == 0
                assert not any(damaged[fault.at : fault.at + 4096])
    for fault in faults("cut", data, 50, "seed"):
        assert fault.apply(data) == data[: fault.at]


def test_the_document_has_the_places_that_are_filled(benchmarks):
    shown = benchmarks("reliability.show")
    found = {"machine": {}, "events": 1, "sizes": {}, "damage": [], "kills": []}
    marked = {name: f"<{name}>" for name in shown.tables(found)}
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    filled = benchmarks("fill").filled(text, marked)
    assert all(mark in filled for mark in marked.values())
    assert text.count("<!-- bench:") == len(marked)
    assert (ROOT / "docs" / "img" / "reliability.svg").exists()

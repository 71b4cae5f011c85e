"""Stand-ins around the recorder's loop: a source that reads a real pipe, a gate that is open, an indicator that says little."""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np

from evcodec import EventBatch, GapReason, Writer
from evcodec.capture.clock import now_t
from evcodec.capture.gate import GateState, Recording
from evcodec.capture.model import InputEvents, Observed
from evcodec.capture.passed import Passed, PassedDevice, PassedEvents, PassedGap
from evcodec.capture.recorder import record
from evcodec.capture.recorder_loop import CALM_WAKE_EVERY_NS, Loop, StopSignals
from evcodec.capture.recorder_output import Output
from evcodec.capture.recorder_session import Session

ROW = struct.Struct("=qqq")


class PipeSource:
    """Events of a pipe, as rows of t, x and y."""

    name = "pipe"

    def __init__(self, fd: int) -> None:
        self._fd = os.dup(fd)
        self.reads = 0
        self.rows = 0
        os.set_blocking(fd, False)  # of the pipe, whichever descriptor

    def fileno(self) -> int:
        return self._fd

    def read(self, now_t: int) -> list[Observed]:
        self.reads += 1
        try:
            data = os.read(self._fd, ROW.size * 2_000)
        except BlockingIOError:
            return []
        rows = np.frombuffer(data, "=i8").reshape(-1, 3)
        if not len(rows):
            return []
        count = len(rows)
        self.rows += count
        return [
            InputEvents(
                batch=EventBatch(
                    t=rows[:, 0].copy(),
                    kind=np.zeros(count, np.uint8),
                    x=rows[:, 1].astype(np.int32),
                    y=rows[:, 2].astype(np.int32),
                    source=np.ones(count, np.uint16),
                )
            )
        ]

    def next_read_t(self) -> int | None:
        return None

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class OpenGate:
    """Passes all input at once, unless it is blocked; notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self._passed: list[Passed] = [PassedDevice(id=1, name="pipe", properties={"absolute": True})]
        self._blocked: dict[GapReason, int] = {}
        self.fails_at: int | None = None
        self._events = 0

    def observe(self, observed: Observed) -> None:
        if isinstance(observed, InputEvents) and not self._blocked:
            held = observed.batch.x.tolist()
            self._events += len(held)
            if self.fails_at is not None and self._events >= self.fails_at:
                raise ValueError(f"a failure that tells what is held: {held}")
            self._passed.append(PassedEvents(batch=observed.batch))

    def pause(self, t: int) -> None:
        self.block(GapReason.PAUSED, t)

    def resume(self, t: int) -> None:
        self.unblock(GapReason.PAUSED, t)

    def block(self, reason: GapReason, t: int, since_t: int | None = None) -> None:
        self.told.append(("block", reason))
        self._blocked.setdefault(reason, t if since_t is None else since_t)

    def unblock(self, reason: GapReason, t: int) -> None:
        self.told.append(("unblock", reason))
        self._passed.append(PassedGap(reason=reason, t0=self._blocked.pop(reason), t1=t))

    def suspended(self, t0: int, t1: int) -> None:
        self.told.append(("suspended", t0, t1))
        self._passed.append(PassedGap(reason=GapReason.SUSPENDED, t0=t0, t1=t1))

    holds_keys = False

    def question(self, now_t: int) -> str | None:
        return None

    def release(self, now_t: int) -> list[Passed]:
        passed, self._passed = self._passed, []
        return passed

    def wake_t(self) -> int | None:
        return 0 if self._passed else None

    def state(self, now_t: int) -> GateState:
        if GapReason.PAUSED in self._blocked:
            return GateState(recording=Recording.PAUSED, reason=GapReason.PAUSED)
        return GateState(recording=Recording.RECORDING, application="/usr/bin/editor")

    def finish(self, t: int) -> list[Passed]:
        for reason in [*self._blocked]:
            self.unblock(reason, t)
        return self.release(t)


class QuietIndicator:
    """Says what it is told to say, and notes what it is to show."""

    is_visible = True

    def __init__(self) -> None:
        self.reports: list[Any] = []
        self.shown: list[tuple[Any, str]] = []
        self.beats_ns: int | None = None

    def read(self, now_t: int) -> list[Any]:
        reports, self.reports = self.reports, []
        return reports

    def next_read_t(self) -> int | None:
        if self.reports:
            return 0
        return None if self.beats_ns is None else now_t() + self.beats_ns

    def show(self, state: Any, detail: str = "") -> None:
        self.shown.append((state, detail))


class Stage:
    """A recording of a pipe into a file, ready to run."""

    def __init__(self, path: Path, fd: int, *, seconds: float | None = None, **options: Any) -> None:
        clocks = {"clocks": options.pop("clocks")} if "clocks" in options else {}
        self.said: list[str] = []
        self.gate, self.indicator = OpenGate(), QuietIndicator()
        self.writer = Writer(
            path, **{"flush_interval_s": 0.05, "on_full": "drop", "level": "fast", **options}
        )
        self.output = Output(self.writer, self._trouble)
        self.stop = StopSignals()
        until_t = None if seconds is None else now_t() + int(seconds * 1e9)
        self.session = Session(
            self.gate, self.output, self.indicator, None, say=self.said.append, until_t=until_t, **clocks
        )  # type: ignore[arg-type]
        self.source = PipeSource(fd)
        self.loop = Loop(
            self.session, [self.source], [(self.stop, self._stopped)], calm_wake_every_ns=CALM_WAKE_EVERY_NS
        )

    def _trouble(self, message: str) -> None:
        self.said.append(message)
        self.session.trouble("trouble")

    def _stopped(self) -> None:
        self.stop.drain()
        self.session.end("stopped")

    def run(self) -> None:
        try:
            record(self.loop, self.session, self.output, self.stop, [self.source])
        finally:
            self.stop.close()


def main() -> None:
    """Record stdin into a file until a signal comes; say when it runs, and what was recorded."""
    stage = Stage(Path(sys.argv[1]), 0)
    print("runs", flush=True)
    stage.run()
    print(stage.output.events, stage.session.ended)


if __name__ == "__main__":
    main()

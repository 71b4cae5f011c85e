"""Record a short session event by event, then look at it: python examples/record_and_read.py [PATH]"""

import sys
import time
from pathlib import Path

from evcodec import EventKind, GapReason, Reader, Writer


def record(path: Path) -> None:
    """Write what a capture agent would: here a made-up drag and a key, in an agreed application."""
    with Writer(path, metadata={"task": "example"}, governance={"purpose": "documentation"}) as writer:
        start = time.monotonic_ns()
        writer.anchor(start, time.time_ns())
        mouse = writer.source("mouse", scale_exponent=0)
        window = writer.context("window", {"app": "notes", "title": "Untitled"})
        writer.event(EventKind.CONTEXT, start, code=window, source=mouse)
        writer.button(start + 1_000_000, 1, True, 100, 100)
        for step in range(250):
            writer.move(start + (step + 2) * 1_000_000, 100 + step, 100 + step // 2)
        writer.button(start + 260_000_000, 1, False, 349, 224)
        writer.key(start + 900_000_000, 30, True)
        writer.key(start + 980_000_000, 30, False)
        # What was not recorded is said, with its reason.
        writer.gap(GapReason.NOT_LISTED, start + 1_000_000_000, start + 5_000_000_000)


def show(path: Path) -> None:
    """Print statistics of the stream."""
    with Reader(path) as reader:
        drag = reader.read(columns=("t", "x", "y"), kinds=(EventKind.MOVE,))
        seconds = (int(drag.t[-1]) - int(drag.t[0])) / 1e9
        print(f"{len(reader)} events in {path.stat().st_size} bytes, {len(drag)} moves in {seconds:.2f} s")
        print(f"the pointer went from ({drag.x[0]}, {drag.y[0]}) to ({drag.x[-1]}, {drag.y[-1]})")
        for gap in reader.gaps:
            print(
                f"nothing recorded for {(gap.t1 - gap.t0) / 1e9:.1f} s: {GapReason(gap.reason).name.lower()}"
            )


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "example.evc")
    record(target)
    show(target)

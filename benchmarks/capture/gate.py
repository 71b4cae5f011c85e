"""What the gate costs by itself: µs of processor a round, of a mouse at 1 kHz and at 8 kHz in a listed application.

python -m benchmarks.capture.gate
"""

from __future__ import annotations

import time

import numpy as np

from benchmarks.tables import markdown
from evcodec import EventBatch
from evcodec.capture.gate import Gate
from evcodec.capture.model import (
    INPUT_COLUMNS,
    Application,
    InputEvents,
    PointerEntered,
    Window,
    WindowFocused,
)
from evcodec.capture.policy import ApplicationRule, Keys, Policy
from evcodec.schema import STANDARD_COLUMNS, ColumnGroup

ROUND = 8_000_000
ROUNDS = 5_000
TRIES = 5


def batches(events: int) -> list[EventBatch]:
    """Return a batch of motions for each round."""
    found = []
    for at in range(1, ROUNDS + 1):
        columns = {name: np.zeros(events, STANDARD_COLUMNS[name].dtype) for name in INPUT_COLUMNS}
        columns["t"] = at * ROUND + np.linspace(0, ROUND - 1, events).astype(np.int64)
        found.append(EventBatch(**columns))
    return found


def microseconds(events: int) -> float:
    """Return what a round costs: observe, question, release."""
    application = Application(executable="/usr/bin/editor", pid=1)
    rule = ApplicationRule(executables=("/usr/bin/editor",), pointer=True, keys=Keys.FULL)
    policy = Policy(digest="", purpose="", notice_id="", groups=frozenset(ColumnGroup), applications=(rule,))
    gate = Gate(policy, 0, title_key=bytes(32))
    gate.observe(WindowFocused(t=0, window=Window(id=1, application=application)))
    gate.observe(PointerEntered(t=0, application=application))
    given = batches(events)
    passed = 0
    start = time.process_time()
    for at, batch in enumerate(given, 2):
        gate.observe(InputEvents(batch=batch))
        gate.question(at * ROUND)
        passed += len(gate.release(at * ROUND))
    taken = time.process_time() - start
    assert passed > ROUNDS * 0.99
    return taken / ROUNDS * 1e6


def main() -> None:
    rows = []
    for rate in (1_000, 8_000):
        best = min(microseconds(rate // 125) for _ in range(TRIES))
        rows.append([f"{rate:,}", f"{rate // 125}", f"{best:.1f}", f"{best * 125 / 1e4:.2f}"])
    print(
        markdown(
            ["events a second", "events a round", "µs a round", "% of a core, 125 rounds a second"], rows
        )
    )


if __name__ == "__main__":
    main()

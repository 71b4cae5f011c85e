"""What recording costs: the whole recorder process on a virtual desktop, driven at the rates of mice.

python -m benchmarks.capture                 1 kHz and 8 kHz, 30 s each
python -m benchmarks.capture --quick         5 s each
python -m benchmarks.capture --naive         beside pynput and JSON lines
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys

from benchmarks.capture.measure import naive, recorder
from benchmarks.capture.stage import Stage, missing
from benchmarks.tables import markdown

# Rate -> percent of a core.
GOALS = {1_000: 2.0, 8_000: 5.0}
LATE_MS = 500
COLUMNS = tuple(
    "what rate sent kept cpu_percent idle_cpu_percent late_median_ms late_worst_ms memory_mib bytes_an_event".split()
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--naive", action="store_true")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--rate", type=int, action="append")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if absent := missing():
        print(f"needs {', '.join(absent)}", file=sys.stderr)
        return 1
    seconds = given.seconds or (5.0 if given.quick else 30.0)
    rows = []
    for rate in given.rate or GOALS:
        ways = [recorder]
        if given.naive and importlib.util.find_spec("pynput"):
            ways.append(naive)
        for way in ways:
            with Stage() as stage:
                rows.append(way(stage, rate, seconds, lambda what: print(what, file=sys.stderr)))
    if given.json:
        print(json.dumps(rows, indent=1))
    else:
        print(
            markdown(
                [name.replace("_", " ") for name in COLUMNS],
                [[_cell(row.get(name)) for name in COLUMNS] for row in rows],
            )
        )
    for row in rows:
        if row["what"] == "evcodec record" and row["rate"] in GOALS:
            met = (
                row["cpu_percent"] <= GOALS[row["rate"]],
                row["kept"] == row["sent"],
                (row["late_worst_ms"] or 0) <= LATE_MS,
            )
            print(
                f"{row['rate']} Hz: cpu {_word(met[0])}, all events {_word(met[1])}, durable in time {_word(met[2])}"
            )
    return 0


def _cell(value: object) -> str:
    return "–" if value is None else f"{value:,}" if isinstance(value, (int, float)) else str(value)


def _word(is_met: bool) -> str:
    return "met" if is_met else "MISSED"


if __name__ == "__main__":
    sys.exit(main())

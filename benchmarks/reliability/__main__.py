"""Damage, cut and kill evcodec's files and those of its peers, and say what came of it.

python -m benchmarks.reliability                  all of it, in about 15 minutes; fills docs/reliability.md
python -m benchmarks.reliability --quick          in a minute, fewer tries; fills nothing
python -m benchmarks.reliability --only evcodec --only Parquet --seed 7
python -m benchmarks.reliability --show benchmarks/results/reliability.json   without measuring
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from pathlib import Path

from benchmarks.fill import fill
from benchmarks.reliability.formats import FORMATS
from benchmarks.reliability.measure import AMOUNTS, measure
from benchmarks.reliability.show import tables, write_csv

ROOT = Path(__file__).resolve().parents[2]
PICTURE = "reliability.svg"


def main(arguments: list[str] | None = None) -> int:
    """Measure, write, print; return an exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.reliability",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_const", dest="amount", const="quick", help="fewer tries")
    parser.add_argument("--amount", choices=list(AMOUNTS), default="full", help="how much is tried")
    parser.add_argument("--only", action="append", choices=list(FORMATS), help="a format; may be given again")
    parser.add_argument("--seed", default="1", help="what places and moments are drawn from")
    parser.add_argument("--show", type=Path, help="do not measure: show this run")
    parser.add_argument("--fill", action=argparse.BooleanOptionalAction, help="fill the document or leave it")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "benchmarks" / "results", help="folder for what is found"
    )
    parser.set_defaults(amount="full")
    given = parser.parse_args(arguments)
    out: Path = given.out
    out.mkdir(parents=True, exist_ok=True)
    raw = given.show or out / "reliability.json"
    if not given.show:
        began = time.monotonic()

        def say(what: str) -> None:
            print(f"{time.monotonic() - began:5.0f} s  {what}", file=sys.stderr)

        found = measure(given.only or list(FORMATS), AMOUNTS[given.amount], given.seed, say)
        raw.write_text(json.dumps(found), encoding="utf-8")
    found = json.loads(raw.read_text(encoding="utf-8"))
    made = tables(found)
    write_csv(found, out)
    text = "\n\n".join(made.values())
    (out / "reliability.md").write_text(f"# Beside other formats\n\n{text}\n", encoding="utf-8")
    try:
        from benchmarks.reliability.picture import draw

        draw(found, out / PICTURE)
    except ImportError as error:
        print(f"no picture: {error}", file=sys.stderr)
    if given.fill if given.fill is not None else given.amount == "full" and not given.only:
        fill(ROOT / "docs" / "reliability.md", made)
        shutil.copyfile(out / PICTURE, ROOT / "docs" / "img" / PICTURE)
    print(f"{text}\n\n{os.path.relpath(out)}: reliability.json, reliability.md, reliability-*.csv, {PICTURE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The jobs of training and ETL, out of evcodec and out of Parquet and OWAMcap.

python -m benchmarks.pipelines                  all of it, in about 20 minutes; fills docs/pipelines.md
python -m benchmarks.pipelines --quick          in two minutes; fills nothing
python -m benchmarks.pipelines --only files --only small RECORDING...
python -m benchmarks.pipelines --show benchmarks/results/pipelines.json   without measuring
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.fill import fill
from benchmarks.pipelines.data import AMOUNTS
from benchmarks.pipelines.measure import file_jobs, machine, owamcap_jobs, small_jobs
from benchmarks.pipelines.show import tables
from benchmarks.recordings import SAMPLE, SHARED

ROOT = Path(__file__).resolve().parents[2]
Jobs = Callable[..., Iterable[dict[str, Any]]]


def _torch(*arguments: Any) -> Iterable[dict[str, Any]]:
    from benchmarks.pipelines.loading import torch_jobs

    return torch_jobs(*arguments)


def _ray(*arguments: Any) -> Iterable[dict[str, Any]]:
    from benchmarks.pipelines.cluster import ray_jobs

    return ray_jobs(*arguments)


KINDS: dict[str, Jobs] = {
    "files": file_jobs,
    "small": small_jobs,
    "owamcap": owamcap_jobs,
    "torch": _torch,
    "ray": _ray,
}
# What takes minutes is done with the first recording.
ONE = {"small", "ray"}
# The recordings with most events; the others are single sessions.
RECORDINGS = ("balabit", "sapimouse")


def _recordings(given: list[str]) -> list[str]:
    here = [str(SHARED / f"{name}.npz") for name in RECORDINGS if (SHARED / f"{name}.npz").exists()]
    return given or here or [SAMPLE]


def main(arguments: list[str] | None = None) -> int:
    """Measure, write, print; return an exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pipelines",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("recordings", nargs="*", help="recordings; those at hand, or a made-up session")
    parser.add_argument("--quick", action="store_const", dest="amount", const="quick", help="less of it")
    parser.add_argument("--amount", choices=list(AMOUNTS), help="how much is measured")
    parser.add_argument("--only", action="append", choices=list(KINDS), help="may be given again")
    parser.add_argument("--show", type=Path, help="do not measure: show this run")
    parser.add_argument("--fill", action=argparse.BooleanOptionalAction, help="fill the document or leave it")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "benchmarks" / "results", help="folder for what is found"
    )
    parser.set_defaults(amount="full")
    given = parser.parse_args(arguments)
    out: Path = given.out
    out.mkdir(parents=True, exist_ok=True)
    raw = given.show or out / "pipelines.json"
    if not given.show:
        raw.write_text(json.dumps(_measure(given)), encoding="utf-8")
    made = tables(json.loads(raw.read_text(encoding="utf-8")))
    text = "\n\n".join(made.values())
    (out / "pipelines.md").write_text(f"# Jobs\n\n{text}\n", encoding="utf-8")
    if given.fill if given.fill is not None else given.amount == "full" and not given.only:
        fill(ROOT / "docs" / "pipelines.md", made)
    print(f"{text}\n\n{os.path.relpath(out)}: pipelines.json, pipelines.md")
    return 0


def _measure(given: argparse.Namespace) -> dict[str, Any]:
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {what}", file=sys.stderr)

    rows: list[dict[str, Any]] = []
    for kind in given.only or list(KINDS):
        recordings = _recordings(given.recordings)
        for recording in recordings[:1] if kind in ONE else recordings:
            with tempfile.TemporaryDirectory() as folder:
                try:
                    found = list(KINDS[kind](recording, Path(folder), AMOUNTS[given.amount], say))
                except ImportError as error:
                    say(f"{kind}: not measured: {error}")
                    continue
            rows += [{**row, "owamcap": kind == "owamcap"} for row in found]
    return {"machine": machine(), "rows": rows}


if __name__ == "__main__":
    sys.exit(main())

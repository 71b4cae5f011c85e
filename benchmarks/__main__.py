"""Run the benchmarks and say what they found.

python -m benchmarks                      all of it, on the recordings at hand; fills the README and docs/benchmarks.md
python -m benchmarks --quick              the made-up session only, in two minutes; fills nothing
python -m benchmarks --no-scaling         without the streams of 10^7 and 10^9 events
python -m benchmarks -- --recording my.evc --rounds 9     what follows -- goes to pytest
python -m benchmarks --show results.json  tables and pictures of an earlier run, without measuring
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.fill import fill
from benchmarks.goals import goals
from benchmarks.plots import draw_all
from benchmarks.results import load, write_csv
from benchmarks.tables import all_tables, goals_table

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
DOCUMENTS = ("README.md", "docs/benchmarks.md")
SCALING = ("bench_scaling.py", "bench_seeks.py")


def _measure(arguments: argparse.Namespace, out: Path) -> int:
    """Run pytest; return its exit status."""
    modules = sorted(path for path in HERE.glob("bench_*.py"))
    if arguments.no_scaling:
        modules = [path for path in modules if path.name not in SCALING]
    command = [sys.executable, "-m", "pytest", *map(str, modules), "-q", "-p", "no:cacheprovider"]
    command += ["--benchmark-quiet", "--benchmark-json", str(out), "--benchmark-max-time", "0.1"]
    command += ["--size", "quick", "--only-sample"] if arguments.quick else ["--size", "full"]
    # What is written takes gigabytes: it goes when the run is over, not three runs later.
    with tempfile.TemporaryDirectory(prefix="evcodec-bench-") as folder:
        command += ["--basetemp", folder]
        return subprocess.run([*command, *arguments.pytest], cwd=ROOT, check=False).returncode


def main() -> int:
    """Measure, write, print; return an exit status: 1 when something came back changed or did not run."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="the made-up session only")
    parser.add_argument("--no-scaling", action="store_true", help="leave the large streams out")
    parser.add_argument("--show", type=Path, help="do not measure: show this run")
    parser.add_argument(
        "--fill", action=argparse.BooleanOptionalAction, help="fill the documents or leave them"
    )
    parser.add_argument("--out", type=Path, default=HERE / "results", help="folder for what is found")
    parser.add_argument("pytest", nargs="*", help="options of pytest, behind --")
    arguments = parser.parse_args()
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    raw = arguments.show or out / "results.json"
    status = 0 if arguments.show else _measure(arguments, raw.resolve())
    if not raw.exists():
        print(f"{raw}: not written, since the benchmarks did not run", file=sys.stderr)
        return 1
    results = load(raw)
    found = goals(results)
    tables = all_tables(results, found)
    write_csv(results, out)
    text = "\n\n".join(f"## {name}\n\n{table}" for name, table in tables.items())
    (out / "tables.md").write_text(f"# Results\n\n{text}\n", encoding="utf-8")
    pictures = draw_all(results, out)
    if arguments.fill if arguments.fill is not None else not arguments.quick:
        for name in DOCUMENTS:
            fill(ROOT / name, tables)
        for picture in pictures:
            shutil.copyfile(picture, ROOT / "docs" / "img" / picture.name)
    print(f"\n{goals_table(found)}\n\n{os.path.relpath(out)}: results.json, tables.md, *.csv, *.svg")
    return 1 if status else 0


if __name__ == "__main__":
    sys.exit(main())

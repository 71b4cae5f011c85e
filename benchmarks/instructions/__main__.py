"""Count the instructions of the kernels and compare them with counts.json: python -m benchmarks.instructions [--update].

Times of a shared machine are noisy; how many instructions a kernel runs on a fixed input is the same every time.
Exit status 1: a kernel runs more than the committed figure and the tolerance allow.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = Path(__file__).with_name("counts.json")
TOLERANCE = 0.03
EVENTS = 65536
# valgrind knows no AVX-512.
LEVELS = {"baseline": "baseline", "x86-64-v3": "v3"}
NO_LEVEL = 3  # exit status of the driver


def setup_tables() -> dict[str, Any]:
    """Return the tables of setup.py that say how kernels are compiled."""
    wanted = {"C_FLAGS", "CPU_LEVELS", "PER_LEVEL"}
    found = {}
    for node in ast.parse((ROOT / "setup.py").read_text()).body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id in wanted
        ):
            found[node.targets[0].id] = ast.literal_eval(node.value)
    assert found.keys() == wanted, "setup.py has changed"
    return found


def compiler() -> tuple[str, str]:
    """Return the C compiler's command, and its name and version."""
    command = os.environ.get("CC", "cc")
    version = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout
    return command, version.splitlines()[0]


def build(folder: Path, command: str) -> Path:
    """Compile the kernels at each level, as setup.py does, and the driver."""
    tables = setup_tables()
    kernels = ROOT / "ext/kernels"
    hot = sorted({path for pattern in tables["PER_LEVEL"] for path in kernels.glob(pattern)})
    cold = [*sorted(set(kernels.glob("*.c")) - set(hot)), Path(__file__).with_name("driver.c")]
    builds = {"_".join(LEVELS.values()): (cold, [f"-DEV_CPU_BUILT_{x.upper()}" for x in LEVELS.values()])}
    for level in LEVELS.values():
        builds[level] = (hot, [f"-DEV_CPU_SUFFIX=_{level}", *tables["CPU_LEVELS"][level][0]])
    objects = []
    for name, (sources, flags) in builds.items():
        for source in sources:
            objects.append(folder / f"{name}_{source.stem}.o")
            line = [command, *tables["C_FLAGS"], *flags, f"-I{kernels}", "-c", source, "-o", objects[-1]]
            subprocess.run(line, check=True)
    subprocess.run([command, *objects, "-lm", "-o", folder / "driver"], check=True)
    return folder / "driver"


def count(driver: Path, level: str, kernel: str) -> int | None:
    """Return how many instructions a kernel runs, or None where the machine does not have the level."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=measured"]
    done = subprocess.run([*command, driver, level, kernel], capture_output=True, text=True)
    if done.returncode == NO_LEVEL:
        return None
    collected = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not collected:
        sys.exit(f"{level} {kernel}: {done.stderr}")
    return int(collected[1])


def count_all(driver: Path) -> dict[str, dict[str, int]]:
    """Return the counts by level and kernel."""
    kernels = subprocess.run([driver], capture_output=True, text=True, check=True).stdout.split()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = {
            level: {kernel: pool.submit(count, driver, level, kernel) for kernel in kernels}
            for level in LEVELS
        }
        found = {level: {kernel: job.result() for kernel, job in row.items()} for level, row in jobs.items()}
    return {
        level: {kernel: value for kernel, value in row.items() if value is not None}
        for level, row in found.items()
        if None not in row.values()
    }


def compare(
    found: dict[str, dict[str, int]], committed: dict[str, dict[str, int]]
) -> tuple[list[str], list[str]]:
    """Print the table; return what runs more and what runs fewer instructions than the tolerance allows."""
    more, fewer = [], []
    print(f"{'level':10} {'kernel':24} {'per event':>10} {'committed':>10} {'change':>8}")
    for level, row in found.items():
        for kernel, value in row.items():
            before = committed.get(level, {}).get(kernel)
            line = f"{level:10} {kernel:24} {value / EVENTS:10.2f}"
            if before is None:
                fewer.append(f"{level} {kernel} is new")
                print(f"{line} {'':>10} {'new':>8}")
                continue
            change = value / before - 1
            print(f"{line} {before / EVENTS:10.2f} {change:+8.1%}")
            said = f"{level} {kernel}: {change:+.1%}, {before:,} to {value:,} instructions"
            if change > TOLERANCE:
                more.append(said)
            elif change < -TOLERANCE:
                fewer.append(said)
        gone = committed.get(level, {}).keys() - row.keys()
        fewer += [f"{level} {kernel} is no longer counted" for kernel in sorted(gone)]
    for level in committed.keys() - found.keys():
        print(f"{level}: not counted, this machine does not have it")
    return more, fewer


def main() -> int:
    """Count, then write or compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--update", action="store_true", help="write counts.json anew")
    update = parser.parse_args().update
    if not shutil.which("valgrind"):
        print("instruction counts: skipped, valgrind is not installed", file=sys.stderr)
        return 1 if update else 0
    command, version = compiler()
    with tempfile.TemporaryDirectory() as folder:
        found = count_all(build(Path(folder), command))
    if update:
        if found.keys() != LEVELS.keys():
            sys.exit(f"counts.json is not written: this machine has only {', '.join(found)}")
        COMMITTED.write_text(json.dumps({"compiler": version, "counts": found}, indent=2) + "\n")
        print(f"written: {COMMITTED.relative_to(ROOT)}")
        return 0
    committed = json.loads(COMMITTED.read_text())
    more, fewer = compare(found, committed["counts"])
    for line in more:
        print(f"more: {line}")
    for line in fewer:
        print(f"outdated: {line}")
    if committed["compiler"] != version:
        print(
            f"The figures are of {committed['compiler']}, this is {version}: nothing follows from the difference."
        )
        return 0
    if more or fewer:
        print(
            "make instructions-update writes the figures anew; commit them with the change that explains them."
        )
    return 1 if more else 0


if __name__ == "__main__":
    sys.exit(main())

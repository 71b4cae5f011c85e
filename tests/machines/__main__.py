"""Runs the C kernels on other machines, beside this one: python tests/machines [--only NAME ...] [--require].

Compiles driver.c and the kernels for each machine, runs them on the same file of cases (cases.py), under qemu-user where
the processor is another, and compares the errors that they give too. Each machine runs a build as it is shipped; all
but musl, which is this machine with another library, run one with UndefinedBehaviorSanitizer too, which sees loads
that are not aligned. ``threads`` runs the cases in four threads at once under ThreadSanitizer.

The runs are shown able to fail: a wrong byte in the file of cases, and a race that is put in, must be found. Exit status
1: something came out otherwise. What cannot be run here is said in a block of lines, and fails nothing unless
``--require`` is given.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(HERE.parent)]

import cases  # noqa: E402
from benchmarks.instructions.__main__ import setup_tables  # noqa: E402

TIMEOUT = 600
UNDEFINED = ("-O1", "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error")
THREAD = ("-O1", "-g", "-fsanitize=thread")
PACKAGES = {
    "qemu-aarch64": "qemu-user",
    "qemu-s390x": "qemu-user",
    "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
    "s390x-linux-gnu-gcc": "gcc-s390x-linux-gnu libc6-dev-s390x-cross",
    "musl-gcc": "musl-tools",
}


@dataclass(frozen=True)
class Run:
    """A build of the driver and how it is run.

    ``step``: each so manyth case is run, where all would take long. ``seeded``: a macro that puts a fault in, which the
    run must find.
    """

    machine: str
    build: str
    compiler: tuple[str, ...]
    flags: tuple[str, ...] = ()
    emulator: str = ""
    big_endian: bool = False
    threads: int = 1
    step: int = 1
    seeded: str = ""

    @property
    def needs(self) -> tuple[str, ...]:
        """Programs that must be there."""
        return (self.compiler[0], self.emulator) if self.emulator else (self.compiler[0],)


def runs() -> list[Run]:
    """Return everything that is to be run."""
    own = (os.environ.get("CC", "gcc"),)
    machines = [
        ("native", own, "", False),
        ("musl", ("musl-gcc", "-static"), "", False),
        ("aarch64", ("aarch64-linux-gnu-gcc", "-static"), "qemu-aarch64", False),
        ("s390x", ("s390x-linux-gnu-gcc", "-static"), "qemu-s390x", True),
    ]
    found = []
    for name, compiler, emulator, big in machines:
        found.append(Run(name, "as shipped", compiler, (), emulator, big))
        if name != "musl":  # the same code as native: only the library differs
            found.append(
                Run(name, "undefined", compiler, UNDEFINED, emulator, big, step=5 if emulator else 1)
            )
    found.append(Run("threads", "four threads", own, THREAD, threads=4, step=10))
    found.append(Run("threads", "seeded race", own, THREAD, threads=4, step=100, seeded="SEEDED_RACE"))
    return found


def build(run: Run, folder: Path) -> Path:
    """Compile the kernels, as setup.py does for the level that every machine has, and the driver."""
    tables = setup_tables()
    kernels = ROOT / "ext/kernels"
    out = folder / re.sub(r"\W+", "_", f"{run.machine}_{run.build}")
    flags = [*tables["C_FLAGS"], *run.flags, "-Wall", "-Wextra", "-Werror", f"-I{kernels}"]
    # One level: each file is compiled once, its names with the suffix that the table of levels asks for.
    flags += ["-DEV_CPU_SUFFIX=_baseline", *([f"-D{run.seeded}"] if run.seeded else [])]
    line = [
        *run.compiler,
        *flags,
        *sorted(kernels.glob("*.c")),
        HERE / "driver.c",
        "-pthread",
        "-lm",
        "-o",
        out,
    ]
    done = subprocess.run(line, capture_output=True, text=True, timeout=TIMEOUT)
    if done.returncode:
        raise RuntimeError(f"it does not compile: {done.stderr.strip()}")
    return out


def judge(run: Run, driver: Path, file: Path) -> str:
    """Run a driver; return the line that it says, or raise RuntimeError."""
    command = [run.emulator] if run.emulator else []
    started = time.monotonic()
    done = subprocess.run(
        [*command, driver, file, str(run.threads), str(run.step)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        env={**os.environ, "TSAN_OPTIONS": "exitcode=66 halt_on_error=0"},
    )
    said = done.stdout.strip().splitlines()
    if run.seeded:
        if done.returncode == 66 and "WARNING: ThreadSanitizer: data race" in done.stderr:
            return "the race that was put in was found"
        raise RuntimeError("the race that was put in was not found")
    if done.returncode or not said:
        raise RuntimeError(
            "\n".join([f"exit status {done.returncode}", *said, *done.stderr.splitlines()[:40]])
        )
    if said[-1].startswith("big") != run.big_endian:
        raise RuntimeError(f"it ran on a machine of the wrong byte order: {said[-1]}")
    return f"{said[-1].partition(', ')[2]} ({time.monotonic() - started:.1f} s)"


def sensitive(driver: Path, file: Path, folder: Path, places: list[int]) -> None:
    """Check that the driver sees a byte that is wrong at any of these places."""
    data = file.read_bytes()
    for place in places:
        changed = folder / "changed"
        changed.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        if not subprocess.run([driver, changed], capture_output=True, timeout=TIMEOUT).returncode:
            raise RuntimeError(f"a file of cases with byte {place} changed passes")


def one(run: Run, folder: Path, file: Path, places: list[int]) -> tuple[str, str]:
    """Build and run; return what to say, and what is wrong."""
    try:
        driver = build(run, folder)
        text = judge(run, driver, file)
        if (run.machine, run.build) == ("native", "as shipped"):
            sensitive(driver, file, folder, places)
        return text, ""
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return "", str(error)


def missing(run: Run) -> list[str]:
    """Return what a run needs and is not here."""
    lacking = [name for name in run.needs if shutil.which(name) is None]
    if not lacking and run.machine == "threads":
        found = subprocess.run([*run.compiler, "-print-file-name=libtsan.so"], capture_output=True, text=True)
        lacking = [] if "/" in found.stdout else ["libtsan"]
    return lacking


def warn(skipped: dict[Run, list[str]]) -> None:
    """Say what was not run, so that nobody takes it for a success."""
    names = sorted({name for names in skipped.values() for name in names})
    lines = ["NOT RUN on other machines:"]
    lines += [f"  {run.machine}, {run.build}: needs {', '.join(names)}" for run, names in skipped.items()]
    lines.append(
        f"  Debian: apt-get install {' '.join(sorted({PACKAGES.get(name, name) for name in names}))}"
    )
    width = max(map(len, lines)) + 4
    print("\n".join(["!" * width, *(f"! {line:{width - 4}} !" for line in lines), "!" * width]), flush=True)


def main() -> int:
    """Make the cases, build, run, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="native, musl, aarch64, s390x, threads")
    parser.add_argument("--require", action="store_true", help="fail where something cannot be run")
    options = parser.parse_args()
    wanted = [run for run in runs() if not options.only or run.machine in options.only]
    skipped = {run: lacking for run in wanted if (lacking := missing(run))}
    chosen = [run for run in wanted if run not in skipped]
    with tempfile.TemporaryDirectory() as name:
        folder, failed = Path(name), 0
        made = cases.make()
        file = folder / "cases"
        file.write_bytes(made.pack())
        print(
            f"{len(made.found)} cases: {made.vectors} vectors and golden streams (of those to be rejected "
            f"{made.vectors_elsewhere} not by a kernel), columns, kinds"
        )
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            jobs = {run: pool.submit(one, run, folder, file, made.ends()) for run in chosen}
            for run, job in jobs.items():
                text, fault = job.result()
                print(f"{run.machine:8} {run.build:13} {'FAILED ' + fault if fault else text}", flush=True)
                failed += bool(fault)
            texts = {
                (run.step, job.result()[0].partition(" (")[0]) for run, job in jobs.items() if not run.seeded
            }
        if not failed and len(texts) > len({step for step, _ in texts}):
            print("FAILED: the machines differ in the errors that they give")
            failed = 1
    if skipped:
        warn(skipped)
    if failed:
        return 1
    return 1 if skipped and options.require else 0


if __name__ == "__main__":
    sys.exit(main())

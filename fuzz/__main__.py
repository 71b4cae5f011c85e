"""Fuzz: python -m fuzz {run,pack,coverage} [TARGET ...]. README.md says what each does."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from . import corpus
from .build import ROOT, build, kernel_targets
from .kernel_seeds import SEEDS
from .python import TARGETS

WORK = ROOT / "build/fuzz"
# Buffers are small and many: what ASan keeps to tell of use after free is what takes its time.
ASAN = "malloc_context_size=5:quarantine_size_mb=1:thread_local_quarantine_size_kb=16:max_malloc_fill_size=0:detect_leaks=0"
LENGTHS = {"cli": 1000, "importers": 2000, "reader": 1500}


def _command(target: str, clang: str) -> list[str]:
    """Return what runs a target, built."""
    if target in TARGETS:
        return [sys.executable, "-m", "fuzz.python", target]
    return [str(build(WORK / "bin", [target], clang, fuzzer=True)[target])]


def _environment() -> dict[str, str]:
    return {
        "ASAN_OPTIONS": ASAN,
        "UBSAN_OPTIONS": "print_stacktrace=1",
        **os.environ,
        "PYTHONPATH": str(ROOT),
    }


def seed(target: str, folder: Path) -> None:
    """Write the corpus and the first inputs of a target."""
    corpus.unpack(target, folder)
    made = SEEDS[target]() if target in SEEDS else importlib.import_module(f"fuzz.python.{target}").seeds()
    for number, item in enumerate(made):
        (folder / f"seed-{number:04}").write_bytes(item)


def run(target: str, options: argparse.Namespace) -> int:
    """Run a target from its corpus; inputs that are new stay in build/fuzz/corpus. Return the status of libFuzzer."""
    folder, crashes = WORK / "corpus" / target, WORK / "crashes" / target
    for path in (folder, crashes):
        path.mkdir(parents=True, exist_ok=True)
    if not any(folder.iterdir()):
        seed(target, folder)
    limit = f"-runs={options.runs}" if options.runs else f"-max_total_time={options.seconds}"
    flags = [
        "-timeout=10",
        "-rss_limit_mb=1024",
        f"-max_len={LENGTHS.get(target, 300)}",
        f"-artifact_prefix={crashes}/",
    ]
    command = [*_command(target, options.clang), str(folder), limit, *flags, "-print_final_stats=1"]
    done = subprocess.run(
        command, cwd=ROOT, env=_environment(), stderr=subprocess.PIPE, text=True, errors="replace"
    )
    counted = re.search(r"number_of_executed_units: *(\d+)|Done (\d+) runs", done.stderr)
    reached = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", done.stderr)
    print(
        f"{target}: {max(filter(None, counted.groups())) if counted else 0} runs; "
        f"edges, features, inputs: {reached[-1:]}; status {done.returncode}"
    )
    if done.returncode:
        print(done.stderr[-3000:], f"the input is in {crashes}", sep="\n")
    return done.returncode


def pack(target: str, options: argparse.Namespace) -> int:
    """Minimise what `run` left, and put it in the place of the committed corpus."""
    folder, least = WORK / "corpus" / target, WORK / "least" / target
    shutil.rmtree(least, ignore_errors=True)
    least.mkdir(parents=True)
    if not folder.exists() or not any(folder.iterdir()):
        seed(target, folder)
    command = [
        *_command(target, options.clang),
        "-merge=1",
        "-use_counters=0",
        f"-max_len={LENGTHS.get(target, 300)}",
        str(least),
        str(folder),
    ]
    subprocess.run(command, cwd=ROOT, env=_environment(), check=True, capture_output=True)
    kept = corpus.save(target, (path.read_bytes() for path in least.iterdir()))
    print(f"{target}: {kept} inputs, {corpus.path_of(target).stat().st_size} bytes")
    return 0


def coverage(targets: list[str], options: argparse.Namespace) -> int:
    """Print the lines and regions of each kernel that the committed corpus reaches."""
    folder = WORK / "coverage"
    programs = build(
        folder,
        targets,
        options.clang,
        fuzzer=False,
        sanitize="",
        flags=("-O1", "-fprofile-instr-generate", "-fcoverage-mapping"),
    )
    profiles = []
    for target, program in programs.items():
        (folder / f"{target}.pack").write_bytes(corpus.as_pack(corpus.load(target)))
        profiles.append(folder / f"{target}.profraw")
        environment = {**os.environ, "LLVM_PROFILE_FILE": str(profiles[-1])}
        subprocess.run(
            [program, folder / f"{target}.pack"], env=environment, check=True, stdout=subprocess.DEVNULL
        )
    subprocess.run([options.llvm_profdata, "merge", *profiles, "-o", folder / "all.profdata"], check=True)
    objects = [part for program in list(programs.values())[1:] for part in ("-object", program)]
    command = [
        options.llvm_cov,
        "export",
        "-summary-only",
        f"-instr-profile={folder / 'all.profdata'}",
        programs[targets[0]],
        *objects,
    ]
    told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    print(f"{'file':24} {'lines':>7} {'%':>6} {'regions':>8} {'%':>6}")
    for entry in told["data"][0]["files"]:
        path, lines, regions = Path(entry["filename"]), entry["summary"]["lines"], entry["summary"]["regions"]
        if path.parent.name == "kernels" and path.parent.parent.name == "ext":
            print(
                f"{path.name:24} {lines['count']:7} {lines['percent']:6.1f} {regions['count']:8} {regions['percent']:6.1f}"
            )
    return 0


def main() -> int:
    """Do what is asked for, target by target."""
    every = [*kernel_targets(), *TARGETS]
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("action", choices=("run", "pack", "coverage"))
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(every))
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--runs", type=int, default=0, help="for each target, instead of a time")
    parser.add_argument("--clang", default=os.environ.get("CLANG", "clang"))
    parser.add_argument("--llvm-cov", default="llvm-cov")
    parser.add_argument("--llvm-profdata", default="llvm-profdata")
    options = parser.parse_args()
    if unknown := set(options.targets) - set(every):
        parser.error(f"no target: {', '.join(sorted(unknown))}; there are {', '.join(every)}")
    if options.action == "coverage":
        return coverage(options.targets or kernel_targets(), options)
    if shutil.which(options.clang) is None and set(options.targets or every) - set(TARGETS):
        sys.exit(f"{options.clang} is not here: targets over the kernels need Clang with libFuzzer")
    action = {"run": run, "pack": pack}[options.action]
    return max(action(target, options) for target in options.targets or every)


if __name__ == "__main__":
    sys.exit(main())

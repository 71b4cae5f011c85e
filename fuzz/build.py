"""Compile the targets over the C kernels: with libFuzzer (Clang), or with a main that replays inputs (any C compiler)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.instructions.__main__ import setup_tables

ROOT = Path(__file__).resolve().parents[1]
TARGETS = ROOT / "fuzz/kernels"
SANITIZE = os.environ.get("EVCODEC_SANITIZE", "address,undefined")
LIBFUZZER = ("-fsanitize=fuzzer",)
ENCODING = {"encode"}  # targets that call encoders


def kernel_targets() -> list[str]:
    """Return the names of the targets over the C kernels."""
    return sorted(path.stem for path in TARGETS.glob("*.c") if path.stem != "replay")


def is_encoder(path: Path) -> bool:
    """Tell whether a kernel is there to encode."""
    return path.stem.startswith(("ev_encode", "ev_bins", "ev_cost"))


def sanitizers(sanitize: str) -> list[str]:
    """Return the flags that turn sanitizers on."""
    return [f"-fsanitize={sanitize}", "-fno-sanitize-recover=all"] if sanitize else []


def build(
    folder: Path,
    targets: Sequence[str],
    compiler: str,
    *,
    fuzzer: bool,
    sanitize: str = SANITIZE,
    flags: Sequence[str] = ("-O2", "-g"),
) -> dict[str, Path]:
    """Compile the kernels at every CPU level, as setup.py does, and each target; return the programs.

    Parameters
    ----------
    folder : Path
        Where programs and object files go.
    targets : sequence of str
    compiler : str
        Clang where ``fuzzer``.
    fuzzer : bool
        Whether libFuzzer calls the target, or a main that reads packed inputs.
    sanitize : str
        As ``EVCODEC_SANITIZE``; empty for none.
    flags : sequence of str
        Further flags, behind those of the build.
    """
    tables = setup_tables()
    kernels = ROOT / "ext/kernels"
    hot = sorted({path for pattern in tables["PER_LEVEL"] for path in kernels.glob(pattern)})
    cold = sorted(set(kernels.glob("*.c")) - set(hot))
    levels = tables["CPU_LEVELS"] if os.uname().machine in ("x86_64", "amd64") else {"baseline": ([], [])}
    common = [*tables["C_FLAGS"], "-fno-omit-frame-pointer", *sanitizers(sanitize), *flags, f"-I{kernels}"]
    covered = ["-fsanitize=fuzzer-no-link"] if fuzzer else []
    # (object, source, flags)
    jobs = [
        ("all_" + path.stem, path, [f"-DEV_CPU_BUILT_{level.upper()}" for level in levels]) for path in cold
    ]
    for level, (machine, _) in levels.items():
        jobs += [(f"{level}_{path.stem}", path, [f"-DEV_CPU_SUFFIX=_{level}", *machine]) for path in hot]
    shared = [(name, path, [*own, *covered]) for name, path, own in jobs if not is_encoder(path)]
    encoders = [(name, path, own) for name, path, own in jobs if is_encoder(path)]
    # libFuzzer looks at every counter after every run: encoders have some only where they are called.
    counted = [
        (f"counted_{name}", path, [*own, *covered]) for name, path, own in encoders if ENCODING & set(targets)
    ]
    quiet = encoders if set(targets) - ENCODING else []
    jobs = [*shared, *counted, *quiet]
    jobs += [
        (f"target_{name}", TARGETS / f"{name}.c", covered)
        for name in [*targets, *([] if fuzzer else ["replay"])]
    ]

    def compile_one(job: tuple[str, Path, list[str]]) -> None:
        name, source, own = job
        subprocess.run([compiler, *common, *own, "-c", source, "-o", folder / f"{name}.o"], check=True)

    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(compile_one, jobs))
    last = [] if fuzzer else ["target_replay"]
    for name in targets:
        parts = [part for part, _, _ in [*shared, *(counted if name in ENCODING else quiet)]]
        objects = [folder / f"{part}.o" for part in [*parts, f"target_{name}", *last]]
        link = [
            compiler,
            *sanitizers(sanitize),
            *(LIBFUZZER if fuzzer else ()),
            *flags,
            *objects,
            "-lm",
            "-o",
            folder / name,
        ]
        subprocess.run(link, check=True)
    return {name: folder / name for name in targets}

"""Every input that fuzzing found worth keeping, again: on the Python layers, and on the kernels at every CPU level."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
if not (ROOT / "fuzz/kernels").is_dir() or not (ROOT / "ext/kernels").is_dir():
    pytest.skip("fuzzing needs the source tree", allow_module_level=True)

sys.path.append(str(ROOT))

from fuzz import corpus  # noqa: E402
from fuzz.build import build, kernel_targets  # noqa: E402
from fuzz.python import TARGETS  # noqa: E402
from fuzz.python.common import BrokenPromise, mended  # noqa: E402

COMPILER = os.environ.get("CC", "cc")


@pytest.mark.parametrize("target", [*kernel_targets(), *TARGETS])
def test_every_target_has_a_corpus(target: str) -> None:
    inputs = corpus.load(target)
    assert len(inputs) >= 10, f"the corpus of {target} is gone, or nearly"
    assert corpus.path_of(target).stat().st_size <= corpus.MOST_FILE_BYTES


def test_the_corpus_is_of_targets_that_there_are() -> None:
    found = {path.name.partition(".")[0] for path in corpus.CORPUS.iterdir()}
    assert found == {*kernel_targets(), *TARGETS}
    modules = {path.stem for path in (ROOT / "fuzz/python").glob("*.py")} - {"__init__", "__main__", "common"}
    assert modules == set(TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_python_layers(target: str, tries) -> None:
    if target == "owamcap":
        pytest.importorskip("mcap")
    if target == "sealed":
        pytest.importorskip("cryptography")
    if target == "cli":
        pytest.importorskip("click")
        pytest.importorskip("rich")
    run = importlib.import_module(f"fuzz.python.{target}").run
    inputs = corpus.load(target)
    step = max(len(inputs) // tries(quick=QUICK.get(target, 300), soak=len(inputs)), 1)
    for number, data in enumerate(inputs[::step]):
        try:
            run(data)
        except Exception as error:
            raise AssertionError(f"input {number * step} of {target}") from error


# Inputs of the slow targets in a quick run; the others all run.
QUICK = {"cli": 40, "reader": 150, "agreement": 150, "roundtrip": 40, "sealed": 60}


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The targets over the kernels, with sanitizers where the compiler has them."""
    if shutil.which(COMPILER) is None:
        pytest.skip(f"no C compiler ({COMPILER}): the kernels were not tried on the corpus")
    folder = tmp_path_factory.mktemp("targets")
    probe = folder / "probe.c"
    probe.write_text("int main(void) { return 0; }\n")
    flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    has = (
        subprocess.run([COMPILER, *flags, probe, "-o", folder / "probe"], capture_output=True).returncode == 0
    )
    has = has and subprocess.run([folder / "probe"], capture_output=True).returncode == 0
    sanitize = "address,undefined" if has else ""
    return build(folder, kernel_targets(), COMPILER, fuzzer=False, sanitize=sanitize, flags=("-O0", "-w"))


def test_kernels(programs: dict[str, Path], tmp_path: Path) -> None:
    for target, program in programs.items():
        inputs = corpus.load(target)
        pack = tmp_path / f"{target}.pack"
        pack.write_bytes(corpus.as_pack(inputs))
        environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
        environment.pop("LD_PRELOAD", None)
        done = subprocess.run([program, pack], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, f"{target}: {done.stderr[-3000:]}"
        assert int(done.stdout) == len(inputs)


def test_a_crash_is_seen(programs: dict[str, Path], tmp_path: Path) -> None:
    """A pack that is cut makes the replay abort: what it says is believed."""
    pack = tmp_path / "cut.pack"
    pack.write_bytes(corpus.as_pack([b"12345678"])[:-1])
    done = subprocess.run([programs["crc"], pack], capture_output=True, text=True)
    assert done.returncode != 0
    assert "broken promise: the pack is whole" in done.stderr


def test_the_standard_dtypes_are_those_of_the_targets() -> None:
    from evcodec.columns import STANDARD_DTYPES

    header = (ROOT / "fuzz/kernels/fuzz.h").read_text()
    assert f"STANDARD_DTYPES[] = {{{', '.join(map(str, STANDARD_DTYPES))}}};" in header


def test_mended_streams_pass_their_checksums() -> None:
    from evcodec.framing import RecordScanner
    from vectors import VECTORS

    tried = 0
    for vector in VECTORS[::40]:
        if vector.error:
            continue
        assert mended(vector.data, numbers=False) == vector.data
        broken = bytearray(vector.data)
        broken[14:16] = b"\0\0"  # checksum of the first head
        broken[-1] ^= 1
        assert mended(bytes(broken), numbers=True) == vector.data, vector.name
        scanner = RecordScanner()
        scanner.feed(vector.data)
        while scanner.next() is not None:
            tried += 1
    assert tried > 50


def test_a_broken_promise_is_no_allowed_error() -> None:
    from evcodec import EvcodecError

    assert not issubclass(BrokenPromise, (EvcodecError, OSError))

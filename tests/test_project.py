"""What holds for the project as a whole: its files, its version, what is packed."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

import evcodec

ROOT = Path(__file__).resolve().parents[1]
HAND_WRITTEN = {".py", ".pyi", ".pyx", ".pxd", ".c", ".h"}
MOST_LINES = 600
MOST_BYTES = 1 << 20
# Built from pieces, so that this file does not contain what it looks for.
MACHINE_PATHS = re.compile(
    r"(?<![\w.~-])/(?:" + "root|work|tmp/v" + r")/|/(?:home|Users)/(?!runner\b|user\b|you\b)\w+/"
)
UNFINISHED = re.compile(r"\b(?:" + "TO" + "DO|FIX" + "ME|XX" + r"X)\b")


@pytest.fixture(scope="module")
def source_tree() -> Path:
    """Return the root of the source tree; where only the tests are, there is nothing to check."""
    if not (ROOT / "setup.py").exists():
        pytest.skip("needs the source tree")
    return ROOT


@pytest.fixture(scope="module")
def tracked(source_tree: Path) -> list[Path]:
    """Return the files that git knows."""
    git = shutil.which("git")
    if git is None or not (source_tree / ".git").exists():
        pytest.skip("needs git and a clone")
    done = subprocess.run(
        [git, "ls-files", "-z"], cwd=source_tree, capture_output=True, check=True, timeout=60
    )
    files = [source_tree / name for name in done.stdout.decode().split("\0") if name]
    files = [path for path in files if path.exists()]
    assert {"pyproject.toml", "setup.py", Path(__file__).name} <= {path.name for path in files}
    return files


def text_of(path: Path) -> str:
    """Return the text of a file, nothing for binary ones."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def test_hand_written_files_are_short(tracked):
    sizes = {path: text_of(path).count("\n") for path in tracked if path.suffix in HAND_WRITTEN}
    assert sum(sizes.values()) > 1000
    assert {str(path): lines for path, lines in sizes.items() if lines > MOST_LINES} == {}


def test_tracked_files_are_small(tracked):
    assert [str(path) for path in tracked if path.stat().st_size > MOST_BYTES] == []


@pytest.mark.parametrize("sample", ["cd /" + "work/main", "'/" + "root/x'", "/" + "home/ann/x"])
def test_a_path_of_a_machine_is_seen(sample):
    assert MACHINE_PATHS.search(sample)


@pytest.mark.parametrize(
    "sample", ["https://example.org/works", "../" + "work/x", "/usr/lib", "/home/user/x"]
)
def test_other_paths_are_none_of_a_machine(sample):
    assert not MACHINE_PATHS.search(sample)


def test_nothing_names_a_machine_or_is_left_unfinished(tracked):
    texts = {path: text_of(path) for path in tracked}
    assert sum(map(bool, texts.values())) > 20
    faults = [
        f"{path}: {match.group()}"
        for path, text in texts.items()
        for pattern in (MACHINE_PATHS, UNFINISHED)
        for match in pattern.finditer(text)
    ]
    assert faults == []


def test_no_build_product_is_tracked(tracked):
    products = {".so", ".pyd", ".o", ".a", ".pyc", ".whl", ".evc"}
    golden = {ROOT / "tests" / "golden", ROOT / "tests" / "golden_sealed"}
    assert [str(path) for path in tracked if path.suffix in products and path.parent not in golden] == []


def test_the_version_stands_in_one_place(source_tree):
    version = tomllib.loads((source_tree / "pyproject.toml").read_text())["project"]["version"]
    assert evcodec.__version__ == version, (
        "the package was installed before the version changed: install it again"
    )
    sources = [
        *(source_tree / "src").rglob("*.py"),
        *(source_tree / "ext").rglob("*.pyx"),
        source_tree / "setup.py",
    ]
    assert len(sources) > 10
    stated = re.compile(r"""version\w*\s*=\s*["']\d+\.\d+""")
    assert [str(path) for path in sources if stated.search(path.read_text())] == []


def test_the_changelog_names_the_version(source_tree):
    version = tomllib.loads((source_tree / "pyproject.toml").read_text())["project"]["version"]
    headings = re.findall(r"^## \[?([^\]\s]+)", (source_tree / "CHANGELOG.md").read_text(), flags=re.M)
    assert version in headings


def test_the_version_is_that_of_the_installed_package():
    assert evcodec.__version__ == importlib.metadata.version("evcodec")


def test_every_test_file_is_collected(source_tree):
    files = sorted((source_tree / "tests").rglob("*.py"))
    holding = [
        path for path in files if re.search(r"^\s*def test_", path.read_text(encoding="utf-8"), flags=re.M)
    ]
    assert Path(__file__).resolve() in holding
    assert [str(path) for path in holding if not path.name.startswith("test_")] == []


def test_extension_modules_have_stubs():
    package = Path(evcodec.__file__).parent
    modules = {path.name.partition(".")[0] for path in package.glob("_*") if path.suffix in (".so", ".pyd")}
    assert "_codec" in modules
    assert [name for name in modules if not (package / f"{name}.pyi").exists()] == []
    assert (package / "py.typed").exists()


def test_a_wheel_holds_no_sources_of_the_build():
    files = importlib.metadata.files("evcodec") or []
    if not any(path.match("evcodec/__init__.py") for path in files):
        pytest.skip("the package is not installed from a wheel")
    names = {path.as_posix() for path in files}
    assert {"evcodec/py.typed", "evcodec/_codec.pyi"} <= names
    assert [name for name in names if name.endswith((".c", ".h", ".pyx", ".pxd", ".a"))] == []
    assert [name for name in names if name.startswith(("tests/", "ext/", "benchmarks/"))] == []

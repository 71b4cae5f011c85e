"""The code blocks of the README and of docs/ run as they stand, in order, one document at a time.

Blocks marked python and sh are run. ``<!-- no-run -->`` on the line before a block leaves it out: set-up commands, and
code that needs a file the reader has to bring. ``<!-- needs polars duckdb -->`` leaves it out where one of these modules is
not installed.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("README.md"), *ROOT.glob("docs/**/*.md")])
FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,}) *(?P<language>[\w-]*)")
SHELLS = {"sh", "bash", "shell", "console"}
LEFT_OUT = "<!-- no-run -->"
NEEDS = re.compile(r"<!-- needs ([\w. ]+) -->")


class Block(NamedTuple):
    """A fenced block: its language, the line its code starts at, and the code."""

    language: str
    line: int
    code: str


def blocks(text: str) -> list[Block]:
    """Return the blocks of a document that are to be run."""
    found = []
    before = ""
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        opening = FENCE.match(line)
        if opening is None:
            before = line.strip() or before
            continue
        indent, fence = opening["indent"], opening["fence"]
        code = []
        for _, inner in lines:
            if inner.strip() == fence:
                break
            code.append(inner.removeprefix(indent))
        else:
            raise ValueError(f"line {number}: this block has no end")
        language = opening["language"].lower()
        if language in {"python", *SHELLS} and before != LEFT_OUT and has_modules(before):
            found.append(Block(language, number + 1, "\n".join(code) + "\n"))
        before = ""
    return found


def has_modules(before: str) -> bool:
    """Tell whether the modules are installed that the line before a block says it needs."""
    needs = NEEDS.fullmatch(before)
    return needs is None or all(importlib.util.find_spec(name) for name in needs[1].split())


def commands(block: Block) -> str:
    """Return the commands of a shell block; lines without a prompt are output where others have one."""
    lines = block.code.splitlines()
    typed = [line[2:] for line in lines if line.startswith("$ ")]
    return "\n".join(typed or lines)


def run_shell(block: Block) -> None:
    """Run a block in bash, with the command of this environment first on the path."""
    bash = shutil.which("bash")
    if bash is None or sys.platform == "win32":
        pytest.skip("shell blocks need bash")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        [bash, "-euo", "pipefail", "-c", commands(block)],
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, (
        f"line {block.line}: exit status {done.returncode}\n{done.stdout}{done.stderr}"
    )


def run_document(path: Path) -> None:
    """Run the blocks of a document; a failure shows the line of the document."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(path.read_text(encoding="utf-8")):
        if block.language in SHELLS:
            run_shell(block)
        else:
            # Blank lines in front make the line numbers of a traceback those of the document.
            exec(compile("\n" * (block.line - 1) + block.code, str(path), "exec"), names)


@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:ray.data.context"
)  # Ray's settings warn of themselves
@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_documents_run(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_document(path)


def test_links_between_documents_lead_somewhere():
    linking = [*DOCUMENTS, *ROOT.glob("*.md")]
    if not (ROOT / "setup.py").exists():
        pytest.skip("needs the source tree")
    links = [
        (path, target)
        for path in linking
        for target in re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8"))
        if "://" not in target and not target.startswith("mailto:")
    ]
    assert links
    assert [f"{path.name}: {target}" for path, target in links if not (path.parent / target).exists()] == []


def test_there_is_code_to_run():
    if not (ROOT / "setup.py").exists():
        pytest.skip("needs the source tree")
    readme = blocks((ROOT / "README.md").read_text(encoding="utf-8"))
    assert {"python"} <= {block.language for block in readme}
    assert {block.language for block in readme} & SHELLS


def test_blocks_are_found():
    text = (
        "x\n```python\na = 1\n```\n\n<!-- no-run -->\n\n```sh\nrm x\n```\n"
        "- y\n  ```sh\n  $ ls\n  out\n  ```\n```text\nno\n```\n"
    )
    assert blocks(text) == [Block("python", 3, "a = 1\n"), Block("sh", 13, "$ ls\nout\n")]
    assert commands(blocks(text)[1]) == "ls"
    with pytest.raises(ValueError, match="line 1"):
        blocks("```python\n1\n")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("```python\na = 1\n```\n```python\nassert a == 2\n```\n", AssertionError),
        ("```sh\nfalse | true\n```\n", AssertionError),
        ("```python\nimport no_such_module\n```\n", ImportError),
    ],
)
def test_a_block_that_fails_is_seen(text, error, tmp_path, monkeypatch):
    if "sh" in text and sys.platform == "win32":
        pytest.skip("shell blocks need bash")
    monkeypatch.chdir(tmp_path)
    document = tmp_path / "a.md"
    document.write_text(text, encoding="utf-8")
    with pytest.raises(error):
        run_document(document)


def test_blocks_share_names_and_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    document = tmp_path / "a.md"
    first = "```python\nopen('x', 'w').close()\na = 1\n```\n"
    second = "```python\nimport os\nassert a and os.path.exists('x')\n```\n"
    document.write_text(first + second, encoding="utf-8")
    run_document(document)

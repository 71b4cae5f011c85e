"""Every example runs as it stands, and says what it should."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


class Example(NamedTuple):
    """What an example prints, and the optional modules that it needs."""

    says: str
    needs: tuple[str, ...] = ()


KNOWN = {
    "dataset_of_sessions.py": Example("39 of 40 files are sound"),
    "duckdb_queries.py": Example("strokes of two people in one stream", ("duckdb",)),
    "own_columns.py": Example("small: "),
    "pandas_sessions.py": Example("moves written, none changed", ("pandas", "pyarrow")),
    "polars_dataset.py": Example("240000 events in all", ("polars",)),
    "ray_job.py": Example("600 files became 314,038 ticks", ("ray", "pyarrow")),
    "record_and_read.py": Example("nothing recorded for 4.0 s: not_listed"),
    "tail_a_pipe.py": Example("100 events in all"),
    "torch_windows.py": Example("every window came once in each epoch", ("torch",)),
}

if not EXAMPLES.is_dir():
    pytest.skip("the examples are not beside the tests", allow_module_level=True)


def test_all_examples_are_known() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == KNOWN.keys()


@pytest.mark.parametrize("name", KNOWN)
def test_an_example_runs(name: str, tmp_path: Path) -> None:
    missing = [module for module in KNOWN[name].needs if importlib.util.find_spec(module) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert KNOWN[name].says in done.stdout
    assert not done.stderr

"""The walls between the layers: which module may import which, and who may touch the world outside.

Each guard is shown an offender first, and fails when it finds nothing to look at.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import evcodec

PACKAGE = Path(evcodec.__file__).parent
EXT = Path(__file__).resolve().parents[1] / "ext"

# From the ground up. A module imports from lines above its own only; a package is one layer.
LAYERS = (
    ("errors",),
    ("limits",),
    ("schema", "_arrow", "_arrow_input", "plain"),
    ("keysyms",),
    ("arrow_fields",),
    ("arrow_input",),
    ("crypto", "pace"),
    ("batch",),
    ("_memory", "entries", "findings", "locks", "exits", "ticks", "waiting"),
    ("arrays",),
    ("_codec", "_recorder", "inputs", "outputs", "parallel", "sample"),
    ("checksums", "version"),
    ("cpu", "framing", "compression", "messages", "retrying"),
    ("levels", "wire"),
    ("governance",),
    ("keyrecord",),
    ("columns",),
    ("chain", "parts", "block"),
    ("encoding", "sealed"),
    ("index", "keyring", "protection"),
    ("emitter", "places", "scan", "select"),
    ("chains", "gather", "walk"),
    ("remarks", "arrow"),
    ("arrow_methods",),
    ("locate", "sealing", "oneshot"),
    ("replacing", "resume", "rewrite", "contents"),
    ("entry_lists", "stated"),
    ("reader", "batch_methods", "entry_methods", "merging"),
    ("writer",),
    ("checking",),
    ("stream", "rekeying"),
    ("dataset",),
    ("polars", "ray", "torch", "capture", "review"),
    ("__init__",),
    ("sinks", "sources"),
    ("cli",),
    ("__main__",),
)
# The only modules that open, read or write anything outside of the process.
DOING_IO = {"cpu", "inputs", "locks", "merging", "outputs", "reader", "replacing", "resume", "stream"}
DOING_IO |= {
    "arrow_methods",
    "capture",
    "crypto",
    "review",
    "dataset",
    "ray",
    "rekeying",
    "torch",
    "exits",
    "sinks",
    "sources",
    "cli",
    "__main__",
}
IO_MODULES = {"asyncio", "fcntl", "io", "mmap", "os", "pathlib", "shutil", "socket", "subprocess", "tempfile"}
IO_CALLS = {"fdopen", "fsync", "open", "pread", "read", "readinto", "recv", "seek", "truncate"}
EXTRAS = {"click", "cryptography", "fsspec", "mcap", "pandas", "pcodec", "polars", "pyarrow", "ray", "rich"}
EXTRAS |= {"jeepney", "presidio_analyzer", "pynput", "torch"}

KERNEL_HEADERS = {"limits.h", "math.h", "stdbool.h", "stddef.h", "stdint.h", "string.h"}
ISA_HEADERS = {"arm_acle.h", "arm_neon.h", "arm_sve.h", "immintrin.h", "intrin.h", "cpuid.h"}
FORBIDDEN_IN_C = (
    r"\b((?:m|c|re|aligned_)alloc|alloca|free|strdup|[fs]?n?printf|puts|fopen|fread|fwrite|getenv|Py\w+)\s*\("
)


def layer(module: str) -> str:
    """Return the layer of a module, named by its path from the package: ``cli.app`` belongs to ``cli``."""
    return module.partition(".")[0]


def modules() -> dict[str, ast.Module]:
    """Return every Python module of the package, parsed."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    assert len(found) >= 12, f"only {sorted(found)} below {PACKAGE}"
    return found


def imported(tree: ast.Module, package: str) -> Iterator[tuple[str, int]]:
    """Yield (absolute dotted name, line) of all imports, those inside of functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")
            if node.level:
                base = base[: len(base) - node.level + 1]
                base += node.module.split(".") if node.module else []
            else:
                base = (node.module or "").split(".")
            for alias in node.names:
                yield ".".join([*base, alias.name]), node.lineno


def own_imports(name: str, tree: ast.Module, known: set[str]) -> Iterator[tuple[str, int]]:
    """Yield (layer, line) of every import of another layer of the package."""
    is_package = (PACKAGE / name.replace(".", "/")).is_dir()
    package = f"evcodec.{name if is_package else name.rpartition('.')[0]}".rstrip(".")
    for target, line in imported(tree, package):
        if target.split(".")[0] == "evcodec":
            inner = layer(target.partition(".")[2])
            # `from evcodec import Reader` is an import of the package itself.
            yield (inner if inner in known else "__init__"), line


def upward(name: str, tree: ast.Module) -> list[str]:
    """Return the imports of a module that do not go down."""
    ranks = {member: rank for rank, members in enumerate(LAYERS) for member in members}
    # A module without a layer fails another test; here it is no reason to stumble.
    ranks.setdefault(layer(name), len(LAYERS))
    for path in PACKAGE.iterdir():
        ranks.setdefault(path.name.partition(".")[0], -1)
    own = layer(name)
    return [
        f"{name}.py:{line} imports {target}"
        for target, line in own_imports(name, tree, set(ranks))
        if target != own and ranks[target] >= ranks[own]
    ]


def io_done(name: str, tree: ast.Module) -> list[str]:
    """Return the places where a module reaches outside of the process."""
    found = [
        f"{name}.py:{line} imports {target}"
        for target, line in imported(tree, "evcodec")
        if target.split(".")[0] in IO_MODULES
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            verb = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
            if verb in IO_CALLS:
                found.append(f"{name}.py:{node.lineno} calls {verb}()")
    return found


def c_faults(text: str) -> list[str]:
    """Return what plain C kernels must not include or call."""
    code = re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.S)
    included = re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', code, flags=re.M)
    local = {path.name for path in (EXT / "kernels").rglob("*.h")}
    faults = [
        f"includes {name}"
        for name in included
        if Path(name).name not in local and name not in KERNEL_HEADERS | ISA_HEADERS
    ]
    code = re.sub(r'"(?:\\.|[^"\\\n])*"', '""', code)
    return faults + [f"calls {name}" for name in re.findall(FORBIDDEN_IN_C, code)]


def cython_faults(text: str) -> list[str]:
    """Return what Cython modules must not do: files, and the numpy C API."""
    code = re.sub(r'""".*?"""|#[^\n]*', "", text, flags=re.S)
    names = "|".join(sorted(IO_MODULES))
    patterns = (
        rf"^\s*(?:c?import|from)\s+(?:{names})\b",
        r"\blibc\.stdio\b",
        r"\bcimport\s+numpy\b|\bnumpy\s+cimport\b",
        r"\bf?open\s*\(",
    )
    return [
        match.group(0).strip() for pattern in patterns for match in re.finditer(pattern, code, flags=re.M)
    ]


def ext_files(*patterns: str) -> list[Path]:
    """Return files of the native part, or skip where the tests run without the source tree."""
    if not (EXT.parent / "setup.py").exists():
        pytest.skip("needs the source tree")
    found = sorted(path for pattern in patterns for path in EXT.glob(pattern))
    assert found, f"no {patterns} below {EXT}"
    return found


def test_every_module_has_a_layer():
    known = {member for members in LAYERS for member in members}
    found = {layer(name) for name in modules()}
    assert found <= known, "new modules need a line in LAYERS of this test"


def test_imports_go_down():
    assert [fault for name, tree in modules().items() for fault in upward(name, tree)] == []


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("batch", "from .reader import Reader"),
        ("batch", "from . import wire"),
        ("errors", "import evcodec.limits"),
        ("framing", "from .compression import compress"),
        ("framing", "from .wire import pack_varint"),
        ("reader", "def f():\n    from evcodec import Writer"),
        ("sinks.csv", "from ..cli.app import run"),
        ("sources", "from ..sinks import export_csv"),
    ],
)
def test_an_import_upwards_is_seen(name, line):
    assert len(upward(name, ast.parse(line))) == 1


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("reader", "from .batch import EventBatch"),
        ("sinks", "from .csv import export_csv"),
        ("sinks.csv", "from ..reader import Reader\nfrom .plain import dumps"),
        ("cli.app", "from .. import Reader\nimport evcodec"),
    ],
)
def test_an_import_downwards_is_allowed(name, line):
    assert upward(name, ast.parse(line)) == []


def test_inside_of_review_only_what_replaces_files_does_io():
    inside = {name: tree for name, tree in modules().items() if layer(name) == "review"}
    assert len(inside) >= 8
    assert {name for name, tree in inside.items() if list(io_done(name, tree))} == {"review.redact"}


def test_only_the_edges_do_io():
    pure = {name: tree for name, tree in modules().items() if layer(name) not in DOING_IO}
    assert {"framing", "wire", "block", "batch", "compression"} <= pure.keys()
    assert [fault for name, tree in pure.items() for fault in io_done(name, tree)] == []


@pytest.mark.parametrize(
    "line", ["import os", "from io import BytesIO", "open('x')", "source.read(4)", "s.recv(1)"]
)
def test_io_is_seen(line):
    assert len(io_done("framing", ast.parse(line))) == 1


def test_one_module_knows_zstandard():
    users = {
        name
        for name, tree in modules().items()
        for target, _ in imported(tree, "evcodec")
        # Importers and the demo's table speak the zstd of other people's files.
        if layer(name) not in ("sources", "cli")
        and (target.split(".")[0] in ("zstandard", "pyzstd") or target.startswith("compression.zstd"))
    }
    assert users == {"compression"}


def test_one_module_knows_the_cryptographic_library():
    users = {
        name
        for name, tree in modules().items()
        for target, _ in imported(tree, "evcodec")
        if target.split(".")[0] in ("cryptography", "nacl", "pyrage")
    }
    assert users == {"crypto"}


def test_kernels_are_plain_c():
    files = ext_files("kernels/**/*.c", "kernels/**/*.h")
    assert {path.suffix for path in files} == {".c", ".h"}
    assert [f"{path.name}: {fault}" for path in files for fault in c_faults(path.read_text())] == []


@pytest.mark.parametrize(
    "code",
    [
        "#include <Python.h>",
        '#include "Python.h"',
        "#  include <stdio.h>",
        "x = malloc(8);",
        "free (x);",
        'printf("%d", 1);',
        "PyErr_Clear();",
    ],
)
def test_foreign_c_is_seen(code):
    assert len(c_faults(code)) == 1


def test_words_in_comments_are_not_calls():
    assert c_faults('/* never malloc(n) */ // free(x)\nconst char *what = "open(x)";') == []


def test_cython_opens_no_file():
    files = ext_files("**/*.pyx", "**/*.pxd", "**/*.pxi")
    assert any(path.suffix == ".pyx" for path in files)
    assert [f"{path.name}: {fault}" for path in files for fault in cython_faults(path.read_text())] == []


@pytest.mark.parametrize(
    "code",
    ["import os", "from libc.stdio cimport FILE", "cimport numpy as np", "open(name)", "fopen(name, b'r')"],
)
def test_io_in_cython_is_seen(code):
    assert len(cython_faults(code)) == 1


def test_importing_the_package_imports_no_extra():
    script = (
        "import json, sys; old = {*sys.modules}; import evcodec; print(json.dumps([*{*sys.modules} - old]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert {"evcodec", "numpy"} <= loaded
    assert loaded & EXTRAS == set()


def test_public_names_are_listed_once_and_exist():
    assert len(evcodec.__all__) == len(set(evcodec.__all__))
    tree = modules()["__init__"]
    bound = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    }
    assert {"EventBatch", "EventKind", "Reader", "Writer"} <= bound
    public = {name for name in bound if not name.startswith("_")}
    assert public - set(evcodec.__all__) == set(), "imported, not in __all__"
    assert [name for name in evcodec.__all__ if not hasattr(evcodec, name)] == []


@pytest.mark.parametrize(
    "name",
    [
        *(
            "EventBatch",
            "EventKind",
            "Writer",
            "Reader",
            "encode",
            "decode",
            "Gap",
            "GapReason",
            "Source",
            "Context",
        ),
        *(
            "Anchor",
            "VideoAnchor",
            "Marker",
            "Payload",
            "EvcodecError",
            "CorruptDataError",
            "TruncatedDataError",
        ),
        *("UnsupportedVersionError", "LimitExceededError", "InvalidArgumentError", "MissingExtraError"),
        *("WriteFailedError", "__version__"),
    ],
)
def test_the_contract_is_public(name):
    assert name in evcodec.__all__

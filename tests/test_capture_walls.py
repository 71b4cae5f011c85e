"""The walls inside of the recorder: the gate and the policy touch nothing outside, and what observes knows neither."""

from __future__ import annotations

import ast

import pytest

from test_walls import PACKAGE, imported, io_done

# From the ground up: each may import those before it only, of `capture`.
PURE = (
    "model policy policy_risks policy_schema passed timing decision timeline confirming held keygate telling teller "
    "gate_state gate"
).split()
# What a decision must not depend on, nor tell.
FOREIGN = {"contextlib", "datetime", "logging", "random", "sys", "threading", "time", "traceback", "warnings"}
# What may know what the gate decides: whoever is above it.
ABOVE = {
    "recorder",
    "recorder_notice",
    "recorder_output",
    "recorder_session",
    "policy_file",
    "policy_machine",
}


def tree_of(name: str) -> ast.Module:
    path = PACKAGE / "capture" / f"{name}.py"
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def faults(name: str, tree: ast.Module) -> list[str]:
    """Return what a pure module must not do."""
    found = io_done(name, tree)
    for target, line in imported(tree, "evcodec.capture"):
        parts = target.split(".")
        if parts[0] in FOREIGN:
            found.append(f"{name}:{line} imports {target}")
        own = parts[2] if parts[:2] == ["evcodec", "capture"] and len(parts) > 2 else None
        if own is not None and own not in PURE[: PURE.index(name)]:
            found.append(f"{name}:{line} imports {own}")
    found += [
        f"{name}:{node.lineno} prints"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("print", "repr", "id")
    ]
    # What is raised can end up in a log; nothing that was observed may be in it.
    if name not in ("policy_schema",):
        found += [f"{name}:{node.lineno} raises" for node in ast.walk(tree) if isinstance(node, ast.Raise)]
    return found


@pytest.mark.parametrize("name", PURE)
def test_the_gate_touches_nothing(name):
    assert faults(name, tree_of(name)) == []


@pytest.mark.parametrize(
    "line",
    [
        "import os",
        "open('x')",
        "import time",
        "import logging",
        "from ..capture.gate_state import state_of",
        "from .gate import Gate",
        "from .x11 import X11Source",
        "print(1)",
        "raise ValueError('text')",
    ],
)
def test_a_fault_is_seen(line):
    assert len(faults("held", ast.parse(line))) == 1


def test_what_observes_knows_neither_policy_nor_gate():
    deciding = {*PURE} - {"model"}
    found = {}
    for path in sorted((PACKAGE / "capture").rglob("*.py")):
        parts = path.relative_to(PACKAGE / "capture").with_suffix("").parts
        if parts[0] in (*PURE, *ABOVE, "__init__"):
            continue
        package = ".".join(("evcodec", "capture", *parts[:-1]))
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        targets = {
            target.removeprefix("evcodec.capture.").split(".")[0] for target, _ in imported(tree, package)
        }
        found["/".join(parts)] = targets & deciding
    assert found, "no sources"
    assert {name: targets for name, targets in found.items() if targets} == {}

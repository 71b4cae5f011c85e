"""Fuzz a Python target under atheris: python -m fuzz.python TARGET [arguments of libFuzzer]."""

from __future__ import annotations

import importlib
import sys

import atheris

from fuzz.python import TARGETS

if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
    sys.exit(f"usage: python -m fuzz.python {{{','.join(TARGETS)}}} [libFuzzer's arguments]")
with atheris.instrument_imports(include=["evcodec"], enable_loader_override=False):
    target = importlib.import_module(f"fuzz.python.{sys.argv[1]}")
# libFuzzer starts itself again when it minimises, through a shell: its name has to be a command.
atheris.Setup([f"{sys.executable} -m fuzz.python {sys.argv[1]}", *sys.argv[2:]], target.run)
atheris.Fuzz()

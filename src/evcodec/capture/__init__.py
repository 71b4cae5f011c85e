"""The visible recorder: capture from a real desktop, of what a policy lists, while a person sees that it runs.

Needs the extra ``capture``. Data flows one way: sources (``x11``, ``evdev``, ``fields``, ...) observe and decide
nothing; the gate decides, before anything is queued or written; the recorder moves what has passed into a `Writer`.

`Policy` and `load_policy` say what may be recorded, `Recorder` records it, and `Summary` says what came of it. `Source` is
what a source looks like. Names are imported when they are used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .model import Source as Source
    from .policy import Policy as Policy
    from .recorder import Recorder as Recorder
    from .recorder import Summary as Summary

__all__ = ["Policy", "Recorder", "Source", "Summary", "load_policy"]

_HOMES = {
    "Policy": "policy",
    "Recorder": "recorder",
    "Source": "model",
    "Summary": "recorder",
    "load_policy": "policy_file",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

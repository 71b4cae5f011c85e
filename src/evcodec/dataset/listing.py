"""From paths to described files."""

from __future__ import annotations

from typing import Any

from ..errors import EvcodecError
from ..reader import Reader
from .files import FileProblem, StreamFile, describe, naming
from .paths import Listed, as_paths, list_local


def plan(paths: Any, hive: bool, problems: list[FileProblem] | None) -> list[StreamFile]:
    """Return the files of paths, each once, by path; those that cannot be opened go to ``problems``, if it is a list."""
    listed: dict[str, Listed] = {}
    for path in as_paths(paths):
        try:
            for item in list_local(path, hive):
                listed.setdefault(item.path, item)
        except OSError as error:
            _skip(problems, path, error)
    files = []
    for path in sorted(listed):
        try:
            files.append(_described(listed[path]))
        except (EvcodecError, OSError) as error:
            _skip(problems, path, error)
    return files


def _skip(problems: list[FileProblem] | None, path: str, error: Exception) -> None:
    if problems is None:
        raise error
    problems.append(FileProblem(path, None, str(error)))


def _described(listed: Listed) -> StreamFile:
    if listed.error is not None:
        raise listed.error
    with naming(listed.path), Reader(listed.path) as reader:
        return describe(listed, reader)

"""Puts tables into documents, between ``<!-- bench:NAME -->`` and ``<!-- /bench:NAME -->``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

_PLACE = re.compile(r"<!-- bench:(?P<name>\w+) -->\n.*?<!-- /bench:(?P=name) -->", re.S)


def filled(text: str, tables: Mapping[str, str]) -> str:
    """Return the text with every place filled; raise KeyError for one that has no table."""
    return _PLACE.sub(
        lambda place: (
            f"<!-- bench:{place['name']} -->\n{tables[place['name']].strip()}\n<!-- /bench:{place['name']} -->"
        ),
        text,
    )


def fill(path: Path, tables: Mapping[str, str]) -> None:
    """Fill a document that stands in a file."""
    path.write_text(filled(path.read_text(encoding="utf-8"), tables), encoding="utf-8")

"""Values as JSON can hold them, without losing any."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any


def plain(value: Any) -> Any:
    """Return ``value`` in terms of JSON.

    What JSON has no word for becomes a map with one key that starts with ``$``: bytes ``{"$bytes": base64}``,
    infinities and NaN ``{"$float": "inf"}``, a map with keys that are not strings ``{"$map": [[key, value], ...]}``.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": str(value)}
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, Mapping):
        # A map that looks like one of ours must not be taken for it.
        if all(isinstance(key, str) for key in value) and not (
            len(value) == 1 and next(iter(value))[:1] == "$"
        ):
            return {key: plain(item) for key, item in value.items()}
        return {"$map": [[plain(key), plain(item)] for key, item in value.items()]}
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    return {"$other": repr(value)}


def dumps(value: Any) -> str:
    """Return compact JSON of a plain value; it can always be encoded as UTF-8."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            # A lone surrogate, as in the name of a file, has no UTF-8; JSON's escape for it stays ASCII.
            return json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text

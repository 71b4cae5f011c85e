"""What the streams of a dataset agree on, for those that are made of them."""

from __future__ import annotations

from typing import Any

from ..dataset import Dataset
from ..errors import InvalidArgumentError

_SHARED = ("purpose", "policy_digest", "notice_id", "recipient_key_ids")


def common_governance(dataset: Dataset) -> dict[str, Any]:
    """Return the governance that rows of all files of a dataset are under, for `write_evc`.

    Parameters
    ----------
    dataset : Dataset
        Of the files that are read: filter it first.

    Returns
    -------
    dict
        Purpose, policy, notice and recipients, which must be the same in all files, and the earliest deadline.

    Raises
    ------
    InvalidArgumentError
        Files differ in one of them; the message names two.
    """
    found: dict[str, Any] = {}
    for name in _SHARED:
        first = None
        for file in dataset.files:
            first = first or file
            if file.governance.get(name) != first.governance.get(name):
                raise InvalidArgumentError(
                    f"{name}: found {first.governance.get(name)!r} in {first.path} and {file.governance.get(name)!r} in "
                    f"{file.path}, allowed: one for all files"
                )
        if first is not None and first.governance.get(name) is not None:
            found[name] = first.governance[name]
    deadlines = [file.retain_until_ns for file in dataset.files if file.retain_until_ns is not None]
    if deadlines:
        found["retain_until_ns"] = min(deadlines)
    return found

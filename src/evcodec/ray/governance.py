"""What the streams of a dataset agree on, for those that are made of them."""

from __future__ import annotations

from typing import Any

from .. import governance
from ..dataset import Dataset


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
    return governance.common_governance((file.path, file.governance) for file in dataset.files)

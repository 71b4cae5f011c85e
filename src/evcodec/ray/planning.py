"""Dividing the work among tasks, by size: runs of blocks of large files, and runs of small files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from ..dataset import Dataset, Split

# What opening a file counts as, beside its events: a request or some reads of a disk, and the footer.
_OPEN_BYTES = 64 * 1024
# Pieces for each task: the more, the nearer to equal; each is a run of blocks, which are what cannot be divided.
_PIECES = 4
_WHOLE = 2**62


def divide(
    dataset: Dataset, tasks: int, size_of: Callable[[Split], int], *, whole: bool
) -> list[list[Split]]:
    """Return the work in at most ``tasks`` parts, about equal, each of splits that follow each other.

    Parameters
    ----------
    dataset : Dataset
    tasks : int
    size_of : callable
        What the rows of a split take in memory, in bytes.
    whole : bool
        Whether a file must not be divided.
    """
    stored = sum(file.size for file in dataset.files)
    files = {split.file.path: split for split in dataset.splits(_WHOLE)}
    most = _WHOLE if whole else max(stored // (max(tasks, 1) * _PIECES), 1)
    splits = dataset.splits(most)
    weights = [size_of(split) + _OPEN_BYTES for split in splits]
    total = sum(weights)
    parts: list[list[Split]] = [[] for _ in range(max(tasks, 1))]
    before = 0
    for split, weight in zip(splits, weights, strict=True):
        # By its middle, so that no part is more than about half a split off.
        parts[(2 * before + weight) * len(parts) // (2 * total)].append(split)
        before += weight
    return [_joined(part, files) for part in parts if part]


def is_whole(split: Split) -> bool:
    """Tell whether a split is all of a file."""
    return split.stop_block - split.first_block == split.file.blocks


def _joined(splits: list[Split], files: Mapping[str, Split]) -> list[Split]:
    """Return splits with neighbours of one file as one, so that a task opens it once; ``files`` has whole ones."""
    found: list[Split] = []
    for split in splits:
        last = found[-1] if found else None
        if last is None or last.file is not split.file or last.stop_block != split.first_block:
            found.append(split)
            continue
        found[-1] = replace(
            last,
            stop_block=split.stop_block,
            events=last.events + split.events,
            bytes=last.bytes + split.bytes,
        )
    # Those of a whole file are known exactly; of parts they are shares, rounded.
    return [files[split.file.path] if is_whole(split) else split for split in found]

"""Joining the small blocks of a live stream when its Writer is closed."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from .errors import EvcodecError
from .inputs import FileInput
from .levels import Level
from .outputs import Output
from .replacing import replacing
from .rewrite import Own, rewrite


def merge(
    output: Output, path: Path, level: Level, block_events: int, threads: int, own: Own | None = None
) -> None:
    """Join the small blocks of a finished file, and close it.

    It stays as it is when that fails, so nothing is lost. The output is locked until the new file has the name, so
    that no other Writer begins in between; Windows replaces no open file, so there is an instant without a lock.
    ``own`` is what its last stream was protected with.
    """
    is_moved = not output.is_at_path()
    if os.name == "nt":
        output.close()
    try:
        if is_moved:  # what stands at the path now is somebody else's
            _warn_unmerged(path, "the file was moved")
            return
        locked = None if os.name == "nt" else output.file
        with replacing(path, locked) as new, path.open("rb") as old:
            source = FileInput(old, str(path), owned=False)
            rewrite(
                source,
                new.write,
                level=level,
                block_events=block_events,
                reencode=False,
                threads=threads,
                own=own,
            )
    except (OSError, EvcodecError) as error:
        _warn_unmerged(path, str(error))
    finally:
        output.close()


def _warn_unmerged(path: Path, reason: str) -> None:
    warnings.warn(
        f"{path}: small blocks were not merged: {reason}; the stream is whole", RuntimeWarning, stacklevel=5
    )

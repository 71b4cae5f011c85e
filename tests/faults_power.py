"""Power cuts: what was forced to the device stays, all behind it may be cut, torn, zeroed, exchanged or missing."""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

PAGE = 4096
SECTOR = 512


@dataclass
class Device:
    """What was forced to it: sizes of files and names of folders, by inode, in order."""

    forced: list[tuple[int, int]] = field(default_factory=list)

    def size(self, path: str | os.PathLike[str]) -> int:
        """Return how many bytes of a file are on the device for sure."""
        inode = os.stat(path).st_ino  # which may have been another file's before
        return next((size for number, size in reversed(self.forced) if number == inode), 0)

    def order(self, path: str | os.PathLike[str]) -> list[int]:
        """Return when a file or folder was forced, as places in the order of all that was."""
        inode = os.stat(path).st_ino
        return [place for place, (number, _) in enumerate(self.forced) if number == inode]


@contextmanager
def watched_device(monkeypatch: pytest.MonkeyPatch) -> Iterator[Device]:
    """Note what is forced to the device; it is really forced, too."""
    device, really = Device(), os.fsync

    def fsync(file: int) -> None:
        size = os.fstat(file).st_size  # before, since more may be written meanwhile
        really(file)
        status = os.fstat(file)
        device.forced.append((status.st_ino, -1 if stat.S_ISDIR(status.st_mode) else size))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        yield device


def after_power_cut(rng: random.Random, data: bytes, forced: int) -> tuple[str, bytes]:
    """Return what may stand in a file of which the first bytes were forced to the device, and how it came."""
    first = forced // PAGE
    pages = [data[at : at + PAGE] for at in range(0, len(data), PAGE)]
    done = set()
    for number in range(first, len(pages)):
        fate = rng.choice(("kept", "kept", "kept", "zeroed", "torn", "sectors", "another's", "older"))
        page = pages[number]
        half = rng.randrange(1, PAGE // SECTOR) * SECTOR
        if fate == "zeroed":
            pages[number] = bytes(len(page))
        elif fate == "torn":  # one part of it was written
            pages[number] = rng.choice(
                (page[:half] + bytes(len(page[half:])), bytes(len(page[:half])) + page[half:])
            )
        elif fate == "sectors":  # any of its sectors were
            pages[number] = b"".join(
                page[at : at + SECTOR] if rng.random() < 0.5 else bytes(len(page[at : at + SECTOR]))
                for at in range(0, len(page), SECTOR)
            )
        elif fate == "another's":  # what stood on the device before
            pages[number] = rng.randbytes(len(page))
        elif fate == "older" and number > first:  # exchanged with another one of the tail
            other = rng.randrange(first + 1, len(pages)) if len(pages) > first + 1 else number
            if len(pages[other]) == len(page):
                pages[number], pages[other] = pages[other], page
        done.add(fate)
    found = bytearray(b"".join(pages))
    found[:forced] = data[:forced]
    ending = rng.choice(("whole", "whole", "cut", "longer"))
    if ending == "cut":
        del found[rng.randrange(forced, len(found) + 1) :]
    elif ending == "longer":  # the size was written before the data
        found += bytes(rng.randrange(1, 3 * PAGE))
    return f"{sorted(done)}, {ending}", bytes(found)

"""What a call takes at most in memory, measured in a process of its own."""

from __future__ import annotations

import os
import resource
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

CLEAR_REFS = Path("/proc/self/clear_refs")


def _status(field: str) -> int:
    """Return a field of this process's status in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


def peak_of(action: Callable[[], object]) -> int:
    """Return how many bytes more than before a child had resident at most while it ran a call, which must not fail.

    More than 6 GiB of addresses more than now are refused to it, so that a fault takes no machine down.
    """
    if not os.access(CLEAR_REFS, os.W_OK):
        pytest.skip("this system does not tell what a process had in memory at most")
    read_end, write_end = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            most = _status("VmSize") + 6 * 2**30
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
            CLEAR_REFS.write_text("5")  # the peak starts anew
            before = _status("VmRSS")
            action()
            os.write(write_end, str(max(0, _status("VmHWM") - before)).encode())
        except BaseException:
            os.write(write_end, traceback.format_exc()[-3_000:].encode())
            os._exit(1)
        os._exit(0)
    os.close(write_end)
    with open(read_end, "rb") as file:
        said = file.read().decode()
    _, status = os.waitpid(pid, 0)
    assert status == 0, said
    return int(said)

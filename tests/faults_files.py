"""Files that fail: a disk that fills and gets room again, targets that fail or take less, a disk of a few pages."""

from __future__ import annotations

import errno
import io
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
# Waiting for what will happen on a machine that is busy.
SLACK_S = 60
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX: limits, forks, signals")


def run(code: str, *args: Any, timeout: float = 240) -> str:
    """Run Python code in a process of its own, which finds the helpers of the tests; return what it prints."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}
    done = subprocess.run(
        [
            sys.executable,
            "-X",
            "faulthandler",
            "-W",
            "ignore::DeprecationWarning",
            "-c",
            code,
            *map(str, args),
        ],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


class Disk:
    """The file system of this process, full at a given size of any file, by RLIMIT_FSIZE.

    A write that would go beyond takes what fits, and the next one fails with EFBIG, whatever the byte. It holds for the
    whole process, so it belongs into one of its own (`run`).
    """

    def __init__(self) -> None:
        import resource
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        self._resource = resource
        self._hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]

    def full_at(self, size: int) -> None:
        """Let no file grow beyond a size."""
        self._resource.setrlimit(self._resource.RLIMIT_FSIZE, (size, self._hard))

    def has_room(self) -> None:
        """Let files grow again."""
        self._resource.setrlimit(self._resource.RLIMIT_FSIZE, (self._hard, self._hard))


class FailingFile(io.RawIOBase):
    """A real file that is opened here and fails, or takes only a part, by a seeded schedule.

    Parameters
    ----------
    path : Path
    seed : int
    short : float
        Share of the writes that take a part.
    fail_at : int, optional
        The write, counted from 0, that fails with EIO, and all behind it.
    """

    def __init__(self, path: Path, seed: int, short: float = 0.5, fail_at: int | None = None) -> None:
        super().__init__()
        self._file = open(path, "wb", buffering=0)  # noqa: SIM115 - closed below
        self._random = random.Random(seed)
        self._short = short
        self._fail_at = fail_at
        self.writes = 0

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._file.fileno()

    def write(self, data: Any) -> int:
        """Write some of it."""
        number, self.writes = self.writes, self.writes + 1
        if self._fail_at is not None and number >= self._fail_at:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if self._random.random() < self._short:
            data = data[: self._random.randint(1, len(data))]
        return self._file.write(data)

    def close(self) -> None:
        """Close the real file too."""
        self._file.close()
        super().close()


@contextmanager
def tiny_disk(folder: Path, size: str = "64k") -> Iterator[Path]:
    """A file system of a few pages; skips the test where none can be mounted."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "evcodec-test", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SLACK_S, check=False)
    except OSError as error:
        pytest.skip(f"no tiny file system: {error}")
    if done.returncode:
        pytest.skip(f"no tiny file system: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True, timeout=SLACK_S)

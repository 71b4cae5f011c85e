"""Files that take the place of others, whole or not at all."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .locks import Claim
from .outputs import sync_folder


@contextmanager
def replacing(path: Path, own: BinaryIO | None = None) -> Iterator[BinaryIO]:
    """Give a file that takes the place of ``path`` when the block ends well, and vanishes when it does not.

    Whatever happens, ``path`` is the old file or the new one, whole: the new one is on the device before it takes the
    name, and its name before this returns. A link stays a link. An OSError names ``path``, not the file that was to
    take its place.

    Where the system has files without a name (Linux, on most file systems) the new one has none until it is whole, so
    that nothing is left of it when the process is killed. Elsewhere a process that is killed leaves a hidden file that
    ends in ``.part``.

    A file that a Writer has open is not replaced (InvalidArgumentError), unless the Writer is ours and ``own`` its file.
    """
    real = Path(os.path.realpath(path))
    claim = Claim(real, own)
    name = ""
    try:
        descriptor = _unnamed(real.parent)
        unnamed = descriptor is not None
        if descriptor is None:
            descriptor, name = tempfile.mkstemp(prefix=_hidden(real), suffix=".part", dir=real.parent)
        with open(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
            mode = (real.stat().st_mode if real.exists() else 0o666 & ~_umask()) & 0o777
            if unnamed:
                os.fchmod(descriptor, mode)
                name = _named(descriptor, real)
        if not unnamed:
            os.chmod(name, mode)
        claim.renew()
        if os.name == "nt":  # which replaces no open file
            claim.release()
        os.replace(name, real)
        sync_folder(real.parent)
    except BaseException as error:
        if name:
            Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError) and str(error.filename or ".part").endswith(".part"):
            raise type(error)(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        claim.release()


def _hidden(real: Path) -> str:
    return f".{real.name[:40]}."  # a long name leaves room for what is put behind it


def _unnamed(folder: Path) -> int | None:
    """Return a descriptor of a new file without a name in a folder, None where there are no such files."""
    if not hasattr(os, "O_TMPFILE"):
        return None
    try:
        descriptor = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError:
        return None  # whatever is wrong with the folder is said when a file with a name cannot be made either
    if not os.path.exists(f"/proc/self/fd/{descriptor}"):  # the only way to a name
        os.close(descriptor)
        return None
    return descriptor


def _named(descriptor: int, real: Path) -> str:
    """Give a hidden name to a file that has none, and return it: no call gives it a name that is in use."""
    name = str(real.parent / f"{_hidden(real)}{secrets.token_hex(8)}.part")
    folder = os.open(real.parent, os.O_PATH | os.O_DIRECTORY)  # which need not be readable
    try:
        # With a folder to start from, whether it is used or not, the link is followed.
        os.link(f"/proc/self/fd/{descriptor}", name, src_dir_fd=folder, follow_symlinks=True)
    finally:
        os.close(folder)
    return name


def _umask() -> int:
    """Return the process's umask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask

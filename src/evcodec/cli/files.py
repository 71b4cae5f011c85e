"""Which files a command reads and writes, and how an output comes to be whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import click

from ..replacing import replacing
from .terminal import printable

STDIO = "-"
SUFFIX = ".evc"
# The first bytes of every record, and so of every stream: docs/format.md, section 2.
MARKER = b"\xecEVC"
_MOST_IN_MEMORY = 1 << 25
_SEPARATORS = os.sep + (os.altsep or "")
# Errors of writing that the system reports without a name.
FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


class Input(NamedTuple):
    """One file to read: ``path`` is what to open (``-`` for stdin), ``name`` its place in an output folder."""

    path: str
    name: Path
    found_in_folder: bool


def expand(given: Sequence[str]) -> list[Input]:
    """Return the files that ``given`` stands for: folders are walked, in order of name, hidden files left out.

    Raises
    ------
    click.UsageError
        A path does not exist, or stdin is given twice.
    """
    if list(given).count(STDIO) > 1:
        raise click.UsageError("- (stdin): found more than once, allowed: once")
    found: list[Input] = []
    for path in given:
        if path == STDIO:
            found.append(Input(path, Path("stdin"), False))
        elif os.path.isdir(path):
            # Two folders may hold files of one name: each keeps its own folder in the output.
            above = Path(Path(path).resolve().name) if len(given) > 1 else Path()
            found.extend(Input(file, above / Path(file).relative_to(path), True) for file in _walk(path))
        elif not os.path.lexists(path):
            raise click.UsageError(f"{path}: no such file or folder")
        else:
            found.append(Input(path, Path(Path(path).name), False))
    return found


def _walk(folder: str) -> Iterator[str]:
    """Yield the files below a folder, and the folders that cannot be read: to open them gives their error."""
    locked: list[str] = []
    for where, folders, files in os.walk(
        folder, onerror=lambda error: locked.append(os.fsdecode(error.filename))
    ):
        yield from locked
        locked.clear()
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                yield os.path.join(where, name)
    yield from locked


def streams(given: Sequence[str]) -> list[Input]:
    """Return the streams that ``given`` stands for; of a folder, what starts like one or is named ``.evc``."""
    return [item for item in expand(given) if not item.found_in_folder or _is_stream(item.path)]


def _is_stream(path: str) -> bool:
    return path.endswith(SUFFIX) or is_locked(path) or head_of(path, len(MARKER)) == MARKER


def is_locked(path: str) -> bool:
    """Tell whether a path cannot be read: what it is must not be guessed, nor the path be left out in silence."""
    return not os.access(path, os.R_OK)


def is_pipe(path: str) -> bool:
    """Tell whether a path, or stdin, can be read only once."""
    if path == STDIO:
        return not sys.stdin.buffer.seekable()
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def shown_name(path: str) -> str:
    """Return what to call an input in a message."""
    return "stdin" if path == STDIO else printable(path)


def head_of(path: str, size: int) -> bytes:
    """Return the first bytes of a regular file; nothing for what is not one or cannot be read."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return b""
        with open(path, "rb") as file:
            return file.read(size)
    except OSError:
        return b""


def plan(
    inputs: Sequence[Input], given: Sequence[str], target: str, suffix: str, drop: str = ""
) -> list[str]:
    """Return where each input goes: ``target`` itself for one file, a path below it for a folder or many files."""
    check_place(target)
    many = len(given) > 1 or any(os.path.isdir(path) for path in given)
    if not many and not _names_folder(target):
        return [target] * len(inputs)
    if target == STDIO:
        raise click.UsageError("- (stdout): found several inputs, allowed: one")
    if os.path.lexists(target) and not os.path.isdir(target):
        raise click.UsageError(f"{target}: found a file, allowed for several inputs: a folder")
    names = [item.name.with_name(item.name.name.removesuffix(drop) + suffix) for item in inputs]
    planned = [os.path.join(target, name) for name in names]
    for path, count in Counter(planned).items():
        if count > 1:
            raise click.UsageError(
                f"{path}: found {count} inputs of this name, allowed: one; give each an output of its own"
            )
    return planned


def check_place(target: str) -> None:
    """Refuse a target in a folder that does not exist: only the last part of a path is made, never a typo's folders.

    Raises
    ------
    click.UsageError
        With the folder that is missing.
    """
    if target == STDIO:
        return
    folder = os.path.dirname(target.rstrip(_SEPARATORS))
    if folder and not os.path.isdir(folder):
        found = "a file, allowed: a folder" if os.path.lexists(folder) else "no such folder"
        raise click.UsageError(f"{target}: {printable(folder)}: found {found}")


def _names_folder(path: str) -> bool:
    return os.path.isdir(path) or path.endswith(tuple(_SEPARATORS))


def check_outputs(
    inputs: Iterable[str], outputs: Sequence[str], *, force: bool, only_streams: bool = False
) -> None:
    """Refuse outputs that are inputs, folders, or exist already; nothing has been written then.

    Raises
    ------
    click.UsageError
        With the first output that is refused.
    """
    taken = {_identity(path) for path in inputs if path != STDIO} - {None}
    for path in outputs:
        if path == STDIO:
            if sys.stdout.isatty():
                raise click.UsageError("- (stdout): found a terminal, allowed: a file or a pipe")
            continue
        if _names_folder(path):
            raise click.UsageError(f"{path}: found a folder, allowed: a file")
        if _identity(path) in taken:
            raise click.UsageError(f"{path}: found the input itself, allowed: another file")
        if _is_special(path) or not os.path.lexists(path):
            continue
        if not force:
            raise click.UsageError(f"{path}: exists already; --force writes over it")
        if only_streams and head_of(path, len(MARKER)) not in (b"", MARKER):
            # `evcodec import a.csv b.csv --force` must not cost anyone b.csv.
            raise click.UsageError(
                f"{path}: found a file that is no evcodec stream, allowed with --force: to replace a stream"
            )


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_special(path: str) -> bool:
    """Tell whether a path is a device or a named pipe, which is written to, not replaced."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


@contextlib.contextmanager
def opened_input(path: str) -> Iterator[BinaryIO]:
    """Open a file, or stdin for ``-``."""
    if path == STDIO:
        yield sys.stdin.buffer
        return
    with open(path, "rb") as file:
        yield file


@contextlib.contextmanager
def whole_output(path: str, *, make_folders: bool = False) -> Iterator[BinaryIO]:
    """Open an output that appears under its name only when the block ends without an error.

    stdout and devices are written as they are.
    """
    with _output_named(path):
        if path == STDIO:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        elif _is_special(path):
            with open(path, "wb") as device:
                yield device
        else:
            with _renamed_when_whole(path, make_folders) as file:
                yield file


@contextlib.contextmanager
def _output_named(path: str) -> Iterator[None]:
    """Give errors of writing the name that the user gave, instead of none or that of the hidden file."""
    try:
        yield
    except OSError as error:
        # Two names: it was the renaming.
        if error.filename2 is not None or (error.filename is None and error.errno in FULL):
            error.filename = "stdout" if path == STDIO else path
        raise


@contextlib.contextmanager
def _renamed_when_whole(path: str, make_folders: bool) -> Iterator[BinaryIO]:
    folder, _ = os.path.split(os.path.realpath(path))
    if make_folders:
        os.makedirs(folder, exist_ok=True)
    with replacing(Path(path)) as file:
        yield file


@contextlib.contextmanager
def output_path(path: str) -> Iterator[str]:
    """Give the path for what writes whole files itself; stdout and devices get a copy of what it wrote."""
    if path != STDIO and not _is_special(path):
        with _output_named(path):
            yield path
        return
    with tempfile.TemporaryDirectory(prefix="evcodec-") as folder:
        made = os.path.join(folder, "out" + SUFFIX)
        yield made
        with open(made, "rb") as file, whole_output(path) as output:
            shutil.copyfileobj(file, output)


def size_of(path: str) -> int | None:
    """Return the size of a regular file, None for anything else, stdin too."""
    if path == STDIO:
        return None  # there may be a file called "-"
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


@contextlib.contextmanager
def seekable_input(path: str) -> Iterator[BinaryIO]:
    """Open a file, or stdin for ``-``, to be read more than once: what a pipe brings is kept, on disk if large."""
    with opened_input(path) as file:
        if file.seekable():
            yield file
            return
        with tempfile.SpooledTemporaryFile(_MOST_IN_MEMORY) as kept:
            shutil.copyfileobj(file, kept)
            kept.seek(0)
            yield cast(BinaryIO, kept)

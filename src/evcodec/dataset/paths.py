"""Which files a dataset has: paths, folders and globs to files, and the partitions that their folders spell."""

from __future__ import annotations

import os
import re
import stat
from collections import deque
from collections.abc import Iterable, Iterator
from fnmatch import translate
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from ..errors import EvcodecError, InvalidArgumentError

SUFFIX = ".evc"
_MAGIC = re.compile(r"[*?\[]")
DEFAULT_PARTITION = "__HIVE_DEFAULT_PARTITION__"


Found = tuple[str, "os.stat_result | OSError"]


class Listed(NamedTuple):
    """A file as a listing shows it."""

    path: str
    size: int
    modified_ns: int | None
    etag: str | None
    partitions: dict[str, str | None]
    error: Exception | None = None
    """Why it cannot be read, where the listing tells."""
    identity: tuple[int, int] | None = None
    """What is the same for all names of a file, where the file system tells."""


def is_url(path: str) -> bool:
    """Tell whether a path is for fsspec."""
    return "://" in path


def as_paths(paths: Any) -> list[str]:
    """Return paths as strings; raise InvalidArgumentError for what is none."""
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    if not isinstance(paths, Iterable) or isinstance(paths, (bytes, bytearray, memoryview)):
        raise InvalidArgumentError(f"paths: found {type(paths).__name__}, allowed: a path or several")
    found = []
    for path in paths:
        if not isinstance(path, (str, os.PathLike)):
            raise InvalidArgumentError(f"paths: found {type(path).__name__}, allowed: paths, globs, URLs")
        text = os.fspath(path)
        if not isinstance(text, str) or not text or "\0" in text:
            raise InvalidArgumentError(f"paths: found {text!r}, allowed: paths that are text")
        found.append(text)
    if not found:
        raise InvalidArgumentError("paths: found none, allowed: at least one")
    return found


@lru_cache(4096)
def hive_partitions(folders: str) -> dict[str, str | None]:
    """Return what the parts ``key=value`` of a path to a folder say; None for a value that was missing.

    Not to be changed: files of one folder share it.

    Raises
    ------
    InvalidArgumentError
        A key stands twice.
    """
    if "=" not in folders:
        return {}
    found: dict[str, str | None] = {}
    for part in re.split(r"[/\\]" if os.sep == "\\" else "/", folders):
        key, equals, value = part.partition("=")
        if not equals or not key:
            continue
        key, value = unquote(key), unquote(value)
        if key in found:
            raise InvalidArgumentError(f"{folders}: partition {key!r}: found twice, allowed: once")
        found[key] = None if value == DEFAULT_PARTITION else value
    return found


def list_local(path: str, hive: bool) -> Iterator[Listed]:
    """Yield the files that a path, a folder or a glob names, in no order.

    Raises
    ------
    FileNotFoundError
        There is nothing at the path.
    InvalidArgumentError
        A glob or a folder holds no file.
    OSError
        A folder cannot be listed.
    """
    if os.path.isdir(path):
        yield from _some(_below(path), path, hive)
    elif _MAGIC.search(path) and not os.path.lexists(path):
        yield from _some(_matching(path), path, hive)
    else:
        yield _listed(path, os.stat(path), hive)


def _some(found: Iterable[Found], path: str, hive: bool) -> Iterator[Listed]:
    count = 0
    for name, status in found:
        count += 1
        yield _listed(name, status, hive)
    if not count:
        raise none_found(path)


def none_found(path: str) -> InvalidArgumentError:
    """Return the error for a folder or a glob without files."""
    return InvalidArgumentError(
        f"{path}: found no file, allowed: a folder that has some that end in {SUFFIX}, or a glob that fits some"
    )


def _listed(path: str, status: os.stat_result | OSError, hive: bool) -> Listed:
    if isinstance(status, OSError):
        return Listed(os.path.abspath(path), 0, None, None, {}, status)
    error: EvcodecError | None = None
    partitions: dict[str, str | None] = {}
    if not stat.S_ISREG(status.st_mode):
        error = InvalidArgumentError(
            f"{path}: found a pipe, a device or a socket, allowed: files, which can be read anywhere"
        )
    elif hive:
        partitions = hive_partitions(os.path.dirname(path))
    # Who takes the dataset along may have another working directory.
    identity = (status.st_dev, status.st_ino) if status.st_ino else None
    return Listed(
        os.path.abspath(path), status.st_size, status.st_mtime_ns, None, partitions, error, identity
    )


def each_once(found: Iterable[Listed]) -> list[Listed]:
    """Return files without those that another name leads to as well: a link gives way, else the later one."""
    chosen: dict[object, Listed] = {}
    for item in found:
        known = chosen.setdefault(item.identity or item.path, item)
        if known is not item and os.path.islink(known.path) and not os.path.islink(item.path):
            chosen[item.identity] = item
    return list(chosen.values())


def _below(folder: str) -> Iterator[Found]:
    """Yield all files of the suffix below a folder, but for hidden ones."""
    for inner in _folders(folder):
        if isinstance(inner, OSError):
            yield inner.filename, inner
            continue
        for entry in _entries(inner):
            if entry.name.endswith(SUFFIX) and not _is_folder(entry):
                yield from _status(entry)


def _folders(folder: str) -> Iterator[str | OSError]:
    """Yield a folder and all that are below it, each once however many links lead there; real ones before links. An error
    stands for one that cannot be listed.
    """
    seen = set()
    real, linked = [folder], deque[str]()
    while real or linked:
        path = real.pop() if real else linked.popleft()
        try:
            status = os.stat(path)
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            entries = _entries(path)
        except OSError as error:
            yield error
            continue
        yield path
        for entry in entries:
            if _is_folder(entry):
                (linked if entry.is_symlink() else real).append(entry.path)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """Return what is in a folder and not hidden, by name."""
    with os.scandir(folder) as entries:
        return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda e: e.name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # as of a link to itself
        return False


def _status(entry: os.DirEntry[str] | Path) -> Iterator[Found]:
    """Yield a file with its status, or why there is none; nothing for what is not there, or is a folder."""
    try:
        status = entry.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        if entry.is_symlink():  # to nothing; what is gone since it was listed is no matter
            yield os.fspath(entry), error
    except OSError as error:
        yield os.fspath(entry), error
    else:
        if not stat.S_ISDIR(status.st_mode):
            yield os.fspath(entry), status


def _matching(pattern: str) -> Iterator[Found]:
    """Yield the files that a glob names."""
    drive, rest = os.path.splitdrive(pattern)
    parts = [part for part in re.split(r"[/\\]" if os.sep == "\\" else "/", rest) if part]
    start = drive + os.sep if rest[:1] in (os.sep, "/") else drive
    yield from _match(start, parts)


def _match(folder: str, parts: list[str]) -> Iterator[Found]:
    """Yield the files below a folder that the parts of a glob name."""
    head, rest = parts[0], parts[1:]
    if not _MAGIC.search(head):
        path = os.path.join(folder, head)
        yield from _match(path, rest) if rest else _status(Path(path))
        return
    try:
        entries = _entries(folder or os.curdir)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:  # one folder that cannot be listed must not hide the others, nor be passed over
        yield folder or os.curdir, error
        return
    if head == "**":
        # As in a shell: any number of folders. Several in a row are one.
        while rest and rest[0] == "**":
            rest = rest[1:]
        for inner in _folders(folder or os.curdir):
            if isinstance(inner, OSError):
                yield inner.filename, inner
            else:
                yield from _match(inner, rest or ["*"])
        return
    fits = re.compile(translate(os.path.normcase(head))).match
    for entry in entries:
        if not fits(os.path.normcase(entry.name)):
            continue
        if rest and _is_folder(entry):
            yield from _match(entry.path, rest)
        elif not rest and not _is_folder(entry):
            yield from _status(entry)

"""open_dataset: from paths to a Dataset."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..errors import InvalidArgumentError, RetentionError
from ..governance import Use
from ..keyring import Keyring
from ..parallel import check_threads
from .dataset import Dataset
from .files import FileProblem
from .paths import is_url
from .planning import Planner, Progress
from .reading import FileAccess
from .stores import Stores
from .where import Where


def open_dataset(
    paths: Any,
    *,
    partitioning: str | None = "hive",
    catalogue: str | os.PathLike[str] | None = None,
    storage_options: Mapping[str, Any] | None = None,
    where: Where = None,
    on_error: str = "raise",
    clock: str = "session",
    threads: int = 1,
    progress: Progress | None = None,
    keys: Any = None,
    without_key: str = "raise",
    purpose: Any = None,
    past_retention: str = "raise",
) -> Dataset:
    """Open many streams as one.

    The ends of each file are read, not its events; with a catalogue, only those of files that are not in it.

    Parameters
    ----------
    paths : path or iterable of paths
        Each a file, a folder (all ``*.evc`` below it), a glob (``*``, ``?``, ``[…]``, ``**`` for any folders), or a URL
        of these that fsspec knows (``s3://bucket/folder``). Hidden files and folders, whose names begin with a dot, are
        not in folders and globs. A file that several of them name is there once, and so is a folder to which several
        links lead.
    partitioning : {"hive", None}
        Whether folders ``key=value`` of a path as it was given, and below it, are partitions of the file.
    catalogue : path or URL, optional
        A Parquet file that keeps what the ends of the files say, keyed by path, size and time of change or tag. It is
        made when it is not there, and written anew, in one step, when a file was added, changed or is gone. One for
        each list of paths.
    storage_options : mapping, optional
        For fsspec's file system, such as ``{"key": …, "secret": …}``.
    where : mapping or callable, optional
        As in `Dataset.filter`. Files whose partitions do not fit are not opened.
    on_error : {"raise", "skip"}
        What to do with a file that cannot be opened, or is damaged: raise an error that names it; or leave it out, or go
        on behind the damage, and list it in `Dataset.problems`.
    clock : {"session", "wall"}
        What ``start`` and ``stop`` are on: each file's own ``t``; or the wall clock, in ns since 1970, which each file's
        first ANCHOR relates to its ``t``.
    threads : int
        Threads that open files, and that decode blocks of a file, beside the caller's own. Files of URLs are opened by 16
        at least.
    progress : callable, optional
        Called with the number of files that were opened, and of those that must be.
    keys : PrivateKey, path, bytes of a PEM file, or several of them, optional
        What opens encrypted column groups. Where the Dataset is pickled, as on its way to workers of Ray and torch, a path
        goes as a path, which each worker reads; a PrivateKey or PEM goes along as it is, without a passphrase.
    without_key : {"raise", "skip"}
        What to do where no key opens a group: raise MissingKeyError when anything of it may be asked for; or leave columns
        out of the dataset that are encrypted in any of its files. They are never read as zeros.
    purpose : str, or collection of str and None, optional
        As in `Reader`: files that state another purpose are refused, now and again when they are read. ``where`` chooses
        files by it instead.
    past_retention : {"raise", "skip", "allow"}
        What to do with a file that may not be kept any longer, now or when it is read: refuse it; leave it out, and list it
        in `Dataset.problems`; or read it.

    Returns
    -------
    Dataset

    Raises
    ------
    InvalidArgumentError
        An argument is outside of what is allowed; a folder or a glob holds no file; a file is a pipe; schemas of files
        cannot be unified; a partition has the name of a column.
    TruncatedDataError, CorruptDataError, UnsupportedVersionError, LimitExceededError
        A file is not a stream, or its end is damaged, and ``on_error`` is "raise"; or the catalogue is damaged.
    OSError
        A file or a folder cannot be read, and ``on_error`` is "raise"; or the catalogue cannot be read or written.
    MissingKeyError
        What ``where``, ``clock="wall"`` or the columns of a file need is encrypted, and no key opens it.
    PurposeError, RetentionError
        A file is refused, whatever ``on_error`` says.
    MissingExtraError
        A URL needs fsspec, a catalogue needs pyarrow, or keys need cryptography.
    """
    for name, value, allowed in (
        ("partitioning", partitioning, ("hive", None)),
        ("on_error", on_error, ("raise", "skip")),
        ("clock", clock, ("session", "wall")),
    ):
        if value not in allowed:
            raise InvalidArgumentError(f"{name}: found {value!r}, allowed: {', '.join(map(repr, allowed))}")
    stores = Stores(storage_options)
    skip = on_error == "skip"
    keyring = Keyring(keys, without_key)
    use = Use.of(purpose, past_retention, ("raise", "skip", "allow"))
    planner = Planner(
        stores,
        hive=partitioning == "hive",
        skip=skip,
        threads=check_threads(threads),
        progress=progress,
        keyring=keyring,
    )
    plan = planner.plan(paths, where, None if catalogue is None else _location(catalogue))
    access = FileAccess(stores, on_error, threads, keyring, use)
    files, problems = [], list(plan.problems)
    for file in plan.files:
        try:
            use.check(file.governance, file.path)
        except RetentionError as error:
            if not access.skips(error):
                raise
            problems.append(FileProblem(file.path, None, str(error)))
        else:
            files.append(file)
    return Dataset(files, access, wall=clock == "wall", problems=problems)


def _location(catalogue: Any) -> str:
    if not isinstance(catalogue, (str, os.PathLike)) or not isinstance(os.fspath(catalogue), str):
        raise InvalidArgumentError(f"catalogue: found {type(catalogue).__name__}, allowed: a path or a URL")
    text = os.fspath(catalogue)
    return text if is_url(text) else os.path.abspath(text)

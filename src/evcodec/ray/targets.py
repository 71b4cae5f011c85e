"""Where a job writes its streams: nothing of it is seen as a stream before it is whole, and nothing is there twice."""

from __future__ import annotations

import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from ..dataset.paths import SUFFIX, is_url, list_local
from ..dataset.stores import Stores, telling
from ..errors import InvalidArgumentError
from ..outputs import sync_folder
from ..replacing import replacing

_ATTEMPTS = 20


class Target(Protocol):
    """A folder that gets the streams of one job. It is sent to the workers, which call `file` only."""

    def streams(self) -> list[str]:
        """Return the paths of the streams that are there."""

    def begin(self) -> None:
        """Make room, and take away what an earlier job of this name left."""

    def file(self, name: str) -> Any:
        """Return a context that gives a file: it is there, whole, when the context ends well, instead of one of this name."""

    def commit(self, names: list[str]) -> list[str]:
        """Show these streams, and return their paths."""

    def abandon(self) -> None:
        """Take away what the job has written."""

    def remove(self, paths: Iterable[str]) -> None:
        """Take away streams that are there."""


def stream_name(job: str, task: int) -> str:
    """Return the name of the stream of a task: the same for every attempt at it."""
    return f"{job}-{task:06d}{SUFFIX}"


def is_of_job(path: str, job: str) -> bool:
    """Tell whether a path is that of a stream of a job of this name."""
    name = re.split(r"[/\\]", path)[-1]
    return re.fullmatch(rf"{re.escape(job)}-[0-9]{{6,}}{re.escape(SUFFIX)}", name) is not None


def target_of(path: Any, job: str, storage_options: Any) -> Target:
    """Return the target for a folder or a URL."""
    if not isinstance(path, (str, os.PathLike)):
        raise InvalidArgumentError(f"path: found {type(path).__name__}, allowed: a folder or a URL")
    text = os.fspath(path)
    if isinstance(text, str) and is_url(text):
        return Bucket(text.rstrip("/"), job, Stores(storage_options))
    if not isinstance(text, str) or not text or "\0" in text:
        raise InvalidArgumentError(f"path: found {text!r}, allowed: a folder or a URL, as text")
    return Folder(os.path.abspath(text), job)


class Folder:
    """A folder that all nodes see. Tasks write into a hidden folder in it; the driver moves what is there when all is."""

    def __init__(self, folder: str, job: str) -> None:
        self._folder = folder
        self._job = job
        self._staging = os.path.join(folder, f".{job}.staging")

    def streams(self) -> list[str]:
        """Return the paths of all streams below the folder that are not hidden."""
        try:
            return (
                [found.path for found in list_local(self._folder, False)]
                if os.path.isdir(self._folder)
                else []
            )
        except InvalidArgumentError:  # which is said of a folder without any
            return []

    def begin(self) -> None:
        """Make the folders."""
        self._clear()
        os.makedirs(self._staging)

    @contextmanager
    def file(self, name: str) -> Iterator[BinaryIO]:
        """Give a file of which nothing is left unless it becomes whole."""
        if not os.path.isdir(self._staging):
            raise InvalidArgumentError(
                f"{self._folder}: found no folder of this job on the node {platform.node()}, allowed: a folder that all "
                "nodes see, or a URL; or the job has ended"
            )
        # Without the suffix of a stream, so that no glob takes it for one.
        with replacing(Path(self._staging, f"{name}.part")) as file:
            yield file

    def commit(self, names: list[str]) -> list[str]:
        """Move streams to where they are seen."""
        paths = [os.path.join(self._folder, name) for name in names]
        for name, path in zip(names, paths, strict=True):
            os.replace(os.path.join(self._staging, f"{name}.part"), path)
        sync_folder(Path(self._folder))
        self._clear()
        return paths

    def abandon(self) -> None:
        """Remove the hidden folder."""
        self._clear()

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files of this folder; what a link to a folder leads to is somebody else's."""
        real = Path(os.path.realpath(self._folder))
        for path in paths:
            if Path(os.path.realpath(os.path.dirname(path))).is_relative_to(real):
                with suppress(FileNotFoundError):
                    os.unlink(path)

    def _clear(self) -> None:
        """Remove the hidden folder; a task that was not stopped yet may put something into it meanwhile."""
        for attempt in range(_ATTEMPTS):
            try:
                shutil.rmtree(self._staging)
            except FileNotFoundError:
                return
            except OSError:
                if attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(0.05)


class Bucket:
    """A URL of fsspec's. A stream is put there in one piece when it is whole: an object is there whole or not at all."""

    def __init__(self, url: str, job: str, stores: Stores) -> None:
        self._url = url
        self._job = job
        self._stores = stores

    def streams(self) -> list[str]:
        """Return the URLs of all streams below this one."""
        try:
            return [found.path for found in self._stores.listed(self._url, False)]
        except (InvalidArgumentError, FileNotFoundError):
            return []

    def begin(self) -> None:
        """Remove what an earlier job of this name left: it cannot be told from what this one writes."""

    @contextmanager
    def file(self, name: str) -> Iterator[BinaryIO]:
        """Give a file on this machine, which is put there at the end."""
        with tempfile.TemporaryDirectory(prefix="evcodec-") as folder:
            local = os.path.join(folder, name)
            with open(local, "w+b") as file:
                yield file
            url = f"{self._url}/{name}"
            with telling(url):
                system = self._stores._system(url)
                system.put_file(local, system._strip_protocol(url))

    def commit(self, names: list[str]) -> list[str]:
        """Return the URLs; the objects are there."""
        return [f"{self._url}/{name}" for name in names]

    def abandon(self) -> None:
        """Remove the objects of this job."""
        self.remove(path for path in self.streams() if is_of_job(path, self._job))

    def remove(self, paths: Iterable[str]) -> None:
        """Remove objects."""
        for url in paths:
            with telling(url), suppress(FileNotFoundError):
                system = self._stores._system(url)
                system.rm_file(system._strip_protocol(url))

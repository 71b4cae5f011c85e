"""Files by their path or URL: what lists them and what reads them. The one module that knows fsspec."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import EvcodecError, InvalidArgumentError, MissingExtraError, TruncatedDataError
from ..replacing import replacing
from .paths import SUFFIX, Listed, hive_partitions, is_url, none_found
from .ranges import RangeInput

_MAGIC = re.compile(r"[*?\[]")
# A query of a URL is no glob.
_WEB_MAGIC = re.compile(r"[*\[]")
_CHANGED = ("LastModified", "last_modified", "updated", "mtime", "created")
_TAGS = ("ETag", "etag", "e_tag", "md5Hash")
_KINDS_OF_ERROR = (FileNotFoundError, PermissionError, IsADirectoryError, TimeoutError, ConnectionError)
_NUMBERS = {FileNotFoundError: errno.ENOENT, PermissionError: errno.EACCES}


@contextmanager
def telling(url: str) -> Iterator[None]:
    """Have whatever a store raises be an OSError that names the URL."""
    try:
        yield
    except (EvcodecError, MemoryError):
        raise
    except OSError as error:
        kind = next((kind for kind in _KINDS_OF_ERROR if isinstance(error, kind)), OSError)
        number = error.errno or _NUMBERS.get(kind, errno.EIO)
        raise kind(number, error.strerror or str(error) or type(error).__name__, url) from error
    except Exception as error:  # of the store's own client
        raise OSError(errno.EIO, f"{type(error).__name__}: {error}", url) from error


class Stores:
    """File systems by URL, with the options that they need; in another process they are made anew.

    Parameters
    ----------
    options : mapping, optional
        For fsspec's file system.
    """

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        if options is not None and not isinstance(options, Mapping):
            raise InvalidArgumentError(
                f"storage_options: found {type(options).__name__}, allowed: a mapping, for fsspec"
            )
        self._options = dict(options or {})
        self._systems: dict[tuple[int, str], Any] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return Stores, (self._options,)

    def _system(self, url: str) -> Any:
        """Return the file system of a URL. fsspec makes one for each thread; this is one for all."""
        key = (os.getpid(), "/".join(url.split("/", 3)[:3]))
        found = self._systems.get(key)
        if found is None:
            try:
                from fsspec.core import url_to_fs
            except ImportError:
                raise MissingExtraError(
                    f"{url}: needs fsspec: pip install 'evcodec[remote]', and the package of the store, such as s3fs"
                ) from None
            if "::" in url:
                raise InvalidArgumentError(f"{url}: found a chain of URLs, allowed: one")
            try:
                found, _ = url_to_fs(url, **self._options)
            except ImportError as error:
                raise MissingExtraError(f"{url}: {error}") from error
            except (TypeError, ValueError) as error:
                raise InvalidArgumentError(f"{url}: {error}") from error
            self._systems[key] = found
        return found

    # ---- reading ----

    def source(self, path: str, size: int, ends: tuple[int, int] = (0, 0), whole: bool = False) -> Any:
        """Return what a Reader takes for a file that had ``size`` bytes when it was listed."""
        if is_url(path):
            with telling(path):
                system = self._system(path)
                fetch = partial(_fetch, system, system._strip_protocol(path), path)
            return RangeInput(fetch, path, size, ends, whole)
        there = os.stat(path).st_size
        if there < size:
            raise TruncatedDataError(
                f"{path}: found {there} bytes, needed {size}: it was cut since it was listed"
            )
        return path

    def load(self, path: str) -> bytes | None:
        """Return all bytes of a file, None if there is none."""
        try:
            if is_url(path):
                with telling(path):
                    system = self._system(path)
                    data: bytes = system.cat_file(system._strip_protocol(path))
                    return data
            with open(path, "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def store(self, path: str, data: bytes) -> None:
        """Put a file there, whole or not at all."""
        if is_url(path):
            with telling(path):
                system = self._system(path)
                system.pipe_file(system._strip_protocol(path), data)
            return
        with replacing(Path(path)) as file:
            file.write(data)

    # ---- listing ----

    def listed(self, url: str, hive: bool) -> Iterator[Listed]:
        """Yield the files that a URL names: a file, a folder, or a glob.

        Raises
        ------
        OSError
            There is nothing, or it cannot be listed.
        InvalidArgumentError
            A glob or a folder holds no file.
        """
        with telling(url):
            system = self._system(url)
            system.invalidate_cache()
            name = system._strip_protocol(url)
            magic = (_WEB_MAGIC if url.startswith("http") else _MAGIC).search(name)
            if magic is None:
                info = system.info(name)
                single = info["type"] != "directory"
                found = {name: info} if single else system.find(name, detail=True)
                prefix = name
            else:
                found, single = system.glob(name, detail=True), False
                prefix = name[: magic.start()].rpartition("/")[0]
        count = 0
        for path, info in found.items():
            hidden = any(part.startswith(".") for part in path[len(prefix) :].split("/"))
            fits = magic is not None or path.endswith(SUFFIX)
            if single or (info["type"] == "file" and fits and not hidden):
                count += 1
                yield _listed(system, path, info, hive)
        if not count:
            raise none_found(url)


def _fetch(system: Any, name: str, url: str, start: int, stop: int) -> bytes:
    with telling(url):
        data: bytes = system.cat_file(name, start=start, end=stop)
        return data


def _listed(system: Any, name: str, info: Mapping[str, Any], hive: bool) -> Listed:
    url = system.unstrip_protocol(name)
    size = info.get("size")
    if not isinstance(size, int):
        raise OSError(errno.EIO, "its size is not known", url)
    tag = next((info[key] for key in _TAGS if isinstance(info.get(key), str)), None)
    partitions = hive_partitions(name.rpartition("/")[0]) if hive else {}
    return Listed(url, size, _changed_ns(info), tag, partitions)


def _changed_ns(info: Mapping[str, Any]) -> int | None:
    for key in _CHANGED:
        value = info.get(key)
        if isinstance(value, datetime):
            return int(value.timestamp() * 10**6) * 10**3
        if isinstance(value, (int, float)):
            return int(value * 10**9)
    return None

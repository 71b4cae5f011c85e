"""From paths to described files: what is listed, what a catalogue knows, and what must be opened."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import CorruptDataError, EvcodecError, MissingExtraError, NotPermittedError
from ..keyring import Keyring
from ..reader import Reader
from .files import FileProblem, StreamFile, describe, naming
from .paths import Listed, as_paths, each_once, is_url, list_local
from .ranges import RangeInput, far_crew
from .stores import Stores
from .where import Where, choose, partitions_allow

if TYPE_CHECKING:
    from .catalogue import Catalogue

Progress = Callable[[int, int], object]

# Nearly all of the time that a file of another machine takes is waiting for it.
FAR_THREADS = 16


class Plan(NamedTuple):
    """Files of a dataset, by path, and what was left out."""

    files: list[StreamFile]
    problems: list[FileProblem]


class Planner:
    """Finds and describes the files of a dataset.

    Parameters
    ----------
    stores : Stores
    hive : bool
        Whether folders spell partitions.
    skip : bool
        List a file that cannot be opened as a problem, instead of raising.
    threads : int
        That open files.
    progress : callable, optional
        Called with the number of files that were opened, and of those that will be.
    keyring : Keyring
    """

    def __init__(
        self,
        stores: Stores,
        *,
        hive: bool,
        skip: bool,
        threads: int,
        progress: Progress | None,
        keyring: Keyring,
    ) -> None:
        self._stores = stores
        self._hive = hive
        self._skip = skip
        self._threads = threads
        self._keyring = keyring
        self._progress = progress
        self._problems: list[FileProblem] = []
        self._shared: dict[Any, Any] = {}

    def plan(self, paths: Any, where: Where, catalogue: str | None) -> Plan:
        """Return the files of paths, each once, for which ``where`` holds."""
        known = None if catalogue is None else self._catalogue(catalogue)
        listed = self._listed(paths)
        wanted = [item for item in listed if partitions_allow(item.partitions, where)]
        files: dict[str, StreamFile] = {}
        unknown = []
        for item in wanted:
            file = None if known is None else known.get(item)
            if file is None:
                unknown.append(item)
            else:
                files[item.path] = file
        self._describe(unknown, files)
        if known is not None:
            known.update(listed, files, {problem.path for problem in self._problems})
        keys = {key for item in listed for key in item.partitions} if where else set()
        return Plan(choose([files[path] for path in sorted(files)], where, keys), self._problems)

    def _catalogue(self, path: str) -> Catalogue:
        from .catalogue import Catalogue  # which most do without

        return Catalogue(path, self._stores)

    def _leave_out(self, path: str, error: Exception) -> None:
        if not self._skip or isinstance(error, (MissingExtraError, NotPermittedError)):
            raise error
        self._problems.append(FileProblem(path, None, str(error)))

    # ---- listing ----

    def _listed(self, paths: Any) -> list[Listed]:
        found: dict[str, Listed] = {}
        texts = as_paths(paths)
        far = sum(map(is_url, texts)) > 1
        with far_crew(FAR_THREADS if far else 1) as crew:
            for path, job in crew.in_order(self._list, texts):
                try:
                    for item in job.take():
                        found.setdefault(item.path, item)
                except OSError as error:
                    self._leave_out(path, error)
        sound = []
        for item in each_once(found.values()):
            if item.error is None:
                sound.append(item)
            else:
                self._leave_out(item.path, item.error)
        return sorted(sound)

    def _list(self, path: str) -> list[Listed]:
        if is_url(path):
            return list(self._stores.listed(path, self._hive))
        return list(list_local(path, self._hive))

    # ---- opening ----

    def _describe(self, unknown: Iterable[Listed], files: dict[str, StreamFile]) -> None:
        items = list(unknown)
        far = any(is_url(item.path) for item in items)
        threads = max(self._threads, FAR_THREADS if far else 1)
        with far_crew(min(threads, max(len(items), 1))) as crew:
            for number, (item, job) in enumerate(crew.in_order(self._open, items), 1):
                try:
                    file, problems = job.take()
                except (EvcodecError, OSError) as error:
                    self._leave_out(item.path, error)
                else:
                    files[item.path] = file
                    self._problems += problems
                if self._progress is not None:
                    self._progress(number, len(items))

    def _open(self, item: Listed) -> tuple[StreamFile, list[FileProblem]]:
        source = self._stores.source(item.path, item.size)
        on_error = "skip" if self._skip else "raise"
        # Looking at what a file states is no use of it; whether it may be read is asked when all is known.
        options: dict[str, Any] = {"on_error": on_error, "past_retention": "allow", "keys": self._keyring}
        with naming(item.path), Reader(source, **options) as reader:
            if reader.problems and not reader.blocks:
                raise CorruptDataError(f"{reader.problems[0].message}; nothing of it is sound")
            file = describe(
                item, reader, lambda: source.ends if isinstance(source, RangeInput) else (0, 0), self._shared
            )
            return file, [FileProblem(item.path, *problem) for problem in reader.problems]

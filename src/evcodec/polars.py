"""Streams as a lazy source of Polars: what a query asks for is pushed down to files, blocks and columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .dataset import Dataset, StreamFile, open_dataset
from .dataset.paths import DEFAULT_PARTITION
from .errors import InvalidArgumentError, MissingExtraError
from .schema import kind_name

if TYPE_CHECKING:
    from polars import DataFrame, Expr, LazyFrame

# More conditions than these are not looked at; Polars filters by all of them.
_MOST_CONDITIONS = 100


def import_polars() -> Any:
    """Return the module polars.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    try:
        import polars
    except ImportError as error:
        raise MissingExtraError("scan_polars: polars is missing; pip install 'evcodec[polars]'") from error
    return polars


def scan_polars(
    source: Any,
    *,
    partitions: bool = True,
    path: str | None = None,
    timestamps: bool = False,
    epoch_ns: int | None = None,
    dictionaries: bool = True,
    **options: Any,
) -> LazyFrame:
    """Return streams as a lazy frame of Polars, which reads what a query needs.

    Columns that the query does not use are not decoded. Conditions that all must hold are pushed down one by one: on
    ``kind`` and on ``t`` (compared with a constant, or ``is_between``) to files, blocks and events; on partitions and the
    path to files. ``head`` and ``limit`` stop reading early. Whatever the conditions are, Polars has the last word.

    Parameters
    ----------
    source : Dataset, or what `open_dataset` takes
        A path, a glob, a folder, a URL, or a list of these.
    partitions : bool
        Give partitions as columns of text behind the others.
    path : str, optional
        Name of one more column of text, for the path of the file.
    timestamps : bool
        Give ``t`` as Datetime("ns", "UTC") instead of Int64: the epoch of each file is added.
    epoch_ns : int, optional
        For files without an ANCHOR: nanoseconds since 1970 when the session clock showed 0.
    dictionaries : bool
        Give ``kind`` as Categorical of names, and ``context`` of JSON text of what its index means; else as integers.
    **options : any
        For `open_dataset`, when ``source`` is not a Dataset: ``where``, ``partitioning``, ``catalogue``,
        ``storage_options``, ``on_error``, ``threads``, ``keys``, ``without_key``.

    Returns
    -------
    polars.LazyFrame
        The files were looked at now, what was asked for is read when it is collected, each time anew.

    Raises
    ------
    MissingExtraError
        Polars is not installed: ``pip install 'evcodec[polars]'``.
    InvalidArgumentError
        An argument is outside of what is allowed; two columns have one name.
    CorruptDataError, TruncatedDataError, UnsupportedVersionError, LimitExceededError, OSError
        As `open_dataset` does. Errors while reading come out of ``collect``, with the path of the file.
    """
    pl = import_polars()
    if isinstance(source, Dataset):
        if options:
            raise InvalidArgumentError(
                f"scan_polars: found {', '.join(options)} with a Dataset, allowed: none of these"
            )
        dataset = source
    else:
        options.setdefault("clock", "wall" if timestamps else "session")
        dataset = open_dataset(source, **options)
    asked = _Asked(partitions, path, timestamps, epoch_ns, dictionaries)
    scan = _Scan(dataset, asked)
    from polars.io.plugins import register_io_source

    found: LazyFrame = register_io_source(scan, schema=pl.Schema(scan.schema()))
    return found


class _Asked(NamedTuple):
    """How columns are to look."""

    partitions: bool
    path: str | None
    timestamps: bool
    epoch_ns: int | None
    dictionaries: bool


class _Pushed(NamedTuple):
    """What of a predicate files and blocks can be chosen by; None is everything."""

    start: int | None = None
    stop: int | None = None
    kinds: frozenset[int] | None = None
    paths: frozenset[str] | None = None


class _Scan:
    """What Polars calls to read. It can be pickled, with the frame."""

    def __init__(self, dataset: Dataset, asked: _Asked) -> None:
        self._dataset = dataset
        self._asked = asked
        self._stream(columns=dataset._readable())  # what is wrong with the arguments is said now

    @property
    def _labels(self) -> list[str]:
        names = self._dataset.partitions if self._asked.partitions else []
        return [*names, *([] if self._asked.path is None else [self._asked.path])]

    def schema(self) -> dict[str, Any]:
        """Return the type of each column."""
        pl = import_polars()
        found: dict[str, Any] = {}
        for name, dtype in self._dataset.columns.items():
            found[name] = getattr(pl, dtype.name.replace("u", "U").replace("i", "I"))()
            if name == "t" and self._asked.timestamps:
                found[name] = pl.Datetime("ns", "UTC")
            elif name in ("kind", "context") and self._asked.dictionaries:
                found[name] = pl.Categorical()
        return found | dict.fromkeys(self._labels, pl.String())

    def _stream(
        self, dataset: Dataset | None = None, columns: Any = None, pushed: _Pushed | None = None
    ) -> Any:
        _, _, timestamps, epoch_ns, dictionaries = self._asked
        pushed = pushed or _Pushed()
        return (self._dataset if dataset is None else dataset).arrow(
            columns,
            pushed.kinds,
            pushed.start,
            pushed.stop,
            partitions=self._asked.partitions,
            path=self._asked.path,
            timestamps=timestamps,
            epoch_ns=epoch_ns,
            dictionaries=dictionaries,
        )

    def __call__(
        self,
        with_columns: list[str] | None,
        predicate: Expr | None,
        n_rows: int | None,
        batch_size: int | None,
    ) -> Iterator[DataFrame]:
        """Yield frames with these columns, of the rows that match; ``n_rows`` counts before the predicate."""
        # The first rows of all are not the first of those that match.
        pushed = _Pushed() if predicate is None or n_rows is not None else self._pushed(predicate)
        dataset = self._dataset
        if pushed.paths is not None:
            kept = pushed.paths
            dataset = dataset.filter(where=lambda file: file.path in kept)
        try:
            yield from self._frames(dataset, pushed, with_columns, predicate, n_rows)
        finally:
            for problem in dataset.problems:  # what a filtered one skips is not told to that which it is of
                self._dataset._problems.add(problem)

    def _frames(
        self,
        dataset: Dataset,
        pushed: _Pushed,
        with_columns: list[str] | None,
        predicate: Expr | None,
        n_rows: int | None,
    ) -> Iterator[DataFrame]:
        """Yield frames of a dataset whose files were chosen."""
        pl = import_polars()
        schema = self.schema()
        names = list(schema) if with_columns is None else with_columns
        columns = [name for name in names if name in self._dataset.columns]
        labels = [name for name in names if name not in self._dataset.columns]
        limited = n_rows is not None
        left = n_rows if n_rows is not None else 0
        empty = True
        if not limited or left:
            stream = self._stream(dataset, columns, pushed)
            for batch in stream.record_batches(*((min(left, 65_536),) if limited else ())):
                frame = pl.DataFrame(batch)
                # Files that were chosen may have none of a partition that others have.
                frame = frame.with_columns(
                    (pl.col(name) if name in frame.columns else pl.lit(DEFAULT_PARTITION))
                    .cast(pl.String)
                    .alias(name)
                    for name in labels
                )
                frame = frame.select(names)
                if limited:
                    frame = frame.head(left)
                    left -= len(frame)
                yield frame if predicate is None else frame.filter(predicate)
                empty = False
                if limited and not left:
                    break
        if empty:
            yield pl.DataFrame(schema={name: schema[name] for name in names})

    # ---- push-down ----

    def _pushed(self, predicate: Expr) -> _Pushed:
        """Return what must hold for any row that matches; less than the predicate says is sound."""
        found = _Pushed()
        for condition in _conditions(predicate):
            try:
                roots = set(condition.meta.root_names())
                if roots == {"kind"}:
                    kinds = frozenset(np.flatnonzero(self._passing(condition, self._all_kinds())).tolist())
                    found = found._replace(kinds=kinds if found.kinds is None else found.kinds & kinds)
                elif roots and roots <= set(self._labels):
                    found = self._with_paths(found, condition)
                elif roots == {"t"} and self._on_own_clock:
                    found = _narrowed(found, *_limits(condition))
            except Exception:
                continue
        return found

    @property
    def _on_own_clock(self) -> bool:
        """Whether ``t`` of the frame is what the dataset calls start and stop."""
        if not self._asked.timestamps:
            return self._dataset.clock == "session"
        return self._dataset.clock == "wall" and all(
            file.epoch_ns is not None for file in self._dataset.files
        )

    def _all_kinds(self) -> DataFrame:
        pl = import_polars()
        if not self._asked.dictionaries:
            return pl.DataFrame({"kind": np.arange(256, dtype=np.uint8)})
        return pl.DataFrame({"kind": list(map(kind_name, range(256)))}, schema={"kind": pl.Categorical})

    def _passing(self, condition: Expr, table: DataFrame) -> np.ndarray:
        """Return which rows of a table pass a condition, as Polars sees it."""
        passing: np.ndarray = table.select(condition.alias("passing"))["passing"].fill_null(False).to_numpy()
        if passing.dtype != bool or len(passing) != len(table):
            raise InvalidArgumentError("predicate: found no truth value for each row")
        return passing

    def _with_paths(self, pushed: _Pushed, condition: Expr) -> _Pushed:
        pl = import_polars()
        files = self._dataset.files
        rows = [self._labels_of(file) for file in files]
        schema = dict.fromkeys(self._labels, pl.String)
        passing = self._passing(condition, pl.DataFrame(rows, schema=schema, orient="row"))
        kept = frozenset(file.path for file, passes in zip(files, passing, strict=True) if passes)
        return pushed._replace(paths=kept if pushed.paths is None else pushed.paths & kept)

    def _labels_of(self, file: StreamFile) -> list[str]:
        partitions: Mapping[str, str | None] = file.partitions
        values = {name: partitions.get(name) for name in self._labels}
        found = {name: DEFAULT_PARTITION if value is None else value for name, value in values.items()}
        if self._asked.path is not None:
            found[self._asked.path] = file.path
        return [found[name] for name in self._labels]


def _conditions(predicate: Expr) -> list[Expr]:
    """Return the conditions that all must hold; one that is not taken apart stands for itself."""
    found: list[Expr] = []
    waiting = [predicate]
    while waiting:
        condition = waiting.pop()
        parts = condition.meta.pop()
        if len(parts) == 2 and (parts[1] & parts[0]).meta.eq(condition) and len(found) < _MOST_CONDITIONS:
            waiting += parts
        else:
            found.append(condition)
    return found


def _limits(condition: Expr) -> tuple[int | None, int | None]:
    """Return the smallest ``t`` that may pass and one above the largest; None where there is no such limit.

    The condition is compared with those that are known, made of its own parts: this does not depend on how a version of
    Polars writes expressions down.
    """
    parts = condition.meta.pop()[::-1]
    if len(parts) == 3 and _is_t(parts[0]):
        t, low, high = parts
        for closed, above, below in (("both", 0, 1), ("left", 0, 0), ("right", 1, 1), ("none", 1, 0)):
            if t.is_between(low, high, closed=closed).meta.eq(condition):
                return _plus(_constant(low), above), _plus(_constant(high), below)
    if len(parts) == 2 and (_is_t(parts[0]) or _is_t(parts[1])):
        t, other = parts if _is_t(parts[0]) else parts[::-1]
        value = _constant(other)
        for known, turned, start, stop in (
            (t >= other, other.le(t), value, None),
            (t > other, other.lt(t), _plus(value, 1), None),
            (t < other, other.gt(t), None, value),
            (t <= other, other.ge(t), None, _plus(value, 1)),
            (t == other, other.eq(t), value, _plus(value, 1)),
        ):
            if known.meta.eq(condition) or turned.meta.eq(condition):
                return start, stop
    return None, None


def _is_t(expression: Expr) -> bool:
    return bool(expression.meta.eq(import_polars().col("t")))


def _constant(expression: Expr) -> int | None:
    """Return a constant that times are compared with, in ns; None if it is not known to be one."""
    pl = import_polars()
    if expression.meta.root_names():
        return None
    found = pl.select(expression).to_series()
    if len(found) != 1 or not (found.dtype.is_integer() or found.dtype == pl.Datetime("ns", "UTC")):
        return None
    value = found.to_physical()[0]
    return value if isinstance(value, int) else None


def _plus(value: int | None, by: int) -> int | None:
    return None if value is None else value + by


def _narrowed(pushed: _Pushed, start: int | None, stop: int | None) -> _Pushed:
    starts = [value for value in (pushed.start, start) if value is not None]
    stops = [value for value in (pushed.stop, stop) if value is not None]
    return pushed._replace(start=max(starts, default=None), stop=min(stops, default=None))

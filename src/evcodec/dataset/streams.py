"""A dataset as an Arrow stream: its columns, then partitions and the path as columns of text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np

from ..arrow import ArrowStream, Origin, Part, context_texts, make_stream
from ..arrow_fields import shifted
from ..batch import EventBatch
from ..errors import EvcodecError, InvalidArgumentError
from ..reader import Reader
from ..select import as_int
from .files import StreamFile, check_epoch, naming
from .paths import DEFAULT_PARTITION

Opened = Iterable[tuple[StreamFile, Reader, Iterator[EventBatch]]]


class Stamps:
    """What is to be added to ``t`` of each file to have the wall clock.

    Parameters
    ----------
    epoch_ns : int, optional
        For files that do not say it.
    """

    def __init__(self, epoch_ns: int | None) -> None:
        self._default = None if epoch_ns is None else as_int("epoch_ns", epoch_ns)

    def of_open(self, file: StreamFile, reader: Reader) -> int:
        """Return it for an open file; raise CorruptDataError if that says another than the dataset was planned with."""
        with naming(file.path):
            check_epoch(file, reader)
        return self.of(file)

    def of(self, file: StreamFile) -> int:
        """Return it for a file; raise InvalidArgumentError if nobody knows."""
        found = self._default if file.epoch_ns is None else file.epoch_ns
        if found is None:
            raise InvalidArgumentError(
                f"{file.path}: timestamps: found no anchor, so nobody knows the time of day, allowed: at least one; or "
                "epoch_ns=, the ns since 1970 when its clock showed 0"
            )
        return found


def dataset_stream(
    dtypes: Mapping[str, np.dtype],
    opened: Callable[[], Opened],
    files: Iterable[StreamFile],
    leave_out: Callable[[str, Exception], None],
    *,
    partitions: list[str],
    path: str | None,
    timestamps: bool,
    epoch_ns: int | None,
    dictionaries: bool,
    with_timestamps: Callable[[], ArrowStream] | None,
) -> ArrowStream:
    """Return the stream of what ``opened`` gives each time that it is called; ``files`` are those that it may open."""
    if path is not None and not isinstance(path, str):
        raise InvalidArgumentError(f"path: found {type(path).__name__}, allowed: the name of a column")
    if path is not None and path in partitions:
        raise InvalidArgumentError(f"path: found {path!r}, which is a partition, allowed: a name of its own")
    stamped = timestamps and "t" in dtypes
    stamps = Stamps(epoch_ns)
    known = (
        {stamps.of(file) for file in files if file.epoch_ns is not None or epoch_ns is not None}
        if stamped
        else set()
    )

    def parts() -> Iterator[Part]:
        for file, reader, batches in opened():
            try:
                epoch = stamps.of_open(file, reader) if stamped else 0
            except (EvcodecError, OSError) as error:
                leave_out(file.path, error)
                continue
            wanted = dictionaries and "context" in dtypes
            texts = context_texts(reader.contexts if wanted else ())
            origin = Origin(epoch, texts, _labels(file, partitions, path))
            exact = not stamped or _fit(file, epoch)
            for batch in batches:
                if not exact:  # some time of the file does not fit: those that were asked for may
                    try:
                        with naming(file.path):
                            shifted(batch["t"], epoch, "t and the epoch of its session")
                    except EvcodecError as error:
                        leave_out(file.path, error)
                        break
                yield batch, origin

    return make_stream(
        dtypes,
        parts,
        labels=[*partitions, *([] if path is None else [path])],
        timestamps=stamped,
        dictionaries=dictionaries,
        epoch_ns=known.pop() if len(known) == 1 else None,
        with_timestamps=None if stamped else with_timestamps,
    )


def _fit(file: StreamFile, epoch: int) -> bool:
    """Tell whether all times of a file are int64 on the wall clock."""
    bounds = np.iinfo(np.int64)
    return (
        file.start is None
        or file.stop is None
        or (bounds.min <= file.start + epoch and file.stop + epoch <= bounds.max)
    )


def _labels(file: StreamFile, partitions: list[str], path: str | None) -> dict[str, str]:
    values = {name: file.partitions.get(name) for name in partitions} | (
        {} if path is None else {path: file.path}
    )
    found = {name: DEFAULT_PARTITION if value is None else value for name, value in values.items()}
    for name, value in found.items():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidArgumentError(
                f"{file.path!r}: {name}: found a name that is no text, allowed in Arrow: UTF-8"
            ) from None
    return found

"""The method of a Writer that appends events in bulk."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from ._recorder import UNFIT
from .batch import EventBatch, check_batch
from .errors import InvalidArgumentError
from .schema import common_dtype
from .sealing import Sealer

RECORDED = frozenset(("x", "y", "code", "dx", "dy"))


class BatchMethods:
    """Hands the events of batches to the sealing thread; what it calls, the subclass has."""

    _order: threading.RLock
    _sealer: Sealer
    _block_events: int
    _dtypes: dict[str, set[np.dtype]]
    _live_columns: set[str]
    _has_live_events: bool
    _is_unfit: bool

    if TYPE_CHECKING:

        def _check_open(self) -> None: ...
        def _check_alive(self) -> None: ...
        def _make_room(self, count: int) -> bool: ...
        def _hand_over(self) -> None: ...
        def _recorded(self) -> int: ...
        def _stop(self, reason: int) -> None: ...

    def write(self, batch: EventBatch) -> None:
        """Append the events of a batch. Its columns are copied before the call returns.

        Parameters
        ----------
        batch : EventBatch
            Any number of events, with up to 1,024 columns of any integer dtype. One without events gives the stream its
            columns.

        Raises
        ------
        InvalidArgumentError
            ``batch`` is no EventBatch, has too many columns, or has a column whose dtype has no common
            integer dtype with what the stream holds of it (uint64 and a signed one). Nothing of it is
            written.
        WriteFailedError
            Writing fails, and no call has said so before; or it has failed for good. Nothing of it was taken.
        """
        check_batch(batch)
        with self._order:
            self._check_open()
            self._check_dtypes(batch)
            if not len(batch):
                self._hand_over()
                if batch.columns:
                    self._sealer.put_bulk({name: values.copy() for name, values in batch.columns.items()}, 0)
                return
            for start in range(0, len(batch), self._block_events):
                self._put_piece(batch[start : start + self._block_events], is_first=not start)

    def _check_dtypes(self, batch: EventBatch) -> None:
        wide = {name for name, values in batch.columns.items() if values.dtype == np.uint64}
        live = self._live_columns - (set() if self._has_live_events else RECORDED)
        if clash := sorted(wide & live):
            raise InvalidArgumentError(
                f"column {clash[0]!r}: found uint64, allowed: a dtype that goes "
                "with int64, which single events are kept in"
            )
        for name, values in batch.columns.items():
            if common_dtype({values.dtype, *self._dtypes.get(name, ())}) is None:
                raise InvalidArgumentError(
                    f"column {name!r}: found {values.dtype}, allowed: a dtype "
                    "that has a common integer dtype with "
                    f"{', '.join(sorted(map(str, self._dtypes[name])))}, which the stream holds"
                )
        for name, values in batch.columns.items():
            self._dtypes.setdefault(name, set()).add(values.dtype)
        if wide & RECORDED:
            self._is_unfit = True
            self._stop(UNFIT)  # single events could no longer be kept beside these: `_refuse` says so

    def _put_piece(self, piece: EventBatch, is_first: bool) -> None:
        if not self._make_room(self._recorded() + len(piece)):
            # A call that raises has taken nothing, so the rest of a batch is counted, and the next call raises.
            if is_first:
                self._check_alive()
            t = piece.t
            self._sealer.drop(len(piece), int(t.min()), int(t.max()))
            return
        self._hand_over()
        self._sealer.put_bulk(
            {name: np.array(values, copy=True, order="C") for name, values in piece.columns.items()},
            len(piece),
        )

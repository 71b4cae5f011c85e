"""EventWindows: windows of events of a dataset as batches of tensors."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from ..dataset import Dataset, FileProblem, open_dataset
from ..errors import InvalidArgumentError
from ..select import as_int
from ..ticks import READS
from .arguments import checked, place_among_ranks
from .iteration import NUMBERS, Iteration, Task, torch_dtype
from .lanes import Lane, batches, deal, is_dealt, joined, rest, share
from .loader import WindowLoader
from .plan import EventPlan, Shape
from .pool import tensor_dtype
from .ring import Ring
from .state import State, digest_of, read_state
from .ticking import TickPlan, tick_dtypes
from .transport import Noted, batch_bytes

DEFAULT_BUFFER_BYTES = 128 * 2**20
# A pool is made of so many runs of blocks, or more, from all over the dataset.
_UNITS_A_POOL = 8


class EventWindows(IterableDataset):  # type: ignore[misc]
    """Windows of consecutive events, or of ticks of a regular clock, of many streams, as batches of tensors.

    Use `loader`, or ``DataLoader(windows, batch_size=None, num_workers=...)``. A batch is ``{column: tensor}``, each of shape
    ``(batch, length)``. Windows never cross the border of a file. Each comes once in an epoch, whatever the number of
    workers and ranks.

    Parameters
    ----------
    dataset : Dataset, or what `evcodec.open_dataset` takes
        Paths, folders, globs, URLs.
    length : int
        Events of a window.
    stride : int, optional
        From the start of a window to that of the next, in events; ``length`` by default.
    tick_ns : int, optional
        Make windows of ticks of so many ns instead: ``length`` and ``stride`` count ticks then, each session is rows of a
        regular clock from the tick of its first event to that of its last one, ticks begin at multiples of ``tick_ns``, and
        columns are those of `evcodec.ticks.Ticks`, int64. What ``start`` leaves out still moves the pointer.
    columns : collection of str, optional
        All by default. Only these are decoded.
    kinds, start, stop, where
        As in `Dataset.filter`. Windows are of the events that match, and these count as neighbours.
    max_gap_ns : int, optional
        No window crosses a pause, or a step back, of more than this. Every ``t`` is read once to find these.
    break_at_gaps : bool
        No window spans any time of which a GAP says that something was not recorded. ``t`` of files with gaps is read once.
    batch_size : int
        Windows of a batch. The last batch of a pass, and with ``on_error="skip"`` any, may have fewer.
    shuffle : bool
        Runs of blocks from all over the dataset are put into pools, and the windows of a pool come in one random order. The
        order depends on the seed, the epoch, the dataset and the arguments up to here, and on nothing else.
    seed : int
        From 0 to 2**63 - 1.
    buffer_bytes : int
        Most that the events of a pool take in memory, in each worker, unless one block and a window are more; 128 MiB by
        default. The more, the better windows are mixed.
    rank, world_size : int, optional
        Which share of the windows to give, of how many. By default those of torch.distributed if it is initialised when this
        is made, else 0 of 1.
    uneven : {"keep", "drop", "pad"}
        What to do when windows do not make a full batch for every rank. "keep" gives each window once: ranks differ by one
        window at most, and so perhaps by one batch. "drop" leaves out the last of the order, "pad" gives the first of it
        again, so that all ranks have the same number of full batches.
    numbers : bool
        Whether batches have the numbers of their windows, as ``"window"``, int64 of shape ``(batch,)``. They count all
        windows in the order of the files; see `locate`.
    on_error : {"raise", "skip"}
        For paths; a Dataset has its own. "raise": damage ends the pass with an error that names the file. "skip": files that
        cannot be read and windows that damage touches are left out and listed in `problems`; every other window still
        comes once. A batch of which everything was lost has no rows; `loader` leaves it out.

    **dataset_options
        For paths, those of `evcodec.open_dataset`: ``keys``, ``without_key``, ``catalogue``, ``storage_options``, …

    Raises
    ------
    InvalidArgumentError
        An argument is outside of what is allowed.
    MissingKeyError
        A column is encrypted in a file, and no key opens it; whatever ``on_error`` says.
    EvcodecError, OSError
        A file cannot be read, unless damage is skipped. It names the file.

    Notes
    -----
    Tensors have the dtype of the column over all files: torch.uint8, int8, int16, int32, int64 as they are; uint16 as
    torch.int32 and uint32 as torch.int64, since torch computes little with these; uint64 as torch.uint64. No value ever
    changes. A column that a file lacks is zero there.

    What an instance is made with is read then: the ends of files, the index of each that has several blocks, and where
    kinds, times, pauses or gaps were asked for the columns that they need. Files must not change afterwards: a pass notices,
    and treats it as damage. An instance may be pickled, and iterated in several workers and threads; `set_epoch` and
    `load_state_dict` are for one thread.
    """

    def __init__(
        self,
        dataset: Dataset | Any,
        length: int,
        *,
        stride: int | None = None,
        tick_ns: int | None = None,
        columns: Collection[str] | None = None,
        kinds: Iterable[int] | None = None,
        start: Any = None,
        stop: Any = None,
        where: Any = None,
        max_gap_ns: int | None = None,
        break_at_gaps: bool = False,
        batch_size: int = 64,
        shuffle: bool = False,
        seed: int = 0,
        buffer_bytes: int = DEFAULT_BUFFER_BYTES,
        rank: int | None = None,
        world_size: int | None = None,
        uneven: str = "keep",
        numbers: bool = False,
        on_error: str = "raise",
        **dataset_options: Any,
    ) -> None:
        super().__init__()
        self._length = checked("length", length, 1, 2**31 - 1)
        stride = self._length if stride is None else checked("stride", stride, 1, 2**62)
        if tick_ns is not None:
            tick_ns = checked("tick_ns", tick_ns, 1, 2**62)
        if max_gap_ns is not None:
            max_gap_ns = checked("max_gap_ns", max_gap_ns, 0, 2**63 - 1)
        self._batch_size = checked("batch_size", batch_size, 1, 2**31 - 1)
        self._seed = checked("seed", seed, 0, 2**63 - 1) if shuffle else None
        self._buffer_bytes = checked("buffer_bytes", buffer_bytes, 1, 2**62)
        if uneven not in ("keep", "drop", "pad"):
            raise InvalidArgumentError(f"uneven: found {uneven!r}, allowed: 'keep', 'drop', 'pad'")
        self._uneven = uneven
        self._asks_torch = rank is None and world_size is None
        self._rank, self._world_size = place_among_ranks(rank, world_size)
        if not isinstance(dataset, Dataset):
            dataset = open_dataset(dataset, on_error=on_error, **dataset_options)
        elif on_error != "raise" or dataset_options:
            raise InvalidArgumentError(
                f"{', '.join(dataset_options) or 'on_error'}: found with a Dataset, which has its own, allowed: with paths; or "
                "open_dataset(..., on_error=...)"
            )
        self._dataset = dataset.filter(where=where, start=start, stop=stop, kinds=kinds)
        read = dataset.dtypes(columns if tick_ns is None else READS)
        found = read if tick_ns is None else tick_dtypes(columns)
        self._dtypes = {name: tensor_dtype(dtype) for name, dtype in found.items()}
        if not self._dtypes and columns is not None:
            raise InvalidArgumentError("columns: found none, allowed: at least one")
        if numbers and NUMBERS in self._dtypes:
            raise InvalidArgumentError(f"numbers: found a column {NUMBERS!r}, allowed: without one")
        self._numbers = numbers
        row_bytes = max(sum(dtype.itemsize for dtype in self._dtypes.values()), 1)
        unit_bytes = self._buffer_bytes // _UNITS_A_POOL
        shape = Shape(self._length, stride, tick_ns, max_gap_ns, break_at_gaps, row_bytes, unit_bytes)
        problems: list[FileProblem] = []
        self._plan = (EventPlan if tick_ns is None else TickPlan)(self._dataset, shape, problems)
        self._digest = digest_of(self._plan, self._buffer_bytes, self._seed)
        self._token = secrets.token_hex(8)
        self._noted = Noted(self._token)
        self._noted.add([*self._dataset.problems, *problems])
        # In memory that workers share, so that those that live longer than an epoch hear of the next one.
        self._shared = torch.zeros(3, dtype=torch.int64).share_memory_()
        self._generation = 0
        self._left: tuple[int, list[Lane], int] | None = None

    # ---- what there is ----

    @property
    def windows(self) -> int:
        """Number of windows of an epoch, over all ranks."""
        return self._plan.windows

    @property
    def epoch(self) -> int:
        """Number of the epoch, as `set_epoch` or `load_state_dict` left it."""
        return int(self._shared[0])

    @property
    def problems(self) -> list[FileProblem]:
        """What was left out, with ``on_error="skip"``: by planning, and in the batches that have come so far, out of
        whatever worker.
        """
        return self._noted.all()

    @property
    def dtypes(self) -> dict[str, torch.dtype]:
        """Dtype of the tensors of each column."""
        return {name: torch_dtype(dtype) for name, dtype in self._dtypes.items()}

    def __len__(self) -> int:
        """Return the number of batches of this rank: of the epoch, or of what `load_state_dict` left of it."""
        return sum(batches(lane, self._batch_size) for lane in self._lanes(1))

    def locate(self, number: int) -> tuple[str, int]:
        """Return path and first event of a window, by its number; events are counted among those that match."""
        number = checked("number", number, 0, self.windows - 1)
        file = int(np.searchsorted(self._plan.firsts, number, "right")) - 1
        planned = self._plan.files[file]
        row = planned.segments.rows(np.array([number - int(self._plan.firsts[file])]))
        return planned.file.path, int(row[0])

    # ---- epochs and states ----

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next pass gives; with ``shuffle`` each has an order of its own.

        Call it before every pass; workers that live on hear of it too. The epoch that `load_state_dict` set is gone on
        with, any other is given whole.

        Parameters
        ----------
        epoch : int
            From 0 to 2**62.
        """
        epoch = checked("epoch", epoch, 0, 2**62)
        if epoch != self.epoch:
            self._left = None
            self._finish_rest()
            self._shared[0] = epoch

    def state_after(self, batches: int, workers: int = 0) -> dict[str, Any]:
        """Return what is left of the epoch for this rank, after some batches; `WindowLoader.state_dict` counts them itself.

        Parameters
        ----------
        batches : int
            How many were taken out of the DataLoader since the pass began. Those that workers have made ahead do not count.
        workers : int
            Its ``num_workers``: it says in which order the batches came.

        Returns
        -------
        dict
            Of integers, strings and lists; a few ranges of windows for each worker.
        """
        lanes = self._lanes(max(checked("workers", workers, 0, 2**20), 1))
        return self._state(lanes, as_int("batches", batches))

    def _state(self, lanes: list[Lane], taken: int) -> dict[str, Any]:
        left = rest(lanes, taken, self._batch_size)
        return State(self._digest, self.epoch, self._batch_size, self._rank, self._world_size, left).plain()

    def load_state_dict(self, state: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
        """Go on where a state was taken: the next pass gives what was left then, the epochs after it everything.

        With as many workers as before, batches come in the order in which they would have come. With another number of
        workers, another batch size or, given the states of all ranks, another number of ranks, what is left is divided
        anew. Make a new DataLoader afterwards.

        Parameters
        ----------
        state : dict, or sequence of dict
            Of this rank; or those of all ranks.

        Raises
        ------
        InvalidArgumentError
            It is of another dataset, of other arguments, of another rank, or no state. Nothing has changed then.
        """
        given = [state] if isinstance(state, Mapping) or not isinstance(state, Sequence) else state
        states = [read_state(one, self._digest, self.windows) for one in given]
        self._check_states(states)
        if len(states) == 1:
            lanes = states[0].lanes
        else:
            lane = joined(lane for one in sorted(states, key=lambda one: one.rank) for lane in one.lanes)
            lanes = [share(lane, *self._sharing())]
        self._shared[0] = states[0].epoch
        self._shared[1] += 1
        self._generation = int(self._shared[1])
        self._left = states[0].epoch, lanes, states[0].batch_size

    def _check_states(self, states: list[State]) -> None:
        """Raise InvalidArgumentError for states of other ranks."""
        if not states:
            raise InvalidArgumentError("state: found an empty list, allowed: the states of all ranks")
        first = states[0]
        if len(states) == 1 and (first.rank, first.world_size) != (self._rank, self._world_size):
            raise InvalidArgumentError(
                f"state: found one of rank {first.rank} of {first.world_size}, allowed: one of rank {self._rank} of "
                f"{self._world_size}; or a list of the states of all ranks"
            )
        ranks = sorted(one.rank for one in states)
        same = {(one.world_size, one.epoch, one.batch_size) for one in states}
        if len(states) > 1 and (ranks != list(range(first.world_size)) or len(same) > 1):
            raise InvalidArgumentError(
                f"state: found ranks {ranks} with (world_size, epoch, batch_size) {sorted(same)}, "
                "allowed: each rank once, all of one epoch"
            )

    def _sharing(self) -> tuple[int, int, str, int, int]:
        return self._rank, self._world_size, self._uneven, self._batch_size, self.windows

    def _lanes(self, workers: int) -> list[Lane]:
        """Return the work of each worker of this rank."""
        lanes: list[Lane]
        is_used = self._generation == int(self._shared[2])
        if self._left is not None and self._left[0] == self.epoch and not is_used:
            _, lanes, batch_size = self._left
            if len(lanes) == workers and batch_size == self._batch_size and is_dealt(lanes, batch_size):
                return lanes
            return deal(joined(lanes), workers, self._batch_size)
        lane = share([(0, self.windows)] if self.windows else [], *self._sharing())
        return deal(lane, workers, self._batch_size)

    # ---- iterating ----

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        return self._begun(None)

    def _begun(self, ring: Ring | None) -> Iterator[dict[str, torch.Tensor]]:
        try:
            return self._iteration(ring)
        except InvalidArgumentError as error:
            # Raised here it would end a worker without a word; raised by its first batch it arrives.
            return _raising(error)

    def _iteration(self, ring: Ring | None = None) -> Iteration:
        if self._generation != int(self._shared[1]):
            raise InvalidArgumentError(
                "load_state_dict: found workers that were started before it, allowed: a new DataLoader"
            )
        if self._asks_torch and place_among_ranks(None, None) not in ((0, 1), (self._rank, self._world_size)):
            raise InvalidArgumentError(
                "rank: found that torch.distributed was initialised after EventWindows was made, allowed: before it, or "
                "rank and world_size"
            )
        worker = get_worker_info()
        lanes = self._lanes(1 if worker is None else worker.num_workers)
        task = self._task(None if worker is None else worker.id, ring)
        return Iteration(task, lanes[0 if worker is None else worker.id])

    def _task(self, worker: int | None, ring: Ring | None) -> Task:
        return Task(
            self._dataset,
            self._plan,
            self._dtypes,
            self._numbers,
            self._batch_size,
            self._buffer_bytes,
            self._seed,
            self.epoch,
            self._digest,
            self._token,
            self._noted,
            worker,
            ring,
        )

    def _batch_bytes(self) -> int:
        return batch_bytes(self._task(None, None).shapes(self._batch_size))

    def loader(self, num_workers: int = 0, **options: Any) -> WindowLoader:
        """Return a DataLoader of these windows that counts what it gives, so that its state can be taken at any batch.

        Parameters
        ----------
        num_workers : int
            Processes that read; 0 for none but this.
        **options
            Of ``torch.utils.data.DataLoader``: ``prefetch_factor``, ``pin_memory``, ``persistent_workers``,
            ``multiprocessing_context``, ``collate_fn``, ... What this class decides itself is refused.
        """
        return WindowLoader(self, num_workers, **options)

    def _finish_rest(self) -> None:
        """Have the next pass over this epoch give all of it again, in workers that live on too."""
        self._shared[2] = self._generation

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        state["_noted"] = self._noted.all()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._noted = Noted(self._token)
        self._noted.add(state["_noted"])


def _raising(error: InvalidArgumentError) -> Iterator[dict[str, torch.Tensor]]:
    raise error
    yield

"""One try: a damaged file is read in a process of its own, so that a crash and a hang are seen, and judged by its events."""

from __future__ import annotations

import multiprocessing
import os
import resource
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.recordings import COLUMNS
from benchmarks.reliability.faults import Fault
from evcodec import EventBatch
from evcodec.cli.peers import difference

# What strict reading comes to, best first.
OUTCOMES = ("detected", "harmless", "missing", "changed", "crash")
_SECONDS = 10
_MEMORY = 8 << 30


@dataclass(frozen=True)
class Verdict:
    """``outcome`` is one of OUTCOMES; ``right`` and ``wrong`` are events that could still be read, by what they hold."""

    outcome: str
    right: int
    wrong: int
    said: str = ""


def _rows(batch: EventBatch) -> Counter[bytes]:
    """Return how often each event is there, whatever the dtypes; a missing column is zeros."""
    zeros = np.zeros(len(batch), np.int64)
    columns = [batch.columns.get(name, zeros).astype(np.int64) for name in COLUMNS]
    table = np.ascontiguousarray(np.stack(columns, axis=1))
    return Counter(table.view(f"V{8 * len(COLUMNS)}").reshape(-1).tolist())


def tally(batch: EventBatch, pieces: Iterable[EventBatch]) -> tuple[int, int]:
    """Return how many events of ``batch`` the pieces hold, and how many events that it does not."""
    wanted = _rows(batch)
    found: Counter[bytes] = Counter()
    for piece in pieces:
        found.update(_rows(piece))
    return (wanted & found).total(), sum(count for row, count in found.items() if row not in wanted)


def judge(batch: EventBatch, back: EventBatch) -> Verdict:
    """Return what it means that reading a damaged file gave this, and no error."""
    if difference(batch, back) is None:
        return Verdict("harmless", len(batch), 0)
    right, wrong = tally(batch, [back])
    # Another order and events that come twice are no loss, but not what was written either.
    fewer = not wrong and right == len(back) < len(batch)
    return Verdict("missing" if fewer else "changed", right, wrong)


def _strict(batch: EventBatch, read: Callable[[Path], EventBatch], path: Path) -> Verdict:
    try:
        return judge(batch, read(path))
    except Exception as error:
        return Verdict("detected", 0, 0, f"{type(error).__name__}: {error}"[:200])
    except BaseException as error:  # a panic of Rust goes past `except Exception`
        return Verdict("crash", 0, 0, f"{type(error).__name__}: {error}"[:200])


def _around(batch: EventBatch, rest: Callable[[Path], Iterable[EventBatch]], path: Path) -> tuple[int, int]:
    pieces: list[EventBatch] = []
    with suppress(BaseException):
        for piece in rest(path):
            pieces.append(piece)
    return tally(batch, pieces)


def _serve(pipe: Connection, name: str, batch: EventBatch, data: bytes, folder: str) -> None:
    """Answer each request, a fault or a path and the number of its events, with a strict verdict and what is left."""
    from benchmarks.reliability.formats import FORMATS

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 2)  # panics and libraries write there
    form = FORMATS[name]
    pipe.send(None)
    number = 0
    while (asked := pipe.recv()) is not None:
        number += 1
        if isinstance(asked, Fault):
            path, wanted = Path(folder, f"{os.getpid()}-{number}"), batch
            path.write_bytes(asked.apply(data))
        else:
            path, wanted = Path(asked[0]), batch[: asked[1]]
        verdict = _strict(wanted, form.read, path)
        pipe.send(verdict)
        pipe.send(_around(wanted, form.rest, path) if verdict.outcome == "detected" else None)
        if isinstance(asked, Fault):
            for left in Path(folder).glob(f"{path.name}*"):
                left.unlink()


class Prober:
    """Reads damaged files of one format in another process, which is started anew when it dies or hangs."""

    def __init__(
        self, name: str, batch: EventBatch, data: bytes, folder: Path, seconds: float = _SECONDS
    ) -> None:
        self._seconds = seconds
        self._arguments = (name, batch, data, str(folder))
        self._process: Any = None
        self._pipe: Any = None

    def __enter__(self) -> Prober:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, *self._arguments), daemon=True)
        self._process.start()
        theirs.close()
        self._pipe.recv()  # until then it imports; an EOFError says that it cannot

    def _end(self) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()

    @property
    def process_id(self) -> int:
        """The process that reads."""
        return int(self._process.pid)

    def ask(self, asked: Fault | tuple[str, int]) -> Verdict:
        """Try a fault, or a file and the number of events that it was given."""
        try:
            self._pipe.send(asked)
            verdict: Verdict = self._answer()
        except (OSError, EOFError) as error:
            return Verdict("crash", 0, 0, self._restart(error))
        try:
            around = self._answer()
        except (OSError, EOFError) as error:
            self._restart(error)
            around = (0, 0)
        return Verdict(verdict.outcome, *around, verdict.said) if around is not None else verdict

    def _answer(self) -> Any:
        if not self._pipe.poll(self._seconds):
            raise TimeoutError(f"no answer in {self._seconds} s")
        return self._pipe.recv()

    def _restart(self, error: Exception) -> str:
        """Start another process; return what became of this one."""
        if not isinstance(error, TimeoutError):
            self._process.join(self._seconds)
        said = str(error) if isinstance(error, TimeoutError) else f"exit status {self._process.exitcode}"
        self._end()
        self._start()
        return said

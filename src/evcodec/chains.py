"""The chains of all streams in the data, checked as their records come. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .chain import ChainCheck, ChainReport
from .scan import StreamRecord

if TYPE_CHECKING:
    from .crypto import VerifyKey


class Chains:
    """Checks the chain of each stream, if asked to.

    Parameters
    ----------
    required : bool
        Whether each stream must have one; otherwise nothing is checked.
    signer : VerifyKey or None
        Who must have signed.
    """

    def __init__(self, required: bool = False, signer: VerifyKey | None = None) -> None:
        self._required = required
        self._signer = signer
        self._checks: list[ChainCheck] = []
        self._last = 0

    def add(self, item: StreamRecord) -> None:
        """Take the next record; raise CorruptDataError if it does not fit those before it."""
        if not self._required:
            return
        while len(self._checks) <= item.stream:
            self._checks.append(ChainCheck(len(self._checks), self._signer))
        self._last = item.record.position
        self._checks[item.stream].add(item.record, f"byte {item.record.position}")

    @property
    def reports(self) -> list[ChainReport]:
        """What is proved of each stream so far."""
        return [check.report for check in self._checks]

    def finish(self) -> Iterator[tuple[int, str]]:
        """Yield where the data ends, and what is wrong there with each chain."""
        for check in self._checks:
            if problem := check.problem():
                yield self._last, problem

"""A failing disk is a stalled disk: the same record is tried again until the target takes it, or nobody waits."""

from __future__ import annotations

from collections.abc import Callable

from .errors import WriteFailedError
from .outputs import Output
from .waiting import Bell

# How long to wait before a record that the target did not take is tried again by itself.
RETRY_S = 1.0


class RetryingOutput:
    """Writes records to an output, one after the other.

    Parameters
    ----------
    output : Output
    on_failure : callable
        Called from the thread that writes, when a record fails for the first time.

    Attributes
    ----------
    changed : Bell
        Rings when a failure comes or goes.
    failure : WriteFailedError or None
        What keeps a record from being written now.
    error : WriteFailedError or None
        What ended all writing.

    Notes
    -----
    One thread writes; any may ask. Until `be_patient`, and after `be_done`, a failure is raised at once. So is one
    of a target that does not end with a whole record, which goes for pipes and file objects.
    """

    def __init__(self, output: Output, on_failure: Callable[[], None]) -> None:
        self.changed = Bell()
        self.failure: WriteFailedError | None = None
        self.error: WriteFailedError | None = None
        self._output = output
        self._on_failure = on_failure
        self._unheard: list[WriteFailedError] = []  # no more than one
        self._is_patient = False
        self._is_urgent = False
        # Numbers of attempts: a caller who wants one at once waits for one that began after it asked.
        self._begun = 0
        self._failed = 0

    # ---- the thread that writes ----

    def write(self, record: bytes) -> None:
        """Return when the target has taken a record; raise WriteFailedError when it never will."""
        while True:
            is_last = not self._is_patient
            self._is_urgent = False  # first: who asks from here on gets another attempt, at worst
            self._begun += 1
            try:
                self._output.write(record)
            except WriteFailedError as error:
                if is_last or not self._output.can_go_on:
                    raise
                self._wait_after(error)
            else:
                break
        if self.failure is not None:
            self.failure = None
            self._unheard.clear()
            self.changed.ring()

    def _wait_after(self, error: WriteFailedError) -> None:
        failure = error.again("; it is tried again, and events beyond the queue are counted meanwhile")
        is_first = self.failure is None
        self.failure = failure
        self._failed = self._begun
        if is_first:
            self._unheard.append(failure)
            self._on_failure()
        self.changed.ring()
        self.changed.wait_for(lambda: self._is_urgent or not self._is_patient, RETRY_S)

    def give_up(self, error: WriteFailedError) -> None:
        """Say that nothing will be written any more."""
        self.error = error
        self.changed.ring()

    # ---- callers ----

    def be_patient(self) -> None:
        """Try again what fails from now on."""
        self._is_patient = True

    def be_done(self) -> None:
        """Try what fails one last time."""
        self._is_patient = False
        self.changed.ring()

    def try_now(self) -> None:
        """Have an attempt made at once if writing fails, and wait for what comes of it."""
        if self.failure is None:
            return
        asked = self._begun
        self._is_urgent = True
        self.changed.ring()
        self.changed.wait_for(lambda: self.failure is None or self._failed > asked or self.error is not None)

    def heard(self) -> WriteFailedError | None:
        """Return the failure if no caller has heard of it, who has by now."""
        try:
            return self._unheard.pop()
        except IndexError:
            return None

"""A failing disk is a stalled disk: the same record is tried again until the target takes it, or nobody waits."""

from __future__ import annotations

import threading
from collections.abc import Callable

from .errors import WriteFailedError
from .outputs import Output

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
    changed : Condition
        Notified when a failure comes or goes.
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
        self.changed = threading.Condition()
        self.failure: WriteFailedError | None = None
        self.error: WriteFailedError | None = None
        self._output = output
        self._on_failure = on_failure
        self._is_heard = False
        self._is_patient = False
        self._is_urgent = False
        # Numbers of attempts: a caller who wants one at once waits for one that began after it asked.
        self._begun = 0
        self._failed = 0

    # ---- the thread that writes ----

    def write(self, record: bytes) -> None:
        """Return when the target has taken a record; raise WriteFailedError when it never will."""
        while True:
            with self.changed:
                is_last = not self._is_patient
                self._is_urgent = False
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
            with self.changed:
                self.failure = None
                self.changed.notify_all()

    def _wait_after(self, error: WriteFailedError) -> None:
        failure = error.again("; it is tried again, and events beyond the queue are counted meanwhile")
        with self.changed:
            is_first = self.failure is None
            self._is_heard = self._is_heard and not is_first
            self.failure = failure
            self._failed = self._begun
            self.changed.notify_all()
        if is_first:
            self._on_failure()
        with self.changed:
            self.changed.wait_for(lambda: self._is_urgent or not self._is_patient, RETRY_S)

    def give_up(self, error: WriteFailedError) -> None:
        """Say that nothing will be written any more."""
        with self.changed:
            self.error = error
            self.changed.notify_all()

    # ---- callers ----

    def be_patient(self) -> None:
        """Try again what fails from now on."""
        self._is_patient = True

    def be_done(self) -> None:
        """Try what fails one last time."""
        with self.changed:
            self._is_patient = False
            self.changed.notify_all()

    def try_now(self) -> None:
        """Have an attempt made at once if writing fails, and wait for what comes of it."""
        with self.changed:
            if self.failure is None:
                return
            asked = self._begun
            self._is_urgent = True
            self.changed.notify_all()
            self.changed.wait_for(
                lambda: self.failure is None or self._failed > asked or self.error is not None
            )

    def heard(self) -> WriteFailedError | None:
        """Return the failure if no caller has heard of it, who has by now."""
        with self.changed:
            if self.failure is None or self._is_heard:
                return None
            self._is_heard = True
            return self.failure

"""`Recorder`: one recording from the person's agreement to the closed file."""

from __future__ import annotations

import getpass
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from ..entries import GapReason
from ..errors import CaptureError, WriteFailedError
from ..protection import Protection
from ..version import __version__
from ..writer import Writer
from .clock import now_t
from .gate import Gate
from .hygiene import Hygiene, harden, place_of
from .model import Source
from .policy import Policy
from .recorder_loop import CALM_WAKE_EVERY_NS, WAKE_EVERY_NS, Loop, StopSignals
from .recorder_notice import notice_of
from .recorder_output import Output
from .recorder_session import Session
from .recorder_sources import (
    HOTKEY,
    check_sources,
    close_sources,
    default_sources,
    field_source,
    open_sources,
)
from .seen import Agreement, Indicator, State, ask
from .status import StatusSocket

# With what the gate holds back and how often what has passed is moved, an event is durable within half a second.
_FLUSH_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What was recorded.

    Attributes
    ----------
    file : str
    events : int
    gaps : dict of str to int
        Number of gaps by the name of their reason.
    size : int
        Bytes of the file.
    seconds : float
        From the person's agreement to the end.
    ended : str
        Why it ended, in words.
    failed : str or None
        What went wrong, where it was not ended on purpose.
    """

    file: str
    events: int
    gaps: dict[str, int]
    size: int
    seconds: float
    ended: str
    failed: str | None


class Recorder:
    """Records what a policy lists, after the person has agreed, while an indicator shows it.

    Parameters
    ----------
    policy : Policy
        As `load_policy` returns it.
    target : path
        Where the stream goes; a file that is there is replaced.
    sources : sequence of str, optional
        Of ``x11``, ``fields``, ``evdev`` and ``pynput``; by default those that fit the session.
    hotkey : str
        Pauses and resumes.
    fsync : bool
        Force each flush to the device.
    chain, signing_key
        As a `Writer` takes them.
    say : callable, optional
        Takes messages for the person while it runs; by default they go to stderr.

    Raises
    ------
    InvalidArgumentError
        A source that does not exist, or a key that is none.
    MissingExtraError
        There are keys, and no ``evcodec[crypto]``.
    OSError
        A key cannot be read.

    Notes
    -----
    `run` hardens the process for good (`hygiene.harden`): it belongs into a program that does little else. There is no way
    to record without the consent window and the indicator, which are not the caller's to replace.
    """

    def __init__(
        self,
        policy: Policy,
        target: str | os.PathLike[str],
        *,
        sources: Sequence[str] | None = None,
        hotkey: str = HOTKEY,
        fsync: bool = False,
        chain: bool = False,
        signing_key: Any = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self._policy = policy
        self._target = Path(target)
        self._names = check_sources(default_sources() if sources is None else sources)
        self._hotkey = hotkey
        self._options: dict[str, Any] = {"fsync": fsync}
        if policy.recipients:
            self._options["recipients"] = {
                int(group): list(keys) for group, keys in policy.recipients.items()
            }
        if chain or signing_key is not None:
            self._options |= {"chain": chain, "signing_key": signing_key}
        # A key that cannot be read is found before anybody is asked.
        Protection.of(self._options.get("recipients"), chain, signing_key)
        self._say = say or _say_to_stderr
        self._session: Session | None = None
        self._output: Output | None = None
        self._started_ns = 0
        self._display = os.environ.get("DISPLAY") or sys.platform
        self._stop: StopSignals | None = None

    def run(self, duration_s: float | None = None) -> Summary:
        """Ask the person, record until it is ended, and return what was recorded.

        Parameters
        ----------
        duration_s : float, optional
            Seconds after which it ends by itself; by default when the person, a signal or `stop` ends it.

        Raises
        ------
        CaptureError
            The person did not agree; the consent window or the indicator cannot be shown; a source cannot be opened; or the
            recorder failed. Nothing is recorded from there on.
        InvalidArgumentError
            Another recorder runs on this display, or the target cannot be written to.
        WriteFailedError
            The target takes nothing more; what it took before stays readable.
        MissingExtraError
            What a source needs is not installed.
        OSError
            The target cannot be opened.
        """
        hygiene = harden()
        for warning in hygiene.warnings():
            self._say(warning)
        with ExitStack() as stack:
            claim = StatusSocket(self._display, self._status)
            stack.callback(claim.close)
            agreement = self._ask()
            started_t, self._started_ns = now_t(), time.time_ns()
            # In sight before anything is observed.
            indicator = Indicator(agreement.notice, started_t, state=State.ELSEWHERE)
            stack.callback(indicator.close)
            sources = open_sources(self._names, self._hotkey)
            stack.callback(close_sources, sources)
            output = self._open_output(agreement, hygiene, sources)
            self._output = output
            stop = StopSignals()
            stack.callback(stop.close)
            until_t = None if duration_s is None else started_t + int(duration_s * 1e9)
            session = Session(
                Gate(self._policy, now_t(), title_key=secrets.token_bytes(32)),
                output,
                indicator,
                field_source(sources),
                say=self._say,
                until_t=until_t,
            )
            self._session = session
            claim.listen()
            hurry = [s.wake_every_ns for s in sources if hasattr(s, "wake_every_ns")]
            others: list[tuple[Any, Callable[[], None]]] = [
                (indicator, session.indicator_is_ready),
                (claim, claim.answer),
                (stop, partial(_end_by_signal, session, stop)),
            ]
            loop = Loop(
                session,
                sources,
                others,
                wake_every_ns=min([WAKE_EVERY_NS, *hurry]),
                calm_wake_every_ns=min([CALM_WAKE_EVERY_NS, *hurry]),
            )
            self._stop = stop
            record(loop, session, output, stop, sources)
        return Summary(
            file=str(self._target),
            events=output.events,
            gaps={_reason(reason): count for reason, count in sorted(output.gaps.items())},
            size=self._target.stat().st_size,
            seconds=(now_t() - started_t) / 1e9,
            ended=session.ended or "",
            failed=session.failed,
        )

    def stop(self) -> None:
        """End the recording, or do nothing where none runs; from any thread or signal handler."""
        if self._stop is not None:
            self._stop.ring()

    def _ask(self) -> Agreement:
        """Return what the person agreed to; there is no other way past this."""
        notice = notice_of(
            self._policy, file=str(self._target), hotkey=_shown_hotkey(self._hotkey), now_ns=time.time_ns()
        )
        answer = ask(notice)
        if not isinstance(answer, Agreement):
            raise CaptureError(f"nothing is recorded, since nobody agreed: {answer.why}")
        return answer

    def _open_output(self, agreement: Agreement, hygiene: Hygiene, sources: Sequence[Source]) -> Output:
        writer = Writer(
            self._target,
            metadata={
                "recorder": f"evcodec {__version__}",
                "platform": sys.platform,
                "sources": [source.name for source in sources],
                "agreement": agreement.as_plain(),
                "hygiene": asdict(hygiene),
            },
            governance=self._policy.governance(agreement.agreed_ns),
            flush_interval_s=_FLUSH_S,
            on_full="drop",
            **self._options,
        )
        names = next((s.layout_name for s in sources if hasattr(s, "layout_name")), lambda _: None)
        return Output(writer, self._tell_trouble, names)

    def _tell_trouble(self, message: str) -> None:
        self._say(message)
        if self._session is not None:
            self._session.trouble("the disk takes nothing now")

    def _status(self) -> dict[str, Any]:
        """Return what `--status` tells."""
        session, output = self._session, self._output
        state = session.state if session is not None else None
        return {
            "state": "starting" if state is None else state.recording.value,
            "reason": None if state is None or state.reason is None else _reason(state.reason),
            "application": None if state is None else state.application,
            "pointer": bool(state and state.pointer),
            "keys": None if state is None else state.keys.value,
            "file": str(self._target.absolute()),
            "since": datetime.fromtimestamp(self._started_ns / 1e9, UTC).isoformat(timespec="seconds"),
            "events": 0 if output is None else output.events,
            "gaps": {} if output is None else {_reason(reason): n for reason, n in output.gaps.items()},
            "user": getpass.getuser(),
            "pid": os.getpid(),
            "display": self._display,
            "purpose": self._policy.purpose,
            "notice_id": self._policy.notice_id,
            "policy_digest": self._policy.digest,
            "applications": [name for rule in self._policy.applications for name in rule.executables],
        }


def record(
    loop: Loop, session: Session, output: Output, stop: StopSignals, sources: Sequence[Source]
) -> None:
    """Run the loop until the session is over, and end the stream whatever ends the loop.

    Raises
    ------
    CaptureError
        The recorder failed. The message says where and nothing more: what had passed before is in the stream.
    WriteFailedError
        The target takes nothing more.
    """
    failure: str | None = None
    with stop.installed():
        try:
            loop.run()
            close_sources(sources)  # nothing is observed from here on
            session.finish(now_t())
        except WriteFailedError:
            raise
        except Exception as error:
            # Its message, and all that it holds on to, may tell what was typed: it ends here, and another is raised below.
            failure = place_of(error)
        finally:
            close_sources(sources)
            output.close()
    if failure is not None:
        raise CaptureError(
            f"the recorder failed ({failure}) and has stopped; what was recorded before is kept"
        )


def _reason(reason: int) -> str:
    return GapReason(reason).name.lower()


def _shown_hotkey(hotkey: str) -> str:
    return "+".join(part.strip().capitalize() for part in hotkey.split("+"))


def _end_by_signal(session: Session, stop: StopSignals) -> None:
    stop.drain()
    session.end("interrupted" if stop.number == signal.SIGINT else "asked to end")


def _say_to_stderr(message: str) -> None:
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"evcodec: {message}\n")
        sys.stderr.flush()

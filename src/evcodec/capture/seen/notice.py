"""What a person is shown before a recording starts, and what they agreed to. Plain values, no I/O."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeApplication:
    """One application of the policy, in words for the person who is recorded.

    Attributes
    ----------
    name : str
        The executable, or the origin of a site: ``/usr/bin/gedit``, ``https://example.org in /usr/bin/chromium``.
    keys : str
        What of its keys is kept: ``in full``, ``class only``, ``none``.
    titles : str
        What of its window titles is kept.
    remarks : tuple of str
        What holds for single fields, or of the way that it is recorded.
    """

    name: str
    keys: str
    titles: str
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """All that the consent window says.

    Attributes
    ----------
    purpose : str
        What the recording is for.
    recipients : tuple of str
        Who gets it.
    columns : tuple of str
        What is stored of what the person does, in words: ``pointer: position, buttons, scrolling``.
    applications : tuple of NoticeApplication
        Where it is stored; nowhere else.
    retention : str
        How long it is kept, in words: ``90 days``.
    retention_until : str
        The date that this comes to: ``2027-02-20``; empty where there is none.
    notice_id : str
        The id of the notice or consent form that the policy names.
    policy_digest : str
        Digest of the policy file, as the stream's header has it.
    file : str
        Where the recording is written.
    hotkey : str
        What pauses and resumes: ``Ctrl+Alt+P``.
    remarks : tuple of str
        What else the person should know: for whom columns are encrypted, what the recorder is blind to.
    """

    purpose: str
    recipients: tuple[str, ...]
    columns: tuple[str, ...]
    applications: tuple[NoticeApplication, ...]
    retention: str
    retention_until: str
    notice_id: str
    policy_digest: str
    file: str
    hotkey: str
    remarks: tuple[str, ...] = ()

    def as_plain(self) -> dict[str, Any]:
        """Return it as JSON and msgpack hold it: lists, dicts and strings."""
        return plain_lists(asdict(self))

    @classmethod
    def from_plain(cls, values: dict[str, Any]) -> Notice:
        """Return the notice that `as_plain` gave. Raises TypeError or KeyError for other values."""
        applications = tuple(
            NoticeApplication(**{**one, "remarks": tuple(one["remarks"])}) for one in values["applications"]
        )
        texts = {name: tuple(values[name]) for name in ("recipients", "columns", "remarks")}
        return cls(**{**values, **texts, "applications": applications})

    def digest(self) -> str:
        """Return the SHA-256 of what is shown, in hex: the same for the same words."""
        text = json.dumps(self.as_plain(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


def plain_lists(values: dict[str, Any]) -> dict[str, Any]:
    """Return the same with lists for tuples, at every depth."""
    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """The person pressed Start recording.

    Attributes
    ----------
    agreed_t : int
        When, in ns of CLOCK_MONOTONIC, the session's clock.
    agreed_ns : int
        The same moment by the wall clock, in ns since 1970.
    notice : Notice
        What was on the screen.
    """

    agreed_t: int
    agreed_ns: int
    notice: Notice

    def as_plain(self) -> dict[str, Any]:
        """Return it as metadata of a stream: the times, the notice and its digest."""
        return {
            "agreed_t": self.agreed_t,
            "agreed_ns": self.agreed_ns,
            "notice_digest": self.notice.digest(),
            "notice": self.notice.as_plain(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Nobody agreed: Do not record was pressed, or the window was closed or ended. ``why`` is in words."""

    why: str

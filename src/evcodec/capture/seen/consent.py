"""Asking the person: the recorder's side of the consent window."""

from __future__ import annotations

from ...errors import CaptureError
from . import process
from .notice import Agreement, Notice, Refusal


def ask(notice: Notice) -> Agreement | Refusal:
    """Show what would be recorded and wait, for as long as it takes, until the person agrees or not.

    There is no other way to an `Agreement` than a press of the window's Start recording. Closing the window, Escape, and
    an end of its process are a `Refusal`.

    Raises
    ------
    CaptureError
        The window cannot be shown: no Tk, no display.
    """
    window, channel = process.start("consent_window")
    try:
        channel.send("notice", notice=notice.as_plain())
        while True:
            channel.wait(None)
            for message in channel.receive():
                match message:
                    case {"kind": "agreed", "t": int(t), "ns": int(ns), "digest": str(digest)}:
                        # What was on the screen is what the recorder goes by.
                        if digest == notice.digest():
                            return Agreement(agreed_t=t, agreed_ns=ns, notice=notice)
                        return Refusal(why="the consent window showed something else than it was asked to")
                    case {"kind": "refused", "why": str(why)}:
                        return Refusal(why=why)
                    case {"kind": "failed", "why": str(why)}:
                        raise CaptureError(f"the consent window cannot be shown: {why}: nothing is recorded")
            if channel.is_closed:
                return Refusal(why="the consent window was ended before anything was pressed")
    finally:
        process.end(window, channel)

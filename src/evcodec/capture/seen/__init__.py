"""What makes the recorder seen and agreed: a consent window, an indicator and a tray icon, in processes of their own.

`ask` shows a `Notice` and returns what the person decided. `Indicator` starts the indicator, and with it the tray icon,
and is one more thing for the recorder's loop to wait for. What passes between the processes is states, words of the
policy and presses of buttons, never anything recorded. Nothing skips the consent window or hides the indicator.
"""

from __future__ import annotations

from .consent import ask
from .indicator import Indicator
from .notice import Agreement, Notice, NoticeApplication, Refusal
from .reports import (
    Ask,
    IndicatorHidden,
    IndicatorLost,
    IndicatorSeen,
    PersonAsked,
    Report,
    State,
    TrayMissing,
)

__all__ = [
    "Agreement",
    "Ask",
    "Indicator",
    "IndicatorHidden",
    "IndicatorLost",
    "IndicatorSeen",
    "Notice",
    "NoticeApplication",
    "PersonAsked",
    "Refusal",
    "Report",
    "State",
    "TrayMissing",
    "ask",
]

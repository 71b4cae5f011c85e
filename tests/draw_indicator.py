"""Draw docs/img/indicator.png: the states of the indicator, as a virtual desktop shows them."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from desktop import Desktop, missing, wait_for
from evcodec.capture.seen import Indicator, Notice, State

TARGET = Path(__file__).resolve().parents[1] / "docs" / "img" / "indicator.png"
DETAILS = {
    State.RECORDING: "gedit",
    State.ELSEWHERE: "",
    State.PAUSED: "",
    State.BLIND: "fields: no session bus",
}
NOTICE = Notice(
    purpose="A picture", recipients=(), columns=(), applications=(), retention="", retention_until="", notice_id="",
    policy_digest="", file="", hotkey="Ctrl+Alt+P",
)  # fmt: skip


def main() -> int:
    reason = missing("openbox", "tk")
    if reason:
        print(reason)
        return 1
    pictures = []
    with Desktop(accessible=False) as desktop:
        os.environ |= {name: desktop.environ[name] for name in ("DISPLAY", "XAUTHORITY")}
        for state, detail in DETAILS.items():
            indicator = Indicator(NOTICE, time.monotonic_ns() - 754_000_000_000, state=state, detail=detail)
            # Until two pictures in a row are the same: all is drawn.
            before = [np.zeros(0)]

            def is_still(before: list[np.ndarray] = before) -> bool:
                time.sleep(0.2)
                before.append(desktop.screenshot()[:56, 382:898])
                return np.array_equal(before[-1], before[-2])

            wait_for(is_still, "a still picture")
            pictures.append(before[-1])
            indicator.close()
    TARGET.parent.mkdir(exist_ok=True)
    ground = [np.where((one == 0).all(axis=2, keepdims=True), 255, one).astype(np.uint8) for one in pictures]
    Image.fromarray(np.concatenate(ground)).quantize(64).save(TARGET, optimize=True)
    print(TARGET, TARGET.stat().st_size, "bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())

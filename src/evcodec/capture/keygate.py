"""Keys that are held until it is known where they went: each passes, in full or as a class, or is wiped. No I/O, no clock."""

from __future__ import annotations

from collections import deque

from ..entries import GapReason
from ..schema import EventKind
from .confirming import Answer, Confirming
from .decision import Verdict
from .held import Key
from .policy import Accessibility, Keys
from .timeline import CoarseGaps, Timeline
from .timing import Timing

# Told as long as they last, whether somebody types or not: that there is such a gap says nothing of keys.
LASTING = frozenset((GapReason.SECURE_FIELD, GapReason.BLIND, GapReason.NOT_LISTED))


class KeyGate:
    """Decides keys in the order in which they were struck.

    Parameters
    ----------
    timeline : Timeline
    confirming : Confirming
    dropped : CoarseGaps
        What is told of keys that nothing else tells of.
    timing : Timing
    quantum_ns : int
        Multiple that times are rounded up to; 0: none.
    """

    def __init__(
        self, timeline: Timeline, confirming: Confirming, dropped: CoarseGaps, timing: Timing, quantum_ns: int
    ) -> None:
        self._timeline = timeline
        self._confirming = confirming
        self._dropped = dropped
        self._timing = timing
        self._quantum_ns = quantum_ns
        # None stands for keys that were wiped on arrival: after it, nothing is known of what is held down.
        self._keys: deque[Key | None] = deque()
        # What passed of keys that are down, by device and code.
        self._down: dict[tuple[int, int], Keys] = {}
        self.os_units: dict[int, int] = {}

    @property
    def first_t(self) -> int | None:
        """When the earliest undecided key was struck."""
        return next((key.true_t for key in self._keys if key is not None), None)

    def add(self, key: Key) -> None:
        """Hold a key."""
        self._keys.append(key)

    def lose_track(self) -> None:
        """Note that keys may have gone down or up unseen: those that are up later tell of no key that was wiped."""
        if not self._keys:
            self._down.clear()
        elif self._keys[-1] is not None:
            self._keys.append(None)

    def wants_answer(self, now_t: int) -> bool:
        """Tell whether a key waits for its field to be confirmed by a question that has not been answered."""
        latest = now_t - self._timing.hold
        return any(
            key is not None and key.true_t <= latest and self._answer_for(key) is None for key in self._keys
        )

    def _answer_for(self, key: Key) -> Answer | None:
        return self._confirming.first_for(key.true_t, has_gone_down=key.kind != EventKind.KEY_DOWN)

    def decide(self, now_t: int) -> None:
        """Decide what can be decided at ``now_t``."""
        while self._keys:
            key = self._keys[0]
            if key is None:
                self._down.clear()
            else:
                keys = self._allowed(key, now_t)
                if keys is None:
                    return
                self._settle(key, keys)
            self._keys.popleft()

    def finish(self) -> None:
        """Wipe what is undecided."""
        for key in self._keys:
            if key is not None:
                key.drop()
        self._keys.clear()
        self._down.clear()

    def _allowed(self, key: Key, now_t: int) -> Keys | None:
        """Return how much of a key passes; None: that is not known yet."""
        t, hold = key.true_t, self._timing.hold
        changes = self._timeline.since(t)
        if t > now_t + self._timing.ahead or not changes:
            return Keys.NONE
        first, last = changes[0], changes[-1]
        rule = first.verdict.rule
        if rule is not None and rule.accessibility is Accessibility.NONE:
            until, is_answered = t + hold, True
        else:
            answer = self._answer_for(key)
            until, is_answered = (now_t, False) if answer is None else (answer.until_t, True)
        # All that may have been heard by then: of a loop that stood still it is not known when.
        heard = [one for one in changes if one is first or one.doubt_t <= max(t, until - hold)]
        if heard[-1] is last and last.verdict.is_pending and now_t <= last.t + hold:
            # An element that is being looked at is soon known, or it takes too long.
            heard, is_answered = heard[:-1], False
        # Between plain fields of one application it does not matter which of them had it.
        if any(one.verdict.keys is Keys.NONE or not _is_same(heard[0].verdict, one.verdict) for one in heard):
            return Keys.NONE
        if is_answered and now_t >= until:
            return min((one.verdict.keys for one in heard), key=lambda keys: keys.rank)
        return Keys.NONE if now_t - t > self._timing.deadline else None

    def _settle(self, key: Key, keys: Keys) -> None:
        """Pass a key or wipe it; what follows the going down of a key passes no more than that did."""
        which = (key.device, key.code)
        if key.kind == EventKind.KEY_DOWN:
            self._down.pop(which, None)
            if keys is not Keys.NONE:
                self._down[which] = keys
        else:
            went_down = self._down.get(which, Keys.NONE)
            if key.kind == EventKind.KEY_UP:
                self._down.pop(which, None)
            if went_down is Keys.NONE:
                key.drop()
                return
            keys = min(keys, went_down, key=lambda one: one.rank)
        if keys is Keys.NONE:
            self._tell(key.true_t)
            key.drop()
        else:
            key.keep(keys, self.os_units.get(key.device), self._quantum_ns)

    def _tell(self, t: int) -> None:
        possible = list(self._timeline.possible(t))
        if any(verdict.reason is not None or verdict.keys_reason in LASTING for verdict in possible):
            return  # such a gap is told anyway
        if all(verdict.keys_reason is None and verdict.keys is Keys.NONE for verdict in possible):
            return  # the policy has no keys here
        self._dropped.add(t)


def _is_same(one: Verdict, other: Verdict) -> bool:
    return one.rule is other.rule and one.pid == other.pid

"""What sources tell the gate: events as batches, and observations of what lies around them. Plain values, no I/O.

All times ``t`` are int nanoseconds of CLOCK_MONOTONIC, the session's clock. An observation is what a source has seen,
not what may be kept: it holds titles, names and values in full, and only the gate decides which of them go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, runtime_checkable

from ..batch import EventBatch

# Columns of the events of a source; those that a source lacks are left out. ``source`` holds the ids of its `DeviceFound`,
# ``code`` a button (1 left, 2 right, 3 middle, 4 and 5 side) or a key's scancode in Linux numbering (an X11 keycode less 8),
# ``keysym`` what the key means under the modifiers and the layout of its moment, as X11 numbers it.
INPUT_COLUMNS = (
    "t", "kind", "x", "y", "code", "dx", "dy", "source", "os_time", "flags", "scroll_source",
    "keysym", "modifiers", "layout", "key_class",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """A running program. ``executable`` is its absolute path; None where the system does not tell."""

    executable: str | None
    window_class: str | None = None
    pid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """A rectangle of the screen, in pixels."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A top-level window; ``id`` is the window system's."""

    id: int
    application: Application
    title: str | None = None


class Secrecy(Enum):
    """What is known of a field that may take keys."""

    PLAIN = "plain"
    SECURE = "secure"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """The element that has the keyboard focus, as its application tells over accessibility.

    Attributes
    ----------
    id : str
        The same for the same element, for as long as it exists.
    role : str
        AT-SPI's name of the role in lower case: ``text``, ``password text``, ``menu item``, ...
    secrecy : Secrecy
        SECURE for a password; UNKNOWN where the application did not answer or is no longer there.
    pid : int or None
        The process that shows it.
    origin : str or None
        Scheme, host and port of the document that holds it, where it is in a browser: ``https://example.org``.
    name, bounds
        Its label, and where it is on the screen, where known.
    """

    id: str
    role: str
    secrecy: Secrecy
    pid: int | None = None
    origin: str | None = None
    name: str | None = None
    bounds: Bounds | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Display:
    """One monitor of the layout; ``scale`` is 1.0 where the system does not scale."""

    name: str
    bounds: Bounds
    scale: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Base of what a source observes beside events; ``t`` is when it was received."""

    t: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFound(Observation):
    """The ids of a ``source`` column: from now on ``id`` is this device. Properties go into the stream's source entry."""

    id: int
    name: str
    properties: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowFocused(Observation):
    """Another window has the focus, or the same one another title; None: none has, or it is not known which."""

    window: Window | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PointerEntered(Observation):
    """The pointer is over a window of another application than before; None: over the bare desktop, or not known."""

    application: Application | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyboardGrabbed(Observation):
    """Some client took the keyboard for itself (a screen lock, a launcher, a menu), or gave it back."""

    is_grabbed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldFocused(Observation):
    """Another element has the keyboard focus; None: none, or it is not known which."""

    field: Field | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldConfirmed(Observation):
    """Answer to `FieldSource.confirm`: at ``t`` the application said that ``field_id`` has the focus (True), or not.

    ``heard_t`` is None where that proves that the application had handled all keys that were struck well before. It is a time
    where it does not: a browser answers for a page that may be far behind. Then only what was struck up to ``heard_t`` is
    known to have gone into the field: the text cursor moved there at that time.
    """

    asked_t: int
    field_id: str
    is_focused: bool
    heard_t: int | None = None


class ElementAct(Enum):
    """What was done with an element; the names are those of the event kinds."""

    MENU_OPEN = "menu_open"
    ITEM_HOVER = "item_hover"
    ITEM_SELECT = "item_select"
    VALUE_COMMIT = "value_commit"


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementActed(Observation):
    """A menu was opened, one of its items was hovered or chosen, a value was committed (a dropdown, a check box, a slider).

    ``value`` is the value committed, as text, where the application tells; never the text of an entry. ``pid`` is the process.
    """

    act: ElementAct
    element_id: str
    role: str
    pid: int | None
    name: str | None = None
    value: str | None = None
    bounds: Bounds | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DisplaysChanged(Observation):
    """The monitors from now on."""

    displays: tuple[Display, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsLost(Observation):
    """The system has dropped events of a device between ``since_t`` and ``t``; how many is rarely known."""

    since_t: int
    device_id: int | None = None
    lost: int | None = None


class Sense(Enum):
    """What a source lets the recorder know; without it the recorder is blind to that."""

    INPUT = "input"
    WINDOWS = "windows"
    FIELDS = "fields"


@dataclass(frozen=True, slots=True, kw_only=True)
class SenseLost(Observation):
    """A source can no longer observe something, and why, in words for a person; ``since_t`` is when it could last.

    Of a device that went away ``device_id`` says which; the other devices go on.
    """

    sense: Sense
    since_t: int
    why: str
    device_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SenseRegained(Observation):
    """What was lost by a `SenseLost` is there again."""

    sense: Sense
    device_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HotkeyPressed(Observation):
    """The person pressed the hotkey that pauses, or goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputEvents:
    """Events of one read, in the order of the system; their arrays belong to who receives them, who wipes them after use."""

    batch: EventBatch


Observed = Observation | InputEvents


class Source(Protocol):
    """Where events or observations come from. Used from one thread; nothing of it blocks for more than a few milliseconds."""

    name: str

    def fileno(self) -> int:
        """Return a file descriptor that is readable when `read` has something."""
        ...

    def read(self, now_t: int) -> list[Observed]:
        """Return all that waits, in order, within a few milliseconds. Raises nothing: what fails is a `SenseLost`."""
        ...

    def next_read_t(self) -> int | None:
        """Return when `read` wants to be called even if nothing came, for a timeout or a poll; None: never."""
        ...

    def close(self) -> None:
        """Let go of the system; a second call does nothing."""
        ...


@runtime_checkable
class FieldSource(Source, Protocol):
    """A source of focused fields that can be asked."""

    def confirm(self, field_id: str, now_t: int) -> None:
        """Ask the application whether this element has the focus; the answer comes as `FieldConfirmed`, or not at all."""
        ...

    def note_input(self, events: InputEvents) -> None:
        """Take in what an input source has read, before it is wiped: menus do not tell whether an item was chosen."""
        ...


def wipe(batch: EventBatch) -> None:
    """Overwrite the arrays of a batch with zeros, where they may be written, so that dropped keys do not stay in memory."""
    for values in batch.columns.values():
        if values.flags.writeable:
            values[:] = 0

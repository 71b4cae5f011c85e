"""The input devices of this machine as a source of events."""

from __future__ import annotations

import errno
import getpass
import os
import select
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...batch import EventBatch
from ...errors import CaptureError
from ...schema import EventFlag
from ..model import DeviceFound, EventsLost, InputEvents, Observed, Sense, SenseLost, SenseRegained
from .device import Device
from .records import Columns, Dropped, changed_keys

FOLDER = Path("/dev/input")
# The kernel keeps some 40 reports of a mouse, which at 8 kHz is 5 ms.
READ_EVERY_NS = 4_000_000
_SEARCH_EVERY_NS = 1_000_000_000
_MAX_DEVICES = 1_000
# Reads of one device in one call: a writer that never stops must not keep the recorder.
_MAX_READS = 4


class EvdevSource:
    """Events of the kernel's input devices; a `Source`.

    Parameters
    ----------
    paths : sequence of path, optional
        Devices, or FIFOs of the kernel's records. By default all of ``/dev/input/event*``, also those that are plugged in
        later.

    Raises
    ------
    CaptureError
        There is no device, or none of them may be read: the message names the group and the rule that allow it.

    Notes
    -----
    The kernel knows no windows, no pointer and no layout. There are no ``x`` and ``y`` of a screen (those of a tablet or a
    virtual mouse are in units of the device, with its ``x_range`` and ``y_range``); of a key there is its ``code``, so a
    review cannot rebuild text from it without being told the layout, and ``key_class`` is by its place on a US keyboard.
    Without another source that tells which window has the focus, a gate keeps everything closed.

    ``t`` is the kernel's time, CLOCK_MONOTONIC in us, which also is ``os_time``; ``dy`` of a SCROLL is in 1/120 notch,
    positive upwards, ``dx`` to the right. Where the kernel has dropped records an `EventsLost` says so, and keys that went
    up or down meanwhile follow as events with the flag EMULATED. Not for use by several threads.
    """

    name = "evdev"
    wake_every_ns = READ_EVERY_NS

    def __init__(self, paths: Sequence[str | os.PathLike[str]] | None = None) -> None:
        if sys.platform != "linux":
            raise CaptureError("evdev is there on Linux only; here use the sources x11 or pynput")
        self._given = None if paths is None else [Path(path) for path in paths]
        self._open: dict[int, Device] = {}  # by id
        self._refused: dict[Path, str] = {}
        self._ids: dict[tuple[object, ...], int] = {}
        self._lost: set[int] = set()
        self._pending: list[Observed] = []
        self._search_t = 0
        self._poll = select.epoll()
        try:
            self._search(None)
            if not self._open:
                raise CaptureError(self._why_none())
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        """Return a descriptor that is readable when a device has something."""
        return self._poll.fileno()

    def next_read_t(self) -> int | None:
        """Return when to look for devices that were plugged in, each second; at once where devices were found."""
        return 0 if self._pending else self._search_t

    def read(self, now_t: int) -> list[Observed]:
        """Return what waits in all devices, in the order of time; what went away is a `SenseLost` of that device."""
        if now_t >= self._search_t:
            self._search(now_t)
        found, self._pending = self._pending, []
        events: list[Columns] = []
        for id_ in sorted(self._open):
            self._read_device(id_, now_t, events, found)
        batch = _joined(events)
        if batch is not None:
            # After the devices that were found, before what was lost: a loss is told by its times.
            at = max((at for at, one in enumerate(found, 1) if isinstance(one, DeviceFound)), default=0)
            found.insert(at, InputEvents(batch=batch))
        return found

    def close(self) -> None:
        """Close all devices; a second call does nothing."""
        for device in self._open.values():
            device.close()
        self._open.clear()
        self._poll.close()

    def _read_device(self, id_: int, now_t: int, events: list[Columns], found: list[Observed]) -> None:
        device = self._open[id_]
        for _ in range(_MAX_READS):
            try:
                parts = device.read(now_t)
            except (OSError, EOFError) as error:
                self._lose(id_, now_t, error, found)
                return
            if parts is None:
                return
            for part in parts:
                if isinstance(part, Dropped):
                    found.append(EventsLost(t=part.t, since_t=part.since_t, device_id=id_))
                    columns = self._resynchronised(device, part.t)
                    if columns is None:
                        continue
                else:
                    columns = part
                count = len(columns["t"])
                columns["source"] = np.full(count, id_, np.uint16)
                if device.is_injecting:
                    flags = columns.get("flags", np.zeros(count, np.uint16))
                    columns["flags"] = flags | np.uint16(EventFlag.INJECTED)
                events.append(columns)

    def _resynchronised(self, device: Device, t: int) -> Columns | None:
        """Ask what was missed: keys that are down, and where an absolute device is."""
        device.refresh()
        held = device.held()
        return None if held is None else changed_keys(device.state, held, t)

    def _lose(self, id_: int, now_t: int, error: Exception, found: list[Observed]) -> None:
        device = self._open.pop(id_)
        gone = isinstance(error, EOFError) or getattr(error, "errno", None) == errno.ENODEV
        why = (
            "was unplugged"
            if gone
            else f"cannot be read any more: {os.strerror(getattr(error, 'errno', 0) or 0)}"
        )
        self._poll.unregister(device.fd)
        device.close()
        self._lost.add(id_)
        since_t = device.state.last_t or now_t
        found.append(
            SenseLost(
                t=now_t,
                sense=Sense.INPUT,
                since_t=since_t,
                why=f"the device {device.name} {why}",
                device_id=id_,
            )
        )

    def _search(self, now_t: int | None) -> None:
        """Open devices that are there and not open; at the start, without a time, all of them."""
        t = _now_t() if now_t is None else now_t
        self._search_t = t + _SEARCH_EVERY_NS
        there = {device.path for device in self._open.values()}
        for path in self._paths():
            if path in there or len(self._open) >= _MAX_DEVICES:
                continue
            # A FIFO that was given and is closed by its writer does not come back.
            if self._given is not None and now_t is not None:
                continue
            try:
                device = Device(path)
            except OSError as error:
                self._refuse(path, error, t)
                continue
            if not device.is_input:
                device.close()
                continue
            if self._refused.pop(path, None) is not None:
                refused = self._ids[path, "refused"]
                self._pending.append(SenseRegained(t=t, sense=Sense.INPUT, device_id=refused))
            self._add(device, t)

    def _paths(self) -> list[Path]:
        if self._given is not None:
            return self._given
        try:
            return sorted(FOLDER.glob("event*"), key=lambda path: (len(path.name), path.name))
        except OSError:
            return []

    def _add(self, device: Device, t: int) -> None:
        # The same device in the same port is the same source when it comes back.
        keys = ("bus", "vendor", "product", "version", "phys")
        identity = (device.name, *(device.properties.get(key) for key in keys))
        if "bus" not in device.properties or self._ids.get(identity) in self._open:
            identity = (*identity, device.path, len(self._ids))
        id_ = self._ids.setdefault(identity, len(self._ids) + 1)
        device.state.held = device.held() or set()
        self._open[id_] = device
        self._poll.register(device.fd, select.EPOLLIN)
        self._pending.append(DeviceFound(t=t, id=id_, name=device.name, properties=device.properties))
        if id_ in self._lost:
            self._lost.discard(id_)
            self._pending.append(SenseRegained(t=t, sense=Sense.INPUT, device_id=id_))

    def _refuse(self, path: Path, error: OSError, t: int) -> None:
        """Note a device that cannot be opened, and say so once; one that vanished meanwhile is none."""
        if error.errno == errno.ENOENT and self._given is None:
            return
        if path in self._refused:
            return
        self._refused[path] = os.strerror(error.errno or 0)
        # A source of its own, as the other devices go on.
        id_ = self._ids.setdefault((path, "refused"), len(self._ids) + 1)
        why = f"{path} cannot be read: {self._refused[path]}"
        self._pending.append(DeviceFound(t=t, id=id_, name=path.name, properties={"path": str(path)}))
        self._pending.append(SenseLost(t=t, sense=Sense.INPUT, since_t=t, why=why, device_id=id_))

    def _why_none(self) -> str:
        if not self._refused:
            return f"found no input device in {FOLDER}; a container or a virtual machine may have none: use the source x11 there"
        denied = [path for path, why in self._refused.items() if why == os.strerror(errno.EACCES)]
        path, why = next(iter(self._refused.items()))
        if not denied:
            return f"{path} cannot be opened: {why}"
        return (
            f"none of {len(denied)} input devices may be read by this user ({denied[0]}: permission denied). Let an "
            f"administrator add the user to their group, `sudo usermod -aG input {_user()}`, or write the udev rule "
            '`KERNEL=="event*", SUBSYSTEM=="input", TAG+="uaccess"`, then log in again. Either lets every program of that '
            "user read all keys, so take it back when the recording is done"
        )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "NAME"


def _now_t() -> int:
    from ..clock import now_t

    return now_t()


def _joined(parts: list[Columns]) -> EventBatch | None:
    """Return one batch of the events of all devices in the order of time; of one time, of their reading."""
    if not parts:
        return None
    batch = EventBatch.concat(EventBatch(**part) for part in parts)
    order = np.argsort(batch.t, kind="stable")
    return EventBatch(**{name: values[order] for name, values in batch.columns.items()})

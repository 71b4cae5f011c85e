# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""What an X server sends, as rows of events: lengths of buffers are taken and checked here, bytes are read in C."""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t

from evcodec cimport kernels as ev

cdef enum:
    KEY_DOWN = 4  # of EventKind
    KEY_UP = 5

from evcodec.errors import CorruptDataError, InvalidArgumentError, LimitExceededError

DEVICES = ev.EV_X11_DEVICES
STATE_BYTES = sizeof(ev.ev_x11_state)
DEVICE_BYTES = sizeof(ev.ev_x11_device)
ROW_BYTES = sizeof(ev.ev_x11_row)
# Why reading stopped.
MORE = ev.EV_X11_MORE
OTHER = ev.EV_X11_OTHER
FULL = ev.EV_X11_FULL
DEVICE = ev.EV_X11_DEVICE
FINER = ev.EV_X11_FINER


cdef uint8_t *room_of(uint8_t[::1] bytes, size_t least, str name) except NULL:
    """Return where a buffer begins, if it has enough bytes for structs that begin there."""
    if <size_t>bytes.shape[0] < least or <size_t>&bytes[0] % 8:
        raise InvalidArgumentError(f"{name}: found {bytes.shape[0]} bytes, allowed: {least} and more, from a multiple of 8 on")
    return &bytes[0]


@cython.final
cdef class Parser:
    """Turns packets into rows.

    Parameters
    ----------
    state : writable contiguous uint8 buffer of STATE_BYTES
    devices : writable contiguous uint8 buffer of DEVICES * DEVICE_BYTES
    rows : writable contiguous uint8 buffer of n * ROW_BYTES, n > 1

    Raises
    ------
    InvalidArgumentError
        A buffer is too short.

    Attributes
    ----------
    keys : int
        How many rows of keys were made; the caller sets it back.
    """

    cdef uint8_t[::1] _state_bytes, _device_bytes, _row_bytes
    cdef ev.ev_x11_state *_state
    cdef ev.ev_x11_device *_devices
    cdef ev.ev_x11_row *_rows
    cdef size_t _room
    cdef public size_t keys

    def __cinit__(self, uint8_t[::1] state not None, uint8_t[::1] devices not None, uint8_t[::1] rows not None):
        self._state = <ev.ev_x11_state *>room_of(state, sizeof(ev.ev_x11_state), "state")
        self._devices = <ev.ev_x11_device *>room_of(devices, ev.EV_X11_DEVICES * sizeof(ev.ev_x11_device), "devices")
        self._rows = <ev.ev_x11_row *>room_of(rows, 2 * sizeof(ev.ev_x11_row), "rows")
        self._room = rows.shape[0] // sizeof(ev.ev_x11_row)
        self._state_bytes, self._device_bytes, self._row_bytes = state, devices, rows

    def read(self, const uint8_t[::1] data not None, size_t start, size_t stop, size_t row):
        """Read packets of ``data[start:stop]`` into rows from ``row`` on.

        Returns
        -------
        (bytes dealt with, rows made, MORE or why it stopped, length of the packet that stands there)

        Raises
        ------
        CorruptDataError, LimitExceededError
            No server sends this.
        InvalidArgumentError
            ``start``, ``stop`` or ``row`` are out of range.
        """
        cdef size_t taken, count, length, i
        cdef int why
        cdef ev.ev_error error
        if start > stop or stop > <size_t>data.shape[0] or row > self._room:
            raise InvalidArgumentError(f"bytes {start} to {stop}, row {row}: found {data.shape[0]} bytes and {self._room} rows")
        if start == stop:
            return 0, 0, MORE, 0
        cdef int status = ev.ev_x11_read(&data[start], stop - start, self._state, self._devices, self._rows + row,
                                         self._room - row, &taken, &count, &why, &length, &error)
        if status:
            kind = LimitExceededError if status == ev.EV_LIMIT else CorruptDataError
            raise kind(f"from the X server: {error.what.decode()}: found {error.found}, allowed: {error.allowed}")
        for i in range(row, row + count):
            self.keys += self._rows[i].kind == KEY_DOWN or self._rows[i].kind == KEY_UP
        return taken, count, why, length

    def place(self, size_t first, size_t last, int64_t x, int64_t y, int32_t width, int32_t height, bint injected_absolute):
        """Set the positions of rows, from a position on and inside of a screen; return the last position (2^-32 pixel)."""
        cdef int64_t[2] at = [x, y]
        cdef int32_t[2] size = [width, height]
        if first > last or last > self._room:
            raise InvalidArgumentError(f"rows {first} to {last}: found {self._room} rows")
        ev.ev_x11_place(self._rows + first, last - first, at, size, injected_absolute)
        return at[0], at[1]

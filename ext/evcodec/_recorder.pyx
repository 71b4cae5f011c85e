# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""EventRecorder: events appended one at a time, into columns that were allocated before.

An append runs inside an input hook, so it stores integers and returns; whoever takes the events away narrows,
encodes and writes them elsewhere.
"""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.list cimport PyList_Append, PyList_GET_SIZE
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from libc.stdint cimport INT32_MAX, INT32_MIN, int64_t, uint8_t
from libc.string cimport memcpy

import operator

import numpy as np

from evcodec.errors import InvalidArgumentError
from evcodec.schema import STANDARD_COLUMNS

cdef extern from "Python.h":
    bint PyLong_CheckExact(object)
    long long PyLong_AsLongLongAndOverflow(object, int *) except? -1

# Columns of every event, in the order of the format; kind is kept apart as bytes.
cdef enum:
    T, X, Y, CODE, DX, DY, COLUMNS

cdef tuple NAMES = ("t", "x", "y", "code", "dx", "dy")
cdef dict PLACES = {name: place for place, name in enumerate(NAMES)}


cdef int64_t slow_int64(object value, str name) except? -1:
    try:
        number = operator.index(value)
    except TypeError:
        raise InvalidArgumentError(f"{name}: found {type(value).__name__}, allowed: an integer") from None
    if not -(2**63) <= number < 2**63:
        raise InvalidArgumentError(f"{name}: found {number}, allowed: {-(2**63)} to {2**63 - 1}")
    return number


cdef inline int64_t as_int64(object value, str name) except? -1:
    cdef int overflow = 0
    cdef int64_t number
    if PyLong_CheckExact(value):
        number = PyLong_AsLongLongAndOverflow(value, &overflow)
        if not overflow:
            return number
    return slow_int64(value, name)


@cython.final
cdef class EventBuffer:
    """Events in order of their append, taken from an EventRecorder.

    Attributes
    ----------
    count, capacity : int
        Number of events, and how many there is room for.
    """

    cdef int64_t *at
    cdef int64_t *extra_rows
    cdef uint8_t *kinds
    cdef readonly Py_ssize_t capacity
    cdef readonly Py_ssize_t count
    cdef list extras  # further columns of some events, a dict each; extra_rows has their rows

    def __cinit__(self, Py_ssize_t capacity):
        self.at = <int64_t *>PyMem_RawMalloc(capacity * ((COLUMNS + 1) * 8 + 1))
        if self.at == NULL:
            raise MemoryError(f"evcodec: a buffer of {capacity} events")
        self.extra_rows = self.at + COLUMNS * capacity
        self.kinds = <uint8_t *>(self.at + (COLUMNS + 1) * capacity)
        self.capacity = capacity
        self.count = 0
        self.extras = []

    def __dealloc__(self):
        PyMem_RawFree(self.at)

    cdef EventBuffer moved(self):
        """Return a buffer that is no larger than these events, which are then no longer here."""
        cdef EventBuffer small = EventBuffer(self.count)
        cdef Py_ssize_t place
        for place in range(COLUMNS):
            memcpy(small.at + place * small.capacity, self.at + place * self.capacity, self.count * 8)
        memcpy(small.extra_rows, self.extra_rows, self.count * 8)
        memcpy(small.kinds, self.kinds, self.count)
        small.count = self.count
        small.extras, self.extras = self.extras, small.extras
        self.count = 0
        return small

    def columns(self):
        """Return the events as a dict of name to array: the standard dtype where every value fits, else
        int64.
        """
        cdef Py_ssize_t count = self.count
        cdef dict found = {"t": self._column(T)}
        found["kind"] = np.frombuffer(PyBytes_FromStringAndSize(<const char *>self.kinds, count), np.uint8)
        for place in range(X, COLUMNS):
            found[NAMES[place]] = self._column(place)
        cdef Py_ssize_t i
        cdef dict further = {}
        for i in range(len(self.extras)):
            for name, value in (<dict>self.extras[i]).items():
                if name not in further:
                    further[name] = np.zeros(count, np.int64)
                further[name][self.extra_rows[i]] = value
        for name, values in further.items():
            found[name] = narrowed(name, values)
        return found

    cdef object _column(self, int place):
        """Copy a column out; all but ``t`` become int32 when every value fits."""
        cdef int64_t *values = self.at + place * self.capacity
        cdef Py_ssize_t i, count = self.count
        cdef bint fits = place != T
        cdef int[::1] narrow
        cdef int64_t[::1] wide
        if fits:
            with nogil:
                for i in range(count):
                    if values[i] < INT32_MIN or values[i] > INT32_MAX:
                        fits = False
                        break
        if fits:
            array = np.empty(count, np.int32)
            narrow = array
            with nogil:
                for i in range(count):
                    narrow[i] = <int>values[i]
        else:
            array = np.empty(count, np.int64)
            wide = array
            with nogil:
                for i in range(count):
                    wide[i] = values[i]
        return array


def narrowed(str name, array):
    """Return an int64 array as the column's standard dtype if every value fits."""
    standard = STANDARD_COLUMNS.get(name)
    if standard is None or not array.size:
        return array
    bounds = np.iinfo(standard.dtype)
    if bounds.min <= array.min() and array.max() <= bounds.max:
        return array.astype(standard.dtype)
    return array


@cython.final
cdef class HandOver:
    """The way of events and entries to the thread that seals them, and the counts of what goes it.

    What is put and its counts change in one step, between which no signal handler runs, so that an exception of one
    loses nothing and counts nothing twice. Callers put in an order that they see to; one thread takes.

    Parameters
    ----------
    put : callable
        The C method of a queue.

    Attributes
    ----------
    events : int
        Events that were put.
    dropped : int
        Events that were not, and that no gap tells of so far; ``low`` and ``high`` are their smallest and largest t.
    accepted : int
        Events that were put or dropped.
    is_closed : bool
        Whether the last item has been put.
    """

    cdef object _put
    cdef readonly int64_t events
    cdef readonly int64_t dropped
    cdef readonly int64_t low
    cdef readonly int64_t high
    cdef readonly int64_t accepted
    cdef readonly bint is_closed
    cdef int64_t _weight_put
    cdef int64_t _weight_taken

    def __cinit__(self, put):
        self._put = put

    def put(self, item, int64_t events, int64_t weight):
        """Put an item with so many events, that weighs as much as ``weight`` events."""
        if self.is_closed:
            raise InvalidArgumentError("writer: found it closed, allowed: an open one")
        self._weight_put += weight
        self._put(item)
        self.events += events
        self.accepted += events

    def put_gap(self, item, int64_t lost, int64_t accepted, int64_t weight):
        """Put an entry that tells of all ``lost`` dropped events, made when so many events were ``accepted``; return
        False if a signal handler has put or dropped others meanwhile, or told of these.
        """
        if lost != self.dropped or accepted != self.accepted:
            return False
        self.put(item, 0, weight)
        self.dropped = 0
        return True

    def put_last(self, item):
        """Put the item behind which there is none; once."""
        if not self.is_closed:
            self.is_closed = True
            self._put(item)

    def drop(self, int64_t count, int64_t low, int64_t high):
        """Count events that are not put."""
        if not self.dropped or low < self.low:
            self.low = low
        if not self.dropped or high > self.high:
            self.high = high
        self.dropped += count
        self.accepted += count

    def taken(self, int64_t weight):
        """Count what the thread has taken."""
        self._weight_taken += weight

    @property
    def waiting(self):
        """Weight of what was put and has not been taken."""
        return self._weight_put - self._weight_taken


# Why a recorder refuses events; an int each, to be combined.
CLOSED, FAILING, UNFIT = 1, 2, 4


cdef class EventRecorder:
    """Takes events one at a time.

    A subclass says what happens when a buffer is full (`_buffer_full`) and when the first event comes into
    an empty one (`_first_event`). Safe from several threads, on free-threaded builds by a critical section for each
    append.
    """

    cdef EventBuffer _buffer
    cdef EventBuffer _spare
    cdef Py_ssize_t _capacity
    cdef bint _recording
    cdef int _reasons  # not to record

    def __cinit__(self, *args, **kwargs):
        self._capacity = 8192
        self._recording = False
        self._reasons = 0

    # ---- for the subclass ----

    def _capacity_events(self):
        """Return the number of events that a buffer holds."""
        return self._capacity

    def _start(self):
        """Take events from now on."""
        self._buffer = EventBuffer(self._capacity)
        self._spare = EventBuffer(self._capacity)
        self._recording = not self._reasons

    def _stop(self, int reason):
        """Refuse events from now on; the subclass's `_refuse` says why."""
        with cython.critical_section(self):
            self._reasons |= reason
            self._recording = False

    def _go_on(self, int reason):
        """Take events again, if this was the only reason to refuse them."""
        with cython.critical_section(self):
            self._reasons &= ~reason
            self._recording = not self._reasons and self._buffer is not None

    def _recorded(self):
        """Return the number of events that wait to be taken."""
        cdef Py_ssize_t count = 0
        with cython.critical_section(self):  # without a GIL the buffer may be gone by the time that it is looked at
            if self._buffer is not None:
                count = self._buffer.count
        return count

    def _hand_to(self, HandOver hand_over, int64_t least_weight):
        """Put the events appended so far, if there are any; the item is an EventBuffer."""
        cdef EventBuffer taken = self._take()
        if taken is None:
            return
        # A queue of nearly empty buffers would hold memory for nothing.
        if 2 * taken.count < taken.capacity:
            small = taken.moved()
            self._give_back(taken)
            taken = small
        hand_over.put(taken, taken.count, max(taken.count, least_weight))

    cdef EventBuffer _take(self):
        """Return the events appended so far, or None when there are none."""
        cdef EventBuffer taken = None
        # Made before it is needed: making one may collect garbage, which may run any code, this method too.
        cdef EventBuffer fresh = EventBuffer(self._capacity) if self._spare is None else None
        with cython.critical_section(self):
            if self._buffer is not None and self._buffer.count:
                taken = self._buffer
                if self._spare is not None:
                    self._buffer, self._spare = self._spare, None
                elif fresh is not None:
                    self._buffer = fresh
                else:
                    taken = None  # somebody took the spare meanwhile, and the events with it
        return taken

    def _give_back(self, EventBuffer buffer):
        """Let a buffer be used again, once its columns have been copied."""
        cdef list empty = []
        if buffer.capacity != self._capacity:
            return
        with cython.critical_section(self):
            buffer.count = 0
            buffer.extras = empty
            if self._spare is None:
                self._spare = buffer

    def _first_event(self):
        """Called after an append into an empty buffer."""

    def _buffer_full(self, t):
        """Called before an append at time ``t`` when the buffer is full: take it, or drop the event by
        returning False.
        """
        raise NotImplementedError

    def _refuse(self):
        """Called instead of an append when nothing is recorded; raises, or sees to it that events are recorded."""
        raise NotImplementedError

    # ---- appends ----

    cdef int _append(self, uint8_t kind, int64_t t, int64_t x, int64_t y, int64_t code, int64_t dx, int64_t dy, dict extras) except -1:
        cdef EventBuffer buffer
        cdef Py_ssize_t row
        cdef int64_t *at
        cdef bint appended
        while True:
            appended = False
            # Nothing in here may collect garbage: the collector may run code that appends, or let another thread
            # take the buffer. So no object that it tracks is made, and the count is set last.
            with cython.critical_section(self):
                buffer = self._buffer
                if self._recording and buffer.count < buffer.capacity:
                    row = buffer.count
                    at = buffer.at + row
                    at[T * buffer.capacity] = t
                    at[X * buffer.capacity] = x
                    at[Y * buffer.capacity] = y
                    at[CODE * buffer.capacity] = code
                    at[DX * buffer.capacity] = dx
                    at[DY * buffer.capacity] = dy
                    buffer.kinds[row] = kind
                    if extras is not None:
                        buffer.extra_rows[PyList_GET_SIZE(buffer.extras)] = row
                        PyList_Append(buffer.extras, extras)
                    buffer.count = row + 1
                    appended = True
            # A jump out of the critical section would leave a reference to this object behind each time.
            if appended:
                break
            # Outside of the critical section: what follows may wait for other threads.
            if not self._recording:
                self._refuse()
                continue
            if not self._buffer_full(t):
                return 0
        if row == 0:
            try:
                self._first_event()
            except BaseException:
                self._first_event()  # a signal handler raised; the event is here, and must not wait for others
                raise
        return 0

    def move(self, t, x, y):
        """Record that the pointer moved.

        Parameters
        ----------
        t : int
            ns on the session's monotonic clock.
        x, y : int
            Position, in units of 2**scale_exponent pixel of its source.

        Raises
        ------
        InvalidArgumentError
            An argument is no integer, or is not within 64 bits; or the Writer is closed.
        WriteFailedError
            Writing fails, and no call has said so before; or it has failed for good. The event was not taken.
        """
        self._append(0, as_int64(t, "t"), as_int64(x, "x"), as_int64(y, "y"), 0, 0, 0, None)

    def button(self, t, code, down, x, y):
        """Record that a button went down or up.

        Parameters
        ----------
        t : int
            ns on the session's monotonic clock.
        code : int
            Which button: 1 left, 2 right, 3 middle, or as the source has it.
        down : bool
            Down, or up.
        x, y : int
            Position, as in `move`.

        Raises
        ------
        InvalidArgumentError, WriteFailedError
            As in `move`.
        """
        self._append(
            1 if down else 2, as_int64(t, "t"), as_int64(x, "x"), as_int64(y, "y"), as_int64(code, "code"), 0, 0, None
        )

    def scroll(self, t, dx, dy, x, y):
        """Record that the wheel, or what stands for one, was turned.

        Parameters
        ----------
        t : int
            ns on the session's monotonic clock.
        dx, dy : int
            1/120 of a notch, to the right and up.
        x, y : int
            Position, as in `move`.

        Raises
        ------
        InvalidArgumentError, WriteFailedError
            As in `move`.
        """
        self._append(
            3, as_int64(t, "t"), as_int64(x, "x"), as_int64(y, "y"), 0, as_int64(dx, "dx"), as_int64(dy, "dy"), None
        )

    def key(self, t, code, down):
        """Record that a key went down or up.

        Parameters
        ----------
        t : int
            ns on the session's monotonic clock.
        code : int
            Which key, as the source has it: a scancode or a virtual key.
        down : bool
            Down, or up.

        Raises
        ------
        InvalidArgumentError, WriteFailedError
            As in `move`.
        """
        self._append(4 if down else 5, as_int64(t, "t"), 0, 0, as_int64(code, "code"), 0, 0, None)

    def event(self, kind, t, **columns):
        """Record an event of any kind with any columns.

        Parameters
        ----------
        kind : int
            0 to 255.
        t : int
            ns on the session's monotonic clock.
        **columns : int
            Values by column name; columns that are not given are 0.

        Raises
        ------
        InvalidArgumentError, WriteFailedError
            As in `move`; or the kind or a column's name cannot be stored.
        """
        cdef int64_t values[6]
        cdef int64_t kind_number = as_int64(kind, "kind")
        cdef dict extras = None
        if not 0 <= kind_number <= 255:
            raise InvalidArgumentError(f"kind: found {kind_number}, allowed: 0 to 255")
        values[:] = [0, 0, 0, 0, 0, 0]
        for name, value in columns.items():
            place = PLACES.get(name)
            if place is not None:
                values[<int>place] = as_int64(value, name)
                continue
            self._check_column(name)
            if extras is None:
                extras = {}
            extras[name] = as_int64(value, name)
        self._append(<uint8_t>kind_number, as_int64(t, "t"), values[X], values[Y], values[CODE], values[DX], values[DY], extras)

    def _check_column(self, name):
        """Raise InvalidArgumentError for a name that is not a column's; the subclass knows what is
        allowed.
        """

# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Memory that is used again: what the system gives anew it clears page by page, which takes longer than decoding into it.

What was let go is kept for the next that needs as much, the last one first, since it is still in the cache. Any thread may
take memory and let it go.
"""

cimport cython
from cpython.buffer cimport PyBuffer_FillInfo
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from libc.stdint cimport uintptr_t
from libc.string cimport memmove

cdef extern from *:
    """
    enum { EV_MOST_KEPT = 64, EV_ALIGNMENT = 64 };
    #ifdef __SANITIZE_ADDRESS__
    enum { EV_KEPT_BYTES = 0 }; /* memory that is used again hides what was used after it was let go */
    #else
    enum { EV_KEPT_BYTES = 16 << 20 }; /* two batches of large blocks and what decoding one takes */
    #endif
    enum { EV_LEAST_BYTES = 1 << 15, EV_LARGEST_BYTES = 1 << 22 };
    """
    enum:
        EV_MOST_KEPT
        EV_ALIGNMENT
        EV_KEPT_BYTES
        EV_LEAST_BYTES
        EV_LARGEST_BYTES

# Fewer bytes cost little, and more come in large pages: neither is kept.
LEAST_BYTES = EV_LEAST_BYTES
LARGEST_BYTES = EV_LARGEST_BYTES

cdef cython.pymutex _lock
cdef size_t _kept_bytes = 0
cdef unsigned _kept_count = 0
cdef void *_kept[EV_MOST_KEPT]
cdef size_t _kept_room[EV_MOST_KEPT]


cdef void *_take(size_t room) noexcept:
    """Return kept memory of so many bytes, the last that was let go; NULL if there is none."""
    global _kept_bytes, _kept_count
    cdef void *found = NULL
    cdef unsigned i
    with _lock:
        i = _kept_count
        while i > 0 and found == NULL:
            i -= 1
            if _kept_room[i] == room:
                found = _kept[i]
                _remove(i)
    return found


cdef void _remove(unsigned i) noexcept:
    """Forget what is kept at a place; with the lock held."""
    global _kept_bytes, _kept_count
    _kept_count -= 1
    _kept_bytes -= _kept_room[i]
    memmove(&_kept[i], &_kept[i + 1], (_kept_count - i) * sizeof(void *))
    memmove(&_kept_room[i], &_kept_room[i + 1], (_kept_count - i) * sizeof(size_t))


cdef void _let_go(void *start, size_t room) noexcept:
    """Keep memory, and free what has been kept for longest where that is too much."""
    global _kept_bytes, _kept_count
    if room < EV_LEAST_BYTES or room > EV_LARGEST_BYTES or room > EV_KEPT_BYTES:
        PyMem_RawFree(start)
        return
    with _lock:
        while _kept_count and (_kept_count == EV_MOST_KEPT or _kept_bytes + room > EV_KEPT_BYTES):
            PyMem_RawFree(_kept[0])
            _remove(0)
        _kept[_kept_count] = start
        _kept_room[_kept_count] = room
        _kept_count += 1
        _kept_bytes += room


@cython.final
cdef class Memory:
    """Bytes that may be written, of any content; aligned for vectors. They are let go with the last reference.

    Parameters
    ----------
    size : int
    """

    def __cinit__(self, size_t size):
        cdef size_t step = EV_ALIGNMENT
        # Blocks of nearly one length use the memory of one another: an eighth more at most.
        while step * 8 < size:
            step *= 2
        self.size = size
        self._room = (size + step - 1) // step * step + EV_ALIGNMENT
        self._start = _take(self._room)
        if self._start == NULL:
            self._start = PyMem_RawMalloc(self._room)
        if self._start == NULL:
            raise MemoryError(f"evcodec: {size} bytes of memory")
        self.at = <void *>((<uintptr_t>self._start + EV_ALIGNMENT - 1) // EV_ALIGNMENT * EV_ALIGNMENT)

    def __dealloc__(self):
        if self._start != NULL:
            _let_go(self._start, self._room)

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, self.at, <Py_ssize_t>self.size, 0, flags)


def kept_bytes():
    """Return how many bytes are kept for use again."""
    return _kept_bytes

# A Memory as other modules use it without calling Python.

cdef class Memory:
    cdef void *at
    cdef size_t size
    cdef void *_start
    cdef size_t _room

# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Buffers of Python objects as structs of the Arrow C data interface, in capsules.

Each struct has one owner, a node behind its ``private_data``, which holds the buffers and the structs below it. Releasing
a struct drops the reference to its node; a node that dies releases what nobody moved out of it.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING
from cpython.exc cimport PyErr_SetInterrupt
from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_New
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.errno cimport EINTR, EINVAL, EIO, ENOMEM
from libc.stdint cimport int64_t
from libc.string cimport memset

cdef extern from *:
    """
    #if PY_VERSION_HEX >= 0x030D0000
    #define ev_finalizing Py_IsFinalizing
    #else
    #define ev_finalizing _Py_IsFinalizing
    #endif
    """
    bint ev_finalizing() noexcept nogil

cdef extern from "Python.h":
    bint Py_IsInitialized() noexcept nogil

ctypedef fused Struct:
    ArrowSchema
    ArrowArray
    ArrowArrayStream

cdef const char *SCHEMA = "arrow_schema"
cdef const char *ARRAY = "arrow_array"
cdef const char *STREAM = "arrow_array_stream"


cdef void *allocate(size_t count, size_t size) except NULL:
    cdef void *found = PyMem_RawCalloc(count if count else 1, size)
    if found == NULL:
        raise MemoryError(f"Arrow: {count * size} bytes of structs")
    return found


cdef void drop(void *owner) noexcept nogil:
    """Drop a reference, from any thread. When the interpreter is going or gone there is nothing left to drop."""
    if owner != NULL and Py_IsInitialized() and not ev_finalizing():
        with gil:
            Py_DECREF(<object> owner)


# One for each struct, as C wants it: the struct is marked as released first, since its owner may hold the memory around it.
cdef void release_schema(ArrowSchema *struct) noexcept nogil:
    cdef void *owner = struct.private_data
    struct.release, struct.private_data = NULL, NULL
    drop(owner)


cdef void release_array(ArrowArray *struct) noexcept nogil:
    cdef void *owner = struct.private_data
    struct.release, struct.private_data = NULL, NULL
    drop(owner)


cdef void release_stream(ArrowArrayStream *struct) noexcept nogil:
    cdef void *owner = struct.private_data
    struct.release, struct.private_data = NULL, NULL
    drop(owner)


cdef void release_and_free(Struct *struct) noexcept:
    if struct != NULL:
        if struct.release != NULL:
            struct.release(struct)
        PyMem_RawFree(struct)


cdef void end_schema(object capsule) noexcept:
    release_and_free(<ArrowSchema *> PyCapsule_GetPointer(capsule, SCHEMA))


cdef void end_array(object capsule) noexcept:
    release_and_free(<ArrowArray *> PyCapsule_GetPointer(capsule, ARRAY))


cdef void end_stream(object capsule) noexcept:
    release_and_free(<ArrowArrayStream *> PyCapsule_GetPointer(capsule, STREAM))


@cython.final
cdef class _SchemaNode:
    """Owns the texts of a schema, and the schemas below it: its children, and behind them its dictionary."""

    cdef tuple texts
    cdef int64_t count
    cdef ArrowSchema *below
    cdef ArrowSchema **pointers

    def __cinit__(self, tuple texts, int64_t count):
        self.texts = texts
        self.below = <ArrowSchema *> allocate(count, sizeof(ArrowSchema))
        self.count = count
        self.pointers = <ArrowSchema **> allocate(count, sizeof(ArrowSchema *))
        for i in range(count):
            self.pointers[i] = &self.below[i]

    def __dealloc__(self):
        for i in range(self.count):
            if self.below[i].release != NULL:
                self.below[i].release(&self.below[i])
        PyMem_RawFree(self.below)
        PyMem_RawFree(self.pointers)


cdef int fill_schema(ArrowSchema *out, tuple field) except -1:
    """Fill a schema from (format, name, flags, metadata or None, fields of the children, field of the dictionary or None)."""
    cdef bytes format_, name, metadata
    cdef int64_t flags
    cdef tuple children, dictionary
    cdef _SchemaNode node
    format_, name, flags, metadata, children, dictionary = field
    node = _SchemaNode((format_, name, metadata), len(children) + (dictionary is not None))
    for i, child in enumerate(children):
        fill_schema(&node.below[<int64_t> i], child)
    if dictionary is not None:
        fill_schema(&node.below[len(children)], dictionary)
    memset(out, 0, sizeof(ArrowSchema))
    out.format = PyBytes_AS_STRING(format_)
    out.name = PyBytes_AS_STRING(name)
    out.metadata = NULL if metadata is None else PyBytes_AS_STRING(metadata)
    out.flags = flags
    out.n_children = len(children)
    out.children = node.pointers if children else NULL
    out.dictionary = &node.below[len(children)] if dictionary is not None else NULL
    Py_INCREF(node)
    out.private_data = <void *> node
    out.release = release_schema
    return 0


@cython.final
cdef class _ArrayNode:
    """Owns the buffers of an array, and the arrays below it: its children, and behind them its dictionary."""

    cdef int64_t count, held
    cdef Py_buffer *views
    cdef const void **addresses
    cdef ArrowArray *below
    cdef ArrowArray **pointers

    def __cinit__(self, tuple buffers, int64_t count):
        cdef int64_t i
        self.below = <ArrowArray *> allocate(count, sizeof(ArrowArray))
        self.count = count
        self.pointers = <ArrowArray **> allocate(count, sizeof(ArrowArray *))
        for i in range(count):
            self.pointers[i] = &self.below[i]
        # The first buffer says which values are there; without it all are.
        self.addresses = <const void **> allocate(1 + len(buffers), sizeof(void *))
        self.views = <Py_buffer *> allocate(len(buffers), sizeof(Py_buffer))
        for source in buffers:
            PyObject_GetBuffer(source, &self.views[self.held], PyBUF_SIMPLE)
            self.held += 1
            self.addresses[self.held] = self.views[self.held - 1].buf

    def __dealloc__(self):
        cdef int64_t i
        for i in range(self.count):
            if self.below[i].release != NULL:
                self.below[i].release(&self.below[i])
        for i in range(self.held):
            PyBuffer_Release(&self.views[i])
        PyMem_RawFree(self.below)
        PyMem_RawFree(self.pointers)
        PyMem_RawFree(self.views)
        PyMem_RawFree(self.addresses)


cdef int fill_array(ArrowArray *out, tuple values) except -1:
    """Fill an array without nulls from (length, contiguous buffers, values of the children, those of the dictionary or None)."""
    cdef int64_t length
    cdef tuple buffers, children, dictionary
    cdef _ArrayNode node
    length, buffers, children, dictionary = values
    node = _ArrayNode(buffers, len(children) + (dictionary is not None))
    for i, child in enumerate(children):
        fill_array(&node.below[<int64_t> i], child)
    if dictionary is not None:
        fill_array(&node.below[len(children)], dictionary)
    memset(out, 0, sizeof(ArrowArray))
    out.length = length
    out.n_buffers = 1 + len(buffers)
    out.buffers = node.addresses
    out.n_children = len(children)
    out.children = node.pointers if children else NULL
    out.dictionary = &node.below[len(children)] if dictionary is not None else NULL
    Py_INCREF(node)
    out.private_data = <void *> node
    out.release = release_array
    return 0


def schema_capsule(tuple field):
    """Return a capsule with the schema of a field: (format, name, flags, metadata, children, dictionary)."""
    cdef ArrowSchema *struct = <ArrowSchema *> allocate(1, sizeof(ArrowSchema))
    try:
        capsule = PyCapsule_New(struct, SCHEMA, end_schema)
    except BaseException:
        PyMem_RawFree(struct)
        raise
    fill_schema(struct, field)
    return capsule


def array_capsule(tuple values):
    """Return a capsule with an array: (length, buffers, children, dictionary)."""
    cdef ArrowArray *struct = <ArrowArray *> allocate(1, sizeof(ArrowArray))
    try:
        capsule = PyCapsule_New(struct, ARRAY, end_array)
    except BaseException:
        PyMem_RawFree(struct)
        raise
    fill_array(struct, values)
    return capsule


def stream_capsule(tuple field, open_):
    """Return a capsule with a stream of the arrays that ``open_()`` iterates over; it is called when the first is wanted."""
    cdef ArrowArrayStream *struct = <ArrowArrayStream *> allocate(1, sizeof(ArrowArrayStream))
    try:
        capsule = PyCapsule_New(struct, STREAM, end_stream)
    except BaseException:
        PyMem_RawFree(struct)
        raise
    producer = _Producer(field, open_)
    Py_INCREF(producer)
    struct.private_data = <void *> producer
    struct.get_schema = produce_schema
    struct.get_next = produce_next
    struct.get_last_error = produce_error
    struct.release = release_stream
    return capsule


@cython.final
cdef class _Producer:
    """What is behind a stream that goes out. A failure is final: the end of a stream that failed must not look like its end."""

    cdef tuple field
    cdef object open_, iterator
    cdef bytes message
    cdef int status

    def __cinit__(self, tuple field, open_):
        self.field, self.open_ = field, open_

    cdef int produce(self, ArrowArray *out) except -1:
        if self.iterator is None:
            self.iterator = iter(self.open_())
        values = next(self.iterator, None)
        if values is not None:
            fill_array(out, values)
        return 0

    cdef int fail(self, error) noexcept:
        """Keep what an error says and return its number; Python errors cannot pass through C."""
        self.status = EIO
        try:
            if isinstance(error, MemoryError):
                self.status = ENOMEM
            elif isinstance(error, (ValueError, TypeError, LookupError)):
                self.status = EINVAL
            text = f"{type(error).__name__}: {error}".replace("\0", " ")
            self.message = text.encode("utf-8", "backslashreplace")
        except BaseException:
            self.message = b"error of evcodec"
        if isinstance(error, KeyboardInterrupt):
            self.status = EINTR
            PyErr_SetInterrupt()  # Python raises it again as soon as C returns
        return self.status


cdef int produce_schema(ArrowArrayStream *stream, ArrowSchema *out) noexcept with gil:
    producer = <_Producer> stream.private_data
    memset(out, 0, sizeof(ArrowSchema))
    try:
        fill_schema(out, producer.field)
    except BaseException as error:
        return producer.fail(error)
    return 0


cdef int produce_next(ArrowArrayStream *stream, ArrowArray *out) noexcept with gil:
    producer = <_Producer> stream.private_data
    memset(out, 0, sizeof(ArrowArray))
    if producer.status:
        return producer.status
    try:
        producer.produce(out)
    except BaseException as error:
        return producer.fail(error)
    return 0


cdef const char *produce_error(ArrowArrayStream *stream) noexcept with gil:
    producer = <_Producer> stream.private_data
    return NULL if producer.message is None else PyBytes_AS_STRING(producer.message)

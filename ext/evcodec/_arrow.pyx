# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Structs of the Arrow C data interface in capsules: buffers of Python objects going out, foreign memory coming in.

What goes out: each struct has one owner, a node behind its ``private_data``, which holds the buffers and the structs below
it. Releasing a struct drops the reference to its node; a node that dies releases what nobody moved out of it.
What comes in is moved out of its capsule, and released when the last view of its memory is gone. Its lengths cannot be
checked against its memory, which has no size in Arrow; what can be checked is.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_SetInterrupt
from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_IsValid, PyCapsule_New
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.errno cimport EINTR, EINVAL, EIO, ENOMEM
from libc.stdint cimport INT64_MAX, int32_t, int64_t
from libc.string cimport memcpy, memset

from evcodec.errors import InvalidArgumentError

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

cdef struct ArrowSchema:
    const char *format
    const char *name
    const char *metadata
    int64_t flags
    int64_t n_children
    ArrowSchema **children
    ArrowSchema *dictionary
    void (*release)(ArrowSchema *) noexcept nogil
    void *private_data

cdef struct ArrowArray:
    int64_t length
    int64_t null_count
    int64_t offset
    int64_t n_buffers
    int64_t n_children
    const void **buffers
    ArrowArray **children
    ArrowArray *dictionary
    void (*release)(ArrowArray *) noexcept nogil
    void *private_data

cdef struct ArrowArrayStream:
    int (*get_schema)(ArrowArrayStream *, ArrowSchema *) noexcept nogil
    int (*get_next)(ArrowArrayStream *, ArrowArray *) noexcept nogil
    const char *(*get_last_error)(ArrowArrayStream *) noexcept nogil
    void (*release)(ArrowArrayStream *) noexcept nogil
    void *private_data

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


# ---- going out ----

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


# ---- coming in ----

cdef void *content(capsule, const char *name) except NULL:
    """Return the struct in a capsule of a name."""
    if not PyCapsule_IsValid(capsule, name):
        raise InvalidArgumentError(
            f"Arrow: found {capsule!r:.100}, allowed: a capsule of the name {name.decode()!r}"
        )
    return PyCapsule_GetPointer(capsule, name)


cdef dict metadata_of(const char *at):
    """Return key-value metadata: numbers and texts back to back, each number an int32 of this machine."""
    cdef int32_t count, size
    found = {}
    if at == NULL:
        return found
    memcpy(&count, at, sizeof(count))
    at += sizeof(count)
    for _ in range(count):
        pair = []
        for _ in range(2):
            memcpy(&size, at, sizeof(size))
            at += sizeof(size)
            if size < 0:
                raise InvalidArgumentError(f"Arrow metadata: found a length of {size}, allowed: 0 and more")
            pair.append(PyBytes_FromStringAndSize(at, size))
            at += size
        found[pair[0]] = pair[1]
    return found


cdef tuple described(ArrowSchema *schema, int depth, str where):
    """Return (format, name, metadata, children, dictionary or None) as far down as is asked for."""
    if schema == NULL or schema.release == NULL:
        raise InvalidArgumentError(f"{where}: found a schema that was released, allowed: one that was not")
    if schema.format == NULL:
        raise InvalidArgumentError(f"{where}: found a schema without a format, allowed: one with a format")
    try:
        name = "" if schema.name == NULL else schema.name.decode()
    except UnicodeDecodeError:
        raise InvalidArgumentError(f"{where}: found a name that is not UTF-8, allowed: UTF-8") from None
    if schema.n_children < 0 or (schema.n_children and schema.children == NULL):
        raise InvalidArgumentError(f"{where}: found {schema.n_children} children at no address, allowed: 0 and more")
    children = []
    if depth:
        for i in range(schema.n_children):
            children.append(described(schema.children[i], depth - 1, f"{where}, column {i}"))
    dictionary = None
    if schema.dictionary != NULL:
        dictionary = described(schema.dictionary, 0, f"{where}, dictionary")
    format_ = (<bytes> schema.format).decode("utf-8", "backslashreplace")
    return format_, name, metadata_of(schema.metadata), tuple(children), dictionary


def schema_of(capsule):
    """Return what a schema says, (format, name, metadata, children, dictionary), and leave it where it is."""
    return described(<ArrowSchema *> content(capsule, SCHEMA), 1, "Arrow schema")


@cython.final
cdef class _Moved:
    """Owns an array that was moved here; everything below lives as long as it does."""

    cdef ArrowArray array

    def __dealloc__(self):
        if self.array.release != NULL:
            with nogil:  # a foreign one may wait for a thread that wants the GIL
                self.array.release(&self.array)


@cython.final
cdef class _Memory:
    """Bytes of a foreign array, as a buffer that cannot be written to."""

    cdef _Moved owner
    cdef const void *at
    cdef int64_t size

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, <void *> self.at, self.size, 1, flags)


@cython.final
cdef class Array:
    """A foreign array. Its memory lives as long as a buffer of it."""

    cdef _Moved owner
    cdef ArrowArray *at
    cdef readonly int64_t length, offset, null_count, n_buffers

    cdef int look(self, str where) except -1:
        """Check what can be checked."""
        cdef ArrowArray *at = self.at
        if at.length < 0 or at.offset < 0 or at.offset > INT64_MAX // 64 or at.length > INT64_MAX // 64:
            raise InvalidArgumentError(f"{where}: found length {at.length}, offset {at.offset}, allowed: 0 and more")
        if at.null_count < -1 or at.null_count > at.length:
            raise InvalidArgumentError(f"{where}: found {at.null_count} nulls of {at.length} values")
        if at.n_buffers < 0 or (at.n_buffers and at.buffers == NULL):
            raise InvalidArgumentError(f"{where}: found {at.n_buffers} buffers at no address")
        if at.n_children < 0 or (at.n_children and at.children == NULL):
            raise InvalidArgumentError(f"{where}: found {at.n_children} children at no address")
        self.length, self.offset = at.length, at.offset
        self.null_count, self.n_buffers = at.null_count, at.n_buffers
        return 0

    def children(self, int64_t expected):
        """Return the children; raise InvalidArgumentError if they are not as many as the schema has."""
        if self.at.n_children != expected:
            raise InvalidArgumentError(f"Arrow array: found {self.at.n_children} columns, allowed: {expected}, as in its schema")
        return [view(self.owner, self.at.children[i], f"Arrow column {i}") for i in range(expected)]

    def dictionary(self):
        """Return the dictionary, None if there is none."""
        return None if self.at.dictionary == NULL else view(self.owner, self.at.dictionary, "Arrow dictionary")

    def buffer(self, int64_t number, int64_t size):
        """Return so many bytes of a buffer, or None if it is not there."""
        if number < 0 or number >= self.n_buffers or size < 0 or self.at.buffers[number] == NULL:
            return None
        memory = _Memory.__new__(_Memory)
        (<_Memory> memory).owner = self.owner
        (<_Memory> memory).at = self.at.buffers[number]
        (<_Memory> memory).size = size
        return memory


cdef Array view(_Moved owner, ArrowArray *at, str where):
    if at == NULL or at.release == NULL:
        raise InvalidArgumentError(f"{where}: found an array that was released, allowed: one that was not")
    found = <Array> Array.__new__(Array)
    found.owner, found.at = owner, at
    found.look(where)
    return found


def take_array(capsule):
    """Move the array out of a capsule and return it."""
    cdef ArrowArray *struct = <ArrowArray *> content(capsule, ARRAY)
    owner = <_Moved> _Moved.__new__(_Moved)
    owner.array = struct[0]
    struct.release = NULL
    return view(owner, &owner.array, "Arrow array")


@cython.final
cdef class Stream:
    """A foreign stream that was moved out of its capsule. One thread at a time may take arrays."""

    cdef ArrowArrayStream stream
    cdef readonly tuple schema

    cdef int take(self, capsule) except -1:
        cdef ArrowArrayStream *struct = <ArrowArrayStream *> content(capsule, STREAM)
        cdef ArrowSchema schema
        cdef int status
        self.stream = struct[0]
        struct.release = NULL
        if self.stream.release == NULL:
            raise InvalidArgumentError("Arrow stream: found one that was taken before, allowed: one that was not")
        memset(&schema, 0, sizeof(schema))
        with nogil:
            status = self.stream.get_schema(&self.stream, &schema)
        if status:
            self.fail(status)
        try:
            self.schema = described(&schema, 1, "Arrow schema")
        finally:
            if schema.release != NULL:
                schema.release(&schema)
        return 0

    def __dealloc__(self):
        if self.stream.release != NULL:
            with nogil:
                self.stream.release(&self.stream)

    cdef int fail(self, int status) except -1:
        cdef const char *text = self.stream.get_last_error(&self.stream) if self.stream.get_last_error != NULL else NULL
        said = "" if text == NULL else f": {(<bytes> text).decode('utf-8', 'backslashreplace')}"
        if status == ENOMEM:
            raise MemoryError(f"Arrow stream{said}")
        raise InvalidArgumentError(f"Arrow stream: found an error of its producer ({status}){said}")

    def __iter__(self):
        return self

    def __next__(self):
        cdef int status
        owner = <_Moved> _Moved.__new__(_Moved)
        with nogil:
            status = self.stream.get_next(&self.stream, &owner.array)
        if status:
            owner.array.release = NULL  # what a producer leaves behind when it fails is its own
            self.fail(status)
        if owner.array.release == NULL:
            raise StopIteration
        return view(owner, &owner.array, "Arrow array")


def take_stream(capsule):
    """Move the stream out of a capsule and return it."""
    found = <Stream> Stream.__new__(Stream)
    found.take(capsule)
    return found

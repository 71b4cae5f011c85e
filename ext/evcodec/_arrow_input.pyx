# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Structs of the Arrow C data interface that other libraries made, as descriptions and buffers.

What comes in is moved out of its capsule, and released when the last view of its memory is gone. Its lengths cannot be
checked against its memory, which has no size in Arrow; what can be checked is.
"""

cimport cython
from cpython.buffer cimport PyBuffer_FillInfo
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_IsValid
from libc.errno cimport ENOMEM
from libc.stdint cimport INT64_MAX, int32_t, int64_t
from libc.string cimport memcpy, memset

from evcodec._arrow cimport ArrowArray, ArrowArrayStream, ArrowSchema

from evcodec.errors import InvalidArgumentError


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
    return described(<ArrowSchema *> content(capsule, "arrow_schema"), 1, "Arrow schema")


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
    cdef ArrowArray *struct = <ArrowArray *> content(capsule, "arrow_array")
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
        cdef ArrowArrayStream *struct = <ArrowArrayStream *> content(capsule, "arrow_array_stream")
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

# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Sequences, tables and block heads: the edge between Python objects and the C kernels.

Every length that C sees is taken from a buffer here. Kernels run without the GIL; a Table and a BlockHead do
not change after
they were made and may be used from several threads at once.
"""

cimport cython
from cpython.buffer cimport PyBUF_FORMAT, PyBUF_ND, PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_Check, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from evcodec._memory cimport Memory
from evcodec.kernels cimport *

from evcodec.errors import CorruptDataError, LimitExceededError, UnsupportedVersionError

cdef extern from *:
    """
    #define ev_text(x) #x
    #define ev_text_of(x) ev_text(x)
    static const char *const ev_version = ev_text_of(EVCODEC_VERSION);
    """
    const char *ev_version

# The build knows it; asking the installed package takes a third of the time that importing evcodec does.
VERSION = ev_version.decode()

cdef int fail(int status, const ev_error *error, str where) except -1:
    """Raise what a kernel's status stands for."""
    if status == EV_SPACE:
        raise MemoryError(f"{where}: a buffer of evcodec is too small; please report this")
    what = error.what.decode()
    text = f"{where}: {what}: found {error.found}, allowed: {error.allowed}"
    if status == EV_UNSUPPORTED:
        raise UnsupportedVersionError(f"{text} in this version of evcodec")
    if status == EV_LIMIT:
        raise LimitExceededError(text)
    raise CorruptDataError(text)


cdef class _View:
    """A contiguous buffer that is held while C uses it."""

    cdef Py_buffer view

    def __cinit__(self, source, bint writable=False):
        PyObject_GetBuffer(source, &self.view, PyBUF_ND | (PyBUF_WRITABLE if writable else PyBUF_SIMPLE))

    def __dealloc__(self):
        PyBuffer_Release(&self.view)


# ---- kernels of a CPU level ----

def cpu_levels():
    """Return the level in use, the levels that this machine has, the levels that were built, and the
    machine's features, of those that levels are made of.
    """
    cdef const char *names[EV_CPU_MAX_FEATURES]
    cdef unsigned i, used = 0
    features = tuple([names[i].decode() for i in range(ev_cpu_features(names))])
    here = tuple([ev_cpu_level_name(i).decode() for i in range(ev_cpu_highest() + 1)])
    built = []
    for i in range(<unsigned>EV_CPU_LEVELS):
        if ev_cpu_kernels(i) != NULL:
            built.append(ev_cpu_level_name(i).decode())
            used = i if ev_cpu_kernels(i) == ev_in_use else used
    return ev_cpu_level_name(used).decode(), here, tuple(built), features


def use_cpu_level(str name):
    """Use the kernels of a level from now on; return whether this machine and this build have them.

    No other thread may be inside of a kernel.
    """
    global ev_in_use
    cdef unsigned level
    for level in range(ev_cpu_highest() + 1):
        if ev_cpu_kernels(level) != NULL and ev_cpu_level_name(level).decode() == name:
            ev_in_use = ev_cpu_kernels(level)
            return True
    return False


for _name in cpu_levels()[1]:
    use_cpu_level(_name)  # the last one that was built stays


# ---- records ----

def crc32_shift(uint32_t crc, uint64_t size):
    """Return what the CRC-32 ``crc`` of bytes becomes in that of the same bytes and ``size`` more: exclusive or with the
    CRC-32 of these is the CRC-32 of all.
    """
    return ev_crc32_shift(crc, size)


def find_head(data, size_t start):
    """Return the offset of the first place from ``start`` on where a marker begins a record head whose checksum holds, or
    where ``data`` ends within what may become one; ``len(data)`` if there is none.
    """
    cdef _View view = _View(data)
    cdef size_t found, size = view.view.len
    with nogil:
        found = ev_find_head(<const uint8_t *>view.view.buf, size, start)
    return found


# ---- kinds ----

def count_kinds(kinds):
    """Return the number of events of each kind that occurs in ``kinds`` (uint8), as a dict in ascending
    order.
    """
    cdef _View view = _View(kinds)
    cdef uint32_t counts[256]
    cdef size_t length = view.view.len
    with nogil:
        ev_count_kinds(<const uint8_t *>view.view.buf, length, counts)
    return {kind: counts[kind] for kind in range(256) if counts[kind]}


def kinds_with_values(values, kinds, unsigned most=256):
    """Return the set of kinds that have a value other than 0.

    ``kinds`` is uint8 of the same length, and holds at most ``most`` different kinds: when all have been seen the rest is not looked at.
    """
    cdef _View view = _View(values), kind_view = _View(kinds)
    cdef uint8_t nonzero[256]
    cdef size_t count = kind_view.view.len
    if <size_t>view.view.len != count * view.view.itemsize:
        raise ValueError("values and kinds differ in length")
    with nogil:
        ev_kinds_with_values(view.view.buf, view.view.itemsize, <const uint8_t *>kind_view.view.buf, count, most, nonzero)
    return {kind for kind in range(256) if nonzero[kind]}


def gather(values, kinds, selected, out):
    """Copy the values whose kind is in ``selected`` to the front of ``out``, of the same dtype; return how
    many.
    """
    cdef _View view = _View(values), kind_view = _View(kinds), out_view = _View(out, True)
    cdef uint8_t chosen[256]
    cdef size_t count = kind_view.view.len, found
    if view.view.len != out_view.view.len or <size_t>view.view.len != count * view.view.itemsize:
        raise ValueError("values, kinds and out differ in length")
    memset(chosen, 0, 256)
    for kind in selected:
        chosen[<uint8_t>kind] = 1
    with nogil:
        found = ev_gather(view.view.buf, view.view.itemsize, <const uint8_t *>kind_view.view.buf, count, chosen, out_view.view.buf)
    return found


def find_kinds(kinds, bytes selected, rows):
    """Set ``rows`` to the numbers of the rows whose kind is selected, ascending; return how many.

    Parameters
    ----------
    kinds : contiguous uint8 buffer
    selected : bytes of length 256
        1 for each kind that is selected, else 0.
    rows : contiguous writable int64 buffer
        With room for one more than there may be; what there is no room for is left out.
    """
    cdef _View view = _View(kinds), to = _View(rows, True)
    cdef const uint8_t *chosen = <const uint8_t *>PyBytes_AS_STRING(selected)
    cdef size_t length = view.view.len, room = to.view.len // 8, found
    if len(selected) != 256 or not room or to.view.itemsize != 8:
        raise ValueError("selected has 256 bytes, and rows at least one int64")
    with nogil:
        found = ev_find_kinds(<const uint8_t *>view.view.buf, length, chosen, <int64_t *>to.view.buf, room - 1)
    return found


def time_range(t):
    """Return the smallest and the largest of at least one int64."""
    cdef _View view = _View(t)
    cdef int64_t low = 0, high = 0
    cdef size_t count = view.view.len // 8
    if count:
        with nogil:
            ev_range(<const int64_t *>view.view.buf, count, &low, &high)
    return low, high


# ---- encoding ----

@cython.final
cdef class SequenceEncoder:
    """Ways to encode a sequence, in the order of their estimated costs.

    Not for use by several threads at once.

    Parameters
    ----------
    values : contiguous, aligned buffer of 1, 2, 4 or 8-byte integers, 1 to 1,048,576
        Held as long as the encoder, and must not change.
    signed : bool
        Whether they are signed.
    sample : int
        Most values to estimate costs on, 0 for all.
    thorough : bool
        Whether to look at encodings that take long to find and to decode.
    kinds : contiguous uint8 buffer, or None
        The kind of the row of each value; None where contexts may not depend on it.
    listed : bytes
        The kinds of the block, ascending; needed with ``kinds``.

    Attributes
    ----------
    costs : list of float
        Estimated bytes of each way after compression.
    """

    cdef _View view, kind_view
    cdef Memory scratch
    cdef bytes listed
    cdef ev_encoder encoder
    cdef ev_choice choices[EV_MAX_CHOICES]
    cdef unsigned found
    cdef readonly list costs

    def __init__(self, values, bint signed, uint32_t sample, bint thorough=False, kinds=None, bytes listed=b""):
        cdef size_t count
        cdef unsigned bits
        cdef ev_search search
        self.view = _View(values)
        bits = <unsigned>self.view.view.itemsize * 8
        count = self.view.view.len // self.view.view.itemsize
        if not 1 <= count <= EV_MAX_EVENTS:
            raise ValueError(f"sequence: found {count} values, allowed: 1 to {EV_MAX_EVENTS}")
        self.scratch = Memory(ev_encode_scratch(count, bits))
        self.listed = listed
        self.encoder.values, self.encoder.count = self.view.view.buf, <uint32_t>count
        self.encoder.bits, self.encoder.is_signed = <uint8_t>bits, signed
        self.encoder.kinds, self.encoder.scratch = NULL, self.scratch.at
        self.encoder.listed, self.encoder.listed_count = <const uint8_t *>PyBytes_AS_STRING(listed), <uint32_t>len(listed)
        if kinds is not None:
            self.kind_view = _View(kinds)
            if <size_t>self.kind_view.view.len != count:
                raise ValueError(f"sequence: found {self.kind_view.view.len} kinds for {count} values")
            self.encoder.kinds = <const uint8_t *>self.kind_view.view.buf
        search.sample, search.thorough = sample, thorough
        with nogil:
            self.found = ev_rank(&self.encoder, search, self.choices)
        self.costs = [self.choices[i].cost for i in range(self.found)]

    def encode(self, unsigned way, uint32_t most=0):
        """Encode all values, or up to ``most`` from the middle.

        Returns
        -------
        tuple of (bytearray, list of (int, bytes, bool))
            The description, and the streams: the position in the description of the byte that names its part, its
            bytes, and whether they are noise that compression does not make smaller.
        """
        cdef ev_encoder encoder = self.encoder
        cdef ev_output output
        cdef ev_error error
        cdef uint32_t skipped
        cdef unsigned i
        cdef int status
        if way >= self.found:
            raise IndexError(f"way {way} of {self.found}")
        if 2 < most < encoder.count:
            skipped = (encoder.count - most) // 2
            encoder.values = <const uint8_t *>encoder.values + <size_t>skipped * (encoder.bits // 8)
            if encoder.kinds != NULL:
                encoder.kinds += skipped
            encoder.count = most
        cdef size_t room = ev_encode_room(encoder.count, encoder.bits)
        cdef Memory space = Memory(room + EV_DESCRIPTION_ROOM)
        output.description.at = <uint8_t *>space.at
        output.description.end = output.description.at + EV_DESCRIPTION_ROOM
        output.description.overflow = 0
        output.bytes.at = output.description.end
        output.bytes.end = output.bytes.at + room
        output.bytes.overflow = 0
        output.description_start = output.description.at
        output.bytes_start = output.bytes.at
        output.stream_count = 0
        with nogil:
            status = ev_emit(&encoder, &self.choices[way], &output)
        if status:
            fail(status, &error, "sequence")
        streams = [
            (
                output.part_at[i],
                PyBytes_FromStringAndSize(<const char *>output.bytes_start + output.stream_start[i], output.stream_length[i]),
                bool(output.noise[i]),
            )
            for i in range(output.stream_count)
        ]
        return bytearray(output.description_start[: output.description.at - output.description_start]), streams


def hold(values, kinds):
    """Return (codes, positions) of held codes.

    Parameters
    ----------
    values : contiguous, aligned integer array
    kinds : uint8 array of the same length

    Returns
    -------
    tuple of ndarray
        Codes, of the dtype of ``values``, and positions, uint8 (docs/format.md, section 5.5).
    """
    cdef _View view = _View(values), kind_view = _View(kinds), code_view, position_view
    cdef size_t count = kind_view.view.len, size = view.view.itemsize, code_count = 0, position_count = 0
    if <size_t>view.view.len != count * size:
        raise ValueError("values and kinds differ in length")
    codes, positions = values.copy(), kinds.copy()
    code_view, position_view = _View(codes, True), _View(positions, True)
    with nogil:
        ev_hold(
            view.view.buf, size, <const uint8_t *>kind_view.view.buf, count, code_view.view.buf, &code_count,
            <uint8_t *>position_view.view.buf, &position_count
        )
    return codes[:code_count], positions[:position_count]


# ---- decoding ----

@cython.final
cdef class BlockHead:
    """Head of a block's payload, checked.

    Attributes
    ----------
    events, t_min, t_max : int
    kinds : dict of int to int
        Number of events by kind, ascending.
    sections : list of (group, storage, offset, length)
        Offsets are from the start of the payload.
    """

    cdef ev_block_head head
    cdef readonly object events, t_min, t_max
    cdef readonly dict kinds
    cdef readonly list sections

    def __init__(self, payload, str where="block"):
        cdef _View view = _View(payload)
        cdef ev_error error
        cdef unsigned i
        cdef int status = ev_read_block_head(<const uint8_t *>view.view.buf, view.view.len, &self.head, &error)
        if status:
            fail(status, &error, where)
        self.events, self.t_min, self.t_max = self.head.events, self.head.t_min, self.head.t_max
        self.kinds = {self.head.kinds[i]: self.head.kind_rows[i] for i in range(self.head.kind_count)}
        self.sections = [
            (self.head.sections[i].group, self.head.sections[i].storage, self.head.sections[i].offset, self.head.sections[i].length)
            for i in range(self.head.section_count)
        ]


def kinds_match(kinds, BlockHead head not None):
    """Tell whether ``kinds`` (uint8) holds as many events of each kind as the head states."""
    cdef _View view = _View(kinds)
    cdef bint match
    cdef size_t length = view.view.len
    with nogil:
        match = ev_kinds_match(<const uint8_t *>view.view.buf, length, head.head.kinds, head.head.kind_rows, head.head.kind_count)
    return match


@cython.final
cdef class Table:
    """Columns and parts of a table, checked; columns are decoded one by one.

    Parameters
    ----------
    body : contiguous buffer
        The table's bytes; held as long as the table.
    head : BlockHead or None
        None for the table of an index.
    rows : int
        Number of rows; must be the head's where there is one.
    standard_dtypes : bytes
        Dtype code of each numbered column, by id; byte 0 is not used.

    Attributes
    ----------
    columns : list of (id, name or None, dtype code, group or None, stored rows)
    parts : list of (codec, raw length, stored length)
    plans : list of (set of int, bool, bool)
        What decoding each column takes: the parts that it has bytes in, memory for held codes, the kinds of all rows.
    """

    cdef _View view
    cdef BlockHead head
    cdef Memory column_memory
    cdef ev_column *column
    cdef ev_part part[255]
    cdef uint32_t column_count, part_count
    cdef ev_rows rows
    cdef str where
    cdef readonly list columns, parts, plans

    def __init__(self, body, BlockHead head, uint32_t rows, bytes standard_dtypes, str where="table"):
        cdef ev_error error
        cdef ev_cursor cursor
        cdef ev_part_use use
        cdef uint32_t i
        cdef int status
        self.view = _View(body)
        self.head = head
        self.where = where
        self.rows.rows = rows
        self.rows.kind_count = head.head.kind_count if head is not None else 0
        self.rows.kinds = head.head.kinds if head is not None else NULL
        self.rows.kind_rows = head.head.kind_rows if head is not None else NULL
        memset(&use, 0, sizeof(use))
        cursor.at = <const uint8_t *>self.view.view.buf
        cursor.end = cursor.at + self.view.view.len
        status = ev_read_column_count(&cursor, &self.column_count, &error)
        if status:
            fail(status, &error, where)
        self.column_memory = Memory(self.column_count * sizeof(ev_column))
        self.column = <ev_column *>self.column_memory.at
        for i in range(self.column_count):
            status = ev_read_column(
                &cursor, &self.rows, head is None, <const uint8_t *>PyBytes_AS_STRING(standard_dtypes),
                <uint32_t>PyBytes_GET_SIZE(standard_dtypes) - 1, &self.column[i], &use, &error
            )
            if status:
                fail(status, &error, f"{where}, column {i}")
        status = ev_read_parts(&cursor, &use, self.part, &self.part_count, &error)
        if status:
            fail(status, &error, where)
        self.columns = [self._describe(&self.column[i], i) for i in range(self.column_count)]
        self.plans = [self._plan(&self.column[i]) for i in range(self.column_count)]
        self.parts = [(self.part[i].codec, self.part[i].raw_length, self.part[i].stored_length) for i in range(self.part_count)]

    cdef tuple _plan(self, ev_column *column):
        cdef const ev_stream *streams[EV_MAX_COLUMN_STREAMS]
        cdef unsigned i
        parts = {streams[i].part for i in range(ev_column_streams(column, streams)) if streams[i].length}
        return parts, bool(column.stored and column.held), bool(ev_needs_kinds(column, self.rows.rows))

    cdef tuple _describe(self, ev_column *column, uint32_t at):
        name = group = None
        if column.id == 0:
            try:
                name = (<const char *>column.name)[: column.name_length].decode("utf-8")
            except UnicodeDecodeError:
                raise CorruptDataError(f"{self.where}, column {at}: name: found bytes that " "are not UTF-8, allowed: UTF-8") from None
            group = column.group
        return column.id, name, column.dtype, group, column.stored

    def part_bytes(self, uint32_t part):
        """Return the stored bytes of a part, as a memoryview that keeps the table's buffer."""
        if part >= self.part_count:
            raise IndexError(f"part {part} of {self.part_count}")
        start = self.part[part].bytes - <const uint8_t *>self.view.view.buf
        return memoryview(<object>self.view.view.obj).cast("B")[start : start + self.part[part].stored_length]

    def streams_of(self, uint32_t column):
        """Return (part, length) of each stream that a column takes."""
        cdef const ev_stream *streams[EV_MAX_COLUMN_STREAMS]
        cdef unsigned i
        if column >= self.column_count:
            raise IndexError(f"column {column} of {self.column_count}")
        return [(streams[i].part, streams[i].length) for i in range(ev_column_streams(&self.column[column], streams))]

    def stores(self, uint32_t column, bytes selected):
        """Tell whether rows of a selected kind are stored; ``selected`` has 1 for each such kind, of 256."""
        cdef uint32_t i
        if column >= self.column_count or len(selected) != 256:
            raise IndexError(f"column {column} of {self.column_count}, {len(selected)} kinds")
        cdef const uint8_t *chosen = <const uint8_t *>PyBytes_AS_STRING(selected)
        cdef const uint8_t *mask = self.column[column].mask
        if mask == NULL:
            return True
        for i in range(self.rows.kind_count):
            if chosen[self.rows.kinds[i]] and mask[i // 8] >> (i % 8) & 1:
                return True
        return False

    def encoding_of(self, uint32_t column):
        """Return (transform, layout) of a column, ("held", 0) of held codes, or None where no row of it is stored."""
        if column >= self.column_count:
            raise IndexError(f"column {column} of {self.column_count}")
        if not self.column[column].stored:
            return None
        if self.column[column].held:
            return "held", 0
        return self.column[column].sequence.outer.transform, self.column[column].sequence.outer.layout

    def decode(self, uint32_t column, list parts, kinds, out, bint zeroed=False):
        """Decode a column into ``out``.

        Parameters
        ----------
        column : int
            Index in ``columns``.
        parts : list of (bytes or None)
            Decompressed parts; None for a part that is stored as it is, or that the column does not need.
        kinds : contiguous uint8 buffer of all rows, or None
            Needed where ``needs_kinds`` says so.
        out : contiguous writable buffer
            One integer of the column's dtype for each row.
        zeroed : bool
            Whether ``out`` is all 0: rows that are not stored then stay untouched, so that memory that the
            operating system gave as zeros is
            never written.
        """
        if column >= self.column_count or len(parts) != <Py_ssize_t>self.part_count:
            raise IndexError(f"column {column} of {self.column_count}, {len(parts)} " f"parts of {self.part_count}")
        cdef ev_column *chosen = &self.column[column]
        cdef _View to = _View(out, True)
        cdef size_t size = ev_dtype_bits(chosen.dtype) // 8
        if <size_t>to.view.len != self.rows.rows * size or <size_t>to.view.itemsize != size:
            raise ValueError(f"column {column}: out has {to.view.len} bytes, needed: {self.rows.rows * size}")
        if not zeroed and (not chosen.stored or ev_is_sparse(chosen.stored, self.rows.rows, size)):
            with nogil:
                memset(to.view.buf, 0, to.view.len)
        if not chosen.stored:
            return
        cdef const uint8_t *starts[255]
        self._find_parts(chosen, parts, starts)
        cdef Memory scratch = Memory(ev_column_scratch(chosen, self.rows.rows))
        cdef _View kind_view
        cdef const uint8_t *row_kinds = NULL
        cdef ev_error error
        cdef int status
        if ev_needs_kinds(chosen, self.rows.rows):
            kind_view = _View(kinds)
            if <size_t>kind_view.view.len != self.rows.rows:
                raise ValueError(f"column {column}: {kind_view.view.len} kinds for {self.rows.rows} rows")
            row_kinds = <const uint8_t *>kind_view.view.buf
        with nogil:
            status = ev_decode_column(chosen, &self.rows, starts, row_kinds, to.view.buf, scratch.at, &error)
        if status:
            fail(status, &error, f"{self.where}, column {column}")

    cdef int _find_parts(self, ev_column *column, list parts, const uint8_t **starts) except -1:
        """Set the first byte of each part that the column takes streams from; ``parts`` keeps them alive."""
        cdef const ev_stream *streams[EV_MAX_COLUMN_STREAMS]
        cdef unsigned i
        cdef uint32_t part
        for i in range(ev_column_streams(column, streams)):
            part = streams[i].part
            if not streams[i].length:
                continue
            if self.part[part].codec == 0:
                starts[part] = self.part[part].bytes
                continue
            raw = parts[part]
            if not PyBytes_Check(raw) or <uint64_t>PyBytes_GET_SIZE(raw) != self.part[part].raw_length:
                raise ValueError(f"part {part}: needed are {self.part[part].raw_length} decompressed bytes")
            starts[part] = <const uint8_t *>PyBytes_AS_STRING(raw)
        return 0

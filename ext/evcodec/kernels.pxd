# The C kernels, as ext/kernels/*.h declare and document them. "ev_in_use->..." are those that are compiled for each CPU
# level: they are called through the table of the level in use.
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "kernels/ev_base.h" nogil:
    enum:
        EV_OK
        EV_SHORT
        EV_CORRUPT
        EV_UNSUPPORTED
        EV_LIMIT
        EV_SPACE

    ctypedef struct ev_error:
        const char *what
        uint64_t found
        uint64_t allowed

    ctypedef struct ev_cursor:
        const uint8_t *at
        const uint8_t *end

    ctypedef struct ev_sink:
        uint8_t *at
        uint8_t *end
        int overflow

cdef extern from "kernels/ev_crc.h" nogil:
    uint32_t ev_crc32_shift(uint32_t crc, uint64_t bytes)
    size_t ev_find_head(const uint8_t *data, size_t size, size_t start)

cdef extern from "kernels/ev_sequence.h" nogil:
    enum:
        EV_MAX_PARTS
        EV_MAX_EVENTS

    ctypedef struct ev_stream:
        uint64_t offset
        uint32_t length
        uint32_t part

    ctypedef struct ev_level:
        uint8_t transform
        uint8_t layout

    ctypedef struct ev_sequence:
        ev_level outer

    ctypedef struct ev_part_use:
        uint64_t used[255]
        uint8_t named[255]

cdef extern from "kernels/ev_encode.h" nogil:
    enum:
        EV_MAX_CHOICES
        EV_DESCRIPTION_ROOM

    ctypedef struct ev_search:
        uint32_t sample
        uint8_t thorough

    ctypedef struct ev_choice:
        double cost

    ctypedef struct ev_output:
        ev_sink description
        ev_sink bytes
        const uint8_t *description_start
        const uint8_t *bytes_start
        unsigned stream_count
        size_t part_at[32]
        size_t stream_start[32]
        size_t stream_length[32]
        uint8_t noise[32]

    ctypedef struct ev_encoder:
        const void *values
        uint32_t count
        uint8_t bits
        uint8_t is_signed
        const uint8_t *kinds
        const uint8_t *listed
        uint32_t listed_count
        void *scratch

    size_t ev_encode_room "ev_in_use->encode_room"(size_t, unsigned)
    size_t ev_encode_scratch "ev_in_use->encode_scratch"(size_t, unsigned)
    unsigned ev_rank "ev_in_use->rank"(ev_encoder *, ev_search, ev_choice *)
    int ev_emit "ev_in_use->emit"(const ev_encoder *, const ev_choice *, ev_output *)

cdef extern from "kernels/ev_table.h" nogil:
    ctypedef struct ev_rows:
        uint32_t rows
        uint32_t kind_count
        const uint8_t *kinds
        const uint32_t *kind_rows

    ctypedef struct ev_column:
        uint32_t id
        uint8_t has_dtype
        uint8_t dtype
        uint8_t group
        uint8_t name_length
        const uint8_t *name
        const uint8_t *mask
        uint32_t stored
        uint8_t held
        ev_sequence sequence

    ctypedef struct ev_part:
        uint8_t codec
        uint64_t raw_length
        uint64_t stored_length
        const uint8_t *bytes

    unsigned ev_dtype_bits(unsigned)
    int ev_read_column_count(ev_cursor *, uint32_t *, ev_error *)
    int ev_read_column(ev_cursor *, const ev_rows *, int, const uint8_t *, uint32_t, ev_column *, ev_part_use *, ev_error *)
    int ev_read_parts(ev_cursor *, const ev_part_use *, ev_part *, uint32_t *, ev_error *)

cdef extern from "kernels/ev_block.h" nogil:
    ctypedef struct ev_section:
        uint8_t group
        uint8_t storage
        uint64_t offset
        uint64_t length

    ctypedef struct ev_block_head:
        uint32_t events
        int64_t t_min
        int64_t t_max
        uint32_t kind_count
        uint8_t kinds[256]
        uint32_t kind_rows[256]
        uint32_t section_count
        ev_section sections[255]

    int ev_read_block_head(const uint8_t *, size_t, ev_block_head *, ev_error *)

cdef extern from "kernels/ev_kinds.h" nogil:
    void ev_count_kinds "ev_in_use->count_kinds"(const uint8_t *, size_t, uint32_t *)
    bint ev_kinds_match "ev_in_use->kinds_match"(const uint8_t *, size_t, const uint8_t *, const uint32_t *, uint32_t)
    void ev_kinds_with_values "ev_in_use->kinds_with_values"(const void *, size_t, const uint8_t *, size_t, unsigned, uint8_t *)
    size_t ev_find_kinds "ev_in_use->find_kinds"(const uint8_t *, size_t, const uint8_t *, int64_t *, size_t)
    bint ev_is_sparse "ev_in_use->is_sparse"(size_t, size_t, size_t)
    size_t ev_gather "ev_in_use->gather"(const void *, size_t, const uint8_t *, size_t, const uint8_t *, void *)
    void ev_range "ev_in_use->range"(const int64_t *, size_t, int64_t *, int64_t *)

cdef extern from "kernels/ev_column.h" nogil:
    enum:
        EV_MAX_COLUMN_STREAMS

    bint ev_needs_kinds "ev_in_use->needs_kinds"(const ev_column *, uint32_t)
    unsigned ev_column_streams "ev_in_use->column_streams"(const ev_column *, const ev_stream **)
    size_t ev_column_scratch "ev_in_use->column_scratch"(const ev_column *, uint32_t)
    int ev_decode_column "ev_in_use->decode_column"(const ev_column *, const ev_rows *, const uint8_t **, const uint8_t *, void *, void *, ev_error *)

cdef extern from "kernels/ev_held.h" nogil:
    void ev_hold(const void *, size_t, const uint8_t *, size_t, void *, size_t *, uint8_t *, size_t *)

cdef extern from "kernels/ev_cpu.h" nogil:
    enum:
        EV_CPU_LEVELS
        EV_CPU_MAX_FEATURES

    ctypedef struct ev_kernels:
        pass

    const ev_kernels *ev_in_use
    const char *ev_cpu_level_name(unsigned)
    const ev_kernels *ev_cpu_kernels(unsigned)
    unsigned ev_cpu_highest()
    unsigned ev_cpu_features(const char **)

cdef extern from "kernels/ev_x11.h" nogil:
    enum:
        EV_X11_DEVICES
        EV_X11_MORE
        EV_X11_OTHER
        EV_X11_FULL
        EV_X11_DEVICE
        EV_X11_FINER

    ctypedef struct ev_x11_device:
        pass

    ctypedef struct ev_x11_state:
        pass

    ctypedef struct ev_x11_row:
        uint8_t kind

    int ev_x11_read(const uint8_t *data, size_t size, ev_x11_state *state, ev_x11_device *devices, ev_x11_row *rows, size_t room,
                    size_t *taken, size_t *count, int *stop, size_t *length, ev_error *error)
    void ev_x11_place(ev_x11_row *rows, size_t count, int64_t *start, const int32_t *size, int injected_absolute)

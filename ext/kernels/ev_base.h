/* What every kernel shares: status codes, the error record, the checked cursor and sink.
 *
 * The kernels are plain C11. They know no Python, allocate nothing and do no I/O: the caller gives every
 * buffer and says how long it is. Nobody but the cursor and the sink moves a pointer over bytes from outside.
 */
#ifndef EV_BASE_H
#define EV_BASE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ev_names.h"

typedef enum {
    EV_OK = 0,
    EV_SHORT = -1,       /* bytes end inside of a field or a stream */
    EV_CORRUPT = -2,     /* a value that the format does not allow */
    EV_UNSUPPORTED = -3, /* a value kept for later versions */
    EV_LIMIT = -4,       /* a stated limit is exceeded */
    EV_SPACE = -5        /* a buffer of the caller is too small: a bug of the caller */
} ev_status;

/* Where a kernel says what went wrong: a constant text, the value found and the value allowed. */
typedef struct {
    const char *what;
    uint64_t found;
    uint64_t allowed;
} ev_error;

static inline int ev_fail(ev_error *error, ev_status status, const char *what, uint64_t found, uint64_t allowed) {
    error->what = what;
    error->found = found;
    error->allowed = allowed;
    return status;
}

/* ---- reading ---- */

typedef struct {
    const uint8_t *at;
    const uint8_t *end;
} ev_cursor;

static inline size_t ev_left(const ev_cursor *cursor) { return (size_t)(cursor->end - cursor->at); }

static inline int ev_get_u8(ev_cursor *cursor, uint8_t *out, ev_error *error) {
    if (cursor->at == cursor->end) return ev_fail(error, EV_SHORT, "bytes left for a field", 0, 1);
    *out = *cursor->at++;
    return EV_OK;
}

static inline int ev_get_varint(ev_cursor *cursor, uint64_t *out, ev_error *error) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint8_t byte;
        if (ev_get_u8(cursor, &byte, error)) return EV_SHORT;
        if (shift == 63 && byte > 1) return ev_fail(error, EV_CORRUPT, "tenth byte of a varint", byte, 1);
        if (shift && !byte) return ev_fail(error, EV_CORRUPT, "varint not in its shortest form, last byte", 0, 1);
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *out = value;
            return EV_OK;
        }
    }
    return ev_fail(error, EV_CORRUPT, "length of a varint", 11, 10);
}

static inline uint64_t ev_unzigzag64(uint64_t z) { return (z >> 1) ^ (0 - (z & 1)); }
static inline uint64_t ev_zigzag64(uint64_t v) { return (v << 1) ^ (0 - (v >> 63)); }

/* Read an svarint; the result is the two's complement pattern of the signed value. */
static inline int ev_get_svarint(ev_cursor *cursor, uint64_t *out, ev_error *error) {
    int status = ev_get_varint(cursor, out, error);
    if (!status) *out = ev_unzigzag64(*out);
    return status;
}

/* Loads of eight little-endian bytes from any address, on machines of any byte order. */
static inline uint64_t ev_load64(const uint8_t *bytes) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--) value = value << 8 | bytes[i];
    return value;
#else
    uint64_t value;
    memcpy(&value, bytes, 8);
    return value;
#endif
}

static inline void ev_store64(uint8_t *bytes, uint64_t value) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)(value >> 8 * i);
#else
    memcpy(bytes, &value, 8);
#endif
}

/* ---- writing ---- */

/* A sink that ran out of room stays at its end and remembers it: check `overflow` once, after the last put. */
typedef struct {
    uint8_t *at;
    uint8_t *end;
    int overflow;
} ev_sink;

static inline void ev_put_u8(ev_sink *sink, uint8_t value) {
    if (sink->at == sink->end) {
        sink->overflow = 1;
        return;
    }
    *sink->at++ = value;
}

static inline void ev_put_varint(ev_sink *sink, uint64_t value) {
    while (value >= 0x80) {
        ev_put_u8(sink, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    ev_put_u8(sink, (uint8_t)value);
}

static inline void ev_put_svarint(ev_sink *sink, uint64_t pattern) { ev_put_varint(sink, ev_zigzag64(pattern)); }

/* Sign-extend the low `bits` of a pattern to 64 bits. */
static inline uint64_t ev_sign_extend(uint64_t pattern, unsigned bits) {
    uint64_t sign = (uint64_t)1 << (bits - 1);
    return bits == 64 ? pattern : ((pattern & (sign * 2 - 1)) ^ sign) - sign;
}

static inline unsigned ev_log2(uint64_t value) { /* value > 0 */
#if defined(__GNUC__) || defined(__clang__)
    return 63u - (unsigned)__builtin_clzll(value);
#else
    unsigned log = 0;
    for (unsigned step = 32; step; step >>= 1)
        if (value >> step) {
            value >>= step;
            log += step;
        }
    return log;
#endif
}

#endif

/* Reading the codes of tokens and bins, and the bits beside them (docs/format.md, section 5.3). */
#ifndef EV_CODES_H
#define EV_CODES_H

#include "ev_sequence.h"

/* What each code of tokens or bins stands for: a base, and how many bits are added to it. */
typedef struct {
    uint64_t base[256];
    uint64_t mask[256];
    uint8_t extra[256]; /* bits beside the code; EV_NO_CODE for a code that there is not */
} ev_code_table;

enum { EV_NO_CODE = 255 };

static void set_code(ev_code_table *table, unsigned code, uint64_t base, unsigned extra) {
    table->base[code] = base;
    table->mask[code] = extra ? ~(uint64_t)0 >> (64 - extra) : 0;
    table->extra[code] = (uint8_t)extra;
}

static void fill_token_table(ev_code_table *table, unsigned bits, unsigned d, unsigned q) {
    unsigned token = 0;
    for (; token < 1u << d; token++) set_code(table, token, token, 0);
    for (unsigned e = d; e < bits; e++)
        for (unsigned mantissa = 0; mantissa < 1u << q; mantissa++)
            set_code(table, token++, (uint64_t)1 << e | (uint64_t)mantissa << (e - q), e - q);
    for (; token < 256; token++) {
        set_code(table, token, 0, 0);
        table->extra[token] = EV_NO_CODE;
    }
}

static int fill_bin_table(ev_code_table *table, const ev_level *level, ev_error *error) {
    ev_cursor cursor = {level->entries, level->entries_end};
    uint64_t low = 0, gap;
    unsigned code = 0;
    for (; code < level->entry_count; code++) {
        uint8_t extra;
        int status = ev_read_bin(&cursor, level->bits, &gap, &extra, error); /* cannot fail: ev_read_sequence has read it */
        if (status) return status;
        low += gap;
        set_code(table, code, low, extra);
        low += extra < 64 ? (uint64_t)1 << extra : 0;
    }
    for (; code < 256; code++) {
        set_code(table, code, 0, 0);
        table->extra[code] = EV_NO_CODE;
    }
    return EV_OK;
}

/* The `count` bits from bit `at` on of bytes that hold that many; count <= 64. */
static uint64_t bits_near_end(const uint8_t *bytes, uint64_t length, uint64_t at, unsigned count) {
    uint64_t value = 0;
    for (unsigned done = 0; done < count;) {
        uint64_t byte = (at + done) >> 3;
        unsigned skip = (at + done) & 7, take = 8 - skip < count - done ? 8 - skip : count - done;
        if (byte >= length) break;
        value |= (uint64_t)(bytes[byte] >> skip & ((1u << take) - 1)) << done;
        done += take;
    }
    return value;
}

static int check_extra_bits(uint64_t used, const uint8_t *bytes, uint64_t length, ev_error *error) {
    if ((used + 7) / 8 != length) return ev_fail(error, EV_CORRUPT, "bytes of extra bits", length, (used + 7) / 8);
    if (used & 7 && bytes[length - 1] >> (used & 7)) return ev_fail(error, EV_CORRUPT, "reserved extra bits", bytes[length - 1] >> (used & 7), 0);
    return EV_OK;
}

typedef struct {
    ev_code_table table;
    const uint8_t *codes;
    unsigned code_bits;
    const uint8_t *bytes;
    uint64_t length;
    uint64_t at;         /* next bit */
    uint64_t tail_start; /* from this byte on a load of eight would leave the bytes: it is from the tail, which ends in zeros */
    uint8_t tail[16];
} ev_code_reader;

/* The bits from bit `at` on, 57 or more of them; behind the last byte there are zeros. `at` is at most 8 x length + 7. */
static inline uint64_t ev_bits_at(const ev_code_reader *reader, uint64_t at) {
    uint64_t byte = at >> 3;
    const uint8_t *from = byte + 8 <= reader->length ? reader->bytes + byte : reader->tail + (byte - reader->tail_start);
    return ev_load64(from) >> (at & 7);
}

static int begin_codes(ev_code_reader *reader, const ev_level *level, const uint8_t *const *parts, ev_error *error) {
    reader->codes = parts[level->streams[0].part] + level->streams[0].offset;
    reader->code_bits = level->code_bits;
    reader->length = level->streams[1].length;
    reader->bytes = reader->length ? parts[level->streams[1].part] + level->streams[1].offset : NULL;
    reader->at = 0;
    reader->tail_start = reader->length < 8 ? 0 : reader->length - 8;
    memset(reader->tail, 0, sizeof reader->tail);
    if (reader->length) memcpy(reader->tail, reader->bytes + reader->tail_start, reader->length - reader->tail_start);
    if (level->layout == EV_BINS) return fill_bin_table(&reader->table, level, error);
    fill_token_table(&reader->table, level->bits, level->direct_bits, level->mantissa_bits);
    return EV_OK;
}

/* Check what is left of the last bytes once `count` codes were read. */
static int end_codes(const ev_code_reader *reader, size_t count, ev_error *error) {
    unsigned used = (unsigned)(count * reader->code_bits & 7);
    uint8_t last = reader->codes[(count * reader->code_bits - 1) / 8];
    if (used && last >> used) return ev_fail(error, EV_CORRUPT, "reserved bits behind the last code", last >> used, 0);
    return check_extra_bits(reader->at, reader->bytes, reader->length, error);
}

#endif

/* Decoding a sequence that ev_read_sequence has checked: the layout gives residuals, the transform gives values. */
#include "ev_sequence.h"

typedef struct {
    uint64_t base[256];
    uint64_t mask[256];
    uint8_t extra[256]; /* bits beside the token; 255 for a token that no residual has */
} ev_token_table;

static void fill_token_table(ev_token_table *table, unsigned bits, unsigned d, unsigned q) {
    memset(table->extra, 255, sizeof table->extra);
    memset(table->base, 0, sizeof table->base);
    memset(table->mask, 0, sizeof table->mask);
    for (unsigned token = 0; token < 1u << d; token++) {
        table->base[token] = token;
        table->extra[token] = 0;
    }
    for (unsigned e = d; e < bits; e++)
        for (unsigned mantissa = 0; mantissa < 1u << q; mantissa++) {
            unsigned token = (1u << d) + ((e - d) << q) + mantissa;
            table->base[token] = (uint64_t)1 << e | (uint64_t)mantissa << (e - q);
            table->mask[token] = ((uint64_t)1 << (e - q)) - 1;
            table->extra[token] = (uint8_t)(e - q);
        }
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

static int check_token_bits(uint64_t used, const uint8_t *bytes, uint64_t length, ev_error *error) {
    if ((used + 7) / 8 != length) return ev_fail(error, EV_CORRUPT, "bytes of token bits", length, (used + 7) / 8);
    if (used & 7 && bytes[length - 1] >> (used & 7)) return ev_fail(error, EV_CORRUPT, "reserved token bits", bytes[length - 1] >> (used & 7), 0);
    return EV_OK;
}

typedef struct {
    ev_token_table table;
    const uint8_t *tokens;
    const uint8_t *bytes;
    uint64_t length;
    uint64_t at; /* next bit */
} ev_token_reader;

static void begin_tokens(ev_token_reader *reader, const ev_level *level, const uint8_t *const *parts) {
    fill_token_table(&reader->table, level->bits, level->direct_bits, level->mantissa_bits);
    reader->tokens = parts[level->streams[0].part] + level->streams[0].offset;
    reader->length = level->streams[1].length;
    reader->bytes = reader->length ? parts[level->streams[1].part] + level->streams[1].offset : NULL;
    reader->at = 0;
}

#define EV_BITS 8
#include "ev_decode_lanes.h"
#define EV_BITS 16
#include "ev_decode_lanes.h"
#define EV_BITS 32
#include "ev_decode_lanes.h"
#define EV_BITS 64
#include "ev_decode_lanes.h"

int ev_decode(const ev_sequence *sequence, const uint8_t *const *parts, void *values, void *scratch, ev_error *error) {
    switch (sequence->outer.bits) {
    case 8: return decode8(sequence, parts, values, scratch, error);
    case 16: return decode16(sequence, parts, values, scratch, error);
    case 32: return decode32(sequence, parts, values, scratch, error);
    default: return decode64(sequence, parts, values, scratch, error);
    }
}

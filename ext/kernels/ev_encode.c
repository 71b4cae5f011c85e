/* Encoding a sequence: find what each encoding would cost, then write the one that the caller picks. */
#include "ev_encode.h"

#include "ev_cost.h"
#include "ev_grid.h"

#include <math.h>

/* ---- frequent values ---- */

enum { SLOT_BITS = 13, SLOTS = 1 << SLOT_BITS, PROBES = 8 };

typedef struct {
    uint64_t value;
    uint32_t count;
    uint32_t code;
} ev_slot;

static size_t slot_of(uint64_t value) { return (size_t)(value * 0x9E3779B97F4A7C15u >> (64 - SLOT_BITS)); } /* Fibonacci hashing, Knuth 6.4 */

/* The slot of a value, or NULL when it is not there and its neighbourhood is full: rare values may go uncounted. */
static ev_slot *find_slot(ev_slot *slots, uint64_t value) {
    size_t at = slot_of(value);
    for (unsigned probe = 0; probe < PROBES; probe++, at = (at + 1) & (SLOTS - 1))
        if (!slots[at].count || slots[at].value == value) return &slots[at];
    return NULL;
}

/* Small values, which most residuals are, have a slot of their own without a search. */
enum { NEAR = 4096, ALL_SLOTS = NEAR + SLOTS };

static ev_slot *slot_for(ev_slot *slots, uint64_t value) { return value < NEAR ? &slots[value] : find_slot(slots + NEAR, value); }

static void count_value(ev_slot *slots, uint64_t value) {
    ev_slot *slot = slot_for(slots, value);
    if (!slot) return;
    slot->value = value;
    slot->count++;
}

static unsigned varint_size(uint64_t value) { return value ? ev_log2(value) / 7 + 1 : 1; }

/* Whether an entry would save what it takes; an escape costs about as much as the value's own bytes. */
static int worth_entry(const ev_slot *slot, double weight) {
    if (!slot->count || slot->count * weight < 2.0 + varint_size(slot->value)) return 0;
    return slot->count > 1 || weight <= 1; /* seen once in a sample says nothing of the whole */
}

/* The slots worth an entry, most frequent first, at most 255; each slot's code is set, to EV_ESCAPE for all others.
 * `weight` scales counts of a sample to the whole. */
static unsigned choose_entries(ev_slot *slots, double weight, ev_slot *chosen[255]) {
    enum { BINS = 1024 };
    uint32_t bins[BINS] = {0}; /* slots by count, all large counts in the last */
    for (size_t at = 0; at < ALL_SLOTS; at++) {
        slots[at].code = EV_ESCAPE;
        if (worth_entry(&slots[at], weight)) bins[slots[at].count < BINS ? slots[at].count : BINS - 1]++;
    }
    uint32_t least = BINS, above = 0; /* counts from `least` on fit; of those one below, `255 - above` do */
    while (least && above + bins[least - 1] <= 255) above += bins[--least];
    uint32_t rest = 255 - above;
    unsigned size = 0;
    for (size_t at = 0; at < ALL_SLOTS; at++) {
        ev_slot *slot = &slots[at];
        if (!worth_entry(slot, weight) || slot->count + 1 < least) continue;
        if (slot->count < least && !rest) continue;
        if (slot->count < least) rest--;
        unsigned to = size++;
        for (; to && chosen[to - 1]->count < slot->count; to--) chosen[to] = chosen[to - 1];
        chosen[to] = slot;
        if (size == 255) break;
    }
    for (unsigned code = 0; code < size; code++) chosen[code]->code = code;
    return size;
}

/* ---- divisibility: Granlund and Montgomery 1994, section 9 ---- */

typedef struct {
    uint64_t divisor;
    uint64_t inverse; /* of the odd part, modulo 2^64 */
    uint64_t limit;
    unsigned twos;
} ev_divider;

static void set_divider(ev_divider *divider, uint64_t divisor) {
    divider->divisor = divisor;
    divider->twos = 0;
    divider->limit = ~(uint64_t)0 / divisor;
    while (!(divisor & 1)) {
        divisor >>= 1;
        divider->twos++;
    }
    uint64_t inverse = divisor; /* right to 3 bits; each step doubles them */
    for (int i = 0; i < 5; i++) inverse *= 2 - divisor * inverse;
    divider->inverse = inverse;
}

static int divides(const ev_divider *divider, uint64_t value) {
    uint64_t quotient = value * divider->inverse;
    if (divider->twos) quotient = quotient >> divider->twos | quotient << (64 - divider->twos);
    return quotient <= divider->limit;
}

static uint64_t exact_quotient(const ev_divider *divider, uint64_t value) { return (value >> divider->twos) * divider->inverse; }

static uint64_t greatest_common_divisor(uint64_t a, uint64_t b) {
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* ---- output ---- */

static unsigned begin_stream(ev_output *output, int noise) {
    unsigned i = output->stream_count++;
    output->part_at[i] = (size_t)(output->description.at - output->description_start);
    output->stream_start[i] = (size_t)(output->bytes.at - output->bytes_start);
    output->stream_length[i] = 0;
    output->noise[i] = (uint8_t)noise;
    ev_put_u8(&output->description, 0);
    return i;
}

static void end_stream(ev_output *output, unsigned i) {
    output->stream_length[i] = (size_t)(output->bytes.at - output->bytes_start) - output->stream_start[i];
}

/* Room for `count` bytes in the sink, or NULL. */
static uint8_t *take(ev_output *output, size_t count) {
    uint8_t *at = output->bytes.at;
    if ((size_t)(output->bytes.end - at) < count) {
        output->bytes.overflow = 1;
        return NULL;
    }
    output->bytes.at += count;
    return at;
}

static unsigned token_of(uint64_t z, unsigned d, unsigned q, unsigned *extra) {
    if (z < (uint64_t)1 << d) {
        *extra = 0;
        return (unsigned)z;
    }
    unsigned e = ev_log2(z);
    *extra = e - q;
    return (1u << d) + ((e - d) << q) + (unsigned)(z >> (e - q) & ((1u << q) - 1));
}

/* Choices between the layouts that an inner sequence may have. */
typedef struct {
    double cost;
    uint8_t layout, direct_bits, mantissa_bits;
} ev_simple;

static const uint8_t TOKEN_SHAPES_64[][2] = {{4, 2}};
static const uint8_t TOKEN_SHAPES_32[][2] = {{5, 2}, {6, 2}};

enum {
    LEAST_FOR_BINS = 64,    /* values, and bytes: below, the description of bins costs what they save */
    LEAST_FOR_SPLIT = 2048, /* values: below, contexts are too small to learn from */
    CONTEXT_BYTES = 16      /* headers of zstd, once more for each context */
};

/* ---- where things stand in the scratch: residuals, run values, run lengths or contexts, codes, slots, keys ---- */

static uint8_t *behind_lanes(const ev_encoder *encoder) {
    return (uint8_t *)encoder->scratch + ((size_t)2 * encoder->count * (encoder->bits / 8u) + 15) / 16 * 16;
}

static uint32_t *run_lengths(const ev_encoder *encoder) { return (uint32_t *)behind_lanes(encoder); }

static uint8_t *codes_of(const ev_encoder *encoder) { return behind_lanes(encoder) + (size_t)4 * encoder->count; }

static ev_slot *slots_of(const ev_encoder *encoder) { return (ev_slot *)(behind_lanes(encoder) + ((size_t)5 * encoder->count + 15) / 16 * 16); }

static int64_t *keys_of(const ev_encoder *encoder) { return (int64_t *)(slots_of(encoder) + ALL_SLOTS); }

/* The most frequent kinds have a class each; all others share the last. */
static void set_classes(const ev_encoder *encoder, unsigned classes, uint8_t class_of[256]) {
    uint32_t counts[256] = {0};
    memset(class_of, 0, 256);
    if (classes < 2) return;
    for (uint32_t i = 0; i < encoder->count; i++) counts[encoder->kinds[i]]++;
    memset(class_of, (int)classes - 1, 256);
    for (unsigned class_ = 0; class_ + 1 < classes; class_++) {
        unsigned most = 0;
        for (unsigned kind = 1; kind < 256; kind++) most = counts[kind] > counts[most] ? kind : most;
        class_of[most] = (uint8_t)class_;
        counts[most] = 0;
    }
}

static void put_classes(const ev_encoder *encoder, unsigned classes, const uint8_t class_of[256], ev_output *output) {
    ev_put_u8(&output->description, (uint8_t)classes);
    for (unsigned i = 0; classes > 1 && i < encoder->listed_count; i++) ev_put_u8(&output->description, class_of[encoder->listed[i]]);
}

/* ---- bits beside tokens and codes ---- */

typedef struct {
    uint8_t *to;
    uint64_t pending;
    unsigned held;
    unsigned stream;
} ev_bit_sink;

/* Begin a stream of at most `most` bytes; returns whether there is room. */
static int begin_bits(ev_bit_sink *bits, ev_output *output, size_t most) {
    *bits = (ev_bit_sink){NULL, 0, 0, begin_stream(output, 1)};
    bits->to = take(output, most + 16); /* and a last whole store */
    return bits->to != NULL;
}

enum { MOST_QUICK_BITS = 56 };

/* Put the lowest `count` <= MOST_QUICK_BITS bits of a value. No branch on their number: it is noise to a branch predictor. */
static inline void put_few_bits(ev_bit_sink *bits, uint64_t value, unsigned count) {
    bits->pending |= (value & (((uint64_t)1 << count) - 1)) << bits->held;
    ev_store64(bits->to, bits->pending);
    bits->held += count;
    bits->to += bits->held >> 3;
    bits->pending >>= bits->held & 56;
    bits->held &= 7;
}

/* Put the lowest `count` <= 64 bits of a value; those above are of no matter. */
static inline void put_bits(ev_bit_sink *bits, uint64_t value, unsigned count) {
    if (count > 32) {
        put_few_bits(bits, value, 32);
        value >>= 32;
        count -= 32;
    }
    put_few_bits(bits, value, count);
}

static void end_bits(ev_bit_sink *bits, ev_output *output) {
    ev_store64(bits->to, bits->pending);
    output->bytes.at = bits->to + (bits->held + 7) / 8;
    end_stream(output, bits->stream);
    ev_put_varint(&output->description, output->stream_length[bits->stream]);
}

/* Describe bins for values of `width` bits. */
static void put_bins(const ev_bins *bins, unsigned width, ev_output *output) {
    uint64_t next = 0;
    ev_put_u8(&output->description, (uint8_t)bins->code_bits);
    ev_put_u8(&output->description, (uint8_t)(bins->count - 1));
    for (unsigned i = 0; i < bins->count; i++) {
        unsigned extra = bins->extra[i];
        uint64_t gap = ev_sign_extend((uint64_t)bins->low[i] - next, width);
        ev_put_u8(&output->description, (uint8_t)(extra | (gap ? 128 : 0)));
        if (gap) ev_put_svarint(&output->description, gap);
        next = (uint64_t)bins->low[i] + (extra < 64 ? (uint64_t)1 << extra : 0);
    }
}

static void put_codes(const uint8_t *codes, size_t count, unsigned width, ev_output *output) {
    unsigned stream = begin_stream(output, 0), each = 8 / width;
    uint8_t *to = take(output, (count + each - 1) / each);
    if (!to) return;
    size_t whole = count / each;
    if (width == 8) memcpy(to, codes, count);
    else if (width == 4)
        for (size_t i = 0; i < whole; i++) to[i] = (uint8_t)(codes[2 * i] | codes[2 * i + 1] << 4);
    else if (width == 2)
        for (size_t i = 0; i < whole; i++)
            to[i] = (uint8_t)(codes[4 * i] | codes[4 * i + 1] << 2 | codes[4 * i + 2] << 4 | codes[4 * i + 3] << 6);
    else whole = 0;
    if (width == 1) memset(to, 0, (count + 7) / 8);
    else if (whole * each < count) to[whole] = 0;
    for (size_t i = whole * each; i < count; i++) to[i / each] |= (uint8_t)(codes[i] << (i % each * width));
    end_stream(output, stream);
}

/* 32 comes first: run lengths of every width are 32-bit lanes. */
#define EV_BITS 32
#include "ev_encode_lanes.h"
#define EV_BITS 8
#include "ev_encode_lanes.h"
#define EV_BITS 16
#include "ev_encode_lanes.h"
#define EV_BITS 64
#include "ev_encode_lanes.h"

#define EV_BITS 8
#include "ev_rank_lanes.h"
#define EV_BITS 16
#include "ev_rank_lanes.h"
#define EV_BITS 32
#include "ev_rank_lanes.h"
#define EV_BITS 64
#include "ev_rank_lanes.h"

#define EV_BITS 32
#include "ev_emit_lanes.h"
#define EV_BITS 8
#include "ev_emit_lanes.h"
#define EV_BITS 16
#include "ev_emit_lanes.h"
#define EV_BITS 64
#include "ev_emit_lanes.h"

size_t ev_encode_room(size_t count, unsigned bits) {
    /* The widest: tokens or codes with all bits behind them, or runs of one value each with its length; each context rounds up. */
    return count * (bits / 8u + 1 + 5) + 64 * EV_MAX_CONTEXTS + 128;
}

size_t ev_encode_scratch(size_t count, unsigned bits) {
    size_t keys = count < EV_BIN_SAMPLE ? count : EV_BIN_SAMPLE;
    return count * (bits / 8u * 2 + 5) + sizeof(ev_slot) * ALL_SLOTS + 2 * keys * sizeof(int64_t) + 128;
}

unsigned ev_rank(ev_encoder *encoder, ev_search search, ev_choice choices[EV_MAX_CHOICES]) {
    unsigned found;
    encoder->bins_kept = encoder->divisions_kept = 0;
    switch (encoder->bits) {
    case 8: found = rank8(encoder, search, choices); break;
    case 16: found = rank16(encoder, search, choices); break;
    case 32: found = rank32(encoder, search, choices); break;
    default: found = rank64(encoder, search, choices); break;
    }
    for (unsigned i = 1; i < found; i++) /* insertion sort keeps equal costs in order: simpler encodings come first */
        for (unsigned j = i; j && choices[j].cost < choices[j - 1].cost; j--) {
            ev_choice swap = choices[j];
            choices[j] = choices[j - 1];
            choices[j - 1] = swap;
        }
    return found;
}

int ev_emit(const ev_encoder *encoder, const ev_choice *choice, ev_output *output) {
    switch (encoder->bits) {
    case 8: emit8(encoder, choice, output); break;
    case 16: emit16(encoder, choice, output); break;
    case 32: emit32(encoder, choice, output); break;
    default: emit64(encoder, choice, output); break;
    }
    return output->description.overflow || output->bytes.overflow ? EV_SPACE : EV_OK;
}

/* Encoding a sequence: find what each encoding would cost, then write the one that the caller picks. */
#include "ev_cost.h"
#include "ev_sequence.h"

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

#define EV_BITS 32 /* first: run lengths of every width are 32-bit lanes */
#include "ev_encode_lanes.h"
#define EV_BITS 8
#include "ev_encode_lanes.h"
#define EV_BITS 16
#include "ev_encode_lanes.h"
#define EV_BITS 64
#include "ev_encode_lanes.h"

size_t ev_encode_room(size_t count, unsigned bits) {
    /* The widest: tokens with all bits behind them, or runs of one value each with its length. */
    return count * (bits / 8u + 1 + 5) + 128;
}

size_t ev_encode_scratch(size_t count, unsigned bits) {
    /* Residuals, run values and run lengths, and the counted values. */
    return count * (bits / 8u * 2 + 4) + sizeof(ev_slot) * ALL_SLOTS + 96;
}

unsigned ev_rank(ev_encoder *encoder, const void *values, uint32_t count, unsigned bits, int is_signed, uint32_t sample,
                 void *scratch, ev_choice choices[EV_MAX_CHOICES]) {
    encoder->values = values;
    encoder->count = count;
    encoder->bits = (uint8_t)bits;
    encoder->scratch = scratch;
    unsigned found;
    switch (bits) {
    case 8: found = rank8(encoder, is_signed, sample, choices); break;
    case 16: found = rank16(encoder, is_signed, sample, choices); break;
    case 32: found = rank32(encoder, is_signed, sample, choices); break;
    default: found = rank64(encoder, is_signed, sample, choices); break;
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

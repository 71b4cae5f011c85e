/* The bodies of ev_decode.c for one lane width. */
#include "ev_lanes.h"

/* Values from..to of k byte planes of `count` bytes each. */
static void LANE_NAME(take_planes)(const uint8_t *bytes, unsigned planes, size_t count, size_t from, size_t to, LANE *out) {
    for (size_t i = from; i < to; i++) out[i] = bytes[i];
    for (unsigned plane = 1; plane < planes; plane++) {
        const uint8_t *high = bytes + plane * count;
        for (size_t i = from; i < to; i++) out[i] |= (LANE)((LANE)high[i] << (8 * plane % EV_BITS));
    }
}

static int LANE_NAME(take_tokens)(ev_token_reader *reader, size_t from, size_t to, LANE *out, ev_error *error) {
    const uint8_t *tokens = reader->tokens, *bytes = reader->bytes;
    const ev_token_table *table = &reader->table;
    uint64_t length = reader->length, at = reader->at;
    size_t i = from;
    /* No branch on the token: how many bits it has is noise to a branch predictor. One load holds 57 bits from any bit on. */
    for (; i < to && (at >> 3) + 8 <= length; i++) {
        unsigned extra = table->extra[tokens[i]];
        if (extra > 57) break;
        out[i] = (LANE)(table->base[tokens[i]] | (ev_load64(bytes + (at >> 3)) >> (at & 7) & table->mask[tokens[i]]));
        at += extra;
    }
    for (; i < to; i++) {
        unsigned extra = table->extra[tokens[i]];
        if (!extra) {
            out[i] = (LANE)table->base[tokens[i]];
            continue;
        }
        if (extra == 255) return ev_fail(error, EV_CORRUPT, "token", tokens[i], 254);
        if (at + extra > length * 8) return ev_fail(error, EV_CORRUPT, "bytes of token bits", length, (at + extra + 7) / 8);
        out[i] = (LANE)(table->base[tokens[i]] | bits_near_end(bytes, length, at, extra));
        at += extra;
    }
    reader->at = at;
    return EV_OK;
}

/* Where the sums of a transform stand. */
typedef struct {
    LANE value;
    LANE delta;
} LANE_NAME(ev_sums);

/* What a residual adds to the value before it. */
static LANE LANE_NAME(step)(const ev_level *level, LANE residual) { return (LANE)((uint64_t)(LANE)level->scale * LANE_UNZIGZAG(residual)); }

/* Turn residuals into values, going on from `sums`. */
static void LANE_NAME(add_up)(const ev_level *level, LANE_NAME(ev_sums) *sums, LANE *out, size_t count) {
    LANE value = sums->value, delta = sums->delta;
    if (level->transform == EV_NONE) {
        if (value)
            for (size_t i = 0; i < count; i++) out[i] = (LANE)(out[i] + value);
        return;
    }
    if (level->transform == EV_DELTA2 && level->scale == 1)
        for (size_t i = 0; i < count; i++) {
            delta = (LANE)(delta + LANE_UNZIGZAG(out[i]));
            out[i] = value = (LANE)(value + delta);
        }
    else if (level->transform == EV_DELTA2)
        for (size_t i = 0; i < count; i++) {
            delta = (LANE)(delta + LANE_UNZIGZAG(out[i]));
            out[i] = value = (LANE)(value + (LANE)((uint64_t)(LANE)level->scale * delta));
        }
    else if (level->scale == 1)
        for (size_t i = 0; i < count; i++) out[i] = value = (LANE)(value + LANE_UNZIGZAG(out[i]));
    else
        for (size_t i = 0; i < count; i++) out[i] = value = (LANE)(value + LANE_NAME(step)(level, out[i]));
    sums->value = value;
    sums->delta = delta;
}

/* Set the values that a transform states, and the sums that the residuals go on from; returns how many. */
static size_t LANE_NAME(begin)(const ev_level *level, LANE_NAME(ev_sums) *sums, LANE *out) {
    sums->value = (LANE)level->base;
    sums->delta = (LANE)level->step;
    if (level->transform == EV_NONE) return 0;
    out[0] = sums->value;
    if (level->transform == EV_DELTA) return 1;
    out[1] = sums->value = (LANE)(sums->value + (LANE)((uint64_t)(LANE)level->scale * sums->delta));
    return 2;
}

/* A level without inner levels, with its transform. */
static int LANE_NAME(decode_simple)(const ev_level *level, const uint8_t *const *parts, LANE *out, ev_error *error) {
    enum { TILE = 1024 }; /* residuals of a tile are still in the first-level cache when they are added up */
    LANE_NAME(ev_sums) sums;
    size_t count = level->count - level->transform;
    out += LANE_NAME(begin)(level, &sums, out);
    ev_token_reader reader;
    const uint8_t *planes = NULL;
    if (level->layout == EV_TOKENS) begin_tokens(&reader, level, parts);
    if (level->layout == EV_PLANES) planes = parts[level->streams[0].part] + level->streams[0].offset;
    for (size_t from = 0; from < count; from += TILE) {
        size_t to = count - from < TILE ? count : from + TILE;
        int status = EV_OK;
        if (level->layout == EV_TOKENS) status = LANE_NAME(take_tokens)(&reader, from, to, out, error);
        else if (level->layout == EV_PLANES) LANE_NAME(take_planes)(planes, level->planes, count, from, to, out);
        else
            for (size_t i = from; i < to; i++) out[i] = (LANE)level->constant;
        if (status) return status;
        LANE_NAME(add_up)(level, &sums, out + from, to - from);
    }
    return level->layout == EV_TOKENS ? check_token_bits(reader.at, reader.bytes, reader.length, error) : EV_OK;
}

static int LANE_NAME(decode_dictionary)(const ev_sequence *sequence, const uint8_t *const *parts, size_t count, LANE *out,
                                        LANE *escapes, ev_error *error) {
    const ev_level *level = &sequence->outer;
    const uint8_t *codes = parts[level->streams[0].part] + level->streams[0].offset;
    LANE table[256] = {0};
    const int fused = level->transform == EV_DELTA; /* sums follow at once: a second pass over the values costs more */
    uint8_t unknown[256];
    memset(unknown, 1, sizeof unknown);
    ev_cursor cursor = {level->dictionary, level->dictionary_end};
    for (unsigned i = 0; i < level->dictionary_size; i++) {
        uint64_t value;
        int status = ev_get_varint(&cursor, &value, error); /* cannot fail: ev_read_sequence has read it */
        if (status) return status;
        table[i] = fused ? LANE_NAME(step)(level, (LANE)value) : (LANE)value;
        unknown[i] = 0;
    }
    uint8_t bad = 0;
    LANE sum = (LANE)level->base;
    if (!level->inner_count) {
        for (size_t i = 0; i < count; i++) {
            bad |= unknown[codes[i]];
            sum = (LANE)((fused ? sum : 0) + table[codes[i]]);
            out[i] = sum;
        }
        return bad ? ev_fail(error, EV_CORRUPT, "dictionary code beyond the dictionary of size", level->dictionary_size, 255) : EV_OK;
    }
    int status = LANE_NAME(decode_simple)(&sequence->inner[0], parts, escapes, error);
    if (status) return status;
    unknown[EV_ESCAPE] = 0;
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned code = codes[i];
        bad |= unknown[code];
        LANE value = table[code];
        if (code == EV_ESCAPE) {
            if (used == level->inner_count) return ev_fail(error, EV_CORRUPT, "escapes", used + 1, used);
            value = fused ? LANE_NAME(step)(level, escapes[used]) : escapes[used];
            used++;
        }
        sum = (LANE)((fused ? sum : 0) + value);
        out[i] = sum;
    }
    if (bad) return ev_fail(error, EV_CORRUPT, "dictionary code beyond the dictionary of size", level->dictionary_size, 255);
    if (used != level->inner_count) return ev_fail(error, EV_CORRUPT, "escapes", used, level->inner_count);
    return EV_OK;
}

static int LANE_NAME(decode_runs)(const ev_sequence *sequence, const uint8_t *const *parts, size_t count, LANE *out,
                                  LANE *values, uint32_t *lengths, ev_error *error) {
    size_t runs = sequence->outer.inner_count, at = 0;
    int status = LANE_NAME(decode_simple)(&sequence->inner[0], parts, values, error);
    if (status) return status;
    ev_sequence inner_lengths;
    memset(&inner_lengths, 0, sizeof inner_lengths);
    inner_lengths.outer = sequence->inner[1];
    status = ev_decode(&inner_lengths, parts, lengths, NULL, error);
    if (status) return status;
    for (size_t run = 0; run < runs; run++) {
        if (lengths[run] >= count - at) return ev_fail(error, EV_CORRUPT, "length of a run", (uint64_t)lengths[run] + 1, count - at);
        size_t stop = at + lengths[run] + 1;
        LANE value = values[run];
        for (; at < stop; at++) out[at] = value;
    }
    return at == count ? EV_OK : ev_fail(error, EV_CORRUPT, "sum of run lengths", at, count);
}

static int LANE_NAME(decode)(const ev_sequence *sequence, const uint8_t *const *parts, void *values, void *scratch, ev_error *error) {
    const ev_level *level = &sequence->outer;
    LANE *out = (LANE *)values;
    if (level->layout != EV_DICTIONARY && level->layout != EV_RUNS) return LANE_NAME(decode_simple)(level, parts, out, error);
    LANE_NAME(ev_sums) sums;
    size_t count = level->count - level->transform;
    int status;
    out += LANE_NAME(begin)(level, &sums, out);
    if (level->layout == EV_DICTIONARY)
        status = LANE_NAME(decode_dictionary)(sequence, parts, count, out, (LANE *)scratch, error);
    else {
        size_t lanes = ((size_t)level->inner_count * sizeof(LANE) + 7) / 8 * 8; /* run lengths stay aligned */
        status = LANE_NAME(decode_runs)(sequence, parts, count, out, (LANE *)scratch, (uint32_t *)((uint8_t *)scratch + lanes), error);
    }
    if (!status && !(level->layout == EV_DICTIONARY && level->transform == EV_DELTA)) LANE_NAME(add_up)(level, &sums, out, count);
    return status;
}

#include "ev_lanes_end.h"

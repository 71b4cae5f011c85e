/* The bodies of ev_decode.c for one lane width. */
#include "ev_lanes.h"

static void LANE_NAME(decode_planes)(const uint8_t *bytes, unsigned planes, size_t count, LANE *out) {
    enum { TILE = 2048 }; /* a tile of the widest lanes stays in the first-level cache between planes */
    for (size_t start = 0; start < count; start += TILE) {
        size_t stop = count - start < TILE ? count : start + TILE;
        for (size_t i = start; i < stop; i++) out[i] = bytes[i];
        for (unsigned plane = 1; plane < planes; plane++) {
            const uint8_t *from = bytes + plane * count;
            for (size_t i = start; i < stop; i++) out[i] |= (LANE)((LANE)from[i] << (8 * plane % EV_BITS));
        }
    }
}

static int LANE_NAME(decode_tokens)(const ev_level *level, const uint8_t *const *parts, size_t count, LANE *out, ev_error *error) {
    const uint8_t *tokens = parts[level->streams[0].part] + level->streams[0].offset;
    const uint8_t *bytes = NULL;
    uint64_t length = level->streams[1].length, at = 0;
    if (length) bytes = parts[level->streams[1].part] + level->streams[1].offset;
    ev_token_table table;
    fill_token_table(&table, EV_BITS, level->direct_bits, level->mantissa_bits);
    size_t i = 0;
    /* No branch on the token: how many bits it has is noise to a branch predictor. One load holds 57 bits from any bit on. */
    for (; i < count && (at >> 3) + 8 <= length; i++) {
        unsigned extra = table.extra[tokens[i]];
        if (extra > 57) break;
        out[i] = (LANE)(table.base[tokens[i]] | (ev_load64(bytes + (at >> 3)) >> (at & 7) & table.mask[tokens[i]]));
        at += extra;
    }
    for (; i < count; i++) {
        unsigned extra = table.extra[tokens[i]];
        if (!extra) {
            out[i] = (LANE)table.base[tokens[i]];
            continue;
        }
        if (extra == 255) return ev_fail(error, EV_CORRUPT, "token", tokens[i], 254);
        if (at + extra > length * 8) return ev_fail(error, EV_CORRUPT, "bytes of token bits", length, (at + extra + 7) / 8);
        out[i] = (LANE)(table.base[tokens[i]] | bits_near_end(bytes, length, at, extra));
        at += extra;
    }
    return check_token_bits(at, bytes, length, error);
}

static int LANE_NAME(decode_simple)(const ev_level *level, const uint8_t *const *parts, size_t count, LANE *out, ev_error *error) {
    if (level->layout == EV_TOKENS) return LANE_NAME(decode_tokens)(level, parts, count, out, error);
    if (level->layout == EV_PLANES)
        LANE_NAME(decode_planes)(parts[level->streams[0].part] + level->streams[0].offset, level->planes, count, out);
    else
        for (size_t i = 0; i < count; i++) out[i] = (LANE)level->constant;
    return EV_OK;
}

/* An inner level: its transform is none, so the base is added at once. */
static int LANE_NAME(decode_inner)(const ev_level *level, const uint8_t *const *parts, LANE *out, ev_error *error) {
    int status = LANE_NAME(decode_simple)(level, parts, level->count, out, error);
    if (!status && level->base)
        for (size_t i = 0; i < level->count; i++) out[i] = (LANE)(out[i] + (LANE)level->base);
    return status;
}

/* What a residual adds to the value before it. */
static LANE LANE_NAME(step)(const ev_level *level, LANE residual) { return (LANE)((uint64_t)(LANE)level->scale * LANE_UNZIGZAG(residual)); }

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
    int status = LANE_NAME(decode_inner)(&sequence->inner[0], parts, escapes, error);
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
    int status = LANE_NAME(decode_inner)(&sequence->inner[0], parts, values, error);
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

static void LANE_NAME(add_base)(LANE *values, size_t count, LANE base) {
    if (base)
        for (size_t i = 0; i < count; i++) values[i] = (LANE)(values[i] + base);
}

/* Residuals stand from values[1] on. */
static void LANE_NAME(undo_delta)(LANE *values, size_t count, const ev_level *level) {
    LANE value = (LANE)level->base;
    values[0] = value;
    if (level->layout == EV_DICTIONARY) return; /* decode_dictionary has added them up */
    if (level->scale == 1)
        for (size_t i = 1; i < count; i++) values[i] = value = (LANE)(value + LANE_UNZIGZAG(values[i]));
    else
        for (size_t i = 1; i < count; i++) values[i] = value = (LANE)(value + LANE_NAME(step)(level, values[i]));
}

/* Residuals stand from values[2] on. */
static void LANE_NAME(undo_delta2)(LANE *values, size_t count, const ev_level *level) {
    LANE value = (LANE)level->base, scale = (LANE)level->scale, delta = (LANE)level->step;
    values[0] = value;
    values[1] = value = (LANE)(value + (LANE)((uint64_t)scale * delta));
    for (size_t i = 2; i < count; i++) {
        delta = (LANE)(delta + LANE_UNZIGZAG(values[i]));
        values[i] = value = (LANE)(value + (LANE)((uint64_t)scale * delta));
    }
}

static int LANE_NAME(decode)(const ev_sequence *sequence, const uint8_t *const *parts, void *values, void *scratch, ev_error *error) {
    const ev_level *level = &sequence->outer;
    LANE *out = (LANE *)values, *residuals = out + level->transform;
    size_t count = level->count - level->transform;
    int status;
    if (level->layout == EV_DICTIONARY)
        status = LANE_NAME(decode_dictionary)(sequence, parts, count, residuals, (LANE *)scratch, error);
    else if (level->layout == EV_RUNS) {
        size_t lanes = ((size_t)level->inner_count * sizeof(LANE) + 7) / 8 * 8; /* run lengths stay aligned */
        status = LANE_NAME(decode_runs)(sequence, parts, count, residuals, (LANE *)scratch, (uint32_t *)((uint8_t *)scratch + lanes), error);
    } else
        status = LANE_NAME(decode_simple)(level, parts, count, residuals, error);
    if (status) return status;
    if (level->transform == EV_NONE) LANE_NAME(add_base)(out, level->count, (LANE)level->base);
    else if (level->transform == EV_DELTA) LANE_NAME(undo_delta)(out, level->count, level);
    else LANE_NAME(undo_delta2)(out, level->count, level);
    return EV_OK;
}

#include "ev_lanes_end.h"

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

static unsigned LANE_NAME(code_at)(const uint8_t *codes, unsigned width, size_t i) {
    size_t bit = i * width;
    return codes[bit / 8] >> (bit & 7) & ((1u << width) - 1);
}

/* Residuals from..to, code by code, for what the fast ways below do not take. */
static int LANE_NAME(take_codes_slowly)(ev_code_reader *reader, size_t from, size_t to, LANE *out, ev_error *error) {
    const ev_code_table *table = &reader->table;
    for (size_t i = from; i < to; i++) {
        unsigned code = LANE_NAME(code_at)(reader->codes, reader->code_bits, i), extra = table->extra[code];
        uint64_t bits = 0;
        if (extra == EV_NO_CODE) return ev_fail(error, EV_CORRUPT, "code of a token or bin", code, EV_NO_CODE - 1);
        if (extra) {
            if (reader->at + extra > reader->length * 8)
                return ev_fail(error, EV_CORRUPT, "bytes of extra bits", reader->length, (reader->at + extra + 7) / 8);
            bits = bits_near_end(reader->bytes, reader->length, reader->at, extra);
        }
        out[i] = (LANE)(table->base[code] + bits);
        reader->at += extra;
    }
    return EV_OK;
}

/* No branch on the code: how many bits it has is noise to a branch predictor. One load holds 57 bits from any bit on. `width` is a constant
 * where this is inlined. Returns the first residual that it left. */
static inline size_t LANE_NAME(take_codes_of)(ev_code_reader *reader, unsigned width, size_t from, size_t to, LANE *out) {
    const ev_code_table *table = &reader->table;
    const uint8_t *codes = reader->codes;
    uint64_t length = reader->length, at = reader->at;
    size_t i = from;
    /* Four from one load while their bits fit; at the first that do not, the rest one by one: mixing both ways here is slower. */
    while (i + 4 <= to && at >> 3 <= length) {
        unsigned code[4], extra[4];
        for (unsigned k = 0; k < 4; k++) {
            code[k] = LANE_NAME(code_at)(codes, width, i + k);
            extra[k] = table->extra[code[k]];
        }
        unsigned two = extra[0] + extra[1], three = two + extra[2], four = three + extra[3];
        if (four > 57) break;
        uint64_t word = ev_bits_at(reader, at);
        out[i] = (LANE)(table->base[code[0]] + (word & table->mask[code[0]]));
        out[i + 1] = (LANE)(table->base[code[1]] + (word >> extra[0] & table->mask[code[1]]));
        out[i + 2] = (LANE)(table->base[code[2]] + (word >> two & table->mask[code[2]]));
        out[i + 3] = (LANE)(table->base[code[3]] + (word >> three & table->mask[code[3]]));
        at += four;
        i += 4;
    }
    for (; i < to && at >> 3 <= length; i++) {
        unsigned code = LANE_NAME(code_at)(codes, width, i), extra = table->extra[code];
        if (extra > 57) break;
        out[i] = (LANE)(table->base[code] + (ev_bits_at(reader, at) & table->mask[code]));
        at += extra;
    }
    reader->at = at;
    return i;
}

/* The same where no code has extra bits. */
static inline int LANE_NAME(take_plain_codes_of)(const ev_code_reader *reader, unsigned width, size_t from, size_t to, LANE *out) {
    uint8_t all = 0;
    for (size_t i = from; i < to; i++) {
        unsigned code = LANE_NAME(code_at)(reader->codes, width, i);
        all |= reader->table.extra[code];
        out[i] = (LANE)reader->table.base[code];
    }
    return all == 0;
}

static int LANE_NAME(take_codes)(ev_code_reader *reader, size_t from, size_t to, LANE *out, ev_error *error) {
    unsigned width = reader->code_bits;
    if (!reader->length) {
        int plain = width == 8   ? LANE_NAME(take_plain_codes_of)(reader, 8, from, to, out)
                    : width == 4 ? LANE_NAME(take_plain_codes_of)(reader, 4, from, to, out)
                    : width == 2 ? LANE_NAME(take_plain_codes_of)(reader, 2, from, to, out)
                                 : LANE_NAME(take_plain_codes_of)(reader, 1, from, to, out);
        return plain ? EV_OK : LANE_NAME(take_codes_slowly)(reader, from, to, out, error);
    }
#if (EV_BITS == 32 && defined(__AVX2__)) || (EV_BITS == 64 && defined(__AVX512F__) && defined(__AVX512VL__))
    if (width == 4) from = LANE_NAME(ev_take_nibbles)(reader, from, to, out);
#endif
    if (width == 8) from = LANE_NAME(take_codes_of)(reader, 8, from, to, out);
    else if (width == 4) from = LANE_NAME(take_codes_of)(reader, 4, from, to, out);
    else from = LANE_NAME(take_codes_of)(reader, width, from, to, out);
    return LANE_NAME(take_codes_slowly)(reader, from, to, out, error);
}

/* Where the sums of a transform stand. */
typedef struct {
    LANE value;
    LANE delta;
    ev_grid grid;
} LANE_NAME(ev_sums);

/* The value that a step leads to. `transform` is a constant where this is inlined. */
static inline LANE LANE_NAME(advance)(const ev_level *level, unsigned transform, LANE_NAME(ev_sums) *sums, LANE step) {
    LANE scale = (LANE)level->scale;
    if (transform == EV_NONE) return (LANE)(sums->value + step);
    if (transform == EV_DELTA2) step = sums->delta = (LANE)(sums->delta + step);
    if (transform == EV_GRID) {
        LANE correction = (LANE)ev_grid_correction(&sums->grid);
        ev_grid_step(&sums->grid, (int64_t)ev_sign_extend(step, EV_BITS));
        step = (LANE)(step - correction);
    }
    return sums->value = (LANE)(sums->value + (LANE)((uint64_t)scale * step));
}

/* Turn residuals into values, going on from `sums`. `zigzag` tells that steps are zigzagged. */
static inline void LANE_NAME(add_up_as)(const ev_level *level, unsigned transform, int zigzag, LANE_NAME(ev_sums) *sums, LANE *out, size_t count) {
    LANE_NAME(ev_sums) now = *sums;
    size_t i = 0;
    if (transform == EV_DELTA) i = LANE_NAME(ev_sum)(out, count, zigzag, (LANE)level->scale, &now.value);
    if (transform == EV_DELTA2) i = LANE_NAME(ev_sum_twice)(out, count, zigzag, (LANE)level->scale, &now.value, &now.delta);
    for (; i < count; i++) out[i] = LANE_NAME(advance)(level, transform, &now, zigzag ? LANE_UNZIGZAG(out[i]) : out[i]);
    *sums = now;
}

static void LANE_NAME(add_up)(const ev_level *level, LANE_NAME(ev_sums) *sums, LANE *out, size_t count) {
    int zigzag = level->layout != EV_BINS;
    switch (level->transform) {
    case EV_NONE:
        if (sums->value) LANE_NAME(add_up_as)(level, EV_NONE, 0, sums, out, count);
        return;
    case EV_DELTA:
        if (zigzag) LANE_NAME(add_up_as)(level, EV_DELTA, 1, sums, out, count);
        else LANE_NAME(add_up_as)(level, EV_DELTA, 0, sums, out, count);
        return;
    case EV_DELTA2:
        if (zigzag) LANE_NAME(add_up_as)(level, EV_DELTA2, 1, sums, out, count);
        else LANE_NAME(add_up_as)(level, EV_DELTA2, 0, sums, out, count);
        return;
    default: LANE_NAME(add_up_as)(level, EV_GRID, zigzag, sums, out, count);
    }
}

/* Set the values that a transform states, and the sums that the residuals go on from; returns how many. */
static size_t LANE_NAME(begin)(const ev_level *level, LANE_NAME(ev_sums) *sums, LANE *out) {
    sums->value = (LANE)level->base;
    sums->delta = (LANE)level->step;
    sums->grid = (ev_grid){(int64_t)level->period, level->gain, 0};
    if (level->transform == EV_NONE) return 0;
    out[0] = sums->value;
    if (level->transform != EV_DELTA2) return 1;
    out[1] = sums->value = (LANE)(sums->value + (LANE)((uint64_t)(LANE)level->scale * sums->delta));
    return 2;
}

/* A level without inner levels, with its transform. */
static int LANE_NAME(decode_simple)(const ev_level *level, const uint8_t *const *parts, LANE *out, ev_error *error) {
    enum { TILE = 1024 }; /* residuals of a tile are still in the first-level cache when they are added up */
    LANE_NAME(ev_sums) sums;
    size_t count = level->count - ev_stated(level->transform);
    int coded = level->layout == EV_TOKENS || level->layout == EV_BINS, status = EV_OK;
    out += LANE_NAME(begin)(level, &sums, out);
    ev_code_reader reader;
    const uint8_t *planes = NULL;
    if (coded) status = begin_codes(&reader, level, parts, error);
    if (level->layout == EV_PLANES) planes = parts[level->streams[0].part] + level->streams[0].offset;
    for (size_t from = 0; !status && from < count; from += TILE) {
        size_t to = count - from < TILE ? count : from + TILE;
        if (coded) status = LANE_NAME(take_codes)(&reader, from, to, out, error);
        else if (level->layout == EV_PLANES) LANE_NAME(take_planes)(planes, level->planes, count, from, to, out);
        else
            for (size_t i = from; i < to; i++) out[i] = (LANE)level->constant;
        if (!status) LANE_NAME(add_up)(level, &sums, out + from, to - from);
    }
    return coded && !status ? end_codes(&reader, count, error) : status;
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
    ev_cursor cursor = {level->entries, level->entries_end};
    for (unsigned i = 0; i < level->entry_count; i++) {
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
        return bad ? ev_fail(error, EV_CORRUPT, "dictionary code beyond the dictionary of size", level->entry_count, 255) : EV_OK;
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
    if (bad) return ev_fail(error, EV_CORRUPT, "dictionary code beyond the dictionary of size", level->entry_count, 255);
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
    status = ev_decode(&inner_lengths, parts, NULL, lengths, NULL, error);
    if (status) return status;
    for (size_t run = 0; run < runs; run++) {
        if (lengths[run] >= count - at) return ev_fail(error, EV_CORRUPT, "length of a run", (uint64_t)lengths[run] + 1, count - at);
        size_t stop = at + lengths[run] + 1;
        LANE value = values[run];
        for (; at < stop; at++) out[at] = value;
    }
    return at == count ? EV_OK : ev_fail(error, EV_CORRUPT, "sum of run lengths", at, count);
}

/* Values of a split, each step from the next residual of its context. `transform` is a constant where this is inlined. */
static inline int LANE_NAME(join)(const ev_sequence *sequence, unsigned transform, const uint8_t *classes, LANE_NAME(ev_sums) *sums, LANE *out,
                                  const LANE **next, const LANE *const *end, size_t count, ev_error *error) {
    const ev_split *split = &sequence->split;
    LANE_NAME(ev_sums) now = *sums;
    LANE thresholds[15], before = transform == EV_DELTA2 ? LANE_ZIGZAG(now.delta) : 0;
    unsigned threshold_count = split->threshold_count;
    for (unsigned k = 0; k < threshold_count; k++) thresholds[k] = (LANE)split->thresholds[k];
    for (size_t i = 0; i < count; i++) {
        unsigned context = classes ? classes[i] * (threshold_count + 1u) : 0;
        for (unsigned k = 0; k < threshold_count; k++) context += before >= thresholds[k];
        if (next[context] == end[context]) return ev_fail(error, EV_CORRUPT, "residuals of a context, context", context, context);
        LANE step = *next[context]++;
        out[i] = LANE_NAME(advance)(&sequence->outer, transform, &now, step);
        if (transform == EV_NONE) before = step;
        else before = transform == EV_DELTA2 ? LANE_ZIGZAG(now.delta) : LANE_ZIGZAG(step);
    }
    return EV_OK;
}

static int LANE_NAME(decode_split)(const ev_sequence *sequence, const uint8_t *const *parts, const uint8_t *classes, LANE_NAME(ev_sums) *sums,
                                   size_t count, LANE *out, LANE *steps, ev_error *error) {
    const LANE *next[EV_MAX_CONTEXTS], *end[EV_MAX_CONTEXTS];
    unsigned transform = sequence->outer.transform;
    for (unsigned context = 0; context < sequence->outer.inner_count; context++) {
        const ev_level *inner = &sequence->inner[context];
        if (inner->count) {
            int status = LANE_NAME(decode_simple)(inner, parts, steps, error);
            if (status) return status;
        }
        if (transform != EV_NONE && inner->layout != EV_BINS)
            for (size_t i = 0; i < inner->count; i++) steps[i] = LANE_UNZIGZAG(steps[i]);
        next[context] = steps;
        end[context] = steps += inner->count;
    }
    classes = ev_is_classed(sequence) ? classes + (sequence->outer.count - count) : NULL;
    switch (transform) {
    case EV_NONE: return LANE_NAME(join)(sequence, EV_NONE, classes, sums, out, next, end, count, error);
    case EV_DELTA: return LANE_NAME(join)(sequence, EV_DELTA, classes, sums, out, next, end, count, error);
    case EV_DELTA2: return LANE_NAME(join)(sequence, EV_DELTA2, classes, sums, out, next, end, count, error);
    default: return LANE_NAME(join)(sequence, EV_GRID, classes, sums, out, next, end, count, error);
    }
}

static int LANE_NAME(decode)(const ev_sequence *sequence, const uint8_t *const *parts, const uint8_t *classes, void *values, void *scratch,
                             ev_error *error) {
    const ev_level *level = &sequence->outer;
    LANE *out = (LANE *)values, *inner = (LANE *)scratch;
    int status;
    if (level->layout != EV_DICTIONARY && level->layout != EV_RUNS && level->layout != EV_SPLIT)
        return LANE_NAME(decode_simple)(level, parts, out, error);
    LANE_NAME(ev_sums) sums;
    size_t count = level->count - ev_stated(level->transform);
    out += LANE_NAME(begin)(level, &sums, out);
    if (level->layout == EV_SPLIT) return LANE_NAME(decode_split)(sequence, parts, classes, &sums, count, out, inner, error);
    if (level->layout == EV_DICTIONARY) status = LANE_NAME(decode_dictionary)(sequence, parts, count, out, inner, error);
    else {
        size_t lanes = ((size_t)level->inner_count * sizeof(LANE) + 7) / 8 * 8; /* run lengths stay aligned */
        status = LANE_NAME(decode_runs)(sequence, parts, count, out, inner, (uint32_t *)((uint8_t *)scratch + lanes), error);
    }
    if (!status && !(level->layout == EV_DICTIONARY && level->transform == EV_DELTA)) LANE_NAME(add_up)(level, &sums, out, count);
    return status;
}

#include "ev_lanes_end.h"

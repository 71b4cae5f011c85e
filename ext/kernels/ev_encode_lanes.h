/* The bodies of ev_encode.c that make residuals and estimate costs, for one lane width. */
#include "ev_lanes.h"

/* ---- residuals ---- */

static uint64_t LANE_NAME(magnitude)(LANE delta) {
    return delta >> (EV_BITS - 1) ? (uint64_t)(LANE)(0 - delta) : delta;
}

/* Greatest common divisor of all deltas, 1 when they are all zero. */
static uint64_t LANE_NAME(scale_of)(const LANE *values, size_t count) {
    ev_divider divider = {0, 0, 0, 0};
    for (size_t i = 1; i < count; i++) {
        uint64_t delta = LANE_NAME(magnitude)((LANE)(values[i] - values[i - 1]));
        if (!delta || (divider.divisor && divides(&divider, delta))) continue;
        uint64_t divisor = greatest_common_divisor(delta, divider.divisor);
        if (divisor == 1) return 1;
        set_divider(&divider, divisor);
    }
    return divider.divisor ? divider.divisor : 1;
}

/* Zigzag of a delta divided by the scale. */
static LANE LANE_NAME(scaled_delta)(const LANE *values, size_t i, const ev_divider *divider) {
    LANE delta = (LANE)(values[i + 1] - values[i]);
    LANE quotient = (LANE)exact_quotient(divider, LANE_NAME(magnitude)(delta));
    return delta >> (EV_BITS - 1) ? (LANE)(0 - quotient) : quotient;
}

/* Residuals from..to of a transform, not of a grid. */
static void LANE_NAME(residuals)(const ev_encoder *encoder, unsigned transform, size_t from, size_t to, LANE *out) {
    const LANE *values = (const LANE *)encoder->values;
    if (transform == EV_NONE) {
        LANE minimum = (LANE)encoder->minimum;
        for (size_t i = from; i < to; i++) out[i - from] = (LANE)(values[i] - minimum);
    } else if (encoder->scale == 1 && transform == EV_DELTA) {
        for (size_t i = from; i < to; i++) {
            LANE delta = (LANE)(values[i + 1] - values[i]);
            out[i - from] = LANE_ZIGZAG(delta);
        }
    } else if (encoder->scale == 1) {
        for (size_t i = from; i < to; i++) {
            LANE change = (LANE)((LANE)(values[i + 2] - values[i + 1]) - (LANE)(values[i + 1] - values[i]));
            out[i - from] = LANE_ZIGZAG(change);
        }
    } else {
        ev_divider divider;
        set_divider(&divider, encoder->scale);
        LANE before = transform == EV_DELTA2 && from < to ? LANE_NAME(scaled_delta)(values, from, &divider) : 0;
        for (size_t i = from; i < to; i++) {
            LANE delta = LANE_NAME(scaled_delta)(values, transform == EV_DELTA ? i : i + 1, &divider);
            LANE residual = (LANE)(delta - before);
            out[i - from] = LANE_ZIGZAG(residual);
            if (transform == EV_DELTA2) before = delta;
        }
    }
}

/* Residuals from..to of a grid whose offset is 0 in front of them. */
static void LANE_NAME(grid_residuals)(const ev_encoder *encoder, uint64_t period, unsigned gain, size_t from, size_t to, LANE *out) {
    const LANE *values = (const LANE *)encoder->values;
    ev_divider divider;
    ev_grid grid = {(int64_t)period, gain, 0};
    set_divider(&divider, encoder->scale);
    for (size_t i = from; i < to; i++) {
        LANE step = (LANE)(LANE_NAME(scaled_delta)(values, i, &divider) + (LANE)ev_grid_correction(&grid));
        ev_grid_step(&grid, (int64_t)ev_sign_extend(step, EV_BITS));
        out[i - from] = LANE_ZIGZAG(step);
    }
}

/* All residuals of a choice. */
static void LANE_NAME(residuals_of)(const ev_encoder *encoder, const ev_choice *choice, size_t count, LANE *out) {
    if (choice->transform == EV_GRID) LANE_NAME(grid_residuals)(encoder, choice->period, choice->gain, 0, count, out);
    else LANE_NAME(residuals)(encoder, choice->transform, 0, count, out);
}

static LANE LANE_NAME(any_bits)(const LANE *values, size_t count) {
    LANE all = 0;
    for (size_t i = 0; i < count; i++) all |= values[i];
    return all;
}

/* ---- costs ---- */

static double LANE_NAME(cost_planes)(const LANE *values, ev_sample sample, unsigned planes) {
    double cost = 0;
    for (unsigned plane = 0; plane < planes; plane++) {
        uint32_t histogram[256] = {0};
        for (size_t span = 0; span < sample.spans; span++)
            for (size_t i = span * sample.stride, stop = i + sample.span_length; i < stop; i++)
                histogram[values[i] >> 8 * plane & 255]++;
        cost += ev_stream_bytes(histogram, sample.weight);
    }
    return cost + EV_STREAM_OVERHEAD;
}

#if EV_BITS > 8 /* the tokens of a byte would be the byte */
static double LANE_NAME(cost_tokens)(const LANE *values, ev_sample sample, unsigned d, unsigned q) {
    uint32_t histogram[256] = {0};
    uint64_t bits = 0;
    for (size_t span = 0; span < sample.spans; span++)
        for (size_t i = span * sample.stride, stop = i + sample.span_length; i < stop; i++) {
            unsigned extra;
            histogram[token_of(values[i], d, q, &extra)]++;
            bits += extra;
        }
    return ev_stream_bytes(histogram, sample.weight) + (double)bits / 8 * sample.weight + (bits ? 2 : 1) * EV_STREAM_OVERHEAD;
}
#endif

static unsigned LANE_NAME(planes_of)(LANE all) { return all ? ev_log2(all) / 8 + 1 : 1; }

/* The cheaper of planes and tokens for what is sampled. */
static ev_simple LANE_NAME(cost_simple)(const LANE *values, ev_sample sample) {
    LANE all = 0;
    for (size_t span = 0; span < sample.spans; span++) all |= LANE_NAME(any_bits)(values + span * sample.stride, sample.span_length);
    ev_simple best = {LANE_NAME(cost_planes)(values, sample, LANE_NAME(planes_of)(all)), EV_PLANES, 0, 0};
#if EV_BITS > 8
    const uint8_t(*shapes)[2] = EV_BITS == 64 ? TOKEN_SHAPES_64 : TOKEN_SHAPES_32;
    for (unsigned i = 0; i < (EV_BITS == 64 ? 1 : 2); i++) {
        double cost = LANE_NAME(cost_tokens)(values, sample, shapes[i][0], shapes[i][1]);
        if (cost < best.cost) best = (ev_simple){cost, EV_TOKENS, shapes[i][0], shapes[i][1]};
    }
#endif
    return best;
}

/* What bins hold: a zigzagged step as it is, or a value. */
static int64_t LANE_NAME(key)(LANE value, int steps) {
    return (int64_t)(steps ? ev_sign_extend(LANE_UNZIGZAG(value), EV_BITS) : (uint64_t)value);
}

/* What codes that share bytes cost: neighbours are alike, which their bytes show and their own frequencies do not. */
static double LANE_NAME(cost_pairs)(const LANE *values, ev_sample sample, int steps, const ev_bins *bins) {
    uint32_t histogram[256] = {0};
    unsigned each = 8 / bins->code_bits;
    size_t total = 0;
    ev_bin_finder finder;
    ev_set_finder(&finder, bins);
    for (size_t span = 0; span < sample.spans; span++)
        for (size_t i = span * sample.stride, stop = i + sample.span_length; i + each <= stop; i += each, total++) {
            unsigned byte = 0;
            for (unsigned k = 0; k < each; k++)
                byte |= ev_bin_of(&finder, bins, LANE_NAME(key)(values[i + k], steps)) << (k * bins->code_bits);
            histogram[byte]++;
        }
    return total ? ev_stream_bytes(histogram, sample.weight) + bins->beside + 2.0 * bins->count : 1e300;
}

/* Ways to put what is sampled into bins. `steps` tells that values are zigzagged steps. */
static unsigned LANE_NAME(find_bins)(const LANE *values, ev_sample sample, int steps, int64_t *keys, ev_bins bins[2]) {
    size_t count = 0;
    if (sample.spans == 1 && sample.span_length > EV_BIN_SAMPLE) sample = ev_sample_of(sample.span_length, EV_BIN_SAMPLE);
    for (size_t span = 0; span < sample.spans; span++)
        for (size_t i = span * sample.stride, stop = i + sample.span_length; i < stop && count < EV_BIN_SAMPLE; i++)
            keys[count++] = LANE_NAME(key)(values[i], steps);
    unsigned ways = ev_choose_bins(keys, count, sample.weight, keys + count, bins);
    for (unsigned i = 0; i < ways; i++)
        if (bins[i].code_bits < 8) bins[i].cost = LANE_NAME(cost_pairs)(values, sample, steps, &bins[i]);
    return ways;
}

/* The cheapest layout that an inner sequence may have; at least one value. `bins` is set to those that it takes. */
static ev_simple LANE_NAME(best_simple)(const LANE *values, size_t count, uint32_t wanted, int steps, int64_t *keys, ev_bins *bins) {
    size_t same = 1;
    while (same < count && values[same] == values[0]) same++;
    if (same == count) return (ev_simple){1, EV_CONSTANT, 0, 0};
    ev_sample sample = ev_sample_of(count, wanted);
    ev_simple best = LANE_NAME(cost_simple)(values, sample);
    if (count < LEAST_FOR_BINS) return best;
    ev_bins found[2];
    unsigned ways = LANE_NAME(find_bins)(values, sample, steps, keys, found);
    for (unsigned i = 0; i < ways; i++)
        if (found[i].cost + EV_STREAM_OVERHEAD < best.cost) {
            best = (ev_simple){found[i].cost + EV_STREAM_OVERHEAD, EV_BINS, 0, 0};
            *bins = found[i];
        }
    return best;
}

#if EV_BITS > 8
static double LANE_NAME(cost_dictionary)(const LANE *values, ev_sample sample, ev_slot *slots) {
    memset(slots, 0, sizeof *slots * ALL_SLOTS);
    size_t sampled = sample.spans * sample.span_length, known = 0;
    for (size_t span = 0; span < sample.spans; span++)
        for (size_t i = span * sample.stride, stop = i + sample.span_length; i < stop; i++) count_value(slots, values[i]);
    ev_slot *chosen[255];
    unsigned size = choose_entries(slots, sample.weight, chosen);
    if (!size) return 1e300;
    uint32_t histogram[256] = {0};
    double entries = 0;
    for (unsigned code = 0; code < size; code++) {
        histogram[code] = chosen[code]->count;
        known += chosen[code]->count;
        entries += varint_size(chosen[code]->value);
    }
    histogram[EV_ESCAPE] += (uint32_t)(sampled - known);
    double escapes = 0;
    if (sampled > known) {
        /* What is not in the dictionary costs about its tokens. */
        uint32_t tokens[256] = {0};
        uint64_t bits = 0;
        for (size_t span = 0; span < sample.spans; span++)
            for (size_t i = span * sample.stride, stop = i + sample.span_length; i < stop; i++) {
                ev_slot *slot = slot_for(slots, values[i]);
                unsigned extra;
                if (slot && slot->count && slot->code != EV_ESCAPE) continue;
                tokens[token_of(values[i], 4, 2, &extra) & 255]++;
                bits += extra;
            }
        escapes = ev_stream_bytes(tokens, sample.weight) + (double)bits / 8 * sample.weight + EV_STREAM_OVERHEAD;
    }
    return ev_stream_bytes(histogram, sample.weight) + entries + escapes + EV_STREAM_OVERHEAD;
}

#endif

/* ---- where things stand in the scratch ---- */

static LANE *LANE_NAME(residual_room)(const ev_encoder *encoder) { return (LANE *)encoder->scratch; } /* of all values or of a sample */

static LANE *LANE_NAME(run_values)(const ev_encoder *encoder) { return (LANE *)encoder->scratch + encoder->count; } /* or escapes, or residuals by context */

static size_t LANE_NAME(split_runs)(const LANE *values, size_t count, LANE *run_values, uint32_t *run_lengths) {
    size_t runs = 0, start = 0;
    for (size_t i = 1; i <= count; i++)
        if (i == count || values[i] != values[start]) {
            run_values[runs] = values[start];
            run_lengths[runs++] = (uint32_t)(i - start - 1);
            start = i;
        }
    return runs;
}

#include "ev_lanes_end.h"

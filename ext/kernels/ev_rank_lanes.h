/* The bodies of ev_encode.c that look for the cheapest encoding, for one lane width. */
#include "ev_lanes.h"

/* Whether all residuals are equal: a look at a few tells for nearly every column. */
static int LANE_NAME(all_equal)(const ev_encoder *encoder, unsigned transform) {
    const LANE *values = (const LANE *)encoder->values;
    size_t count = encoder->count - transform;
    if (transform == EV_NONE)
        for (size_t i = 1; i < count; i++) {
            if (values[i] != values[0]) return 0;
        }
    else if (transform == EV_DELTA)
        for (size_t i = 1; i < count; i++) {
            if ((LANE)(values[i + 1] - values[i]) != (LANE)(values[1] - values[0])) return 0;
        }
    else {
        LANE change = (LANE)(values[2] - values[1] - (values[1] - values[0]));
        for (size_t i = 1; i < count; i++) {
            if ((LANE)(values[i + 2] - values[i + 1] - (values[i + 1] - values[i])) != change) return 0;
        }
    }
    return 1;
}

/* Runs of equal residuals. */
static size_t LANE_NAME(count_runs)(const ev_encoder *encoder, unsigned transform) {
    const LANE *values = (const LANE *)encoder->values;
    size_t runs = 1, count = encoder->count - transform;
    if (transform == EV_NONE)
        for (size_t i = 1; i < count; i++) runs += values[i] != values[i - 1];
    else
        for (size_t i = 1; i < count; i++) runs += (LANE)(values[i + 1] - values[i]) != (LANE)(values[i] - values[i - 1]);
    return runs;
}

/* Gather the sampled residuals in front of the scratch; the sample then is what stands there. */
static ev_sample LANE_NAME(sampled)(const ev_encoder *encoder, unsigned transform, uint32_t wanted) {
    ev_sample sample = ev_sample_of(encoder->count - transform, wanted);
    LANE *to = LANE_NAME(residual_room)(encoder);
    for (size_t span = 0; span < sample.spans; span++, to += sample.span_length)
        LANE_NAME(residuals)(encoder, transform, span * sample.stride, span * sample.stride + sample.span_length, to);
    sample.stride = sample.span_length;
    return sample;
}

static unsigned LANE_NAME(rank_transform)(const ev_encoder *encoder, unsigned transform, uint32_t wanted, size_t runs, ev_choice *choices) {
    unsigned found = 0;
    ev_bins bins;
    double header = 6.0 + 3.0 * transform, cost;
    if (LANE_NAME(all_equal)(encoder, transform)) {
        choices[found++] = (ev_choice){.cost = 1 + header, .transform = (uint8_t)transform, .layout = EV_CONSTANT};
        return found;
    }
    ev_sample sample = LANE_NAME(sampled)(encoder, transform, wanted);
    const LANE *residuals = LANE_NAME(residual_room)(encoder);
    ev_simple simple = LANE_NAME(cost_simple)(residuals, sample);
    choices[found++] = (ev_choice){.cost = simple.cost + header,
                                   .transform = (uint8_t)transform,
                                   .layout = simple.layout,
                                   .direct_bits = simple.direct_bits,
                                   .mantissa_bits = simple.mantissa_bits};
#if EV_BITS > 8 /* a code takes a byte, as the value does */
    cost = LANE_NAME(cost_dictionary)(residuals, sample, slots_of(encoder));
    choices[found++] = (ev_choice){.cost = cost + header, .transform = (uint8_t)transform, .layout = EV_DICTIONARY};
#endif
    size_t count = encoder->count - transform;
    if (transform == EV_DELTA2 || runs * 4 > count) return found;
    LANE *values = LANE_NAME(run_values)(encoder);
    uint32_t *lengths = run_lengths(encoder);
    LANE_NAME(residuals)(encoder, transform, 0, count, LANE_NAME(residual_room)(encoder));
    LANE_NAME(split_runs)(residuals, count, values, lengths);
    cost = LANE_NAME(best_simple)(values, runs, wanted, 0, keys_of(encoder), &bins).cost;
    cost += best_simple32(lengths, runs, wanted, 0, keys_of(encoder), &bins).cost;
    choices[found++] = (ev_choice){.cost = cost + header + 4, .transform = (uint8_t)transform, .layout = EV_RUNS};
    return found;
}

/* Add choices of bins for the sampled residuals that stand in front of the scratch. */
static unsigned LANE_NAME(rank_bins)(ev_encoder *encoder, ev_choice like, ev_sample sample, ev_choice *choices) {
    ev_bins found[2];
    unsigned added = 0, ways = LANE_NAME(find_bins)(LANE_NAME(residual_room)(encoder), sample, like.transform != EV_NONE, keys_of(encoder), found);
    for (unsigned i = 0; i < ways && encoder->bins_kept < EV_MAX_KEPT; i++) {
        like.layout = EV_BINS;
        like.cost = found[i].cost + EV_STREAM_OVERHEAD + 8 + 3.0 * like.transform;
        like.kept = (uint8_t)encoder->bins_kept;
        encoder->bins[encoder->bins_kept++] = found[i];
        choices[added++] = like;
    }
    return added;
}

#if EV_BITS == 64 /* the width of times */
/* Add a choice for the grid that is cheapest, if one is cheaper than plain deltas in bins, which cost `least`. */
static unsigned LANE_NAME(rank_grids)(ev_encoder *encoder, ev_search search, double least, int64_t median, ev_choice *choices) {
    static const uint8_t GAINS[] = {2, 10, 1, 5, 13};
    int64_t *keys = keys_of(encoder);
    size_t count = encoder->count - 1;
    ev_sample sample = ev_sample_of(count, search.sample ? search.sample / 2 : EV_BIN_SAMPLE);
    LANE *room = LANE_NAME(residual_room)(encoder);
    ev_choice best = {.cost = least, .transform = EV_NONE};
    ev_bins found[2], kept = encoder->bins[0];
    for (int64_t period = median; period >= median / 2 && period >= 8 && (uint64_t)period <= EV_MAX_PERIOD; period /= 2)
        for (unsigned g = 0; g < (search.thorough ? 5 : 2); g++) {
            for (size_t span = 0; span < sample.spans; span++)
                LANE_NAME(grid_residuals)(encoder, (uint64_t)period, GAINS[g], span * sample.stride, span * sample.stride + sample.span_length,
                                          room + span * sample.span_length);
            ev_sample packed = sample;
            packed.stride = sample.span_length;
            unsigned ways = LANE_NAME(find_bins)(room, packed, 1, keys, found);
            for (unsigned i = 0; i < ways; i++) {
                double cost = found[i].cost + EV_STREAM_OVERHEAD + 16;
                if (cost >= best.cost) continue;
                best = (ev_choice){.cost = cost, .transform = EV_GRID, .layout = EV_BINS, .gain = GAINS[g], .period = (uint64_t)period};
                kept = found[i];
            }
        }
    if (best.transform != EV_GRID || encoder->bins_kept == EV_MAX_KEPT) return 0;
    best.kept = (uint8_t)encoder->bins_kept;
    encoder->bins[encoder->bins_kept++] = kept;
    choices[0] = best;
    return 1;
}
#endif

/* Where each residual's context stands: fills residuals by context into run_values, and how many each has. */
static void LANE_NAME(divide)(const ev_encoder *encoder, unsigned transform, const ev_division *division, const LANE *residuals, size_t count,
                              uint32_t counts[EV_MAX_CONTEXTS]) {
    const LANE *values = (const LANE *)encoder->values;
    int classed = division->class_count > 1 || division->before_count > 1;
    const uint8_t *kinds = classed ? encoder->kinds + (encoder->count - count) : NULL;
    uint8_t *contexts = (uint8_t *)run_lengths(encoder);
    LANE *out = LANE_NAME(run_values)(encoder), before = 0, delta = 0, *to[EV_MAX_CONTEXTS];
    unsigned threshold_count = division->threshold_count;
    ev_divider divider;
    set_divider(&divider, encoder->scale);
    memset(counts, 0, sizeof *counts * EV_MAX_CONTEXTS);
    if (transform == EV_DELTA2) delta = LANE_NAME(scaled_delta)(values, 0, &divider);
    if (transform == EV_DELTA2) before = LANE_ZIGZAG(delta);
    for (size_t i = 0; i < count; i++) {
        unsigned context = 0;
        if (classed) context = division->class_of[kinds[i]] * division->before_count;
        if (classed && kinds + i > encoder->kinds) context += division->before_of[kinds[(ptrdiff_t)i - 1]];
        context *= threshold_count + 1;
        for (unsigned k = 0; k < threshold_count; k++) context += before >= (LANE)division->thresholds[k];
        contexts[i] = (uint8_t)context;
        counts[context]++;
        delta = (LANE)(delta + LANE_UNZIGZAG(residuals[i]));
        before = transform == EV_DELTA2 ? LANE_ZIGZAG(delta) : residuals[i];
    }
    for (unsigned context = 0; context < EV_MAX_CONTEXTS; out += counts[context++]) to[context] = out;
    for (size_t i = 0; i < count; i++) *to[contexts[i]]++ = residuals[i];
}

/* Thresholds that part what comes before each residual into about equal shares. */
static unsigned LANE_NAME(set_thresholds)(const ev_encoder *encoder, unsigned transform, const LANE *residuals, size_t count, unsigned wanted,
                                          uint64_t thresholds[15]) {
    const LANE *values = (const LANE *)encoder->values;
    int64_t *keys = keys_of(encoder);
    size_t taken = count < EV_BIN_SAMPLE ? count : EV_BIN_SAMPLE, stride = count / taken, found = 0;
    ev_divider divider;
    set_divider(&divider, encoder->scale);
    for (size_t i = 0; i < taken; i++) {
        LANE before = transform == EV_DELTA2 ? LANE_NAME(scaled_delta)(values, i * stride, &divider) : residuals[i * stride];
        if (transform == EV_DELTA2) before = LANE_ZIGZAG(before);
        if (before && before >> (EV_BITS - 1) == 0) keys[found++] = (int64_t)before; /* whether there was a step at all is the first threshold */
    }
    thresholds[0] = 1;
    unsigned set = 1;
    if (!found) return set;
    ev_sort(keys, found, keys + taken);
    for (unsigned k = 1; k < wanted; k++) {
        uint64_t threshold = (uint64_t)keys[found * k / wanted];
        if (threshold > thresholds[set - 1]) thresholds[set++] = threshold;
    }
    return set;
}

static double LANE_NAME(cost_division)(const ev_encoder *encoder, unsigned transform, const ev_division *division, const LANE *residuals, size_t count) {
    uint32_t counts[EV_MAX_CONTEXTS];
    LANE_NAME(divide)(encoder, transform, division, residuals, count, counts);
    const LANE *of_context = LANE_NAME(run_values)(encoder);
    double cost = 12;
    ev_bins bins;
    for (unsigned context = 0; context < EV_MAX_CONTEXTS; of_context += counts[context++])
        if (counts[context])
            cost += 4 + CONTEXT_BYTES + LANE_NAME(best_simple)(of_context, counts[context], 0, transform != EV_NONE, keys_of(encoder), &bins).cost;
    return cost;
}

/* Add the cheapest division of the residuals of a transform. */
static unsigned LANE_NAME(rank_splits)(ev_encoder *encoder, unsigned transform, ev_choice *choices) {
    /* Classes of a kind, of the kind before, and thresholds. */
    static const uint8_t SHAPES[][3] = {{1, 1, 7}, {1, 1, 3}, {2, 1, 7}, {4, 1, 3}, {2, 1, 0}, {8, 1, 0}, {2, 2, 0}, {2, 2, 3}, {4, 4, 0}};
    size_t count = encoder->count - transform;
    LANE *residuals = LANE_NAME(residual_room)(encoder);
    unsigned added = 0;
    LANE_NAME(residuals)(encoder, transform, 0, count, residuals);
    for (unsigned shape = 0; shape < sizeof SHAPES / sizeof *SHAPES; shape++) {
        ev_division division = {.class_count = SHAPES[shape][0], .before_count = SHAPES[shape][1]};
        unsigned classes = division.class_count > division.before_count ? division.class_count : division.before_count;
        if (classes > 1 && (!encoder->kinds || encoder->listed_count < 2)) continue;
        if (classes > 2 && classes / 2 >= encoder->listed_count) continue;
        set_classes(encoder, division.class_count, division.class_of);
        set_classes(encoder, division.before_count, division.before_of);
        if (SHAPES[shape][2])
            division.threshold_count =
                (uint8_t)LANE_NAME(set_thresholds)(encoder, transform, residuals, count, SHAPES[shape][2], division.thresholds);
        ev_choice choice = {.transform = (uint8_t)transform, .layout = EV_SPLIT};
        choice.cost = LANE_NAME(cost_division)(encoder, transform, &division, residuals, count);
        if (added && choice.cost >= choices[0].cost) continue;
        choice.kept = (uint8_t)encoder->divisions_kept; /* the last one ranked is written over by a better one */
        encoder->divisions[choice.kept] = division;
        choices[0] = choice;
        added = 1;
    }
    encoder->divisions_kept += added;
    return added;
}

static unsigned LANE_NAME(rank)(ev_encoder *encoder, ev_search search, ev_choice *choices) {
    const LANE *values = (const LANE *)encoder->values;
    size_t count = encoder->count;
    LANE flip = encoder->is_signed ? (LANE)((LANE)1 << (EV_BITS - 1)) : 0; /* makes unsigned order the order of the dtype */
    LANE low = (LANE)(values[0] ^ flip), high = low;
    for (size_t i = 1; i < count; i++) {
        LANE value = (LANE)(values[i] ^ flip);
        low = value < low ? value : low;
        high = value > high ? value : high;
    }
    encoder->minimum = (LANE)(low ^ flip);
    encoder->scale = 1;
    size_t runs = LANE_NAME(count_runs)(encoder, EV_NONE);
    unsigned found = LANE_NAME(rank_transform)(encoder, EV_NONE, search.sample, runs, choices);
    if (low == high) return found;
    /* Long runs of a value: differences would only break them up. */
    if (count >= 3 && runs * 16 > count) {
        encoder->scale = LANE_NAME(scale_of)(values, count);
        runs = LANE_NAME(count_runs)(encoder, EV_DELTA);
        found += LANE_NAME(rank_transform)(encoder, EV_DELTA, search.sample, runs, choices + found);
        if (choices[found - 1].layout != EV_CONSTANT)
            found += LANE_NAME(rank_transform)(encoder, EV_DELTA2, search.sample, 0, choices + found);
    }
    if (count < LEAST_FOR_BINS) return found;
    double best_of[3] = {HUGE_VAL, HUGE_VAL, HUGE_VAL}, least = HUGE_VAL;
    for (unsigned i = 0; i < found; i++)
        if (choices[i].cost < best_of[choices[i].transform]) best_of[choices[i].transform] = choices[i].cost;
    for (unsigned transform = 0; transform < 3; transform++) least = best_of[transform] < least ? best_of[transform] : least;
    if (least < LEAST_FOR_BINS) return found;
    double deltas = HUGE_VAL;
    for (unsigned transform = 0; transform < 3; transform++) {
        if (best_of[transform] > least * (search.thorough ? 1.5 : 1.25)) continue;
        ev_sample sample = LANE_NAME(sampled)(encoder, transform, search.sample);
        unsigned added = LANE_NAME(rank_bins)(encoder, (ev_choice){.transform = (uint8_t)transform}, sample, choices + found);
        for (unsigned i = 0; transform == EV_DELTA && i < added; i++) deltas = choices[found + i].cost < deltas ? choices[found + i].cost : deltas;
#if EV_BITS == 64
        if (transform == EV_DELTA && deltas > (search.thorough ? 0.5 : 0.8) * (double)count) {
            added += LANE_NAME(rank_grids)(encoder, search, deltas, encoder->bins[encoder->bins_kept - 1].median, choices + found + added);
        }
#endif
        found += added;
        if (search.thorough && count >= LEAST_FOR_SPLIT) found += LANE_NAME(rank_splits)(encoder, transform, choices + found);
    }
    return found;
}

#include "ev_lanes_end.h"

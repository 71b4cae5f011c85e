/* The bodies of ev_encode.c for one lane width. */
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

/* Residuals from..to of a transform. */
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
        cost += ev_entropy_bytes(histogram);
    }
    return cost * sample.weight + EV_STREAM_OVERHEAD;
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
    return (ev_entropy_bytes(histogram) + (double)bits / 8) * sample.weight + (bits ? 2 : 1) * EV_STREAM_OVERHEAD;
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

/* The cheapest of the simple layouts; at least one value. */
static ev_simple LANE_NAME(best_simple)(const LANE *values, size_t count, uint32_t wanted) {
    size_t same = 1;
    while (same < count && values[same] == values[0]) same++;
    if (same == count) return (ev_simple){1, EV_CONSTANT, 0, 0};
    return LANE_NAME(cost_simple)(values, ev_sample_of(count, wanted));
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
        escapes = (ev_entropy_bytes(tokens) + (double)bits / 8) * sample.weight + EV_STREAM_OVERHEAD;
    }
    return ev_entropy_bytes(histogram) * sample.weight + entries + escapes + EV_STREAM_OVERHEAD;
}

#endif

/* ---- where things stand in the scratch: residuals of all values or of a sample, run values, run lengths, slots ---- */

static LANE *LANE_NAME(residual_room)(const ev_encoder *encoder) { return (LANE *)encoder->scratch; }

static LANE *LANE_NAME(run_values)(const ev_encoder *encoder) { return (LANE *)encoder->scratch + encoder->count; }

static uint8_t *LANE_NAME(behind_lanes)(const ev_encoder *encoder) {
    return (uint8_t *)encoder->scratch + ((size_t)2 * encoder->count * sizeof(LANE) + 15) / 16 * 16;
}

static uint32_t *LANE_NAME(run_lengths)(const ev_encoder *encoder) { return (uint32_t *)LANE_NAME(behind_lanes)(encoder); }

static ev_slot *LANE_NAME(slots_of)(const ev_encoder *encoder) {
    return (ev_slot *)(LANE_NAME(behind_lanes)(encoder) + ((size_t)4 * encoder->count + 15) / 16 * 16);
}

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

/* ---- rank ---- */

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
    double header = 6.0 + 3.0 * transform, cost;
    if (LANE_NAME(all_equal)(encoder, transform)) {
        choices[found++] = (ev_choice){1 + header, (uint8_t)transform, EV_CONSTANT, 0, 0};
        return found;
    }
    ev_sample sample = LANE_NAME(sampled)(encoder, transform, wanted);
    const LANE *residuals = LANE_NAME(residual_room)(encoder);
    ev_simple simple = LANE_NAME(cost_simple)(residuals, sample);
    choices[found++] = (ev_choice){simple.cost + header, (uint8_t)transform, simple.layout, simple.direct_bits, simple.mantissa_bits};
#if EV_BITS > 8 /* a code takes a byte, as the value does */
    cost = LANE_NAME(cost_dictionary)(residuals, sample, LANE_NAME(slots_of)(encoder));
    choices[found++] = (ev_choice){cost + header, (uint8_t)transform, EV_DICTIONARY, 0, 0};
#endif
    size_t count = encoder->count - transform;
    if (transform == EV_DELTA2 || runs * 4 > count) return found;
    LANE *values = LANE_NAME(run_values)(encoder);
    uint32_t *lengths = LANE_NAME(run_lengths)(encoder);
    LANE_NAME(residuals)(encoder, transform, 0, count, LANE_NAME(residual_room)(encoder));
    LANE_NAME(split_runs)(residuals, count, values, lengths);
    cost = LANE_NAME(best_simple)(values, runs, wanted).cost + best_simple32(lengths, runs, wanted).cost;
    choices[found++] = (ev_choice){cost + header + 4, (uint8_t)transform, EV_RUNS, 0, 0};
    return found;
}

static unsigned LANE_NAME(rank)(ev_encoder *encoder, int is_signed, uint32_t wanted, ev_choice *choices) {
    const LANE *values = (const LANE *)encoder->values;
    size_t count = encoder->count;
    LANE flip = is_signed ? (LANE)((LANE)1 << (EV_BITS - 1)) : 0; /* makes unsigned order the order of the dtype */
    LANE low = (LANE)(values[0] ^ flip), high = low;
    for (size_t i = 1; i < count; i++) {
        LANE value = (LANE)(values[i] ^ flip);
        low = value < low ? value : low;
        high = value > high ? value : high;
    }
    encoder->minimum = (LANE)(low ^ flip);
    encoder->scale = 1;
    size_t runs = LANE_NAME(count_runs)(encoder, EV_NONE);
    unsigned found = LANE_NAME(rank_transform)(encoder, EV_NONE, wanted, runs, choices);
    /* Long runs of a value: differences would only break them up. */
    if (low == high || count < 3 || runs * 16 <= count) return found;
    encoder->scale = LANE_NAME(scale_of)(values, count);
    runs = LANE_NAME(count_runs)(encoder, EV_DELTA);
    found += LANE_NAME(rank_transform)(encoder, EV_DELTA, wanted, runs, choices + found);
    if (choices[found - 1].layout != EV_CONSTANT) found += LANE_NAME(rank_transform)(encoder, EV_DELTA2, wanted, 0, choices + found);
    return found;
}

/* ---- emit ---- */

static void LANE_NAME(emit_planes)(const LANE *residuals, size_t count, ev_output *output) {
    unsigned planes = LANE_NAME(planes_of)(LANE_NAME(any_bits)(residuals, count));
    ev_put_u8(&output->description, (uint8_t)planes);
    unsigned stream = begin_stream(output, 0);
    uint8_t *to = take(output, planes * count);
    if (!to) return;
    for (unsigned plane = 0; plane < planes; plane++, to += count)
        for (size_t i = 0; i < count; i++) to[i] = (uint8_t)(residuals[i] >> 8 * plane);
    end_stream(output, stream);
}

static void LANE_NAME(emit_tokens)(const LANE *residuals, size_t count, unsigned d, unsigned q, ev_output *output) {
    ev_put_u8(&output->description, (uint8_t)(d << 4 | q));
    unsigned stream = begin_stream(output, 0);
    uint8_t *tokens = take(output, count);
    if (!tokens) return;
    end_stream(output, stream);
    stream = begin_stream(output, 1);
    uint8_t *start = take(output, count * (EV_BITS / 8) + 16), *to = start; /* the longest, and room for a last whole store */
    if (!start) return;
    uint64_t pending = 0;
    unsigned held = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned extra;
        tokens[i] = (uint8_t)token_of(residuals[i], d, q, &extra);
        if (!extra) continue;
        uint64_t bits = residuals[i] & (((uint64_t)1 << extra) - 1);
        pending |= bits << held;
        if (held + extra >= 64) {
            ev_store64(to, pending);
            to += 8;
            pending = held ? bits >> (64 - held) : 0;
            held = held + extra - 64;
        } else
            held += extra;
    }
    ev_store64(to, pending);
    to += (held + 7) / 8;
    output->bytes.at = to;
    end_stream(output, stream);
    ev_put_varint(&output->description, output->stream_length[stream]);
}

static void LANE_NAME(emit_simple)(const LANE *values, size_t count, ev_simple simple, ev_output *output) {
    if (simple.layout == EV_CONSTANT) ev_put_varint(&output->description, values[0]);
    else if (simple.layout == EV_PLANES) LANE_NAME(emit_planes)(values, count, output);
    else LANE_NAME(emit_tokens)(values, count, simple.direct_bits, simple.mantissa_bits, output);
}

static void LANE_NAME(emit_inner)(const LANE *values, size_t count, ev_output *output) {
    ev_simple simple = LANE_NAME(best_simple)(values, count, 8192);
    ev_put_u8(&output->description, simple.layout);
    ev_put_svarint(&output->description, 0);
    LANE_NAME(emit_simple)(values, count, simple, output);
}

static void LANE_NAME(emit_dictionary)(const ev_encoder *encoder, const LANE *residuals, size_t count, ev_output *output) {
    ev_slot *slots = LANE_NAME(slots_of)(encoder), *chosen[255];
    memset(slots, 0, sizeof *slots * ALL_SLOTS);
    for (size_t i = 0; i < count; i++) count_value(slots, residuals[i]);
    unsigned size = choose_entries(slots, 1.0, chosen);
    if (!size) { /* the sample promised what the whole does not hold: any one entry will do */
        chosen[size++] = slot_for(slots, residuals[0]);
        chosen[0]->code = 0;
    }
    ev_put_u8(&output->description, (uint8_t)size);
    for (unsigned code = 0; code < size; code++) ev_put_varint(&output->description, chosen[code]->value);
    LANE *escapes = LANE_NAME(run_values)(encoder);
    size_t escaped = 0;
    uint8_t *codes = take(output, count);
    if (!codes) return;
    for (size_t i = 0; i < count; i++) {
        const ev_slot *slot = slot_for(slots, residuals[i]);
        unsigned code = slot && slot->count ? slot->code : EV_ESCAPE;
        codes[i] = (uint8_t)code;
        if (code == EV_ESCAPE) escapes[escaped++] = residuals[i];
    }
    ev_put_varint(&output->description, escaped);
    output->bytes.at -= count; /* the stream begins where its codes were put */
    unsigned stream = begin_stream(output, 0);
    output->bytes.at += count;
    end_stream(output, stream);
    if (escaped) LANE_NAME(emit_inner)(escapes, escaped, output);
}

static void LANE_NAME(emit_runs)(const ev_encoder *encoder, const LANE *residuals, size_t count, ev_output *output) {
    LANE *values = LANE_NAME(run_values)(encoder);
    uint32_t *lengths = LANE_NAME(run_lengths)(encoder);
    size_t runs = LANE_NAME(split_runs)(residuals, count, values, lengths);
    ev_put_varint(&output->description, runs);
    LANE_NAME(emit_inner)(values, runs, output);
    emit_inner32(lengths, runs, output);
}

static void LANE_NAME(emit)(const ev_encoder *encoder, const ev_choice *choice, ev_output *output) {
    const LANE *values = (const LANE *)encoder->values;
    LANE *residuals = LANE_NAME(residual_room)(encoder);
    size_t count = encoder->count - choice->transform;
    LANE_NAME(residuals)(encoder, choice->transform, 0, choice->layout == EV_CONSTANT ? 1 : count, residuals);
    ev_put_u8(&output->description, (uint8_t)(choice->transform << 4 | choice->layout));
    ev_put_svarint(&output->description, ev_sign_extend(choice->transform == EV_NONE ? encoder->minimum : values[0], EV_BITS));
    if (choice->transform == EV_DELTA2) {
        LANE first;
        LANE_NAME(residuals)(encoder, EV_DELTA, 0, 1, &first);
        ev_put_svarint(&output->description, ev_sign_extend(LANE_UNZIGZAG(first), EV_BITS));
    }
    if (choice->transform != EV_NONE) ev_put_varint(&output->description, encoder->scale);
    if (choice->layout == EV_DICTIONARY) LANE_NAME(emit_dictionary)(encoder, residuals, count, output);
    else if (choice->layout == EV_RUNS) LANE_NAME(emit_runs)(encoder, residuals, count, output);
    else {
        ev_simple simple = {0, choice->layout, choice->direct_bits, choice->mantissa_bits};
        LANE_NAME(emit_simple)(residuals, count, simple, output);
    }
}

#include "ev_lanes_end.h"

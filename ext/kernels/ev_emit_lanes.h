/* The bodies of ev_encode.c that write an encoding, for one lane width. */
#include "ev_lanes.h"

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
    ev_bit_sink bits;
    if (!begin_bits(&bits, output, count * (EV_BITS / 8))) return;
    for (size_t i = 0; i < count; i++) {
        unsigned extra;
        tokens[i] = (uint8_t)token_of(residuals[i], d, q, &extra);
        put_bits(&bits, residuals[i], extra);
    }
    end_bits(&bits, output);
}

/* Emit values in bins, or zigzagged steps, which bins hold as they are. */
static void LANE_NAME(emit_bins)(const ev_encoder *encoder, const LANE *values, size_t count, int steps, const ev_bins *chosen, ev_output *output) {
    ev_bins bins = *chosen;
    ev_bin_finder finder;
    uint8_t *codes = codes_of(encoder);
    int64_t least = INT64_MAX, most = INT64_MIN;
    for (size_t i = 0; i < count; i++) {
        int64_t value = LANE_NAME(key)(values[i], steps);
        least = value < least ? value : least;
        most = value > most ? value : most;
    }
    ev_cover(&bins, least, most);
    ev_set_finder(&finder, &bins);
    unsigned used = 0;
    for (size_t i = 0; i < count; i++) {
        codes[i] = (uint8_t)ev_bin_of(&finder, &bins, LANE_NAME(key)(values[i], steps));
        used = codes[i] >= used ? codes[i] + 1u : used;
    }
    ev_trim(&bins, used);
    put_bins(&bins, EV_BITS, output);
    put_codes(codes, count, bins.code_bits, output);
    ev_bit_sink bits;
    if (!begin_bits(&bits, output, count * (EV_BITS / 8))) return;
    unsigned most_extra = 0;
    for (unsigned i = 0; i < bins.count; i++) most_extra = bins.extra[i] > most_extra ? bins.extra[i] : most_extra;
    if (most_extra && most_extra <= MOST_QUICK_BITS)
        for (size_t i = 0; i < count; i++)
            put_few_bits(&bits, (uint64_t)LANE_NAME(key)(values[i], steps) - (uint64_t)bins.low[codes[i]], bins.extra[codes[i]]);
    else if (most_extra)
        for (size_t i = 0; i < count; i++)
            put_bits(&bits, (uint64_t)LANE_NAME(key)(values[i], steps) - (uint64_t)bins.low[codes[i]], bins.extra[codes[i]]);
    end_bits(&bits, output);
}

static void LANE_NAME(emit_simple)(const LANE *values, size_t count, ev_simple simple, ev_output *output) {
    if (simple.layout == EV_CONSTANT) ev_put_varint(&output->description, values[0]);
    else if (simple.layout == EV_PLANES) LANE_NAME(emit_planes)(values, count, output);
    else LANE_NAME(emit_tokens)(values, count, simple.direct_bits, simple.mantissa_bits, output);
}

static void LANE_NAME(emit_inner)(const ev_encoder *encoder, const LANE *values, size_t count, int steps, ev_output *output) {
    ev_bins bins;
    ev_simple simple = LANE_NAME(best_simple)(values, count, 8192, steps, keys_of(encoder), &bins);
    ev_put_u8(&output->description, simple.layout);
    ev_put_svarint(&output->description, 0);
    if (simple.layout == EV_BINS) LANE_NAME(emit_bins)(encoder, values, count, steps, &bins, output);
    else LANE_NAME(emit_simple)(values, count, simple, output);
}

static void LANE_NAME(emit_dictionary)(const ev_encoder *encoder, const LANE *residuals, size_t count, ev_output *output) {
    ev_slot *slots = slots_of(encoder), *chosen[255];
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
    if (escaped) LANE_NAME(emit_inner)(encoder, escapes, escaped, 0, output);
}

static void LANE_NAME(emit_runs)(const ev_encoder *encoder, const LANE *residuals, size_t count, ev_output *output) {
    LANE *values = LANE_NAME(run_values)(encoder);
    uint32_t *lengths = run_lengths(encoder);
    size_t runs = LANE_NAME(split_runs)(residuals, count, values, lengths);
    ev_put_varint(&output->description, runs);
    LANE_NAME(emit_inner)(encoder, values, runs, 0, output);
    emit_inner32(encoder, lengths, runs, 0, output);
}

static void LANE_NAME(emit_split)(const ev_encoder *encoder, const ev_choice *choice, const LANE *residuals, size_t count, ev_output *output) {
    const ev_division *division = &encoder->divisions[choice->kept];
    uint32_t counts[EV_MAX_CONTEXTS];
    uint64_t before = 0;
    LANE_NAME(divide)(encoder, choice->transform, division, residuals, count, counts);
    put_classes(encoder, division->class_count, division->class_of, output);
    put_classes(encoder, division->before_count, division->before_of, output);
    ev_put_u8(&output->description, division->threshold_count);
    for (unsigned k = 0; k < division->threshold_count; before = division->thresholds[k++])
        ev_put_varint(&output->description, division->thresholds[k] - before);
    const LANE *of_context = LANE_NAME(run_values)(encoder);
    for (unsigned context = 0; context < division->class_count * division->before_count * (division->threshold_count + 1u); of_context += counts[context++]) {
        ev_put_varint(&output->description, counts[context]);
        if (counts[context]) LANE_NAME(emit_inner)(encoder, of_context, counts[context], choice->transform != EV_NONE, output);
    }
}

static void LANE_NAME(emit)(const ev_encoder *encoder, const ev_choice *choice, ev_output *output) {
    const LANE *values = (const LANE *)encoder->values;
    LANE *residuals = LANE_NAME(residual_room)(encoder);
    size_t count = encoder->count - ev_stated(choice->transform);
    LANE_NAME(residuals_of)(encoder, choice, choice->layout == EV_CONSTANT ? 1 : count, residuals);
    ev_put_u8(&output->description, (uint8_t)(choice->transform << 4 | choice->layout));
    ev_put_svarint(&output->description, ev_sign_extend(choice->transform == EV_NONE ? encoder->minimum : values[0], EV_BITS));
    if (choice->transform == EV_DELTA2) {
        LANE first;
        LANE_NAME(residuals)(encoder, EV_DELTA, 0, 1, &first);
        ev_put_svarint(&output->description, ev_sign_extend(LANE_UNZIGZAG(first), EV_BITS));
    }
    if (choice->transform != EV_NONE) ev_put_varint(&output->description, encoder->scale);
    if (choice->transform == EV_GRID) {
        ev_put_varint(&output->description, choice->period);
        ev_put_u8(&output->description, choice->gain);
    }
    switch (choice->layout) {
    case EV_DICTIONARY: LANE_NAME(emit_dictionary)(encoder, residuals, count, output); break;
    case EV_RUNS: LANE_NAME(emit_runs)(encoder, residuals, count, output); break;
    case EV_BINS: LANE_NAME(emit_bins)(encoder, residuals, count, choice->transform != EV_NONE, &encoder->bins[choice->kept], output); break;
    case EV_SPLIT: LANE_NAME(emit_split)(encoder, choice, residuals, count, output); break;
    default: LANE_NAME(emit_simple)(residuals, count, (ev_simple){0, choice->layout, choice->direct_bits, choice->mantissa_bits}, output);
    }
}

#include "ev_lanes_end.h"

/* Reading the description of a sequence. Whatever passes here is safe to decode. */
#include "ev_sequence.h"

static int read_stream(ev_cursor *cursor, uint64_t length, ev_stream *stream, ev_part_use *use, ev_error *error) {
    uint64_t part;
    int status = ev_get_varint(cursor, &part, error);
    if (status) return status;
    if (part >= EV_MAX_PARTS) return ev_fail(error, EV_CORRUPT, "number of a part", part, EV_MAX_PARTS - 1);
    stream->part = (uint32_t)part;
    stream->offset = use->used[part];
    stream->length = (uint32_t)length;
    use->named[part] = 1;
    use->used[part] += length; /* at most 9 MiB a stream: cannot wrap */
    return EV_OK;
}

static uint64_t largest(unsigned bits) { return ~(uint64_t)0 >> (64 - bits); }

static int read_transform(ev_cursor *cursor, ev_level *level, ev_error *error) {
    int status = ev_get_svarint(cursor, &level->base, error);
    level->scale = 1;
    if (!status && level->transform == EV_DELTA2) status = ev_get_svarint(cursor, &level->step, error);
    if (!status && level->transform != EV_NONE) status = ev_get_varint(cursor, &level->scale, error);
    if (!status && (level->scale == 0 || level->scale > largest(level->bits)))
        return ev_fail(error, EV_CORRUPT, "scale of a sequence", level->scale, largest(level->bits));
    if (status || level->transform != EV_GRID) return status;
    status = ev_get_varint(cursor, &level->period, error);
    if (!status) status = ev_get_u8(cursor, &level->gain, error);
    if (status) return status;
    if (level->period < 2 || level->period > EV_MAX_PERIOD)
        return ev_fail(error, EV_CORRUPT, "period of a grid", level->period, EV_MAX_PERIOD);
    if (level->gain < 1 || level->gain > 15) return ev_fail(error, EV_CORRUPT, "gain of a grid", level->gain, 15);
    return EV_OK;
}

static int read_constant(ev_cursor *cursor, ev_level *level, ev_error *error) {
    int status = ev_get_varint(cursor, &level->constant, error);
    if (!status && level->constant > largest(level->bits))
        return ev_fail(error, EV_CORRUPT, "constant", level->constant, largest(level->bits));
    return status;
}

static int read_planes(ev_cursor *cursor, uint32_t residuals, ev_level *level, ev_part_use *use, ev_error *error) {
    int status = ev_get_u8(cursor, &level->planes, error);
    if (status) return status;
    if (level->planes < 1 || level->planes > level->bits / 8)
        return ev_fail(error, EV_CORRUPT, "number of byte planes", level->planes, level->bits / 8);
    return read_stream(cursor, (uint64_t)level->planes * residuals, &level->streams[0], use, error);
}

/* Read the part and length of the bits beside `residuals` tokens or codes, none of more than `most_extra` bits. */
static int read_bits(ev_cursor *cursor, uint32_t residuals, unsigned most_extra, ev_level *level, ev_part_use *use, ev_error *error) {
    uint64_t length, most = ((uint64_t)residuals * most_extra + 7) / 8;
    int status = read_stream(cursor, 0, &level->streams[1], use, error);
    if (!status) status = ev_get_varint(cursor, &length, error);
    if (status) return status;
    if (length > most) return ev_fail(error, EV_CORRUPT, "bytes of extra bits", length, most);
    level->streams[1].length = (uint32_t)length;
    use->used[level->streams[1].part] += length;
    return EV_OK;
}

static int read_tokens(ev_cursor *cursor, uint32_t residuals, ev_level *level, ev_part_use *use, ev_error *error) {
    uint8_t shape;
    int status = ev_get_u8(cursor, &shape, error);
    if (status) return status;
    unsigned d = shape >> 4, q = shape & 15;
    if (d < 1 || d > 7 || q > d || (1u << d) + ((level->bits - d) << q) > 256)
        return ev_fail(error, EV_CORRUPT, "direct and mantissa bits of tokens", shape, 0x42);
    level->direct_bits = (uint8_t)d;
    level->mantissa_bits = (uint8_t)q;
    level->code_bits = 8;
    status = read_stream(cursor, residuals, &level->streams[0], use, error);
    return status ? status : read_bits(cursor, residuals, level->bits - 1u - q, level, use, error);
}

int ev_read_bin(ev_cursor *cursor, unsigned bits, uint64_t *gap, uint8_t *extra, ev_error *error) {
    uint8_t byte;
    int status = ev_get_u8(cursor, &byte, error);
    if (status) return status;
    *gap = 0;
    *extra = byte & 127;
    if (*extra > bits) return ev_fail(error, EV_CORRUPT, "extra bits of a bin", *extra, bits);
    return byte & 128 ? ev_get_svarint(cursor, gap, error) : EV_OK;
}

static int read_bins(ev_cursor *cursor, uint32_t residuals, ev_level *level, ev_part_use *use, ev_error *error) {
    uint8_t size, extra, most_extra = 0;
    uint64_t gap;
    int status = ev_get_u8(cursor, &level->code_bits, error);
    if (!status) status = ev_get_u8(cursor, &size, error);
    if (status) return status;
    unsigned width = level->code_bits;
    if (width != 1 && width != 2 && width != 4 && width != 8) return ev_fail(error, EV_CORRUPT, "code width of bins", width, 8);
    if (size >= 1u << width) return ev_fail(error, EV_CORRUPT, "number of bins", size + 1u, 1u << width);
    level->entry_count = (uint16_t)(size + 1);
    level->entries = cursor->at;
    for (unsigned i = 0; i < level->entry_count; i++) {
        status = ev_read_bin(cursor, level->bits, &gap, &extra, error);
        if (status) return status;
        if (extra > most_extra) most_extra = extra;
    }
    level->entries_end = cursor->at;
    status = read_stream(cursor, ((uint64_t)residuals * width + 7) / 8, &level->streams[0], use, error);
    return status ? status : read_bits(cursor, residuals, most_extra, level, use, error);
}

/* Read an inner level: transform 0 and a layout without inner levels of its own. */
static int read_inner(ev_cursor *cursor, uint32_t count, unsigned bits, ev_level *level, ev_part_use *use, ev_error *error) {
    uint8_t form;
    int status = ev_get_u8(cursor, &form, error);
    if (status) return status;
    memset(level, 0, sizeof *level);
    level->bits = (uint8_t)bits;
    level->count = count;
    level->layout = form & 15;
    if (form >> 4 > EV_GRID || (form & 15) > EV_SPLIT) return ev_fail(error, EV_UNSUPPORTED, "transform and layout of an inner sequence", form, EV_BINS);
    if (form != EV_CONSTANT && form != EV_PLANES && form != EV_TOKENS && form != EV_BINS)
        return ev_fail(error, EV_CORRUPT, "transform and layout of an inner sequence", form, EV_BINS);
    status = read_transform(cursor, level, error);
    if (status) return status;
    if (form == EV_CONSTANT) return read_constant(cursor, level, error);
    if (form == EV_PLANES) return read_planes(cursor, count, level, use, error);
    if (form == EV_TOKENS) return read_tokens(cursor, count, level, use, error);
    return read_bins(cursor, count, level, use, error);
}

static int read_dictionary(ev_cursor *cursor, uint32_t residuals, ev_sequence *sequence, ev_part_use *use, ev_error *error) {
    ev_level *level = &sequence->outer;
    uint8_t size;
    uint64_t value;
    int status = ev_get_u8(cursor, &size, error);
    if (status) return status;
    if (size < 1) return ev_fail(error, EV_CORRUPT, "size of a dictionary", size, 1);
    level->entry_count = size;
    level->entries = cursor->at;
    for (unsigned i = 0; i < size; i++) {
        status = ev_get_varint(cursor, &value, error);
        if (status) return status;
        if (value > largest(level->bits)) return ev_fail(error, EV_CORRUPT, "dictionary entry", value, largest(level->bits));
    }
    level->entries_end = cursor->at;
    status = ev_get_varint(cursor, &value, error);
    if (status) return status;
    if (value > residuals) return ev_fail(error, EV_CORRUPT, "escape count", value, residuals);
    level->inner_count = (uint32_t)value;
    status = read_stream(cursor, residuals, &level->streams[0], use, error);
    if (status || !value) return status;
    return read_inner(cursor, level->inner_count, level->bits, &sequence->inner[0], use, error);
}

static int read_runs(ev_cursor *cursor, uint32_t residuals, ev_sequence *sequence, ev_part_use *use, ev_error *error) {
    ev_level *level = &sequence->outer;
    uint64_t runs;
    int status = ev_get_varint(cursor, &runs, error);
    if (status) return status;
    if (runs < 1 || runs > residuals) return ev_fail(error, EV_CORRUPT, "run count", runs, residuals);
    level->inner_count = (uint32_t)runs;
    status = read_inner(cursor, level->inner_count, level->bits, &sequence->inner[0], use, error);
    if (status) return status;
    return read_inner(cursor, level->inner_count, 32, &sequence->inner[1], use, error);
}

/* Read how many classes kinds are in, and which. */
static int read_classes(ev_cursor *cursor, int kind_count, uint8_t *count, const uint8_t **classes, ev_error *error) {
    int status = ev_get_u8(cursor, count, error);
    if (status) return status;
    unsigned most = kind_count > 0 ? EV_MAX_CONTEXTS - 1 : 1;
    if (*count < 1 || *count > most) return ev_fail(error, EV_CORRUPT, "classes of a split", *count, most);
    *classes = cursor->at;
    for (int kind = 0; *count > 1 && kind < kind_count; kind++) {
        uint8_t class_;
        status = ev_get_u8(cursor, &class_, error);
        if (status) return status;
        if (class_ >= *count) return ev_fail(error, EV_CORRUPT, "class of a kind", class_, *count - 1u);
    }
    return EV_OK;
}

static int read_split(ev_cursor *cursor, uint32_t residuals, int kind_count, ev_sequence *sequence, ev_part_use *use, ev_error *error) {
    ev_split *split = &sequence->split;
    uint64_t value, threshold = 0, total = 0;
    int status = read_classes(cursor, kind_count, &split->class_count, &split->classes, error);
    if (!status) status = read_classes(cursor, kind_count, &split->before_count, &split->before, error);
    if (!status) status = ev_get_u8(cursor, &split->threshold_count, error);
    if (status) return status;
    if (split->threshold_count > 15) return ev_fail(error, EV_CORRUPT, "thresholds of a split", split->threshold_count, 15);
    unsigned contexts = split->class_count * split->before_count * (split->threshold_count + 1u);
    if (contexts < 2 || contexts > EV_MAX_CONTEXTS) return ev_fail(error, EV_CORRUPT, "contexts of a split", contexts, EV_MAX_CONTEXTS);
    for (unsigned i = 0; i < split->threshold_count; i++) {
        status = ev_get_varint(cursor, &value, error);
        if (status) return status;
        if (value < 1 || value > largest(sequence->outer.bits) - threshold)
            return ev_fail(error, EV_CORRUPT, "threshold of a split, above the one before", value, largest(sequence->outer.bits) - threshold);
        split->thresholds[i] = threshold += value;
    }
    sequence->outer.inner_count = contexts;
    for (unsigned i = 0; i < contexts; i++) {
        sequence->inner[i].bits = sequence->outer.bits;
        status = ev_get_varint(cursor, &value, error);
        if (status) return status;
        if (value > residuals - total) return ev_fail(error, EV_CORRUPT, "residuals of a context", value, residuals - total);
        total += value;
        if (value) status = read_inner(cursor, (uint32_t)value, sequence->outer.bits, &sequence->inner[i], use, error);
        if (status) return status;
    }
    return total == residuals ? EV_OK : ev_fail(error, EV_CORRUPT, "residuals of all contexts", total, residuals);
}

int ev_read_sequence(ev_cursor *cursor, uint32_t count, unsigned bits, int kind_count, ev_sequence *sequence, ev_part_use *use,
                     ev_error *error) {
    ev_level *level = &sequence->outer;
    uint8_t form;
    int status = ev_get_u8(cursor, &form, error);
    if (status) return status;
    memset(sequence, 0, sizeof *sequence);
    level->bits = (uint8_t)bits;
    level->count = count;
    level->transform = form >> 4;
    level->layout = form & 15;
    if (level->transform > EV_GRID) return ev_fail(error, EV_UNSUPPORTED, "transform of a sequence", level->transform, EV_GRID);
    if (level->layout > EV_SPLIT) return ev_fail(error, EV_UNSUPPORTED, "layout of a sequence", level->layout, EV_SPLIT);
    unsigned stated = ev_stated(level->transform);
    if (count <= stated) return ev_fail(error, EV_CORRUPT, "values of a sequence with this transform", count, stated + 1u);
    uint32_t residuals = count - stated;
    status = read_transform(cursor, level, error);
    if (status) return status;
    switch (level->layout) {
    case EV_CONSTANT: return read_constant(cursor, level, error);
    case EV_PLANES: return read_planes(cursor, residuals, level, use, error);
    case EV_DICTIONARY: return read_dictionary(cursor, residuals, sequence, use, error);
    case EV_TOKENS: return read_tokens(cursor, residuals, level, use, error);
    case EV_RUNS: return read_runs(cursor, residuals, sequence, use, error);
    case EV_BINS: return read_bins(cursor, residuals, level, use, error);
    default:
        if (kind_count == EV_NO_SPLIT) return ev_fail(error, EV_CORRUPT, "layout of held codes or positions", EV_SPLIT, EV_BINS);
        return read_split(cursor, residuals, kind_count, sequence, use, error);
    }
}

static unsigned level_streams(const ev_level *level, const ev_stream *streams[EV_MAX_STREAMS], unsigned count) {
    int coded = level->layout == EV_TOKENS || level->layout == EV_BINS;
    if (coded || level->layout == EV_PLANES || level->layout == EV_DICTIONARY) streams[count++] = &level->streams[0];
    if (coded) streams[count++] = &level->streams[1];
    return count;
}

unsigned ev_sequence_streams(const ev_sequence *sequence, const ev_stream *streams[EV_MAX_STREAMS]) {
    unsigned count = level_streams(&sequence->outer, streams, 0), inner = 0;
    switch (sequence->outer.layout) {
    case EV_DICTIONARY: inner = sequence->outer.inner_count > 0; break;
    case EV_RUNS: inner = 2; break;
    case EV_SPLIT: inner = sequence->outer.inner_count; break;
    default: break;
    }
    for (unsigned i = 0; i < inner; i++) count = level_streams(&sequence->inner[i], streams, count);
    return count;
}

size_t ev_decode_scratch(const ev_sequence *sequence) {
    size_t inner = sequence->outer.layout == EV_SPLIT ? sequence->outer.count : sequence->outer.inner_count;
    return inner * (sequence->outer.bits / 8u) + inner * 4 + 16;
}

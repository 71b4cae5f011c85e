/* Reading the description of a sequence. Whatever passes here is safe to decode. */
#include "ev_sequence.h"

static int read_stream(ev_cursor *cursor, uint64_t length, ev_stream *stream, ev_part_use *use, ev_error *error) {
    uint64_t part;
    int status = ev_get_varint(cursor, &part, error);
    if (status) return status;
    if (part >= EV_MAX_PARTS) return ev_fail(error, EV_CORRUPT, "number of a part", part, EV_MAX_PARTS - 1);
    stream->part = (uint32_t)part;
    stream->offset = use->used[part];
    stream->length = length;
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
    return status;
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

static int read_tokens(ev_cursor *cursor, uint32_t residuals, ev_level *level, ev_part_use *use, ev_error *error) {
    uint8_t shape;
    uint64_t length;
    int status = ev_get_u8(cursor, &shape, error);
    if (status) return status;
    unsigned d = shape >> 4, q = shape & 15;
    if (d < 1 || d > 7 || q > d || (1u << d) + ((level->bits - d) << q) > 256)
        return ev_fail(error, EV_CORRUPT, "direct and mantissa bits of tokens", shape, 0x42);
    level->direct_bits = (uint8_t)d;
    level->mantissa_bits = (uint8_t)q;
    status = read_stream(cursor, residuals, &level->streams[0], use, error);
    if (status) return status;
    /* The length stands behind the part's number; it is patched in below. */
    status = read_stream(cursor, 0, &level->streams[1], use, error);
    if (!status) status = ev_get_varint(cursor, &length, error);
    if (status) return status;
    uint64_t most = ((uint64_t)residuals * (level->bits - 1 - q) + 7) / 8;
    if (length > most) return ev_fail(error, EV_CORRUPT, "bytes of token bits", length, most);
    level->streams[1].length = length;
    use->used[level->streams[1].part] += length;
    return EV_OK;
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
    if (form >> 4 > EV_DELTA2 || (form & 15) > EV_RUNS) return ev_fail(error, EV_UNSUPPORTED, "transform and layout of an inner sequence", form, EV_TOKENS);
    if (form != EV_CONSTANT && form != EV_PLANES && form != EV_TOKENS)
        return ev_fail(error, EV_CORRUPT, "transform and layout of an inner sequence", form, EV_TOKENS);
    status = read_transform(cursor, level, error);
    if (status) return status;
    if (form == EV_CONSTANT) return read_constant(cursor, level, error);
    if (form == EV_PLANES) return read_planes(cursor, count, level, use, error);
    return read_tokens(cursor, count, level, use, error);
}

static int read_dictionary(ev_cursor *cursor, uint32_t residuals, ev_sequence *sequence, ev_part_use *use, ev_error *error) {
    ev_level *level = &sequence->outer;
    uint8_t size;
    uint64_t value;
    int status = ev_get_u8(cursor, &size, error);
    if (status) return status;
    if (size < 1) return ev_fail(error, EV_CORRUPT, "size of a dictionary", size, 1);
    level->dictionary_size = size;
    level->dictionary = cursor->at;
    for (unsigned i = 0; i < size; i++) {
        status = ev_get_varint(cursor, &value, error);
        if (status) return status;
        if (value > largest(level->bits)) return ev_fail(error, EV_CORRUPT, "dictionary entry", value, largest(level->bits));
    }
    level->dictionary_end = cursor->at;
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

int ev_read_sequence(ev_cursor *cursor, uint32_t count, unsigned bits, ev_sequence *sequence, ev_part_use *use,
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
    if (level->transform > EV_DELTA2) return ev_fail(error, EV_UNSUPPORTED, "transform of a sequence", level->transform, EV_DELTA2);
    if (level->layout > EV_RUNS) return ev_fail(error, EV_UNSUPPORTED, "layout of a sequence", level->layout, EV_RUNS);
    if (count <= level->transform) return ev_fail(error, EV_CORRUPT, "values of a sequence with this transform", count, level->transform + 1u);
    uint32_t residuals = count - level->transform;
    status = read_transform(cursor, level, error);
    if (status) return status;
    switch (level->layout) {
    case EV_CONSTANT: return read_constant(cursor, level, error);
    case EV_PLANES: return read_planes(cursor, residuals, level, use, error);
    case EV_DICTIONARY: return read_dictionary(cursor, residuals, sequence, use, error);
    case EV_TOKENS: return read_tokens(cursor, residuals, level, use, error);
    default: return read_runs(cursor, residuals, sequence, use, error);
    }
}

static unsigned level_streams(const ev_level *level, const ev_stream *streams[4], unsigned count) {
    if (level->layout == EV_PLANES || level->layout == EV_DICTIONARY || level->layout == EV_TOKENS)
        streams[count++] = &level->streams[0];
    if (level->layout == EV_TOKENS) streams[count++] = &level->streams[1];
    return count;
}

unsigned ev_sequence_streams(const ev_sequence *sequence, const ev_stream *streams[4]) {
    unsigned count = level_streams(&sequence->outer, streams, 0);
    if (sequence->outer.layout == EV_RUNS || (sequence->outer.layout == EV_DICTIONARY && sequence->outer.inner_count))
        count = level_streams(&sequence->inner[0], streams, count);
    if (sequence->outer.layout == EV_RUNS) count = level_streams(&sequence->inner[1], streams, count);
    return count;
}

size_t ev_decode_scratch(const ev_sequence *sequence) {
    size_t inner = sequence->outer.inner_count;
    return inner * (sequence->outer.bits / 8u) + inner * 4 + 16;
}

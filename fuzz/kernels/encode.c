/* Any values, encoded in every way that the encoder finds: each comes back, and every level writes the same bytes.
 *
 * Input: shape, search, count, then steps that make the values, and kinds. */
#include "fuzz.h"

typedef struct {
    ev_encoder encoder;
    ev_choice choices[EV_MAX_CHOICES];
    unsigned found;
    uint8_t *scratch;
    size_t room;
} ranking;

static void rank_at(const ev_kernels *kernels, const ev_encoder *what, ev_search search, unsigned level, ranking *ways) {
    ways->encoder = *what;
    ways->room = kernels->encode_scratch(what->count, what->bits);
    ways->scratch = exact(ways->room, 0xA7 + (int)level);
    ways->encoder.scratch = ways->scratch;
    ways->found = kernels->rank(&ways->encoder, search, ways->choices);
    require(ways->found >= 1 && ways->found <= EV_MAX_CHOICES, "there is a way to encode");
}

/* Bytes of a description and of streams, in one buffer of exact size. */
typedef struct {
    uint8_t *space;
    size_t room;
    ev_output output;
} written;

static written emit_at(const ev_kernels *kernels, const ev_encoder *encoder, const ev_choice *choice) {
    written to;
    size_t bytes = kernels->encode_room(encoder->count, encoder->bits);
    to.room = EV_DESCRIPTION_ROOM + bytes;
    to.space = malloc(to.room);
    require(to.space != NULL, "memory of the machine");
    memset(&to.output, 0, sizeof to.output);
    to.output.description = (ev_sink){to.space, to.space + EV_DESCRIPTION_ROOM, 0};
    to.output.bytes = (ev_sink){to.space + EV_DESCRIPTION_ROOM, to.space + to.room, 0};
    to.output.description_start = to.output.description.at;
    to.output.bytes_start = to.output.bytes.at;
    require(!kernels->emit(encoder, choice, &to.output), "there is room for every way");
    return to;
}

static void require_same_bytes(const written *a, const written *b) {
    size_t description = (size_t)(a->output.description.at - a->space), bytes = (size_t)(a->output.bytes.at - a->output.bytes_start);
    require(a->output.stream_count == b->output.stream_count, "every level writes the same streams");
    require(description == (size_t)(b->output.description.at - b->space), "every level writes descriptions of the same size");
    require(bytes == (size_t)(b->output.bytes.at - b->output.bytes_start), "every level writes streams of the same size");
    require(!memcmp(a->space, b->space, description), "every level writes the same description");
    require(!memcmp(a->output.bytes_start, b->output.bytes_start, bytes), "every level writes the same streams");
}

/* Classes of rows as ev_decode_column makes them. */
static uint8_t *classes_of(const ev_sequence *sequence, const ev_encoder *encoder) {
    const ev_split *split = &sequence->split;
    if (!ev_is_classed(sequence)) return NULL;
    uint8_t *classes = exact(encoder->count, 0), class_of[256] = {0}, before_of[256] = {0}, before = 0;
    for (uint32_t i = 0; i < encoder->listed_count; i++) {
        if (split->class_count > 1) class_of[encoder->listed[i]] = (uint8_t)(split->classes[i] * split->before_count);
        if (split->before_count > 1) before_of[encoder->listed[i]] = split->before[i];
    }
    for (uint32_t i = 0; i < encoder->count; i++) {
        classes[i] = (uint8_t)(class_of[encoder->kinds[i]] + before);
        before = before_of[encoder->kinds[i]];
    }
    return classes;
}

static void require_back(const ev_kernels *kernels, const ev_encoder *encoder, const written *from) {
    size_t size = (size_t)encoder->count * (encoder->bits / 8u), length = (size_t)(from->output.description.at - from->space);
    uint8_t *description = exact_copy(from->space, length), *parts[EV_MAX_STREAMS] = {NULL};
    ev_part_use use;
    ev_sequence sequence;
    ev_error error;
    memset(&use, 0, sizeof use);
    for (unsigned i = 0; i < from->output.stream_count; i++) {
        description[from->output.part_at[i]] = (uint8_t)i;
        parts[i] = exact_copy(from->output.bytes_start + from->output.stream_start[i], from->output.stream_length[i]);
    }
    ev_cursor cursor = {description, description + length};
    int kinds = encoder->kinds ? (int)encoder->listed_count : EV_NO_CLASSES;
    require(!ev_read_sequence(&cursor, encoder->count, encoder->bits, kinds, &sequence, &use, &error), "what was written can be read");
    require(cursor.at == cursor.end, "the description ends where it was written to");
    for (unsigned i = 0; i < from->output.stream_count; i++) require(use.used[i] == from->output.stream_length[i], "streams are as long as written");
    uint8_t *classes = classes_of(&sequence, encoder), *values = exact(size, 0x51);
    size_t room = ev_decode_scratch(&sequence);
    uint8_t *scratch = exact(room, 0xA7);
    require(!kernels->decode(&sequence, (const uint8_t *const *)parts, classes, values, scratch, &error), "what was written can be decoded");
    require(!memcmp(values, encoder->values, size), "values come back");
    release(scratch, room);
    release(values, size);
    free(classes);
    for (unsigned i = 0; i < from->output.stream_count; i++) release(parts[i], from->output.stream_length[i]);
    release(description, length);
}

/* Steps that make values: runs, walks, polls of a clock, noise, and bytes as they are. */
static void make_values(input *in, unsigned bits, uint32_t count, uint8_t *values) {
    uint64_t value = 0, step = 1, state = 1;
    unsigned width = bits / 8, manner = 0, left = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!left--) {
            unsigned byte = take(in);
            manner = byte & 7;
            left = manner > 4 ? byte >> 3 : byte >> 6;
            if (manner == 1 || manner == 6) step = take(in) + 1u;
            if (manner == 2) step = (uint64_t)take(in) << (take(in) & 63);
        }
        state = state * 6364136223846793005u + 1442695040888963407u;
        switch (manner) {
        case 0: value = value + (uint64_t)(int64_t)(int8_t)take(in); break;
        case 1: case 2: value += step; break;
        case 3: for (unsigned k = 0; k < width; k++) value = value << 8 | take(in); break;
        case 4: value = take(in); break;
        case 5: break;
        case 6: value += step * 1000 + (state >> 60); break;
        default: value = state >> (64 - bits) >> (take(in) & 31) % bits; break;
        }
        for (unsigned k = 0; k < width; k++) values[(size_t)i * width + k] = (uint8_t)(value >> 8 * k);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint32_t SAMPLES[] = {0, 16, 256, 4096};
    input in = {data, data + size};
    unsigned shape = take(&in), bits = 8u << (shape & 3);
    unsigned first = next_level(0), level;
    uint8_t listed[256], seen[256] = {0};
    ev_search search = {SAMPLES[shape >> 4 & 3], shape >> 6 & 1};
    ev_encoder what;
    memset(&what, 0, sizeof what);
    what.count = take_count(&in);
    what.bits = (uint8_t)bits;
    what.is_signed = shape >> 2 & 1;
    size_t bytes = (size_t)what.count * (bits / 8);
    uint8_t *values = exact(bytes, 0), *kinds = NULL;
    make_values(&in, bits, what.count, values);
    what.values = values;
    if (shape & 8) {
        kinds = exact(what.count, 0);
        fill_from(&in, data, kinds, what.count);
        for (uint32_t i = 0; i < what.count; i++) seen[kinds[i] %= 6] = 1;
        for (unsigned kind = 0; kind < 256; kind++)
            if (seen[kind]) listed[what.listed_count++] = (uint8_t)kind;
        what.kinds = kinds;
        what.listed = listed;
    }
    static ranking ways[EV_CPU_LEVELS];
    for (level = first; level < EV_CPU_LEVELS; level = next_level(level + 1)) {
        rank_at(ev_cpu_kernels(level), &what, search, level, &ways[level]);
        require(ways[level].found == ways[first].found, "every level finds as many ways");
    }
    for (unsigned way = 0; way < ways[first].found; way++) {
        written here, there;
        for (level = first; level < EV_CPU_LEVELS; level = next_level(level + 1)) {
            there = emit_at(ev_cpu_kernels(level), &ways[level].encoder, &ways[level].choices[way]);
            require_back(ev_cpu_kernels(level), &ways[level].encoder, &there);
            if (level == first) here = there;
            else {
                require_same_bytes(&here, &there);
                free(there.space);
            }
        }
        free(here.space);
        if (what.count < 8) continue;
        ev_encoder middle = ways[first].encoder; /* as SequenceEncoder.encode does to see what a way costs */
        middle.values = values + (size_t)(what.count / 4) * (bits / 8);
        if (kinds) middle.kinds += what.count / 4;
        middle.count = what.count / 2;
        there = emit_at(ev_cpu_kernels(first), &middle, &ways[first].choices[way]);
        free(there.space);
    }
    for (level = first; level < EV_CPU_LEVELS; level = next_level(level + 1)) release(ways[level].scratch, ways[level].room);
    if (kinds) release(kinds, what.count);
    release(values, bytes);
    return 0;
}

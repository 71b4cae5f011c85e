/* One sequence: its description, and decoding it from streams of any bytes. The fastest target.
 *
 * Input: shape, count, the description (docs/format.md, section 5.2), bytes of the parts. */
#include "fuzz.h"

enum { MOST_BYTES = 1 << 16 };

/* Classes as ev_decode_column makes them: below class_count x before_count. */
static uint8_t *classes_of(const ev_sequence *sequence, uint32_t count) {
    unsigned classes = sequence->split.class_count * sequence->split.before_count;
    if (!ev_is_classed(sequence)) return NULL;
    uint8_t *of_rows = exact(count, 0);
    for (uint32_t i = 0; i < count; i++) of_rows[i] = (uint8_t)(i * 7 % 31 % classes);
    return of_rows;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input in = {data, data + size};
    ev_sequence sequence;
    ev_part_use use;
    ev_error error;
    unsigned shape = take(&in), bits = 8u << (shape & 3), total = 0;
    int kinds = (int)(shape >> 2 & 15) - 1; /* EV_NO_SPLIT, EV_NO_CLASSES, or 1 to 14 kinds */
    uint32_t count = take_count(&in);
    memset(&use, 0, sizeof use);
    size_t length = (size_t)(in.end - in.at);
    uint8_t *description = exact_copy(in.at, length), *part[EV_MAX_PARTS] = {NULL};
    ev_cursor cursor = {description, description + length};
    int status = ev_read_sequence(&cursor, count, bits, kinds, &sequence, &use, &error);
    in.at += cursor.at - description;
    const uint8_t *start = in.at;
    const ev_stream *streams[EV_MAX_STREAMS];
    unsigned stream_count = status ? 0 : ev_sequence_streams(&sequence, streams);
    for (unsigned i = 0; i < stream_count; i++) total += streams[i]->length;
    if (status || total > MOST_BYTES) {
        release(description, length);
        return 0;
    }
    for (unsigned i = 0; i < stream_count; i++) {
        unsigned at = streams[i]->part;
        require(use.named[at] && streams[i]->offset + streams[i]->length <= use.used[at], "streams lie in their parts");
        if (part[at] || !use.used[at]) continue;
        part[at] = exact(use.used[at], 0);
        fill_from(&in, start, part[at], use.used[at]);
    }
    uint8_t *classes = classes_of(&sequence, count);
    agreed first = {0};
    for (EACH_LEVEL(level)) {
        size_t bytes = (size_t)count * (bits / 8), room = ev_decode_scratch(&sequence);
        uint8_t *values = exact(bytes, 0x51 + (int)level), *scratch = exact(room, 0xA7 + (int)level);
        error = (ev_error){"", 0, 0};
        status = ev_cpu_kernels(level)->decode(&sequence, (const uint8_t *const *)part, classes, values, scratch, &error);
        release(scratch, room);
        agree(&first, status, values, bytes);
    }
    release(first.values, count);
    free(classes);
    for (unsigned i = 0; i < stream_count; i++) {
        free(part[streams[i]->part]);
        part[streams[i]->part] = NULL;
    }
    release(description, length);
    return 0;
}

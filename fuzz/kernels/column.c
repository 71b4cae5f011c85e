/* Columns with all that they may hold: sequences of every layout, masks, classes, held codes. Parts are as long as the
 * columns ask for, so that nearly every input reaches a decoder.
 *
 * Input: shape, kinds, their counts, columns (docs/format.md, section 5.1), bytes of the parts. */
#include "fuzz.h"

enum { MOST_KINDS = 15, MOST_COLUMNS = 4, MOST_BYTES = 1 << 16 };

typedef struct {
    ev_rows rows;
    uint8_t kinds[MOST_KINDS];
    uint32_t counts[MOST_KINDS];
    uint8_t *of_rows;
} events;

/* Kinds in ascending order, and how many rows there are of each. */
static void take_kinds(input *in, unsigned count, events *all) {
    unsigned kind = 0;
    all->rows.kinds = all->kinds;
    all->rows.kind_rows = all->counts;
    for (unsigned i = 0; i < count; i++) {
        kind += i ? 1u + take(in) % 16 : take(in) % 16;
        all->kinds[i] = (uint8_t)kind;
        all->counts[i] = take_count(in);
        all->rows.rows += all->counts[i];
    }
    all->rows.kind_count = count;
}

/* The kind of each row: as the counts say, in order or shuffled (Fisher and Yates), or whatever the input says. */
static void set_kinds(input *in, const uint8_t *start, unsigned manner, events *all) {
    size_t row = 0;
    uint32_t state = in->at < in->end ? *in->at : 1;
    all->of_rows = exact(all->rows.rows, 0);
    for (uint32_t i = 0; i < all->rows.kind_count; i++)
        for (uint32_t k = 0; k < all->counts[i]; k++) all->of_rows[row++] = all->kinds[i];
    for (; manner == 1 && row > 1; row--) {
        state = state * 1664525u + 1013904223u;
        size_t other = (state >> 8) % row;
        uint8_t kind = all->of_rows[row - 1];
        all->of_rows[row - 1] = all->of_rows[other];
        all->of_rows[other] = kind;
    }
    if (manner == 2) fill_from(in, start, all->of_rows, all->rows.rows);
    if (manner == 3 && all->rows.kind_count)
        for (size_t i = 0; i < all->rows.rows; i++) all->of_rows[i] = all->kinds[all->of_rows[i] % all->rows.kind_count];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input in = {data, data + size};
    events all = {0};
    ev_column columns[MOST_COLUMNS];
    ev_part_use use;
    ev_error error;
    unsigned shape = take(&in), in_index = shape >> 7, wanted = 1 + (shape >> 4) % MOST_COLUMNS, count = 0;
    memset(&use, 0, sizeof use);
    take_kinds(&in, in_index ? 1 : 1 + take(&in) % MOST_KINDS, &all);
    if (in_index) all.rows.kind_count = 0, all.rows.kinds = NULL, all.rows.kind_rows = NULL;
    size_t length = (size_t)(in.end - in.at);
    uint8_t *description = exact_copy(in.at, length);
    ev_cursor cursor = {description, description + length};
    const uint8_t *dtypes = in_index ? INDEX_DTYPES : STANDARD_DTYPES;
    uint32_t last = (uint32_t)(in_index ? sizeof INDEX_DTYPES : sizeof STANDARD_DTYPES) - 1;
    while (count < wanted && !ev_read_column(&cursor, &all.rows, (int)in_index, dtypes, last, &columns[count], &use, &error)) count++;
    in.at += cursor.at - description;
    const uint8_t *start = in.at;
    uint8_t *part[EV_MAX_PARTS];
    uint64_t total = 0;
    for (unsigned i = 0; i < EV_MAX_PARTS; i++) total += use.used[i];
    if (total > MOST_BYTES) count = 0;
    for (unsigned i = 0; count && i < EV_MAX_PARTS; i++) {
        part[i] = NULL;
        if (!use.used[i]) continue;
        part[i] = exact(use.used[i], 0);
        fill_from(&in, start, part[i], use.used[i]);
    }
    if (count) set_kinds(&in, start, in_index ? 0 : shape >> 2 & 3, &all);
    for (unsigned i = 0; i < count; i++) {
        uint8_t *values = decode_everywhere(&columns[i], &all.rows, (const uint8_t *const *)part, in_index ? NULL : all.of_rows);
        if (values) release(values, (size_t)all.rows.rows * (ev_dtype_bits(columns[i].dtype) / 8));
    }
    for (unsigned i = 0; count && i < EV_MAX_PARTS; i++) free(part[i]);
    if (count) release(all.of_rows, all.rows.rows);
    release(description, length);
    return 0;
}

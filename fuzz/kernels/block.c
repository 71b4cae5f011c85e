/* A whole block or index table, as it stands in a stream: head, sections, columns, parts.
 *
 * Input: 0 and the payload of a block (docs/format.md, section 4), or 1, the count of rows and the table of an index (7). Parts that are
 * compressed hold what their stored bytes repeated give: kernels know no zstd. */
#include "ev_block.h"
#include "fuzz.h"

enum { MOST_EVENTS = 4096, MOST_COLUMNS = 48, MOST_BYTES = 1 << 16 };

typedef struct {
    const ev_rows *rows;
    int in_index;
    uint8_t *kinds; /* of the rows, where they are known */
} surroundings;

static uint8_t *raw_part(const ev_part *part) {
    uint8_t *raw = exact(part->raw_length, 0x33);
    input in = {part->bytes, part->bytes + part->stored_length};
    if (part->stored_length) fill_from(&in, part->bytes, raw, part->raw_length);
    return raw;
}

static void decode_columns(const ev_column *columns, uint32_t count, const uint8_t *const *parts, surroundings *around, const ev_block_head *head) {
    for (uint32_t i = 0; i < count && !around->in_index && !around->kinds; i++) {
        if (columns[i].id != EV_KIND_COLUMN || columns[i].dtype != 4 || columns[i].stored != around->rows->rows) continue;
        uint8_t *kinds = decode_everywhere(&columns[i], around->rows, parts, NULL);
        if (kinds && ev_cpu_kernels(0)->kinds_match(kinds, head->events, head->kinds, head->kind_rows, head->kind_count)) around->kinds = kinds;
        else if (kinds) release(kinds, around->rows->rows);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *values = decode_everywhere(&columns[i], around->rows, parts, around->kinds);
        if (values) release(values, (size_t)around->rows->rows * (ev_dtype_bits(columns[i].dtype) / 8));
    }
}

/* Read and decode a table. */
static void try_table(const uint8_t *from, size_t length, surroundings *around, const ev_block_head *head) {
    uint8_t *body = exact_copy(from, length), *raw[EV_MAX_PARTS] = {NULL};
    const uint8_t *starts[EV_MAX_PARTS];
    const uint8_t *dtypes = around->in_index ? INDEX_DTYPES : STANDARD_DTYPES;
    uint32_t last = (uint32_t)(around->in_index ? sizeof INDEX_DTYPES : sizeof STANDARD_DTYPES) - 1, count = 0, part_count = 0;
    ev_cursor cursor = {body, body + length};
    ev_part *parts = exact(EV_MAX_PARTS * sizeof(ev_part), 0x77);
    ev_part_use use;
    ev_error error;
    uint64_t total = 0;
    memset(&use, 0, sizeof use);
    int status = ev_read_column_count(&cursor, &count, &error);
    if (!status && count > MOST_COLUMNS) status = EV_LIMIT;
    ev_column *columns = exact(status ? 0 : count * sizeof(ev_column), 0x77);
    size_t room = status ? 0 : count * sizeof(ev_column);
    for (uint32_t i = 0; !status && i < count; i++)
        status = ev_read_column(&cursor, around->rows, around->in_index, dtypes, last, &columns[i], &use, &error);
    if (!status) status = ev_read_parts(&cursor, &use, parts, &part_count, &error);
    for (uint32_t i = 0; !status && i < part_count; i++) total += parts[i].raw_length;
    if (!status && total <= MOST_BYTES) {
        for (uint32_t i = 0; i < part_count; i++) starts[i] = parts[i].codec ? raw[i] = raw_part(&parts[i]) : parts[i].bytes;
        decode_columns(columns, count, starts, around, head);
        for (uint32_t i = 0; i < part_count; i++)
            if (parts[i].codec) release(raw[i], parts[i].raw_length);
    }
    release(columns, room);
    release(parts, EV_MAX_PARTS * sizeof(ev_part));
    release(body, length);
}

static void try_block(const uint8_t *data, size_t size) {
    ev_error error;
    uint8_t *payload = exact_copy(data, size);
    ev_block_head *head = exact(sizeof *head, 0x77);
    int status = ev_read_block_head(payload, size, head, &error);
    if (!status && head->events <= MOST_EVENTS) {
        ev_rows rows = {head->events, head->kind_count, head->kinds, head->kind_rows};
        surroundings around = {&rows, 0, NULL};
        for (uint32_t i = 0; i < head->section_count; i++) {
            const ev_section *section = &head->sections[i];
            require(section->offset <= size && section->length <= size - section->offset, "sections lie in the payload");
            if (!section->storage) try_table(payload + section->offset, (size_t)section->length, &around, head);
        }
        if (around.kinds) release(around.kinds, rows.rows);
    }
    release(head, sizeof *head);
    release(payload, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input in = {data, data + size};
    if (!(take(&in) & 1)) {
        try_block(in.at, (size_t)(in.end - in.at));
        return 0;
    }
    ev_rows rows = {take_count(&in), 0, NULL, NULL};
    surroundings around = {&rows, 1, NULL};
    try_table(in.at, (size_t)(in.end - in.at), &around, NULL);
    return 0;
}

#include "ev_table.h"

#include "ev_held.h"

unsigned ev_dtype_bits(unsigned code) { return code < 8 ? 8u << (code & 3) : 0; }

int ev_read_column_count(ev_cursor *cursor, uint32_t *count, ev_error *error) {
    uint64_t value;
    int status = ev_get_varint(cursor, &value, error);
    if (status) return status;
    if (value > EV_MAX_COLUMNS) return ev_fail(error, EV_LIMIT, "columns of a table", value, EV_MAX_COLUMNS);
    *count = (uint32_t)value;
    return EV_OK;
}

static int read_bytes(ev_cursor *cursor, size_t length, const uint8_t **bytes, ev_error *error) {
    if (length > ev_left(cursor)) return ev_fail(error, EV_SHORT, "bytes left for a field", ev_left(cursor), length);
    *bytes = cursor->at;
    cursor->at += length;
    return EV_OK;
}

static int read_name(ev_cursor *cursor, int in_index, ev_column *column, ev_error *error) {
    int status = ev_get_u8(cursor, &column->name_length, error);
    if (status) return status;
    if (column->name_length < 1) return ev_fail(error, EV_CORRUPT, "length of a column name", 0, 1);
    if (column->name_length > 64) return ev_fail(error, EV_LIMIT, "length of a column name", column->name_length, 64);
    status = read_bytes(cursor, column->name_length, &column->name, error);
    if (!status && !in_index) status = ev_get_u8(cursor, &column->group, error);
    return status;
}

static int selects(const uint8_t *mask, uint32_t kind) { return mask[kind / 8] >> (kind % 8) & 1; }

/* Read the mask and count the rows that it selects. */
static int read_mask(ev_cursor *cursor, const ev_rows *rows, ev_column *column, ev_error *error) {
    uint32_t kinds = rows->kind_count;
    int status = read_bytes(cursor, (kinds + 7) / 8, &column->mask, error);
    if (status) return status;
    column->stored = 0;
    for (uint32_t kind = 0; kind < kinds; kind++)
        if (selects(column->mask, kind)) column->stored += rows->kind_rows[kind];
    if (kinds % 8 && column->mask[kinds / 8] >> (kinds % 8))
        return ev_fail(error, EV_CORRUPT, "reserved bits of a kind mask", column->mask[kinds / 8] >> (kinds % 8), 0);
    return EV_OK;
}

/* Read held codes, behind their marker. */
static int read_held(ev_cursor *cursor, const ev_rows *rows, ev_column *column, ev_part_use *use, ev_error *error) {
    unsigned bits = ev_dtype_bits(column->dtype);
    uint32_t placed = 0;
    uint64_t codes;
    int status = ev_get_varint(cursor, &codes, error);
    if (status) return status;
    for (uint32_t kind = 0; kind < rows->kind_count; kind++)
        if (selects(column->mask, kind) && ev_takes_position(rows->kinds[kind])) placed += rows->kind_rows[kind];
    if (codes > column->stored || codes + placed < column->stored) return ev_fail(error, EV_CORRUPT, "held codes", codes, column->stored);
    column->held = 1;
    if (codes) status = ev_read_sequence(cursor, (uint32_t)codes, bits, EV_NO_SPLIT, &column->sequence, use, error);
    if (!status && placed) status = ev_read_sequence(cursor, placed, 8, EV_NO_SPLIT, &column->positions, use, error);
    return status;
}

/* Read what is said of the values of the stored rows, of which there are some. */
static int read_values(ev_cursor *cursor, const ev_rows *rows, int in_index, ev_column *column, ev_part_use *use, ev_error *error) {
    int kinds = in_index || column->id == EV_KIND_COLUMN ? EV_NO_CLASSES : (int)rows->kind_count;
    if (ev_left(cursor) && *cursor->at == EV_HELD) {
        if (in_index || column->id == EV_KIND_COLUMN) return ev_fail(error, EV_CORRUPT, "held codes where rows have no kinds", EV_HELD, EV_SPLIT);
        cursor->at++;
        return read_held(cursor, rows, column, use, error);
    }
    return ev_read_sequence(cursor, column->stored, ev_dtype_bits(column->dtype), kinds, &column->sequence, use, error);
}

int ev_read_column(ev_cursor *cursor, const ev_rows *rows, int in_index, const uint8_t *standard_dtypes, uint32_t last_id,
                   ev_column *column, ev_part_use *use, ev_error *error) {
    uint64_t key;
    int status = ev_get_varint(cursor, &key, error);
    if (status) return status;
    memset(column, 0, sizeof *column);
    if (key >> 1 > last_id) return ev_fail(error, EV_UNSUPPORTED, "id of a column", key >> 1, last_id);
    column->id = (uint32_t)(key >> 1);
    column->has_dtype = key & 1;
    if (!key) return ev_fail(error, EV_CORRUPT, "named column without a dtype, id field", key, 1);
    if (!column->id) {
        status = read_name(cursor, in_index, column, error);
        if (status) return status;
    }
    column->dtype = column->id ? standard_dtypes[column->id] : 0;
    if (column->has_dtype) {
        status = ev_get_u8(cursor, &column->dtype, error);
        if (status) return status;
        if (column->dtype > 7) return ev_fail(error, EV_CORRUPT, "dtype of a column", column->dtype, 7);
    }
    column->stored = rows->rows;
    if (!in_index) status = read_mask(cursor, rows, column, error);
    if (status || !column->stored) return status;
    return read_values(cursor, rows, in_index, column, use, error);
}

int ev_read_parts(ev_cursor *cursor, const ev_part_use *use, ev_part *parts, uint32_t *count, ev_error *error) {
    uint64_t value;
    int status = ev_get_varint(cursor, &value, error);
    if (status) return status;
    if (value > EV_MAX_PARTS) return ev_fail(error, EV_LIMIT, "parts of a table", value, EV_MAX_PARTS);
    *count = (uint32_t)value;
    for (uint32_t i = 0; i < *count; i++) {
        status = ev_get_u8(cursor, &parts[i].codec, error);
        if (!status && parts[i].codec > 1) return ev_fail(error, EV_UNSUPPORTED, "codec of a part", parts[i].codec, 1);
        if (!status) status = ev_get_varint(cursor, &parts[i].raw_length, error);
        if (!status && parts[i].codec && !parts[i].raw_length) return ev_fail(error, EV_CORRUPT, "codec of a part of no bytes", parts[i].codec, 0);
        parts[i].stored_length = parts[i].raw_length;
        if (!status && parts[i].codec) status = ev_get_varint(cursor, &parts[i].stored_length, error);
        if (status) return status;
        if (parts[i].raw_length > EV_MAX_PART_BYTES) return ev_fail(error, EV_LIMIT, "raw length of a part", parts[i].raw_length, EV_MAX_PART_BYTES);
        if (parts[i].raw_length != use->used[i])
            return ev_fail(error, EV_CORRUPT, "raw length of a part", parts[i].raw_length, use->used[i]);
    }
    for (uint32_t i = *count; i < EV_MAX_PARTS; i++)
        if (use->named[i]) return ev_fail(error, EV_CORRUPT, "number of a part", i, *count);
    for (uint32_t i = 0; i < *count; i++) {
        if (parts[i].stored_length > ev_left(cursor))
            return ev_fail(error, EV_SHORT, "bytes left for a part", ev_left(cursor), parts[i].stored_length);
        status = read_bytes(cursor, (size_t)parts[i].stored_length, &parts[i].bytes, error);
        if (status) return status;
    }
    return ev_left(cursor) ? ev_fail(error, EV_CORRUPT, "bytes behind the last part", ev_left(cursor), 0) : EV_OK;
}

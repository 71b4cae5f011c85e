#include "ev_column.h"

#include "ev_held.h"
#include "ev_kinds.h"

int ev_needs_kinds(const ev_column *column, uint32_t rows) {
    return column->stored && (column->stored < rows || column->held || ev_is_classed(&column->sequence));
}

unsigned ev_column_streams(const ev_column *column, const ev_stream *streams[EV_MAX_COLUMN_STREAMS]) {
    unsigned count = column->sequence.outer.count ? ev_sequence_streams(&column->sequence, streams) : 0;
    return column->positions.outer.count ? count + ev_sequence_streams(&column->positions, streams + count) : count;
}

static size_t aligned(size_t bytes) { return (bytes + 7) / 8 * 8; }

/* Where things stand in the scratch, and where it ends. */
typedef struct {
    size_t stored, kinds, codes, positions, inner, end;
} ev_layout;

static ev_layout lay_out(const ev_column *column, uint32_t rows) {
    size_t size = ev_dtype_bits(column->dtype) / 8, inner = ev_decode_scratch(&column->sequence), of_positions;
    ev_layout at;
    at.stored = 0;
    at.kinds = at.stored + (column->stored < rows ? aligned((column->stored + (size_t)1) * size) : 0);
    at.codes = at.kinds + (column->held || ev_is_classed(&column->sequence) ? aligned(rows) : 0);
    at.positions = at.codes + (column->held ? aligned(column->sequence.outer.count * size) : 0);
    at.inner = at.positions + aligned(column->positions.outer.count);
    of_positions = column->positions.outer.count ? ev_decode_scratch(&column->positions) : 0;
    at.end = at.inner + (inner > of_positions ? inner : of_positions);
    return at;
}

size_t ev_column_scratch(const ev_column *column, uint32_t rows) { return lay_out(column, rows).end; }

static int decode_held(const ev_column *column, const uint8_t *const *parts, const uint8_t *kinds, uint8_t *scratch, const ev_layout *at,
                       void *values, ev_error *error) {
    uint32_t codes = column->sequence.outer.count;
    int status = codes ? ev_decode(&column->sequence, parts, NULL, scratch + at->codes, scratch + at->inner, error) : EV_OK;
    if (!status && column->positions.outer.count)
        status = ev_decode(&column->positions, parts, NULL, scratch + at->positions, scratch + at->inner, error);
    if (status) return status;
    return ev_release(scratch + at->codes, codes, ev_dtype_bits(column->dtype) / 8, scratch + at->positions, kinds, column->stored, values, error);
}

/* Set the kinds of the stored rows; `own` has room for all rows, since their kinds may contradict the head of the block. */
static int stored_kinds(const ev_column *column, uint32_t rows, const uint8_t *kinds, const uint8_t selected[256], uint8_t *own, ev_error *error) {
    size_t found = 0;
    for (size_t i = 0; i < rows; i++) { /* no branch depends on the kind */
        own[found] = kinds[i];
        found += selected[kinds[i]];
    }
    return found == column->stored ? EV_OK : ev_fail(error, EV_CORRUPT, "rows of the kinds of a mask", found, column->stored);
}

int ev_decode_column(const ev_column *column, const ev_rows *rows, const uint8_t *const *parts, const uint8_t *kinds, void *out, void *scratch,
                     ev_error *error) {
    const ev_split *split = &column->sequence.split;
    ev_layout at = lay_out(column, rows->rows);
    int partial = column->stored < rows->rows, classed = ev_is_classed(&column->sequence), status = EV_OK;
    uint8_t selected[256] = {0}, class_of[256] = {0}, before[256] = {0}, *own_kinds = (uint8_t *)scratch + at.kinds;
    void *values = partial ? (uint8_t *)scratch + at.stored : out;
    for (uint32_t i = 0; (partial || classed || column->held) && i < rows->kind_count; i++) {
        selected[rows->kinds[i]] = column->mask[i / 8] >> (i % 8) & 1;
        if (split->class_count > 1) class_of[rows->kinds[i]] = (uint8_t)(split->classes[i] * split->before_count);
        if (split->before_count > 1) before[rows->kinds[i]] = split->before[i];
    }
    if (classed || column->held) status = stored_kinds(column, rows->rows, kinds, selected, own_kinds, error);
    if (status) return status;
    if (column->held) status = decode_held(column, parts, own_kinds, scratch, &at, values, error);
    else {
        uint8_t of_before = 0;
        for (size_t i = 0; classed && i < column->stored; i++) {
            uint8_t kind = own_kinds[i];
            own_kinds[i] = (uint8_t)(class_of[kind] + of_before);
            of_before = before[kind];
        }
        status = ev_decode(&column->sequence, parts, own_kinds, values, (uint8_t *)scratch + at.inner, error);
    }
    if (status || !partial) return status;
    return ev_scatter(values, column->stored, ev_dtype_bits(column->dtype) / 8, kinds, rows->rows, selected, out, error);
}

/* The kernels that are compiled once for each CPU level, as a table: whoever calls them calls through one. */
#ifndef EV_KERNELS_H
#define EV_KERNELS_H

#include "ev_column.h"
#include "ev_encode.h"
#include "ev_kinds.h"

/* What each does is said where the function of that name is declared, with ev_ before it. All tables give the same results. */
typedef struct {
    int (*decode)(const ev_sequence *sequence, const uint8_t *const *parts, const uint8_t *classes, void *values, void *scratch,
                  ev_error *error);
    int (*needs_kinds)(const ev_column *column, uint32_t rows);
    unsigned (*column_streams)(const ev_column *column, const ev_stream *streams[EV_MAX_COLUMN_STREAMS]);
    size_t (*column_scratch)(const ev_column *column, uint32_t rows);
    int (*decode_column)(const ev_column *column, const ev_rows *rows, const uint8_t *const *parts, const uint8_t *kinds, void *out, void *scratch,
                         ev_error *error);

    size_t (*encode_room)(size_t count, unsigned bits);
    size_t (*encode_scratch)(size_t count, unsigned bits);
    unsigned (*rank)(ev_encoder *encoder, ev_search search, ev_choice choices[EV_MAX_CHOICES]);
    int (*emit)(const ev_encoder *encoder, const ev_choice *choice, ev_output *output);

    void (*count_kinds)(const uint8_t *kinds, size_t count, uint32_t counts[256]);
    int (*kinds_match)(const uint8_t *kinds, size_t count, const uint8_t *listed, const uint32_t *listed_rows, uint32_t listed_count);
    void (*kinds_with_values)(const void *values, size_t size, const uint8_t *kinds, size_t count, unsigned most, uint8_t nonzero[256]);
    size_t (*find_kinds)(const uint8_t *kinds, size_t count, const uint8_t selected[256], int64_t *rows, size_t most);
    int (*is_sparse)(size_t stored_count, size_t count, size_t size);
    size_t (*gather)(const void *values, size_t size, const uint8_t *kinds, size_t count, const uint8_t selected[256], void *out);
    int (*scatter)(const void *stored, size_t stored_count, size_t size, const uint8_t *kinds, size_t count,
                   const uint8_t selected[256], void *out, ev_error *error);
    void (*range)(const int64_t *values, size_t count, int64_t *low, int64_t *high);
} ev_kernels;

#endif

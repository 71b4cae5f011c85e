/* The table of one CPU level. */
#include "ev_kernels.h"

extern const ev_kernels ev_kernel_table;

const ev_kernels ev_kernel_table = {
    .decode = ev_decode,
    .needs_kinds = ev_needs_kinds,
    .column_streams = ev_column_streams,
    .column_scratch = ev_column_scratch,
    .decode_column = ev_decode_column,
    .encode_room = ev_encode_room,
    .encode_scratch = ev_encode_scratch,
    .rank = ev_rank,
    .emit = ev_emit,
    .count_kinds = ev_count_kinds,
    .kinds_match = ev_kinds_match,
    .kinds_with_values = ev_kinds_with_values,
    .find_kinds = ev_find_kinds,
    .is_sparse = ev_is_sparse,
    .gather = ev_gather,
    .scatter = ev_scatter,
    .range = ev_range,
};

/* Decoding a column of a table: its stored rows, and where they stand among all rows. */
#ifndef EV_COLUMN_H
#define EV_COLUMN_H

#include "ev_table.h"

/* Whether the kinds of the rows are needed to decode the column. */
int ev_needs_kinds(const ev_column *column, uint32_t rows);

/* Bytes of scratch that ev_decode_column needs. */
size_t ev_column_scratch(const ev_column *column, uint32_t rows);

/* Streams of a column, at most EV_MAX_COLUMN_STREAMS, as ev_sequence_streams. */
#define EV_MAX_COLUMN_STREAMS (2 * EV_MAX_STREAMS)
unsigned ev_column_streams(const ev_column *column, const ev_stream *streams[EV_MAX_COLUMN_STREAMS]);

/* Decode a column that has stored rows into `out`, room for all rows, of the column's width; rows that are not stored are left as they
 * are. `kinds` is the kind of every row, or NULL where it is not needed; `parts` and `scratch` as for ev_decode. */
int ev_decode_column(const ev_column *column, const ev_rows *rows, const uint8_t *const *parts, const uint8_t *kinds, void *out, void *scratch,
                     ev_error *error);

#endif

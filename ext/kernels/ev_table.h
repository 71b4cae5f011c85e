/* A table (docs/format.md, section 5): its columns and parts, read and checked before anything is decompressed. */
#ifndef EV_TABLE_H
#define EV_TABLE_H

#include "ev_sequence.h"

#define EV_MAX_COLUMNS 1024
#define EV_MAX_KINDS 256
#define EV_MAX_PART_BYTES 67108864

/* The first byte of a column's values when they are held codes. */
#define EV_HELD 0x40
/* Id of the column that tells each row's kind. */
#define EV_KIND_COLUMN 2

/* Number of rows and how many of each of the table's kinds; kind_count is 0 in an index. */
typedef struct {
    uint32_t rows;
    uint32_t kind_count;
    const uint8_t *kinds;
    const uint32_t *kind_rows;
} ev_rows;

typedef struct {
    uint32_t id;         /* 0: named */
    uint8_t has_dtype;
    uint8_t dtype;       /* code of the format, when has_dtype */
    uint8_t group;       /* of a named column in a block */
    uint8_t name_length;
    const uint8_t *name;
    const uint8_t *mask; /* NULL in an index */
    uint32_t stored;     /* rows that are stored */
    uint8_t held;        /* whether they are held codes */
    ev_sequence sequence;
    ev_sequence positions; /* of held codes; their count is 0 where there are none */
} ev_column;

typedef struct {
    uint8_t codec;
    uint64_t raw_length;
    uint64_t stored_length;
    const uint8_t *bytes;
} ev_part;

/* Width in bits of the dtype with this code, 0 for a code that is none. */
unsigned ev_dtype_bits(unsigned code);

/* Read the number of columns, at most EV_MAX_COLUMNS. */
int ev_read_column_count(ev_cursor *cursor, uint32_t *count, ev_error *error);

/* Read one column. `standard_dtypes[id]` is the dtype code of each numbered column, for ids 1 to last_id. */
int ev_read_column(ev_cursor *cursor, const ev_rows *rows, int in_index, const uint8_t *standard_dtypes, uint32_t last_id,
                   ev_column *column, ev_part_use *use, ev_error *error);

/* Read the parts behind the columns, `parts` having room for EV_MAX_PARTS, and check that streams use them up exactly and that
 * the bytes end with the last part. */
int ev_read_parts(ev_cursor *cursor, const ev_part_use *use, ev_part *parts, uint32_t *count, ev_error *error);

#endif

/* Rows by kind: counting kinds, and moving values between all rows and the rows of some kinds. */
#ifndef EV_KINDS_H
#define EV_KINDS_H

#include "ev_base.h"

/* Count each of the 256 kinds. */
void ev_count_kinds(const uint8_t *kinds, size_t count, uint32_t counts[256]);

/* Whether `kinds` holds listed_rows[i] of each kind listed[i], and no other kind. */
int ev_kinds_match(const uint8_t *kinds, size_t count, const uint8_t *listed, const uint32_t *listed_rows, uint32_t listed_count);

/* Set nonzero[k] for each kind k that has a value other than 0. `size` is the bytes of a value: 1, 2, 4 or 8. There are at most `most` different
 * kinds: when all of them have been seen the rest is not looked at. */
void ev_kinds_with_values(const void *values, size_t size, const uint8_t *kinds, size_t count, unsigned most, uint8_t nonzero[256]);

/* Copy the values of the rows whose kind is selected (1, else 0), in order; returns how many. `out` has room for all. */
size_t ev_gather(const void *values, size_t size, const uint8_t *kinds, size_t count, const uint8_t selected[256], void *out);

/* Set `rows` to the numbers of the rows whose kind is selected (1, else 0), ascending, at most `most` of them, and return how many. There is room for one
 * more behind them. */
size_t ev_find_kinds(const uint8_t *kinds, size_t count, const uint8_t selected[256], int64_t *rows, size_t most);

/* Whether so few rows are stored that ev_scatter may leave the others as they are, so that they have to be 0 before. */
int ev_is_sparse(size_t stored_count, size_t count, size_t size);

/* The reverse, into rows that are 0 where ev_is_sparse says so. There are `stored_count` values, and room for one more behind them that may be read; returns EV_CORRUPT
 * unless exactly as many rows are selected. */
int ev_scatter(const void *stored, size_t stored_count, size_t size, const uint8_t *kinds, size_t count,
               const uint8_t selected[256], void *out, ev_error *error);

/* Smallest and largest of count >= 1 values. */
void ev_range(const int64_t *values, size_t count, int64_t *low, int64_t *high);

#endif

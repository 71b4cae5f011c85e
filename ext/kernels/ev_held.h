/* Held codes (docs/format.md, section 5.5): a key that goes up went down before, so its place among those that are down tells which it is. */
#ifndef EV_HELD_H
#define EV_HELD_H

#include "ev_base.h"

#define EV_MOST_HELD 64

/* Whether rows of a kind take a position: releases and repeats. */
int ev_takes_position(uint8_t kind);

/* Turn values of `size` = 1, 2, 4 or 8 bytes into codes and positions. Both have room for `count`. Sets how many there are of each. */
void ev_hold(const void *values, size_t size, const uint8_t *kinds, size_t count, void *codes, size_t *code_count, uint8_t *positions,
             size_t *position_count);

/* The reverse. There are as many positions as rows that take one. */
int ev_release(const void *codes, size_t code_count, size_t size, const uint8_t *positions, const uint8_t *kinds, size_t count, void *values,
               ev_error *error);

#endif

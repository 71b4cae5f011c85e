/* The bodies of ev_kinds.c for one lane width. */
#include "ev_lanes.h"

static void LANE_NAME(kinds_with_values)(const void *from, const uint8_t *kinds, size_t count, uint8_t nonzero[256]) {
    const LANE *values = (const LANE *)from;
    for (size_t i = 0; i < count; i++) nonzero[kinds[i]] |= values[i] != 0;
}

static size_t LANE_NAME(gather)(const void *from, const uint8_t *kinds, size_t count, const uint8_t selected[256], void *to) {
    const LANE *values = (const LANE *)from;
    LANE *out = (LANE *)to;
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        if (selected[kinds[i]]) out[found++] = values[i];
    return found;
}

static void LANE_NAME(scatter)(const void *from, const uint8_t *kinds, size_t count, const uint8_t selected[256], void *to) {
    const LANE *stored = (const LANE *)from;
    LANE *out = (LANE *)to;
    for (size_t i = 0; i < count; i++) {
        out[i] = 0;
        if (selected[kinds[i]]) out[i] = *stored++;
    }
}

#include "ev_lanes_end.h"

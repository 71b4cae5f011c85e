/* The bodies of ev_kinds.c for one lane width. */
#include "ev_lanes.h"

static void LANE_NAME(kinds_with_values)(const void *from, const uint8_t *kinds, size_t count, uint8_t nonzero[256]) {
    const LANE *values = (const LANE *)from;
    enum { TILE = 512 };
    for (size_t start = 0; start < count; start += TILE) {
        size_t stop = count - start < TILE ? count : start + TILE;
        LANE all = 0;
        for (size_t i = start; i < stop; i++) all |= values[i]; /* most tiles of most sparse columns are zero throughout */
        if (!all) continue;
        unsigned unseen = 0; /* nearly every tile tells nothing new: to look is cheaper than to write the same byte again and again */
        for (size_t i = start; i < stop; i++) unseen |= (values[i] != 0) & !nonzero[kinds[i]];
        if (!unseen) continue;
        for (size_t i = start; i < stop; i++) nonzero[kinds[i]] |= values[i] != 0;
    }
}

static size_t LANE_NAME(gather)(const void *from, const uint8_t *kinds, size_t count, const uint8_t selected[256], void *to) {
    const LANE *values = (const LANE *)from;
    LANE *out = (LANE *)to;
    size_t found = 0;
    for (size_t i = 0; i < count; i++) { /* no branch depends on the kind */
        out[found] = values[i];
        found += selected[kinds[i]];
    }
    return found;
}

/* Few rows are selected: eight at a time are passed over when none of them is. */
static size_t LANE_NAME(scatter_sparse)(const LANE *stored, size_t stored_count, const uint8_t *kinds, size_t count, const uint8_t *list,
                                        unsigned listed, const uint8_t selected[256], LANE *out) {
    size_t found = 0, i = 0;
    for (; i + GROUP <= count; i += GROUP) {
        uint8_t flags[GROUP];
        flag_listed(kinds + i, list, listed, flags);
        for (unsigned eight = 0; eight < GROUP; eight += 8) {
            if (!ev_load64(flags + eight)) continue;
            for (unsigned row = eight; row < eight + 8; row++)
                if (flags[row]) {
                    if (found == stored_count) return found + 1;
                    out[i + row] = stored[found++];
                }
        }
    }
    for (; i < count; i++)
        if (selected[kinds[i]]) {
            if (found == stored_count) return found + 1;
            out[i] = stored[found++];
        }
    return found;
}

static size_t LANE_NAME(scatter)(const void *from, size_t stored_count, const uint8_t *kinds, size_t count, const uint8_t selected[256], void *to) {
    const LANE *stored = (const LANE *)from;
    LANE *out = (LANE *)to;
    uint8_t list[MAX_SPARSE_KINDS];
    unsigned listed = ev_is_sparse(stored_count, count, sizeof(LANE)) ? list_kinds(selected, list) : 0;
    if (listed) return LANE_NAME(scatter_sparse)(stored, stored_count, kinds, count, list, listed, selected, out);
    size_t found = 0, i = 0;
#if EV_BITS == 32 && defined(__AVX2__)
    i = ev_scatter_rows32(stored, stored_count, kinds, count, selected, out, &found);
#endif
    for (; i < count; i++) { /* no branch depends on the kind */
        LANE chosen = selected[kinds[i]];
        if (found == stored_count && chosen) return found + 1;
        out[i] = (LANE)(stored[found] & (LANE)(0 - chosen));
        found += chosen;
    }
    return found;
}

#include "ev_lanes_end.h"

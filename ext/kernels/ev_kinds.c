#include "ev_kinds.h"

#ifdef __AVX2__
#include "ev_rows_avx2.h"
#endif

void ev_count_kinds(const uint8_t *kinds, size_t count, uint32_t counts[256]) {
    uint32_t lanes[4][256]; /* runs of one kind would wait for the same counter */
    memset(lanes, 0, sizeof lanes);
    size_t i = 0;
    for (; i + 4 <= count; i += 4)
        for (unsigned lane = 0; lane < 4; lane++) lanes[lane][kinds[i + lane]]++;
    for (; i < count; i++) lanes[0][kinds[i]]++;
    for (unsigned kind = 0; kind < 256; kind++) counts[kind] = lanes[0][kind] + lanes[1][kind] + lanes[2][kind] + lanes[3][kind];
}

/* How many are `kind`: sums of bytes that cannot overflow, which a compiler turns into vector operations. */
static size_t count_kind(const uint8_t *kinds, size_t count, uint8_t kind) {
    size_t total = 0;
    for (size_t start = 0; start < count; start += 240) {
        size_t stop = count - start < 240 ? count : start + 240;
        uint8_t found = 0;
        for (size_t i = start; i < stop; i++) found = (uint8_t)(found + (kinds[i] == kind));
        total += found;
    }
    return total;
}

int ev_kinds_match(const uint8_t *kinds, size_t count, const uint8_t *listed, const uint32_t *listed_rows, uint32_t listed_count) {
    enum { MAX_PASSES = 12 };
    if (listed_count > MAX_PASSES) {
        uint32_t counts[256];
        ev_count_kinds(kinds, count, counts);
        for (uint32_t i = 0; i < listed_count; i++)
            if (counts[listed[i]] != listed_rows[i]) return 0;
    }
    size_t total = 0;
    for (uint32_t i = 0; i < listed_count; i++) {
        if (listed_count <= MAX_PASSES && count_kind(kinds, count, listed[i]) != listed_rows[i]) return 0;
        total += listed_rows[i];
    }
    return total == count;
}

void ev_range(const int64_t *values, size_t count, int64_t *low, int64_t *high) {
    int64_t least[4], most[4]; /* four lanes: one would wait for itself */
    for (unsigned lane = 0; lane < 4; lane++) least[lane] = most[lane] = values[0];
    size_t i = 0;
    for (; i + 4 <= count; i += 4)
        for (unsigned lane = 0; lane < 4; lane++) {
            int64_t value = values[i + lane];
            least[lane] = value < least[lane] ? value : least[lane];
            most[lane] = value > most[lane] ? value : most[lane];
        }
    for (; i < count; i++) {
        least[0] = values[i] < least[0] ? values[i] : least[0];
        most[0] = values[i] > most[0] ? values[i] : most[0];
    }
    for (unsigned lane = 1; lane < 4; lane++) {
        least[0] = least[lane] < least[0] ? least[lane] : least[0];
        most[0] = most[lane] > most[0] ? most[lane] : most[0];
    }
    *low = least[0];
    *high = most[0];
}

size_t ev_find_kinds(const uint8_t *kinds, size_t count, const uint8_t selected[256], int64_t *rows, size_t most) {
    size_t i = 0, found = 0;
#ifdef __AVX2__
    i = ev_find_rows(kinds, count, selected, rows, most, &found);
#endif
    for (; i < count && found <= most; i++) { /* no branch depends on the kind */
        rows[found] = (int64_t)i;
        found += selected[kinds[i]];
    }
    return found < most ? found : most;
}

enum { MAX_SPARSE_KINDS = 8, GROUP = 64 };

int ev_is_sparse(size_t stored_count, size_t count, size_t size) {
#ifdef __AVX2__
    if (size == 4) return stored_count * 128 < count; /* bringing all rows to their places takes less than looking for them */
#endif
    (void)size;
    return stored_count * 4 < count;
}

/* The selected kinds, when they are few; else 0. */
static unsigned list_kinds(const uint8_t selected[256], uint8_t list[MAX_SPARSE_KINDS]) {
    unsigned count = 0;
    for (unsigned kind = 0; kind < 256; kind++) {
        if (!selected[kind]) continue;
        if (count == MAX_SPARSE_KINDS) return 0;
        list[count++] = (uint8_t)kind;
    }
    return count;
}

/* Flag which of GROUP kinds are in the list: comparisons that a compiler turns into a few vector operations. */
static void flag_listed(const uint8_t *kinds, const uint8_t *list, unsigned listed, uint8_t flags[GROUP]) {
    for (unsigned i = 0; i < GROUP; i++) flags[i] = kinds[i] == list[0];
    for (unsigned k = 1; k < listed; k++)
        for (unsigned i = 0; i < GROUP; i++) flags[i] |= kinds[i] == list[k];
}

#define EV_BITS 8
#include "ev_kinds_lanes.h"
#define EV_BITS 16
#include "ev_kinds_lanes.h"
#define EV_BITS 32
#include "ev_kinds_lanes.h"
#define EV_BITS 64
#include "ev_kinds_lanes.h"

void ev_kinds_with_values(const void *values, size_t size, const uint8_t *kinds, size_t count, unsigned most, uint8_t nonzero[256]) {
    enum { PIECE = 8192 };
    memset(nonzero, 0, 256);
    for (size_t start = 0; start < count; start += PIECE) {
        size_t length = count - start < PIECE ? count - start : PIECE;
        const uint8_t *from = (const uint8_t *)values + start * size;
        switch (size) {
        case 1: kinds_with_values8(from, kinds + start, length, nonzero); break;
        case 2: kinds_with_values16(from, kinds + start, length, nonzero); break;
        case 4: kinds_with_values32(from, kinds + start, length, nonzero); break;
        default: kinds_with_values64(from, kinds + start, length, nonzero); break;
        }
        unsigned seen = 0;
        for (unsigned kind = 0; kind < 256; kind++) seen += nonzero[kind];
        if (seen == most) return;
    }
}

size_t ev_gather(const void *values, size_t size, const uint8_t *kinds, size_t count, const uint8_t selected[256], void *out) {
    switch (size) {
    case 1: return gather8(values, kinds, count, selected, out);
    case 2: return gather16(values, kinds, count, selected, out);
    case 4: return gather32(values, kinds, count, selected, out);
    default: return gather64(values, kinds, count, selected, out);
    }
}

int ev_scatter(const void *stored, size_t stored_count, size_t size, const uint8_t *kinds, size_t count,
               const uint8_t selected[256], void *out, ev_error *error) {
    size_t found;
    switch (size) {
    case 1: found = scatter8(stored, stored_count, kinds, count, selected, out); break;
    case 2: found = scatter16(stored, stored_count, kinds, count, selected, out); break;
    case 4: found = scatter32(stored, stored_count, kinds, count, selected, out); break;
    default: found = scatter64(stored, stored_count, kinds, count, selected, out); break;
    }
    return found == stored_count ? EV_OK : ev_fail(error, EV_CORRUPT, "rows of the kinds of a mask", found, stored_count);
}

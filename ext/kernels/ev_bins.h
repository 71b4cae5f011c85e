/* Choosing bins (docs/format.md, section 5.3) for the distribution of some values, and finding the bin of a value. */
#ifndef EV_BINS_H
#define EV_BINS_H

#include "ev_base.h"

#define EV_MAX_BINS 256
#define EV_BIN_SAMPLE 16384

/* Bins in ascending order of `low`, but for the last `spare`, which overlap others: they take the values that no other bin has. */
typedef struct {
    double cost;      /* estimated bytes of codes, bits and description for all values */
    double beside;    /* of them bits */
    unsigned count;
    unsigned spare;
    unsigned code_bits;
    int64_t median;   /* of the values they were chosen for */
    int64_t high;     /* end of the last that is not spare */
    int64_t low[EV_MAX_BINS];
    uint8_t extra[EV_MAX_BINS];
} ev_bins;

/* Choose bins for `count` values, 1 to EV_BIN_SAMPLE, each of which stands for `weight`. Returns how many ways there are, 1 or 2: the cheapest, and
 * the cheapest whose codes are narrower. `values` is put in order; `scratch` has room for as many. */
unsigned ev_choose_bins(int64_t *values, size_t count, double weight, int64_t *scratch, ev_bins bins[2]);

/* Sort by value. */
void ev_sort(int64_t *values, size_t count, int64_t *scratch);

/* Leave out the last bins, of which only the first `used` are taken. */
void ev_trim(ev_bins *bins, unsigned used);

/* Make sure that every value from `least` to `most` has a bin. */
void ev_cover(ev_bins *bins, int64_t least, int64_t most);

/* Which bin most values are in, without a search. */
#define EV_FINDER_STEPS 4096
#define EV_NOT_FOUND 0xFFFF
typedef struct {
    int64_t origin;
    unsigned shift;
    uint16_t code[EV_FINDER_STEPS]; /* of all values of this step above the origin, or EV_NOT_FOUND where they are in several bins */
} ev_bin_finder;

void ev_set_finder(ev_bin_finder *finder, const ev_bins *bins);

/* The code of a value that is covered, by search. */
unsigned ev_search_bin(const ev_bins *bins, int64_t value);

static inline unsigned ev_bin_of(const ev_bin_finder *finder, const ev_bins *bins, int64_t value) {
    uint64_t step = ((uint64_t)value - (uint64_t)finder->origin) >> finder->shift;
    unsigned code = step < EV_FINDER_STEPS ? finder->code[step] : EV_NOT_FOUND;
    return code != EV_NOT_FOUND ? code : ev_search_bin(bins, value);
}

#endif

#include "ev_bins.h"

#include <math.h>

/* Two codes are left for what no bin has: see ev_cover. */
enum { MOST_CELLS = 512, MOST_CHOSEN = EV_MAX_BINS - 2, MOST_NARROW = 16 - 2 };

/* Neighbouring values, which may become a bin; merged ones leave the list. */
typedef struct {
    int64_t low[MOST_CELLS], high[MOST_CELLS];
    double count[MOST_CELLS], cost[MOST_CELLS], gain[MOST_CELLS]; /* gain: bytes saved by merging with the next */
    unsigned next[MOST_CELLS];
    unsigned cells;
    double total_bits; /* log2 of all values */
} ev_cells;

/* By the bytes that differ, least significant first. */
void ev_sort(int64_t *values, size_t count, int64_t *scratch) {
    const uint64_t sign = (uint64_t)1 << 63;
    uint64_t differ = 0;
    for (size_t i = 1; i < count; i++) differ |= (uint64_t)values[i] ^ (uint64_t)values[0];
    int64_t *from = values, *to = scratch;
    for (unsigned shift = 0; shift < 64; shift += 8) {
        if (!(differ >> shift & 255)) continue;
        uint32_t at[257] = {0};
        for (size_t i = 0; i < count; i++) at[(((uint64_t)from[i] ^ sign) >> shift & 255) + 1]++;
        for (unsigned byte = 0; byte < 256; byte++) at[byte + 1] += at[byte];
        for (size_t i = 0; i < count; i++) to[at[((uint64_t)from[i] ^ sign) >> shift & 255]++] = from[i];
        int64_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != values) memcpy(values, from, count * sizeof *values);
}

static unsigned extra_bits(int64_t low, int64_t high) {
    uint64_t span = (uint64_t)high - (uint64_t)low;
    return span ? ev_log2(span) + 1 : 0;
}

/* Bytes for a bin and what falls into it. */
static double cost_of(const ev_cells *cells, int64_t low, int64_t high, double count) {
    const double description = 2.5; /* gap and extra bits, and a place in zstd's table of codes */
    /* A bit in a code is worth more than one beside it: zstd may find a use for what it follows. */
    return description + count * (cells->total_bits - log2(count) + 1.05 * extra_bits(low, high)) / 8;
}

static void set_gain(ev_cells *cells, unsigned at) {
    unsigned next = cells->next[at];
    if (next == MOST_CELLS) {
        cells->gain[at] = -HUGE_VAL;
        return;
    }
    cells->gain[at] = cells->cost[at] + cells->cost[next] -
                      cost_of(cells, cells->low[at], cells->high[next], cells->count[at] + cells->count[next]);
}

/* Divide sorted values into cells of about the same number; a frequent value has a cell of its own. */
static void divide(ev_cells *cells, const int64_t *values, size_t count, double weight) {
    /* Fewer values tell less, of a sample less still, and merging takes the square of the cells. */
    size_t wanted = count / (weight > 1 ? 64 : 16), start = 0;
    wanted = wanted < 32 ? 32 : wanted > MOST_CELLS / 2 ? MOST_CELLS / 2 : wanted;
    size_t target = count / wanted + 1;
    cells->cells = 0;
    cells->total_bits = log2((double)count * weight);
    while (start < count) {
        size_t stop = start + 1;
        while (stop < count && values[stop] == values[start]) stop++;
        while (stop < count && stop - start < target && cells->cells + 1 < MOST_CELLS) {
            size_t run = stop + 1;
            while (run < count && values[run] == values[stop]) run++;
            if (run - stop >= target / 2 + 1 || run - start > target) break;
            stop = run;
        }
        if (cells->cells + 1 == MOST_CELLS) stop = count;
        unsigned at = cells->cells++;
        cells->low[at] = values[start];
        cells->high[at] = values[stop - 1];
        cells->count[at] = (double)(stop - start) * weight;
        cells->next[at] = at + 1;
        start = stop;
    }
    cells->next[cells->cells - 1] = MOST_CELLS;
    for (unsigned at = 0; at < cells->cells; at++) cells->cost[at] = cost_of(cells, cells->low[at], cells->high[at], cells->count[at]);
    for (unsigned at = 0; at < cells->cells; at++) set_gain(cells, at);
}

/* The cell that it costs least to merge with its next. */
static unsigned best_merge(const ev_cells *cells) {
    unsigned best = 0;
    for (unsigned at = 0; at != MOST_CELLS; at = cells->next[at])
        if (cells->gain[at] > cells->gain[best]) best = at;
    return best;
}

static void merge(ev_cells *cells, unsigned best) {
    unsigned before = MOST_CELLS;
    unsigned gone = cells->next[best];
    cells->high[best] = cells->high[gone];
    cells->count[best] += cells->count[gone];
    cells->next[best] = cells->next[gone];
    cells->cost[best] = cost_of(cells, cells->low[best], cells->high[best], cells->count[best]);
    cells->cells--;
    set_gain(cells, best);
    for (unsigned at = 0; at != best; at = cells->next[at]) before = at;
    if (before != MOST_CELLS) set_gain(cells, before);
}

static unsigned narrowest(unsigned count) { return count <= 2 ? 1 : count <= 4 ? 2 : count <= 16 ? 4 : 8; }

static void take_bins(const ev_cells *cells, ev_bins *bins) {
    uint64_t end = 0; /* of the bin before */
    bins->count = bins->spare = 0;
    bins->cost = bins->beside = 0;
    double most = 0, total = 0;
    for (unsigned at = 0; at != MOST_CELLS; at = cells->next[at]) {
        unsigned extra = extra_bits(cells->low[at], cells->high[at]);
        /* A bin that can begin where the last one ends needs no gap, and takes what the sample did not show. */
        int joins = bins->count && extra < 64 && ((uint64_t)cells->high[at] - end) >> extra == 0;
        bins->low[bins->count] = joins ? (int64_t)end : cells->low[at];
        bins->extra[bins->count++] = (uint8_t)extra;
        end = (uint64_t)bins->low[bins->count - 1] + (extra < 64 ? (uint64_t)1 << extra : 0);
        bins->cost += cells->cost[at];
        bins->beside += cells->count[at] * bins->extra[bins->count - 1] / 8;
        total += cells->count[at];
        bins->high = cells->high[at];
        most = cells->count[at] > most ? cells->count[at] : most;
    }
    bins->code_bits = narrowest(bins->count);
    /* Huffman's code of a byte is at least one bit: what a code that stands alone is more likely than one half loses. */
    if (bins->code_bits == 8 && most * 2 > total) bins->cost += most * (1 - log2(total / most)) / 8;
}

unsigned ev_choose_bins(int64_t *values, size_t count, double weight, int64_t *scratch, ev_bins bins[2]) {
    ev_cells cells;
    ev_sort(values, count, scratch);
    divide(&cells, values, count, weight);
    for (unsigned best = best_merge(&cells); cells.gain[best] > 0 || cells.cells > MOST_CHOSEN; best = best_merge(&cells)) merge(&cells, best);
    take_bins(&cells, &bins[0]);
    bins[0].median = bins[1].median = values[count / 2];
    if (bins[0].count <= MOST_NARROW) return 1;
    while (cells.cells > MOST_NARROW) merge(&cells, best_merge(&cells));
    take_bins(&cells, &bins[1]);
    return 2;
}

static void add_spare(ev_bins *bins, int64_t low, int64_t high) {
    bins->low[bins->count] = low;
    bins->extra[bins->count++] = (uint8_t)extra_bits(low, high);
    bins->spare++;
}

void ev_cover(ev_bins *bins, int64_t least, int64_t most) {
    if (bins->low[0] < bins->high) add_spare(bins, bins->low[0], bins->high);
    add_spare(bins, least, most);
}

void ev_trim(ev_bins *bins, unsigned used) {
    bins->spare -= bins->count - used < bins->spare ? bins->count - used : bins->spare;
    bins->count = used;
    bins->code_bits = narrowest(used);
}

unsigned ev_search_bin(const ev_bins *bins, int64_t value) {
    unsigned low = 0, count = bins->count - bins->spare;
    while (count > 1) { /* the last bin that does not begin above the value */
        unsigned half = count / 2;
        if (bins->low[low + half] <= value) low += half;
        count -= half;
    }
    for (unsigned at = low; at < bins->count; at = at == low ? bins->count - bins->spare : at + 1) {
        uint64_t above = (uint64_t)value - (uint64_t)bins->low[at];
        if (value >= bins->low[at] && (bins->extra[at] == 64 || above >> bins->extra[at] == 0)) return at;
        if (at == low && bins->spare == 0) break;
    }
    return bins->count - 1;
}

void ev_set_finder(ev_bin_finder *finder, const ev_bins *bins) {
    unsigned count = bins->count - bins->spare;
    memset(finder->code, 255, sizeof finder->code);
    finder->origin = bins->low[0];
    finder->shift = 0;
    int64_t last = bins->low[count - 1];
    uint64_t span = (uint64_t)last - (uint64_t)finder->origin;
    while (span >> finder->shift >= EV_FINDER_STEPS && finder->shift < 8) finder->shift++;
    uint64_t room = (uint64_t)EV_FINDER_STEPS << finder->shift;
    if (span >= room) { /* one end is far off: keep the middle */
        unsigned middle = count / 2;
        finder->origin = (int64_t)((uint64_t)bins->low[middle] - room / 2);
    }
    for (unsigned at = 0; at < count; at++) {
        uint64_t size = bins->extra[at] == 64 ? ~(uint64_t)0 : (uint64_t)1 << bins->extra[at];
        uint64_t begin = (uint64_t)bins->low[at] - (uint64_t)finder->origin;
        uint64_t limit = at + 1 < count ? (uint64_t)bins->low[at + 1] - (uint64_t)bins->low[at] : size;
        uint64_t reach = size < limit ? size : limit; /* a bin that begins later takes precedence */
        uint64_t step = begin >= room ? EV_FINDER_STEPS : (begin + ((uint64_t)1 << finder->shift) - 1) >> finder->shift;
        for (; step < EV_FINDER_STEPS && ((step + 1) << finder->shift) <= begin + reach; step++) finder->code[step] = (uint16_t)at;
    }
}

/* Counting, gathering and scattering by kind, beside the plain way to do each.
 *
 * Input: shape, count, the selected kinds, the kinds of the rows, values. */
#include "fuzz.h"

static uint64_t value_at(const uint8_t *values, size_t width, size_t i) {
    uint64_t value = 0;
    for (size_t byte = 0; byte < width; byte++) value |= (uint64_t)values[i * width + byte] << 8 * byte;
    return value;
}

static void check(const ev_kernels *kernels, const uint8_t *values, size_t width, const uint8_t *kinds, size_t count, const uint8_t *selected) {
    uint32_t counts[256], plain[256] = {0};
    uint8_t nonzero[256], listed[256], some[256] = {0};
    uint32_t rows[256], kind_count = 0;
    size_t found = 0, wanted = 0;
    int64_t low, high;
    ev_error error;
    kernels->count_kinds(kinds, count, counts);
    for (size_t i = 0; i < count; i++) plain[kinds[i]]++;
    require(!memcmp(counts, plain, sizeof counts), "kinds are counted");
    for (unsigned kind = 0; kind < 256; kind++)
        if (counts[kind]) {
            listed[kind_count] = (uint8_t)kind;
            rows[kind_count++] = counts[kind];
        }
    require(kernels->kinds_match(kinds, count, listed, rows, kind_count), "kinds match their own counts");
    if (kind_count > 1) {
        rows[0]++;
        rows[1]--;
        require(!kernels->kinds_match(kinds, count, listed, rows, kind_count), "kinds do not match other counts");
        require(!kernels->kinds_match(kinds, count, listed + 1, rows + 1, kind_count - 1), "kinds do not match fewer kinds");
    }
    for (size_t i = 0; i < count; i++)
        if (value_at(values, width, i)) some[kinds[i]] = 1;
    kernels->kinds_with_values(values, width, kinds, count, kind_count, nonzero);
    require(!memcmp(nonzero, some, sizeof some), "kinds with values are found");
    /* what is selected, and back */
    uint8_t *gathered = exact(count * width, 0x51), *back = exact(count * width, 0);
    found = kernels->gather(values, width, kinds, count, selected, gathered);
    for (size_t i = 0; i < count; i++)
        if (selected[kinds[i]]) {
            require(value_at(gathered, width, wanted) == value_at(values, width, i), "values are gathered in order");
            wanted++;
        }
    require(found == wanted, "every selected row is gathered");
    uint8_t *stored = exact((found + 1) * width, 0xEE);
    memcpy(stored, gathered, found * width);
    require(!kernels->scatter(stored, found, width, kinds, count, selected, back, &error), "as many as were gathered are scattered");
    for (size_t i = 0; i < count; i++)
        require(value_at(back, width, i) == (selected[kinds[i]] ? value_at(values, width, i) : 0), "values are scattered to their rows");
    release(stored, (found + 1) * width);
    /* one stored value too few, one too many, and any number */
    for (size_t other = found ? found - 1 : 0; other <= found + 1; other++) {
        uint8_t *wrong = exact((other + 1) * width, 0xEE);
        memset(back, 0, count * width);
        int status = kernels->scatter(wrong, other, width, kinds, count, selected, back, &error);
        require((status == EV_OK) == (other == found), "a wrong number of values is refused");
        release(wrong, (other + 1) * width);
    }
    release(gathered, count * width);
    release(back, count * width);
    if (width != 8) return;
    kernels->range((const int64_t *)(const void *)values, count, &low, &high);
    for (size_t i = 0; i < count; i++) {
        int64_t value;
        memcpy(&value, values + i * 8, 8);
        require(low <= value && value <= high, "every value is in the range");
        wanted += value == low || value == high;
    }
    require(wanted > found, "the ends of the range are values");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input in = {data, data + size};
    unsigned shape = take(&in);
    size_t width = (size_t)1 << (shape & 3), count = take_count(&in);
    uint8_t selected[256] = {0}, *kinds = exact(count, 0), *values = exact(count * width, 0);
    for (unsigned left = shape >> 4; left; left--) selected[take(&in)] = 1;
    const uint8_t *start = in.at;
    fill_from(&in, start, kinds, count);
    if (shape & 4)
        for (size_t i = 0; i < count; i++) kinds[i] %= 9;
    fill_from(&in, start, values, count * width);
    if (shape & 8)
        for (size_t i = 0; i < count; i++)
            if (kinds[i] & 1) memset(values + i * width, 0, width);
    for (EACH_LEVEL(level)) check(ev_cpu_kernels(level), values, width, kinds, count, selected);
    release(kinds, count);
    release(values, count * width);
    return 0;
}

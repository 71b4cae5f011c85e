/* Held codes: what is held comes back, and any codes and positions are released or refused.
 *
 * Input: shape, count, kinds of the rows, then values, or codes and positions. */
#include "ev_held.h"
#include "fuzz.h"

static const uint8_t KINDS[] = {0, 1, 2, 4, 5, 8, 4, 5};

static void back_again(const void *values, size_t size, const uint8_t *kinds, size_t count) {
    uint8_t *codes = exact(count * size, 0x51), *positions = exact(count, 0x52), *found = exact(count * size, 0x53);
    size_t code_count = 0, position_count = 0, placed = 0;
    ev_error error;
    ev_hold(values, size, kinds, count, codes, &code_count, positions, &position_count);
    for (size_t i = 0; i < count; i++) placed += (size_t)ev_takes_position(kinds[i]);
    require(code_count <= count && position_count == placed && code_count + position_count >= count, "as many codes and positions as rows take");
    uint8_t *exact_codes = exact_copy(codes, code_count * size), *exact_positions = exact_copy(positions, position_count);
    require(!ev_release(exact_codes, code_count, size, exact_positions, kinds, count, found, &error), "what was held is released");
    require(!count || !memcmp(found, values, count * size), "held codes come back");
    release(exact_codes, code_count * size);
    release(exact_positions, position_count);
    release(codes, count * size);
    release(positions, count);
    release(found, count * size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input in = {data, data + size};
    unsigned shape = take(&in), few = shape >> 2 & 1;
    size_t width = (size_t)1 << (shape & 3), count = take_count(&in), placed = 0;
    uint8_t *kinds = exact(count, 0), *values = exact(count * width, 0);
    const uint8_t *start = in.at;
    fill_from(&in, start, kinds, count);
    for (size_t i = 0; i < count; i++) {
        if (!(shape & 8)) kinds[i] = KINDS[kinds[i] % sizeof KINDS];
        placed += (size_t)ev_takes_position(kinds[i]);
    }
    fill_from(&in, start, values, count * width);
    for (size_t i = 0; few && i < count * width; i++) values[i] = i % width ? 0 : values[i] % 9; /* few codes: many are down */
    back_again(values, width, kinds, count);
    size_t code_count = count - placed + (placed ? (shape >> 4) * placed / 15 : 0);
    uint8_t *codes = exact_copy(values, code_count * width), *positions = exact(placed, 0);
    fill_from(&in, start, positions, placed);
    for (size_t i = 0; few && i < placed; i++) positions[i] %= 5;
    ev_error error;
    ev_release(codes, code_count, width, positions, kinds, count, values, &error);
    release(codes, code_count * width);
    release(positions, placed);
    release(kinds, count);
    release(values, count * width);
    return 0;
}
